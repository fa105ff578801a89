//! The loop over BAPPS's training sets that the authors' heads were made by.

use super::{HeadTrainer, HeadTraining, PixelRange};
use crate::distance::batch;
use crate::triplets::Triplet;
use crate::{BappsFolder, Error};
use rand::seq::SliceRandom;
use tch::{Kind, Tensor};
use visrep_augment::{RgbImage, view_rng};

/// How triplets go by in [`train_heads`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadPasses {
    /// Triplets in one step; the authors have 50.
    pub batch: usize,
    /// At most so many triplets of each set, evenly spread; all without it.
    pub limit: Option<usize>,
    /// Decides the order.
    pub seed: u64,
    /// Threads that read and decode.
    pub workers: usize,
}

impl Default for HeadPasses {
    /// The authors' batches, all triplets, seed 0, a thread for each core.
    fn default() -> Self {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        Self { batch: 50, limit: None, seed: 0, workers }
    }
}

/// What [`train_heads`] tells after each step.
#[derive(Clone, Copy, Debug)]
pub struct HeadStep {
    /// The epoch, from 0.
    pub epoch: u32,
    /// Steps of this epoch that are done.
    pub step: usize,
    /// Steps of each epoch.
    pub steps: usize,
    /// The mean loss over the triplets of this epoch so far.
    pub loss: f64,
}

/// Trains heads on the triplets of all `sets` together, in another order in each epoch, for all epochs of `options`, with which the trainer was
/// made. `each` is called after every step, with the trainer as it is then; an error of its own ends the training.
///
/// # Errors
/// Files that cannot be read; sets without a triplet; those of [`HeadTrainer::step`] and of `each`.
pub fn train_heads<E: From<Error>>(
    trainer: &mut HeadTrainer,
    options: &HeadTraining,
    sets: &[BappsFolder],
    passes: &HeadPasses,
    mut each: impl FnMut(&HeadTrainer, HeadStep) -> Result<(), E>,
) -> Result<(), E> {
    let mut order: Vec<(usize, usize)> = Vec::new();
    for (set, folder) in sets.iter().enumerate() {
        let count = passes.limit.unwrap_or(usize::MAX).min(folder.len());
        order.extend((0..count).map(|nth| (set, nth * folder.len() / count)));
    }
    if order.is_empty() {
        return Err(Error::from(visrep_metrics::Error::Empty { what: "triplets to train on" }).into());
    }
    let size = passes.batch.max(1);
    for epoch in 0..options.epochs + options.decay_epochs {
        trainer.start_epoch(epoch);
        order.shuffle(&mut view_rng(passes.seed, u64::from(epoch), 0, 0));
        let (mut sum, mut seen) = (0.0, 0);
        let steps = order.len().div_ceil(size);
        for (step, places) in order.chunks(size).enumerate() {
            let triplets = read(sets, places, passes.workers)?;
            let images = |of: fn(&Triplet) -> &RgbImage| -> Result<Tensor, Error> {
                let pixels = batch(&triplets.iter().map(of).collect::<Vec<_>>())?;
                Ok(pixels.f_permute([0, 3, 1, 2])?.f_to_kind(Kind::Float)?.f_div_scalar(255.0)?)
            };
            let judge: Vec<f32> = triplets.iter().map(|triplet| triplet.judge as f32).collect();
            let (reference, first, second) =
                (images(|of| &of.reference)?, images(|of| &of.first)?, images(|of| &of.second)?);
            let judge = Tensor::from_slice(&judge);
            let loss = trainer.step(&reference, &first, &second, &judge, PixelRange::ZeroToOne)?;
            if !loss.is_finite() {
                return Err(Error::NotFinite { index: seen }.into());
            }
            sum += loss * places.len() as f64;
            seen += places.len();
            each(trainer, HeadStep { epoch, step: step + 1, steps, loss: sum / seen as f64 })?;
        }
    }
    Ok(())
}

/// Reads triplets, each by its set and its number there, with several threads.
fn read(sets: &[BappsFolder], places: &[(usize, usize)], workers: usize) -> Result<Vec<Triplet>, Error> {
    let share = places.len().div_ceil(workers.max(1));
    let read = |part: &[(usize, usize)]| -> Result<Vec<Triplet>, Error> {
        part.iter().map(|&(set, at)| sets[set].triplet(at)).collect()
    };
    std::thread::scope(|scope| {
        let parts: Vec<_> = places.chunks(share).map(|part| scope.spawn(move || read(part))).collect();
        let mut triplets = Vec::with_capacity(places.len());
        for part in parts {
            match part.join() {
                Ok(read) => triplets.extend(read?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(triplets)
    })
}
