//! The loop: batches in, steps taken, metrics and checkpoints out.

use crate::checkpoint::{self, Folder, Header};
use crate::metrics::{MetricsLog, replace};
use crate::progress::Progress;
use crate::{BadSample, Ema, Error, Optimizer, Recipe};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tch::{Kind, Tensor};
use visrep_data::{Dataset, Epoch, Loader, LoaderOptions, OnBadSample};
use visrep_methods::{Batch, Method, NamedTensor, Setup, Step};

/// How a run is carried out; of these only the seed and the device have an influence on the result (besides the
/// number of LibTorch's threads, a setting of the process).
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Decides the initial weights, the order of the samples, and their views.
    pub seed: u64,
    /// Where the networks live.
    pub device: tch::Device,
    /// Threads that load and augment images.
    pub workers: usize,
    /// When raised, the run saves a checkpoint after the current step and returns.
    pub stop: Arc<AtomicBool>,
    /// Whether to show progress on standard error.
    pub progress: bool,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All steps are done and `model.safetensors` is written.
    Finished,
    /// It was stopped, and goes on from its checkpoint when started again.
    Interrupted,
}

/// What a finished step looked like.
#[derive(Clone, Debug, PartialEq)]
pub struct StepReport {
    /// Steps completed, this one included.
    pub step: u64,
    /// Steps of the whole run.
    pub total: u64,
    /// The epoch that the step belongs to, from 0.
    pub epoch: u64,
    /// The loss.
    pub loss: f64,
    /// The learning rate.
    pub lr: f64,
    /// Images (not views) per second since the last logged step.
    pub images_per_second: f64,
    /// The method's metrics; empty on steps that are not logged.
    pub metrics: Vec<(&'static str, f64)>,
}

/// Trains by `recipe` on `data` and leaves in the folder `out`: `model.safetensors` (the backbone under timm's names,
/// with its classifier where the method trains one), `metrics.jsonl`, `recipe.toml` (every effective value), and
/// `checkpoints/`. Where `out` holds checkpoints of the same run, it goes on from the newest. On the CPU the result
/// is then the same to the bit, wherever and however often it was stopped, provided that the machine, LibTorch and
/// the number of LibTorch's threads are the same: sums are split among threads.
///
/// # Errors
/// Among others: a checkpoint of another recipe or seed, or of a dataset with another number of samples or other
/// classes (the images themselves are not compared); a loss, or weights after a step, that are not finite (with
/// the step and the batch's keys); a full disk (earlier checkpoints stay good).
pub fn train(
    recipe: &Recipe,
    data: Arc<dyn Dataset>,
    out: &Path,
    options: &RunOptions,
) -> Result<Outcome, Error> {
    train_with(recipe, data, out, options, |_| {})
}

/// As [`train`], calling `after_step` after every step, before any checkpoint; it may raise
/// [`RunOptions::stop`].
pub fn train_with(
    recipe: &Recipe,
    data: Arc<dyn Dataset>,
    out: &Path,
    options: &RunOptions,
    mut after_step: impl FnMut(&StepReport),
) -> Result<Outcome, Error> {
    recipe.check()?;
    std::fs::create_dir_all(out).map_err(Error::io(out, "make the folder"))?;
    let _lock = lock(out)?;
    let mut run = Run::new(recipe, Arc::clone(&data), options)?;

    let folder = Folder::open(out.join("checkpoints"), recipe.checkpoint.keep)?;
    let quiet = Progress::Off;
    let found = folder.newest(&run.header, recipe, |message| quiet.warn(message))?;
    let model_path = out.join("model.safetensors");
    match &found {
        Some(found) => run.resume(found)?,
        None if model_path.exists() => return Err(Error::OutputTaken { path: out.to_owned() }),
        None => {}
    }
    replace(&out.join("recipe.toml"), recipe.to_toml()?.as_bytes())?;
    let mut log = MetricsLog::open(&out.join("metrics.jsonl"), run.header.step)?;

    let mut progress = Progress::new(options.progress, run.header.step, run.total);
    match &found {
        Some(found) => progress.note(&format!("going on from {}", found.path.display())),
        None => progress.note(&run.optimizer.decay_table()),
    }
    drop(found);

    let mut clock = Clock::new(run.header.step);
    let mut saved_at = Instant::now();
    let every = recipe.checkpoint.every.steps(run.per_epoch, recipe.loader.batch_size as u64);
    while run.header.step < run.total {
        let (epoch, start) = (run.header.epoch, run.header.batch);
        let mut batches = run.loader.epoch(epoch, start);
        let mut any = false;
        while run.header.step < run.total
            && let Some(batch) = batches.next()
        {
            let batch = batch?;
            if batch.indices.len() < 2 && recipe.loader.batch_size > 1 {
                progress.warn(&format!(
                    "batch {} of epoch {epoch} has too few readable images",
                    batches.position()
                ));
                continue;
            }
            any = true;
            let mut report = run.step(&batch)?;
            run.moved_to(epoch, batches.position());
            report.images_per_second = clock.images_per_second(run.header.step, recipe.loader.batch_size);
            after_step(&report);
            if run.logs(report.step) {
                log.append(&report)?;
                clock.lap(report.step);
            }
            progress.step(&report, clock.eta(report.step, run.total));

            let stop = options.stop.load(Ordering::Relaxed);
            let minutes = recipe.checkpoint.minutes;
            let due = (every > 0 && report.step % every == 0)
                || (minutes > 0.0 && saved_at.elapsed().as_secs_f64() >= minutes * 60.0);
            if stop || due || report.step == run.total {
                folder.save(&run.header, &run.tensors())?;
                saved_at = Instant::now();
            }
            if stop && report.step < run.total {
                warn_of_skipped(&progress, &batches);
                progress.note(&format!("stopped after step {}: run it again to go on", report.step));
                return Ok(Outcome::Interrupted);
            }
        }
        warn_of_skipped(&progress, &batches);
        if !any && start == 0 {
            return Err(Error::EmptyEpoch { epoch });
        }
        run.moved_to(epoch, usize::MAX);
    }
    run.export(&model_path)?;
    Ok(Outcome::Finished)
}

/// Names the samples that an epoch has left out so far.
fn warn_of_skipped(progress: &Progress, batches: &Epoch) {
    for skipped in batches.skipped() {
        progress.warn(&format!("left out: {}", skipped.error));
    }
}

/// The state of a run.
struct Run<'a> {
    recipe: &'a Recipe,
    method: Box<dyn Method>,
    optimizer: Optimizer,
    /// The floating tensors of the method, sharing storage with it.
    weights: Vec<Tensor>,
    ema: Option<Ema>,
    loader: Loader,
    header: Header,
    /// Batches of an epoch.
    per_epoch: u64,
    /// Steps of the warm-up.
    warmup: u64,
    /// Steps of the whole run.
    total: u64,
}

