//! ReLICv2 (Tomasev et al. 2022): large and small views attract the targets of large ones, among few negatives, with an
//! explicit penalty on what augmentation changes.

use crate::config::{not_negative, positive};
use crate::method::{named_variables, sorted};
use crate::{
    Batch, Encoder, Error, HeadLayout, Loss, Method, Momentum, NamedTensor, ProjectionHead, Projector, Setup,
    Step, Teacher, predictor,
};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};
use visrep_losses::{RelicV2Options, relic_v2};
use visrep_models::Model;

/// ReLICv2's hyper-parameters: the keys of `[method]` in a recipe. The authors have published no code for training: the number of
/// views is the paper's, and the other values are those that its readers use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RelicV2Config {
    /// Large views of every image, which both networks see.
    pub large_views: u32,
    /// Small views beside them, which the online network sees.
    pub local_views: u32,
    /// The temperature.
    pub temperature: f64,
    /// Negatives of every image, drawn from the others of the batch; all of those where there are fewer.
    pub negatives: u32,
    /// The weight of the contrast.
    pub contrast_weight: f64,
    /// The weight of the invariance penalty.
    pub invariance_weight: f64,
    /// How much of the target network stays at each step.
    pub momentum: Momentum,
    /// Width of the hidden layer of projector and predictor.
    pub hidden_dim: u32,
    /// Length of the projections and predictions.
    pub output_dim: u32,
}

impl Default for RelicV2Config {
    fn default() -> Self {
        Self {
            large_views: 4,
            local_views: 2,
            temperature: 0.2,
            negatives: 10,
            contrast_weight: 0.3,
            invariance_weight: 5.0,
            momentum: Momentum { start: 0.993, end: 1.0 },
            hidden_dim: 4096,
            output_dim: 256,
        }
    }
}

/// An online network (backbone, projector, predictor) and a target network (backbone, projector) that is its moving average,
/// with BYOL's heads. The loss is the mean over every pair of an online view and a target's large view, those of the same
/// view included, as in the paper's pseudocode. The online backbone is exported.
///
/// Removing backgrounds is a transform, not part of this.
pub struct RelicV2 {
    online: Encoder,
    predictor: ProjectionHead,
    target: Encoder,
    teacher: Teacher,
    options: RelicV2Options,
    config: RelicV2Config,
}

impl RelicV2 {
    /// Makes both networks, the target equal to the online one.
    pub fn new(config: &RelicV2Config, setup: &Setup<'_>) -> Result<Self, Error> {
        let options = RelicV2Options {
            temperature: positive("temperature", config.temperature)?,
            contrast: not_negative("contrast_weight", config.contrast_weight)?,
            invariance: not_negative("invariance_weight", config.invariance_weight)?,
        };
        positive("large_views", f64::from(config.large_views))?;
        positive("negatives", f64::from(config.negatives))?;
        let (hidden_dim, output_dim, layout) = (config.hidden_dim, config.output_dim, HeadLayout::BYOL);
        let projector = Projector { layers: 2, hidden_dim: Some(hidden_dim), output_dim, layout };
        let online = Encoder::new(setup, &projector)?;
        let predictor = predictor(setup, output_dim, hidden_dim, &layout)?;
        let target = Encoder::new(setup, &projector)?;
        let teacher = online.teach(&target, config.momentum)?;
        Ok(Self { online, predictor, target, teacher, options, config: config.clone() })
    }
}

/// For each of `n` images, `count` different others, or all of them where there are fewer: (N, E) int64.
fn draw_negatives(n: i64, count: i64) -> Result<Tensor, Error> {
    let cpu = (Kind::Int64, Device::Cpu);
    // Drawn on the CPU, so that a seed means the same on every device.
    let order = Tensor::f_rand([n, n - 1], (Kind::Float, Device::Cpu))?.f_argsort(1, false)?;
    let steps = order.f_narrow(1, 0, count.min(n - 1))?.f_add_scalar(1)?;
    Ok(steps.f_add(&Tensor::f_arange(n, cpu)?.f_unsqueeze(1)?)?.f_remainder(n)?)
}

impl Method for RelicV2 {
    fn views(&self) -> usize {
        self.config.large_views as usize + self.local_views()
    }

    fn local_views(&self) -> usize {
        self.config.local_views as usize
    }

    fn loss(&mut self, batch: &Batch, step: &Step) -> Result<Loss, Error> {
        let views = batch.views("relic-v2", self.views())?;
        let large = self.config.large_views as usize;
        let n = views[0].size().first().copied().unwrap_or(0);
        if n < 2 {
            let (parameter, needed) = ("negatives", 2);
            return Err(Error::SmallBatch { method: "relic-v2", parameter, needed, found: n });
        }
        let targets = tch::no_grad(|| self.target.encode_views(&views[..large]))?.projections;
        let encoded = self.online.encode_views(views)?;
        let online = self.predictor.forward(&encoded.projections, true)?.f_chunk(views.len() as i64, 0)?;
        let targets = targets.f_chunk(large as i64, 0)?;
        let mut terms = Vec::new();
        for online in &online {
            for target in &targets {
                let negatives = draw_negatives(n, i64::from(self.config.negatives))?;
                terms.push(relic_v2(online, target, &negatives, &self.options)?);
            }
        }
        Ok(Loss { value: Tensor::f_stack(&terms, 0)?.f_mean(None)?, metrics: encoded.watch(step)? })
    }

    fn after_step(&mut self, step: &Step) -> Result<(), Error> {
        self.teacher.update(step)
    }

    fn state(&self) -> Vec<NamedTensor> {
        let mut state = self.online.state("");
        state.extend(named_variables("predictor", self.predictor.var_store()));
        state.extend(self.target.state("target."));
        sorted(state)
    }

    fn model(&self) -> &Model {
        &self.online.model
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negatives_are_different_others() {
        for (n, count) in [(2, 1), (5, 3), (5, 10)] {
            let negatives = draw_negatives(n, count).unwrap();
            assert_eq!(negatives.size(), [n, count.min(n - 1)]);
            for image in 0..n {
                let mut row = Vec::<i64>::try_from(negatives.get(image)).unwrap();
                row.sort_unstable();
                row.dedup();
                assert_eq!(row.len() as i64, count.min(n - 1));
                assert!(row.iter().all(|&other| other != image && (0..n).contains(&other)));
            }
        }
    }
}
