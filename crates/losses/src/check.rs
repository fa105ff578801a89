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
    floating(loss, argument, tensor)?;
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

/// Errs unless `tensor` is floating and has `shape`.
pub(crate) fn shaped(
    loss: &'static str,
    argument: &'static str,
    tensor: &Tensor,
    shape: &[i64],
) -> Result<(), Error> {
    if tensor.size() != shape {
        let expected = format!("{shape:?}");
        return Err(Error::Shape { loss, argument, expected, found: tensor.size() });
    }
    floating(loss, argument, tensor)
}

/// Errs unless `tensor` holds floating-point numbers.
pub(crate) fn floating(loss: &'static str, argument: &'static str, tensor: &Tensor) -> Result<(), Error> {
    if tensor.is_floating_point() {
        return Ok(());
    }
    let (expected, found) = ("floating-point numbers", tensor.kind());
    Err(Error::Kind { loss, argument, expected, found })
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

/// Errs unless `found` is within 0 and 1.
pub(crate) fn fraction(loss: &'static str, argument: &'static str, found: f64) -> Result<(), Error> {
    if (0.0..=1.0).contains(&found) {
        return Ok(());
    }
    Err(Error::Parameter { loss, argument, expected: "within 0 and 1", found })
}

/// Vectors of length one along the last axis; those shorter than 1e-12 are divided by that instead, as
/// `torch.nn.functional.normalize` does.
pub(crate) fn normalize(z: &Tensor) -> Result<Tensor, Error> {
    let norm = z.f_norm_scalaropt_dim(2.0, [-1i64], true)?.f_clamp_min(1e-12)?;
    Ok(z.f_div(&norm)?)
}
