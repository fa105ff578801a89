//! The benchmark over tasks, end to end with a small network.

#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;
use support::{Root, message};
use visrep_data::{Dataset, Splits};
use visrep_metrics::Score;
use visrep_models::{Model, ModelOptions};
use visrep_probe::{Benchmark, Context, FineTunePreset, FineTuning, ImagePipeline, LabelKeeping};
use visrep_train::Length;
use visrep_vtab::{
    ADAPTER_PAPER, ADAPTER_PAPER_LINEAR, AdaptationProtocol, FineTuneAdaptation, FrozenLinear,
    InputPreparation, LIGHTWEIGHT_SWEEP, OFFICIAL, OpenOptions, Rule, Sampling, Schedule, Task, TaskData,
    VtabBenchmark, VtabSuite, Whole,
};

/// Small enough that threads would only wait for each other.
fn model() -> Model {
    tch::set_num_threads(1);
    let options = ModelOptions { num_classes: Some(0), seed: Some(0), ..ModelOptions::default() };
    Model::create("resnet18_cifar_w16", &options).unwrap()
}

fn context(data: &TaskData) -> Context {
    let splits =
        Splits { train: data.train1000.clone(), test: data.test.clone(), description: String::new() };
    let mut context = Context::new(splits, "vtab", "random");
    context.workers = 2;
    context
}

#[test]
fn sprites_and_toys_are_told_apart_and_marked_as_stand_ins() {
    let options = OpenOptions { limit: Some(300), ..OpenOptions::default() };
    let suite = VtabSuite::drawn(&options).unwrap();
    assert_eq!(suite.found.len(), 4);
    let counts = suite.found[0].training_counts().unwrap();
    assert!(counts.len() == 16 && counts.iter().all(|count| *count > 20), "{counts:?}");
    let context = context(&suite.found[0]);
    let adaptation = FrozenLinear { grid: vec![1e-3, 1e-2], ..FrozenLinear::default() };
    let benchmark = VtabBenchmark::with(suite, Box::new(adaptation));
    let data = &benchmark.suite().found[0];
    let score = benchmark.run_task(data, &model(), &context).unwrap();
    assert_eq!(
        (score.task.as_str(), score.metric.as_str(), score.n),
        ("dsprites_location (drawn)", "top1", 300)
    );
    // Random features that are averaged over the image hardly tell places apart: above 1 of 16.
    assert!(score.value > 0.0625, "{score:?}");
    let protocol = &score.protocol;
    assert!(
        protocol["preprocessing"].contains("without antialiasing (corners, as VTAB's own)"),
        "{protocol:?}"
    );
    assert!(protocol["split"].contains("not the official ones") && protocol["split"].contains("procedural"));
    assert_eq!((protocol["official_test"].as_str(), protocol["train_samples"].as_str()), ("false", "1000"));
    assert_eq!(protocol["val_top1_by_c"].split(", ").count(), 2);
    assert!(benchmark.means(&[score], &model(), &context).unwrap().is_empty(), "no task of VTAB's");
}

#[test]
fn means_name_what_is_missing() {
    let root = Root::new();
    let classes: Vec<_> = (0..10).map(|class| format!("c{class}")).collect();
    root.classes("vtab/eurosat/2750", &classes, 6);
    let suite = VtabSuite::open_tasks(root.path(), &[Task::EuroSat, Task::Pets], &OpenOptions::default());
    assert_eq!((suite.found.len(), suite.missing.len()), (1, 1));
    let context = context(&suite.found[0]);
    let adaptation = FrozenLinear { input: InputPreparation::Vtab(Sampling::Corner), grid: vec![0.1] };
    let benchmark = VtabBenchmark::with(suite, Box::new(adaptation));
    let model = model();
    let scores = benchmark.run(&model, &context).unwrap();
    let found: Vec<_> = scores.iter().map(|score| (score.task.as_str(), score.metric.as_str())).collect();
    assert_eq!(found, [("eurosat", "top1"), ("mean", "mean_of_found")]);
    assert_eq!((benchmark.id(), scores[0].suite.as_str(), scores[0].n), ("vtab", "vtab", 12));
    assert!(scores[0].protocol["preprocessing"].contains("corners"), "{:?}", scores[0].protocol);
    assert!(
        scores[1].protocol["missing_tasks"].starts_with("caltech101, cifar100"),
        "{:?}",
        scores[1].protocol
    );
    // Colours alone tell these classes apart.
    assert!(scores[0].value > 0.5, "{:?}", scores[0]);

    // All 19, as if each had been run.
    let of = |task: Task, value: f64| Score { task: task.name().into(), value, ..scores[0].clone() };
    let all: Vec<_> = Task::VTAB.iter().enumerate().map(|(at, task)| of(*task, at as f64 / 18.0)).collect();
    let means: BTreeMap<_, _> = benchmark
        .means(&all, &model, &context)
        .unwrap()
        .into_iter()
        .map(|score| (score.metric, (score.value, score.n)))
        .collect();
    assert_eq!(means.len(), 5);
    assert!((means["mean_19"].0 - 0.5).abs() < 1e-12 && means["structured"].1 == 8);
    let groups = [3.0 / 18.0, 8.5 / 18.0, 14.5 / 18.0];
    assert!((means["mean_of_groups"].0 - groups.iter().sum::<f64>() / 3.0).abs() < 1e-12, "{means:?}");
    // A whole group has its mean without the others.
    let some = benchmark.means(&all[..7], &model, &context).unwrap();
    let metrics: Vec<_> = some.iter().map(|score| score.metric.as_str()).collect();
    assert_eq!(metrics, ["mean_of_found", "natural"]);
    assert!(some[0].protocol["missing_tasks"].starts_with("patch_camelyon"));

    let empty = VtabBenchmark::new(VtabSuite::open(root.path().join("nothing"), &OpenOptions::default()));
    message(empty.run(&model, &context), &["no data for any task", "smallnorb_elevation"]);
    let none = FrozenLinear { grid: Vec::new(), ..FrozenLinear::default() };
    let suite = VtabSuite::open_tasks(root.path(), &[Task::EuroSat], &OpenOptions::default());
    message(
        VtabBenchmark::with(suite, Box::new(none)).run(&model, &context),
        &["grid", "at least one candidate"],
    );
}

