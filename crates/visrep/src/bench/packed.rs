//! The compact form in which `results.json` holds what is known of each image.

use super::results::{ImageGroups, Verdicts};
use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use visrep_probe::{Graded, Groups, TaskVerdicts};

impl Verdicts {
    /// The record of what a suite found of `model`, whose figures are on `data`.
    pub fn of_task(model: &str, data: &str, suite: &str, found: &TaskVerdicts) -> Self {
        let mut packed = Self {
            model: model.to_owned(),
            data: data.to_owned(),
            suite: suite.to_owned(),
            task: found.task.clone(),
            images: format!("{:016x}", found.images),
            n: found.correct.len(),
            right: Self::pack(&found.correct),
            ..Self::default()
        };
        match &found.graded {
            None => {}
            Some(Graded::Values { metric, values }) => {
                (packed.n, packed.metric, packed.values) =
                    (values.len(), metric.clone(), pack_values(values));
            }
            Some(Graded::Ranks { ranks, positive }) => {
                (packed.n, packed.ranks) = (ranks.len(), pack_numbers(ranks));
                if positive.iter().all(|&share| share == 0.0 || share == 1.0) {
                    packed.right =
                        Self::pack(&positive.iter().map(|&share| share == 1.0).collect::<Vec<_>>());
                } else {
                    packed.positive = pack_values(positive);
                }
            }
        }
        packed
    }

    /// The verdicts, image by image.
    pub fn unpack(&self) -> Result<Vec<bool>> {
        let bytes = STANDARD.decode(&self.right).ok().filter(|bytes| bytes.len() == self.n.div_ceil(8));
        let bytes = bytes.with_context(|| self.damaged())?;
        Ok((0..self.n).map(|image| bytes[image / 8] >> (image % 8) & 1 == 1).collect())
    }

    /// The form in which `right` holds verdicts.
    pub fn pack(right: &[bool]) -> String {
        let byte = |bits: &[bool]| (0..).zip(bits).fold(0, |byte, (at, &bit)| byte | u8::from(bit) << at);
        STANDARD.encode(right.chunks(8).map(byte).collect::<Vec<u8>>())
    }

    /// The value of each image: 1 and 0 for right and wrong where there are no others.
    pub fn unpack_values(&self) -> Result<Vec<f64>> {
        if self.metric.is_empty() {
            return Ok(self.unpack()?.into_iter().map(f64::from).collect());
        }
        unpack_values(&self.values, self.n).with_context(|| self.damaged())
    }

    /// The ranks of scores of detection and how far each image is positive; none where these are other verdicts.
    pub fn unpack_ranks(&self) -> Result<Option<(Vec<f64>, Vec<f64>)>> {
        if self.ranks.is_empty() {
            return Ok(None);
        }
        let ranks = unpack_numbers(&self.ranks, self.n).with_context(|| self.damaged())?;
        let positive = if self.positive.is_empty() {
            self.unpack()?.into_iter().map(f64::from).collect()
        } else {
            unpack_values(&self.positive, self.n).with_context(|| self.damaged())?
        };
        Ok(Some((ranks.into_iter().map(f64::from).collect(), positive)))
    }

    fn damaged(&self) -> String {
        format!(
            "the verdicts of {} on {} ({}) are damaged: run the benchmark again",
            self.model, self.data, self.task
        )
    }
}

impl ImageGroups {
    /// The groups of the images that `found` is on; none where each image stands for itself.
    pub fn of_task(found: &TaskVerdicts) -> Option<Self> {
        let Groups { objects, values } = &found.groups;
        (!objects.is_empty() || !values.is_empty()).then(|| Self {
            images: format!("{:016x}", found.images),
            n: objects.len().max(values.len()),
            objects: pack_numbers(objects),
            values: pack_numbers(values),
        })
    }

    /// The groups, image by image; of those that are not known, none.
    pub fn unpack(&self) -> Result<Groups> {
        let of = |packed: &str| {
            if packed.is_empty() {
                return Ok(Vec::new());
            }
            unpack_numbers(packed, self.n).with_context(|| {
                format!("the groups of the images {} are damaged: run the benchmark again", self.images)
            })
        };
        Ok(Groups { objects: of(&self.objects)?, values: of(&self.values)? })
    }
}

