//! Which figures have a row in a table, and what people call them.

use super::results::Results;
use std::collections::HashSet;
use visrep_corrupt::{Corruption, Perturbation};
use visrep_metrics::{Score, VTAB_TASKS};
use visrep_transfer::TransferDataset;

/// The distance of perceptual suites that has no name in front of its tasks.
const BASELINE: &str = "baseline";

/// What the distance on one tap alone is called in front of its name.
const TAP: &str = "tap ";

/// What people call a score that stands for its suite by itself; `None` for the many that are details of one. What stands for a suite only
/// because no mean was measured is told by [`Headlines`]. A trial and a mean over less than the benchmark say so.
pub fn suite_name(score: &Score) -> Option<String> {
    let name = if score.data == score.suite {
        let what = published_what(score)?;
        of_published(score, &what)
    } else {
        probe_name(score)?
    };
    Some(with_limit(score, name))
}

/// The figures of one benchmark that have a row: those of [`suite_name`], and where a suite's mean is not there because a part alone was
/// measured (`imagenet-c/fog`), the part's main figure.
pub struct Headlines<'a> {
    results: &'a Results,
    parts: HashSet<Part<'a>>,
}

/// A part's figure: suite, task, metric, distance.
type Part<'a> = (&'a str, &'a str, &'a str, Option<&'a str>);

impl<'a> Headlines<'a> {
    /// Those of `results`. A part that has a row for one model has it for all.
    pub fn of(results: &'a Results) -> Self {
        let measured =
            |score: &'a Score| (&*score.model, &*score.weights, &*score.suite, &*score.metric, form(score));
        let means: HashSet<_> = results.scores.iter().filter(|score| is_mean(score)).map(measured).collect();
        let alone = |score: &&'a Score| part_what(score).is_some() && !means.contains(&measured(score));
        Self { results, parts: results.scores.iter().filter(alone).map(part).collect() }
    }

    /// What people call `score` where all figures are of one suite's data; `None` where it has no row.
    pub fn suite_name(&self, score: &Score) -> Option<String> {
        suite_name(score).or_else(|| {
            let what = part_what(score).filter(|_| self.parts.contains(&part(score)))?;
            Some(with_limit(score, of_published(score, &what)))
        })
    }

    /// The same with the data set in front, where the benchmark has several.
    pub fn name(&self, score: &Score) -> Option<String> {
        let name = self.suite_name(score)?;
        Some(match self.results.dataset_of(score) {
            Some(set) => format!("{}: {name}", set.label),
            None => name,
        })
    }
}

fn part(score: &Score) -> Part<'_> {
    (&score.suite, &score.task, &score.metric, form(score))
}

/// The distance that a figure of a perceptual suite is of.
fn form(score: &Score) -> Option<&str> {
    score.protocol.get("form").map(String::as_str)
}

/// The task without the distance that perceptual suites have in front of it.
pub fn task(score: &Score) -> &str {
    let bare = form(score).filter(|form| *form != BASELINE).and_then(|form| {
        let rest = score.task.strip_prefix(form)?;
        rest.strip_prefix('-').or_else(|| rest.strip_prefix(": "))
    });
    bare.unwrap_or(&score.task)
}

/// Whether a score is a mean over the parts of its suite.
fn is_mean(score: &Score) -> bool {
    task(score) == "mean"
}

/// `what` of a distance, which perceptual suites have several of: "2AFC, LPIPS".
fn by_distance(score: &Score, what: &str) -> String {
    match form(score) {
        None => what.to_owned(),
        Some(form @ ("lpips" | "psnr" | "ssim" | "ms-ssim")) => format!("{what}, {}", form.to_uppercase()),
        Some(form) => format!("{what}, {form}"),
    }
}

/// A name with the suite, and the task unless it is all of it.
fn of_published(score: &Score, what: &str) -> String {
    match task(score) {
        "mean" => format!("{}: {what}", score.suite),
        task if task == score.suite => format!("{}: {what}", score.suite),
        task => format!("{} {task}: {what}", score.suite),
    }
}

