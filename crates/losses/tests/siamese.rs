//! The losses of siamese methods: values and gradients against lightly and the authors' formulas
//! (fixtures/golden/losses/siamese.json) and against slow transcriptions of the papers' formulas; their properties.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

mod common;

use common::{compare, cosine, dot, golden, numbers, random, rows, scalar, surprise, tensor};
use serde_json::Value;
use tch::{Device, Kind, Tensor};
use visrep_losses::{
    Error, VicregWeights, barlow_twins, byol, info_nce, info_nce_in_batch, moco_v3, negative_cosine, nt_xent,
    nt_xent_to, sinkhorn, swapped_prediction, vicreg,
};

type Rows = Vec<Vec<f64>>;

fn parameter(case: &Value, name: &str) -> f64 {
    case["parameters"][name].as_f64().unwrap()
}

fn mean_cosine(a: &Rows, b: &Rows) -> f64 {
    a.iter().zip(b).map(|(a, b)| cosine(a, b)).sum::<f64>() / a.len() as f64
}

#[test]
fn predictions_agree_with_targets_as_in_simsiam_and_byol() {
    for case in golden("siamese", "negative_cosine") {
        let slow = |x: &dyn Fn(&str) -> Rows| -mean_cosine(&x("a"), &x("b"));
        compare("negative_cosine", &case, |x| negative_cosine(&x("a"), &x("b")).unwrap(), slow);
    }
    for case in golden("siamese", "byol") {
        // Equation 2: the squared distance of the normalised vectors.
        let slow = |x: &dyn Fn(&str) -> Rows| {
            let (a, b) = (x("a"), x("b"));
            let unit = |row: &[f64]| row.iter().map(|v| v / dot(row, row).sqrt()).collect::<Vec<_>>();
            let distance = |a: &[f64], b: &[f64]| -> f64 {
                unit(a).iter().zip(unit(b)).map(|(a, b)| (a - b).powi(2)).sum()
            };
            a.iter().zip(&b).map(|(a, b)| distance(a, b)).sum::<f64>() / a.len() as f64
        };
        compare("byol", &case, |x| byol(&x("a"), &x("b")).unwrap(), slow);
    }
}

#[test]
fn info_nce_classifies_keys_as_in_moco_and_nnclr() {
    for case in golden("siamese", "info_nce") {
        let t = parameter(&case, "temperature");
        let slow = |x: &dyn Fn(&str) -> Rows| {
            let (queries, keys, negatives) = (x("a"), x("b"), x("negatives"));
            let loss = |i: usize| {
                let own = cosine(&queries[i], &keys[i]) / t;
                let others = negatives.iter().map(|k| cosine(&queries[i], k) / t);
                surprise(&std::iter::once(own).chain(others).collect::<Vec<_>>(), 0)
            };
            (0..queries.len()).map(loss).sum::<f64>() / queries.len() as f64
        };
        let loss = |x: &dyn Fn(&str) -> Tensor| info_nce(&x("a"), &x("b"), &x("negatives"), t).unwrap();
        compare("info_nce", &case, loss, slow);
    }
    let in_batch = |x: &dyn Fn(&str) -> Rows, t: f64| {
        let (queries, keys) = (x("a"), x("b"));
        let logits = |i: usize| keys.iter().map(|k| cosine(&queries[i], k) / t).collect::<Vec<_>>();
        (0..queries.len()).map(|i| surprise(&logits(i), i)).sum::<f64>() / queries.len() as f64
    };
    for case in golden("siamese", "info_nce_in_batch") {
        let t = parameter(&case, "temperature");
        let loss = |x: &dyn Fn(&str) -> Tensor| info_nce_in_batch(&x("a"), &x("b"), t).unwrap();
        compare("info_nce_in_batch", &case, loss, |x| in_batch(x, t));
    }
    for case in golden("siamese", "moco_v3") {
        let t = parameter(&case, "temperature");
        let loss = |x: &dyn Fn(&str) -> Tensor| moco_v3(&x("a"), &x("b"), t).unwrap();
        compare("moco_v3", &case, loss, |x| 2.0 * t * in_batch(x, t));
    }
}

