//! Point operations and automatic policies against Pillow, torchvision, timm and transcriptions of the TensorFlow code
//! (`fixtures/golden/augment/policies.py`): the pixels of each operation, and which operations are drawn how often.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

use safetensors::SafeTensors;
use serde_json::Value;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use visrep_augment::{
    AugMix, AugMixOps, AutoAugment, AutoAugmentPolicy, BigVisionRandAugment, Filter, Op, RandAugment,
    RgbImage, Rng, TfBrightness, TfColorJitter, TfColorStep, ThreeAugment, TimmAugment, Transform,
    TrivialAugmentWide, View, view_rng,
};

fn golden(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/golden/augment").join(file)
}

fn tables() -> Value {
    serde_json::from_slice(&std::fs::read(golden("policies.json")).unwrap()).unwrap()
}

fn image(tensors: &SafeTensors<'_>, name: &str) -> RgbImage {
    let tensor = tensors.tensor(name).unwrap();
    let &[height, width, 3] = tensor.shape() else { panic!("{name} is not HWC") };
    RgbImage::new(width as u32, height as u32, tensor.data().to_vec()).unwrap()
}

fn drawn(transform: &impl Transform, size: (u32, u32), rng: &mut Rng) -> Vec<Op> {
    let mut view = View::new(size);
    transform.draw(&mut view, rng);
    view.ops().to_vec()
}

/// Sums in floating point may round differently; everything else is equal to the bit.
fn tolerance(op: &Op) -> u8 {
    u8::from(matches!(op, Op::TfColorJitter { .. } | Op::Mix { .. }))
}

#[test]
fn every_operation_makes_the_peers_pixels() {
    let bytes = std::fs::read(golden("policies.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let tables = tables();
    let (mut wrong, mut kinds) = (Vec::new(), HashMap::<String, u32>::new());
    for case in tables["applied"].as_array().unwrap() {
        let op: Op = serde_json::from_value(case["op"].clone()).unwrap();
        let input = image(&tensors, &format!("input/{}", case["input"].as_str().unwrap()));
        let theirs = image(&tensors, case["output"].as_str().unwrap());
        let ours = op.apply(input);
        assert_eq!((ours.width(), ours.height()), (theirs.width(), theirs.height()));
        let differences = ours.data().iter().zip(theirs.data()).map(|(a, b)| a.abs_diff(*b));
        let worst = differences.clone().max().unwrap();
        let unequal = differences.filter(|&d| d > 0).count();
        if worst > tolerance(&op) || unequal * 20 > ours.data().len() {
            wrong.push(format!("{case}: {worst} levels, {unequal} of {} values", ours.data().len()));
        }
        *kinds.entry(kind(&op)).or_default() += 1;
    }
    assert!(wrong.is_empty(), "unequal:\n{}", wrong.join("\n"));
    assert!(kinds.len() >= 16 && kinds.values().sum::<u32>() > 400, "{kinds:?}");
}

/// The name that the operation is stored under.
fn kind(op: &Op) -> String {
    match serde_json::to_value(op).unwrap() {
        Value::String(name) => name,
        Value::Object(fields) => fields.keys().next().unwrap().clone(),
        other => panic!("{other} is no operation"),
    }
}

/// Operations as text, numbers rounded to a millionth: what two languages compute the same.
fn key(ops: &[Op]) -> String {
    fn rounded(value: Value) -> Value {
        match value {
            Value::Number(number) => {
                let number = (number.as_f64().unwrap() * 1e6).round() / 1e6;
                Value::from(if number == 0.0 { 0.0 } else { number })
            }
            Value::Array(values) => values.into_iter().map(rounded).collect(),
            Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, rounded(value))).collect(),
            other => other,
        }
    }
    rounded(serde_json::to_value(ops).unwrap()).to_string()
}

