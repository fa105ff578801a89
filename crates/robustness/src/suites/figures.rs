//! What one pass over a labelled set gives: accuracy, likelihood, calibration and selective prediction, with intervals.

use super::head::Logits;
use crate::Error;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use visrep_augment::Rng;
use visrep_metrics::{
    Binning, Interval, ScoreMatrix, TopBin, aurra, bootstrap, bootstrap_mean, brier_terms, calibration,
    class_wise_ece, confidences, equal_mass_calibration, mean, nll_terms, predictions, rms_calibration,
    softmax, temperature_scaling_published, top_k_correct, wilson,
};
use visrep_probe::{CALIBRATION_BINS, LEVEL, RESAMPLES, Recorder, TaskVerdicts};

/// Samples in each bin of Hendrycks' calibration error.
const PER_BIN: usize = 100;

/// Adds every figure of `task`, its verdicts and its reliability diagram: `top1` and `top5` with Wilson's interval; `nll`, `brier`, `ece` (15
/// bins of equal width), `adaptive-ece` (of equal mass), `rms-calibration` (Hendrycks', over bins of 100) and `aurra` with bootstrap
/// intervals; `class-wise-ece` and `rms-calibration-published` (which leaves the most confident bin out) without; and those of [`scaled`].
pub(super) fn record(record: &mut Recorder<'_>, task: &str, logits: &Logits, seed: u64) -> Result<(), Error> {
    logits.check_labels()?;
    let values = logits.probabilities()?;
    let matrix = ScoreMatrix::new(&values, logits.classes)?;
    let (labels, n) = (&logits.labels, logits.labels.len());
    let predicted = predictions(&matrix);
    let correct: Vec<bool> = predicted.iter().zip(labels).map(|(a, b)| a == b).collect();
    let (value, interval) = share(&correct)?;
    record.figure(task, "top1", value, n, Some(interval));
    if logits.classes > 5 {
        let (value, interval) = share(&top_k_correct(&matrix, labels, 5)?)?;
        record.figure(task, "top5", value, n, Some(interval));
    }
    for (metric, terms) in [("nll", nll_terms(&matrix, labels)?), ("brier", brier_terms(&matrix, labels)?)] {
        let interval = bootstrap_mean(&terms, RESAMPLES, LEVEL, seed)?;
        record.figure(task, metric, mean(&terms)?, n, Some(interval));
    }
    let confidence = confidences(&matrix)?;
    let reliability = calibration(&confidence, &correct, CALIBRATION_BINS)?;
    for (metric, statistic) in CONFIDENCE_FIGURES {
        let value = statistic(&confidence, &correct)?;
        let interval = sorted_bootstrap(&confidence, &correct, statistic, seed)?;
        record.figure(task, metric, value, n, Some(interval));
    }
    let class_wise = class_wise_ece(&matrix, labels, CALIBRATION_BINS, Binning::EqualWidth)?;
    record.figure(task, "class-wise-ece", class_wise, n, None);
    let published = rms_calibration(&confidence, &correct, PER_BIN, TopBin::Dropped)?;
    record.figure(task, "rms-calibration-published", published, n, None);
    scaled(record, task, logits, seed)?;
    record.findings.reliability.push((task.into(), reliability));
    record.findings.verdicts.push(TaskVerdicts::new(task, logits.keys.iter(), labels, correct));
    Ok(())
}

/// For the protocol.
const SCALING: &str = "each half, drawn by the seed, by the temperature from 0.2 to 5, to 1e-4, of the lowest nll on the other half";

