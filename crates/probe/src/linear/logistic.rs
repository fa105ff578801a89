//! Multinomial logistic regression on one training set: the objective, its gradient, its minimum.

use super::LinearProbeOptions;
use crate::Error;
use crate::features::FeatureSet;
use crate::lbfgs::{self, Settings};
use tch::{Device, Kind, Tensor};

/// The shift and scale of features before the fit, f64.
#[derive(Debug)]
pub(super) struct Scale {
    /// What is subtracted, and what it is divided by then.
    pub(super) shift: Option<(Tensor, Tensor)>,
}

impl Scale {
    pub(super) fn new(features: &Tensor, options: &LinearProbeOptions) -> Result<Self, Error> {
        if !options.standardise {
            return Ok(Self { shift: None });
        }
        let x = features.f_to_kind(Kind::Double)?;
        let mean = x.f_mean_dim([0].as_slice(), true, Kind::Double)?;
        // A feature that never changes is left as it is (all zeros after the shift).
        let deviation = x.f_std_dim([0].as_slice(), false, true)?;
        let constant = deviation.f_le(1e-12)?;
        Ok(Self { shift: Some((mean, deviation.f_masked_fill(&constant, 1.0)?)) })
    }

    pub(super) fn apply(&self, features: &Tensor) -> Result<Tensor, Error> {
        let x = features.f_to_kind(Kind::Double)?;
        match &self.shift {
            Some((mean, deviation)) => Ok(x.f_sub(mean)?.f_div_(deviation)?),
            None => Ok(x),
        }
    }
}

/// The logits of one chunk of samples hold at most this many numbers.
const CHUNK_LOGITS: usize = 1 << 23;

/// The objective on one training set: mean cross-entropy + `l2` ‖W‖² / 2.
pub(super) struct Problem {
    x: Tensor,
    /// (N, 1), indices into `present`.
    y: Tensor,
    /// The labels that occur, ascending.
    pub(super) present: Vec<i64>,
    pub(super) scale: Scale,
}

impl Problem {
    pub(super) fn new(train: &FeatureSet, options: &LinearProbeOptions) -> Result<Self, Error> {
        let mut present = train.labels.clone();
        present.sort_unstable();
        present.dedup();
        if present.len() < 2 {
            return Err(Error::TooFew {
                what: "classes",
                need: "a classifier needs samples of two classes or more",
            });
        }
        let scale = Scale::new(&train.features, options)?;
        let x = scale.apply(&train.features)?.f_contiguous()?;
        let y: Vec<i64> =
            train.labels.iter().map(|label| present.partition_point(|p| p < label) as i64).collect();
        let y = Tensor::from_slice(&y).f_view([-1, 1])?.f_to_device(x.device())?;
        Ok(Self { x, y, present, scale })
    }

    fn dim(&self) -> i64 {
        self.x.size()[1]
    }

    pub(super) fn parameters(&self) -> usize {
        (self.dim() as usize + 1) * self.present.len()
    }

    /// Weight (D, C) and bias (C) from the flat parameters.
    pub(super) fn unpack(&self, parameters: &[f64]) -> Result<(Tensor, Tensor), Error> {
        let (dim, classes) = (self.dim(), self.present.len() as i64);
        let all = Tensor::from_slice(parameters).f_to_device(self.x.device())?;
        let all = all.f_view([dim + 1, classes])?;
        Ok((all.f_narrow(0, 0, dim)?, all.f_select(0, dim)?))
    }

    pub(super) fn fit(
        &self,
        c: f64,
        start: Vec<f64>,
        options: &LinearProbeOptions,
    ) -> Result<lbfgs::Minimum, Error> {
        let settings = Settings {
            memory: 10,
            max_iterations: options.max_iterations,
            gradient_tolerance: options.tolerance,
            value_tolerance: 64.0 * f64::EPSILON,
        };
        // Two columns whose difference is w are w / 2 and -w / 2 at the minimum: half of ‖w‖² together.
        let columns_per_weight = if self.present.len() == 2 { 2.0 } else { 1.0 };
        let l2 = columns_per_weight / (c * self.x.size()[0] as f64);
        lbfgs::minimise(start, |parameters, gradient| self.evaluate(parameters, gradient, l2), &settings)
    }

    /// The objective at `parameters`; its gradient goes into `gradient`.
    pub(super) fn evaluate(&self, parameters: &[f64], gradient: &mut [f64], l2: f64) -> Result<f64, Error> {
        let (samples, dim) = self.x.size2()?;
        let classes = self.present.len();
        let (weight, bias) = self.unpack(parameters)?;
        let on = (Kind::Double, self.x.device());
        let mut weight_gradient = Tensor::f_zeros([dim, classes as i64], on)?;
        let mut bias_gradient = Tensor::f_zeros([classes as i64], on)?;
        let mut loss = 0.0;
        let rows = ((CHUNK_LOGITS / classes).max(1) as i64).min(samples);
        let minus_one = Tensor::f_full([rows, 1], -1.0, on)?;
        for start in (0..samples).step_by(rows as usize) {
            let rows = rows.min(samples - start);
            let (x, y) = (self.x.f_narrow(0, start, rows)?, self.y.f_narrow(0, start, rows)?);
            let log_p = bias.f_addmm(&x, &weight)?.f_log_softmax(1, Kind::Double)?;
            loss -= f64::try_from(log_p.f_gather(1, &y, false)?.f_sum(Kind::Double)?)?;
            // d loss / d logits = p - onehot
            let mut delta = log_p;
            let delta = delta.f_exp_()?.f_scatter_add_(1, &y, &minus_one.f_narrow(0, 0, rows)?)?;
            weight_gradient = weight_gradient.f_addmm_(&x.f_tr()?, &delta)?;
            bias_gradient =
                bias_gradient.f_add_(&delta.f_sum_dim_intlist([0].as_slice(), false, Kind::Double)?)?;
        }
        let all = Tensor::f_cat(&[weight_gradient, bias_gradient.f_view([1, -1])?], 0)?;
        let all = all.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?.f_contiguous()?;
        all.f_copy_data(gradient, parameters.len())?;
        let n = samples as f64;
        let weights = dim as usize * classes;
        let mut norm = 0.0;
        for (i, (g, w)) in gradient.iter_mut().zip(parameters).enumerate() {
            *g /= n;
            if i < weights {
                *g += l2 * w;
                norm += w * w;
            }
        }
        Ok(loss / n + 0.5 * l2 * norm)
    }
}
