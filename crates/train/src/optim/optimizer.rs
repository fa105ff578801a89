//! A rule applied to the parameters of a method, group by group.

use super::{Group, ParameterOptions, Rule};
use crate::Error;
use crate::tensors::copy;
use std::collections::HashSet;
use tch::{Kind, Tensor};
use visrep_methods::NamedTensor;
use visrep_torch::global_norm;

/// The numbers of a step that hold for all parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// The learning rate.
    pub lr: f64,
    /// The learning rate of parameters whose rate stays constant.
    pub constant_lr: f64,
    /// What every weight decay is multiplied by.
    pub decay: f64,
}

impl Rates {
    /// The learning rate `lr` for all, and the weight decays as they are.
    pub fn constant(lr: f64) -> Self {
        Self { lr, constant_lr: lr, decay: 1.0 }
    }
}

/// Parameters that step together.
struct Bucket {
    options: ParameterOptions,
    kind: Kind,
    names: Vec<String>,
    parameters: Vec<Tensor>,
    slot_names: Vec<&'static str>,
    /// For each of `slot_names`, a tensor for each parameter.
    slots: Vec<Vec<Tensor>>,
}

/// A [`Rule`] applied to a list of parameters.
pub struct Optimizer {
    rule: Box<dyn Rule>,
    buckets: Vec<Bucket>,
    /// The bucket of each parameter and its place there, in the order that they were given.
    order: Vec<(usize, usize)>,
    steps: u64,
}

impl Optimizer {
    /// An optimiser of `parameters` (which share storage with the networks), each trained as the predicate `options` says
    /// of its name and tensor.
    ///
    /// # Errors
    /// [`Error::Torch`] when there is no memory for the rule's state.
    pub fn new(
        rule: Box<dyn Rule>,
        parameters: Vec<NamedTensor>,
        options: impl Fn(&str, &Tensor) -> ParameterOptions,
    ) -> Result<Self, Error> {
        let (mut buckets, mut order): (Vec<Bucket>, _) = (Vec::new(), Vec::new());
        for (name, tensor) in parameters {
            let (options, kind) = (options(&name, &tensor), tensor.kind());
            let (slot_names, values): (Vec<_>, Vec<_>) = rule.slots(&tensor)?.into_iter().unzip();
            let fits = |b: &Bucket| b.options == options && b.kind == kind && b.slot_names == slot_names;
            let at = buckets.iter().position(fits).unwrap_or_else(|| {
                let slots = values.iter().map(|_| Vec::new()).collect();
                let (names, parameters) = (Vec::new(), Vec::new());
                buckets.push(Bucket { options, kind, names, parameters, slot_names, slots });
                buckets.len() - 1
            });
            let bucket = &mut buckets[at];
            order.push((at, bucket.parameters.len()));
            bucket.names.push(name);
            bucket.parameters.push(tensor);
            bucket.slots.iter_mut().zip(values).for_each(|(slot, value)| slot.push(value));
        }
        Ok(Self { rule, buckets, order, steps: 0 })
    }

    /// The parameters in the order given to [`Self::new`], sharing storage with the networks.
    pub fn parameters(&self) -> Vec<Tensor> {
        self.order.iter().map(|&(b, i)| self.buckets[b].parameters[i].shallow_clone()).collect()
    }

    /// The parameters' names in the order given to [`Self::new`].
    pub fn names(&self) -> Vec<&str> {
        self.order.iter().map(|&(b, i)| self.buckets[b].names[i].as_str()).collect()
    }

    /// The gradients of `loss`, one for each parameter in the order given to [`Self::new`], made afresh: nothing accumulates
    /// in the tensors' `grad`, and each has memory of its own. With `through_leaves` they are accumulated there and taken out, which gradient
    /// checkpointing needs.
    ///
    /// # Errors
    /// [`Error::NoGradient`] for a parameter that is not frozen and that the loss does not depend on.
    pub fn gradients(&self, loss: &Tensor, through_leaves: bool) -> Result<Vec<Tensor>, Error> {
        let parameters = self.parameters();
        let mut gradients = if through_leaves {
            loss.f_backward()?;
            let _guard = tch::no_grad_guard();
            let taken = parameters.iter().map(|parameter| {
                let mut gradient = parameter.f_grad()?;
                if !gradient.defined() {
                    return Ok(gradient);
                }
                let taken = copy(&gradient)?;
                let _ = gradient.f_zero_()?;
                Ok(taken)
            });
            taken.collect::<Result<Vec<_>, Error>>()?
        } else {
            Tensor::f_run_backward(&[loss], &parameters, false, false)?
        };
        let mut seen = HashSet::new();
        for (gradient, &(b, i)) in gradients.iter_mut().zip(&self.order) {
            let bucket = &self.buckets[b];
            if gradient.defined() {
                // Autograd may give two sums one tensor, or spread one value over all elements.
                let repeats =
                    gradient.size().into_iter().zip(gradient.stride()).any(|(n, step)| n > 1 && step == 0);
                if repeats || !seen.insert(gradient.data_ptr()) {
                    *gradient = copy(gradient)?;
                }
            } else {
                if self.steps >= bucket.options.frozen_steps {
                    return Err(Error::NoGradient { name: bucket.names[i].clone() });
                }
                *gradient = bucket.parameters[i].f_detach()?.f_zeros_like()?;
            }
        }
        Ok(gradients)
    }

