//! FID and its kin against pytorch-fid, clean-fid and torch-fidelity, on a network and images that formulas fill
//! (fixtures/golden/perceptual/fid.py).

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

mod support;

use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use support::filled;
use visrep_augment::RgbImage;
use visrep_data::{Dataset, InMemory, NpyArray, Sample, SampleImage};
use visrep_models::{Model, ModelOptions};
use visrep_perceptual::{
    Error, ExtractOptions, GenerativePreset, Inception, InceptionScoreProtocol, InceptionSet, KidProtocol,
    NeighbourProtocol, frechet, inception_score, kid, neighbours,
};

#[derive(Deserialize)]
struct Golden {
    sizes: Vec<(u32, u32)>,
    stride: usize,
    generated: Vec<usize>,
    real: Vec<usize>,
    subsets: usize,
    subset_size: usize,
    splits: usize,
    neighbours: usize,
    pixels: Vec<Vec<u8>>,
    presets: BTreeMap<String, Peer>,
}

#[derive(Deserialize)]
struct Peer {
    resized: Vec<Resized>,
    features: Vec<Vec<f64>>,
    norms: Vec<f64>,
    logits: Option<Vec<Vec<f64>>>,
    /// In double precision, and as the package has it.
    exact: f64,
    fid: f64,
    kid: Option<f64>,
    kid_std: Option<f64>,
    inception_score: Option<f64>,
    inception_score_std: Option<f64>,
    precision: Option<f64>,
    recall: Option<f64>,
}

/// Of the resized images: some values, and the means of all and of their squares.
#[derive(Deserialize)]
struct Resized {
    values: Vec<f64>,
    mean: f64,
    square: f64,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../../../fixtures/golden/perceptual/fid.json")).unwrap()
}

/// Image `k` of the script.
fn drawn(golden: &Golden, k: usize) -> RgbImage {
    let (width, height) = golden.sizes[k];
    let value = |x: u32, y: u32, c: u32| {
        let (x, y, k64) = (u64::from(x), u64::from(y), k as u64);
        let c = if k + 1 == golden.sizes.len() { 0 } else { u64::from(c) };
        let across = |x: u64, side: u32| 255 * x / u64::from(side - 1).max(1);
        let value = match k % 4 {
            0 => (across(x, width) * (c + 1) + across(y, height) * (3 - c)) / 4,
            1 => (x / 3 + y / 5 + c) % 2 * 255,
            2 => {
                let mixed = x * 7919 + y * 104_729 + c * 1_299_709 + k64 * 15_485_863;
                mixed * 2_654_435_761 % (1 << 32) / (1 << 24)
            }
            _ => x * x + 3 * y * y + 85 * c + 17 * k64,
        };
        (value % 256) as u8
    };
    RgbImage::from_fn(width, height, |x, y| [0, 1, 2].map(|c| value(x, y, c)))
}

fn set(golden: &Golden, which: &[usize]) -> Arc<dyn Dataset> {
    let sample = |&k: &usize| Sample {
        image: SampleImage::Decoded(drawn(golden, k)),
        label: None,
        key: format!("{k:02}.png"),
    };
    Arc::new(InMemory::new(which.iter().map(sample).collect(), Vec::new()))
}

/// With the formula's values, which take a second, or with random ones.
fn inception(formula: bool) -> Inception {
    let options = ModelOptions { seed: Some(0), ..ModelOptions::default() };
    let mut model = Model::create(Inception::MODEL, &options).unwrap();
    if formula {
        tch::no_grad(|| {
            for (name, mut tensor) in model.var_store().variables() {
                tensor.copy_(&filled(&name, &tensor.size()));
            }
        });
    }
    model.set_memory_format(model.suggested_memory_format()).unwrap();
    Inception::new(model).unwrap()
}

#[track_caller]
fn close(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((found - expected).abs() <= tolerance, "{what}: {found} is not {expected}");
}