/// Adds what temperature scaling brings: `temperature`, the mean of two, and `scaled-nll` and `scaled-ece`, of probabilities each of which has
/// a temperature that was fitted without its image. Of fewer than two images there is none.
fn scaled(record: &mut Recorder<'_>, task: &str, logits: &Logits, seed: u64) -> Result<(), Error> {
    let n = logits.labels.len();
    let mut order: Vec<usize> = (0..n).collect();
    order.shuffle(&mut Rng::seed_from_u64(seed));
    let (first, second) = order.split_at(n / 2);
    if first.is_empty() {
        return Ok(());
    }
    let half = |places: &[usize]| {
        let row = |&place: &usize| &logits.values[place * logits.classes..][..logits.classes];
        let values: Vec<f32> = places.iter().flat_map(row).copied().collect();
        (values, places.iter().map(|&place| logits.labels[place]).collect::<Vec<_>>())
    };
    let halves = [half(first), half(second)];
    let fitted = |(values, labels): &(Vec<f32>, Vec<i64>)| -> Result<f64, Error> {
        Ok(temperature_scaling_published(&ScoreMatrix::new(values, logits.classes)?, labels)?)
    };
    let temperatures = [fitted(&halves[1])?, fitted(&halves[0])?];
    let (mut terms, mut confidence, mut correct) = (Vec::new(), Vec::new(), Vec::new());
    for ((values, labels), temperature) in halves.iter().zip(temperatures) {
        let values = softmax(&ScoreMatrix::new(values, logits.classes)?, temperature)?;
        let matrix = ScoreMatrix::new(&values, logits.classes)?;
        terms.extend(nll_terms(&matrix, labels)?);
        confidence.extend(confidences(&matrix)?);
        correct.extend(predictions(&matrix).iter().zip(labels).map(|(a, b)| a == b));
    }
    record.entry("scaling", SCALING);
    record.figure(task, "temperature", f64::midpoint(temperatures[0], temperatures[1]), n, None);
    let interval = bootstrap_mean(&terms, RESAMPLES, LEVEL, seed)?;
    record.figure(task, "scaled-nll", mean(&terms)?, n, Some(interval));
    let (_, ece) = CONFIDENCE_FIGURES[0];
    let interval = sorted_bootstrap(&confidence, &correct, ece, seed)?;
    record.figure(task, "scaled-ece", ece(&confidence, &correct)?, n, Some(interval));
    record.protocol.remove("scaling");
    Ok(())
}

/// The fraction that is right, with Wilson's interval.
pub(super) fn share(correct: &[bool]) -> Result<(f64, Interval), Error> {
    let right = correct.iter().filter(|&&right| right).count();
    let interval = wilson(right, correct.len(), LEVEL)?;
    Ok((right as f64 / correct.len() as f64, interval))
}

type Statistic = fn(&[f64], &[bool]) -> Result<f64, visrep_metrics::Error>;

/// Figures of the confidence in each prediction and whether it is right.
const CONFIDENCE_FIGURES: [(&str, Statistic); 4] = [
    ("ece", |confidence, correct| Ok(calibration(confidence, correct, CALIBRATION_BINS)?.ece)),
    ("adaptive-ece", |confidence, correct| {
        Ok(equal_mass_calibration(confidence, correct, CALIBRATION_BINS)?.ece)
    }),
    ("rms-calibration", |confidence, correct| rms_calibration(confidence, correct, PER_BIN, TopBin::Kept)),
    ("aurra", aurra),
];

/// The bootstrap interval of a statistic of confidences. Resamples are put together in the order of confidence, most confident first, so
/// that statistics that sort find their work done.
fn sorted_bootstrap(
    confidences: &[f64],
    correct: &[bool],
    statistic: Statistic,
    seed: u64,
) -> Result<Interval, Error> {
    let n = confidences.len();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| confidences[b].total_cmp(&confidences[a]));
    let mut counts = vec![0_u32; n];
    let (mut confidence, mut right) = (Vec::with_capacity(n), Vec::with_capacity(n));
    let resampled = |sample: &[usize]| {
        counts.fill(0);
        sample.iter().for_each(|&place| counts[place] += 1);
        confidence.clear();
        right.clear();
        for (&index, &count) in order.iter().zip(&counts) {
            for _ in 0..count {
                confidence.push(confidences[index]);
                right.push(correct[index]);
            }
        }
        statistic(&confidence, &right).unwrap_or(f64::NAN)
    };
    Ok(bootstrap(n, resampled, RESAMPLES, LEVEL, seed)?)
}
