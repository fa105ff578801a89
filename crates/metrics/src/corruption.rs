//! ImageNet-C's corruption errors (Hendrycks & Dietterich 2019), with AlexNet as the yardstick.

use crate::error::check_fractions;
use crate::{Error, mean};
use serde::{Deserialize, Serialize};

/// What errors call a name of these tables.
const CORRUPTION: &str = "corruption";

/// One error rate (a fraction) for each severity 1 to 5.
pub type Severities = [f64; 5];

/// AlexNet's top-1 error on the clean ImageNet validation set, for the relative mCE.
pub const ALEXNET_CLEAN_ERROR: f64 = 0.4348;

/// AlexNet's top-1 errors on ImageNet-C by severity, as the benchmark's author gives them
/// (hendrycks/robustness, issue 10), in the benchmark's order.
pub const ALEXNET_ERRORS: [(&str, Severities); 15] = [
    ("gaussian_noise", [0.69528, 0.82542, 0.93554, 0.98138, 0.99452]),
    ("shot_noise", [0.71224, 0.85108, 0.93574, 0.98182, 0.99146]),
    ("impulse_noise", [0.78374, 0.89808, 0.9487, 0.9872, 0.99548]),
    ("defocus_blur", [0.65624, 0.73202, 0.85036, 0.91364, 0.94714]),
    ("glass_blur", [0.64308, 0.75054, 0.88806, 0.91622, 0.93344]),
    ("motion_blur", [0.5843, 0.70048, 0.82108, 0.8975, 0.92638]),
    ("zoom_blur", [0.70008, 0.76992, 0.80784, 0.84198, 0.87198]),
    ("snow", [0.71726, 0.88392, 0.86468, 0.9187, 0.94952]),
    ("frost", [0.6139, 0.79734, 0.8879, 0.89942, 0.9343]),
    ("fog", [0.67474, 0.7605, 0.84378, 0.8726, 0.945]),
    ("brightness", [0.4514, 0.48502, 0.54048, 0.62166, 0.7244]),
    ("contrast", [0.64548, 0.7615, 0.88874, 0.9776, 0.9927]),
    ("elastic_transform", [0.52596, 0.70116, 0.55686, 0.64076, 0.80554]),
    ("pixelate", [0.52218, 0.5462, 0.73728, 0.87092, 0.91262]),
    ("jpeg_compression", [0.51002, 0.54718, 0.57294, 0.65458, 0.74778]),
];

/// The four corruptions that ImageNet-C keeps for validation; no mCE includes them.
pub const EXTRA_CORRUPTIONS: [&str; 4] = ["speckle_noise", "gaussian_blur", "spatter", "saturate"];

/// A mean corruption error and its parts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MeanCorruptionError {
    /// The mean over the fifteen corruptions: a ratio, 1 for AlexNet (published figures are this in percent).
    pub mce: f64,
    /// Each corruption's error, in the benchmark's order.
    pub per_corruption: Vec<(String, f64)>,
}

/// The corruption error CE: the sum of `errors` over severities by AlexNet's. A ratio.
pub fn corruption_error(corruption: &str, errors: &Severities) -> Result<f64, Error> {
    check_fractions("errors", errors)?;
    Ok(errors.iter().sum::<f64>() / alexnet(corruption)?.iter().sum::<f64>())
}

/// The corruption error CE where only the mean error over severities is known.
pub fn corruption_error_from_mean(corruption: &str, mean_error: f64) -> Result<f64, Error> {
    check_fractions("mean_error", &[mean_error])?;
    Ok(mean_error / mean(alexnet(corruption)?)?)
}

/// The relative corruption error: how much the mean error over severities exceeds `clean_error`, by how much
/// AlexNet's does.
pub fn relative_corruption_error(
    corruption: &str,
    errors: &Severities,
    clean_error: f64,
) -> Result<f64, Error> {
    check_fractions("errors", errors)?;
    check_fractions("clean_error", &[clean_error])?;
    let alexnet = mean(alexnet(corruption)?)?;
    Ok((mean(errors)? - clean_error) / (alexnet - ALEXNET_CLEAN_ERROR))
}

/// The mCE from each corruption's errors by severity. All fifteen corruptions must be there, each once; the
/// four extra ones are accepted and left out.
pub fn mean_corruption_error<N: AsRef<str>>(
    errors: &[(N, Severities)],
) -> Result<MeanCorruptionError, Error> {
    over_benchmark(errors, corruption_error)
}

