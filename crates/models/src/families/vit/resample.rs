//! Resampling of what is tied to a size: position embeddings to another grid, patch kernels to another patch side.

use super::config::Resampling;
use tch::{Kind, TchError, Tensor};

/// Position embeddings `x` (1, rows · columns, C) of the grid `from` for the grid `to`, computed in f32; gradients
/// flow through. timm's `resample_abs_pos_embed`.
pub(super) fn positions(
    x: &Tensor,
    from: (i64, i64),
    to: (i64, i64),
    filter: Resampling,
) -> Result<Tensor, TchError> {
    if from == to {
        return Ok(x.shallow_clone());
    }
    let width = x.size()[2];
    let map = x.f_to_kind(Kind::Float)?.f_reshape([1, from.0, from.1, width])?.f_permute([0, 3, 1, 2])?;
    let map = interpolate(&map, to, filter)?;
    map.f_permute([0, 2, 3, 1])?.f_reshape([1, -1, width])?.f_to_kind(x.kind())
}

/// The matrix (P · P, Q · Q) that turns patch kernels of side `from` = P into kernels of side `to` = Q, so that a patch and its
/// resized copy have nearly the same embedding: the pseudo-inverse of the resizing of images ("FlexiViT: one model for
/// all patch sizes", Beyer et al., 2023; timm's `resample_patch_embed`).
pub(super) fn kernel_matrix(from: i64, to: i64, filter: Resampling) -> Result<Tensor, TchError> {
    let device = tch::Device::Cpu;
    let basis = Tensor::f_eye(from * from, (Kind::Float, device))?.f_reshape([from * from, 1, from, from])?;
    let resized = interpolate(&basis, (to, to), filter)?;
    let resize = resized.f_reshape([from * from, to * to])?.f_transpose(0, 1)?;
    resize.f_linalg_pinv_atol_rtol_float(None, None, false)
}

/// Patch kernels `weight` (O, I, P, P) turned into (O, I, `to`, `to`) by `matrix` of [`kernel_matrix`].
pub(super) fn kernels(weight: &Tensor, matrix: &Tensor, to: i64) -> Result<Tensor, TchError> {
    let size = weight.size();
    let flat = weight.f_to_kind(Kind::Float)?.f_flatten(2, -1)?;
    flat.f_matmul(matrix)?.f_reshape([size[0], size[1], to, to])?.f_to_kind(weight.kind())
}

fn interpolate(x: &Tensor, (rows, columns): (i64, i64), filter: Resampling) -> Result<Tensor, TchError> {
    match filter {
        Resampling::Bicubic => x.f_internal_upsample_bicubic2d_aa([rows, columns], false, None, None),
        Resampling::Bilinear => x.f_upsample_bilinear2d([rows, columns], false, None, None),
    }
}
