//! L-BFGS with a line search for the strong Wolfe conditions (Nocedal & Wright 2006, algorithms 3.5, 3.6, 7.5).

use std::collections::VecDeque;

/// When to stop, and how much to remember.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// How many past steps model the curvature.
    pub(crate) memory: usize,
    /// At most this many steps.
    pub(crate) max_iterations: usize,
    /// Converged when no entry of the gradient is larger.
    pub(crate) gradient_tolerance: f64,
    /// Converged when a step lowers the value by no more than this share of its size (or of 1), or none is found and
    /// none could be expected to lower it by more.
    pub(crate) value_tolerance: f64,
}

/// Where the search ended.
#[derive(Clone, Debug)]
pub(crate) struct Minimum {
    pub(crate) x: Vec<f64>,
    pub(crate) iterations: usize,
    /// Whether one of the two tolerances was met; false when the steps ran out, or no step was found that lowers the
    /// value though the slope promises one.
    pub(crate) converged: bool,
}

const SUFFICIENT_DECREASE: f64 = 1e-4;
const CURVATURE: f64 = 0.9;
const LINE_EVALUATIONS: usize = 25;

/// A point on the line that is searched: the step, the value, and the slope along the line there.
#[derive(Clone, Copy)]
struct OnLine {
    step: f64,
    value: f64,
    slope: f64,
}

/// A function with the gradient written into its second argument, and buffers for the line search.
struct Line<'f, F> {
    function: &'f mut F,
    origin: Vec<f64>,
    direction: Vec<f64>,
    x: Vec<f64>,
    gradient: Vec<f64>,
}

impl<E, F: FnMut(&[f64], &mut [f64]) -> Result<f64, E>> Line<'_, F> {
    /// Moves `x` to `step` and evaluates there.
    fn at(&mut self, step: f64) -> Result<OnLine, E> {
        for ((x, origin), direction) in self.x.iter_mut().zip(&self.origin).zip(&self.direction) {
            *x = origin + step * direction;
        }
        let value = (self.function)(&self.x, &mut self.gradient)?;
        Ok(OnLine { step, value, slope: dot(&self.gradient, &self.direction) })
    }

    /// Finds a step that meets the strong Wolfe conditions and leaves `x` and `gradient` there. `None` when
    /// rounding or a wild function leaves no such step to be found.
    fn search(&mut self, start: OnLine, first: f64) -> Result<Option<OnLine>, E> {
        let good_enough =
            |point: &OnLine| point.value <= start.value + SUFFICIENT_DECREASE * point.step * start.slope;
        let (mut last, mut step) = (start, first);
        let mut bracket = None;
        for _ in 0..LINE_EVALUATIONS {
            let point = self.at(step)?;
            if !point.value.is_finite()
                || !good_enough(&point)
                || (last.step > 0.0 && point.value >= last.value)
            {
                bracket = Some((last, point));
                break;
            }
            if point.slope.abs() <= -CURVATURE * start.slope {
                return Ok(Some(point));
            }
            if point.slope >= 0.0 {
                bracket = Some((point, last));
                break;
            }
            last = point;
            step *= 2.0;
        }
        let Some((mut low, mut high)) = bracket else { return Ok(None) };
        for _ in 0..LINE_EVALUATIONS {
            let point = self.at(between(low, high))?;
            if !point.value.is_finite() || !good_enough(&point) || point.value >= low.value {
                high = point;
            } else {
                if point.slope.abs() <= -CURVATURE * start.slope {
                    return Ok(Some(point));
                }
                if point.slope * (high.step - low.step) >= 0.0 {
                    high = low;
                }
                low = point;
            }
            if (high.step - low.step).abs() <= 1e-16 * low.step.max(1.0) {
                break;
            }
        }
        // The conditions cannot be met to the last digit, but a lower point is still progress.
        if low.step > 0.0 && low.value < start.value { Ok(Some(self.at(low.step)?)) } else { Ok(None) }
    }
}

