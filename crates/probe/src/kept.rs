//! Vectors of single images, known by the images' contents: what one test set has of another is not computed again.

use crate::benchmark::compute_protocol;
use crate::cache::{self, numbers, seal, sealed};
use crate::extract::{CHECKED, agreement};
use crate::identity::{ImageDigest, device_kind, weights_hash};
use crate::{Error, SuiteContext};
use safetensors::tensor::Dtype;
use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use visrep_models::Model;
use visrep_torch::Precision;

/// The most bytes of vectors in one file, which is read and written whole: 134,000 rows of 1000 logits.
const MOST: usize = 512 << 20;

/// How long a pass may go on before what it found is written.
const AT_RISK: Duration = Duration::from_secs(300);

/// Vectors that a model makes of images, each found by its image's [`ImageDigest`], in one file of a cache folder.
///
/// The file is another for other weights, another way to prepare images, another precision, memory format or kind of device, another
/// kind of vector, and another *shelf*: the name of images that are kept together, which bounds how much is read for one of them. A file
/// that is damaged counts as none. No more than 512 MiB of vectors are kept on a shelf; what comes after that is not.
///
/// A vector is what the batch that its image was in gave: where a kernel sums in another order for a batch of another size, one that
/// is kept and one that is computed differ in their last bits.
#[derive(Debug)]
pub struct KeptVectors {
    path: PathBuf,
    dim: usize,
    precision: Precision,
    /// Where each image's vector is, in rows.
    places: HashMap<ImageDigest, usize>,
    values: Vec<f32>,
    /// Whether the file lacks some of these.
    changed: bool,
    written: Instant,
}

impl KeptVectors {
    /// What is kept of vectors of `kind`, `dim` long, of the images of `shelf`, prepared as `preprocessing` says in words; `None` where
    /// the context has no folder for it.
    ///
    /// # Errors
    /// Weights that cannot be read.
    pub fn open(
        model: &Model,
        context: &SuiteContext,
        (kind, dim): (&str, usize),
        preprocessing: &str,
        shelf: &str,
    ) -> Result<Option<Self>, Error> {
        let Some(folder) = &context.cache else { return Ok(None) };
        let [(_, precision), (_, format)] = compute_protocol(model, context.precision);
        let (weights, device) = (weights_hash(model)?, device_kind(model));
        let parts = ["vectors of images", kind, shelf, &weights, preprocessing, &precision, &format, device];
        let path = cache::path(folder, &parts);
        let (places, values) = read(&path, dim).unwrap_or_default();
        let (precision, written) = (context.precision, Instant::now());
        Ok(Some(Self { path, dim, precision, places, values, changed: false, written }))
    }

    /// How many images have a vector.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether none has.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The vector of an image.
    pub fn get(&self, image: &ImageDigest) -> Option<&[f32]> {
        let place = *self.places.get(image)?;
        self.values.get(place * self.dim..(place + 1) * self.dim)
    }

    /// Keeps the vector of an image that has none yet, where there is room.
    ///
    /// # Errors
    /// A vector of another length.
    pub fn insert(&mut self, image: ImageDigest, vector: &[f32]) -> Result<(), Error> {
        if vector.len() != self.dim {
            let (got, expected) = (vec![vector.len() as i64], format!("{} values", self.dim));
            return Err(Error::Shape { what: "vector of an image", got, expected });
        }
        if (self.values.len() + self.dim) * size_of::<f32>() <= MOST && !self.places.contains_key(&image) {
            self.places.insert(image, self.places.len());
            self.values.extend(vector);
            self.changed = true;
        }
        Ok(())
    }

    /// The places of a few of those of `images` that have a vector, evenly spread: today's code must make of them what is kept, or
    /// it is not to be trusted.
    pub fn to_check(&self, images: &[ImageDigest]) -> Vec<usize> {
        let known: Vec<usize> =
            (0..images.len()).filter(|&index| self.places.contains_key(&images[index])).collect();
        let count = CHECKED.min(known.len());
        (0..count).map(|nth| known[nth * known.len() / count]).collect()
    }

    /// Whether `now` is what is kept of an image, up to the order of sums.
    pub fn agrees(&self, image: &ImageDigest, now: &[f32]) -> bool {
        let Some(then) = self.get(image).filter(|then| then.len() == now.len()) else { return false };
        let largest = now.iter().fold(0.0, |largest: f32, value| largest.max(value.abs()));
        let most = f64::from(largest) * agreement(self.precision);
        then.iter().zip(now).all(|(then, now)| f64::from((then - now).abs()) <= most)
    }

    /// Forgets every vector.
    pub fn clear(&mut self) {
        self.changed |= !self.places.is_empty();
        self.places.clear();
        self.values.clear();
    }

    /// Writes the file where it lacks something; it appears whole or not at all.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn save(&mut self) -> Result<(), Error> {
        if self.changed {
            let mut images = vec![0_u8; self.len() * 32];
            for (image, &place) in &self.places {
                images[place * 32..][..32].copy_from_slice(image);
            }
            let vectors: Vec<u8> = self.values.iter().flat_map(|value| value.to_le_bytes()).collect();
            let tensors = [
                ("images", Dtype::U8, vec![self.len(), 32], &images[..]),
                ("vectors", Dtype::F32, vec![self.len(), self.dim], &vectors[..]),
            ];
            seal(&self.path, tensors)?;
        }
        (self.changed, self.written) = (false, Instant::now());
        Ok(())
    }

    /// [`Self::save`] where the last was five minutes ago: a long pass asks after each batch.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn save_now_and_then(&mut self) -> Result<(), Error> {
        if self.written.elapsed() >= AT_RISK { self.save() } else { Ok(()) }
    }
}

