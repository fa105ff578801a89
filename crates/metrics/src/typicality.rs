//! How typical an input is of what a classifier was fitted to: features brought back to their usual range, and logits by what is usual
//! for their class.

use crate::error::{check_lengths, check_values};
use crate::matrix::check_labels;
use crate::{Error, FeatureMatrix, ScoreMatrix};

/// Where features usually lie (Zhu et al. 2022, "Boosting Out-of-distribution Detection with Typical Features"): each dimension's mean and
/// standard deviation over usual images. Features of others are cut off at the ends of that range before they are classified, and any
/// score of outliers is taken of the logits that follow.
#[derive(Clone, Debug, PartialEq)]
pub struct TypicalSet {
    mean: Vec<f64>,
    deviation: Vec<f64>,
}

impl TypicalSet {
    /// The mean and the population's standard deviation of each dimension.
    pub fn new<T: Copy + Into<f64>>(features: &FeatureMatrix<'_, T>) -> Self {
        let n = features.len() as f64;
        let mut mean = vec![0.0; features.dim()];
        for row in features.rows() {
            mean.iter_mut().zip(row).for_each(|(mean, &value)| *mean += value.into() / n);
        }
        let mut variance = vec![0.0; features.dim()];
        for row in features.rows() {
            for ((variance, &value), mean) in variance.iter_mut().zip(row).zip(&mean) {
                *variance += (value.into() - mean).powi(2) / n;
            }
        }
        Self { mean, deviation: variance.into_iter().map(f64::sqrt).collect() }
    }

    /// Cuts every value of `features`, row-major, off at `lambda` deviations from its dimension's mean: 1.05 is published for ViT-B/16 on
    /// ImageNet, 3.25 for ResNet-18 on CIFAR-10.
    ///
    /// # Errors
    /// Rows of another length, a `lambda` that is no number of at least 0.
    pub fn rectify(&self, features: &mut [f32], lambda: f64) -> Result<(), Error> {
        if !(lambda >= 0.0 && lambda.is_finite()) {
            return Err(Error::Parameter { parameter: "lambda", value: lambda, expected: "at least 0" });
        }
        let dim = self.mean.len();
        if !features.len().is_multiple_of(dim) {
            return Err(Error::Features { len: features.len(), dim });
        }
        for row in features.chunks_exact_mut(dim) {
            for ((value, mean), deviation) in row.iter_mut().zip(&self.mean).zip(&self.deviation) {
                let reach = lambda * deviation;
                *value = f64::from(*value).clamp(mean - reach, mean + reach) as f32;
            }
        }
        Ok(())
    }
}

/// What logits usually are in each class: their mean and standard deviation over usual images of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassTypicality {
    mean: Vec<f64>,
    deviation: Vec<f64>,
}

