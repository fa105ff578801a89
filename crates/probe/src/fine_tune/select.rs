//! The best of several protocols, chosen on held-out samples.

use super::{FineTuned, FineTuning, fine_tune};
use crate::{Error, Execution};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use visrep_data::{Concat, Dataset};
use visrep_models::Model;

/// What [`fine_tune_selected`] chose and trained.
#[derive(Debug)]
pub struct Selected {
    /// The model that the chosen protocol made of all the samples.
    pub tuned: FineTuned,
    /// Which of the candidates that is.
    pub chosen: usize,
    /// The accuracy of each on the validation samples, after training on the others; minus infinity where that diverged.
    pub accuracies: Vec<f64>,
}

/// What a candidate came to on the validation samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Trial {
    /// Its figure, a finite number; the higher the better.
    Figure(f64),
    /// Its training diverged, or what it made gives no numbers: why.
    Diverged(String),
}

impl Trial {
    /// What training and measuring came to.
    ///
    /// # Errors
    /// `result`'s, unless [`Error::is_divergence`]: a candidate that diverges is a finding, and no error.
    pub fn of(result: Result<f64, Error>) -> Result<Self, Error> {
        match result {
            Ok(figure) if figure.is_finite() => Ok(Self::Figure(figure)),
            Ok(figure) => Ok(Self::Diverged(format!("its figure is {figure}"))),
            Err(error) if error.is_divergence() => Ok(Self::Diverged(error.to_string())),
            Err(error) => Err(error),
        }
    }

    /// The figure; minus infinity where there is none.
    pub fn figure(&self) -> f64 {
        match self {
            Self::Figure(figure) => *figure,
            Self::Diverged(_) => f64::NEG_INFINITY,
        }
    }
}

/// The place of the highest figure, of equals the first.
///
/// # Errors
/// No trials; [`Error::NoneTrained`] where all diverged.
pub fn best_trial(trials: &[Trial]) -> Result<usize, Error> {
    let better = |best: usize, next: usize| match trials[next].figure() > trials[best].figure() {
        true => next,
        false => best,
    };
    let Some(best) = (0..trials.len()).reduce(better) else {
        return Err(Error::TooFew { what: "candidates", need: "give at least one protocol" });
    };
    match &trials[best] {
        Trial::Figure(_) => Ok(best),
        // Nothing is better than the first where none has a figure.
        Trial::Diverged(first) => Err(Error::NoneTrained { candidates: trials.len(), first: first.clone() }),
    }
}

/// Fine-tunes with each of `candidates` on `train`. Which of them is the most accurate on `validation` (of equals the first), and
/// the accuracy of each.
///
/// # Errors
/// No candidates; those of [`fine_tune`], but for a candidate whose training diverges the accuracy is minus infinity, unless they
/// all do.
pub fn select_fine_tuning(
    model: &Model,
    train: &Arc<dyn Dataset>,
    validation: &Arc<dyn Dataset>,
    candidates: &[FineTuning],
    execution: &Execution,
) -> Result<(usize, Vec<f64>), Error> {
    let trial = |tuning: &FineTuning| {
        let tuned = fine_tune(model, Arc::clone(train), tuning, execution);
        Trial::of(tuned.and_then(|tuned| Ok(tuned.evaluate(Arc::clone(validation), execution)?.top1)))
    };
    let trials = candidates.iter().map(trial).collect::<Result<Vec<_>, _>>()?;
    Ok((best_trial(&trials)?, trials.iter().map(Trial::figure).collect()))
}

/// [`select_fine_tuning`], and fine-tuning with the chosen one on both sets: VTAB's 800 and 200 examples.
///
/// # Errors
/// Those of [`select_fine_tuning`].
pub fn fine_tune_selected(
    model: &Model,
    train: &Arc<dyn Dataset>,
    validation: &Arc<dyn Dataset>,
    candidates: &[FineTuning],
    execution: &Execution,
) -> Result<Selected, Error> {
    let (chosen, accuracies) = select_fine_tuning(model, train, validation, candidates, execution)?;
    let all: Arc<dyn Dataset> =
        Arc::new(Concat::of_same_classes(vec![Arc::clone(train), Arc::clone(validation)])?);
    let tuned = fine_tune(model, all, &candidates[chosen], execution)?;
    Ok(Selected { tuned, chosen, accuracies })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_diverged_is_never_chosen() {
        let nan =
            visrep_metrics::Error::Value { what: "scores", index: 3, value: f64::NAN, expected: "finite" };
        let trials = [Ok(f64::NAN), Err(Error::Metrics(nan)), Ok(0.0), Ok(0.5), Ok(0.5)]
            .map(|r| Trial::of(r).unwrap());
        assert_eq!(
            trials.each_ref().map(Trial::figure),
            [f64::NEG_INFINITY, f64::NEG_INFINITY, 0.0, 0.5, 0.5]
        );
        assert_eq!(best_trial(&trials).unwrap(), 3);
        // Nothing right is still better than no numbers.
        assert_eq!(best_trial(&trials[..3]).unwrap(), 2);
        let none = best_trial(&trials[..2]).unwrap_err().to_string();
        assert!(none.contains("none of 2 candidates") && none.contains("its figure is NaN"), "{none}");
        assert!(matches!(best_trial(&[]), Err(Error::TooFew { .. })));
        let high =
            visrep_metrics::Error::Value { what: "scores", index: 0, value: 2.0, expected: "at most 1" };
        assert!(Trial::of(Err(Error::Metrics(high))).is_err(), "another mistake stays one");
        let kept = serde_json::to_string(&trials).unwrap();
        assert_eq!(serde_json::from_str::<Vec<Trial>>(&kept).unwrap(), trials);
    }
}
