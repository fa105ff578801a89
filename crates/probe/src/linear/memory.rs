//! What L-BFGS remembers of the curvature (Nocedal & Wright 2006, algorithm 7.4).

use crate::Error;
use std::collections::VecDeque;
use tch::{Device, Kind, Tensor};

/// How many past steps model the curvature.
const STEPS: usize = 10;

/// The last steps and what each changed the gradient by. Only their inner products enter the two-loop recursion, which
/// therefore runs on a few numbers: vectors are read once for a direction, in two products of a matrix with a vector.
pub(super) struct Memory {
    /// (2 `STEPS`, P) f64: row 2 i is a step, row 2 i + 1 its change of the gradient.
    rows: Tensor,
    /// The inner products of `rows`.
    products: Vec<Vec<f64>>,
    /// The pairs in use, oldest first.
    order: VecDeque<usize>,
}

impl Memory {
    /// No step yet, of `parameters` entries.
    pub(super) fn new(parameters: i64, device: Device) -> Result<Self, Error> {
        Ok(Self {
            rows: Tensor::f_zeros([2 * STEPS as i64, parameters], (Kind::Double, device))?,
            products: vec![vec![0.0; 2 * STEPS]; 2 * STEPS],
            order: VecDeque::new(),
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.order.clear();
    }

    /// Remembers a step, unless the change of the gradient along it shows no curvature.
    pub(super) fn push(&mut self, step: &Tensor, change: &Tensor) -> Result<(), Error> {
        let pair = Tensor::f_stack(&[step, change], 0)?;
        let own = products(&pair, &pair)?;
        let curvature = own[0][1];
        let curved = curvature > f64::EPSILON * own[1][1] && own[0][0].is_finite();
        if !curved {
            return Ok(());
        }
        let slot =
            if self.order.len() == STEPS { self.order.pop_front().unwrap_or(0) } else { self.order.len() };
        self.rows.f_narrow(0, 2 * slot as i64, 2)?.f_copy_(&pair)?;
        for (row, values) in products(&self.rows, &pair)?.iter().enumerate() {
            for (i, &value) in values.iter().enumerate() {
                self.products[row][2 * slot + i] = value;
                self.products[2 * slot + i][row] = value;
            }
        }
        self.order.push_back(slot);
        Ok(())
    }

    /// Minus the modelled inverse Hessian times `gradient`.
    pub(super) fn direction(&self, gradient: &Tensor) -> Result<Tensor, Error> {
        let Some(&last) = self.order.back() else { return Ok(gradient.f_neg()?) };
        let with_gradient: Vec<f64> = products(&self.rows, &gradient.f_unsqueeze(0)?)?.concat();
        // The direction is these shares of the rows, and `own` of the gradient.
        let (mut shares, mut own) = (vec![0.0; 2 * STEPS], -1.0);
        let along = |row: usize, shares: &[f64], own: f64| -> f64 {
            let rows: f64 =
                shares.iter().zip(&self.products[row]).map(|(share, product)| share * product).sum();
            rows + own * with_gradient[row]
        };
        let curvature = |slot: usize| self.products[2 * slot][2 * slot + 1];
        let mut first = [0.0; STEPS];
        for &slot in self.order.iter().rev() {
            first[slot] = along(2 * slot, &shares, own) / curvature(slot);
            shares[2 * slot + 1] -= first[slot];
        }
        let scale = curvature(last) / self.products[2 * last + 1][2 * last + 1];
        shares.iter_mut().for_each(|share| *share *= scale);
        own *= scale;
        for &slot in &self.order {
            let second = along(2 * slot + 1, &shares, own) / curvature(slot);
            shares[2 * slot] += first[slot] - second;
        }
        let shares = Tensor::f_from_slice(&shares)?.f_to_device(gradient.device())?;
        Ok(self.rows.f_tr()?.f_mv(&shares)?.f_add_(&(gradient.f_mul_scalar(own)?))?)
    }
}

/// The inner products of the rows of `a` with those of `b`.
fn products(a: &Tensor, b: &Tensor) -> Result<Vec<Vec<f64>>, Error> {
    let columns = b.size()[0] as usize;
    let all = Vec::<f64>::try_from(a.f_matmul(&b.f_tr()?)?.f_flatten(0, -1)?.f_to_device(Device::Cpu)?)?;
    Ok(all.chunks_exact(columns).map(<[f64]>::to_vec).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(values: &[f64]) -> Tensor {
        Tensor::from_slice(values)
    }

    /// The two loops as the book has them.
    fn two_loops(pairs: &[(Vec<f64>, Vec<f64>)], gradient: &[f64]) -> Vec<f64> {
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let mut q: Vec<f64> = gradient.iter().map(|g| -g).collect();
        let mut alphas = Vec::new();
        for (s, y) in pairs.iter().rev() {
            let alpha = dot(s, &q) / dot(s, y);
            q.iter_mut().zip(y).for_each(|(q, y)| *q -= alpha * y);
            alphas.push(alpha);
        }
        let (s, y) = &pairs[pairs.len() - 1];
        q.iter_mut().for_each(|q| *q *= dot(s, y) / dot(y, y));
        for ((s, y), alpha) in pairs.iter().zip(alphas.into_iter().rev()) {
            let beta = dot(y, &q) / dot(s, y);
            q.iter_mut().zip(s).for_each(|(q, s)| *q += (alpha - beta) * s);
        }
        q
    }

    #[test]
    fn a_direction_is_that_of_the_two_loops_over_the_last_steps() {
        let number = |i: usize, j: usize| ((i * 31 + j * 17) as f64 * 0.37).sin();
        let mut memory = Memory::new(16, Device::Cpu).unwrap();
        let mut pairs = Vec::new();
        for i in 0..STEPS + 3 {
            let step: Vec<f64> = (0..16).map(|j| number(i, j)).collect();
            let change: Vec<f64> = step.iter().enumerate().map(|(j, s)| s * (1.0 + j as f64)).collect();
            memory.push(&vector(&step), &vector(&change)).unwrap();
            pairs.push((step, change));
            let gradient: Vec<f64> = (0..16).map(|j| number(99, j)).collect();
            let ours = Vec::<f64>::try_from(memory.direction(&vector(&gradient)).unwrap()).unwrap();
            let theirs = two_loops(&pairs[pairs.len().saturating_sub(STEPS)..], &gradient);
            let off = ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(off < 1e-9, "{i}: {off}");
        }
    }

    #[test]
    fn steps_without_curvature_are_not_remembered() {
        let mut memory = Memory::new(2, Device::Cpu).unwrap();
        for change in [[-1.0, 0.0], [0.0, 0.0], [f64::NAN, 1.0]] {
            memory.push(&vector(&[1.0, 0.0]), &vector(&change)).unwrap();
        }
        assert!(memory.is_empty());
        let direction = memory.direction(&vector(&[3.0, -4.0])).unwrap();
        assert_eq!(Vec::<f64>::try_from(direction).unwrap(), [-3.0, 4.0]);
    }
}
