//! Every operation against Pillow and torchvision on the same parameters (`fixtures/golden/augment/make.py`).

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

use safetensors::SafeTensors;
use serde_json::Value;
use std::path::{Path, PathBuf};
use visrep_augment::{
    Border, Filter, Region, Resize, RgbImage, adjust_brightness, adjust_contrast, adjust_hue,
    adjust_saturation, center_crop, flip_horizontal, gaussian_blur, grayscale, pillow_blur, resize,
    resize_box, resize_region, solarize,
};

fn golden(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/golden/augment").join(file)
}

fn image(tensors: &SafeTensors<'_>, name: &str) -> RgbImage {
    let tensor = tensors.tensor(name).unwrap();
    let &[height, width, 3] = tensor.shape() else { panic!("{name} is not HWC") };
    RgbImage::new(width as u32, height as u32, tensor.data().to_vec()).unwrap()
}

fn filter(name: &str) -> Filter {
    match name {
        "nearest" => Filter::Nearest,
        "box" => Filter::Box,
        "bilinear" => Filter::Bilinear,
        "hamming" => Filter::Hamming,
        "bicubic" => Filter::Bicubic,
        "lanczos" => Filter::Lanczos,
        _ => panic!("no filter {name}"),
    }
}

/// Applies the operation that a golden tensor is named after.
fn apply(op: &str, arguments: &[&str], mut image: RgbImage) -> RgbImage {
    let number = |i: usize| arguments[i].parse::<f64>().unwrap();
    let whole = |i: usize| arguments[i].parse::<u32>().unwrap();
    match op {
        "resize" => return resize(&image, whole(1), whole(2), filter(arguments[0])),
        "resize_region" => {
            let region = Region { x: whole(1), y: whole(2), width: whole(3), height: whole(4) };
            return resize_region(&image, region, whole(5), whole(6), filter(arguments[0])).unwrap();
        }
        "resize_box" => {
            let region = [number(1), number(2), number(3), number(4)];
            return resize_box(&image, region, whole(5), whole(6), filter(arguments[0])).unwrap();
        }
        "shortest_edge" => {
            let size = Resize::shortest_edge(whole(0), Filter::Bilinear).unwrap();
            let (width, height) = size.output_size(image.width(), image.height());
            return resize(&image, width, height, Filter::Bilinear);
        }
        "center_crop" => return center_crop(&image, whole(0), whole(1)),
        "flip_horizontal" => flip_horizontal(&mut image),
        "adjust_brightness" => adjust_brightness(&mut image, number(0)),
        "adjust_contrast" => adjust_contrast(&mut image, number(0)),
        "adjust_saturation" => adjust_saturation(&mut image, number(0)),
        "adjust_hue" => adjust_hue(&mut image, number(0)),
        "grayscale" => grayscale(&mut image),
        "solarize" => solarize(&mut image, whole(0) as u16),
        "pillow_blur" => pillow_blur(&mut image, number(0)),
        "gaussian_blur" => {
            let border = if arguments[2] == "zero" { Border::Zero } else { Border::Reflect };
            gaussian_blur(&mut image, whole(0), number(1), border);
        }
        _ => panic!("no operation {op}"),
    }
    image
}

/// Floats in another order may round differently.
fn tolerance(op: &str) -> u8 {
    u8::from(op == "gaussian_blur")
}

#[test]
fn every_operation_equals_its_peer() {
    let bytes = std::fs::read(golden("images.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let (mut compared, mut wrong) = (0, Vec::new());
    for name in tensors.names() {
        let parts: Vec<&str> = name.split('/').collect();
        let &[op, arguments, input] = &parts[..] else { continue };
        let arguments: Vec<&str> = arguments.split(',').collect();
        let ours = apply(op, &arguments, image(&tensors, &format!("input/{input}")));
        let theirs = image(&tensors, name);
        assert_eq!((ours.width(), ours.height()), (theirs.width(), theirs.height()), "{name}");
        let differences: Vec<u8> =
            ours.data().iter().zip(theirs.data()).map(|(a, b)| a.abs_diff(*b)).collect();
        let worst = differences.iter().copied().max().unwrap();
        let unequal = differences.iter().filter(|&&d| d > 0).count();
        if worst > tolerance(op) || unequal * 20 > differences.len() {
            wrong.push(format!("{name}: {worst} levels, {unequal} of {} values", differences.len()));
        }
        compared += 1;
    }
    assert!(wrong.is_empty(), "unequal:\n{}", wrong.join("\n"));
    assert!(compared > 100, "only {compared} golden images");
}

/// The same position-dependent sum as in make.py.
fn digest(data: &[u8]) -> u64 {
    (0u64..).zip(data).fold(0, |sum, (i, &value)| {
        let weight = i.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        sum.wrapping_add((u64::from(value) + 1).wrapping_mul(weight))
    })
}

#[test]
fn hue_and_saturation_equal_pillow_on_all_colours() {
    let numbers: Value = serde_json::from_slice(&std::fs::read(golden("numbers.json")).unwrap()).unwrap();
    let colours = RgbImage::from_fn(4096, 4096, |x, y| {
        let [_, r, g, b] = (y * 4096 + x).to_be_bytes();
        [r, g, b]
    });
    for (key, adjust) in [
        ("hue_digests", adjust_hue as fn(&mut RgbImage, f64)),
        ("saturation_digests", adjust_saturation as fn(&mut RgbImage, f64)),
    ] {
        for (factor, expected) in numbers[key].as_object().unwrap() {
            let mut image = colours.clone();
            adjust(&mut image, factor.parse().unwrap());
            assert_eq!(digest(image.data()).to_string(), expected.as_str().unwrap(), "{key} {factor}");
        }
    }
}
