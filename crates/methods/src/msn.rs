//! MSN (Assran et al. 2022): masked and small views are assigned to the prototypes of the whole view.

use crate::config::positive;
use crate::method::{named_variables, sorted};
use crate::self_distillation::{backbones, grid, transformer};
use crate::{
    Batch, Error, HeadActivation, HeadInit, HeadLayout, HiddenNorm, LastNorm, Loss, Method, Momentum,
    NamedTensor, ProjectionHead, Setup, Step, Teacher, feature_std, pooled, pooled_views,
};
use serde::{Deserialize, Serialize};
use tch::nn;
use tch::{Device, Kind, Tensor};
use visrep_losses::{MsnOptions, msn};
use visrep_models::Model;
use visrep_torch::Generator;

/// The large views: the teacher's, and the one that is masked for the student.
const GLOBAL_VIEWS: usize = 2;

/// MSN's hyper-parameters: the keys of `[method]` in a recipe. Left out, they have the values of the ViT-S/16 run
/// (facebookresearch/msn, `configs/pretrain/msn_vits16.yaml`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MsnConfig {
    /// Small ("focal") views of every image, which are not masked.
    pub local_views: u32,
    /// The share of the patches that the student does not see of its large view, below 1.
    pub patch_drop: f64,
    /// Prototypes.
    pub prototypes: u32,
    /// Of the softmax over prototypes.
    pub temperature: f64,
    /// The targets are raised to 1 / this; within 0 and 1.
    pub sharpen: f64,
    /// Sinkhorn iterations on the targets; 0 for none.
    pub sinkhorn_iterations: u32,
    /// The weight of the mean-entropy maximisation.
    pub me_max: f64,
    /// How much of the teacher stays at each step.
    pub momentum: Momentum,
    /// Width of the head's two hidden layers.
    pub hidden_dim: u32,
    /// Length of the embeddings and prototypes.
    pub output_dim: u32,
}

impl Default for MsnConfig {
    fn default() -> Self {
        Self {
            local_views: 10,
            patch_drop: 0.15,
            prototypes: 1024,
            temperature: 0.1,
            sharpen: 0.25,
            sinkhorn_iterations: 3,
            me_max: 1.0,
            momentum: Momentum { start: 0.996, end: 1.0 },
            hidden_dim: 2048,
            output_dim: 256,
        }
    }
}

/// A student with its head and prototypes, and its teacher. The exported model is the teacher.
pub struct Msn {
    student: Model,
    teacher: Model,
    head: ProjectionHead,
    teacher_head: ProjectionHead,
    prototype_vars: nn::VarStore,
    prototypes: Tensor,
    tie: Teacher,
    config: MsnConfig,
}

impl Msn {
    /// Makes the networks. Errs when the model is no vision transformer with a class token.
    pub fn new(config: &MsnConfig, setup: &Setup<'_>) -> Result<Self, Error> {
        if !(0.0..1.0).contains(&config.patch_drop) {
            let (parameter, expected) = ("patch_drop", "within 0 and 1, below 1");
            return Err(Error::Parameter { parameter, expected, found: config.patch_drop });
        }
        for (parameter, count) in [("prototypes", config.prototypes), ("output_dim", config.output_dim)] {
            positive(parameter, f64::from(count))?;
        }
        let (student, teacher) = backbones(setup)?;
        transformer(&student, "msn")?;
        // Biases throughout, batch normalisation and GELU after the first two layers.
        let layout = HeadLayout {
            hidden_bias: true,
            hidden_norm: HiddenNorm::Batch,
            activation: HeadActivation::Gelu,
            last_bias: true,
            last_norm: LastNorm::None,
            init: HeadInit::Normal(0.02),
        };
        let [hidden, output, count] =
            [config.hidden_dim, config.output_dim, config.prototypes].map(i64::from);
        let dims = [student.embed_dim(), hidden, hidden, output];
        let seed = (setup.seed as i64).wrapping_add(1);
        let make = || ProjectionHead::new(&dims, &layout, setup.device, seed);
        let (head, teacher_head) = (make()?, make()?);
        let networks =
            [(student.var_store(), teacher.var_store()), (head.var_store(), teacher_head.var_store())];
        let tie = Teacher::new(&networks, config.momentum)?;

        let bound = 1.0 / (output as f64).sqrt();
        let values = Tensor::f_empty([count, output], (Kind::Float, Device::Cpu))?;
        Generator::new(seed.wrapping_add(1)).uniform_(&values, -bound, bound)?;
        let prototype_vars = nn::VarStore::new(setup.device);
        let prototypes = prototype_vars.root().f_var_copy("weight", &values)?;
        let config = config.clone();
        Ok(Self { student, teacher, head, teacher_head, prototype_vars, prototypes, tie, config })
    }

