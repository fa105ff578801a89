//! The loop: batches in, steps taken, metrics and checkpoints out.

mod clock;
mod feed;
mod loading;
mod online;
mod state;

use crate::checkpoint::Folder;
use crate::recipe::{Best, ProbeConfig};
use crate::telemetry::{EventFile, MetricsLog, Progress, replace};
use crate::{Error, Recipe};
use clock::Clock;
use feed::feed;
pub use online::OnlineLinear;
use state::Run;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use visrep_data::{Dataset, Epoch};
use visrep_models::Model;

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
    /// The method's metrics, those of the collapse watch and of the probe; empty on steps that are not logged.
    pub metrics: Vec<(&'static str, f64)>,
}

impl StepReport {
    /// Every figure but the step's number, with its name.
    pub(crate) fn scalars(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let first = [
            ("epoch", self.epoch as f64),
            ("loss", self.loss),
            ("lr", self.lr),
            ("images_per_second", self.images_per_second),
        ];
        first.into_iter().chain(self.metrics.iter().copied())
    }
}

/// What a caller adds to a run: code at fixed moments, none of which changes the result.
pub trait Hooks {
    /// Called after every step, before any checkpoint; it may raise [`RunOptions::stop`].
    fn after_step(&mut self, _report: &StepReport) {}

    /// Measures the model when the recipe's `[probe]` says so. The first figure decides which checkpoint is the best: higher
    /// is better. Without figures nothing is measured.
    ///
    /// # Errors
    /// Whatever keeps it from measuring; it ends the run.
    fn probe(
        &mut self,
        _model: &Model,
        _config: &ProbeConfig,
    ) -> Result<Vec<(&'static str, f64)>, ProbeError> {
        Ok(Vec::new())
    }

    /// Measures the recipe's `[online]` probe, after [`Self::probe`] and at the same moments.
    ///
    /// # Errors
    /// Whatever keeps it from measuring; it ends the run.
    fn probe_online(
        &mut self,
        _model: &Model,
        _online: &OnlineLinear,
        _config: &ProbeConfig,
    ) -> Result<Vec<(&'static str, f64)>, ProbeError> {
        Ok(Vec::new())
    }
}

/// Why [`Hooks::probe`] could not measure.
pub type ProbeError = Box<dyn std::error::Error + Send + Sync>;

/// Trains by `recipe` on `data` and leaves in the folder `out`: `model.safetensors` (the backbone under timm's names,
/// with its classifier where the method trains one), `metrics.jsonl`, `tensorboard/`, `recipe.toml` (every effective value),
/// `run.json` (what the recipe comes to on this machine and this data), and `checkpoints/`. Where `out` holds checkpoints of
/// the same run, it goes on from the newest. On the CPU the result is then the same to the bit, wherever and however often it
/// was stopped, provided that the machine, LibTorch and the number of LibTorch's threads are the same: sums are split
/// among threads.
///
/// # Errors
/// Among others: a checkpoint of another recipe, seed or precision, or of a dataset with another number of samples or other
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
    after_step: impl FnMut(&StepReport),
) -> Result<Outcome, Error> {
    struct AfterStep<F>(F);
    impl<F: FnMut(&StepReport)> Hooks for AfterStep<F> {
        fn after_step(&mut self, report: &StepReport) {
            (self.0)(report);
        }
    }
    train_with_hooks(recipe, data, out, options, &mut AfterStep(after_step))
}

