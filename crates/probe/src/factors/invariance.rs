//! How features change with a factor of variation.

use super::{FactorValue, Shown};
use crate::{Error, FeatureSet, LEVEL, RESAMPLES, Recorder};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;
use std::collections::BTreeMap;
use tch::Kind;
use visrep_metrics::{FeatureDistance, FeatureMatrix, bootstrap, invariance, quartiles};

/// Adds how far the features of `task` stay as they are while its factor changes (Bouchacourt, Ibrahim & Morcos 2021): for every value
/// but `reference`, over the scenes that there are at both, as `TASK/VALUE` the metrics `invariance` (the median over scenes; 1 where
/// nothing moves, 0 where a scene moves as far from itself as from another scene at that value), `invariance-q1` and `invariance-q3` (its
/// quartiles) by the cosine distance, the same three of `invariance-l2` by the Euclidean one, and `cosine-similarity` (the mean); for the whole `mean-invariance`, the mean of the medians, with an interval over objects
/// where there are two or more.
///
/// `shown` has an entry for each of `features`. Which other scene one is compared with is drawn by `seed`.
///
/// # Errors
/// Not as many entries as features; nothing at `reference`; no value at which there are two scenes of those.
pub fn record_invariance(
    record: &mut Recorder<'_>,
    task: &str,
    features: &FeatureSet,
    shown: &[Shown],
    reference: &FactorValue,
    seed: u64,
) -> Result<(), Error> {
    if shown.len() != features.len() {
        return Err(Error::TooFew { what: "factor of variation", need: "a value for each image" });
    }
    let dim = usize::try_from(features.dim()).unwrap_or_default();
    let rows = Vec::<f32>::try_from(features.features.f_to_kind(Kind::Float)?.f_flatten(0, -1)?)?;
    let row = |index: usize| &rows[index * dim..][..dim];
    let mut original = BTreeMap::new();
    let mut by_value = BTreeMap::<&FactorValue, Vec<usize>>::new();
    for (index, shown) in shown.iter().enumerate() {
        if shown.value == *reference {
            original.insert(shown.scene, index);
        } else {
            by_value.entry(&shown.value).or_default().push(index);
        }
    }
    let mut found = Vec::new();
    for (value, changed) in by_value {
        let pairs: Vec<(usize, usize)> = changed
            .into_iter()
            .filter_map(|index| Some((*original.get(&shown[index].scene)?, index)))
            .collect();
        if pairs.len() < 2 {
            continue;
        }
        let gathered = |indices: &dyn Fn(&(usize, usize)) -> usize| -> Vec<f32> {
            pairs.iter().flat_map(|pair| row(indices(pair))).copied().collect()
        };
        let (before, after) = (gathered(&|pair| pair.0), gathered(&|pair| pair.1));
        let (before, after) = (FeatureMatrix::new(&before, dim)?, FeatureMatrix::new(&after, dim)?);
        let partners = partners(pairs.len(), seed);
        let n = pairs.len();
        let name = format!("{task}/{value}");
        let values = invariance(&before, &after, &partners, FeatureDistance::Cosine)?;
        let euclidean = invariance(&before, &after, &partners, FeatureDistance::Euclidean)?;
        for ([median, lower, upper], values) in [
            (["invariance", "invariance-q1", "invariance-q3"], &values),
            (["invariance-l2", "invariance-l2-q1", "invariance-l2-q3"], &euclidean),
        ] {
            let spread = quartiles(values)?;
            record.figure(&*name, median, spread.median, n, None);
            record.figure(&*name, lower, spread.lower, n, None);
            record.figure(&*name, upper, spread.upper, n, None);
        }
        record.figure(name, "cosine-similarity", mean_cosine(&before, &after), n, None);
        found.push(pairs.iter().map(|pair| shown[pair.1].object).zip(values).collect::<Vec<_>>());
    }
    if found.is_empty() {
        return Err(Error::TooFew {
            what: "factor of variation",
            need: "two scenes that are there at the reference and at another value: a larger --limit, or the whole set, has them",
        });
    }
    record_mean(record, task, &found, seed)
}

/// The mean over values of the median over scenes, with its interval over objects. `found` has for each value the object and the
/// invariance of each scene.
fn record_mean(
    record: &mut Recorder<'_>,
    task: &str,
    found: &[Vec<(usize, f64)>],
    seed: u64,
) -> Result<(), Error> {
    let mut objects: Vec<usize> = found.iter().flatten().map(|&(object, _)| object).collect();
    objects.sort_unstable();
    objects.dedup();
    let mut of_objects = vec![vec![Vec::new(); objects.len()]; found.len()];
    for (scenes, of_objects) in found.iter().zip(&mut of_objects) {
        for (object, value) in scenes {
            of_objects[objects.partition_point(|known| known < object)].push(*value);
        }
    }
    let statistic = |sample: &[usize]| {
        let medians: Vec<f64> = of_objects
            .iter()
            .filter_map(|of_objects| {
                median(sample.iter().flat_map(|&object| &of_objects[object]).copied().collect())
            })
            .collect();
        medians.iter().sum::<f64>() / medians.len() as f64
    };
    let all: Vec<usize> = (0..objects.len()).collect();
    let interval = match objects.len() {
        0 | 1 => None,
        count => Some(bootstrap(count, statistic, RESAMPLES, LEVEL, seed)?),
    };
    let scenes = found.iter().map(Vec::len).sum();
    record.figure(task, "mean-invariance", statistic(&all), scenes, interval);
    Ok(())
}

