//! How a linear probe is fitted by L-BFGS.

use crate::Error;

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
        /// How often the steps of the grid are halved, in the logarithm, around the best so far: CLIP's binary search.
        halvings: usize,
        /// The share held out, in (0, 1).
        validation: f64,
        /// Chooses the samples held out.
        seed: u64,
    },
}

/// How a [`LinearProbe`](crate::LinearProbe) is fitted by L-BFGS.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearProbeOptions {
    /// The strength of the penalty.
    pub regularisation: Regularisation,
    /// Subtract each feature's training mean and divide by its deviation first. Makes one grid serve features
    /// of any scale.
    pub standardise: bool,
    /// At most this many L-BFGS steps for each fit.
    pub max_iterations: usize,
    /// Stop when no entry of the gradient of the mean loss is larger, in f64, and L-BFGS expects to lower the loss by no more than
    /// ten times this share of it (or when the loss no longer changes). scikit-learn looks at the gradient only, which is small
    /// far from the minimum where classes can almost be separated.
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
            regularisation: Regularisation::Search { grid, halvings: 0, validation: 0.2, seed },
            standardise: true,
            ..Self::scikit_learn(1.0)
        }
    }

    /// CLIP's linear evaluation (Radford et al. 2021, appendix A.3): scikit-learn's logistic regression by L-BFGS, at most 1000
    /// steps, features as they are. λ = 1/c starts from {10⁻⁶, 10⁻⁴, … 10⁶}; around the best, the steps are halved until there
    /// are 8 to a factor of ten. The data sets' own validation splits are for [`LinearProbe::fit_validated`](crate::LinearProbe::fit_validated); without one a fifth
    /// of each class, chosen by `seed`, is held out.
    pub fn clip(seed: u64) -> Self {
        let grid = (-3..=3).map(|exponent| 100_f64.powi(exponent)).collect();
        Self {
            regularisation: Regularisation::Search { grid, halvings: 4, validation: 0.2, seed },
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

/// Errs on values that no fit can use.
pub(super) fn check_options(options: &LinearProbeOptions) -> Result<(), Error> {
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
