//! Projector-only momentum (Pham et al. 2022, arXiv:2208.05744): of the momentum encoder only the projector is kept, so that a
//! view needs one pass of one backbone.

use crate::config::positive;
use crate::method::{named_variables, sorted};
use crate::{
    Batch, Encoder, Error, HeadLayout, Loss, Method, Momentum, NamedTensor, ProjectionHead, Projector, Setup,
    Step, Teacher, predictor,
};
use serde::{Deserialize, Serialize};
use visrep_losses::{byol, info_nce_in_batch};
use visrep_models::Model;

/// The hyper-parameters of projector-only momentum: the keys of `[method]` in a recipe. The authors have published no code; the
/// values left out are those of the method that the objective is of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProjectorMomentumConfig {
    /// Whose targets are replaced.
    pub objective: ProjectorObjective,
    /// How much of the momentum projector stays at each step.
    #[serde(default = "momentum")]
    pub momentum: Momentum,
    /// Linear layers of the projector.
    #[serde(default = "projector_layers")]
    pub projector_layers: u32,
    /// Width of the projector's hidden layers; left out, the backbone's embedding dimension.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hidden_dim: Option<u32>,
    /// Length of the projections.
    #[serde(default = "output_dim")]
    pub output_dim: u32,
}

/// What a projection should do to the momentum projector's output for the image's other view.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ProjectorObjective {
    /// `kind = "simclr"`: be nearer to it than to those of the batch's other images.
    Simclr {
        /// The temperature.
        temperature: f64,
    },
    /// `kind = "byol"`: predict it.
    Byol {
        /// Width of the predictor's hidden layer.
        predictor_dim: u32,
    },
}

fn momentum() -> Momentum {
    Momentum { start: 0.996, end: 1.0 }
}

fn projector_layers() -> u32 {
    2
}

fn output_dim() -> u32 {
    128
}

/// A backbone with a projector, and a second projector that is the moving average of the first. Both read the same
/// features, the second without a gradient and with the statistics of its own batches. Every view is encoded by itself. The
/// loss is the sum of both directions.
pub struct ProjectorMomentum {
    online: Encoder,
    target: ProjectionHead,
    teacher: Teacher,
    objective: Objective,
}

enum Objective {
    Contrast { temperature: f64 },
    Prediction(ProjectionHead),
}

impl ProjectorMomentum {
    /// Makes the networks, the second projector equal to the first.
    pub fn new(config: &ProjectorMomentumConfig, setup: &Setup<'_>) -> Result<Self, Error> {
        let layout = match config.objective {
            ProjectorObjective::Simclr { .. } => HeadLayout::SIMCLR,
            ProjectorObjective::Byol { .. } => HeadLayout::BYOL,
        };
        let &ProjectorMomentumConfig { projector_layers: layers, hidden_dim, output_dim, .. } = config;
        let projector = Projector { layers, hidden_dim, output_dim, layout };
        let online = Encoder::new(setup, &projector)?;
        let seed = (setup.seed as i64).wrapping_add(1);
        let target = projector.build(online.model.embed_dim(), setup.device, seed)?;
        let teacher = Teacher::new(&[(online.projector.var_store(), target.var_store())], config.momentum)?;
        let objective = match config.objective {
            ProjectorObjective::Simclr { temperature } => {
                Objective::Contrast { temperature: positive("objective.temperature", temperature)? }
            }
            ProjectorObjective::Byol { predictor_dim } => {
                Objective::Prediction(predictor(setup, output_dim, predictor_dim, &layout)?)
            }
        };
        Ok(Self { online, target, teacher, objective })
    }
}

impl Method for ProjectorMomentum {
    fn views(&self) -> usize {
        2
    }

