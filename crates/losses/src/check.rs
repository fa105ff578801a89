//! What the losses check of their arguments, and the normalisation that several share.

use crate::Error;
use tch::Tensor;

/// The (N, D) of `tensor`, which must be floating with N at least `rows` and D at least 1.
pub(crate) fn matrix(
    loss: &'static str,
    argument: &'static str,
    tensor: &Tensor,
    rows: i64,
) -> Result<(i64, i64), Error> {
    let shape = tensor.size();
    let (n, d) = match shape[..] {
        [n, d] if n >= rows && d >= 1 => (n, d),
        _ => {
            let expected = format!("(N, D) with N >= {rows} and D >= 1");
            return Err(Error::Shape { loss, argument, expected, found: shape });
        }
    };
    if !tensor.is_floating_point() {
        let (expected, found) = ("floating-point numbers", tensor.kind());
        return Err(Error::Kind { loss, argument, expected, found });
    }
    Ok((n, d))
}

/// The (N, D) of `first`, which `second` must share; both floating, N at least `rows`.
pub(crate) fn pair(
    loss: &'static str,
    (first, a): (&'static str, &Tensor),
    (second, b): (&'static str, &Tensor),
    rows: i64,
) -> Result<(i64, i64), Error> {
    let (n, d) = matrix(loss, first, a, rows)?;
    if b.size() != [n, d] {
        let expected = format!("of `{first}`, ({n}, {d})");
        return Err(Error::Shape { loss, argument: second, expected, found: b.size() });
    }
    matrix(loss, second, b, rows)
}

/// Errs unless `found` is finite and positive.
pub(crate) fn positive(loss: &'static str, argument: &'static str, found: f64) -> Result<(), Error> {
    if found.is_finite() && found > 0.0 {
        return Ok(());
    }
    Err(Error::Parameter { loss, argument, expected: "finite and positive", found })
}

/// Errs unless `found` is finite and not negative.
pub(crate) fn not_negative(loss: &'static str, argument: &'static str, found: f64) -> Result<(), Error> {
    if found.is_finite() && found >= 0.0 {
        return Ok(());
    }
    Err(Error::Parameter { loss, argument, expected: "finite and not negative", found })
}

/// Rows of length one; rows shorter than 1e-12 are divided by that instead, as `torch.nn.functional.normalize` does.
pub(crate) fn normalize(z: &Tensor) -> Result<Tensor, Error> {
    let norm = z.f_norm_scalaropt_dim(2.0, [1i64], true)?.f_clamp_min(1e-12)?;
    Ok(z.f_div(&norm)?)
}