type Rows = (HashMap<ImageDigest, usize>, Vec<f32>);

/// `None` where there is no file, or one that is damaged or of vectors of another length.
fn read(path: &std::path::Path, dim: usize) -> Option<Rows> {
    let file = std::fs::read(path).ok()?;
    let names = [("images", Dtype::U8), ("vectors", Dtype::F32)];
    let [(of_images, images), (of_vectors, vectors)] = sealed(&file, names)?;
    let images = images.as_chunks::<32>().0;
    if of_images != [images.len(), 32] || of_vectors != [images.len(), dim] {
        return None;
    }
    let places = images.iter().enumerate().map(|(place, image)| (*image, place)).collect();
    Some((places, numbers(vectors, f32::from_le_bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use visrep_models::ModelOptions;

    fn model(seed: i64) -> Model {
        let options = ModelOptions { num_classes: Some(3), seed: Some(seed), ..Default::default() };
        Model::create("resnet18_cifar_w16", &options).unwrap()
    }

    fn open(model: &Model, context: &SuiteContext, shelf: &str) -> KeptVectors {
        KeptVectors::open(model, context, ("logits", 2), "as it is", shelf).unwrap().unwrap()
    }

    #[test]
    fn vectors_are_found_by_what_made_them() {
        let folder = tempfile::tempdir().unwrap();
        let context = SuiteContext { cache: Some(folder.path().join("new")), ..Default::default() };
        let model = model(1);
        let mut kept = open(&model, &context, "val");
        kept.insert([1; 32], &[0.5, -1.0]).unwrap();
        kept.insert([2; 32], &[f32::MIN_POSITIVE, 3.0]).unwrap();
        kept.insert([1; 32], &[9.0, 9.0]).unwrap();
        assert!(kept.insert([3; 32], &[1.0]).unwrap_err().to_string().contains("2 values"));
        kept.save_now_and_then().unwrap();
        assert!(open(&model, &context, "val").is_empty(), "it is not time yet");
        kept.save().unwrap();
        let again = open(&model, &context, "val");
        assert_eq!(
            (again.len(), again.get(&[1; 32]), again.get(&[3; 32])),
            (2, Some(&[0.5, -1.0][..]), None)
        );
        assert_eq!(again.get(&[2; 32]), Some(&[f32::MIN_POSITIVE, 3.0][..]));

        assert!(open(&model, &context, "sketch").is_empty(), "another shelf");
        assert!(open(&self::model(2), &context, "val").is_empty(), "other weights");
        let bf16 = SuiteContext { precision: Precision::Bf16, ..context.clone() };
        assert!(open(&model, &bf16, "val").is_empty(), "another precision");
        let of =
            |kind, words| KeptVectors::open(&model, &context, kind, words, "val").unwrap().unwrap().len();
        assert_eq!((of(("logits", 2), "cropped"), of(("features", 2), "as it is")), (0, 0));
        assert_eq!((of(("logits", 3), "as it is"), of(("logits", 2), "as it is")), (0, 2));
        assert!(
            KeptVectors::open(&model, &SuiteContext::default(), ("logits", 2), "", "").unwrap().is_none()
        );
    }

    #[test]
    fn what_is_kept_is_checked_and_damage_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let context = SuiteContext { cache: Some(folder.path().to_owned()), ..Default::default() };
        let model = model(1);
        let mut kept = open(&model, &context, "val");
        (0..40).for_each(|image| kept.insert([image; 32], &[f32::from(image), 100.0]).unwrap());
        kept.save().unwrap();
        let images: Vec<ImageDigest> = (20..60).map(|image| [image; 32]).collect();
        let known = kept.to_check(&images);
        assert_eq!((known.len(), known[0], known.iter().all(|&place| place < 20)), (CHECKED, 0, true));
        assert!(kept.to_check(&[[77; 32]]).is_empty());
        assert!(kept.agrees(&[7; 32], &[7.0, 100.001]) && !kept.agrees(&[7; 32], &[7.1, 100.0]));
        assert!(!kept.agrees(&[99; 32], &[7.0, 100.0]) && !kept.agrees(&[7; 32], &[7.0, f32::NAN]));

        let path = kept.path.clone();
        let whole = std::fs::read(&path).unwrap();
        for at in [0, 9, whole.len() / 2, whole.len() - 1] {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            std::fs::write(&path, damaged).unwrap();
            assert!(open(&model, &context, "val").is_empty(), "byte {at}");
        }
        std::fs::write(&path, &whole[..whole.len() - 4]).unwrap();
        assert!(open(&model, &context, "val").is_empty());
        kept.clear();
        kept.insert([5; 32], &[1.0, 2.0]).unwrap();
        kept.save().unwrap();
        assert_eq!(open(&model, &context, "val").len(), 1);
    }
}
