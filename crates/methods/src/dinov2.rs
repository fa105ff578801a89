//! DINOv2's objective (Oquab et al. 2023): DINO and iBOT with heads of their own, Sinkhorn-Knopp centring, and KoLeo.

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
use visrep_losses::{dino, dino_center, dino_targets, ibot, koleo, sinkhorn};
use visrep_models::Model;

/// Iterations of Sinkhorn-Knopp.
const ITERATIONS: u32 = 3;

/// How the teacher's outputs become distributions that use all prototypes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Centering {
    /// A moving mean is subtracted: `centering`, the default of the authors' configuration.
    Centering,
    /// Three iterations of Sinkhorn-Knopp: `sinkhorn-knopp`, the ViT-g/14 run and the paper.
    SinkhornKnopp,
}

/// DINOv2's hyper-parameters: the keys of `[method]` in a recipe. Left out, they have the values of the ViT-L/16 run
/// (facebookresearch/dinov2, `configs/train/vitl16_short.yaml`), with Sinkhorn-Knopp and a head for patches as in the paper.
///
/// The last layers, frozen in the first epoch there, are the parameter groups `*head.last_layer.*` of a recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dinov2Config {
    /// Small crops of every image beside the two large ones.
    pub local_views: u32,
    /// The student's temperature.
    pub student_temperature: f64,
    /// The teacher's temperature.
    pub teacher_temperature: Temperature,
    /// How the teacher's outputs become distributions.
    pub centering: Centering,
    /// How much of both centres stays at each step, under `centering = "centering"`.
    pub center_momentum: f64,
    /// The weight of the term at masked patches; that of the class tokens is 1.
    pub patch_weight: f64,
    /// The weight of KoLeo, which is added for each large crop.
    pub koleo_weight: f64,
    /// What is masked of the student's large crops.
    pub mask: MaskConfig,
    /// How much of the teacher stays at each step.
    pub momentum: Momentum,
    /// The head on class tokens.
    pub head: DinoHeadConfig,
    /// The head on patches.
    pub patch_head: DinoHeadConfig,
}

impl Default for Dinov2Config {
    fn default() -> Self {
        let head = DinoHeadConfig { norm_last_layer: false, ..DinoHeadConfig::default() };
        Self {
            local_views: 8,
            student_temperature: 0.1,
            teacher_temperature: Temperature { start: 0.04, end: 0.07, warmup_epochs: 30 },
            centering: Centering::SinkhornKnopp,
            center_momentum: 0.9,
            patch_weight: 1.0,
            koleo_weight: 0.1,
            mask: MaskConfig::default(),
            momentum: Momentum { start: 0.992, end: 1.0 },
            head: head.clone(),
            patch_head: head,
        }
    }
}

/// A student with two heads, its teacher, the mask token, and the centres of the teacher's outputs. The exported model is the
/// teacher.
pub struct Dinov2 {
    networks: SelfDistillation,
    mask_token: nn::VarStore,
    token: Tensor,
    center: Tensor,
    patch_center: Tensor,
    config: Dinov2Config,
}

impl Dinov2 {
    /// Makes the networks. Errs when the model is no vision transformer with a class token.
    pub fn new(config: &Dinov2Config, setup: &Setup<'_>) -> Result<Self, Error> {
        positive("student_temperature", config.student_temperature)?;
        config.teacher_temperature.check("teacher_temperature.start", "teacher_temperature.end")?;
        fraction("center_momentum", config.center_momentum)?;
        not_negative("patch_weight", config.patch_weight)?;
        not_negative("koleo_weight", config.koleo_weight)?;
        config.mask.check()?;
        let heads = [("head", &config.head), ("patch_head", &config.patch_head)];
        let networks = SelfDistillation::new(setup, &heads, config.momentum)?;
        transformer(&networks.student, "dinov2")?;
        let mask_token = nn::VarStore::new(setup.device);
        let token = mask_token.root().f_var("token", &[networks.student.embed_dim()], Init::Const(0.0))?;
        let (center, patch_center) = (centre(&config.head, setup)?, centre(&config.patch_head, setup)?);
        Ok(Self { networks, mask_token, token, center, patch_center, config: config.clone() })
    }

