//! From the results of single conditions to every figure of a corruption benchmark.

use crate::evaluate::ConditionResult;
use crate::{Error, LabelSpace};
use visrep_corrupt::Corruption;
use visrep_metrics::{
    Interval, corruption_error, mean_corruption_error, relative_mean_corruption_error,
    unnormalised_mean_corruption_error,
};
use visrep_probe::Figure;

/// The task whose figures are means over corruptions; their protocol says which.
const MEAN: &str = "mean";

/// A corruption's name and its errors at severities 1 to 5.
pub(crate) type Errors = (&'static str, [f64; 5]);

/// The errors of each corruption, of which all five severities were evaluated.
pub(crate) fn errors(corruptions: &[(Corruption, Vec<ConditionResult>)]) -> Vec<Errors> {
    let errors = |results: &[ConditionResult]| std::array::from_fn(|severity| results[severity].error);
    corruptions.iter().map(|(corruption, results)| (corruption.name(), errors(results))).collect()
}

/// The mean error over those of ImageNet-C's fifteen benchmark corruptions that were evaluated (over all that were when none of these
/// is among them), unnormalised.
pub(crate) fn mean_error(errors: &[Errors]) -> Result<f64, Error> {
    let listed = |name: &str| Corruption::BENCHMARK.iter().any(|corruption| corruption.name() == name);
    let benchmark: Vec<_> = errors.iter().filter(|(name, _)| listed(name)).copied().collect();
    Ok(unnormalised_mean_corruption_error(if benchmark.is_empty() { errors } else { &benchmark })?)
}

/// The mCE, and with the clean error the relative one, ratios to AlexNet; `None` unless all fifteen were evaluated.
pub(crate) fn mce(errors: &[Errors], clean: Option<f64>) -> Result<Option<(f64, Option<f64>)>, Error> {
    if !Corruption::BENCHMARK.iter().all(|c| errors.iter().any(|(name, _)| *name == c.name())) {
        return Ok(None);
    }
    let relative = clean.map(|clean| relative_mean_corruption_error(errors, clean)).transpose()?;
    Ok(Some((mean_corruption_error(errors)?.mce, relative.map(|relative| relative.mce))))
}

/// The results of a corruption benchmark.
pub(crate) struct CorruptionFigures<'a> {
    /// On clean images, where there were any.
    pub(crate) clean: Option<&'a ConditionResult>,
    /// Each corruption with its five severities in order.
    pub(crate) corruptions: &'a [(Corruption, Vec<ConditionResult>)],
    /// Whether AlexNet's errors may normalise.
    pub(crate) label_space: LabelSpace,
}

/// A figure, and what its protocol has beside what all figures' have.
pub(crate) struct Normalised {
    pub(crate) figure: Figure,
    /// What it was divided by.
    pub(crate) normaliser: &'static str,
    /// Of a mean over corruptions, which.
    pub(crate) averaged: Option<String>,
}

impl CorruptionFigures<'_> {
    /// Every figure: error and ECE of each condition, each corruption's error over its severities, means.
    pub(crate) fn all(&self) -> Result<Vec<Normalised>, Error> {
        let mut found = Vec::new();
        let conditions = self.corruptions.iter().flat_map(|(_, results)| results);
        // What a mean is over is as large as its smallest set.
        let least =
            |results: &[ConditionResult]| results.iter().map(|result| result.n).min().unwrap_or_default();
        let least_of_all =
            self.corruptions.iter().map(|(_, results)| least(results)).min().unwrap_or_default();
        let all: Vec<_> = self.corruptions.iter().map(|(corruption, _)| *corruption).collect();
        let benchmark: Vec<_> = Corruption::BENCHMARK.into_iter().filter(|one| all.contains(one)).collect();
        let (evaluated, benchmark) = (list(&all), list(if benchmark.is_empty() { &all } else { &benchmark }));
        let mut push =
            |task: &str, metric: &'static str, value, n, interval: Option<Interval>, normaliser| {
                // Errors are of the benchmark's fifteen, whatever else was evaluated.
                let of_mean = if metric == "mean-ece" { &evaluated } else { &benchmark };
                let averaged = (task == MEAN).then(|| of_mean.clone());
                let figure = Figure { task: task.to_owned(), metric, value, n, interval };
                found.push(Normalised { figure, normaliser, averaged });
            };
        for result in self.clean.into_iter().chain(conditions) {
            let task = result.task();
            push(&task, "error", result.error, result.n, Some(result.interval.clone()), "none");
            push(&task, "ece", result.calibration.ece, result.n, Some(result.ece_interval.clone()), "none");
        }
        let imagenet = self.label_space == LabelSpace::ImageNet1k;
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
        let mut eces = Vec::new();
        for (corruption, results) in self.corruptions {
            let of_severities: Vec<_> = results.iter().map(|result| result.calibration.ece).collect();
            eces.push(mean(&of_severities));
            push(corruption.name(), "mean-ece", mean(&of_severities), least(results), None, "none");
        }
        push(MEAN, "mean-ece", mean(&eces), least_of_all, None, "none");
        let errors = errors(self.corruptions);
        for ((name, of_severities), (_, results)) in errors.iter().zip(self.corruptions) {
            let n = least(results);
            push(name, "mean-error", mean(of_severities), n, None, "none");
            if imagenet && Corruption::BENCHMARK.iter().any(|corruption| corruption.name() == *name) {
                push(name, "ce", corruption_error(name, of_severities)?, n, None, "AlexNet");
            }
        }
        let normaliser = if imagenet { "none" } else { "none: AlexNet's errors are for ImageNet-1k labels" };
        push(MEAN, "mean-error", mean_error(&errors)?, least_of_all, None, normaliser);
        if imagenet && let Some((mce, relative)) = mce(&errors, self.clean.map(|clean| clean.error))? {
            push(MEAN, "mce", mce, least_of_all, None, "AlexNet");
            if let Some(relative) = relative {
                push(MEAN, "relative-mce", relative, least_of_all, None, "AlexNet");
            }
        }
        Ok(found)
    }
}

fn list(corruptions: &[Corruption]) -> String {
    let names: Vec<_> = corruptions.iter().map(|corruption| corruption.name()).collect();
    format!("{}: {}", names.len(), names.join(", "))
}
