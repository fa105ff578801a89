//! SimCLR (Chen et al. 2020): two views of an image attract, views of different images repel.

use crate::method::{named_variables, trainable};
use crate::{Batch, Error, HeadLayout, Loss, Method, NamedTensor, ProjectionHead, Setup, Step, feature_std};
use serde::{Deserialize, Serialize};
use tch::Tensor;
use visrep_losses::nt_xent;
use visrep_models::{Model, ModelOptions};

/// SimCLR's hyper-parameters: the keys of `[method]` in a recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimclrConfig {
    /// The temperature of NT-Xent: 0.1 for ImageNet, 0.5 for CIFAR-10 in the authors' code.
    pub temperature: f64,
    /// Width of the head's hidden layer; left out, the backbone's embedding dimension, as in the paper.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hidden_dim: Option<u32>,
    /// Length of the projections that the loss compares.
    #[serde(default = "output_dim")]
    pub output_dim: u32,
}

fn output_dim() -> u32 {
    128
}

/// A backbone and a two-layer [`ProjectionHead`] under NT-Xent.
///
/// Both views go through the networks as one batch, so that batch normalisation sees 2N images, as in the
/// authors' code on one device.
pub struct Simclr {
    model: Model,
    head: ProjectionHead,
    temperature: f64,
}

impl Simclr {
    /// Makes the backbone (without classifier) and the head.
    pub fn new(config: &SimclrConfig, setup: &Setup<'_>) -> Result<Self, Error> {
        let temperature = config.temperature;
        if !(temperature.is_finite() && temperature > 0.0) {
            let (parameter, expected) = ("temperature", "finite and positive");
            return Err(Error::Parameter { parameter, expected, found: temperature });
        }
        let seed = setup.seed as i64;
        let options = ModelOptions {
            num_classes: Some(0),
            device: setup.device,
            seed: Some(seed),
            ..Default::default()
        };
        let model = Model::create(setup.model, &options)?;
        let embed = model.embed_dim();
        let dims = [embed, config.hidden_dim.map_or(embed, i64::from), i64::from(config.output_dim)];
        let head = ProjectionHead::new(&dims, &HeadLayout::SIMCLR, setup.device, seed.wrapping_add(1))?;
        Ok(Self { model, head, temperature })
    }
}

impl Method for Simclr {
    fn views(&self) -> usize {
        2
    }

    fn loss(&mut self, batch: &Batch, step: &Step) -> Result<Loss, Error> {
        let [first, second] = &batch.images[..] else {
            return Err(Error::Views { method: "simclr", expected: 2, found: batch.images.len() });
        };
        let images = Tensor::f_cat(&[first, second], 0)?;
        let x = self.model.preprocessing().normalize(&images, self.model.device())?;
        let features = self.model.backbone().forward_features(&x, true)?.pooled;
        let projections = self.head.forward(&features, true)?;
        let n = first.size()[0];
        let (a, b) = (projections.f_narrow(0, 0, n)?, projections.f_narrow(0, n, n)?);
        let value = nt_xent(&a, &b, self.temperature)?;
        let metrics = if step.log {
            vec![
                ("feature_std", feature_std(&features)?),
                ("projection_std", feature_std(&projections)?),
                ("positive_top1", positive_top1(&a, &b)?),
            ]
        } else {
            Vec::new()
        };
        Ok(Loss { value, metrics })
    }

    fn parameters(&self) -> Vec<NamedTensor> {
        trainable(self.state())
    }

    fn state(&self) -> Vec<NamedTensor> {
        let mut state = named_variables("head", self.head.var_store());
        state.extend(named_variables("model", self.model.var_store()));
        state
    }

    fn model(&self) -> &Model {
        &self.model
    }
}

/// The fraction of the first views whose nearest second view (by cosine) is their own: chance is 1 / N.
fn positive_top1(a: &Tensor, b: &Tensor) -> Result<f64, Error> {
    let _guard = tch::no_grad_guard();
    let b = b.f_div(&b.f_norm_scalaropt_dim(2.0, [1i64], true)?.f_clamp_min(1e-12)?)?;
    let nearest = a.f_matmul(&b.f_transpose(0, 1)?)?.f_argmax(1, false)?;
    let own = Tensor::f_arange(a.size()[0], (tch::Kind::Int64, a.device()))?;
    Ok(f64::try_from(&nearest.f_eq_tensor(&own)?.f_to_kind(tch::Kind::Float)?.f_mean(None)?)?)
}
