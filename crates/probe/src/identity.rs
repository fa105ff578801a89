//! What features depend on, as hashes: the weights, the data.

use crate::{Error, Progress};
use sha2::{Digest, Sha256};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use tch::{Device, Tensor};
use visrep_data::{Dataset, Sample, SampleImage};
use visrep_models::Model;

/// The sha256 of a model's name and of every parameter and buffer with its name, kind and shape, in hexadecimal.
/// Two models with equal hashes have equal features, wherever their weights came from.
pub fn weights_hash(model: &Model) -> Result<String, Error> {
    let mut hash = Sha256::new();
    field(&mut hash, model.name().as_bytes());
    let mut variables: Vec<_> = model.var_store().variables().into_iter().collect();
    variables.sort_by(|a, b| a.0.cmp(&b.0));
    for (name, tensor) in variables {
        field(&mut hash, name.as_bytes());
        field(&mut hash, format!("{:?} {:?}", tensor.kind(), tensor.size()).as_bytes());
        field(&mut hash, &bytes(&tensor.detach())?);
    }
    Ok(hex(hash))
}

/// The sha256 of a dataset's contents in hexadecimal: every sample's key, label and image bytes, in order. Reads
/// each sample once, with `workers` threads; images are not decoded.
pub fn data_hash(data: &dyn Dataset, workers: usize) -> Result<String, Error> {
    data_hash_shown(data, workers, false)
}

/// [`data_hash`], with a bar where `progress` is on and it takes longer than two seconds.
pub(crate) fn data_hash_shown(data: &dyn Dataset, workers: usize, progress: bool) -> Result<String, Error> {
    let mut hash = Sha256::new();
    digests(data, workers, progress, sample_digest)?.iter().for_each(|digest| hash.update(digest));
    Ok(hex(hash))
}

/// What tells an image's content from all others: a sha256.
pub type ImageDigest = [u8; 32];

/// The digest of a file's bytes, or of pixels and their size. A file and its decoded pixels are told apart.
pub fn image_digest(image: &SampleImage) -> ImageDigest {
    let mut hash = Sha256::new();
    image_fields(&mut hash, image);
    hash.finalize().into()
}

/// [`image_digest`] of every sample of `data`, in order. Reads each once, with `workers` threads; shows a bar where `progress` is on
/// and it takes longer than two seconds.
///
/// # Errors
/// A sample that cannot be read.
pub fn image_digests(data: &dyn Dataset, workers: usize, progress: bool) -> Result<Vec<ImageDigest>, Error> {
    digests(data, workers, progress, |sample| image_digest(&sample.image))
}

/// What `digest` makes of every sample, in order.
fn digests(
    data: &dyn Dataset,
    workers: usize,
    progress: bool,
    digest: impl Fn(&Sample) -> [u8; 32] + Sync,
) -> Result<Vec<[u8; 32]>, Error> {
    const CHUNK: usize = 64;
    let chunks = data.len().div_ceil(CHUNK);
    let next = AtomicUsize::new(0);
    let (digests, failure) = (Mutex::new(vec![Vec::new(); chunks]), Mutex::new(None));
    let progress = Mutex::new(Progress::new(progress, "hashing", data.len()));
    std::thread::scope(|scope| {
        for _ in 0..workers.clamp(1, chunks.max(1)) {
            scope.spawn(|| {
                loop {
                    let chunk = next.fetch_add(1, Ordering::Relaxed);
                    if chunk >= chunks {
                        return;
                    }
                    let range = chunk * CHUNK..((chunk + 1) * CHUNK).min(data.len());
                    let one = |index| data.get(index).map(|sample| digest(&sample));
                    let result = range.map(one).collect::<Result<Vec<_>, _>>();
                    match result {
                        Ok(found) => {
                            progress.lock().unwrap_or_else(PoisonError::into_inner).advance(found.len());
                            digests.lock().unwrap_or_else(PoisonError::into_inner)[chunk] = found;
                        }
                        Err(error) => {
                            next.store(chunks, Ordering::Relaxed);
                            failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                            return;
                        }
                    }
                }
            });
        }
    });
    match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(Error::Data(error)),
        None => Ok(digests.into_inner().unwrap_or_else(PoisonError::into_inner).concat()),
    }
}

fn sample_digest(sample: &Sample) -> [u8; 32] {
    let mut hash = Sha256::new();
    field(&mut hash, sample.key.as_bytes());
    field(&mut hash, format!("{:?}", sample.label).as_bytes());
    image_fields(&mut hash, &sample.image);
    hash.finalize().into()
}

fn image_fields(hash: &mut Sha256, image: &SampleImage) {
    match image {
        SampleImage::Encoded(bytes) => field(hash, bytes),
        SampleImage::Decoded(image) => {
            field(hash, format!("{}x{}", image.width(), image.height()).as_bytes());
            field(hash, image.data());
        }
    }
}

/// What a model runs on, as far as vectors of it are alike: kernels of one kind differ in their last bits.
pub(crate) fn device_kind(model: &Model) -> &'static str {
    if matches!(model.device(), Device::Cpu) { "cpu" } else { "accelerator" }
}

/// Hashes `bytes` with their length in front, so that neighbouring fields cannot run into each other.
pub(crate) fn field(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_le_bytes());
    hash.update(bytes);
}

pub(crate) fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A tensor's elements as bytes.
pub(crate) fn bytes(tensor: &Tensor) -> Result<Vec<u8>, Error> {
    let tensor = tensor.f_to_device(Device::Cpu)?.f_contiguous()?;
    let mut bytes = vec![0; tensor.numel() * tensor.kind().elt_size_in_bytes()];
    tensor.f_copy_data_u8(&mut bytes, tensor.numel())?;
    Ok(bytes)
}