#[test]
fn fine_tuning_plugs_in() {
    let root = Root::new();
    let suite = eurosat(&root);
    let context = context(&suite.found[0]);
    let tuning = |lr: f64| {
        let mut tuning = FineTuning::vtab(ImagePipeline::squash(32).unwrap());
        (tuning.schedule.length, tuning.schedule.warmup) = (Length::Steps(24), Length::Steps(2));
        (tuning.schedule.lr, tuning.batch_size) = (lr, 8);
        tuning
    };
    let adaptation = FineTuneAdaptation::own("two rates", vec![tuning(1e-9), tuning(0.02)]);
    let benchmark = VtabBenchmark::with(suite, Box::new(adaptation));
    let data = &benchmark.suite().found[0];
    let score = benchmark.run_task(data, &model(), &context).unwrap();
    assert_eq!((score.n, score.protocol["adaptation"].as_str()), (8, "two rates"));
    assert_eq!(score.protocol["val_top1_by_candidate"].split("; ").count(), 2);
    // At the first rate nothing is learned, and the classifier starts at 0.
    assert_eq!(score.protocol["candidate"], "2 of 2", "{:?}", score.protocol);
    assert!(score.value > 0.1, "{score:?}");
    assert_eq!(score.protocol["steps"], "24");
}

/// EuroSAT's ten classes in colours, told apart by a small network.
fn eurosat(root: &Root) -> VtabSuite {
    let classes: Vec<_> = (0..10).map(|class| format!("c{class}")).collect();
    root.classes("vtab/eurosat/2750", &classes, 4);
    VtabSuite::open_tasks(root.path(), &[Task::EuroSat], &OpenOptions::default())
}

/// The protocol in a few steps of small batches.
fn short(protocol: &AdaptationProtocol) -> AdaptationProtocol {
    let schedules: &[Schedule] = match protocol.schedules[0] {
        Schedule::Steps { .. } => &[
            Schedule::Steps { steps: 6, decays: [2, 4, 5], warmup: 1 },
            Schedule::Steps { steps: 12, decays: [9, 10, 11], warmup: 1 },
        ],
        Schedule::Cosine { .. } => &[Schedule::Cosine { epochs: 3, warmup: 1 }],
    };
    let schedules = &schedules[..protocol.schedules.len()];
    AdaptationProtocol { schedules, batch_size: 8, ..protocol.clone() }
}

