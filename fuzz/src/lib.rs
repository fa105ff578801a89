//! What the fuzz targets do with an input: read it as a user of the libraries would, and check what must hold of
//! anything that can be read.
//!
//! `cargo xtask fuzz` at the project's root builds the targets, collects seeds from `fixtures/`, and runs each for some
//! minutes. By hand: `cargo xtask fuzz --corpus-only`, then `cargo +nightly fuzz run jpeg`.
#![forbid(unsafe_code)]

#[cfg(feature = "data")]
mod data;
#[cfg(feature = "vtab")]
mod vtab;

#[cfg(feature = "data")]
pub use data::{arrow, cifar, idx, list, npy, parquet, tar, tar_stream};
#[cfg(feature = "vtab")]
pub use vtab::{clevr, kitti, mat, norb, tfrecord};

use std::path::Path;
use visrep_decode::{
    DecodeOptions, Format, Limits, OrientationPolicy, Region, decode, decode_region, read_header,
};

/// Larger images are left out: they cost time and show nothing new.
const MAX_PIXELS: u64 = 1 << 18;

/// Makes a panic of this project's own code end the process, also one that is caught. Libraries' panics may be caught:
/// that is how the readers that stand on them live with them.
pub fn start() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let is_ours = info.location().is_none_or(|location| {
            let file = Path::new(location.file());
            file.is_relative() || root.is_some_and(|root| file.starts_with(root))
        });
        if is_ours {
            // libFuzzer's hook, which prints the message and aborts.
            report(info);
        }
    }));
}

/// Decodes an image of `format`, and a region of it that the input itself draws.
pub fn image(bytes: &[u8], format: Format) {
    let Ok(header) = read_header(bytes) else { return };
    if header.format != format {
        return;
    }
    let draw =
        bytes.iter().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x100_0193));
    let orientation = if draw & 1 == 0 { OrientationPolicy::AsStored } else { OrientationPolicy::Apply };
    let options =
        DecodeOptions { orientation, limits: Limits { max_pixels: MAX_PIXELS }, ..DecodeOptions::default() };
    let Ok(whole) = decode(bytes, &options) else { return };
    let size = match orientation {
        OrientationPolicy::AsStored => (header.width, header.height),
        OrientationPolicy::Apply => header.oriented_size(),
    };
    assert_eq!((whole.width(), whole.height()), size, "the header's size is the image's");
    let span = |draw: u32, side: u32| {
        let start = draw % side;
        (start, 1 + (draw >> 7) % (side - start))
    };
    let ((x, width), (y, height)) = (span(draw >> 1, whole.width()), span(draw >> 9, whole.height()));
    let region = Region { x, y, width, height };
    let part = decode_region(bytes, region, &options);
    assert!(part.is_ok_and(|part| whole.crop(region).is_ok_and(|cut| part == cut)), "{region:?} differs");
}