#[test]
fn intermediate_layers_find_the_last_ones_as_in_sdssl() {
    tch::manual_seed(3);
    let (n, t) = (5, 0.2);
    let views = [0, 1].map(|_| random(n, 7).set_requires_grad(true));
    let targets = [0, 1].map(|_| random(n, 7).set_requires_grad(true));
    let loss = nt_xent_to(views.each_ref(), targets.each_ref(), t).unwrap();
    let [z, c]: [Rows; 2] = [&views, &targets].map(|pair| pair.each_ref().map(rows).concat());
    let n = n as usize;
    let term = |i: usize| {
        // In the place of its own target, which is left out, stands one that adds nothing.
        let logit = |j: usize| if i == j { f64::NEG_INFINITY } else { cosine(&z[i], &c[j]) / t };
        surprise(&(0..2 * n).map(logit).collect::<Vec<_>>(), (i + n) % (2 * n))
    };
    let slow = (0..2 * n).map(term).sum::<f64>() / (2 * n) as f64;
    assert!((scalar(&loss) - slow).abs() < 1e-6, "{} {slow}", scalar(&loss));
    loss.backward();
    assert!(views.iter().all(|view| scalar(&view.grad().abs().max()) > 1e-4));
    assert!(targets.iter().all(|target| !target.grad().defined()), "targets have no gradient");
    let itself = nt_xent_to(views.each_ref(), views.each_ref(), t).unwrap();
    assert!((scalar(&itself) - scalar(&nt_xent(&views[0], &views[1], t).unwrap())).abs() < 1e-6);
}

fn columns(rows: &Rows) -> Rows {
    (0..rows[0].len()).map(|j| rows.iter().map(|row| row[j]).collect()).collect()
}

fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

/// The mean product of the deviations from the means, over n - `spent`.
fn covariance(x: &[f64], y: &[f64], spent: f64) -> f64 {
    let (a, b) = (mean(x), mean(y));
    x.iter().zip(y).map(|(x, y)| (x - a) * (y - b)).sum::<f64>() / (x.len() as f64 - spent)
}

#[test]
fn redundancy_is_reduced_as_in_barlow_twins_and_vicreg() {
    for case in golden("siamese", "barlow_twins") {
        let lambda = parameter(&case, "weight");
        let slow = |x: &dyn Fn(&str) -> Rows| {
            let (a, b) = (columns(&x("a")), columns(&x("b")));
            let deviation = |x: &[f64]| (covariance(x, x, 0.0) + 1e-5).sqrt();
            let mut loss = 0.0;
            for (i, a) in a.iter().enumerate() {
                for (j, b) in b.iter().enumerate() {
                    let c = covariance(a, b, 0.0) / (deviation(a) * deviation(b));
                    loss += if i == j { (1.0 - c).powi(2) } else { lambda * c * c };
                }
            }
            loss
        };
        compare("barlow_twins", &case, |x| barlow_twins(&x("a"), &x("b"), lambda).unwrap(), slow);
    }
    for case in golden("siamese", "vicreg") {
        let [invariance, variance, covariance_weight] = {
            let weights = case["parameters"]["weights"].as_array().unwrap();
            [0, 1, 2].map(|i: usize| weights[i].as_f64().unwrap())
        };
        let weights = VicregWeights { invariance, variance, covariance: covariance_weight };
        let slow = |x: &dyn Fn(&str) -> Rows| {
            let (a, b) = (x("a"), x("b"));
            let apart = a.iter().zip(&b).flat_map(|(a, b)| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)));
            let mut loss = invariance * mean(&apart.collect::<Vec<_>>());
            for view in [columns(&a), columns(&b)] {
                let d = view.len() as f64;
                for (i, x) in view.iter().enumerate() {
                    let deviation = (covariance(x, x, 1.0) + 1e-4).sqrt();
                    loss += variance / 2.0 * (1.0 - deviation).max(0.0) / d;
                    for y in view.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, y)| y) {
                        loss += covariance_weight * covariance(x, y, 1.0).powi(2) / d;
                    }
                }
            }
            loss
        };
        compare("vicreg", &case, |x| vicreg(&x("a"), &x("b"), &weights).unwrap(), slow);
    }
}

