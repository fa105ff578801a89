//! The Berkeley-Adobe Perceptual Patch Similarity dataset (BAPPS, Zhang et al. 2018) as its archives unpack.
//!
//! ```text
//! ROOT/2afc/{train,val}/SET/{ref,p0,p1}/NNNNNN.png    the reference and its two distortions
//! ROOT/2afc/{train,val}/SET/judge/NNNNNN.npy          the share of judges who found p1 nearer
//! ROOT/jnd/val/SET/{p0,p1}/NNNNNN.png                 two patches
//! ROOT/jnd/val/SET/same/NNNNNN.npy                    the share of judges who took them for the same
//! ```
//!
//! The files of the validation sets are patches of 64 x 64 enlarged to 256 x 256 in blocks of 4 x 4 pixels, from which the patch is taken as
//! it was: an antialiased resize would smooth it.

use crate::triplets::Triplet;
use crate::{Error, JndPair};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use visrep_augment::{Filter, RgbImage, resize};
use visrep_data::{Fingerprint, NpyArray};
use visrep_decode::{DecodeOptions, decode};

/// The side of a patch in pixels.
const SIDE: u32 = 64;

/// A set of distortions. The sets for validation are those below; training has `traditional`, `cnn` and `mix`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BappsSet {
    /// Photometric distortions, noise, blur, warps, compression.
    Traditional,
    /// Artefacts of convolutional networks.
    Cnn,
    /// Super-resolution.
    Superres,
    /// Video deblurring.
    Deblur,
    /// Colourisation.
    Color,
    /// Frame interpolation.
    Frameinterp,
    /// Both of the first two, in training.
    Mix,
}

impl BappsSet {
    /// The six sets of the 2AFC validation, whose mean is the published figure: the first two are "distortions", the
    /// others "real algorithms".
    pub const VALIDATION: [Self; 6] =
        [Self::Traditional, Self::Cnn, Self::Superres, Self::Deblur, Self::Color, Self::Frameinterp];

    /// The first two of them, which the paper calls distortions.
    pub const DISTORTIONS: &'static [Self] = &[Self::Traditional, Self::Cnn];

    /// The other four, the outputs of real algorithms.
    pub const REAL_ALGORITHMS: &'static [Self] =
        &[Self::Superres, Self::Deblur, Self::Color, Self::Frameinterp];

    /// The sets of just noticeable differences.
    pub const JND: [Self; 2] = [Self::Traditional, Self::Cnn];

    /// The sets to train on.
    pub const TRAINING: [Self; 3] = [Self::Traditional, Self::Cnn, Self::Mix];

    /// Triplets of the 2AFC validation as published; none of [`Self::Mix`].
    pub fn validation_triplets(self) -> Option<usize> {
        Some(match self {
            Self::Traditional | Self::Cnn | Self::Color => 4720,
            Self::Superres => 10_856,
            Self::Deblur => 9440,
            Self::Frameinterp => 1888,
            Self::Mix => return None,
        })
    }
}

/// As its folder is named.
impl fmt::Display for BappsSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Traditional => "traditional",
            Self::Cnn => "cnn",
            Self::Superres => "superres",
            Self::Deblur => "deblur",
            Self::Color => "color",
            Self::Frameinterp => "frameinterp",
            Self::Mix => "mix",
        })
    }
}

impl FromStr for BappsSet {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let sets = Self::VALIDATION.into_iter().chain([Self::Mix]);
        let names = || sets.clone().map(|set| set.to_string()).collect::<Vec<_>>().join(", ");
        sets.clone()
            .find(|set| set.to_string() == name)
            .ok_or_else(|| format!("no set {name:?} of BAPPS: there are {}", names()))
    }
}

/// One folder of the dataset: its patches by number.
#[derive(Clone, Debug)]
pub struct BappsFolder {
    folder: PathBuf,
    /// The names of the files, without their endings, sorted.
    names: Vec<String>,
}

impl BappsFolder {
    /// The 2AFC triplets of a set, for validation or (`train`) for training.
    ///
    /// # Errors
    /// A folder that is not there, or whose subfolders do not hold the same files.
    pub fn two_afc(root: impl AsRef<Path>, train: bool, set: BappsSet) -> Result<Self, Error> {
        let split = if train { "train" } else { "val" };
        let folder = root.as_ref().join("2afc").join(split).join(set.to_string());
        Self::open(folder, &[("ref", "png"), ("p0", "png"), ("p1", "png"), ("judge", "npy")])
    }

    /// The pairs of a set whose difference is just noticeable, or not.
    ///
    /// # Errors
    /// As [`Self::two_afc`].
    pub fn jnd(root: impl AsRef<Path>, set: BappsSet) -> Result<Self, Error> {
        let folder = root.as_ref().join("jnd").join("val").join(set.to_string());
        Self::open(folder, &[("p0", "png"), ("p1", "png"), ("same", "npy")])
    }

    fn open(folder: PathBuf, parts: &[(&str, &str)]) -> Result<Self, Error> {
        let mut names: Option<Vec<String>> = None;
        for (part, ending) in parts {
            let path = folder.join(part);
            let found = stems(&path, ending)?;
            match &names {
                None => names = Some(found),
                Some(names) if *names == found => {}
                Some(names) => {
                    let differs = |name: &&String| found.binary_search(name).is_err();
                    let problem = match names.iter().find(differs) {
                        Some(name) => format!("{name}.{ending} is missing; unpack the archive again"),
                        None => format!("holds {} files, {} has {}", found.len(), parts[0].0, names.len()),
                    };
                    return Err(Error::Bapps { path, problem });
                }
            }
        }
        Ok(Self { folder, names: names.unwrap_or_default() })
    }

