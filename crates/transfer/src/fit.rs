//! The protocol's classifiers of frozen features: logistic regression whose penalty the validation images choose.

use crate::{Error, TransferMetric};
use tch::Tensor;
use visrep_metrics::{ConfusionMatrix, eleven_point_average_precision, mean};
use visrep_probe::{FeatureSet, LinearProbe, LinearProbeOptions, Regularisation};

/// The weights of the L2 penalty that are tried: so many, evenly spread in the logarithm from the first to the second.
pub const L2_GRID: (usize, f64, f64) = (45, 1e-6, 1e5);

/// Multinomial logistic regression by L-BFGS on features as they are. The objective is the sum of the cross-entropies plus half the
/// penalty's weight times the squared norm of the weights, so that the penalty is 1/C in scikit-learn's terms. The paper does not
/// say whether its penalty stands beside the sum or the mean; the grid is wide enough for either.
pub fn transfer_probe_options() -> LinearProbeOptions {
    LinearProbeOptions {
        // Not used for drawing: validation images are given.
        regularisation: Regularisation::Search { grid: grid(), halvings: 0, validation: 0.2, seed: 0 },
        ..LinearProbeOptions::scikit_learn(1.0)
    }
}

/// The candidates for C, from the strongest penalty.
fn grid() -> Vec<f64> {
    let (count, low, high) = L2_GRID;
    let step = (high / low).ln() / (count - 1) as f64;
    (0..count).rev().map(|nth| 1.0 / (low.ln() + step * nth as f64).exp()).collect()
}

/// What a classifier came to on the test images.
pub(crate) struct Fitted {
    /// The figure.
    pub value: f64,
    /// The C that was chosen.
    pub c: Option<f64>,
    /// Which images are right, where each has one class.
    pub correct: Option<Vec<bool>>,
}

/// One classifier of all classes.
pub(crate) fn single(
    train: &FeatureSet,
    val: &FeatureSet,
    test: &FeatureSet,
    metric: TransferMetric,
    classes: usize,
) -> Result<Fitted, Error> {
    let probe = LinearProbe::fit_validated(train, val, &transfer_probe_options())?;
    let predictions = probe.predict(&test.features)?.f_argmax(1, false).map_err(visrep_probe::Error::from)?;
    let predictions = Vec::<i64>::try_from(predictions).map_err(visrep_probe::Error::from)?;
    let correct: Vec<bool> = predictions.iter().zip(&test.labels).map(|(a, b)| a == b).collect();
    let value = figure(metric, &predictions, &test.labels, classes)?;
    let c = match probe.fitting() {
        visrep_probe::Fitting::Logistic { c, .. } => Some(*c),
        _ => None,
    };
    Ok(Fitted { value, c, correct: Some(correct) })
}

/// A dataset's figure, where its images have one class each: of `classes`, or as many as labels and predictions name.
pub(crate) fn figure(
    metric: TransferMetric,
    predictions: &[i64],
    labels: &[i64],
    classes: usize,
) -> Result<f64, visrep_probe::Error> {
    let named = predictions.iter().chain(labels).max().map_or(0, |&highest| highest as usize + 1);
    Ok(match metric {
        TransferMetric::MeanPerClass => {
            let matrix = ConfusionMatrix::new(predictions, labels, classes.max(named))?;
            mean(&matrix.per_class_accuracy().into_iter().flatten().collect::<Vec<_>>())?
        }
        _ => {
            let right = predictions.iter().zip(labels).map(|(a, b)| f64::from(u8::from(a == b)));
            mean(&right.collect::<Vec<_>>())?
        }
    })
}

/// Images with several classes: their features and, for each, whether a class is there (`None`: not to be counted).
pub(crate) struct Several<'a> {
    pub features: &'a FeatureSet,
    pub labels: &'a [[Option<bool>; 20]],
}

impl Several<'_> {
    /// The images that count for a class, with label 1 where it is there.
    fn of_class(&self, class: usize) -> Result<FeatureSet, Error> {
        let counted: Vec<usize> =
            (0..self.labels.len()).filter(|&image| self.labels[image][class].is_some()).collect();
        let mut set = self.features.select(&counted)?;
        set.labels =
            counted.iter().map(|&image| i64::from(self.labels[image][class] == Some(true))).collect();
        Ok(set)
    }
}