/// A name that says of a trial that it is one.
fn with_limit(score: &Score, name: String) -> String {
    let after = |key: &str, words: &str| score.protocol.get(key)?.split_once(words).map(|(_, rest)| rest);
    let number = after("limit", "at most ").or_else(|| after("split", "; at most "));
    let digits: Option<String> = number.map(|rest| rest.chars().take_while(char::is_ascii_digit).collect());
    match digits.filter(|digits| !digits.is_empty()) {
        Some(limit) => format!("{name} (at most {limit})"),
        None => name,
    }
}

/// "of 14 corruptions" where a mean is over another number of them than the benchmark's; the protocol's entry begins with the number.
fn partial(score: &Score, what: &str, benchmark: usize) -> Option<String> {
    let (count, _) = score.protocol.get(what)?.split_once(": ")?;
    (count.parse::<usize>().ok() != Some(benchmark)).then(|| format!(" of {count} {what}"))
}

/// What a mean of VTAB says where some of its tasks are not on the examples, or not on the test set, that the authors have.
fn own_split(score: &Score) -> &'static str {
    let own = |key| score.protocol.get(key).is_some_and(|value| value.starts_with("false"));
    if own("official_train_examples") || own("official_test") { ", some on splits of our own" } else { "" }
}

/// The corruptions that a suite's mean is over.
fn corruptions(score: &Score) -> String {
    let of_bar = score.suite.contains("c-bar");
    let benchmark = if of_bar { Corruption::IMAGENET_BAR.len() } else { Corruption::BENCHMARK.len() };
    partial(score, "corruptions", benchmark).unwrap_or_default()
}

/// A score of a probe, or of a suite on images of one's own.
fn probe_name(score: &Score) -> Option<String> {
    let protocol = |key: &str| score.protocol.get(key).map_or("?", String::as_str);
    let name = match (score.suite.as_str(), score.metric.as_str()) {
        ("knn", "top1") => format!("kNN, k = {}", protocol("k")),
        ("knn-dino" | "knn-sweep", "top1") => {
            format!("{}, k = {}, T = {}", score.suite, protocol("k"), protocol("temperature"))
        }
        ("linear-protocol" | "linear-frozen" | "fine-tune", "top1") => {
            format!("{} {}", score.suite, score.task)
        }
        ("representation", "class_separation") => "class separation".to_owned(),
        ("representation", "cka_labels") => "CKA with the labels".to_owned(),
        ("representation", "retrieval_map") => "retrieval mAP".to_owned(),
        ("linear", "top1") => "linear probe".to_owned(),
        ("linear", "ece") => "linear probe, ECE".to_owned(),
        ("imagenet-c", "mean-error") if score.task == "mean" => {
            format!("error under corruption{}", corruptions(score))
        }
        ("imagenet-c", "mce") => "mCE (AlexNet = 100)".to_owned(),
        (suite, "top1") if suite.starts_with("few-shot-") => {
            let fewer = score.protocol.get("smallest_class").map_or("", |_| " (fewer in some classes)");
            format!("{}-shot ridge{fewer}", protocol("shots"))
        }
        ("similarity", "2afc") if score.task == "mean" => "2AFC, distorted photographs".to_owned(),
        _ => return None,
    };
    Some(name)
}

