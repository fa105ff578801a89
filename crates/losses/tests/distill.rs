//! The losses of self-distillation against lightly and the papers' formulas (fixtures/golden/losses/distill.py), against slow
//! transcriptions, and at their limits.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

use std::collections::BTreeMap;
use tch::{Device, Kind, Tensor};
use visrep_losses::{
    Error, MsnOptions, RelicV2Options, SceOptions, dino, dino_center, dino_targets, esvit_regions, ibot,
    koleo, match_regions, msn, relic_v2, sce,
};

const FLOAT: (Kind, Device) = (Kind::Float, Device::Cpu);

/// One case of the script: its tensors by name.
struct Case {
    name: String,
    tensors: BTreeMap<String, Tensor>,
}

impl Case {
    fn get(&self, key: &str) -> Tensor {
        self.tensors[key].shallow_clone()
    }

    fn leaf(&self, key: &str) -> Tensor {
        self.get(key).set_requires_grad(true)
    }

    fn constant(&self, index: i64) -> f64 {
        self.tensors["constants"].double_value(&[index])
    }

    /// The value within 1e-6 (relative above 1), and every gradient of `leaves` within 1e-5 of its steepest slope.
    fn check(&self, loss: &Tensor, leaves: &[(&str, &Tensor)]) {
        loss.backward();
        let expected = self.tensors["loss"].double_value(&[0]);
        let value = (scalar(loss) - expected).abs() / expected.abs().max(1.0);
        println!("{}: value {value:.1e}", self.name);
        assert!(value <= 1e-6, "{}: {} and not {expected}", self.name, scalar(loss));
        for (key, leaf) in leaves {
            let expected = self.get(&format!("grad_{key}"));
            let steepest = scalar(&expected.abs().max()).max(1.0);
            let apart = largest(&(leaf.grad() - expected)) / steepest;
            println!("{}: gradient of {key} {apart:.1e}", self.name);
            assert!(apart <= 1e-5, "{}: {key}: {apart:e}", self.name);
        }
    }
}

fn golden(loss: &str) -> Vec<Case> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/golden/losses/distill.safetensors");
    let mut cases: BTreeMap<String, BTreeMap<String, Tensor>> = BTreeMap::new();
    for (name, tensor) in Tensor::read_safetensors(path).unwrap() {
        let (case, key) = name.rsplit_once('/').unwrap();
        if case.split('/').next() == Some(loss) {
            cases.entry(case.to_owned()).or_default().insert(key.to_owned(), tensor);
        }
    }
    assert!(!cases.is_empty());
    cases.into_iter().map(|(name, tensors)| Case { name, tensors }).collect()
}

fn scalar(tensor: &Tensor) -> f64 {
    tensor.double_value(&[])
}

fn largest(tensor: &Tensor) -> f64 {
    scalar(&tensor.abs().max())
}

