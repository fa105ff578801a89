//! The best of several protocols, chosen on held-out samples.

use super::{FineTuned, FineTuning, fine_tune};
use crate::{Error, Execution};
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
    /// The accuracy of each on the validation samples, after training on the others.
    pub accuracies: Vec<f64>,
}

/// Fine-tunes with each of `candidates` on `train`. Which of them is the most accurate on `validation` (of equals the first), and
/// the accuracy of each.
///
/// # Errors
/// No candidates; those of [`fine_tune`]; for a candidate whose training diverges the accuracy is 0, unless they all do.
pub fn select_fine_tuning(
    model: &Model,
    train: &Arc<dyn Dataset>,
    validation: &Arc<dyn Dataset>,
    candidates: &[FineTuning],
    execution: &Execution,
) -> Result<(usize, Vec<f64>), Error> {
    let (mut accuracies, mut diverged) = (Vec::new(), None);
    for tuning in candidates {
        let result = fine_tune(model, Arc::clone(train), tuning, execution)
            .and_then(|tuned| tuned.evaluate(Arc::clone(validation), execution));
        accuracies.push(match result {
            Ok(evaluation) => evaluation.top1,
            Err(error @ (Error::Diverged { .. } | Error::NotFinite { .. })) => {
                diverged = Some(error);
                0.0
            }
            Err(error) => return Err(error),
        });
    }
    let best = |best: usize, next: usize| if accuracies[next] > accuracies[best] { next } else { best };
    let Some(chosen) = (0..accuracies.len()).reduce(best) else {
        return Err(Error::TooFew { what: "candidates", need: "give at least one protocol" });
    };
    if let Some(error) = diverged.filter(|_| accuracies.iter().all(|&accuracy| accuracy == 0.0)) {
        return Err(error);
    }
    Ok((chosen, accuracies))
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