fn pack_values(values: &[f64]) -> String {
    STANDARD.encode(values.iter().flat_map(|&value| (value as f32).to_le_bytes()).collect::<Vec<u8>>())
}

fn unpack_values(packed: &str, n: usize) -> Option<Vec<f64>> {
    let bytes = STANDARD.decode(packed).ok().filter(|bytes| bytes.len() == 4 * n)?;
    Some(bytes.as_chunks::<4>().0.iter().map(|bytes| f64::from(f32::from_le_bytes(*bytes))).collect())
}

/// In as few bytes each as the highest needs.
fn pack_numbers(numbers: &[u32]) -> String {
    let width = match numbers.iter().max() {
        Some(0..=0xff) | None => 1,
        Some(0x100..=0xffff) => 2,
        Some(_) => 4,
    };
    let bytes = numbers.iter().flat_map(|number| number.to_le_bytes().into_iter().take(width));
    STANDARD.encode(bytes.collect::<Vec<u8>>())
}

fn unpack_numbers(packed: &str, n: usize) -> Option<Vec<u32>> {
    let bytes = STANDARD.decode(packed).ok()?;
    let width = [1, 2, 4].into_iter().find(|width| width * n == bytes.len())?;
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |number, &byte| number << 8 | u32::from(byte));
    Some(bytes.chunks(width).map(number).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_survive_being_packed() {
        for n in [0, 1, 7, 8, 9, 100] {
            let right: Vec<bool> = (0..n).map(|image| image % 3 == 1).collect();
            let text = || String::new();
            let mut packed = Verdicts {
                model: text(),
                data: text(),
                suite: text(),
                task: text(),
                images: text(),
                n,
                right: Verdicts::pack(&right),
                ..Verdicts::default()
            };
            assert_eq!(packed.unpack().unwrap(), right);
            packed.n += 8;
            assert!(packed.unpack().is_err());
        }
    }

    #[test]
    fn values_ranks_and_groups_survive_being_packed() {
        let values = TaskVerdicts::of_values("t", "2afc", ["a", "b", "c"], vec![0.5, f64::NAN, 1.0]);
        let packed = Verdicts::of_task("m", "d", "s", &values);
        assert_eq!((packed.n, packed.metric.as_str(), packed.right.as_str()), (3, "2afc", ""));
        let found = packed.unpack_values().unwrap();
        assert!(found[0] == 0.5 && found[1].is_nan() && found[2] == 1.0);
        assert!(packed.unpack_ranks().unwrap().is_none());
        assert!(Verdicts { n: 4, ..packed }.unpack_values().is_err());

        for n in [3, 300, 70_000] {
            let keys: Vec<String> = (0..n).map(|image| image.to_string()).collect();
            let scores: Vec<f64> = (0..n).map(|image| f64::from(image * 7919 % n)).collect();
            let found = TaskVerdicts::of_scores("t", &keys, &scores, vec![0.25; keys.len()]);
            let found = found.with_objects((0..n).rev());
            let packed = Verdicts::of_task("m", "d", "s", &found);
            let (ranks, positive) = packed.unpack_ranks().unwrap().unwrap();
            let order =
                |values: &[f64]| (1..values.len()).map(|at| values[at] > values[at - 1]).collect::<Vec<_>>();
            assert_eq!((order(&ranks), positive), (order(&scores), vec![0.25; keys.len()]));
            assert!(Verdicts { n: keys.len() + 1, ..packed }.unpack_ranks().is_err());
            // Two kinds need a bit each.
            let kinds: Vec<f64> = (0..n).map(|image| f64::from(u8::from(image % 3 == 0))).collect();
            let packed = Verdicts::of_task(
                "m",
                "d",
                "s",
                &TaskVerdicts::of_scores("t", &keys, &scores, kinds.clone()),
            );
            assert_eq!((packed.positive.as_str(), packed.unpack_ranks().unwrap().unwrap().1), ("", kinds));
            let groups = ImageGroups::of_task(&found).unwrap();
            assert_eq!(groups.unpack().unwrap(), found.groups);
            assert!(ImageGroups { n: 5, ..groups }.unpack().is_err());
        }
    }
}
