//! mixup, CutMix and FMix of batches against timm and torchvision on the same draws, and what is drawn.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

use safetensors::SafeTensors;
use std::path::Path;
use visrep_augment::{BatchMix, Blend, Mix, MixMode, Mixing, Pairing, Region, Rng, view_rng};

fn golden() -> Vec<u8> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/golden/augment/occlusion.safetensors");
    std::fs::read(path).unwrap()
}

fn floats(tensors: &SafeTensors<'_>, name: &str) -> Vec<f32> {
    tensors.tensor(name).unwrap().data().as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect()
}

/// The mixing that a peer drew: a row per sample of lambda, 0 for linear or 1 for a box, x, y, width, height.
fn recorded(tensors: &SafeTensors<'_>, name: &str, partner: impl Fn(usize) -> usize) -> Mixing {
    let tensor = tensors.tensor(&format!("{name}/drawn")).unwrap();
    let rows: Vec<f64> = tensor.data().as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)).collect();
    let samples = rows.chunks_exact(6).enumerate().map(|(i, row)| {
        let [x, y, width, height] = [2, 3, 4, 5].map(|k| row[k] as u32);
        let region = Region { x, y, width, height };
        let blend = if row[1] == 1.0 { Blend::Box(region) } else { Blend::Linear };
        Mix { partner: partner(i), lambda: row[0], blend }
    });
    Mixing::new((10, 8), samples.collect()).unwrap()
}

