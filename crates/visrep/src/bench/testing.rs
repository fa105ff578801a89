//! Scores and models that tests of this folder put their results together from.

use super::results::{ModelEntry, Results};
use visrep_metrics::Score;

/// A figure of [`model`] `w` over three samples of a suite on data of its own.
pub fn score(suite: &str, task: &str, metric: &str, value: f64) -> Score {
    Score {
        suite: suite.into(),
        task: task.into(),
        metric: metric.into(),
        value,
        n: 3,
        interval: None,
        protocol: Default::default(),
        model: "resnet50".into(),
        weights: "w".into(),
        data: suite.into(),
    }
}

/// `score` with these entries of its protocol in the place of its own.
pub fn with(score: Score, protocol: &[(&str, &str)]) -> Score {
    Score { protocol: protocol.iter().map(|&(key, value)| (key.into(), value.into())).collect(), ..score }
}

/// A ResNet-50 whose weights have the name that it is shown by.
pub fn model(id: &str) -> ModelEntry {
    ModelEntry {
        id: id.into(),
        label: id.into(),
        about: String::new(),
        architecture: "resnet50".into(),
        weights: id.into(),
        parameters: 1,
    }
}

/// Results of these models.
pub fn results(models: &[&str], scores: Vec<Score>) -> Results {
    Results { models: models.iter().map(|id| model(id)).collect(), scores, ..Results::empty() }
}
