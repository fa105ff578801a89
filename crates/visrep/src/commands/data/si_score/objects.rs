//! Objects and backgrounds as they lie in their folders, and which go together.

use crate::commands::made::files::Failure;
use anyhow::{Context, Result, bail};
use rand::seq::index;
use std::path::{Path, PathBuf};
use visrep_augment::{RgbImage, view_rng};
use visrep_data::{Dataset, ImageFiles, ImageFolder, SampleImage};
use visrep_decode::{Color, DecodeOptions, decode, decode_alpha, read_header};
use visrep_robustness::si_score::{Layer, square_background};
use visrep_robustness::{SI_SCORE_CLASSES, si_score_class};

/// Every object with each background that it is laid over.
pub(super) struct Scenes {
    objects: ImageFolder,
    backgrounds: ImageFiles,
    masks: Option<Masks>,
    /// Of each scene the object and the background.
    pairs: Vec<(usize, usize)>,
    per_object: usize,
}

struct Masks {
    folder: PathBuf,
    files: ImageFiles,
}

/// What a scene is made of.
pub(super) struct Scene {
    pub(super) object: Layer,
    pub(super) background: RgbImage,
}

/// A row of the tables: the class, and which of its objects, from 0.
pub(super) struct Instance {
    pub(super) class: usize,
    pub(super) instance: usize,
    pub(super) background: usize,
}

impl Scenes {
    /// Lists the files and looks at the objects' headers, so that what cannot work is told at once.
    pub(super) fn open(
        foregrounds: &Path,
        masks: Option<&Path>,
        backgrounds: &Path,
        per_object: usize,
        seed: u64,
    ) -> Result<Self> {
        let objects = ImageFolder::open(foregrounds).context("--foregrounds")?;
        for class in objects.classes() {
            if si_score_class(class).is_none() {
                let near =
                    SI_SCORE_CLASSES.iter().map(|&(name, _)| (strsim::jaro_winkler(name, class), name));
                let near = near.max_by(|a, b| a.0.total_cmp(&b.0)).map_or("koala", |(_, name)| name);
                bail!(
                    "--foregrounds: {} is no class of SI-Score and no synset of ImageNet-1k: name it after what it shows (near is \
                     '{near}'), or by its synset (such as n01882714)",
                    foregrounds.join(class).display()
                );
            }
        }
        let masks = match masks {
            Some(folder) => {
                let files = ImageFiles::below(folder).context("--masks")?;
                Some(Masks { folder: folder.into(), files })
            }
            None => None,
        };
        let files = ImageFiles::below(backgrounds).context("--backgrounds")?;
        if files.is_empty() {
            bail!("--backgrounds: there are no pictures below {}", backgrounds.display());
        }
        let count = files.len();
        if per_object > count {
            bail!(
                "--backgrounds-per-object {per_object}: {} holds {count}; add some, or ask for fewer",
                backgrounds.display()
            );
        }
        let pairs = (0..objects.len()).flat_map(|object| {
            let mut rng = view_rng(seed, 0, object as u64, 0);
            index::sample(&mut rng, count, per_object).into_iter().map(move |background| (object, background))
        });
        let pairs = pairs.collect();
        let scenes = Self { objects, backgrounds: files, masks, pairs, per_object };
        scenes.check_alpha(foregrounds)?;
        Ok(scenes)
    }

    fn check_alpha(&self, foregrounds: &Path) -> Result<()> {
        if let Some(masks) = &self.masks {
            for object in 0..self.objects.len() {
                masks.path(&self.objects.key(object))?;
            }
            return Ok(());
        }
        for object in 0..self.objects.len() {
            // What cannot be read at all is told when its turn comes, and costs only itself.
            let Ok(header) = encoded(&self.objects, object).map(|bytes| read_header(&bytes)) else {
                continue;
            };
            if let Ok(header) = header
                && !matches!(header.color, Color::Rgba | Color::GrayAlpha)
            {
                bail!(
                    "--foregrounds: {} has no alpha channel, so that nothing says where the object is: save it as a PNG with \
                     transparency, or give --masks",
                    foregrounds.join(self.objects.key(object)).display()
                );
            }
        }
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.pairs.len()
    }

    pub(super) fn objects(&self) -> usize {
        self.objects.len()
    }

    pub(super) fn backgrounds(&self) -> usize {
        self.backgrounds.len()
    }

