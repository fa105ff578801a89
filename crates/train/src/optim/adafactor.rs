//! Adafactor as big_vision trains its large models with it.

use super::rule::wrong_slots;
use super::{Group, Rule};
use crate::Error;
use serde::{Deserialize, Serialize};
use tch::{Kind, TchError, Tensor};

/// Adafactor (Shazeer and Stern 2018, arXiv:1804.04235) in the form of Zhai et al. 2022 (arXiv:2106.04560, section 3.4):
/// second moments of large matrices by rows and columns, a first moment in bf16, no relative step sizes. The decay is
/// decoupled and multiplied by the learning rate, as in timm's `AdafactorBigVision`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adafactor {
    /// The two longest dimensions of a parameter are factored if both are at least so long.
    #[serde(default = "min_dim_size_to_factor")]
    pub min_dim_size_to_factor: i64,
    /// Step t keeps `1 - t^-decay_rate` of the second moments,
    #[serde(default = "decay_rate")]
    pub decay_rate: f64,
    /// and at most so much.
    #[serde(default = "beta2_cap")]
    pub beta2_cap: f64,
    /// 0..1; 0 keeps no first moment.
    #[serde(default = "momentum")]
    pub momentum: f64,
    /// Whether the first moment is kept in bf16, else as the parameters are.
    #[serde(default = "bf16_momentum")]
    pub bf16_momentum: bool,
    /// The root mean square of a parameter's step before the momentum is at most so much; left out, anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clipping_threshold: Option<f64>,
    /// Added to the squares of gradients.
    #[serde(default = "eps")]
    pub eps: f64,
}

fn min_dim_size_to_factor() -> i64 {
    32
}

fn decay_rate() -> f64 {
    0.8
}

fn beta2_cap() -> f64 {
    0.999
}

fn momentum() -> f64 {
    0.9
}

fn bf16_momentum() -> bool {
    true
}

fn eps() -> f64 {
    1e-30
}

impl Rule for Adafactor {
    fn slots(&self, parameter: &Tensor) -> Result<Vec<(&'static str, Tensor)>, Error> {
        let options = (parameter.kind(), parameter.device());
        let mut slots = match self.factored(parameter) {
            Some((second, longest)) => {
                let without = |dim: usize| {
                    let mut size = parameter.size();
                    size[dim] = 1;
                    Tensor::f_zeros(&size, options)
                };
                vec![("moment2_rows", without(longest)?), ("moment2_columns", without(second)?)]
            }
            None => vec![("moment2", parameter.f_zeros_like()?)],
        };
        if self.momentum != 0.0 {
            let kind = if self.bf16_momentum { Kind::BFloat16 } else { parameter.kind() };
            slots.push(("moment1", parameter.f_zeros_like()?.f_to_kind(kind)?));
        }
        Ok(slots)
    }

    fn step(&self, group: &mut Group<'_>) -> Result<(), Error> {
        let kept = self.beta2_cap.min(1.0 - (group.step as f64).powf(-self.decay_rate));
        for (i, parameter) in group.parameters.iter_mut().enumerate() {
            let gradient = &group.gradients[i];
            let mut slots = group.slots.iter_mut().map(|slot| &mut slot[i]);
            let mut next = || slots.next().ok_or_else(|| wrong_slots("adafactor"));
            let squares = gradient.f_square()?.f_add_scalar(self.eps)?;
            let mut update = match self.factored(parameter) {
                Some((second, longest)) => {
                    let (second, longest) = ([second as i64], [longest as i64]);
                    let (rows, columns) = (next()?, next()?);
                    let _ = rows.f_lerp_(&mean(&squares, &longest)?, 1.0 - kept)?;
                    let _ = columns.f_lerp_(&mean(&squares, &second)?, 1.0 - kept)?;
                    let row_factor = rows.f_div(&mean(rows, &second)?)?.f_rsqrt()?;
                    gradient.f_mul(&row_factor)?.f_mul(&columns.f_rsqrt()?)?
                }
                None => {
                    let moment = next()?;
                    let _ = moment.f_lerp_(&squares, 1.0 - kept)?;
                    gradient.f_mul(&moment.f_rsqrt()?)?
                }
            };
            if let Some(threshold) = self.clipping_threshold {
                let rms = update.f_norm()?.f_div_scalar((update.numel() as f64).sqrt())?;
                update = update.f_div(&rms.f_div_scalar(threshold)?.f_clamp_min(1.0)?)?;
            }
            if self.momentum != 0.0 {
                let average = next()?;
                let _ = average.f_lerp_(&update.f_to_kind(average.kind())?, 1.0 - self.momentum)?;
                update = average.f_to_kind(parameter.kind())?;
            }
            if group.weight_decay != 0.0 {
                let _ = parameter.f_mul_scalar_(1.0 - group.lr * group.weight_decay)?;
            }
            let _ = parameter.f_sub_(&update.f_mul_scalar(group.lr)?)?;
        }
        Ok(())
    }
}

impl Adafactor {
    /// The second longest and the longest dimension of a parameter that is factored; of equal ones the later is longer.
    fn factored(&self, parameter: &Tensor) -> Option<(usize, usize)> {
        let mut dims: Vec<(i64, usize)> = parameter.size().into_iter().zip(0..).collect();
        dims.sort_unstable();
        match dims[..] {
            [.., (side, second), (_, longest)] if side >= self.min_dim_size_to_factor => {
                Some((second, longest))
            }
            _ => None,
        }
    }
}

fn mean(tensor: &Tensor, dim: &[i64]) -> Result<Tensor, TchError> {
    tensor.f_mean_dim(dim, true, tensor.kind())
}