#[test]
fn the_published_protocols_are_carried_out_as_their_data_say() {
    let root = Root::new();
    let context = context(&eurosat(&root).found[0]);
    let run = |protocol: &AdaptationProtocol| {
        let benchmark = VtabBenchmark::with(eurosat(&root), protocol.adaptation());
        let data = &benchmark.suite().found[0];
        benchmark.report_task(data, &model(), &context).unwrap()
    };
    let has = |score: &Score, key: &str, part: &str| {
        assert!(score.protocol[key].contains(part), "{part:?} is not in {key}: {:?}", score.protocol);
    };
    let (official, runs) = run(&short(&OFFICIAL));
    assert_eq!((runs.len(), official.protocol["training_examples"].as_str()), (1, "trainval[:1000]"));
    has(&official, "adaptation", "fine-tuning: official");
    has(
        &official,
        "preprocessing",
        "without antialiasing (corners, as VTAB's own); the model's own mean and std",
    );
    has(&official, "deviation", "normalise them within");
    assert!(!official.protocol.contains_key("candidate") && official.protocol["steps"] == "6");

    let (sweep, _) = run(&short(&LIGHTWEIGHT_SWEEP));
    assert_eq!(sweep.protocol["training_examples"], "train800val200");
    has(&sweep, "candidate", "of 4");
    assert_eq!(sweep.protocol["val_top1_by_candidate"].split("; ").count(), 4);

    // A part of the grid: two rates by one decay, twice.
    let few = AdaptationProtocol {
        learning_rates: &[0.5, 1e-9],
        rules: &[Rule::Sgd { momentum: 0.9, weight_decay: 1e-4 }],
        seeds: 2,
        ..short(&ADAPTER_PAPER)
    };
    let (adapter, runs) = run(&few);
    assert_eq!((runs.len(), adapter.protocol["final_seeds"].as_str()), (2, "0, 1"));
    assert!((adapter.value - (runs[0].top1 + runs[1].top1) / 2.0).abs() < 1e-12 && adapter.n == 8);
    assert!(
        adapter.protocol["val_top1_by_candidate"]
            .starts_with("adapter-paper: lr 0.000000001, SGD, weight decay 0.0001")
    );
    has(
        &adapter,
        "preprocessing",
        "without antialiasing (corners, as VTAB's own); mean [0.485, 0.456, 0.406]",
    );
    has(&adapter, "deviation", "images of 32 pixels");
    assert_eq!(adapter.protocol["top1_by_seed"].split(", ").count(), 2);

    let all_still = AdaptationProtocol { learning_rates: &[1e-7, 1e-9], ..few.clone() };
    has(&run(&all_still).0, "candidate", "1 of 2");

    let (linear, runs) = run(&AdaptationProtocol { seeds: 3, ..short(&ADAPTER_PAPER_LINEAR) });
    assert_eq!(
        (runs.len(), linear.protocol["adaptation"].as_str()),
        (3, "linear classifier: adapter-paper-linear")
    );
    has(&linear, "candidate", "of 40");
    has(&linear, "preprocessing", "mean [0.485, 0.456, 0.406]");
    assert!(linear.value > 0.3, "{linear:?}");
}

#[test]
fn a_run_can_be_stopped() {
    let root = Root::new();
    let context = context(&eurosat(&root).found[0]);
    context.stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let fine_tuned = Box::new(FineTuneAdaptation::new(FineTunePreset::Vtab));
    let benchmark = VtabBenchmark::with(eurosat(&root), fine_tuned);
    message(
        benchmark.run_task(&benchmark.suite().found[0], &model(), &context),
        &["was stopped after 1 of 1000"],
    );
    let benchmark = VtabBenchmark::with(eurosat(&root), ADAPTER_PAPER_LINEAR.adaptation());
    assert!(benchmark.run_task(&benchmark.suite().found[0], &model(), &context).is_err());
}

#[test]
fn bit_hyper_rule_mirrors_and_crops_only_what_stands_it() {
    let root = Root::new();
    let data = eurosat(&root).found.remove(0).train1000;
    let said = |task: Task| {
        let keeping = LabelKeeping { flip: task.info().flips, crop: task.info().crops };
        let tunings = FineTunePreset::BitHyperRule.tunings(&model(), data.as_ref(), keeping).unwrap();
        tunings[0].images.description().to_owned()
    };
    for task in [Task::Svhn, Task::DspritesLocation, Task::DspritesOrientation, Task::SmallNorbAzimuth] {
        assert!(!said(task).contains("flip"), "{task}");
    }
    assert!(
        said(Task::DspritesLocation).starts_with("training: both edges 128 bilinear antialiased; evaluation")
    );
    assert!(
        said(Task::Pets).starts_with("training: both edges 160 bilinear antialiased, random crop 128, flip;")
    );
}

#[test]
fn a_dataset_of_ones_own_is_a_task() {
    let root = Root::new();
    let classes: Vec<_> = (0..2).map(|class| format!("c{class}")).collect();
    root.classes("mine", &classes, 10);
    let all: std::sync::Arc<dyn Dataset> =
        std::sync::Arc::new(visrep_data::ImageFolder::open(root.path().join("mine")).unwrap());
    let whole = Whole {
        train: all.clone(),
        val: None,
        test: all.clone(),
        origin: visrep_vtab::Origin::Official,
        note: "a test".into(),
    };
    let data = TaskData::from_whole(Task::PatchCamelyon, whole, root.path().into(), &OpenOptions::default())
        .unwrap();
    assert_eq!((data.train800.len(), data.val200.len()), (16, 4));
    let whole = Whole {
        train: all.clone(),
        val: None,
        test: all,
        origin: visrep_vtab::Origin::Official,
        note: "a test".into(),
    };
    message(
        TaskData::from_whole(Task::Pets, whole, root.path().into(), &OpenOptions::default()),
        &["pets", "2 classes, not 37"],
    );
}
