//! Datasets that change another one's samples: a mapping, and a cache of pixels.

use crate::fingerprint::Fingerprint;
use crate::{Dataset, Error, Sample, SampleImage, decode_sample, parallel};
use std::ops::Range;
use std::sync::Arc;
use visrep_decode::{DecodeOptions, RgbImage};

/// A dataset with each label, image or key changed by a function.
pub struct Map {
    base: Arc<dyn Dataset>,
    classes: Vec<String>,
    change: Change,
}

/// What is changed, on the thread that asks for it.
enum Change {
    Labels(Box<dyn Fn(Option<u32>) -> Option<u32> + Send + Sync>),
    Images(Box<ImageMap>),
    Keys(Box<dyn Fn(String) -> String + Send + Sync>),
}

type ImageMap = dyn Fn(SampleImage, &str) -> Result<SampleImage, Error> + Send + Sync;

impl Map {
    /// `base` with other labels, which index `classes`: the 16 classes of an experiment for ImageNet's 1000, say. What
    /// becomes `None` has no label.
    pub fn labels(
        base: Arc<dyn Dataset>,
        classes: Vec<String>,
        map: impl Fn(Option<u32>) -> Option<u32> + Send + Sync + 'static,
    ) -> Self {
        Self { base, classes, change: Change::Labels(Box::new(map)) }
    }

    /// `base` with other images; `map` is given a sample's image and its key.
    pub fn images(
        base: Arc<dyn Dataset>,
        map: impl Fn(SampleImage, &str) -> Result<SampleImage, Error> + Send + Sync + 'static,
    ) -> Self {
        Self { classes: base.classes().to_vec(), base, change: Change::Images(Box::new(map)) }
    }

    /// `base` with other keys: those of samples and those in messages alike.
    pub fn keys(base: Arc<dyn Dataset>, map: impl Fn(String) -> String + Send + Sync + 'static) -> Self {
        Self { classes: base.classes().to_vec(), base, change: Change::Keys(Box::new(map)) }
    }

    fn mapped(&self, label: Option<u32>) -> Option<u32> {
        if let Change::Labels(map) = &self.change { map(label) } else { label }
    }
}

impl Dataset for Map {
    fn len(&self) -> usize {
        self.base.len()
    }

    fn get(&self, index: usize) -> Result<Sample, Error> {
        let mut sample = self.base.get(index)?;
        match &self.change {
            Change::Labels(map) => sample.label = map(sample.label),
            Change::Images(map) => sample.image = map(sample.image, &sample.key)?,
            Change::Keys(map) => sample.key = map(sample.key),
        }
        Ok(sample)
    }

    fn label(&self, index: usize) -> Option<u32> {
        if index < self.len() { self.mapped(self.base.label(index)) } else { None }
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn key(&self, index: usize) -> String {
        let key = self.base.key(index);
        if let Change::Keys(map) = &self.change { map(key) } else { key }
    }

    fn labels(&self) -> Result<Vec<Option<u32>>, Error> {
        Ok(self.base.labels()?.into_iter().map(|label| self.mapped(label)).collect())
    }

    /// Does not know what a function does to images and keys: the base's, its labels and classes apart.
    fn fingerprint(&self) -> Result<u64, Error> {
        let mut hash = Fingerprint::new();
        hash.number(self.base.fingerprint()?);
        hash.labels(self.labels()?);
        self.classes.iter().for_each(|class| hash.text(class));
        Ok(hash.finish())
    }

    fn stamp(&self) -> u64 {
        self.base.stamp()
    }

    fn warnings(&self) -> Vec<String> {
        self.base.warnings()
    }

    fn groups(&self) -> Vec<Range<usize>> {
        self.base.groups()
    }

    fn groups_at_once(&self) -> usize {
        self.base.groups_at_once()
    }
}

/// A small dataset's pixels in memory, 8 bits each, so that no epoch after the first decodes anything.
///
/// Grey images take one byte a pixel. Labels and keys are still the base's.
pub struct PixelCache {
    base: Arc<dyn Dataset>,
    images: Vec<Cached>,
}

struct Cached {
    width: u32,
    height: u32,
    pixels: Pixels,
}

enum Pixels {
    Grey(Box<[u8]>),
    Rgb(Box<[u8]>),
}

impl Cached {
    fn new(image: RgbImage) -> Self {
        let (width, height) = (image.width(), image.height());
        let grey = image.data().chunks_exact(3).all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]);
        let pixels = if grey {
            Pixels::Grey(image.data().chunks_exact(3).map(|pixel| pixel[0]).collect())
        } else {
            Pixels::Rgb(image.into_data().into())
        };
        Self { width, height, pixels }
    }

    fn size(&self) -> usize {
        match &self.pixels {
            Pixels::Grey(bytes) | Pixels::Rgb(bytes) => bytes.len(),
        }
    }

    fn image(&self) -> Result<RgbImage, visrep_decode::Error> {
        let rgb = match &self.pixels {
            Pixels::Grey(bytes) => bytes.iter().flat_map(|value| [*value; 3]).collect(),
            Pixels::Rgb(bytes) => bytes.to_vec(),
        };
        RgbImage::new(self.width, self.height, rgb)
    }
}

impl PixelCache {
    /// Decodes all of `base` on several threads. Errs when an image cannot be decoded, and when all
    /// together need more than `max_bytes`.
    pub fn new(base: Arc<dyn Dataset>, decode: &DecodeOptions, max_bytes: usize) -> Result<Self, Error> {
        /// Decoded together; the size is looked at after each.
        const AT_ONCE: usize = 1024;
        let (mut images, mut bytes) = (Vec::new(), 0_usize);
        for first in (0..base.len()).step_by(AT_ONCE) {
            let indices: Vec<usize> = (first..(first + AT_ONCE).min(base.len())).collect();
            for image in
                parallel::map(indices, |index| decode_sample(&base.get(index)?, decode).map(Cached::new))
            {
                let image = image?;
                bytes += image.size() + size_of::<Cached>();
                if bytes > max_bytes {
                    let problem = format!(
                        "{} of {} images fill {max_bytes} bytes: allow more, or do not cache",
                        images.len(),
                        base.len()
                    );
                    return Err(Error::Option { parameter: "max_bytes", problem });
                }
                images.push(image);
            }
        }
        Ok(Self { base, images })
    }

    /// Bytes of pixels that are held.
    pub fn bytes(&self) -> usize {
        self.images.iter().map(Cached::size).sum()
    }
}

impl Dataset for PixelCache {
    fn len(&self) -> usize {
        self.images.len()
    }

    fn get(&self, index: usize) -> Result<Sample, Error> {
        let cached = self.images.get(index).ok_or(Error::Index { index, len: self.images.len() })?;
        let key = self.base.key(index);
        let image = cached.image().map_err(|source| Error::Decode { key: key.clone(), source })?;
        Ok(Sample { image: SampleImage::Decoded(image), label: self.base.label(index), key })
    }

    fn label(&self, index: usize) -> Option<u32> {
        self.base.label(index)
    }

    fn classes(&self) -> &[String] {
        self.base.classes()
    }

    fn key(&self, index: usize) -> String {
        self.base.key(index)
    }

    fn labels(&self) -> Result<Vec<Option<u32>>, Error> {
        self.base.labels()
    }
    fn fingerprint(&self) -> Result<u64, Error> {
        self.base.fingerprint()
    }

    fn stamp(&self) -> u64 {
        self.base.stamp()
    }

    fn warnings(&self) -> Vec<String> {
        self.base.warnings()
    }
}