    pub(super) fn per_object(&self) -> usize {
        self.per_object
    }

    pub(super) fn classes(&self) -> &[String] {
        self.objects.classes()
    }

    pub(super) fn background_names(&self) -> impl Iterator<Item = String> + '_ {
        (0..self.backgrounds.len()).map(|background| self.backgrounds.key(background))
    }

    pub(super) fn class_of(&self, scene: usize) -> &str {
        let label = self.objects.label(self.pairs[scene].0).unwrap_or_default();
        &self.objects.classes()[label as usize]
    }

    /// Every scene's row, in order.
    pub(super) fn instances(&self) -> impl Iterator<Item = Instance> + '_ {
        let mut seen = vec![0_usize; self.objects.classes().len()];
        let mut last = None;
        self.pairs.iter().map(move |&(object, background)| {
            let class = self.objects.label(object).unwrap_or_default() as usize;
            if last != Some(object) {
                seen[class] += 1;
                last = Some(object);
            }
            Instance { class, instance: seen[class] - 1, background }
        })
    }

    /// A number for the files, their names and sizes.
    pub(super) fn fingerprint(&self) -> Result<String> {
        let masks = self.masks.as_ref().map(|masks| masks.files.fingerprint()).transpose()?;
        let all = [self.objects.fingerprint()?, self.backgrounds.fingerprint()?, masks.unwrap_or_default()];
        Ok(all.map(|number| format!("{number:016x}")).join(" "))
    }

    /// Reads what scene `nth` is made of; the background has this side.
    pub(super) fn read(&self, nth: usize, side: u32) -> Result<Scene, Failure> {
        let (object, background) = self.pairs[nth];
        let (key, below) = (self.objects.key(object), self.backgrounds.key(background));
        let broken =
            |key: &str, problem: &dyn std::fmt::Display| Failure::Broken(format!("{key}: {problem}"));
        let bytes = encoded(&self.objects, object)?;
        let options = DecodeOptions::default();
        let color = decode(&bytes, &options).map_err(|error| broken(&key, &error))?;
        let alpha = match &self.masks {
            None => decode_alpha(&bytes, &options)
                .map_err(|error| broken(&key, &error))?
                .ok_or_else(|| broken(&key, &"has no alpha channel"))?,
            Some(masks) => {
                let path = masks.path(&key)?;
                let named = path.display().to_string();
                let bytes = std::fs::read(&path).map_err(|error| broken(&named, &error))?;
                let mask = decode(&bytes, &options).map_err(|error| broken(&named, &error))?;
                if (mask.width(), mask.height()) != (color.width(), color.height()) {
                    let sizes = [&mask, &color].map(|image| format!("{}x{}", image.width(), image.height()));
                    let problem =
                        format!("is {}, and its object {}: they must be of one size", sizes[0], sizes[1]);
                    return Err(broken(&named, &problem));
                }
                mask.data().iter().step_by(3).copied().collect()
            }
        };
        let object = Layer::new(color, alpha).map_err(|error| broken(&key, &error))?;
        if object.is_transparent() {
            return Err(broken(&key, &"is transparent all over: there is no object"));
        }
        let picture = encoded(&self.backgrounds, background)?;
        let picture = decode(&picture, &options).map_err(|error| broken(&below, &error))?;
        Ok(Scene { object, background: square_background(&picture, side) })
    }
}

impl Masks {
    /// The mask of the object `key`: the file of the same name, with whichever ending.
    fn path(&self, key: &str) -> Result<PathBuf> {
        let stem = |key: &str| Path::new(key).with_extension("");
        let wanted = stem(key);
        let found = (0..self.files.len()).map(|file| self.files.key(file)).find(|file| stem(file) == wanted);
        let found = found.with_context(|| {
            format!("--masks: there is no mask of {key}: {}.png", self.folder.join(&wanted).display())
        })?;
        Ok(self.folder.join(found))
    }
}

/// The bytes of a file.
fn encoded(data: &dyn Dataset, index: usize) -> Result<bytes::Bytes, visrep_data::Error> {
    match data.get(index)?.image {
        SampleImage::Encoded(bytes) => Ok(bytes),
        SampleImage::Decoded(_) => {
            Err(visrep_data::Error::Row { key: data.key(index), problem: "is no file".to_owned() })
        }
    }
}
