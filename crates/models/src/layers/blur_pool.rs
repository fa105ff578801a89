//! Downsampling without aliasing: "Making convolutional networks shift-invariant again" (Zhang, 2019).

use std::sync::{Arc, Mutex, PoisonError};
use tch::{Device, Kind, TchError, Tensor};

/// A binomial filter of 3×3 with stride 2, over an image reflected at its borders, which must be of at least 2×2.
/// It has no parameters (timm's `BlurPool2d`).
#[derive(Clone, Debug)]
pub(crate) struct BlurPool {
    channels: i64,
    /// (C, 1, 3, 3), of the kind and on the device of the last input.
    filter: Arc<Mutex<Tensor>>,
}

impl BlurPool {
    pub(crate) fn new(channels: i64) -> Result<Self, TchError> {
        let row = Tensor::f_from_slice(&[0.25_f32, 0.5, 0.25])?;
        let filter = row.f_outer(&row)?.f_expand([channels, 1, 3, 3], false)?.f_contiguous()?;
        Ok(Self { channels, filter: Arc::new(Mutex::new(filter)) })
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor, TchError> {
        let filter = self.filter(x.kind(), x.device())?;
        let padded = x.f_reflection_pad2d([1, 1, 1, 1])?;
        padded.f_conv2d(&filter, None::<&Tensor>, [2, 2], [0, 0], [1, 1], self.channels)
    }

    fn filter(&self, kind: Kind, device: Device) -> Result<Tensor, TchError> {
        let mut filter = self.filter.lock().unwrap_or_else(PoisonError::into_inner);
        if (filter.kind(), filter.device()) != (kind, device) {
            *filter = filter.f_to_device(device)?.f_to_kind(kind)?;
        }
        Ok(filter.shallow_clone())
    }
}

#[cfg(test)]
mod tests {
    use super::BlurPool;
    use tch::{Device, Kind, Tensor};

    #[test]
    fn a_constant_stays_and_an_impulse_becomes_the_filter() {
        let pool = BlurPool::new(2).expect("a pool");
        for kind in [Kind::Float, Kind::BFloat16, Kind::Double] {
            let ones = Tensor::ones([1, 2, 5, 4], (kind, Device::Cpu));
            let y = pool.forward(&ones).expect("a map");
            assert_eq!((y.size(), y.kind()), (vec![1, 2, 3, 2], kind));
            assert_eq!((y.min().double_value(&[]), y.max().double_value(&[])), (1.0, 1.0));
        }
        let impulse = Tensor::zeros([1, 2, 5, 5], (Kind::Float, Device::Cpu));
        let _ = impulse.get(0).get(1).get(2).get(2).fill_(16.0);
        let y = pool.forward(&impulse).expect("a map");
        assert_eq!(y.double_value(&[0, 1, 1, 1]), 4.0);
        assert_eq!(y.sum(Kind::Float).double_value(&[]), 4.0);
    }
}
