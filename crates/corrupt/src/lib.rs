//! The corruptions of ImageNet-C, CIFAR-C and C-bar, and the sequences of ImageNet-P, deterministic and fast.
//!
//! [`corrupt`] is a pure function of (image, corruption, severity, scale, seed). The pixels are the published
//! code's (hendrycks/robustness, facebookresearch/augmentation-corruption), with its constants and its quirks:
//! truncation to 8 bits, glass that copies instead of swapping, fog whose amplitude is the wibble squared,
//! ImageMagick's one-sided motion blur, and OpenCV's, SciPy's, scikit-image's and Pillow's borders and rounding.
//! Deterministic corruptions agree with it within one level; random ones follow the same distributions from a
//! generator of their own.
//!
//! - [`Corruption`] names the 15 of ImageNet-C, its 4 extras, and the 15 of the two C-bar sets; [`Suite`] groups them.
//!   [`Severity`] is 1 to 5, and [`Scale`] picks the table of constants: 224, 32, 64 or 299 pixels. Any table works on
//!   any image size.
//! - [`Corruptor`] takes options: the frost photographs, and the JPEG round trip at quality 85 that the
//!   published set went through ([`jpeg_round_trip`]; [`encode_jpeg`] gives the file). Both change results, so say
//!   which you used.
//! - Without photographs, [`Corruption::Frost`] blends in a drawn **substitute**, which is not the benchmark's
//!   frost: see [`Frost`], and [`Frost::open`] for the published ones.
//! - [`frames`] makes the sequences of [`Perturbation`]s that flip rates are measured on, frame by frame.
//! - [`keyed_seed`] and [`keyed_sequence_seed`] give every image of a data set a seed of its own.
#![forbid(unsafe_code)]

mod bar;
mod color;
mod constants;
mod corruption;
mod corruptor;
mod defocus;
mod disk;
mod edges;
mod elastic;
mod error;
mod field;
mod frost;
mod glass;
#[cfg(test)]
mod golden;
mod jpeg;
mod motion;
mod noise;
mod photographs;
mod pixelate;
mod random;
mod sequence;
mod simd;
mod spatter;
mod suite;
mod weather;
mod zoom;

pub use constants::Scale;
pub use corruption::{Category, Corruption, Severity, keyed_seed};
pub use corruptor::{Corruptor, corrupt};
pub use error::Error;
pub use frost::Frost;
pub use jpeg::{encode_jpeg, jpeg_round_trip};
pub use photographs::{FROST_LOCATION, FROST_PHOTOGRAPHS, FrostSource};
pub use sequence::{Difficulty, Frames, Perturbation, frames, keyed_sequence_seed};
pub use suite::Suite;
