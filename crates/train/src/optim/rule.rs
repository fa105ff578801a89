//! What an optimiser is: the state that it keeps for a parameter, and its step.

use crate::Error;
use tch::Tensor;

/// How one step changes the parameters of a group.
pub trait Rule: Send {
    /// The tensors kept for `parameter` between steps: their names, and their values before the first step. The names
    /// may depend on the parameter's shape, and on nothing else of it.
    fn slots(&self, parameter: &Tensor) -> Result<Vec<(&'static str, Tensor)>, Error>;

    /// Updates the parameters of a group, and their slots, in place. Gradients are not tracked.
    fn step(&self, group: &mut Group<'_>) -> Result<(), Error>;
}

/// Parameters that take their step together: those with the same slots, learning rate and decay.
pub struct Group<'a> {
    /// The parameters.
    pub parameters: &'a mut [Tensor],
    /// Their gradients, in the same order, which the rule may overwrite.
    pub gradients: &'a mut [Tensor],
    /// For each name of [`Rule::slots`], in that order, the tensors of that name in the parameters' order.
    pub slots: &'a mut [Vec<Tensor>],
    /// The learning rate.
    pub lr: f64,
    /// The weight decay.
    pub weight_decay: f64,
    /// The number of this step of the group, from 1.
    pub step: u64,
}

/// The error of a rule that is given other slots than it asked for.
pub(super) fn wrong_slots(rule: &str) -> Error {
    Error::State { message: format!("{rule} was given other slots than it keeps") }
}

/// `ratio` where the norm `weights` is positive, and 1 elsewhere; where the norm `slopes` is 0, `still`. Nothing waits for the
/// device.
pub(super) fn guarded(
    ratio: &Tensor,
    weights: &Tensor,
    slopes: &Tensor,
    still: f64,
) -> Result<Tensor, tch::TchError> {
    let one = ratio.f_ones_like()?;
    let moving = ratio.f_where_self(&slopes.f_gt(0.0)?, &one.f_mul_scalar(still)?)?;
    moving.f_where_self(&weights.f_gt(0.0)?, &one)
}
