//! The online linear probe: a classifier that learns beside the method, on features that it cannot change.

use crate::Error;
use crate::optim::{Optimizer, ParameterOptions, Rates, Rule, Sgd};
use crate::recipe::OnlineConfig;
use tch::{Device, Kind, Tensor};
use visrep_losses::cross_entropy;
use visrep_methods::NamedTensor;
use visrep_torch::linear;

/// Images of a batch that a learning rate is given for.
const REFERENCE: f64 = 256.0;
/// How fast the running statistics follow, and what is added to a variance: MAE's linear evaluation.
const MOMENTUM: f64 = 0.1;
const EPS: f64 = 1e-6;

/// A linear classifier on the features of a network in training: the section `[online]` of a recipe.
///
/// Its weights start at 0. At every step it sees the pooled features of the batch's first views, computed once more as an
/// evaluation does, so that nothing of it reaches the network: neither a gradient nor a statistic nor a random number. They are
/// normalised by the batch, without scale and shift, as in MAE's linear evaluation: while a network's running statistics settle,
/// its features are of any size. The learning rate follows the run's schedule in proportion.
pub struct OnlineLinear {
    weight: Tensor,
    bias: Tensor,
    /// The running mean and variance of the features.
    mean: Tensor,
    variance: Tensor,
    optimizer: Optimizer,
    lr: f64,
}

impl OnlineLinear {
    pub(super) fn new(
        config: &OnlineConfig,
        dim: i64,
        classes: usize,
        batch: usize,
        device: Device,
    ) -> Result<Self, Error> {
        if classes < 2 {
            return Err(Error::Value {
                key: "online".to_owned(),
                value: format!("{classes} classes"),
                message:
                    "a classifier needs images with labels of two classes or more; leave the section out"
                        .to_owned(),
            });
        }
        let zeros = |size: &[i64]| -> Result<Tensor, Error> {
            Ok(Tensor::f_zeros(size, (Kind::Float, device))?.f_set_requires_grad(true)?)
        };
        let (weight, bias) = (zeros(&[classes as i64, dim])?, zeros(&[classes as i64])?);
        let parameters =
            vec![("weight".to_owned(), weight.shallow_clone()), ("bias".to_owned(), bias.shallow_clone())];
        let rule: Box<dyn Rule> = Box::new(Sgd { momentum: config.momentum, nesterov: false });
        let options = ParameterOptions { weight_decay: config.weight_decay, ..Default::default() };
        let optimizer = Optimizer::new(rule, parameters, |_, _| options)?;
        let mean = Tensor::f_zeros([dim], (Kind::Float, device))?;
        let variance = mean.f_ones_like()?;
        Ok(Self { weight, bias, mean, variance, optimizer, lr: config.lr * batch as f64 / REFERENCE })
    }

    /// Learns from `features` (N, D) with `labels`, of which -1 is none, at `part` of its learning rate; gives the share that it had
    /// right before, and its loss. `None` where fewer than two images have a label.
    pub(super) fn step(
        &mut self,
        features: &Tensor,
        labels: &[i64],
        part: f64,
    ) -> Result<Option<(f64, f64)>, Error> {
        let (rows, labels): (Vec<i64>, Vec<i64>) =
            (0..).zip(labels).filter(|(_, label)| **label >= 0).map(|(row, &label)| (row, label)).unzip();
        if labels.len() < 2 {
            return Ok(None);
        }
        let device = self.weight.device();
        let x = features.f_detach()?.f_index_select(0, &Tensor::f_from_slice(&rows)?.f_to_device(device)?)?;
        let x = self.normalised(&x, true)?;
        let y = Tensor::f_from_slice(&labels)?.f_to_device(device)?;
        let logits = linear(&x, &self.weight, Some(&self.bias))?;
        let loss = cross_entropy(&logits, &y, 0.0).map_err(visrep_methods::Error::from)?;
        let gradients = self.optimizer.gradients(&loss, false)?;
        let _guard = tch::no_grad_guard();
        self.optimizer.apply(gradients, &Rates::constant(self.lr * part))?;
        let right = logits.f_argmax(1, false)?.f_eq_tensor(&y)?.f_to_kind(Kind::Float)?.f_mean(None)?;
        Ok(Some((f64::try_from(&right)?, f64::try_from(&loss)?)))
    }

    /// Logits (N, classes) f32 for pooled features (N, D) f32, on the classifier's device.
    ///
    /// # Errors
    /// Features of another length.
    pub fn logits(&self, features: &Tensor) -> Result<Tensor, Error> {
        let _guard = tch::no_grad_guard();
        let features = self.normalised(&features.f_to_device(self.weight.device())?, false)?;
        Ok(linear(&features, &self.weight, Some(&self.bias))?)
    }

    /// Features normalised by themselves, which the running statistics follow, or by those.
    fn normalised(&self, features: &Tensor, train: bool) -> Result<Tensor, Error> {
        let (mean, variance) = (Some(&self.mean), Some(&self.variance));
        Ok(features.f_batch_norm(None, None, mean, variance, train, MOMENTUM, EPS, false)?)
    }

    /// What a checkpoint holds of it; shares storage with it.
    pub(super) fn state(&self) -> Vec<NamedTensor> {
        let own = [
            ("weight", &self.weight),
            ("bias", &self.bias),
            ("running_mean", &self.mean),
            ("running_var", &self.variance),
        ];
        let own = own.map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone()));
        own.into_iter().chain(self.optimizer.state()).collect()
    }

    /// Goes on after `steps` steps.
    pub(super) fn resume_at(&mut self, steps: u64) {
        self.optimizer.resume_at(steps);
    }
}
