//! Regions and scales of JPEG files against the whole image, and scales against Pillow.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

mod common;

use visrep_decode::{DecodeOptions, Decoder, OrientationPolicy, Region, RgbImage, decode, read_header};

/// Places along a side that are near the edges of pixels, samples, blocks and MCUs.
fn places(side: u32) -> impl Iterator<Item = (u32, u32)> {
    let starts = [0, 1, 7, 8, 9, 15, 16, 17, 31, 33, side / 2, side.saturating_sub(2), side - 1];
    let mut starts: Vec<u32> = starts.into_iter().filter(|&start| start < side).collect();
    starts.sort_unstable();
    starts.dedup();
    starts.into_iter().flat_map(move |start| {
        let rest = side - start;
        let mut lengths: Vec<u32> =
            [1, 2, 8, 17, rest].into_iter().filter(|&length| length <= rest).collect();
        lengths.dedup();
        lengths.into_iter().map(move |length| (start, length))
    })
}

/// All of those places in both directions.
fn regions(width: u32, height: u32) -> impl Iterator<Item = Region> {
    places(height)
        .flat_map(move |(y, height)| places(width).map(move |(x, width)| Region { x, y, width, height }))
}

/// Every JPEG that Pillow decodes, by name.
fn jpegs() -> Vec<(String, Vec<u8>)> {
    let decodable = common::expected().into_iter().filter(|(_, entry)| !entry["pixels"].is_null());
    let files: Vec<_> =
        decodable.map(|(name, _)| (common::awkward(&name), name)).map(|(b, n)| (n, b)).collect();
    let jpegs: Vec<_> = files.into_iter().filter(|(_, bytes)| bytes.starts_with(&[0xFF, 0xD8])).collect();
    assert!(jpegs.len() > 30, "only {} files", jpegs.len());
    jpegs
}

#[test]
fn any_region_of_any_jpeg_is_the_whole_image_cropped() {
    let mut decoder = Decoder::new();
    for (name, bytes) in jpegs() {
        for orientation in [OrientationPolicy::AsStored, OrientationPolicy::Apply] {
            let options = DecodeOptions { orientation, ..DecodeOptions::default() };
            if orientation == OrientationPolicy::Apply && !name.starts_with("exif_") {
                continue;
            }
            let whole = decode(&bytes, &options).unwrap();
            for region in regions(whole.width(), whole.height()) {
                let image = decoder.decode_region(&bytes, region, &options).unwrap();
                assert!(image == whole.crop(region).unwrap(), "{name}: {region:?}");
                decoder.recycle(image);
            }
        }
    }
}

/// What decoding gives, errors by their text.
fn outcome(result: Result<RgbImage, visrep_decode::Error>) -> Result<RgbImage, String> {
    result.map_err(|error| error.to_string())
}

/// Compares regions of a damaged file with what becomes of the whole.
fn compare_damaged(name: &str, bytes: &[u8], decoder: &mut Decoder, size: (u32, u32)) {
    let options = DecodeOptions::default();
    if read_header(bytes).map(|header| (header.width, header.height)).ok() != Some(size) {
        return;
    }
    let whole = outcome(decoder.decode(bytes, &options));
    let (width, height) = size;
    for region in [
        Region { x: width / 2, y: height / 2, width: 1, height: 1 },
        Region { x: 0, y: 0, width: width.div_ceil(2), height: height.div_ceil(3) },
        Region { x: width / 3, y: height / 2, width: width / 3, height: height - height / 2 },
    ] {
        let part = outcome(decoder.decode_region(bytes, region, &options));
        let expected = whole.as_ref().map(|whole| whole.crop(region).unwrap()).map_err(Clone::clone);
        assert!(part == expected, "{name}, {region:?}: {:?} is not {:?}", part.err(), expected.err());
        let wanted = (region.width.div_ceil(5), region.height.div_ceil(5));
        let scaled = decoder.decode_scaled(bytes, region, wanted, &options);
        assert_eq!(scaled.is_ok(), whole.is_ok(), "{name}, {region:?}, scaled");
    }
}

const DAMAGED: [&str; 10] = [
    "photo_420.jpg",
    "photo_422.jpg",
    "photo_444.jpg",
    "grey.jpg",
    "restart.jpg",
    "restart_grey.jpg",
    "restart_progressive.jpg",
    "progressive_420.jpg",
    "cmyk_adobe.jpg",
    "rgb_420.jpg",
];

#[test]
fn regions_of_files_cut_anywhere_fail_as_the_whole_does() {
    let mut decoder = Decoder::new();
    for name in DAMAGED {
        let bytes = common::awkward(name);
        let header = read_header(&bytes).unwrap();
        for length in 0..bytes.len() {
            compare_damaged(name, &bytes[..length], &mut decoder, (header.width, header.height));
        }
    }
}

#[test]
fn regions_of_damaged_files_are_what_becomes_of_the_whole() {
    let mut decoder = Decoder::new();
    for name in DAMAGED {
        let bytes = common::awkward(name);
        let header = read_header(&bytes).unwrap();
        for at in 0..bytes.len() {
            for value in [0xFF, 0xD0, bytes[at].wrapping_add(0x55)] {
                let mut damaged = bytes.clone();
                damaged[at] = value;
                compare_damaged(name, &damaged, &mut decoder, (header.width, header.height));
            }
        }
    }
}

