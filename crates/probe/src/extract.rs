//! Features of a frozen model over a dataset.

use crate::identity::{data_hash_shown, device_kind, weights_hash};
use crate::passes::pooled_passes;
use crate::progress::Progress;
use crate::{Error, EvalTransform, FeatureSet, Normalisation, Pooling, cache};
use std::path::PathBuf;
use std::sync::Arc;
use tch::{Device, Kind, Tensor};
use visrep_augment::{CenterCrop, Compose, Filter, Resize, presets};
use visrep_data::{Dataset, Loader, LoaderOptions, Subset, Views};
use visrep_models::{CropMode, Features, Interpolation, Model, Preprocessing};
use visrep_torch::{Precision, is_inference};

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
    /// In which precision the network runs; features are f32 in any.
    pub precision: Precision,
    /// Which vector stands for an image.
    pub pooling: Pooling,
    /// How pixels become the network's input.
    pub normalisation: Normalisation,
}

impl Default for ExtractOptions {
    /// Batches of 64, a worker per core, no cache, no bar, fp32, what the classifier reads, the model's own normalisation.
    fn default() -> Self {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        let (precision, pooling) = (Precision::Fp32, Pooling::PreLogits);
        let normalisation = Normalisation::Model;
        Self { batch_size: 64, workers, cache: None, progress: false, precision, pooling, normalisation }
    }
}

/// A model's evaluation transform without the normalisation, which happens on the device: resize the shortest
/// edge, or both for [`CropMode::Squash`], and crop the centre.
pub fn eval_transform(preprocessing: &Preprocessing) -> Result<Compose, Error> {
    let filter = match preprocessing.interpolation {
        Interpolation::Bilinear => Filter::Bilinear,
        Interpolation::Bicubic => Filter::Bicubic,
    };
    let (resize, crop) = (preprocessing.resize_size(), preprocessing.input_size);
    Ok(match preprocessing.crop_mode {
        CropMode::Center => presets::eval(resize, crop, filter)?,
        CropMode::Squash => {
            Compose::new().then(Resize::exact(resize, resize, filter)?).then(CenterCrop::new(crop)?)
        }
    })
}

/// Pooled features of every sample of `data`, in order.
///
/// With a cache folder, features are read from it when it has them for the same weights, the same data, and the
/// same preprocessing and pooling (all by content, so a changed file or label is noticed), made on the same kind of device in the same
/// precision. An entry that is damaged is made again, as is one that today's code would not make: the features of a few
/// samples, evenly spread, are computed afresh and must agree to a relative 10⁻⁴ (in bf16 to 3 × 10⁻²), so that a change in
/// decoding, resizing or the model is noticed where it touches these. An image that cannot be decoded is an error that
/// names its key.
pub fn extract(model: &Model, data: Arc<dyn Dataset>, options: &ExtractOptions) -> Result<FeatureSet, Error> {
    extract_as(model, data, EvalTransform::Model, options)
}

/// As [`extract`], with images prepared as a published protocol has it.
pub fn extract_as(
    model: &Model,
    data: Arc<dyn Dataset>,
    transform: EvalTransform,
    options: &ExtractOptions,
) -> Result<FeatureSet, Error> {
    let preprocessing = transform.of(model.preprocessing());
    let views = Views::single(eval_transform(&preprocessing)?);
    extract_views(model, data, &views, &format!("{preprocessing:?}"), options)
}

/// As [`extract`], with images prepared by the first of `views` instead of the model's own evaluation transform; it must end
/// at the model's input size. `preprocessing` says in words what the views do, and the model's normalisation: cached features are
/// known by it.
pub fn extract_views(
    model: &Model,
    data: Arc<dyn Dataset>,
    views: &Views,
    preprocessing: &str,
    options: &ExtractOptions,
) -> Result<FeatureSet, Error> {
    if data.is_empty() {
        return Err(Error::TooFew { what: "dataset", need: "there are no samples to extract features of" });
    }
    let Some(folder) = &options.cache else { return compute(model, data, views, options) };
    let samples = data_hash_shown(data.as_ref(), options.workers, options.progress)?;
    let (weights, device) = (weights_hash(model)?, device_kind(model));
    let (precision, pooling) = (options.precision.to_string(), options.pooling.to_string());
    let preprocessing = match options.normalisation {
        Normalisation::Model => preprocessing.to_owned(),
        other => format!("{preprocessing}; {other}"),
    };
    let path = cache::path(folder, &[&weights, &samples, &preprocessing, &pooling, device, &precision]);
    if let Some(set) = cache::read(&path, data.len())
        && is_current(&set, model, &data, views, options)?
    {
        return Ok(set);
    }
    let set = compute(model, data, views, options)?;
    cache::write(&path, &set)?;
    Ok(set)
}

/// Samples of a cached set that are computed again before it is trusted.
pub(crate) const CHECKED: usize = 8;

/// How far a feature may be from the cached one, as a share of its vector's largest: sums in another order, as in
/// batches of another size, differ by 10⁻⁶ or so in fp32, and by a few steps of 2⁻⁸ in bf16.
pub(crate) fn agreement(precision: Precision) -> f64 {
    match precision {
        Precision::Fp32 => 1e-4,
        Precision::Bf16 => 3e-2,
    }
}

