//! BYOL (Grill et al. 2020): a network predicts what its moving average makes of another view.

use crate::method::{named_variables, sorted, trainable};
use crate::{
    Batch, Encoder, Error, HeadLayout, Loss, Method, Momentum, NamedTensor, ProjectionHead, Projector, Setup, Step,
    Teacher, predictor,
};
use serde::{Deserialize, Serialize};
use visrep_losses::byol;
use visrep_models::Model;

/// BYOL's hyper-parameters: the keys of `[method]` in a recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ByolConfig {
    /// How much of the target network stays at each step: 0.996 to 1 for 1000 epochs, 0.99 to 1 for 100 and 300.
    #[serde(default = "momentum")]
    pub momentum: Momentum,
    /// Width of the hidden layer of projector and predictor.
    #[serde(default = "hidden_dim")]
    pub hidden_dim: u32,
    /// Length of the projections and predictions.
    #[serde(default = "output_dim")]
    pub output_dim: u32,
}

fn momentum() -> Momentum {
    Momentum { start: 0.996, end: 1.0 }
}

fn hidden_dim() -> u32 {
    4096
}

fn output_dim() -> u32 {
    256
}

/// An online network (backbone, projector, predictor) and a target network (backbone, projector) that is its moving
/// average. Every view is encoded by itself, so that batch normalisation sees N images, as in the authors' code. The
/// loss is the sum of both directions. The online backbone is exported.
pub struct Byol {
    online: Encoder,
    predictor: ProjectionHead,
    target: Encoder,
    teacher: Teacher,
}

impl Byol {
    /// Makes both networks, the target equal to the online one.
    pub fn new(config: &ByolConfig, setup: &Setup<'_>) -> Result<Self, Error> {
        let (hidden_dim, output_dim, layout) = (config.hidden_dim, config.output_dim, HeadLayout::BYOL);
        let projector = Projector { layers: 2, hidden_dim: Some(hidden_dim), output_dim, layout };
        let online = Encoder::new(setup, &projector)?;
        let predictor = predictor(setup, output_dim, hidden_dim, &layout)?;
        let target = Encoder::new(setup, &projector)?;
        let teacher = online.teach(&target, config.momentum)?;
        Ok(Self { online, predictor, target, teacher })
    }
}

impl Method for Byol {
    fn views(&self) -> usize {
        2
    }

    fn loss(&mut self, batch: &Batch, step: &Step) -> Result<Loss, Error> {
        let [first, second] = batch.pair("byol")?;
        let online = [self.online.encode(first)?, self.online.encode(second)?];
        let targets = tch::no_grad(|| -> Result<_, Error> {
            Ok([self.target.encode(first)?.projections, self.target.encode(second)?.projections])
        })?;
        let predictions = [
            self.predictor.forward(&online[0].projections, true)?,
            self.predictor.forward(&online[1].projections, true)?,
        ];
        let value = byol(&predictions[0], &targets[1])?.f_add(&byol(&predictions[1], &targets[0])?)?;
        Ok(Loss { value, metrics: online[0].watch(step)? })
    }

    fn after_step(&mut self, step: &Step) -> Result<(), Error> {
        self.teacher.update(step)
    }

    fn parameters(&self) -> Vec<NamedTensor> {
        trainable(self.state())
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
