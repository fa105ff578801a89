//! DINO (Caron et al. 2021): a student learns from small crops what its momentum teacher makes of large ones.

use crate::config::{fraction, positive};
use crate::dino_head::DinoHeadConfig;
use crate::method::sorted;
use crate::self_distillation::{SelfDistillation, centre, entropies};
use crate::temperature::Temperature;
use crate::{Batch, Error, Loss, Method, Momentum, NamedTensor, Setup, Step, feature_std, pooled_views};
use serde::{Deserialize, Serialize};
use tch::Tensor;
use visrep_losses::{dino, dino_center, dino_targets};
use visrep_models::Model;

/// The large crops, which the teacher sees.
pub(crate) const GLOBAL_VIEWS: usize = 2;

/// DINO's hyper-parameters: the keys of `[method]` in a recipe. Left out, they have the values of the 100-epoch ViT run
/// (facebookresearch/dino, `main_dino.py`).
///
/// The last layer, frozen in the first epoch there, is the parameter group `head.last_layer.*` of a recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DinoConfig {
    /// Small crops of every image beside the two large ones.
    pub local_views: u32,
    /// The student's temperature.
    pub student_temperature: f64,
    /// The teacher's temperature: 0.04 throughout, or 0.04 to 0.07 over 30 epochs in the longer runs.
    pub teacher_temperature: Temperature,
    /// How much of the centre stays at each step.
    pub center_momentum: f64,
    /// How much of the teacher stays at each step: 0.996 to 1; the authors advise 0.9995 for batches of 256.
    pub momentum: Momentum,
    /// The head.
    pub head: DinoHeadConfig,
}

impl Default for DinoConfig {
    fn default() -> Self {
        Self {
            local_views: 8,
            student_temperature: 0.1,
            teacher_temperature: Temperature::constant(0.04),
            center_momentum: 0.9,
            momentum: Momentum { start: 0.996, end: 1.0 },
            head: DinoHeadConfig::default(),
        }
    }
}

/// A student, its teacher, and the centre of the teacher's outputs. The exported model is the teacher.
pub struct Dino {
    networks: SelfDistillation,
    center: Tensor,
    config: DinoConfig,
}

impl Dino {
    /// Makes the networks.
    pub fn new(config: &DinoConfig, setup: &Setup<'_>) -> Result<Self, Error> {
        positive("student_temperature", config.student_temperature)?;
        config.teacher_temperature.check("teacher_temperature.start", "teacher_temperature.end")?;
        fraction("center_momentum", config.center_momentum)?;
        let networks = SelfDistillation::new(setup, &[("head", &config.head)], config.momentum)?;
        Ok(Self { networks, center: centre(&config.head, setup)?, config: config.clone() })
    }
}

impl Method for Dino {
    fn views(&self) -> usize {
        GLOBAL_VIEWS + self.local_views()
    }

    fn local_views(&self) -> usize {
        self.config.local_views as usize
    }

    fn loss(&mut self, batch: &Batch, step: &Step) -> Result<Loss, Error> {
        let views = batch.views("dino", self.views())?;
        let heads = self.networks.heads(0);
        let (targets, center) = tch::no_grad(|| -> Result<_, Error> {
            let features = pooled_views(&self.networks.teacher, &views[..GLOBAL_VIEWS])?;
            let outputs = heads.teacher.forward(&features, true)?;
            let temperature = self.config.teacher_temperature.at(step);
            let targets = dino_targets(&outputs, &self.center, temperature)?;
            Ok((targets, dino_center(&self.center, &outputs, self.config.center_momentum)?))
        })?;
        let features = pooled_views(&self.networks.student, views)?;
        let logits = heads.student.forward(&features, true)?;
        let each = |tensor: &Tensor, views: usize| tensor.f_chunk(views as i64, 0);
        let value = dino(
            &each(&targets, GLOBAL_VIEWS)?,
            &each(&logits, views.len())?,
            self.config.student_temperature,
        )?;
        // For the next batch: this one was centred by those before it.
        self.center.f_copy_(&center)?;
        let metrics = if step.log {
            let [each, mean] = entropies(&targets)?;
            vec![
                ("feature_std", feature_std(&features)?),
                ("target_entropy", each),
                ("mean_target_entropy", mean),
                ("center_norm", f64::try_from(&self.center.f_norm()?)?),
            ]
        } else {
            Vec::new()
        };
        Ok(Loss { value, metrics })
    }

    fn after_step(&mut self, step: &Step) -> Result<(), Error> {
        self.networks.update(step)
    }

    fn state(&self) -> Vec<NamedTensor> {
        let mut state = self.networks.state();
        state.push(("center".to_owned(), self.center.shallow_clone()));
        sorted(state)
    }

    fn model(&self) -> &Model {
        &self.networks.teacher
    }

    fn set_gradient_checkpointing(&self, on: bool) {
        self.networks.student.set_gradient_checkpointing(on);
    }
}
