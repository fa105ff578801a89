//! SDSSL (Jang et al. 2021, arXiv:2111.12958): the class token of every block of a vision transformer, not of the last alone,
//! learns what the last makes of the image's other view.

use crate::config::{not_negative, positive};
use crate::encoder::{backbone, freeze_patch_embedding};
use crate::method::{named_variables, sorted};
use crate::self_distillation::transformer;
use crate::{
    Batch, Error, HeadLayout, Loss, Method, Momentum, Moving, NamedTensor, ProjectionHead, Projector, Ramp,
    RampShape, Setup, Step, Teacher, feature_std,
};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};
use visrep_losses::{byol, moco_v3, nt_xent, nt_xent_to};
use visrep_models::{Model, Taps};

/// SDSSL's hyper-parameters: the keys of `[method]` in a recipe. Left out, they have the values of the authors' code
/// (hagiss/SDSSL, `pl_train_moco.py`, `pl_train_byol.py`, `pl_train_simclr.py`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SdsslConfig {
    /// The method that it is built on.
    pub objective: SdsslObjective,
    /// The weight of the intermediate layers' mean loss at the end of the run, to which it rises from 0 by half a
    /// cosine: 1 on MoCo v3, 0.8 on BYOL and SimCLR.
    pub ratio: f64,
    /// How much of the target networks stays at each step. SimCLR has none.
    #[serde(default = "momentum")]
    pub momentum: Momentum,
    /// Width of the hidden layers of the last block's projector.
    #[serde(default = "last_hidden_dim")]
    pub last_hidden_dim: u32,
    /// Width of those of the other blocks' projectors.
    #[serde(default = "hidden_dim")]
    pub hidden_dim: u32,
    /// Width of the predictors' hidden layer.
    #[serde(default = "last_hidden_dim")]
    pub predictor_dim: u32,
    /// Length of the projections and predictions.
    #[serde(default = "output_dim")]
    pub output_dim: u32,
    /// Whether the patch embedding keeps its initial values.
    #[serde(default = "frozen")]
    pub freeze_patch_embed: bool,
}

/// The method that SDSSL is built on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum SdsslObjective {
    /// `kind = "simclr"`
    Simclr {
        /// The temperature: 0.2.
        temperature: f64,
    },
    /// `kind = "byol"`
    Byol,
    /// `kind = "moco-v3"`
    MocoV3 {
        /// The temperature: 0.2.
        temperature: f64,
    },
}

fn momentum() -> Momentum {
    Momentum { start: 0.996, end: 1.0 }
}

fn last_hidden_dim() -> u32 {
    4096
}

fn hidden_dim() -> u32 {
    2048
}

fn output_dim() -> u32 {
    256
}

fn frozen() -> bool {
    true
}

/// A vision transformer with a projector of three layers and, on BYOL and MoCo v3, a predictor of two for every block, and
/// the moving average of the transformer and the last projector. Every view is encoded by itself.
///
/// With l(d) the loss of block d of n, summed over both directions, the loss is l(n) + r · mean of l(1) ... l(n - 1) + the sum of
/// the l(d) once more with the projections cut from the graph, so that it trains the predictors alone; r is
/// [`SdsslConfig::ratio`] on its way. (The authors write the last term as twelve times the mean over their twelve blocks.) On
/// SimCLR there are neither targets nor predictors, and that term is absent: l(n) is NT-Xent, and the other blocks find the
/// last one's projections, cut from the graph.
///
/// The exported model is the average, which the authors evaluate; on SimCLR the transformer itself.
pub struct Sdssl {
    online: Model,
    projectors: Vec<ProjectionHead>,
    objective: Objective,
    ratio: Ramp,
}

enum Objective {
    Contrast { temperature: f64 },
    Prediction(Box<Prediction>),
}

/// What BYOL and MoCo v3 have besides the networks that are compared.
struct Prediction {
    /// One for each block.
    predictors: Vec<ProjectionHead>,
    /// The average of the transformer and of its last projector.
    target: Model,
    target_projector: ProjectionHead,
    tie: Teacher,
    /// MoCo v3's; none for BYOL.
    temperature: Option<f64>,
}

