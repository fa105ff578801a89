//! BigEarthNet v1.0: a folder for each patch, `S2A_…/` with a band in each TIFF file (`…_B04.tif`, 16 bits) and the classes in
//! `…_labels_metadata.json`. An image may have several classes.

use crate::error::{io, layout};
use serde::Deserialize;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tiff::decoder::{Decoder, DecodingResult, Limits};
use visrep_data::{Dataset, Error, Sample, SampleImage};
use visrep_decode::RgbImage;

/// TFDS makes this reflectance white.
const WHITE: f32 = 2000.0;
/// The longest file of labels.
const MAX_JSON: u64 = 1 << 20;
/// Opening small files waits for a disk more than it computes.
#[cfg(feature = "evaluate")]
const THREADS: usize = 16;

/// The 43 classes, as the files name them, in TFDS's order.
pub const BIG_EARTH_NET_CLASSES: [&str; 43] = [
    "Agro-forestry areas",
    "Airports",
    "Annual crops associated with permanent crops",
    "Bare rock",
    "Beaches, dunes, sands",
    "Broad-leaved forest",
    "Burnt areas",
    "Coastal lagoons",
    "Complex cultivation patterns",
    "Coniferous forest",
    "Construction sites",
    "Continuous urban fabric",
    "Discontinuous urban fabric",
    "Dump sites",
    "Estuaries",
    "Fruit trees and berry plantations",
    "Green urban areas",
    "Industrial or commercial units",
    "Inland marshes",
    "Intertidal flats",
    "Land principally occupied by agriculture, with significant areas of natural vegetation",
    "Mineral extraction sites",
    "Mixed forest",
    "Moors and heathland",
    "Natural grassland",
    "Non-irrigated arable land",
    "Olive groves",
    "Pastures",
    "Peatbogs",
    "Permanently irrigated land",
    "Port areas",
    "Rice fields",
    "Road and rail networks and associated land",
    "Salines",
    "Salt marshes",
    "Sclerophyllous vegetation",
    "Sea and ocean",
    "Sparsely vegetated areas",
    "Sport and leisure facilities",
    "Transitional woodland/shrub",
    "Vineyards",
    "Water bodies",
    "Water courses",
];

/// The 19 classes of BigEarthNet's later nomenclature (Sumbul et al. 2021, arXiv 2105.07921), and of which of the 43 each is made.
/// The other eleven are dropped.
pub const BIG_EARTH_NET_19: [(&str, &[&str]); 19] = [
    ("Urban fabric", &["Continuous urban fabric", "Discontinuous urban fabric"]),
    ("Industrial or commercial units", &["Industrial or commercial units"]),
    ("Arable land", &["Non-irrigated arable land", "Permanently irrigated land", "Rice fields"]),
    (
        "Permanent crops",
        &[
            "Vineyards",
            "Fruit trees and berry plantations",
            "Olive groves",
            "Annual crops associated with permanent crops",
        ],
    ),
    ("Pastures", &["Pastures"]),
    ("Complex cultivation patterns", &["Complex cultivation patterns"]),
    (AGRICULTURE, &[AGRICULTURE]),
    ("Agro-forestry areas", &["Agro-forestry areas"]),
    ("Broad-leaved forest", &["Broad-leaved forest"]),
    ("Coniferous forest", &["Coniferous forest"]),
    ("Mixed forest", &["Mixed forest"]),
    ("Natural grassland and sparsely vegetated areas", &["Natural grassland", "Sparsely vegetated areas"]),
    ("Moors, heathland and sclerophyllous vegetation", &["Moors and heathland", "Sclerophyllous vegetation"]),
    ("Transitional woodland, shrub", &["Transitional woodland/shrub"]),
    ("Beaches, dunes, sands", &["Beaches, dunes, sands"]),
    ("Inland wetlands", &["Inland marshes", "Peatbogs"]),
    ("Coastal wetlands", &["Salt marshes", "Salines"]),
    ("Inland waters", &["Water courses", "Water bodies"]),
    ("Marine waters", &["Coastal lagoons", "Estuaries", "Sea and ocean"]),
];

const AGRICULTURE: &str =
    "Land principally occupied by agriculture, with significant areas of natural vegetation";

/// Which classes patches have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LandCover {
    /// The 43 of the files.
    #[default]
    Classes43,
    /// The 19 that they were merged into.
    Classes19,
}

