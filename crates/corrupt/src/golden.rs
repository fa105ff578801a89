//! Parity with the published formulas, and with Pillow's JPEG files: see `fixtures/golden/corrupt/make.py` and `make_jpeg.py`.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use visrep_decode::{Region, RgbImage};

use crate::field::{self, Edge, Field};
use crate::{
    Corruption, Error, Scale, Severity, color, defocus, elastic, encode_jpeg, frost, glass, jpeg_round_trip,
    motion, pixelate, spatter, weather, zoom,
};

/// SplitMix64 with 24-bit uniforms, as in `make.py`.
pub(crate) struct Stream(pub(crate) u64);

impl Stream {
    pub(crate) fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 40) as f64 / 16_777_216.0
    }

    fn signed_unit(&mut self) -> f32 {
        (2.0 * self.unit() - 1.0) as f32
    }

    pub(crate) fn normals(&mut self, width: usize, height: usize) -> Field {
        let mut field = Field::zeros(width, height, 1);
        field.data.fill_with(|| ((0..12).map(|_| self.unit()).sum::<f64>() - 6.0) as f32);
        field
    }
}

pub(crate) fn hex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn images(crop: &RgbImage) -> BTreeMap<&'static str, RgbImage> {
    let part = |x, width, height| crop.crop(Region { x, y: 0, width, height }).unwrap();
    let side = 224;
    let large = RgbImage::from_fn(side, side, |x, y| {
        let pixel = crop.pixel(x * crop.width() / side, y * crop.height() / side);
        std::array::from_fn(|c| {
            let grain = ((x * 7 + y * 13 + c as u32 * 5 + x * y) % 17) as i32 - 8;
            (i32::from(pixel[c]) + grain).clamp(0, 255) as u8
        })
    });
    BTreeMap::from([
        ("crop", crop.clone()),
        ("cifar", part(0, 32, 32)),
        ("odd", part(5, 37, 29)),
        ("large", large),
    ])
}

/// The corruption with the draws of `stream`.
fn apply(
    image: &RgbImage,
    corruption: Corruption,
    s: usize,
    scale: Scale,
    stream: &mut Stream,
) -> Result<RgbImage, Error> {
    let table = scale.table();
    let (width, height) = (image.width() as usize, image.height() as usize);
    match corruption {
        Corruption::GaussianBlur => {
            field::gaussian(&Field::from_rgb(image), table.gaussian_blur[s], 4.0, Edge::Nearest).to_rgb()
        }
        Corruption::DefocusBlur => defocus::defocus(image, table.defocus_blur[s]),
        Corruption::GlassBlur => {
            let params = table.glass_blur[s];
            let mut offset = || (stream.unit() * f64::from(2 * params.reach)) as i32 - params.reach;
            glass::glass(image, params, || (offset(), offset()))
        }
        Corruption::MotionBlur => {
            let angle = -45.0 + 90.0 * stream.unit();
            motion::motion_blur(&Field::from_rgb(image), table.motion_blur[s], angle).to_rgb()
        }
        Corruption::ZoomBlur => zoom::zoom_blur(image, table.zoom_blur[s]),
        Corruption::Snow => {
            let angle = -135.0 + 90.0 * stream.unit();
            weather::snow(image, table.snow[s], stream.normals(width, height), angle)
        }
        Corruption::Frost => {
            let texture = RgbImage::from_fn(image.width() * 8, image.height() * 8, |x, y| {
                image.pixel(image.width() - 1 - x / 8, image.height() - 1 - y / 8)
            });
            let region = Region { x: 3, y: 5, width: image.width(), height: image.height() };
            frost::frost(image, &frost::reduced_crop(&texture, table.frost_scale, region)?, table.frost[s])
        }
        Corruption::Fog => weather::fog(image, table.fog[s], table.fog_map, || stream.signed_unit()),
        Corruption::Brightness => color::brightness(image, table.brightness[s]),
        Corruption::Contrast => color::contrast(image, table.contrast[s]),
        Corruption::Saturate => color::saturate(image, table.saturate[s].0, table.saturate[s].1),
        Corruption::ElasticTransform => {
            elastic::elastic(image, table.elastic_transform[s], table.elastic_unit, || stream.signed_unit())
        }
        Corruption::Pixelate => pixelate::pixelate(image, table.pixelate[s]),
        Corruption::JpegCompression => jpeg_round_trip(image, table.jpeg_compression[s]),
        Corruption::Spatter => spatter::spatter(image, table.spatter[s], stream.normals(width, height)),
        noise => panic!("{noise} is checked by its moments"),
    }
}