/// The losses of a batch.
struct Losses {
    /// l(d), block by block.
    blocks: Vec<Tensor>,
    /// The sum of the l(d) with gradients for the predictors alone.
    predictors: Option<Tensor>,
}

impl Sdssl {
    /// Makes the networks, the target's equal to the last block's. Errs when the model is no vision transformer with a class
    /// token.
    pub fn new(config: &SdsslConfig, setup: &Setup<'_>) -> Result<Self, Error> {
        let ratio = not_negative("ratio", config.ratio)?;
        let (layout, temperature) = match config.objective {
            SdsslObjective::Byol => (HeadLayout::BARE_END, None),
            SdsslObjective::Simclr { temperature } | SdsslObjective::MocoV3 { temperature } => {
                (HeadLayout::PLAIN_END, Some(positive("objective.temperature", temperature)?))
            }
        };
        let online = backbone(setup)?;
        transformer(&online, "sdssl")?;
        let (depth, embed, device) = (online.backbone().taps().len(), online.embed_dim(), setup.device);
        let seed = |nth: usize| (setup.seed as i64).wrapping_add(1 + nth as i64);
        let last = depth - 1;
        let projector = |block: usize| {
            let hidden_dim = Some(if block == last { config.last_hidden_dim } else { config.hidden_dim });
            let output_dim = config.output_dim;
            Projector { layers: 3, hidden_dim, output_dim, layout }.build(embed, device, seed(block))
        };
        let projectors: Vec<_> = (0..depth).map(projector).collect::<Result<_, _>>()?;
        let objective = match config.objective {
            SdsslObjective::Simclr { temperature } => Objective::Contrast { temperature },
            SdsslObjective::Byol | SdsslObjective::MocoV3 { .. } => {
                let dims = [config.output_dim, config.predictor_dim, config.output_dim].map(i64::from);
                let predictor = |block| ProjectionHead::new(&dims, &layout, device, seed(depth + block));
                let predictors = (0..depth).map(predictor).collect::<Result<_, _>>()?;
                let (target, target_projector) = (backbone(setup)?, projector(last)?);
                let networks = [
                    (online.var_store(), target.var_store()),
                    (projectors[last].var_store(), target_projector.var_store()),
                ];
                let tie = Teacher::new(&networks, config.momentum)?;
                let prediction = Prediction { predictors, target, target_projector, tie, temperature };
                Objective::Prediction(Box::new(prediction))
            }
        };
        if config.freeze_patch_embed {
            freeze_patch_embedding(&online)?;
        }
        let shape = RampShape::Cosine;
        let ratio = Ramp::Moving(Moving { from: 0.0, to: ratio, shape, epochs: None });
        Ok(Self { online, projectors, objective, ratio })
    }
}

/// The class token (N, D) of every block after the final normalisation, in training mode.
fn class_tokens(model: &Model, images: &Tensor) -> Result<Vec<Tensor>, Error> {
    let x = model.preprocessing().normalize(images, model.device())?;
    let features = model.backbone().forward_with_taps(&x, true, Taps::All)?;
    let token = |(_, tap): &(String, Tensor)| -> Result<Tensor, Error> {
        Ok(model.backbone().final_norm(tap)?.f_select(1, 0)?)
    };
    features.taps.iter().map(token).collect()
}

impl Prediction {
    /// The losses of the projections of two views, block by block.
    fn losses(&self, views: [&Tensor; 2], projections: [&[Tensor]; 2]) -> Result<Losses, Error> {
        let targets = tch::no_grad(|| -> Result<_, Error> {
            let project = |images| {
                let tokens = class_tokens(&self.target, images)?;
                self.target_projector.forward(&tokens[tokens.len() - 1], true)
            };
            Ok([project(views[0])?, project(views[1])?])
        })?;
        let term = |prediction: &Tensor, target: &Tensor| match self.temperature {
            Some(temperature) => moco_v3(prediction, target, temperature),
            None => byol(prediction, target),
        };
        let (mut blocks, mut predictors) = (Vec::new(), Vec::new());
        for (block, predictor) in self.predictors.iter().enumerate() {
            let both = |a: &Tensor, b: &Tensor| -> Result<Tensor, Error> {
                let forth = term(&predictor.forward(a, true)?, &targets[1])?;
                Ok(forth.f_add(&term(&predictor.forward(b, true)?, &targets[0])?)?)
            };
            let [a, b] = projections.map(|view| &view[block]);
            blocks.push(both(a, b)?);
            predictors.push(both(&a.f_detach()?, &b.f_detach()?)?);
        }
        Ok(Losses { blocks, predictors: Some(Tensor::f_stack(&predictors, 0)?.f_sum(None::<Kind>)?) })
    }
}