/// What a score is that stands for a suite on data of its own, such as ImageNet-A.
fn published_what(score: &Score) -> Option<String> {
    let mean = is_mean(score);
    let tap = form(score).is_some_and(|form| form.starts_with(TAP));
    let what = match score.metric.as_str() {
        "top1" => "top-1",
        "mean-top1" => "top-1, mean over values",
        "mean-invariance" => "invariance of features",
        "drop" => "drop in unusual poses",
        "mean-error" if mean => return Some(format!("mean error{}", corruptions(score))),
        "mean-ece" if mean => return Some(format!("mean ECE{}", corruptions(score))),
        "mce" => "mCE (AlexNet = 100)",
        "relative-mce" => "relative mCE (AlexNet = 100)",
        "flip-probability" if mean => {
            let partial = partial(score, "perturbations", Perturbation::BENCHMARK.len());
            return Some(format!("flip probability{}", partial.unwrap_or_default()));
        }
        "flip-probability" if score.task.starts_with("one-pixel-") => "flip probability",
        "success" if !score.task.contains('/') => "success",
        "consistency" => "same class for two crops",
        "mfr" => "mFR (baseline = 100)",
        "mt5d" => "mT5D (baseline = 100)",
        "aupr" => "AUPR",
        "fpr95" => "FPR95",
        "shape-bias" if score.task == score.suite => "shape bias",
        "bg-gap" => "BG-Gap",
        "2afc" if mean => return Some(by_distance(score, "2AFC")),
        "mean-relative-distance" if mean && !tap => {
            return Some(by_distance(score, "distance under distortion"));
        }
        "fine-to-coarse" if mean && !tap => {
            return Some(by_distance(score, "distance of fine noise to coarse"));
        }
        "map" if mean && !tap => return Some(by_distance(score, "mAP")),
        "map" if score.suite == "remote-sensing" => "mAP",
        "f1_micro" => "F1, micro",
        "f1_macro" => "F1, macro",
        "mean-per-class" => "mean per class",
        "map-11" => "mAP at 11 recalls",
        "logit-mean" => {
            let partial = partial(score, "datasets", TransferDataset::ALL.len());
            return Some(format!("mean{}, by logits", partial.unwrap_or_default()));
        }
        "mean_19" => return Some(format!("mean of 19 tasks{}", own_split(score))),
        "mean_of_groups" => return Some(format!("mean of 3 groups{}", own_split(score))),
        "mean_of_found" => {
            return Some(format!("mean of {} of {} tasks{}", score.n, VTAB_TASKS.len(), own_split(score)));
        }
        _ => return None,
    };
    Some(what.to_owned())
}

