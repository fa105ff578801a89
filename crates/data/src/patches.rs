//! The photo-patch set: which photograph does this patch come from?
//!
//! Each photograph's longer side is cut into a band for testing, at a place drawn by the seed, and what lies
//! on either side of it, which is for training. A guard band keeps the two apart, so that no pixel of a test
//! patch, nor one close to it, is ever trained on. Photographs are decoded once when the set is made; patches
//! are cut out when they are asked for.

use crate::{Dataset, Error, Sample, SampleImage, decode_sample};
use rand::RngExt;
use std::sync::Arc;
use visrep_augment::{Rng, view_rng};
use visrep_decode::{DecodeOptions, Region, RgbImage};

/// How patches are cut. The default gives 64-px patches, 100 per photograph to train on and 40 to test on.
#[derive(Clone, Debug)]
pub struct PatchOptions {
    /// A patch's side in pixels.
    pub size: u32,
    /// Patches per photograph for training.
    pub train_per_photo: usize,
    /// Patches per photograph for testing.
    pub test_per_photo: usize,
    /// The share of the longer side that is for testing; raised to one patch where it is less.
    pub test_fraction: f64,
    /// Pixels between the regions for training and testing, which belong to neither.
    pub guard: u32,
    /// Decides where the regions and the patches lie.
    pub seed: u64,
    /// How photographs are decoded.
    pub decode: DecodeOptions,
}

impl Default for PatchOptions {
    fn default() -> Self {
        Self {
            size: 64,
            train_per_photo: 100,
            test_per_photo: 40,
            test_fraction: 0.25,
            guard: 16,
            seed: 0,
            decode: DecodeOptions::default(),
        }
    }
}

/// Patches of photographs, for training or for testing. The label is the photograph's index, its class name
/// the photograph's file name without extension; a patch's key is `photo.png@x,y`.
pub struct Patches {
    photos: Arc<Vec<Photo>>,
    classes: Arc<[String]>,
    size: u32,
    per_photo: usize,
    seed: u64,
    part: Part,
}

#[derive(Clone, Copy)]
enum Part {
    Train,
    Test,
}

struct Photo {
    image: RgbImage,
    key: String,
    /// Where the longer side may be cut for training (one or two ranges) and for testing: first pixel, length.
    train: Vec<(u32, u32)>,
    test: (u32, u32),
}

impl Patches {
    /// The sets for training and for testing. `photos` must be large enough for a test band, a guard band and
    /// a training band of a patch each.
    pub fn new(photos: Arc<dyn Dataset>, options: &PatchOptions) -> Result<(Self, Self), Error> {
        let option = |parameter, problem: &str| Err(Error::Option { parameter, problem: problem.into() });
        if options.size == 0 {
            return option("size", "a patch needs at least one pixel");
        }
        if !(0.0..1.0).contains(&options.test_fraction) {
            return option("test_fraction", "must be at least 0 and below 1");
        }
        let decoded: Result<Vec<_>, Error> =
            (0..photos.len()).map(|index| Photo::new(photos.get(index)?, index, options)).collect();
        let decoded = Arc::new(decoded?);
        if decoded.is_empty() {
            return option("photos", "there are none");
        }
        let classes: Arc<[String]> = class_names(&decoded).into();
        let part = |part, per_photo| Self {
            photos: decoded.clone(),
            classes: classes.clone(),
            size: options.size,
            per_photo,
            seed: options.seed,
            part,
        };
        Ok((part(Part::Train, options.train_per_photo), part(Part::Test, options.test_per_photo)))
    }

