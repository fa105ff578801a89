//! The published ways to run VTAB with 1000 examples, as data, and the trainings that each comes to for a model:
//! [`AdaptationProtocol::adaptation`] carries them out.

use crate::{Error, InputPreparation, Sampling};
use serde::Serialize;
use visrep_models::{HeadStart, IMAGENET_MEAN, IMAGENET_STD, Model};
use visrep_probe::{FineTuning, Normalisation};
use visrep_train::{AdamW, BatchScaling, Every, Length, OptimizerConfig, Sgd, Shape, WarmupSteps};

/// Which values a network sees.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum InputRange {
    /// From 0 to 1: for networks that normalise by themselves, and to repeat papers that do without.
    Unit,
    /// ImageNet's mean taken away, divided by its deviation.
    ImageNet,
    /// Whatever the network was trained with.
    Model,
}

impl InputRange {
    /// The same as a normalisation of visrep-probe's.
    #[must_use]
    pub fn normalisation(self) -> Normalisation {
        match self {
            Self::Unit => Normalisation::UNIT,
            Self::ImageNet => Normalisation::Constants { mean: IMAGENET_MEAN, std: IMAGENET_STD },
            Self::Model => Normalisation::Model,
        }
    }
}

/// What is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trained {
    /// The whole network with a new classifier.
    Network,
    /// A linear classifier on frozen features.
    Head,
}

/// Which 1000 examples the final training has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Examples {
    /// The first 800 of the training and the first 200 of the validation images.
    Train800Val200,
    /// The first 1000 of both in a row.
    Trainval1000,
}

/// How long training runs, and how its learning rate goes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Schedule {
    /// A number of steps, at the end of each of three parts a tenth of the learning rate.
    Steps {
        /// The number of steps.
        steps: usize,
        /// After which steps the learning rate is divided by ten.
        decays: [usize; 3],
        /// Steps of linear warm-up from 0.
        warmup: usize,
    },
    /// A half cosine to 0 after linear warm-up, in epochs.
    Cosine {
        /// All epochs.
        epochs: usize,
        /// Of which for the warm-up.
        warmup: usize,
    },
}

impl Schedule {
    /// Its curve with the highest rate `lr`, for batches of 256 where `scaled`.
    fn curve(self, lr: f64, scaled: bool) -> visrep_train::Schedule {
        let steps = |count: usize| Length::Steps(count as u64);
        let epochs = |count: usize| Length::Epochs(count as f64);
        let (length, warmup, shape) = match self {
            Self::Steps { steps: all, decays, warmup } => {
                (steps(all), steps(warmup), Shape::Steps { at: decays.map(steps).into(), factor: 0.1 })
            }
            Self::Cosine { epochs: all, warmup } => (epochs(all), epochs(warmup), Shape::Cosine),
        };
        visrep_train::Schedule {
            length,
            warmup,
            lr,
            final_lr: 0.0,
            warmup_lr: 0.0,
            warmup_steps: WarmupSteps::FromZero,
            every: Every::Step,
            cooldown: Length::Steps(0),
            batch_scaling: if scaled { BatchScaling::Linear(256) } else { BatchScaling::None },
            shape,
        }
    }
}

impl std::fmt::Display for Schedule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Steps { steps, .. } => write!(f, "{steps} steps"),
            Self::Cosine { epochs, .. } => write!(f, "{epochs} epochs"),
        }
    }
}

/// A rule of descent with its weight decay: a candidate of a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Rule {
    /// Momentum, and decay as PyTorch's SGD has it.
    Sgd {
        /// The momentum.
        momentum: f64,
        /// The weight decay.
        weight_decay: f64,
    },
    /// AdamW with its usual constants.
    AdamW {
        /// The decoupled weight decay, which is multiplied by the learning rate.
        weight_decay: f64,
    },
}

impl Rule {
    fn optimizer(self) -> OptimizerConfig {
        match self {
            Self::Sgd { momentum, .. } => OptimizerConfig::Sgd(Sgd { momentum, nesterov: false }),
            Self::AdamW { .. } => OptimizerConfig::AdamW(AdamW { betas: [0.9, 0.999], eps: 1e-6 }),
        }
    }

