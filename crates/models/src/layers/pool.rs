//! Poolings that several families share.

use tch::{TchError, Tensor};

/// The means of 2×2 pixels; those of an odd last row or column are of fewer ("bag of tricks" shortcuts).
pub(crate) fn average_pool_2x2(x: &Tensor) -> Result<Tensor, TchError> {
    x.f_avg_pool2d([2, 2], [2, 2], [0, 0], true, false, None)
}

/// The largest of 3×3 pixels, every second one of each axis. Outside the image lies nothing, or zero where `zeros` says
/// so: what Google's ResNets of the second version do.
pub(crate) fn max_pool_3x3(x: &Tensor, zeros: bool) -> Result<Tensor, TchError> {
    match zeros {
        true => x.f_constant_pad_nd([1, 1, 1, 1])?.f_max_pool2d([3, 3], [2, 2], [0, 0], [1, 1], false),
        false => x.f_max_pool2d([3, 3], [2, 2], [1, 1], [1, 1], false),
    }
}
