//! Supervised classification: a linear classifier on the backbone under cross entropy.

use crate::method::named_variables;
use crate::{Batch, Error, Loss, Method, NamedTensor, Setup, Step, feature_std};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};
use visrep_losses::cross_entropy;
use visrep_models::{Model, ModelOptions};

/// The hyper-parameters of supervised training: the keys of `[method]` in a recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SupervisedConfig {
    /// Probability mass spread evenly over all classes, 0..=1.
    #[serde(default)]
    pub label_smoothing: f64,
}

/// A backbone with its classifier under cross entropy. The exported model keeps the classifier.
pub struct Supervised {
    model: Model,
    label_smoothing: f64,
}

impl Supervised {
    /// Makes the model with one output for each class of the dataset.
    pub fn new(config: &SupervisedConfig, setup: &Setup<'_>) -> Result<Self, Error> {
        if setup.classes == 0 {
            return Err(Error::NoClasses { method: "supervised" });
        }
        if !(0.0..=1.0).contains(&config.label_smoothing) {
            let (parameter, expected) = ("label_smoothing", "within 0 and 1");
            return Err(Error::Parameter { parameter, expected, found: config.label_smoothing });
        }
        let options = ModelOptions {
            num_classes: Some(setup.classes as i64),
            device: setup.device,
            seed: Some(setup.seed as i64),
            ..ModelOptions::default()
        };
        let model = Model::create(setup.model, &options)?;
        Ok(Self { model, label_smoothing: config.label_smoothing })
    }
}

impl Method for Supervised {
    fn views(&self) -> usize {
        1
    }

    fn loss(&mut self, batch: &Batch, step: &Step) -> Result<Loss, Error> {
        let [images] = &batch.images[..] else {
            return Err(Error::Views { method: "supervised", expected: 1, found: batch.images.len() });
        };
        if let Some(at) = batch.labels.iter().position(|&label| label < 0) {
            let index = batch.indices.get(at).copied().unwrap_or(at);
            return Err(Error::NoLabel { method: "supervised", index });
        }
        let x = self.model.preprocessing().normalize(images, self.model.device())?;
        let features = self.model.backbone().forward_features(&x, true)?;
        let logits = self.model.logits(&features, true)?;
        let labels = Tensor::f_from_slice(&batch.labels)?.f_to_device(self.model.device())?;
        let value = cross_entropy(&logits, &labels, self.label_smoothing)?;
        let metrics = if step.log {
            let hits =
                logits.f_argmax(1, false)?.f_eq_tensor(&labels)?.f_to_kind(Kind::Float)?.f_mean(None)?;
            vec![("accuracy", f64::try_from(&hits)?), ("feature_std", feature_std(&features.pooled)?)]
        } else {
            Vec::new()
        };
        Ok(Loss { value, metrics })
    }

    fn state(&self) -> Vec<NamedTensor> {
        named_variables("model", self.model.var_store())
    }

    fn model(&self) -> &Model {
        &self.model
    }
}
