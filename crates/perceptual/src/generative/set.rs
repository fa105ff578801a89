//! What is known of a set of images: the mean and covariance of its features, and the features themselves where they are kept.

use crate::Error;
use std::path::Path;
use visrep_data::NpyArray;
use visrep_metrics::{FeatureMatrix, FeatureStatistics};

/// A set of images as FID and its kin see it.
#[derive(Clone, Debug, PartialEq)]
pub struct InceptionSet {
    samples: Option<usize>,
    mean: Vec<f64>,
    covariance: Vec<f64>,
    features: Option<Vec<f32>>,
    logits: Option<Vec<f32>>,
    /// The name of the pipeline that made it.
    pipeline: Option<String>,
}

impl InceptionSet {
    pub(super) fn new(
        statistics: &FeatureStatistics,
        features: Option<Vec<f32>>,
        logits: Option<Vec<f32>>,
        pipeline: Option<String>,
    ) -> Result<Self, Error> {
        let samples = statistics.len();
        // One sample has a mean, and no covariance: that is an error where one is asked for.
        let covariance = if samples < 2 { Vec::new() } else { statistics.covariance()? };
        Ok(Self { samples: Some(samples), mean: statistics.mean()?, covariance, features, logits, pipeline })
    }

    /// Reads an `.npz` file of statistics, `mu` and `sigma` as pytorch-fid, clean-fid and the original code write them, or of features,
    /// `feats`, as clean-fid writes them for KID, or of both; where they are there, `samples` is how many images they are of, and
    /// `pipeline` the bytes of the name of what made them.
    ///
    /// # Errors
    /// A file that cannot be read, without these arrays, or whose sizes do not go together; values that are not finite.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let problem = |problem: String| Error::Statistics { path: path.into(), problem };
        let [mean, covariance, features, samples, pipeline] =
            NpyArray::read_npz(path, ["mu", "sigma", "feats", "samples", "pipeline"])?;
        let pipeline = pipeline.and_then(|NpyArray { values, .. }| {
            String::from_utf8(values.into_iter().map(|value| value as u8).collect()).ok()
        });
        let features = match features {
            None => None,
            Some(NpyArray { shape, values, .. }) => {
                let &[_, dim] = shape.as_slice() else {
                    return Err(problem(format!("`feats` is {shape:?}, expected (images, dimensions)")));
                };
                FeatureMatrix::new(&values, dim).map_err(|error| problem(error.to_string()))?;
                Some((values.into_iter().map(|value| value as f32).collect::<Vec<_>>(), dim))
            }
        };
        match (mean, covariance, features) {
            (Some(mean), Some(covariance), features) => {
                let dim = mean.values.len();
                if mean.shape != [dim] || covariance.shape != [dim, dim] {
                    let sizes = format!("`mu` is {:?} and `sigma` {:?}", mean.shape, covariance.shape);
                    return Err(problem(format!("{sizes}, expected (d) and (d, d)")));
                }
                if let Some((_, other)) = features.as_ref().filter(|(_, other)| *other != dim) {
                    return Err(problem(format!("`mu` has {dim} dimensions and `feats` {other}")));
                }
                if !mean.values.iter().chain(&covariance.values).all(|value| value.is_finite()) {
                    return Err(problem("holds values that are not finite".into()));
                }
                let counted =
                    samples.and_then(|samples| samples.values.first().map(|&samples| samples as usize));
                let samples = features.as_ref().map(|(values, dim)| values.len() / dim).or(counted);
                let features = features.map(|(values, _)| values);
                let (mean, covariance) = (mean.values, covariance.values);
                Ok(Self { samples, mean, covariance, features, logits: None, pipeline })
            }
            (None, None, Some((features, dim))) => {
                let mut statistics = FeatureStatistics::new(dim);
                // In parts, so that all of them are never there in double precision.
                for rows in features.chunks(256 * dim) {
                    statistics.add(&FeatureMatrix::new(rows, dim)?)?;
                }
                Self::new(&statistics, Some(features), None, pipeline)
            }
            (None, None, None) => {
                let said = "has neither `mu` and `sigma` nor `feats`: it is no file of statistics for FID";
                Err(problem(said.into()))
            }
            (None, ..) => Err(problem("has no array `mu`".into())),
            (_, None, _) => Err(problem("has no array `sigma`".into())),
        }
    }

    /// Writes `mu`, `sigma`, `samples` and `pipeline` as an `.npz` file, and with `features` the features too, as `feats`: [`Self::read`] reads
    /// it, and so do the packages that know such files.
    ///
    /// # Errors
    /// Fewer than two images; features that were not kept; a file that cannot be written.
    pub fn write(&self, path: impl AsRef<Path>, features: bool) -> Result<(), Error> {
        let (mean, covariance) = self.gaussian()?;
        let real = |shape: Vec<usize>, values: Vec<f64>| NpyArray { shape, values, integers: false };
        let dim = self.dim();
        let mu = real(vec![dim], mean.to_vec());
        let sigma = real(vec![dim, dim], covariance.to_vec());
        let samples =
            self.samples.map(|n| NpyArray { shape: Vec::new(), values: vec![n as f64], integers: true });
        let feats = match features {
            true => {
                let values: Vec<f64> = self.features()?.iter().map(|&value| value.into()).collect();
                Some(real(vec![values.len() / dim, dim], values))
            }
            false => None,
        };
        let pipeline = self.pipeline.as_ref().map(|name| NpyArray {
            shape: vec![name.len()],
            values: name.bytes().map(f64::from).collect(),
            integers: true,
        });
        let mut arrays = vec![("mu", &mu), ("sigma", &sigma)];
        arrays.extend(pipeline.as_ref().map(|pipeline| ("pipeline", pipeline)));
        arrays.extend(samples.as_ref().map(|samples| ("samples", samples)));
        arrays.extend(feats.as_ref().map(|feats| ("feats", feats)));
        Ok(NpyArray::write_npz(path, &arrays)?)
    }

    /// How many images, where that is known: published statistics do not say.
    pub fn samples(&self) -> Option<usize> {
        self.samples
    }

    /// The pipeline that made it, where that is known: published statistics do not say.
    pub fn pipeline(&self) -> Option<&str> {
        self.pipeline.as_deref()
    }

    /// Dimensions of a feature: 2048 for Inception's.
    pub fn dim(&self) -> usize {
        self.mean.len()
    }

    /// Mean and covariance (row-major) of the features.
    ///
    /// # Errors
    /// Of a single image there is no covariance.
    pub fn gaussian(&self) -> Result<(&[f64], &[f64]), Error> {
        if self.covariance.is_empty() {
            let (parameter, value) = ("images", self.samples.unwrap_or_default() as f64);
            let expected = "at least 2, for a covariance";
            return Err(visrep_metrics::Error::Parameter { parameter, value, expected }.into());
        }
        Ok((&self.mean, &self.covariance))
    }

    /// The features, row-major (images, [`dim`](Self::dim)).
    ///
    /// # Errors
    /// They were not kept, or the file of statistics does not have them.
    pub fn features(&self) -> Result<&[f32], Error> {
        self.features.as_deref().ok_or(Error::NotKept { what: "features" })
    }

    /// The logits without the bias, row-major (images, 1008).
    ///
    /// # Errors
    /// They were not kept.
    pub fn logits(&self) -> Result<&[f32], Error> {
        self.logits.as_deref().ok_or(Error::NotKept { what: "logits" })
    }
}
