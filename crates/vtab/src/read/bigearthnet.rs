//! BigEarthNet v1.0: a folder for each patch, `S2A_…/` with a band in each TIFF file (`…_B04.tif`, 16 bits) and the classes in
//! `…_labels_metadata.json`. An image may have several classes.

use crate::error::{io, layout};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use tiff::decoder::{Decoder, DecodingResult, Limits};
use visrep_data::{Dataset, Error, Sample, SampleImage};
use visrep_decode::RgbImage;

/// TFDS makes this reflectance white.
const WHITE: f32 = 2000.0;
/// The longest file of labels.
const MAX_JSON: u64 = 1 << 20;

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

/// BigEarthNet's patches as RGB images, by name. [`Dataset::label`] has none: [`Self::labels_of`] has the classes of a patch.
pub struct BigEarthNet {
    root: PathBuf,
    patches: Vec<Box<str>>,
    classes: Vec<String>,
}

#[derive(Deserialize)]
struct Metadata {
    labels: Vec<String>,
}

impl BigEarthNet {
    /// The patches in `root`, the folder `BigEarthNet-v1.0` of the archive. Reads their names only.
    ///
    /// # Errors
    /// A folder that cannot be read, or has no folders.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, Error> {
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
        Ok(Self { root, patches, classes: BIG_EARTH_NET_CLASSES.map(String::from).into() })
    }

    /// Of each class, whether patch `index` has it.
    ///
    /// # Errors
    /// A file of labels that is missing, is no such JSON, or names an unknown class.
    pub fn labels_of(&self, index: usize) -> Result<Vec<bool>, Error> {
        let patch = self.patch(index)?;
        let path = self.root.join(patch).join(format!("{patch}_labels_metadata.json"));
        if path.metadata().map_err(io(&path))?.len() > MAX_JSON {
            return Err(layout(path, "is too long for a patch's labels"));
        }
        let text = std::fs::read(&path).map_err(io(&path))?;
        let metadata: Metadata = serde_json::from_slice(&text)
            .map_err(|error| layout(&path, format!("has no labels: {error}")))?;
        let mut labels = vec![false; self.classes.len()];
        for name in metadata.labels {
            let class = BIG_EARTH_NET_CLASSES.iter().position(|class| *class == name);
            let class = class.ok_or_else(|| layout(&path, format!("names the unknown class `{name}`")))?;
            labels[class] = true;
        }
        Ok(labels)
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
