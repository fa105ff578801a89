//! Optimisers, clipping and the average against torch 2.11, timm 1.0.31 and lightly 1.6.0 (fixtures/golden/train).

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

use serde_json::Value;
use std::collections::BTreeMap;
use tch::{Kind, Tensor};
use visrep_train::{AdamW, Clip, Ema, Error, Optimizer, OptimizerConfig, ParameterOptions, Rates, Rule, Sgd};

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

/// The optimiser of a golden case, as a recipe's section names it.
fn rule(kind: &str) -> Box<dyn Rule> {
    let toml = match kind {
        "sgd" => "name = 'sgd'",
        "sgd-momentum" | "sgd-sam" => "name = 'sgd'\nmomentum = 0.9",
        "sgd-nesterov" => "name = 'sgd'\nmomentum = 0.9\nnesterov = true",
        "adamw" => "name = 'adamw'\nbetas = [0.9, 0.95]",
        "lars-facebook" => "name = 'lars'\nvariant = 'momentum-after-trust'\ntrust = 0.1",
        "lars-google" => "name = 'lars'\nvariant = 'lr-in-momentum'\ntrust = 0.1",
        "lars-lightly" => "name = 'lars'\nvariant = 'larc'\nadapt = 'decayed'\ntrust = 0.1",
        "lars-nesterov" => "name = 'lars'\nvariant = 'larc'\nadapt = 'decayed'\ntrust = 0.1\nnesterov = true",
        "larc-clip" => "name = 'lars'\nvariant = 'larc'\nadapt = 'all'\nclip = true\ntrust = 0.02",
        "lamb" => "name = 'lamb'",
        "lamb-clip" => "name = 'lamb'\ntrust_clip = true\nadapt = 'all'",
        "adafactor" => "name = 'adafactor'\nmin_dim_size_to_factor = 3",
        "adafactor-f32" => {
            "name = 'adafactor'\nmin_dim_size_to_factor = 3\nbf16_momentum = false\nclipping_threshold = 0.8"
        }
        "adafactor-plain" => "name = 'adafactor'\nmin_dim_size_to_factor = 3\nmomentum = 0.0",
        other => panic!("{other}"),
    };
    toml::from_str::<OptimizerConfig>(toml).unwrap().rule()
}

fn matrices_decay(rate: f64) -> impl Fn(&str, &Tensor) -> ParameterOptions {
    move |_, tensor| ParameterOptions {
        weight_decay: if tensor.dim() > 1 { rate } else { 0.0 },
        ..ParameterOptions::default()
    }
}

fn share(named: &[(String, Tensor)]) -> Vec<(String, Tensor)> {
    named.iter().map(|(name, t)| (name.clone(), t.shallow_clone())).collect()
}

/// The optimiser after saving and restoring, at the given steps, of a copy of its state.
fn restored(optimizer: &Optimizer, make: impl Fn() -> Optimizer) -> Optimizer {
    let saved: Vec<Tensor> = optimizer.state().iter().map(|(_, t)| t.copy()).collect();
    let mut other = make();
    for ((_, mut slot), saved) in other.state().into_iter().zip(saved) {
        slot.copy_(&saved);
    }
    other.resume_at(optimizer.steps());
    other
}