    fn weight_decay(self) -> f64 {
        match self {
            Self::Sgd { weight_decay, .. } | Self::AdamW { weight_decay } => weight_decay,
        }
    }
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = if matches!(self, Self::Sgd { .. }) { "SGD" } else { "AdamW" };
        write!(f, "{name}, weight decay {}", self.weight_decay())
    }
}

const fn sgd(weight_decay: f64) -> Rule {
    Rule::Sgd { momentum: 0.9, weight_decay }
}

/// A way to adapt a network to a task with 1000 examples.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AdaptationProtocol {
    /// The name, which users type.
    pub name: &'static str,
    /// What is trained.
    pub trains: Trained,
    /// How images become input.
    pub input: InputPreparation,
    /// The side of the authors' input in pixels. A model of another is given its own, and scores say so.
    pub size: u32,
    /// The range of the input.
    pub range: InputRange,
    /// Candidates for the learning rate; for batches of 256 where [`Self::scaled_rates`].
    pub learning_rates: &'static [f64],
    /// Whether learning rates are multiplied by batch / 256.
    pub scaled_rates: bool,
    /// Candidates for the rule and its weight decay.
    pub rules: &'static [Rule],
    /// Candidates for the schedule.
    pub schedules: &'static [Schedule],
    /// Images of a step.
    pub batch_size: usize,
    /// Whether the new head starts at zero.
    pub zero_head: bool,
    /// Whether candidates are compared on the 200 validation examples, after training on the 800, and the best is then trained
    /// on the 1000. Otherwise there is one candidate, trained on the 1000.
    pub selects: bool,
    /// The examples of the final training.
    pub examples: Examples,
    /// Runs with other seeds whose accuracies are averaged.
    pub seeds: usize,
    /// Which mean over tasks is reported: that of the groups' means, or that of the 19 tasks.
    pub mean_of_groups: bool,
    /// Where it is defined.
    pub source: &'static str,
    /// What it leaves open or what differs here; empty where nothing does.
    pub deviation: &'static str,
}

impl AdaptationProtocol {
    /// Every protocol.
    pub const ALL: [&'static Self; 4] =
        [&OFFICIAL, &LIGHTWEIGHT_SWEEP, &ADAPTER_PAPER, &ADAPTER_PAPER_LINEAR];

    /// The protocol of that name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        Self::ALL.into_iter().find(|protocol| protocol.name == name)
    }

    /// How many trainings one task takes: candidates, and the final ones.
    #[must_use]
    pub fn runs(&self) -> usize {
        let candidates = self.learning_rates.len() * self.rules.len() * self.schedules.len();
        self.seeds + if self.selects { candidates } else { 0 }
    }

    /// The trainings to choose from for `model`, by ascending learning rate: of those that do equally well the first counts, which
    /// has the smallest rate.
    ///
    /// # Errors
    /// A model whose preprocessing cannot be made.
    pub fn tunings(&self, model: &Model) -> Result<Vec<FineTuning>, Error> {
        let images = self.input.pipeline(model)?;
        let mut deviation = self.deviation.to_owned();
        if images.size() != self.size {
            let own = format!(
                "images of {} pixels, the model's, where the authors' have {}",
                images.size(),
                self.size
            );
            deviation =
                [deviation, own].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; ");
        }
        let base = FineTuning {
            name: self.name.to_owned(),
            source: self.source.to_owned(),
            deviation,
            normalisation: self.range.normalisation(),
            head: if self.zero_head { HeadStart::Zero } else { HeadStart::Random(None) },
            batch_size: self.batch_size,
            ..FineTuning::vtab(images)
        };
        let mut rates = self.learning_rates.to_vec();
        rates.sort_by(f64::total_cmp);
        let mut all = Vec::new();
        for lr in rates {
            for &schedule in self.schedules {
                for &rule in self.rules {
                    let name = format!("{}: lr {lr}, {rule}, {schedule}", self.name);
                    let schedule = schedule.curve(lr, self.scaled_rates);
                    let (optimizer, weight_decay) = (rule.optimizer(), rule.weight_decay());
                    all.push(FineTuning { name, schedule, optimizer, weight_decay, ..base.clone() });
                }
            }
        }
        Ok(all)
    }
}

