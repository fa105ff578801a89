//! Values and gradients against lightly's `NTXentLoss` and `torch.nn.functional.cross_entropy`
//! (fixtures/golden/losses), and against slow transcriptions of the formulas.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

mod common;

use common::{golden, numbers, scalar};
use serde_json::Value;
use tch::{Kind, Tensor};
use visrep_losses::{Error, cross_entropy, nt_xent};

fn leaf(value: &Value, shape: [i64; 2]) -> Tensor {
    Tensor::from_slice(&numbers(value)).view(shape).set_requires_grad(true)
}

fn largest_difference(tensor: &Tensor, expected: &Value) -> f64 {
    let expected = Tensor::from_slice(&numbers(expected)).view_as(tensor);
    scalar(&(tensor - expected).abs().max())
}

/// Equation 1 of the paper, term by term, in f64.
fn slow_nt_xent(a: &Tensor, b: &Tensor, temperature: f64) -> f64 {
    let (n, d) = a.size2().unwrap();
    let rows: Vec<Vec<f64>> = [a, b]
        .iter()
        .flat_map(|t| (0..n).map(|i| (0..d).map(|j| t.double_value(&[i, j])).collect()))
        .collect();
    let norm = |x: &[f64]| x.iter().map(|v| v * v).sum::<f64>().sqrt();
    let similarity = |x: &[f64], y: &[f64]| {
        x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>() / (norm(x) * norm(y)) / temperature
    };
    let n = n as usize;
    let mut sum = 0.0;
    for i in 0..2 * n {
        let positive = similarity(&rows[i], &rows[(i + n) % (2 * n)]).exp();
        let all: f64 = (0..2 * n).filter(|&k| k != i).map(|k| similarity(&rows[i], &rows[k]).exp()).sum();
        sum -= (positive / all).ln();
    }
    sum / (2 * n) as f64
}

/// The smoothed cross entropy, class by class, in f64.
fn slow_cross_entropy(logits: &Tensor, labels: &[i64], smoothing: f64) -> f64 {
    let (n, c) = logits.size2().unwrap();
    let mut sum = 0.0;
    for i in 0..n {
        let row: Vec<f64> = (0..c).map(|j| logits.double_value(&[i, j])).collect();
        let largest = row.iter().copied().fold(f64::MIN, f64::max);
        let log_sum = largest + row.iter().map(|x| (x - largest).exp()).sum::<f64>().ln();
        for (class, x) in row.iter().enumerate() {
            let hot = if labels[i as usize] == class as i64 { 1.0 - smoothing } else { 0.0 };
            sum -= (hot + smoothing / c as f64) * (x - log_sum);
        }
    }
    sum / n as f64
}

#[test]
fn nt_xent_equals_lightly_and_the_paper() {
    for case in golden("losses", "nt_xent") {
        let shape = [case["n"].as_i64().unwrap(), case["d"].as_i64().unwrap()];
        let temperature = case["temperature"].as_f64().unwrap();
        let (a, b) = (leaf(&case["a"], shape), leaf(&case["b"], shape));
        let loss = nt_xent(&a, &b, temperature).unwrap();
        loss.backward();
        let value = (scalar(&loss) - case["loss"].as_f64().unwrap()).abs();
        let gradient = largest_difference(&a.grad(), &case["grad_a"])
            .max(largest_difference(&b.grad(), &case["grad_b"]));
        let steepness = scalar(&a.grad().abs().max()).max(1.0);
        let slow = (scalar(&loss) - slow_nt_xent(&a, &b, temperature)).abs();
        println!(
            "nt_xent {shape:?} T {temperature}: value {value:.1e}, gradient {gradient:.1e}, slow {slow:.1e}"
        );
        assert!(value <= 1e-6 && gradient <= 1e-6 * steepness && slow <= 2e-6);
    }
}

