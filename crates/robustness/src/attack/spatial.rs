//! Rotations and translations (Engstrom et al. 2019): the worst of some that are drawn, or of a grid.

use super::{Adversarial, Attack, Victim, check, loss, right};
use crate::Error;
use tch::{Device, Kind, Tensor};
use visrep_torch::Generator;

/// How far an image may be moved and turned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SpatialLimits {
    /// Pixels to either side, along each axis.
    pub shift: f64,
    /// Degrees either way.
    pub degrees: f64,
}

impl SpatialLimits {
    /// A tenth or so of images of `side` pixels (3 of 32, 24 of 224, whole pixels), and 30 degrees.
    pub fn for_side(side: u32) -> Self {
        Self { shift: (f64::from(side) * 24.0 / 224.0).floor(), degrees: 30.0 }
    }
}

/// Which transformations are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpatialSearch {
    /// So many for each image, drawn evenly within the limits: 1 is a random transformation, 10 the worst-of-10 of the paper.
    WorstOf(usize),
    /// Every combination of evenly spaced shifts along either axis and angles, ends included: 5, 5 and 31 in the paper.
    Grid {
        /// Shifts along each axis.
        shifts: usize,
        /// Angles.
        angles: usize,
    },
}

impl SpatialSearch {
    /// The grid of the paper: 5 by 5 shifts and 31 angles, 775 transformations.
    pub const GRID: Self = Self::Grid { shifts: 5, angles: 31 };
}

/// The attack, which needs the victim's logits alone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spatial {
    /// How far.
    pub limits: SpatialLimits,
    /// Which.
    pub search: SpatialSearch,
}

/// One transformation for each image.
struct Moves {
    across: Vec<f64>,
    down: Vec<f64>,
    degrees: Vec<f64>,
}

impl Attack for Spatial {
    /// Tries the transformations on all images. Of each image that with the highest cross-entropy is kept among those that are
    /// misclassified, or where there is none among all. The image as it is counts only where it is one of them (it is in the middle of a
    /// grid of odd numbers).
    ///
    /// # Errors
    /// Images that are not from 0 to 1, labels that are no classes, limits that are no numbers of at least 0, nothing to try.
    fn run(
        &self,
        victim: &dyn Victim,
        images: &Tensor,
        labels: &Tensor,
        generator: &mut Generator,
    ) -> Result<Adversarial, Error> {
        check(images, labels)?;
        let tries = self.check()?;
        tch::no_grad(|| {
            let count = images.size()[0];
            let mut kept = images.copy();
            let mut robust = Tensor::f_ones([count], (Kind::Bool, images.device()))?;
            let mut highest = Tensor::f_full([count], f64::NEG_INFINITY, (Kind::Float, images.device()))?;
            for nth in 0..tries {
                let moves = self.moves(nth, count as usize, generator)?;
                let moved = transform(images, &moves)?;
                let logits = victim.logits(&moved)?;
                let each = loss::cross_entropy(&logits, labels)?.f_to_kind(Kind::Float)?;
                let held = right(&logits, labels)?;
                // A first misclassification beats any loss; after it only misclassifications count.
                let fooled = held.f_logical_not()?;
                let first = fooled.f_logical_and(&robust)?;
                let higher = each.f_gt_tensor(&highest)?;
                let of_same_kind = fooled.f_eq_tensor(&robust.f_logical_not()?)?;
                let better = first.f_logical_or(&higher.f_logical_and(&of_same_kind)?)?;
                kept = moved.f_where_self(&better.f_view([-1, 1, 1, 1])?, &kept)?;
                highest = each.f_where_self(&better, &highest)?;
                robust = robust.f_logical_and(&held)?;
            }
            Ok(Adversarial { images: kept, robust })
        })
    }
}

