//! A dataset that has every sample under each of several corruptions and severities, made when they are asked for.

use crate::fingerprint::Fingerprint;
use crate::{Dataset, Error, Sample, SampleImage, decode_sample};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use visrep_augment::{Compose, RgbImage, Transform, view_rng};
use visrep_corrupt::{Corruption, Corruptor, Scale, Severity, keyed_seed};
use visrep_decode::DecodeOptions;

/// What was done to an image: nothing, or a corruption at a severity.
pub type Condition = Option<(Corruption, Severity)>;

/// How many prepared images are kept: enough for as many threads to work on different samples.
const KEPT: usize = 32;

/// Every sample of a dataset under each of several conditions, as evaluated by ImageNet-C.
///
/// The evaluation transform (resize and centre crop) comes first and the corruption is applied to the result, as
/// ImageNet-C's images were made at the size that the model sees; what `get` gives needs no further transform.
/// The published files went through JPEG after the corruption: here only where the [`Corruptor`] says so.
///
/// The conditions of one sample follow each other: index = sample · conditions + condition. A loader that goes in
/// order thus decodes and resizes each image once. A corruption's random numbers depend on the sample's key, the
/// corruption, the severity and the seed alone ([`keyed_seed`]).
///
/// ```
/// use std::sync::Arc;
/// use visrep_augment::Compose;
/// use visrep_corrupt::{Corruption, Corruptor, Scale, Severity};
/// use visrep_data::{CorruptedViews, Dataset, InMemory, Sample, SampleImage};
/// use visrep_decode::RgbImage;
///
/// let image = SampleImage::Decoded(RgbImage::from_fn(32, 32, |x, y| [(8 * x) as u8, (8 * y) as u8, 90]));
/// let data = InMemory::new(vec![Sample { image, label: Some(0), key: "a".into() }], vec!["ramp".into()]);
/// let conditions = Severity::ALL.map(|severity| Some((Corruption::Fog, severity)));
/// let corruptor = Corruptor::new(Scale::Cifar32);
/// let foggy = CorruptedViews::new(Arc::new(data), Compose::new(), corruptor, conditions.to_vec(), 0)?;
/// assert_eq!(foggy.len(), 5);
/// assert_eq!(foggy.get(4)?.key, "a");
/// # Ok::<(), visrep_data::Error>(())
/// ```
pub struct CorruptedViews {
    data: Arc<dyn Dataset>,
    transform: Compose,
    conditions: Vec<Condition>,
    corruptor: Corruptor,
    seed: u64,
    prepared: Mutex<VecDeque<(usize, Slot)>>,
}

/// Filled by the first thread that needs the sample, while others wait for it.
type Slot = Arc<Mutex<Option<Sample>>>;

impl CorruptedViews {
    /// `conditions` of `data`, of which there must be at least one; `transform` comes before the corruption.
    pub fn new(
        data: Arc<dyn Dataset>,
        transform: Compose,
        corruptor: Corruptor,
        conditions: Vec<Condition>,
        seed: u64,
    ) -> Result<Self, Error> {
        if conditions.is_empty() {
            let problem = "is empty: name at least one corruption and severity".into();
            return Err(Error::Option { parameter: "conditions", problem });
        }
        Ok(Self { data, transform, conditions, corruptor, seed, prepared: Mutex::default() })
    }

    /// The conditions, in the order in which they follow each other.
    pub fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    /// The table of constants in use.
    pub fn scale(&self) -> Scale {
        self.corruptor.scale()
    }

    /// The sample with its image decoded and transformed, prepared once.
    fn prepare(&self, index: usize) -> Result<Sample, Error> {
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

    fn corrupted(&self, key: &str, image: &RgbImage, condition: Condition) -> Result<RgbImage, Error> {
        let Some((corruption, severity)) = condition else { return Ok(image.clone()) };
        let seed = keyed_seed(key, corruption, severity, self.seed);
        self.corruptor.corrupt(image, corruption, severity, seed).map_err(|error| Error::Row {
            key: key.into(),
            problem: format!("cannot apply {corruption} at severity {}: {error}", severity.get()),
        })
    }
}

impl Dataset for CorruptedViews {
    fn len(&self) -> usize {
        self.data.len() * self.conditions.len()
    }

    fn get(&self, index: usize) -> Result<Sample, Error> {
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

    fn key(&self, index: usize) -> String {
        self.data.key(index / self.conditions.len())
    }

    fn labels(&self) -> Result<Vec<Option<u32>>, Error> {
        let labels = self.data.labels()?;
        Ok(labels.into_iter().flat_map(|label| std::iter::repeat_n(label, self.conditions.len())).collect())
    }

    /// Of the data, the conditions, the table of constants and the seed; the transform and the files that a corruption
    /// takes are not looked at.
    fn fingerprint(&self) -> Result<u64, Error> {
        let mut hash = Fingerprint::new();
        hash.number(self.data.fingerprint()?);
        for condition in &self.conditions {
            match condition {
                Some((corruption, severity)) => hash.text(&format!("{corruption} {}", severity.get())),
                None => hash.text(""),
            }
        }
        hash.text(&self.scale().to_string());
        hash.number(self.seed);
        Ok(hash.finish())
    }

    fn warnings(&self) -> Vec<String> {
        self.data.warnings()
    }
}
