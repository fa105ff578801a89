//! The section `[views]`: what happens to an image before the network sees it.

use serde::{Deserialize, Serialize};
use visrep_augment::{
    BlurMethod, ColorJitter, Compose, Error, GaussianBlur, RandomApply, RandomGrayscale,
    RandomHorizontalFlip, RandomResizedCrop,
};

/// The pieces of a view, applied in this order: crop, flip, jitter, grey, blur. What is left out does nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewsConfig {
    /// Side of the square that the network sees, in pixels.
    pub size: u32,
    /// Probability of a horizontal flip.
    #[serde(default)]
    pub flip: f64,
    /// Probability of turning grey.
    #[serde(default)]
    pub grayscale: f64,
    /// The random resized crop.
    pub crop: CropConfig,
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
    /// The transform of one view. Errs on values that the transforms refuse.
    pub fn build(&self) -> Result<Compose, Error> {
        let [scale, ratio] = [self.crop.scale, self.crop.ratio].map(|[low, high]| low..=high);
        let mut view = Compose::new().then(RandomResizedCrop::new(self.size)?.scale(scale)?.ratio(ratio)?);
        view = view.then(RandomHorizontalFlip::new(self.flip)?);
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
        Ok(view)
    }
}
