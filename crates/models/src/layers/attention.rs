//! Scaled dot-product attention over tokens.

use tch::{TchError, Tensor};

/// Splits vectors (N, T, C) into (N, heads, T, C / heads), without copying.
pub(crate) fn heads(x: &Tensor, heads: i64) -> Result<Tensor, TchError> {
    let (n, t, c) = x.size3()?;
    x.f_reshape([n, t, heads, c / heads])?.f_transpose(1, 2)
}

/// `softmax(q kᵀ / √d) v` for each head of `q`, `k` and `v` (N, heads, T, d), by LibTorch's fused kernels; the heads'
/// results side by side, (N, T, heads · d).
pub(crate) fn attend(q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor, TchError> {
    let mask = None::<Tensor>;
    let y = Tensor::f_scaled_dot_product_attention(q, k, v, mask, 0.0, false, None, false)?;
    let (n, heads, t, d) = y.size4()?;
    y.f_transpose(1, 2)?.f_reshape([n, t, heads * d])
}
