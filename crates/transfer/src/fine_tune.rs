//! The second half of the protocol: the whole network fine-tuned, its learning rate and weight decay searched;
//! `visrep bench transfer-fine-tune`.

use crate::fit::figure;
use crate::suite::{Classifier, Measured, TransferSuite};
use crate::{Error, TransferData, TransferDataset, TransferMetric};
use std::collections::BTreeMap;
use std::sync::Arc;
use visrep_data::{Concat, Dataset};
use visrep_models::Model;
use visrep_probe::{
    Evaluation, Execution, FineTuned, FineTuning, ImagePipeline, Parts, Suite, SuiteContext, SuiteInfo,
    TaskVerdicts, Trial, best_trial, fine_tune,
};

/// The search of the paper's fine-tuning (appendix A of arXiv 1805.08974): a grid of learning rates and of weight decays, each
/// candidate trained alike on the training images and judged by the dataset's figure on the validation images; the best is trained
/// again on both.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FineTuneSearch {
    /// Learning rates: so many, evenly spread in the logarithm from the first to the second.
    pub learning_rates: (usize, f64, f64),
    /// Weight decays divided by the learning rate, in the same way; no weight decay is a candidate besides.
    pub decay_ratios: (usize, f64, f64),
    /// Steps of each training, 1 at least.
    pub steps: u64,
    /// Images of a step.
    pub batch_size: usize,
}

/// One place of the grid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FineTuneCandidate {
    /// The learning rate at the start.
    pub lr: f64,
    /// Weight decay divided by the learning rate; 0 for none.
    pub decay_ratio: f64,
}

/// Steps and images of a step of a trial with a limit.
const TRIAL: (u64, usize) = (20, 32);

impl FineTuneSearch {
    /// As the paper has it: 7 learning rates from 0.0001 to 0.1 by 7 ratios from 1e-6 to 1e-3 and none, 20 000 steps of 256 images.
    pub const PAPER: Self = Self {
        learning_rates: (7, 1e-4, 0.1),
        decay_ratios: (7, 1e-6, 1e-3),
        steps: 20_000,
        batch_size: 256,
    };

    /// What a run with a limit does, which only shows that everything works: of the grid the ends of both axes, and few steps of
    /// few images.
    #[must_use]
    pub fn trial(self) -> Self {
        let ends = |(count, low, high): (usize, f64, f64)| (count.min(2), low, high);
        Self {
            learning_rates: ends(self.learning_rates),
            decay_ratios: ends(self.decay_ratios),
            steps: self.steps.min(TRIAL.0),
            batch_size: self.batch_size.min(TRIAL.1),
        }
    }

    /// The candidates, by learning rate and then by ratio, no decay first.
    pub fn candidates(&self) -> Vec<FineTuneCandidate> {
        let mut ratios = vec![0.0];
        ratios.extend(spread(self.decay_ratios));
        let of =
            |lr| ratios.clone().into_iter().map(move |decay_ratio| FineTuneCandidate { lr, decay_ratio });
        spread(self.learning_rates).into_iter().flat_map(of).collect()
    }

    /// The measurement with this search, as [`SUITES`](crate::SUITES) has it with the paper's.
    pub fn suite(self) -> impl Suite {
        TransferSuite(self)
    }

    /// What runs where images may be limited.
    fn within(self, context: &SuiteContext) -> Self {
        if context.limit.is_some() { self.trial() } else { self }
    }

    fn tuning(&self, images: &ImagePipeline, examples: usize, candidate: FineTuneCandidate) -> FineTuning {
        let FineTuneCandidate { lr, decay_ratio } = candidate;
        FineTuning::kornblith(images.clone(), examples, (lr, decay_ratio), (self.steps, self.batch_size))
    }
}

/// So many numbers, evenly spread in the logarithm from the first to the second, which are among them.
fn spread((count, low, high): (usize, f64, f64)) -> Vec<f64> {
    let value = |nth: usize| match nth {
        0 => low,
        _ if nth + 1 == count => high,
        _ => low * (high / low).powf(nth as f64 / (count - 1) as f64),
    };
    (0..count).map(value).collect()
}

impl FineTuneCandidate {
    fn name(self) -> String {
        format!("lr {:.3e}, weight decay {:.3e} of it", self.lr, self.decay_ratio)
    }
}

impl Classifier for FineTuneSearch {
    fn info(&self) -> SuiteInfo {
        SuiteInfo {
            name: "transfer-fine-tune",
            about: "fine-tuning on 11 datasets, the best of 56 on validation images (Kornblith et al. 2019; years on a CPU)",
            expects: crate::suite::EXPECTS,
            published: crate::suite::PUBLISHED,
        }
    }

    fn by_name_only(&self) -> bool {
        true
    }

