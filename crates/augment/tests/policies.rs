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

/// The largest distance between the distribution of `values` and the uniform one, times the root of their number: above
/// 2.7 by a chance of a millionth (Kolmogorov and Smirnov).
fn distance_from_uniform(mut values: Vec<f64>, low: f64, high: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len() as f64;
    let distance =
        values.iter().enumerate().map(|(i, v)| ((v - low) / (high - low) - (i as f64 + 0.5) / n).abs());
    distance.fold(0.0, f64::max) * n.sqrt()
}

#[test]
fn timms_magnitudes_vary_as_its_string_says() {
    let mut rng = view_rng(4, 0, 0, 0);
    let mut levels = |config: &str| -> Vec<f64> {
        let policy = TimmAugment::parse(config).unwrap();
        let ops = (0..60_000).flat_map(|_| drawn(&policy, (30, 20), &mut rng)).collect::<Vec<Op>>();
        let bicubic = ops.iter().filter(|op| matches!(op, Op::Rotate { interpolation: Filter::Bicubic, .. }));
        let bicubic = bicubic.count();
        let rotations = ops.iter().filter_map(|op| match op {
            Op::Rotate { degrees, .. } => Some(degrees.abs() / 3.0),
            _ => None,
        });
        let rotations: Vec<f64> = rotations.collect();
        let share = bicubic as f64 / rotations.len() as f64;
        assert!((0.45..0.55).contains(&share), "{share} of the rotations are bicubic");
        rotations
    };
    let normal = levels("rand-m9-mstd0.5-inc1");
    let below = |level: f64| normal.iter().filter(|&&v| v < level).count() as f64 / normal.len() as f64;
    for (level, expected) in [(8.0, 0.0228), (8.5, 0.1587), (9.0, 0.5), (9.5, 0.8413), (10.0, 0.9772)] {
        assert!((below(level) - expected).abs() < 0.03, "{} below {level}", below(level));
    }
    assert!(normal.iter().all(|&level| level <= 10.0 + 1e-9));
    assert!(distance_from_uniform(levels("rand-m8-mstd101"), 0.0, 8.0) < 2.7);
}

#[test]
fn augmix_mixes_chains_of_one_to_three_operations() {
    let augmix = AugMix::new(AugMixOps::Original).unwrap();
    let mut rng = view_rng(5, 0, 0, 0);
    let (mut originals, mut depths, mut degrees, mut kinds) =
        (Vec::new(), [0; 4], Vec::new(), HashMap::new());
    let mut first_shares = Vec::new();
    for _ in 0..6000 {
        let ops = drawn(&augmix, (48, 40), &mut rng);
        let [Op::Mix { original, chains }] = &ops[..] else { panic!("{ops:?} is no mixture") };
        assert_eq!(chains.len(), 3);
        let sum = original + chains.iter().map(|chain| chain.weight).sum::<f64>();
        assert!((sum - 1.0).abs() < 1e-9, "the weights sum to {sum}");
        originals.push(*original);
        // The share of one of three parts of a flat Dirichlet distribution: 1 - (1 - x)^2 lies below x.
        first_shares.push(1.0 - (1.0 - chains[0].weight / (1.0 - original)).powi(2));
        for chain in chains {
            depths[chain.ops.len()] += 1;
            for op in &chain.ops {
                *kinds.entry(kind(op)).or_insert(0u32) += 1;
                if let Op::Rotate { degrees: angle, .. } = op {
                    degrees.push(*angle);
                }
            }
        }
    }
    assert!(distance_from_uniform(originals, 0.0, 1.0) < 2.7);
    assert!(distance_from_uniform(first_shares, 0.0, 1.0) < 2.7);
    assert!(depths[0] == 0 && depths[1..].iter().all(|&n| (5700..6300).contains(&n)), "{depths:?}");
    // Levels of .1 to 3 of 10, cut to whole degrees.
    assert!(degrees.iter().all(|angle| angle.fract() == 0.0 && angle.abs() <= 9.0), "{degrees:?}");
    assert!(degrees.contains(&8.0) && degrees.contains(&-8.0), "{degrees:?}");
    let total = f64::from(kinds.values().sum::<u32>());
    for (name, ninths) in [
        ("autocontrast", 1.0),
        ("equalize", 1.0),
        ("posterize", 1.0),
        ("rotate", 1.0),
        ("solarize", 1.0),
        ("affine", 4.0),
    ] {
        let share = f64::from(kinds[name]) / total;
        assert!((share - ninths / 9.0).abs() < 0.01, "{name}: {share}");
    }
    assert_eq!(kinds.len(), 6, "{kinds:?}");
}