#[test]
fn images_come_to_inceptions_size_as_in_the_packages() {
    let golden = golden();
    // PyTorch weighs four neighbours at once where this weighs rows, then columns.
    for (name, tolerance) in [("pytorch-fid", 1e-6), ("clean-fid", 0.0), ("torch-fidelity", 0.0)] {
        let preset: GenerativePreset = name.parse().unwrap();
        let mut worst = 0.0_f64;
        for (k, expected) in golden.presets[name].resized.iter().enumerate() {
            let image = drawn(&golden, k);
            let step = (image.data().len() / 8).max(1);
            let pixels: Vec<u8> = image.data().iter().step_by(step).copied().collect();
            assert_eq!(pixels, golden.pixels[k], "image {k} is not drawn as the script draws it");
            let found = preset.resize.apply(&image);
            for (found, expected) in found.iter().step_by(golden.stride).zip(&expected.values) {
                worst = worst.max((f64::from(*found) - expected).abs());
                close(f64::from(*found), *expected, tolerance, &format!("{name}, image {k}"));
            }
            let mean =
                |f: fn(f64) -> f64| found.iter().map(|&x| f(x.into())).sum::<f64>() / found.len() as f64;
            close(mean(|x| x), expected.mean, 1e-7, &format!("{name}, mean of image {k}"));
            close(mean(|x| x * x), expected.square, 1e-7, &format!("{name}, square of image {k}"));
        }
        println!("{name}: worst {worst:.1e}");
    }
}

#[test]
fn figures_are_the_packages() {
    let (golden, inception) = (golden(), inception(true));
    let options = ExtractOptions { batch_size: 3, features: true, logits: true, ..ExtractOptions::default() };
    for (name, peer) in &golden.presets {
        let preset: GenerativePreset = name.parse().unwrap();
        let mut seen = 0;
        let mut of = |which: &[usize]| {
            inception.extract(set(&golden, which), &preset, &options, |n| seen += n).unwrap()
        };
        let (generated, real) = (of(&golden.generated), of(&golden.real));
        assert_eq!((seen, generated.samples(), generated.dim()), (8, Some(4), 2048));

        let rows: Vec<&[f32]> = generated.features().unwrap().chunks(2048).collect();
        for ((row, expected), norm) in rows.iter().zip(&peer.features).zip(&peer.norms) {
            for (found, expected) in row.iter().step_by(128).zip(expected) {
                close(f64::from(*found), *expected, 1e-4 * norm, &format!("{name}, feature"));
            }
            let length = row.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
            close(length, *norm, 1e-5 * norm, &format!("{name}, norm"));
        }
        let fid = frechet(&generated, &real).unwrap();
        println!("{name}: FID {fid}, exactly {}, the package's {}", peer.exact, peer.fid);
        close(fid, peer.exact, 1e-5 * peer.exact, &format!("{name}, FID"));
        close(fid, peer.fid, 2e-4 * peer.fid, &format!("{name}, FID of the package"));

        let protocol = KidProtocol { subsets: golden.subsets, subset_size: golden.subset_size, ..preset.kid };
        if let Some(expected) = peer.kid {
            let found = kid(&generated, &real, &protocol).unwrap();
            println!("{name}: KID {} ± {}, the package's {expected}", found.mean, found.std);
            close(found.mean, expected, 1e-5 * expected.abs(), &format!("{name}, KID"));
            if let Some(expected) = peer.kid_std {
                close(found.std, expected, 1e-5 * expected, &format!("{name}, KID's deviation"));
            }
        }
        let Some(logits) = &peer.logits else { continue };
        for (row, expected) in generated.logits().unwrap().chunks(1008).zip(logits) {
            for (found, expected) in row.iter().step_by(63).zip(expected) {
                close(f64::from(*found), *expected, 1e-2, &format!("{name}, logit"));
            }
        }
        let protocol = InceptionScoreProtocol { splits: golden.splits, ..preset.inception_score };
        let found = inception_score(&generated, &protocol).unwrap();
        close(found.mean, peer.inception_score.unwrap(), 1e-6, &format!("{name}, Inception score"));
        close(found.std, peer.inception_score_std.unwrap(), 1e-6, &format!("{name}, its deviation"));

        let k = golden.neighbours;
        let protocol = NeighbourProtocol { precision_recall: k, density_coverage: k, ..preset.neighbours };
        let found = neighbours(&generated, &real, &protocol).unwrap();
        assert_eq!(Some(found.precision_recall.precision), peer.precision);
        assert_eq!(Some(found.precision_recall.recall), peer.recall);
        assert!(found.density_coverage.coverage > 0.0);
    }
}

