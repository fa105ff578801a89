//! The check of other publishers' weights: what a family makes of their names and layouts, as the peer's own loader does.

use super::{alone, error, filled, input, read, sum_norm_error, values};
use crate::{Model, ModelOptions};
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
    outcome: Outcome,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Outcome {
    /// What the peer makes of the tensors: name, shape, sum, norm.
    Tensors(Vec<(String, Vec<i64>, f64, f64)>),
    /// The first logits of the network that the publisher keeps under these names, of the golden input of this shape.
    Logits { input: Vec<i64>, logits: Vec<f64> },
}

/// Checks what the architectures whose names begin with `family` make of the checkpoints in
/// `fixtures/golden/models/published_names.jsonl`.
pub(crate) fn check_adapt(family: &str) {
    let _alone = alone();
    let rows: Vec<Checkpoint> = read("published_names");
    let rows: Vec<_> = rows.iter().filter(|row| row.name.starts_with(family)).collect();
    assert!(!rows.is_empty(), "there is no checkpoint of {family}");
    for row in rows {
        let name = row.name.as_str();
        let options = ModelOptions { image_size: row.image_size, ..Default::default() };
        let model = Model::create(name, &options).expect("a model");
        let (config, target) = (model.architecture().config, model.variables());
        let fill = |(name, shape): (&String, &Vec<i64>)| (name.clone(), filled(name, shape));
        let mut tensors: BTreeMap<String, Tensor> = row.tensors.iter().map(fill).collect();
        let notes = config.adapt(&options, &mut tensors, &target).expect("adapted");
        assert!(!notes.is_empty(), "{name}: nothing was reported");
        let again = config.adapt(&options, &mut tensors, &target).expect("adapted");
        assert!(again.is_empty(), "{name}: something was left to adapt: {again:?}");
        let worst = match &row.outcome {
            Outcome::Tensors(expected) => tensors_error(name, expected, &tensors),
            Outcome::Logits { input, logits } => logits_error(&model, &tensors, input, logits),
        };
        println!("{name} {:?}: {worst:.1e}; {}", row.image_size, notes.join("; "));
        assert!(worst < 1e-5, "{name} differs from the peer by {worst:e}");
    }
}

fn tensors_error(
    name: &str,
    expected: &[(String, Vec<i64>, f64, f64)],
    tensors: &BTreeMap<String, Tensor>,
) -> f64 {
    let got: Vec<_> = tensors.iter().map(|(name, tensor)| (name, tensor.size())).collect();
    let shapes: Vec<_> = expected.iter().map(|(name, shape, ..)| (name, shape.clone())).collect();
    assert_eq!(got, shapes, "{name}");
    let error = |(name, _, sum, norm): &(String, Vec<i64>, f64, f64)| {
        sum_norm_error(&tensors[name], [*sum, *norm], f64::MIN_POSITIVE)
    };
    expected.iter().map(error).fold(0.0, f64::max)
}

fn logits_error(model: &Model, tensors: &BTreeMap<String, Tensor>, shape: &[i64], expected: &[f64]) -> f64 {
    let variables = model.variables();
    assert!(variables.keys().eq(tensors.keys()), "{}: {:?}", model.name(), tensors.keys());
    tch::no_grad(|| {
        for (name, mut variable) in variables {
            assert_eq!(variable.size(), tensors[&name].size(), "{name}");
            variable.copy_(&tensors[&name]);
        }
        let logits = values(&model.forward(&input(shape), false).expect("logits"));
        error(&logits[..expected.len()], expected)
    })
}
