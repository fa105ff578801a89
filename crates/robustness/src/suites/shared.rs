//! Passes over stored images whose logits other suites ask for too: ImageNet's validation images are in many of them.

use super::head::{Pass, View};
use crate::Error;
use std::collections::HashMap;
use std::ops::{ControlFlow, Range};
use std::sync::{Arc, Mutex, PoisonError};
use tch::Tensor;
use visrep_data::{Batch, Dataset, Map, Subset};
use visrep_probe::{ImageDigest, KeptVectors, image_digest, image_digests};

/// The shelf of ImageNet's validation images, all of them and any selection.
pub(super) const VAL_IMAGES: &str = "imagenet-val";

/// What `take` of [`Pass::each_until`] is.
type Take<'t> = dyn FnMut(&Batch, &Tensor) -> Result<ControlFlow<()>, Error> + 't;

impl Pass<'_> {
    /// The logits that the cache keeps on a shelf of images under the evaluation transform; `None` where there is no cache.
    pub(super) fn kept(&self, shelf: &str) -> Result<Option<KeptVectors>, Error> {
        let Self { model, context } = *self;
        let classes = usize::try_from(model.num_classes()).unwrap_or_default();
        let words = format!("evaluation: {:?}", model.preprocessing());
        Ok(KeptVectors::open(model, context, ("logits", classes), &words, shelf)?)
    }

    /// [`Pass::each_until`] by what is [`Self::kept`], where only images that lack logits are forwarded, and a few others to see that what is
    /// kept is what would be computed. Batches have no pixels.
    pub(super) fn each_kept(
        &self,
        data: &Arc<dyn Dataset>,
        mut kept: KeptVectors,
        what: &str,
        take: &mut Take<'_>,
    ) -> Result<(), Error> {
        let context = self.context;
        let mut known = Vec::new();
        if !kept.is_empty() {
            known = image_digests(data.as_ref(), context.workers, context.progress)?;
            if !self.is_current(data, &kept, &known)? {
                kept.clear();
            }
        }
        let lacks = |index: &usize| known.get(*index).is_none_or(|image| kept.get(image).is_none());
        let missing: Vec<usize> = (0..data.len()).filter(lacks).collect();
        let labels = data.labels()?.into_iter().map(|label| label.map_or(-1, i64::from)).collect();
        let mut row = Row { pass: self, data, labels, known: &known, next: 0, ended: false };
        let passed = self.forward_missing(&missing, &mut kept, what, &mut row, take);
        // Whatever went wrong, what was computed is not lost.
        kept.save()?;
        passed?;
        row.give(data.len(), &kept, &HashMap::new(), take)
    }

    /// Forwards those of a row's images that have no logits yet, and gives all up to the last of them.
    fn forward_missing(
        &self,
        missing: &[usize],
        kept: &mut KeptVectors,
        what: &str,
        row: &mut Row<'_>,
        take: &mut Take<'_>,
    ) -> Result<(), Error> {
        if missing.is_empty() {
            return Ok(());
        }
        let classes = self.model.num_classes() as usize;
        let (some, digests) = digested(Arc::new(Subset::new(Arc::clone(row.data), missing.to_vec())));
        self.features_until(some, View::Evaluation, what, |batch, features| {
            let logits = Vec::<f32>::try_from(self.head(batch, features, what)?.f_flatten(0, -1)?)?;
            let mut fresh = HashMap::new();
            for ((&at, key), logits) in
                batch.indices.iter().zip(&batch.keys).zip(logits.chunks_exact(classes))
            {
                if let Some(image) = digests.take(key) {
                    kept.insert(image, logits)?;
                }
                fresh.insert(missing[at], logits);
            }
            kept.save_now_and_then()?;
            let end = fresh.keys().max().map_or(0, |last| last + 1);
            row.give(end, kept, &fresh, take)?;
            Ok(if row.ended { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })
    }

    /// Whether a few of the images still have the logits that are kept of them.
    fn is_current(
        &self,
        data: &Arc<dyn Dataset>,
        kept: &KeptVectors,
        known: &[ImageDigest],
    ) -> Result<bool, Error> {
        let places = kept.to_check(known);
        if places.is_empty() {
            return Ok(true);
        }
        let few = Arc::new(Subset::new(Arc::clone(data), places.clone()));
        let mut current = true;
        let what = "what is kept";
        self.features_until(few, View::Evaluation, what, |batch, features| {
            let logits = Vec::<f32>::try_from(self.head(batch, features, what)?.f_flatten(0, -1)?)?;
            let rows = logits.chunks_exact(self.model.num_classes() as usize);
            current &= batch.indices.iter().zip(rows).all(|(&at, now)| kept.agrees(&known[places[at]], now));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(current)
    }
}

/// A set's images on their way to who takes them, in order.
struct Row<'a> {
    pass: &'a Pass<'a>,
    data: &'a Arc<dyn Dataset>,
    labels: Vec<i64>,
    /// The digests of all images, or none.
    known: &'a [ImageDigest],
    /// The first that was not given yet.
    next: usize,
    /// Whether enough were taken.
    ended: bool,
}

impl Row<'_> {
    /// Gives the images before `end` that were not given yet, by the logits that are `fresh` or `kept`.
    fn give(
        &mut self,
        end: usize,
        kept: &KeptVectors,
        fresh: &HashMap<usize, &[f32]>,
        take: &mut Take<'_>,
    ) -> Result<(), Error> {
        let context = self.pass.context;
        while self.next < end && !self.ended {
            context.go_on()?;
            let range: Range<usize> = self.next..end.min(self.next + context.batch_size.max(1));
            let of = |index: usize| fresh.get(&index).copied().or_else(|| kept.get(self.known.get(index)?));
            let logits: Vec<f32> = range.clone().filter_map(of).flatten().copied().collect();
            let batch = Batch {
                views: Vec::new(),
                labels: self.labels[range.clone()].to_vec(),
                indices: range.clone().collect(),
                keys: range.clone().map(|index| self.data.key(index)).collect(),
            };
            let logits =
                Tensor::from_slice(&logits).f_view([range.len() as i64, self.pass.model.num_classes()])?;
            self.ended = take(&batch, &logits)?.is_break();
            self.next = range.end;
        }
        Ok(())
    }
}

/// The digests of images that were read and not asked for yet, by key.
#[derive(Clone, Default)]
struct Digests(Arc<Mutex<HashMap<String, Option<ImageDigest>>>>);

impl Digests {
    fn add(&self, key: &str, image: ImageDigest) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = all.entry(key.to_owned()).or_insert(Some(image));
        // Two images of one key cannot be told apart.
        *entry = entry.filter(|known| *known == image);
    }

    fn take(&self, key: &str) -> Option<ImageDigest> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key).flatten()
    }
}

/// `data` whose images leave their digests when they are read.
fn digested(data: Arc<dyn Dataset>) -> (Arc<dyn Dataset>, Digests) {
    let digests = Digests::default();
    let seen = digests.clone();
    let data = Map::images(data, move |image, key| {
        seen.add(key, image_digest(&image));
        Ok(image)
    });
    (Arc::new(data), digests)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_of_one_key_are_not_confused() {
        let digests = Digests::default();
        digests.add("a", [1; 32]);
        digests.add("b", [2; 32]);
        digests.add("b", [3; 32]);
        assert_eq!((digests.take("a"), digests.take("b"), digests.take("a")), (Some([1; 32]), None, None));
        digests.add("b", [2; 32]);
        assert_eq!(digests.take("b"), Some([2; 32]));
    }
}