/// The paper's iteration in f64: prototypes as rows, exp(scores / epsilon) scaled in turns.
fn slow_sinkhorn(scores: &Rows, epsilon: f64, iterations: u32) -> Rows {
    let mut q: Rows = scores.iter().map(|row| row.iter().map(|s| (s / epsilon).exp()).collect()).collect();
    let (b, k) = (q.len(), q[0].len());
    for _ in 0..iterations {
        for j in 0..k {
            let sum: f64 = q.iter().map(|row| row[j]).sum();
            q.iter_mut().for_each(|row| row[j] /= sum * k as f64);
        }
        for row in &mut q {
            let sum: f64 = row.iter().sum();
            row.iter_mut().for_each(|x| *x /= sum * b as f64);
        }
    }
    q.iter().map(|row| row.iter().map(|x| x * b as f64).collect()).collect()
}

#[test]
fn sinkhorn_balances_as_in_swav() {
    for case in golden("siamese", "sinkhorn") {
        let scores = tensor(&case["scores"]);
        let (epsilon, iterations) =
            (case["epsilon"].as_f64().unwrap(), case["iterations"].as_u64().unwrap() as u32);
        let codes = sinkhorn(&scores, epsilon, iterations).unwrap();
        let expected = Tensor::from_slice(&numbers(&case["codes"])).view_as(&codes);
        let peer = scalar(&(&codes - expected).abs().max());
        let slow = slow_sinkhorn(&rows(&scores), epsilon, iterations);
        let formula = rows(&codes)
            .iter()
            .flatten()
            .zip(slow.iter().flatten())
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f64::max);
        println!("sinkhorn: peer {peer:.1e}, formula {formula:.1e}");
        assert!(peer <= 1e-6 && formula <= 1e-6);
    }
    // Computed by hand.
    let scores = Tensor::from_slice(&[0.5f32, 0.4, 0.6, 0.3, 0.2, 0.1]).view([3, 2]);
    let codes = sinkhorn(&scores, 0.05, 3).unwrap();
    for (i, expected) in [[0.230273, 0.769727], [0.942309, 0.057691], [0.230273, 0.769727]].iter().enumerate()
    {
        for (j, x) in expected.iter().enumerate() {
            assert!((codes.double_value(&[i as i64, j as i64]) - x).abs() < 1e-6);
        }
    }
}

#[test]
fn sinkhorn_has_its_marginals_and_survives_large_scores() {
    tch::manual_seed(1);
    let scores = random(24, 6);
    let sums = |q: &Tensor, dim: i64| q.sum_dim_intlist([dim].as_slice(), false, Kind::Float);
    let off = |x: &Tensor, to: f64| scalar(&(x - to).abs().max());
    let few = sinkhorn(&scores, 0.5, 1).unwrap();
    assert!(off(&sums(&few, 1), 1.0) < 1e-6, "rows sum to one after any number of iterations");
    let many = sinkhorn(&scores, 0.5, 100).unwrap();
    assert!(off(&sums(&many, 1), 1.0) < 1e-6 && off(&sums(&many, 0), 4.0) < 1e-4, "columns to B / K");
    let shifted = sinkhorn(&(&scores + 1000.0), 0.5, 3).unwrap();
    assert!(off(&(shifted - sinkhorn(&scores, 0.5, 3).unwrap()), 0.0) < 1e-3, "a constant changes nothing");
    let extreme = sinkhorn(&(&scores * 1e4), 0.05, 3).unwrap();
    assert!(scalar(&extreme.isfinite().all().to_kind(Kind::Float)) == 1.0, "no row vanishes");
    let leaf = random(4, 3).set_requires_grad(true);
    assert!(!sinkhorn(&leaf, 0.05, 3).unwrap().requires_grad());
}