/// The minimum of the cubic through two points and their slopes, kept away from the ends; the middle where
/// there is none.
fn between(a: OnLine, b: OnLine) -> f64 {
    let middle = 0.5 * (a.step + b.step);
    let margin = 0.1 * (b.step - a.step).abs();
    let d1 = a.slope + b.slope - 3.0 * (a.value - b.value) / (a.step - b.step);
    let d2 = (b.step - a.step).signum() * (d1 * d1 - a.slope * b.slope).sqrt();
    let cubic = b.step - (b.step - a.step) * (b.slope + d2 - d1) / (b.slope - a.slope + 2.0 * d2);
    if cubic.is_finite() {
        cubic.clamp(a.step.min(b.step) + margin, a.step.max(b.step) - margin)
    } else {
        middle
    }
}

/// Minimises `function`, which returns the value at its first argument and writes the gradient into its second.
pub(crate) fn minimise<E>(
    start: Vec<f64>,
    mut function: impl FnMut(&[f64], &mut [f64]) -> Result<f64, E>,
    settings: &Settings,
) -> Result<Minimum, E> {
    let mut gradient = vec![0.0; start.len()];
    let mut value = function(&start, &mut gradient)?;
    let mut line = Line {
        function: &mut function,
        x: start.clone(),
        gradient: gradient.clone(),
        direction: vec![0.0; start.len()],
        origin: start,
    };
    let mut pairs = VecDeque::<(Vec<f64>, Vec<f64>, f64)>::new();
    let mut iterations = 0;
    let converged = loop {
        if gradient.iter().all(|g| g.abs() <= settings.gradient_tolerance) {
            break true;
        }
        if iterations == settings.max_iterations {
            break false;
        }
        iterations += 1;
        descend(&pairs, &gradient, &mut line.direction);
        let mut slope = dot(&gradient, &line.direction);
        if slope >= 0.0 || !slope.is_finite() {
            pairs.clear();
            descend(&pairs, &gradient, &mut line.direction);
            slope = dot(&gradient, &line.direction);
        }
        let first = if pairs.is_empty() { (1.0 / dot(&gradient, &gradient).sqrt()).min(1.0) } else { 1.0 };
        let least = |a: f64, b: f64| settings.value_tolerance * a.abs().max(b.abs()).max(1.0);
        let Some(point) = line.search(OnLine { step: 0.0, value, slope }, first)? else {
            break -slope * first <= least(value, value);
        };
        let step: Vec<f64> = line.x.iter().zip(&line.origin).map(|(new, old)| new - old).collect();
        let change: Vec<f64> = line.gradient.iter().zip(&gradient).map(|(new, old)| new - old).collect();
        let curvature = dot(&step, &change);
        if curvature > f64::EPSILON * dot(&change, &change) {
            if pairs.len() == settings.memory {
                pairs.pop_front();
            }
            pairs.push_back((step, change, 1.0 / curvature));
        }
        let enough = value - point.value > least(value, point.value);
        line.origin.copy_from_slice(&line.x);
        gradient.copy_from_slice(&line.gradient);
        value = point.value;
        if !enough {
            break true;
        }
    };
    Ok(Minimum { x: line.origin, iterations, converged })
}

