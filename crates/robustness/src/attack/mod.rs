//! Adversarial attacks: images a small distance away that a classifier gets wrong.
//!
//! Distances are between images whose values go from 0 to 1, after resizing and cropping and before normalisation, as every published
//! figure has them: 8/255 in L∞ is `Ball { norm: Norm::Linf, eps: 8.0 / 255.0 }`.
//!
//! ```
//! use tch::{Device, Kind, Tensor};
//! use visrep_models::{Model, ModelOptions};
//! use visrep_robustness::attack::{Apgd, Attack, Ball, ModelVictim, Norm};
//! use visrep_torch::Generator;
//!
//! let model = Model::create("resnet18_cifar_w16", &ModelOptions { num_classes: Some(10), ..Default::default() })?;
//! let images = Tensor::rand([4, 3, 32, 32], (Kind::Float, Device::Cpu));
//! let labels = Tensor::from_slice(&[3_i64, 0, 7, 7]);
//! let attack = Apgd { steps: 5, ..Apgd::cross_entropy(Ball { norm: Norm::Linf, eps: 8.0 / 255.0 }) };
//! let found = attack.run(&ModelVictim(&model), &images, &labels, &mut Generator::new(0))?;
//! println!("{} of 4 are still classified right", found.robust_count()?);
//! # Ok::<(), visrep_robustness::Error>(())
//! ```

mod apgd;
mod lagrangian;
mod loss;
mod pgd;
mod spatial;
mod square;
mod square_l2;
mod universal;

pub use apgd::{Apgd, ApgdLoss};
pub use lagrangian::{Embedding, LagrangianPerceptual};
pub use pgd::{Pgd, fgsm};
pub use spatial::{Spatial, SpatialLimits, SpatialSearch, majority_vote, rotate_and_shift};
pub use square::Square;
pub use universal::{Universal, UniversalGoal, strongest_patches, universal_outcomes, universal_success};

use crate::Error;
use tch::{Kind, Tensor};
use visrep_models::Model;
use visrep_torch::Generator;

/// Added to norms that are divided by.
const EPS: f64 = 1e-12;

/// What is attacked.
pub trait Victim {
    /// Logits (N, K) of images (N, C, H, W) from 0 to 1, differentiable for attacks that follow gradients. Each image's must
    /// not depend on the others of the batch: batch norm with running statistics, no dropout.
    fn logits(&self, images: &Tensor) -> Result<Tensor, Error>;
}

impl<F: Fn(&Tensor) -> Result<Tensor, Error>> Victim for F {
    fn logits(&self, images: &Tensor) -> Result<Tensor, Error> {
        self(images)
    }
}

/// A model with its classifier, which normalises images by its own mean and deviation.
#[derive(Clone, Copy, Debug)]
pub struct ModelVictim<'m>(pub &'m Model);

impl Victim for ModelVictim<'_> {
    fn logits(&self, images: &Tensor) -> Result<Tensor, Error> {
        Ok(self.0.forward(&self.0.preprocessing().standardize(images)?, false)?)
    }
}

/// What looks for an image near each that the victim gets wrong.
pub trait Attack {
    /// Attacks `images` (N, C, H, W) from 0 to 1 of the classes `labels` (N), of kind Int64. Whatever is drawn is by `generator`.
    ///
    /// # Errors
    /// Images that are not from 0 to 1, labels that are no classes, settings that cannot be: each attack says which.
    fn run(
        &self,
        victim: &dyn Victim,
        images: &Tensor,
        labels: &Tensor,
        generator: &mut Generator,
    ) -> Result<Adversarial, Error>;
}

/// How the size of a perturbation is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Norm {
    /// The largest change of any value.
    Linf,
    /// The Euclidean norm of all changes of an image.
    L2,
}

/// What an attack may do to an image: everything within `eps` of it whose values are still from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ball {
    /// The norm.
    pub norm: Norm,
    /// The radius, on the scale on which white is 1.
    pub eps: f64,
}

impl Ball {
    /// The points of the ball around `center` nearest to `x`; those beyond black and white are cut off after.
    pub fn project(&self, x: &Tensor, center: &Tensor) -> Result<Tensor, Error> {
        let change = self.shrink(&x.f_sub(center)?)?;
        Ok(center.f_add(&change)?.f_clamp(0.0, 1.0)?)
    }

    /// The change nearest to `change` that is no larger than the radius.
    fn shrink(&self, change: &Tensor) -> Result<Tensor, Error> {
        Ok(match self.norm {
            Norm::Linf => change.f_clamp(-self.eps, self.eps)?,
            Norm::L2 => {
                let norm = norms(change)?;
                change.f_div(&norm.f_add_scalar(EPS)?)?.f_mul(&norm.f_clamp_max(self.eps)?)?
            }
        })
    }