/// The class (N) that most of `votes` transformations of each image, drawn within the limits, are given; of several equally often, the
/// first. Whoever classifies so is less easily fooled by a single transformation.
///
/// # Errors
/// As [`Spatial`].
pub fn majority_vote(
    victim: &dyn Victim,
    images: &Tensor,
    limits: SpatialLimits,
    votes: usize,
    generator: &mut Generator,
) -> Result<Tensor, Error> {
    let search = SpatialSearch::WorstOf(votes);
    let drawn = Spatial { limits, search };
    let count = images.size().first().copied().unwrap_or_default();
    check(images, &Tensor::f_zeros([count], (Kind::Int64, images.device()))?)?;
    drawn.check()?;
    tch::no_grad(|| {
        let mut counts = None;
        for nth in 0..votes {
            let moves = drawn.moves(nth, count as usize, generator)?;
            let logits = victim.logits(&transform(images, &moves)?)?;
            let votes = logits.f_zeros_like()?.f_to_kind(Kind::Float)?;
            let _ = votes.shallow_clone().f_scatter_value_(1, &logits.f_argmax(1, true)?, 1.0)?;
            counts = Some(match counts {
                None => votes,
                Some(counts) => votes.f_add(&counts)?,
            });
        }
        let counts = counts.ok_or_else(nothing_to_try)?;
        // The first of the highest, whatever `argmax` does with equal ones.
        let classes = counts.size()[1];
        let order = Tensor::f_arange_start_step(classes, 0, -1, (Kind::Float, counts.device()))?;
        let order = order.f_div_scalar((classes + 1) as f64)?;
        Ok(counts.f_add(&order)?.f_argmax(1, false)?)
    })
}

fn nothing_to_try() -> Error {
    Error::Attack { problem: "there is no transformation to try".into() }
}

impl Spatial {
    /// Errs on limits that are no numbers of at least 0; how many transformations are tried, at least one.
    fn check(&self) -> Result<usize, Error> {
        let SpatialLimits { shift, degrees } = self.limits;
        if !(shift >= 0.0 && degrees >= 0.0 && shift.is_finite() && degrees.is_finite()) {
            let problem =
                format!("limits must be numbers of at least 0, found {shift} pixels and {degrees} degrees");
            return Err(Error::Attack { problem });
        }
        match self.search {
            SpatialSearch::WorstOf(0) => Err(nothing_to_try()),
            SpatialSearch::WorstOf(count) => Ok(count),
            SpatialSearch::Grid { shifts, angles } if shifts * angles == 0 => Err(nothing_to_try()),
            SpatialSearch::Grid { shifts, angles } => Ok(shifts * shifts * angles),
        }
    }

    /// The transformations of try `nth`: drawn, or the same of the grid for all.
    fn moves(&self, nth: usize, count: usize, generator: &mut Generator) -> Result<Moves, Error> {
        let SpatialLimits { shift, degrees } = self.limits;
        match self.search {
            SpatialSearch::WorstOf(_) => {
                let mut draw = |limit: f64| -> Result<Vec<f64>, Error> {
                    let values = Tensor::f_empty([count as i64], (Kind::Float, Device::Cpu))?;
                    generator.uniform_(&values, -1.0, 1.0)?;
                    let values = Vec::<f64>::try_from(values.f_to_kind(Kind::Double)?)?;
                    Ok(values.into_iter().map(|value| value * limit).collect())
                };
                Ok(Moves { across: draw(shift)?, down: draw(shift)?, degrees: draw(degrees)? })
            }
            SpatialSearch::Grid { shifts, angles } => {
                let at = |nth: usize, of: usize, limit: f64| {
                    if of == 1 { 0.0 } else { limit * (2.0 * nth as f64 / (of - 1) as f64 - 1.0) }
                };
                let (across, rest) = (nth % shifts, nth / shifts);
                let (down, angle) = (rest % shifts, rest / shifts);
                Ok(Moves {
                    across: vec![at(across, shifts, shift); count],
                    down: vec![at(down, shifts, shift); count],
                    degrees: vec![at(angle, angles, degrees); count],
                })
            }
        }
    }
}

