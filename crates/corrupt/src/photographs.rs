//! The published frost photographs: where they are, how to know them, and reading them.

use std::fmt;
use std::path::Path;

use sha2::{Digest, Sha256};
use visrep_decode::{DecodeOptions, decode};

use crate::{Error, Frost};

/// Where the frost photographs are published.
pub const FROST_LOCATION: &str =
    "https://github.com/hendrycks/robustness/tree/master/ImageNet-C/imagenet_c/imagenet_c/frost";

/// The five photographs that the published code picks among, and the SHA-256 of each. It lists a sixth, `frost6.jpg`, and
/// never picks it.
pub const FROST_PHOTOGRAPHS: [(&str, &str); 5] = [
    ("frost1.png", "ff9f907860bd7a835d459e32f9d588062b7f61ee267343cc7222b56753a14755"),
    ("frost2.png", "fe211a89b336999c207a852ce05818d4545d0b57c5beadd824b4cc9d9a9b6137"),
    ("frost3.png", "2d0d50b4a9bb213f38b024ef7768731bb83cc08d2f26b5766bbc167cdfa0e504"),
    ("frost4.jpg", "3f8b91ca1a9fa7167b09e773da53f5ae60d0a1fd88f02a783f6e328a72887f6e"),
    ("frost5.jpg", "5fc6a19df4a429ba68abdcc8f8a4278d4c9f81c9ccafd2c92ab0c8cf8992ebd2"),
];

/// What frost textures are. Results under frost should say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrostSource {
    /// The published photographs, by their SHA-256.
    Published,
    /// Other photographs: figures are not comparable with published ones.
    Other,
    /// The drawn substitute: figures are not comparable with published ones.
    Substitute,
}

impl fmt::Display for FrostSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            FrostSource::Published => "published",
            FrostSource::Other => "other",
            FrostSource::Substitute => "substitute",
        })
    }
}

impl Frost {
    /// Reads the five files of [`FROST_PHOTOGRAPHS`] in `folder`. [`Frost::source`] then says whether they are the published
    /// ones.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let mut published = true;
        let mut photographs = Vec::new();
        for (name, hash) in FROST_PHOTOGRAPHS {
            let path = folder.join(name);
            let bytes =
                std::fs::read(&path).map_err(|source| Error::FrostFile { path: path.clone(), source })?;
            let found: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            published &= found == hash;
            let image = decode(&bytes, &DecodeOptions::default())
                .map_err(|source| Error::FrostImage { path, source })?;
            photographs.push(image);
        }
        let frost = Self::from_images(photographs)?;
        Ok(if published { frost.labelled(FrostSource::Published) } else { frost })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use visrep_decode::{RgbImage, encode_png};

    #[test]
    fn other_photographs_are_told_from_the_published_ones_and_missing_ones_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = Frost::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("frost1.png") && error.contains(FROST_LOCATION), "{error}");
        for (i, (name, _)) in FROST_PHOTOGRAPHS.iter().enumerate() {
            let png = encode_png(&RgbImage::filled(9, 9, [i as u8; 3])).unwrap();
            std::fs::write(folder.path().join(name), png).unwrap();
        }
        assert_eq!(Frost::open(folder.path()).unwrap().source(), FrostSource::Other);
        assert_eq!(Frost::substitute().source(), FrostSource::Substitute);
        std::fs::write(folder.path().join("frost3.png"), "no image").unwrap();
        assert!(Frost::open(folder.path()).unwrap_err().to_string().contains("frost3.png"));
    }
}
