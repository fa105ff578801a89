//! InfoNCE with negatives from a queue (MoCo v1, v2) or from the batch (MoCo v3, NNCLR).

use crate::Error;
use crate::check::{matrix, normalize, pair, positive};
use tch::{Kind, Reduction, Tensor};

/// MoCo's loss of one direction (He et al. 2020, equation 1): each of the N rows of `query` is classified by its
/// cosine over `temperature` among its own row of `key` and the K rows of `negatives`; **mean over the N rows**.
///
/// `query` and `key` (N, D) are L2-normalised here. `negatives` (K, D) are taken as they are: a queue holds rows that
/// were normalised once, when they came. Gradients flow into all arguments that ask for them.
///
/// Errs unless the tensors are floating and of these shapes with N, K >= 1, and `temperature` is finite and positive.
pub fn info_nce(query: &Tensor, key: &Tensor, negatives: &Tensor, temperature: f64) -> Result<Tensor, Error> {
    const LOSS: &str = "info_nce";
    let (n, d) = pair(LOSS, ("query", query), ("key", key), 1)?;
    let (k, found) = matrix(LOSS, "negatives", negatives, 1)?;
    if found != d {
        let (expected, found) = (format!("(K, {d})"), vec![k, found]);
        return Err(Error::Shape { loss: LOSS, argument: "negatives", expected, found });
    }
    positive(LOSS, "temperature", temperature)?;
    let (query, key) = (normalize(query)?, normalize(key)?);
    let own = query.f_mul(&key)?.f_sum_dim_intlist([1i64].as_slice(), true, None::<Kind>)?;
    let others = query.f_matmul(&negatives.f_transpose(0, 1)?)?;
    let logits = Tensor::f_cat(&[own, others], 1)?.f_div_scalar(temperature)?;
    let first = Tensor::f_zeros([n], (Kind::Int64, query.device()))?;
    Ok(logits.f_cross_entropy_loss(&first, None::<&Tensor>, Reduction::Mean, -100, 0.0)?)
}

/// InfoNCE of one direction with the batch's other keys as negatives: each of the N rows of `query` is classified by
/// its cosine over `temperature` among the N rows of `key`, its own being the right one; **mean over the N rows**.
///
/// This is NNCLR's term with the nearest neighbours as `query` and the predictions as `key` (Dwibedi et al. 2021,
/// algorithm 1), and MoCo v3's without its factor: see [`moco_v3`].
///
/// `query` and `key` (N, D) are L2-normalised here. Errs unless they are floating tensors of one shape with N >= 2,
/// and `temperature` is finite and positive.
pub fn info_nce_in_batch(query: &Tensor, key: &Tensor, temperature: f64) -> Result<Tensor, Error> {
    const LOSS: &str = "info_nce_in_batch";
    let (n, _) = pair(LOSS, ("query", query), ("key", key), 2)?;
    positive(LOSS, "temperature", temperature)?;
    let similarity = normalize(query)?.f_matmul(&normalize(key)?.f_transpose(0, 1)?)?;
    let own = Tensor::f_arange(n, (Kind::Int64, query.device()))?;
    let logits = similarity.f_div_scalar(temperature)?;
    Ok(logits.f_cross_entropy_loss(&own, None::<&Tensor>, Reduction::Mean, -100, 0.0)?)
}

/// MoCo v3's loss of one direction (Chen et al. 2021, algorithm 1): **twice the temperature** times
/// [`info_nce_in_batch`]. A method adds the two directions.
pub fn moco_v3(query: &Tensor, key: &Tensor, temperature: f64) -> Result<Tensor, Error> {
    Ok(info_nce_in_batch(query, key, temperature)?.f_mul_scalar(2.0 * temperature)?)
}