#[test]
fn views_are_predicted_from_each_other_as_in_swav() {
    for case in golden("siamese", "swav") {
        let t = parameter(&case, "temperature");
        let views = case["inputs"].as_object().unwrap().len();
        let queues: Vec<Tensor> = case["queues"].as_array().unwrap().iter().map(tensor).collect();
        let loss = |x: &dyn Fn(&str) -> Tensor| {
            let scores: Vec<Tensor> = (0..views).map(|v| x(&format!("view{v}"))).collect();
            let n = scores[0].size()[0];
            let code = |view: usize| {
                let mut all = vec![scores[view].detach()];
                all.extend(queues.get(view).map(Tensor::shallow_clone));
                sinkhorn(&Tensor::cat(&all, 0), 0.05, 3).unwrap().narrow(0, 0, n)
            };
            swapped_prediction(&[code(0), code(1)], &scores, t).unwrap()
        };
        let slow = |x: &dyn Fn(&str) -> Rows| {
            let scores: Vec<Rows> = (0..views).map(|v| x(&format!("view{v}"))).collect();
            let mut loss = 0.0;
            for (view, own) in scores.iter().take(2).enumerate() {
                let mut all = own.clone();
                all.extend(queues.get(view).map(rows).unwrap_or_default());
                let codes = slow_sinkhorn(&all, 0.05, 3);
                for (_, other) in scores.iter().enumerate().filter(|(v, _)| *v != view) {
                    for (code, scores) in codes.iter().zip(other) {
                        let logits: Vec<f64> = scores.iter().map(|s| s / t).collect();
                        let terms = (0..logits.len()).map(|k| code[k] * surprise(&logits, k));
                        loss += terms.sum::<f64>() / (own.len() * (views - 1) * 2) as f64;
                    }
                }
            }
            loss
        };
        compare("swav", &case, loss, slow);
    }
}

#[test]
fn losses_have_their_limits() {
    tch::manual_seed(2);
    let (a, b) = (random(6, 8), random(6, 8));
    let value = |result: Result<Tensor, Error>| scalar(&result.unwrap());
    assert!((value(negative_cosine(&a, &(&a * 3.0))) + 1.0).abs() < 1e-6);
    assert!(value(byol(&a, &(&a * 0.1))).abs() < 1e-6);
    assert!((value(byol(&a, &-&a)) - 4.0).abs() < 1e-6);
    // As the temperature grows all candidates are alike; as it falls the nearest takes all.
    let queue = random(10, 8);
    assert!((value(info_nce(&a, &b, &queue, 1e6)) - 11f64.ln()).abs() < 1e-4);
    assert!((value(info_nce_in_batch(&a, &b, 1e6)) - 6f64.ln()).abs() < 1e-4);
    let eye = Tensor::eye(8, (Kind::Float, Device::Cpu));
    assert!(value(info_nce_in_batch(&eye, &eye, 0.01)) < 1e-6);
    assert!(value(info_nce(&eye.narrow(0, 0, 4), &eye.narrow(0, 0, 4), &eye.narrow(0, 4, 4), 0.01)) < 1e-6);
    // Equal views of independent features: the cross-correlation is the identity.
    let spread = Tensor::cat(&[&eye * 8.0, &eye * -8.0], 0);
    assert!(value(barlow_twins(&spread, &spread, 1.0)) < 1e-6);
    let copied = spread.narrow(1, 0, 1).repeat([1, 2]);
    assert!((value(barlow_twins(&copied, &copied, 0.5)) - 1.0).abs() < 1e-3, "two equal features: 0.5 * 2");
    let weights = VicregWeights { invariance: 25.0, variance: 25.0, covariance: 1.0 };
    assert!(value(vicreg(&spread, &spread, &weights)) < 1e-6);
    let collapsed = Tensor::ones([6, 8], (Kind::Float, Device::Cpu));
    let hinge = 25.0 * (1.0 - 1e-4f64.sqrt());
    assert!((value(vicreg(&collapsed, &collapsed, &weights)) - hinge).abs() < 1e-5, "all of the hinge");
    // Codes that a view predicts for certain cost nothing.
    let certain = eye.narrow(0, 0, 4);
    assert!(
        value(swapped_prediction(&[certain.copy(), certain.copy()], &[&certain * 9.0, &certain * 9.0], 0.1))
            < 1e-6
    );
}

