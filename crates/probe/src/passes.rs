//! A frozen model over a loader's batches.

use crate::{Error, Pooling};
use tch::{Kind, Tensor};
use visrep_data::Batch;
use visrep_models::{Features, Model, Preprocessing};
use visrep_torch::{InferenceMode, Precision, Prefetcher, with_batch};

/// Runs the frozen model over `batches`, which must already have the model's input size, on each one's first view, and
/// gives each with its features. While one is computed on a GPU, the next is on its way there.
///
/// Pixels are normalised in f32; the network runs in `precision`, in LibTorch's inference mode; pooled features are f32 again,
/// whatever the precision. The other features are of the kind that the network gave them, and none can be used where gradients are
/// recorded; [`pooled`](crate::pooled) makes tensors for all uses.
///
/// # Errors
/// A batch that the loader could not make, one that does not fit into memory (the error names a size that does), an operation
/// that cannot run in `precision`.
pub fn passes<'a, B>(
    model: &'a Model,
    batches: B,
    precision: Precision,
) -> Result<impl Iterator<Item = Result<(Batch, Features), Error>> + 'a, Error>
where
    B: Iterator<Item = Result<Batch, visrep_data::Error>> + 'a,
{
    pooled_passes(model, batches, precision, Pooling::PreLogits, model.preprocessing().clone())
}

/// [`passes`] with another vector for each image, or pixels normalised in another way.
pub(crate) fn pooled_passes<'a, B>(
    model: &'a Model,
    batches: B,
    precision: Precision,
    pooling: Pooling,
    preprocessing: Preprocessing,
) -> Result<impl Iterator<Item = Result<(Batch, Features), Error>> + 'a, Error>
where
    B: Iterator<Item = Result<Batch, visrep_data::Error>> + 'a,
{
    let batches = batches.map(|batch| batch.map_err(Error::from));
    let no_view = || Error::TooFew { what: "batch", need: "the loader was given no view" };
    let pixels = move |batch: &Batch| Ok(vec![batch.views.first().ok_or_else(no_view)?.to_tensor()]);
    let loaded = Prefetcher::new(model.device(), batches, pixels)?;
    Ok(loaded.map(move |loaded| {
        let (batch, pixels) = loaded?;
        let pixels = pixels.first().ok_or_else(no_view)?;
        let features = run(model, pixels, precision, pooling, &preprocessing)?;
        Ok((batch, features))
    }))
}

/// The features of u8 images (N, H, W, 3).
fn run(
    model: &Model,
    pixels: &Tensor,
    precision: Precision,
    pooling: Pooling,
    preprocessing: &Preprocessing,
) -> Result<Features, Error> {
    let _inference = InferenceMode::enter()?;
    let device = model.device();
    let samples = pixels.size().first().map_or(0, |&samples| samples as usize);
    with_batch(device, samples, |samples| {
        let x = preprocessing.normalize(&pixels.f_narrow(0, 0, samples as i64)?, device)?;
        let features = precision.run(device, || pooling.forward(model, &x, false))?;
        Ok(Features { pooled: features.pooled.f_to_kind(Kind::Float)?, ..features })
    })
}
