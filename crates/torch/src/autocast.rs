//! Mixed precision: matrix products and convolutions in 16 bits, sums and losses in 32.

use std::marker::PhantomData;

use tch::{Device, Kind};

use crate::Error;
use crate::shim::{self, device_type, scalar_type, visrep_autocast_begin, visrep_autocast_end};
use crate::shim::{visrep_autocast_get, visrep_autocast_set};

/// While it lives, this thread's operations on one kind of device are cast as LibTorch's lists say: matrix products
/// and convolutions to 16 bits, what would lose digits in 16 bits to `Float`. Parameters stay `Float`, and their
/// casts are kept until the last guard ends, so that each is cast once for a forward pass.
///
/// `BFloat16` has the range of `Float`, and its gradients need no scaling. End the guard before the backward pass,
/// which runs in the types that the forward pass used.
///
/// Guards are dropped in the opposite order of their making, as scopes do it. LibTorch:
/// `at::autocast::set_autocast_enabled` and `set_autocast_dtype`, which tch has for CUDA and `Half` alone.
///
/// ```
/// use tch::{Device, Kind, Tensor};
/// use visrep_torch::Autocast;
///
/// let x = Tensor::ones([4, 4], (Kind::Float, Device::Cpu));
/// let autocast = Autocast::enter(Device::Cpu, Some(Kind::BFloat16))?;
/// assert_eq!(x.matmul(&x).kind(), Kind::BFloat16);
/// drop(autocast);
/// assert_eq!(x.matmul(&x).kind(), Kind::Float);
/// # Ok::<(), visrep_torch::Error>(())
/// ```
#[must_use = "autocast ends when the guard is dropped"]
#[derive(Debug)]
pub struct Autocast {
    device_type: i8,
    enabled: bool,
    scalar_type: i32,
    /// The state is the thread's: the guard must not leave it.
    _thread: PhantomData<*const ()>,
}

impl Autocast {
    /// Casts to `kind` on devices like `device`, or with `None` casts nothing there, as a part that must be exact
    /// within a larger one wants it. The guard puts back what was before.
    ///
    /// # Errors
    /// [`Error::AutocastKind`] for a kind other than `BFloat16` and `Half`; [`Error::LibTorch`] for a device that
    /// LibTorch does not cast on.
    pub fn enter(device: Device, kind: Option<Kind>) -> Result<Self, Error> {
        if let Some(kind) = kind.filter(|kind| !matches!(kind, Kind::BFloat16 | Kind::Half)) {
            return Err(Error::AutocastKind { kind });
        }
        let device_type = device_type(device);
        let (enabled, before) = state(device_type)?;
        let wanted = kind.map_or(before, scalar_type);
        // SAFETY: the calls take and change numbers of this thread.
        unsafe {
            shim::check(
                "autocast::set_autocast_enabled",
                visrep_autocast_set(device_type, kind.is_some(), wanted),
            )?;
            visrep_autocast_begin();
        }
        Ok(Self { device_type, enabled, scalar_type: before, _thread: PhantomData })
    }
}

impl Drop for Autocast {
    fn drop(&mut self) {
        // SAFETY: the calls take and change numbers of this thread, in which the guard was made, since it is not
        // `Send`.
        let message = unsafe {
            visrep_autocast_end();
            visrep_autocast_set(self.device_type, self.enabled, self.scalar_type)
        };
        // It was possible when the guard was made, with the same device.
        let _ = shim::check("autocast::set_autocast_enabled", message);
    }
}

/// What operations on devices like this one are cast to in this thread, if they are.
///
/// LibTorch: `at::autocast::is_autocast_enabled` and `get_autocast_dtype`.
///
/// # Errors
/// [`Error::LibTorch`] for a device that LibTorch does not cast on.
pub fn autocast_kind(device: Device) -> Result<Option<Kind>, Error> {
    let (enabled, number) = state(device_type(device))?;
    Ok([Kind::BFloat16, Kind::Half].into_iter().find(|kind| enabled && scalar_type(*kind) == number))
}

