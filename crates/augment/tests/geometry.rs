//! Warps against Pillow and torchvision on the same parameters (`fixtures/golden/augment/geometry.py`).

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

use safetensors::SafeTensors;
use std::path::Path;
use visrep_augment::{Filter, RgbImage, affine, affine_matrix, rotate, rotate_quarters};

const FILL: [u8; 3] = [10, 200, 90];

fn image(tensors: &SafeTensors<'_>, name: &str) -> RgbImage {
    let tensor = tensors.tensor(name).unwrap();
    let &[height, width, 3] = tensor.shape() else { panic!("{name} is not HWC") };
    RgbImage::new(width as u32, height as u32, tensor.data().to_vec()).unwrap()
}

fn filter(name: &str) -> Filter {
    match name {
        "nearest" => Filter::Nearest,
        "bilinear" => Filter::Bilinear,
        "bicubic" => Filter::Bicubic,
        _ => panic!("no filter {name}"),
    }
}

/// Applies the operation that a golden tensor is named after.
fn apply(op: &str, arguments: &[&str], image: &RgbImage) -> RgbImage {
    let numbers: Vec<f64> = arguments[1..].iter().map(|text| text.parse().unwrap()).collect();
    let kind = filter(arguments[0]);
    match (op, &numbers[..]) {
        ("affine", matrix) => affine(image, matrix.try_into().unwrap(), kind, FILL),
        ("rotate", &[degrees]) => rotate(image, degrees, kind, None, FILL),
        ("rotate", &[degrees, x, y]) => rotate(image, degrees, kind, Some((x, y)), FILL),
        ("torchvision_affine", &[angle, x, y, scale, shear_x, shear_y]) => {
            let center = (f64::from(image.width()) * 0.5, f64::from(image.height()) * 0.5);
            affine(image, affine_matrix(angle, (x, y), scale, (shear_x, shear_y), center), kind, FILL)
        }
        _ => panic!("no operation {op}"),
    }
}

#[test]
fn every_warp_equals_its_peer() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/golden/augment/geometry.safetensors");
    let bytes = std::fs::read(path).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let (mut compared, mut wrong) = (0, Vec::new());
    for name in tensors.names() {
        let parts: Vec<&str> = name.split('/').collect();
        let &[op, arguments, input] = &parts[..] else { continue };
        let arguments: Vec<&str> = arguments.split(',').collect();
        let ours = apply(op, &arguments, &image(&tensors, &format!("input/{input}")));
        let theirs = image(&tensors, name);
        let unequal = ours.data().iter().zip(theirs.data()).filter(|(a, b)| a != b).count();
        if ours.data().len() != theirs.data().len() || unequal > 0 {
            wrong.push(format!("{name}: {unequal} of {} values", theirs.data().len()));
        }
        compared += 1;
    }
    assert!(wrong.is_empty(), "unequal:\n{}", wrong.join("\n"));
    assert!(compared > 100, "only {compared} golden images");
}

#[test]
fn four_quarters_are_none() {
    let image = RgbImage::from_fn(5, 3, |x, y| [x as u8, y as u8, 7]);
    let mut turned = image.clone();
    for _ in 0..4 {
        turned = rotate_quarters(&turned, 1);
    }
    assert_eq!(turned, image);
    assert_eq!(rotate_quarters(&rotate_quarters(&image, 3), 2), rotate_quarters(&image, 1));
}

#[test]
fn warps_take_any_number() {
    for (width, height) in [(1, 1), (1, 9), (9, 1), (17, 2)] {
        let image = RgbImage::from_fn(width, height, |x, y| [x as u8 * 9, y as u8 * 20, 5]);
        for kind in [Filter::Nearest, Filter::Bilinear, Filter::Bicubic] {
            for value in [f64::NAN, f64::INFINITY, -1e300, 1e300, 0.0, -0.0] {
                affine(&image, [value; 6], kind, FILL);
                affine(&image, [1.0, 0.0, value, 0.0, 1.0, 0.0], kind, FILL);
                affine(&image, [value, 0.0, 0.0, 0.0, value, 0.0], kind, FILL);
                rotate(&image, value, kind, Some((value, 0.0)), FILL);
            }
            assert_eq!(affine(&image, [1.0, 0.0, 0.0, 0.0, 1.0, 0.0], kind, FILL), image);
        }
    }
}
