//! A linear classifier trained by gradient descent on frozen features, with a grid of rates and decays: the linear rows in the
//! tables of the papers on adapters and prompts.

use super::{Adaptation, Adapted, choice_entries, final_examples, parts, seed_entries, seeds};
use crate::{AdaptationProtocol, Error, TaskData};
use visrep_models::Model;
use visrep_probe::{
    Context, Evaluation, ExtractOptions, FeatureSet, FineTuning, GradientFit, LinearProbe, ScoreKind,
    evaluate, extract_views, gradient_protocol,
};

/// A protocol's candidates as linear classifiers on features that are computed once, which is exact: these protocols augment
/// nothing. Of the candidates the most accurate on the 200 validation examples, after training on the 800, is trained on the 1000.
#[derive(Clone, Debug)]
pub struct HeadAdaptation {
    name: String,
    protocol: AdaptationProtocol,
}

impl HeadAdaptation {
    /// By a protocol of VTAB's kind. It must train the classifier alone.
    #[must_use]
    pub fn by(protocol: &AdaptationProtocol) -> Self {
        Self { name: format!("linear classifier: {}", protocol.name), protocol: protocol.clone() }
    }
}

/// The deviation of the initial weights where the protocol's do not start at 0.
const WEIGHT_STD: f64 = 0.01;

fn fit_of(tuning: &FineTuning, weight_std: f64) -> GradientFit {
    GradientFit {
        optimizer: tuning.optimizer.clone(),
        schedule: tuning.schedule.clone(),
        batch_size: tuning.batch_size,
        weight_decay: tuning.weight_decay,
        batch_norm: None,
        weight_std,
    }
}

fn tested(probe: &LinearProbe, set: &FeatureSet) -> Result<Evaluation, Error> {
    Ok(evaluate(&probe.predict(&set.features)?, &set.labels, ScoreKind::Probabilities)?)
}

impl Adaptation for HeadAdaptation {
    fn name(&self) -> &str {
        &self.name
    }

    fn adapt(&self, model: &Model, task: &TaskData, context: &Context) -> Result<Adapted, Error> {
        let tunings = self.protocol.tunings(model)?;
        let normalisation = self.protocol.range.normalisation();
        let (views, prepared) = self.protocol.input.views(model)?;
        let options = ExtractOptions { normalisation, ..context.extract_options() };
        let extract = |data| extract_views(model, data, &views, &prepared, &options);
        let thousand = extract(task.train1000.clone())?;
        let (train800, val200) = parts(task, &thousand)?;
        let weight_std = if self.protocol.zero_head { 0.0 } else { WEIGHT_STD };
        let fits: Vec<_> = tunings.iter().map(|tuning| fit_of(tuning, weight_std)).collect();
        let mut accuracies = Vec::new();
        for fit in fits.iter().filter(|_| fits.len() > 1) {
            context.go_on()?;
            accuracies.push(match LinearProbe::descend(&train800, fit, context.seed) {
                Ok(probe) => tested(&probe, &val200)?.top1,
                Err(visrep_probe::Error::Diverged { .. }) => 0.0,
                Err(error) => return Err(error.into()),
            });
        }
        let better = |best: usize, next: usize| if accuracies[next] > accuracies[best] { next } else { best };
        let chosen = (0..accuracies.len()).reduce(better).unwrap_or(0);
        let (Some(fit), Some(tuning)) = (fits.get(chosen), tunings.get(chosen)) else {
            let (parameter, value) = ("candidates", "empty".into());
            return Err(Error::Parameter { parameter, value, expected: "at least one candidate" });
        };
        let (examples, said) = final_examples(self.protocol.examples, task);
        let (train, test) = (extract(examples)?, extract(task.test.clone())?);
        let seeds = seeds(context.seed, self.protocol.seeds);
        let (mut evaluations, mut protocol) = (Vec::new(), Default::default());
        for &seed in &seeds {
            let probe = LinearProbe::descend(&train, fit, seed)?;
            evaluations.push(tested(&probe, &test)?);
            protocol = gradient_protocol(&probe, fit);
        }
        let mut entries = vec![
            ("preprocessing", format!("{}; {normalisation}", tuning.images.description())),
            ("pooling", options.pooling.to_string()),
            ("source", tuning.source.clone()),
            ("training_examples", said),
        ];
        if !tuning.deviation.is_empty() {
            entries.push(("deviation", tuning.deviation.clone()));
        }
        protocol.extend(entries.into_iter().map(|(key, value)| (key.to_owned(), value)));
        protocol.extend(seed_entries(&seeds, &evaluations));
        if !accuracies.is_empty() {
            let names: Vec<_> = tunings.iter().map(|tuning| tuning.name.clone()).collect();
            protocol.extend(choice_entries(&names, &accuracies, chosen));
        }
        Ok(Adapted { evaluations, protocol })
    }
}