fn furthest(ours: &[f32], theirs: &[f32]) -> f32 {
    assert_eq!(ours.len(), theirs.len());
    ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// NHWC bytes as NCHW floats of 0 to 1.
fn planes(bytes: &[u8]) -> Vec<f32> {
    let pixels = 10 * 8;
    let image = |image: &[u8]| -> Vec<f32> {
        (0..3 * pixels).map(|i| f32::from(image[i % pixels * 3 + i / pixels]) / 255.0).collect()
    };
    bytes.chunks_exact(pixels * 3).flat_map(image).collect()
}

#[test]
fn images_and_targets_equal_timms_and_torchvisions() {
    let bytes = golden();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let batch = tensors.tensor("batch/input").unwrap().data().to_vec();
    let labels = tensors.tensor("batch/labels").unwrap();
    let labels: Vec<i64> = labels.data().as_chunks().0.iter().map(|&b| i64::from_le_bytes(b)).collect();
    let reverse = |i: usize| 5 - i;
    let roll = |i: usize| (i + 5) % 6;
    let cases =
        (0..5).map(|i| (format!("timm/{i}"), 0.1)).chain((0..2).map(|i| (format!("torchvision/{i}"), 0.0)));
    for (name, smoothing) in cases {
        let mixing = if smoothing > 0.0 {
            recorded(&tensors, &name, reverse)
        } else {
            recorded(&tensors, &name, roll)
        };
        let mut ours = planes(&batch);
        mixing.apply_f32(&mut ours).unwrap();
        let error = furthest(&ours, &floats(&tensors, &format!("{name}/images")));
        assert!(error < 1e-6, "{name}: images differ by {error}");
        let targets = mixing.targets(&labels, 5, smoothing).unwrap();
        let error = furthest(&targets, &floats(&tensors, &format!("{name}/targets")));
        assert!(error < 1e-6, "{name}: targets differ by {error}");

        // Bytes are the same, rounded.
        let mut mixed = batch.clone();
        mixing.apply_u8(&mut mixed).unwrap();
        let error = furthest(&planes(&mixed), &ours) * 255.0;
        assert!(error < 0.5001, "{name}: bytes differ by {error}");
        if let Ok(theirs) = tensors.tensor(&format!("{name}/bytes")) {
            assert_eq!(mixed, theirs.data(), "{name}: bytes");
        }
    }
}

fn rng(index: u64) -> Rng {
    view_rng(3, 1, index, 0)
}

fn assert_uniform(mut numbers: Vec<f64>, what: &str) {
    numbers.sort_unstable_by(f64::total_cmp);
    let n = numbers.len() as f64;
    let distance = numbers.iter().enumerate().map(|(i, u)| (u - (i as f64 + 0.5) / n).abs());
    let distance = distance.fold(0.0, f64::max);
    assert!(distance < 2.7 / n.sqrt(), "{what} is {distance} from uniform");
}

#[test]
fn lambdas_are_of_the_beta_distribution() {
    // Beta(1, 1) is uniform; Beta(2, 2) has the distribution function 3x² - 2x³, Beta(1/2, 1/2) the arcsine's.
    type Distribution = fn(f64) -> f64;
    let cases: [(f64, Distribution); 3] = [
        (1.0, |x| x),
        (2.0, |x| 3.0 * x * x - 2.0 * x.powi(3)),
        (0.5, |x| x.sqrt().asin() * 2.0 / std::f64::consts::PI),
    ];
    for (alpha, cumulated) in cases {
        for mix in [BatchMix::mixup(alpha).unwrap(), BatchMix::fmix(alpha, 3.0, 0.0).unwrap()] {
            let mixing = mix.mode(MixMode::Element).draw(6000, (8, 8), &mut rng(0));
            let lambdas = mixing.samples().iter().map(|mix| cumulated(mix.lambda));
            assert_uniform(lambdas.collect(), "lambda");
        }
        let cutmix = BatchMix::cutmix(alpha).unwrap().correct_lambda(false).mode(MixMode::Element);
        let lambdas: Vec<f64> = cutmix
            .draw(6000, (64, 64), &mut rng(0))
            .samples()
            .iter()
            .map(|mix| cumulated(mix.lambda))
            .collect();
        assert_uniform(lambdas, "CutMix's lambda");
    }
}

#[test]
fn boxes_have_the_area_that_lambda_says() {
    let cutmix = BatchMix::cutmix(1.0).unwrap().mode(MixMode::Element);
    let inside = BatchMix::cutmix_minmax(0.2..=0.8).unwrap().mode(MixMode::Element);
    for (mix, within) in [(cutmix, false), (inside, true)] {
        for drawn in mix.draw(3000, (50, 40), &mut rng(1)).samples() {
            let Blend::Box(region) = drawn.blend else { panic!("{drawn:?}") };
            assert!(region.x + region.width <= 50 && region.y + region.height <= 40);
            let area = f64::from(region.width * region.height) / 2000.0;
            assert!((1.0 - area - drawn.lambda).abs() < 1e-12);
            assert!(!within || ((10..=40).contains(&region.width) && (8..=32).contains(&region.height)));
        }
    }
}

#[test]
fn modes_pairings_and_probabilities_are_as_asked() {
    let mix = BatchMix::mixup(0.8).unwrap().or_cutmix(1.0, 0.3).unwrap();
    let one = mix.draw(9, (8, 8), &mut rng(0));
    assert!(
        one.samples()
            .iter()
            .all(|m| (m.lambda, m.blend) == (one.samples()[0].lambda, one.samples()[0].blend))
    );
    assert!(one.samples().iter().enumerate().all(|(i, m)| m.partner == 8 - i));
    let pairs = mix.clone().mode(MixMode::Pair).draw(9, (8, 8), &mut rng(0));
    for (i, m) in pairs.samples().iter().enumerate() {
        let other = pairs.samples()[8 - i];
        assert_eq!((m.lambda, m.blend, m.partner), (other.lambda, other.blend, 8 - i));
    }
    assert_eq!(pairs.samples()[4].blend, Blend::Keep);
    let elements = mix.clone().mode(MixMode::Element).p(0.6).unwrap().draw(6000, (8, 8), &mut rng(0));
    let count =
        |f: fn(&Blend) -> bool| elements.samples().iter().filter(|m| f(&m.blend)).count() as f64 / 6000.0;
    assert!((count(|b| matches!(b, Blend::Keep)) - 0.4).abs() < 0.04);
    assert!((count(|b| matches!(b, Blend::Box(_))) - 0.18).abs() < 0.03);
    let roll = mix.clone().pairing(Pairing::Roll).draw(4, (8, 8), &mut rng(0));
    assert_eq!(roll.samples().iter().map(|m| m.partner).collect::<Vec<_>>(), [3, 0, 1, 2]);
    let shuffled = mix.clone().pairing(Pairing::Shuffle).draw(100, (8, 8), &mut rng(0));
    let mut partners: Vec<usize> = shuffled.samples().iter().map(|m| m.partner).collect();
    assert_ne!(partners, (0..100).collect::<Vec<_>>());
    partners.sort_unstable();
    assert_eq!(partners, (0..100).collect::<Vec<_>>());
    for n in [0, 1, 2] {
        let mut data = vec![7; n * 4 * 3 * 3];
        mix.draw(n, (4, 3), &mut rng(0)).apply_u8(&mut data).unwrap();
        assert_eq!(data.len(), n * 36);
    }
}

#[test]
fn fmix_takes_whole_pixels_from_either_and_as_many_as_lambda_says() {
    for pairing in [Pairing::Reverse, Pairing::Roll] {
        let fmix = BatchMix::fmix(1.0, 3.0, 0.0).unwrap().mode(MixMode::Element).pairing(pairing);
        let mixing = fmix.draw(5, (32, 24), &mut rng(2));
        let stored = serde_json::to_string(&mixing).unwrap();
        let mixing: Mixing = serde_json::from_str(&stored).unwrap();
        let len = 32 * 24 * 3;
        let mut data: Vec<u8> = (0..5).flat_map(|i| vec![i * 40; len]).collect();
        mixing.apply_u8(&mut data).unwrap();
        for (i, (image, mix)) in data.chunks_exact(len).zip(mixing.samples()).enumerate() {
            if mix.partner == i {
                continue;
            }
            let own = image.iter().filter(|&&v| v == i as u8 * 40).count();
            let theirs = image.iter().filter(|&&v| v == mix.partner as u8 * 40).count();
            assert_eq!(own + theirs, len);
            assert!((own as f64 / len as f64 - mix.lambda).abs() < 1.01 / 768.0);
        }
    }
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let mixing = BatchMix::mixup(1.0).unwrap().draw(2, (4, 3), &mut rng(0));
    for (error, expected) in [
        (
            mixing.apply_u8(&mut [0; 71]),
            "Mixing number of values must be the 72 of 2 images of 4x3, found 71",
        ),
        (
            mixing.targets(&[0, -1], 5, 0.0).map(drop),
            "targets label must be a class index within 0..5, found -1",
        ),
        (
            mixing.targets(&[0], 5, 0.0).map(drop),
            "targets labels must be one for each of the 2 samples, found 1",
        ),
        (BatchMix::mixup(0.0).map(drop), "mixup alpha must be between 0.001 and 1000, found 0"),
        (BatchMix::fmix(1.0, 3.0, 0.7).map(drop), "fmix soft must be between 0 and 0.5, found 0.7"),
        (
            Mixing::new((2, 2), vec![Mix { partner: 1, lambda: 0.5, blend: Blend::Linear }]).map(drop),
            "Mixing partner must be between 0 and 0, found 1",
        ),
    ] {
        assert_eq!(error.unwrap_err().to_string(), expected);
    }
}
