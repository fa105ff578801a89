//! ExtreMA (Wu et al. 2022, arXiv:2206.04667): BYOL whose student sees a tenth to a quarter of the patches, several times over, and
//! whose teacher sees all.

use crate::config::positive;
use crate::encoder::backbone;
use crate::method::{named_variables, sorted};
use crate::self_distillation::patches;
use crate::{
    Batch, Encoded, Error, HeadActivation, HeadInit, HeadLayout, HiddenNorm, LastNorm, Loss, Method,
    Momentum, NamedTensor, ProjectionHead, Setup, Step, Teacher,
};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};
use visrep_losses::byol;
use visrep_models::Model;

/// ExtreMA's hyper-parameters: the keys of `[method]` in a recipe. Left out, they have the values of the authors' run with a
/// ViT-B (microsoft/ExtreMA, `lib/builder.py`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExtremaConfig {
    /// How many parts of every image the student sees, each by itself.
    pub masks: u32,
    /// The share of the patches that is hidden in each, below 1: 0.8, or 0.9 with 8 masks. No patch is seen twice.
    pub mask_ratio: f64,
    /// Whether the teacher sees a second view of the image, and not the student's.
    pub second_view: bool,
    /// How much of the teacher stays at each step.
    pub momentum: Momentum,
    /// Width of the hidden layers of projector and predictor.
    pub hidden_dim: u32,
    /// Length of the projections and predictions.
    pub output_dim: u32,
}

impl Default for ExtremaConfig {
    fn default() -> Self {
        Self {
            masks: 5,
            mask_ratio: 0.8,
            second_view: true,
            momentum: Momentum { start: 0.996, end: 1.0 },
            hidden_dim: 4096,
            output_dim: 256,
        }
    }
}

/// A student (transformer, projector, predictor) and a teacher (transformer, projector) that is its moving average and moves
/// before it looks. The loss is the mean over the student's parts of an image, of one direction only. No batch statistics
/// anywhere. The student's transformer is exported.
///
/// It runs on every transformer over patches; the authors' takes its class token in after the last block, from two blocks of
/// class attention (`extrema_vit_base_patch16`).
pub struct Extrema {
    student: Model,
    projector: ProjectionHead,
    predictor: ProjectionHead,
    teacher: Model,
    teacher_projector: ProjectionHead,
    tie: Teacher,
    config: ExtremaConfig,
}

impl Extrema {
    /// Makes the networks, the teacher's equal to the student's. Errs when the model is no transformer over patches.
    pub fn new(config: &ExtremaConfig, setup: &Setup<'_>) -> Result<Self, Error> {
        positive("masks", f64::from(config.masks))?;
        if !(0.0..1.0).contains(&config.mask_ratio) {
            let (parameter, expected) = ("mask_ratio", "within 0 and 1, below 1");
            return Err(Error::Parameter { parameter, expected, found: config.mask_ratio });
        }
        let (student, teacher) = (backbone(setup)?, backbone(setup)?);
        patches(&student, "extrema")?;
        let layout = HeadLayout {
            hidden_bias: true,
            hidden_norm: HiddenNorm::Layer,
            activation: HeadActivation::Gelu,
            last_bias: true,
            last_norm: LastNorm::None,
            init: HeadInit::Xavier,
        };
        let [hidden, output] = [config.hidden_dim, config.output_dim].map(i64::from);
        let head = |dims: &[i64], nth: i64| {
            ProjectionHead::new(dims, &layout, setup.device, (setup.seed as i64).wrapping_add(nth))
        };
        let projected = [student.embed_dim(), hidden, hidden, output];
        let (projector, teacher_projector) = (head(&projected, 1)?, head(&projected, 1)?);
        let predictor = head(&[output, hidden, output], 2)?;
        let networks = [
            (student.var_store(), teacher.var_store()),
            (projector.var_store(), teacher_projector.var_store()),
        ];
        let tie = Teacher::new(&networks, config.momentum)?;
        let config = config.clone();
        Ok(Self { student, projector, predictor, teacher, teacher_projector, tie, config })
    }

