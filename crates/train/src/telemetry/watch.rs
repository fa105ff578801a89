//! The collapse watch: numbers that show when the features of different images become one.

use crate::Error;
use tch::{Kind, Tensor};

/// How features are spread, after each is scaled to length 1. Collapsed features have a `std` near 0 and a `centre_norm`
/// near 1 (all images alike), an `effective_rank` near 1 (all on a line), or an `entropy` near 0 (few dimensions used).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The standard deviation over the images, averaged over the dimensions, times the root of their number: at most about 1
    /// (Chen and He 2021, SimSiam, section 4.1, scaled).
    pub std: f64,
    /// The length of the mean feature: 0 when directions balance, 1 when they are one.
    pub centre_norm: f64,
    /// The exponential of the entropy of the singular values, made to sum to 1, of the centred features: 1 to min(N - 1, D)
    /// (Roy and Vetterli 2007; RankMe, Garrido et al. 2023, uses it uncentred). 1 when there are none.
    pub effective_rank: f64,
    /// The entropy of the dimensions' shares of the squared lengths, divided by ln D: 1 when all are used alike, 0 when
    /// one is.
    pub entropy: f64,
}

impl Spread {
    /// Below this [`Self::std`], or this far from a rank of 1, features count as collapsed.
    const LEAST: f64 = 0.02;

    /// Whether hardly anything tells the images apart.
    pub fn is_collapsed(&self) -> bool {
        self.std < Self::LEAST || self.effective_rank < 1.0 + Self::LEAST
    }

    /// The figures under the names of `metrics.jsonl`.
    pub fn metrics(&self) -> [(&'static str, f64); 4] {
        [
            ("watch_std", self.std),
            ("watch_centre_norm", self.centre_norm),
            ("watch_effective_rank", self.effective_rank),
            ("watch_entropy", self.entropy),
        ]
    }
}

/// How `features` (N, D) are spread. Errs unless there are two dimensions and at least one of each.
pub fn spread(features: &Tensor) -> Result<Spread, Error> {
    let _guard = tch::no_grad_guard();
    let (n, d) = features.size2()?;
    let features = features.f_detach()?.f_to_kind(Kind::Double)?;
    let norms = features.f_norm_scalaropt_dim(2.0, [1i64], true)?.f_clamp_min(1e-12)?;
    let unit = features.f_div(&norms)?;
    let centre = unit.f_mean_dim([0i64].as_slice(), true, Kind::Double)?;
    let centred = unit.f_sub(&centre)?;
    let std = centred.f_square()?.f_mean_dim([0i64].as_slice(), false, Kind::Double)?.f_sqrt()?;
    // The smaller of the two products has the squared singular values.
    let gram =
        if n < d { centred.f_matmul(&centred.f_tr()?)? } else { centred.f_tr()?.f_matmul(&centred)? };
    let singular = gram.f_linalg_eigvalsh("L")?.f_clamp_min(0.0)?.f_sqrt()?;
    let dims = unit.f_square()?.f_mean_dim([0i64].as_slice(), false, Kind::Double)?;
    Ok(Spread {
        std: f64::try_from(&std.f_mean(Kind::Double)?)? * (d as f64).sqrt(),
        centre_norm: f64::try_from(&centre.f_norm()?)?,
        effective_rank: entropy(&singular)?.exp(),
        entropy: if d > 1 { entropy(&dims)? / (d as f64).ln() } else { 1.0 },
    })
}

/// The entropy of numbers that are not negative, made to sum to 1; 0 when all are 0.
fn entropy(numbers: &Tensor) -> Result<f64, Error> {
    let parts = numbers.f_div(&numbers.f_sum(Kind::Double)?.f_clamp_min(1e-300)?)?;
    Ok(-f64::try_from(&parts.f_xlogy(&parts)?.f_sum(Kind::Double)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    const FLOAT: (Kind, Device) = (Kind::Float, Device::Cpu);

    #[test]
    fn directions_in_all_dimensions_are_spread() {
        // Each axis in both directions, at lengths that do not matter.
        let axes = Tensor::eye(8, FLOAT);
        let features = Tensor::cat(&[&axes * 3.0, &axes * -0.5], 0);
        let spread = spread(&features).unwrap();
        assert!((spread.std - 1.0).abs() < 1e-6, "{spread:?}");
        assert!((spread.effective_rank - 8.0).abs() < 1e-6 && spread.centre_norm < 1e-6, "{spread:?}");
        assert!((spread.entropy - 1.0).abs() < 1e-6 && !spread.is_collapsed(), "{spread:?}");
    }

    #[test]
    fn each_kind_of_collapse_shows() {
        let point = spread(&(Tensor::ones([20, 8], FLOAT) * 4.0)).unwrap();
        assert!(
            point.std < 1e-6 && (point.centre_norm - 1.0).abs() < 1e-6 && point.is_collapsed(),
            "{point:?}"
        );
        let signs = Tensor::from_slice(&[1f32, -1.0]).repeat([10]).view([20, 1]);
        let line = spread(&(signs * Tensor::ones([1, 8], FLOAT))).unwrap();
        assert!((line.effective_rank - 1.0).abs() < 1e-6 && line.is_collapsed(), "{line:?}");
        assert!((line.std - 1.0).abs() < 1e-6 && line.centre_norm < 1e-6, "{line:?}");
        let one_dim = Tensor::eye(8, FLOAT).narrow(0, 2, 1).repeat([5, 1]);
        assert!(spread(&one_dim).unwrap().entropy.abs() < 1e-9);
    }

    #[test]
    fn one_image_and_one_dimension_are_no_error() {
        let single = spread(&Tensor::ones([1, 4], FLOAT)).unwrap();
        assert_eq!((single.std, single.effective_rank), (0.0, 1.0));
        assert_eq!(spread(&Tensor::ones([3, 1], FLOAT)).unwrap().entropy, 1.0);
        assert!(spread(&Tensor::ones([4], FLOAT)).is_err());
    }
}
