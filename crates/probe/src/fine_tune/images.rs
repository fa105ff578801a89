//! What fine-tuning does to images before the network sees them.

use crate::Error;
use std::fmt;
use std::sync::Arc;
use visrep_augment::presets::Step;
use visrep_augment::{
    Compose, CropSampling, Filter, RandomCrop, RandomHorizontalFlip, Resize, Rng, Transform, View, presets,
};
use visrep_models::Preprocessing;

/// Which changes of a training image leave its label right. Mirrored, a digit may be no digit, and what is cut off cannot be
/// counted: protocols that augment leave out what a task does not stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LabelKeeping {
    /// Mirroring left and right.
    pub flip: bool,
    /// Cropping at random places.
    pub crop: bool,
}

impl Default for LabelKeeping {
    /// Both, as for photographs of objects.
    fn default() -> Self {
        Self { flip: true, crop: true }
    }
}

/// The transforms of training and of evaluation, both to squares of one size.
#[derive(Clone)]
pub struct ImagePipeline {
    description: String,
    size: u32,
    train: Arc<dyn Transform>,
    evaluation: Arc<dyn Transform>,
}

impl ImagePipeline {
    /// Transforms of one's own, which must give images of `size` x `size` pixels; `description` says what they do.
    pub fn new(
        description: impl Into<String>,
        size: u32,
        train: impl Transform + 'static,
        evaluation: impl Transform + 'static,
    ) -> Self {
        let description = description.into();
        Self { description, size, train: Arc::new(train), evaluation: Arc::new(evaluation) }
    }

    /// BiT's: both edges resized to `resize`, a random crop of `crop` pixels and a flip; in evaluation both edges resized to `crop`.
    /// Of crop and flip only what `keeping` allows; without the crop, training images are resized as in evaluation. Errs on sizes
    /// that no image can have.
    pub fn bit(resize: u32, crop: u32, keeping: LabelKeeping) -> Result<Self, Error> {
        let bilinear = Filter::Bilinear;
        let (mut train, mut steps) = (Compose::new(), "bilinear antialiased".to_owned());
        let side = if keeping.crop { resize } else { crop };
        train = train.then(Resize::exact(side, side, bilinear)?);
        if keeping.crop {
            train = train.then(RandomCrop::new(crop)?);
            steps += &format!(", random crop {crop}");
        }
        if keeping.flip {
            train = train.then(RandomHorizontalFlip::new(0.5)?);
            steps += ", flip";
        }
        let description = format!("training: both edges {side} {steps}; evaluation: both edges {crop}");
        Ok(Self::new(description, crop, train, Resize::exact(crop, crop, bilinear)?))
    }

    /// MAE's: a random resized crop, a flip, RandAugment `rand-m9-mstd0.5-inc1` and random erasing with probability 0.25; in
    /// evaluation the centre of the resized image, 224 of 256 pixels at any size. Errs on a size that no image can have.
    pub fn mae(size: u32) -> Result<Self, Error> {
        // timm's fill: 255 times ImageNet's mean.
        let fill = [124, 116, 104];
        let crop = random_resized(size);
        let config = "rand-m9-mstd0.5-inc1";
        let steps = [
            crop,
            Step::Flip { p: 0.5 },
            Step::TimmAugment { config, fill, interpolation: Some(Filter::Bicubic) },
            Step::RandomErasing { p: 0.25 },
        ];
        let train = steps.iter().try_fold(Compose::new(), |compose, step| step.add_to(compose))?;
        let resize = (u64::from(size) * 256 / 224) as u32;
        let description = format!(
            "training: random resized crop {size} bicubic, flip, {config}, random erasing 0.25; evaluation: shortest edge \
             {resize} bicubic antialiased, centre crop {size}"
        );
        Ok(Self::new(description, size, train, presets::eval(resize, size, Filter::Bicubic)?))
    }

    /// The transfer protocol's (Kornblith et al. 2019): Inception's random resized crop and a flip; in evaluation the shortest edge
    /// resized to `size` and the centre cropped, as where the network stays frozen. Errs on a size that no image can have.
    pub fn inception(size: u32) -> Result<Self, Error> {
        let steps = [random_resized(size), Step::Flip { p: 0.5 }];
        let train = steps.iter().try_fold(Compose::new(), |compose, step| step.add_to(compose))?;
        let description = format!(
            "training: random resized crop {size} (area 0.08 to 1, aspect 3/4 to 4/3) bicubic, flip; evaluation: shortest edge \
             {size} bicubic antialiased, centre crop {size}"
        );
        Ok(Self::new(description, size, train, presets::eval(size, size, Filter::Bicubic)?))
    }

