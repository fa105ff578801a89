//! Logistic regression on frozen features.

use super::{Adaptation, Adapted, parts};
use crate::{Error, InputPreparation, TaskData};
use visrep_models::Model;
use visrep_probe::{
    Context, FeatureSet, LinearProbe, LinearProbeOptions, Regularisation, ScoreKind, evaluate, extract_views,
};

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
        let (train800, val200) = parts(task, &train)?;
        let (c, tried) = self.choose(&train800, &val200)?;
        let probe = LinearProbe::fit(&train, &options(c))?;
        let test = extract(task.test.clone())?;
        let evaluation = evaluate(&probe.predict(&test.features)?, &test.labels, ScoreKind::Probabilities)?;
        let tried: Vec<_> = tried.iter().map(|(c, accuracy)| format!("{c}: {accuracy:.4}")).collect();
        let protocol = [
            ("preprocessing", preprocessing),
            ("pooling", context.extract_options().pooling.to_string()),
            ("classifier", "logistic regression by L-BFGS, standardised features".into()),
            ("c", c.to_string()),
            ("val_top1_by_c", tried.join(", ")),
        ];
        let protocol = protocol.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        Ok(Adapted { evaluations: vec![evaluation], protocol })
    }
}
