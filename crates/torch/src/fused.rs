//! Steps of optimisers over all parameters in one call.
//!
//! Nothing here records gradients: parameters may be changed as they are.

use tch::Tensor;

use crate::Error;
use crate::shim::{self, pointers, visrep_fused_adamw, visrep_fused_sgd};

/// The numbers of one step of AdamW.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWStep {
    /// The learning rate.
    pub lr: f64,
    /// Decay rates of the first and second moment, each within 0..1.
    pub betas: [f64; 2],
    /// Added to the root of the second moment, after the bias correction.
    pub eps: f64,
    /// Decoupled weight decay, which is multiplied by the learning rate.
    pub weight_decay: f64,
}

/// What AdamW keeps for each parameter between steps: tensors in the parameters' order.
#[derive(Debug)]
pub struct AdamWState<'a> {
    /// First moments, zero at first; of their parameter's shape, kind, device and memory order (`zeros_like`).
    pub exp_avgs: &'a mut [Tensor],
    /// Second moments, likewise.
    pub exp_avg_sqs: &'a mut [Tensor],
    /// The number of steps that were made, one `Float` each, on its parameter's device; 0 at first.
    pub steps: &'a mut [Tensor],
}

/// Makes one step of AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101), as `torch.optim.AdamW(fused=True)` does:
/// counts it in `state.steps`, then updates moments and parameters in place. All tensors of a call are on one device
/// and, on a GPU, of one kind. A gradient that lies in another memory order than its parameter is copied.
///
/// LibTorch: `_foreach_add_` and `_fused_adamw_`.
///
/// # Errors
/// [`Error::ListLengths`], and [`Error::LibTorch`] for tensors that do not belong together; nothing is changed then.
pub fn fused_adamw_(
    parameters: &mut [Tensor],
    gradients: &[Tensor],
    state: AdamWState<'_>,
    step: &AdamWStep,
) -> Result<(), Error> {
    let AdamWState { exp_avgs, exp_avg_sqs, steps } = state;
    let count = parameters.len();
    let lengths = [gradients.len(), exp_avgs.len(), exp_avg_sqs.len(), steps.len()];
    shim::check_lengths("_fused_adamw_", count, &lengths)?;
    let (parameters, gradients) = (pointers(&*parameters), pointers(gradients));
    let (first, second, steps) = (pointers(&*exp_avgs), pointers(&*exp_avg_sqs), pointers(&*steps));
    let [beta1, beta2] = step.betas;
    // SAFETY: the tensors are borrowed for the call, and there are `count` in each list.
    let message = unsafe {
        visrep_fused_adamw(
            parameters.as_ptr(),
            gradients.as_ptr(),
            first.as_ptr(),
            second.as_ptr(),
            steps.as_ptr(),
            count,
            step.lr,
            beta1,
            beta2,
            step.eps,
            step.weight_decay,
        )
    };
    shim::check("_fused_adamw_", message)
}

/// The numbers of one step of SGD.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SgdStep {
    /// The learning rate.
    pub lr: f64,
    /// How much of the last step's direction is kept; 0 for none.
    pub momentum: f64,
    /// Added to the gradient, times the parameter.
    pub weight_decay: f64,
    /// Whether the momentum looks one step ahead (Nesterov).
    pub nesterov: bool,
}

/// Makes one step of stochastic gradient descent, as `torch.optim.SGD(fused=True)` with no dampening does.
/// `momentum_buffers` are zero at first, of their parameters' shape, kind, device and memory order (`zeros_like`);
/// without momentum they are not looked at and may be missing. What [`fused_adamw_`] says of devices, kinds and
/// memory orders holds here too.
///
/// LibTorch: `_fused_sgd_`.
///
/// # Errors
/// [`Error::ListLengths`], and [`Error::LibTorch`] for tensors that do not belong together; nothing is changed then.
pub fn fused_sgd_(
    parameters: &mut [Tensor],
    gradients: &[Tensor],
    momentum_buffers: &mut [Tensor],
    step: &SgdStep,
) -> Result<(), Error> {
    let count = parameters.len();
    shim::check_lengths("_fused_sgd_", count, &[gradients.len()])?;
    if step.momentum != 0.0 {
        shim::check_lengths("_fused_sgd_", count, &[momentum_buffers.len()])?;
    }
    let (parameters, gradients) = (pointers(&*parameters), pointers(gradients));
    let buffers = pointers(&*momentum_buffers);
    let SgdStep { lr, momentum, weight_decay, nesterov } = *step;
    // SAFETY: the tensors are borrowed for the call, and there are `count` in each list; the buffers are looked at
    // only with a momentum.
    let message = unsafe {
        let (parameters, gradients, buffers) = (parameters.as_ptr(), gradients.as_ptr(), buffers.as_ptr());
        visrep_fused_sgd(parameters, gradients, buffers, count, lr, momentum, weight_decay, nesterov)
    };
    shim::check("_fused_sgd_", message)
}
