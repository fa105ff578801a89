//! The collapse watch: numbers that show when representations shrink to a point.

use crate::Error;
use tch::Tensor;

/// The spread of `features` (N, D): the standard deviation over the batch of the L2-normalised rows, averaged
/// over the D dimensions, times sqrt(D). About 1 when directions are spread evenly over the sphere, 0 when
/// all images have one direction (the measure of SimSiam, Chen and He 2021, section 4.1, scaled by sqrt(D)).
/// The standard deviation divides by N, so one image gives 0.
pub fn feature_std(features: &Tensor) -> Result<f64, Error> {
    let _guard = tch::no_grad_guard();
    let (_, d) = features.size2()?;
    let norm = features.f_norm_scalaropt_dim(2.0, [1i64], true)?.f_clamp_min(1e-12)?;
    let spread = features.f_div(&norm)?.f_std_dim([0i64].as_slice(), false, false)?.f_mean(None)?;
    Ok(f64::try_from(&spread)? * (d as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    #[test]
    fn spread_features_give_one_and_collapsed_ones_zero() {
        tch::manual_seed(0);
        let spread = Tensor::randn([2000, 64], (Kind::Float, Device::Cpu));
        assert!((feature_std(&spread).unwrap() - 1.0).abs() < 0.01);
        let collapsed = Tensor::ones([50, 64], (Kind::Float, Device::Cpu))
            * spread.narrow(0, 0, 50).narrow(1, 0, 1).abs();
        assert!(feature_std(&collapsed).unwrap() < 1e-4);
        assert_eq!(feature_std(&spread.narrow(0, 0, 1)).unwrap(), 0.0);
        assert!(feature_std(&Tensor::ones([4], (Kind::Float, Device::Cpu))).is_err());
    }
}
