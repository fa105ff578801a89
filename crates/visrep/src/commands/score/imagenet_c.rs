//! `visrep score imagenet-c`.

use super::table::{Table, Unique};
use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use visrep_corrupt::Corruption;
use visrep_metrics::{
    ALEXNET_ERRORS, Severities, mean_corruption_error, mean_corruption_error_against,
    relative_mean_corruption_error, unnormalised_mean_corruption_error,
};

/// Mean corruption error on ImageNet-C
///
/// Prints `mce`, in percent of AlexNet's errors (100 is as bad as AlexNet, less is better), and `ce`, that of each of the 15
/// corruptions by name; `mean_error`, the plain mean of these corruptions' errors, as a fraction; `errors`, the unit in which the file
/// was read; and, with --clean-error, `relative_mce` and `relative_ce`, of what corruption adds to the clean error. The four extra
/// corruptions may be in the file and count nowhere.
#[derive(Args)]
#[command(
    after_help = "E.csv has a row for each of the 15 corruptions at each severity from 1 to 5: 75 rows. Errors are top-1 (1 - accuracy), all as \
    fractions from 0 to 1 or, when any is above 1, all in percent from 0 to 100:\n\n    \
    corruption,severity,error\n    \
    gaussian_noise,1,0.412\n    \
    gaussian_noise,2,0.547\n\n\
    The corruptions: gaussian_noise shot_noise impulse_noise | defocus_blur glass_blur motion_blur zoom_blur | snow frost fog \
    brightness | contrast elastic_transform pixelate jpeg_compression\n\n\
    Example:\n  \
    visrep score imagenet-c --errors E.csv --clean-error 0.239\n\n\
    prints, of a ResNet-50:\n\n  \
    {\"mce\": 76.7, \"ce\": {\"brightness\": 57.9, \"contrast\": 71.3, …}, \"mean_error\": 0.608,\n   \
    \"relative_mce\": 105.1, \"relative_ce\": {…}, \"errors\": \"fractions\"}"
)]
pub struct ImagenetC {
    /// CSV with the columns corruption, severity and error
    #[arg(long, value_name = "E.csv")]
    errors: PathBuf,
    /// The error on clean images in the file's unit, for the relative mCE
    #[arg(long, value_name = "E")]
    clean_error: Option<f64>,
    /// Errors, in a file of the same form, that take the place of AlexNet's published ones in mce and ce
    #[arg(long, value_name = "B.csv")]
    baseline: Option<PathBuf>,
}

#[derive(Serialize)]
struct Figures {
    mce: f64,
    ce: BTreeMap<String, f64>,
    mean_error: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    relative_mce: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    relative_ce: Option<BTreeMap<String, f64>>,
    /// The unit in which the file was read.
    errors: &'static str,
}

/// A file's errors.
struct Errors {
    /// Each corruption's errors as fractions, in the benchmark's order.
    complete: Vec<(&'static str, Severities)>,
    /// The file's unit, and how many of it make 1.
    unit: (&'static str, f64),
}

impl ImagenetC {
    pub fn run(self) -> Result<()> {
        let path = || self.errors.display().to_string();
        let Errors { complete, unit: (unit, scale) } = Errors::read(&self.errors)?;
        let mean = match &self.baseline {
            None => mean_corruption_error(&complete).with_context(path)?,
            Some(baseline) => mean_corruption_error_against(&complete, &Errors::read(baseline)?.complete)
                .with_context(|| baseline.display().to_string())?,
        };
        let clean = match self.clean_error.map(|error| error / scale) {
            Some(clean) if !(0.0..=1.0).contains(&clean) => {
                bail!("--clean-error {} is no error in the file's unit, {unit}", clean * scale)
            }
            // No network errs on less than one image in a hundred: a fraction beside percents.
            Some(clean) if scale > 1.0 && clean > 0.0 && clean * scale < 1.0 => bail!(
                "--clean-error {} is a fraction, and the errors of {} are in percent; give {} if that is meant",
                clean * scale,
                path(),
                100.0 * scale * clean
            ),
            clean => clean,
        };
        let percent =
            |parts: Vec<(String, f64)>| parts.into_iter().map(|(name, ce)| (name, 100.0 * ce)).collect();
        let relative = clean.map(|clean| relative_mean_corruption_error(&complete, clean)).transpose()?;
        super::print(&Figures {
            mce: 100.0 * mean.mce,
            ce: percent(mean.per_corruption),
            mean_error: unnormalised_mean_corruption_error(&complete).with_context(path)?,
            relative_mce: relative.as_ref().map(|mean| 100.0 * mean.mce),
            relative_ce: relative.map(|mean| percent(mean.per_corruption)),
            errors: unit,
        })
    }
}

impl Errors {
    fn read(path: &Path) -> Result<Self> {
        let mut errors: BTreeMap<&str, [Option<f64>; 5]> = BTreeMap::new();
        let mut unique = Unique::new();
        let mut highest = 0.0_f64;
        let table = Table::read(path)?;
        for [name, severity, error] in table.columns(["corruption", "severity", "error"])? {
            let corruption = Corruption::ALL.iter().find(|known| known.name() == name.text);
            let Some(corruption) = corruption else {
                let problem = match name.text.parse::<Corruption>() {
                    Ok(meant) if Corruption::ALL.contains(&meant) => {
                        format!("must be written {}", meant.name())
                    }
                    Ok(_) => "belongs to ImageNet-C-bar, whose errors AlexNet's do not normalise".to_owned(),
                    Err(error) => format!("is no corruption of ImageNet-C: {error}"),
                };
                return Err(name.error(problem));
            };
            let level = severity.index_in(1..=5)?;
            unique.add((corruption.name(), level), severity)?;
            let error = error.number_in(0.0..=100.0, "an error: a fraction from 0 to 1, or percent")?;
            highest = highest.max(error);
            errors.entry(corruption.name()).or_default()[level - 1] = Some(error);
        }
        let unit = if highest > 1.0 { ("percent", 100.0) } else { ("fractions", 1.0) };
        let mut complete = Vec::new();
        let mut missing = Vec::new();
        for (name, _) in ALEXNET_ERRORS {
            let found = errors.get(name).copied().unwrap_or_default();
            let gaps: Vec<_> =
                (1..=5).filter(|&severity| found[severity - 1].is_none()).map(|s| s.to_string()).collect();
            match gaps.len() {
                0 => complete.push((name, found.map(|error| error.unwrap_or_default() / unit.1))),
                5 => missing.push(name.to_owned()),
                _ => missing.push(format!("{name} at severity {}", gaps.join(", "))),
            }
        }
        if !missing.is_empty() {
            let (path, missing) = (path.display(), missing.join("; "));
            bail!("{path}: the mCE is of 15 corruptions at severities 1 to 5; add {missing}");
        }
        Ok(Self { complete, unit })
    }
}