    fn check(&self) -> Result<(), Error> {
        if self.eps.is_finite() && self.eps >= 0.0 {
            return Ok(());
        }
        Err(Error::Attack {
            problem: format!("the radius must be a number of at least 0, found {}", self.eps),
        })
    }
}

/// What an attack found.
#[derive(Debug)]
pub struct Adversarial {
    /// The images (N, C, H, W): misclassified ones where any were found. Of those that hold out, PGD and the Lagrangian
    /// attack give the last point, the spatial attack the worst transformation, the other attacks the image itself.
    pub images: Tensor,
    /// Whether each is still classified right (N), bool.
    pub robust: Tensor,
}

impl Adversarial {
    /// How many are still classified right.
    pub fn robust_count(&self) -> Result<i64, Error> {
        Ok(self.robust.f_sum(Kind::Int64)?.f_int64_value(&[])?)
    }

    /// The images as they are, of which those are to be attacked that are classified right.
    fn of_clean(images: &Tensor, right: Tensor) -> Self {
        Self { images: images.copy(), robust: right }
    }

    /// The places of those still classified right.
    fn left(&self) -> Result<Tensor, Error> {
        places(&self.robust)
    }

    /// Takes the images of `found`, which stand for those at `left`, where `held` is false.
    fn fool(&self, left: &Tensor, found: &Tensor, held: &Tensor) -> Result<(), Error> {
        let fooled = places(&held.f_logical_not()?)?;
        let at = left.f_index_select(0, &fooled)?;
        let _ = self.images.shallow_clone().f_index_copy_(0, &at, &found.f_index_select(0, &fooled)?)?;
        let _ = self.robust.shallow_clone().f_index_fill_(0, &at, 0)?;
        Ok(())
    }
}

/// Checks what every attack is given.
fn check(images: &Tensor, labels: &Tensor) -> Result<(), Error> {
    let (size, count) = (images.size(), labels.size());
    if size.len() != 4 || count.len() != 1 || count[0] != size[0] || labels.kind() != Kind::Int64 {
        let problem = format!(
            "images (N, C, H, W) and N labels of kind Int64 are needed, found {size:?} and {count:?} of {:?}",
            labels.kind()
        );
        return Err(Error::Attack { problem });
    }
    if images.numel() > 0 {
        let (min, max) = (images.f_min()?.f_double_value(&[])?, images.f_max()?.f_double_value(&[])?);
        if !(min >= 0.0 && max <= 1.0) {
            let problem = format!(
                "the images' values go from {min} to {max}: attack images from 0 to 1, before normalisation"
            );
            return Err(Error::Attack { problem });
        }
    }
    Ok(())
}

/// Where `each` (N) is true.
fn places(each: &Tensor) -> Result<Tensor, Error> {
    Ok(each.f_nonzero()?.f_flatten(0, -1)?)
}

/// (N) as (N, 1, 1, 1).
fn column(each: &Tensor) -> Result<Tensor, Error> {
    Ok(each.f_view([-1, 1, 1, 1])?)
}

/// Each image's Euclidean norm, (N, 1, 1, 1).
fn norms(x: &Tensor) -> Result<Tensor, Error> {
    Ok(x.f_square()?.f_sum_dim_intlist([1, 2, 3].as_slice(), true, x.kind())?.f_sqrt()?)
}

/// Whether the victim classifies each image right, (N) bool.
pub(crate) fn classified_right(
    victim: &dyn Victim,
    images: &Tensor,
    labels: &Tensor,
) -> Result<Tensor, Error> {
    right(&victim.logits(images)?, labels)
}

/// Whether each row of logits is highest at its label, (N).
fn right(logits: &Tensor, labels: &Tensor) -> Result<Tensor, Error> {
    Ok(logits.f_argmax(1, false)?.f_eq_tensor(labels)?)
}

/// Logits without gradient, the loss of each image, and its gradient by the image.
fn gradient(
    victim: &dyn Victim,
    images: &Tensor,
    loss: impl Fn(&Tensor) -> Result<Tensor, Error>,
) -> Result<(Tensor, Tensor, Tensor), Error> {
    tch::with_grad(|| {
        let x = images.f_detach()?.f_set_requires_grad(true)?;
        let logits = victim.logits(&x)?;
        let each = loss(&logits)?;
        let gradient = Tensor::f_run_backward(&[each.f_sum(each.kind())?], &[&x], false, false)?;
        let gradient = gradient
            .into_iter()
            .next()
            .ok_or(Error::Attack { problem: "the victim's logits do not depend on its images".into() })?;
        Ok((logits.f_detach()?, each.f_detach()?, gradient.f_detach()?))
    })
}
