//! Broken, hostile and cut-off files: an error, never a panic, and no memory for what a header only claims.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

mod common;

use proptest::prelude::*;
use visrep_decode::{DecodeOptions, Error, Limits, OrientationPolicy, Region, RgbImage};
use visrep_decode::{decode, decode_region, encode_png, read_header};

/// One small file of each way of coding.
const SAMPLES: [&str; 21] = [
    "small_16x16.jpg",
    "photo_420.jpg",
    "progressive_420.jpg",
    "restart.jpg",
    "restart_grey.jpg",
    "restart_progressive.jpg",
    "cmyk_adobe.jpg",
    "exif_6.jpg",
    "rgb.png",
    "interlaced_palette_4.png",
    "grey_16.png",
    "still.gif",
    "interlaced.gif",
    "lossy.webp",
    "lossy_alpha.webp",
    "lossless_alpha.webp",
    "animated_alpha.webp",
    "palette_8_rle.bmp",
    "rgb_565.bmp",
    "rgb_lzw.tif",
    "palette.tif",
];

#[test]
fn a_file_cut_anywhere_is_an_error_or_the_whole_image() {
    let options = DecodeOptions::default();
    for name in SAMPLES {
        let bytes = common::awkward(name);
        let whole = decode(&bytes, &options).unwrap();
        let mut first_complete = None;
        for length in 0..bytes.len() {
            let _ = read_header(&bytes[..length]);
            if let Ok(image) = decode(&bytes[..length], &options) {
                assert!(image == whole, "{name} cut to {length} of {} bytes gives other pixels", bytes.len());
                first_complete = first_complete.or(Some(length));
            }
        }
        // Only trailers and the later frames of an animation may be missing.
        if !name.starts_with("animated") {
            let missing = first_complete.map_or(0, |length| bytes.len() - length);
            assert!(missing <= 32, "{name} is taken for whole without its last {missing} bytes");
        }
    }
}

#[test]
fn a_file_that_ends_early_says_so() {
    for name in [
        "truncated_photo_420.jpg",
        "truncated_progressive_420.jpg",
        "truncated_rgb.png",
        "truncated_still.gif",
        "truncated_lossy.webp",
        "truncated_rgb_24.bmp",
        "truncated_rgb_lzw.tif",
    ] {
        let error = decode(&common::awkward(name), &DecodeOptions::default()).unwrap_err();
        assert!(matches!(error, Error::Truncated { .. }), "{name}: {error:?}");
    }
    let error = decode(&common::awkward("truncated_photo_420.jpg"), &DecodeOptions::default()).unwrap_err();
    assert_eq!(error.to_string(), "the JPEG image is truncated: 16 of 57 rows decoded");
}

#[test]
fn damaged_bytes_never_panic() {
    let options = DecodeOptions { limits: Limits { max_pixels: 1 << 20 }, ..DecodeOptions::default() };
    for name in SAMPLES {
        let bytes = common::awkward(name);
        for at in 0..bytes.len().min(1200) {
            for value in [0, 0xFF, bytes[at] ^ 1, bytes[at].wrapping_add(0x55)] {
                let mut damaged = bytes.clone();
                damaged[at] = value;
                let _ = decode(&damaged, &options);
            }
        }
    }
}

#[test]
fn a_claim_of_sixty_thousand_pixels_a_side_is_refused_from_the_header() {
    for name in ["huge.png", "huge.jpg", "huge.bmp", "huge.gif", "huge.tif"] {
        let bytes = common::awkward(name);
        let header = read_header(&bytes).unwrap();
        assert_eq!((header.width, header.height), (60000, 60000), "{name}");
        let error = decode(&bytes, &DecodeOptions::default()).unwrap_err();
        assert!(
            matches!(error, Error::TooLarge { width: 60000, max_pixels: 178_956_970, .. }),
            "{name}: {error}"
        );
    }
}

#[test]
fn a_raised_limit_does_not_make_a_claim_true() {
    let options = DecodeOptions { limits: Limits { max_pixels: u64::MAX }, ..DecodeOptions::default() };
    for name in ["huge.png", "huge.jpg", "huge.bmp"] {
        let error = decode(&common::awkward(name), &options).unwrap_err();
        assert!(matches!(error, Error::Truncated { .. }), "{name}: {error}");
    }
}