/// The middle value, of two their mean; none of none.
fn median(mut values: Vec<f64>) -> Option<f64> {
    let middle = values.len() / 2;
    if values.is_empty() {
        return None;
    }
    let (below, &mut upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let lower = below.iter().copied().max_by(f64::total_cmp).filter(|_| values.len().is_multiple_of(2));
    Some(lower.map_or(upper, |lower| f64::midpoint(lower, upper)))
}

/// For each of `count` scenes another one, each once: the next in an order that is drawn.
fn partners(count: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.shuffle(&mut Xoshiro256PlusPlus::seed_from_u64(seed));
    let mut partner = vec![0; count];
    for (place, &scene) in order.iter().enumerate() {
        partner[scene] = order[(place + 1) % count];
    }
    partner
}

fn mean_cosine(before: &FeatureMatrix<'_, f32>, after: &FeatureMatrix<'_, f32>) -> f64 {
    let product =
        |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
    let cosine = |(a, b): (&[f32], &[f32])| product(a, b) / (product(a, a) * product(b, b)).sqrt();
    before.rows().zip(after.rows()).map(cosine).sum::<f64>() / before.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SuiteContext;
    use tch::Tensor;
    use visrep_models::{Model, ModelOptions};

    fn shown(value: f64, scene: usize) -> Shown {
        Shown { value: FactorValue::new(&[value]), object: scene / 2, scene }
    }

    #[test]
    fn features_are_compared_with_those_at_the_reference() {
        // Scenes 0 to 3 at value 0; at 1 they are as they were, at 2 each is where the one before was; scene 4 has no reference.
        let axes = |scene: usize| (0..4).map(|axis| f32::from(axis == scene % 4)).collect::<Vec<_>>();
        let mut entries: Vec<(Shown, Vec<f32>)> = Vec::new();
        for scene in 0..4 {
            entries.push((shown(0.0, scene), axes(scene)));
            entries.push((shown(1.0, scene), axes(scene).iter().map(|value| 3.0 * value).collect()));
            entries.push((shown(2.0, scene), axes(scene + 1)));
        }
        entries.push((shown(1.0, 4), axes(1)));
        let rows: Vec<f32> = entries.iter().flat_map(|(_, row)| row.clone()).collect();
        let keys = (0..entries.len()).map(|key| key.to_string()).collect();
        let set =
            FeatureSet::new(Tensor::from_slice(&rows).view([-1, 4]), vec![0; entries.len()], keys).unwrap();
        let shown: Vec<_> = entries.into_iter().map(|(shown, _)| shown).collect();
        let options = ModelOptions { num_classes: Some(0), seed: Some(0), ..Default::default() };
        let model = Model::create("resnet18_cifar_w16", &options).unwrap();
        let context = SuiteContext::default();
        let mut record = Recorder::new("test", &model, &context);
        record_invariance(&mut record, "angle", &set, &shown, &FactorValue::new(&[0.0]), 0).unwrap();
        let value = |task: &str, metric: &str| {
            let of = |score: &&visrep_metrics::Score| score.task == task && score.metric == metric;
            record.findings.scores.iter().find(of).unwrap().value
        };
        assert!((value("angle/1", "invariance") - 1.0).abs() < 1e-6);
        assert!((value("angle/1", "cosine-similarity") - 1.0).abs() < 1e-6);
        assert!(value("angle/2", "cosine-similarity").abs() < 1e-6);
        // Another scene is there where this one was, for one scene at most; for the rest all are equally far.
        assert!(value("angle/2", "invariance") <= 1e-6);
        let mean = record.findings.scores.iter().find(|score| score.metric == "mean-invariance").unwrap();
        assert_eq!((mean.task.as_str(), mean.n), ("angle", 8));
        let interval = mean.interval.as_ref().unwrap();
        assert!(interval.low <= mean.value && mean.value <= interval.high);

        let error = record_invariance(&mut record, "x", &set, &shown, &FactorValue::new(&[7.0]), 0);
        assert!(matches!(error, Err(Error::TooFew { .. })));
        let error = record_invariance(&mut record, "x", &set, &shown[1..], &FactorValue::new(&[0.0]), 0);
        assert!(matches!(error, Err(Error::TooFew { .. })));
    }

    #[test]
    fn nobody_is_its_own_partner() {
        for count in 2..20 {
            let mut found = partners(count, 3);
            assert!(found.iter().enumerate().all(|(scene, &partner)| scene != partner));
            found.sort_unstable();
            assert!(found.into_iter().eq(0..count));
        }
        assert_ne!(partners(10, 1), partners(10, 2));
    }

    #[test]
    fn the_median_is_between_the_middle_two() {
        assert_eq!(median(vec![9.0, 1.0, 4.0]), Some(4.0));
        assert_eq!(median(vec![9.0, 1.0, 4.0, 2.0]), Some(3.0));
        assert_eq!((median(vec![5.0]), median(vec![])), (Some(5.0), None));
    }
}