/// The official run: no sweep. Batch normalisation is in training mode; the last checkpoint counts. Its pixels lie between 0 and
/// 1 where they enter a TensorFlow Hub module, which normalises them as it was trained to: the network itself sees what
/// [`InputRange::Model`] gives it.
pub static OFFICIAL: AdaptationProtocol = AdaptationProtocol {
    name: "official",
    trains: Trained::Network,
    input: InputPreparation::Vtab(Sampling::Corner),
    size: 224,
    range: InputRange::Model,
    learning_rates: &[0.01],
    scaled_rates: false,
    rules: &[sgd(0.0)],
    schedules: &[Schedule::Steps { steps: 1000, decays: [300, 600, 900], warmup: 80 }],
    batch_size: 64,
    zero_head: true,
    selects: false,
    examples: Examples::Trainval1000,
    seeds: 1,
    mean_of_groups: false,
    source: "Zhai et al. 2020 (arXiv 1910.04867); google-research/task_adaptation scripts/run_all_tasks.sh",
    deviation: "the authors' modules take pixels in 0 to 1 and normalise them within: here by the mean and std of the model's \
                training",
};

/// The paper's sweep of four. Its values are the paper's as it is remembered; the public results say only that there are four.
pub static LIGHTWEIGHT_SWEEP: AdaptationProtocol = AdaptationProtocol {
    name: "lightweight-sweep",
    trains: Trained::Network,
    input: InputPreparation::Vtab(Sampling::Corner),
    size: 224,
    range: InputRange::Model,
    learning_rates: &[0.1, 0.01],
    scaled_rates: false,
    rules: &[sgd(1e-4)],
    schedules: &[
        Schedule::Steps { steps: 2500, decays: [750, 1500, 2250], warmup: 200 },
        Schedule::Steps { steps: 10_000, decays: [3000, 6000, 9000], warmup: 800 },
    ],
    batch_size: 512,
    zero_head: true,
    selects: true,
    examples: Examples::Train800Val200,
    seeds: 1,
    mean_of_groups: false,
    source: "Zhai et al. 2020 (arXiv 1910.04867), the lightweight hyper-parameter search",
    deviation: "of the sweep of four only the number is in the authors' code: rates, steps and decay are the paper's as remembered, \
                (a decay of 1e-4 times the learning rate at each step), warm-up and falls of the rate in the official run's proportions; normalised by the mean and std of the model's training",
};

/// Full fine-tuning as the papers on adapters and prompts compare with, by the code of VPT. There the four candidates for the weight
/// decay come to two: AdamW decays by 0.01 whatever is asked for (`src/solver/optimizer.py`), but for a decay of 0, for which the same
/// code takes SGD.
pub static ADAPTER_PAPER: AdaptationProtocol = AdaptationProtocol {
    name: "adapter-paper",
    trains: Trained::Network,
    input: InputPreparation::Vtab(Sampling::Corner),
    size: 224,
    range: InputRange::ImageNet,
    learning_rates: &[1e-3, 1e-4, 5e-4, 5e-3],
    scaled_rates: true,
    rules: &[Rule::AdamW { weight_decay: 0.01 }, sgd(0.0)],
    schedules: &[Schedule::Cosine { epochs: 100, warmup: 5 }],
    batch_size: 64,
    zero_head: false,
    selects: true,
    examples: Examples::Train800Val200,
    seeds: 5,
    mean_of_groups: true,
    source: "KMnP/vpt (Jia et al. 2022, arXiv 2203.12119): tune_vtab.py, configs/base-finetune.yaml, src/solver/optimizer.py",
    deviation: "batches of 64, as users of the code have them, where its base configuration has 384; the last, smaller batch of an \
                epoch is left out; biases decay too; the rate changes at every step; the classifier starts as the architecture's does",
};

