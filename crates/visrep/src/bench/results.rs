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
    /// Of a benchmark that has found nothing yet.
    pub fn empty() -> Self {
        Self {
            schema: 1,
            visrep: env!("CARGO_PKG_VERSION").to_owned(),
            command: String::new(),
            finished: String::new(),
            seconds: 0.0,
            environment: Vec::new(),
            models: Vec::new(),
            datasets: Vec::new(),
            scores: Vec::new(),
            details: Details::default(),
        }
    }

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

    /// The notes on `suite`, each once with the models that it is about: `all models` where it is about every one of several.
    pub fn notes(&self, suite: &str) -> Vec<(String, &str)> {
        let mut texts: Vec<&str> = Vec::new();
        for note in self.details.notes.iter().filter(|note| note.suite == suite) {
            if !texts.contains(&note.text.as_str()) {
                texts.push(&note.text);
            }
        }
        let about = |text: &str| {
            let of = |model: &&ModelEntry| {
                let own = |note: &Note| note.suite == suite && note.text == text && note.model == model.id;
                self.details.notes.iter().any(own)
            };
            let labels: Vec<_> = self.models.iter().filter(of).map(|model| model.label.as_str()).collect();
            if labels.len() > 1 && labels.len() == self.models.len() {
                "all models".to_owned()
            } else {
                labels.join(", ")
            }
        };
        texts.into_iter().map(|text| (about(text), text)).collect()
    }

    /// The suites that there are figures of, in their order.
    pub fn suites(&self) -> Vec<&str> {
        let mut suites: Vec<&str> = Vec::new();
        for score in &self.scores {
            if !suites.contains(&score.suite.as_str()) {
                suites.push(&score.suite);
            }
        }
        suites
    }
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
    /// [`Score::data`] of its figures.
    #[serde(default)]
    pub data: String,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::testing;

    #[test]
    fn a_note_on_several_models_stands_once() {
        let note = |model: &str, suite: &str, text: &str| Note {
            model: model.into(),
            suite: suite.into(),
            text: text.into(),
        };
        let mut results = testing::results(&["a", "b", "c"], Vec::new());
        results.details.notes = vec![
            note("a", "vtab", "no dtd"),
            note("b", "vtab", "no taps"),
            note("b", "vtab", "no dtd"),
            note("c", "vtab", "no dtd"),
            note("c", "bapps-2afc", "no taps"),
        ];
        let expected = [("all models".to_owned(), "no dtd"), ("b".to_owned(), "no taps")];
        assert_eq!(results.notes("vtab"), expected);
        results.details.notes.remove(0);
        assert_eq!(results.notes("vtab")[1], ("b, c".to_owned(), "no dtd"));
        results.models.truncate(1);
        results.details.notes = vec![note("a", "vtab", "no dtd")];
        assert_eq!(results.notes("vtab"), [("a".to_owned(), "no dtd")], "of one model its name");
    }
}
