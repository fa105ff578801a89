//! LPIPS against the authors' package, on networks, heads and images that a formula fills (fixtures/golden/perceptual/make.py).

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

mod support;

use serde::Deserialize;
use support::{filled, uniform};
use tch::{Device, Kind, Tensor};
use visrep_augment::RgbImage;
use visrep_models::{Model, ModelOptions};
use visrep_perceptual::{
    DistanceForm, Error, FeatureDistances, HeadTrainer, HeadTraining, ImageDistance, Lpips, LpipsHeads,
    LpipsNet, LpipsVersion, PerceptualDistance, PixelRange,
};

#[derive(Deserialize)]
struct Golden {
    training: Training,
    networks: Vec<Row>,
    baselines: Vec<Baseline>,
}

#[derive(Deserialize)]
struct Baseline {
    net: String,
    version: String,
    distance: Vec<f64>,
    taps: Vec<Vec<f64>>,
    map: Vec<f64>,
}

#[derive(Deserialize)]
struct Training {
    losses: Vec<f64>,
    sums: Vec<f64>,
    zeros: Vec<i64>,
}

#[derive(Deserialize)]
struct Row {
    net: String,
    version: String,
    distance: Vec<f64>,
    taps: Vec<Vec<f64>>,
    gradient_norm: f64,
    gradient: Vec<f64>,
    map: Vec<f64>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../../../fixtures/golden/perceptual/lpips.json")).unwrap()
}

/// The authors' own files, where they are: `LPIPS_HEADS` names the folder with alex.pth, vgg.pth and squeeze.pth of v0.1.
#[test]
fn the_authors_heads_are_read() {
    let Some(folder) = std::env::var_os("LPIPS_HEADS") else {
        eprintln!("left out: LPIPS_HEADS is not set");
        return;
    };
    let sums: [&[f64]; 3] = [
        &[2.349532, 16.143026, 39.268440, 27.197178, 20.317177],
        &[6.925992, 8.858334, 17.515005, 51.521324, 47.034855],
        &[5.690101, 1.185280, 16.326565, 71.012627, 37.370724, 24.262873, 17.590553],
    ];
    for (net, sums) in LpipsNet::ALL.into_iter().zip(sums) {
        let file = std::path::Path::new(&folder).join(format!("{net}.pth"));
        let heads = LpipsHeads::read(net, file).unwrap();
        for (weight, sum) in heads.weights().iter().zip(sums) {
            near(&weight.sum(Kind::Double), &[*sum], 1e-6, "sum");
        }
    }
}

fn trunk(net: LpipsNet) -> Model {
    let options = ModelOptions { num_classes: Some(0), ..ModelOptions::default() };
    let model = Model::create(net.architecture(), &options).unwrap();
    tch::no_grad(|| {
        for (name, mut tensor) in model.var_store().variables() {
            tensor.copy_(&filled(&name, &tensor.size()));
        }
    });
    model
}

fn network(net: LpipsNet, version: LpipsVersion) -> Lpips {
    let model = trunk(net);
    let head = |(tap, &channels): (usize, &i64)| {
        uniform(&format!("lin{tap}.model.1.weight"), &[1, channels, 1, 1]).to_kind(Kind::Float)
    };
    let heads = net.channels().iter().enumerate().map(head).collect();
    Lpips::new(net, version, model, LpipsHeads::from_tensors(net, heads).unwrap()).unwrap()
}

fn image(name: &str) -> Tensor {
    (uniform(name, &[2, 3, 64, 64]) * 2.0 - 1.0).to_kind(Kind::Float)
}

fn near(found: &Tensor, expected: &[f64], tolerance: f64, what: &str) {
    let found = Vec::<f64>::try_from(found.to_kind(Kind::Double).flatten(0, -1)).unwrap();
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            (found - expected).abs() <= tolerance * expected.abs().max(1e-2),
            "{what}: {found} {expected}"
        );
    }
}