    /// Indices (masks · N, visible) int64 of what the student sees of `images` with `count` patches each: part after part of one
    /// random order of each image's patches.
    fn parts(&self, images: i64, count: i64) -> Result<Tensor, Error> {
        let (masks, shown) = (i64::from(self.config.masks), 1.0 - self.config.mask_ratio);
        // Without the rounding of a share such as 1 - 0.9, which times 10 patches is to be one.
        let visible = ((count as f64 * shown + 1e-9) as i64).max(1);
        if masks * visible > count {
            let (parameter, expected) = ("masks", "small enough that each patch is seen at most once");
            return Err(Error::Parameter { parameter, expected, found: masks as f64 });
        }
        // Drawn on the CPU, so that a seed means the same on every device.
        let order = Tensor::f_rand([images, count], (Kind::Float, Device::Cpu))?.f_argsort(1, false)?;
        let parts: Vec<Tensor> =
            (0..masks).map(|mask| order.f_narrow(1, mask * visible, visible)).collect::<Result<_, _>>()?;
        Ok(Tensor::f_cat(&parts, 0)?.f_to_device(self.student.device())?)
    }

    /// The loss of the student, who sees `parts` of images, and the teacher, who sees the `whole` ones; and what the student
    /// makes of them.
    fn compare(&self, seen: &Tensor, parts: &Tensor, whole: &Tensor) -> Result<(Tensor, Encoded), Error> {
        let target = tch::no_grad(|| -> Result<_, Error> {
            self.teacher_projector.forward(&crate::pooled(&self.teacher, whole)?, true)
        })?;
        let (masks, transformer) = (i64::from(self.config.masks), patches(&self.student, "extrema")?);
        let x = self.student.preprocessing().normalize(seen, self.student.device())?;
        let tokens = transformer.forward_tokens(&x.f_repeat([masks, 1, 1, 1])?, Some(parts), true)?;
        let features = transformer.pool(&tokens)?;
        let projections = self.projector.forward(&features, true)?;
        let predictions = self.predictor.forward(&projections, true)?;
        let value = byol(&predictions, &target.f_repeat([masks, 1])?)?;
        Ok((value, Encoded { features, projections }))
    }
}

impl Method for Extrema {
    fn views(&self) -> usize {
        if self.config.second_view { 2 } else { 1 }
    }

    fn loss(&mut self, batch: &Batch, step: &Step) -> Result<Loss, Error> {
        let views = batch.views("extrema", self.views())?;
        let (seen, whole) = (&views[0], &views[views.len() - 1]);
        self.tie.update(step)?;
        let (n, rows, columns, _) = seen.size4()?;
        let grid = patches(&self.student, "extrema")?.grid((rows, columns))?;
        let parts = self.parts(n, grid.0 * grid.1)?;
        let (value, encoded) = self.compare(seen, &parts, whole)?;
        Ok(Loss { value, metrics: encoded.watch(step)? })
    }

    fn state(&self) -> Vec<NamedTensor> {
        let mut state = named_variables("model", self.student.var_store());
        state.extend(named_variables("projector", self.projector.var_store()));
        state.extend(named_variables("predictor", self.predictor.var_store()));
        state.extend(named_variables("teacher", self.teacher.var_store()));
        state.extend(named_variables("teacher_projector", self.teacher_projector.var_store()));
        sorted(state)
    }

