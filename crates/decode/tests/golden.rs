//! Every awkward file against what Pillow makes of it.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

mod common;

use visrep_decode::{DecodeOptions, Format, OrientationPolicy, RgbImage, decode, read_header};

/// Errs unless `image` is the golden one, to the last bit.
fn compare(name: &str, image: &RgbImage, golden: &str) -> Result<(), String> {
    let (width, height, pixels) = common::pixels(golden);
    if (image.width(), image.height()) != (width, height) {
        return Err(format!("{name}: {image:?}, not {width}x{height}"));
    }
    let worst = image.data().iter().zip(&pixels).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0);
    let differing = image.data().iter().zip(&pixels).filter(|(a, b)| a != b).count();
    if worst > 0 {
        return Err(format!("{name}: {differing} of {} samples differ, by up to {worst}", pixels.len()));
    }
    Ok(())
}

#[test]
fn pixels_are_those_of_pillow() {
    let mut wrong = Vec::new();
    for (name, entry) in common::expected() {
        let found = decode(&common::awkward(&name), &DecodeOptions::default());
        match (entry["pixels"].as_str(), found) {
            (Some(golden), Ok(image)) => wrong.extend(compare(&name, &image, golden).err()),
            (Some(_), Err(error)) => wrong.push(format!("{name}: {error}")),
            (None, Ok(image)) => {
                wrong.push(format!("{name}: {image:?}, but Pillow gives {}", entry["error"]))
            }
            (None, Err(_)) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn orientation_is_applied_on_request_only() {
    let options = DecodeOptions { orientation: OrientationPolicy::Apply, ..DecodeOptions::default() };
    let mut seen = 0;
    for (name, entry) in common::expected() {
        let Some(golden) = entry["applied"].as_str() else { continue };
        let bytes = common::awkward(&name);
        let image = decode(&bytes, &options).unwrap();
        compare(&name, &image, golden).unwrap();
        assert_eq!(read_header(&bytes).unwrap().oriented_size(), (image.width(), image.height()), "{name}");
        seen += 1;
    }
    assert_eq!(seen, 8);
}

#[test]
fn headers_agree_with_pillow() {
    for (name, entry) in common::expected() {
        let header = &entry["header"];
        if header.is_null() || name.starts_with("truncated_") {
            continue;
        }
        let found = read_header(&common::awkward(&name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let format = match found.format {
            Format::Jpeg => "JPEG",
            Format::Png => "PNG",
            Format::WebP => "WEBP",
            Format::Gif => "GIF",
            Format::Bmp => "BMP",
            Format::Tiff => "TIFF",
            other => panic!("{other}"),
        };
        assert_eq!(header["format"], format, "{name}");
        assert_eq!(
            (header["width"].as_u64(), header["height"].as_u64()),
            (Some(found.width.into()), Some(found.height.into())),
            "{name}"
        );
    }
}
