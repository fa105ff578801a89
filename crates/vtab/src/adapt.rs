//! Ways to adapt a model to a task: what fine-tuning and other methods plug into.

use crate::prepare::vtab_resize;
use crate::{Error, InputPreparation, Sampling, TaskData};
use std::collections::BTreeMap;
use visrep_models::Model;
use visrep_probe::{
    Context, Evaluation, Execution, FeatureSet, FineTunePreset, FineTuning, ImagePipeline, LinearProbe,
    LinearProbeOptions, Regularisation, ScoreKind, evaluate, extract_views, fine_tune,
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
            ("pooling", context.extract_options().pooling.to_string()),
            ("classifier", "logistic regression by L-BFGS, standardised features".into()),
            ("c", c.to_string()),
            ("val_top1_by_c", tried.join(", ")),
        ];
        let protocol = protocol.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        Ok(Adapted { evaluation, protocol })
    }
}

/// The whole network fine-tuned by a protocol of visrep-probe's. Of several candidates the most accurate on the 200 validation
/// examples, after training on the 800, is trained on the 1000.
#[derive(Clone, Debug)]
pub struct FineTuneAdaptation {
    name: String,
    recipe: Recipe,
}

#[derive(Clone, Debug)]
enum Recipe {
    Preset(FineTunePreset),
    Own(Vec<FineTuning>),
}

impl FineTuneAdaptation {
    /// By a published protocol.
    #[must_use]
    pub fn new(preset: FineTunePreset) -> Self {
        Self { name: format!("fine-tuning: {preset}"), recipe: Recipe::Preset(preset) }
    }

    /// By protocols of one's own, of which the best is chosen; `name` is what they are called in scores.
    #[must_use]
    pub fn own(name: impl Into<String>, candidates: Vec<FineTuning>) -> Self {
        Self { name: name.into(), recipe: Recipe::Own(candidates) }
    }

    /// The protocols to compare: VTAB's own with its resize, which does not antialias.
    fn candidates(&self, model: &Model, task: &TaskData) -> Result<Vec<FineTuning>, Error> {
        let preset = match &self.recipe {
            Recipe::Preset(preset) => *preset,
            Recipe::Own(candidates) => return Ok(candidates.clone()),
        };
        let size = model.preprocessing().input_size;
        let resize = vtab_resize(size, Sampling::HalfPixel);
        let said = format!("both edges {size} bilinear without antialiasing (half-pixel centres)");
        let images = ImagePipeline::new(said, size, resize.clone(), resize);
        Ok(match preset {
            FineTunePreset::Vtab => vec![FineTuning::vtab(images)],
            FineTunePreset::VtabLightweight => FineTuning::vtab_lightweight(&images),
            other => other.tunings(model, task.train1000.as_ref())?,
        })
    }
}

impl Adaptation for FineTuneAdaptation {
    fn name(&self) -> &str {
        &self.name
    }

    fn adapt(&self, model: &Model, task: &TaskData, context: &Context) -> Result<Adapted, Error> {
        let execution = Execution {
            seed: context.seed,
            workers: context.workers,
            precision: context.precision,
            progress: context.progress,
            batch_size: context.batch_size,
            ..Execution::default()
        };
        let candidates = self.candidates(model, task)?;
        let accuracies = match candidates.len() {
            0 | 1 => Vec::new(),
            _ => candidates
                .iter()
                .map(|tuning| held_out(model, task, tuning, &execution))
                .collect::<Result<_, _>>()?,
        };
        let better = |best: usize, next: usize| if accuracies[next] > accuracies[best] { next } else { best };
        let chosen = (0..accuracies.len()).reduce(better).unwrap_or(0);
        let expected = "at least one candidate";
        let tuning = candidates.get(chosen).ok_or_else(|| Error::Parameter {
            parameter: "candidates",
            value: "empty".into(),
            expected,
        })?;
        let tuned = fine_tune(model, task.train1000.clone(), tuning, &execution)?;
        let evaluation = tuned.evaluate(task.test.clone(), &execution)?;
        let mut protocol = tuned.protocol();
        if !accuracies.is_empty() {
            let each: Vec<_> = accuracies.iter().map(|accuracy| format!("{accuracy:.4}")).collect();
            protocol.insert("val_top1_by_candidate".into(), each.join(", "));
            protocol.insert("candidate".into(), format!("{} of {}", chosen + 1, candidates.len()));
        }
        Ok(Adapted { evaluation, protocol })
    }
}

/// The accuracy on the 200 after training on the 800; 0 where training diverges.
fn held_out(
    model: &Model,
    task: &TaskData,
    tuning: &FineTuning,
    execution: &Execution,
) -> Result<f64, Error> {
    let tuned = fine_tune(model, task.train800.clone(), tuning, execution);
    match tuned.and_then(|tuned| tuned.evaluate(task.val200.clone(), execution)) {
        Ok(evaluation) => Ok(evaluation.top1),
        Err(visrep_probe::Error::Diverged { .. } | visrep_probe::Error::NotFinite { .. }) => Ok(0.0),
        Err(error) => Err(error.into()),
    }
}
