//! A loader's batches, each on its way to the device while the one before is computed.

use std::iter::Fuse;

use tch::{Device, Tensor};

use crate::{Error, Upload, Uploader};

/// An iterator over batches and their tensors on a device. To a GPU each batch is copied through pinned memory, by a stream
/// of its own, while the caller works on the batch before; so one batch more than the caller's is in memory. On the CPU
/// batches pass through as they are, none ahead of its turn.
///
/// ```
/// use tch::{Device, Tensor};
/// use visrep_torch::{Error, Prefetcher};
///
/// let batches = [[1i64, 2], [3, 4]].map(Ok::<_, Error>);
/// let tensors = |batch: &[i64; 2]| Ok(vec![Tensor::from_slice(batch)]);
/// for loaded in Prefetcher::new(Device::Cpu, batches.into_iter(), tensors)? {
///     let (batch, tensors) = loaded?;
///     assert_eq!(tensors[0], Tensor::from_slice(&batch));
/// }
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
pub struct Prefetcher<I, F, T, E> {
    source: Fuse<I>,
    tensors: F,
    uploader: Uploader,
    /// On a GPU, the batch after the one that the caller has.
    ahead: Option<Result<(T, Vec<Upload>), E>>,
}

impl<I, F, T, E> Prefetcher<I, F, T, E>
where
    I: Iterator<Item = Result<T, E>>,
    F: FnMut(&T) -> Result<Vec<Tensor>, E>,
    E: From<Error>,
{
    /// Takes batches from `source` to `device`; `tensors` makes tensors on the CPU of one.
    ///
    /// # Errors
    /// [`Error::LibTorch`] and [`Error::NoSuchGpu`] if there is no such device.
    pub fn new(device: Device, source: I, tensors: F) -> Result<Self, Error> {
        Ok(Self { source: source.fuse(), tensors, uploader: Uploader::new(device)?, ahead: None })
    }

    fn start(&mut self) -> Option<Result<(T, Vec<Upload>), E>> {
        let batch = self.source.next()?;
        Some(batch.and_then(|batch| {
            let tensors = (self.tensors)(&batch)?;
            let uploads =
                tensors.iter().map(|tensor| self.uploader.start(tensor)).collect::<Result<_, _>>()?;
            Ok((batch, uploads))
        }))
    }
}

impl<I, F, T, E> Iterator for Prefetcher<I, F, T, E>
where
    I: Iterator<Item = Result<T, E>>,
    F: FnMut(&T) -> Result<Vec<Tensor>, E>,
    E: From<Error>,
{
    type Item = Result<(T, Vec<Tensor>), E>;

    fn next(&mut self) -> Option<Self::Item> {
        let current = match self.ahead.take() {
            Some(batch) => batch,
            None => self.start()?,
        };
        // After an error the source may be asked for more, as without this: that is the caller's to decide.
        if self.uploader.copies() && current.is_ok() {
            self.ahead = self.start();
        }
        Some(current.and_then(|(batch, uploads)| {
            let tensors = uploads.into_iter().map(Upload::finish).collect::<Result<_, _>>()?;
            Ok((batch, tensors))
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tch::Kind;

    use super::*;
    use crate::DeviceChoice;

    type Batch = (u32, Tensor);

    fn batch(number: u32) -> Batch {
        (number, Tensor::full([2, 3], i64::from(number), (Kind::Uint8, Device::Cpu)))
    }

    fn tensors((_, pixels): &Batch) -> Result<Vec<Tensor>, Error> {
        Ok(vec![pixels.shallow_clone(), pixels + 1])
    }

    #[test]
    fn batches_come_in_order_with_their_tensors_on_the_device() {
        let device = DeviceChoice::Auto.resolve().unwrap();
        if device == Device::Cpu {
            eprintln!("no GPU: tested on the CPU alone");
        }
        let source = (0..5).map(|number| Ok(batch(number)));
        let seen: Vec<_> = Prefetcher::new(device, source, tensors).unwrap().map(Result::unwrap).collect();
        assert_eq!(seen.iter().map(|((number, _), _)| *number).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        for ((number, pixels), tensors) in &seen {
            assert_eq!(tensors.len(), 2);
            assert!(tensors.iter().all(|tensor| tensor.device() == device));
            assert_eq!(tensors[0].to_device(Device::Cpu), *pixels);
            assert_eq!(tensors[1].max().int64_value(&[]), i64::from(number + 1));
        }
    }

    #[test]
    fn on_the_cpu_nothing_is_copied_or_taken_before_its_turn() {
        let taken = Cell::new(0);
        let source = (0..5).map(|number| {
            taken.set(taken.get() + 1);
            Ok(batch(number))
        });
        let mut batches = Prefetcher::new(Device::Cpu, source, tensors).unwrap();
        for number in 1..=5 {
            let ((_, pixels), tensors) = batches.next().unwrap().unwrap();
            assert_eq!((taken.get(), tensors[0].data_ptr()), (number, pixels.data_ptr()));
        }
        assert!(batches.next().is_none() && batches.next().is_none());
    }

    #[test]
    fn errors_come_in_their_place() {
        let source = (0..4).map(|number| match number {
            2 => Err(Error::UnknownDevice { text: "batch 2".into() }),
            _ => Ok(batch(number)),
        });
        let device = DeviceChoice::Auto.resolve().unwrap();
        let mut batches = Prefetcher::new(device, source, tensors).unwrap();
        assert_eq!(batches.next().unwrap().unwrap().0.0, 0);
        assert_eq!(batches.next().unwrap().unwrap().0.0, 1);
        assert!(batches.next().unwrap().unwrap_err().to_string().contains("batch 2"));
        assert_eq!(batches.next().unwrap().unwrap().0.0, 3);
        assert!(batches.next().is_none());
        let source = std::iter::once(Ok(batch(0)));
        let broken = |_: &Batch| Err(Error::AutocastKind { kind: Kind::Bool });
        assert!(Prefetcher::new(device, source, broken).unwrap().next().unwrap().is_err());
    }
}