impl<'a> Run<'a> {
    fn new(recipe: &'a Recipe, data: Arc<dyn Dataset>, options: &RunOptions) -> Result<Self, Error> {
        let batch_size = recipe.loader.batch_size;
        let header = Header::new(recipe, options.seed, data.len(), data.classes())?;
        let (samples, classes) = (data.len(), data.classes().len());
        if samples < batch_size {
            return Err(Error::TooFewSamples { samples, batch_size });
        }
        let setup = Setup { model: &recipe.model.name, classes, device: options.device, seed: options.seed };
        let method = recipe.method.build(&setup)?;
        let optimizer = Optimizer::new(recipe.optimizer.rule(), method.parameters(), |_, tensor| {
            recipe.decay.of(tensor)
        })?;
        let weights = method.state().into_iter().map(|(_, tensor)| tensor.detach());
        let weights = weights.filter(Tensor::is_floating_point).collect();
        let ema = recipe.ema.as_ref().map(|ema| Ema::new(&method.state(), ema.decay)).transpose()?;
        let views = recipe.views.views(method.as_ref(), data.as_ref())?;
        let loader = Loader::new(
            data,
            views,
            LoaderOptions {
                batch_size,
                workers: options.workers.max(1),
                shuffle: true,
                seed: options.seed,
                drop_last: true,
                on_bad_sample: match recipe.loader.on_bad_sample {
                    BadSample::Fail => OnBadSample::Fail,
                    BadSample::Skip => OnBadSample::Skip,
                },
                ..LoaderOptions::default()
            },
        )?;
        let per_epoch = loader.batches_per_epoch() as u64;
        let steps = |length: crate::Length| length.steps(per_epoch, batch_size as u64);
        let (warmup, total) = (steps(recipe.schedule.warmup), steps(recipe.schedule.length));
        if total == 0 {
            return Err(Error::Value {
                key: "schedule.length".to_owned(),
                value: recipe.schedule.length.to_string(),
                message: format!("rounds to no step at all (an epoch of this dataset has {per_epoch})"),
            });
        }
        Ok(Self { recipe, method, optimizer, weights, ema, loader, header, per_epoch, warmup, total })
    }

