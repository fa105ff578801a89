//! Training LPIPS's heads on judgements, the network frozen: the authors' "lin" variant.

use super::{Lpips, LpipsHeads, PixelRange, mean, total};
use crate::Error;
use tch::nn::{self, Module, OptimizerConfig};
use tch::{Reduction, Tensor};

/// How heads are trained. The default is the authors'.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HeadTraining {
    /// Adam's learning rate of the first epochs.
    pub learning_rate: f64,
    /// Epochs at that rate.
    pub epochs: u32,
    /// Epochs after them, in which the rate falls to 0 in a straight line.
    pub decay_epochs: u32,
    /// The share of squared differences that are dropped.
    pub dropout: f64,
}

impl Default for HeadTraining {
    fn default() -> Self {
        Self { learning_rate: 1e-4, epochs: 5, decay_epochs: 5, dropout: 0.5 }
    }
}

impl HeadTraining {
    /// The learning rate of an epoch, counted from 0.
    pub fn learning_rate_of(&self, epoch: u32) -> f64 {
        let decayed = epoch.saturating_sub(self.epochs).min(self.decay_epochs);
        self.learning_rate * (1.0 - f64::from(decayed) / f64::from(self.decay_epochs.max(1)))
    }
}

/// Trains the heads of an [`Lpips`]: a small network (5, 32, 32, 1) turns two distances into the probability that judges
/// prefer the second image, whose cross-entropy with the judges' share is minimised by Adam (β₁ = 0.5); heads stay at 0 or above.
#[derive(Debug)]
pub struct HeadTrainer {
    lpips: Lpips,
    options: HeadTraining,
    ranking: nn::Sequential,
    optimizer: nn::Optimizer,
    vars: nn::VarStore,
}

impl HeadTrainer {
    /// Goes on from the heads of `lpips`; the ranking network starts from LibTorch's generator.
    ///
    /// # Errors
    /// When memory is short.
    pub fn new(mut lpips: Lpips, options: HeadTraining) -> Result<Self, Error> {
        let vars = nn::VarStore::new(lpips.model.device());
        let root = vars.root();
        let heads = lpips.heads.weights().iter().enumerate();
        let weights = heads.map(|(tap, weight)| root.var_copy(&format!("lin{tap}"), weight)).collect();
        lpips.heads = LpipsHeads::from_tensors(lpips.net, weights)?;
        lpips.baseline = false;
        let layer = |index: u32, from, to| {
            nn::linear(&root / "ranking" / index, from, to, nn::LinearConfig::default())
        };
        let ranking = nn::seq()
            .add(layer(0, 5, 32))
            .add_fn(leaky_relu)
            .add(layer(2, 32, 32))
            .add_fn(leaky_relu)
            .add(layer(4, 32, 1));
        let adam = nn::Adam { beta1: 0.5, ..nn::Adam::default() };
        let optimizer = adam.build(&vars, options.learning_rate)?;
        Ok(Self { lpips, options, ranking, optimizer, vars })
    }

    /// Sets the learning rate to that of an epoch, counted from 0.
    pub fn start_epoch(&mut self, epoch: u32) {
        self.optimizer.set_lr(self.options.learning_rate_of(epoch));
    }

    /// One step on triplets (N, 3, H, W) with `judge` (N), the shares of judges who find the **second** image nearer. The
    /// loss before the step.
    ///
    /// # Errors
    /// As [`Lpips::distance`]; judgements that are not within 0..=1.
    pub fn step(
        &mut self,
        reference: &Tensor,
        first: &Tensor,
        second: &Tensor,
        judge: &Tensor,
        range: PixelRange,
    ) -> Result<f64, Error> {
        let judge = judge.f_to_device(self.lpips.model.device())?;
        if judge.numel() > 0 {
            let (min, max) = (judge.f_min()?.f_double_value(&[])?, judge.f_max()?.f_double_value(&[])?);
            if !(min >= 0.0 && max <= 1.0) {
                return Err(Error::Judge { min, max });
            }
        }
        let [reference, first, second] = {
            let of = |x: &Tensor| tch::no_grad(|| self.lpips.activations(&self.lpips.input(x, range)?));
            [of(reference)?, of(first)?, of(second)?]
        };
        let distance = |taps: &[Tensor]| {
            let weighted = self.lpips.weighted(&reference, taps, self.options.dropout)?;
            total(weighted.iter().map(mean).collect::<Result<_, _>>()?)
        };
        let (d0, d1) = (distance(&first)?, distance(&second)?);
        let logit = self.ranking.forward(&ranking_input(&d0, &d1)?).f_squeeze_dim(1)?;
        let none = None::<Tensor>;
        let loss = logit.f_binary_cross_entropy_with_logits(
            &judge,
            none.as_ref(),
            none.as_ref(),
            Reduction::Mean,
        )?;
        self.optimizer.backward_step(&loss);
        tch::no_grad(|| -> Result<(), Error> {
            for weight in self.lpips.heads.weights() {
                let _ = weight.shallow_clone().f_clamp_min_(0.0)?;
            }
            Ok(())
        })?;
        Ok(loss.f_double_value(&[])?)
    }

    /// The distance as it is now.
    pub fn lpips(&self) -> &Lpips {
        &self.lpips
    }

    /// The trained distance.
    pub fn finish(self) -> Lpips {
        self.lpips
    }

    /// The parameters of the ranking network, for tests against the authors' code.
    #[doc(hidden)]
    pub fn ranking_parameters(&self) -> Vec<(String, Tensor)> {
        let named = self.vars.variables().into_iter().filter(|(name, _)| name.starts_with("ranking"));
        named.collect()
    }
}

fn leaky_relu(x: &Tensor) -> Tensor {
    x.maximum(&(x * 0.2))
}

/// What the ranking network looks at: d0, d1, their difference and their ratios, (N, 5).
fn ranking_input(d0: &Tensor, d1: &Tensor) -> Result<Tensor, Error> {
    const EPS: f64 = 0.1;
    let ratio = |a: &Tensor, b: &Tensor| a.f_div(&b.f_add_scalar(EPS)?);
    Ok(Tensor::f_stack(
        &[d0.shallow_clone(), d1.shallow_clone(), d0.f_sub(d1)?, ratio(d0, d1)?, ratio(d1, d0)?],
        1,
    )?)
}