/// The transform that a table of `policies.json` is about.
fn policy(name: &str) -> Box<dyn Transform> {
    let words: Vec<&str> = name.split(' ').collect();
    let number = |i: usize| words[i].parse::<usize>().unwrap();
    match words[..] {
        ["randaugment", "bilinear", _] => {
            Box::new(RandAugment::new(1, 27).unwrap().interpolation(Filter::Bilinear).fill([9, 8, 7]))
        }
        ["randaugment", ..] => {
            Box::new(RandAugment::new(1, number(1)).unwrap().num_magnitude_bins(number(2)).unwrap())
        }
        ["trivialaugment", _] => Box::new(TrivialAugmentWide::new()),
        ["autoaugment", data, _] => Box::new(AutoAugment::new(match data {
            "imagenet" => AutoAugmentPolicy::ImageNet,
            "cifar10" => AutoAugmentPolicy::Cifar10,
            _ => AutoAugmentPolicy::Svhn,
        })),
        ["timm", config, _] => {
            Box::new(TimmAugment::parse(config).unwrap().fill([124, 116, 104]).interpolation(Filter::Bicubic))
        }
        ["bigvision", ..] => Box::new(BigVisionRandAugment::new(1, number(1) as u32).unwrap()),
        ["augmix", "torchvision", ..] => {
            let one = AugMix::new(AugMixOps::TorchvisionAll).unwrap().severity(number(2) as u32).unwrap();
            Box::new(OneOperation(one.mixture_width(1).unwrap().chain_depth(1).unwrap()))
        }
        _ => panic!("no policy {name}"),
    }
}

/// The only operation of an AugMix of one chain.
struct OneOperation(AugMix);

impl Transform for OneOperation {
    fn draw(&self, view: &mut View, rng: &mut Rng) {
        for op in drawn(&self.0, view.size(), rng) {
            let Op::Mix { chains, .. } = op else { panic!("{op:?} is no mixture") };
            chains[0].ops.iter().for_each(|op| view.push(op.clone()));
        }
    }
}

#[test]
fn every_policy_draws_what_its_peer_draws_as_often() {
    const DRAWS: u32 = 60_000;
    let tables = tables();
    let mut compared = 0;
    for table in tables["drawn"].as_array().unwrap() {
        let name = table["policy"].as_str().unwrap();
        let size = (table["size"][0].as_u64().unwrap() as u32, table["size"][1].as_u64().unwrap() as u32);
        let mut expected = HashMap::<String, f64>::new();
        for sequence in table["sequences"].as_array().unwrap() {
            let ops: Vec<Op> = serde_json::from_value(sequence["ops"].clone()).unwrap();
            *expected.entry(key(&ops)).or_default() += sequence["p"].as_f64().unwrap() * f64::from(DRAWS);
        }
        let mut found = HashMap::<String, u32>::new();
        let (transform, mut rng) = (policy(name), view_rng(3, 0, 0, 0));
        for _ in 0..DRAWS {
            *found.entry(key(&drawn(&transform, size, &mut rng))).or_default() += 1;
        }
        let (mut sum, mut freedom) = (0.0, 0.0);
        for (sequence, &often) in &expected {
            let count = f64::from(found.remove(sequence).unwrap_or(0));
            if often >= 5.0 {
                sum += (count - often).powi(2) / often;
                freedom += 1.0;
            } else {
                assert!(count < 25.0, "{name} drew {sequence} {count} times, not {often}");
            }
        }
        if name.starts_with("bigvision") {
            // The sixteenth operation cuts out around any pixel, which no table lists.
            let cutouts: u32 =
                found.extract_if(|sequence, _| sequence.contains("erase")).map(|(_, n)| n).sum();
            assert!((0.058..0.067).contains(&(f64::from(cutouts) / f64::from(DRAWS))), "{name}: {cutouts}");
        }
        assert!(found.is_empty(), "{name} draws what the peer does not: {found:?}");
        // Chi-squared: six standard deviations above its mean.
        assert!(sum < freedom + 6.0 * (2.0f64 * freedom).sqrt(), "{name}: chi-squared {sum} of {freedom}");
        compared += 1;
    }
    assert!(compared > 30, "only {compared} policies");
}