#[test]
fn distances_maps_and_gradients_are_the_packages() {
    let rows = golden().networks;
    assert_eq!(rows.len(), 6);
    for row in rows {
        let lpips = network(row.net.parse().unwrap(), row.version.parse().unwrap());
        let what = lpips.name();
        let a = image("a").set_requires_grad(true);
        let b = image("a") * 0.7 + image("b") * 0.3;
        let range = PixelRange::MinusOneToOne;
        let distance = lpips.distance(&a, &b, range).unwrap();
        near(&distance, &row.distance, 1e-5, &what);
        for (tap, expected) in lpips.distances_of_taps(&a, &b, range).unwrap().iter().zip(&row.taps) {
            near(tap, expected, 1e-5, &what);
        }
        distance.sum(Kind::Float).backward();
        near(&a.grad().norm(), &[row.gradient_norm], 1e-4, &what);
        let scale = row.gradient_norm / f64::from(2 * 3 * 64 * 64).sqrt();
        let gradient: Vec<f64> = row.gradient.iter().map(|x| x / scale).collect();
        near(&(a.grad().flatten(0, -1).narrow(0, 0, 8) / scale), &gradient, 2e-3, &what);
        let map = tch::no_grad(|| lpips.map(&a, &b, range)).unwrap();
        assert_eq!(map.size(), [2, 1, 64, 64]);
        near(&map.get(1).get(0).slice(0, 0, 64, 21).slice(1, 0, 64, 21), &row.map, 1e-5, &what);

        // The other range of the same images, and the images as bytes.
        let unit = |x: &Tensor| (x.detach() + 1.0) / 2.0;
        let other = lpips.distance(&unit(&a), &unit(&b), PixelRange::ZeroToOne).unwrap();
        near(&other, &row.distance, 1e-4, &what);
    }
}

#[test]
fn baselines_and_their_maps_are_the_packages() {
    let rows = golden().baselines;
    assert_eq!(rows.len(), 6);
    for row in rows {
        let net: LpipsNet = row.net.parse().unwrap();
        let lpips = Lpips::baseline(net, row.version.parse().unwrap(), trunk(net)).unwrap();
        let what = lpips.name();
        assert_eq!(what, format!("LPIPS baseline v{} ({net})", row.version));
        let (a, b) = (image("a"), image("a") * 0.7 + image("b") * 0.3);
        let range = PixelRange::MinusOneToOne;
        tch::no_grad(|| {
            near(&lpips.distance(&a, &b, range).unwrap(), &row.distance, 1e-5, &what);
            for (tap, expected) in lpips.distances_of_taps(&a, &b, range).unwrap().iter().zip(&row.taps) {
                near(tap, expected, 1e-5, &what);
            }
            let map = lpips.map(&a, &b, range).unwrap();
            near(&map.get(1).get(0).slice(0, 0, 64, 21).slice(1, 0, 64, 21), &row.map, 1e-5, &what);
            // On images as the network itself takes them, the baseline of any backbone is the same.
            if row.version == "0.0" && net != LpipsNet::Vgg {
                let (model, taps) = (trunk(net), net.taps());
                let found = PerceptualDistance::new(&model, taps).unwrap().distance(&a, &b).unwrap();
                near(&found, &row.distance, 1e-5, &what);
                let forms = FeatureDistances::new(&model, taps, &[DistanceForm::Baseline]).unwrap();
                let found = forms.with_each_tap().distances(&a, &b).unwrap();
                near(&found[0], &row.distance, 1e-5, &what);
                for (tap, expected) in found[1..].iter().zip(&row.taps) {
                    near(tap, expected, 1e-5, &what);
                }
            }
        });
    }
}

#[test]
fn equal_images_have_no_distance_and_a_finite_gradient() {
    let lpips = network(LpipsNet::Alex, LpipsVersion::V0_1);
    let a = image("a").set_requires_grad(true);
    let distance = lpips.distance(&a, &image("a"), PixelRange::MinusOneToOne).unwrap();
    near(&distance, &[0.0, 0.0], 0.0, "equal");
    // A black patch makes whole positions 0 in a network without biases to speak of.
    distance.sum(Kind::Float).backward();
    assert_eq!(a.grad().isfinite().all().int64_value(&[]), 1);

    let photo = |shift: u32| RgbImage::from_fn(64, 64, |x, y| [(x * 3 + shift) as u8, (y * 2) as u8, 90]);
    let (a, b) = (photo(0), photo(9));
    let found = lpips.distances(&[&a, &a], &[&[&a, &b], &[&b, &a]]).unwrap();
    assert_eq!((found[0][0], found[1][1]), (0.0, 0.0));
    assert!(found[0][1] > 0.0 && (found[0][1] - found[1][0]).abs() < 1e-9);
    let small = RgbImage::filled(32, 32, [0; 3]);
    assert!(matches!(lpips.distances(&[&a], &[&[&small]]), Err(Error::Size { .. })));
}

