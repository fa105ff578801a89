//! iBOT (Zhou et al. 2022): DINO, and at masked patches the student predicts what the teacher sees there.

use crate::config::{fraction, not_negative, positive};
use crate::dino::GLOBAL_VIEWS;
use crate::dino_head::DinoHeadConfig;
use crate::masking::{MaskConfig, Random, positions};
use crate::method::{named_variables, sorted};
use crate::self_distillation::{
    SelfDistillation, centre, class_and_patches, entropies, grid, rows_at, transformer,
};
use crate::temperature::Temperature;
use crate::{Batch, Error, Loss, Method, Momentum, NamedTensor, Setup, Step, feature_std, pooled_views};
use serde::{Deserialize, Serialize};
use tch::Tensor;
use tch::nn::{self, Init};
use visrep_losses::{dino, dino_center, dino_targets, ibot};
use visrep_models::Model;

/// iBOT's hyper-parameters: the keys of `[method]` in a recipe. Left out, they have the values of the ViT-S run
/// (bytedance/ibot, `main_ibot.py` and the README).
///
/// The last layer, frozen in the first epoch there, is the parameter group `head.last_layer.*` of a recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IbotConfig {
    /// Small crops of every image beside the two large ones.
    pub local_views: u32,
    /// The student's temperature.
    pub student_temperature: f64,
    /// The teacher's temperature for class tokens.
    pub teacher_temperature: Temperature,
    /// The teacher's temperature for patches.
    pub teacher_patch_temperature: Temperature,
    /// How much of both centres stays at each step.
    pub center_momentum: f64,
    /// The weight of the term at masked patches; that of the class tokens is 1.
    pub patch_weight: f64,
    /// What is masked of the student's large crops.
    pub mask: MaskConfig,
    /// How much of the teacher stays at each step.
    pub momentum: Momentum,
    /// The head, shared by class tokens and patches.
    pub head: DinoHeadConfig,
}

impl Default for IbotConfig {
    fn default() -> Self {
        let warm = Temperature { start: 0.04, end: 0.07, warmup_epochs: 30 };
        Self {
            local_views: 10,
            student_temperature: 0.1,
            teacher_temperature: warm,
            teacher_patch_temperature: warm,
            center_momentum: 0.9,
            patch_weight: 1.0,
            mask: MaskConfig::default(),
            momentum: Momentum { start: 0.996, end: 1.0 },
            head: DinoHeadConfig { output_dim: 8192, norm_last_layer: false, ..DinoHeadConfig::default() },
        }
    }
}

/// A student, its teacher, the mask token, and the centres of the teacher's outputs. The exported model is the teacher.
pub struct Ibot {
    networks: SelfDistillation,
    mask_token: nn::VarStore,
    token: Tensor,
    center: Tensor,
    patch_center: Tensor,
    config: IbotConfig,
}

impl Ibot {
    /// Makes the networks. Errs when the model is no vision transformer with a class token.
    pub fn new(config: &IbotConfig, setup: &Setup<'_>) -> Result<Self, Error> {
        positive("student_temperature", config.student_temperature)?;
        config.teacher_temperature.check("teacher_temperature.start", "teacher_temperature.end")?;
        config
            .teacher_patch_temperature
            .check("teacher_patch_temperature.start", "teacher_patch_temperature.end")?;
        fraction("center_momentum", config.center_momentum)?;
        not_negative("patch_weight", config.patch_weight)?;
        config.mask.check()?;
        let networks = SelfDistillation::new(setup, &[("head", &config.head)], config.momentum)?;
        transformer(&networks.student, "ibot")?;
        let mask_token = nn::VarStore::new(setup.device);
        let token = mask_token.root().f_var("token", &[networks.student.embed_dim()], Init::Const(0.0))?;
        let (center, patch_center) = (centre(&config.head, setup)?, centre(&config.head, setup)?);
        Ok(Self { networks, mask_token, token, center, patch_center, config: config.clone() })
    }
}

