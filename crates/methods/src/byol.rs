//! BYOL (Grill et al. 2020): a network predicts what its moving average makes of another view.

use crate::method::{named_variables, sorted};
use crate::{
    Batch, Encoder, Error, HeadLayout, Loss, Method, Momentum, NamedTensor, ProjectionHead, Projector, Setup,
    Step, Teacher, predictor,
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
    use crate::testing::{apart, batch, descend, gradients, setup, step, values};

    fn small() -> Byol {
        let momentum = Momentum { start: 0.9, end: 1.0 };
        Byol::new(&ByolConfig { momentum, hidden_dim: 12, output_dim: 6 }, &setup()).unwrap()
    }

    #[test]
    fn the_target_starts_as_the_online_network_and_moves_by_the_average_alone() {
        let mut method = small();
        let start = values(method.state());
        for name in start.keys().filter(|name| name.starts_with("target.")) {
            assert_eq!(start[name], start[&name["target.".len()..]], "{name}");
        }
        assert!(method.parameters().iter().all(|(name, _)| !name.starts_with("target.")));
        descend(&mut method, &batch(4, &[8, 8]), &step(30), 0.5);
        let stepped = values(method.state());
        assert!(apart(&stepped["model.conv1.weight"], &start["model.conv1.weight"]) > 0.0);
        let parameters: Vec<String> = method.parameters().into_iter().map(|(name, _)| name).collect();
        let targets = parameters.iter().map(|name| (name, format!("target.{name}")));
        let targets: Vec<_> = targets.filter(|(_, target)| start.contains_key(target)).collect();
        assert!(targets.len() > 50);
        for (_, target) in &targets {
            assert_eq!(stepped[target], start[target], "the optimiser must not move {target}");
        }
        method.after_step(&step(30)).unwrap();
        let (moved, m) = (values(method.state()), Momentum { start: 0.9, end: 1.0 }.at(&step(30)));
        for (online, target) in &targets {
            let expected = &start[target] * m + &stepped[*online] * (1.0 - m);
            assert!(apart(&moved[target], &expected) < 1e-6, "{target}");
        }
    }

    #[test]
    fn the_loss_is_the_sum_of_both_directions_and_stops_at_the_targets() {
        let mut method = small();
        let images = batch(4, &[8, 8]);
        let loss = method.loss(&images, &step(0)).unwrap().value;
        let ours = gradients(&method, &loss);
        // The same from parts, with targets that are plain numbers.
        let [first, second] = images.pair("byol").unwrap();
        let target = |images| tch::no_grad(|| method.target.encode(images).unwrap().projections.copy());
        let direction = |from, to| {
            let online = method.online.encode(from).unwrap().projections;
            byol(&method.predictor.forward(&online, true).unwrap(), &target(to)).unwrap()
        };
        let sum = direction(first, second) + direction(second, first);
        assert!(apart(&loss, &sum) < 1e-6);
        for (name, gradient) in gradients(&method, &sum) {
            assert!(apart(&ours[&name], &gradient) < 1e-5, "{name}");
        }
        assert!(ours.keys().any(|name| name == "predictor.1.linear.weight"));
        assert!(matches!(method.loss(&batch(4, &[8]), &step(0)), Err(Error::Views { expected: 2, .. })));
    }
}
