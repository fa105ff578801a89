//! The Lagrangian Perceptual Attack (LPA; Laidlaw, Singla and Feizi 2021, "Perceptual Adversarial Robustness: Defense Against Unseen Threat
//! Models"): anything may be done to an image that a network hardly sees.

use super::{Adversarial, Attack, Victim, check, column, gradient, loss, norms, places, right};
use crate::Error;
use tch::{Device, Kind, Tensor};
use visrep_perceptual::{Lpips, PerceptualDistance, PixelRange};
use visrep_torch::Generator;

/// Added to norms that are divided by.
const SMALL: f64 = 1e-8;
/// Deviation of the noise that it begins with.
const NOISE: f64 = 0.01;
/// A margin beyond this is not worth more.
const CONFIDENCE: f64 = 1.0;
/// The weight of the distance in the first round; each later round has ten times as much for the images that were too far away.
const FIRST_WEIGHT: f64 = 0.01;
/// Length of the step in pixels by which the change of the distance is estimated.
const PROBE: f64 = 0.1;
/// Steps back along the distance's gradient, and halvings of the way to the image where these do not suffice.
const BACK_STEPS: usize = 10;
const HALVINGS: usize = 10;
/// How much further back than the linearised distance asks for: a fifth of the bound and a tenth of the way.
const OVERSHOOT: (f64, f64) = (0.2, 1.1);

/// Vectors whose Euclidean distance is the perceptual distance of their images.
pub trait Embedding {
    /// A row for each image (N, 3, H, W) from 0 to 1, (N, D), differentiable and free of the other images of the batch.
    fn embed(&self, images: &Tensor) -> Result<Tensor, Error>;
}

impl<F: Fn(&Tensor) -> Result<Tensor, Error>> Embedding for F {
    fn embed(&self, images: &Tensor) -> Result<Tensor, Error> {
        self(images)
    }
}

/// The distance of the paper, which has no learned weights: the root of LPIPS's baseline.
impl Embedding for PerceptualDistance<'_> {
    fn embed(&self, images: &Tensor) -> Result<Tensor, Error> {
        Ok(self.embedding(images)?)
    }
}

/// The root of LPIPS with its learned weights.
impl Embedding for Lpips {
    fn embed(&self, images: &Tensor) -> Result<Tensor, Error> {
        Ok(self.embedding(images, PixelRange::ZeroToOne)?)
    }
}

/// The attack: for each image the margin to the best wrong class is raised against a penalty on what the distance exceeds the bound by, in
/// rounds of growing penalty, with steps of falling size that are measured in the distance itself. What is found lies within the
/// bound: a point counts only if it does, and the last point of an image that holds out is brought back to it, along the distance's gradient and, if
/// it then holds out still, on the straight way to the image.
#[derive(Clone, Copy)]
pub struct LagrangianPerceptual<'e> {
    /// Whose distance is bounded.
    pub embedding: &'e dyn Embedding,
    /// The largest distance, the root of what LPIPS gives; 0.5 by AlexNet is the paper's medium bound.
    pub bound: f64,
    /// Steps of a round.
    pub steps: usize,
    /// Rounds, each with ten times the penalty of the one before.
    pub rounds: usize,
}

impl<'e> LagrangianPerceptual<'e> {
    /// Steps of a round in the paper's tables.
    pub const STEPS: usize = 40;
    /// Rounds in the paper's tables.
    pub const ROUNDS: usize = 5;

    /// As the paper's tables have it.
    pub fn new(embedding: &'e dyn Embedding, bound: f64) -> Self {
        Self { embedding, bound, steps: Self::STEPS, rounds: Self::ROUNDS }
    }
}

impl Attack for LagrangianPerceptual<'_> {
    /// Attacks the images that the victim classifies right; the others are not robust as they are.
    ///
    /// # Errors
    /// Images that are not from 0 to 1, labels that are no classes, a bound that is no number of at least 0, an embedding without a row for
    /// each image.
    fn run(
        &self,
        victim: &dyn Victim,
        images: &Tensor,
        labels: &Tensor,
        generator: &mut Generator,
    ) -> Result<Adversarial, Error> {
        check(images, labels)?;
        if !(self.bound.is_finite() && self.bound >= 0.0) {
            let problem = format!("the bound must be a number of at least 0, found {}", self.bound);
            return Err(Error::Attack { problem });
        }
        let clean = tch::no_grad(|| victim.logits(images))?;
        let adversarial = Adversarial::of_clean(images, right(&clean, labels)?);
        let noise = Tensor::f_empty(images.size(), (Kind::Float, Device::Cpu))?;
        generator.normal_(&noise, 0.0, NOISE)?;
        let left = adversarial.left()?;
        if left.numel() == 0 {
            return Ok(adversarial);
        }
        let of = |tensor: &Tensor| tensor.f_index_select(0, &left);
        let noise = of(&noise.f_to_device(images.device())?.f_to_kind(images.kind())?)?;
        let search = Search::new(self, victim, of(images)?, of(labels)?, clean.size()[1])?;
        let (points, held) = search.run(&search.images.f_add(&noise)?.f_clamp(0.0, 1.0)?)?;
        let _ = adversarial.images.shallow_clone().f_index_copy_(0, &left, &points)?;
        adversarial.fool(&left, &points, &held)?;
        Ok(adversarial)
    }
}

