//! MoCo v3 (Chen et al. 2021): predictions find their keys among the batch's.

use crate::config::positive;
use crate::encoder::freeze_patch_embedding;
use crate::method::{named_variables, sorted};
use crate::{
    Batch, Encoder, Error, HeadLayout, Loss, Method, Momentum, NamedTensor, ProjectionHead, Projector, Setup,
    Step, Teacher, predictor,
};
use serde::{Deserialize, Serialize};
use visrep_losses::moco_v3;
use visrep_models::Model;

/// MoCo v3's hyper-parameters: the keys of `[method]` in a recipe. Those left out are the authors' for a ResNet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MocoV3Config {
    /// The temperature: 1 for ResNets, 0.2 for vision transformers.
    pub temperature: f64,
    /// How much of the momentum encoder stays at each step: 0.99 to 1, for 1000 epochs 0.996 to 1.
    #[serde(default = "momentum")]
    pub momentum: Momentum,
    /// Linear layers of the projector: 2 for ResNets, 3 for vision transformers.
    #[serde(default = "projector_layers")]
    pub projector_layers: u32,
    /// Width of the hidden layers of projector and predictor.
    #[serde(default = "hidden_dim")]
    pub hidden_dim: u32,
    /// Length of the projections and predictions.
    #[serde(default = "output_dim")]
    pub output_dim: u32,
    /// Whether batch normalisation without parameters ends the predictor: for vision transformers, not for ResNets.
    #[serde(default)]
    pub predictor_norm: bool,
    /// Whether the patch embedding keeps its initial values: for vision transformers.
    #[serde(default)]
    pub freeze_patch_embed: bool,
}

fn momentum() -> Momentum {
    Momentum { start: 0.99, end: 1.0 }
}

fn projector_layers() -> u32 {
    2
}

fn hidden_dim() -> u32 {
    4096
}

fn output_dim() -> u32 {
    256
}

/// A base network (backbone, projector, predictor) and a momentum network (backbone, projector) that is its moving
/// average and moves before it encodes, as in the authors' code. Every view is encoded by itself. The loss is the sum of
/// both directions. The base backbone is exported.
pub struct MocoV3 {
    base: Encoder,
    predictor: ProjectionHead,
    target: Encoder,
    teacher: Teacher,
    temperature: f64,
}

impl MocoV3 {
    /// Makes both networks, the momentum one equal to the base.
    pub fn new(config: &MocoV3Config, setup: &Setup<'_>) -> Result<Self, Error> {
        let temperature = positive("temperature", config.temperature)?;
        let (output_dim, layout) = (config.output_dim, HeadLayout::PLAIN_END);
        let hidden_dim = Some(config.hidden_dim);
        let projector = Projector { layers: config.projector_layers, hidden_dim, output_dim, layout };
        let base = Encoder::new(setup, &projector)?;
        let layout = if config.predictor_norm { HeadLayout::PLAIN_END } else { HeadLayout::BARE_END };
        let predictor = predictor(setup, output_dim, config.hidden_dim, &layout)?;
        let target = Encoder::new(setup, &projector)?;
        let teacher = base.teach(&target, config.momentum)?;
        if config.freeze_patch_embed {
            freeze_patch_embedding(&base.model)?;
        }
        Ok(Self { base, predictor, target, teacher, temperature })
    }
}

impl Method for MocoV3 {
    fn views(&self) -> usize {
        2
    }

    fn loss(&mut self, batch: &Batch, step: &Step) -> Result<Loss, Error> {
        let [first, second] = batch.pair("moco-v3")?;
        self.teacher.update(step)?;
        let encoded = [self.base.encode(first)?, self.base.encode(second)?];
        let queries = [
            self.predictor.forward(&encoded[0].projections, true)?,
            self.predictor.forward(&encoded[1].projections, true)?,
        ];
        let keys = tch::no_grad(|| -> Result<_, Error> {
            Ok([self.target.encode(first)?.projections, self.target.encode(second)?.projections])
        })?;
        let forth = moco_v3(&queries[0], &keys[1], self.temperature)?;
        let value = forth.f_add(&moco_v3(&queries[1], &keys[0], self.temperature)?)?;
        Ok(Loss { value, metrics: encoded[0].watch(step)? })
    }

    fn state(&self) -> Vec<NamedTensor> {
        let mut state = self.base.state("");
        state.extend(named_variables("predictor", self.predictor.var_store()));
        state.extend(self.target.state("momentum."));
        sorted(state)
    }

    fn model(&self) -> &Model {
        &self.base.model
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{apart, batch, descend, gradients, setup, step, values};

    fn config() -> MocoV3Config {
        MocoV3Config {
            temperature: 0.5,
            momentum: Momentum::constant(0.9),
            projector_layers: 2,
            hidden_dim: 10,
            output_dim: 6,
            predictor_norm: false,
            freeze_patch_embed: false,
        }
    }

    #[test]
    fn the_loss_is_the_sum_of_both_directions_and_keys_have_no_gradient() {
        for predictor_norm in [false, true] {
            let mut method = MocoV3::new(&MocoV3Config { predictor_norm, ..config() }, &setup()).unwrap();
            let images = batch(4, &[8, 8]);
            let loss = method.loss(&images, &step(0)).unwrap().value;
            let ours = gradients(&method, &loss);
            let [first, second] = images.pair("moco-v3").unwrap();
            let direction = |from, to| {
                let key = tch::no_grad(|| method.target.encode(to).unwrap().projections);
                let query = method.base.encode(from).unwrap().projections;
                moco_v3(&method.predictor.forward(&query, true).unwrap(), &key, 0.5).unwrap()
            };
            let sum = direction(first, second) + direction(second, first);
            assert!(apart(&loss, &sum) < 1e-5);
            for (name, gradient) in gradients(&method, &sum) {
                assert!(apart(&ours[&name], &gradient) < 1e-4, "{name}");
            }
        }
    }

    #[test]
    fn the_momentum_network_moves_by_the_average_before_it_encodes() {
        let mut method = MocoV3::new(&config(), &setup()).unwrap();
        let images = batch(4, &[8, 8]);
        let value = |method: &MocoV3, name: &str| values(method.state()).remove(name).unwrap();
        let name = "projector.0.linear.weight";
        let start = value(&method, name);
        descend(&mut method, &images, &step(0), 0.5);
        assert_eq!(value(&method, &format!("momentum.{name}")), start);
        let stepped = value(&method, name);
        method.loss(&images, &step(1)).unwrap();
        let expected = start * 0.9 + stepped * 0.1;
        assert!(apart(&value(&method, &format!("momentum.{name}")), &expected) < 1e-6);
    }

    #[test]
    fn a_frozen_patch_embedding_is_no_parameter() {
        let config = MocoV3Config { freeze_patch_embed: true, ..config() };
        let setup = Setup { model: "vit_tiny_patch16_224", ..setup() };
        let method = MocoV3::new(&config, &setup).unwrap();
        assert!(method.parameters().iter().all(|(name, _)| !name.contains("patch_embed")));
        assert!(method.state().iter().any(|(name, _)| name == "model.patch_embed.proj.weight"));
        let setup = crate::testing::setup();
        assert!(matches!(MocoV3::new(&config, &setup), Err(Error::NoPatchEmbedding { .. })));
    }
}
