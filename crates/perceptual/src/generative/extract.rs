//! Inception's features of a set of images.

use super::resize::{SIDE, VALUES};
use super::{GenerativePreset, InceptionSet, images};
use crate::Error;
use std::sync::Arc;
use tch::{Device, Kind, Tensor};
use visrep_data::Dataset;
use visrep_metrics::{FeatureMatrix, FeatureStatistics};
use visrep_models::Model;
use visrep_torch::{InferenceMode, Precision, with_batch};

/// How features are extracted, and which are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtractOptions {
    /// Images per forward pass.
    pub batch_size: usize,
    /// Threads that read, decode and resize.
    pub workers: usize,
    /// In which precision the network runs. Published figures are made in fp32.
    pub precision: Precision,
    /// Whether to keep the features, which everything but FID is computed from: 8 kB an image.
    pub features: bool,
    /// Whether to keep the logits, which the Inception score is computed from: 4 kB an image.
    pub logits: bool,
}

impl Default for ExtractOptions {
    /// Batches of 50, a worker per core, fp32; means and covariance alone are kept.
    fn default() -> Self {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        Self { batch_size: 50, workers, precision: Precision::Fp32, features: false, logits: false }
    }
}

/// FID's network: TensorFlow's Inception v3 of 2015-12-05 as converted for pytorch-fid, which the other packages use too.
#[derive(Debug)]
pub struct Inception {
    model: Model,
    /// The classifier's, (2048, 1008).
    weight: Option<Tensor>,
}

impl Inception {
    /// Its name among the models.
    pub const MODEL: &str = "inception_v3_fid";

    /// Takes a model with its weights.
    ///
    /// # Errors
    /// Another model: torchvision's `inception_v3`, say, whose weights and poolings are others.
    pub fn new(model: Model) -> Result<Self, Error> {
        if model.name().split('.').next() != Some(Self::MODEL) {
            return Err(Error::NotInception { found: model.name().into() });
        }
        let weight = match model.num_classes() {
            0 => None,
            _ => model.var_store().variables().get("fc.weight").map(|weight| weight.detach().tr()),
        };
        Ok(Self { model, weight })
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// What `preset` makes of the images of `data`; `progress` is told of every batch how many images it had.
    ///
    /// # Errors
    /// No images; one that cannot be read, named by its key; logits of a network without classifier; what does not fit into memory.
    pub fn extract(
        &self,
        data: Arc<dyn Dataset>,
        preset: &GenerativePreset,
        options: &ExtractOptions,
        mut progress: impl FnMut(usize),
    ) -> Result<InceptionSet, Error> {
        let used = preset.used(data.len());
        for (parameter, value) in [("images", used), ("batch_size", options.batch_size)] {
            if value == 0 {
                let expected = "at least 1";
                return Err(visrep_metrics::Error::Parameter { parameter, value: 0.0, expected }.into());
            }
        }
        if options.logits && self.weight.is_none() {
            return Err(Error::NoClassifier);
        }
        let dim = self.model.embed_dim() as usize;
        let mut statistics = FeatureStatistics::new(dim);
        let (mut features, mut logits) = (options.features.then(Vec::new), options.logits.then(Vec::new));
        let sizes = (options.batch_size, options.workers);
        images::for_each_batch(data.as_ref(), used, preset.resize, sizes, |images| {
            let (pooled, scores) = self.forward(images, options)?;
            statistics.add(&FeatureMatrix::new(&pooled, dim)?)?;
            if let Some(features) = &mut features {
                features.extend_from_slice(&pooled);
            }
            if let Some(logits) = &mut logits {
                logits.extend(scores);
            }
            progress(images.len() / VALUES);
            Ok(())
        })?;
        InceptionSet::new(&statistics, features, logits, Some(preset.name.to_owned()))
    }

    /// Features and, where they are wanted, logits without the bias, of resized images.
    fn forward(&self, images: &[f32], options: &ExtractOptions) -> Result<(Vec<f32>, Vec<f32>), Error> {
        let _inference = InferenceMode::enter()?;
        let device = self.model.device();
        let (n, side) = ((images.len() / VALUES) as i64, SIDE as i64);
        let images = Tensor::f_from_slice(images)?.f_view([n, 3, side, side])?;
        with_batch(device, n as usize, |samples| {
            let x = images.f_narrow(0, 0, samples as i64)?.f_to_device(device)?;
            let run = || Ok::<_, Error>(self.model.backbone().forward_features(&x, false)?);
            let pooled = options.precision.run(device, run)?.pooled.f_to_kind(Kind::Float)?;
            let logits = match self.weight.as_ref().filter(|_| options.logits) {
                Some(weight) => values(&pooled.f_matmul(weight)?)?,
                None => Vec::new(),
            };
            Ok((values(&pooled)?, logits))
        })
    }
}

fn values(tensor: &Tensor) -> Result<Vec<f32>, Error> {
    Ok(tensor.f_to_device(Device::Cpu)?.f_contiguous()?.f_view([-1])?.try_into()?)
}
