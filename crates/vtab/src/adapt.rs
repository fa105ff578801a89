//! Ways to adapt a model to a task: what fine-tuning and other methods plug into.

use crate::{Error, InputPreparation, TaskData};
use std::collections::BTreeMap;
use visrep_models::Model;
use visrep_probe::{
    Context, Evaluation, FeatureSet, LinearProbe, LinearProbeOptions, Regularisation, ScoreKind, evaluate,
    extract_views,
};

/// A way to adapt a model to a task's training examples and to test it. [`AdaptationProtocol`](crate::AdaptationProtocol) has
/// the hyper-parameters of the published ones that train the network.
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
    /// The accuracy on the test images.
    pub evaluation: Evaluation,
    /// Preprocessing and hyper-parameters, in words.
    pub protocol: BTreeMap<String, String>,
}

/// Logistic regression on frozen features: the strength of its penalty is chosen on the 200 validation examples after a fit to
/// the 800, then the 1000 are fitted.
#[derive(Clone, Debug, PartialEq)]
pub struct FrozenLinear {
    /// How images become input.
    pub input: InputPreparation,
    /// Candidates for scikit-learn's `C`, on standardised features.
    pub grid: Vec<f64>,
}

impl Default for FrozenLinear {
    /// VTAB's input, and `C` from 10⁻⁴ to 10 in steps of ten.
    fn default() -> Self {
        Self { input: InputPreparation::default(), grid: vec![1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0] }
    }
}

impl FrozenLinear {
    /// The candidate that is the most accurate on the validation examples, of equals the strongest penalty; each with its accuracy.
    fn choose(&self, train: &FeatureSet, val: &FeatureSet) -> Result<(f64, Vec<(f64, f64)>), Error> {
        let mut tried = Vec::with_capacity(self.grid.len());
        let mut grid = self.grid.clone();
        grid.sort_by(f64::total_cmp);
        for c in grid {
            let probe = LinearProbe::fit(train, &options(c))?;
            let result = evaluate(&probe.predict(&val.features)?, &val.labels, ScoreKind::Scores)?;
            tried.push((c, result.top1));
        }
        let best = tried.iter().copied().reduce(|best, next| if next.1 > best.1 { next } else { best });
        let expected = "at least one candidate";
        let (c, _) =
            best.ok_or_else(|| Error::Parameter { parameter: "grid", value: "empty".into(), expected })?;
        Ok((c, tried))
    }
}

fn options(c: f64) -> LinearProbeOptions {
    let regularisation = Regularisation::Fixed { c };
    LinearProbeOptions { regularisation, standardise: true, ..LinearProbeOptions::scikit_learn(c) }
}

impl Adaptation for FrozenLinear {
    fn name(&self) -> &str {
        "linear classifier on frozen features"
    }

    fn adapt(&self, model: &Model, task: &TaskData, context: &Context) -> Result<Adapted, Error> {
        let (views, preprocessing) = self.input.views(model)?;
        let extract = |data| extract_views(model, data, &views, &preprocessing, &context.extract_options());
        let train = extract(task.train1000.clone())?;
        // The 800 come first.
        let cut = task.train800.len();
        let rows = |range: std::ops::Range<usize>| train.select(&range.collect::<Vec<_>>());
        let (c, tried) = self.choose(&rows(0..cut)?, &rows(cut..train.len())?)?;
        let probe = LinearProbe::fit(&train, &options(c))?;
        let test = extract(task.test.clone())?;
        let evaluation = evaluate(&probe.predict(&test.features)?, &test.labels, ScoreKind::Probabilities)?;
        let tried: Vec<_> = tried.iter().map(|(c, accuracy)| format!("{c}: {accuracy:.4}")).collect();
        let protocol = [
            ("preprocessing", preprocessing),
            ("classifier", "logistic regression by L-BFGS, standardised features".into()),
            ("c", c.to_string()),
            ("val_top1_by_c", tried.join(", ")),
        ];
        let protocol = protocol.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        Ok(Adapted { evaluation, protocol })
    }
}
