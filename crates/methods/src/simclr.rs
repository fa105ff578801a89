//! SimCLR (Chen et al. 2020): two views of an image attract, views of different images repel.

use crate::config::positive;
use crate::encoder::unit;
use crate::method::sorted;
use crate::{Batch, Encoder, Error, HeadLayout, Loss, Method, NamedTensor, Projector, Setup, Step};
use serde::{Deserialize, Serialize};
use tch::Tensor;
use visrep_losses::nt_xent;
use visrep_models::Model;

/// SimCLR's hyper-parameters: the keys of `[method]` in a recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimclrConfig {
    /// The temperature of NT-Xent: 0.1 for ImageNet, 0.5 for CIFAR-10 in the authors' code.
    pub temperature: f64,
    /// Linear layers of the head: 2 in SimCLR, 3 in SimCLR v2.
    #[serde(default = "projector_layers")]
    pub projector_layers: u32,
    /// Width of the head's hidden layers; left out, the backbone's embedding dimension, as in the paper.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hidden_dim: Option<u32>,
    /// Length of the projections that the loss compares.
    #[serde(default = "output_dim")]
    pub output_dim: u32,
}

fn projector_layers() -> u32 {
    2
}

fn output_dim() -> u32 {
    128
}

/// A backbone and a head under NT-Xent.
///
/// Both views go through the networks as one batch, so that batch normalisation sees 2N images, as in the
/// authors' code on one device.
pub struct Simclr {
    encoder: Encoder,
    temperature: f64,
}

impl Simclr {
    /// Makes the backbone (without classifier) and the head.
    pub fn new(config: &SimclrConfig, setup: &Setup<'_>) -> Result<Self, Error> {
        let temperature = positive("temperature", config.temperature)?;
        let projector = Projector {
            layers: config.projector_layers,
            hidden_dim: config.hidden_dim,
            output_dim: config.output_dim,
            layout: HeadLayout::SIMCLR,
        };
        Ok(Self { encoder: Encoder::new(setup, &projector)?, temperature })
    }
}

impl Method for Simclr {
    fn views(&self) -> usize {
        2
    }

    fn loss(&mut self, batch: &Batch, step: &Step) -> Result<Loss, Error> {
        let encoded = self.encoder.encode_views(batch.views("simclr", 2)?)?;
        let n = encoded.projections.size()[0] / 2;
        let (a, b) = (encoded.projections.f_narrow(0, 0, n)?, encoded.projections.f_narrow(0, n, n)?);
        let value = nt_xent(&a, &b, self.temperature)?;
        let mut metrics = encoded.watch(step)?;
        if step.log {
            metrics.push(("positive_top1", positive_top1(&a, &b)?));
        }
        Ok(Loss { value, metrics })
    }

    fn state(&self) -> Vec<NamedTensor> {
        sorted(self.encoder.state(""))
    }

    fn model(&self) -> &Model {
        &self.encoder.model
    }
}

/// The fraction of the first views whose nearest second view (by cosine) is their own: chance is 1 / N.
fn positive_top1(a: &Tensor, b: &Tensor) -> Result<f64, Error> {
    let _guard = tch::no_grad_guard();
    let nearest = a.f_matmul(&unit(b)?.f_transpose(0, 1)?)?.f_argmax(1, false)?;
    let own = Tensor::f_arange(a.size()[0], (tch::Kind::Int64, a.device()))?;
    Ok(f64::try_from(&nearest.f_eq_tensor(&own)?.f_to_kind(tch::Kind::Float)?.f_mean(None)?)?)
}