/// The images that are attacked, and where they lie.
struct Search<'s> {
    attack: &'s LagrangianPerceptual<'s>,
    victim: &'s dyn Victim,
    classes: i64,
    images: Tensor,
    labels: Tensor,
    embedded: Tensor,
}

impl<'s> Search<'s> {
    fn new(
        attack: &'s LagrangianPerceptual<'s>,
        victim: &'s dyn Victim,
        images: Tensor,
        labels: Tensor,
        classes: i64,
    ) -> Result<Self, Error> {
        let embedded = tch::no_grad(|| attack.embedding.embed(&images))?;
        let size = embedded.size();
        if size.len() != 2 || size[0] != images.size()[0] {
            let problem = format!(
                "the embedding of {} images must have a row for each, found {size:?}",
                images.size()[0]
            );
            return Err(Error::Attack { problem });
        }
        Ok(Self { attack, victim, classes, images, labels, embedded })
    }

    /// Those of its images at `places`.
    fn of(&self, places: &Tensor) -> Result<Self, Error> {
        let of = |tensor: &Tensor| tensor.f_index_select(0, places);
        let (images, labels, embedded) = (of(&self.images)?, of(&self.labels)?, of(&self.embedded)?);
        Ok(Self { images, labels, embedded, ..*self })
    }

    /// A point for each image within the bound, and whether it is classified right.
    fn run(&self, start: &Tensor) -> Result<(Tensor, Tensor), Error> {
        let point = start.copy();
        let count = self.labels.numel() as i64;
        let options = (Kind::Float, point.device());
        let found = Tensor::f_zeros([count], (Kind::Bool, point.device()))?;
        let weights = Tensor::f_full([count], FIRST_WEIGHT, options)?;
        let distances = Tensor::f_zeros([count], options)?;
        for _ in 0..self.attack.rounds {
            for step in 0..self.attack.steps {
                let left = places(&found.f_logical_not()?)?;
                if left.numel() == 0 {
                    break;
                }
                let size = self.attack.bound * 0.1_f64.powf(step as f64 / self.attack.steps as f64);
                let of = |tensor: &Tensor| tensor.f_index_select(0, &left);
                let moved = self.of(&left)?.step(&of(&point)?, &of(&weights)?, size)?;
                let _ = point.shallow_clone().f_index_copy_(0, &left, &moved.point)?;
                let _ = found.shallow_clone().f_index_copy_(0, &left, &moved.found)?;
                let _ = distances.shallow_clone().f_index_copy_(0, &left, &moved.distance)?;
            }
            let heavier = weights.f_mul_scalar(10.0)?;
            let far = distances.f_ge(self.attack.bound)?;
            weights.shallow_clone().f_copy_(&heavier.f_where_self(&far, &weights)?)?;
        }
        let ends = point.copy();
        let mut held = found.f_logical_not()?;
        for back in [Self::project, Self::nearer] {
            let left = places(&held)?;
            if left.numel() == 0 {
                break;
            }
            let search = self.of(&left)?;
            let last = back(&search, &ends.f_index_select(0, &left)?)?;
            let logits = tch::no_grad(|| self.victim.logits(&last))?;
            let _ = point.shallow_clone().f_index_copy_(0, &left, &last)?;
            held = held.f_index_copy(0, &left, &right(&logits, &search.labels)?)?;
        }
        Ok((point, held))
    }

