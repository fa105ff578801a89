//! The linear probe: multinomial logistic regression on frozen features, by L-BFGS on the exact objective.

use crate::Error;
use crate::features::FeatureSet;
use crate::lbfgs::{self, Settings};
use crate::sampling::hold_out;
use tch::{Device, Kind, Tensor};

/// How strongly the weights are held small. `c` is scikit-learn's: the objective is
/// c · Σ cross-entropy + ½ ‖W‖², the bias free. As there, two classes have one vector of weights between them: W is
/// then the difference of the two classes' weights.
#[derive(Clone, Debug, PartialEq)]
pub enum Regularisation {
    /// This `c`.
    Fixed {
        /// The inverse strength.
        c: f64,
    },
    /// The `c` of `grid` that is most accurate on a held-out share of each class (of equals the strongest
    /// regularisation), then fitted again to everything.
    Search {
        /// The candidates.
        grid: Vec<f64>,
        /// The share held out, in (0, 1).
        validation: f64,
        /// Chooses the samples held out.
        seed: u64,
    },
}

/// How a [`LinearProbe`] is fitted.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearProbeOptions {
    /// The strength of the penalty.
    pub regularisation: Regularisation,
    /// Subtract each feature's training mean and divide by its deviation first. Makes one grid serve features
    /// of any scale.
    pub standardise: bool,
    /// At most this many L-BFGS steps for each fit.
    pub max_iterations: usize,
    /// Stop when no entry of the gradient of the mean loss is larger (or the loss no longer changes in f64).
    pub tolerance: f64,
}

impl LinearProbeOptions {
    /// scikit-learn's `LogisticRegression(C=c)` run to convergence: features as they are, c fixed.
    pub fn scikit_learn(c: f64) -> Self {
        Self {
            regularisation: Regularisation::Fixed { c },
            standardise: false,
            max_iterations: 1000,
            tolerance: 1e-5,
        }
    }

    /// Standardised features and the best of c ∈ {10⁻⁴, 10⁻³, 10⁻², 10⁻¹, 1, 10} on a fifth of the training
    /// samples, chosen by `seed`.
    pub fn searched(seed: u64) -> Self {
        let grid = vec![1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0];
        Self {
            regularisation: Regularisation::Search { grid, validation: 0.2, seed },
            standardise: true,
            ..Self::scikit_learn(1.0)
        }
    }
}

impl Default for LinearProbeOptions {
    /// [`LinearProbeOptions::searched`] with seed 0.
    fn default() -> Self {
        Self::searched(0)
    }
}

/// A fitted linear classifier.
#[derive(Debug)]
pub struct LinearProbe {
    /// (D, present classes) and (present classes), f64, on the features' device.
    weight: Tensor,
    bias: Tensor,
    scale: Scale,
    present: Vec<i64>,
    classes: usize,
    c: f64,
    validation: Vec<(f64, f64)>,
    iterations: usize,
    converged: bool,
}

impl LinearProbe {
    /// Fits a classifier to `train`, which must have samples of two classes at least. A class below the highest
    /// label that has no samples gets probability 0.
    pub fn fit(train: &FeatureSet, options: &LinearProbeOptions) -> Result<Self, Error> {
        train.check_labelled()?;
        check_options(options)?;
        tch::no_grad(|| {
            let (c, validation) = match &options.regularisation {
                Regularisation::Fixed { c } => (*c, Vec::new()),
                Regularisation::Search { grid, validation, seed } => {
                    search(train, options, grid, *validation, *seed)?
                }
            };
            let problem = Problem::new(train, options)?;
            let fitted = problem.fit(c, vec![0.0; problem.parameters()], options)?;
            let (weight, bias) = problem.unpack(&fitted.x)?;
            let (scale, present) = (problem.scale, problem.present);
            let (iterations, converged) = (fitted.iterations, fitted.converged);
            let classes = train.classes();
            Ok(Self { weight, bias, scale, present, classes, c, validation, iterations, converged })
        })
    }