    /// Where patch `index` lies, and in which photograph.
    fn place(&self, index: usize) -> Result<(usize, Region), Error> {
        if index >= self.len() {
            return Err(Error::Index { index, len: self.len() });
        }
        let (label, nth) = (index / self.per_photo, index % self.per_photo);
        let photo = &self.photos[label];
        let (stream, bands) = match self.part {
            Part::Train => (1, photo.train.as_slice()),
            Part::Test => (2, std::slice::from_ref(&photo.test)),
        };
        let mut rng = view_rng(self.seed, stream, label as u64, nth as u64);
        let (width, height) = (photo.image.width(), photo.image.height());
        let along = draw_within(bands, self.size, &mut rng);
        let across = rng.random_range(0..=width.min(height) - self.size);
        let (x, y) = if width >= height { (along, across) } else { (across, along) };
        Ok((label, Region { x, y, width: self.size, height: self.size }))
    }
}

/// The start of a patch that lies wholly in one of `bands`, every such place being as likely.
fn draw_within(bands: &[(u32, u32)], size: u32, rng: &mut Rng) -> u32 {
    let places = |band: &(u32, u32)| band.1 - size + 1;
    let mut nth = rng.random_range(0..bands.iter().map(places).sum::<u32>());
    for band in bands {
        if nth < places(band) {
            return band.0 + nth;
        }
        nth -= places(band);
    }
    unreachable!("the draw is below the sum of the bands' places")
}

impl Photo {
    fn new(sample: Sample, index: usize, options: &PatchOptions) -> Result<Self, Error> {
        let image = decode_sample(&sample, &options.decode)?;
        let (width, height) = (image.width(), image.height());
        let (long, short) = (width.max(height), width.min(height));
        let size = options.size;
        let needed = size.saturating_mul(2).saturating_add(options.guard);
        if long < needed || short < size {
            return Err(Error::PhotoTooSmall { key: sample.key, width, height, needed, size });
        }
        let most = long - options.guard - size;
        let band = ((f64::from(long) * options.test_fraction).round() as u32).clamp(size, most);
        // Places that leave room for training on one side at least.
        let fits = |start: &u32| {
            let (left, right) = beside(*start, band, long, options.guard);
            left.1 >= size || right.1 >= size
        };
        let starts: Vec<u32> = (0..=long - band).filter(fits).collect();
        let mut rng = view_rng(options.seed, 0, index as u64, 0);
        let start = starts[rng.random_range(0..starts.len())];
        let (left, right) = beside(start, band, long, options.guard);
        let train = [left, right].into_iter().filter(|part| part.1 >= size).collect();
        Ok(Self { image, key: sample.key, train, test: (start, band) })
    }
}

/// What a band and its guards leave free on the left and on the right: first pixel, length.
fn beside(start: u32, band: u32, long: u32, guard: u32) -> ((u32, u32), (u32, u32)) {
    let after = start + band + guard;
    ((0, start.saturating_sub(guard)), (after, long.saturating_sub(after)))
}

/// The photographs' file names without folder and extension, or their keys where that is ambiguous.
fn class_names(photos: &[Photo]) -> Vec<String> {
    let stem = |photo: &Photo| {
        let name = photo.key.rsplit('/').next().unwrap_or(&photo.key);
        name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_owned()
    };
    let stems: Vec<_> = photos.iter().map(stem).collect();
    let distinct: std::collections::HashSet<_> = stems.iter().collect();
    if distinct.len() == stems.len() { stems } else { photos.iter().map(|photo| photo.key.clone()).collect() }
}

impl Dataset for Patches {
    fn len(&self) -> usize {
        self.photos.len() * self.per_photo
    }

    fn get(&self, index: usize) -> Result<Sample, Error> {
        let (label, region) = self.place(index)?;
        let photo = &self.photos[label];
        let key = self.key(index);
        let patch = photo.image.crop(region).map_err(|source| Error::Decode { key: key.clone(), source })?;
        Ok(Sample { image: SampleImage::Decoded(patch), label: u32::try_from(label).ok(), key })
    }