/// The whole of `bytes` at 1/`reduction`.
fn scaled(decoder: &mut Decoder, bytes: &[u8], reduction: u32, options: &DecodeOptions) -> RgbImage {
    let (width, height) = match options.orientation {
        OrientationPolicy::AsStored => {
            read_header(bytes).map(|header| (header.width, header.height)).unwrap()
        }
        OrientationPolicy::Apply => read_header(bytes).unwrap().oriented_size(),
    };
    let whole = Region { x: 0, y: 0, width, height };
    let wanted = (width / reduction, height / reduction);
    let scaled = decoder.decode_scaled(bytes, whole, wanted, options).unwrap();
    assert_eq!(scaled.reduction, reduction);
    scaled.image
}

#[test]
fn scaled_pixels_are_those_of_pillow() {
    let (mut decoder, mut seen) = (Decoder::new(), 0);
    for (name, entry) in common::expected() {
        let Some(goldens) = entry["scaled"].as_object() else { continue };
        for (reduction, golden) in goldens {
            let (width, height, pixels) = common::pixels(golden.as_str().unwrap());
            let bytes = common::awkward(&name);
            let image = scaled(&mut decoder, &bytes, reduction.parse().unwrap(), &DecodeOptions::default());
            assert_eq!((image.width(), image.height()), (width, height), "{name} at 1/{reduction}");
            let worst = image.data().iter().zip(&pixels).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0);
            assert_eq!(worst, 0, "{name} at 1/{reduction}");
            seen += 1;
        }
    }
    assert!(seen > 60, "only {seen}");
}

#[test]
fn a_scaled_region_lies_where_its_area_says() {
    let mut decoder = Decoder::new();
    for (name, bytes) in jpegs() {
        for orientation in [OrientationPolicy::AsStored, OrientationPolicy::Apply] {
            let options = DecodeOptions { orientation, ..DecodeOptions::default() };
            let header = read_header(&bytes).unwrap();
            let (width, height) = match orientation {
                OrientationPolicy::AsStored => (header.width, header.height),
                OrientationPolicy::Apply => header.oriented_size(),
            };
            for reduction in [2, 4, 8].into_iter().filter(|&reduction| width.min(height) >= 2 * reduction) {
                let whole = scaled(&mut decoder, &bytes, reduction, &options);
                for region in regions(width, height) {
                    let wanted = (region.width / reduction, region.height / reduction);
                    if wanted.0 == 0 || wanted.1 == 0 {
                        continue;
                    }
                    let part = decoder.decode_scaled(&bytes, region, wanted, &options).unwrap();
                    // Wanting few pixels may allow a stronger reduction, which another round looks at.
                    if part.reduction != reduction {
                        continue;
                    }
                    // The right edge of a mirrored image is its first stored column, where whole pixels start.
                    let scale = f64::from(reduction);
                    let stored = header.orientation;
                    let apply = orientation == OrientationPolicy::Apply;
                    let place = |start: u32, length: u32, side: u32, whole: u32, mirrored: bool| {
                        let start = f64::from(start) / scale;
                        let side = f64::from(side) / scale;
                        let offset = if mirrored { f64::from(whole) - side } else { 0.0 };
                        (start + offset, f64::from(length) / scale)
                    };
                    use visrep_decode::Orientation as O;
                    let (mirror_x, mirror_y) = match stored {
                        _ if !apply => (false, false),
                        O::Normal | O::Transpose => (false, false),
                        O::FlipHorizontal | O::Rotate90 => (true, false),
                        O::FlipVertical | O::Rotate270 => (false, true),
                        O::Rotate180 | O::Transverse => (true, true),
                    };
                    let (x, w) = place(region.x, region.width, width, whole.width(), mirror_x);
                    let (y, h) = place(region.y, region.height, height, whole.height(), mirror_y);
                    let area = part.area;
                    assert_eq!((area.width, area.height), (w, h), "{name}: {region:?} at 1/{reduction}");
                    let (left, top) = ((x - area.x).round(), (y - area.y).round());
                    assert!((left + area.x - x).abs() < 1e-9 && (top + area.y - y).abs() < 1e-9);
                    let (width, height) = (part.image.width(), part.image.height());
                    let expected =
                        whole.crop(Region { x: left as u32, y: top as u32, width, height }).unwrap();
                    assert!(part.image == expected, "{name}: {region:?} at 1/{reduction}");
                    assert!(area.x >= 0.0 && area.x + area.width <= f64::from(width), "{area:?}");
                    assert!(area.y >= 0.0 && area.y + area.height <= f64::from(height), "{area:?}");
                }
            }
        }
    }
}

#[test]
fn the_scale_is_the_smallest_that_is_enough() {
    let bytes = common::awkward("photo_420.jpg");
    let (mut decoder, options) = (Decoder::new(), DecodeOptions::default());
    let region = Region { x: 3, y: 5, width: 32, height: 33 };
    for (wanted, reduction) in [
        ((4, 4), 8),
        ((5, 4), 4),
        ((8, 8), 4),
        ((8, 9), 2),
        ((16, 16), 2),
        ((17, 1), 1),
        ((99, 99), 1),
        ((0, 0), 8),
    ] {
        let scaled = decoder.decode_scaled(&bytes, region, wanted, &options).unwrap();
        assert_eq!(scaled.reduction, reduction, "for {wanted:?}");
    }
    let outside = Region { x: 3, y: 50, width: 32, height: 33 };
    assert!(decoder.decode_scaled(&bytes, outside, (4, 4), &options).is_err());
    let png = common::awkward("rgb.png");
    let header = read_header(&png).unwrap();
    let region = Region { x: 1, y: 1, width: header.width - 1, height: header.height - 1 };
    let scaled = decoder.decode_scaled(&png, region, (1, 1), &options).unwrap();
    assert_eq!((scaled.reduction, scaled.area.x, scaled.image.width()), (1, 0.0, header.width - 1));
}
