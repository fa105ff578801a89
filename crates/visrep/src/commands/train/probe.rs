//! The online probes: kNN on the present features while a backbone is trained, and the accuracy of the recipe's own classifier.

use crate::source::Source;
use anyhow::{Result, bail};
use std::sync::Arc;
use tch::{Kind, Tensor};
use visrep_data::{Dataset, Subset};
use visrep_models::Model;
use visrep_probe::{ExtractOptions, FeatureSet, KnnOptions, extract, knn};
use visrep_train::{Hooks, OnlineLinear, ProbeConfig, ProbeError};

/// kNN of test images by training images, for the recipe's `[probe]`.
pub struct OnlineKnn {
    source: Source,
    workers: usize,
    /// Opened when they are first needed.
    parts: Option<[Arc<dyn Dataset>; 2]>,
    /// The test images' features of the last time.
    test: Option<FeatureSet>,
}

impl OnlineKnn {
    /// A probe on the training and test images of `source`.
    pub fn new(source: Source, workers: usize) -> Self {
        Self { source, workers, parts: None, test: None }
    }

    fn accuracy(&mut self, model: &Model, config: &ProbeConfig) -> Result<f64> {
        if self.parts.is_none() {
            self.parts = Some(self.open(config.images)?);
        }
        let Some([train, test]) = &self.parts else { return Ok(0.0) };
        let options = ExtractOptions { workers: self.workers, ..ExtractOptions::default() };
        let features = |part: &Arc<dyn Dataset>| extract(model, Arc::clone(part), &options);
        let (train, test) = (features(train)?, features(test)?);
        let options = KnnOptions { k: config.k, temperature: config.temperature };
        let accuracy = top1(&knn(&train, &test, &options)?, &test);
        self.test = Some(test);
        accuracy
    }

    fn open(&self, most: usize) -> Result<[Arc<dyn Dataset>; 2]> {
        let splits = self.source.splits()?;
        if splits.train.classes().is_empty() {
            bail!(
                "{}: its images have no labels, which a kNN probe needs; leave the section [probe] out",
                self.source
            );
        }
        eprintln!("probe: {}", splits.description);
        let some = |data: Arc<dyn Dataset>| -> Arc<dyn Dataset> {
            let count = data.len();
            if count <= most {
                return data;
            }
            Arc::new(Subset::new(data, (0..most).map(|nth| nth * count / most).collect()))
        };
        Ok([some(splits.train), some(splits.test)])
    }
}

/// The share of test samples whose highest score is that of their label.
fn top1(scores: &Tensor, test: &FeatureSet) -> Result<f64> {
    let labels = Tensor::f_from_slice(&test.labels)?.f_to_device(scores.device())?;
    let hits = scores.f_argmax(1, false)?.f_eq_tensor(&labels)?;
    Ok(f64::try_from(&hits.f_to_kind(Kind::Double)?.f_mean(None)?)?)
}

impl Hooks for OnlineKnn {
    fn probe(&mut self, model: &Model, config: &ProbeConfig) -> Result<Vec<(&'static str, f64)>, ProbeError> {
        let accuracy = self.accuracy(model, config).map_err(|error| format!("{error:#}"))?;
        Ok(vec![("knn_top1", accuracy)])
    }

    fn probe_online(
        &mut self,
        _model: &Model,
        online: &OnlineLinear,
        _config: &ProbeConfig,
    ) -> Result<Vec<(&'static str, f64)>, ProbeError> {
        let Some(test) = self.test.take() else { return Ok(Vec::new()) };
        let accuracy = top1(&online.logits(&test.features)?, &test).map_err(|error| format!("{error:#}"))?;
        Ok(vec![("linear_top1", accuracy)])
    }
}