    fn label(&self, index: usize) -> Option<u32> {
        (index < self.len()).then(|| index / self.per_photo).and_then(|label| u32::try_from(label).ok())
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn key(&self, index: usize) -> String {
        self.place(index).map_or_else(
            |_| format!("sample {index}"),
            |(photo, region)| format!("{}@{},{}", self.photos[photo].key, region.x, region.y),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::InMemory;

    /// Photographs whose pixels say where they are.
    fn photos(sizes: &[(u32, u32)]) -> Arc<dyn Dataset> {
        let photo = |(index, (width, height)): (usize, &(u32, u32))| Sample {
            image: SampleImage::Decoded(RgbImage::from_fn(*width, *height, |x, y| {
                [(x % 256) as u8, (y % 256) as u8, (x / 256 * 16 + y / 256) as u8]
            })),
            label: None,
            key: format!("folder/photo{index}.png"),
        };
        Arc::new(InMemory::new(sizes.iter().enumerate().map(photo).collect(), vec![]))
    }

    /// The pixels of the photographs that a set's patches cover, along the longer side.
    fn covered(set: &Patches, label: u32, wide: bool) -> std::ops::Range<u32> {
        let starts: Vec<u32> = (0..set.len())
            .filter(|i| set.label(*i) == Some(label))
            .map(|i| {
                let region = set.place(i).unwrap().1;
                if wide { region.x } else { region.y }
            })
            .collect();
        *starts.iter().min().unwrap()..starts.iter().max().unwrap() + set.size
    }

    #[test]
    fn train_and_test_never_share_a_pixel_nor_come_close() {
        let sizes = [(512, 512), (300, 451), (451, 300), (144, 64), (64, 150)];
        for seed in 0..20 {
            let options = PatchOptions { seed, ..PatchOptions::default() };
            let (train, test) = Patches::new(photos(&sizes), &options).unwrap();
            for (label, (width, height)) in (0..).zip(sizes) {
                let band = covered(&test, label, width >= height);
                for index in (0..train.len()).filter(|i| train.label(*i) == Some(label)) {
                    let region = train.place(index).unwrap().1;
                    let start = if width >= height { region.x } else { region.y };
                    assert!(
                        start + 64 + 16 <= band.start || start >= band.end + 16,
                        "{seed} {label} {start} {band:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_patch_is_what_its_key_says_and_depends_on_the_seed_alone() {
        let source = photos(&[(300, 200), (200, 300)]);
        let (train, test) = Patches::new(source.clone(), &PatchOptions::default()).unwrap();
        assert_eq!((train.len(), test.len()), (200, 80));
        assert_eq!(train.classes(), ["photo0", "photo1"]);
        let sample = train.get(150).unwrap();
        assert_eq!(sample.label, Some(1));
        let SampleImage::Decoded(image) = &sample.image else { panic!("decoded") };
        assert_eq!((image.width(), image.height()), (64, 64));
        let place = train.place(150).unwrap().1;
        assert_eq!(sample.key, format!("folder/photo1.png@{},{}", place.x, place.y));
        let expected = source.get(1).unwrap();
        let SampleImage::Decoded(photo) = expected.image else { panic!("decoded") };
        assert_eq!(image, &photo.crop(place).unwrap());

        let again = Patches::new(source.clone(), &PatchOptions::default()).unwrap().0;
        let other = Patches::new(source, &PatchOptions { seed: 1, ..PatchOptions::default() }).unwrap().0;
        let keys = |set: &Patches| (0..set.len()).map(|i| set.key(i)).collect::<Vec<_>>();
        assert_eq!(keys(&again), keys(&train));
        assert_ne!(keys(&other), keys(&train));
    }

    #[test]
    fn a_photograph_that_is_too_small_is_named() {
        let error = Patches::new(photos(&[(300, 300), (143, 90)]), &PatchOptions::default()).err().unwrap();
        assert!(error.to_string().starts_with("folder/photo1.png: 143x90"), "{error}");
        assert!(Patches::new(photos(&[]), &PatchOptions::default()).is_err());
        for options in [
            PatchOptions { size: 0, ..PatchOptions::default() },
            PatchOptions { test_fraction: f64::NAN, ..PatchOptions::default() },
            PatchOptions { size: u32::MAX, ..PatchOptions::default() },
        ] {
            assert!(Patches::new(photos(&[(300, 300)]), &options).is_err());
        }
    }
}
