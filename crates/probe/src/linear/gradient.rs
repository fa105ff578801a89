//! The linear probes that papers train by stochastic gradient descent, on features that are computed once or on augmented
//! images.

use super::{Fitting, LinearProbe, ProbeViews, Scale};
use crate::passes::pooled_passes;
use crate::progress::Progress;
use crate::{Error, Execution, FeatureSet, Pooling};
use rand::seq::SliceRandom;
use std::sync::Arc;
use tch::{Device, Kind, Tensor};
use visrep_augment::view_rng;
use visrep_data::{Dataset, Loader, LoaderOptions, Views};
use visrep_losses::cross_entropy;
use visrep_models::Model;
use visrep_torch::{Generator, linear};
use visrep_train::{Curve, Optimizer, OptimizerConfig, ParameterOptions, Rates, Schedule};

/// How a linear classifier is trained by stochastic gradient descent under cross entropy.
#[derive(Clone, Debug, PartialEq)]
pub struct GradientFit {
    /// The rule and its constants.
    pub optimizer: OptimizerConfig,
    /// How long, and with which learning rate.
    pub schedule: Schedule,
    /// Samples of a step. Data of fewer are one batch, to which the schedule's batch scaling then goes; what is left of an
    /// epoch's batches is left out.
    pub batch_size: usize,
    /// L2 penalty of weights and biases.
    pub weight_decay: f64,
    /// Normalise features by the batch, and by its running statistics afterwards, before the classifier: batch normalisation
    /// without scale and shift, of this epsilon.
    pub batch_norm: Option<f64>,
    /// The deviation of the initial weights, whose mean is 0 as are the biases.
    pub weight_std: f64,
}

/// What is trained, in messages.
const WHAT: &str = "the linear probe";
/// How fast the running statistics of batch normalisation follow: PyTorch's default.
const MOMENTUM: f64 = 0.1;

impl LinearProbe {
    /// Trains a classifier on features that were computed once, in an order drawn from `seed`. The papers' protocols augment
    /// the images: what this gives is another, cheaper figure, and is to be called so.
    ///
    /// # Errors
    /// Values out of range; features that are not finite; too few samples or classes; a loss that is not finite.
    pub fn descend(train: &FeatureSet, fit: &GradientFit, seed: u64) -> Result<Self, Error> {
        train.check_labelled()?;
        let mut head =
            Head::new(fit, train.len(), train.dim(), train.classes(), train.features.device(), seed)?;
        let labels = Tensor::f_from_slice(&train.labels)?.f_to_device(train.features.device())?;
        let mut order: Vec<i64> = (0..train.len() as i64).collect();
        while !head.is_done() {
            order.shuffle(&mut view_rng(seed, head.epoch(), ORDER, 0));
            let left = (head.curve.total() - head.steps) as usize;
            for rows in order.chunks_exact(head.batch_size).take(left) {
                let at = Tensor::f_from_slice(rows)?.f_to_device(train.features.device())?;
                let (x, y) = (train.features.f_index_select(0, &at)?, labels.f_index_select(0, &at)?);
                head.step(&x, &y, || rows.iter().map(|&row| train.keys[row as usize].clone()).collect())?;
            }
        }
        head.finish()
    }