/// The linear classifier that the same papers compare with.
pub static ADAPTER_PAPER_LINEAR: AdaptationProtocol = AdaptationProtocol {
    name: "adapter-paper-linear",
    trains: Trained::Head,
    learning_rates: &[50.0, 25.0, 10.0, 5.0, 2.5, 1.0, 0.5, 0.25, 0.1, 0.05],
    rules: &[sgd(0.01), sgd(1e-3), sgd(1e-4), sgd(0.0)],
    schedules: &[Schedule::Cosine { epochs: 100, warmup: 10 }],
    source: "KMnP/vpt (Jia et al. 2022, arXiv 2203.12119): tune_vtab.py, configs/base-linear.yaml",
    deviation: "batches of 64, as users of the code have them, where its base configuration has 1024; the last, smaller batch of an \
                epoch is left out; the rate changes at every step; the classifier starts from a normal distribution of 0.01",
    ..ADAPTER_PAPER
};

#[cfg(test)]
mod tests {
    use super::*;
    use visrep_models::ModelOptions;

    fn model() -> Model {
        Model::create("resnet18_cifar_w16", &ModelOptions { num_classes: Some(0), ..Default::default() })
            .unwrap()
    }

    #[test]
    fn names_and_runs() {
        for protocol in AdaptationProtocol::ALL {
            assert_eq!(AdaptationProtocol::find(protocol.name), Some(protocol));
            assert!(protocol.selects || protocol.learning_rates.len() * protocol.schedules.len() == 1);
            let trainings = protocol.tunings(&model()).unwrap().len();
            assert_eq!(protocol.runs(), protocol.seeds + if protocol.selects { trainings } else { 0 });
        }
        let runs = AdaptationProtocol::ALL.map(AdaptationProtocol::runs);
        assert_eq!(runs, [1, 5, 13, 45]);
        assert!(AdaptationProtocol::find("heavy").is_none());
        let text = serde_json::to_value(&OFFICIAL).unwrap();
        assert_eq!(
            (&text["schedules"][0]["decays"][2], &text["examples"]),
            (&900.into(), &"trainval1000".into())
        );
    }

    /// The two protocols that visrep-probe has for any data are the same ones.
    #[test]
    fn trainings_are_those_of_the_data() {
        let images = || InputPreparation::default().pipeline(&model()).unwrap();
        let plain = |tuning: &FineTuning| {
            let FineTuning { schedule, batch_size, weight_decay, head, optimizer, normalisation, .. } =
                tuning.clone();
            format!("{schedule:?} {batch_size} {weight_decay} {head:?} {optimizer:?} {normalisation}")
        };
        let all = |tunings: &[FineTuning]| {
            let mut all: Vec<_> = tunings.iter().map(plain).collect();
            all.sort();
            all
        };
        let of = |protocol: &AdaptationProtocol| protocol.tunings(&model()).unwrap();
        assert_eq!(all(&of(&OFFICIAL)), all(&[FineTuning::vtab(images())]));
        assert_eq!(all(&of(&LIGHTWEIGHT_SWEEP)), all(&FineTuning::vtab_lightweight(&images())));

        let grid = of(&ADAPTER_PAPER);
        let highest = |tuning: &FineTuning| tuning.schedule.curve(15, 64).highest();
        assert!(
            (highest(&grid[0]) - 1e-4 / 4.0).abs() < 1e-15 && grid[0].weight_decay == 0.01,
            "the smallest rate first"
        );
        assert!(grid.is_sorted_by_key(highest), "{grid:?}");
        let curve = grid[7].schedule.curve(15, 64);
        assert_eq!((curve.total(), curve.warmup()), (1500, 75));
        assert!(curve.lr(1499) < 1e-5 * curve.highest() && grid[7].normalisation != Normalisation::Model);
        let is_sgd = |tuning: &FineTuning| matches!(tuning.optimizer, OptimizerConfig::Sgd(_));
        assert!(grid.iter().all(|tuning| is_sgd(tuning) == (tuning.weight_decay == 0.0)), "{grid:?}");
        assert!(grid[0].deviation.ends_with("images of 32 pixels, the model's, where the authors' have 224"));
        let linear = of(&ADAPTER_PAPER_LINEAR);
        assert_eq!((linear.len(), highest(&linear[39])), (40, 12.5));
    }
}
