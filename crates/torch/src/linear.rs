//! The affine map, by the faster of the two libraries that LibTorch has for it.

use std::sync::LazyLock;

use tch::{Kind, TchError, Tensor};

/// Fewer rows than this gain nothing: the product is then bound by reading the weight.
const FEWEST_ROWS: i64 = 48;

/// Whether LibTorch's own choice for f32 products, MKL, is slow here. MKL has its fast kernels for Intel's processors alone;
/// oneDNN, which LibTorch has too and uses for convolutions, measures the processor by its instruction sets.
static MKL_IS_SLOW: LazyLock<bool> = LazyLock::new(|| {
    #[cfg(target_arch = "x86_64")]
    {
        let vendor = raw_cpuid::CpuId::new().get_vendor_info();
        vendor.is_some_and(|vendor| vendor.as_str() != "GenuineIntel")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
});

/// `x Wᵀ + b` for `x` (..., I), `weight` (O, I), `bias` (O): `torch.nn.functional.linear`. On x86 processors that are not
/// Intel's, products of many f32 rows go through oneDNN as a convolution of size 1, about twice as fast as LibTorch's
/// choice in both directions (2.0 times forward, 1.8 backward at ViT-S/16's sizes on an AVX-512 EPYC); the memory is
/// the same, nothing is copied. The results differ in the last bits, as between any two libraries.
///
/// # Errors
/// Shapes or kinds that do not agree.
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor, TchError> {
    match by_convolution(x, weight) {
        true => convolved(x, weight, bias),
        false => x.f_linear(weight, bias),
    }
}

fn by_convolution(x: &Tensor, weight: &Tensor) -> bool {
    let rows = || x.size().iter().rev().skip(1).product::<i64>();
    *MKL_IS_SLOW
        && !x.device().is_cuda()
        && x.kind() == Kind::Float
        && weight.kind() == Kind::Float
        && weight.dim() == 2
        && x.dim() >= 2
        && x.size().last() == weight.size().last()
        && weight.numel() > 0
        && rows() >= FEWEST_ROWS
        && x.is_contiguous()
        && weight.is_contiguous()
}

/// The rows as pixels of one image that lies in memory channels-last, so that both views are free.
fn convolved(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor, TchError> {
    let mut shape = x.size();
    let (outputs, inputs) = weight.size2()?;
    let image = x.f_reshape([1, -1, 1, inputs])?.f_permute([0, 3, 1, 2])?;
    let kernel = weight.f_view([outputs, inputs, 1, 1])?;
    let y = image.f_conv2d(&kernel, bias, [1, 1], [0, 0], [1, 1], 1)?;
    if let Some(last) = shape.last_mut() {
        *last = outputs;
    }
    y.f_permute([0, 2, 3, 1])?.f_reshape(shape)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    fn filled(shape: &[i64], phase: f64) -> Tensor {
        let count: i64 = shape.iter().product();
        let x = Tensor::arange(count, (Kind::Double, Device::Cpu));
        (x * 0.7 + phase).sin().to_kind(Kind::Float).reshape(shape)
    }

    /// Whichever way this machine takes, the convolution is the product, in value and gradient.
    #[test]
    fn the_convolution_is_the_product() {
        let leaf = |shape: &[i64], phase| filled(shape, phase).set_requires_grad(true);
        for bias in [true, false] {
            let inputs = || (leaf(&[2, 50, 24], 0.1), leaf(&[40, 24], 0.2), leaf(&[40], 0.3));
            let ((x, w, b), (x2, w2, b2)) = (inputs(), inputs());
            let plain = x.linear(&w, bias.then_some(&b));
            let ours = convolved(&x2, &w2, bias.then_some(&b2)).expect("a product");
            assert_eq!(ours.size(), [2, 50, 40]);
            assert!(ours.is_contiguous());
            assert!(ours.allclose(&plain, 1e-5, 1e-5, false));
            let weight = filled(&[2, 50, 40], 0.4);
            (plain * &weight).sum(Kind::Float).backward();
            (ours * &weight).sum(Kind::Float).backward();
            assert!(x2.grad().allclose(&x.grad(), 1e-5, 1e-5, false));
            assert!(w2.grad().allclose(&w.grad(), 1e-5, 1e-4, false));
            assert_eq!(b2.grad().defined(), bias);
        }
    }

    #[test]
    fn every_shape_goes_some_way() {
        for shape in [&[24][..], &[3, 24], &[100, 24], &[0, 24], &[2, 7, 9, 24]] {
            let (x, w) = (filled(shape, 0.1), filled(&[5, 24], 0.2));
            let y = linear(&x, &w, None).expect("a product");
            assert!(y.allclose(&x.linear(&w, None::<Tensor>), 1e-5, 1e-5, false), "{shape:?}");
        }
        let transposed = filled(&[24, 60], 0.1).transpose(0, 1);
        let y = linear(&transposed, &filled(&[5, 24], 0.2), None).expect("a product");
        assert_eq!(y.size(), [60, 5]);
        assert!(linear(&filled(&[60, 23], 0.0), &filled(&[5, 24], 0.0), None).is_err());
        let half = filled(&[60, 24], 0.0).to_kind(Kind::BFloat16);
        assert!(linear(&half, &filled(&[5, 24], 0.0).to_kind(Kind::BFloat16), None).is_ok());
    }
}