/// What a processor does with `BFloat16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuBf16 {
    /// It multiplies matrices (AMX), many times faster than in `Float`.
    Matrices,
    /// It multiplies vectors (AVX-512 BF16), faster than in `Float` for most products, if not for the rest.
    Vectors,
    /// It computes in `Float` and converts, which is the slower way.
    Emulated,
}

/// What this processor does with `BFloat16`.
///
/// LibTorch: `at::cpu::get_cpu_capabilities`.
///
/// # Errors
/// [`Error::LibTorch`] if memory is short.
pub fn cpu_bf16() -> Result<CpuBf16, Error> {
    for (name, hardware) in [(c"amx_bf16", CpuBf16::Matrices), (c"avx512_bf16", CpuBf16::Vectors)] {
        let mut has = false;
        // SAFETY: the name ends with a zero, and the call writes one bool.
        let message = unsafe { shim::visrep_cpu_has(name.as_ptr(), &raw mut has) };
        shim::check("cpu::get_cpu_capabilities", message)?;
        if has {
            return Ok(hardware);
        }
    }
    Ok(CpuBf16::Emulated)
}

fn state(device_type: i8) -> Result<(bool, i32), Error> {
    let (mut enabled, mut number) = (false, 0);
    // SAFETY: the call writes one bool and one number.
    let message = unsafe { visrep_autocast_get(device_type, &raw mut enabled, &raw mut number) };
    shim::check("autocast::get_autocast_dtype", message)?;
    Ok((enabled, number))
}

#[cfg(test)]
mod tests {
    use tch::Tensor;

    use super::*;

    fn matrix() -> Tensor {
        (Tensor::arange(16, (Kind::Float, Device::Cpu)) * 0.3).sin().view([4, 4])
    }

    /// A parameter. Autocast keeps no casts of views, which parameters are not.
    fn weight() -> Tensor {
        matrix().copy().set_requires_grad(true)
    }

    #[test]
    fn products_are_cast_and_norms_are_not() {
        for kind in [Kind::BFloat16, Kind::Half] {
            let _autocast = Autocast::enter(Device::Cpu, Some(kind)).unwrap();
            assert_eq!(autocast_kind(Device::Cpu).unwrap(), Some(kind));
            let product = matrix().matmul(&matrix());
            assert_eq!(product.kind(), kind);
            assert_eq!((product.mse_loss(&product, tch::Reduction::Mean)).kind(), Kind::Float);
        }
        assert_eq!(matrix().matmul(&matrix()).kind(), Kind::Float);
    }

    #[test]
    fn guards_nest_and_put_back_what_was_there() {
        let kinds = || (autocast_kind(Device::Cpu).unwrap(), autocast_kind(Device::Cuda(0)).unwrap());
        assert_eq!(kinds(), (None, None));
        {
            let _outer = Autocast::enter(Device::Cpu, Some(Kind::Half)).unwrap();
            {
                let _off = Autocast::enter(Device::Cpu, None).unwrap();
                assert_eq!(kinds(), (None, None));
                assert_eq!(matrix().matmul(&matrix()).kind(), Kind::Float);
                let _gpu = Autocast::enter(Device::Cuda(1), Some(Kind::BFloat16)).unwrap();
                assert_eq!(kinds(), (None, Some(Kind::BFloat16)));
            }
            assert_eq!(kinds(), (Some(Kind::Half), None));
        }
        assert_eq!(kinds(), (None, None));
        let _again = Autocast::enter(Device::Cpu, Some(Kind::BFloat16)).unwrap();
        assert_eq!(kinds(), (Some(Kind::BFloat16), None));
    }

    #[test]
    fn casts_of_weights_end_with_the_last_guard() {
        let mut weight = weight();
        let product = |weight: &Tensor| {
            let _autocast = Autocast::enter(Device::Cpu, Some(Kind::BFloat16)).unwrap();
            matrix().matmul(weight)
        };
        let first = product(&weight);
        tch::no_grad(|| weight *= 2.0);
        assert_eq!(product(&weight), first * 2.0, "the new weight is used, not its old cast");
        product(&weight).sum(Kind::Float).backward();
        assert_eq!(weight.grad().kind(), Kind::Float);
    }

