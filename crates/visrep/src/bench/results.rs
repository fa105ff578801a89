//! `results.json`: everything a benchmark found, and enough to draw the report from.

use serde::{Deserialize, Serialize};
use visrep_metrics::Score;

/// One benchmark's record.
#[derive(Debug, Serialize, Deserialize)]
pub struct Results {
    /// Version of this layout.
    pub schema: u32,
    /// visrep's version.
    pub visrep: String,
    /// The command line.
    pub command: String,
    /// When it ended, RFC 3339, UTC.
    pub finished: String,
    /// Wall time.
    pub seconds: f64,
    /// The machine and libraries, as name and value.
    pub environment: Vec<(String, String)>,
    /// The models compared, the floor first.
    pub models: Vec<ModelEntry>,
    /// The data sets used.
    pub datasets: Vec<DatasetEntry>,
    /// Every number with its protocol.
    pub scores: Vec<Score>,
    /// Counts behind the plots.
    pub details: Details,
}

/// What scores call the distance between pixels, the baseline of the similarity suite.
pub const PIXELS: &str = "pixels (mean squared error)";

impl Results {
    /// The index of the model that `score` is about.
    pub fn model_of(&self, score: &Score) -> Option<usize> {
        self.models
            .iter()
            .position(|model| model.architecture == score.model && model.weights == score.weights)
    }

    /// The data set that `score` was measured on.
    pub fn dataset_of(&self, score: &Score) -> Option<&DatasetEntry> {
        self.datasets.iter().find(|set| set.id == score.data)
    }

    /// What people call `score`, when it belongs in a summary.
    pub fn headline(&self, score: &Score) -> Option<String> {
        let name = suite_name(score)?;
        Some(match self.dataset_of(score) {
            Some(set) => format!("{}: {name}", set.label),
            None => name,
        })
    }
}

/// What people call a score that stands for its suite; `None` for the many that are details of one.
pub fn suite_name(score: &Score) -> Option<String> {
    if score.data == score.suite {
        return published_name(score);
    }
    let protocol = |key: &str| score.protocol.get(key).map_or("?", String::as_str);
    match (score.suite.as_str(), score.metric.as_str()) {
        ("knn", "top1") => Some(format!("kNN, k = {}", protocol("k"))),
        ("knn-dino" | "knn-sweep", "top1") => {
            Some(format!("{}, k = {}, T = {}", score.suite, protocol("k"), protocol("temperature")))
        }
        ("linear-protocol" | "linear-frozen" | "fine-tune", "top1") => {
            Some(format!("{} {}", score.suite, score.task))
        }
        ("representation", "class_separation") => Some("class separation".to_owned()),
        ("representation", "cka_labels") => Some("CKA with the labels".to_owned()),
        ("representation", "retrieval_map") => Some("retrieval mAP".to_owned()),
        ("linear", "top1") => Some("linear probe".to_owned()),
        ("linear", "ece") => Some("linear probe, ECE".to_owned()),
        ("imagenet-c", "mean-error") if score.task == "mean" => Some("error under corruption".to_owned()),
        ("imagenet-c", "mce") => Some("mCE (AlexNet = 100)".to_owned()),
        (suite, "top1") if suite.starts_with("few-shot-") => {
            let fewer = score.protocol.get("smallest_class").map_or("", |_| " (fewer in some classes)");
            Some(format!("{}-shot ridge{fewer}", protocol("shots")))
        }
        ("similarity", "2afc") if score.task == "mean" => Some("2AFC, distorted photographs".to_owned()),
        _ => None,
    }
}

/// The same for a suite on data of its own, such as ImageNet-A.
fn published_name(score: &Score) -> Option<String> {
    let of_mean = score.task == "mean" || score.task.ends_with("-mean");
    let what = match score.metric.as_str() {
        "top1" => "top-1",
        "mean-top1" => "top-1, mean over values",
        "mean-invariance" => "invariance of features",
        "drop" => "drop in unusual poses",
        "mean-error" if of_mean => "mean error",
        "mce" => "mCE (AlexNet = 100)",
        "relative-mce" => "relative mCE",
        "flip-probability" if of_mean || score.task.starts_with("one-pixel-") => "flip probability",
        "success" if !score.task.contains('/') => "success",
        "consistency" => "same class for two crops",
        "mfr" => "mFR (baseline = 100)",
        "mt5d" => "mT5D (baseline = 100)",
        "aupr" => "AUPR",
        "fpr95" => "FPR95",
        "shape-bias" if score.task == score.suite => "shape bias",
        "bg-gap" => "BG-Gap",
        "2afc" if of_mean => "2AFC",
        "mean-relative-distance" if of_mean => "distance under distortion",
        "fine-to-coarse" if of_mean => "distance of fine noise, of coarse",
        "map" if of_mean || score.suite == "remote-sensing" => "mAP",
        "f1_micro" => "F1, micro",
        "f1_macro" => "F1, macro",
        "mean-ece" if of_mean => "mean ECE",
        "mean-per-class" => "mean per class",
        "map-11" => "mAP at 11 recalls",
        "logit-mean" => "mean, by logits",
        "mean_19" => "mean of 19 tasks",
        "mean_of_groups" => "mean of 3 groups",
        "mean_of_found" => "mean of the tasks found",
        _ => return None,
    };
    let task = if score.task == score.suite || score.task == "mean" { "" } else { &score.task };
    Some(format!("{}{}{task}: {what}", score.suite, if task.is_empty() { "" } else { " " }))
}

