//! The linear probe: a linear classifier on frozen features.
//!
//! [`LinearProbe::fit`] is multinomial logistic regression by L-BFGS on the exact objective. [`LinearProbe::descend`] and
//! [`LinearProbe::train`] are the stochastic gradient descents of the papers, whose protocols are the [`LinearPreset`]s.

mod gradient;
mod line;
mod logistic;
mod memory;
mod minimise;
mod options;
mod preconditioner;
mod preset;
mod rows;
mod search;

pub use gradient::GradientFit;
pub(crate) use gradient::labels_of;
pub use options::{LinearProbeOptions, Regularisation};
pub use preset::{LinearFit, LinearPreset, ProbeViews};

use crate::sampling::hold_out;
use crate::{Error, FeatureSet};
use logistic::{Problem, Scale};
use tch::{Device, Kind, Tensor};

/// A fitted linear classifier.
#[derive(Debug)]
pub struct LinearProbe {
    /// (D, present classes) and (present classes), f64, on the features' device.
    weight: Tensor,
    bias: Tensor,
    scale: Scale,
    present: Vec<i64>,
    classes: usize,
    fitting: Fitting,
}

/// How a [`LinearProbe`] came about.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Fitting {
    /// By L-BFGS on the exact objective.
    Logistic {
        /// The inverse regularisation strength that was used.
        c: f64,
        /// Each candidate c with its held-out accuracy, in ascending order; empty when c was fixed.
        validation: Vec<(f64, f64)>,
        /// The steps of the final fit.
        iterations: usize,
        /// Whether the final fit ended at its minimum: no entry of the gradient above the tolerance, or the value no longer
        /// changing in f64. False when the steps ran out before.
        converged: bool,
    },
    /// By stochastic gradient descent.
    Gradient {
        /// Its steps.
        steps: u64,
        /// The samples of each.
        batch_size: usize,
        /// The highest learning rate.
        lr: f64,
        /// The mean loss of the last epoch's steps.
        loss: f64,
    },
}

impl LinearProbe {
    /// Fits a classifier to `train`, which must have samples of two classes at least. A class below the highest
    /// label that has no samples gets probability 0.
    ///
    /// # Errors
    /// Options out of range; features that are not finite; too few samples or classes.
    pub fn fit(train: &FeatureSet, options: &LinearProbeOptions) -> Result<Self, Error> {
        train.check_labelled()?;
        options::check_options(options)?;
        let (c, validation) = match &options.regularisation {
            Regularisation::Fixed { c } => (*c, Vec::new()),
            Regularisation::Search { grid, halvings, validation, seed } => {
                let (rest, held) = hold_out(&train.labels, *validation, *seed);
                if held.is_empty() {
                    return Err(Error::TooFew {
                        what: "training samples",
                        need: "choosing c needs a class with two samples or more; give more, or fix c",
                    });
                }
                let (rest, held) = (train.select(&rest)?, train.select(&held)?);
                tch::no_grad(|| search::search(&rest, &held, options, grid, *halvings))?
            }
        };
        Self::minimum(train, options, c, validation)
    }

    /// As [`Self::fit`], where a search judges its candidates on `validation`, whatever share it would hold out (VTAB's 800 and
    /// 200, the validation splits of CLIP's evaluation); the classifier is then fitted to both.
    ///
    /// # Errors
    /// Those of [`Self::fit`]; sets of another dimension.
    pub fn fit_validated(
        train: &FeatureSet,
        validation: &FeatureSet,
        options: &LinearProbeOptions,
    ) -> Result<Self, Error> {
        crate::features::check_pair(train, validation)?;
        options::check_options(options)?;
        let (c, tried) = match &options.regularisation {
            Regularisation::Fixed { c } => (*c, Vec::new()),
            Regularisation::Search { grid, halvings, .. } => {
                tch::no_grad(|| search::search(train, validation, options, grid, *halvings))?
            }
        };
        Self::minimum(&train.joined(validation)?, options, c, tried)
    }

    fn minimum(
        train: &FeatureSet,
        options: &LinearProbeOptions,
        c: f64,
        validation: Vec<(f64, f64)>,
    ) -> Result<Self, Error> {
        tch::no_grad(|| {
            let problem = Problem::new(train, options)?;
            let fitted = problem.fit(c, None, options)?;
            let (weight, bias) = problem.unpack(&fitted.parameters)?;
            let (scale, present, classes) = (problem.scale, problem.present, train.classes());
            let (iterations, converged) = (fitted.iterations, fitted.converged);
            let fitting = Fitting::Logistic { c, validation, iterations, converged };
            Ok(Self { weight, bias, scale, present, classes, fitting })
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

    /// The weights (D, C) and biases (C) of the C classes that had samples, f64, on the features' device; a predicted logit is
    /// x W + b, where the options standardise with x standardised.
    pub fn weights(&self) -> (&Tensor, &Tensor) {
        (&self.weight, &self.bias)
    }

    /// The number of classes: one more than the highest training label.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// How the classifier came about.
    pub fn fitting(&self) -> &Fitting {
        &self.fitting
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use logistic::Objective;

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
        let objective = Objective::new(&problem, Kind::Double, 0.1).unwrap();
        let evaluate = |parameters: &Tensor| {
            objective.point(parameters, &objective.logits(parameters).unwrap(), None).unwrap()
        };
        let size = [problem.classes(), problem.dim() + 1];
        let at = (Tensor::arange(size[0] * size[1], (Kind::Double, Device::Cpu)) * 0.7).sin().view(size);
        let gradient = Vec::<f64>::try_from(evaluate(&at).gradient.view([-1])).unwrap();
        for (i, gradient) in gradient.iter().enumerate() {
            let mut by = vec![0.0; (size[0] * size[1]) as usize];
            by[i] = 1e-6;
            let by = Tensor::from_slice(&by).view(size);
            let numeric = (evaluate(&(&at + &by)).value - evaluate(&(&at - &by)).value) / 2e-6;
            assert!((numeric - gradient).abs() < 1e-8, "{i}: {numeric} {gradient}");
            // Along a ray the value and its slope are the same.
            let (ray, logits) = (objective.ray(&at, &by).unwrap(), objective.logits(&at).unwrap());
            let on_ray = objective.on_ray(&logits, &ray, 0.0).unwrap();
            assert!((on_ray.slope - gradient * 1e-6).abs() < 1e-15 && on_ray.value == evaluate(&at).value);
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
        let Fitting::Logistic { validation, converged, .. } = probe.fitting() else { panic!("{probe:?}") };
        assert!(*converged && validation.len() == 6 && probe.classes() == 5);
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