/// A classifier of each class against the others, all with the same penalty: the one with the highest mean average precision at
/// eleven recalls on `val`, where classes that it or `train` lacks do not count.
pub(crate) fn several(train: &Several, val: &Several, test: &Several) -> Result<Fitted, Error> {
    let classes = 0..20;
    let sets = |several: &Several| {
        classes.clone().map(|class| several.of_class(class)).collect::<Result<Vec<_>, _>>()
    };
    let (train, val, test) = (sets(train)?, sets(val)?, sets(test)?);
    let mut best = (f64::NEG_INFINITY, f64::NAN);
    for c in grid() {
        let precision = mean_precision(&train, &val, c)?;
        // Of equals the strongest penalty, which comes first.
        if precision > best.0 {
            best = (precision, c);
        }
    }
    let (_, c) = best;
    let both: Vec<_> = train.iter().zip(&val).map(|(a, b)| a.joined(b)).collect::<Result<_, _>>()?;
    Ok(Fitted { value: mean_precision(&both, &test, c)?, c: Some(c), correct: None })
}

/// The mean over classes of the average precision on `measured` of classifiers fitted to `fitted`.
fn mean_precision(fitted: &[FeatureSet], measured: &[FeatureSet], c: f64) -> Result<f64, Error> {
    let options = LinearProbeOptions::scikit_learn(c);
    let mut precisions = Vec::new();
    let both = |set: &FeatureSet| set.labels.contains(&0) && set.labels.contains(&1);
    for (fitted, measured) in fitted.iter().zip(measured) {
        if !both(fitted) || !both(measured) {
            continue;
        }
        let scores = LinearProbe::fit(fitted, &options)?.predict(&measured.features)?;
        let scores = scores.f_select(1, 1).map_err(visrep_probe::Error::from)?;
        let scores = Vec::<f64>::try_from(Tensor::contiguous(&scores)).map_err(visrep_probe::Error::from)?;
        let positive: Vec<bool> = measured.labels.iter().map(|&label| label == 1).collect();
        precisions.push(eleven_point_average_precision(&scores, &positive)?);
    }
    Ok(mean(&precisions)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grid_is_the_papers() {
        let found = grid();
        assert_eq!(found.len(), 45);
        assert!((found[0] - 1e-5).abs() < 1e-17 && (found[44] - 1e6).abs() < 1e-3, "{found:?}");
        let ratio = found[1] / found[0];
        assert!(found.windows(2).all(|pair| (pair[1] / pair[0] - ratio).abs() < 1e-9));
    }

    /// Twenty classes of which three are there, each a direction of the features; every fourth image is left out of class 0.
    #[test]
    fn several_classes_are_told_apart() {
        let images = |seed: i64| {
            let rows: Vec<f32> = (0..60)
                .flat_map(|i| {
                    let bit = |class: i64| if (i + seed) >> class & 1 == 1 { 1.0 } else { -1.0 };
                    [bit(0), bit(1), bit(2), ((i * 7 + seed) % 5) as f32]
                })
                .collect();
            let labels: Vec<_> = (0..60)
                .map(|i: i64| {
                    let mut row = [Some(false); 20];
                    for (class, label) in row.iter_mut().enumerate().take(3) {
                        *label = (class > 0 || i % 4 > 0).then_some((i + seed) >> class & 1 == 1);
                    }
                    row
                })
                .collect();
            let features = Tensor::from_slice(&rows).view([60, 4]);
            (FeatureSet::new(features, vec![0; 60], vec![String::new(); 60]).unwrap(), labels)
        };
        let sets = [images(0), images(5), images(9)];
        let [train, val, test] = sets.each_ref().map(|(features, labels)| Several { features, labels });
        let found = several(&train, &val, &test).unwrap();
        assert!((found.value - 1.0).abs() < 1e-12 && found.c.unwrap() > 0.0, "{}", found.value);
        // Labels of other images are no better than chance.
        let shuffled: Vec<_> = sets[2].1.iter().rev().copied().collect();
        let wrong = Several { features: &sets[2].0, labels: &shuffled };
        assert!(several(&train, &val, &wrong).unwrap().value < 0.8);
    }
}
