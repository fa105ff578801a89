//! NT-Xent, SimCLR's contrastive loss.

use crate::Error;
use tch::{Kind, Reduction, Tensor};

const LOSS: &str = "nt_xent";

/// The normalised temperature-scaled cross entropy of SimCLR (Chen et al. 2020, equation 1).
///
/// `a` and `b` (N, D) hold the projections of two views of the same N images, in the same order; they are
/// L2-normalised here. Each of the 2N rows is classified among the 2N - 1 others by cosine similarity over
/// `temperature`; the row of the same image is the right answer.
///
/// Convention: both directions, **mean over the 2N rows**, as in the paper and in lightly's `NTXentLoss`.
/// Google's code adds the means of the two directions instead, which is twice this value.
///
/// Errs unless `a` and `b` are floating tensors of one shape (N, D) with N >= 2 (with one image there is no
/// negative and nothing to learn) and `temperature` is finite and positive.
pub fn nt_xent(a: &Tensor, b: &Tensor, temperature: f64) -> Result<Tensor, Error> {
    let shape = a.size();
    let (n, d) = match shape[..] {
        [n, d] if n >= 2 && d >= 1 => (n, d),
        _ => {
            let expected = "(N, D) with N >= 2 and D >= 1".to_owned();
            return Err(Error::Shape { loss: LOSS, argument: "a", expected, found: shape });
        }
    };
    if b.size() != shape {
        let expected = format!("of `a`, ({n}, {d})");
        return Err(Error::Shape { loss: LOSS, argument: "b", expected, found: b.size() });
    }
    for (argument, tensor) in [("a", a), ("b", b)] {
        if !tensor.is_floating_point() {
            let found = tensor.kind();
            return Err(Error::Kind { loss: LOSS, argument, expected: "floating-point numbers", found });
        }
    }
    if !(temperature.is_finite() && temperature > 0.0) {
        let expected = "finite and positive";
        return Err(Error::Parameter { loss: LOSS, argument: "temperature", expected, found: temperature });
    }

    let z = normalize(&Tensor::f_cat(&[a, b], 0)?)?;
    let itself = Tensor::f_eye(2 * n, (Kind::Bool, z.device()))?;
    let logits = z
        .f_matmul(&z.f_transpose(0, 1)?)?
        .f_div_scalar(temperature)?
        .f_masked_fill(&itself, f64::NEG_INFINITY)?;
    let partner = Tensor::f_arange(2 * n, (Kind::Int64, z.device()))?.f_roll([n], [0])?;
    Ok(logits.f_cross_entropy_loss(&partner, None::<&Tensor>, Reduction::Mean, -100, 0.0)?)
}

/// Rows of length one; rows shorter than 1e-12 are divided by that instead, as `torch.nn.functional.normalize` does.
fn normalize(z: &Tensor) -> Result<Tensor, Error> {
    let norm = z.f_norm_scalaropt_dim(2.0, [1i64], true)?.f_clamp_min(1e-12)?;
    Ok(z.f_div(&norm)?)
}