#[test]
fn cross_entropy_equals_torch_and_the_formula() {
    for case in golden("losses", "cross_entropy") {
        let shape = [case["n"].as_i64().unwrap(), case["c"].as_i64().unwrap()];
        let smoothing = case["smoothing"].as_f64().unwrap();
        let logits = leaf(&case["logits"], shape);
        let labels: Vec<i64> =
            case["labels"].as_array().unwrap().iter().map(|x| x.as_i64().unwrap()).collect();
        let loss = cross_entropy(&logits, &Tensor::from_slice(&labels), smoothing).unwrap();
        loss.backward();
        let value = (scalar(&loss) - case["loss"].as_f64().unwrap()).abs();
        let gradient = largest_difference(&logits.grad(), &case["grad"]);
        let slow = (scalar(&loss) - slow_cross_entropy(&logits, &labels, smoothing)).abs();
        println!(
            "cross_entropy {shape:?} s {smoothing}: value {value:.1e}, gradient {gradient:.1e}, slow {slow:.1e}"
        );
        assert!(value <= 1e-6 && gradient <= 1e-6 && slow <= 2e-6 * scalar(&loss).max(1.0));
    }
}

#[test]
fn nt_xent_is_symmetric_and_has_its_limits() {
    tch::manual_seed(3);
    let options = (Kind::Float, tch::Device::Cpu);
    let (a, b) = (Tensor::randn([5, 7], options), Tensor::randn([5, 7], options));
    let value = |a: &Tensor, b: &Tensor, t: f64| scalar(&nt_xent(a, b, t).unwrap());
    assert!((value(&a, &b, 0.5) - value(&b, &a, 0.5)).abs() < 1e-6);
    assert!(
        (value(&a, &b, 0.5) - value(&(&a * 3.0), &(&b * 0.1), 0.5)).abs() < 1e-6,
        "scale must not matter"
    );
    // As the temperature grows, every candidate is as likely: the loss tends to ln(2N - 1).
    assert!((value(&a, &b, 1e6) - 9f64.ln()).abs() < 1e-4);
    // Equal views of orthogonal images at a low temperature: the positive takes all.
    let eye = Tensor::eye(5, options);
    assert!(value(&eye, &eye, 0.01) < 1e-6);
}

#[test]
fn wrong_arguments_are_errors_that_name_them() {
    let float = (Kind::Float, tch::Device::Cpu);
    let x = |shape: &[i64]| Tensor::zeros(shape, float);
    let labels = |values: &[i64]| Tensor::from_slice(values);
    let shape = |result: Result<Tensor, Error>, name: &str| match result {
        Err(Error::Shape { argument, .. }) => assert_eq!(argument, name),
        other => panic!("{other:?}"),
    };
    shape(nt_xent(&x(&[4]), &x(&[4]), 0.5), "a");
    shape(nt_xent(&x(&[1, 4]), &x(&[1, 4]), 0.5), "a");
    shape(nt_xent(&x(&[0, 4]), &x(&[0, 4]), 0.5), "a");
    shape(nt_xent(&x(&[3, 4]), &x(&[2, 4]), 0.5), "b");
    shape(cross_entropy(&x(&[3]), &labels(&[0, 0, 0]), 0.0), "logits");
    shape(cross_entropy(&x(&[0, 3]), &labels(&[]), 0.0), "logits");
    shape(cross_entropy(&x(&[3, 4]), &labels(&[0, 0]), 0.0), "labels");
    for temperature in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let result = nt_xent(&x(&[3, 4]), &x(&[3, 4]), temperature);
        assert!(matches!(result, Err(Error::Parameter { argument: "temperature", .. })));
    }
    let result = cross_entropy(&x(&[1, 4]), &labels(&[0]), 1.5);
    assert!(matches!(result, Err(Error::Parameter { argument: "label_smoothing", .. })));
    for label in [-1, 4] {
        let result = cross_entropy(&x(&[2, 4]), &labels(&[0, label]), 0.0);
        assert!(matches!(result, Err(Error::Label { found, classes: 4, .. }) if found == label));
    }
    let result = cross_entropy(&x(&[1, 4]), &x(&[1]), 0.0);
    assert!(matches!(result, Err(Error::Kind { argument: "labels", .. })));
    let integers = Tensor::zeros([3, 4], (Kind::Int64, tch::Device::Cpu));
    assert!(matches!(nt_xent(&integers, &integers, 0.5), Err(Error::Kind { argument: "a", .. })));
}
