//! EsViT (Li et al. 2022): DINO, and every region of the student learns from the teacher's most similar region.

use crate::config::{fraction, positive};
use crate::dino::GLOBAL_VIEWS;
use crate::dino_head::DinoHeadConfig;
use crate::method::sorted;
use crate::self_distillation::{SelfDistillation, centre, entropies};
use crate::temperature::Temperature;
use crate::{Batch, Error, Loss, Method, Momentum, NamedTensor, Setup, Step, feature_std, stack_by_size};
use serde::{Deserialize, Serialize};
use tch::Tensor;
use visrep_losses::{dino, dino_center, dino_targets, esvit_regions, match_regions};
use visrep_models::Model;

/// EsViT's hyper-parameters: the keys of `[method]` in a recipe. Left out, they have the values of the Swin-T run
/// (microsoft/esvit, `main_esvit.py` and the README).
///
/// The last layers, frozen in the first epoch there, are the parameter groups `*head.last_layer.*` of a recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EsvitConfig {
    /// Small crops of every image beside the two large ones.
    pub local_views: u32,
    /// The student's temperature.
    pub student_temperature: f64,
    /// The teacher's temperature.
    pub teacher_temperature: Temperature,
    /// How much of both centres stays at each step.
    pub center_momentum: f64,
    /// How much of the teacher stays at each step.
    pub momentum: Momentum,
    /// The head on views, and the sizes of the one on regions.
    pub head: DinoHeadConfig,
}

impl Default for EsvitConfig {
    fn default() -> Self {
        Self {
            local_views: 8,
            student_temperature: 0.1,
            teacher_temperature: Temperature { start: 0.04, end: 0.07, warmup_epochs: 30 },
            center_momentum: 0.9,
            momentum: Momentum { start: 0.996, end: 1.0 },
            head: DinoHeadConfig { norm_last_layer: false, ..DinoHeadConfig::default() },
        }
    }
}

/// A student with two heads, its teacher, and the centres of the teacher's outputs. The exported model is the teacher.
///
/// Regions are the positions of the last map, or the patches of a vision transformer. Regions of two crops need not
/// overlap: they are matched by their features alone.
pub struct Esvit {
    networks: SelfDistillation,
    center: Tensor,
    region_center: Tensor,
    config: EsvitConfig,
}

/// Views of one size through a backbone.
struct Group {
    /// Pooled features (V * N, D), view after view.
    pooled: Tensor,
    /// Regions (V * N, R, D).
    regions: Tensor,
}

/// What a network makes of a view.
struct View {
    /// Region features of the backbone (N, R, D).
    regions: Tensor,
    /// Outputs of the region head (N, R, K); the teacher's already distributions.
    outputs: Tensor,
}

impl Esvit {
    /// Makes the networks. Errs when the model gives neither a map nor tokens.
    pub fn new(config: &EsvitConfig, setup: &Setup<'_>) -> Result<Self, Error> {
        positive("student_temperature", config.student_temperature)?;
        config.teacher_temperature.check("teacher_temperature.start", "teacher_temperature.end")?;
        fraction("center_momentum", config.center_momentum)?;
        let heads = [("head", &config.head), ("region_head", &config.head)];
        let networks = SelfDistillation::new(setup, &heads, config.momentum)?;
        let (center, region_center) = (centre(&config.head, setup)?, centre(&config.head, setup)?);
        Ok(Self { networks, center, region_center, config: config.clone() })
    }
}

/// One pass of `model` over each run of views of one size.
fn groups(model: &Model, views: &[Tensor]) -> Result<Vec<Group>, Error> {
    let prefix = model.backbone().prefix_tokens();
    let group = |images: &Tensor| -> Result<Group, Error> {
        let x = model.preprocessing().normalize(images, model.device())?;
        let features = model.backbone().forward_features(&x, true)?;
        let regions = match (&features.map, &features.tokens) {
            (Some(map), _) => map.f_flatten(2, -1)?.f_transpose(1, 2)?,
            (None, Some(tokens)) => tokens.f_narrow(1, prefix, tokens.size()[1] - prefix)?,
            (None, None) => {
                let (method, needs) = ("esvit", "a network with a feature map or tokens");
                return Err(Error::Backbone { method, model: model.name().to_owned(), needs });
            }
        };
        Ok(Group { pooled: features.pooled, regions })
    };
    stack_by_size(views)?.iter().map(group).collect()
}

