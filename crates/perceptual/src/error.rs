//! What can go wrong while measuring distances.

use crate::lpips::{LpipsNet, PixelRange};
use std::path::PathBuf;

/// An error of this crate; each names the argument at fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// LibTorch refused a call.
    #[error("LibTorch: {0}")]
    Torch(#[from] tch::TchError),
    /// The model refused its input.
    #[error(transparent)]
    Model(#[from] visrep_models::Error),
    /// A score cannot be computed.
    #[error(transparent)]
    Metrics(#[from] visrep_metrics::Error),
    /// No taps, or one that the model does not have.
    #[error("unknown tap '{name}': {model} has {available}")]
    UnknownTap {
        /// The name.
        name: String,
        /// The model.
        model: String,
        /// The taps there are, separated by commas.
        available: String,
    },
    /// A distance over no taps.
    #[error("no taps were given: a distance needs at least one of {available}")]
    NoTaps {
        /// The taps there are, separated by commas.
        available: String,
    },
    /// Two batches or images that are compared differ in size.
    #[error("{a} and {b} cannot be compared: both must have the same size")]
    Size {
        /// The size of the first.
        a: String,
        /// The size of the second.
        b: String,
    },
    /// A band of frequencies that an image has none of.
    #[error(
        "an image of {width} x {height} has no frequency from {low} to {high} cycles per pixel: the lowest is one cycle per image"
    )]
    Band {
        /// The lowest that was asked for, in cycles per pixel.
        low: f64,
        /// What all are below.
        high: f64,
        /// The image's width in pixels.
        width: u32,
        /// Its height.
        height: u32,
    },
    /// LPIPS on a network that is not its own.
    #[error("LPIPS's {net} is the network {expected}, the model is {found}")]
    LpipsTrunk {
        /// The network that was asked for.
        net: LpipsNet,
        /// The model's name.
        found: String,
        /// The name it must have.
        expected: &'static str,
    },
    /// Heads that are not the network's.
    #[error("{}are no heads of LPIPS's {net}: {problem}", path.as_ref().map(|path| format!("{}: these ", path.display())).unwrap_or_else(|| "these ".into()))]
    LpipsHeads {
        /// The network that was asked for.
        net: LpipsNet,
        /// Where they are from.
        path: Option<PathBuf>,
        /// What is wrong.
        problem: String,
    },
    /// Images whose values are not in the range that was named.
    #[error("the values of the images go from {min} to {max}, which is not the range {range:?}")]
    PixelRange {
        /// What they were said to be.
        range: PixelRange,
        /// The least value.
        min: f64,
        /// The greatest value.
        max: f64,
    },
    /// A file or folder of BAPPS that is not as it should be.
    #[error("{}: {problem}", path.display())]
    Bapps {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// An array of NumPy cannot be read.
    #[error(transparent)]
    Data(#[from] visrep_data::Error),
    /// Judgements that are no shares.
    #[error("judgements are shares of judges, from 0 to 1; these go from {min} to {max}")]
    Judge {
        /// The least.
        min: f64,
        /// The greatest.
        max: f64,
    },
    /// A call that `tch` lacks failed.
    #[error(transparent)]
    Shim(#[from] visrep_torch::Error),
    /// Another network than FID's.
    #[error(
        "FID's network is inception_v3_fid, the model is {found}: the figures of any other network are no FID"
    )]
    NotInception {
        /// The model's name.
        found: String,
    },
    /// The Inception score of a network without classifier.
    #[error(
        "the Inception score needs the network's classifier, and these weights have none: take the published file"
    )]
    NoClassifier,
    /// An image without pixels.
    #[error("{key}: the image has no pixels")]
    NoPixels {
        /// What names it.
        key: String,
    },
    /// A file of FID's statistics that is not as it should be.
    #[error("{}: {problem}", path.display())]
    Statistics {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A figure of what is not there.
    #[error(
        "the {what} of the images were not kept, or the file of statistics does not hold them: without them only FID can be computed"
    )]
    NotKept {
        /// Features or logits.
        what: &'static str,
    },
    /// Sets that were not described by the same network.
    #[error(
        "the images have features of {generated} dimensions and the reference {reference}: both must be of one network"
    )]
    Dimensions {
        /// Of the generated images.
        generated: usize,
        /// Of the reference.
        reference: usize,
    },
    /// Fewer samples than one of KID's subsets.
    #[error(
        "KID's subsets are of {size} images, and one side has {samples}: give more images, or a smaller subset size"
    )]
    TooFewForKid {
        /// Samples of a subset.
        size: usize,
        /// The samples that there are.
        samples: usize,
    },
    /// A distance is NaN or infinite.
    #[error("the distance of pair {index}, counted from 0, is not finite: the weights may have diverged")]
    NotFinite {
        /// The pair, counted from 0.
        index: usize,
    },
}
