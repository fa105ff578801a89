//! Fine-tuning by the paper's search: its grid, and a cut-down one end to end on tiny sets.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

mod common;

use common::image;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use visrep_models::{Model, ModelOptions};
use visrep_probe::{Error, Findings, FineTuning, ImagePipeline, Parts, Suite, SuiteContext};
use visrep_transfer::{FineTuneSearch, SUITES};

/// Two classes that differ in colour, with a validation split of their own.
fn dataset(root: &Path, name: &str) {
    for (split, count) in [("train", 10), ("val", 4), ("test", 6)] {
        for number in 0..count {
            let class = number % 2;
            let file = format!("transfer/{name}/{split}/class{class}/{split}{number}.jpg");
            image(&root.join(file), class, number);
        }
    }
}

/// A learning rate that learns and one that diverges, each without weight decay and with some.
const CUT: FineTuneSearch = FineTuneSearch {
    learning_rates: (2, 0.02, 1e300),
    decay_ratios: (1, 1e-4, 1e-4),
    steps: 24,
    batch_size: 8,
};

fn run(
    search: FineTuneSearch,
    root: &Path,
    task: Option<&str>,
    context: &SuiteContext,
) -> Result<Findings, Error> {
    // Such small work is faster so, and the same to the bit.
    tch::set_num_threads(1);
    let options = ModelOptions { num_classes: Some(0), seed: Some(0), ..Default::default() };
    let model = Model::create("resnet18_cifar_w16", &options).unwrap();
    search.suite().open(root, task, context).unwrap().run(&model, context)
}

fn context(parts: &Parts) -> SuiteContext {
    SuiteContext { workers: 1, parts: parts.clone(), ..Default::default() }
}

#[test]
fn the_grid_is_the_papers() {
    let candidates = FineTuneSearch::PAPER.candidates();
    assert_eq!(
        (candidates.len(), FineTuneSearch::PAPER.steps, FineTuneSearch::PAPER.batch_size),
        (56, 20_000, 256)
    );
    assert_eq!((candidates[0].lr, candidates[0].decay_ratio), (1e-4, 0.0));
    assert_eq!((candidates[55].lr, candidates[55].decay_ratio), (0.1, 1e-3));
    for (nth, candidate) in candidates.iter().enumerate() {
        // Steps of half a power of ten.
        let lr = 10_f64.powf(-4.0 + (nth / 8) as f64 / 2.0);
        let ratio = if nth % 8 == 0 { 0.0 } else { 10_f64.powf(-6.0 + (nth % 8 - 1) as f64 / 2.0) };
        assert!((candidate.lr / lr - 1.0).abs() < 1e-12, "{nth}: {candidate:?}");
        assert!((candidate.decay_ratio - ratio).abs() <= ratio * 1e-12, "{nth}: {candidate:?}");
    }
    let trial = FineTuneSearch::PAPER.trial();
    assert_eq!((trial.candidates().len(), trial.steps, trial.batch_size), (6, 20, 32));
    let ends = trial.candidates();
    assert_eq!((ends[0], ends[1].decay_ratio, ends[5]), (candidates[0], 1e-6, candidates[55]));
}

#[test]
fn momentum_follows_the_steps_of_an_epoch() {
    let of = |examples| {
        FineTuning::kornblith(ImagePipeline::inception(32).unwrap(), examples, (0.01, 1e-5), (20_000, 256))
    };
    // Food-101 has 295.9 steps in an epoch, Flowers-102 eight.
    let (food, flowers) = (of(75_750), of(2_040));
    let kept = 1.0 - 10.0 * 256.0 / 75_750.0;
    assert!((food.batch_norm_momentum.unwrap() - (1.0 - kept)).abs() < 1e-12);
    assert!((flowers.batch_norm_momentum.unwrap() - 0.1).abs() < 1e-12);
    let said = format!("{:?} {:?}", food.optimizer, flowers.optimizer);
    assert_eq!(said.matches("nesterov: true").count(), 2, "{said}");
    assert!(said.contains(&format!("momentum: {kept}")) && said.contains("momentum: 0.9,"), "{said}");
    assert_eq!((food.weight_decay, food.schedule.lr), (1e-5, 0.01));
}

/// The kept file of a dataset, or of a candidate of it; behind its name stands what its images' files are known by.
fn kept(parts: &Path, name: &str) -> PathBuf {
    let named = |path: &PathBuf| {
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        file.strip_prefix(name).is_some_and(|rest| rest.starts_with('-') && !rest.starts_with("-candidate"))
    };
    let found: Vec<_> =
        std::fs::read_dir(parts).unwrap().map(|entry| entry.unwrap().path()).filter(named).collect();
    assert_eq!(found.len(), 1, "{name}: {found:?}");
    found[0].clone()
}