    #[test]
    fn a_pass_without_gradients_takes_none_from_the_next() {
        let weight = weight();
        let _autocast = Autocast::enter(Device::Cpu, Some(Kind::BFloat16)).unwrap();
        let first = tch::no_grad(|| matrix().matmul(&weight));
        assert!(!first.requires_grad());
        let inference = crate::InferenceMode::enter().unwrap();
        let second = matrix().matmul(&weight);
        drop(inference);
        let third = matrix().matmul(&weight);
        assert!(crate::is_inference(&second) && third.requires_grad());
        third.to_kind(Kind::Float).sum(Kind::Float).backward();
        assert!(weight.grad().defined());
    }

    #[test]
    fn an_error_inside_leaves_things_as_they_were() {
        let work = || -> Result<Tensor, Error> {
            let _autocast = Autocast::enter(Device::Cpu, Some(Kind::BFloat16))?;
            Ok(matrix().f_matmul(&matrix().f_view([16])?)?)
        };
        assert!(work().is_err());
        assert_eq!(autocast_kind(Device::Cpu).unwrap(), None);
    }

    #[test]
    fn the_second_run_of_a_checkpoint_leaves_no_casts_behind() {
        let mut weight = weight();
        let used = weight.shallow_clone();
        let autocast = Autocast::enter(Device::Cpu, Some(Kind::BFloat16)).unwrap();
        let y = crate::checkpoint([&matrix()], move |[x]| Ok::<_, Error>(x.f_matmul(&used)?)).unwrap();
        drop(autocast);
        let before = y.detach().copy();
        y.to_kind(Kind::Float).sum(Kind::Float).backward();
        assert_eq!(autocast_kind(Device::Cpu).unwrap(), None);
        tch::no_grad(|| weight *= 2.0);
        let _autocast = Autocast::enter(Device::Cpu, Some(Kind::BFloat16)).unwrap();
        assert_eq!(matrix().matmul(&weight), before * 2.0);
    }

    #[test]
    fn the_processor_says_what_the_system_says_of_it() {
        let Ok(text) = std::fs::read_to_string("/proc/cpuinfo") else { return };
        let flag = |name: &str| text.split_whitespace().any(|word| word == name);
        let expected = match (flag("amx_bf16"), flag("avx512_bf16")) {
            (true, _) => CpuBf16::Matrices,
            (_, true) => CpuBf16::Vectors,
            _ => CpuBf16::Emulated,
        };
        assert_eq!(cpu_bf16().unwrap(), expected);
    }

    #[test]
    fn other_kinds_are_refused() {
        let message = Autocast::enter(Device::Cpu, Some(Kind::Double)).unwrap_err().to_string();
        assert!(message.contains("Double") && message.contains("BFloat16"), "{message}");
        assert_eq!(autocast_kind(Device::Cpu).unwrap(), None);
    }

    #[test]
    fn a_checkpoint_is_cast_again_as_before() {
        let (weight, x) = (weight(), matrix());
        let forward = |checkpointed: bool| {
            let _autocast = Autocast::enter(Device::Cpu, Some(Kind::BFloat16)).unwrap();
            let used = weight.shallow_clone();
            let piece = move |[x]: [Tensor; 1]| Ok::<_, Error>(x.f_matmul(&used)?);
            let inner =
                if checkpointed { crate::checkpoint([&x], piece) } else { piece([x.shallow_clone()]) };
            let y = inner.unwrap();
            assert_eq!(y.kind(), Kind::BFloat16);
            y.matmul(&weight)
        };
        let gradient = |y: Tensor| {
            let mut weight = weight.shallow_clone();
            weight.zero_grad();
            y.to_kind(Kind::Float).square().sum(Kind::Float).backward();
            weight.grad().copy()
        };
        let plain = gradient(forward(false));
        let other = gradient(forward(true));
        // Two gradients are added in another order, in 16 bits the one time and in 32 the other.
        let error = (&plain - &other).abs().max() / plain.abs().max();
        assert!(error.double_value(&[]) < 0.02, "{plain} {other}");
    }
}
