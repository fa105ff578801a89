//! ReLICv2's pair term: contrast with few negatives, and an explicit invariance penalty.

use crate::Error;
use crate::check::{normalize, not_negative, pair, positive};
use tch::{Kind, Tensor};

const LOSS: &str = "relic_v2";

/// The constants of [`relic_v2`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RelicV2Options {
    /// Of the cosines.
    pub temperature: f64,
    /// Of the contrastive term.
    pub contrast: f64,
    /// Of the invariance penalty.
    pub invariance: f64,
}

/// The term of ReLICv2 (Tomasev et al. 2022) for one pair of views: `contrast` times the mean over the images of -ln p(i | i), plus
/// `invariance` times the mean of KL(p(· | i) || sg q(· | i)).
///
/// `online` (N, D) are the online network's embeddings of one view, `target` (N, D) the target network's of the other; both are
/// L2-normalised here, and no gradient flows into `target`. The candidates of image i are its own target and those of the
/// images `negatives` (N, E) int64, which the caller draws among the others. p is the softmax over them of the cosines of i's online
/// embedding with their target embeddings over the temperature; q swaps the networks, and is cut from the graph: the cosines of i's
/// target embedding with their online embeddings.
///
/// Errs on shapes that do not go together, negatives out of range, and constants out of range.
pub fn relic_v2(
    online: &Tensor,
    target: &Tensor,
    negatives: &Tensor,
    options: &RelicV2Options,
) -> Result<Tensor, Error> {
    let (n, _) = pair(LOSS, ("online", online), ("target", target), 1)?;
    match negatives.size()[..] {
        [rows, e] if rows == n && e >= 1 => {}
        _ => {
            let expected = format!("({n}, E) with E >= 1");
            return Err(Error::Shape {
                loss: LOSS,
                argument: "negatives",
                expected,
                found: negatives.size(),
            });
        }
    }
    if negatives.kind() != Kind::Int64 {
        let (expected, found) = ("64-bit integers", negatives.kind());
        return Err(Error::Kind { loss: LOSS, argument: "negatives", expected, found });
    }
    for index in [negatives.f_min()?, negatives.f_max()?] {
        let found = i64::try_from(&index)?;
        if !(0..n).contains(&found) {
            let (expected, found) = ("rows of `target`", found as f64);
            return Err(Error::Parameter { loss: LOSS, argument: "negatives", expected, found });
        }
    }
    let RelicV2Options { temperature, contrast, invariance } = *options;
    positive(LOSS, "temperature", temperature)?;
    not_negative(LOSS, "contrast", contrast)?;
    not_negative(LOSS, "invariance", invariance)?;

    let (online, target) = (normalize(online)?, normalize(&target.f_detach()?)?);
    let own = Tensor::f_arange(n, (Kind::Int64, online.device()))?.f_unsqueeze(1)?;
    let candidates = Tensor::f_cat(&[own, negatives.f_to_device(online.device())?], 1)?;
    let log_p = |cosines: Tensor| -> Result<Tensor, Error> {
        let chosen = cosines.f_gather(1, &candidates, false)?;
        Ok(chosen.f_div_scalar(temperature)?.f_log_softmax(1, None::<Kind>)?)
    };
    let cosines = online.f_matmul(&target.f_transpose(0, 1)?)?;
    let q = log_p(cosines.f_detach()?.f_transpose(0, 1)?)?;
    let p = log_p(cosines)?;
    let likelihood = p.f_select(1, 0)?.f_mean(None::<Kind>)?.f_mul_scalar(-contrast)?;
    let divergence = p.f_exp()?.f_mul(&p.f_sub(&q)?)?.f_sum(None::<Kind>)?;
    Ok(likelihood.f_add(&divergence.f_mul_scalar(invariance / n as f64)?)?)
}