    /// Takes over the position and all values of a checkpoint.
    fn resume(&mut self, found: &checkpoint::Found) -> Result<(), Error> {
        checkpoint::restore(&found.path, &found.bytes, &self.tensors())?;
        self.optimizer.resume_at(found.header.step);
        self.header = found.header.clone();
        Ok(())
    }

    /// Every tensor that a checkpoint holds.
    fn tensors(&self) -> Vec<NamedTensor> {
        let part = |prefix: &str, tensors: Vec<NamedTensor>| -> Vec<NamedTensor> {
            tensors.into_iter().map(|(name, tensor)| (format!("{prefix}.{name}"), tensor)).collect()
        };
        let mut all = part("method", self.method.state());
        all.extend(part("optimizer", self.optimizer.state()));
        all.extend(part("ema", self.ema.as_ref().map(Ema::state).unwrap_or_default()));
        all
    }

    fn logs(&self, step: u64) -> bool {
        step.is_multiple_of(self.recipe.log.every_steps) || step == self.total
    }

    /// Notes that the next batch is `batch` of `epoch`, or the next epoch's first when there is no such batch.
    fn moved_to(&mut self, epoch: u64, batch: usize) {
        let over = batch as u64 >= self.per_epoch;
        (self.header.epoch, self.header.batch) = if over { (epoch + 1, 0) } else { (epoch, batch) };
    }

    /// Takes one step on `batch`.
    fn step(&mut self, batch: &visrep_data::Batch) -> Result<StepReport, Error> {
        let (index, epoch) = (self.header.step, self.header.epoch);
        let step = Step { index, total: self.total, epoch, log: self.logs(index + 1) };
        let lr = self.recipe.schedule.lr(index, self.warmup, self.total);
        // Whatever the networks draw depends on the seed and the step alone, and so survives a resume.
        tch::manual_seed(step_seed(self.header.seed, index));
        let tensors = Batch {
            images: batch.views.iter().map(|view| view.to_tensor()).collect(),
            labels: batch.labels.clone(),
            indices: batch.indices.clone(),
        };
        let loss = self.method.loss(&tensors, &step).map_err(|source| {
            match source.position(&tensors).and_then(|at| batch.keys.get(at)) {
                Some(key) => Error::Sample { key: key.clone(), source },
                None => source.into(),
            }
        })?;
        let value = f64::try_from(&loss.value)?;
        let not_finite = || Error::NonFinite { step: index, epoch, loss: value, keys: batch.keys.clone() };
        if !value.is_finite() {
            return Err(not_finite());
        }
        self.optimizer.step(&loss.value, lr)?;
        // Before anything is made of the weights: an average, a checkpoint, the next batch's loss.
        if !all_finite(&self.weights)? {
            return Err(not_finite());
        }
        {
            let _guard = tch::no_grad_guard();
            self.method.after_step(&step)?;
        }
        if let Some(ema) = &mut self.ema {
            ema.update(&self.method.state())?;
        }
        self.header.step += 1;
        let (step, total) = (self.header.step, self.total);
        Ok(StepReport { step, total, epoch, loss: value, lr, images_per_second: 0.0, metrics: loss.metrics })
    }

