//! What is left out at random in training.

use tch::{TchError, Tensor};

/// Stochastic depth: in training, a residual branch is left out for each image by itself with this probability, and
/// scaled up by 1 / (1 - p) otherwise ("Deep networks with stochastic depth", Huang et al., 2016; timm's `DropPath`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct DropPath(pub(crate) f64);

impl DropPath {
    pub(crate) fn apply(self, branch: Tensor, train: bool) -> Result<Tensor, TchError> {
        if !train || self.0 <= 0.0 {
            return Ok(branch);
        }
        // Above 0: options allow no rate of 1.
        let keep = 1.0 - self.0;
        let mut shape = vec![1; branch.dim()];
        shape[0] = branch.size()[0];
        let mut mask = Tensor::f_empty(&shape, (branch.kind(), branch.device()))?.f_bernoulli_float_(keep)?;
        branch.f_mul(&mask.f_div_scalar_(keep)?)
    }

    /// `x` plus what is left of the branch.
    pub(crate) fn add(self, x: &Tensor, branch: Tensor, train: bool) -> Result<Tensor, TchError> {
        add_branch(x, self.apply(branch, train)?)
    }
}

/// `x + branch`: in the branch's own memory, unless their kinds differ, as under autocast, where the sum is of the
/// wider kind.
pub(crate) fn add_branch(x: &Tensor, mut branch: Tensor) -> Result<Tensor, TchError> {
    match branch.kind() == x.kind() {
        true => branch.f_add_(x),
        false => x.f_add(&branch),
    }
}

/// Dropout of single values with probability `rate`, in training.
pub(crate) fn dropout(x: Tensor, rate: f64, train: bool) -> Result<Tensor, TchError> {
    match train && rate > 0.0 {
        true => x.f_dropout(rate, true),
        false => Ok(x),
    }
}