    fn left_out(&self, dataset: TransferDataset) -> Option<&'static str> {
        let several = dataset.info().metric == TransferMetric::MeanAveragePrecision11;
        several.then_some("its images show several classes, and what is fine-tuned here gives one")
    }

    fn entries(
        &self,
        model: &Model,
        context: &SuiteContext,
    ) -> Result<BTreeMap<String, String>, visrep_probe::Error> {
        let search = self.within(context);
        let images = pipeline(model)?;
        let axis = |(count, low, high): (usize, f64, f64)| format!("{count} from {low:e} to {high:e}");
        let mut grid = format!(
            "learning rates: {}; weight decay by learning rate: {} and none; {} candidates",
            axis(search.learning_rates),
            axis(search.decay_ratios),
            search.candidates().len()
        );
        if search != Self::PAPER {
            grid += "; not the paper's search";
        }
        let entries = [
            ("classifier", "the whole network is trained, with a new linear classifier".to_owned()),
            ("preprocessing", images.description().to_owned()),
            ("grid", grid),
            (
                "choice",
                "the dataset's figure on val after training on train; then trained on train and val".into(),
            ),
            ("steps", search.steps.to_string()),
            ("batch_size", search.batch_size.to_string()),
            ("schedule", "cosine from the learning rate to 0, no warm-up".into()),
        ];
        Ok(entries.map(|(key, value)| (key.to_owned(), value)).into())
    }

    fn measure(&self, data: &TransferData, model: &Model, context: &SuiteContext) -> Result<Measured, Error> {
        let search = self.within(context);
        let (info, images) = (data.dataset.info(), pipeline(model)?);
        let candidates = search.candidates();
        let score = |tuned: &FineTuned, set: &Arc<dyn Dataset>| -> Result<_, visrep_probe::Error> {
            let evaluation = tuned.evaluate(Arc::clone(set), &execution(context, None))?;
            Ok((judged(info.metric, &evaluation, set)?, evaluation))
        };
        let mut trials = Vec::new();
        for (nth, &candidate) in candidates.iter().enumerate() {
            context.go_on()?;
            let what = format!("{}: candidate {} of {}", info.name, nth + 1, candidates.len());
            let part = Parts::name_of(&format!("{}/candidate-{}", info.name, nth + 1), data.stamp());
            trials.push(context.parts.get(&part, || {
                let tuning = search.tuning(&images, data.train.len(), candidate);
                let tuned =
                    fine_tune(model, Arc::clone(&data.train), &tuning, &execution(context, Some(what)));
                Trial::of(tuned.and_then(|tuned| Ok(score(&tuned, &data.val)?.0)))
            })?);
        }
        let chosen = best_trial(&trials)?;
        let both = vec![Arc::clone(&data.train), Arc::clone(&data.val)];
        let both: Arc<dyn Dataset> = Arc::new(Concat::of_same_classes(both)?);
        let (samples, what) = (both.len(), format!("{}: the best, on train and val", info.name));
        let tuning = search.tuning(&images, samples, candidates[chosen]);
        let tuned = fine_tune(model, both, &tuning, &execution(context, Some(what)))?;
        let (value, evaluation) = score(&tuned, &data.test)?;

        let mut entries = tuned.protocol();
        // What the search found is said once, and what it shares by the suite.
        let said = ["classifier", "lr", "weight_decay", "schedule", "warmup_steps"];
        said.iter().for_each(|key| drop(entries.remove(*key)));
        let tried = candidates.iter().zip(&trials).map(|(candidate, trial)| match trial {
            Trial::Figure(figure) => format!("{}: {figure:.4}", candidate.name()),
            Trial::Diverged(_) => format!("{}: diverged", candidate.name()),
        });
        entries.insert("val_figure_by_candidate".into(), tried.collect::<Vec<_>>().join("; "));
        let place = format!("{} of {}", chosen + 1, candidates.len());
        entries.insert("candidate".into(), format!("{place}: {}", candidates[chosen].name()));
        entries.insert("train_samples".into(), samples.to_string());
        entries.insert("val_samples".into(), data.val.len().to_string());
        let keys = (0..data.test.len()).map(|index| data.test.key(index));
        let verdicts = TaskVerdicts::new(info.name, keys, &labels(&data.test)?, evaluation.correct);
        Ok(Measured { value, n: data.test.len(), entries, verdicts: Some(verdicts) })
    }
}

fn pipeline(model: &Model) -> Result<ImagePipeline, visrep_probe::Error> {
    ImagePipeline::inception(model.preprocessing().input_size)
}

fn execution(context: &SuiteContext, what: Option<String>) -> Execution {
    Execution {
        seed: context.seed,
        workers: context.workers,
        precision: context.precision,
        progress: context.progress,
        what,
        stop: Arc::clone(&context.stop),
        pass: None,
        batch_size: context.batch_size,
    }
}

/// The dataset's own figure of an evaluation on `set`.
fn judged(
    metric: TransferMetric,
    evaluation: &Evaluation,
    set: &Arc<dyn Dataset>,
) -> Result<f64, visrep_probe::Error> {
    figure(metric, &evaluation.predictions, &labels(set)?, set.classes().len())
}

fn labels(set: &Arc<dyn Dataset>) -> Result<Vec<i64>, visrep_probe::Error> {
    Ok(set.labels()?.into_iter().map(|label| label.map_or(-1, i64::from)).collect())
}