/// Whether less of a figure is better.
pub fn lower_is_better(metric: &str) -> bool {
    [
        "error",
        "ece",
        "mce",
        "nll",
        "brier",
        "flip",
        "mfr",
        "mt5d",
        "distance",
        "fpr",
        "gap",
        "drop",
        "calibration",
        "success",
        "change",
    ]
    .iter()
    .any(|part| metric.contains(part))
}

/// A model of the comparison.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ModelEntry {
    /// What [`Details`] call it. Scores name a model by its architecture and weights.
    pub id: String,
    /// What people read.
    pub label: String,
    /// How it came to be, in a few words.
    pub about: String,
    /// Architecture.
    pub architecture: String,
    /// Its weights: a file, a run, or the seed of a random initialisation.
    pub weights: String,
    /// Trainable parameters of the backbone and head.
    pub parameters: i64,
}

/// A data set of the comparison.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DatasetEntry {
    /// What scores call it.
    pub id: String,
    /// What people read.
    pub label: String,
    /// How it is split.
    pub split: String,
    /// Number of training images.
    pub train: usize,
    /// Number of test images.
    pub test: usize,
    /// Class names in label order.
    pub classes: Vec<String>,
}

/// What plots need beyond scores.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Details {
    /// Reliability diagrams.
    pub reliability: Vec<Reliability>,
    /// Confusion matrices.
    pub confusion: Vec<Confusion>,
    /// Which images each classifier has right, for paired comparison.
    #[serde(default)]
    pub verdicts: Vec<Verdicts>,
    /// What images of the sets that verdicts are on have in common; of sets without an entry, each image stands for itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<ImageGroups>,
    /// Suites that need not be run again: empty but for `visrep bench SUITE`.
    #[serde(default)]
    pub finished: Vec<Finished>,
    /// What readers of a suite's figures should know.
    #[serde(default)]
    pub notes: Vec<Note>,
}

/// A suite that was run to its end.
#[derive(Debug, Serialize, Deserialize)]
pub struct Finished {
    /// [`ModelEntry::id`].
    pub model: String,
    /// The suite, or `SUITE/TASK`.
    pub unit: String,
    /// A hash of all that the figures depend on: weights, data, settings, version.
    pub signature: String,
}

/// A remark on a suite's figures.
#[derive(Debug, Serialize, Deserialize)]
pub struct Note {
    /// [`ModelEntry::id`].
    pub model: String,
    /// [`Score::suite`].
    pub suite: String,
    /// The remark.
    pub text: String,
}

/// Which images of a test set one classifier has right, or what else its figure is made of, image by image.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Verdicts {
    /// [`ModelEntry::id`].
    pub model: String,
    /// [`DatasetEntry::id`].
    pub data: String,
    /// [`Score::suite`] of the accuracy or error that these verdicts make.
    pub suite: String,
    /// [`Score::task`] of it.
    pub task: String,
    /// A fingerprint of the images and their order: only verdicts on the same ones can be paired.
    pub images: String,
    /// The number of images.
    pub n: usize,
    /// One bit for each image, the first in the lowest bit of the first byte, in base64: whether it is right or, of `ranks`, positive. Empty
    /// where there are `values`.
    pub right: String,
    /// The metric of the figure whose mean `values` have; empty of verdicts and ranks.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub metric: String,
    /// A value of each image, `f32`, little end first, in base64; not a number where an image does not count.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub values: String,
    /// The rank of each image's score of detection, packed as [`ImageGroups`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ranks: String,
    /// How far each image is what such scores should find, as `values` are; empty where `right` says it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub positive: String,
}

/// What the images of one set have in common. Numbers are little end first, all of one, two or four bytes, in base64.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct ImageGroups {
    /// [`Verdicts::images`].
    pub images: String,
    /// The number of images.
    pub n: usize,
    /// The object that each image shows: images of one are not independent. Empty where each is its own.
    pub objects: String,
    /// The value of the factor at which each image is, where there is a mean over values. Empty where there is none.
    pub values: String,
}

/// The bins of one reliability diagram.
#[derive(Debug, Serialize, Deserialize)]
pub struct Reliability {
    /// [`ModelEntry::id`].
    pub model: String,
    /// [`DatasetEntry::id`].
    pub data: String,
    /// What was done to the images: `clean` or `corrupted`; of a suite on data of its own, the task.
    pub condition: String,
    /// Expected calibration error over these bins.
    pub ece: f64,
    /// The bins from confidence 0 to 1.
    pub bins: Vec<visrep_metrics::ReliabilityBin>,
}

/// How often each class was taken for each other.
#[derive(Debug, Serialize, Deserialize)]
pub struct Confusion {
    /// [`ModelEntry::id`].
    pub model: String,
    /// [`DatasetEntry::id`].
    pub data: String,
    /// `counts[truth][answer]`.
    pub counts: Vec<Vec<u64>>,
}
