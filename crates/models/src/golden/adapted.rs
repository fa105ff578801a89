//! The check of weight files in another layout than timm's: names, shapes and logits of a peer that has that layout.

use super::{ALONE, error, filled, input, values};
use crate::arch;
use crate::builder::{Builder, Start};
use crate::head::Head;
use crate::{ModelOptions, Taps};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::PoisonError;
use tch::{Device, nn};

/// What `layouts.py` recorded.
#[derive(Deserialize)]
struct Layout {
    name: String,
    tensors: Vec<(String, Vec<i64>)>,
    input: Vec<i64>,
    logits: Vec<f64>,
}

/// Fills the tensors of row `row` of `layouts.jsonl` by the formula, adapts them to the network of `config`, and
/// compares its logits with the peer's.
pub(crate) fn check_adapted(row: &str, config: &dyn arch::Config, num_classes: i64) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/golden/models/layouts.jsonl");
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut rows = text.lines().map(|line| serde_json::from_str::<Layout>(line).expect("a golden row"));
    let layout = rows.find(|layout| layout.name == row).expect("a row of that name");

    let store = nn::VarStore::new(Device::Cpu);
    let options = ModelOptions::default();
    let builder = Builder::new(store.root(), Start::Initial, &options);
    let backbone = config.build(&builder).expect("a network");
    let head = Head::new(&builder, &config.head(), backbone.embed_dim(), num_classes).expect("a head");
    let target: BTreeMap<_, _> = store.variables().into_iter().collect();

    let mut tensors: BTreeMap<_, _> =
        layout.tensors.iter().map(|(name, shape)| (name.clone(), filled(name, shape))).collect();
    assert_ne!(tensors.keys().collect::<Vec<_>>(), target.keys().collect::<Vec<_>>());
    assert_eq!(config.adapt(&mut tensors, &target).expect("adapted").len(), 1, "one note");
    assert_eq!(tensors.keys().collect::<Vec<_>>(), target.keys().collect::<Vec<_>>());
    assert!(config.adapt(&mut tensors, &target).expect("adapted").is_empty(), "nothing left to adapt");

    let x = input(&layout.input);
    let logits = tch::no_grad(|| {
        for (name, variable) in target {
            let mut variable = variable.shallow_clone();
            assert_eq!(variable.size(), tensors[&name].size(), "{name}");
            variable.copy_(&tensors[&name]);
        }
        let features = backbone.forward_with_taps(&x, false, Taps::None).expect("features");
        head.forward(&features, 0.0, false).expect("logits")
    });
    let worst = error(&values(&logits)[..layout.logits.len()], &layout.logits);
    println!("layout of {row}: {worst:.1e}");
    assert!(worst < 1e-4, "{row} differs from the peer by {worst:e}");
}
