//! The section `[views]`: what happens to an image before the network sees it.

use crate::{Error, Length};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use visrep_augment::{
    BlurMethod, ColorJitter, Compose, GaussianBlur, RandomApply, RandomGrayscale, RandomHorizontalFlip,
    RandomResizedCrop, Solarize, Transform,
};
use visrep_data::{ClassPositives, Dataset, SequencePositives, Views};
use visrep_methods::Method;

/// The pieces of a view, applied in this order: crop, flip, jitter, grey, blur, solarisation. What is left out does
/// nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewsConfig {
    /// Side of the square that the network sees, in pixels.
    pub size: u32,
    /// Whether the side is smaller at first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progressive: Option<ProgressiveConfig>,
    /// Whether crop and flip are drawn once for all views of a sample, which then differ in their colours alone (ExtreMA).
    #[serde(default)]
    pub same_crop: bool,
    /// Probability of a horizontal flip.
    #[serde(default)]
    pub flip: f64,
    /// Probability of turning grey.
    #[serde(default)]
    pub grayscale: f64,
    /// Probability of inverting all values of 128 and above.
    #[serde(default)]
    pub solarize: f64,
    /// The random resized crop.
    pub crop: CropConfig,
    /// The colour jitter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter: Option<JitterConfig>,
    /// The Gaussian blur.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blur: Option<BlurConfig>,
    /// What further views show, when it is not the image itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positives: Option<PositivesConfig>,
    /// What is different in the second global view and every other one after it (BYOL's asymmetric pair).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second: Option<ViewChange>,
    /// What is different in the local crops of methods that have some (multi-crop).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<ViewChange>,
}

/// `[views.progressive]`: small views first, which cost less (Howard 2018; Tan and Le 2021). The side rises on a straight line, and
/// stays the same within an epoch. ffcv's ResNet-50 of 88 epochs: `size = 192`, and `from = 160`, `begin = "65 epochs"`, `end = "76 epochs"` here.
/// Sides of `[views.second]` and `[views.local]` stay what they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgressiveConfig {
    /// The side at first, in pixels.
    pub from: u32,
    /// Until when it stays so.
    #[serde(default = "at_once")]
    pub begin: Length,
    /// From when on it is the full `size`.
    pub end: Length,
    /// What the sides between the two are rounded to a multiple of, in pixels.
    #[serde(default = "multiple")]
    pub multiple: u32,
}

fn at_once() -> Length {
    Length::Steps(0)
}

fn multiple() -> u32 {
    32
}

/// `[views.positives]`: the first view shows the sample, and every other one a positive, another sample, each by its own
/// transform.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "lowercase", deny_unknown_fields)]
pub enum PositivesConfig {
    /// `of = "class"`: another sample with the same label.
    Class,
    /// `of = "sequence"`: a sample whose key has the same folder, near in the dataset's order: frames of a video, views of
    /// an object.
    Sequence {
        /// How many places before or after at most.
        #[serde(default = "reach")]
        reach: usize,
    },
}

fn reach() -> usize {
    1
}

/// `[views.second]` and `[views.local]`: what is given takes the place of the same key of `[views]`, and what is left
/// out is as there. A probability of 0 turns a piece off.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewChange {
    /// Side in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u32>,
    /// Probability of a horizontal flip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flip: Option<f64>,
    /// Probability of turning grey.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grayscale: Option<f64>,
    /// Probability of a solarisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub solarize: Option<f64>,
    /// The random resized crop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crop: Option<CropConfig>,
    /// The colour jitter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter: Option<JitterConfig>,
    /// The Gaussian blur.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blur: Option<BlurConfig>,
}

/// `[views.crop]`: a random part of the image, resized (bilinear, antialiased) to the view's size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CropConfig {
    /// The smallest and largest share of the image's area.
    pub scale: [f64; 2],
    /// The smallest and largest width / height.
    #[serde(default = "ratio")]
    pub ratio: [f64; 2],
}

fn ratio() -> [f64; 2] {
    [3.0 / 4.0, 4.0 / 3.0]
}

