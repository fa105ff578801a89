//! Accuracy and features against a factor of variation: what sets tell that show the same objects at every value of something,
//! such as an angle.

mod invariance;
mod value;

pub use invariance::record_invariance;
pub use value::{FactorValue, Shown};

use crate::{Error, LEVEL, RESAMPLES, Recorder};
use std::collections::BTreeMap;
use visrep_metrics::{bootstrap_groups, wilson};

/// Adds the accuracy of `task` at each value of its factor: as `TASK/VALUE` the metric `accuracy` with Wilson's interval, and for the
/// whole `mean-top1`, the mean over values (Djolonga et al. 2021), every one weighing the same however many images it has. Its interval
/// resamples objects, since images of one object are not independent; there is none where there is but one object.
///
/// `shown` and `correct` have an entry for each image. A curve of these figures is drawn by the report of whoever runs suites.
///
/// # Errors
/// No image, or not as many of the one as of the other.
pub fn record_by_value(
    record: &mut Recorder<'_>,
    task: &str,
    shown: &[Shown],
    correct: &[bool],
    seed: u64,
) -> Result<(), Error> {
    if shown.is_empty() || shown.len() != correct.len() {
        return Err(Error::TooFew {
            what: "factor of variation",
            need: "a verdict and a value for each image",
        });
    }
    let mut by_value = BTreeMap::<&FactorValue, (usize, usize)>::new();
    for (shown, &correct) in shown.iter().zip(correct) {
        let (right, n) = by_value.entry(&shown.value).or_default();
        *right += usize::from(correct);
        *n += 1;
    }
    let values = by_value.len() as f64;
    let mean = by_value.values().map(|&(right, n)| right as f64 / n as f64).sum::<f64>() / values;
    // What each image adds to the mean over values, times the number of images.
    let share = correct.len() as f64 / values;
    let term = |(shown, &correct): (&Shown, &bool)| {
        let n = by_value.get(&shown.value).map_or(1, |&(_, n)| n);
        if correct { share / n as f64 } else { 0.0 }
    };
    let terms: Vec<f64> = shown.iter().zip(correct).map(term).collect();
    let objects: Vec<usize> = shown.iter().map(|shown| shown.object).collect();
    let interval = if objects.iter().all(|&object| object == objects[0]) {
        None
    } else {
        Some(bootstrap_groups(&terms, &objects, RESAMPLES, LEVEL, seed)?)
    };
    record.figure(task, "mean-top1", mean, correct.len(), interval);
    for (value, (right, n)) in by_value {
        let interval = wilson(right, n, LEVEL)?;
        record.figure(format!("{task}/{value}"), "accuracy", right as f64 / n as f64, n, Some(interval));
    }
    Ok(())
}
