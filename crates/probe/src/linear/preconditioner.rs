//! The coordinates in which logistic regression is nearly a round bowl.

use crate::Error;
use crate::gram::{add_to_diagonal, lower_gram};
use rand::seq::index::sample;
use tch::{Kind, Tensor};
use visrep_augment::view_rng;

/// The moments are of at most so many samples for each dimension.
const SAMPLES_PER_DIMENSION: i64 = 16;
/// Chooses those samples; any other number would do.
const SEED: u64 = 0;
/// Added to the diagonal, as a share of the trace: what rounding in f32 may take from the smallest eigenvalues.
const SAFETY: f64 = 1e-7;

/// The lower triangle of the mean of [x 1]ᵀ[x 1] for `x` (N, D): (D + 1, D + 1) f64, made in the kind of `x`.
pub(super) fn moments(x: &Tensor) -> Result<Tensor, Error> {
    let (samples, dim) = x.size2()?;
    let most = SAMPLES_PER_DIMENSION * dim;
    let chosen = match samples > most {
        true => {
            let rows = sample(&mut view_rng(SEED, 0, 0, 0), samples as usize, most as usize);
            let mut rows: Vec<i64> = rows.into_iter().map(|row| row as i64).collect();
            rows.sort_unstable();
            x.f_index_select(0, &Tensor::f_from_slice(&rows)?.f_to_device(x.device())?)?
        }
        false => x.shallow_clone(),
    };
    let n = samples.min(most) as f64;
    let moments = Tensor::f_eye(dim + 1, (Kind::Double, x.device()))?;
    moments.f_narrow(0, 0, dim)?.f_narrow(1, 0, dim)?.f_copy_(&lower_gram(&chosen)?.f_div_scalar_(n)?)?;
    let mean = chosen.f_mean_dim([0].as_slice(), false, Kind::Double)?;
    moments.f_select(0, dim)?.f_narrow(0, 0, dim)?.f_copy_(&mean)?;
    Ok(moments)
}

/// Parameters W are seen as W L, where L Lᵀ = v · mean [x 1]ᵀ[x 1] + l2 (the bias free of it).
///
/// With v = 1 / C that is a block of the Hessian at equal probabilities, where the Hessian is
/// (I - 11ᵀ / C) / C ⊗ mean [x 1]ᵀ[x 1] + l2: half of Böhning's (1992) bound for two classes, below it for more. Elsewhere v is
/// the mean variance of the predictions.
#[derive(Debug)]
pub(super) struct Preconditioner {
    /// L, (D + 1, D + 1); none where no such matrix is finite.
    lower: Option<Tensor>,
    /// v.
    pub(super) variance: f64,
}

impl Preconditioner {
    /// That of `moments`, used in `kind`.
    pub(super) fn new(moments: &Tensor, variance: f64, l2: f64, kind: Kind) -> Result<Self, Error> {
        let size = moments.size()[0];
        let trace = variance * f64::try_from(moments.f_trace()?)?;
        let mut lower = None;
        // More than the first only where features depend on each other and the penalty is tiny.
        for added in [1.0, 100.0, 1e4].map(|factor| factor * SAFETY * trace) {
            let hessian = moments.f_mul_scalar(variance)?;
            add_to_diagonal(&hessian, l2 + added)?;
            add_to_diagonal(&hessian.f_narrow(0, size - 1, 1)?.f_narrow(1, size - 1, 1)?, -l2)?;
            let (factor, failed) = hessian.f_linalg_cholesky_ex(false, false)?;
            let factor = factor.f_to_kind(kind)?;
            let sound = f64::try_from(factor.f_sum(Kind::Double)?)?.is_finite();
            if i64::try_from(failed)? == 0 && sound {
                lower = Some(factor);
                break;
            }
        }
        Ok(Self { lower, variance })
    }