impl Method for Ibot {
    fn views(&self) -> usize {
        GLOBAL_VIEWS + self.local_views()
    }

    fn local_views(&self) -> usize {
        self.config.local_views as usize
    }

    fn loss(&mut self, batch: &Batch, step: &Step) -> Result<Loss, Error> {
        let views = batch.views("ibot", self.views())?;
        let SelfDistillation { student, teacher, .. } = &self.networks;
        let heads = self.networks.heads(0);
        let (globals, locals) = views.split_at(GLOBAL_VIEWS);
        let globals = Tensor::f_cat(globals, 0)?;
        let images = globals.size()[0] as usize;
        let masked = self.config.mask.independent(
            images,
            grid(student, "ibot", &globals)?,
            &mut Random::from_torch()?,
        )?;
        let masked = masked.f_to_device(student.device())?;
        let positions = positions(&masked)?;

        let Self { config, center, patch_center, .. } = self;
        let momentum = config.center_momentum;
        let (targets, patch_targets, next, next_patch) = tch::no_grad(|| -> Result<_, Error> {
            let (class, patches) = class_and_patches(teacher, "ibot", &globals, None)?;
            let class = heads.teacher.forward(&class, true)?;
            let patches = heads.teacher.forward(&patches.f_flatten(0, 1)?, true)?;
            let hidden = patches.f_index_select(0, &positions)?;
            let at_masked = match hidden.numel() {
                0 => hidden,
                _ => dino_targets(&hidden, patch_center, config.teacher_patch_temperature.at(step))?,
            };
            Ok((
                dino_targets(&class, center, config.teacher_temperature.at(step))?,
                at_masked,
                dino_center(center, &class, momentum)?,
                dino_center(patch_center, &patches, momentum)?,
            ))
        })?;

        let (class, patches) = class_and_patches(student, "ibot", &globals, Some((&masked, &self.token)))?;
        let features = match locals {
            [] => class,
            _ => Tensor::f_cat(&[class, pooled_views(student, locals)?], 0)?,
        };
        // One pass of the shared head over class tokens and masked patches.
        let rows = Tensor::f_cat(&[&features, &rows_at(&patches, &positions)?], 0)?;
        let logits = heads.student.forward(&rows, true)?;
        let split = features.size()[0];
        let class_logits = logits.f_narrow(0, 0, split)?.f_chunk(views.len() as i64, 0)?;
        let patch_logits = logits.f_narrow(0, split, logits.size()[0] - split)?;
        let temperature = config.student_temperature;
        let class_term = dino(&targets.f_chunk(GLOBAL_VIEWS as i64, 0)?, &class_logits, temperature)?;
        let patch_term = ibot(&patch_targets, &patch_logits, &masked, temperature)?;
        let value = class_term.f_add(&patch_term.f_mul_scalar(config.patch_weight)?)?;
        // For the next batch: this one was centred by those before it.
        center.f_copy_(&next)?;
        patch_center.f_copy_(&next_patch)?;
        let metrics = if step.log {
            let [each, mean] = entropies(&targets)?;
            vec![
                ("feature_std", feature_std(&features)?),
                ("class_loss", f64::try_from(&class_term.f_detach()?)?),
                ("patch_loss", f64::try_from(&patch_term.f_detach()?)?),
                ("target_entropy", each),
                ("mean_target_entropy", mean),
                ("center_norm", f64::try_from(&center.f_norm()?)?),
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
        state.extend(named_variables("mask", &self.mask_token));
        state.push(("center".to_owned(), self.center.shallow_clone()));
        state.push(("patch_center".to_owned(), self.patch_center.shallow_clone()));
        sorted(state)
    }

    fn model(&self) -> &Model {
        &self.networks.teacher
    }

    fn set_gradient_checkpointing(&self, on: bool) {
        self.networks.student.set_gradient_checkpointing(on);
    }
}