#[test]
fn twenty_steps_equal_the_peers() {
    let golden = golden("optimizers");
    let shapes = &golden["shapes"];
    let cases = golden["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 15);
    for case in cases {
        let kind = case["kind"].as_str().unwrap();
        let decay = case["weight_decay"].as_f64().unwrap();
        let run = |resume_at: Option<usize>| {
            let parameters = tensors(&golden["start"], shapes);
            let make = || Optimizer::new(rule(kind), share(&parameters), matrices_decay(decay)).unwrap();
            let mut optimizer = make();
            let steps = golden["grads"].as_array().unwrap().iter().zip(case["lrs"].as_array().unwrap());
            for (t, (gradients, lr)) in steps.enumerate() {
                if resume_at == Some(t) {
                    optimizer = restored(&optimizer, make);
                }
                let noise = tensors(gradients, shapes);
                let slopes =
                    || noise.iter().zip(&parameters).map(|((_, g), (_, p))| g + p).collect::<Vec<_>>();
                let mut gradients = slopes();
                if kind == "sgd-sam" {
                    let before = optimizer.perturb(&gradients, 0.5).unwrap();
                    gradients = slopes();
                    optimizer.restore(&before).unwrap();
                }
                optimizer.apply(gradients, &Rates::constant(lr.as_f64().unwrap())).unwrap();
            }
            parameters
        };
        let (start, end) = (tensors(&golden["start"], shapes), tensors(&case["end"], shapes));
        let moved = largest_difference(&start, &end);
        let ours = run(None);
        let error = largest_difference(&ours, &end);
        println!("{kind}: moved by {moved:.1e}, largest difference after 20 steps {error:.1e}");
        assert!(moved > 0.1, "{kind}: the case tests little: {moved}");
        // bf16 rounds what differs in the last bit of f32 to neighbours that are 2^-8 apart.
        let tolerance = if kind == "adafactor" { 2e-3 } else { 2e-6 };
        assert!(error <= tolerance, "{kind}: {error:e}");
        let resumed = run(Some(7));
        assert_eq!(
            largest_difference(&ours, &resumed),
            0.0,
            "{kind}: saving and restoring must change nothing"
        );
    }
}

/// One step of the fused calls beside the formula in plain calls.
#[test]
fn fused_steps_equal_plain_ones() {
    let shapes: &[&[i64]] = &[&[40, 30], &[17], &[8, 3, 3, 3]];
    let random = |scale: f64| -> Vec<Tensor> {
        tch::manual_seed(4);
        shapes.iter().map(|s| Tensor::randn(*s, (Kind::Float, tch::Device::Cpu)) * scale).collect()
    };
    let named =
        |list: &[Tensor]| list.iter().map(|t| ("p".to_owned(), t.shallow_clone())).collect::<Vec<_>>();
    let (lr, decay, betas, momentum) = (0.01, 0.1, [0.9, 0.999], 0.9);
    let rules: [Box<dyn Rule>; 2] =
        [Box::new(AdamW { betas, eps: 1e-8 }), Box::new(Sgd { momentum, nesterov: true })];
    for (rule, adam) in rules.into_iter().zip([true, false]) {
        let parameters = random(1.0);
        let mut expected = random(1.0);
        let options = |_: &str, _: &Tensor| ParameterOptions { weight_decay: decay, ..Default::default() };
        let mut optimizer = Optimizer::new(rule, named(&parameters), options).unwrap();
        let mut first: Vec<Tensor> = expected.iter().map(Tensor::zeros_like).collect();
        let mut second: Vec<Tensor> = expected.iter().map(Tensor::zeros_like).collect();
        for t in 1..=5 {
            let gradients: Vec<Tensor> = random(0.3).iter().map(|g| g * f64::from(t)).collect();
            for (i, g) in gradients.iter().enumerate() {
                let p = &expected[i];
                expected[i] = if adam {
                    first[i] = &first[i] + (g - &first[i]) * (1.0 - betas[0]);
                    second[i] = &second[i] * betas[1] + g * g * (1.0 - betas[1]);
                    let spread = second[i].sqrt() / (1.0 - betas[1].powi(t)).sqrt() + 1e-8;
                    p * (1.0 - lr * decay) - &first[i] / spread * (lr / (1.0 - betas[0].powi(t)))
                } else {
                    let slope = g + p * decay;
                    first[i] = &first[i] * momentum + &slope;
                    p - (slope + &first[i] * momentum) * lr
                };
            }
            optimizer.apply(gradients, &Rates::constant(lr)).unwrap();
        }
        let error = largest_difference(&named(&parameters), &named(&expected));
        let largest = expected.iter().map(|p| p.abs().max().double_value(&[])).fold(0.0, f64::max);
        println!("fused, adam {adam}: relative difference after 5 steps {:.1e}", error / largest);
        assert!(error / largest <= 2e-7, "{error}");
    }
}

#[test]
fn clipping_equals_the_peers() {
    let golden = golden("clips");
    let (shapes, all) = (&golden["shapes"], |key: &str| tensors(&golden[key], &golden["shapes"]));
    let parameters = all("parameters");
    let names: Vec<&str> = parameters.iter().map(|(name, _)| name.as_str()).collect();
    let plain: Vec<Tensor> = parameters.iter().map(|(_, t)| t.shallow_clone()).collect();
    let clipped = |clip: &Clip| {
        let mut gradients: Vec<Tensor> =
            tensors(&golden["grads"], shapes).into_iter().map(|(_, t)| t).collect();
        clip.apply(&mut gradients, &plain, &names).unwrap();
        names.iter().map(|&name| name.to_owned()).zip(gradients).collect::<Vec<_>>()
    };
    let adaptive = |exclude: &[&str]| Clip::Adaptive {
        factor: 0.8,
        eps: 1e-3,
        exclude: exclude.iter().map(|&name| name.to_owned()).collect(),
    };
    for (key, clip) in [
        ("global", Clip::Global { norm: 3.0 }),
        ("per-tensor", Clip::PerTensor { norm: 3.0 }),
        ("adaptive", adaptive(&[])),
    ] {
        let error = largest_difference(&clipped(&clip), &all(key));
        println!("{key}: {error:.1e}");
        assert!(error <= 1e-6, "{key}: {error:e}");
        assert!(largest_difference(&all(key), &all("grads")) > 0.1, "{key} must change something");
    }
    let spared = clipped(&adaptive(&["fc.*"]));
    for ((name, found), (_, before)) in spared.iter().zip(all("grads")) {
        assert_eq!(name.starts_with("fc."), *found == before, "{name}");
    }
}

#[test]
fn parameters_are_trained_as_their_options_say_and_the_table_shows_it() {
    let float = (Kind::Float, tch::Device::Cpu);
    let named: Vec<(String, Tensor)> = ["constant", "decayed", "frozen", "plain", "slow"]
        .map(|name| (name.to_owned(), Tensor::ones([3, 2], float)))
        .into();
    let options = |name: &str, _: &Tensor| {
        let plain = ParameterOptions::default();
        match name {
            "constant" => ParameterOptions { constant_lr: true, ..plain },
            "decayed" => ParameterOptions { weight_decay: 0.5, ..plain },
            "frozen" => ParameterOptions { frozen_steps: 2, weight_decay: 0.5, ..plain },
            "slow" => ParameterOptions { lr_scale: 0.1, ..plain },
            _ => plain,
        }
    };
    let mut optimizer = Optimizer::new(rule("sgd"), share(&named), options).unwrap();
    let value = |name: &str| named.iter().find(|(n, _)| n == name).unwrap().1.double_value(&[0, 0]);
    let step = |optimizer: &mut Optimizer| {
        let ones = named.iter().map(|_| Tensor::ones([3, 2], float)).collect();
        optimizer.apply(ones, &Rates { lr: 0.1, constant_lr: 0.2, decay: 2.0 }).unwrap();
    };
    step(&mut optimizer);
    for (name, expected) in
        [("plain", 0.9), ("constant", 0.8), ("decayed", 0.8), ("slow", 0.99), ("frozen", 1.0)]
    {
        assert!((value(name) - expected).abs() < 1e-6, "{name}: {}", value(name));
    }
    step(&mut optimizer);
    assert_eq!(value("frozen"), 1.0);
    step(&mut optimizer);
    assert!((value("frozen") - 0.8).abs() < 1e-6);

    let table = optimizer.table();
    let lines: Vec<&str> = table.lines().map(str::trim).collect();
    let at = |wanted: &str| lines.iter().position(|line| line.starts_with(wanted)).unwrap();
    assert!(at("0.5 ") < at("decayed [3, 2]") && at("decayed [3, 2]") < at("plain [3, 2]"), "{table}");
    assert!(table.contains("frozen for 2 steps") && table.contains("constant learning rate"), "{table}");
    assert!(lines.iter().any(|line| line.starts_with("0 ") && line.contains(" 0.1 ")), "{table}");
}

#[test]
fn adam_counts_from_the_end_of_a_freeze() {
    let float = (Kind::Float, tch::Device::Cpu);
    let one = |frozen_steps: u64, steps: usize| {
        let named = vec![("p".to_owned(), Tensor::ones([4], float))];
        let options = |_: &str, _: &Tensor| ParameterOptions { frozen_steps, ..Default::default() };
        for kind in ["adamw", "lamb", "adafactor-f32"] {
            let mut optimizer = Optimizer::new(rule(kind), share(&named), options).unwrap();
            for _ in 0..steps {
                optimizer.apply(vec![Tensor::ones([4], float)], &Rates::constant(0.1)).unwrap();
            }
        }
        named[0].1.double_value(&[0])
    };
    assert_eq!(one(3, 5), one(0, 2));
    assert!(one(3, 5) < 1.0);
}

#[test]
fn a_parameter_that_the_loss_does_not_touch_is_named_unless_it_is_frozen() {
    let float = (Kind::Float, tch::Device::Cpu);
    let used = Tensor::ones([2], float).set_requires_grad(true);
    let unused = Tensor::ones([2], float).set_requires_grad(true);
    let named = vec![("used".to_owned(), used.shallow_clone()), ("unused".to_owned(), unused)];
    for through_leaves in [false, true] {
        let optimizer =
            Optimizer::new(rule("sgd"), share(&named), |_, _| ParameterOptions::default()).unwrap();
        let result = optimizer.gradients(&(&used * 3.0).sum(Kind::Float), through_leaves);
        assert!(matches!(&result, Err(Error::NoGradient { name }) if name == "unused"), "{result:?}");
        let frozen = |name: &str, _: &Tensor| ParameterOptions {
            frozen_steps: if name == "unused" { 1 } else { 0 },
            ..ParameterOptions::default()
        };
        let optimizer = Optimizer::new(rule("sgd"), share(&named), frozen).unwrap();
        for _ in 0..2 {
            let gradients = optimizer.gradients(&(&used * 3.0).sum(Kind::Float), through_leaves).unwrap();
            assert_eq!(gradients, [Tensor::from_slice(&[3f32, 3.0]), Tensor::zeros([2], float)]);
        }
    }
}

#[test]
fn gradients_share_no_memory() {
    let float = (Kind::Float, tch::Device::Cpu);
    let named: Vec<(String, Tensor)> =
        ["a", "b"].map(|name| (name.to_owned(), Tensor::ones([3], float).set_requires_grad(true))).into();
    let optimizer = Optimizer::new(rule("sgd"), share(&named), |_, _| ParameterOptions::default()).unwrap();
    let sum = &named[0].1 + &named[1].1;
    for loss in [sum.sum(Kind::Float), (&sum * &sum).sum(Kind::Float)] {
        let mut gradients = optimizer.gradients(&(&loss * 1.0), false).unwrap();
        let before = gradients[1].double_value(&[0]);
        let _ = gradients[0].f_mul_scalar_(5.0).unwrap();
        assert_eq!(gradients[1].double_value(&[0]), before);
        assert_eq!(gradients[0].double_value(&[2]), 5.0 * before);
    }
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
    let mut ema = Ema::new(&integers(&states[0])).unwrap();
    for state in &states[1..] {
        ema.update(&integers(state), golden["decay"].as_f64().unwrap()).unwrap();
    }
    let end = integers(&tensors(&golden["end"], &golden["shapes"]));
    let error = largest_difference(&ema.state(), &end);
    println!("average: largest difference after 5 steps {error:.1e}");
    assert!(error <= 1e-6);
}
