//! How a model is made.

use tch::Device;

/// How to create a [`Model`](crate::Model): timm's arguments of `create_model`, by its names. What an architecture has no use
/// for is refused by name rather than passed over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ModelOptions {
    /// Classes of the classifier. `None`: as many as timm's weights of that name have, 10 for the CIFAR variants.
    /// `Some(0)`: no classifier.
    pub num_classes: Option<i64>,
    /// Channels of the images; 3 is RGB. Weights made for RGB are adapted on loading as timm does: summed for one channel,
    /// repeated and rescaled for others.
    pub in_channels: i64,
    /// The side of the images in pixels, (rows, columns), for networks whose parameters depend on it: position embeddings
    /// are made for it, and those of a weight file resampled to it. `None`: the architecture's own.
    pub image_size: Option<(i64, i64)>,
    /// The side of a patch in pixels, for transformers: the patch embedding of a weight file is resampled to it
    /// (FlexiViT). `None`: the architecture's own.
    pub patch_size: Option<i64>,
    /// The probability of dropout before the classifier.
    pub drop_rate: f64,
    /// The probability that the last residual block is skipped in training; it grows linearly from 0 at the first.
    pub drop_path_rate: f64,
    /// Where the parameters live.
    pub device: Device,
    /// With a seed, the initial values are reproducible, the same on every device; they are drawn from a
    /// generator of their own. Without, that generator's seed is drawn from LibTorch's global one.
    pub seed: Option<i64>,
}

impl Default for ModelOptions {
    /// The architecture's classes and sizes, RGB, nothing dropped, on the CPU, unseeded.
    fn default() -> Self {
        Self {
            num_classes: None,
            in_channels: 3,
            image_size: None,
            patch_size: None,
            drop_rate: 0.0,
            drop_path_rate: 0.0,
            device: Device::Cpu,
            seed: None,
        }
    }
}