/// The photograph that all golden values were made from.
pub(crate) fn photograph() -> RgbImage {
    let text = include_str!("../../../fixtures/golden/corrupt/golden.json");
    let golden: serde_json::Value = serde_json::from_str(text).unwrap();
    RgbImage::new(48, 48, hex(golden["crop"].as_str().unwrap())).unwrap()
}

/// The photograph's upper left corner that `make_bar.py` calls so.
pub(crate) fn corner(crop: &RgbImage, name: &str) -> RgbImage {
    let side = match name {
        "crop" => 48,
        "cifar" => 32,
        "odd37" => 37,
        other => panic!("{other}"),
    };
    crop.crop(Region { x: 0, y: 0, width: side, height: side }).unwrap()
}

#[test]
fn every_corruption_but_noise_matches_the_published_formula_within_one_level() {
    let text = include_str!("../../../fixtures/golden/corrupt/golden.json");
    let golden: serde_json::Value = serde_json::from_str(text).unwrap();
    let crop = RgbImage::new(48, 48, hex(golden["crop"].as_str().unwrap())).unwrap();
    let images = images(&crop);
    let mut worst: BTreeMap<Corruption, (u8, usize, usize)> = BTreeMap::new();
    for case in golden["cases"].as_array().unwrap() {
        let text = |key: &str| case[key].as_str().unwrap();
        let number = |key: &str| case[key].as_u64().unwrap();
        let corruption: Corruption = text("corruption").parse().unwrap();
        let severity = Severity::try_new(number("severity") as u8).unwrap();
        let scale: Scale = text("scale").parse().unwrap();
        let image = &images[text("image")];
        let out = apply(image, corruption, severity.index(), scale, &mut Stream(number("seed"))).unwrap();
        let found: Vec<u8> = out.data().iter().copied().step_by(number("stride") as usize).collect();
        let expected = hex(text("out"));
        assert_eq!(found.len(), expected.len());
        let (most, differing, total) = worst.entry(corruption).or_default();
        let mut here = 0;
        for (&a, &b) in found.iter().zip(&expected) {
            here = here.max(a.abs_diff(b));
            *differing += usize::from(a != b);
        }
        *total += found.len();
        *most = (*most).max(here);
        if here > 1 {
            println!("{corruption} {severity} {scale} on {}: {here} levels apart", text("image"));
        }
    }
    assert_eq!(worst.len(), 15);
    for (corruption, (most, differing, total)) in &worst {
        println!("{corruption:18} at most {most} apart, {differing} of {total} differ");
    }
    for (corruption, (most, differing, total)) in worst {
        assert!(most <= 1, "{corruption}: {most} levels apart");
        assert!(differing * 20 <= total, "{corruption}: {differing} of {total} values differ");
    }
}

/// As in `make_jpeg.py`.
fn drawn(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let grain = (x * 7 + y * 13 + x * y) % 17;
        let edge = if (x / 11 + y / 7) % 5 == 0 { 90 } else { 0 };
        [2 * x + y + grain + edge, 3 * y + 5 * grain, x + 2 * y + 255 - edge].map(|v| (v % 256) as u8)
    })
}

#[test]
fn jpeg_files_and_round_trips_are_pillows_to_the_last_bit() {
    let text = include_str!("../../../fixtures/golden/corrupt/jpeg.json");
    let golden: serde_json::Value = serde_json::from_str(text).unwrap();
    let digest = |bytes: &[u8]| Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect::<String>();
    for case in golden.as_array().unwrap() {
        let number = |key: &str| case[key].as_u64().unwrap() as u32;
        let (width, height, quality) = (number("width"), number("height"), number("quality") as u8);
        let image = drawn(width, height);
        let file = encode_jpeg(&image, quality).unwrap();
        let name = format!("{width}x{height} at {quality}");
        if let Some(expected) = case["hex"].as_str() {
            assert_eq!(file, hex(expected), "{name}");
        }
        assert_eq!(file.len(), number("bytes") as usize, "{name}");
        assert_eq!(digest(&file), case["sha256"].as_str().unwrap(), "{name}");
        let stored = jpeg_round_trip(&image, quality).unwrap();
        assert_eq!(digest(stored.data()), case["decoded"].as_str().unwrap(), "{name}");
    }
}
