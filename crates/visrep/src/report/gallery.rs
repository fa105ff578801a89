//! The pictures of a report: shown, but not part of `results.json`.

use base64::Engine;
use serde::Serialize;
use visrep_decode::{Error, RgbImage, encode_png};

/// Everything with pixels in it.
#[derive(Default, Serialize)]
pub struct Gallery {
    /// Augmented views of a few training images.
    pub views: Option<Views>,
    /// Nearest neighbours of a few test images, one entry for each data set.
    pub neighbours: Vec<Neighbours>,
    /// Images under two strengths of a distortion.
    pub distortions: Vec<Distortion>,
}

/// Augmented views.
#[derive(Serialize)]
pub struct Views {
    /// Which recipe made them.
    pub about: String,
    /// One row for each image.
    pub rows: Vec<ViewRow>,
}

/// One image and its views.
#[derive(Serialize)]
pub struct ViewRow {
    /// The image before augmentation, as a data URI.
    pub original: String,
    /// The views, as data URIs.
    pub views: Vec<String>,
}

/// The neighbours found in one data set.
#[derive(Serialize)]
pub struct Neighbours {
    /// The data set.
    pub name: String,
    /// The test images asked about.
    pub queries: Vec<Query>,
}

/// A test image and what each model finds nearest.
#[derive(Serialize)]
pub struct Query {
    /// The image, as a data URI.
    pub uri: String,
    /// Its class.
    pub label: String,
    /// For each model, its nearest training images, nearest first.
    pub found: Vec<Vec<Found>>,
}

/// A training image near a query.
#[derive(Serialize)]
pub struct Found {
    /// The image, as a data URI.
    pub uri: String,
    /// Its class.
    pub label: String,
    /// Whether that is the query's class.
    pub same: bool,
    /// Cosine similarity to the query, two decimals.
    pub similarity: String,
}

/// An image and two distorted forms of it.
#[derive(Serialize)]
pub struct Distortion {
    /// The distortion.
    pub name: String,
    /// Reference, weaker, stronger.
    pub images: Vec<Captioned>,
}

/// An image with a caption.
#[derive(Serialize)]
pub struct Captioned {
    /// The image, as a data URI.
    pub uri: String,
    /// Under the image.
    pub caption: String,
}

/// `image` as a PNG data URI.
pub fn data_uri(image: &RgbImage) -> Result<String, Error> {
    let png = base64::engine::general_purpose::STANDARD.encode(encode_png(image)?);
    Ok(format!("data:image/png;base64,{png}"))
}
