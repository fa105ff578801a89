//! Bytes to RGB: headers, whole images, or just the region that a crop needs.
#![forbid(unsafe_code)]

mod error;
mod rgb;

pub use error::Error;
pub use rgb::{Region, RgbImage};
