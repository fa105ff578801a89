//! Universal perturbations: one change that fools a classifier on most images (Moosavi-Dezfooli et al. 2017; by projected gradient steps
//! on batches, as Shafahi et al. 2020 and Park et al. 2021 make them).

use super::{Ball, EPS, Norm, Victim, check, gradient, loss};
use crate::Error;
use tch::{Device, Kind, Tensor};
use visrep_torch::Generator;

/// What a universal perturbation is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UniversalGoal {
    /// To have images taken for anything but their class.
    Untargeted,
    /// To have them taken for this one.
    Targeted(i64),
}

/// How a universal perturbation is made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Universal {
    /// How large it may be; 8/255 in L∞ and 6 in L2 are published for 224 pixels.
    pub ball: Ball,
    /// What it is to do.
    pub goal: UniversalGoal,
    /// Times through the images.
    pub epochs: usize,
    /// Images of a step.
    pub batch_size: i64,
    /// The length of a step, on the scale of the ball's radius.
    pub step_size: f64,
}

impl Universal {
    /// The perturbation (1, C, H, W): from none, steps along the sign (L∞) or the direction (L2) of the mean cross-entropy's gradient on one
    /// batch after the other, in another order each epoch, each brought back into the ball. Perturbed images are cut off at black and white.
    ///
    /// # Errors
    /// Images that are not from 0 to 1, labels that are no classes, none at all, a target that is no class, batches of none.
    pub fn fit(
        &self,
        victim: &dyn Victim,
        images: &Tensor,
        labels: &Tensor,
        generator: &mut Generator,
    ) -> Result<Tensor, Error> {
        self.fit_watched(victim, images, labels, generator, |_| Ok(()))
    }

    /// [`Self::fit`], where `watch` is told after each step how many images it was of, and ends the work by an error.
    ///
    /// # Errors
    /// As [`Self::fit`], and those of `watch`.
    pub fn fit_watched(
        &self,
        victim: &dyn Victim,
        images: &Tensor,
        labels: &Tensor,
        generator: &mut Generator,
        mut watch: impl FnMut(usize) -> Result<(), Error>,
    ) -> Result<Tensor, Error> {
        check(images, labels)?;
        self.ball.check()?;
        let count = images.size()[0];
        if count == 0 || self.batch_size < 1 {
            let problem =
                format!("{count} images in batches of {}: there is nothing to fit to", self.batch_size);
            return Err(Error::Attack { problem });
        }
        let (sign, labels) = match self.goal {
            UniversalGoal::Untargeted => (1.0, labels.shallow_clone()),
            UniversalGoal::Targeted(class) => {
                check_class(victim, images, class)?;
                (-1.0, labels.f_full_like(class)?)
            }
        };
        let mut change = images.f_narrow(0, 0, 1)?.f_zeros_like()?;
        for _ in 0..self.epochs {
            let keys = Tensor::f_empty([count], (Kind::Float, Device::Cpu))?;
            generator.uniform_(&keys, 0.0, 1.0)?;
            let order = keys.f_argsort(0, false)?.f_to_device(images.device())?;
            for batch in order.f_split(self.batch_size, 0)? {
                let (x, y) = (images.f_index_select(0, &batch)?, labels.f_index_select(0, &batch)?);
                let perturbed =
                    |change: &Tensor| -> Result<Tensor, Error> { victim.logits(&apply(&x, change)?) };
                let (_, _, slope) = gradient(&perturbed, &change, |logits| {
                    Ok(loss::cross_entropy(logits, &y)?.f_mean(None)?.f_view([1])?)
                })?;
                let direction = match self.ball.norm {
                    Norm::Linf => slope.f_sign()?,
                    Norm::L2 => slope.f_div(&super::norms(&slope)?.f_add_scalar(EPS)?)?,
                };
                change = self.ball.shrink(&change.f_add(&direction.f_mul_scalar(sign * self.step_size)?)?)?;
                watch(batch.size()[0] as usize)?;
            }
        }
        Ok(change)
    }
}

/// Images with a perturbation, from 0 to 1.
fn apply(images: &Tensor, change: &Tensor) -> Result<Tensor, Error> {
    Ok(images.f_add(change)?.f_clamp(0.0, 1.0)?)
}

