//! What fine-tuning leaves: a model that classifies.

use super::FineTuning;
use crate::passes::pooled_passes;
use crate::progress::Progress;
use crate::{Error, Evaluation, Execution, ScoreKind, evaluate};
use std::collections::BTreeMap;
use std::sync::Arc;
use tch::{Device, Kind, Tensor};
use visrep_data::{Dataset, Loader, LoaderOptions, Views};
use visrep_models::Model;
use visrep_torch::{InferenceMode, is_inference};
use visrep_train::Curve;

/// A fine-tuned model.
#[derive(Debug)]
pub struct FineTuned {
    model: Model,
    tuning: FineTuning,
    curve: Curve,
    losses: Vec<f64>,
}

impl FineTuned {
    pub(super) fn new(model: Model, tuning: FineTuning, curve: Curve, losses: Vec<f64>) -> Self {
        Self { model, tuning, curve, losses }
    }

    /// The network with its classifier. It reads what [`FineTuning::pooling`] says, of images that [`FineTuning::images`] and
    /// [`FineTuning::normalisation`] made.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The network, to go on with.
    pub fn into_model(self) -> Model {
        self.model
    }

    /// The protocol.
    pub fn tuning(&self) -> &FineTuning {
        &self.tuning
    }

    /// The training loss of every step.
    pub fn losses(&self) -> &[f64] {
        &self.losses
    }

    /// The entries of a protocol that say how this model was trained.
    pub fn protocol(&self) -> BTreeMap<String, String> {
        self.tuning.protocol(&self.curve, self.tuning.batch_size)
    }

    /// Class probabilities (N, classes) f32 on the CPU of every sample of `data`, in order, and their labels, -1 for none.
    ///
    /// # Errors
    /// No samples, or one that cannot be read.
    pub fn predict(
        &self,
        data: Arc<dyn Dataset>,
        execution: &Execution,
    ) -> Result<(Tensor, Vec<i64>), Error> {
        let options = LoaderOptions {
            batch_size: execution.batch_size,
            workers: execution.workers,
            ..Default::default()
        };
        let mut progress = Progress::new(execution.progress, "evaluation", data.len());
        let loader = Loader::new(data, Views::single(self.tuning.images.evaluation()), options)?;
        let (mut scores, mut labels) = (Vec::new(), Vec::new());
        let (pooling, precision) = (self.tuning.pooling, execution.precision);
        let preprocessing = self.tuning.normalisation.of(self.model.preprocessing());
        for pass in pooled_passes(&self.model, loader.epoch(0, 0), precision, pooling, preprocessing)? {
            let (batch, features) = pass?;
            let probabilities = {
                let _inference = InferenceMode::enter()?;
                let logits = precision
                    .run(self.model.device(), || self.model.logits(&features, false).map_err(Error::from))?;
                logits.f_softmax(1, Kind::Float)?
            };
            // A copy that may be used where gradients are recorded too.
            let copy = is_inference(&probabilities);
            scores.push(probabilities.f_to_device_(Device::Cpu, Kind::Float, false, copy)?);
            progress.advance(batch.labels.len());
            labels.extend(batch.labels);
        }
        Ok((Tensor::f_cat(&scores, 0)?, labels))
    }

    /// How the model does on `data`, all of whose samples have labels.
    ///
    /// # Errors
    /// Those of [`Self::predict`]; a sample without a label.
    pub fn evaluate(&self, data: Arc<dyn Dataset>, execution: &Execution) -> Result<Evaluation, Error> {
        crate::linear::labels_of(data.as_ref())?;
        let (scores, labels) = self.predict(data, execution)?;
        evaluate(&scores, &labels, ScoreKind::Probabilities)
    }
}