/// `[views.jitter]`: torchvision's `ColorJitter`, in random order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JitterConfig {
    /// Probability of any jitter.
    #[serde(default = "jitter_probability")]
    pub probability: f64,
    /// The factor is within 1 - x and 1 + x.
    pub brightness: f64,
    /// As for brightness.
    pub contrast: f64,
    /// As for brightness.
    #[serde(default)]
    pub saturation: f64,
    /// The turn of the hue is within -x and x, at most 0.5.
    #[serde(default)]
    pub hue: f64,
}

fn jitter_probability() -> f64 {
    0.8
}

/// `[views.blur]`: Pillow's Gaussian blur.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlurConfig {
    /// Probability of a blur.
    pub probability: f64,
    /// The smallest and largest standard deviation in pixels.
    pub sigma: [f64; 2],
}

impl ViewsConfig {
    /// All views of `method`: the global ones, then the local ones. Errs on values that the transforms refuse, when
    /// `method` has local views and there is no section `[views.local]`, when they cannot have the same crop, and when
    /// `data` has no labels where positives need them.
    pub fn views(&self, method: &dyn Method, data: &dyn Dataset) -> Result<Views, Error> {
        let (all, local) = (method.views(), method.local_views().min(method.views()));
        let mut views: Vec<Box<dyn Transform>> = Vec::new();
        for view in 0..all - local {
            let change = self.second.as_ref().filter(|_| view % 2 == 1);
            let view = self.changed(change);
            views.push(Box::new(if self.same_crop { view.colors()? } else { view.build()? }));
        }
        if self.same_crop && local > 0 {
            return Err(Error::Value {
                key: "views.same_crop".to_owned(),
                value: "true".to_owned(),
                message: format!("the method has {local} local views, which are crops of their own"),
            });
        }
        if local > 0 && self.local.is_none() {
            return Err(Error::Value {
                key: "views.local".to_owned(),
                value: "absent".to_owned(),
                message: format!(
                    "the method has {local} local views: say how they differ, at least views.local.size"
                ),
            });
        }
        for _ in 0..local {
            views.push(Box::new(self.changed(self.local.as_ref()).build()?));
        }
        let mut views = Views::new(views);
        if self.same_crop {
            views = views.with_common(self.geometry()?);
        }
        Ok(match &self.positives {
            None => views,
            Some(PositivesConfig::Class) => views.with_positives(Arc::new(ClassPositives::new(data)?)),
            Some(PositivesConfig::Sequence { reach }) => {
                views.with_positives(Arc::new(SequencePositives::by_folder(data, *reach)?))
            }
        })
    }

    /// The views' side in the epoch whose first step is `step`; `steps` says how many a length has.
    pub fn size_at(&self, step: u64, steps: impl Fn(Length) -> u64) -> u32 {
        let Some(ProgressiveConfig { from, begin, end, multiple }) = self.progressive else {
            return self.size;
        };
        let (begin, end) = (steps(begin), steps(end));
        if step >= end {
            return self.size;
        }
        let risen = step.saturating_sub(begin) as f64 / end.saturating_sub(begin).max(1) as f64;
        let side = f64::from(from) + risen * (f64::from(self.size) - f64::from(from));
        let side = (side / f64::from(multiple)).round() as u32 * multiple;
        side.clamp(from, self.size)
    }

    /// The same pieces on views of another side.
    pub fn with_size(&self, size: u32) -> Self {
        Self { size, ..self.clone() }
    }

    /// Errs on values that the transforms refuse, in any view.
    pub(super) fn check(&self) -> Result<(), Error> {
        if let Some(ProgressiveConfig { from, multiple, .. }) = self.progressive {
            let refuse = |key: &str, value: u32, message: String| {
                Err(Error::Value {
                    key: format!("views.progressive.{key}"),
                    value: value.to_string(),
                    message,
                })
            };
            if from == 0 || from > self.size {
                return refuse(
                    "from",
                    from,
                    format!("must be at least 1, and at most views.size ({})", self.size),
                );
            }
            if multiple == 0 {
                return refuse("multiple", multiple, "must be at least 1".to_owned());
            }
        }
        for change in [None, self.second.as_ref(), self.local.as_ref()] {
            self.changed(change).build()?;
        }
        let moved =
            |change: &ViewChange| change.size.is_some() || change.crop.is_some() || change.flip.is_some();
        if self.same_crop && self.second.as_ref().is_some_and(moved) {
            return Err(Error::Value {
                key: "views.same_crop".to_owned(),
                value: "true".to_owned(),
                message: "leave size, crop and flip out of views.second".to_owned(),
            });
        }
        Ok(())
    }

