//! The published weights of well-known models: their tags, what each expects, how good it is, and where it lies.
//!
//! `table.tsv` is written by `export.py` for the architectures that `architectures.txt` lists, whether they can be
//! built here or not: rows are found by architecture. An empty cell is something that is not known. The columns:
//!
//! | column | |
//! |---|---|
//! | `architecture`, `tag` | timm's names; torchvision's architectures where timm has none. `untrained`: no weights |
//! | `size`, `crop_pct`, `crop_mode`, `interpolation`, `statistics` | the evaluation transform |
//! | `classes` | outputs of the classifier, 0 without one |
//! | `top1` | ImageNet-1k validation accuracy in percent under that transform |
//! | `test_size`, `test_crop_pct`, `test_top1` | the larger evaluation that timm recommends for some |
//! | `licence` | of the weights, a lower-case SPDX identifier or the licensor's own name |
//! | `hub`, `sha256` | the Hugging Face repository, `timm/` standing for `timm/architecture.tag`; its weights' digest |
//! | `url`, `url_sha256` | the file that was published first, and its digest or the digest's beginning |
//! | `origin` | the page that the weights come from |

mod config;
#[cfg(feature = "hub")]
mod download;
mod parse;

use crate::arch::{did_you_mean, nearest};
use crate::{Error, Preprocessing};
pub use config::HubConfig;
#[cfg(feature = "hub")]
pub use download::{
    Download, FetchedFile, FileSource, HubFile, HubOptions, Verification, fetch_file, hub_dataset_files,
};
use std::sync::LazyLock;

/// Every row; each architecture's default comes first among its own.
pub(crate) static TABLE: LazyLock<Vec<Pretrained>> = LazyLock::new(|| {
    parse::table(include_str!("table.tsv")).unwrap_or_else(|fault| panic!("table.tsv: {fault}"))
});

/// Published weights: what is known of them.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Pretrained {
    /// timm's name of the network; torchvision's where timm has none.
    pub architecture: &'static str,
    /// timm's name of the training that made the weights, or `untrained` where none are published.
    pub tag: &'static str,
    /// The evaluation transform that [`Self::top1`] belongs to.
    pub preprocessing: Preprocessing,
    /// Outputs of the classifier; 0 without one.
    pub num_classes: i64,
    /// Top-1 accuracy on ImageNet-1k's validation set, in percent: timm's own measurement, or what torchvision
    /// states for the architectures that only it has.
    pub top1: Option<f64>,
    /// The evaluation at another resolution that timm gives for some weights (its `test_input_size`), with its top-1.
    pub test: Option<(Preprocessing, Option<f64>)>,
    /// The licence of the weights: a lower-case SPDX identifier, or the licensor's own name for it.
    pub licence: Option<&'static str>,
    /// The Hugging Face repository that holds `model.safetensors` and `config.json`.
    pub hub: Option<String>,
    /// The SHA-256 of the repository's `model.safetensors`, where it is known beforehand.
    pub sha256: Option<&'static str>,
    /// The file that was published first; not always the same numbers in the same order as the repository's.
    pub url: Option<&'static str>,
    /// The SHA-256 of what lies at [`Self::url`], or its first eight digits.
    pub url_sha256: Option<&'static str>,
    /// The page that the weights come from.
    pub origin: Option<&'static str>,
}

impl Pretrained {
    /// `architecture.tag`.
    pub fn name(&self) -> String {
        format!("{}.{}", self.architecture, self.tag)
    }

    /// Whether there are weights: some names stand for a transform only.
    pub fn is_published(&self) -> bool {
        self.hub.is_some() || self.url.is_some()
    }
}

/// The weights that `name` stands for: `architecture.tag`, or an architecture, which means its default tag.
///
/// # Errors
/// An unknown name (the nearest are listed), and one that nobody has published weights for.
pub fn find_pretrained(name: &str) -> Result<&'static Pretrained, Error> {
    let unknown = |known| Err(Error::UnknownWeights { name: name.into(), known });
    let (architecture, tag) = match name.split_once('.') {
        Some((architecture, tag)) => (architecture, Some(tag)),
        None => (name, None),
    };
    let rows: Vec<_> = TABLE.iter().filter(|row| row.architecture == architecture).collect();
    if rows.is_empty() {
        let mut names: Vec<_> = TABLE.iter().map(|row| row.architecture).collect();
        names.dedup();
        return unknown(did_you_mean(architecture, names.into_iter(), "weights list"));
    }
    let published: Vec<_> = rows.iter().filter(|row| row.is_published()).map(|row| row.tag).collect();
    match rows.into_iter().find(|row| tag.is_none_or(|tag| row.tag == tag)) {
        Some(row) if row.is_published() => Ok(row),
        _ if published.is_empty() => unknown(format!("nobody has published weights of {architecture}")),
        _ => {
            let published = nearest(tag.unwrap_or_default(), published.into_iter(), usize::MAX).join(", ");
            unknown(format!("{architecture} has {published}"))
        }
    }
}

/// Every published set of weights that is known by name, also of architectures that cannot be built here.
pub fn pretrained_weights() -> &'static [Pretrained] {
    &TABLE
}