    /// Class probabilities (N, classes) f64 on the CPU for `features` (N, D).
    pub fn predict(&self, features: &Tensor) -> Result<Tensor, Error> {
        let dim = self.weight.size()[0];
        if features.dim() != 2 || features.size()[1] != dim {
            let expected = format!("(N, {dim}) as the probe was fitted to");
            return Err(Error::Shape { what: "features", got: features.size(), expected });
        }
        tch::no_grad(|| {
            let x = self.scale.apply(&features.f_to_device(self.weight.device())?)?;
            let logits = self.bias.f_addmm(&x, &self.weight)?;
            let p = logits.f_softmax(1, Kind::Double)?.f_to_device(Device::Cpu)?;
            if self.present.len() == self.classes {
                return Ok(p);
            }
            let all = Tensor::f_zeros([p.size()[0], self.classes as i64], (Kind::Double, Device::Cpu))?;
            Ok(all.f_index_copy(1, &Tensor::from_slice(&self.present), &p)?)
        })
    }

    /// The number of classes: one more than the highest training label.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The inverse regularisation strength that was used.
    pub fn c(&self) -> f64 {
        self.c
    }

    /// Each candidate c with its held-out accuracy; empty when c was fixed.
    pub fn validation(&self) -> &[(f64, f64)] {
        &self.validation
    }

    /// The number of L-BFGS steps of the final fit.
    pub fn iterations(&self) -> usize {
        self.iterations
    }

    /// Whether the final fit ended at its minimum: no entry of the gradient above the tolerance, or the value no
    /// longer changing in f64. False when the steps ran out before.
    pub fn converged(&self) -> bool {
        self.converged
    }
}

fn check_options(options: &LinearProbeOptions) -> Result<(), Error> {
    let positive = |parameter, value: f64| match value > 0.0 && value.is_finite() {
        true => Ok(()),
        false => Err(Error::Parameter { parameter, value, expected: "a positive number" }),
    };
    positive("tolerance", options.tolerance)?;
    match &options.regularisation {
        Regularisation::Fixed { c } => positive("c", *c),
        Regularisation::Search { grid, validation, .. } => {
            if grid.is_empty() {
                return Err(Error::TooFew { what: "grid", need: "give at least one c to try" });
            }
            if !(*validation > 0.0 && *validation < 1.0) {
                let expected = "a share between 0 and 1, for example 0.2";
                return Err(Error::Parameter { parameter: "validation", value: *validation, expected });
            }
            grid.iter().try_for_each(|&c| positive("c", c))
        }
    }
}

/// The best c of the grid and every candidate's held-out accuracy. Each fit starts where the one before ended.
fn search(
    train: &FeatureSet,
    options: &LinearProbeOptions,
    grid: &[f64],
    fraction: f64,
    seed: u64,
) -> Result<(f64, Vec<(f64, f64)>), Error> {
    let (rest, held) = hold_out(&train.labels, fraction, seed);
    if held.is_empty() {
        return Err(Error::TooFew {
            what: "training samples",
            need: "choosing c needs a class with two samples or more; give more, or fix c",
        });
    }
    let (rest, held) = (train.select(&rest)?, train.select(&held)?);
    let problem = Problem::new(&rest, options)?;
    let x = problem.scale.apply(&held.features)?;
    let mut grid = grid.to_vec();
    grid.sort_by(f64::total_cmp);
    let mut parameters = vec![0.0; problem.parameters()];
    let mut validation: Vec<(f64, f64)> = Vec::with_capacity(grid.len());
    for c in grid {
        parameters = problem.fit(c, parameters, options)?.x;
        let (weight, bias) = problem.unpack(&parameters)?;
        let predicted = Vec::<i64>::try_from(bias.f_addmm(&x, &weight)?.f_argmax(1, false)?)?;
        let right =
            predicted.iter().zip(&held.labels).filter(|&(&p, &label)| problem.present[p as usize] == label);
        validation.push((c, right.count() as f64 / held.len() as f64));
    }
    let best = validation.iter().fold(validation[0], |best, &next| if next.1 > best.1 { next } else { best });
    Ok((best.0, validation))
}

/// The shift and scale of features before the fit, f64.
#[derive(Debug)]
struct Scale {
    shift: Option<(Tensor, Tensor)>,
}

