//! Optimisers over named tensors, with state that can be saved.
//!
//! An optimiser is a [`Rule`]: one file with its hyper-parameters and its update of one tensor. [`Optimizer`]
//! does the rest: which parameter decays, the state of each, saving and restoring.

mod adamw;
mod sgd;

pub use adamw::AdamW;
pub use sgd::Sgd;

use crate::Error;
use serde::{Deserialize, Serialize};
use tch::{TchError, Tensor};
use visrep_methods::NamedTensor;

/// How one step changes one parameter.
pub trait Rule: Send {
    /// The names of the tensors kept for each parameter between steps; all start at zero, shaped like it.
    fn slots(&self) -> &'static [&'static str];

    /// Updates `parameter` in place. `slots` are its tensors in the order of [`Self::slots`], to update too.
    fn update(
        &self,
        parameter: &mut Tensor,
        gradient: &Tensor,
        slots: &mut [Tensor],
        context: &Update,
    ) -> Result<(), TchError>;
}

/// What a [`Rule`] needs to know of the step.
#[derive(Clone, Copy, Debug)]
pub struct Update {
    /// The learning rate.
    pub lr: f64,
    /// This parameter's weight decay.
    pub weight_decay: f64,
    /// The number of this step, from 1.
    pub step: u64,
}

/// An optimiser of the list: in a recipe, the section `[optimizer]` with `name` and the rule's own keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "lowercase")]
#[non_exhaustive]
pub enum OptimizerConfig {
    /// `sgd`
    Sgd(Sgd),
    /// `adamw`
    AdamW(AdamW),
}

impl OptimizerConfig {
    /// The rule.
    pub fn rule(&self) -> Box<dyn Rule> {
        match self {
            Self::Sgd(rule) => Box::new(rule.clone()),
            Self::AdamW(rule) => Box::new(rule.clone()),
        }
    }
}

/// Weight decay and what it spares: the section `[decay]` of a recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decay {
    /// The factor: added to the gradient by SGD (L2), decoupled and multiplied by the learning rate in AdamW.
    pub rate: f64,
    /// Which parameters decay.
    #[serde(default)]
    pub on: DecayOn,
}

/// Which parameters decay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DecayOn {
    /// Those with two or more dimensions: not biases, nor the scales and shifts of normalisation layers.
    #[default]
    Matrices,
    /// All, as MoCo, SimSiam and SwAV do.
    All,
}

impl Decay {
    /// The decay of `parameter`.
    pub fn of(&self, parameter: &Tensor) -> f64 {
        match self.on {
            DecayOn::All => self.rate,
            DecayOn::Matrices if parameter.dim() > 1 => self.rate,
            DecayOn::Matrices => 0.0,
        }
    }
}

struct Parameter {
    name: String,
    tensor: Tensor,
    weight_decay: f64,
    slots: Vec<Tensor>,
}

/// A [`Rule`] applied to a list of parameters.
pub struct Optimizer {
    rule: Box<dyn Rule>,
    parameters: Vec<Parameter>,
    steps: u64,
}

impl Optimizer {
    /// An optimiser of `parameters` (which share storage with the networks), each with the weight decay that
    /// the predicate `decay` gives it by name and tensor.
    pub fn new(
        rule: Box<dyn Rule>,
        parameters: Vec<NamedTensor>,
        decay: impl Fn(&str, &Tensor) -> f64,
    ) -> Result<Self, Error> {
        let parameters = parameters
            .into_iter()
            .map(|(name, tensor)| {
                let slots = rule.slots().iter().map(|_| tensor.f_zeros_like()).collect::<Result<_, _>>()?;
                let weight_decay = decay(&name, &tensor);
                Ok(Parameter { name, tensor, weight_decay, slots })
            })
            .collect::<Result<_, Error>>()?;
        Ok(Self { rule, parameters, steps: 0 })
    }

    /// Computes the gradient of `loss` and takes one step with the learning rate `lr`. Gradients are made
    /// afresh: nothing accumulates in the tensors' `grad`.
    pub fn step(&mut self, loss: &Tensor, lr: f64) -> Result<(), Error> {
        let tensors: Vec<&Tensor> = self.parameters.iter().map(|p| &p.tensor).collect();
        let gradients = Tensor::f_run_backward(&[loss], &tensors, false, false)?;
        self.apply(&gradients, lr)
    }

    /// Takes one step along `gradients`, one for each parameter in the order given to [`Self::new`].
    pub fn apply(&mut self, gradients: &[Tensor], lr: f64) -> Result<(), Error> {
        let _guard = tch::no_grad_guard();
        self.steps += 1;
        for (parameter, gradient) in self.parameters.iter_mut().zip(gradients) {
            if !gradient.defined() {
                return Err(Error::NoGradient { name: parameter.name.clone() });
            }
            let context = Update { lr, weight_decay: parameter.weight_decay, step: self.steps };
            self.rule.update(&mut parameter.tensor, gradient, &mut parameter.slots, &context)?;
        }
        Ok(())
    }

    /// Steps taken so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The tensors kept between steps, as `slot.parameter`; they share storage with the optimiser's.
    pub fn state(&self) -> Vec<NamedTensor> {
        let slots = self.rule.slots();
        self.parameters
            .iter()
            .flat_map(|p| {
                let named =
                    |(slot, tensor): (&&str, &Tensor)| (format!("{slot}.{}", p.name), tensor.shallow_clone());
                slots.iter().zip(&p.slots).map(named)
            })
            .collect()
    }

    /// Continues a saved run of `steps` steps, once the tensors of [`Self::state`] have their saved values.
    pub fn resume_at(&mut self, steps: u64) {
        self.steps = steps;
    }

    /// Which parameter decays by how much, as a table to print: one line for each group of equal decay, and
    /// the names beneath it.
    pub fn decay_table(&self) -> String {
        let mut rates: Vec<f64> = self.parameters.iter().map(|p| p.weight_decay).collect();
        rates.sort_by(|a, b| b.total_cmp(a));
        rates.dedup();
        let mut table = String::from("weight decay   tensors      values\n");
        for rate in rates {
            let group: Vec<&Parameter> = self.parameters.iter().filter(|p| p.weight_decay == rate).collect();
            let values: usize = group.iter().map(|p| p.tensor.numel()).sum();
            table += &format!("{rate:<12} {:>9} {values:>11}\n", group.len());
            for parameter in group {
                table += &format!("  {} {:?}\n", parameter.name, parameter.tensor.size());
            }
        }
        table
    }
}
