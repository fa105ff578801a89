//! The distance on a real network, against the formula written out.

#![allow(clippy::unwrap_used)]

use tch::{Kind, Tensor};
use visrep_augment::RgbImage;
use visrep_models::{Model, ModelOptions, Taps};
use visrep_perceptual::{Error, ImageDistance, PerceptualDistance};

fn model(name: &str) -> Model {
    Model::create(name, &ModelOptions { num_classes: Some(0), seed: Some(0), ..Default::default() }).unwrap()
}

fn image(shift: u32) -> RgbImage {
    RgbImage::from_fn(32, 32, |x, y| [((x + shift) * 8) as u8, (y * 7) as u8, (x * y + shift) as u8])
}

/// LPIPS's baseline, position by position in plain Rust: (C, positions) for each tap.
fn by_hand(a: &Tensor, b: &Tensor) -> f64 {
    let numbers =
        |t: &Tensor| Vec::<Vec<f64>>::try_from(t.flatten(1, -1).tr().to_kind(Kind::Double)).unwrap();
    let unit = |v: &[f64]| {
        let norm = v.iter().map(|x| x * x).sum::<f64>().sqrt() + 1e-10;
        v.iter().map(|x| x / norm).collect::<Vec<_>>()
    };
    let (a, b) = (numbers(a), numbers(b));
    let at = |(a, b): (&Vec<f64>, &Vec<f64>)| {
        unit(a).iter().zip(unit(b)).map(|(x, y)| (x - y) * (x - y)).sum::<f64>()
    };
    a.iter().zip(&b).map(at).sum::<f64>() / a.len() as f64
}

#[test]
fn the_distance_is_the_formula() {
    let model = model("resnet18_cifar_w16");
    let taps = model.backbone().taps().to_vec();
    let distance = PerceptualDistance::all_taps(&model).unwrap();
    let (a, b) = (image(0), image(5));
    let found = distance.distances(&[&a, &a], &[&[&a, &b], &[&b, &b]]).unwrap();
    assert_eq!(found[0][0], 0.0);
    assert!((found[0][1] - found[1][0]).abs() < 1e-6 && found[0][1] > 0.0);
    let input = |image: &RgbImage| {
        let x = Tensor::from_slice(image.data()).view([1, 32, 32, 3]);
        model.preprocessing().normalize(&x, model.device()).unwrap()
    };
    let (x, y) = (input(&a), input(&b));
    let tensors =
        |x: &Tensor| tch::no_grad(|| model.backbone().forward_with_taps(x, false, Taps::All).unwrap().taps);
    let expected: f64 =
        tensors(&x).iter().zip(&tensors(&y)).map(|((_, a), (_, b))| by_hand(&a.get(0), &b.get(0))).sum();
    let (forth, back) = (distance.distance(&x, &y).unwrap(), distance.distance(&y, &x).unwrap());
    assert!((forth.double_value(&[0]) - expected).abs() < 1e-5 * expected.max(1.0), "{expected}");
    assert!((forth.double_value(&[0]) - back.double_value(&[0])).abs() < 1e-6);
    assert!(expected <= 4.0 * taps.len() as f64);
}

#[test]
fn taps_and_sizes_are_checked() {
    let model = model("resnet18_cifar_w16");
    assert!(matches!(PerceptualDistance::new(&model, &[]), Err(Error::NoTaps { .. })));
    let unknown = PerceptualDistance::new(&model, &["layer9"]).unwrap_err().to_string();
    assert!(unknown.contains("layer9") && unknown.contains("layer1"), "{unknown}");
    let distance = PerceptualDistance::new(&model, &["layer1"]).unwrap();
    let small = RgbImage::filled(16, 16, [1; 3]);
    assert!(matches!(distance.distances(&[&small], &[&[&image(0)]]), Err(Error::Size { .. })));
    assert!(matches!(distance.distances(&[&small], &[&[]]), Err(Error::Size { .. })));
}
