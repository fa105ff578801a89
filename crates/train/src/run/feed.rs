//! A loader's batches with their images on the device.

use crate::Error;
use tch::{Device, Tensor};
use visrep_data::{Batch, Epoch};
use visrep_torch::Prefetcher;

/// A batch that can be trained on.
pub(super) struct Loaded {
    /// As the loader gave it.
    pub(super) batch: Batch,
    /// One u8 tensor (N, H, W, 3) on the device for each view.
    pub(super) images: Vec<Tensor>,
    /// The number of the batch after it in its epoch: where a run goes on that stops behind this one.
    pub(super) position: usize,
}

/// The rest of an epoch. To a GPU, each batch is copied while the one before is worked on.
pub(super) fn feed(
    device: Device,
    epoch: &mut Epoch,
) -> Result<impl Iterator<Item = Result<Loaded, Error>>, Error> {
    let numbered = std::iter::from_fn(move || {
        let batch = epoch.next()?;
        Some(batch.map(|batch| (batch, Epoch::position(epoch))).map_err(Error::from))
    });
    let images = |(batch, _): &(Batch, usize)| Ok(batch.views.iter().map(|view| view.to_tensor()).collect());
    let loaded = Prefetcher::new(device, numbered, images)?;
    Ok(loaded.map(|loaded| {
        let ((batch, position), images) = loaded?;
        Ok(Loaded { batch, images, position })
    }))
}