    fn loss(&mut self, batch: &Batch, step: &Step) -> Result<Loss, Error> {
        let [first, second] = batch.pair("projector-momentum")?;
        let encoded = [self.online.encode(first)?, self.online.encode(second)?];
        let targets = tch::no_grad(|| -> Result<_, Error> {
            Ok([
                self.target.forward(&encoded[0].features, true)?,
                self.target.forward(&encoded[1].features, true)?,
            ])
        })?;
        let direction = |from: usize, to: usize| -> Result<_, Error> {
            let projections = &encoded[from].projections;
            Ok(match &self.objective {
                Objective::Contrast { temperature } => {
                    info_nce_in_batch(projections, &targets[to], *temperature)?
                }
                Objective::Prediction(predictor) => {
                    byol(&predictor.forward(projections, true)?, &targets[to])?
                }
            })
        };
        let value = direction(0, 1)?.f_add(&direction(1, 0)?)?;
        Ok(Loss { value, metrics: encoded[0].watch(step)? })
    }

    fn after_step(&mut self, step: &Step) -> Result<(), Error> {
        self.teacher.update(step)
    }

    fn state(&self) -> Vec<NamedTensor> {
        let mut state = self.online.state("");
        state.extend(named_variables("target.projector", self.target.var_store()));
        if let Objective::Prediction(predictor) = &self.objective {
            state.extend(named_variables("predictor", predictor.var_store()));
        }
        sorted(state)
    }

    fn model(&self) -> &Model {
        &self.online.model
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{apart, batch, gradients, setup, step};
    use tch::Tensor;

    fn small(objective: ProjectorObjective) -> ProjectorMomentum {
        let momentum = Momentum::constant(0.9);
        let config = ProjectorMomentumConfig {
            objective,
            momentum,
            projector_layers: 2,
            hidden_dim: Some(12),
            output_dim: 6,
        };
        ProjectorMomentum::new(&config, &setup()).unwrap()
    }

    #[test]
    fn targets_are_plain_numbers_for_the_backbone_too() {
        let simclr = ProjectorObjective::Simclr { temperature: 0.2 };
        let byol_form = ProjectorObjective::Byol { predictor_dim: 12 };
        for objective in [simclr, byol_form] {
            let mut method = small(objective);
            let images = batch(4, &[8, 8]);
            let loss = method.loss(&images, &step(0)).unwrap().value;
            let ours = gradients(&method, &loss);
            let encoded = |images: &Tensor| method.online.encode(images).unwrap();
            // The same from parts, with targets that were computed apart.
            let target = |images| {
                tch::no_grad(|| method.target.forward(&encoded(images).features, true).unwrap().copy())
            };
            let direction = |from, to| {
                let z = encoded(from).projections;
                match &method.objective {
                    Objective::Contrast { .. } => info_nce_in_batch(&z, &target(to), 0.2).unwrap(),
                    Objective::Prediction(p) => byol(&p.forward(&z, true).unwrap(), &target(to)).unwrap(),
                }
            };
            let [first, second] = images.pair("projector-momentum").unwrap();
            let sum = direction(first, second) + direction(second, first);
            assert!(apart(&loss, &sum) < 1e-5, "the sum of both directions");
            for (name, gradient) in gradients(&method, &sum) {
                assert!(apart(&ours[&name], &gradient) < 1e-4, "{name}");
            }
            assert!(ours["model.conv1.weight"].abs().max().double_value(&[]) > 0.0);
        }
    }

    #[test]
    fn the_backbone_has_no_average() {
        let method = small(ProjectorObjective::Simclr { temperature: 0.2 });
        let names: Vec<String> = method.state().into_iter().map(|(name, _)| name).collect();
        let targets = names.iter().filter(|name| name.starts_with("target."));
        assert!(targets.clone().count() > 2 && targets.clone().all(|name| name.contains("projector")));
        let wrong = ProjectorObjective::Simclr { temperature: 0.0 };
        let config = ProjectorMomentumConfig {
            objective: wrong,
            momentum: momentum(),
            projector_layers: 2,
            hidden_dim: None,
            output_dim: 6,
        };
        assert!(matches!(ProjectorMomentum::new(&config, &setup()), Err(Error::Parameter { .. })));
    }
}