    /// Trains a classifier on the features that the frozen `model` has of augmented images of `data`: the papers' protocol. Every
    /// epoch is a pass of the network.
    ///
    /// # Errors
    /// Values out of range; a sample without a label, or that cannot be read; too few classes; a network that has not what
    /// `pooling` asks for; a loss that is not finite; [`Error::Stopped`].
    pub fn train(
        model: &Model,
        data: Arc<dyn Dataset>,
        fit: &GradientFit,
        views: ProbeViews,
        pooling: Pooling,
        execution: &Execution,
    ) -> Result<Self, Error> {
        let labels = labels_of(data.as_ref())?;
        let classes =
            labels.iter().max().map_or(0, |&highest| highest as usize + 1).max(data.classes().len());
        let (samples, seed) = (data.len(), execution.seed);
        let mut head = Head::new(fit, samples, pooling.dim(model), classes, model.device(), seed)?;
        let loader_options = LoaderOptions {
            batch_size: execution.batch_size.min(head.batch_size),
            workers: execution.workers,
            shuffle: true,
            seed,
            ..Default::default()
        };
        let views = Views::single(views.transform(model.preprocessing().input_size)?);
        let loader = Loader::new(data, views, loader_options)?;
        let images = head.curve.total() as usize * head.batch_size;
        let mut progress = Progress::new(execution.progress, "linear probe", images);
        while !head.is_done() {
            let (epoch, preprocessing) = (loader.epoch(head.epoch(), 0), model.preprocessing().clone());
            // A step's features may come of several passes of the network; what they leave is part of the next step.
            let (mut x, mut y) = (Vec::new(), Vec::new());
            for pass in pooled_passes(model, epoch, execution.precision, pooling, preprocessing)? {
                let (batch, features) = pass?;
                // A copy that was not made in inference mode, so that gradients of the head may use it.
                x.push(features.pooled.f_detach()?.f_to_device_(model.device(), Kind::Float, false, true)?);
                y.extend_from_slice(&batch.labels);
                progress.advance(batch.labels.len());
                if y.len() < head.batch_size {
                    continue;
                }
                let (rows, all) = (head.batch_size as i64, Tensor::f_cat(&x, 0)?);
                let labels: Vec<i64> = y.drain(..head.batch_size).collect();
                let labels = Tensor::f_from_slice(&labels)?.f_to_device(model.device())?;
                head.step(&all.f_narrow(0, 0, rows)?, &labels, || batch.keys.clone())?;
                x = vec![all.f_narrow(0, rows, all.size()[0] - rows)?];
                execution.go_on(WHAT, head.steps, head.curve.total())?;
                if head.is_done() {
                    break;
                }
            }
        }
        head.finish()
    }
}

/// Keeps the order of epochs apart from what else is drawn from a seed.
const ORDER: u64 = u64::MAX - 3;

/// Every sample's label; errs on a sample without one.
pub(crate) fn labels_of(data: &dyn Dataset) -> Result<Vec<i64>, Error> {
    let labelled = data.labels()?.into_iter().enumerate();
    labelled
        .map(|(index, label)| label.map(i64::from).ok_or_else(|| Error::NoLabel { key: data.key(index) }))
        .collect()
}

/// A classifier in training.
struct Head {
    weight: Tensor,
    bias: Tensor,
    norm: Option<Norm>,
    optimizer: Optimizer,
    curve: Curve,
    batch_size: usize,
    steps: u64,
    per_epoch: u64,
    /// The losses of the present epoch, and how many.
    sum: (f64, u64),
}

/// Running statistics of features, and epsilon.
struct Norm {
    mean: Tensor,
    variance: Tensor,
    eps: f64,
}