impl LandCover {
    /// The classes' names.
    #[must_use]
    pub fn classes(self) -> Vec<String> {
        match self {
            Self::Classes43 => BIG_EARTH_NET_CLASSES.map(String::from).into(),
            Self::Classes19 => BIG_EARTH_NET_19.map(|(name, _)| name.into()).into(),
        }
    }

    /// Of each class, whether a patch has it, from its bits of the 43.
    pub(crate) fn of_bits(self, bits: u64) -> Vec<bool> {
        let own = || (0..43).filter(|class| bits >> class & 1 == 1);
        match self {
            Self::Classes43 => (0..43).map(|class| bits >> class & 1 == 1).collect(),
            Self::Classes19 => BIG_EARTH_NET_19
                .iter()
                .map(|(_, merged)| own().any(|class| merged.contains(&BIG_EARTH_NET_CLASSES[class])))
                .collect(),
        }
    }
}

/// BigEarthNet's patches as RGB images, by name. [`Dataset::label`] has none: [`Self::labels_of`] has the classes of a patch.
pub struct BigEarthNet {
    root: PathBuf,
    patches: Arc<[Box<str>]>,
    cover: LandCover,
    classes: Vec<String>,
}

#[derive(Deserialize)]
struct Metadata {
    labels: Vec<String>,
}

impl BigEarthNet {
    /// The patches in `root`, the folder `BigEarthNet-v1.0` of the archive, with classes as `cover` has them. Reads their names only.
    ///
    /// # Errors
    /// A folder that cannot be read, or has no folders.
    pub fn open(root: impl Into<PathBuf>, cover: LandCover) -> Result<Self, Error> {
        let root = root.into();
        let mut patches = Vec::new();
        for entry in std::fs::read_dir(&root).map_err(io(&root))? {
            let entry = entry.map_err(io(&root))?;
            if entry.file_type().map_err(io(entry.path()))?.is_dir() {
                patches.push(entry.file_name().to_string_lossy().into_owned().into_boxed_str());
            }
        }
        if patches.is_empty() {
            return Err(layout(root, "has no folders of patches"));
        }
        patches.sort_unstable();
        Ok(Self { root, patches: patches.into(), cover, classes: cover.classes() })
    }

    /// The same patches with other classes; nothing is read.
    #[must_use]
    pub fn with_classes(&self, cover: LandCover) -> Self {
        let (root, patches) = (self.root.clone(), self.patches.clone());
        Self { root, patches, cover, classes: cover.classes() }
    }

    /// The place of the patch of this name.
    #[must_use]
    pub fn position(&self, patch: &str) -> Option<usize> {
        self.patches.binary_search_by(|known| (**known).cmp(patch)).ok()
    }

    /// Of each class, whether patch `index` has it.
    ///
    /// # Errors
    /// A file of labels that is missing, is no such JSON, or names an unknown class.
    pub fn labels_of(&self, index: usize) -> Result<Vec<bool>, Error> {
        self.bits_of(index).map(|bits| self.cover.of_bits(bits))
    }

    /// Of each of [`BIG_EARTH_NET_CLASSES`] a bit, whether patch `index` has it, the first the lowest.
    fn bits_of(&self, index: usize) -> Result<u64, Error> {
        let patch = self.patch(index)?;
        let path = self.root.join(patch).join(format!("{patch}_labels_metadata.json"));
        let mut text = Vec::new();
        let file = std::fs::File::open(&path).map_err(io(&path))?;
        file.take(MAX_JSON + 1).read_to_end(&mut text).map_err(io(&path))?;
        if text.len() as u64 > MAX_JSON {
            return Err(layout(path, "is too long for a patch's labels"));
        }
        let metadata: Metadata = serde_json::from_slice(&text)
            .map_err(|error| layout(&path, format!("has no labels: {error}")))?;
        metadata.labels.iter().try_fold(0, |bits, name| {
            let class = BIG_EARTH_NET_CLASSES.iter().position(|class| class == name);
            let class = class.ok_or_else(|| layout(&path, format!("names the unknown class `{name}`")))?;
            Ok(bits | 1 << class)
        })
    }