    /// Takes one step along `gradients`, one for each parameter in the order given to [`Self::new`], each with memory of its
    /// own, which may be overwritten.
    ///
    /// # Errors
    /// [`Error::State`] for another number of gradients, [`Error::Shim`] for some that do not fit their parameters.
    pub fn apply(&mut self, gradients: Vec<Tensor>, rates: &Rates) -> Result<(), Error> {
        let _guard = tch::no_grad_guard();
        if gradients.len() != self.order.len() {
            let (found, count) = (gradients.len(), self.order.len());
            return Err(Error::State { message: format!("{found} gradients for {count} parameters") });
        }
        let mut parts: Vec<Vec<Tensor>> = self.buckets.iter().map(|_| Vec::new()).collect();
        for (gradient, &(b, _)) in gradients.into_iter().zip(&self.order) {
            parts[b].push(gradient);
        }
        self.steps += 1;
        for (bucket, mut gradients) in self.buckets.iter_mut().zip(parts) {
            let options = &bucket.options;
            if self.steps <= options.frozen_steps {
                continue;
            }
            let lr = if options.constant_lr { rates.constant_lr } else { rates.lr };
            self.rule.step(&mut Group {
                parameters: &mut bucket.parameters,
                gradients: &mut gradients,
                slots: &mut bucket.slots,
                lr: lr * options.lr_scale,
                weight_decay: options.weight_decay * rates.decay,
                step: self.steps - options.frozen_steps,
            })?;
        }
        Ok(())
    }

    /// Moves the parameters by `rho` along `gradients`, taken together as one vector of length 1: the first half of a step
    /// of sharpness-aware minimisation. Returns where they were, for [`Self::restore`].
    pub fn perturb(&mut self, gradients: &[Tensor], rho: f64) -> Result<Vec<Tensor>, Error> {
        let _guard = tch::no_grad_guard();
        let before = self.parameters().iter().map(copy).collect::<Result<_, _>>()?;
        if let Some(norm) = global_norm(gradients)? {
            let scale = norm.f_add_scalar(1e-12)?.f_reciprocal()?.f_mul_scalar(rho)?;
            for (mut parameter, gradient) in self.parameters().into_iter().zip(gradients) {
                let _ = parameter.f_add_(&gradient.f_mul(&scale.f_to_kind(gradient.kind())?)?)?;
            }
        }
        Ok(before)
    }

    /// Gives the parameters the values that [`Self::perturb`] returned.
    pub fn restore(&mut self, before: &[Tensor]) -> Result<(), Error> {
        let _guard = tch::no_grad_guard();
        for (mut parameter, value) in self.parameters().into_iter().zip(before) {
            parameter.f_copy_(value)?;
        }
        Ok(())
    }

    /// Steps taken so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The tensors kept between steps, as `slot.parameter`; they share storage with the optimiser's.
    pub fn state(&self) -> Vec<NamedTensor> {
        let named = self.order.iter().flat_map(|&(b, i)| {
            let bucket = &self.buckets[b];
            let slots = bucket.slot_names.iter().zip(&bucket.slots);
            slots.map(move |(slot, tensors)| {
                (format!("{slot}.{}", bucket.names[i]), tensors[i].shallow_clone())
            })
        });
        named.collect()
    }

    /// Continues a saved run of `steps` steps, once the tensors of [`Self::state`] have their saved values.
    pub fn resume_at(&mut self, steps: u64) {
        self.steps = steps;
    }

    /// Which parameter is trained how, as a table to print: one line for each group of equal treatment, and the names
    /// beneath it. The most decayed come first.
    pub fn table(&self) -> String {
        let key = |o: &ParameterOptions| (o.weight_decay, o.lr_scale, o.constant_lr, o.frozen_steps);
        let mut groups: Vec<&ParameterOptions> = Vec::new();
        for bucket in &self.buckets {
            if !groups.contains(&&bucket.options) {
                groups.push(&bucket.options);
            }
        }
        groups.sort_by(|a, b| {
            let (a, b) = (key(a), key(b));
            b.0.total_cmp(&a.0).then(b.1.total_cmp(&a.1)).then(b.2.cmp(&a.2)).then(b.3.cmp(&a.3))
        });
        let mut table = String::from("weight decay   lr scale   tensors      values\n");
        for options in groups {
            let members = || self.buckets.iter().filter(|bucket| bucket.options == *options);
            let tensors = || members().flat_map(|bucket| bucket.names.iter().zip(&bucket.parameters));
            let values: usize = tensors().map(|(_, tensor)| tensor.numel()).sum();
            let (decay, scale) = (options.weight_decay, (options.lr_scale * 1e4).round() / 1e4);
            table += &format!("{decay:<12} {scale:>10} {:>9} {values:>11}", tensors().count());
            table += if options.constant_lr { "  constant learning rate" } else { "" };
            if options.frozen_steps > 0 {
                table += &format!("  frozen for {} steps", options.frozen_steps);
            }
            table += "\n";
            for (name, tensor) in tensors() {
                table += &format!("  {name} {:?}\n", tensor.size());
            }
        }
        table
    }
}
