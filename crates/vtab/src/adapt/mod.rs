//! Ways to adapt a model to a task: what fine-tuning and other methods plug into.

mod frozen;
mod head;
mod tuned;

pub use frozen::FrozenLinear;
pub use head::HeadAdaptation;
pub use tuned::FineTuneAdaptation;

use crate::{AdaptationProtocol, Error, Examples, TaskData, Trained};
use std::collections::BTreeMap;
use std::sync::Arc;
use visrep_data::Dataset;
use visrep_metrics::{Interval, bootstrap_mean, mean};
use visrep_models::Model;
use visrep_probe::{Context, Evaluation, FeatureSet, LEVEL, RESAMPLES};

/// A way to adapt a model to a task's training examples and to test it. [`AdaptationProtocol`] has the hyper-parameters of the
/// published ones and makes an `Adaptation` of each.
pub trait Adaptation {
    /// What it is called in protocols.
    fn name(&self) -> &str;

    /// Adapts a copy of `model`, or something on top of it, to `task`'s examples and classifies its test images. `model` is not
    /// changed. Of `context` come the resources, the cache and the seed.
    ///
    /// # Errors
    /// Data that cannot be read, a model that refuses them.
    fn adapt(&self, model: &Model, task: &TaskData, context: &Context) -> Result<Adapted, Error>;
}

/// What came out.
pub struct Adapted {
    /// How the test images were classified, after each of the runs: one, or one for each seed where a protocol averages over
    /// several.
    pub evaluations: Vec<Evaluation>,
    /// Preprocessing and hyper-parameters, in words.
    pub protocol: BTreeMap<String, String>,
}

impl Adapted {
    /// The accuracy, over the runs its mean, and its interval over test images.
    ///
    /// # Errors
    /// No runs.
    pub fn top1(&self, seed: u64) -> Result<(f64, Interval), Error> {
        if let [only] = &self.evaluations[..] {
            return Ok((only.top1, only.top1_interval.clone()));
        }
        let mut right = vec![0.0; self.evaluations.first().map_or(0, |first| first.correct.len())];
        for evaluation in &self.evaluations {
            for (right, &correct) in right.iter_mut().zip(&evaluation.correct) {
                *right += f64::from(correct) / self.evaluations.len() as f64;
            }
        }
        Ok((mean(&right)?, bootstrap_mean(&right, RESAMPLES, LEVEL, seed)?))
    }
}

impl AdaptationProtocol {
    /// What carries the protocol out.
    #[must_use]
    pub fn adaptation(&self) -> Box<dyn Adaptation> {
        match self.trains {
            Trained::Network => Box::new(FineTuneAdaptation::by(self)),
            Trained::Head => Box::new(HeadAdaptation::by(self)),
        }
    }
}

/// The images of the final training, and what they are in words.
fn final_examples(examples: Examples, task: &TaskData) -> (Arc<dyn Dataset>, String) {
    let (thousand, said) = match (examples, &task.trainval1000) {
        (Examples::Train800Val200, _) => (&task.train1000, "train800val200"),
        (Examples::Trainval1000, Some(first)) => (first, "trainval[:1000]"),
        (Examples::Trainval1000, None) => (
            &task.train1000,
            "train800val200, where the authors' script takes trainval[:1000], which file lists do not name",
        ),
    };
    (Arc::clone(thousand), said.to_owned())
}

/// The features of the 800 and of the 200, which follow each other among those of the 1000.
fn parts(task: &TaskData, all: &FeatureSet) -> Result<(FeatureSet, FeatureSet), Error> {
    let cut = task.train800.len();
    let rows = |range: std::ops::Range<usize>| all.select(&range.collect::<Vec<_>>());
    Ok((rows(0..cut)?, rows(cut..all.len())?))
}

/// What was chosen of several, as entries of a protocol: the accuracy of each on the 200, in the order in which they are tried.
fn choice_entries(candidates: &[String], accuracies: &[f64], chosen: usize) -> [(String, String); 2] {
    let tried = candidates.iter().zip(accuracies).map(|(name, accuracy)| format!("{name}: {accuracy:.4}"));
    [
        ("val_top1_by_candidate".to_owned(), tried.collect::<Vec<_>>().join("; ")),
        ("candidate".to_owned(), format!("{} of {}", chosen + 1, candidates.len())),
    ]
}

/// The seeds of the runs that are averaged, and each one's accuracy, as entries of a protocol; none where there was but one.
fn seed_entries(seeds: &[u64], evaluations: &[Evaluation]) -> Vec<(String, String)> {
    if seeds.len() < 2 {
        return Vec::new();
    }
    let each: Vec<_> = evaluations.iter().map(|evaluation| format!("{:.4}", evaluation.top1)).collect();
    let seeds: Vec<_> = seeds.iter().map(u64::to_string).collect();
    [
        ("final_seeds", seeds.join(", ")),
        ("top1_by_seed", each.join(", ")),
        ("interval", "over test images, of their mean over the seeds".to_owned()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

/// `count` seeds from `first` on.
fn seeds(first: u64, count: usize) -> Vec<u64> {
    (0..count.max(1) as u64).map(|nth| first.wrapping_add(nth)).collect()
}