/// SimCLR's losses of the projections of two views, block by block.
fn contrast(projections: [&[Tensor]; 2], temperature: f64) -> Result<Losses, Error> {
    let last = projections[0].len() - 1;
    let at = |block: usize| projections.map(|view| &view[block]);
    let loss = |block: usize| match (block == last, at(block)) {
        (true, [a, b]) => nt_xent(a, b, temperature),
        (false, views) => nt_xent_to(views, at(last), temperature),
    };
    Ok(Losses { blocks: (0..=last).map(loss).collect::<Result<_, _>>()?, predictors: None })
}

impl Method for Sdssl {
    fn views(&self) -> usize {
        2
    }

    fn loss(&mut self, batch: &Batch, step: &Step) -> Result<Loss, Error> {
        let views = batch.pair("sdssl")?;
        let tokens = [class_tokens(&self.online, views[0])?, class_tokens(&self.online, views[1])?];
        let project = |tokens: &[Tensor]| -> Result<Vec<Tensor>, Error> {
            tokens.iter().zip(&self.projectors).map(|(x, head)| head.forward(x, true)).collect()
        };
        let projections = [project(&tokens[0])?, project(&tokens[1])?];
        let both = projections.each_ref().map(Vec::as_slice);
        let Losses { mut blocks, predictors } = match &self.objective {
            Objective::Contrast { temperature } => contrast(both, *temperature)?,
            Objective::Prediction(prediction) => prediction.losses(views, both)?,
        };
        let last = blocks.len() - 1;
        let mut value = blocks.remove(last);
        let mut metrics = Vec::new();
        if step.log {
            metrics.push(("feature_std", feature_std(&tokens[0][last])?));
            metrics.push(("projection_std", feature_std(&projections[0][last])?));
            metrics.push(("last_loss", f64::try_from(&value.f_detach()?)?));
        }
        if !blocks.is_empty() {
            let middle = Tensor::f_stack(&blocks, 0)?.f_mean(None::<Kind>)?;
            if step.log {
                metrics.push(("middle_loss", f64::try_from(&middle.f_detach()?)?));
            }
            value = value.f_add(&middle.f_mul_scalar(self.ratio.at(step))?)?;
        }
        if let Some(predictors) = predictors {
            value = value.f_add(&predictors)?;
        }
        Ok(Loss { value, metrics })
    }

    fn after_step(&mut self, step: &Step) -> Result<(), Error> {
        match &mut self.objective {
            Objective::Contrast { .. } => Ok(()),
            Objective::Prediction(prediction) => prediction.tie.update(step),
        }
    }

    fn state(&self) -> Vec<NamedTensor> {
        let mut state = named_variables("model", self.online.var_store());
        let mut numbered = |part: &str, heads: &[ProjectionHead]| {
            for (block, head) in heads.iter().enumerate() {
                state.extend(named_variables(&format!("{part}.{block}"), head.var_store()));
            }
        };
        numbered("projector", &self.projectors);
        if let Objective::Prediction(prediction) = &self.objective {
            numbered("predictor", &prediction.predictors);
            state.extend(named_variables("target.model", prediction.target.var_store()));
            let name = format!("target.projector.{}", self.projectors.len() - 1);
            state.extend(named_variables(&name, prediction.target_projector.var_store()));
        }
        sorted(state)
    }

    fn model(&self) -> &Model {
        match &self.objective {
            Objective::Contrast { .. } => &self.online,
            Objective::Prediction(prediction) => &prediction.target,
        }
    }