/// As [`train`], with `hooks` called at their moments.
pub fn train_with_hooks(
    recipe: &Recipe,
    data: Arc<dyn Dataset>,
    out: &Path,
    options: &RunOptions,
    hooks: &mut dyn Hooks,
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
    let first = run.header.step;
    let total = run.curve.total();
    replace(&out.join("recipe.toml"), recipe.to_toml()?.as_bytes())?;
    replace(&out.join("run.json"), &run.facts()?)?;
    let mut log = MetricsLog::open(&out.join("metrics.jsonl"), first)?;
    let mut events = match recipe.log.tensorboard {
        true => Some(EventFile::create(&out.join("tensorboard"), first)?),
        false => None,
    };

    let mut progress = Progress::new(options.progress, first, total);
    match &found {
        Some(found) => progress.note(&format!("going on from {}", found.path.display())),
        None => progress.note(&run.optimizer.table()),
    }
    progress.note(&run.description());
    drop(found);

    let images_per_step = recipe.loader.batch_size * run.accumulate;
    let steps = |length: crate::Length| length.steps(run.per_epoch, images_per_step as u64);
    let every = steps(recipe.checkpoint.every);
    let probe_every = recipe.probe.as_ref().map_or(0, |probe| steps(probe.every));
    let mut clock = Clock::new(first);
    let mut saved_at = Instant::now();
    let mut collapsed = false;
    while run.header.step < total {
        let (epoch, start) = (run.header.epoch, run.header.batch);
        if let Some(side) = run.fit_views(epoch)? {
            progress.note(&format!("epoch {epoch}: views of {side} pixels"));
        }
        let mut batches = run.loader.epoch(epoch, start);
        let mut feed = feed(options.device, &mut batches)?;
        let (mut any, mut pending) = (false, Vec::new());
        while run.header.step < total
            && let Some(loaded) = feed.next()
        {
            let loaded = loaded?;
            let position = loaded.position;
            if loaded.batch.indices.len() < 2 && recipe.loader.batch_size > 1 {
                progress.warn(&format!("batch {position} of epoch {epoch} has too few readable images"));
                continue;
            }
            pending.push(loaded);
            if pending.len() < run.accumulate {
                continue;
            }
            any = true;
            let mut report = run.step(&pending)?;
            let online = run.learn_online(&pending)?;
            if run.logs(report.step) {
                report.metrics.extend(online);
            }
            let last = pending.pop();
            pending.clear();
            run.moved_to(epoch, position);
            report.images_per_second = clock.images_per_second(report.step, images_per_step);
            if let Some(spread) = last.map(|last| run.watch(&last, report.step)).transpose()?.flatten() {
                report.metrics.extend(spread.metrics());
                if spread.is_collapsed() && !std::mem::replace(&mut collapsed, true) {
                    progress.warn(&format!(
                        "after step {} the features of different images are nearly one: standard deviation {:.3}, effective \
                         rank {:.2}",
                        report.step, spread.std, spread.effective_rank
                    ));
                }
            }
            if probe_every > 0
                && (report.step % probe_every == 0 || report.step == total)
                && let Some(config) = &recipe.probe
            {
                let figures = hooks.probe(run.method.model(), config).map_err(Error::Probe)?;
                if let Some((_, figure)) = figures.first()
                    && recipe.best() == Best::Probe
                {
                    run.note_best(&folder, *figure)?;
                }
                report.metrics.extend(figures);
                if let Some(online) = &run.online {
                    let figures = hooks.probe_online(run.method.model(), online, config);
                    report.metrics.extend(figures.map_err(Error::Probe)?);
                }
            }
            hooks.after_step(&report);
            if run.logs(report.step) || !report.metrics.is_empty() {
                log.append(&report)?;
                if let Some(events) = &mut events {
                    events.scalars(report.step, report.scalars())?;
                }
                clock.lap(report.step);
            }
            progress.step(&report, clock.eta(report.step, total));

            let stop = options.stop.load(Ordering::Relaxed);
            let minutes = recipe.checkpoint.minutes;
            let planned = (every > 0 && report.step % every == 0) || report.step == total;
            if planned && recipe.best() == Best::Loss {
                let loss = run.header.loss_average.unwrap_or(report.loss);
                run.note_best(&folder, -loss)?;
            }
            if stop || planned || (minutes > 0.0 && saved_at.elapsed().as_secs_f64() >= minutes * 60.0) {
                folder.save(&run.header, &run.tensors())?;
                saved_at = Instant::now();
            }
            if stop && report.step < total {
                drop(feed);
                warn_of_skipped(&progress, &batches);
                progress.note(&format!("stopped after step {}: run it again to go on", report.step));
                return Ok(Outcome::Interrupted);
            }
        }
        drop(feed);
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