    /// The distributions of the teacher's `outputs` (N, K), and the centre after them.
    fn targets(&self, outputs: &Tensor, center: &Tensor, step: &Step) -> Result<(Tensor, Tensor), Error> {
        // No patch may be masked.
        if outputs.numel() == 0 {
            return Ok((outputs.shallow_clone(), center.shallow_clone()));
        }
        let temperature = self.config.teacher_temperature.at(step);
        Ok(match self.config.centering {
            Centering::SinkhornKnopp => (sinkhorn(outputs, temperature, ITERATIONS)?, center.shallow_clone()),
            Centering::Centering => (
                dino_targets(outputs, center, temperature)?,
                dino_center(center, outputs, self.config.center_momentum)?,
            ),
        })
    }
}

impl Method for Dinov2 {
    fn views(&self) -> usize {
        GLOBAL_VIEWS + self.local_views()
    }

    fn local_views(&self) -> usize {
        self.config.local_views as usize
    }

    fn loss(&mut self, batch: &Batch, step: &Step) -> Result<Loss, Error> {
        let views = batch.views("dinov2", self.views())?;
        let SelfDistillation { student, teacher, .. } = &self.networks;
        let (head, patch_head) = (self.networks.heads(0), self.networks.heads(1));
        let (globals, locals) = views.split_at(GLOBAL_VIEWS);
        let globals = Tensor::f_cat(globals, 0)?;
        let images = globals.size()[0] as usize;
        let masked = self.config.mask.stratified(
            images,
            grid(student, "dinov2", &globals)?,
            &mut Random::from_torch()?,
        )?;
        let masked = masked.f_to_device(student.device())?;
        let positions = positions(&masked)?;

        let ((targets, center), (patch_targets, patch_center)) = tch::no_grad(|| -> Result<_, Error> {
            let (class, patches) = class_and_patches(teacher, "dinov2", &globals, None)?;
            let class = head.teacher.forward(&class, true)?;
            let patches = patch_head.teacher.forward(&rows_at(&patches, &positions)?, true)?;
            Ok((self.targets(&class, &self.center, step)?, self.targets(&patches, &self.patch_center, step)?))
        })?;

        let (class, patches) = class_and_patches(student, "dinov2", &globals, Some((&masked, &self.token)))?;
        let features = match locals {
            [] => class.shallow_clone(),
            _ => Tensor::f_cat(&[&class, &pooled_views(student, locals)?], 0)?,
        };
        let temperature = self.config.student_temperature;
        let logits = head.student.forward(&features, true)?.f_chunk(views.len() as i64, 0)?;
        let class_term = dino(&targets.f_chunk(GLOBAL_VIEWS as i64, 0)?, &logits, temperature)?;
        let patch_logits = patch_head.student.forward(&rows_at(&patches, &positions)?, true)?;
        let patch_term = ibot(&patch_targets, &patch_logits, &masked, temperature)?;
        let mut value = class_term.f_add(&patch_term.f_mul_scalar(self.config.patch_weight)?)?;
        // With one image there is no neighbour to keep away from.
        if self.config.koleo_weight > 0.0 && images > GLOBAL_VIEWS {
            for crop in class.f_chunk(GLOBAL_VIEWS as i64, 0)? {
                value = value.f_add(&koleo(&crop)?.f_mul_scalar(self.config.koleo_weight)?)?;
            }
        }
        // For the next batch: this one was centred by those before it.
        self.center.f_copy_(&center)?;
        self.patch_center.f_copy_(&patch_center)?;
        let metrics = if step.log {
            let [each, mean] = entropies(&targets)?;
            vec![
                ("feature_std", feature_std(&features)?),
                ("class_loss", f64::try_from(&class_term.f_detach()?)?),
                ("patch_loss", f64::try_from(&patch_term.f_detach()?)?),
                ("target_entropy", each),
                ("mean_target_entropy", mean),
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
