//! Images of bytes to planes of numbers, in one pass.

use tch::Tensor;

use crate::Error;
use crate::shim::{self, visrep_map_channels};

/// What `table` (C, 256), f32, has for each byte of `images` (N, H, W, C), u8: (N, C, H, W), contiguous. Both on the CPU.
/// Normalising a batch of images by a table reads each byte once and writes each number once, where LibTorch's operations
/// take five passes.
///
/// LibTorch: `at::empty` and `at::parallel_for`; the result is that of
/// `table.gather(1, images.permute({3, 0, 1, 2}).flatten(1).to(kLong))` in the right order.
///
/// # Errors
/// [`Error::LibTorch`] for other shapes and kinds, or if memory is short.
pub fn map_channels(images: &Tensor, table: &Tensor) -> Result<Tensor, Error> {
    // SAFETY: both tensors are borrowed for the call, which writes one pointer.
    shim::new_tensor("map_channels", |result| unsafe {
        visrep_map_channels(images.as_ptr(), table.as_ptr(), result)
    })
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    #[test]
    fn it_is_the_look_up() {
        for shape in [[2, 5, 7, 3], [1, 1, 1, 1], [0, 4, 4, 3], [3, 2, 300, 4]] {
            let count: i64 = shape.iter().product();
            let images =
                (Tensor::arange(count, (Kind::Int64, Device::Cpu)) * 37).to_kind(Kind::Uint8).view(shape);
            let table =
                Tensor::arange(shape[3] * 256, (Kind::Float, Device::Cpu)).sin().view([shape[3], 256]);
            let mapped = map_channels(&images, &table).expect("a batch");
            assert!(mapped.is_contiguous());
            let indices = images.permute([3, 0, 1, 2]).reshape([shape[3], -1]).to_kind(Kind::Int64);
            let [n, h, w, c] = shape;
            let expected = table.gather(1, &indices, false).view([c, n, h, w]).permute([1, 0, 2, 3]);
            assert_eq!(mapped, expected.contiguous(), "{shape:?}");
        }
    }

    #[test]
    fn other_shapes_and_kinds_are_refused() {
        let bytes = (Kind::Uint8, Device::Cpu);
        let (images, table) =
            (Tensor::zeros([2, 5, 7, 3], bytes), Tensor::zeros([3, 256], (Kind::Float, Device::Cpu)));
        let refused = [
            (images.permute([0, 2, 1, 3]), table.copy()),
            (images.to_kind(Kind::Float), table.copy()),
            (images.select(0, 0), table.copy()),
            (images.copy(), table.narrow(0, 0, 2)),
            (images.copy(), table.to_kind(Kind::Double)),
        ];
        for (images, table) in refused {
            assert!(map_channels(&images, &table).is_err());
        }
    }
}
