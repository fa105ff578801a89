//! Scaled dot-product attention over tokens.

use tch::{TchError, Tensor};

/// Splits vectors (N, T, C) into (N, heads, T, C / heads), without copying.
pub(crate) fn heads(x: &Tensor, heads: i64) -> Result<Tensor, TchError> {
    let (n, t, c) = x.size3()?;
    x.f_reshape([n, t, heads, c / heads])?.f_transpose(1, 2)
}

/// Queries, keys and values (N, heads, T, d), of their joint projection (N, T, 3 · heads · d), without copying.
pub(crate) fn split(qkv: &Tensor, heads: i64) -> Result<[Tensor; 3], TchError> {
    let (n, t, c) = qkv.size3()?;
    let qkv = qkv.f_reshape([n, t, 3, heads, c / 3 / heads])?.f_permute([2, 0, 3, 1, 4])?;
    Ok([qkv.f_select(0, 0)?, qkv.f_select(0, 1)?, qkv.f_select(0, 2)?])
}

/// `softmax(q kᵀ / √d + bias) v` for each head of `q`, `k` and `v` (N, heads, T, d), by LibTorch's fused kernels; the heads'
/// results side by side, (N, T, heads · d). The bias broadcasts to (N, heads, T, T).
pub(crate) fn attend(q: &Tensor, k: &Tensor, v: &Tensor, bias: Option<Tensor>) -> Result<Tensor, TchError> {
    let y = Tensor::f_scaled_dot_product_attention(q, k, v, bias, 0.0, false, None, false)?;
    let (n, heads, t, d) = y.size4()?;
    y.f_transpose(1, 2)?.f_reshape([n, t, heads * d])
}