    fn changed(&self, change: Option<&ViewChange>) -> Self {
        let mut view = self.clone();
        if let Some(change) = change.cloned() {
            view.size = change.size.unwrap_or(view.size);
            view.flip = change.flip.unwrap_or(view.flip);
            view.grayscale = change.grayscale.unwrap_or(view.grayscale);
            view.solarize = change.solarize.unwrap_or(view.solarize);
            view.crop = change.crop.unwrap_or(view.crop);
            view.jitter = change.jitter.or(view.jitter);
            view.blur = change.blur.or(view.blur);
        }
        view
    }

    /// The transform of the first view. Errs on values that the transforms refuse.
    pub fn build(&self) -> Result<Compose, Error> {
        Ok(self.geometry()?.then(self.colors()?))
    }

    fn geometry(&self) -> Result<Compose, Error> {
        let [scale, ratio] = [self.crop.scale, self.crop.ratio].map(|[low, high]| low..=high);
        let crop = RandomResizedCrop::new(self.size)?.scale(scale)?.ratio(ratio)?;
        Ok(Compose::new().then(crop).then(RandomHorizontalFlip::new(self.flip)?))
    }

    fn colors(&self) -> Result<Compose, Error> {
        let mut view = Compose::new();
        if let Some(jitter) = &self.jitter {
            let colors = ColorJitter::new(jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue)?;
            view = view.then(RandomApply::new(colors, jitter.probability)?);
        }
        view = view.then(RandomGrayscale::new(self.grayscale)?);
        if let Some(blur) = &self.blur {
            let [low, high] = blur.sigma;
            let gaussian = GaussianBlur::new(BlurMethod::Pillow, low..=high)?;
            view = view.then(RandomApply::new(gaussian, blur.probability)?);
        }
        if self.solarize != 0.0 {
            view = view.then(RandomApply::new(Solarize::new(128)?, self.solarize)?);
        }
        Ok(view)
    }
}

#[cfg(test)]
mod tests {
    use crate::Recipe;

    #[test]
    fn sides_rise_as_ffcvs_do() {
        let mut recipe = Recipe::named("supervised-digits").unwrap();
        recipe.set("views.size=192").unwrap();
        let side = |recipe: &Recipe, epoch: u64| recipe.views.size_at(epoch * 7, |length| length.steps(7, 1));
        assert_eq!(side(&recipe, 0), 192);
        recipe.set("views.progressive={from=160,begin='65 epochs',end='76 epochs'}").unwrap();
        // numpy's `int(round(interp([epoch], [65, 76], [160, 192])[0] / 32)) * 32`.
        for (epoch, expected) in [(0, 160), (65, 160), (70, 160), (71, 192), (76, 192), (87, 192)] {
            assert_eq!(side(&recipe, epoch), expected, "{epoch}");
        }
        recipe.set("views.progressive.multiple=1").unwrap();
        assert_eq!([66, 70, 75].map(|epoch| side(&recipe, epoch)), [163, 175, 189]);
        recipe.set("views.progressive={from=32,end='4 epochs'}").unwrap();
        assert_eq!([0, 1, 2, 3, 4].map(|epoch| side(&recipe, epoch)), [32, 64, 128, 160, 192]);
        for wrong in ["from=0", "from=193", "multiple=0"] {
            let message = recipe.set(&format!("views.progressive.{wrong}")).unwrap_err().to_string();
            assert!(message.contains(&format!("progressive.{}", &wrong[..4])), "{message}");
        }
    }
}