/// The mCE with another model's errors, or AlexNet's on other images, in the place of AlexNet's published ones; under the rules of
/// [`mean_corruption_error`], which hold for `baseline` too. RobustBench's figures are of 5000 images and so normalised.
pub fn mean_corruption_error_against<N: AsRef<str>>(
    errors: &[(N, Severities)],
    baseline: &[(N, Severities)],
) -> Result<MeanCorruptionError, Error> {
    over_benchmark(baseline, corruption_error)?;
    over_benchmark(errors, |corruption, errors| {
        check_fractions("errors", errors)?;
        let own = baseline
            .iter()
            .find(|(name, _)| name.as_ref() == corruption)
            .map(|(_, own)| own.iter().sum::<f64>());
        match own {
            Some(own) if own > 0.0 => Ok(errors.iter().sum::<f64>() / own),
            _ => Err(Error::Undefined {
                what: "the mCE",
                reason: "the baseline never errs under a corruption",
            }),
        }
    })
}

/// The mCE from each corruption's mean error over severities, under the rules of [`mean_corruption_error`].
pub fn mean_corruption_error_from_means<N: AsRef<str>>(
    means: &[(N, f64)],
) -> Result<MeanCorruptionError, Error> {
    over_benchmark(means, |corruption, &mean| corruption_error_from_mean(corruption, mean))
}

/// The relative mCE, under the rules of [`mean_corruption_error`].
pub fn relative_mean_corruption_error<N: AsRef<str>>(
    errors: &[(N, Severities)],
    clean_error: f64,
) -> Result<MeanCorruptionError, Error> {
    over_benchmark(errors, |corruption, errors| relative_corruption_error(corruption, errors, clean_error))
}

/// The plain mean of all errors over corruptions and severities, which is what CIFAR-10-C and CIFAR-100-C
/// report: no AlexNet, whichever corruptions are given.
pub fn unnormalised_mean_corruption_error<N: AsRef<str>>(errors: &[(N, Severities)]) -> Result<f64, Error> {
    for (_, errors) in errors {
        check_fractions("errors", errors)?;
    }
    if errors.is_empty() {
        return Err(Error::Empty { what: "errors" });
    }
    Ok(errors.iter().flat_map(|(_, errors)| errors).sum::<f64>() / (5 * errors.len()) as f64)
}

/// AlexNet's errors under `corruption`.
fn alexnet(corruption: &str) -> Result<&'static Severities, Error> {
    const TABLE: &[(&str, Severities)] = &ALEXNET_ERRORS;
    TABLE.iter().find(|(name, _)| *name == corruption).map(|(_, errors)| errors).ok_or_else(|| {
        let known = ALEXNET_ERRORS.map(|(name, _)| name).join(", ");
        Error::Unknown { what: CORRUPTION, name: corruption.into(), known }
    })
}

