//! Fine-tuning as a benchmark over a train/test split.

use super::{FineTunePreset, FineTuned, FineTuning, fine_tune, fine_tune_selected};
use crate::linear::labels_of;
use crate::sampling::hold_out;
use crate::suites::accuracy_scores;
use crate::{Benchmark, Context, Error, Evaluation};
use std::sync::Arc;
use visrep_data::{Dataset, Subset};
use visrep_metrics::Score;
use visrep_models::Model;

/// The share of each class on which a sweep is judged.
const VALIDATION: f64 = 0.2;

/// The accuracy on the test samples after fine-tuning on the training samples.
#[derive(Clone, Debug)]
pub struct FineTuneBenchmark {
    id: String,
    protocol: Protocol,
}

#[derive(Clone, Debug)]
enum Protocol {
    Preset(FineTunePreset),
    Own(Vec<FineTuning>),
}

impl FineTuneBenchmark {
    /// By a published protocol. A sweep is judged on a fifth of the training samples of each class.
    pub fn new(preset: FineTunePreset) -> Self {
        Self { id: format!("fine-tune-{preset}"), protocol: Protocol::Preset(preset) }
    }

    /// By a protocol of one's own, or the best of several on a fifth of the training samples of each class; `id` names it in
    /// scores.
    pub fn own(id: impl Into<String>, candidates: Vec<FineTuning>) -> Self {
        Self { id: id.into(), protocol: Protocol::Own(candidates) }
    }

    /// The model, and how it was chosen where it was.
    fn tune(&self, model: &Model, context: &Context) -> Result<(FineTuned, Option<String>), Error> {
        let (train, execution) = (&context.splits().train, context.execution());
        let candidates = match &self.protocol {
            Protocol::Preset(preset) => preset.tunings(model, train.as_ref(), Default::default())?,
            Protocol::Own(candidates) => candidates.clone(),
        };
        if let [tuning] = &candidates[..] {
            return Ok((fine_tune(model, Arc::clone(train), tuning, &execution)?, None));
        }
        let (rest, held) = hold_out(&labels_of(train.as_ref())?, VALIDATION, context.seed);
        let part = |indices| -> Arc<dyn Dataset> { Arc::new(Subset::new(Arc::clone(train), indices)) };
        let selected = fine_tune_selected(model, &part(rest), &part(held), &candidates, &execution)?;
        let tried = candidates.iter().zip(&selected.accuracies);
        let tried: Vec<String> =
            tried.map(|(tuning, accuracy)| format!("{}: {accuracy:.4}", tuning.name)).collect();
        let choice = format!("best of {{{}}} on {VALIDATION} of the training samples", tried.join("; "));
        Ok((selected.tuned, Some(choice)))
    }
}

impl Benchmark for FineTuneBenchmark {
    fn id(&self) -> &str {
        &self.id
    }

    fn run(&self, model: &Model, context: &Context) -> Result<Vec<Score>, Error> {
        self.report(model, context).map(|(_, scores)| scores)
    }
}

impl FineTuneBenchmark {
    /// The evaluation, whose parts plots and paired comparisons need, and its scores.
    pub fn report(&self, model: &Model, context: &Context) -> Result<(Evaluation, Vec<Score>), Error> {
        let (tuned, choice) = self.tune(model, context)?;
        let evaluation = tuned.evaluate(Arc::clone(&context.splits().test), &context.execution())?;
        let mut protocol = context.protocol(model);
        protocol.extend(tuned.protocol());
        protocol.extend(choice.map(|choice| ("choice".to_owned(), choice)));
        let scores = accuracy_scores(&self.id, model, context, &evaluation, &protocol)?;
        Ok((evaluation, scores))
    }
}
