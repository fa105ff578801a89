//! Photographs that are changed step by step, and how far each distance finds the result from the photograph, beside how far it finds
//! photographs from each other.

use super::failed;
use super::measured::Measured;
use crate::bench::similarity::Crops;
use crate::source::Source;
use std::path::Path;
use std::sync::Arc;
use visrep_augment::RgbImage;
use visrep_data::Dataset;
use visrep_metrics::{Interval, bootstrap};
use visrep_probe::{Error, LEVEL, Progress, RESAMPLES, SuiteContext, limited};

/// Squares of each photograph.
pub const CROPS: usize = 4;
/// Photographs, unless `--limit` says otherwise.
const PHOTOGRAPHS: usize = 50;
/// Squares in one pass.
const BATCH: usize = 8;

/// What the suites on photographs say of their data.
pub const EXPECTS: &[&str] = &[
    "photographs/, any images that --data takes, or ROOT itself as fixtures:photos; without it the embedded photographs",
];
pub const PUBLISHED: &str = "photographs of one's own, or those embedded in visrep";

/// The photographs under a root.
pub struct Photographs {
    data: Arc<dyn Dataset>,
    /// What they are, for the protocol.
    name: String,
    suite: &'static str,
}

impl Photographs {
    /// Those of the folder `photographs`, of a file or an embedded set that is the root itself, or the embedded ones.
    pub fn open(root: &Path, suite: &'static str, context: &SuiteContext) -> Result<Self, Error> {
        let wrong = |error: &dyn std::fmt::Display| Error::Suite { suite, message: error.to_string() };
        let own = root.join("photographs");
        let text = root.to_string_lossy();
        let source = if own.exists() {
            Source::Path(own)
        } else if text.starts_with("fixtures:") || root.is_file() {
            text.parse().map_err(|error: String| wrong(&error))?
        } else {
            Source::Photos
        };
        let data = limited(
            source.open().map_err(|error| wrong(&format!("{error:#}")))?,
            context.limit.unwrap_or(PHOTOGRAPHS),
        );
        if data.len() < 2 {
            let expected =
                "two photographs at least: distances are measured against those between photographs";
            return Err(Error::Parameter { parameter: "--limit", value: data.len() as f64, expected });
        }
        Ok(Self { name: format!("{} of {source}", data.len()), data, suite })
    }

    pub fn fingerprint(&self) -> Result<u64, Error> {
        Ok(self.data.fingerprint()?)
    }

    pub fn stamp(&self) -> u64 {
        self.data.stamp()
    }

    /// What the squares are, for the protocol.
    pub fn protocol(&self, side: u32) -> String {
        format!("{CROPS} squares of {side} px of each photograph, {}", self.name)
    }

    /// The squares, those of one photograph one after the other.
    pub fn squares(&self, side: u32, seed: u64) -> Result<Vec<RgbImage>, Error> {
        let crops = Crops::new(&*self.data, side, CROPS as u64, seed)
            .map_err(|error| Error::Suite { suite: self.suite, message: format!("{error:#}") })?;
        Ok(crops.into_images())
    }

    /// All distances of `measured` between each of `squares` and what `change` makes of it under each of so many conditions.
    pub fn measure(
        &self,
        measured: &Measured<'_>,
        squares: &[RgbImage],
        conditions: usize,
        change: impl Fn(usize, usize) -> Result<RgbImage, Error>,
        context: &SuiteContext,
    ) -> Result<Vec<Distances>, Error> {
        let distances = measured.distances();
        let mut found: Vec<Distances> = measured
            .rows
            .iter()
            .map(|_| Distances { changed: vec![Vec::new(); conditions], others: Vec::new() })
            .collect();
        let mut progress = Progress::new(context.progress, self.suite, squares.len() * conditions);
        for start in (0..squares.len()).step_by(BATCH) {
            context.go_on()?;
            let batch = start..squares.len().min(start + BATCH);
            let mut images = Vec::with_capacity(conditions + 1);
            for condition in 0..conditions {
                images.push(batch.clone().map(|at| change(at, condition)).collect::<Result<Vec<_>, _>>()?);
            }
            // The square with the same number of the next photograph.
            images.push(batch.clone().map(|at| squares[(at + CROPS) % squares.len()].clone()).collect());
            let references: Vec<&RgbImage> = squares[batch.clone()].iter().collect();
            let images: Vec<Vec<&RgbImage>> = images.iter().map(|images| images.iter().collect()).collect();
            let images: Vec<&[&RgbImage]> = images.iter().map(Vec::as_slice).collect();
            let mut rows = found.iter_mut();
            for several in &distances {
                for of_one in several.measure(&references, &images).map_err(failed(self.suite))? {
                    let Some(row) = rows.next() else { break };
                    let into = row.changed.iter_mut().chain([&mut row.others]);
                    into.zip(of_one).for_each(|(into, distances)| into.extend(distances));
                }
            }
            progress.advance(batch.len() * conditions);
        }
        Ok(found)
    }
}