    /// Leaves the points that are misclassified within the bound where they are, and takes a step from the others.
    fn step(&self, point: &Tensor, weights: &Tensor, size: f64) -> Result<Moved, Error> {
        let both = |x: &Tensor| {
            let logits = self.victim.logits(x)?;
            let embedded = self.attack.embedding.embed(x)?.f_to_kind(logits.kind())?;
            Ok(Tensor::f_cat(&[logits, embedded], 1)?)
        };
        let split = |both: &Tensor| -> Result<(Tensor, Tensor), Error> {
            let embedded = both.f_narrow(1, self.classes, both.size()[1] - self.classes)?;
            Ok((both.f_narrow(1, 0, self.classes)?, embedded))
        };
        let (here, _, slope) = gradient(&both, point, |both| {
            let (logits, embedded) = split(both)?;
            let wrong = loss::margin(&logits, &self.labels)?.f_neg()?.f_clamp_max(CONFIDENCE)?;
            let beyond = self.distance(&embedded)?.f_sub_scalar(self.attack.bound)?.f_relu()?;
            Ok(wrong.f_sub(&beyond.f_mul(weights)?)?)
        })?;
        let (logits, embedded) = split(&here)?;
        let distance = self.distance(&embedded)?.f_to_kind(Kind::Float)?;
        let fooled = right(&logits, &self.labels)?.f_logical_not()?;
        let found = fooled.f_logical_and(&distance.f_le(self.attack.bound)?)?;
        let direction = slope.f_div(&norms(&slope)?.f_add_scalar(SMALL)?)?;
        let ahead = point.f_add(&direction.f_mul_scalar(PROBE)?)?;
        let ahead = tch::no_grad(|| self.attack.embedding.embed(&ahead))?;
        let rate = length(&embedded.f_sub(&ahead)?)?.f_div_scalar(PROBE)?.f_add_scalar(SMALL)?;
        let step = direction.f_mul(&column(&rate.f_reciprocal()?.f_mul_scalar(size)?)?)?;
        let next = point.f_add(&step)?.f_clamp(0.0, 1.0)?;
        Ok(Moved { point: point.f_where_self(&column(&found)?, &next)?, found, distance })
    }

    /// Brings points back to the bound: by steps along the distance's gradient, and where these do not get there, on the straight way to the
    /// image itself.
    fn project(&self, points: &Tensor) -> Result<Tensor, Error> {
        let (further, longer) = OVERSHOOT;
        let embed = |x: &Tensor| self.attack.embedding.embed(x);
        let mut point = points.shallow_clone();
        for _ in 0..BACK_STEPS {
            let (_, distance, slope) = gradient(&embed, &point, |embedded| self.distance(embedded))?;
            let within = distance.f_le(self.attack.bound)?;
            if i64::try_from(within.f_all()?)? != 0 {
                return Ok(point);
            }
            let back = distance
                .f_sub_scalar(self.attack.bound)?
                .f_add_scalar(further * self.attack.bound)?
                .f_mul_scalar(longer)?;
            let inverse = slope.f_div(&norms(&slope)?.f_square()?.f_add_scalar(SMALL)?)?;
            let next = point.f_sub(&inverse.f_mul(&column(&back)?)?)?.f_clamp(0.0, 1.0)?;
            point = point.f_where_self(&column(&within)?, &next)?;
        }
        let within = self.within(&point)?;
        point.f_where_self(&column(&within)?, &self.nearer(points)?).map_err(Error::from)
    }

    /// The furthest of some points on the way from each image to its point that is within the bound; the image, where none is.
    fn nearer(&self, points: &Tensor) -> Result<Tensor, Error> {
        let change = points.f_sub(&self.images)?;
        let mut kept = self.images.copy();
        let mut share = Tensor::f_zeros([points.size()[0]], (points.kind(), points.device()))?;
        for halving in 1..=HALVINGS {
            let tried = share.f_add_scalar(0.5_f64.powi(halving as i32))?;
            let candidate = self.images.f_add(&change.f_mul(&column(&tried)?)?)?;
            let within = self.within(&candidate)?;
            kept = candidate.f_where_self(&column(&within)?, &kept)?;
            share = tried.f_where_self(&within, &share)?;
        }
        Ok(kept)
    }

    /// Whether each point is within the bound; no distance is not.
    fn within(&self, points: &Tensor) -> Result<Tensor, Error> {
        let embedded = tch::no_grad(|| self.attack.embedding.embed(points))?;
        Ok(self.distance(&embedded)?.f_le(self.attack.bound)?)
    }

    /// How far each embedded point is from its image, (N).
    fn distance(&self, embedded: &Tensor) -> Result<Tensor, Error> {
        length(&embedded.f_sub(&self.embedded)?)
    }
}

/// After a step.
struct Moved {
    point: Tensor,
    /// Whether the point is misclassified and within the bound.
    found: Tensor,
    /// How far the points were away before it.
    distance: Tensor,
}

/// The Euclidean norm of each row, whose gradient at 0 is 0.
fn length(rows: &Tensor) -> Result<Tensor, Error> {
    Ok(rows.f_norm_scalaropt_dim(2.0, [1].as_slice(), false)?)
}
