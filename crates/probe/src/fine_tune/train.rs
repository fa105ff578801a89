//! The loop of fine-tuning.

use super::{FineTuned, FineTuning};
use crate::linear::labels_of;
use crate::progress::Progress;
use crate::{Error, Execution};
use std::collections::HashMap;
use std::sync::Arc;
use tch::{Device, Kind, Tensor};
use visrep_augment::{tensor, view_rng};
use visrep_data::{Batch, Dataset, Loader, LoaderOptions, Subset, Views};
use visrep_losses::cross_entropy;
use visrep_models::{HeadStart, Model, Preprocessing};
use visrep_torch::{Prefetcher, foreach_add_};
use visrep_train::{Optimizer, ParameterOptions, Rates, Which, layer_scales};

/// What is trained, in messages.
pub(super) const WHAT: &str = "fine-tuning";
/// Keep these random numbers apart from those of the views, which have a sample's index in the first place.
const STEP: u64 = u64::MAX - 4;

/// Trains a copy of `model` with a new classifier on `train`, as `tuning` says; the model itself stays as it is. With the same
/// seed, data and number of LibTorch's threads the result is the same to the bit on the CPU.
///
/// Nothing is kept of a run that is stopped.
///
/// # Errors
/// Values out of range; a sample without a label, or that cannot be read; a network that cannot be trained or does not take such
/// images; a loss that is not finite; [`Error::Stopped`].
pub fn fine_tune(
    model: &Model,
    train: Arc<dyn Dataset>,
    tuning: &FineTuning,
    execution: &Execution,
) -> Result<FineTuned, Error> {
    tuning.check()?;
    let labels = labels_of(train.as_ref())?;
    let highest = labels.iter().max().map_or(0, |&highest| highest as usize + 1);
    let classes = highest.max(train.classes().len());
    if classes < 2 {
        let need = "a classifier needs samples of two classes or more";
        return Err(Error::TooFew { what: "classes", need });
    }
    let copy = prepare(model, classes, tuning, execution.seed)?;
    let device = copy.device();
    let loader = loader(train, tuning, execution)?;
    let curve = tuning.schedule.curve(loader.batches_per_epoch() as u64, tuning.batch_size as u64);
    let total = curve.total();
    if total == 0 {
        let expected = "a length of one step at least";
        return Err(Error::Parameter { parameter: "schedule.length", value: 0.0, expected });
    }
    let mut trainer = Trainer {
        optimizer: optimizer(&copy, tuning)?,
        preprocessing: tuning.normalisation.of(copy.preprocessing()),
        model: &copy,
        classes,
        tuning,
        execution,
    };
    let called = execution.what.as_deref().unwrap_or(WHAT);
    let mut progress = Progress::new(execution.progress, called, total as usize * tuning.batch_size);
    let mut losses = Vec::new();
    for epoch in 0.. {
        let done = losses.len() as u64;
        if done == total {
            break;
        }
        let batches = loader.epoch(epoch, 0).map(|batch| batch.map_err(Error::from));
        let no_view = || Error::TooFew { what: "batch", need: "the loader was given no view" };
        let pixels = move |batch: &Batch| Ok(vec![batch.views.first().ok_or_else(no_view)?.to_tensor()]);
        for loaded in Prefetcher::new(device, batches, pixels)?.take((total - done) as usize) {
            let (batch, pixels) = loaded?;
            let step = losses.len() as u64;
            let loss = trainer.step(&batch, pixels.first().ok_or_else(no_view)?, step, curve.lr(step))?;
            losses.push(loss);
            progress.advance(batch.labels.len());
            execution.go_on(WHAT, step + 1, total)?;
        }
    }
    trainer.check_weights(&losses)?;
    Ok(FineTuned::new(copy, tuning.clone(), curve, losses))
}

