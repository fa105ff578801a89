//! From a sample to its pixels.

use crate::{Error, Sample, SampleImage};
use visrep_decode::{DecodeOptions, RgbImage, decode};

/// The pixels of `sample`. An error carries the sample's key.
pub fn decode_sample(sample: &Sample, options: &DecodeOptions) -> Result<RgbImage, Error> {
    into_pixels(sample.image.clone(), &sample.key, options)
}

/// The pixels of the image of the sample called `key`.
pub(crate) fn into_pixels(image: SampleImage, key: &str, options: &DecodeOptions) -> Result<RgbImage, Error> {
    match image {
        SampleImage::Encoded(bytes) => {
            decode(&bytes, options).map_err(|source| Error::Decode { key: key.into(), source })
        }
        SampleImage::Decoded(image) => Ok(image),
    }
}
