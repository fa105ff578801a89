//! Linear filters that are drawn at random: a convolution over the colours, and bands of spatial frequencies.

mod convolution;
mod fourier;
mod frequency;
mod low;

pub use convolution::{ConvKernel, RandomConv, random_conv};
pub(crate) use fourier::{Complex, Fourier, frequencies};
pub use frequency::{Band, FreqAug, frequency_filter};
