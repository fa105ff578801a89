//! Which of two distances is the smaller one, between all points of two sets: products of matrices in single precision tell it of nearly
//! all pairs, and f64 of those that are too near to be told so.

use crate::FeatureMatrix;
use crate::linalg::{dot, matrix, product, vectorised};
use crate::parallel::each;
use std::cmp::Ordering;
use std::ops::Range;

/// Points whose distances to another set are there at a time.
const BLOCK: usize = 1024;

/// What f32 may lose of a sum of products of so small numbers that they are no longer normal, for each of them.
const UNDERFLOW: f64 = 4.0 * f32::MIN_POSITIVE as f64;

/// Points in a space.
pub(super) struct Points {
    dim: usize,
    exact: Vec<f64>,
    rounded: Vec<f32>,
    /// The square of each one's distance to the origin.
    squares: Vec<f64>,
    /// The largest of them.
    largest: f64,
}

impl Points {
    /// One for each row of features.
    pub(super) fn new<T: Copy + Into<f64>>(features: &FeatureMatrix<'_, T>) -> Self {
        let (dim, exact) = (features.dim(), features.to_f64());
        let rounded = exact.iter().map(|&value| value as f32).collect();
        let squares: Vec<f64> = exact.chunks_exact(dim).map(|row| dot(row, row)).collect();
        let largest = squares.iter().copied().fold(0.0, f64::max);
        Self { dim, exact, rounded, squares, largest }
    }

    /// How many.
    pub(super) fn len(&self) -> usize {
        self.squares.len()
    }

    fn row(&self, index: usize) -> &[f64] {
        &self.exact[index * self.dim..(index + 1) * self.dim]
    }

    /// All pairs of a point of this set and one of another.
    pub(super) fn against<'a>(&'a self, others: &'a Self) -> impl Iterator<Item = Pairs<'a>> {
        self.blocks().map(|rows| Pairs::new(self, rows, others, 0))
    }

    fn blocks(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let len = self.len();
        (0..len).step_by(BLOCK).map(move |first| first..len.min(first + BLOCK))
    }

    /// The squared distance of each point to its `k`-th nearest other of this set.
    pub(super) fn radii(&self, k: usize) -> Vec<f64> {
        let mut nearest = vec![Nearest::new(k); self.len()];
        for rows in self.blocks() {
            // A pair in two blocks is looked at from both sides.
            let pairs = Pairs::new(self, rows.clone(), self, rows.start);
            let look = |at: usize| {
                let own = rows.start + at;
                let mut found = nearest[own].clone();
                let slack = pairs.slack(self.squares[own] + self.largest);
                let exact = |other| distance(self.row(own), self.row(other));
                if rows.contains(&own) {
                    let others = (rows.start..self.len()).filter(|&other| other != own);
                    others.for_each(|other| found.offer(pairs.about(own, other), other, slack, exact));
                } else {
                    rows.clone().for_each(|other| found.offer(pairs.about(other, own), other, slack, exact));
                }
                found
            };
            let found = each(self.len() - rows.start, pairs.products.len(), look);
            nearest[rows.start..].iter_mut().zip(found).for_each(|(nearest, found)| *nearest = found);
        }
        let last = |own: usize| nearest[own].clone().last(|other| distance(self.row(own), self.row(other)));
        each(self.len(), self.exact.len(), last)
    }
}

/// Pairs of a block of points and those of another set from one on.
pub(super) struct Pairs<'a> {
    own: &'a Points,
    rows: Range<usize>,
    others: &'a Points,
    from: usize,
    /// The pairs' scalar products.
    products: Vec<f32>,
}

impl<'a> Pairs<'a> {
    fn new(own: &'a Points, rows: Range<usize>, others: &'a Points, from: usize) -> Self {
        let dim = own.dim;
        let block = matrix(&own.rounded[rows.start * dim..rows.end * dim], dim);
        let products = product(block, matrix(&others.rounded[from * dim..], dim).transpose());
        Self { own, rows, others, from, products }
    }

    /// What `take` makes of each point of the block, in order.
    pub(super) fn each<R: Send>(&self, take: impl Fn(usize) -> R + Sync) -> Vec<R> {
        each(self.rows.len(), self.products.len(), |at| take(self.rows.start + at))
    }

    /// About a pair's squared distance; NaN where f32 is too small for it.
    fn about(&self, own: usize, other: usize) -> f64 {
        let place = (own - self.rows.start) * (self.others.len() - self.from) + other - self.from;
        let squares = self.own.squares[own] + self.others.squares[other];
        let about = squares - 2.0 * f64::from(self.products[place]);
        if about.is_finite() { about } else { f64::NAN }
    }

    /// How far [`Self::about`] may be from the distance of points whose squares are of this sum: twice the bound for sums of products
    /// in any order (Higham 2002, section 3.1), with the rounding of the numbers themselves.
    fn slack(&self, squares: f64) -> f64 {
        let dim = self.own.dim as f64;
        2.0 * dim.max(8.0) * f64::from(f32::EPSILON) * squares + dim * UNDERFLOW
    }

