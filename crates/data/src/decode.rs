//! From a sample to its pixels, and to its views.

use crate::{Error, Sample, SampleImage};
use std::cell::RefCell;
use visrep_augment::View;
use visrep_decode::{Area, DecodeOptions, Decoder, OrientationPolicy, Region, RgbImage, decode, read_header};

thread_local! {
    /// The memory that this thread decodes in.
    static DECODER: RefCell<Decoder> = RefCell::new(Decoder::new());
}

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

/// The views that `draw` decides on for an image of a (width, height). The image is decoded once, and of a JPEG only
/// what the views need: the pixels are those of decoding it all, unless `at_scale` lets it be decoded smaller (see
/// [`LoaderOptions::decode_at_scale`](crate::LoaderOptions::decode_at_scale)). An error carries the sample's `key`.
///
/// What a [`Loader`](crate::Loader) does to each sample.
pub fn decode_views(
    image: SampleImage,
    key: &str,
    options: &DecodeOptions,
    at_scale: bool,
    draw: impl FnOnce((u32, u32)) -> Vec<View>,
) -> Result<Vec<RgbImage>, Error> {
    let bytes = match image {
        SampleImage::Encoded(bytes) => bytes,
        SampleImage::Decoded(image) => {
            let views = draw((image.width(), image.height()));
            return apply(&views, key, |view| view.apply_to(&image));
        }
    };
    let fault = |source| Error::Decode { key: key.into(), source };
    let header = read_header(&bytes).map_err(fault)?;
    let (width, height) = match options.orientation {
        OrientationPolicy::Apply => header.oriented_size(),
        OrientationPolicy::AsStored => (header.width, header.height),
    };
    let views = draw((width, height));
    DECODER.with_borrow_mut(|decoder| {
        let (image, images) = match part(&views) {
            Some(part) if at_scale => {
                let decoded = decoder.decode_scaled(&bytes, part, wanted(&views, part), options);
                let decoded = decoded.map_err(fault)?;
                let images = apply(&views, key, |view| match decoded.reduction {
                    1 => view.apply_to_part(&decoded.image, part),
                    _ => view.apply_to_area(&decoded.image, |region| within(region, part, decoded.area)),
                });
                (decoded.image, images)
            }
            Some(part) => {
                let image = decoder.decode_region(&bytes, part, options).map_err(fault)?;
                let images = apply(&views, key, |view| view.apply_to_part(&image, part));
                (image, images)
            }
            None => {
                let image = decoder.decode(&bytes, options).map_err(fault)?;
                let images = apply(&views, key, |view| view.apply_to(&image));
                (image, images)
            }
        };
        decoder.recycle(image);
        images
    })
}

fn apply(
    views: &[View],
    key: &str,
    to_image: impl Fn(&View) -> Result<RgbImage, visrep_augment::Error>,
) -> Result<Vec<RgbImage>, Error> {
    let numbered = views.iter().enumerate();
    numbered
        .map(|(view, drawn)| to_image(drawn).map_err(|source| Error::View { key: key.into(), view, source }))
        .collect()
}

/// The smallest part of the image that all views can be made of; `None` if one of them takes the whole.
fn part(views: &[View]) -> Option<Region> {
    let mut regions = views.iter().map(|view| view.region().map(|(region, _)| region));
    let first = regions.next()??;
    regions.try_fold(first, |a, b| {
        let b = b?;
        let (x, y) = (a.x.min(b.x), a.y.min(b.y));
        let right = (a.x + a.width).max(b.x + b.width);
        let bottom = (a.y + a.height).max(b.y + b.height);
        Some(Region { x, y, width: right - x, height: bottom - y })
    })
}

/// How many pixels `part` must have for every view to find as many as it makes.
fn wanted(views: &[View], part: Region) -> (u32, u32) {
    // A side that is made longer than it is needs all there is.
    let side = |have: u32, cut: u32, made: u32| {
        (u64::from(have) * u64::from(made)).div_ceil(u64::from(cut)).min(have.into()) as u32
    };
    let of_views = views.iter().filter_map(View::region).map(|(region, (width, height))| {
        (side(part.width, region.width, width), side(part.height, region.height, height))
    });
    of_views.fold((1, 1), |most, one| (most.0.max(one.0), most.1.max(one.1)))
}

/// Where `region`, which lies in `part`, is in an image in which `part` is `area`: left, top, right, bottom.
fn within(region: Region, part: Region, area: Area) -> [f64; 4] {
    let (across, down) = (area.width / f64::from(part.width), area.height / f64::from(part.height));
    let (left, top) = (region.x - part.x, region.y - part.y);
    [
        area.x + f64::from(left) * across,
        area.y + f64::from(top) * down,
        area.x + f64::from(left + region.width) * across,
        area.y + f64::from(top + region.height) * down,
    ]
}
