//! What can go wrong, with the parameter at fault and what to do about it.

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text names no corruption.
    #[error("there is no corruption named {name:?}; the nearest are {nearest}")]
    UnknownCorruption {
        /// The text as given.
        name: String,
        /// The nearest names, comma-separated.
        nearest: String,
    },
    /// The severity is not 1, 2, 3, 4 or 5.
    #[error("severity {value:?} is not one of 1, 2, 3, 4, 5")]
    Severity {
        /// The severity as given.
        value: String,
    },
    /// The text names no table of constants.
    #[error("there is no scale named {name:?}; use one of {known}")]
    UnknownScale {
        /// The text as given.
        name: String,
        /// The names there are.
        known: String,
    },
    /// The corruption is not defined on an image this small.
    #[error(
        "{corruption} needs at least {minimum}x{minimum} pixels, and the image has {width}x{height}; enlarge it first"
    )]
    TooSmall {
        /// The corruption asked for.
        corruption: crate::Corruption,
        /// The smallest side it is defined on.
        minimum: u32,
        /// The image's width.
        width: u32,
        /// The image's height.
        height: u32,
    },
    /// The JPEG quality is outside 1..=100.
    #[error("JPEG quality {quality} is outside 1..=100")]
    JpegQuality {
        /// The quality as given.
        quality: u8,
    },
    /// The text names no perturbation.
    #[error("there is no perturbation named {name:?}; the nearest are {nearest}")]
    UnknownPerturbation {
        /// The text as given.
        name: String,
        /// The nearest names, comma-separated.
        nearest: String,
    },
    /// The difficulty is not 1, 2 or 3.
    #[error("difficulty {value:?} is not one of 1, 2, 3")]
    Difficulty {
        /// The difficulty as given.
        value: String,
    },
    /// The text names no suite.
    #[error("there is no suite named {name:?}; use one of {known}")]
    UnknownSuite {
        /// The text as given.
        name: String,
        /// The names there are.
        known: String,
    },
    /// A sequence's crop does not fit into its image.
    #[error(
        "a crop of {crop}x{crop} pixels does not fit into an image of {width}x{height}; enlarge the image or crop less"
    )]
    CropTooLarge {
        /// The side of the crop.
        crop: u32,
        /// The image's width.
        width: u32,
        /// The image's height.
        height: u32,
    },
    /// A JPEG file cannot say how large the image is.
    #[error(
        "a JPEG file holds at most 65535x65535 pixels, and the image has {width}x{height}; reduce it first"
    )]
    JpegSize {
        /// The image's width.
        width: u32,
        /// The image's height.
        height: u32,
    },
    /// A frost photograph cannot be read.
    #[error("{}: {source}; the published photographs are at {}", path.display(), crate::FROST_LOCATION)]
    FrostFile {
        /// The file.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A frost photograph cannot be decoded.
    #[error("{}: {source}", path.display())]
    FrostImage {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong with it.
        source: visrep_decode::Error,
    },
    /// No frost photograph was given.
    #[error("the list of frost photographs is empty; give at least one, or use Frost::substitute()")]
    NoFrost,
    /// The image layer refused a buffer or a region.
    #[error(transparent)]
    Image(#[from] visrep_decode::Error),
}
