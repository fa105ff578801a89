//! Operations on whole lists of tensors in one call: on a GPU, one kernel for all of them.
//!
//! Nothing here records gradients: parameters may be changed as they are.

use tch::Tensor;
use torch_sys::C_tensor;

use crate::Error;
use crate::shim::{self, pointers, visrep_clip_norm, visrep_foreach_add, visrep_foreach_lerp};
use crate::shim::{visrep_foreach_mul, visrep_global_norm};

/// Multiplies each tensor by `factor`, in place.
///
/// LibTorch: `_foreach_mul_`.
///
/// # Errors
/// [`Error::LibTorch`] for tensors that cannot hold the result.
pub fn foreach_mul_(tensors: &mut [Tensor], factor: f64) -> Result<(), Error> {
    let list = pointers(&*tensors);
    // SAFETY: the tensors are borrowed for the call.
    shim::check("_foreach_mul_", unsafe { visrep_foreach_mul(list.as_ptr(), list.len(), factor) })
}

/// Adds `alpha` times its partner of `others` to each tensor, in place.
///
/// LibTorch: `_foreach_add_`.
///
/// # Errors
/// [`Error::ListLengths`], and [`Error::LibTorch`] for shapes that do not fit.
pub fn foreach_add_(tensors: &mut [Tensor], others: &[Tensor], alpha: f64) -> Result<(), Error> {
    let (list, others) = pairs("_foreach_add_", tensors, others)?;
    // SAFETY: the tensors are borrowed for the call, and there are as many of one as of the other.
    let message = unsafe { visrep_foreach_add(list.as_ptr(), others.as_ptr(), list.len(), alpha) };
    shim::check("_foreach_add_", message)
}

/// Moves each tensor towards its partner of `ends`, in place, by the part `weight` of the way: the step of an
/// exponential moving average with the momentum `1 - weight`.
///
/// LibTorch: `_foreach_lerp_`.
///
/// # Errors
/// [`Error::ListLengths`], and [`Error::LibTorch`] for shapes or kinds that do not fit, and for integers.
pub fn foreach_lerp_(tensors: &mut [Tensor], ends: &[Tensor], weight: f64) -> Result<(), Error> {
    let (list, ends) = pairs("_foreach_lerp_", tensors, ends)?;
    // SAFETY: the tensors are borrowed for the call, and there are as many of one as of the other.
    let message = unsafe { visrep_foreach_lerp(list.as_ptr(), ends.as_ptr(), list.len(), weight) };
    shim::check("_foreach_lerp_", message)
}

/// The Euclidean norm of all elements of all tensors together, as a tensor without dimensions on their device:
/// `Double` if one of them is, else `Float`. `None` for no tensors.
///
/// LibTorch: `_foreach_norm`, then `linalg_vector_norm`.
///
/// # Errors
/// [`Error::LibTorch`] for tensors of several devices, and for integers.
pub fn global_norm(tensors: &[Tensor]) -> Result<Option<Tensor>, Error> {
    if tensors.is_empty() {
        return Ok(None);
    }
    let list = pointers(tensors);
    // SAFETY: the tensors are borrowed for the call, which writes one pointer.
    shim::new_tensor("_foreach_norm", |result| unsafe {
        visrep_global_norm(list.as_ptr(), list.len(), result)
    })
    .map(Some)
}

/// Scales gradients, in place, so that their norm together is at most `max_norm`, and gives the norm that they had,
/// as [`global_norm`] does. Nothing waits for the device. As `torch.nn.utils.clip_grad_norm_`, it divides by the norm
/// plus 1e-6, and a norm that is not finite makes all gradients NaN or zero: look at it before the step.
///
/// LibTorch: `_foreach_norm`, `linalg_vector_norm` and `_foreach_mul_`.
///
/// # Errors
/// [`Error::LibTorch`] for tensors of several devices, and for integers.
pub fn clip_grad_norm_(gradients: &mut [Tensor], max_norm: f64) -> Result<Option<Tensor>, Error> {
    if gradients.is_empty() {
        return Ok(None);
    }
    let list = pointers(&*gradients);
    // SAFETY: the tensors are borrowed for the call, which writes one pointer.
    shim::new_tensor("_foreach_norm", |result| unsafe {
        visrep_clip_norm(list.as_ptr(), list.len(), max_norm, result)
    })
    .map(Some)
}

type Pointers = Vec<*const C_tensor>;