#[test]
fn the_views_of_augmixs_loss_share_their_crop() {
    let augmix = AugMix::new(AugMixOps::OriginalAll).unwrap();
    let mut base = View::new((48, 40));
    base.push(Op::FlipHorizontal);
    let [clean, first, second] = augmix.jsd_views(&base, &mut view_rng(6, 0, 0, 0));
    assert_eq!(clean, base);
    for view in [&first, &second] {
        assert!(matches!(view.ops(), [Op::FlipHorizontal, Op::Mix { .. }]), "{view:?}");
    }
    assert_ne!(first, second);
    let stored: View = serde_json::from_str(&serde_json::to_string(&first).unwrap()).unwrap();
    assert_eq!(stored, first);
}

#[test]
fn three_augment_does_one_of_three_and_jitters() {
    let (mut rng, mut counts) = (view_rng(7, 0, 0, 0), HashMap::<String, u32>::new());
    let three = ThreeAugment::new(0.3).unwrap();
    for _ in 0..9000 {
        let ops = drawn(&three, (9, 9), &mut rng);
        assert_eq!(ops.len(), 4, "{ops:?}");
        *counts.entry(kind(&ops[0])).or_default() += 1;
        assert!(ops[1..].iter().all(|op| kind(op).starts_with("adjust_")), "{ops:?}");
    }
    for name in ["grayscale", "solarize", "gaussian_blur"] {
        assert!((2750..3250).contains(&counts[name]), "{counts:?}");
    }
}

#[test]
fn the_tensorflow_jitter_draws_uniformly_in_every_order() {
    for (kind, low, high) in [(TfBrightness::Multiplied, 0.2, 1.8), (TfBrightness::Added, -0.8, 0.8)] {
        let jitter = TfColorJitter::new(0.8, 0.8, 0.8, 0.2, kind).unwrap();
        let (mut rng, mut orders) = (view_rng(8, 0, 0, 0), HashMap::<String, u32>::new());
        let mut drawn_values = vec![Vec::new(); 4];
        for _ in 0..9600 {
            let ops = drawn(&jitter, (9, 9), &mut rng);
            let [Op::TfColorJitter { steps }] = &ops[..] else { panic!("{ops:?} is no jitter") };
            let mut order = String::new();
            for step in steps {
                let (index, value) = match *step {
                    TfColorStep::Scale(value) | TfColorStep::Shift(value) => (0, value),
                    TfColorStep::Contrast(value) => (1, value),
                    TfColorStep::Saturation(value) => (2, value),
                    TfColorStep::Hue(value) => (3, value),
                };
                order += &index.to_string();
                drawn_values[index].push(value);
            }
            *orders.entry(order).or_default() += 1;
        }
        assert_eq!(orders.len(), 24);
        assert!(orders.values().all(|count| (290..510).contains(count)), "{orders:?}");
        let ranges = [(low, high), (0.2, 1.8), (0.2, 1.8), (-0.2, 0.2)];
        for (values, (low, high)) in drawn_values.into_iter().zip(ranges) {
            assert!(distance_from_uniform(values, low, high) < 2.7);
        }
    }
}
