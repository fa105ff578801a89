//! The choice of the regularisation by held-out samples.

use super::LinearProbeOptions;
use super::logistic::Problem;
use crate::{Error, FeatureSet};

/// The best of `grid` on the samples `held`, after fits to `rest`, and every candidate's accuracy there in ascending order.
/// Each fit starts where the one before ended.
pub(super) fn search(
    rest: &FeatureSet,
    held: &FeatureSet,
    options: &LinearProbeOptions,
    grid: &[f64],
    halvings: usize,
) -> Result<(f64, Vec<(f64, f64)>), Error> {
    let problem = Problem::new(rest, options)?;
    let x = problem.scale.apply(&held.features.f_to_device(rest.features.device())?)?;
    let mut parameters = None;
    let mut accuracy = |c: f64| -> Result<(f64, f64), Error> {
        let fitted = problem.fit(c, parameters.take(), options)?.parameters;
        let (weight, bias) = problem.unpack(&fitted)?;
        parameters = Some(fitted);
        let predicted = Vec::<i64>::try_from(bias.f_addmm(&x, &weight)?.f_argmax(1, false)?)?;
        let pairs = predicted.iter().zip(&held.labels);
        let right = pairs.filter(|&(&p, &label)| problem.present[p as usize] == label);
        Ok((c, right.count() as f64 / held.len() as f64))
    };
    let mut grid = grid.to_vec();
    grid.sort_by(f64::total_cmp);
    grid.dedup();
    let mut tried = grid.into_iter().map(&mut accuracy).collect::<Result<Vec<_>, _>>()?;
    for _ in 0..halvings {
        let at = best(&tried);
        let neighbours = [at.checked_sub(1), Some(at + 1).filter(|&next| next < tried.len())];
        let between = |next: usize| (tried[at].0.ln() * 0.5 + tried[next].0.ln() * 0.5).exp();
        let middles: Vec<f64> = neighbours.into_iter().flatten().map(between).collect();
        for c in middles {
            tried.push(accuracy(c)?);
        }
        tried.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    Ok((tried[best(&tried)].0, tried))
}

/// The first of those with the highest accuracy.
fn best(tried: &[(f64, f64)]) -> usize {
    (0..tried.len()).fold(0, |best, next| if tried[next].1 > tried[best].1 { next } else { best })
}