/// What a perturbation does to each image, on other images than it was fitted to: whether an image is taken for the target, and nothing for
/// those of the target's class; or whether its prediction changes. `change` is one for all, (1, C, H, W), or one for each, (N, C, H, W).
///
/// # Errors
/// Images that are not from 0 to 1, labels that are no classes.
pub fn universal_outcomes(
    victim: &dyn Victim,
    images: &Tensor,
    labels: &Tensor,
    change: &Tensor,
    goal: UniversalGoal,
) -> Result<Vec<Option<bool>>, Error> {
    check(images, labels)?;
    tch::no_grad(|| {
        let after = victim.logits(&apply(images, change)?)?.f_argmax(1, false)?;
        let (done, counted) = match goal {
            UniversalGoal::Untargeted => {
                let before = victim.logits(images)?.f_argmax(1, false)?;
                (after.f_ne_tensor(&before)?, labels.f_ones_like()?.f_to_kind(Kind::Bool)?)
            }
            UniversalGoal::Targeted(class) => (after.f_eq(class)?, labels.f_ne(class)?),
        };
        let bools = |tensor: Tensor| Ok::<_, Error>(Vec::<bool>::try_from(tensor.f_to_device(Device::Cpu)?)?);
        let (done, counted) = (bools(done)?, bools(counted)?);
        Ok(done.into_iter().zip(counted).map(|(done, counted)| counted.then_some(done)).collect())
    })
}

/// How often a perturbation (1, C, H, W) does what it is to do: the fraction of [`universal_outcomes`].
///
/// # Errors
/// As [`universal_outcomes`]; no image that counts.
pub fn universal_success(
    victim: &dyn Victim,
    images: &Tensor,
    labels: &Tensor,
    change: &Tensor,
    goal: UniversalGoal,
) -> Result<f64, Error> {
    let outcomes = universal_outcomes(victim, images, labels, change, goal)?;
    let counted: Vec<bool> = outcomes.into_iter().flatten().collect();
    if counted.is_empty() {
        return Err(Error::Attack { problem: "no image is of a class other than the target's".into() });
    }
    Ok(counted.iter().filter(|&&done| done).count() as f64 / counted.len() as f64)
}

/// The `kept` strongest patches, by their Euclidean norm, of a grid of `grid` by `grid` over each perturbation (N, C, H, W), and nothing
/// elsewhere: where the perturbation's effect lies.
///
/// # Errors
/// Other shapes, a grid of none.
pub fn strongest_patches(change: &Tensor, grid: i64, kept: i64) -> Result<Tensor, Error> {
    let size = change.size();
    let &[count, _, height, width] = size.as_slice() else {
        return Err(Error::Attack {
            problem: format!("perturbations (N, C, H, W) are needed, found {size:?}"),
        });
    };
    if grid < 1 {
        return Err(Error::Attack { problem: "a grid has at least one patch".into() });
    }
    let patch = |row: i64, column: i64| (row * grid / height) * grid + column * grid / width;
    let ids: Vec<i64> =
        (0..height).flat_map(|row| (0..width).map(move |column| patch(row, column))).collect();
    let ids = Tensor::from_slice(&ids).f_to_device(change.device())?;
    let squares = change.f_square()?.f_sum_dim_intlist([1].as_slice(), false, change.kind())?;
    let strength = Tensor::f_zeros([count, grid * grid], (change.kind(), change.device()))?;
    let strength = strength.f_index_add(1, &ids, &squares.f_flatten(1, -1)?)?;
    let (_, strongest) = strength.f_topk(kept.clamp(0, grid * grid), 1, true, false)?;
    let mask = strength.f_zeros_like()?.f_scatter_value(1, &strongest, 1.0)?;
    Ok(change.f_mul(&mask.f_index_select(1, &ids)?.f_view([count, 1, height, width])?)?)
}

fn check_class(victim: &dyn Victim, images: &Tensor, class: i64) -> Result<(), Error> {
    let logits = tch::no_grad(|| victim.logits(&images.f_narrow(0, 0, 1)?))?;
    let classes = logits.size().get(1).copied().unwrap_or_default();
    if (0..classes).contains(&class) {
        return Ok(());
    }
    Err(Error::Attack {
        problem: format!("the target {class} is none of the classifier's {classes} classes"),
    })
}
