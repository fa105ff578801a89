//! iBOT's masked-image term: at masked patches the student predicts the teacher's distribution.

use crate::Error;
use crate::check::{floating, positive, shaped};
use tch::{Kind, Tensor};

const LOSS: &str = "ibot";

/// The cross entropy at masked patches (Zhou et al. 2022, equation 2).
///
/// `masked` (B, P) bool marks the M masked patches of B images; `targets` (M, K) are the teacher's probabilities and
/// `logits` (M, K) the student's outputs at these patches, in the order in which `masked.nonzero()` lists them. No gradient flows
/// into the targets.
///
/// Convention: the mean over the masked patches of an image, then the **mean over all B images**, of which those without a
/// mask count as 0: as in the authors' code, in DINOv2's and in lightly's `IBOTPatchLoss`. With M = 0 the value is 0.
///
/// Errs on other shapes or kinds, a mask that does not mark M patches, and a temperature that is not finite and positive.
pub fn ibot(targets: &Tensor, logits: &Tensor, masked: &Tensor, temperature: f64) -> Result<Tensor, Error> {
    let images = match masked.size()[..] {
        [b, p] if b >= 1 && p >= 1 => b,
        _ => {
            let expected = "(B, P) with B >= 1 and P >= 1".to_owned();
            return Err(Error::Shape { loss: LOSS, argument: "masked", expected, found: masked.size() });
        }
    };
    if masked.kind() != Kind::Bool {
        let found = masked.kind();
        return Err(Error::Kind { loss: LOSS, argument: "masked", expected: "booleans", found });
    }
    let patches = i64::try_from(&masked.f_sum(Kind::Int64)?)?;
    match targets.size()[..] {
        [m, k] if m == patches && k >= 1 => {}
        _ => {
            let expected = format!("({patches}, K), a row for each masked patch");
            return Err(Error::Shape { loss: LOSS, argument: "targets", expected, found: targets.size() });
        }
    }
    floating(LOSS, "targets", targets)?;
    shaped(LOSS, "logits", logits, &targets.size())?;
    positive(LOSS, "temperature", temperature)?;

    let log = logits.f_div_scalar(temperature)?.f_log_softmax(-1, None::<Kind>)?;
    let entropy =
        targets.f_detach()?.f_mul(&log)?.f_sum_dim_intlist([-1i64].as_slice(), false, None::<Kind>)?;
    let count = masked.f_sum_dim_intlist([1i64].as_slice(), true, logits.kind())?.f_clamp_min(1.0)?;
    let weight = count.f_reciprocal()?.f_expand_as(masked)?.f_masked_select(masked)?;
    Ok(entropy.f_mul(&weight)?.f_sum(None::<Kind>)?.f_mul_scalar(-1.0 / images as f64)?)
}