impl ClassTypicality {
    /// Of each class the logits that its images have for it; `classes` says which image is of which, by its label or by the classifier.
    /// For a class with fewer than two images, or whose images all have the same logit, those of all classes together stand in, with a
    /// deviation of 1 where they do not differ either.
    ///
    /// # Errors
    /// Not as many classes as rows, a class that there is not, infinite logits.
    pub fn new<T: Copy + Into<f64>>(logits: &ScoreMatrix<'_, T>, classes: &[i64]) -> Result<Self, Error> {
        check_lengths("logits", logits.len(), "classes", classes.len())?;
        check_labels(classes, logits.classes())?;
        let own = logits.rows().zip(classes).map(|(row, &class)| row[class as usize].into());
        let own: Vec<f64> = own.collect();
        check_values("logits", &own, "a finite number", f64::is_finite)?;
        let mut of_classes = vec![Vec::new(); logits.classes()];
        for (&class, &logit) in classes.iter().zip(&own) {
            of_classes[class as usize].push(logit);
        }
        let spread = |values: &[f64]| {
            let n = values.len() as f64;
            let mean = values.iter().sum::<f64>() / n;
            (mean, (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt())
        };
        let all = spread(&own);
        let all = (all.0, if all.1 > 0.0 { all.1 } else { 1.0 });
        let usual = |values: &Vec<f64>| {
            Some(values)
                .filter(|values| values.len() > 1)
                .map(|values| spread(values))
                .filter(|own| own.1 > 0.0)
        };
        let (mean, deviation) = of_classes.iter().map(|values| usual(values).unwrap_or(all)).unzip();
        Ok(Self { mean, deviation })
    }

    /// How atypical each image is of the class that it is taken for: minus its highest logit, less that class's mean and by its
    /// deviation. Higher for outliers.
    ///
    /// # Errors
    /// Logits of another number of classes.
    pub fn scores<T: Copy + Into<f64>>(&self, logits: &ScoreMatrix<'_, T>) -> Result<Vec<f64>, Error> {
        check_lengths("classes of logits", logits.classes(), "classes", self.mean.len())?;
        let predicted = crate::predictions(logits);
        let score = |(row, class): (&[T], i64)| {
            let class = class as usize;
            (self.mean[class] - row[class].into()) / self.deviation[class]
        };
        Ok(logits.rows().zip(predicted).map(score).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_cut_off_at_their_usual_range() {
        // Means 2 and 5, deviations 1 and 0.
        let usual = FeatureMatrix::new(&[1.0, 5.0, 3.0, 5.0], 2).unwrap();
        let typical = TypicalSet::new(&usual);
        let mut features = [0.0_f32, 9.0, 2.25, 5.0, 7.0, -1.0];
        typical.rectify(&mut features, 1.5).unwrap();
        assert_eq!(features, [0.5, 5.0, 2.25, 5.0, 3.5, 5.0]);
        assert!(matches!(typical.rectify(&mut [0.0; 3], 1.0), Err(Error::Features { len: 3, dim: 2 })));
        assert!(typical.rectify(&mut [0.0; 2], -1.0).is_err() && typical.rectify(&mut [], f64::NAN).is_err());
    }

    #[test]
    fn logits_count_by_their_class() {
        // Class 0 has logits 2 and 4, class 1 has 10 and 30, class 2 one image.
        let logits = [2.0, 0.0, 0.0, 4.0, 0.0, 0.0, 0.0, 10.0, 0.0, 0.0, 30.0, 0.0, 0.0, 0.0, 4.0];
        let logits = ScoreMatrix::new(&logits, 3).unwrap();
        let usual = ClassTypicality::new(&logits, &[0, 0, 1, 1, 2]).unwrap();
        let asked = [5.0, 0.0, 0.0, 0.0, 5.0, 1.0, 0.0, 0.0, 20.0];
        let scores = usual.scores(&ScoreMatrix::new(&asked, 3).unwrap()).unwrap();
        assert_eq!(scores[..2], [-2.0, 1.5]);
        // All five: mean 10, variance (64 + 36 + 0 + 400 + 36) / 5.
        assert!((scores[2] + 10.0 / 107.2_f64.sqrt()).abs() < 1e-12);
        let alike = ClassTypicality::new(&ScoreMatrix::new(&[3.0, 1.0], 2).unwrap(), &[0]).unwrap();
        assert_eq!(alike.scores(&ScoreMatrix::new(&[5.0, 1.0], 2).unwrap()).unwrap(), [-2.0]);
        assert!(ClassTypicality::new(&logits, &[0]).is_err());
        assert!(matches!(
            ClassTypicality::new(&logits, &[0, 0, 1, 1, 3]),
            Err(Error::Label { index: 4, .. })
        ));
        assert!(usual.scores(&ScoreMatrix::new(&[0.0; 2], 2).unwrap()).is_err());
        let infinite = ScoreMatrix::new(&[f64::INFINITY, 0.0], 2).unwrap();
        assert!(ClassTypicality::new(&infinite, &[0]).is_err());
    }
}