    /// The same in another kind.
    pub(super) fn to_kind(&self, kind: Kind) -> Result<Self, Error> {
        let lower = self.lower.as_ref().map(|lower| lower.f_to_kind(kind)).transpose()?;
        Ok(Self { lower, variance: self.variance })
    }

    /// A gradient (C, D + 1) f64 by W as one by W L, flat: times L⁻ᵀ.
    pub(super) fn forward(&self, gradient: &Tensor) -> Result<Tensor, Error> {
        let seen = match &self.lower {
            Some(lower) => {
                let gradient = gradient.f_to_kind(lower.kind())?;
                lower.f_tr()?.f_linalg_solve_triangular(&gradient, true, false, false)?
            }
            None => gradient.shallow_clone(),
        };
        Ok(seen.f_to_kind(Kind::Double)?.f_reshape([-1])?)
    }

    /// A direction of W L, flat, as one of W, of the size of `like`: times L⁻¹.
    pub(super) fn backward(&self, direction: &Tensor, like: &Tensor) -> Result<Tensor, Error> {
        let direction = direction.f_view(like.size().as_slice())?;
        Ok(match &self.lower {
            Some(lower) => {
                let direction = direction.f_to_kind(lower.kind())?;
                let direction = lower.f_linalg_solve_triangular(&direction, false, false, false)?;
                direction.f_to_kind(Kind::Double)?.f_contiguous()?
            }
            None => direction,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    fn features(samples: i64) -> Tensor {
        Tensor::arange(samples * 3, (Kind::Double, Device::Cpu)).sin().view([samples, 3])
    }

    #[test]
    fn moments_are_those_of_features_with_a_constant() {
        let x = features(11);
        let all = Tensor::cat(&[x.shallow_clone(), Tensor::ones([11, 1], (Kind::Double, Device::Cpu))], 1);
        let off = moments(&x).unwrap() - (all.tr().matmul(&all) / 11.0).tril(0);
        assert!(off.abs().max().double_value(&[]) < 1e-12);
        // Of many samples some are enough.
        let (many, all) = (moments(&features(400)).unwrap(), features(400));
        let off = many.narrow(0, 0, 3).narrow(1, 0, 3) - (all.tr().matmul(&all) / 400.0).tril(0);
        let off = off.abs().max().double_value(&[]);
        assert!(off > 1e-6 && off < 0.2, "{off}");
    }

    #[test]
    fn the_two_ways_undo_the_square_root_of_the_hessian() {
        let (x, l2) = (features(11), 0.3);
        let moments = moments(&x).unwrap();
        let preconditioner = Preconditioner::new(&moments, 0.2, l2, Kind::Double).unwrap();
        let gradient = Tensor::arange(8, (Kind::Double, Device::Cpu)).cos().view([2, 4]);
        let newton = preconditioner.backward(&preconditioner.forward(&gradient).unwrap(), &gradient).unwrap();
        let full = &moments + moments.tril(-1).tr();
        let penalty = Tensor::from_slice(&[l2, l2, l2, 0.0]).diag(0);
        let off = newton.matmul(&(full * 0.2 + penalty)) - &gradient;
        assert!(off.abs().max().double_value(&[]) < 1e-5);
    }

    #[test]
    fn features_that_depend_on_each_other_or_are_huge_do_no_harm() {
        let x = features(11).matmul(&Tensor::ones([3, 40], (Kind::Double, Device::Cpu)));
        let gradient = Tensor::ones([2, 41], (Kind::Double, Device::Cpu));
        for (x, scale) in [(x.shallow_clone(), 1.0), (x, 1e30)] {
            let moments = moments(&(x * scale).to_kind(Kind::Float)).unwrap();
            let preconditioner = Preconditioner::new(&moments, 0.2, 1e-12, Kind::Float).unwrap();
            let seen = preconditioner.forward(&gradient).unwrap();
            assert!(
                preconditioner
                    .backward(&seen, &gradient)
                    .unwrap()
                    .sum(Kind::Double)
                    .double_value(&[])
                    .is_finite()
            );
        }
    }
}
