//! Features of a frozen model over a dataset.

use crate::identity::{data_hash, weights_hash};
use crate::progress::Progress;
use crate::{Error, FeatureSet, cache};
use std::path::PathBuf;
use std::sync::Arc;
use tch::{Device, Kind, Tensor};
use visrep_augment::{Compose, Filter, presets};
use visrep_data::{Batch, Dataset, Loader, LoaderOptions, Views};
use visrep_models::{Features, Interpolation, Model, Preprocessing};

/// Which vector stands for an image: the one that the classifier reads.
pub(crate) const POOLING: &str = "pre-logits";

/// How features are extracted.
#[derive(Clone, Debug)]
pub struct ExtractOptions {
    /// Images per forward pass.
    pub batch_size: usize,
    /// Threads that read and decode.
    pub workers: usize,
    /// Where features are kept between runs; `None` keeps none.
    pub cache: Option<PathBuf>,
    /// Draw a progress bar when it takes longer than two seconds.
    pub progress: bool,
}

impl Default for ExtractOptions {
    /// Batches of 64, a worker per core, no cache, no bar.
    fn default() -> Self {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        Self { batch_size: 64, workers, cache: None, progress: false }
    }
}

/// A model's evaluation transform without the normalisation, which happens on the device: resize the shortest
/// edge, crop the centre.
pub fn eval_transform(preprocessing: &Preprocessing) -> Result<Compose, Error> {
    let filter = match preprocessing.interpolation {
        Interpolation::Bilinear => Filter::Bilinear,
        Interpolation::Bicubic => Filter::Bicubic,
    };
    Ok(presets::eval(preprocessing.resize_size(), preprocessing.input_size, filter)?)
}

/// Pooled (pre-logits) features of every sample of `data`, in order.
///
/// With a cache folder, features are read from it when it has them for the same weights, the same data, and the
/// same preprocessing (all by content, so a changed file or label is noticed); an entry that is damaged is made
/// again. An image that cannot be decoded is an error that names its key.
pub fn extract(model: &Model, data: Arc<dyn Dataset>, options: &ExtractOptions) -> Result<FeatureSet, Error> {
    if data.is_empty() {
        return Err(Error::TooFew { what: "dataset", need: "there are no samples to extract features of" });
    }
    let Some(folder) = &options.cache else { return compute(model, data, options) };
    let (weights, samples) = (weights_hash(model)?, data_hash(data.as_ref(), options.workers)?);
    let preprocessing = format!("{:?}", model.preprocessing());
    let path = cache::path(folder, &[&weights, &samples, &preprocessing, POOLING]);
    if let Some(set) = cache::read(&path, data.len()) {
        return Ok(set);
    }
    let set = compute(model, data, options)?;
    cache::write(&path, &set)?;
    Ok(set)
}

fn compute(model: &Model, data: Arc<dyn Dataset>, options: &ExtractOptions) -> Result<FeatureSet, Error> {
    let views = Views::single(eval_transform(model.preprocessing())?);
    let loader_options = LoaderOptions {
        batch_size: options.batch_size,
        workers: options.workers,
        shuffle: false,
        ..Default::default()
    };
    let mut progress = Progress::new(options.progress, "features", data.len());
    let loader = Loader::new(data, views, loader_options)?;
    let (mut features, mut labels, mut keys) = (Vec::new(), Vec::new(), Vec::new());
    for batch in loader.epoch(0, 0) {
        let batch = batch?;
        features.push(pooled(&forward(model, &batch)?)?);
        progress.advance(batch.labels.len());
        labels.extend(batch.labels);
        keys.extend(batch.keys);
    }
    FeatureSet::new(Tensor::f_cat(&features, 0)?, labels, keys)
}

/// Runs the frozen model on a batch's first view, which must already have the model's input size.
pub fn forward(model: &Model, batch: &Batch) -> Result<Features, Error> {
    let Some(view) = batch.views.first() else {
        return Err(Error::TooFew { what: "batch", need: "the loader was given no view" });
    };
    tch::no_grad(|| {
        let x = model.preprocessing().normalize(&view.to_tensor(), model.device())?;
        Ok(model.backbone().forward_features(&x, false)?)
    })
}

/// The pooled vectors, (N, D) f32 on the CPU.
pub fn pooled(features: &Features) -> Result<Tensor, Error> {
    Ok(features.pooled.f_detach()?.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?.f_contiguous()?)
}
