//! Tiny images whose colour tells their class.

use std::path::Path;
use visrep_decode::{RgbImage, encode_png};

/// An image of a colour that tells its class.
pub(crate) fn image(path: &Path, class: usize, number: usize) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let image =
        RgbImage::from_fn(40, 36, |x, y| [(class * 200) as u8, (x * 3 + y) as u8, (number * 20) as u8]);
    std::fs::write(path, encode_png(&image).unwrap()).unwrap();
}