impl Scale {
    fn new(features: &Tensor, options: &LinearProbeOptions) -> Result<Self, Error> {
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

    fn apply(&self, features: &Tensor) -> Result<Tensor, Error> {
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
struct Problem {
    x: Tensor,
    /// (N, 1), indices into `present`.
    y: Tensor,
    present: Vec<i64>,
    scale: Scale,
}

impl Problem {
    fn new(train: &FeatureSet, options: &LinearProbeOptions) -> Result<Self, Error> {
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

    fn parameters(&self) -> usize {
        (self.dim() as usize + 1) * self.present.len()
    }

    /// Weight (D, C) and bias (C) from the flat parameters.
    fn unpack(&self, parameters: &[f64]) -> Result<(Tensor, Tensor), Error> {
        let (dim, classes) = (self.dim(), self.present.len() as i64);
        let all = Tensor::from_slice(parameters).f_to_device(self.x.device())?;
        let all = all.f_view([dim + 1, classes])?;
        Ok((all.f_narrow(0, 0, dim)?, all.f_select(0, dim)?))
    }

    fn fit(&self, c: f64, start: Vec<f64>, options: &LinearProbeOptions) -> Result<lbfgs::Minimum, Error> {
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
    fn evaluate(&self, parameters: &[f64], gradient: &mut [f64], l2: f64) -> Result<f64, Error> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn blobs(labels: &[i64], per_class: usize) -> FeatureSet {
        let (mut values, mut all) = (Vec::new(), Vec::new());
        for i in 0..per_class * labels.len() {
            let class = i % labels.len();
            let wobble = |a: f64| (a * (i as f64 + 1.0)).sin() as f32;
            values.extend([class as f32 * 8.0 + wobble(1.3), wobble(2.7) - class as f32, 5.0]);
            all.push(labels[class]);
        }
        let keys = (0..all.len()).map(|i| i.to_string()).collect();
        FeatureSet::new(Tensor::from_slice(&values).view([-1, 3]), all, keys).unwrap()
    }

    #[test]
    fn the_gradient_is_that_of_the_objective() {
        let options = LinearProbeOptions { standardise: true, ..LinearProbeOptions::scikit_learn(1.0) };
        let problem = Problem::new(&blobs(&[0, 1, 2], 7), &options).unwrap();
        let at: Vec<f64> = (0..problem.parameters()).map(|i| (i as f64 * 0.7).sin()).collect();
        let mut gradient = vec![0.0; at.len()];
        let mut unused = gradient.clone();
        problem.evaluate(&at, &mut gradient, 0.1).unwrap();
        for i in 0..at.len() {
            let mut value = |by: f64| {
                let mut moved = at.clone();
                moved[i] += by;
                problem.evaluate(&moved, &mut unused, 0.1).unwrap()
            };
            let numeric = (value(1e-6) - value(-1e-6)) / 2e-6;
            assert!((numeric - gradient[i]).abs() < 1e-8, "{i}: {numeric} {}", gradient[i]);
        }
    }

    #[test]
    fn absent_classes_have_probability_zero_and_rows_sum_to_one() {
        let train = blobs(&[1, 4], 12);
        let probe = LinearProbe::fit(&train, &Default::default()).unwrap();
        let p = probe.predict(&train.features).unwrap();
        assert_eq!(p.size(), [24, 5]);
        let sums = Vec::<f64>::try_from(p.sum_dim_intlist([1].as_slice(), false, Kind::Double)).unwrap();
        assert!(sums.iter().all(|sum| (sum - 1.0).abs() < 1e-9));
        assert_eq!(p.select(1, 2).max().double_value(&[]), 0.0);
        assert_eq!(Vec::<i64>::try_from(p.argmax(1, false)).unwrap(), train.labels);
        assert!(probe.converged() && probe.validation().len() == 6 && probe.classes() == 5);
    }

    #[test]
    fn what_cannot_be_fitted_is_an_error() {
        let one = blobs(&[3], 5);
        assert!(matches!(LinearProbe::fit(&one, &Default::default()), Err(Error::TooFew { .. })));
        let two = blobs(&[0, 1], 1);
        assert!(matches!(LinearProbe::fit(&two, &Default::default()), Err(Error::TooFew { .. })));
        assert!(LinearProbe::fit(&two, &LinearProbeOptions::scikit_learn(1.0)).is_ok());
        let bad = LinearProbeOptions::scikit_learn(-1.0);
        assert!(matches!(LinearProbe::fit(&blobs(&[0, 1], 3), &bad), Err(Error::Parameter { .. })));
        let probe = LinearProbe::fit(&two, &LinearProbeOptions::scikit_learn(1.0)).unwrap();
        assert!(probe.predict(&Tensor::zeros([2, 9], (Kind::Float, Device::Cpu))).is_err());
    }
}
