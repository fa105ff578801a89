//! The alpha channel that `decode` drops.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

use visrep_decode::{DecodeOptions, decode_alpha};

/// Two pixels, in one row.
fn file(color: png::ColorType, depth: png::BitDepth, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 2, 1);
    encoder.set_color(color);
    encoder.set_depth(depth);
    encoder.write_header().unwrap().write_image_data(data).unwrap();
    bytes
}

#[test]
fn alpha_is_the_last_channel() {
    use png::BitDepth::{Eight, Sixteen};
    use png::ColorType::{Grayscale, GrayscaleAlpha, Rgba};
    let alpha = |bytes: &[u8]| decode_alpha(bytes, &DecodeOptions::default()).unwrap();
    let rgba = file(Rgba, Eight, &[1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(alpha(&rgba), Some(vec![4, 8]));
    let wide: Vec<u8> = (0..16).collect();
    assert_eq!(alpha(&file(Rgba, Sixteen, &wide)), Some(vec![6, 14]));
    assert_eq!(alpha(&file(GrayscaleAlpha, Eight, &[9, 200, 8, 0])), Some(vec![200, 0]));
    assert_eq!(alpha(&file(GrayscaleAlpha, Sixteen, &wide[..8])), Some(vec![2, 6]));
    assert_eq!(alpha(&file(Grayscale, Eight, &[9, 8])), None);
    assert!(decode_alpha(&rgba[..43], &DecodeOptions::default()).is_err());
    assert!(decode_alpha(b"no image", &DecodeOptions::default()).is_err());
}
