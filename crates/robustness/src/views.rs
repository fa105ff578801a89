//! A dataset that has every sample clean and under each corruption and severity.

use crate::Error;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use visrep_augment::{Compose, RgbImage, Transform, view_rng};
use visrep_corrupt::{Corruption, Scale, Severity, corrupt, keyed_seed};
use visrep_data::{Dataset, Sample, SampleImage, decode_sample};
use visrep_decode::DecodeOptions;

/// What was done to an image: nothing, or a corruption at a severity.
pub type Condition = Option<(Corruption, Severity)>;

/// How many prepared images are kept: enough for as many threads to work on different samples.
const KEPT: usize = 32;

/// Every sample of a dataset under each of several conditions, as evaluated by ImageNet-C.
///
/// The evaluation transform (resize and centre crop) comes first and the corruption is applied to the result, as
/// ImageNet-C's images were made at the size that the model sees; what `get` gives needs no further transform.
/// Unlike the published files there is no JPEG step after the corruption.
///
/// The conditions of one sample follow each other: index = sample · conditions + condition. A loader that goes in
/// order thus decodes and resizes each image once. A corruption's random numbers depend on the sample's key, the
/// corruption, the severity and the seed alone ([`keyed_seed`]).
pub struct CorruptedViews {
    data: Arc<dyn Dataset>,
    transform: Compose,
    conditions: Vec<Condition>,
    scale: Scale,
    seed: u64,
    prepared: Mutex<VecDeque<(usize, Slot)>>,
}

/// Filled by the first thread that needs the sample, while others wait for it.
type Slot = Arc<Mutex<Option<Sample>>>;

impl CorruptedViews {
    /// `conditions` of `data`, whose images `transform` brings to `size` x `size` pixels; corruptions use the
    /// constants made for the nearest published size.
    pub fn new(
        data: Arc<dyn Dataset>,
        transform: Compose,
        size: u32,
        conditions: Vec<Condition>,
        seed: u64,
    ) -> Result<Self, Error> {
        if conditions.is_empty() {
            return Err(Error::NoCorruptions);
        }
        let scale = Scale::for_size(size, size);
        Ok(Self { data, transform, conditions, scale, seed, prepared: Mutex::default() })
    }

    /// The conditions, in the order in which they follow each other.
    pub fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    /// The table of constants in use.
    pub fn scale(&self) -> Scale {
        self.scale
    }

    /// The sample with its image decoded and transformed, prepared once.
    fn prepare(&self, index: usize) -> Result<Sample, visrep_data::Error> {
        let slot = {
            let mut prepared = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
            match prepared.iter().find(|(at, _)| *at == index) {
                Some((_, slot)) => Arc::clone(slot),
                None => {
                    if prepared.len() == KEPT {
                        prepared.pop_front();
                    }
                    let slot = Slot::default();
                    prepared.push_back((index, Arc::clone(&slot)));
                    slot
                }
            }
        };
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sample) = &*slot {
            return Ok(sample.clone());
        }
        let mut sample = self.data.get(index)?;
        let image = decode_sample(&sample, &DecodeOptions::default())?;
        sample.image =
            SampleImage::Decoded(self.transform.apply(image, &mut view_rng(self.seed, 0, index as u64, 0)));
        *slot = Some(sample.clone());
        Ok(sample)
    }

    fn corrupted(
        &self,
        key: &str,
        image: &RgbImage,
        condition: Condition,
    ) -> Result<RgbImage, visrep_data::Error> {
        let Some((corruption, severity)) = condition else { return Ok(image.clone()) };
        let seed = keyed_seed(key, corruption, severity, self.seed);
        corrupt(image, corruption, severity, self.scale, seed).map_err(|error| visrep_data::Error::Row {
            key: key.into(),
            problem: format!("cannot apply {corruption} at severity {}: {error}", severity.get()),
        })
    }
}

impl Dataset for CorruptedViews {
    fn len(&self) -> usize {
        self.data.len() * self.conditions.len()
    }

    fn get(&self, index: usize) -> Result<Sample, visrep_data::Error> {
        let mut sample = self.prepare(index / self.conditions.len())?;
        if let SampleImage::Decoded(image) = &sample.image {
            let condition = self.conditions[index % self.conditions.len()];
            sample.image = SampleImage::Decoded(self.corrupted(&sample.key, image, condition)?);
        }
        Ok(sample)
    }

    fn label(&self, index: usize) -> Option<u32> {
        self.data.label(index / self.conditions.len())
    }

    fn classes(&self) -> &[String] {
        self.data.classes()
    }
}