#[test]
fn a_jpeg_of_endless_scans_is_refused() {
    let bytes = common::awkward("progressive_420.jpg");
    let last = bytes.windows(2).rposition(|pair| pair == [0xFF, 0xDA]).unwrap();
    let (scan, end) = bytes[last..].split_at(bytes.len() - 2 - last);
    let repeated = |times| [&bytes[..last], &scan.repeat(times), end].concat();
    assert!(decode(&repeated(400), &DecodeOptions::default()).is_ok());
    let error = decode(&repeated(501), &DecodeOptions::default()).unwrap_err();
    assert_eq!(error.to_string(), "the JPEG image is corrupt: more than 500 scans");
}

/// `lossy_alpha.webp` as an animation of one frame, whose container states the size `width` x `height`.
fn animation(width: u32, height: u32) -> Vec<u8> {
    let chunk = |kind: &[u8; 4], body: &[u8]| [kind, &(body.len() as u32).to_le_bytes()[..], body].concat();
    let still = common::awkward("lossy_alpha.webp");
    // After the RIFF and the VP8X chunk: ALPH and VP8.
    let frames = &still[12 + 18..];
    assert!(frames.starts_with(b"ALPH"));
    let size = [&(width - 1).to_le_bytes()[..3], &(height - 1).to_le_bytes()[..3]].concat();
    let frame = [&[0; 6], &size[..], &[40, 0, 0, 2], frames].concat();
    let content = [
        b"WEBP".to_vec(),
        chunk(b"VP8X", &[&[0x12, 0, 0, 0], &size[..]].concat()),
        chunk(b"ANIM", &[0; 6]),
        chunk(b"ANMF", &frame),
    ];
    chunk(b"RIFF", &content.concat())
}

#[test]
fn a_webp_frame_larger_than_its_container_is_refused_before_it_is_decoded() {
    let options = DecodeOptions::default();
    let still = common::awkward("lossy_alpha.webp");
    let whole = decode(&still, &options).unwrap();
    assert!(decode(&animation(37, 29), &options).unwrap() == whole);
    let mut shrunk = still;
    shrunk[24..30].fill(0);
    for (bytes, container) in [(animation(36, 29), "36x29"), (animation(37, 1), "37x1"), (shrunk, "1x1")] {
        let error = decode(&bytes, &options).unwrap_err();
        let expected = format!("the WebP image is corrupt: a frame of {container} holds an image of 37x29");
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn what_is_no_image_says_so() {
    assert!(matches!(read_header(&common::awkward("empty.png")), Err(Error::Empty)));
    assert!(matches!(read_header(&common::awkward("random.jpg")), Err(Error::UnknownFormat { .. })));
}

#[test]
fn a_region_outside_the_image_is_refused() {
    let bytes = common::awkward("exif_6.jpg");
    let region = Region { x: 0, y: 12, width: 5, height: 5 };
    assert!(matches!(decode_region(&bytes, region, &DecodeOptions::default()), Err(Error::Region { .. })));
    let turned = DecodeOptions { orientation: OrientationPolicy::Apply, ..DecodeOptions::default() };
    assert!(decode_region(&bytes, region, &turned).is_ok());
}

proptest! {
    #[test]
    fn a_region_is_the_whole_image_cropped(name in 0..SAMPLES.len(), apply: bool, x in 0.0..1.0, y in 0.0..1.0,
        width in 0.0..1.0, height in 0.0..1.0)
    {
        let bytes = common::awkward(SAMPLES[name]);
        let orientation = if apply { OrientationPolicy::Apply } else { OrientationPolicy::AsStored };
        let options = DecodeOptions { orientation, ..DecodeOptions::default() };
        let whole = decode(&bytes, &options).unwrap();
        let place = |at: f64, size: f64, total: u32| {
            let start = (at * f64::from(total)) as u32;
            (start, 1 + (size * f64::from(total - start - 1)) as u32)
        };
        let ((x, width), (y, height)) = (place(x, width, whole.width()), place(y, height, whole.height()));
        let region = Region { x, y, width, height };
        prop_assert!(decode_region(&bytes, region, &options).unwrap() == whole.crop(region).unwrap());
    }

    #[test]
    fn png_gives_back_what_it_was_given(width in 1_u32..40, height in 1_u32..40, seed: u32) {
        let image = RgbImage::from_fn(width, height, |x, y| (seed ^ (x * 7919 + y * 104_729)).to_le_bytes()[..3].try_into().unwrap());
        prop_assert!(decode(&encode_png(&image).unwrap(), &DecodeOptions::default()).unwrap() == image);
    }
}