impl Head {
    fn new(
        fit: &GradientFit,
        samples: usize,
        dim: i64,
        classes: usize,
        device: Device,
        seed: u64,
    ) -> Result<Self, Error> {
        if classes < 2 {
            let need = "a classifier needs samples of two classes or more";
            return Err(Error::TooFew { what: "classes", need });
        }
        let batch_size = fit.batch_size.min(samples);
        if batch_size < if fit.batch_norm.is_some() { 2 } else { 1 } {
            let need = "a step needs a sample, and two where features are normalised by the batch";
            return Err(Error::TooFew { what: "batch", need });
        }
        for (parameter, value) in [("weight_decay", fit.weight_decay), ("weight_std", fit.weight_std)] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(Error::Parameter { parameter, value, expected: "a number of at least 0" });
            }
        }
        let per_epoch = (samples / batch_size) as u64;
        let curve = fit.schedule.curve(per_epoch, batch_size as u64);
        if curve.total() == 0 {
            let expected = "a length of one step at least";
            return Err(Error::Parameter { parameter: "schedule.length", value: 0.0, expected });
        }
        let weight = Tensor::f_zeros([classes as i64, dim], (Kind::Float, Device::Cpu))?;
        Generator::new(seed as i64).normal_(&weight, 0.0, fit.weight_std)?;
        let weight = weight.f_to_device(device)?.f_set_requires_grad(true)?;
        let bias = Tensor::f_zeros([classes as i64], (Kind::Float, device))?.f_set_requires_grad(true)?;
        let parameters =
            vec![("weight".to_owned(), weight.shallow_clone()), ("bias".to_owned(), bias.shallow_clone())];
        let options = ParameterOptions { weight_decay: fit.weight_decay, ..Default::default() };
        let optimizer = Optimizer::new(fit.optimizer.rule(), parameters, |_, _| options)?;
        let norm = match fit.batch_norm {
            Some(eps) => Some(Norm {
                mean: Tensor::f_zeros([dim], (Kind::Float, device))?,
                variance: Tensor::f_ones([dim], (Kind::Float, device))?,
                eps,
            }),
            None => None,
        };
        Ok(Self { weight, bias, norm, optimizer, curve, batch_size, steps: 0, per_epoch, sum: (0.0, 0) })
    }

    fn is_done(&self) -> bool {
        self.steps == self.curve.total()
    }

    /// The epoch that the next step begins.
    fn epoch(&self) -> u64 {
        self.steps / self.per_epoch
    }

    /// A step on features `x` (N, D) with labels `y`.
    fn step(&mut self, x: &Tensor, y: &Tensor, keys: impl Fn() -> Vec<String>) -> Result<(), Error> {
        let x = match &self.norm {
            Some(Norm { mean, variance, eps }) => x.f_batch_norm(
                None::<&Tensor>,
                None::<&Tensor>,
                Some(mean),
                Some(variance),
                true,
                MOMENTUM,
                *eps,
                false,
            )?,
            None => x.shallow_clone(),
        };
        let gradients = tch::with_grad(|| {
            let loss = cross_entropy(&linear(&x, &self.weight, Some(&self.bias))?, y, 0.0)?;
            Ok::<_, Error>((f64::try_from(&loss)?, self.optimizer.gradients(&loss, false)?))
        });
        let (loss, gradients) = gradients?;
        if !loss.is_finite() {
            let keys = keys().into_iter().take(8).collect();
            return Err(Error::Diverged { what: WHAT, step: self.steps, loss, keys });
        }
        self.optimizer.apply(gradients, &Rates::constant(self.curve.lr(self.steps)))?;
        if self.steps.is_multiple_of(self.per_epoch) {
            self.sum = (0.0, 0);
        }
        self.sum = (self.sum.0 + loss, self.sum.1 + 1);
        self.steps += 1;
        Ok(())
    }

    fn finish(self) -> Result<LinearProbe, Error> {
        let double = |tensor: &Tensor| tensor.f_detach()?.f_to_kind(Kind::Double);
        let shift = match &self.norm {
            Some(Norm { mean, variance, eps }) => {
                let deviation = double(variance)?.f_add_scalar(*eps)?.f_sqrt()?;
                Some((double(mean)?.f_unsqueeze(0)?, deviation.f_unsqueeze(0)?))
            }
            None => None,
        };
        let weight = double(&self.weight)?;
        let finite = weight.f_sum(Kind::Double)?.f_add(&double(&self.bias)?.f_sum(Kind::Double)?)?;
        let loss = self.sum.0 / self.sum.1 as f64;
        if !f64::try_from(&finite)?.is_finite() {
            return Err(Error::Diverged { what: WHAT, step: self.steps - 1, loss, keys: Vec::new() });
        }
        let classes = weight.size()[0];
        Ok(LinearProbe {
            weight: weight.f_tr()?.f_contiguous()?,
            bias: double(&self.bias)?,
            scale: Scale { shift },
            present: (0..classes).collect(),
            classes: classes as usize,
            fitting: Fitting::Gradient {
                steps: self.steps,
                batch_size: self.batch_size,
                lr: self.curve.highest(),
                loss,
            },
        })
    }
}