    fn set_gradient_checkpointing(&self, on: bool) {
        self.online.set_gradient_checkpointing(on);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{apart, batch, gradients, step, values};
    use crate::{MocoV3, MocoV3Config};
    use std::collections::BTreeMap;

    const MOCO: SdsslObjective = SdsslObjective::MocoV3 { temperature: 0.2 };

    fn setup() -> Setup<'static> {
        Setup { model: "vit_w96_patch4_16", ..crate::testing::setup() }
    }

    fn small(objective: SdsslObjective) -> SdsslConfig {
        SdsslConfig {
            objective,
            ratio: 0.8,
            momentum: Momentum::constant(0.9),
            last_hidden_dim: 12,
            hidden_dim: 10,
            predictor_dim: 12,
            output_dim: 6,
            freeze_patch_embed: true,
        }
    }

    fn gradients_at(method: &mut dyn Method, index: u64) -> BTreeMap<String, Tensor> {
        let loss = method.loss(&batch(6, &[16, 16]), &step(index)).unwrap();
        gradients(method, &loss.value)
    }

    fn largest(gradient: &Tensor) -> f64 {
        if gradient.defined() { gradient.abs().max().double_value(&[]) } else { 0.0 }
    }

    /// In the first step the intermediate blocks weigh nothing, and the term for predictors reaches them alone.
    #[test]
    fn at_first_the_transformer_learns_as_in_moco_v3() {
        let mut method = Sdssl::new(&small(MOCO), &setup()).unwrap();
        let config = MocoV3Config {
            temperature: 0.2,
            momentum: Momentum::constant(0.9),
            projector_layers: 3,
            hidden_dim: 12,
            output_dim: 6,
            predictor_norm: true,
            freeze_patch_embed: true,
        };
        let mut moco = MocoV3::new(&config, &setup()).unwrap();
        let last = |name: &str| match name.split_once('.') {
            Some((head @ ("projector" | "predictor"), rest)) => format!("{head}.3.{rest}"),
            _ => name.to_owned(),
        };
        let state = values(method.state());
        for (name, tensor) in moco.state() {
            let theirs = match name.strip_prefix("momentum.") {
                Some(rest) => format!("target.{}", last(rest)),
                None => last(&name),
            };
            tch::no_grad(|| tensor.shallow_clone().copy_(&state[&theirs]));
        }
        let ours = gradients_at(&mut method, 0);
        for (name, gradient) in gradients_at(&mut moco, 0) {
            // A predictor learns twice: with the transformer, and alone.
            let times = if name.starts_with("predictor.") { 2.0 } else { 1.0 };
            assert!(apart(&(gradient * times), &ours[&last(&name)]) < 1e-5, "{name}");
        }
        assert_eq!(largest(&ours["projector.0.0.linear.weight"]), 0.0, "the first block's projector waits");
        assert!(largest(&ours["predictor.0.0.linear.weight"]) > 0.0, "its predictor does not");
    }

    #[test]
    fn every_block_learns_and_targets_have_no_gradient() {
        for objective in [MOCO, SdsslObjective::Byol, SdsslObjective::Simclr { temperature: 0.2 }] {
            let mut method = Sdssl::new(&small(objective), &setup()).unwrap();
            let names: Vec<String> = method.parameters().into_iter().map(|(name, _)| name).collect();
            assert!(names.iter().all(|name| !name.starts_with("target.") && !name.contains("patch_embed")));
            let gradients = gradients_at(&mut method, 50);
            for (name, gradient) in &gradients {
                assert!(gradient.defined() && largest(gradient).is_finite(), "{name}");
            }
            for block in 0..4 {
                let name = format!("projector.{block}.0.linear.weight");
                assert!(largest(&gradients[&name]) > 0.0, "{name}");
            }
            let targets = method.state().iter().filter(|(name, _)| name.starts_with("target.")).count();
            assert_eq!(targets == 0, matches!(objective, SdsslObjective::Simclr { .. }));
        }
        let resnet = crate::testing::setup();
        assert!(matches!(Sdssl::new(&small(MOCO), &resnet), Err(Error::Backbone { .. })));
        let zero = SdsslObjective::Simclr { temperature: 0.0 };
        assert!(matches!(Sdssl::new(&small(zero), &setup()), Err(Error::Parameter { .. })));
    }
}