/// Writes minus the modelled inverse Hessian times `gradient` into `direction` (the two-loop recursion).
fn descend(pairs: &VecDeque<(Vec<f64>, Vec<f64>, f64)>, gradient: &[f64], direction: &mut [f64]) {
    for (d, g) in direction.iter_mut().zip(gradient) {
        *d = -g;
    }
    let mut shares = Vec::with_capacity(pairs.len());
    for (step, change, rho) in pairs.iter().rev() {
        let share = rho * dot(step, direction);
        add_scaled(direction, -share, change);
        shares.push(share);
    }
    if let Some((_, change, rho)) = pairs.back() {
        let scale = 1.0 / (rho * dot(change, change));
        direction.iter_mut().for_each(|d| *d *= scale);
    }
    for ((step, change, rho), share) in pairs.iter().zip(shares.into_iter().rev()) {
        let back = rho * dot(change, direction);
        add_scaled(direction, share - back, step);
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add_scaled(to: &mut [f64], scale: f64, what: &[f64]) {
    for (to, what) in to.iter_mut().zip(what) {
        *to += scale * what;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    const SETTINGS: Settings =
        Settings { memory: 10, max_iterations: 500, gradient_tolerance: 1e-9, value_tolerance: 0.0 };

    #[test]
    fn rosenbrock_in_ten_dimensions() {
        let rosenbrock = |x: &[f64], g: &mut [f64]| -> Result<f64, Infallible> {
            g.fill(0.0);
            let mut value = 0.0;
            for i in 0..x.len() - 1 {
                let (a, b) = (x[i + 1] - x[i] * x[i], 1.0 - x[i]);
                value += 100.0 * a * a + b * b;
                g[i] += -400.0 * x[i] * a - 2.0 * b;
                g[i + 1] += 200.0 * a;
            }
            Ok(value)
        };
        let start = [-1.2, 1.0].repeat(5);
        let minimum = minimise(start, rosenbrock, &SETTINGS).unwrap();
        assert!(minimum.converged && minimum.iterations < 150, "{minimum:?}");
        assert!(minimum.x.iter().all(|x| (x - 1.0).abs() < 1e-8), "{minimum:?}");
    }

    #[test]
    fn a_badly_scaled_quadratic() {
        let quadratic = |x: &[f64], g: &mut [f64]| -> Result<f64, Infallible> {
            let scale = |i: usize| 10_f64.powi(i as i32);
            (0..x.len()).for_each(|i| g[i] = scale(i) * (x[i] - 3.0));
            Ok((0..x.len()).map(|i| 0.5 * scale(i) * (x[i] - 3.0).powi(2)).sum())
        };
        let minimum = minimise(vec![0.0; 6], quadratic, &SETTINGS).unwrap();
        assert!(minimum.x.iter().all(|x| (x - 3.0).abs() < 1e-7), "{minimum:?}");
    }

    #[test]
    fn a_minimum_that_rounding_hides_counts_as_reached_and_a_wall_does_not() {
        // Beside 1 the last steps towards 0 vanish, and the gradient, which has an error, never gets small.
        let hidden = |x: &[f64], g: &mut [f64]| -> Result<f64, Infallible> {
            g[0] = 2.0 * x[0] + 1e-7_f64.copysign(x[0]);
            Ok(1.0 + x[0] * x[0])
        };
        let settings = Settings { value_tolerance: 64.0 * f64::EPSILON, ..SETTINGS };
        assert!(minimise(vec![1.0], hidden, &settings).unwrap().converged);
        let wall = |x: &[f64], g: &mut [f64]| -> Result<f64, Infallible> {
            g[0] = 1.0;
            Ok(if x[0] < 0.0 { f64::INFINITY } else { x[0] })
        };
        assert!(!minimise(vec![0.0], wall, &settings).unwrap().converged);
    }

    #[test]
    fn a_function_without_a_minimum_ends_and_says_so() {
        let settings = Settings { max_iterations: 20, ..SETTINGS };
        let linear = |x: &[f64], g: &mut [f64]| -> Result<f64, Infallible> {
            g.fill(1.0);
            Ok(x.iter().sum())
        };
        assert!(!minimise(vec![0.0; 2], linear, &settings).unwrap().converged);
        let wild = |_: &[f64], g: &mut [f64]| -> Result<f64, Infallible> {
            g.fill(1.0);
            Ok(f64::NAN)
        };
        assert!(!minimise(vec![0.0; 2], wild, &settings).unwrap().converged);
    }
}