    /// Both edges resized, in training and in evaluation alike. Errs on a size that no image can have.
    pub fn squash(size: u32) -> Result<Self, Error> {
        let resize = || Resize::exact(size, size, Filter::Bilinear);
        Ok(Self::new(format!("both edges {size} bilinear antialiased"), size, resize()?, resize()?))
    }

    /// What is done, in words.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The side of the squares in pixels.
    pub fn size(&self) -> u32 {
        self.size
    }

    pub(super) fn train(&self) -> impl Transform + 'static {
        Shared(Arc::clone(&self.train))
    }

    pub(super) fn evaluation(&self) -> impl Transform + 'static {
        Shared(Arc::clone(&self.evaluation))
    }
}

impl fmt::Debug for ImagePipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImagePipeline").field("description", &self.description).finish_non_exhaustive()
    }
}

/// Of Inception's range of areas and aspects, as torchvision draws them.
fn random_resized(size: u32) -> Step {
    Step::RandomResizedCrop {
        size,
        scale: (0.08, 1.0),
        ratio: (3.0 / 4.0, 4.0 / 3.0),
        filter: Filter::Bicubic,
        sampling: CropSampling::Torchvision,
    }
}

/// A transform that several loaders use.
struct Shared(Arc<dyn Transform>);

impl Transform for Shared {
    fn draw(&self, view: &mut View, rng: &mut Rng) {
        self.0.draw(view, rng);
    }
}

/// How pixels become the network's input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Normalisation {
    /// By the mean and deviation that the model was trained with.
    Model,
    /// `(x / 255 - mean) / std` by these.
    Constants {
        /// Subtracted per RGB channel, after scaling to \[0, 1\].
        mean: [f64; 3],
        /// Divided by, per RGB channel.
        std: [f64; 3],
    },
}

impl Normalisation {
    /// To \[0, 1\]: VTAB's.
    pub const UNIT: Self = Self::Constants { mean: [0.0; 3], std: [1.0; 3] };

    /// What a model of `preprocessing` is given under it.
    pub(crate) fn of(self, preprocessing: &Preprocessing) -> Preprocessing {
        match self {
            Self::Model => preprocessing.clone(),
            Self::Constants { mean, std } => Preprocessing { mean, std, ..preprocessing.clone() },
        }
    }
}

impl fmt::Display for Normalisation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Model => f.write_str("the model's own mean and std"),
            Self::Constants { mean, std } => write!(f, "mean {mean:?}, std {std:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use visrep_augment::{RgbImage, view_rng};

    #[test]
    fn images_are_mirrored_and_cropped_only_where_labels_stand_it() {
        // Brighter to the right, with one dark column at the left end.
        let image = RgbImage::from_fn(20, 20, |x, _| if x == 0 { [0; 3] } else { [100 + 5 * x as u8; 3] });
        let seen = |flip, crop| -> (bool, bool) {
            let pipeline = ImagePipeline::bit(20, 16, LabelKeeping { flip, crop }).unwrap();
            assert_eq!(pipeline.description().contains("flip"), flip);
            assert_eq!(pipeline.description().contains("random crop"), crop);
            let views =
                (0..40).map(|seed| pipeline.train().apply(image.clone(), &mut view_rng(seed, 0, 0, 0)));
            let views: Vec<_> = views.collect();
            assert!(views.iter().all(|view| (view.width(), view.height()) == (16, 16)));
            let mirrored = views.iter().any(|view| view.pixel(3, 8)[0] > view.pixel(12, 8)[0]);
            let whole = |view: &RgbImage| [0, 15].iter().any(|&x| view.pixel(x, 8)[0] < 90);
            (mirrored, !views.iter().all(whole))
        };
        for (flip, crop) in [(true, true), (true, false), (false, true), (false, false)] {
            assert_eq!(seen(flip, crop), (flip, crop));
        }
    }
}