#[test]
fn the_best_candidate_is_found_and_a_stopped_search_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    dataset(root, "cars");
    dataset(root, "aircraft");
    let place = root.join("parts");
    let parts = Parts::in_folder(&place);
    let whole = run(CUT, root, None, &context(&Parts::default())).unwrap();
    let figures: Vec<_> =
        whole.scores.iter().map(|score| (score.task.as_str(), score.metric.as_str(), score.n)).collect();
    let expected = [("cars", "top1", 6), ("aircraft", "mean-per-class", 6), ("mean", "logit-mean", 2)];
    assert_eq!(figures, expected);
    let entry =
        |nth: usize, key: &str| whole.scores[nth].protocol.get(key).map(String::as_str).unwrap_or_default();
    for nth in 0..2 {
        assert!(whole.scores[nth].value > 0.8, "{:?}", whole.scores[nth]);
        let tried = entry(nth, "val_figure_by_candidate");
        assert_eq!((tried.split("; ").count(), tried.matches("diverged").count()), (4, 2), "{tried}");
        assert!(entry(nth, "candidate").contains(" of 4: lr 2.000e-2"), "{}", entry(nth, "candidate"));
        assert_eq!((entry(nth, "steps"), entry(nth, "batch_size")), ("24", "8"));
        assert_eq!((entry(nth, "train_samples"), entry(nth, "val_samples")), ("14", "4"));
        assert!(entry(nth, "preprocessing").contains("random resized crop 32"));
        assert!(
            entry(nth, "grid").contains("2 from 2e-2 to 1e300")
                && entry(nth, "grid").contains("not the paper's")
        );
        assert!(
            entry(nth, "optimizer").contains("nesterov")
                && entry(nth, "batch_norm_momentum").starts_with("0.1,")
        );
    }
    assert!(entry(2, "grid").contains("4 candidates") && entry(2, "candidate").is_empty());
    assert!(entry(2, "datasets").starts_with("2: cars, aircraft"));
    assert!(whole.notes.iter().any(|note| note.starts_with("voc2007 is left out")), "{:?}", whole.notes);
    assert_eq!(whole.verdicts.len(), 2);

    // Stopped before its first step, nothing is kept; then a search of which parts were lost gives the same.
    let stopped = context(&parts);
    stopped.stop.store(true, Ordering::Relaxed);
    assert!(matches!(
        run(CUT, root, Some("cars"), &stopped),
        Err(Error::Interrupted | Error::Stopped { .. })
    ));
    assert_eq!(parts.finished(), 0);
    let first = run(CUT, root, Some("cars"), &context(&parts)).unwrap();
    assert_eq!((first.scores.len(), parts.finished()), (1, 5), "four candidates and the dataset");
    for name in ["cars", "cars-candidate-2"] {
        std::fs::remove_file(kept(&place, name)).unwrap();
    }
    let again = run(CUT, root, Some("cars"), &context(&parts)).unwrap();
    assert_eq!(
        (again.scores[0].value, &again.scores[0].protocol),
        (whole.scores[0].value, &whole.scores[0].protocol)
    );
    assert_eq!(first.scores[0].protocol, again.scores[0].protocol);
    // What is kept is what counts: a candidate said to be better is chosen.
    std::fs::remove_file(kept(&place, "cars")).unwrap();
    std::fs::write(kept(&place, "cars-candidate-2"), r#"{"Figure":2.0}"#).unwrap();
    let told = run(CUT, root, Some("cars"), &context(&parts)).unwrap();
    assert!(told.scores[0].protocol["candidate"].starts_with("2 of 4"), "{:?}", told.scores[0].protocol);
}

#[test]
fn it_is_said_when_every_candidate_diverges() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    dataset(root, "pets");
    let wild = FineTuneSearch { learning_rates: (1, 1e300, 1e300), steps: 3, ..CUT };
    for task in [None, Some("pets")] {
        let error = run(wild, root, task, &context(&Parts::default())).unwrap_err();
        assert!(matches!(error, Error::NoneTrained { candidates: 2, .. }), "{error}");
        assert!(error.to_string().contains("none of 2 candidates could be trained"), "{error}");
    }
}

#[test]
fn a_limit_makes_a_trial() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    dataset(root, "dtd");
    let search = FineTuneSearch { learning_rates: (3, 1e-3, 1e-2), steps: 2, ..CUT };
    let limited = SuiteContext { limit: Some(4), ..context(&Parts::default()) };
    let found = run(search, root, Some("dtd"), &limited).unwrap();
    let score = &found.scores[0];
    assert_eq!((score.n, score.protocol["train_samples"].as_str()), (4, "8"));
    assert!(score.protocol["grid"].starts_with("learning rates: 2 from"), "{}", score.protocol["grid"]);
    assert!(score.protocol["limit"].contains("at most 4"));
    let suite: &dyn Suite = SUITES[1];
    assert!(suite.by_name_only() && !SUITES[0].by_name_only());
    assert_eq!((suite.info().name, suite.tasks().len()), ("transfer-fine-tune", 11));
    assert!(!suite.tasks().contains(&"voc2007".to_owned()));
}