#[test]
fn training_is_the_authors() {
    let expected = golden().training;
    let lpips = network(LpipsNet::Alex, LpipsVersion::V0_1);
    let options = HeadTraining { learning_rate: 0.01, dropout: 0.0, ..HeadTraining::default() };
    let mut trainer = HeadTrainer::new(lpips, options).unwrap();
    tch::no_grad(|| {
        for (name, mut tensor) in trainer.ranking_parameters() {
            tensor.copy_(&filled(&name, &tensor.size()));
        }
    });
    let [reference, first, second] =
        [image("a"), image("a") * 0.7 + image("b") * 0.3, image("a") * 0.4 + image("c") * 0.6];
    let judge = Tensor::from_slice(&[0.25_f32, 0.8]);
    let range = PixelRange::MinusOneToOne;
    trainer.start_epoch(0);
    for loss in expected.losses {
        let found = trainer.step(&reference, &first, &second, &judge, range).unwrap();
        assert!((found - loss).abs() < 1e-5, "{found} {loss}");
    }
    let weights = trainer.lpips().heads().weights();
    for ((weight, sum), zeros) in weights.iter().zip(expected.sums).zip(expected.zeros) {
        assert!((weight.sum(Kind::Double).double_value(&[]) / sum - 1.0).abs() < 1e-4);
        assert_eq!(weight.eq(0.0).sum(Kind::Int64).int64_value(&[]), zeros);
    }
    assert!(matches!(
        trainer.step(&reference, &first, &second, &(judge * 2.0), range),
        Err(Error::Judge { .. })
    ));

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("heads.safetensors");
    let trained = trainer.finish();
    trained.heads().save(&file).unwrap();
    let read = LpipsHeads::read(LpipsNet::Alex, &file).unwrap();
    assert!(read.weights().iter().zip(trained.heads().weights()).all(|(a, b)| a == b));
    let error = LpipsHeads::read(LpipsNet::Vgg, &file).unwrap_err().to_string();
    assert!(error.contains("heads.safetensors") && error.ends_with("they are those of alex"), "{error}");
}

#[test]
fn the_rate_is_constant_and_then_falls() {
    let training = HeadTraining::default();
    let rates: Vec<f64> = [0, 4, 5, 6, 9, 10].map(|epoch| training.learning_rate_of(epoch) / 1e-4).to_vec();
    for (found, expected) in rates.iter().zip([1.0, 1.0, 1.0, 0.8, 0.2, 0.0]) {
        assert!((found - expected).abs() < 1e-9, "{rates:?}");
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let lpips = network(LpipsNet::Squeeze, LpipsVersion::V0_1);
    let wrong = lpips.distance(&(image("a") * 127.0), &image("a"), PixelRange::MinusOneToOne);
    assert!(matches!(wrong, Err(Error::PixelRange { .. })));
    let wrong = lpips.distance(&image("a"), &image("a"), PixelRange::ZeroToOne);
    assert!(matches!(wrong, Err(Error::PixelRange { min, .. }) if min < -0.9));
    let wrong = lpips.distance(&image("a"), &image("a").narrow(0, 0, 1), PixelRange::MinusOneToOne);
    assert!(matches!(wrong, Err(Error::Size { .. })));

    let model =
        || Model::create("alexnet", &ModelOptions { num_classes: Some(0), ..Default::default() }).unwrap();
    let heads = |net| LpipsHeads::random(net, 1).unwrap();
    let error = Lpips::new(LpipsNet::Vgg, LpipsVersion::V0_1, model(), heads(LpipsNet::Vgg)).unwrap_err();
    assert_eq!(error.to_string(), "LPIPS's vgg is the network vgg16, the model is alexnet");
    let error = Lpips::new(LpipsNet::Alex, LpipsVersion::V0_1, model(), heads(LpipsNet::Vgg)).unwrap_err();
    assert_eq!(error.to_string(), "these are no heads of LPIPS's alex: they are those of vgg");

    // The network's own file in the place of the heads.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("alexnet.safetensors");
    model().save_weights(&file).unwrap();
    let error = LpipsHeads::read(LpipsNet::Alex, &file).unwrap_err().to_string();
    assert!(error.contains("lin0.model.1.weight") && error.contains("another file"), "{error}");
    let nan = LpipsNet::Alex
        .channels()
        .iter()
        .map(|&c| Tensor::full([1, c, 1, 1], f64::NAN, (Kind::Float, Device::Cpu)));
    assert!(LpipsHeads::from_tensors(LpipsNet::Alex, nan.collect()).is_err());
}