    /// The bits of the patches at `places`, in that order, read on a few threads.
    #[cfg(feature = "evaluate")]
    pub(crate) fn bits(&self, places: &[usize]) -> Result<Vec<u64>, Error> {
        let share = places.len().div_ceil(THREADS).max(1);
        let read = |places: &[usize]| -> Result<Vec<u64>, Error> {
            places.iter().map(|place| self.bits_of(*place)).collect()
        };
        let parts: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                places.chunks(share).map(|places| scope.spawn(move || read(places))).collect();
            let joined = threads.into_iter().map(|thread| thread.join());
            joined.map(|part| part.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        });
        Ok(parts.into_iter().collect::<Result<Vec<_>, _>>()?.concat())
    }

    fn patch(&self, index: usize) -> Result<&str, Error> {
        self.patches.get(index).map(|patch| &**patch).ok_or(Error::Index { index, len: self.patches.len() })
    }
}

/// A band: width, height, values.
fn band(path: &Path) -> Result<(u32, u32, Vec<u16>), Error> {
    let file = std::fs::File::open(path).map_err(io(path))?;
    let fail = |error: tiff::TiffError| layout(path, format!("is no band in TIFF: {error}"));
    let mut decoder =
        Decoder::new(std::io::BufReader::new(file)).map_err(fail)?.with_limits(Limits::default());
    let (width, height) = decoder.dimensions().map_err(fail)?;
    match decoder.read_image().map_err(fail)? {
        DecodingResult::U16(values) if values.len() as u64 == u64::from(width) * u64::from(height) => {
            Ok((width, height, values))
        }
        _ => Err(layout(path, "has other values than one of 16 bits for each pixel")),
    }
}

impl Dataset for BigEarthNet {
    fn len(&self) -> usize {
        self.patches.len()
    }

    fn get(&self, index: usize) -> Result<Sample, Error> {
        let patch = self.patch(index)?;
        let open = |name: &str| band(&self.root.join(patch).join(format!("{patch}_{name}.tif")));
        let (red, green, blue) = (open("B04")?, open("B03")?, open("B02")?);
        let size = (red.0, red.1);
        if [&green, &blue].iter().any(|band| (band.0, band.1) != size) {
            let problem = "has bands B02, B03 and B04 of different sizes".into();
            return Err(Error::Row { key: patch.into(), problem });
        }
        let level = |value: u16| (f32::from(value) / WHITE * 255.0).min(255.0) as u8;
        let pixels = red.2.iter().zip(&green.2).zip(&blue.2);
        let rgb = pixels.flat_map(|((r, g), b)| [level(*r), level(*g), level(*b)]).collect();
        let image = RgbImage::new(size.0, size.1, rgb)
            .map_err(|source| Error::Decode { key: patch.into(), source })?;
        Ok(Sample { image: SampleImage::Decoded(image), label: None, key: patch.into() })
    }

    fn label(&self, _: usize) -> Option<u32> {
        None
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn key(&self, index: usize) -> String {
        self.patch(index).map_or_else(|_| format!("sample {index}"), String::from)
    }
}

/// The names of a list of patches, one to a line: a published split, or patches to leave out.
///
/// # Errors
/// A file that cannot be read, or is empty.
#[cfg(feature = "evaluate")]
pub(crate) fn read_patches(path: &Path) -> Result<Vec<String>, Error> {
    let text = std::fs::read_to_string(path).map_err(io(path))?;
    let first = |line: &str| line.split(',').next().unwrap_or_default().trim().trim_matches('"').to_owned();
    let names: Vec<_> = text.lines().map(first).filter(|name| !name.is_empty()).collect();
    if names.is_empty() {
        return Err(layout(path, "names no patches"));
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nineteen_classes_are_merged_of_thirty_two() {
        let merged: Vec<_> = BIG_EARTH_NET_19.iter().flat_map(|(_, merged)| merged.iter()).collect();
        assert_eq!(merged.len(), 32);
        assert!(merged.iter().all(|name| BIG_EARTH_NET_CLASSES.contains(name)), "{merged:?}");
        let dropped: Vec<_> = BIG_EARTH_NET_CLASSES.iter().filter(|name| !merged.contains(name)).collect();
        assert_eq!(dropped.len(), 11);
        // Of each of the 43 alone.
        let class = |name: &str| {
            let bits = 1 << BIG_EARTH_NET_CLASSES.iter().position(|class| *class == name).unwrap();
            let own = LandCover::Classes43.of_bits(bits);
            assert_eq!(own.iter().filter(|has| **has).count(), 1);
            LandCover::Classes19.of_bits(bits).iter().position(|has| *has)
        };
        assert_eq!(["Airports", "Rice fields", "Water courses"].map(class), [None, Some(2), Some(17)]);
    }
}
