//! What to say when a batch does not fit into memory.

use tch::Device;

use crate::{Error, device_memory, empty_cache};

/// Whether an error, or one that it has as its cause, is that of LibTorch's allocators: those of the CPU and of GPUs.
#[must_use]
pub fn is_out_of_memory(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        if ["out of memory", "can't allocate memory", "not enough memory"]
            .iter()
            .any(|part| text.contains(part))
        {
            return true;
        }
        next = error.source();
    }
    false
}

/// Does `work` on all `batch` samples. Where memory is short, it is tried on half of them, a quarter and so on, so that the
/// error can name a batch that fits. `work(n)` is to run on the first `n` samples and to leave nothing behind when it
/// fails; what it gives for fewer than `batch` is dropped.
///
/// ```
/// use tch::{Device, Kind, Tensor};
/// use visrep_torch::{Error, with_batch};
///
/// let x = Tensor::ones([4, 3], (Kind::Float, Device::Cpu));
/// let work = |n: usize| Ok::<_, Error>(x.f_narrow(0, 0, n as i64)?.f_sum(Kind::Float)?);
/// assert_eq!(with_batch(Device::Cpu, 4, work)?.double_value(&[]), 12.0);
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
/// Those of `work`; [`Error::OutOfMemory`] in the place of one for which [`is_out_of_memory`] holds.
pub fn with_batch<T, E>(
    device: Device,
    batch: usize,
    mut work: impl FnMut(usize) -> Result<T, E>,
) -> Result<T, E>
where
    E: std::error::Error + From<Error> + 'static,
{
    let error = match work(batch) {
        Err(error) if is_out_of_memory(&error) => error,
        other => return other,
    };
    // LibTorch puts its stack below the first line.
    let text = error.to_string();
    let said = text.lines().next().unwrap_or_default().trim_start_matches("LibTorch: ");
    let message = match device_memory(device).ok().flatten() {
        None => format!("LibTorch: {said}"),
        Some(memory) => {
            let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
            format!("{:.1} of {:.1} GiB were free; LibTorch: {said}", gib(memory.free), gib(memory.total))
        }
    };
    drop(error);
    let fits = std::iter::successors(Some(batch / 2), |n| Some(n / 2)).take_while(|n| *n > 0).find(|n| {
        // What the failed pass had taken is kept by LibTorch, and a smaller one may need it in other pieces.
        empty_cache(device).is_ok() && work(*n).is_ok()
    });
    Err(Error::OutOfMemory { device, batch, fits, message }.into())
}

#[cfg(test)]
mod tests {
    use tch::{Kind, Tensor};

    use super::*;

    /// 2^50 bytes for each sample beyond the tenth: no machine has them.
    fn allocate(samples: usize) -> Result<Tensor, Error> {
        let surplus = samples.saturating_sub(10) as i64;
        Ok(Tensor::f_empty([1 + (surplus << 50)], (Kind::Uint8, Device::Cpu))?)
    }

    #[test]
    fn the_error_names_the_batch_and_one_that_fits() {
        assert_eq!(with_batch(Device::Cpu, 8, allocate).unwrap().size(), [1]);
        let mut tried = Vec::new();
        let error = with_batch(Device::Cpu, 48, |samples| {
            tried.push(samples);
            allocate(samples)
        });
        let error = error.unwrap_err();
        assert!(matches!(error, Error::OutOfMemory { batch: 48, fits: Some(6), .. }), "{error}");
        assert_eq!(tried, [48, 24, 12, 6]);
        let message = error.to_string();
        assert!(message.contains("48") && message.contains("batch of 6 fits"), "{message}");
        assert_eq!(message.lines().count(), 1, "{message}");
        assert!(!is_out_of_memory(&Error::UnknownDevice { text: String::new() }));
    }

    #[test]
    fn a_sample_too_large_is_told_as_such() {
        let error = with_batch(Device::Cpu, 3, |_| allocate(11)).unwrap_err();
        assert!(matches!(error, Error::OutOfMemory { batch: 3, fits: None, .. }), "{error}");
        assert!(error.to_string().contains("not even one"), "{error}");
    }

    #[test]
    fn other_errors_pass_and_are_not_tried_again() {
        let mut calls = 0;
        let result = with_batch(Device::Cpu, 8, |_| -> Result<(), Error> {
            calls += 1;
            Err(Error::AutocastKind { kind: Kind::Double })
        });
        assert!(matches!(result, Err(Error::AutocastKind { .. })) && calls == 1);
    }
}