/// A copy of `model` with a new classifier, for images of the protocol's size.
fn prepare(model: &Model, classes: usize, tuning: &FineTuning, seed: u64) -> Result<Model, Error> {
    let size = tuning.images.size();
    let resized = size != model.preprocessing().input_size && !model.takes_any_image_size();
    let mut copy = model.duplicate(|options| {
        options.drop_path_rate = tuning.drop_path;
        if resized {
            options.image_size = Some((i64::from(size), i64::from(size)));
        }
    })?;
    // Optimisers and losses are in f32; bf16 is the business of autocast.
    copy.set_kind(Kind::Float)?;
    let start = match tuning.head {
        HeadStart::Random(None) => HeadStart::Random(Some(seed as i64)),
        given => given,
    };
    copy.reset_classifier(classes as i64, start)?;
    if let Some(momentum) = tuning.batch_norm_momentum {
        copy.set_batch_norm_momentum(momentum)?;
    }
    Ok(copy)
}

fn loader(train: Arc<dyn Dataset>, tuning: &FineTuning, execution: &Execution) -> Result<Loader, Error> {
    let (samples, batch_size) = (train.len(), tuning.batch_size);
    let train: Arc<dyn Dataset> = match samples {
        0 => return Err(Error::TooFew { what: "training samples", need: "there are none to train on" }),
        _ if samples < batch_size => {
            let repeated = (0..samples).cycle().take(batch_size.next_multiple_of(samples));
            Arc::new(Subset::new(train, repeated.collect()))
        }
        _ => train,
    };
    let options = LoaderOptions {
        batch_size,
        workers: execution.workers,
        shuffle: true,
        seed: execution.seed,
        drop_last: true,
        ..Default::default()
    };
    Ok(Loader::new(train, Views::single(tuning.images.train()), options)?)
}

fn optimizer(model: &Model, tuning: &FineTuning) -> Result<Optimizer, Error> {
    let mut parameters: Vec<(String, Tensor)> = model.var_store().variables().into_iter().collect();
    parameters.retain(|(_, tensor)| tensor.requires_grad());
    parameters.sort_by(|a, b| a.0.cmp(&b.0));
    let scales = match tuning.layer_decay {
        1.0 => HashMap::new(),
        decay => layer_scales(model, decay),
    };
    let options = |name: &str, tensor: &Tensor| {
        let spared = tuning.decay_on == Which::Matrices && model.backbone().exempt_from_decay(name);
        let decays = tuning.decay_on.includes(tensor) && !spared;
        ParameterOptions {
            weight_decay: if decays { tuning.weight_decay } else { 0.0 },
            lr_scale: scales.get(name).copied().unwrap_or(1.0),
            ..Default::default()
        }
    };
    Ok(Optimizer::new(tuning.optimizer.rule(), parameters, options)?)
}

/// A model in training.
struct Trainer<'a> {
    model: &'a Model,
    optimizer: Optimizer,
    preprocessing: Preprocessing,
    classes: usize,
    tuning: &'a FineTuning,
    execution: &'a Execution,
}

/// What the logits of a batch should be.
enum Targets {
    /// Class indices (N).
    Labels(Tensor),
    /// Probabilities (N, C).
    Soft(Tensor),
}