/// What the main figure is of a part of a suite whose other figures stand behind its mean: of a corruption, of a perturbation, of one of
/// BAPPS's sets, of a distortion.
fn part_what(score: &Score) -> Option<String> {
    let tap = form(score).is_some_and(|form| form.starts_with(TAP));
    if score.data != score.suite || is_mean(score) || score.task.contains('/') {
        return None;
    }
    match score.metric.as_str() {
        "mean-error" => Some("mean error".to_owned()),
        // Of a perturbation the comparisons of more distant frames are details.
        "flip-probability" if Perturbation::ALL.iter().any(|found| found.name() == score.task) => {
            Some("flip probability".to_owned())
        }
        "2afc" => Some(by_distance(score, "2AFC")),
        "map" if form(score).is_some() && !tap => Some(by_distance(score, "mAP")),
        "mean-relative-distance" if !tap => Some(by_distance(score, "distance under distortion")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::testing;

    fn score(suite: &str, task: &str, metric: &str, protocol: &[(&str, &str)]) -> Score {
        testing::with(testing::score(suite, task, metric, 0.5), protocol)
    }

    fn names(scores: Vec<Score>) -> Vec<String> {
        let results = testing::results(&[], scores);
        let headlines = Headlines::of(&results);
        results.scores.iter().filter_map(|score| headlines.name(score)).collect()
    }

    #[test]
    fn a_task_that_was_run_alone_stands_for_itself() {
        let fog = || {
            vec![
                score("imagenet-c", "fog/1", "error", &[]),
                score("imagenet-c", "fog", "mean-error", &[]),
                score("imagenet-c", "fog", "ce", &[]),
            ]
        };
        assert_eq!(names(fog()), ["imagenet-c fog: mean error"]);
        let mean = score("imagenet-c", "mean", "mean-error", &[("corruptions", "15: fog, …")]);
        let whole = || [fog(), vec![mean.clone()]].concat();
        assert_eq!(names(whole()), ["imagenet-c: mean error"], "beside the mean it is a detail");
        // Another model was measured on the part alone: both have its row.
        let other: Vec<_> = fog().into_iter().map(|score| Score { weights: "v".into(), ..score }).collect();
        let found = names([whole(), other].concat());
        assert_eq!(found.iter().filter(|name| *name == "imagenet-c fog: mean error").count(), 2);

        let along = |task| score("imagenet-p", task, "flip-probability", &[]);
        assert_eq!(
            names(vec![along("brightness"), along("brightness_2"), along("brightness_3")]),
            ["imagenet-p brightness: flip probability"]
        );
        assert_eq!(names(vec![score("vtab", "dtd", "top1", &[])]), ["vtab dtd: top-1"]);
        let pixelate =
            score("distortion-invariance", "ssim-pixelate", "mean-relative-distance", &[("form", "ssim")]);
        assert_eq!(
            names(vec![pixelate]),
            ["distortion-invariance pixelate: distance under distortion, SSIM"]
        );
    }

    #[test]
    fn every_distance_of_a_model_has_a_name_of_its_own() {
        let of = |task: &str, form: &str| score("bapps-2afc", task, "2afc", &[("form", form)]);
        let tasks = ["", "style-", "lpips-", "tap layer4: "];
        let forms = ["baseline", "style", "lpips", "tap layer4"];
        let both = |part: &str| {
            tasks
                .iter()
                .zip(forms)
                .map(|(prefix, form)| of(&format!("{prefix}{part}"), form))
                .collect::<Vec<_>>()
        };
        let expected = |head: &str| {
            ["baseline", "style", "LPIPS", "tap layer4"].map(|distance| format!("{head}: 2AFC, {distance}"))
        };
        assert_eq!(names(both("mean")), expected("bapps-2afc"));
        assert_eq!(names([both("mean"), both("cnn")].concat()), expected("bapps-2afc"));
        assert_eq!(names(both("cnn")), expected("bapps-2afc cnn"));
        let human = score("bapps-2afc", "mean", "human", &[("form", "baseline")]);
        assert!(names(vec![human]).is_empty(), "what judges reach is no model's");
        let jnd = |task, form| score("bapps-jnd", task, "map", &[("form", form)]);
        assert_eq!(
            names(vec![jnd("mean", "baseline"), jnd("ms-ssim-mean", "ms-ssim"), jnd("tap a: mean", "tap a")]),
            ["bapps-jnd: mAP, baseline", "bapps-jnd: mAP, MS-SSIM"]
        );
    }

    #[test]
    fn trials_and_partial_means_say_so() {
        let limit = ("limit", "at most 8, evenly spread: not the published set");
        let name = |score: Score| suite_name(&score).unwrap();
        assert_eq!(
            name(score("imagenet-a", "imagenet-a", "top1", &[limit])),
            "imagenet-a: top-1 (at most 8)"
        );
        let own =
            score("knn", "photos", "top1", &[("k", "20"), ("split", "80/20; at most 60 images of each")]);
        assert_eq!(name(Score { data: "photos".into(), ..own }), "kNN, k = 20 (at most 60)");
        let of = |suite: &str, metric: &str, corruptions: &str| {
            name(score(suite, "mean", metric, &[("corruptions", corruptions)]))
        };
        assert_eq!(of("imagenet-c", "mean-error", "15: a, b"), "imagenet-c: mean error");
        assert_eq!(of("cifar-10-c", "mean-error", "2: a, b"), "cifar-10-c: mean error of 2 corruptions");
        assert_eq!(of("imagenet-c", "mean-ece", "19: a, b"), "imagenet-c: mean ECE of 19 corruptions");
        assert_eq!(
            of("imagenet-c-bar-in-memory", "mean-error", "10: a"),
            "imagenet-c-bar-in-memory: mean error"
        );
        let flips = |n: &str| name(score("cifar-10-p", "mean", "flip-probability", &[("perturbations", n)]));
        assert_eq!(flips("10: a"), "cifar-10-p: flip probability");
        assert_eq!(flips("9: a"), "cifar-10-p: flip probability of 9 perturbations");
        assert_eq!(name(score("vtab", "mean", "mean_of_found", &[])), "vtab: mean of 3 of 19 tasks");
        let own = |value| name(score("vtab", "mean", "mean_19", &[("official_test", value)]));
        assert_eq!(own("true"), "vtab: mean of 19 tasks");
        assert_eq!(own("false: dtd"), "vtab: mean of 19 tasks, some on splits of our own");
        let logits = score("transfer", "mean", "logit-mean", &[("datasets", "5: a")]);
        assert_eq!(name(logits), "transfer: mean of 5 datasets, by logits");
    }
}
