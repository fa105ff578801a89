//! The metrics by name, and what measures them.

use super::map;
use anyhow::{Result, bail};
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use tch::Device;
use visrep_augment::RgbImage;
use visrep_metrics::ms_ssim_scales;
use visrep_models::{Model, ModelOptions};
use visrep_perceptual::{
    DistanceForm, FeatureDistances, ImageDistance, ImageDistances, Lpips, LpipsHeads, LpipsNet, LpipsVersion,
    ms_ssim_fitted, mse, perceptual_taps, psnr, ssim,
};

/// What to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// From activations of the model.
    Form(DistanceForm),
    /// With learned heads.
    Lpips,
    /// The mean squared error of levels.
    Mse,
    /// In decibels.
    Psnr,
    /// Structural similarity.
    Ssim,
    /// The same over five scales, or as many as fit.
    MsSsim,
}

impl Metric {
    const OTHERS: [Self; 5] = [Self::Lpips, Self::Mse, Self::Psnr, Self::Ssim, Self::MsSsim];
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form(form) => form.fmt(f),
            Self::Lpips => f.pad("lpips"),
            Self::Mse => f.pad("mse"),
            Self::Psnr => f.pad("psnr"),
            Self::Ssim => f.pad("ssim"),
            Self::MsSsim => f.pad("ms-ssim"),
        }
    }
}

impl FromStr for Metric {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let all = || DistanceForm::ALL.into_iter().map(Self::Form).chain(Self::OTHERS);
        all().find(|metric| metric.to_string() == name).ok_or_else(|| {
            let names: Vec<_> = all().map(|metric| metric.to_string()).collect();
            format!("there is no metric '{name}'; there are {}", names.join(", "))
        })
    }
}

/// The files and the release of LPIPS.
pub struct LpipsFiles<'a> {
    pub heads: &'a Path,
    pub trunk: &'a Path,
    pub version: LpipsVersion,
    pub device: Device,
}

/// A function of pixels.
type OfPixels = fn(&RgbImage, &RgbImage) -> Result<f64, visrep_perceptual::Error>;

/// One column.
enum Column {
    /// Its number among the forms.
    Form(usize),
    Lpips,
    Pixels(OfPixels),
}

/// The scales of MS-SSIM that an image has room for, as a value of a table.
fn scales(a: &RgbImage, _: &RgbImage) -> Result<f64, visrep_perceptual::Error> {
    Ok(ms_ssim_scales(a.width().min(a.height()) as usize) as f64)
}

/// Measures pairs.
pub struct Measure<'m> {
    columns: Vec<(String, Column)>,
    features: Option<FeatureDistances<'m>>,
    lpips: Option<Lpips>,
}

impl<'m> Measure<'m> {
    /// What measures `metrics`, of which some need the model, and LPIPS its files.
    pub fn new(
        metrics: &[Metric],
        model: Option<&'m Model>,
        taps: &[String],
        files: Option<LpipsFiles<'_>>,
    ) -> Result<Self> {
        let mut forms = Vec::new();
        let mut columns = Vec::new();
        for metric in metrics {
            let column = match *metric {
                Metric::Form(form) => {
                    forms.push(form);
                    Column::Form(forms.len() - 1)
                }
                Metric::Lpips => Column::Lpips,
                Metric::Mse => Column::Pixels(mse),
                Metric::Psnr => Column::Pixels(psnr),
                Metric::Ssim => Column::Pixels(ssim),
                Metric::MsSsim => Column::Pixels(ms_ssim_fitted),
            };
            columns.push((metric.to_string(), column));
            if *metric == Metric::MsSsim {
                columns.push(("ms-ssim-scales".into(), Column::Pixels(scales)));
            }
        }
        let features = match (forms.as_slice(), model) {
            ([], _) => None,
            ([form, ..], None) => bail!("{form} compares activations: add --model M --weights W"),
            (forms, Some(model)) => {
                let usual = perceptual_taps(model);
                let taps = if taps.is_empty() { &usual } else { taps };
                let taps: Vec<&str> = taps.iter().map(String::as_str).collect();
                Some(FeatureDistances::new(model, &taps, forms)?)
            }
        };
        if !taps.is_empty() && !forms.iter().any(|form| form.needs_taps()) {
            bail!(
                "nothing that is measured compares taps: leave --taps out, or add a metric such as baseline"
            );
        }
        let wants_lpips = metrics.contains(&Metric::Lpips);
        let lpips = match (wants_lpips, model, files) {
            (false, _, None) => None,
            (false, ..) => bail!("--heads are LPIPS's: add lpips to --metric, or leave them out"),
            (true, Some(model), Some(files)) => Some(open_lpips(model, &files)?),
            (true, ..) => bail!(
                "lpips needs --model alexnet, vgg16 or squeezenet1_1, its --weights, and the --heads of the lpips package"
            ),
        };
        Ok(Self { columns, features, lpips })
    }

    /// What each value is: the metrics, and after MS-SSIM the number of its scales.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|(name, _)| name.as_str())
    }

    /// LPIPS at each pixel of a pair, row by row.
    pub fn map(&self, [a, b]: &[RgbImage; 2]) -> Result<Vec<f32>> {
        match &self.lpips {
            Some(lpips) => Ok(lpips.map_of_images(a, b)?),
            None => bail!("{}", map::WITHOUT_LPIPS),
        }
    }

    /// The values of pairs of one size, in the order of [`Self::names`].
    pub fn measure(&self, pairs: &[[RgbImage; 2]]) -> Result<Vec<Vec<f64>>> {
        let references: Vec<&RgbImage> = pairs.iter().map(|pair| &pair[0]).collect();
        let others: Vec<&RgbImage> = pairs.iter().map(|pair| &pair[1]).collect();
        let of_forms = match &self.features {
            Some(features) => {
                features.measure(&references, &[&others])?.iter().map(|of_one| of_one.concat()).collect()
            }
            None => Vec::new(),
        };
        let of_lpips = match &self.lpips {
            Some(lpips) => lpips.distances(&references, &[&others])?.concat(),
            None => Vec::new(),
        };
        let value = |at: usize, column: &Column| -> Result<f64> {
            Ok(match column {
                Column::Form(form) => {
                    let form: &Vec<f64> = &of_forms[*form];
                    form[at]
                }
                Column::Lpips => of_lpips[at],
                Column::Pixels(of) => of(references[at], others[at])?,
            })
        };
        (0..pairs.len())
            .map(|at| self.columns.iter().map(|(_, column)| value(at, column)).collect())
            .collect()
    }
}

fn open_lpips(model: &Model, files: &LpipsFiles<'_>) -> Result<Lpips> {
    let Some(net) = LpipsNet::ALL.into_iter().find(|net| net.architecture() == model.name()) else {
        bail!(
            "LPIPS has the networks alexnet, vgg16 and squeezenet1_1, not {}: give one of them with --model",
            model.name()
        );
    };
    // A network of its own, which it freezes.
    let options = ModelOptions { num_classes: Some(0), device: files.device, ..ModelOptions::default() };
    let (trunk, _) = Model::from_weights(net.architecture(), files.trunk, &options)?;
    Ok(Lpips::new(net, files.version, trunk, LpipsHeads::read(net, files.heads)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_known_by_name() {
        for name in ["baseline", "pooled-cosine", "lpips", "mse", "ms-ssim"] {
            assert_eq!(name.parse::<Metric>().unwrap().to_string(), name);
        }
        assert!("fsim".parse::<Metric>().unwrap_err().contains("cosine, style, mean-pool"));
    }
}
