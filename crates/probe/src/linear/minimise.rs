//! The minimum of the objective of logistic regression by L-BFGS.
//!
//! Three things make its passes few and cheap:
//! - L-BFGS works on parameters of which the Hessian at equal probabilities is almost the identity (see [`Preconditioner`]): the
//!   curvature of the features need not be learnt step by step.
//! - Logits are linear in the parameters: the logits of a direction are computed once, and each point of a line costs a softmax.
//! - Products are in f32 (by oneDNN on the CPU) until the tolerances hold or rounding hides the way, then in f64 until they hold there.

use super::LinearProbeOptions;
use super::line::Line;
use super::logistic::{Objective, Problem};
use super::memory::Memory;
use super::preconditioner::Preconditioner;
use crate::Error;
use tch::{Kind, Tensor};

/// Where the search ended.
#[derive(Debug)]
pub(super) struct Minimum {
    /// (C, D + 1) f64, the biases last.
    pub(super) parameters: Tensor,
    pub(super) iterations: usize,
    /// Whether the tolerances hold in f64, or steps no longer change the value there; false when the steps ran out, or no step
    /// was found that lowers the value though the slope promises one.
    pub(super) converged: bool,
}

/// A step ends where the slope is at most this share of the slope at its start.
const FLATTER: f64 = 0.3;
/// The same for the first step: it can go so far that all predictions are certain, where little can be learnt.
const FLATTER_AT_FIRST: f64 = 0.02;
/// Beside the gradient, the decrease that is still promised must be at most so many times the tolerance, as a share of the value:
/// where classes can be separated, gradients are small long before the minimum.
const PROMISE: f64 = 10.0;
/// The preconditioner is made anew where the variance of the predictions has become smaller by this factor.
const OUTDATED: f64 = 16.0;

/// How the descent in one precision ended.
#[derive(Clone, Copy, PartialEq)]
enum Ended {
    /// The tolerances hold, or steps no longer change the value.
    Converged,
    RanOut,
    /// There should be a lower point, but none was found.
    Stalled,
}

impl Problem {
    /// The minimum for the inverse regularisation strength `c`, from `start`, (C, D + 1) f64, or from zero.
    pub(super) fn fit(
        &self,
        c: f64,
        start: Option<Tensor>,
        options: &LinearProbeOptions,
    ) -> Result<Minimum, Error> {
        let l2 = self.l2(c);
        let size = [self.classes(), self.dim() + 1];
        let device = self.x().device();
        let parameters = match start {
            Some(start) => start,
            None => Tensor::f_zeros(size, (Kind::Double, device))?,
        };
        let memory = Memory::new(size[0] * size[1], device)?;
        let mut search =
            Search { problem: self, options, parameters, memory, preconditioner: None, iterations: 0 };
        search.descend(&Objective::new(self, Kind::Float, l2)?)?;
        let ended = search.descend(&Objective::new(self, Kind::Double, l2)?)?;
        let (parameters, iterations) = (search.parameters, search.iterations);
        Ok(Minimum { parameters, iterations, converged: ended == Ended::Converged })
    }
}

struct Search<'p> {
    problem: &'p Problem,
    options: &'p LinearProbeOptions,
    /// (C, D + 1) f64.
    parameters: Tensor,
    /// Steps and changes as the preconditioner sees them.
    memory: Memory,
    preconditioner: Option<Preconditioner>,
    iterations: usize,
}

impl Search<'_> {
    /// Descends in one precision as far as it goes.
    fn descend(&mut self, objective: &Objective) -> Result<Ended, Error> {
        let double = objective.kind == Kind::Double;
        let epsilon = if double { f64::EPSILON } else { f64::from(f32::EPSILON) };
        let unchanged = |lowered: f64, value: f64| match double {
            true => lowered <= 64.0 * epsilon * value.abs().max(1.0),
            false => lowered <= 4.0 * epsilon * value.abs(),
        };
        let tolerance = self.options.tolerance;
        let mut logits = objective.logits(&self.parameters)?;
        let mut at = objective.point(&self.parameters, &logits, None)?;
        let mut preconditioner = match self.preconditioner.take() {
            Some(preconditioner) => preconditioner.to_kind(objective.kind)?,
            None => self.precondition(objective, at.variance)?,
        };
        let mut gradient = preconditioner.forward(&at.gradient)?;
        let ended = loop {
            if preconditioner.variance > OUTDATED * at.variance.max(epsilon) {
                preconditioner = self.precondition(objective, at.variance)?;
                gradient = preconditioner.forward(&at.gradient)?;
                self.memory.clear();
            }
            let seen = self.memory.direction(&gradient)?;
            let direction = preconditioner.backward(&seen, &at.gradient)?;
            let slope = f64::try_from(at.gradient.f_mul(&direction)?.f_sum(Kind::Double)?)?;
            let largest = f64::try_from(at.gradient.f_abs()?.f_max()?)?;
            let promised = -0.5 * slope;
            if largest <= tolerance && promised <= PROMISE * tolerance * at.value {
                break Ended::Converged;
            }
            if self.iterations == self.options.max_iterations {
                break Ended::RanOut;
            }
            self.iterations += 1;
            let ray = objective.ray(&self.parameters, &direction)?;
            let line = Line { objective, logits: &logits, ray: &ray, value: at.value, slope };
            let flatter = if self.iterations == 1 { FLATTER_AT_FIRST } else { FLATTER };
            let found = if slope < 0.0 { line.search(flatter, epsilon)? } else { None };
            let Some((step, found)) = found else {
                if !self.memory.is_empty() {
                    self.memory.clear();
                    continue;
                }
                break if unchanged(promised, at.value) { Ended::Converged } else { Ended::Stalled };
            };
            objective.advance(&mut logits, &ray, step)?;
            self.parameters = self.parameters.f_add(&direction.f_mul_scalar(step)?)?;
            let lowered = at.value - found.value;
            at = objective.point(&self.parameters, &logits, Some(found))?;
            let next = preconditioner.forward(&at.gradient)?;
            self.memory.push(&seen.f_mul_scalar(step)?, &next.f_sub(&gradient)?)?;
            gradient = next;
            if unchanged(lowered, at.value) {
                break Ended::Converged;
            }
        };
        self.preconditioner = Some(preconditioner);
        Ok(ended)
    }

    fn precondition(&self, objective: &Objective, variance: f64) -> Result<Preconditioner, Error> {
        let least = f64::from(f32::EPSILON);
        Preconditioner::new(&self.problem.moments, variance.max(least), objective.l2, objective.kind)
    }
}