impl Trainer<'_> {
    /// A step on `batch`, whose u8 images (N, H, W, 3) are `pixels`; gives its loss.
    fn step(&mut self, batch: &Batch, pixels: &Tensor, step: u64, lr: f64) -> Result<f64, Error> {
        // Whatever layers draw depends on the seed and the step alone.
        tch::manual_seed(rand::Rng::next_u64(&mut view_rng(self.execution.seed, step, STEP, 0)) as i64);
        let (x, targets) = tch::no_grad(|| self.input(batch, pixels, step))?;
        let samples = batch.labels.len() as i64;
        let part = self.execution.pass.map_or(samples, |most| (most as i64).clamp(1, samples));
        let (mut gradients, mut sum) = (Vec::<Tensor>::new(), 0.0);
        for start in (0..samples).step_by(part as usize) {
            let count = part.min(samples - start);
            let share = count as f64 / samples as f64;
            let (loss, found) = tch::with_grad(|| {
                let loss = self.loss(&x.f_narrow(0, start, count)?, &targets, start, count)?;
                let loss = loss.f_mul_scalar(share)?;
                Ok::<_, Error>((f64::try_from(&loss)?, self.optimizer.gradients(&loss, false)?))
            })?;
            sum += loss;
            match gradients.is_empty() {
                true => gradients = found,
                false => foreach_add_(&mut gradients, &found, 1.0)?,
            }
        }
        if !sum.is_finite() {
            let keys = batch.keys.iter().take(8).cloned().collect();
            return Err(Error::Diverged { what: WHAT, step, loss: sum, keys });
        }
        if let Some(clip) = &self.tuning.clip {
            clip.apply(&mut gradients, &self.optimizer.parameters(), &self.optimizer.names())?;
        }
        self.optimizer.apply(gradients, &Rates::constant(lr))?;
        Ok(sum)
    }

    /// The normalised images (N, 3, H, W) and their targets, mixed where the protocol mixes.
    fn input(&self, batch: &Batch, pixels: &Tensor, step: u64) -> Result<(Tensor, Targets), Error> {
        let device = self.model.device();
        let x = self.preprocessing.normalize(pixels, device)?;
        let Some(mix) = &self.tuning.mix else {
            let labels = Tensor::f_from_slice(&batch.labels)?.f_to_device(device)?;
            return Ok((x, Targets::Labels(labels)));
        };
        let (samples, size) = (batch.labels.len(), self.tuning.images.size());
        let mixing = mix.draw(samples, (size, size), &mut view_rng(self.execution.seed, step, STEP, 1));
        let targets = mixing.targets(&batch.labels, self.classes, self.tuning.label_smoothing)?;
        let targets = Tensor::f_from_slice(&targets)?.f_view([samples as i64, self.classes as i64])?;
        Ok((tensor::mix(&x, &mixing)?, Targets::Soft(targets.f_to_device(device)?)))
    }

    /// The mean loss of the images `x`, which are `count` of the batch from `start` on.
    fn loss(&self, x: &Tensor, targets: &Targets, start: i64, count: i64) -> Result<Tensor, Error> {
        let logits = self.execution.precision.run(self.model.device(), || {
            let features = self.tuning.pooling.forward(self.model, x, true)?;
            Ok::<_, Error>(self.model.logits(&features, true)?)
        })?;
        let logits = logits.f_to_kind(Kind::Float)?;
        match targets {
            Targets::Labels(labels) => {
                Ok(cross_entropy(&logits, &labels.f_narrow(0, start, count)?, self.tuning.label_smoothing)?)
            }
            Targets::Soft(soft) => {
                let soft = soft.f_narrow(0, start, count)?;
                let each = logits.f_log_softmax(1, Kind::Float)?.f_mul(&soft)?;
                Ok(each.f_sum(Kind::Float)?.f_div_scalar(-(count as f64))?)
            }
        }
    }

    /// Errs unless every parameter is finite after the last step.
    fn check_weights(&self, losses: &[f64]) -> Result<(), Error> {
        let sums = self.model.var_store().variables().into_values().filter(Tensor::is_floating_point);
        let sums = sums.map(|tensor| tensor.detach().f_sum(Kind::Double)).collect::<Result<Vec<_>, _>>()?;
        let sum = Tensor::f_stack(&sums, 0)?.f_to_device(Device::Cpu)?.f_sum(Kind::Double)?;
        match f64::try_from(&sum)?.is_finite() {
            true => Ok(()),
            false => {
                let (step, loss) = (losses.len().saturating_sub(1) as u64, losses.last().copied());
                let (loss, keys) = (loss.unwrap_or(f64::NAN), Vec::new());
                Err(Error::Diverged { what: WHAT, step, loss, keys })
            }
        }
    }
}