    /// Writes the trained model, or its average where the recipe has one.
    fn export(&self, path: &Path) -> Result<(), Error> {
        if let Some(ema) = &self.ema {
            ema.copy_into(&self.method.state())?;
        }
        Ok(self.method.model().save_weights(path)?)
    }
}

/// Whether no value is NaN or infinite. One number comes back from the device, however many tensors there are.
fn all_finite(tensors: &[Tensor]) -> Result<bool, Error> {
    // A sum is finite exactly when its terms are: f64 cannot overflow on the values of the smaller kinds.
    let sums = tensors.iter().map(|tensor| tensor.f_sum(Kind::Double)).collect::<Result<Vec<_>, _>>()?;
    if sums.is_empty() {
        return Ok(true);
    }
    Ok(f64::try_from(&Tensor::f_stack(&sums, 0)?.f_sum(Kind::Double)?)?.is_finite())
}

/// The seed of LibTorch's generator for one step.
fn step_seed(seed: u64, step: u64) -> i64 {
    use rand::Rng as _;
    // Any coordinate that no view of a sample has keeps this apart from the views' generators.
    visrep_augment::view_rng(seed, step, u64::MAX, u64::MAX).next_u64() as i64
}

/// Holds the output folder for this process, until the file is closed.
fn lock(out: &Path) -> Result<std::fs::File, Error> {
    let path = out.join("checkpoints.lock");
    let file = std::fs::File::create(&path).map_err(Error::io(&path, "make the lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(Error::OutputBusy { path: out.to_owned() }),
        Err(std::fs::TryLockError::Error(error)) => Err(Error::io(&path, "take the lock")(error)),
    }
}

/// Speed and remaining time.
struct Clock {
    start: (Instant, u64),
    lap: (Instant, u64),
}

impl Clock {
    fn new(step: u64) -> Self {
        let now = Instant::now();
        Self { start: (now, step), lap: (now, step) }
    }

    fn lap(&mut self, step: u64) {
        self.lap = (Instant::now(), step);
    }

    fn images_per_second(&self, step: u64, batch_size: usize) -> f64 {
        let (since, at) = self.lap;
        (step - at) as f64 * batch_size as f64 / since.elapsed().as_secs_f64().max(1e-9)
    }

    fn eta(&self, step: u64, total: u64) -> Duration {
        let (since, at) = self.start;
        let each = since.elapsed().as_secs_f64() / (step - at).max(1) as f64;
        Duration::try_from_secs_f64(each * (total - step) as f64).unwrap_or(Duration::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remaining_time_of_an_endless_run_is_long() {
        let clock = Clock::new(0);
        std::thread::sleep(Duration::from_millis(2));
        assert!(clock.eta(1, u64::MAX) > Duration::from_secs(1 << 40));
        assert_eq!(clock.eta(7, 7), Duration::ZERO);
    }

    #[test]
    fn one_value_that_is_not_finite_is_found() {
        let tensor = |value: f32| Tensor::from_slice(&[1.0, f32::MAX, value]);
        assert!(all_finite(&[]).unwrap() && all_finite(&[tensor(f32::MAX), tensor(0.0)]).unwrap());
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert!(!all_finite(&[tensor(1.0), tensor(value)]).unwrap());
        }
        assert!(!all_finite(&[tensor(f32::INFINITY), tensor(f32::NEG_INFINITY)]).unwrap());
    }
}
