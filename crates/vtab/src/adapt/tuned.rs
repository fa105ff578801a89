//! The whole network, fine-tuned.

use super::{Adaptation, Adapted, choice_entries, final_examples, seed_entries, seeds};
use crate::{AdaptationProtocol, Error, Examples, LIGHTWEIGHT_SWEEP, OFFICIAL, TaskData};
use visrep_models::Model;
use visrep_probe::{
    Context, Execution, FineTunePreset, FineTuning, LabelKeeping, fine_tune, select_fine_tuning,
};

/// The whole network fine-tuned by a protocol of visrep-probe's or of VTAB's. Of several candidates the most accurate on the 200
/// validation examples, after training on the 800, is trained on the 1000.
#[derive(Clone, Debug)]
pub struct FineTuneAdaptation {
    name: String,
    recipe: Recipe,
    examples: Examples,
    seeds: usize,
}

#[derive(Clone, Debug)]
enum Recipe {
    Preset(FineTunePreset),
    Own(Vec<FineTuning>),
    Protocol(AdaptationProtocol),
}

impl FineTuneAdaptation {
    /// By a published protocol: VTAB's own as [`OFFICIAL`] and [`LIGHTWEIGHT_SWEEP`] have them, BiT-HyperRule with the
    /// augmentation that the task's labels stand, the others as for any data.
    #[must_use]
    pub fn new(preset: FineTunePreset) -> Self {
        match preset {
            FineTunePreset::Vtab => Self::by(&OFFICIAL),
            FineTunePreset::VtabLightweight => Self::by(&LIGHTWEIGHT_SWEEP),
            other => {
                let (name, recipe) = (format!("fine-tuning: {other}"), Recipe::Preset(other));
                Self { name, recipe, examples: Examples::Train800Val200, seeds: 1 }
            }
        }
    }

    /// By a protocol of VTAB's kind: its candidates, its examples of the final training, its seeds. It must train the network.
    #[must_use]
    pub fn by(protocol: &AdaptationProtocol) -> Self {
        Self {
            name: format!("fine-tuning: {}", protocol.name),
            recipe: Recipe::Protocol(protocol.clone()),
            examples: protocol.examples,
            seeds: protocol.seeds,
        }
    }

    /// By protocols of one's own, of which the best is chosen; `name` is what they are called in scores.
    #[must_use]
    pub fn own(name: impl Into<String>, candidates: Vec<FineTuning>) -> Self {
        let recipe = Recipe::Own(candidates);
        Self { name: name.into(), recipe, examples: Examples::Train800Val200, seeds: 1 }
    }

    fn candidates(&self, model: &Model, task: &TaskData) -> Result<Vec<FineTuning>, Error> {
        Ok(match &self.recipe {
            Recipe::Own(candidates) => candidates.clone(),
            Recipe::Protocol(protocol) => protocol.tunings(model)?,
            Recipe::Preset(preset) => {
                let info = task.task.info();
                let keeping = LabelKeeping { flip: info.flips, crop: info.crops };
                preset.tunings(model, task.train1000.as_ref(), keeping)?
            }
        })
    }
}

impl Adaptation for FineTuneAdaptation {
    fn name(&self) -> &str {
        &self.name
    }

    fn adapt(&self, model: &Model, task: &TaskData, context: &Context) -> Result<Adapted, Error> {
        let execution = context.execution();
        let candidates = self.candidates(model, task)?;
        let (chosen, accuracies) = match candidates.len() {
            1 => (0, Vec::new()),
            _ => select_fine_tuning(model, &task.train800, &task.val200, &candidates, &execution)?,
        };
        let expected = "at least one candidate";
        let tuning = candidates.get(chosen).ok_or_else(|| Error::Parameter {
            parameter: "candidates",
            value: "empty".into(),
            expected,
        })?;
        let (examples, said) = final_examples(self.examples, task);
        let seeds = seeds(context.seed, self.seeds);
        let (mut evaluations, mut protocol) = (Vec::new(), Default::default());
        for &seed in &seeds {
            let execution = Execution { seed, ..execution.clone() };
            let tuned = fine_tune(model, examples.clone(), tuning, &execution)?;
            evaluations.push(tuned.evaluate(task.test.clone(), &execution)?);
            protocol = tuned.protocol();
        }
        protocol.insert("training_examples".into(), said);
        protocol.extend(seed_entries(&seeds, &evaluations));
        if !accuracies.is_empty() {
            let names: Vec<_> = candidates.iter().map(|tuning| tuning.name.clone()).collect();
            protocol.extend(choice_entries(&names, &accuracies, chosen));
        }
        Ok(Adapted { evaluations, protocol })
    }
}
