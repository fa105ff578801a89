//! How two weight files differ, tensor by tensor.

use super::dtype::dtype_name;
use super::state::StateDict;
use std::collections::BTreeSet;
use tch::{Kind, TchError, Tensor};

/// How one tensor differs between two files.
#[derive(Clone, Debug, PartialEq)]
pub enum Difference {
    /// Only the first file has it, in this shape.
    OnlyInFirst(Vec<i64>),
    /// Only the second file has it, in this shape.
    OnlyInSecond(Vec<i64>),
    /// The shapes differ.
    Shape(Vec<i64>, Vec<i64>),
    /// The shapes agree; the types or values may not.
    Values {
        /// The first file's type.
        first: String,
        /// The second file's.
        second: String,
        /// The greatest absolute difference of two values; NaN when one is NaN and the other is not, or where there are
        /// values that cannot be read.
        max_abs: f64,
        /// The L2 norm of the difference over that of the first; infinite when the first is zero and the second is not.
        relative: f64,
    },
}

impl Difference {
    /// Whether there is none: same shape, type and values.
    pub fn is_none(&self) -> bool {
        matches!(self, Self::Values { first, second, max_abs, .. } if first == second && *max_abs == 0.0)
    }
}

/// A name and how its tensors differ.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TensorDiff {
    /// The name in either file.
    pub name: String,
    /// How the two differ.
    pub difference: Difference,
}

/// Compares two files; every name of either, sorted, equal ones included.
///
/// # Errors
/// When LibTorch refuses a computation.
pub fn diff(first: &StateDict, second: &StateDict) -> Result<Vec<TensorDiff>, TchError> {
    let (a, b) = (first.shapes(), second.shapes());
    let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let compare = |name: &String| -> Result<Difference, TchError> {
        Ok(match (a.get(name), b.get(name)) {
            (Some(shape), None) => Difference::OnlyInFirst(shape.clone()),
            (None, Some(shape)) => Difference::OnlyInSecond(shape.clone()),
            (Some(a), Some(b)) if a != b => Difference::Shape(a.clone(), b.clone()),
            _ => {
                let (max_abs, relative) = match (first.get(name), second.get(name)) {
                    (Some(a), Some(b)) => distance(a, b)?,
                    _ => (f64::NAN, f64::NAN),
                };
                Difference::Values {
                    first: dtype(first, name),
                    second: dtype(second, name),
                    max_abs,
                    relative,
                }
            }
        })
    };
    names.into_iter().map(|name| Ok(TensorDiff { name: name.clone(), difference: compare(name)? })).collect()
}

fn dtype(state: &StateDict, name: &str) -> String {
    match state.get(name) {
        Some(tensor) => dtype_name(tensor.kind()).into(),
        None => state.unread().get(name).map(|tensor| tensor.dtype.clone()).unwrap_or_default(),
    }
}

/// The greatest absolute difference, and the norm of the difference over that of `a`.
fn distance(a: &Tensor, b: &Tensor) -> Result<(f64, f64), TchError> {
    if a.numel() == 0 {
        return Ok((0.0, 0.0));
    }
    let wide = |tensor: &Tensor| match tensor.kind() {
        Kind::ComplexHalf | Kind::ComplexFloat | Kind::ComplexDouble => tensor.f_to_kind(Kind::ComplexDouble),
        _ => tensor.f_to_kind(Kind::Double),
    };
    let (a, b) = (wide(a)?, wide(b)?);
    // Equal infinities, and NaN beside NaN, are no difference.
    let same = a.f_eq_tensor(&b)?.f_logical_or(&a.f_isnan()?.f_logical_and(&b.f_isnan()?)?)?;
    let difference = a.f_sub(&b)?.f_abs()?.f_masked_fill(&same, 0.0)?;
    let max_abs = f64::try_from(difference.f_max()?)?;
    let norm = |tensor: &Tensor| f64::try_from(tensor.f_square()?.f_sum(Kind::Double)?.f_sqrt()?);
    let (difference, reference) = (norm(&difference)?, norm(&a.f_abs()?)?);
    let relative = if difference == 0.0 { 0.0 } else { difference / reference };
    Ok((max_abs, relative))
}
