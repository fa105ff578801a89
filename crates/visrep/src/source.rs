//! `--data SRC`: whatever `visrep_data::open` takes, or one of the embedded fixtures.

use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use visrep_data::{Concat, Dataset, ImageFiles, InMemory, Splits};

/// Where images come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The embedded handwritten digits.
    Digits,
    /// The embedded photo patches.
    Patches,
    /// The embedded photographs, whole.
    Photos,
    /// Digits and patches as one set, the patches' classes after the digits'.
    AllFixtures,
    /// A path or pattern of any kind that `visrep_data::open` takes.
    Path(PathBuf),
}

/// The help text of every `--data` option.
pub const HELP: &str = "Images: a folder with one sub-folder per class (ImageFolder); Parquet, Arrow or tar (WebDataset) \
    files, a folder of them or a pattern such as 'shard-{000..123}.tar'; MNIST, CIFAR, .npy or .npz files; a .csv or .txt list; or \
    an embedded set: fixtures:digits, fixtures:patches, fixtures:photos, fixtures:all";

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("fixtures:") {
            None => Ok(Self::Path(text.into())),
            Some("digits") => Ok(Self::Digits),
            Some("patches") => Ok(Self::Patches),
            Some("photos") => Ok(Self::Photos),
            Some("all") => Ok(Self::AllFixtures),
            Some(other) => {
                Err(format!("there is no fixture named {other:?}; there are digits, patches, photos and all"))
            }
        }
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Digits => f.write_str("fixtures:digits"),
            Self::Patches => f.write_str("fixtures:patches"),
            Self::Photos => f.write_str("fixtures:photos"),
            Self::AllFixtures => f.write_str("fixtures:all"),
            Self::Path(path) => write!(f, "{}", path.display()),
        }
    }
}

impl Source {
    /// Every image of the source, in a fixed order.
    pub fn open(&self) -> Result<Arc<dyn Dataset>> {
        match self {
            Self::Digits => Ok(crate::fixtures::all_digits()?),
            Self::Photos => Ok(Arc::new(crate::fixtures::photos())),
            Self::Path(path) => {
                let data = visrep_data::open(path)?;
                warn(&data.warnings());
                Ok(data)
            }
            Self::Patches | Self::AllFixtures => {
                let Splits { train, test, .. } = self.splits()?;
                let classes = train.classes().to_vec();
                let samples = [train, test]
                    .into_iter()
                    .flat_map(|part| (0..part.len()).map(move |index| part.get(index)).collect::<Vec<_>>());
                Ok(Arc::new(InMemory::new(samples.collect::<Result<_, _>>()?, classes)))
            }
        }
    }

    /// Every image of the source where labels do not matter: of a folder of image files, all files at any depth, whatever the folders
    /// are called.
    pub fn open_images(&self) -> Result<Arc<dyn Dataset>> {
        let Self::Path(path) = self else { return self.open() };
        if !path.is_dir() {
            return self.open();
        }
        let files = ImageFiles::below(path)?;
        match visrep_data::open(path) {
            // Shards with a picture or two beside them.
            Ok(data) if data.len() > files.len() => {
                warn(&data.warnings());
                Ok(data)
            }
            Err(error) if files.is_empty() => Err(error).context("there is no image file at any depth"),
            _ => Ok(Arc::new(files)),
        }
    }

    /// The images to train on: the training part of the embedded sets, and everything at a path.
    pub fn open_train(&self) -> Result<Arc<dyn Dataset>> {
        match self {
            Self::Digits | Self::Patches | Self::AllFixtures => Ok(self.splits()?.train),
            Self::Photos | Self::Path(_) => self.open(),
        }
    }

    /// Train and test images.
    pub fn splits(&self) -> Result<Splits> {
        match self {
            Self::Digits => Ok(crate::fixtures::digits()?),
            Self::Patches => Ok(crate::fixtures::patches()?),
            Self::AllFixtures => {
                let (digits, patches) = (crate::fixtures::digits()?, crate::fixtures::patches()?);
                Ok(Splits {
                    train: Arc::new(Concat::new(vec![digits.train, patches.train])),
                    test: Arc::new(Concat::new(vec![digits.test, patches.test])),
                    description: "digits and patches together".to_owned(),
                })
            }
            Self::Photos => {
                bail!("fixtures:photos has one image of each class, too few to split; use fixtures:patches")
            }
            Self::Path(path) => {
                let splits = visrep_data::open_splits(path)?;
                let mut warnings = [splits.train.warnings(), splits.test.warnings()].concat();
                // Of one source that was divided, both parts tell the same.
                warnings.dedup();
                warn(&warnings);
                Ok(splits)
            }
        }
    }
}

/// Tells what was odd about a dataset.
fn warn(warnings: &[String]) {
    warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_round_trips_and_unknown_fixtures_are_refused() {
        for text in [
            "fixtures:digits",
            "fixtures:patches",
            "fixtures:photos",
            "fixtures:all",
            "some/folder",
            "a.parquet",
        ] {
            assert_eq!(text.parse::<Source>().unwrap().to_string(), text);
        }
        assert!("fixtures:cats".parse::<Source>().unwrap_err().contains("patches"));
    }
}
