//! A source of random numbers that nothing else draws from.

use tch::Tensor;

use crate::Error;
use crate::shim::{
    self, GeneratorHandle, visrep_generator_free, visrep_generator_new, visrep_generator_random,
    visrep_normal, visrep_uniform,
};

/// LibTorch's CPU generator (a Mersenne twister), as an object of one's own. What it draws depends on its seed and on
/// nothing else, whatever other threads draw from the global generator that `tch::manual_seed` seeds; after the same
/// seed both give the same numbers.
///
/// LibTorch: `torch::make_generator<at::CPUGeneratorImpl>(seed)`, PyTorch's `torch.Generator().manual_seed(seed)`.
///
/// ```
/// use tch::{Device, Kind, Tensor};
///
/// let draw = |seed| {
///     let x = Tensor::empty([5], (Kind::Float, Device::Cpu));
///     visrep_torch::Generator::new(seed).normal_(&x, 0.0, 1.0).map(|()| x)
/// };
/// assert_eq!(draw(3)?, draw(3)?);
/// assert_ne!(draw(3)?, draw(4)?);
/// # Ok::<(), visrep_torch::Error>(())
/// ```
#[derive(Debug)]
pub struct Generator(*mut GeneratorHandle);

// SAFETY: a generator is bound to no thread; drawing takes `&mut self`, so that one thread at a time uses it.
unsafe impl Send for Generator {}

impl Generator {
    /// A generator that starts from `seed`.
    #[must_use]
    pub fn new(seed: i64) -> Self {
        // SAFETY: the call allocates and touches nothing else.
        Self(unsafe { visrep_generator_new(seed.cast_unsigned()) })
    }

    /// A generator whose seed is drawn from LibTorch's global one: another each time, and after `tch::manual_seed`
    /// the same in a program whose threads do not draw at once.
    #[must_use]
    pub fn from_global() -> Self {
        // SAFETY: the call draws under the global generator's lock.
        Self::new(unsafe { visrep_generator_random() }.cast_signed())
    }

    /// Fills a tensor on the CPU with numbers of a normal distribution.
    ///
    /// LibTorch: `tensor.normal_(mean, std, generator)`.
    ///
    /// # Errors
    /// [`Error::LibTorch`] for a tensor that is not of floating point or not on the CPU, one that requires gradients
    /// outside `no_grad`, a negative deviation.
    pub fn normal_(&mut self, tensor: &Tensor, mean: f64, std: f64) -> Result<(), Error> {
        // SAFETY: the generator is alive and ours; the tensor is borrowed for the call.
        shim::check("normal_", unsafe { visrep_normal(tensor.as_ptr(), mean, std, self.0) })
    }

    /// Fills a tensor on the CPU with numbers spread evenly over `low..high`.
    ///
    /// LibTorch: `tensor.uniform_(low, high, generator)`.
    ///
    /// # Errors
    /// [`Error::LibTorch`] as for [`Self::normal_`], and where `low` is above `high`.
    pub fn uniform_(&mut self, tensor: &Tensor, low: f64, high: f64) -> Result<(), Error> {
        // SAFETY: the generator is alive and ours; the tensor is borrowed for the call.
        shim::check("uniform_", unsafe { visrep_uniform(tensor.as_ptr(), low, high, self.0) })
    }
}

impl Drop for Generator {
    fn drop(&mut self) {
        // SAFETY: it is ours, alive, and used no more.
        unsafe { visrep_generator_free(self.0) };
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    fn empty() -> Tensor {
        Tensor::empty([1000], (Kind::Float, Device::Cpu))
    }

    #[test]
    fn other_threads_do_not_disturb_it() {
        let draw = || {
            let (a, b) = (empty(), empty());
            let mut generator = Generator::new(5);
            generator.normal_(&a, 0.0, 2.0).unwrap();
            generator.uniform_(&b, -1.0, 1.0).unwrap();
            (a, b)
        };
        let expected = draw();
        let noise = std::thread::spawn(|| (0..200).for_each(|_| drop(empty().normal_(0.0, 1.0))));
        for _ in 0..50 {
            assert_eq!(draw(), expected);
        }
        noise.join().unwrap();
        let std = expected.0.std(true).double_value(&[]);
        assert!((1.8..2.2).contains(&std), "{std}");
        assert!((-1.0..-0.98).contains(&expected.1.min().double_value(&[])));
    }

    #[test]
    fn what_it_cannot_fill_is_an_error() {
        let mut generator = Generator::from_global();
        let whole = Tensor::zeros([2], (Kind::Int64, Device::Cpu));
        assert!(generator.normal_(&whole, 0.0, 1.0).is_err());
        let message = generator.normal_(&empty(), 0.0, -1.0).unwrap_err().to_string();
        assert!(message.contains("normal_") && message.contains("std >= 0"), "{message}");
        assert!(generator.uniform_(&empty(), 1.0, 0.0).is_err());
    }
}
