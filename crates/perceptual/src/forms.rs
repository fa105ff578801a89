//! The ways in which a network's activations are compared: Kumar et al. 2022 look at what each of them does to a perceptual score.

use crate::Error;
use crate::distance::{channels, unit};
use std::fmt;
use std::str::FromStr;
use tch::{Kind, Tensor};

/// How activations of two images make a distance. Below, f is a tap, divided at each position by its norm over channels (f̂), and
/// what is said of one tap is summed over those chosen. All are 0 for equal images, and symmetric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DistanceForm {
    /// The squared differences of f̂, summed over channels, the mean over positions: LPIPS with `lpips=False`. It is twice the mean over
    /// positions of 1 − cos.
    Baseline,
    /// 1 − cos of the whole tap as one vector: positions count by how strong they are, and must match.
    Cosine,
    /// The squared differences of the Gram matrices Σ f̂ f̂ᵀ / positions, summed over their entries: which channels go together, wherever it is.
    Style,
    /// The squared differences of the mean of f̂ over positions, summed over channels: what there is, wherever it is.
    MeanPool,
    /// 1 − cos of the pooled features that the classifier reads; no tap is looked at.
    PooledCosine,
}

impl DistanceForm {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Baseline, Self::Cosine, Self::Style, Self::MeanPool, Self::PooledCosine];

    /// Whether it compares taps, and not pooled features.
    pub fn needs_taps(self) -> bool {
        self != Self::PooledCosine
    }
}

/// `baseline`, `cosine`, `style`, `mean-pool` or `pooled-cosine`.
impl fmt::Display for DistanceForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Baseline => "baseline",
            Self::Cosine => "cosine",
            Self::Style => "style",
            Self::MeanPool => "mean-pool",
            Self::PooledCosine => "pooled-cosine",
        })
    }
}

impl FromStr for DistanceForm {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(|form| form.to_string()).join(", ");
        Self::ALL
            .into_iter()
            .find(|form| form.to_string() == name)
            .ok_or_else(|| format!("no distance {name:?}: there are {}", names()))
    }
}

/// A tap as the network gives it, and divided by its norms.
pub(crate) struct Tap {
    raw: Tensor,
    unit: Tensor,
}

impl Tap {
    pub(crate) fn new(raw: Tensor) -> Result<Self, Error> {
        Ok(Self { unit: unit(&raw)?, raw })
    }
}

/// The distances (N) f32 between one tap of two batches of images; of [`DistanceForm::PooledCosine`], whose features are no tap, the cosine.
pub(crate) fn of_tap(form: DistanceForm, a: &Tap, b: &Tap) -> Result<Tensor, Error> {
    match form {
        DistanceForm::Baseline => baseline(&a.unit, &b.unit),
        DistanceForm::Cosine | DistanceForm::PooledCosine => cosine(&a.raw, &b.raw),
        DistanceForm::Style => style(&a.unit, &b.unit),
        DistanceForm::MeanPool => {
            let mean =
                |tap| Ok::<_, Error>(positions(tap)?.f_mean_dim([2].as_slice(), false, Kind::Float)?);
            let squares = mean(&a.unit)?.f_sub(&mean(&b.unit)?)?.f_square()?;
            Ok(squares.f_sum_dim_intlist([1].as_slice(), false, Kind::Float)?)
        }
    }
}

/// The mean over positions of the squared differences of unit vectors.
pub(crate) fn baseline(a: &Tensor, b: &Tensor) -> Result<Tensor, Error> {
    let squared = a.f_sub(b)?.f_square()?.f_sum_dim_intlist([channels(a)].as_slice(), false, Kind::Float)?;
    Ok(squared.f_flatten(1, -1)?.f_mean_dim([1].as_slice(), false, Kind::Float)?)
}

/// 1 − cos of whole rows, as half the squared difference of unit vectors, which stays exact where they are nearly equal.
pub(crate) fn cosine(a: &Tensor, b: &Tensor) -> Result<Tensor, Error> {
    let unit = |x: &Tensor| -> Result<Tensor, Error> {
        let rows = x.f_flatten(1, -1)?;
        let squares = rows.f_square()?.f_sum_dim_intlist([1].as_slice(), true, Kind::Float)?;
        Ok(rows.f_div(&squares.f_sqrt()?.f_clamp_min(f64::from(f32::MIN_POSITIVE))?)?)
    };
    let squares = unit(a)?.f_sub(&unit(b)?)?.f_square()?;
    Ok(squares.f_sum_dim_intlist([1].as_slice(), false, Kind::Float)?.f_mul_scalar(0.5)?)
}

/// The squared difference of Gram matrices.
///
/// With D and S the difference and the sum of the two (C, P), it is ‖(DSᵀ + SDᵀ) / 2P‖², which loses nothing where the images are nearly
/// equal. Where there are fewer positions than channels, the same number is made of matrices (P, P).
fn style(a: &Tensor, b: &Tensor) -> Result<Tensor, Error> {
    let (a, b) = (positions(a)?, positions(b)?);
    let (difference, sum) = (a.f_sub(&b)?, a.f_add(&b)?);
    let (c, p) = (a.size()[1], a.size()[2]);
    let total = |x: Tensor| x.f_sum_dim_intlist([1, 2].as_slice(), false, Kind::Float);
    let transposed = |x: &Tensor| x.f_transpose(1, 2);
    let squares = if p < c {
        let product = |x: &Tensor, y: &Tensor| transposed(x)?.f_bmm(y);
        let (dd, ss, sd) =
            (product(&difference, &difference)?, product(&sum, &sum)?, product(&sum, &difference)?);
        total(dd.f_mul(&ss)?.f_add(&sd.f_mul(&transposed(&sd)?)?)?)?.f_mul_scalar(0.5)?
    } else {
        let product = difference.f_bmm(&transposed(&sum)?)?;
        total(product.f_add(&transposed(&product)?)?.f_square()?)?.f_mul_scalar(0.25)?
    };
    Ok(squares.f_div_scalar((p * p) as f64)?.f_clamp_min(0.0)?)
}

/// A tap as (N, C, positions).
fn positions(tap: &Tensor) -> Result<Tensor, Error> {
    let tap = if channels(tap) == 1 { tap.shallow_clone() } else { tap.f_transpose(1, 2)? };
    Ok(tap.f_flatten(2, -1)?)
}