/// Applies `ce` to each of the fifteen corruptions and averages.
fn over_benchmark<N: AsRef<str>, T>(
    entries: &[(N, T)],
    ce: impl Fn(&str, &T) -> Result<f64, Error>,
) -> Result<MeanCorruptionError, Error> {
    for (i, (name, _)) in entries.iter().enumerate() {
        let name = name.as_ref();
        if !EXTRA_CORRUPTIONS.contains(&name) {
            alexnet(name)?;
        }
        if entries[..i].iter().any(|(earlier, _)| earlier.as_ref() == name) {
            return Err(Error::Duplicate { what: CORRUPTION, name: name.into() });
        }
    }
    let find = |name: &str| entries.iter().find(|(given, _)| given.as_ref() == name).map(|(_, entry)| entry);
    let missing: Vec<_> =
        ALEXNET_ERRORS.iter().map(|(name, _)| *name).filter(|name| find(name).is_none()).collect();
    if !missing.is_empty() {
        return Err(Error::Missing { what: "the mCE", of: "15 corruptions", missing: missing.join(", ") });
    }
    let mut per_corruption = Vec::with_capacity(ALEXNET_ERRORS.len());
    for (name, _) in ALEXNET_ERRORS {
        if let Some(entry) = find(name) {
            per_corruption.push((name.to_owned(), ce(name, entry)?));
        }
    }
    let mce = per_corruption.iter().map(|(_, ce)| ce).sum::<f64>() / per_corruption.len() as f64;
    Ok(MeanCorruptionError { mce, per_corruption })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// AlexNet's errors averaged over severities, as AugMix's evaluation states them (`ALEXNET_ERR`).
    const ALEXNET_MEAN_ERRORS: [(&str, f64); 15] = [
        ("gaussian_noise", 0.886428),
        ("shot_noise", 0.894468),
        ("impulse_noise", 0.922640),
        ("defocus_blur", 0.819880),
        ("glass_blur", 0.826268),
        ("motion_blur", 0.785948),
        ("zoom_blur", 0.798360),
        ("snow", 0.866816),
        ("frost", 0.826572),
        ("fog", 0.819324),
        ("brightness", 0.564592),
        ("contrast", 0.853204),
        ("elastic_transform", 0.646056),
        ("pixelate", 0.717840),
        ("jpeg_compression", 0.606500),
    ];

    #[test]
    fn the_two_alexnet_tables_agree() {
        for ((name, errors), (same, mean_error)) in ALEXNET_ERRORS.iter().zip(&ALEXNET_MEAN_ERRORS) {
            assert_eq!(name, same);
            assert!((mean(errors).unwrap() - mean_error).abs() < 1e-12, "{name}");
        }
    }

    #[test]
    fn alexnet_has_an_mce_of_100_percent_by_either_table() {
        let by_severity = mean_corruption_error(&ALEXNET_ERRORS).unwrap();
        assert!((100.0 * by_severity.mce - 100.0).abs() < 1e-9);
        assert!(by_severity.per_corruption.iter().all(|(_, ce)| (ce - 1.0).abs() < 1e-12));
        let by_mean = mean_corruption_error_from_means(&ALEXNET_MEAN_ERRORS).unwrap();
        assert!((100.0 * by_mean.mce - 100.0).abs() < 1e-9);
        let relative = relative_mean_corruption_error(&ALEXNET_ERRORS, ALEXNET_CLEAN_ERROR).unwrap();
        assert!((relative.mce - 1.0).abs() < 1e-12);
    }

    /// RobustBench's published ResNet-50 (`Standard_R50`), errors over 5000 images; it gives an mCE of 76.38,
    /// which these means over severities, rounded as published, reproduce to 0.02 points.
    #[test]
    fn a_published_resnet50_has_its_published_mce() {
        let errors = [
            68.54, 70.90, 74.01, 61.10, 73.23, 61.87, 63.68, 67.85, 62.68, 54.50, 32.16, 60.90, 55.04, 55.14,
            46.16,
        ];
        let means: Vec<_> =
            ALEXNET_ERRORS.iter().zip(errors).map(|((name, _), e)| (*name, e / 100.0)).collect();
        let mce = mean_corruption_error_from_means(&means).unwrap().mce;
        assert!((100.0 * mce - 76.38).abs() < 0.02, "{mce}");
    }

    #[test]
    fn another_baseline_takes_alexnets_place() {
        let halves = ALEXNET_ERRORS.map(|(name, errors)| (name, errors.map(|error| error / 2.0)));
        let against = |baseline| mean_corruption_error_against(&ALEXNET_ERRORS, baseline);
        assert!((against(&halves).unwrap().mce - 2.0).abs() < 1e-12);
        assert_eq!(against(&ALEXNET_ERRORS).unwrap(), mean_corruption_error(&ALEXNET_ERRORS).unwrap());
        assert!(matches!(against(&halves[1..]), Err(Error::Missing { .. })));
        let perfect = ALEXNET_ERRORS.map(|(name, _)| (name, [0.0; 5]));
        assert!(matches!(against(&perfect), Err(Error::Undefined { .. })));
    }

    #[test]
    fn extras_are_left_out_and_gaps_are_named() {
        let mut errors: Vec<(&str, Severities)> = ALEXNET_ERRORS.to_vec();
        errors.push(("spatter", [0.0; 5]));
        assert!((mean_corruption_error(&errors).unwrap().mce - 1.0).abs() < 1e-12);
        errors.push(("fog", [0.0; 5]));
        assert!(matches!(mean_corruption_error(&errors), Err(Error::Duplicate { .. })));
        let missing = mean_corruption_error(&ALEXNET_ERRORS[2..]).unwrap_err().to_string();
        assert!(missing.contains("gaussian_noise, shot_noise"), "{missing}");
        assert!(matches!(mean_corruption_error(&[("rain", [0.0; 5])]), Err(Error::Unknown { .. })));
        assert!(corruption_error("fog", &[0.0, 0.0, 1.5, 0.0, 0.0]).is_err());
        assert!(corruption_error_from_mean("fog", f64::NAN).is_err());
    }

    #[test]
    fn the_unnormalised_mean_is_the_mean_of_all_cells() {
        let errors = [("fog", [0.1, 0.2, 0.3, 0.4, 0.5]), ("snow", [0.5; 5])];
        assert!((unnormalised_mean_corruption_error(&errors).unwrap() - 0.4).abs() < 1e-12);
        assert!(unnormalised_mean_corruption_error::<&str>(&[]).is_err());
    }
}
