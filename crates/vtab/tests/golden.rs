//! Parity with PyTorch's resize, SciPy's MAT-files and NumPy's generator (`fixtures/golden/vtab/make.py`).

#![allow(clippy::unwrap_used)]

use serde_json::Value;
use std::path::PathBuf;
use visrep_decode::RgbImage;
use visrep_vtab::{Sampling, read_mat, resize_bilinear};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/golden/vtab")
}

fn golden() -> Value {
    serde_json::from_str(&std::fs::read_to_string(folder().join("golden.json")).unwrap()).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

fn pattern(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        [(x * 37 + y * 11) % 256, (x * 5 + y * 53) % 256, (x * y * 3 + 7) % 256].map(|value| value as u8)
    })
}

#[test]
fn resize_is_pytorchs_but_for_rounding() {
    for case in golden()["resize"].as_array().unwrap() {
        let (width, height) =
            (case["width"].as_u64().unwrap() as u32, case["height"].as_u64().unwrap() as u32);
        let ours = resize_bilinear(&pattern(9, 13), width, height, Sampling::HalfPixel);
        let theirs = numbers(&case["values"]);
        assert_eq!(ours.data().len(), theirs.len());
        for (at, (ours, theirs)) in ours.data().iter().zip(&theirs).enumerate() {
            assert!(
                (f64::from(*ours) - theirs).abs() <= 0.501,
                "{width}x{height}, value {at}: {ours} and {theirs}"
            );
        }
    }
}

#[test]
fn tensorflow_1_looks_at_corners() {
    let image = RgbImage::from_fn(4, 1, |x, _| [(x * 60) as u8; 3]);
    let row = |width, sampling| -> Vec<u8> {
        resize_bilinear(&image, width, 1, sampling).data().chunks(3).map(|pixel| pixel[0]).collect()
    };
    // Half as wide: every second pixel, and between two.
    assert_eq!((row(2, Sampling::Corner), row(2, Sampling::HalfPixel)), (vec![0, 120], vec![30, 150]));
    assert_eq!(row(8, Sampling::Corner), [0, 30, 60, 90, 120, 150, 180, 180]);
    assert_eq!(row(4, Sampling::Corner), row(4, Sampling::HalfPixel));
}

#[test]
fn scipys_mat_files() {
    let expected = &golden()["mat"];
    for name in ["packed.mat", "plain.mat"] {
        let arrays = read_mat(folder().join(name), &["single", "X", "y", "signed"]).unwrap();
        assert_eq!(arrays[1].shape, [4, 5, 3, 2]);
        assert!(arrays[1].is_bytes() && !arrays[2].is_bytes());
        for array in arrays {
            assert_eq!(array.numbers().unwrap(), numbers(&expected[&array.name]), "{name}: {}", array.name);
        }
        // Text, cells and complex numbers are none that are read.
        for other in ["about", "cell", "complex"] {
            let error = read_mat(folder().join(name), &[other]).map(drop).unwrap_err().to_string();
            assert!(error.contains("no array"), "{error}");
        }
    }
}