    /// The patches (N, kept) int64 that the student sees: the same random ones of every image, as in the authors' code.
    fn kept(&self, images: &Tensor) -> Result<Tensor, Error> {
        let (rows, columns) = grid(&self.student, "msn", images)?;
        let patches = rows * columns;
        let kept = ((patches as f64 * (1.0 - self.config.patch_drop)) as i64).max(1);
        // Drawn on the CPU, so that a seed means the same on every device.
        let order = Tensor::f_randperm(patches, (Kind::Int64, Device::Cpu))?.f_narrow(0, 0, kept)?;
        let order = order.f_sort(0, false)?.0.f_unsqueeze(0)?;
        Ok(order.f_expand([images.size()[0], kept], false)?.f_to_device(self.student.device())?)
    }
}

impl Method for Msn {
    fn views(&self) -> usize {
        GLOBAL_VIEWS + self.local_views()
    }

    fn local_views(&self) -> usize {
        self.config.local_views as usize
    }

    fn loss(&mut self, batch: &Batch, step: &Step) -> Result<Loss, Error> {
        let views = batch.views("msn", self.views())?;
        let (whole, masked, focal) = (&views[0], &views[1], &views[GLOBAL_VIEWS..]);
        let targets = tch::no_grad(|| -> Result<_, Error> {
            self.teacher_head.forward(&pooled(&self.teacher, whole)?, true)
        })?;
        let keep = self.kept(masked)?;
        let x = self.student.preprocessing().normalize(masked, self.student.device())?;
        let tokens = transformer(&self.student, "msn")?.forward_tokens(&x, Some(&keep), true)?;
        let class = tokens.f_select(1, 0)?;
        let features = match focal {
            [] => class,
            _ => Tensor::f_cat(&[class, pooled_views(&self.student, focal)?], 0)?,
        };
        let anchors = self.head.forward(&features, true)?;
        let MsnConfig { temperature, sharpen, sinkhorn_iterations, me_max, .. } = self.config;
        let options = MsnOptions { temperature, sharpen, sinkhorn_iterations, me_max };
        let value = msn(&anchors, &targets, &self.prototypes, &options)?;
        let metrics = if step.log {
            vec![("feature_std", feature_std(&features)?), ("projection_std", feature_std(&anchors)?)]
        } else {
            Vec::new()
        };
        Ok(Loss { value, metrics })
    }

    fn after_step(&mut self, step: &Step) -> Result<(), Error> {
        self.tie.update(step)
    }

    fn state(&self) -> Vec<NamedTensor> {
        let mut state = named_variables("model", self.student.var_store());
        state.extend(named_variables("teacher", self.teacher.var_store()));
        state.extend(named_variables("head", self.head.var_store()));
        state.extend(named_variables("teacher_head", self.teacher_head.var_store()));
        state.extend(named_variables("prototypes", &self.prototype_vars));
        sorted(state)
    }

    fn model(&self) -> &Model {
        &self.teacher
    }

    fn set_gradient_checkpointing(&self, on: bool) {
        self.student.set_gradient_checkpointing(on);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_image_of_a_batch_shows_the_same_patches() {
        let config = MsnConfig { prototypes: 4, hidden_dim: 8, output_dim: 4, ..MsnConfig::default() };
        let setup = Setup { model: "vit_w96_patch4_16", classes: 0, device: Device::Cpu, seed: 0 };
        let kept = |patch_drop: f64| {
            let method = Msn::new(&MsnConfig { patch_drop, ..config.clone() }, &setup).unwrap();
            method.kept(&Tensor::zeros([3, 32, 32, 3], (Kind::Uint8, Device::Cpu))).unwrap()
        };
        let some = kept(0.15);
        assert_eq!(some.size(), [3, 54], "85 % of 64, rounded down");
        assert_eq!(some.get(0), some.get(1));
        let row = Vec::<i64>::try_from(some.get(2)).unwrap();
        assert!(row.windows(2).all(|pair| pair[0] < pair[1]) && row[53] < 64, "distinct, in order");
        // Of several steps: tests beside this one set the seed of the generator that all share.
        assert!((0..8).any(|_| kept(0.15) != some), "other steps draw others");
        assert_eq!(kept(0.0).size(), [3, 64]);
        assert_eq!(kept(0.999).size(), [3, 1]);
    }
}
