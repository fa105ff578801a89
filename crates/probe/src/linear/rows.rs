//! Products with the training features: most of the work of a fit.

use crate::Error;
use crate::gram::{one_dnn, one_dnn_product};
use tch::{Kind, Tensor};

/// Some training features, (n, D).
pub(super) enum Rows {
    /// As LibTorch has them, in this kind or converted for each product.
    Plain(Tensor, Kind),
    /// As oneDNN has them.
    OneDnn(Tensor),
}

impl Rows {
    /// `x` for products in `kind`, converted now if `keep` is true.
    pub(super) fn new(x: Tensor, kind: Kind, keep: bool) -> Result<Self, Error> {
        let x = if keep || kind == Kind::Float { x.f_to_kind(kind)? } else { x };
        Ok(match (kind == Kind::Float).then(|| one_dnn(&x)).flatten() {
            Some(x) => Self::OneDnn(x),
            None => Self::Plain(x, kind),
        })
    }

    /// X Wᵀ + b, (n, C), for `weight` (C, D) and `bias` (C).
    pub(super) fn logits(&self, weight: &Tensor, bias: &Tensor) -> Result<Tensor, Error> {
        Ok(match self {
            Self::Plain(x, kind) => {
                // This order and the transpose are faster than X Wᵀ at once.
                let transposed = bias.f_unsqueeze(1)?.f_addmm(weight, &x.f_to_kind(*kind)?.f_tr()?)?;
                transposed.f_tr()?.f_contiguous()?
            }
            Self::OneDnn(x) => x.f_mkldnn_linear(weight, Some(bias))?.f_to_dense(Kind::Float, false)?,
        })
    }

    /// δᵀ X, (C, D), and the sums of the columns of δ, (C), for `delta` (n, C).
    pub(super) fn gradient(&self, delta: &Tensor) -> Result<(Tensor, Tensor), Error> {
        Ok(match self {
            Self::Plain(x, kind) => {
                let biases = delta.f_sum_dim_intlist([0].as_slice(), false, Kind::Double)?;
                (delta.f_tr()?.f_matmul(&x.f_to_kind(*kind)?)?, biases)
            }
            Self::OneDnn(x) => one_dnn_product(delta, x)?,
        })
    }
}
