//! A step along a line on which the objective is convex.

use super::logistic::{Logits, Objective, OnRay, Ray};
use crate::Error;

const SUFFICIENT_DECREASE: f64 = 1e-4;
const EVALUATIONS: usize = 40;

/// Where a search for a step begins.
pub(super) struct Line<'a> {
    pub(super) objective: &'a Objective<'a>,
    /// At the start.
    pub(super) logits: &'a Logits,
    pub(super) ray: &'a Ray,
    /// At the start.
    pub(super) value: f64,
    /// At the start, negative.
    pub(super) slope: f64,
}

impl Line<'_> {
    /// A step at whose end the slope is at most `flatter` of what it is at the start, and the value lower. `None` when rounding
    /// leaves no such step to be found.
    ///
    /// The slope rises along the line: its sign says on which side the minimum is.
    pub(super) fn search(&self, flatter: f64, epsilon: f64) -> Result<Option<(f64, OnRay)>, Error> {
        let hidden = 4.0 * epsilon * self.value.abs();
        let (mut low, mut low_slope, mut high) = (0.0, self.slope, None::<(f64, f64)>);
        let mut step = 1.0;
        for _ in 0..EVALUATIONS {
            let at = self.objective.on_ray(self.logits, self.ray, step)?;
            let lower = at.value <= self.value + SUFFICIENT_DECREASE * step * self.slope + hidden;
            if lower && at.slope.abs() <= flatter * self.slope.abs() {
                return Ok(Some((step, at)));
            }
            if !at.value.is_finite() || !at.slope.is_finite() {
                high = Some((step, f64::INFINITY));
            } else if at.slope > 0.0 {
                high = Some((step, at.slope));
            } else {
                (low, low_slope) = (step, at.slope);
            }
            step = match high {
                Some((high, slope)) => {
                    let crossing = low - (high - low) * low_slope / (slope - low_slope);
                    let margin = 0.1 * (high - low);
                    crossing.clamp(low + margin, high - margin)
                }
                // By the slope's own rise, where it rises.
                None => {
                    let rise = at.slope - self.slope;
                    let ahead = step * (1.0 - at.slope / rise);
                    if rise > 0.0 { ahead.clamp(1.5 * step, 4.0 * step) } else { 4.0 * step }
                }
            };
        }
        Ok(None)
    }
}