    /// How many triplets or pairs there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// A number that is another one for other names of files.
    pub fn fingerprint(&self) -> u64 {
        let mut hash = Fingerprint::new();
        self.names.iter().for_each(|name| hash.text(name));
        hash.finish()
    }

    /// A number that is another one for patches of other sizes in bytes.
    pub fn stamp(&self) -> u64 {
        let mut hash = Fingerprint::new();
        for part in ["ref", "p0", "p1"] {
            hash.sizes(self.len(), |index| Some(self.patch_path(part, self.names.get(index)?)));
        }
        hash.finish()
    }

    /// The triplets in order. Each is read when it is asked for.
    pub fn triplets(&self) -> impl ExactSizeIterator<Item = Result<Triplet, Error>> + '_ {
        self.names.iter().map(|name| self.read_triplet(name))
    }

    /// The triplet at `index`, counted from 0 in the order of the files' names.
    ///
    /// # Errors
    /// A file that cannot be read; an index past the last.
    pub fn triplet(&self, index: usize) -> Result<Triplet, Error> {
        self.read_triplet(self.name(index)?)
    }

    /// The pairs in order. Each is read when it is asked for.
    pub fn pairs(&self) -> impl ExactSizeIterator<Item = Result<JndPair, Error>> + '_ {
        self.names.iter().map(|name| self.read_pair(name))
    }

    /// The pair at `index`, counted from 0 in the order of the files' names.
    ///
    /// # Errors
    /// As [`Self::triplet`].
    pub fn pair(&self, index: usize) -> Result<JndPair, Error> {
        self.read_pair(self.name(index)?)
    }

    fn name(&self, index: usize) -> Result<&str, Error> {
        self.names.get(index).map(String::as_str).ok_or_else(|| Error::Bapps {
            path: self.folder.clone(),
            problem: format!(
                "holds {}, so that there is no number {index}, counted from 0",
                self.names.len()
            ),
        })
    }

    fn read_triplet(&self, name: &str) -> Result<Triplet, Error> {
        Ok(Triplet {
            reference: self.patch("ref", name)?,
            first: self.patch("p0", name)?,
            second: self.patch("p1", name)?,
            judge: self.share("judge", name)?,
        })
    }

    fn read_pair(&self, name: &str) -> Result<JndPair, Error> {
        let (first, second) = (self.patch("p0", name)?, self.patch("p1", name)?);
        Ok(JndPair { first, second, same: self.share("same", name)? })
    }

    fn patch_path(&self, part: &str, name: &str) -> PathBuf {
        self.folder.join(part).join(format!("{name}.png"))
    }

    fn patch(&self, part: &str, name: &str) -> Result<RgbImage, Error> {
        let path = self.patch_path(part, name);
        let problem = |problem: String| Error::Bapps { path: path.clone(), problem };
        let bytes = std::fs::read(&path).map_err(|error| problem(format!("cannot be read: {error}")))?;
        let image = decode(&bytes, &DecodeOptions::default()).map_err(|error| problem(error.to_string()))?;
        Ok(to_patch(image))
    }

    fn share(&self, part: &str, name: &str) -> Result<f64, Error> {
        let path = self.folder.join(part).join(format!("{name}.npy"));
        let array = NpyArray::read(&path)?;
        match array.values.as_slice() {
            [share] if (0.0..=1.0).contains(share) => Ok(*share),
            values => {
                let found = if values.len() == 1 {
                    format!("{}", values[0])
                } else {
                    format!("{} numbers", values.len())
                };
                Err(Error::Bapps { path, problem: format!("holds {found}, not one share from 0 to 1") })
            }
        }
    }
}

/// The sorted names of a folder's files that end so.
fn stems(folder: &Path, ending: &str) -> Result<Vec<String>, Error> {
    let problem = |error: std::io::Error| Error::Bapps {
        path: folder.into(),
        problem: format!(
            "cannot be read: {error}; BAPPS has 2afc/val/traditional/ref and so on below its root"
        ),
    };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(problem)? {
        let path = entry.map_err(problem)?.path();
        if path.extension().is_some_and(|found| found == ending)
            && let Some(name) = path.file_stem().and_then(|name| name.to_str())
        {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// The patch of 64 x 64: every fourth pixel where the image consists of blocks of 4 x 4, else resized as the authors' loader does.
fn to_patch(image: RgbImage) -> RgbImage {
    let (width, height) = (image.width(), image.height());
    if (width, height) == (SIDE, SIDE) {
        return image;
    }
    let blocks = (width, height) == (4 * SIDE, 4 * SIDE)
        && (0..height).all(|y| (0..width).all(|x| image.pixel(x, y) == image.pixel(x & !3, y & !3)));
    if blocks {
        return RgbImage::from_fn(SIDE, SIDE, |x, y| image.pixel(4 * x, 4 * y));
    }
    resize(&image, SIDE, SIDE, Filter::Bilinear)
}