/// Whether a few samples still have the features, labels and keys that `set` has.
fn is_current(
    set: &FeatureSet,
    model: &Model,
    data: &Arc<dyn Dataset>,
    views: &Views,
    options: &ExtractOptions,
) -> Result<bool, Error> {
    let count = CHECKED.min(set.len());
    let indices: Vec<usize> = (0..count).map(|nth| nth * set.len() / count).collect();
    let (then, few) = (set.select(&indices)?, Arc::new(Subset::new(Arc::clone(data), indices)));
    let options = ExtractOptions { progress: false, ..options.clone() };
    let now = compute(model, few, views, &options)?;
    if now.dim() != then.dim() || now.labels != then.labels || now.keys != then.keys {
        return Ok(false);
    }
    let largest = now.features.f_abs()?.f_amax([1].as_slice(), true)?;
    let off = now
        .features
        .f_sub(&then.features)?
        .f_abs()?
        .f_sub(&largest.f_mul_scalar(agreement(options.precision))?)?;
    Ok(f64::try_from(off.f_max()?)? <= 0.0)
}

fn compute(
    model: &Model,
    data: Arc<dyn Dataset>,
    views: &Views,
    options: &ExtractOptions,
) -> Result<FeatureSet, Error> {
    let loader_options = LoaderOptions {
        batch_size: options.batch_size,
        workers: options.workers,
        shuffle: false,
        ..Default::default()
    };
    let mut progress = Progress::new(options.progress, "features", data.len());
    let loader = Loader::new(data, views.clone(), loader_options)?;
    let (mut features, mut labels, mut keys) = (Vec::new(), Vec::new(), Vec::new());
    let (epoch, preprocessing) = (loader.epoch(0, 0), options.normalisation.of(model.preprocessing()));
    for pass in pooled_passes(model, epoch, options.precision, options.pooling, preprocessing)? {
        let (batch, found) = pass?;
        features.push(pooled(&found)?);
        progress.advance(batch.labels.len());
        labels.extend(batch.labels);
        keys.extend(batch.keys);
    }
    FeatureSet::new(Tensor::f_cat(&features, 0)?, labels, keys)
}

/// The pooled vectors, (N, D) f32 on the CPU, for use where gradients are recorded too.
pub fn pooled(features: &Features) -> Result<Tensor, Error> {
    let pooled = features.pooled.f_detach()?;
    let copy = is_inference(&pooled);
    Ok(pooled.f_to_device_(Device::Cpu, Kind::Float, false, copy)?.f_contiguous()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use visrep_augment::RgbImage;
    use visrep_augment::{Transform, view_rng};
    use visrep_data::{InMemory, Sample, SampleImage};
    use visrep_models::ModelOptions;

    #[test]
    fn a_squashed_image_is_seen_whole() {
        // The left third is red, which the centre crop of the shortest edge leaves out.
        let image = RgbImage::from_fn(90, 30, |x, _| if x < 30 { [255, 0, 0] } else { [0, 0, 255] });
        let see = |crop_mode| {
            let preprocessing =
                Preprocessing { input_size: 30, crop_pct: 1.0, crop_mode, ..Default::default() };
            let seen =
                eval_transform(&preprocessing).unwrap().apply(image.clone(), &mut view_rng(0, 0, 0, 0));
            assert_eq!((seen.width(), seen.height()), (30, 30));
            seen.data().chunks(3).filter(|pixel| pixel[0] > 200).count()
        };
        assert_eq!(see(CropMode::Center), 0);
        assert!((270..=300).contains(&see(CropMode::Squash)));
    }

    #[test]
    fn an_entry_that_other_code_made_is_made_again() {
        let sample = |i: u32| Sample {
            image: SampleImage::Decoded(RgbImage::from_fn(32, 32, |x, y| {
                [(x * 8) as u8, (y * i) as u8, i as u8]
            })),
            label: Some(i % 2),
            key: format!("{i}"),
        };
        let classes = vec!["even".into(), "odd".into()];
        let data: Arc<dyn Dataset> = Arc::new(InMemory::new((0..20).map(sample).collect(), classes));
        let options = ModelOptions { num_classes: Some(0), seed: Some(0), ..Default::default() };
        let model = Model::create("resnet18_cifar_w16", &options).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let cached =
            ExtractOptions { cache: Some(folder.path().into()), batch_size: 7, ..Default::default() };
        let first = extract(&model, Arc::clone(&data), &cached).unwrap();
        let entry = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();

        // What rounding does is taken as it is, whatever the size of the batches.
        let with = |features: Tensor| FeatureSet {
            features,
            labels: first.labels.clone(),
            keys: first.keys.clone(),
        };
        let rounded = &first.features * (1.0 + 1e-6);
        cache::write(&entry, &with(rounded.copy())).unwrap();
        let other = ExtractOptions { batch_size: 64, ..cached.clone() };
        assert_eq!(extract(&model, Arc::clone(&data), &other).unwrap().features, rounded);

        // What a bug made is not.
        cache::write(&entry, &with(&first.features * 1.01)).unwrap();
        assert_eq!(extract(&model, Arc::clone(&data), &cached).unwrap().features, first.features);
        assert_eq!(cache::read(&entry, 20).unwrap().features, first.features, "the entry is corrected");
    }
}