    /// Whether a pair's squared distance is less than, equal to or greater than `squared`.
    pub(super) fn compare(&self, own: usize, other: usize, squared: f64) -> Ordering {
        let about = self.about(own, other);
        let slack = self.slack(self.own.squares[own] + self.others.squares[other]);
        if about + slack < squared {
            Ordering::Less
        } else if about - slack > squared {
            Ordering::Greater
        } else {
            distance(self.own.row(own), self.others.row(other)).total_cmp(&squared)
        }
    }
}

/// A point's nearest others of those that were offered so far.
#[derive(Clone)]
struct Nearest {
    k: usize,
    /// The least distances that were found exactly, in order and no more than `k`.
    sure: Vec<f64>,
    /// Others that may be nearer: about how far they are, and which.
    candidates: Vec<(f64, usize)>,
    /// One that is about further than this is none of them.
    most: f64,
}

impl Nearest {
    fn new(k: usize) -> Self {
        Self { k, sure: Vec::new(), candidates: Vec::new(), most: f64::INFINITY }
    }

    /// Another point: about how far it is, and how far that may be from what `exact` gives.
    fn offer(&mut self, about: f64, other: usize, slack: f64, exact: impl Fn(usize) -> f64) {
        if about > self.most {
            return;
        }
        self.candidates.push((about, other));
        let room = (4 * self.k).max(32);
        if self.candidates.len() < room {
            return;
        }
        // Those of which nothing is known about are NaN: they come last, and stay.
        self.candidates.select_nth_unstable_by(self.k - 1, |a, b| a.0.total_cmp(&b.0));
        self.most = self.most.min(self.candidates[self.k - 1].0 + 2.0 * slack);
        self.candidates.retain(|(about, _)| about.partial_cmp(&self.most) != Some(Ordering::Greater));
        if self.candidates.len() > room / 2 {
            self.decide(exact);
            let last = self.sure.get(self.k - 1);
            self.most = last.map_or(self.most, |last| self.most.min(last + slack));
        }
    }

    fn decide(&mut self, exact: impl Fn(usize) -> f64) {
        self.sure.extend(self.candidates.drain(..).map(|(_, other)| exact(other)));
        self.sure.sort_by(f64::total_cmp);
        self.sure.truncate(self.k);
    }

    /// The distance of the `k`-th nearest.
    fn last(mut self, exact: impl Fn(usize) -> f64) -> f64 {
        self.decide(exact);
        self.sure[self.k - 1]
    }
}

/// The squared distance.
fn distance(a: &[f64], b: &[f64]) -> f64 {
    vectorised(
        #[inline(always)]
        || squared_distance(a, b),
    )
}

/// Summed in eight lanes.
#[inline(always)]
fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a8.remainder().iter().zip(b8.remainder()).map(|(a, b)| (a - b) * (a - b)).sum();
    for (a, b) in a8.zip(b8) {
        for lane in 0..8 {
            lanes[lane] += (a[lane] - b[lane]) * (a[lane] - b[lane]);
        }
    }
    lanes.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_xoshiro::Xoshiro256PlusPlus;

    /// Every comparison and every k-th neighbour is that of the distances in f64.
    fn check(values: &[f64], dim: usize) {
        let points = Points::new(&FeatureMatrix::new(values, dim).unwrap());
        let rows: Vec<&[f64]> = values.chunks_exact(dim).collect();
        let of = |a: usize, b: usize| squared_distance(rows[a], rows[b]);
        for pairs in points.against(&points) {
            pairs.each(|own| {
                for other in 0..rows.len() {
                    // The distances of other pairs: of the same ones the other way round, and of their neighbours in the set.
                    let next = |at: usize| (at + 1) % rows.len();
                    for (a, b) in [(other, own), (own, next(other)), (next(own), other)] {
                        assert_eq!(pairs.compare(own, other, of(a, b)), of(own, other).total_cmp(&of(a, b)));
                    }
                }
            });
        }
        for k in [1, 3, rows.len() / 4 - 1, rows.len() - 1] {
            for (own, radius) in points.radii(k).into_iter().enumerate() {
                let others = (0..rows.len()).filter(|&other| other != own);
                let mut distances: Vec<f64> = others.map(|other| of(own, other)).collect();
                assert_eq!(radius, *distances.select_nth_unstable_by(k - 1, f64::total_cmp).1);
            }
        }
    }

    #[test]
    fn comparisons_are_those_of_f64() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let mut draw =
            |count: usize| -> Vec<f64> { (0..count).map(|_| rng.random_range(-1.0..1.0)).collect() };
        // More than one block, in a number that no block divides.
        check(&draw(1100 * 9), 9);
        let few = draw(40 * 17);
        check(&few, 17);
        let changed = |f: fn(f64) -> f64| few.iter().map(|&value| f(value)).collect::<Vec<_>>();
        // Far from the origin, where f32 has nothing of the differences; too small for f32, too large for it, and for squares in f64.
        check(&changed(|value| 1e5 + value * 1e-3), 17);
        check(&changed(|value| value * 1e-30), 17);
        check(&changed(|value| value * 1e30), 17);
        check(&changed(|value| value * 1e200), 17);
        // Points that are the same, and points at the same distances.
        check(&changed(f64::round), 17);
        check(&[few.clone(), few.clone()].concat(), 17);
    }
}