/// Turns each image (N, C, H, W) about its centre, counter-clockwise for angles above 0, and then moves it, to the right and down for shifts
/// above 0; both by bilinear interpolation. What comes from outside the image is black, also where the move brings back what the turn had
/// taken out of it.
///
/// # Errors
/// Other shapes; numbers of shifts and angles other than N.
pub fn rotate_and_shift(
    images: &Tensor,
    across: &[f64],
    down: &[f64],
    degrees: &[f64],
) -> Result<Tensor, Error> {
    let size = images.size();
    let count = size.first().map_or(0, |&count| count as usize);
    if size.len() != 4 || [across, down, degrees].iter().any(|values| values.len() != count) {
        let problem = format!(
            "images (N, C, H, W) and a shift either way and an angle for each are needed, found {size:?}"
        );
        return Err(Error::Attack { problem });
    }
    transform(images, &Moves { across: across.to_vec(), down: down.to_vec(), degrees: degrees.to_vec() })
}

fn transform(images: &Tensor, moves: &Moves) -> Result<Tensor, Error> {
    let (_, _, height, width) = images.size4()?;
    // As much black around as the shift can bring in; more would change nothing.
    let furthest = moves.across.iter().chain(&moves.down).fold(0.0_f64, |most, shift| most.max(shift.abs()));
    let border = furthest.ceil() as i64 + 1;
    let wide = images.f_constant_pad_nd([border; 4])?;
    let turned = sample(&wide, |x, y| {
        let column = |values: Vec<f64>| column(values, images);
        let cos = column(moves.degrees.iter().map(|angle| angle.to_radians().cos()).collect())?;
        let sin = column(moves.degrees.iter().map(|angle| angle.to_radians().sin()).collect())?;
        Ok((x.f_mul(&cos)?.f_sub(&y.f_mul(&sin)?)?, x.f_mul(&sin)?.f_add(&y.f_mul(&cos)?)?))
    })?;
    let shifted = if furthest == 0.0 {
        turned
    } else {
        sample(&turned, |x, y| {
            Ok((
                x.f_sub(&column(moves.across.clone(), images)?)?,
                y.f_sub(&column(moves.down.clone(), images)?)?,
            ))
        })?
    };
    // Sums of weights may exceed 1 by a rounding error.
    Ok(shifted.f_narrow(2, border, height)?.f_narrow(3, border, width)?.f_clamp(0.0, 1.0)?)
}

/// One number for each image, (N, 1, 1).
fn column(values: Vec<f64>, like: &Tensor) -> Result<Tensor, Error> {
    Ok(Tensor::from_slice(&values).f_view([-1, 1, 1])?.f_to_kind(Kind::Float)?.f_to_device(like.device())?)
}

/// The image read at other places: `from` gives, for the coordinates of each pixel in pixels from the centre, those where it comes from.
fn sample(
    images: &Tensor,
    from: impl FnOnce(&Tensor, &Tensor) -> Result<(Tensor, Tensor), Error>,
) -> Result<Tensor, Error> {
    let (_, _, height, width) = images.size4()?;
    let options = (Kind::Float, images.device());
    let centred = |length: i64| Tensor::f_arange(length, options)?.f_sub_scalar((length - 1) as f64 / 2.0);
    let (x, y) = (centred(width)?.f_view([1, 1, -1])?, centred(height)?.f_view([1, -1, 1])?);
    let (x, y) = from(&x, &y)?;
    let unit = |values: Tensor, length: i64| values.f_mul_scalar(2.0 / (length - 1).max(1) as f64);
    let count = images.size()[0];
    let expand = |values: Tensor| values.f_expand([count, height, width], false);
    let grid = Tensor::f_stack(&[expand(unit(x, width)?)?, expand(unit(y, height)?)?], 3)?;
    let (bilinear, zeros) = (0, 0);
    Ok(images.f_grid_sampler(&grid.f_to_kind(images.kind())?, bilinear, zeros, true)?)
}
