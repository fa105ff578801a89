//! The memory queue: the last embeddings, oldest first to go.

use crate::Error;
use tch::{Device, Kind, Tensor};
use visrep_torch::Generator;

/// A ring of K embeddings of D numbers. New rows take the place of the oldest.
///
/// Rows carry no gradient. Push after the optimiser's step ([`Method::after_step`](crate::Method::after_step)): until then
/// the graph of the loss may still need the rows that a push would overwrite.
#[derive(Debug)]
pub struct Queue {
    rows: Tensor,
    /// Two numbers: the row that is written next, and how many rows have been written, at most K.
    position: Tensor,
}

impl Queue {
    /// `length` rows of `dim` numbers: random directions of length one drawn from `seed`, as MoCo and NNCLR start.
    pub fn new(length: u32, dim: i64, device: Device, seed: i64) -> Result<Self, Error> {
        if length == 0 {
            let (parameter, expected) = ("queue_length", "at least 1");
            return Err(Error::Parameter { parameter, expected, found: 0.0 });
        }
        let rows = Tensor::f_empty([i64::from(length), dim], (Kind::Float, Device::Cpu))?;
        Generator::new(seed).normal_(&rows, 0.0, 1.0)?;
        let norm = rows.f_norm_scalaropt_dim(2.0, [1i64], true)?;
        let rows = rows.f_div(&norm)?.f_to_device(device)?;
        // On the host: where to write is decided there.
        let position = Tensor::f_zeros([2], (Kind::Int64, Device::Cpu))?;
        Ok(Self { rows, position })
    }

    /// The rows (K, D), in the order of the ring, which is not that of age.
    pub fn rows(&self) -> &Tensor {
        &self.rows
    }

    /// How many rows it holds.
    pub fn len(&self) -> i64 {
        self.rows.size()[0]
    }

    /// Whether it holds none, which [`Self::new`] refuses.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether every row has been pushed: none is left of the random start.
    pub fn is_full(&self) -> bool {
        self.position.int64_value(&[1]) == self.len()
    }

    /// Writes `new` (N, D) over the oldest rows, in order. Of more than K rows the last K stay.
    ///
    /// # Errors
    /// Rows of another width.
    pub fn push(&mut self, new: &Tensor) -> Result<(), Error> {
        let _guard = tch::no_grad_guard();
        let (length, dim) = self.rows.size2()?;
        let (n, found) = new.size2()?;
        if found != dim {
            return Err(Error::Queue { dim, found });
        }
        let new = new.f_narrow(0, (n - length).max(0), n.min(length))?;
        let (n, next) = (n.min(length), self.position.int64_value(&[0]));
        let head = n.min(length - next);
        self.rows.f_narrow(0, next, head)?.f_copy_(&new.f_narrow(0, 0, head)?)?;
        self.rows.f_narrow(0, 0, n - head)?.f_copy_(&new.f_narrow(0, head, n - head)?)?;
        let written = (self.position.int64_value(&[1]) + n).min(length);
        self.position.f_copy_(&Tensor::from_slice(&[(next + n) % length, written]))?;
        Ok(())
    }

    /// What a checkpoint must hold: `prefix.rows` and `prefix.position`.
    pub fn state(&self, prefix: &str) -> Vec<crate::NamedTensor> {
        vec![
            (format!("{prefix}.position"), self.position.shallow_clone()),
            (format!("{prefix}.rows"), self.rows.shallow_clone()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(queue: &Queue) -> Vec<f32> {
        Vec::try_from(queue.rows().flatten(0, -1)).unwrap()
    }

    fn push(queue: &mut Queue, values: &[f32]) {
        queue.push(&Tensor::from_slice(values).unsqueeze(1)).unwrap();
    }

    #[test]
    fn the_oldest_rows_go_first() {
        let mut queue = Queue::new(5, 1, Device::Cpu, 0).unwrap();
        assert!(column(&queue).iter().all(|x| x.abs() == 1.0), "the start has length one");
        push(&mut queue, &[1.0, 2.0, 3.0]);
        assert_eq!(column(&queue)[..3], [1.0, 2.0, 3.0]);
        assert!(!queue.is_full());
        push(&mut queue, &[4.0, 5.0, 6.0]);
        assert_eq!(column(&queue), [6.0, 2.0, 3.0, 4.0, 5.0]);
        assert!(queue.is_full());
        push(&mut queue, &[7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0]);
        assert_eq!(column(&queue), [13.0, 9.0, 10.0, 11.0, 12.0], "the last five, on from the second row");
        push(&mut queue, &[]);
        push(&mut queue, &[14.0]);
        assert_eq!(column(&queue), [13.0, 14.0, 10.0, 11.0, 12.0]);
        assert!(queue.push(&Tensor::zeros([2, 3], (Kind::Float, Device::Cpu))).is_err());
    }

    #[test]
    fn a_restored_queue_goes_on_where_it_stopped() {
        let mut queue = Queue::new(4, 1, Device::Cpu, 0).unwrap();
        push(&mut queue, &[1.0, 2.0, 3.0]);
        let mut other = Queue::new(4, 1, Device::Cpu, 9).unwrap();
        for ((name, saved), (_, mut tensor)) in queue.state("queue").into_iter().zip(other.state("queue")) {
            assert!(name.starts_with("queue."));
            tensor.copy_(&saved);
        }
        for queue in [&mut queue, &mut other] {
            push(queue, &[4.0, 5.0]);
        }
        assert_eq!(column(&other), column(&queue));
        assert_eq!(column(&other), [5.0, 2.0, 3.0, 4.0]);
        assert!(Queue::new(0, 1, Device::Cpu, 0).is_err());
    }
}
