//! The check of other publishers' weights: what a family makes of their names and shapes, as the peer's own loader does.

use super::{error, filled, input, read, sum_norm_error, values};
use crate::{Model, ModelOptions, arch};
use serde::Deserialize;
use std::collections::BTreeMap;
use tch::Tensor;

/// What a script recorded of one checkpoint, whose tensors are filled by the formula under the publisher's names.
#[derive(Deserialize)]
struct Checkpoint {
    /// The architecture.
    name: String,
    /// The rows and columns of the images that the network is for.
    image_size: Option<(i64, i64)>,
    /// The publisher's names and shapes.
    tensors: BTreeMap<String, Vec<i64>>,
    /// What the peer makes of them: name, shape, sum, norm.
    expected: Vec<(String, Vec<i64>, f64, f64)>,
    /// Where the peer has no loader: what the publisher's network makes of the input, which is the architecture's golden input.
    logits: Option<Vec<f64>>,
}

/// Checks what a family makes of every checkpoint in `fixtures/golden/models/<file>.jsonl` whose name begins with `family`.
pub(crate) fn check_adapt(file: &str, family: &str) {
    let rows: Vec<Checkpoint> = read(file);
    let rows: Vec<_> = rows.iter().filter(|row| row.name.starts_with(family)).collect();
    assert!(!rows.is_empty(), "{file}.jsonl has no checkpoint of {family}");
    for row in rows {
        let architecture = arch::resolve(&row.name).expect("a known name").architecture;
        let options = ModelOptions { image_size: row.image_size, ..Default::default() };
        let target = architecture.blank(&options, 1000).expect("a network").tensors;
        let fill = |(name, shape): (&String, &Vec<i64>)| (name.clone(), filled(name, shape));
        let mut tensors: BTreeMap<String, Tensor> = row.tensors.iter().map(fill).collect();
        let notes = architecture.config.adapt_for(&options, &mut tensors, &target).expect("adapted");
        assert!(!notes.is_empty(), "{}: nothing was reported", row.name);
        let worst = match &row.logits {
            Some(logits) => logits_error(&row.name, &tensors, logits),
            None => tensors_error(row, &tensors),
        };
        println!("{} {:?}: {worst:.1e}; {}", row.name, row.image_size, notes.join("; "));
        assert!(worst < 1e-5, "{} differs from the peer by {worst:e}", row.name);
    }
}

fn tensors_error(row: &Checkpoint, tensors: &BTreeMap<String, Tensor>) -> f64 {
    let got: Vec<_> = tensors.iter().map(|(name, tensor)| (name, tensor.size())).collect();
    let expected: Vec<_> = row.expected.iter().map(|(name, shape, ..)| (name, shape.clone())).collect();
    assert_eq!(got, expected, "{}", row.name);
    let error = |(name, _, sum, norm): &(String, Vec<i64>, f64, f64)| {
        sum_norm_error(&tensors[name], [*sum, *norm], f64::MIN_POSITIVE)
    };
    row.expected.iter().map(error).fold(0.0, f64::max)
}

fn logits_error(name: &str, tensors: &BTreeMap<String, Tensor>, expected: &[f64]) -> f64 {
    let model = Model::create(name, &ModelOptions::default()).expect("a model");
    let variables = model.variables();
    assert!(variables.keys().eq(tensors.keys()), "{:?}", tensors.keys());
    let x = input(&[1, 3, 224, 224]);
    tch::no_grad(|| {
        for (name, mut variable) in variables {
            assert_eq!(variable.size(), tensors[&name].size(), "{name}");
            variable.copy_(&tensors[&name]);
        }
        error(&values(&model.forward(&x, false).expect("logits")), expected)
    })
}