/// What one distance found.
pub struct Distances {
    /// For each condition the distance of each square from itself as it was changed.
    pub changed: Vec<Vec<f64>>,
    /// The distance of each square from another photograph's.
    pub others: Vec<f64>,
}

impl Distances {
    /// The mean over squares of the mean distance under `conditions`, as a share of that between photographs, with an interval over photographs.
    pub fn relative(&self, conditions: &[usize], seed: u64) -> Result<(f64, Interval), Error> {
        self.ratio(conditions, None, seed)
    }

    /// The mean distance under one condition as a multiple of that under another.
    pub fn multiple(&self, condition: usize, of: usize, seed: u64) -> Result<(f64, Interval), Error> {
        self.ratio(&[condition], Some(of), seed)
    }

    fn ratio(&self, conditions: &[usize], of: Option<usize>, seed: u64) -> Result<(f64, Interval), Error> {
        let by_photograph = |values: &[f64]| -> Vec<f64> {
            values.chunks(CROPS).map(|squares| squares.iter().sum::<f64>()).collect()
        };
        let mut above = vec![0.0; self.others.len()];
        for &condition in conditions {
            above.iter_mut().zip(&self.changed[condition]).for_each(|(sum, distance)| *sum += distance);
        }
        above.iter_mut().for_each(|sum| *sum /= conditions.len() as f64);
        let (above, below) =
            (by_photograph(&above), by_photograph(of.map_or(&self.others, |of| &self.changed[of])));
        let ratio = |sample: &[usize]| {
            let sum = |of: &[f64]| sample.iter().map(|&at| of[at]).sum::<f64>();
            sum(&above) / sum(&below)
        };
        let all: Vec<usize> = (0..above.len()).collect();
        Ok((ratio(&all), bootstrap(above.len(), ratio, RESAMPLES, LEVEL, seed)?))
    }

    /// How often the distance grows from each of `conditions` to the next; a tie counts half.
    pub fn growth(&self, conditions: &[usize], seed: u64) -> Result<(f64, Interval), Error> {
        let steps = (conditions.len().max(2) - 1) as f64;
        let grows = |square: usize| -> f64 {
            let at = |condition: usize| self.changed[condition][square];
            let step = |pair: &[usize]| match at(pair[0]).total_cmp(&at(pair[1])) {
                std::cmp::Ordering::Less => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Greater => 0.0,
            };
            conditions.windows(2).map(step).sum::<f64>() / steps
        };
        let squares: Vec<f64> = (0..self.others.len()).map(grows).collect();
        let photographs: Vec<f64> =
            squares.chunks(CROPS).map(|of| of.iter().sum::<f64>() / of.len() as f64).collect();
        let mean =
            |sample: &[usize]| sample.iter().map(|&at| photographs[at]).sum::<f64>() / sample.len() as f64;
        let all: Vec<usize> = (0..photographs.len()).collect();
        Ok((mean(&all), bootstrap(photographs.len(), mean, RESAMPLES, LEVEL, seed)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_and_growth_by_hand() {
        let distances = Distances {
            changed: vec![vec![1.0; 8], vec![2.0, 2.0, 2.0, 2.0, 0.5, 0.5, 1.0, 1.0]],
            others: vec![4.0; 8],
        };
        let (value, interval) = distances.relative(&[1], 1).unwrap();
        assert!((value - 11.0 / 32.0).abs() < 1e-12);
        assert_eq!((interval.low, interval.high), (3.0 / 16.0, 0.5), "either photograph alone");
        assert!((distances.relative(&[0, 1], 1).unwrap().0 - (8.0 + 11.0) / 64.0).abs() < 1e-12);
        assert!((distances.multiple(1, 0, 1).unwrap().0 - 11.0 / 8.0).abs() < 1e-12);
        // Four grow, two shrink, two stay.
        assert!((distances.growth(&[0, 1], 1).unwrap().0 - 5.0 / 8.0).abs() < 1e-12);
    }
}
