//! The state of a run: its networks, optimiser, average, loader and position, and one step of it.

use super::feed::Loaded;
use super::loading::loader;
use super::online::OnlineLinear;
use super::{RunOptions, StepReport};
use crate::checkpoint::{self, Folder, Header};
use crate::compute::Compute;
use crate::optim::{Grouping, Rates};
use crate::schedule::Curve;
use crate::telemetry::spread;
use crate::tensors::copy;
use crate::{Ema, Error, Optimizer, Recipe, Spread};
use std::path::Path;
use std::sync::Arc;
use tch::{Kind, Tensor};
use visrep_data::{Dataset, Loader};
use visrep_methods::{Batch, Loss, Method, NamedTensor, Setup, Step};
use visrep_torch::{foreach_add_, foreach_mul_, global_norm, with_batch};

/// Images that the collapse watch looks at.
const WATCHED: i64 = 256;

/// How much of the average of the loss stays at each step.
const LOSS_AVERAGE: f64 = 0.98;

/// The state of a run.
pub(super) struct Run<'a> {
    pub(super) recipe: &'a Recipe,
    pub(super) method: Box<dyn Method>,
    pub(super) optimizer: Optimizer,
    /// The floating tensors of the method, sharing storage with it.
    weights: Vec<Tensor>,
    /// Those of the method's tensors that are not optimised.
    buffers: Vec<Tensor>,
    ema: Option<Ema>,
    pub(super) online: Option<OnlineLinear>,
    pub(super) loader: Loader,
    /// Side of the loader's views.
    pub(super) side: u32,
    pub(super) header: Header,
    /// Loader batches of a step, and of an epoch.
    pub(super) accumulate: usize,
    batches: usize,
    /// Steps of an epoch.
    pub(super) per_epoch: u64,
    pub(super) curve: Curve,
    pub(super) compute: Compute,
    device: tch::Device,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        recipe: &'a Recipe,
        data: Arc<dyn Dataset>,
        options: &RunOptions,
    ) -> Result<Self, Error> {
        let (batch_size, accumulate) = (recipe.loader.batch_size, recipe.gradient.accumulate);
        let (samples, classes) = (data.len(), data.classes().len());
        let device = options.device;
        if samples < batch_size * accumulate {
            return Err(Error::TooFewSamples { samples, batch_size: batch_size * accumulate });
        }
        let names = data.classes().to_vec();
        let setup = Setup { model: &recipe.model.name, classes, device, seed: options.seed };
        let method = recipe.method.build(&setup)?;
        let state = method.state();
        let compute = recipe.compute.resolve(device, &state)?;
        compute.prepare(device, &state)?;
        method.set_gradient_checkpointing(compute.gradient_checkpointing);
        let header = Header::new(recipe, options.seed, samples, &names, compute)?;

        let loader = loader(recipe, method.as_ref(), data, options)?;
        let batches = loader.batches_per_epoch();
        let per_epoch = (batches / accumulate) as u64;
        let images = (batch_size * accumulate) as u64;
        let curve = recipe.schedule.curve(per_epoch, images);
        if curve.total() == 0 {
            return Err(Error::Value {
                key: "schedule.length".to_owned(),
                value: recipe.schedule.length.to_string(),
                message: format!("rounds to no step at all (an epoch of this dataset has {per_epoch})"),
            });
        }

        let parameters = method.parameters();
        let grouping = Grouping::new(&recipe.decay, &recipe.parameters, method.model(), |length| {
            length.steps(per_epoch, images)
        });
        let known: Vec<&str> = parameters.iter().map(|(name, _)| name.as_str()).collect();
        if let Some(pattern) = grouping.unmatched(&known).first() {
            return Err(Error::Value {
                key: "parameters.groups.names".to_owned(),
                value: (*pattern).to_owned(),
                message: format!("fits no parameter; there are {}", patterns(&known).join(", ")),
            });
        }
        let optimised: Vec<String> = known.iter().map(|&name| name.to_owned()).collect();
        let optimizer =
            Optimizer::new(recipe.optimizer.rule(), parameters, |name, tensor| grouping.of(name, tensor))?;
        let detached = |tensor: &Tensor| tensor.detach();
        let weights = state.iter().map(|(_, t)| detached(t)).filter(Tensor::is_floating_point).collect();
        let others = state.iter().filter(|(name, _)| !optimised.contains(name));
        let buffers = others.map(|(_, tensor)| tensor.shallow_clone()).collect();
        let ema = recipe.ema.as_ref().map(|_| Ema::new(&state)).transpose()?;
        let online = recipe
            .online
            .as_ref()
            .map(|config| OnlineLinear::new(config, method.model().embed_dim(), classes, batch_size, device));
        Ok(Self {
            recipe,
            method,
            optimizer,
            weights,
            buffers,
            ema,
            online: online.transpose()?,
            loader,
            side: recipe.views.size,
            header,
            accumulate,
            batches,
            per_epoch,
            curve,
            compute,
            device,
        })
    }

    /// Takes over the position and all values of a checkpoint.
    pub(super) fn resume(&mut self, found: &checkpoint::Found) -> Result<(), Error> {
        checkpoint::restore(&found.path, &found.bytes, &self.tensors())?;
        self.optimizer.resume_at(found.header.step);
        if let Some(online) = &mut self.online {
            online.resume_at(found.header.step * self.accumulate as u64);
        }
        self.header = found.header.clone();
        Ok(())
    }

    /// Every tensor that a checkpoint holds.
    pub(super) fn tensors(&self) -> Vec<NamedTensor> {
        let part = |prefix: &str, tensors: Vec<NamedTensor>| -> Vec<NamedTensor> {
            tensors.into_iter().map(|(name, tensor)| (format!("{prefix}.{name}"), tensor)).collect()
        };
        let mut all = part("method", self.method.state());
        all.extend(part("optimizer", self.optimizer.state()));
        all.extend(part("ema", self.ema.as_ref().map(Ema::state).unwrap_or_default()));
        all.extend(part("online", self.online.as_ref().map(OnlineLinear::state).unwrap_or_default()));
        all
    }

    /// Whether the metrics of the step that makes `step` steps are logged.
    pub(super) fn logs(&self, step: u64) -> bool {
        step.is_multiple_of(self.recipe.log.every_steps) || step == self.curve.total()
    }

    /// Whether the collapse watch looks then.
    fn watches(&self, step: u64) -> bool {
        let every = self.recipe.log.watch_every_steps;
        every > 0 && (step.is_multiple_of(every) || step == self.curve.total())
    }

    /// Notes that the next batch is `batch` of `epoch`, or the next epoch's first where no whole step is left.
    pub(super) fn moved_to(&mut self, epoch: u64, batch: usize) {
        let over = batch.saturating_add(self.accumulate) > self.batches;
        (self.header.epoch, self.header.batch) = if over { (epoch + 1, 0) } else { (epoch, batch) };
    }

    /// Takes one step on `batches`, whose gradients are averaged.
    pub(super) fn step(&mut self, batches: &[Loaded]) -> Result<StepReport, Error> {
        let (index, epoch, total) = (self.header.step, self.header.epoch, self.curve.total());
        let step = Step { index, total, epoch, log: self.logs(index + 1) };
        let keys = || batches.iter().flat_map(|loaded| loaded.batch.keys.clone()).collect();
        let not_finite = |loss: f64| Error::NonFinite { step: index, epoch, loss, keys: keys() };

        let Gradients { tensors: mut gradients, loss: value, mut metrics } =
            self.gradients(batches, &step)?;
        if !value.is_finite() {
            return Err(not_finite(value));
        }
        if let Some(sam) = &self.recipe.sam {
            // The second pass is for its gradient alone: what the method keeps is as after the first.
            let kept = self.buffers.iter().map(copy).collect::<Result<Vec<_>, _>>()?;
            let before = self.optimizer.perturb(&gradients, sam.rho)?;
            gradients = self.gradients(batches, &Step { log: false, ..step })?.tensors;
            self.optimizer.restore(&before)?;
            let _guard = tch::no_grad_guard();
            for (buffer, kept) in self.buffers.iter_mut().zip(&kept) {
                buffer.f_copy_(kept)?;
            }
        }
        if step.log
            && let Some(norm) = global_norm(&gradients)?
        {
            metrics.push(("gradient_norm", f64::try_from(&norm)?));
        }
        if let Some(clip) = &self.recipe.gradient.clip {
            clip.apply(&mut gradients, &self.optimizer.parameters(), &self.optimizer.names())?;
        }
        let lr = self.curve.lr(index);
        self.optimizer.apply(gradients, &self.rates(lr, &step))?;
        // Before anything is made of the weights: an average, a checkpoint, the next batch's loss.
        if !all_finite(&self.weights)? {
            return Err(not_finite(value));
        }
        {
            let _guard = tch::no_grad_guard();
            self.method.after_step(&step)?;
        }
        if let (Some(ema), Some(config)) = (&mut self.ema, &self.recipe.ema) {
            ema.update(&self.method.state(), config.decay.at(&step))?;
        }
        self.header.step += 1;
        let average = self.header.loss_average.unwrap_or(value);
        self.header.loss_average = Some(LOSS_AVERAGE * average + (1.0 - LOSS_AVERAGE) * value);
        let step = self.header.step;
        Ok(StepReport { step, total, epoch, loss: value, lr, images_per_second: 0.0, metrics })
    }

    /// The gradients of the mean loss of `batches`, that loss, and the metrics of the last batch.
    fn gradients(&mut self, batches: &[Loaded], step: &Step) -> Result<Gradients, Error> {
        let mut all = Gradients::default();
        let count = batches.len() as u64;
        for (loaded, part) in batches.iter().zip(0..) {
            // Whatever the networks draw depends on the seed and the step alone, and so survives a resume.
            let seed = step_seed(self.header.seed, step.index * count + part);
            // A smaller batch is tried for what the error says alone: the run ends with it.
            let Gradients { tensors, loss, metrics } =
                with_batch(self.device, loaded.batch.indices.len(), |samples| {
                    tch::manual_seed(seed);
                    self.gradients_of(loaded, samples, step)
                })?;
            all.loss += loss / count as f64;
            all.metrics = metrics;
            if part == 0 {
                all.tensors = tensors;
            } else {
                foreach_add_(&mut all.tensors, &tensors, 1.0)?;
            }
        }
        if count > 1 {
            foreach_mul_(&mut all.tensors, 1.0 / count as f64)?;
        }
        Ok(all)
    }

    /// Those of the first `samples` of one batch.
    fn gradients_of(&mut self, loaded: &Loaded, samples: usize, step: &Step) -> Result<Gradients, Error> {
        let first = |images: &Tensor| images.f_narrow(0, 0, samples as i64);
        let tensors = Batch {
            images: loaded.images.iter().map(first).collect::<Result<_, _>>()?,
            labels: loaded.batch.labels[..samples].to_vec(),
            indices: loaded.batch.indices[..samples].to_vec(),
        };
        let autocast = self.compute.autocast(self.device)?;
        let Loss { value, metrics } = self.method.loss(&tensors, step).map_err(|source| {
            match source.position(&tensors).and_then(|at| loaded.batch.keys.get(at)) {
                Some(key) => Error::Sample { key: key.clone(), source },
                None => source.into(),
            }
        })?;
        drop(autocast);
        let value = value.f_to_kind(Kind::Float)?;
        let loss = f64::try_from(&value)?;
        let tensors = self.optimizer.gradients(&value, self.compute.gradient_checkpointing)?;
        Ok(Gradients { tensors, loss, metrics })
    }

    /// The learning rates and decay of a step.
    fn rates(&self, lr: f64, step: &Step) -> Rates {
        let config = &self.recipe.decay;
        let mut decay = match config.final_rate {
            None => 1.0,
            Some(last) => {
                let progress = step.index as f64 / step.total as f64;
                let rate =
                    last + (config.rate - last) * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos());
                rate / config.rate
            }
        };
        if config.unscaled {
            decay /= self.curve.highest();
        }
        Rates { lr, constant_lr: self.curve.highest(), decay }
    }

    /// How the features of a batch's images are spread now, when it is time to look.
    pub(super) fn watch(&self, last: &Loaded, step: u64) -> Result<Option<Spread>, Error> {
        let Some(images) = last.images.first().filter(|_| self.watches(step)) else { return Ok(None) };
        let images = images.f_narrow(0, 0, images.size()[0].min(WATCHED))?;
        self.features(&images)?.map(|features| spread(&features)).transpose()
    }

    /// The features that the network has now of u8 images (N, H, W, 3), as an evaluation computes them. `None` where some are not
    /// finite: running statistics may not be fit for use yet, which is no fault of the weights.
    fn features(&self, images: &Tensor) -> Result<Option<Tensor>, Error> {
        let _guard = tch::no_grad_guard();
        let _autocast = self.compute.autocast(self.device)?;
        let model = self.method.model();
        let x = model.preprocessing().normalize(images, model.device())?;
        let features = model.backbone().forward_features(&x, false)?.pooled;
        Ok(all_finite(std::slice::from_ref(&features))?.then_some(features))
    }

    /// Lets the online probe learn from the batches of the step just taken; gives its figures, means over the batches. Of an
    /// image's views the first is looked at.
    pub(super) fn learn_online(&mut self, batches: &[Loaded]) -> Result<Vec<(&'static str, f64)>, Error> {
        // Taken out while the network is used.
        let Some(mut online) = self.online.take() else { return Ok(Vec::new()) };
        let part = self.curve.lr(self.header.step - 1) / self.curve.highest().max(f64::MIN_POSITIVE);
        let mut figures = Vec::new();
        for Loaded { batch, images, .. } in batches {
            if let Some(images) = images.first()
                && let Some(features) = self.features(images)?
            {
                figures.extend(online.step(&features.f_to_kind(Kind::Float)?, &batch.labels, part)?);
            }
        }
        self.online = Some(online);
        let count = figures.len() as f64;
        let (right, loss) = figures.iter().fold((0.0, 0.0), |sum, next| (sum.0 + next.0, sum.1 + next.1));
        Ok(if figures.is_empty() {
            Vec::new()
        } else {
            vec![("online_top1", right / count), ("online_loss", loss / count)]
        })
    }

    /// Keeps the present state as the best when `figure`, of which more is better, is higher than before.
    pub(super) fn note_best(&mut self, folder: &Folder, figure: f64) -> Result<(), Error> {
        if figure.is_finite() && self.header.best.is_none_or(|best| figure > best) {
            self.header.best = Some(figure);
            folder.save_best(&self.header, &self.tensors())?;
        }
        Ok(())
    }

    /// What the recipe comes to here, for those who watch.
    pub(super) fn description(&self) -> String {
        let curve = &self.curve;
        format!(
            "{} steps, {} to an epoch, {} of warm-up to a learning rate of {:.6}; {}",
            curve.total(),
            self.per_epoch,
            curve.warmup(),
            curve.highest(),
            self.compute
        )
    }

    /// The same as JSON, with the versions.
    pub(super) fn facts(&self) -> Result<Vec<u8>, Error> {
        let curve = &self.curve;
        let facts = serde_json::json!({
            "visrep": env!("CARGO_PKG_VERSION"),
            "libtorch": visrep_torch::version().to_string(),
            "threads": tch::get_num_threads(),
            "device": format!("{:?}", self.device),
            "seed": self.header.seed,
            "samples": self.header.samples,
            "images_per_step": self.recipe.loader.batch_size * self.accumulate,
            "steps": curve.total(),
            "steps_per_epoch": self.per_epoch,
            "warmup_steps": curve.warmup(),
            "highest_lr": curve.highest(),
            "compute": self.compute,
        });
        Ok(format!("{facts:#}\n").into_bytes())
    }

    /// Writes the trained model, or its average where the recipe has one.
    pub(super) fn export(&self, path: &Path) -> Result<(), Error> {
        if let Some(ema) = &self.ema {
            ema.copy_into(&self.method.state())?;
        }
        Ok(self.method.model().save_weights(path)?)
    }
}

/// What a step is taken by.
#[derive(Default)]
struct Gradients {
    /// One for each parameter of the optimiser.
    tensors: Vec<Tensor>,
    loss: f64,
    metrics: Vec<(&'static str, f64)>,
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

/// The seed of LibTorch's generator for one batch of one step.
fn step_seed(seed: u64, step: u64) -> i64 {
    use rand::Rng as _;
    // Any coordinate that no view of a sample has keeps this apart from the views' generators.
    visrep_augment::view_rng(seed, step, u64::MAX, u64::MAX).next_u64() as i64
}

/// Patterns that fit all of `names`: their first two parts each.
fn patterns(names: &[&str]) -> Vec<String> {
    let pattern = |name: &&str| match name.match_indices('.').nth(1) {
        Some((end, _)) => format!("{}.*", &name[..end]),
        None => (*name).to_owned(),
    };
    let mut patterns: Vec<String> = names.iter().map(pattern).collect();
    patterns.sort();
    patterns.dedup();
    patterns
}

#[cfg(test)]
mod tests {
    use super::*;

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
