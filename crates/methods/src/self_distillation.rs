//! What DINO and its descendants share: a student and its momentum teacher, each with its heads.

use crate::dino_head::{DinoHead, DinoHeadConfig};
use crate::encoder::backbone;
use crate::{Error, Momentum, NamedTensor, Setup, Step, Teacher, named_variables};
use tch::{Kind, Tensor};
use visrep_models::{Model, PatchTransformer};

/// A backbone and its teacher, without classifiers, and the heads on them.
pub(crate) struct SelfDistillation {
    /// The network that learns.
    pub(crate) student: Model,
    /// The one that follows it. Run it under [`tch::no_grad`].
    pub(crate) teacher: Model,
    heads: Vec<Heads>,
    tie: Teacher,
}

/// A head of the student and of the teacher.
pub(crate) struct Heads {
    name: &'static str,
    pub(crate) student: DinoHead,
    pub(crate) teacher: DinoHead,
}

impl SelfDistillation {
    /// Makes the networks with a pair of heads for each name and configuration; the teachers start as the students.
    pub(crate) fn new(
        setup: &Setup<'_>,
        heads: &[(&'static str, &DinoHeadConfig)],
        momentum: Momentum,
    ) -> Result<Self, Error> {
        let (student, teacher) = backbones(setup)?;
        let input = student.embed_dim();
        let mut pairs = Vec::new();
        for (i, (name, config)) in (0i64..).zip(heads) {
            let seed = (setup.seed as i64).wrapping_add(1 + 2 * i);
            let make = || DinoHead::new(config, input, setup.device, seed);
            pairs.push(Heads { name, student: make()?, teacher: make()? });
        }
        let mut networks = vec![(student.var_store(), teacher.var_store())];
        for heads in &pairs {
            networks.extend(heads.student.var_stores().into_iter().zip(heads.teacher.var_stores()));
        }
        let tie = Teacher::new(&networks, momentum)?;
        Ok(Self { student, teacher, heads: pairs, tie })
    }

    /// The pair of heads of this index in the list given to [`Self::new`].
    pub(crate) fn heads(&self, index: usize) -> &Heads {
        &self.heads[index]
    }

    /// Moves the teachers towards the students; to be called after the optimiser's step.
    pub(crate) fn update(&mut self, step: &Step) -> Result<(), Error> {
        self.tie.update(step)
    }

    /// Every variable: `model.…` and `<head>.…` the student's, `teacher.…` and `teacher_<head>.…` the teacher's.
    pub(crate) fn state(&self) -> Vec<NamedTensor> {
        let mut state = named_variables("model", self.student.var_store());
        state.extend(named_variables("teacher", self.teacher.var_store()));
        for Heads { name, student, teacher } in &self.heads {
            state.extend(student.state(name));
            state.extend(teacher.state(&format!("teacher_{name}")));
        }
        state
    }
}

/// Two backbones without classifiers, with the same initial values.
pub(crate) fn backbones(setup: &Setup<'_>) -> Result<(Model, Model), Error> {
    Ok((backbone(setup)?, backbone(setup)?))
}

/// What `model` can do as a transformer over patches with a class token; an error in the name of `method` when it is
/// none.
pub(crate) fn transformer<'a>(
    model: &'a Model,
    method: &'static str,
) -> Result<&'a dyn PatchTransformer, Error> {
    // Registers come before the patches, too.
    let class_token = model.var_store().variables().contains_key("cls_token");
    match model.backbone().patch_transformer() {
        Some(transformer) if class_token => Ok(transformer),
        _ => Err(Error::Backbone {
            method,
            model: model.name().to_owned(),
            needs: "a vision transformer with a class token, such as vit_small_patch16_224",
        }),
    }
}

/// What `model` can do as a transformer over patches, with a class token or without; an error in the name of `method` when it
/// is none.
pub(crate) fn patches<'a>(model: &'a Model, method: &'static str) -> Result<&'a dyn PatchTransformer, Error> {
    let needs = "a vision transformer, such as extrema_vit_base_patch16";
    let none = || Error::Backbone { method, model: model.name().to_owned(), needs };
    model.backbone().patch_transformer().ok_or_else(none)
}

/// The class tokens (N, D) and the patches' tokens (N, P, D) of u8 images (N, H, W, 3), in training mode. With `masked`, a mask
/// (N, P) and the token that stands for what it marks.
pub(crate) fn class_and_patches(
    model: &Model,
    method: &'static str,
    images: &Tensor,
    masked: Option<(&Tensor, &Tensor)>,
) -> Result<(Tensor, Tensor), Error> {
    let transformer = transformer(model, method)?;
    let x = model.preprocessing().normalize(images, model.device())?;
    let tokens = match masked {
        Some((masked, token)) => transformer.forward_masked(&x, masked, token, true)?,
        None => transformer.forward_tokens(&x, None, true)?,
    };
    let prefix = model.backbone().prefix_tokens();
    Ok((tokens.f_select(1, 0)?, tokens.f_narrow(1, prefix, tokens.size()[1] - prefix)?))
}

/// The rows and columns of patches of u8 images (N, H, W, 3).
pub(crate) fn grid(model: &Model, method: &'static str, images: &Tensor) -> Result<(i64, i64), Error> {
    let (_, rows, columns, _) = images.size4()?;
    Ok(transformer(model, method)?.grid((rows, columns))?)
}

/// The rows (M, D) at `positions` (M) of tokens (N, P, D), counted over images and patches.
pub(crate) fn rows_at(tokens: &Tensor, positions: &Tensor) -> Result<Tensor, Error> {
    Ok(tokens.f_flatten(0, 1)?.f_index_select(0, positions)?)
}

/// A moving mean (K) of zeros on the model's device: a centre at its start.
pub(crate) fn centre(config: &DinoHeadConfig, setup: &Setup<'_>) -> Result<Tensor, Error> {
    Ok(Tensor::f_zeros([i64::from(config.output_dim)], (Kind::Float, setup.device))?)
}

/// The collapse watch of `targets` (..., K): the mean entropy of the distributions and the entropy of their mean, both
/// over ln K. A first of 1 says that all are uniform; a second of 0, that all name the same prototype.
pub(crate) fn entropies(targets: &Tensor) -> Result<[f64; 2], Error> {
    let _guard = tch::no_grad_guard();
    let k = targets.size().last().copied().unwrap_or(1);
    let scale = -1.0 / (k.max(2) as f64).ln();
    let rows = targets.f_reshape([-1, k])?;
    let of = |p: &Tensor| -> Result<Tensor, Error> {
        let terms = p.f_mul(&p.f_clamp_min(1e-30)?.f_log()?)?;
        Ok(terms.f_sum_dim_intlist([-1i64].as_slice(), false, None::<Kind>)?.f_mean(None::<Kind>)?)
    };
    let each = f64::try_from(&of(&rows)?)?;
    let mean = f64::try_from(&of(&rows.f_mean_dim([0i64].as_slice(), false, None::<Kind>)?)?)?;
    Ok([each * scale, mean * scale])
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    #[test]
    fn entropies_tell_the_two_collapses_apart() {
        let options = (Kind::Float, Device::Cpu);
        let uniform = Tensor::full([3, 2, 4], 0.25, options);
        let close = |found: [f64; 2], expected: [f64; 2]| {
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}");
        };
        close(entropies(&uniform).unwrap(), [1.0, 1.0]);
        close(entropies(&Tensor::eye(4, options)).unwrap(), [0.0, 1.0]);
        close(entropies(&Tensor::eye(4, options).narrow(0, 0, 1)).unwrap(), [0.0, 0.0]);
    }
}
