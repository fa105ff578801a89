//! The online linear probe: it learns, it stays out of the network, and it needs labels.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

mod common;

use common::{images, options, recipe};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tch::Tensor;
use visrep_data::{Dataset as _, InMemory};
use visrep_models::Model;
use visrep_train::{Error, Hooks, OnlineLinear, ProbeConfig, ProbeError, Recipe, train, train_with_hooks};

/// LibTorch's generator is one for the whole process, so runs here take turns.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn changed(steps: u64, changes: &[&str]) -> Recipe {
    let mut recipe = recipe("simclr-digits", steps);
    changes.iter().for_each(|change| recipe.set(change).unwrap());
    recipe
}

/// The figures called `name` in `metrics.jsonl`.
fn figures(out: &Path, name: &str) -> Vec<f64> {
    let text = std::fs::read_to_string(out.join("metrics.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    lines.filter_map(|line| line[name].as_f64()).collect()
}

/// Keeps what the online probe says of constant features.
struct Measure(Vec<Vec<f64>>);

impl Hooks for Measure {
    fn probe_online(
        &mut self,
        model: &Model,
        online: &OnlineLinear,
        _: &ProbeConfig,
    ) -> Result<Vec<(&'static str, f64)>, ProbeError> {
        let features = Tensor::ones([2, model.embed_dim()], (tch::Kind::Float, tch::Device::Cpu));
        let logits = online.logits(&features)?;
        assert_eq!(logits.size(), [2, 3]);
        assert!(online.logits(&features.narrow(1, 0, 5)).is_err());
        self.0.push(Vec::try_from(logits.get(0).to_kind(tch::Kind::Double))?);
        Ok(vec![("linear_top1", 0.5)])
    }
}

#[test]
fn it_learns_and_the_network_notices_nothing() {
    let _turn = turn();
    let run = |changes: &[&str], hooks: &mut Measure| {
        let out = tempfile::tempdir().unwrap();
        train_with_hooks(&changed(24, changes), Arc::new(images(30)), out.path(), &options(), hooks).unwrap();
        out
    };
    // A network that hardly moves: what the probe learns stays true.
    let (mut without, mut with) = (Measure(Vec::new()), Measure(Vec::new()));
    let plain = run(&["probe.every=12 steps", "schedule.lr=0.001"], &mut without);
    let probed = run(&["probe.every=12 steps", "online.lr=0.3", "schedule.lr=0.001"], &mut with);
    let model = |out: &Path| {
        let bytes = std::fs::read(out.join("model.safetensors")).unwrap();
        let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let tensors = tensors.iter().map(|(name, view)| (name.to_owned(), view.data().to_vec()));
        tensors.collect::<BTreeMap<_, _>>()
    };
    assert!(model(plain.path()) == model(probed.path()), "the backbones differ");
    assert_eq!(figures(plain.path(), "loss"), figures(probed.path(), "loss"));

    assert!(without.0.is_empty() && figures(plain.path(), "online_top1").is_empty());
    assert_eq!(figures(probed.path(), "linear_top1"), [0.5; 2]);
    assert!(with.0.len() == 2 && with.0[0] != with.0[1], "{:?}", with.0);
    let loss = figures(probed.path(), "online_loss");
    assert_eq!(loss.len(), 24);
    assert!((loss[0] - 3f64.ln()).abs() < 1e-6, "it starts from 0: {loss:?}");
    let last = loss[16..].iter().sum::<f64>() / 8.0;
    assert!(last < 0.95 * loss[0], "{loss:?}");
    assert!(figures(probed.path(), "online_top1").iter().all(|top1| (0.0..=1.0).contains(top1)));
}

#[test]
fn accumulated_batches_each_teach_it_and_a_resume_goes_on_exactly() {
    let _turn = turn();
    let recipe = changed(6, &["online.lr=1", "gradient.accumulate=2"]);
    let whole = tempfile::tempdir().unwrap();
    train(&recipe, Arc::new(images(17)), whole.path(), &options()).unwrap();
    let parts = tempfile::tempdir().unwrap();
    let stopping = options();
    let stop = stopping.stop.clone();
    visrep_train::train_with(&recipe, Arc::new(images(17)), parts.path(), &stopping, |report| {
        stop.store(report.step == 3, std::sync::atomic::Ordering::Relaxed);
    })
    .unwrap();
    train(&recipe, Arc::new(images(17)), parts.path(), &options()).unwrap();
    let last = |out: &Path| std::fs::read(out.join("checkpoints/step-000000006.safetensors")).unwrap();
    assert!(last(whole.path()) == last(parts.path()));
    let bytes = last(whole.path());
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    for name in ["online.weight", "online.bias", "online.momentum.weight", "online.running_var"] {
        assert!(tensors.tensor(name).unwrap().data().iter().any(|&byte| byte != 0), "{name}");
    }
}

#[test]
fn what_cannot_be_probed_is_refused() {
    let _turn = turn();
    let out = tempfile::tempdir().unwrap();
    let unlabelled = || {
        let sample = |i| visrep_data::Sample { label: None, ..images(8).get(i).unwrap() };
        Arc::new(InMemory::new((0..8).map(sample).collect(), Vec::new()))
    };
    let error = train(&changed(2, &["online.lr=1"]), unlabelled(), out.path(), &options()).unwrap_err();
    assert!(matches!(&error, Error::Value { key, .. } if key == "online"), "{error}");
    for wrong in ["online.lr=-1", "online.momentum=1", "online.weight_decay=nan", "online.rate=1"] {
        assert!(recipe("simclr-digits", 2).set(wrong).is_err(), "{wrong}");
    }
    // Of a checkpoint with a probe none without can be resumed.
    train(&changed(1, &["online.lr=1"]), Arc::new(images(8)), out.path(), &options()).unwrap();
    let error = train(&changed(1, &[]), Arc::new(images(8)), out.path(), &options()).unwrap_err();
    assert!(error.to_string().contains("online.lr"), "{error}");
}
