//! Optimisers and the average against torch 2.11 and timm 1.0.31 (fixtures/golden/train).

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

use serde_json::Value;
use std::collections::BTreeMap;
use tch::{Kind, Tensor};
use visrep_train::{AdamW, Decay, DecayOn, Ema, Error, Optimizer, Rule, Sgd};

fn golden(name: &str) -> Value {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/golden/train/");
    serde_json::from_str(&std::fs::read_to_string(format!("{folder}{name}.json")).unwrap()).unwrap()
}

/// The tensors of `values` in the order of their names, shaped as `shapes` says.
fn tensors(values: &Value, shapes: &Value) -> Vec<(String, Tensor)> {
    let sorted: BTreeMap<&String, &Value> = values.as_object().unwrap().iter().collect();
    sorted
        .into_iter()
        .map(|(name, list)| {
            let numbers: Vec<f32> =
                list.as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect();
            let shape: Vec<i64> =
                shapes[name].as_array().unwrap().iter().map(|x| x.as_i64().unwrap()).collect();
            (name.clone(), Tensor::from_slice(&numbers).view(shape.as_slice()))
        })
        .collect()
}

fn largest_difference(a: &[(String, Tensor)], b: &[(String, Tensor)]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|((_, a), (_, b))| (a - b).abs().max().double_value(&[])).fold(0.0, f64::max)
}

fn rule(kind: &str) -> Box<dyn Rule> {
    match kind {
        "sgd" => Box::new(Sgd { momentum: 0.0, nesterov: false }),
        "sgd-momentum" => Box::new(Sgd { momentum: 0.9, nesterov: false }),
        "sgd-nesterov" => Box::new(Sgd { momentum: 0.9, nesterov: true }),
        "adamw" => Box::new(AdamW { betas: [0.9, 0.95], eps: 1e-8 }),
        other => panic!("{other}"),
    }
}

#[test]
fn twenty_steps_equal_torch() {
    let golden = golden("optimizers");
    let shapes = &golden["shapes"];
    for case in golden["cases"].as_array().unwrap() {
        let kind = case["kind"].as_str().unwrap();
        let decay = Decay { rate: case["weight_decay"].as_f64().unwrap(), on: DecayOn::Matrices };
        let run = |resume_at: Option<usize>| {
            let parameters = tensors(&case["start"], shapes);
            let shared = || parameters.iter().map(|(name, t)| (name.clone(), t.shallow_clone())).collect();
            let make = || Optimizer::new(rule(kind), shared(), |_, t| decay.of(t)).unwrap();
            let mut optimizer = make();
            let steps = case["grads"].as_array().unwrap().iter().zip(case["lrs"].as_array().unwrap());
            for (t, (gradients, lr)) in steps.enumerate() {
                if resume_at == Some(t) {
                    let saved: Vec<Tensor> = optimizer.state().iter().map(|(_, t)| t.copy()).collect();
                    let steps = optimizer.steps();
                    optimizer = make();
                    for ((_, mut slot), saved) in optimizer.state().into_iter().zip(saved) {
                        slot.copy_(&saved);
                    }
                    optimizer.resume_at(steps);
                }
                let gradients: Vec<Tensor> = tensors(gradients, shapes)
                    .iter()
                    .zip(&parameters)
                    .map(|((_, g), (_, p))| g + p)
                    .collect();
                optimizer.apply(&gradients, lr.as_f64().unwrap()).unwrap();
            }
            parameters
        };
        let ours = run(None);
        let error = largest_difference(&ours, &tensors(&case["end"], shapes));
        println!("{kind}: largest difference after 20 steps {error:.1e}");
        assert!(error <= 1e-6, "{kind}: {error:e}");
        assert_eq!(
            largest_difference(&ours, &run(Some(7))),
            0.0,
            "{kind}: saving and restoring must change nothing"
        );
    }
}

#[test]
fn vectors_do_not_decay_and_the_table_says_so() {
    let decay = Decay { rate: 0.5, on: DecayOn::Matrices };
    let float = (Kind::Float, tch::Device::Cpu);
    let parameters = || {
        vec![
            ("fc.bias".to_owned(), Tensor::ones([3], float)),
            ("fc.weight".to_owned(), Tensor::ones([3, 2], float)),
        ]
    };
    let named = parameters();
    let shared = named.iter().map(|(name, t)| (name.clone(), t.shallow_clone())).collect();
    let mut optimizer = Optimizer::new(rule("sgd"), shared, |_, t| decay.of(t)).unwrap();
    let zeros = [Tensor::zeros([3], float), Tensor::zeros([3, 2], float)];
    optimizer.apply(&zeros, 0.1).unwrap();
    assert_eq!(named[0].1.double_value(&[0]), 1.0);
    assert!((named[1].1.double_value(&[0, 0]) - 0.95).abs() < 1e-6);
    let table = optimizer.decay_table();
    let lines: Vec<&str> = table.lines().map(str::trim).collect();
    let at = |wanted: &str| lines.iter().position(|line| line.starts_with(wanted)).unwrap();
    assert!(at("0.5") < at("fc.weight [3, 2]") && at("fc.weight [3, 2]") < at("0 "), "{table}");
    assert!(at("0 ") < at("fc.bias [3]"), "{table}");
    assert_eq!(Decay { rate: 0.5, on: DecayOn::All }.of(&named[0].1), 0.5);
}

#[test]
fn a_parameter_that_the_loss_does_not_touch_is_named() {
    let float = (Kind::Float, tch::Device::Cpu);
    let used = Tensor::ones([2], float).set_requires_grad(true);
    let unused = Tensor::ones([2], float).set_requires_grad(true);
    let named = vec![("used".to_owned(), used.shallow_clone()), ("unused".to_owned(), unused)];
    let mut optimizer = Optimizer::new(rule("sgd"), named, |_, _| 0.0).unwrap();
    let result = optimizer.step(&used.sum(Kind::Float), 0.1);
    assert!(matches!(&result, Err(Error::NoGradient { name }) if name == "unused"), "{result:?}");
}

#[test]
fn the_average_equals_timm() {
    let golden = golden("ema");
    let states: Vec<_> =
        golden["states"].as_array().unwrap().iter().map(|state| tensors(state, &golden["shapes"])).collect();
    let integers = |state: &[(String, Tensor)]| -> Vec<(String, Tensor)> {
        let convert = |(name, t): &(String, Tensor)| {
            let count = name.ends_with("num_batches_tracked");
            (name.clone(), if count { t.to_kind(Kind::Int64) } else { t.shallow_clone() })
        };
        state.iter().map(convert).collect()
    };
    let mut ema = Ema::new(&integers(&states[0]), golden["decay"].as_f64().unwrap()).unwrap();
    for state in &states[1..] {
        ema.update(&integers(state)).unwrap();
    }
    let end = integers(&tensors(&golden["end"], &golden["shapes"]));
    let error = largest_difference(&ema.state(), &end);
    println!("average: largest difference after 5 steps {error:.1e}");
    assert!(error <= 1e-6);
}
