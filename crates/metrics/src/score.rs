//! A figure that never travels without its protocol: the unit of `results.json`.

use crate::Interval;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One figure about one model on one task, with everything needed to make it again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Score {
    /// The suite: `knn`, `imagenet-c` …
    pub suite: String,
    /// The task within the suite: a dataset, a corruption and severity …
    pub task: String,
    /// What `value` is: `top1`, `ece`, `ce` …
    pub metric: String,
    /// The figure: a fraction in `0..=1` unless the metric says otherwise.
    pub value: f64,
    /// The number of test samples behind it.
    pub n: usize,
    /// Its confidence interval, where there is one.
    pub interval: Option<Interval>,
    /// Split, preprocessing, pooling, hyper-parameters, seed: one string each.
    pub protocol: BTreeMap<String, String>,
    /// The model's name.
    pub model: String,
    /// Which weights: a file and its hash, or how they were initialised.
    pub weights: String,
    /// Which data: its name or place.
    pub data: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_survives_json() {
        let score = Score {
            suite: "knn".into(),
            task: "digits".into(),
            metric: "top1".into(),
            value: 0.1 + 0.2,
            n: 360,
            interval: Some(crate::wilson(300, 360, 0.95).unwrap()),
            protocol: BTreeMap::from([("k".into(), "20".into()), ("split".into(), "not official".into())]),
            model: "resnet18_cifar".into(),
            weights: "random (seed 0)".into(),
            data: "fixtures:digits".into(),
        };
        let text = serde_json::to_string(&score).unwrap();
        assert_eq!(serde_json::from_str::<Score>(&text).unwrap(), score);
        assert!(text.contains(r#""protocol":{"k":"20","split":"not official"}"#), "{text}");
    }
}
