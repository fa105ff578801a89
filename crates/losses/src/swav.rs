//! SwAV: balanced assignments to prototypes, each view's predicted from the others.

use crate::Error;
use crate::check::{matrix, positive};
use tch::{Kind, Tensor};

/// Balanced soft assignments of the rows of `scores` (B, K) to K prototypes, without gradients: the matrix
/// exp(scores / epsilon), scaled `iterations` times to equal sums of the columns and then of the rows (Sinkhorn-Knopp; Caron
/// et al. 2020, section 3.1). Every row sums to one; the columns' sums tend to B / K as iterations grow.
///
/// The largest score is subtracted first, which changes nothing but keeps exp within range; the work is done in f32
/// at least, whatever the scores are. Embeddings of a queue are further rows, whose assignments the caller leaves out.
///
/// Errs unless `scores` is floating with B, K >= 1, `epsilon` is finite and positive, and `iterations` is at least 1.
pub fn sinkhorn(scores: &Tensor, epsilon: f64, iterations: u32) -> Result<Tensor, Error> {
    const LOSS: &str = "sinkhorn";
    let (_, k) = matrix(LOSS, "scores", scores, 1)?;
    positive(LOSS, "epsilon", epsilon)?;
    positive(LOSS, "iterations", f64::from(iterations))?;
    let _guard = tch::no_grad_guard();
    let kind = if scores.kind() == Kind::Double { Kind::Double } else { Kind::Float };
    let scores = scores.f_to_kind(kind)?;
    let mut q = scores.f_sub(&scores.f_max()?)?.f_div_scalar_(epsilon)?.f_exp_()?;
    // A row far below the largest score could vanish altogether: the smallest normal number keeps it divisible.
    q = q.f_clamp_min_(f64::from(f32::MIN_POSITIVE))?;
    for _ in 0..iterations {
        let prototypes = q.f_sum_dim_intlist([0i64].as_slice(), true, None::<Kind>)?;
        q = q.f_div_(&prototypes)?.f_div_scalar_(k as f64)?;
        let samples = q.f_sum_dim_intlist([1i64].as_slice(), true, None::<Kind>)?;
        q = q.f_div_(&samples)?;
    }
    Ok(q)
}

/// SwAV's swapped prediction (Caron et al. 2020, equations 1 and 2, with multi-crop): for each of the A views that
/// have `codes` (N, K), the cross entropy of every other view's `softmax(scores / temperature)` with them, **mean over
/// the N images, over the V - 1 other views, and over the A views**.
///
/// `scores` has one (N, K) for each of the V views, those with codes first. Gradients flow into the scores; codes are
/// constants.
///
/// Errs unless there are as many codes as views or fewer, at least one and V >= 2, all of one shape, and `temperature`
/// is finite and positive.
pub fn swapped_prediction(codes: &[Tensor], scores: &[Tensor], temperature: f64) -> Result<Tensor, Error> {
    const LOSS: &str = "swapped_prediction";
    positive(LOSS, "temperature", temperature)?;
    let (assigned, views) = (codes.len(), scores.len());
    if assigned == 0 || views < 2 || assigned > views {
        let expected =
            "one (N, K) for each of 2 views or more, and codes for at least one of them".to_owned();
        return Err(Error::Shape {
            loss: LOSS,
            argument: "scores",
            expected,
            found: vec![assigned as i64, views as i64],
        });
    }
    let (n, k) = matrix(LOSS, "scores", &scores[0], 1)?;
    for (argument, tensor) in codes.iter().map(|t| ("codes", t)).chain(scores.iter().map(|t| ("scores", t))) {
        if matrix(LOSS, argument, tensor, 1)? != (n, k) {
            let expected = format!("({n}, {k})");
            return Err(Error::Shape { loss: LOSS, argument, expected, found: tensor.size() });
        }
    }
    let predictions: Vec<Tensor> = scores
        .iter()
        .map(|scores| scores.f_div_scalar(temperature)?.f_log_softmax(1, None::<Kind>))
        .collect::<Result<_, _>>()?;
    let mut total = Tensor::f_zeros([], (predictions[0].kind(), predictions[0].device()))?;
    for (view, code) in codes.iter().enumerate() {
        let code = code.f_detach()?;
        for (_, prediction) in predictions.iter().enumerate().filter(|(other, _)| *other != view) {
            total = total.f_add(&code.f_mul(prediction)?.f_sum(None::<Kind>)?)?;
        }
    }
    Ok(total.f_div_scalar(-(assigned as f64 * (views - 1) as f64 * n as f64))?)
}