    fn model(&self) -> &Model {
        &self.student
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{apart, batch, descend, gradients, step, values};

    fn small(masks: u32, mask_ratio: f64) -> Result<Extrema, Error> {
        let setup = Setup { model: "extrema_vit_w96_patch4_16", ..crate::testing::setup() };
        let momentum = Momentum::constant(0.9);
        let config =
            ExtremaConfig { masks, mask_ratio, second_view: true, momentum, hidden_dim: 12, output_dim: 6 };
        Extrema::new(&config, &setup)
    }

    #[test]
    fn the_parts_of_an_image_share_no_patch() {
        let rows = |method: &Extrema, images, count| -> Vec<Vec<i64>> {
            let parts = method.parts(images, count).unwrap();
            (0..parts.size()[0]).map(|row| Vec::try_from(parts.get(row)).unwrap()).collect()
        };
        for (masks, ratio, visible) in [(5, 0.8, 39), (8, 0.9, 19), (1, 0.0, 196)] {
            let parts = rows(&small(masks, ratio).unwrap(), 2, 196);
            assert_eq!(parts.len(), 2 * masks as usize);
            assert!(parts.iter().all(|part| part.len() == visible));
            for image in 0..2 {
                let mut all: Vec<i64> = parts.iter().skip(image).step_by(2).flatten().copied().collect();
                all.sort_unstable();
                all.dedup();
                assert_eq!(all.len(), masks as usize * visible, "disjoint");
                assert!(all.iter().all(|&patch| (0..196).contains(&patch)));
            }
            assert!(masks == 1 || parts[0] != parts[1], "images have orders of their own");
        }
        assert_eq!(rows(&small(10, 0.9).unwrap(), 1, 10).concat().len(), 10);
        let error = small(6, 0.8).unwrap().parts(2, 4).unwrap_err();
        assert!(matches!(error, Error::Parameter { parameter: "masks", .. }), "{error}");
        assert!(matches!(small(0, 0.8), Err(Error::Parameter { .. })));
        assert!(matches!(small(5, 1.0), Err(Error::Parameter { .. })));
    }

    #[test]
    fn the_loss_is_the_mean_over_the_parts_of_one_direction() {
        let method = small(4, 0.75).unwrap();
        let images = batch(3, &[16, 16]);
        let [seen, whole] = images.pair("extrema").unwrap();
        let parts = method.parts(3, 16).unwrap();
        let loss = method.compare(seen, &parts, whole).unwrap().0;
        let ours = gradients(&method, &loss);
        // The same part by part, with targets that are plain numbers.
        let target = tch::no_grad(|| {
            let features = crate::pooled(&method.teacher, whole).unwrap();
            method.teacher_projector.forward(&features, true).unwrap().copy()
        });
        let transformer = patches(&method.student, "extrema").unwrap();
        let x = method.student.preprocessing().normalize(seen, Device::Cpu).unwrap();
        let terms: Vec<Tensor> = (0..4)
            .map(|part| {
                let tokens =
                    transformer.forward_tokens(&x, Some(&parts.narrow(0, part * 3, 3)), true).unwrap();
                let projections =
                    method.projector.forward(&transformer.pool(&tokens).unwrap(), true).unwrap();
                byol(&method.predictor.forward(&projections, true).unwrap(), &target).unwrap()
            })
            .collect();
        let mean = Tensor::stack(&terms, 0).mean(Kind::Float);
        assert!(apart(&loss, &mean) < 1e-6);
        for (name, gradient) in gradients(&method, &mean) {
            // The class token starts near 0 and is normalised: its gradient is large.
            let size = gradient.abs().max().double_value(&[]).max(1.0);
            assert!(apart(&ours[&name], &gradient) < 1e-5 * size, "{name}");
        }
        assert!(ours.keys().all(|name| !name.starts_with("teacher")));
        assert!(ours["model.class_attn.cls_token"].abs().max().double_value(&[]) > 0.0);
    }

    #[test]
    fn the_teacher_moves_by_the_average_before_it_looks() {
        let mut method = small(4, 0.75).unwrap();
        let images = batch(3, &[16, 16]);
        let start = values(method.state());
        descend(&mut method, &images, &step(0), 0.5);
        let stepped = values(method.state());
        method.loss(&images, &step(1)).unwrap();
        let moved = values(method.state());
        let mut seen = 0;
        for (name, _) in method.parameters() {
            let (network, rest) = name.split_once('.').unwrap();
            let teacher = match network {
                "model" => format!("teacher.{rest}"),
                _ => format!("teacher_{name}"),
            };
            if let Some(before) = start.get(&teacher) {
                assert_eq!(start[&name], *before, "{name}: it starts as the student");
                assert!(apart(&stepped[&teacher], before) < 1e-7, "{name}: the optimiser must not move it");
                let expected = before * 0.9 + &stepped[&name] * 0.1;
                assert!(apart(&moved[&teacher], &expected) < 1e-6, "{teacher}");
                seen += 1;
            }
        }
        assert!(seen > 50, "{seen}");
        assert!(moved.keys().all(|name| !name.starts_with("teacher_predictor")));
    }

    #[test]
    fn one_view_is_enough_and_other_networks_are_refused() {
        let setup = Setup { model: "extrema_vit_w96_patch4_16", ..crate::testing::setup() };
        let config = ExtremaConfig {
            masks: 4,
            mask_ratio: 0.75,
            second_view: false,
            hidden_dim: 12,
            output_dim: 6,
            ..ExtremaConfig::default()
        };
        let mut method = Extrema::new(&config, &setup).unwrap();
        assert!(method.loss(&batch(3, &[16]), &step(0)).unwrap().value.double_value(&[]).is_finite());
        assert!(matches!(method.loss(&batch(3, &[16, 16]), &step(0)), Err(Error::Views { .. })));
        let resnet = crate::testing::setup();
        assert!(matches!(Extrema::new(&config, &resnet), Err(Error::Backbone { .. })));
    }
}
