//! What a recipe can ask of the loop: every optimiser and option stops and goes on exactly, and does what it says.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

mod common;

use common::{images, options, recipe};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tch::Device;
use visrep_models::Model;
use visrep_torch::PrecisionChoice;
use visrep_train::{
    Error, Hooks, Outcome, ProbeConfig, ProbeError, Recipe, StepReport, train, train_with, train_with_hooks,
};

/// LibTorch's generator is one for the whole process, so runs here take turns.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn run(recipe: &Recipe, out: &Path, stop_after: Option<u64>) -> Result<Outcome, Error> {
    let options = options();
    train_with(recipe, Arc::new(images(17)), out, &options, |report| {
        if stop_after == Some(report.step) {
            options.stop.store(true, Ordering::Relaxed);
        }
    })
}

fn changed(name: &str, steps: u64, changes: &[&str]) -> Recipe {
    let mut recipe = recipe(name, steps);
    changes.iter().for_each(|change| recipe.set(change).unwrap());
    recipe
}

fn last_checkpoint(out: &Path) -> Vec<u8> {
    let mut files: Vec<_> =
        std::fs::read_dir(out.join("checkpoints")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.file_name().unwrap().to_str().unwrap().starts_with("step-"));
    files.sort();
    std::fs::read(files.last().unwrap()).unwrap()
}