#[test]
fn wrong_arguments_are_errors_that_name_them() {
    let x = |shape: &[i64]| Tensor::zeros(shape, (Kind::Float, Device::Cpu));
    let shape = |result: Result<Tensor, Error>, name: &str| match result {
        Err(Error::Shape { argument, .. }) => assert_eq!(argument, name),
        other => panic!("{other:?}"),
    };
    let range = |result: Result<Tensor, Error>, name: &str| match result {
        Err(Error::Parameter { argument, .. }) => assert_eq!(argument, name),
        other => panic!("{other:?}"),
    };
    let weights = VicregWeights { invariance: 1.0, variance: 1.0, covariance: 1.0 };
    shape(negative_cosine(&x(&[0, 3]), &x(&[0, 3])), "prediction");
    shape(byol(&x(&[2, 3]), &x(&[2, 4])), "target");
    shape(info_nce(&x(&[2, 3]), &x(&[3, 3]), &x(&[4, 3]), 0.1), "key");
    shape(info_nce(&x(&[2, 3]), &x(&[2, 3]), &x(&[4, 5]), 0.1), "negatives");
    shape(info_nce(&x(&[2, 3]), &x(&[2, 3]), &x(&[0, 3]), 0.1), "negatives");
    shape(info_nce_in_batch(&x(&[1, 3]), &x(&[1, 3]), 0.1), "query");
    let (two, three) = (x(&[2, 3]), x(&[3, 3]));
    shape(nt_xent_to([&two, &three], [&two, &two], 0.1), "views[1]");
    shape(nt_xent_to([&two, &two], [&two, &three], 0.1), "targets[1]");
    shape(barlow_twins(&x(&[1, 3]), &x(&[1, 3]), 0.1), "a");
    shape(vicreg(&x(&[4, 3]), &x(&[4]), &weights), "b");
    shape(sinkhorn(&x(&[4]), 0.05, 3), "scores");
    shape(swapped_prediction(&[], &[x(&[2, 3]), x(&[2, 3])], 0.1), "scores");
    shape(swapped_prediction(&[x(&[2, 3])], &[x(&[2, 3])], 0.1), "scores");
    shape(swapped_prediction(&[x(&[2, 4])], &[x(&[2, 3]), x(&[2, 3])], 0.1), "codes");
    shape(swapped_prediction(&[x(&[2, 3])], &[x(&[2, 3]), x(&[1, 3])], 0.1), "scores");
    for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        range(info_nce(&x(&[2, 3]), &x(&[2, 3]), &x(&[4, 3]), wrong), "temperature");
        range(moco_v3(&x(&[2, 3]), &x(&[2, 3]), wrong), "temperature");
        range(nt_xent_to([&two, &two], [&two, &two], wrong), "temperature");
        range(sinkhorn(&x(&[2, 3]), wrong, 3), "epsilon");
        range(swapped_prediction(&[x(&[2, 3])], &[x(&[2, 3]), x(&[2, 3])], wrong), "temperature");
    }
    range(sinkhorn(&x(&[2, 3]), 0.05, 0), "iterations");
    range(barlow_twins(&x(&[2, 3]), &x(&[2, 3]), -1.0), "lambda");
    range(
        vicreg(&x(&[2, 3]), &x(&[2, 3]), &VicregWeights { variance: f64::NAN, ..weights }),
        "weights.variance",
    );
    let integers = Tensor::zeros([3, 4], (Kind::Int64, Device::Cpu));
    assert!(matches!(byol(&integers, &integers), Err(Error::Kind { argument: "prediction", .. })));
}