#[test]
fn statistics_go_to_a_file_and_back() {
    let (golden, inception, folder) = (golden(), inception(false), tempfile::tempdir().unwrap());
    let options = ExtractOptions { features: true, ..ExtractOptions::default() };
    let extract = |which: &[usize]| {
        inception.extract(set(&golden, which), &GenerativePreset::TTUR, &options, |_| {}).unwrap()
    };
    let (first, second) = (extract(&[0, 4]), extract(&[1, 11]));
    let path = folder.path().join("statistics.npz");
    first.write(&path, true).unwrap();
    let read = InceptionSet::read(&path).unwrap();
    assert_eq!(read, first);
    assert_eq!(frechet(&read, &second).unwrap(), frechet(&first, &second).unwrap());

    // Without features, FID is left.
    first.write(&path, false).unwrap();
    let read = InceptionSet::read(&path).unwrap();
    assert_eq!((read.samples(), read.gaussian().unwrap()), (Some(2), first.gaussian().unwrap()));
    let protocol = KidProtocol { subset_size: 2, ..GenerativePreset::CLEAN_FID.kid };
    let error = kid(&second, &read, &protocol).unwrap_err().to_string();
    assert!(error.contains("only FID"), "{error}");

    // With features alone, as clean-fid's files for KID are.
    let real = |shape: Vec<usize>, values: Vec<f64>| NpyArray { shape, values, integers: false };
    let feats = real(vec![2, 2048], first.features().unwrap().iter().map(|&x| x.into()).collect());
    NpyArray::write_npz(&path, &[("feats", &feats)]).unwrap();
    let read = InceptionSet::read(&path).unwrap();
    assert_eq!(
        (read.features().unwrap(), read.gaussian().unwrap()),
        (first.features().unwrap(), first.gaussian().unwrap())
    );
    assert!(read.pipeline().is_none() && first.pipeline().is_some());

    let fail = |arrays: &[(&str, &NpyArray)], part: &str| {
        NpyArray::write_npz(&path, arrays).unwrap();
        let error = InceptionSet::read(&path).unwrap_err().to_string();
        assert!(error.contains("statistics.npz") && error.contains(part), "{part} is not in: {error}");
    };
    let (mu, sigma) = (real(vec![2], vec![0.0; 2]), real(vec![3, 3], vec![0.0; 9]));
    fail(&[], "nor `feats`");
    fail(&[("sigma", &sigma)], "no array `mu`");
    fail(&[("mu", &mu)], "no array `sigma`");
    fail(&[("mu", &mu), ("sigma", &sigma)], "(d, d)");
    fail(&[("mu", &mu), ("sigma", &real(vec![2, 2], vec![f64::NAN; 4]))], "not finite");
    fail(&[("mu", &mu), ("sigma", &real(vec![2, 2], vec![0.0; 4])), ("feats", &feats)], "`feats` 2048");
    fail(&[("feats", &mu)], "(images, dimensions)");
    NpyArray::write_npz(&path, &[("mu", &mu), ("sigma", &real(vec![2, 2], vec![0.0; 4]))]).unwrap();
    let other = InceptionSet::read(&path).unwrap();
    let error = frechet(&first, &other).unwrap_err().to_string();
    assert!(error.contains("2048") && error.contains("reference 2"), "{error}");
}

#[test]
fn what_cannot_be_is_said() {
    let (golden, inception) = (golden(), inception(false));
    let other = Model::create("resnet18", &ModelOptions::default()).unwrap();
    assert!(
        matches!(Inception::new(other).unwrap_err(), Error::NotInception { found } if found == "resnet18")
    );

    let (preset, options) = (GenerativePreset::TORCH_FIDELITY, ExtractOptions::default());
    let extract = |data, options: &ExtractOptions| inception.extract(data, &preset, options, |_| {});
    assert!(extract(set(&golden, &[]), &options).unwrap_err().to_string().contains("images"));
    assert!(extract(set(&golden, &[0]), &ExtractOptions { batch_size: 0, ..options }).is_err());
    // Of samples that cannot be read the first is named.
    let sample = |key: &str, bytes: &'static [u8]| Sample {
        image: SampleImage::Encoded(bytes.into()),
        label: None,
        key: key.into(),
    };
    let bad = ["a.png", "b.png", "c.png"].map(|key| sample(key, b"no image"));
    let error = extract(Arc::new(InMemory::new(bad.to_vec(), Vec::new())), &options).unwrap_err();
    assert!(error.to_string().contains("a.png"), "{error}");

    let one = extract(set(&golden, &[0]), &ExtractOptions { features: true, ..options }).unwrap();
    assert!(one.gaussian().unwrap_err().to_string().contains("at least 2"));
    assert!(inception_score(&one, &preset.inception_score).unwrap_err().to_string().contains("logits"));
    let error = kid(&one, &one, &preset.kid).unwrap_err().to_string();
    assert!(error.contains("1000 images") && error.contains("has 1"), "{error}");
}