/// The views of `groups`, in order, through `head`, which takes (M, D) to (M, K).
fn views_of(
    groups: &[Group],
    images: i64,
    head: impl Fn(&Tensor) -> Result<Tensor, Error>,
) -> Result<Vec<View>, Error> {
    let mut views = Vec::new();
    for Group { regions, .. } in groups {
        let (rows, count, _) = regions.size3()?;
        let outputs = head(&regions.f_flatten(0, 1)?)?.f_reshape([rows, count, -1])?;
        let chunks = rows / images.max(1);
        let split = regions.f_chunk(chunks, 0)?.into_iter().zip(outputs.f_chunk(chunks, 0)?);
        views.extend(split.map(|(regions, outputs)| View { regions, outputs }));
    }
    Ok(views)
}

fn pooled(groups: &[Group]) -> Result<Tensor, Error> {
    let parts: Vec<&Tensor> = groups.iter().map(|group| &group.pooled).collect();
    Ok(Tensor::f_cat(&parts, 0)?)
}

impl Method for Esvit {
    fn views(&self) -> usize {
        GLOBAL_VIEWS + self.local_views()
    }

    fn local_views(&self) -> usize {
        self.config.local_views as usize
    }

    fn loss(&mut self, batch: &Batch, step: &Step) -> Result<Loss, Error> {
        let views = batch.views("esvit", self.views())?;
        let images = views[0].size()[0];
        let SelfDistillation { student, teacher, .. } = &self.networks;
        let (head, region_head) = (self.networks.heads(0), self.networks.heads(1));
        let (momentum, temperature) = (self.config.center_momentum, self.config.teacher_temperature.at(step));

        let (targets, teacher_views, center, region_center) = tch::no_grad(|| -> Result<_, Error> {
            let groups = groups(teacher, &views[..GLOBAL_VIEWS])?;
            let outputs = head.teacher.forward(&pooled(&groups)?, true)?;
            let mut views = views_of(&groups, images, |x| region_head.teacher.forward(x, true))?;
            let all: Vec<&Tensor> = views.iter().map(|view| &view.outputs).collect();
            let region_center = dino_center(&self.region_center, &Tensor::f_cat(&all, 0)?, momentum)?;
            for view in &mut views {
                view.outputs = dino_targets(&view.outputs, &self.region_center, temperature)?;
            }
            let targets = dino_targets(&outputs, &self.center, temperature)?;
            Ok((targets, views, dino_center(&self.center, &outputs, momentum)?, region_center))
        })?;

        let groups = groups(student, views)?;
        let features = pooled(&groups)?;
        let logits = head.student.forward(&features, true)?.f_chunk(views.len() as i64, 0)?;
        let student_views = views_of(&groups, images, |x| region_head.student.forward(x, true))?;
        let student_temperature = self.config.student_temperature;
        let view_term = dino(&targets.f_chunk(GLOBAL_VIEWS as i64, 0)?, &logits, student_temperature)?;
        let mut terms = Vec::new();
        for (t, teacher) in teacher_views.iter().enumerate() {
            for (_, student) in student_views.iter().enumerate().filter(|(s, _)| *s != t) {
                let matches = match_regions(&student.regions, &teacher.regions)?;
                terms.push(esvit_regions(&teacher.outputs, &student.outputs, &matches, student_temperature)?);
            }
        }
        let region_term = Tensor::f_stack(&terms, 0)?.f_mean(None)?;
        let value = view_term.f_add(&region_term)?.f_mul_scalar(0.5)?;
        // For the next batch: this one was centred by those before it.
        self.center.f_copy_(&center)?;
        self.region_center.f_copy_(&region_center)?;
        let metrics = if step.log {
            let [each, mean] = entropies(&targets)?;
            vec![
                ("feature_std", feature_std(&features)?),
                ("view_loss", f64::try_from(&view_term.f_detach()?)?),
                ("region_loss", f64::try_from(&region_term.f_detach()?)?),
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
        state.push(("region_center".to_owned(), self.region_center.shallow_clone()));
        sorted(state)
    }

    fn model(&self) -> &Model {
        &self.networks.teacher
    }

    fn set_gradient_checkpointing(&self, on: bool) {
        self.networks.student.set_gradient_checkpointing(on);
    }
}