fn rows(tensor: &Tensor) -> Vec<Vec<f64>> {
    let (n, d) = tensor.size2().unwrap();
    (0..n).map(|i| (0..d).map(|j| tensor.double_value(&[i, j])).collect()).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn unit(x: &[f64]) -> Vec<f64> {
    let norm = dot(x, x).sqrt();
    x.iter().map(|v| v / norm).collect()
}

fn softmax(x: &[f64]) -> Vec<f64> {
    let sum: f64 = x.iter().map(|v| v.exp()).sum();
    x.iter().map(|v| v.exp() / sum).collect()
}

fn cross_entropy(p: &[f64], q: &[f64]) -> f64 {
    -p.iter().zip(q).map(|(p, q)| p * q.ln()).sum::<f64>()
}

#[test]
fn dino_equals_lightly_and_the_paper() {
    for case in golden("dino") {
        let (teacher_temperature, temperature) = (case.constant(0), case.constant(1));
        let (teacher, center) = (case.get("teacher"), case.get("center"));
        let student = case.leaf("student");
        let targets = dino_targets(&teacher, &center, teacher_temperature).unwrap();
        let loss = dino(&targets.unbind(0), &student.unbind(0), temperature).unwrap();
        case.check(&loss, &[("student", &student)]);
        let next = dino_center(&center, &teacher, case.constant(2)).unwrap();
        assert!(largest(&(next - case.get("next_center"))) < 1e-6);

        // Equation 3: over all pairs of different views.
        let center: Vec<f64> = Vec::try_from(center.to_kind(Kind::Double)).unwrap();
        let (mut sum, mut terms) = (0.0, 0);
        for (t, teacher) in teacher.unbind(0).iter().enumerate() {
            for (_, student) in student.detach().unbind(0).iter().enumerate().filter(|(s, _)| *s != t) {
                for (t, s) in rows(teacher).iter().zip(rows(student)) {
                    let t: Vec<f64> =
                        t.iter().zip(&center).map(|(t, c)| (t - c) / teacher_temperature).collect();
                    let s: Vec<f64> = s.iter().map(|s| s / temperature).collect();
                    sum += cross_entropy(&softmax(&t), &softmax(&s));
                    terms += 1;
                }
            }
        }
        let slow = sum / f64::from(terms);
        assert!((scalar(&loss) - slow).abs() < 2e-6 * slow.max(1.0), "{}: {slow}", case.name);
    }
}

#[test]
fn ibot_equals_lightly_and_the_paper() {
    for case in golden("ibot") {
        let (teacher, center, student) = (case.get("teacher"), case.get("center"), case.leaf("student"));
        let mask = case.get("mask").to_kind(Kind::Bool);
        let targets = dino_targets(&teacher, &center, case.constant(0)).unwrap();
        let loss = ibot(&targets, &student, &mask, case.constant(1)).unwrap();
        case.check(&loss, &[("student", &student)]);

        let (targets, student) = (rows(&targets), rows(&student.detach()));
        let (mut row, mut sum) = (0, 0.0);
        for image in rows(&mask.to_kind(Kind::Double)) {
            let masked = image.iter().filter(|&&m| m > 0.0).count();
            for _ in 0..masked {
                let s: Vec<f64> = student[row].iter().map(|s| s / case.constant(1)).collect();
                sum += cross_entropy(&targets[row], &softmax(&s)) / masked as f64;
                row += 1;
            }
        }
        let slow = sum / mask.size()[0] as f64;
        assert!((scalar(&loss) - slow).abs() < 2e-6 * slow.max(1.0), "{}: {slow}", case.name);
    }
}

#[test]
fn koleo_equals_lightly_and_the_paper() {
    for case in golden("koleo") {
        let features = case.leaf("features");
        case.check(&koleo(&features).unwrap(), &[("features", &features)]);
    }
    // By hand: neighbours 1, 0, 1 at distances .632456, .632456, .894427.
    let three = Tensor::from_slice2(&[[1.0f32, 0.0], [0.8, 0.6], [0.0, 1.0]]).set_requires_grad(true);
    let loss = koleo(&three).unwrap();
    assert!((scalar(&loss) - 0.342621).abs() < 1e-6);
    loss.backward();
    assert!(rows(&three.grad()).iter().all(|row| dot(row, row) > 0.0), "both of a pair move");
    // Equal rows are infinitely bad but for the epsilon.
    assert!(scalar(&koleo(&Tensor::ones([2, 3], FLOAT)).unwrap()).is_finite());
}

#[test]
fn msn_equals_lightly_and_has_its_limits() {
    for case in golden("msn") {
        let options = MsnOptions {
            temperature: case.constant(0),
            sharpen: case.constant(1),
            sinkhorn_iterations: case.constant(2) as u32,
            me_max: case.constant(3),
        };
        let (anchors, prototypes, targets) =
            (case.leaf("anchors"), case.leaf("prototypes"), case.leaf("targets"));
        let loss = msn(&anchors, &targets, &prototypes, &options).unwrap();
        case.check(&loss, &[("anchors", &anchors), ("prototypes", &prototypes)]);
        assert!(!targets.grad().defined(), "no gradient may reach the targets");
    }
    let options = MsnOptions { temperature: 0.1, sharpen: 0.25, sinkhorn_iterations: 0, me_max: 1.0 };
    let eye = Tensor::eye(4, FLOAT);
    let value = |anchors: &Tensor, options: MsnOptions| scalar(&msn(anchors, &eye, &eye, &options).unwrap());
    // Anchors at the prototypes of their targets, all prototypes in use.
    assert!(value(&eye, MsnOptions { temperature: 0.01, ..options }) < 1e-6);
    // Anchors that all name one prototype pay ln K for it.
    let one = Tensor::from_slice(&[1.0f32, 0.0, 0.0, 0.0]).expand([4, 4], false);
    let sharp = MsnOptions { temperature: 0.01, ..options };
    let without = value(&one, MsnOptions { me_max: 0.0, ..sharp });
    assert!((value(&one, sharp) - without - 4f64.ln()).abs() < 1e-5);
}

#[test]
fn sce_equals_the_paper_and_has_its_limits() {
    for case in golden("sce") {
        let options = SceOptions {
            contrastive_weight: case.constant(0),
            temperature: case.constant(1),
            target_temperature: case.constant(2),
        };
        let (queries, keys, queue) = (case.leaf("queries"), case.leaf("keys"), case.leaf("queue"));
        let loss = sce(&queries, &keys, &queue, &options).unwrap();
        case.check(&loss, &[("queries", &queries)]);
        assert!(!keys.grad().defined() && !queue.grad().defined());

        let units = |x: &Tensor| -> Vec<Vec<f64>> { rows(&x.detach()).iter().map(|row| unit(row)).collect() };
        let (q, k, u) = (units(&queries), units(&keys), units(&queue));
        let scaled = |a: &[f64], t: f64| -> Vec<f64> { u.iter().map(|u| dot(a, u) / t).collect() };
        let mut slow = 0.0;
        for (q, k) in q.iter().zip(&k) {
            let mut target = vec![options.contrastive_weight];
            let relations = softmax(&scaled(k, options.target_temperature));
            target.extend(relations.iter().map(|s| (1.0 - options.contrastive_weight) * s));
            assert!((target.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            let mut logits = vec![dot(q, k) / options.temperature];
            logits.extend(scaled(q, options.temperature));
            slow += cross_entropy(&target, &softmax(&logits));
        }
        slow /= q.len() as f64;
        assert!((scalar(&loss) - slow).abs() < 2e-6 * slow.max(1.0), "{}: {slow}", case.name);
    }
    // By hand.
    let options = SceOptions { contrastive_weight: 0.5, temperature: 0.1, target_temperature: 0.07 };
    let (q, k) = (Tensor::from_slice2(&[[1.0f32, 0.2]]), Tensor::from_slice2(&[[1.0f32, 0.0]]));
    let queue = Tensor::from_slice2(&[[1.0f32, 1.0], [0.0, 1.0]]);
    let value = |options: SceOptions| scalar(&sce(&q, &k, &queue, &options).unwrap());
    assert!((value(options) - 0.947212).abs() < 1e-6);
    assert!((value(SceOptions { contrastive_weight: 1.0, ..options }) - 0.204430).abs() < 1e-6);
}

#[test]
fn esvit_equals_the_paper_and_matches_regions() {
    for case in golden("esvit") {
        let (student, teacher) = (case.get("student"), case.get("teacher"));
        let matches = match_regions(&student, &teacher).unwrap();
        assert_eq!(matches, case.get("matches"));
        let logits = case.leaf("logits");
        let loss = esvit_regions(&case.get("targets"), &logits, &matches, case.constant(0)).unwrap();
        case.check(&loss, &[("logits", &logits)]);
    }
    let same = Tensor::randn([2, 5, 7], FLOAT);
    let own = Tensor::arange(5, (Kind::Int64, Device::Cpu)).expand([2, 5], false);
    assert_eq!(match_regions(&same, &(&same * 3.0)).unwrap(), own, "a map matches itself");
}

#[test]
fn relic_equals_the_formula_and_has_its_limits() {
    for case in golden("relic") {
        let options = RelicV2Options {
            temperature: case.constant(0),
            contrast: case.constant(1),
            invariance: case.constant(2),
        };
        let (online, target) = (case.leaf("online"), case.leaf("target"));
        let loss = relic_v2(&online, &target, &case.get("negatives"), &options).unwrap();
        case.check(&loss, &[("online", &online)]);
        assert!(!target.grad().defined(), "no gradient may reach the target");
    }
    // Networks that agree are invariant.
    let x = Tensor::randn([4, 6], FLOAT);
    let next = Tensor::from_slice2(&[[1i64], [2], [3], [0]]);
    let options = RelicV2Options { temperature: 0.2, contrast: 0.0, invariance: 1.0 };
    assert!(scalar(&relic_v2(&x, &x, &next, &options).unwrap()).abs() < 1e-6);
}

#[test]
fn dino_has_its_limits() {
    let logits = Tensor::randn([2, 6], FLOAT);
    let center = Tensor::randn([6], FLOAT);
    let targets = |temperature| dino_targets(&logits, &center, temperature).unwrap();
    let ones = Tensor::ones([2], FLOAT);
    assert!(largest(&(targets(0.04).sum_dim_intlist([-1i64].as_slice(), false, Kind::Float) - &ones)) < 1e-6);
    assert!(largest(&(targets(1e6) - 1.0 / 6.0)) < 1e-5, "hot: uniform");
    assert!(largest(&(targets(1e-4).max_dim(1, false).0 - ones)) < 1e-6, "cold: one-hot");
    // A constant of all images is centred away.
    let own = dino_center(&center, &logits, 0.0).unwrap();
    let shifted = &logits + Tensor::from_slice(&[3.0f32, 0.0, 0.0, -1.0, 0.0, 2.0]);
    let other = dino_center(&center, &shifted, 0.0).unwrap();
    let apart = dino_targets(&logits, &own, 0.1).unwrap() - dino_targets(&shifted, &other, 0.1).unwrap();
    assert!(largest(&apart) < 1e-5);
    assert!(largest(&(dino_center(&center, &logits, 1.0).unwrap() - &center)) < 1e-7, "momentum 1 stays");
    // The teacher is cut from the graph, and the view itself is no pair.
    let teacher = Tensor::randn([2, 6], FLOAT).set_requires_grad(true);
    let probabilities = teacher.softmax(1, None::<Kind>);
    let student =
        [Tensor::randn([2, 6], FLOAT), Tensor::randn([2, 6], FLOAT)].map(|x| x.set_requires_grad(true));
    dino(&[probabilities], &student, 0.1).unwrap().backward();
    assert!(!teacher.grad().defined());
    assert_eq!(largest(&student[0].grad()), 0.0);
    assert!(largest(&student[1].grad()) > 0.0);
}

#[test]
fn wrong_arguments_are_errors_that_name_them() {
    let x = |shape: &[i64]| Tensor::zeros(shape, FLOAT);
    let shape = |result: Result<Tensor, Error>, name: &str| match result {
        Err(Error::Shape { argument, .. }) => assert_eq!(argument, name),
        other => panic!("{name}: {other:?}"),
    };
    let count = |result: Result<Tensor, Error>, name: &str| match result {
        Err(Error::Count { argument, .. }) => assert_eq!(argument, name),
        other => panic!("{name}: {other:?}"),
    };
    let parameter = |result: Result<Tensor, Error>, name: &str| match result {
        Err(Error::Parameter { argument, .. }) => assert_eq!(argument, name),
        other => panic!("{name}: {other:?}"),
    };
    let view = || x(&[2, 3]);
    count(dino(&[], &[view()], 0.1), "targets");
    count(dino(&[view()], &[view()], 0.1), "logits");
    count(dino(&[view(), view()], &[view()], 0.1), "logits");
    shape(dino(&[view()], &[view(), x(&[2, 4])], 0.1), "logits");
    shape(dino(&[view(), x(&[3, 3])], &[view(), view()], 0.1), "targets");
    parameter(dino(&[view()], &[view(), view()], 0.0), "temperature");
    shape(dino_targets(&view(), &x(&[2]), 0.1), "center");
    parameter(dino_targets(&view(), &x(&[3]), f64::NAN), "teacher temperature");
    shape(dino_targets(&x(&[0, 3]), &x(&[3]), 0.1), "logits");
    parameter(dino_center(&x(&[3]), &view(), 1.5), "center momentum");

    let mask = Tensor::from_slice(&[true, false, true, true]).reshape([2, 2]);
    assert!(scalar(&ibot(&x(&[3, 5]), &x(&[3, 5]), &mask, 0.1).unwrap()).abs() < 1e-6);
    shape(ibot(&x(&[2, 5]), &x(&[2, 5]), &mask, 0.1), "targets");
    shape(ibot(&x(&[3, 5]), &x(&[3, 4]), &mask, 0.1), "logits");
    shape(ibot(&x(&[3, 5]), &x(&[3, 5]), &mask.flatten(0, -1), 0.1), "masked");
    let none = Tensor::zeros([2, 2], (Kind::Bool, Device::Cpu));
    assert_eq!(scalar(&ibot(&x(&[0, 5]), &x(&[0, 5]), &none, 0.1).unwrap()), 0.0);
    let kind = ibot(&x(&[3, 5]), &x(&[3, 5]), &mask.to_kind(Kind::Int64), 0.1);
    assert!(matches!(kind, Err(Error::Kind { argument: "masked", .. })));

    shape(koleo(&x(&[1, 3])), "features");
    let options = MsnOptions { temperature: 0.1, sharpen: 0.25, sinkhorn_iterations: 3, me_max: 1.0 };
    shape(msn(&x(&[5, 3]), &x(&[2, 3]), &x(&[4, 3]), &options), "anchors");
    shape(msn(&x(&[4, 3]), &x(&[2, 3]), &x(&[4, 2]), &options), "prototypes");
    for (name, wrong) in [
        ("temperature", MsnOptions { temperature: -1.0, ..options }),
        ("sharpen", MsnOptions { sharpen: 0.0, ..options }),
        ("sharpen", MsnOptions { sharpen: 1.5, ..options }),
        ("me_max", MsnOptions { me_max: f64::INFINITY, ..options }),
    ] {
        parameter(msn(&x(&[4, 3]), &x(&[2, 3]), &x(&[4, 3]), &wrong), name);
    }
    let options = SceOptions { contrastive_weight: 0.5, temperature: 0.1, target_temperature: 0.07 };
    shape(sce(&view(), &x(&[2, 4]), &view(), &options), "keys");
    shape(sce(&view(), &view(), &x(&[0, 3]), &options), "queue");
    shape(sce(&view(), &view(), &x(&[4, 2]), &options), "queue");
    parameter(
        sce(&view(), &view(), &view(), &SceOptions { contrastive_weight: 2.0, ..options }),
        "contrastive_weight",
    );
    let options = RelicV2Options { temperature: 0.1, contrast: 1.0, invariance: 1.0 };
    let index = |values: &[i64]| Tensor::from_slice(values).reshape([2, -1]);
    shape(relic_v2(&view(), &view(), &index(&[]), &options), "negatives");
    parameter(relic_v2(&view(), &view(), &index(&[1, 2]), &options), "negatives");
    shape(relic_v2(&view(), &x(&[3, 3]), &index(&[1, 0]), &options), "target");
    shape(match_regions(&view(), &view()).map(|_| view()), "student");
    let regions = || x(&[2, 4, 3]);
    shape(esvit_regions(&regions(), &regions(), &index(&[0, 1]), 0.1), "matches");
}