fn pairs(call: &'static str, tensors: &[Tensor], others: &[Tensor]) -> Result<(Pointers, Pointers), Error> {
    shim::check_lengths(call, tensors.len(), &[others.len()])?;
    Ok((pointers(tensors), pointers(others)))
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    fn list() -> Vec<Tensor> {
        let numbers = Tensor::arange(12, (Kind::Float, Device::Cpu)) * 0.25 - 1.0;
        vec![numbers.view([3, 4]), numbers.narrow(0, 2, 5).copy().set_requires_grad(true), Tensor::from(3f32)]
    }

    fn values(list: &[Tensor]) -> Vec<Tensor> {
        list.iter().map(|tensor| tensor.detach().copy()).collect()
    }

    #[test]
    fn each_tensor_becomes_what_one_call_each_makes_of_it() {
        let others: Vec<Tensor> = list().iter().map(|tensor| tensor.detach().cos()).collect();
        let check = |work: &dyn Fn(&mut [Tensor]), expected: &dyn Fn(&Tensor, &Tensor) -> Tensor| {
            let mut changed = list();
            work(&mut changed);
            for ((changed, before), other) in changed.iter().zip(values(&list())).zip(&others) {
                assert_eq!(changed.detach(), expected(&before, other));
            }
        };
        check(&|list| foreach_mul_(list, 1.5).unwrap(), &|x, _| x * 1.5);
        check(&|list| foreach_add_(list, &others, -0.5).unwrap(), &|x, other| x - other * 0.5);
        check(&|list| foreach_lerp_(list, &others, 0.125).unwrap(), &|x, other| x.lerp(other, 0.125));
    }

    #[test]
    fn the_norm_is_that_of_all_elements_in_enough_digits() {
        let flat = Tensor::cat(&values(&list()).iter().map(|x| x.view([-1])).collect::<Vec<_>>(), 0);
        let expected = flat.to_kind(Kind::Double).norm().double_value(&[]);
        let norm = global_norm(&list()).unwrap().unwrap();
        assert!((norm.double_value(&[]) / expected - 1.0).abs() < 1e-6);
        assert_eq!((norm.kind(), norm.dim(), norm.requires_grad()), (Kind::Float, 0, false));
        let half = [Tensor::full([4], 60000.0, (Kind::Half, Device::Cpu))];
        assert_eq!(global_norm(&half).unwrap().unwrap().double_value(&[]), 120_000.0, "no overflow");
        let mixed = [values(&list()).remove(0), Tensor::from(3f64)];
        assert_eq!(global_norm(&mixed).unwrap().unwrap().kind(), Kind::Double);
        assert!(global_norm(&[]).unwrap().is_none());
    }

    #[test]
    fn clipping_scales_all_alike_and_only_what_is_too_long() {
        let before = global_norm(&list()).unwrap().unwrap().double_value(&[]);
        let mut clipped = list();
        let norm = clip_grad_norm_(&mut clipped, 0.5).unwrap().unwrap();
        assert_eq!(norm.double_value(&[]), before);
        let after = global_norm(&clipped).unwrap().unwrap().double_value(&[]);
        assert!((after - 0.5).abs() < 1e-6, "{after}");
        for (clipped, before) in clipped.iter().zip(values(&list())) {
            let error = (clipped.detach() * (norm.double_value(&[]) / 0.5) - before).abs().max();
            assert!(error.double_value(&[]) < 1e-5);
        }
        let mut kept = list();
        let _ = clip_grad_norm_(&mut kept, before * 1.01).unwrap();
        assert_eq!(values(&kept), values(&list()));
        assert!(clip_grad_norm_(&mut [], 1.0).unwrap().is_none());
    }

    #[test]
    fn lists_may_be_empty_and_must_match() {
        foreach_mul_(&mut [], 2.0).unwrap();
        foreach_add_(&mut [], &[], 1.0).unwrap();
        foreach_lerp_(&mut [], &[], 0.5).unwrap();
        let message = foreach_add_(&mut list(), &list()[1..], 1.0).unwrap_err().to_string();
        assert!(
            message.contains("_foreach_add_") && message.contains('3') && message.contains('2'),
            "{message}"
        );
        let mut integers = [Tensor::from_slice(&[1i64, 2])];
        let ends = [Tensor::from_slice(&[3i64, 4])];
        assert!(matches!(foreach_lerp_(&mut integers, &ends, 0.5), Err(Error::LibTorch { .. })));
    }
}