fn metrics(out: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(out.join("metrics.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The tensors of `model.safetensors`.
fn exported(out: &Path) -> BTreeMap<String, Vec<u8>> {
    let bytes = std::fs::read(out.join("model.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    tensors.iter().map(|(name, view)| (name.to_owned(), view.data().to_vec())).collect()
}

const BF16: &str = "compute.precision=bf16";

/// Whether this machine trains in bf16; says so if not.
fn has_bf16() -> bool {
    let resolved = PrecisionChoice::Bf16.resolve(Device::Cpu);
    resolved.inspect_err(|error| eprintln!("not tested here: {error}")).is_ok()
}

#[test]
fn every_optimiser_and_option_goes_on_exactly() {
    let _turn = turn();
    let lars = |variant: &str| format!("optimizer={{ name = 'lars', variant = '{variant}' }}");
    let variants = ["momentum-after-trust", "lr-in-momentum", "larc"].map(lars);
    for changes in [
        &["optimizer={ name = 'sgd' }"][..],
        &["optimizer={ name = 'sgd', momentum = 0.9, nesterov = true }"],
        &["optimizer={ name = 'adamw' }", "schedule.lr=0.01"],
        &[&variants[0]],
        &[&variants[1]],
        &[&variants[2]],
        &["optimizer={ name = 'lamb' }", "schedule.lr=0.01"],
        &["optimizer={ name = 'adafactor' }", "schedule.lr=0.01"],
        &["sam.rho=0.05"],
        &["gradient.accumulate=2"],
        &["gradient.clip={ kind = 'per-tensor', norm = 0.5 }", "decay.final_rate=0.01"],
        &["gradient.clip={ kind = 'adaptive' }", "parameters.layer_decay=0.7"],
        &["parameters.groups=[{ names = 'projector.*', freeze = '4 steps', constant_lr = true }]"],
        &[BF16, "compute.gradient_checkpointing=true"],
        &["compute.channels_last=off", "ema.decay={ from = 0.5, to = 1.0, shape = 'cosine' }"],
        &["checkpoint.best=loss", "checkpoint.every=3 steps"],
        &["schedule.shape={ rsqrt = { timescale = '3 steps' } }", "schedule.cooldown=4 steps"],
    ] {
        if changes.contains(&BF16) && !has_bf16() {
            continue;
        }
        let recipe = changed("simclr-digits", 8, changes);
        let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        assert_eq!(run(&recipe, whole.path(), None).unwrap(), Outcome::Finished, "{changes:?}");
        for stop in [3, 4] {
            assert_eq!(run(&recipe, parts.path(), Some(stop)).unwrap(), Outcome::Interrupted);
        }
        assert_eq!(run(&recipe, parts.path(), None).unwrap(), Outcome::Finished);
        assert!(last_checkpoint(whole.path()) == last_checkpoint(parts.path()), "{changes:?}");
        assert!(exported(whole.path()) == exported(parts.path()), "{changes:?}");
        let plain = common::recipe("simclr-digits", 8);
        if recipe.checkpoint == plain.checkpoint && recipe != plain {
            let other = tempfile::tempdir().unwrap();
            run(&plain, other.path(), None).unwrap();
            assert!(exported(whole.path()) != exported(other.path()), "{changes:?} must change something");
        }
    }
}

#[test]
fn gradient_checkpointing_changes_no_weight() {
    let _turn = turn();
    let trained = |on: &str| {
        let recipe = changed("supervised-digits", 3, &[&format!("compute.gradient_checkpointing={on}")]);
        let out = tempfile::tempdir().unwrap();
        run(&recipe, out.path(), None).unwrap();
        exported(out.path())
    };
    assert!(trained("true") == trained("false"));
}

#[test]
fn accumulated_batches_are_one_step_by_their_mean() {
    let _turn = turn();
    let recipe = changed("simclr-digits", 4, &["gradient.accumulate=2", "schedule.warmup=0 steps"]);
    let out = tempfile::tempdir().unwrap();
    run(&recipe, out.path(), None).unwrap();
    // 17 images make 4 batches of 4, and those 2 steps.
    let epochs: Vec<u64> = metrics(out.path()).iter().map(|line| line["epoch"].as_u64().unwrap()).collect();
    assert_eq!(epochs, [0, 0, 1, 1]);
    let few = changed("simclr-digits", 4, &["gradient.accumulate=5"]);
    let error = run(&few, tempfile::tempdir().unwrap().path(), None).unwrap_err();
    assert!(matches!(error, Error::TooFewSamples { samples: 17, batch_size: 20 }), "{error}");
}

#[test]
fn a_group_that_fits_nothing_is_refused() {
    let _turn = turn();
    let recipe = changed("simclr-digits", 4, &["parameters.groups=[{ names = 'predictor.*' }]"]);
    let error = run(&recipe, tempfile::tempdir().unwrap().path(), None).unwrap_err().to_string();
    assert!(
        error.contains("predictor.*")
            && error.contains("there are model.bn1.*, model.conv1.*, model.layer1.*")
            && error.ends_with("projector.1.*"),
        "{error}"
    );
}

#[test]
fn a_checkpoint_of_another_precision_is_refused() {
    if !has_bf16() {
        return;
    }
    let _turn = turn();
    let out = tempfile::tempdir().unwrap();
    run(&recipe("simclr-digits", 8), out.path(), Some(2)).unwrap();
    let error = run(&changed("simclr-digits", 8, &[BF16]), out.path(), None).unwrap_err();
    let text = error.to_string();
    assert!(
        matches!(error, Error::CheckpointMismatch { .. }) && text.contains("compute.precision"),
        "{text}"
    );
}

/// A probe whose figures are given in advance.
struct Given(Vec<f64>, usize);

impl Hooks for Given {
    fn probe(&mut self, model: &Model, config: &ProbeConfig) -> Result<Vec<(&'static str, f64)>, ProbeError> {
        assert_eq!((model.embed_dim(), config.k), (128, 20));
        self.1 += 1;
        self.0.get(self.1 - 1).map(|figure| vec![("figure", *figure)]).ok_or_else(|| "no more figures".into())
    }

    fn after_step(&mut self, report: &StepReport) {
        assert_eq!(report.metrics.iter().any(|(name, _)| *name == "figure"), report.step.is_multiple_of(2));
    }
}

#[test]
fn the_probe_is_logged_and_decides_which_checkpoint_is_the_best() {
    let _turn = turn();
    let recipe = changed("simclr-digits", 6, &["probe.every=2 steps", "log.every_steps=3"]);
    let out = tempfile::tempdir().unwrap();
    let data = || Arc::new(images(17));
    let mut probe = Given(vec![0.5, 0.75, 0.6], 0);
    train_with_hooks(&recipe, data(), out.path(), &options(), &mut probe).unwrap();
    assert_eq!(probe.1, 3);
    let found: Vec<(u64, f64)> = metrics(out.path())
        .iter()
        .filter_map(|line| Some((line["step"].as_u64()?, line["figure"].as_f64()?)))
        .collect();
    assert_eq!(found, [(2, 0.5), (4, 0.75), (6, 0.6)]);
    let best =
        String::from_utf8_lossy(&std::fs::read(out.path().join("checkpoints/best.safetensors")).unwrap())
            .into_owned();
    assert!(best.contains(r#"\"step\":4,"#) && best.contains(r#"\"best\":0.75"#));

    let error = train_with_hooks(
        &recipe,
        data(),
        tempfile::tempdir().unwrap().path(),
        &options(),
        &mut Given(vec![], 0),
    );
    assert!(error.unwrap_err().to_string().contains("no more figures"));
}

#[test]
fn a_run_tells_what_it_does() {
    let _turn = turn();
    let recipe = changed("simclr-digits", 4, &["log.watch_every_steps=2"]);
    let out = tempfile::tempdir().unwrap();
    train(&recipe, Arc::new(images(17)), out.path(), &options()).unwrap();
    let lines = metrics(out.path());
    for line in &lines {
        assert!(line["gradient_norm"].as_f64().unwrap() > 0.0);
        let watched = line["step"].as_u64().unwrap().is_multiple_of(2);
        for name in ["watch_std", "watch_centre_norm", "watch_effective_rank", "watch_entropy"] {
            assert_eq!(line.get(name).is_some(), watched, "{name}");
        }
    }
    let events: Vec<_> = std::fs::read_dir(out.path().join("tensorboard")).unwrap().collect();
    let bytes = std::fs::read(events[0].as_ref().unwrap().path()).unwrap();
    assert_eq!(events.len(), 1);
    assert!(bytes.windows(13).any(|window| window == b"gradient_norm"));
    let facts: Value = serde_json::from_slice(&std::fs::read(out.path().join("run.json")).unwrap()).unwrap();
    assert_eq!((&facts["steps"], &facts["compute"]["bf16"]), (&Value::from(4), &Value::from(false)));
}

#[test]
fn a_schedule_is_followed_and_scaled() {
    let _turn = turn();
    let changes = ["schedule.batch_scaling={ linear = 2 }", "schedule.shape=constant", "schedule.lr=0.01"];
    let recipe = changed("simclr-digits", 4, &changes);
    let out = tempfile::tempdir().unwrap();
    run(&recipe, out.path(), None).unwrap();
    let lr: Vec<f64> = metrics(out.path()).iter().map(|line| line["lr"].as_f64().unwrap()).collect();
    assert_eq!(lr, [0.01, 0.02, 0.02, 0.02]);
}
