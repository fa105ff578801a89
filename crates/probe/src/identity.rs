//! What features depend on, as hashes: the weights, the data.

use crate::Error;
use sha2::{Digest, Sha256};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use tch::{Device, Tensor};
use visrep_data::{Dataset, SampleImage};
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
    const CHUNK: usize = 64;
    let chunks = data.len().div_ceil(CHUNK);
    let next = AtomicUsize::new(0);
    let digests = Mutex::new(vec![Vec::new(); chunks]);
    let failure = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..workers.clamp(1, chunks.max(1)) {
            scope.spawn(|| {
                loop {
                    let chunk = next.fetch_add(1, Ordering::Relaxed);
                    if chunk >= chunks {
                        return;
                    }
                    let range = chunk * CHUNK..((chunk + 1) * CHUNK).min(data.len());
                    let result = range.map(|index| sample_digest(data, index)).collect::<Result<Vec<_>, _>>();
                    match result {
                        Ok(found) => digests.lock().unwrap_or_else(PoisonError::into_inner)[chunk] = found,
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
    if let Some(error) = failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error.into());
    }
    let mut hash = Sha256::new();
    digests
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
        .iter()
        .flatten()
        .for_each(|d| hash.update(d));
    Ok(hex(hash))
}

fn sample_digest(data: &dyn Dataset, index: usize) -> Result<[u8; 32], visrep_data::Error> {
    let sample = data.get(index)?;
    let mut hash = Sha256::new();
    field(&mut hash, sample.key.as_bytes());
    field(&mut hash, format!("{:?}", sample.label).as_bytes());
    match &sample.image {
        SampleImage::Encoded(bytes) => field(&mut hash, bytes),
        SampleImage::Decoded(image) => {
            field(&mut hash, format!("{}x{}", image.width(), image.height()).as_bytes());
            field(&mut hash, image.data());
        }
    }
    Ok(hash.finalize().into())
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
