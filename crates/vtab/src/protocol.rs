//! The published ways to run VTAB with 1000 examples, as data: what a fine-tuning run is given for each.
//!
//! Frozen features are measured by [`FrozenLinear`](crate::FrozenLinear); the protocols here train the whole network (or adapters
//! within it) and are what a training loop is to be driven by.

use crate::{InputPreparation, Sampling};
use serde::Serialize;

/// Which values a network sees.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum InputRange {
    /// From 0 to 1.
    Unit,
    /// ImageNet's mean taken away, divided by its deviation.
    ImageNet,
    /// Whatever the network was trained with.
    Model,
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

/// What the decay of weights is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WeightDecay {
    /// One of these, as PyTorch's SGD has it.
    Of(&'static [f64]),
    /// This many times the learning rate.
    TimesLearningRate(f64),
}

/// A way to adapt a network to a task with 1000 examples.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AdaptationProtocol {
    /// The name, which users type.
    pub name: &'static str,
    /// How images become input.
    pub input: InputPreparation,
    /// The side of the input in pixels.
    pub size: u32,
    /// The range of the input.
    pub range: InputRange,
    /// Candidates for the learning rate; for batches of 256 where [`Self::scaled_rates`].
    pub learning_rates: &'static [f64],
    /// Whether learning rates are multiplied by batch / 256.
    pub scaled_rates: bool,
    /// Candidates for the decay of weights.
    pub weight_decay: WeightDecay,
    /// Candidates for the schedule.
    pub schedules: &'static [Schedule],
    /// SGD's momentum.
    pub momentum: f64,
    /// Images of a step.
    pub batch_size: usize,
    /// Whether the new head starts at zero.
    pub zero_head: bool,
    /// Whether candidates are compared on the 200 validation examples, after training on the 800, and the best is then trained
    /// on the 1000. Otherwise there is one candidate, trained on the 1000.
    pub selects: bool,
    /// Runs with other seeds whose accuracies are averaged.
    pub seeds: usize,
    /// Which mean over tasks is reported: that of the groups' means, or that of the 19 tasks.
    pub mean_of_groups: bool,
    /// Where it is defined.
    pub source: &'static str,
}

impl AdaptationProtocol {
    /// Every protocol.
    pub const ALL: [&'static Self; 3] = [&OFFICIAL, &LIGHTWEIGHT_SWEEP, &ADAPTER_PAPER];

    /// The protocol of that name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        Self::ALL.into_iter().find(|protocol| protocol.name == name)
    }

    /// How many trainings one task takes: candidates, and the final ones.
    #[must_use]
    pub fn runs(&self) -> usize {
        let decays = match self.weight_decay {
            WeightDecay::Of(values) => values.len(),
            WeightDecay::TimesLearningRate(_) => 1,
        };
        let candidates = self.learning_rates.len() * decays * self.schedules.len();
        self.seeds + if self.selects { candidates } else { 0 }
    }
}

/// The official run: no sweep. Batch normalisation is in training mode; the last checkpoint counts.
pub static OFFICIAL: AdaptationProtocol = AdaptationProtocol {
    name: "official",
    input: InputPreparation::Vtab(Sampling::HalfPixel),
    size: 224,
    range: InputRange::Unit,
    learning_rates: &[0.01],
    scaled_rates: false,
    weight_decay: WeightDecay::Of(&[0.0]),
    schedules: &[Schedule::Steps { steps: 1000, decays: [300, 600, 900], warmup: 80 }],
    momentum: 0.9,
    batch_size: 64,
    zero_head: true,
    selects: false,
    seeds: 1,
    mean_of_groups: false,
    source: "google-research/task_adaptation scripts/run_all_tasks.sh (which takes the first 1000 of trainval)",
};

/// The paper's sweep of four. Its values are the paper's as it is remembered; the public results say only that there are four.
pub static LIGHTWEIGHT_SWEEP: AdaptationProtocol = AdaptationProtocol {
    name: "lightweight-sweep",
    input: InputPreparation::Vtab(Sampling::HalfPixel),
    size: 224,
    range: InputRange::Model,
    learning_rates: &[0.1, 0.01],
    scaled_rates: false,
    weight_decay: WeightDecay::TimesLearningRate(1e-4),
    schedules: &[
        Schedule::Steps { steps: 2500, decays: [750, 1500, 2250], warmup: 200 },
        Schedule::Steps { steps: 10_000, decays: [3000, 6000, 9000], warmup: 800 },
    ],
    momentum: 0.9,
    batch_size: 512,
    zero_head: true,
    selects: true,
    seeds: 1,
    mean_of_groups: false,
    source: "Zhai et al. 2020 (arXiv 1910.04867); learning rates, steps and decay from memory of the paper, the steps of decay and \
             warm-up in the official run's proportions",
};

/// Full fine-tuning as the papers on adapters and prompts compare with.
pub static ADAPTER_PAPER: AdaptationProtocol = AdaptationProtocol {
    name: "adapter-paper",
    input: InputPreparation::Squash,
    size: 224,
    range: InputRange::ImageNet,
    learning_rates: &[1e-3, 1e-4, 5e-4, 5e-3],
    scaled_rates: true,
    weight_decay: WeightDecay::Of(&[0.01, 1e-3, 1e-4, 0.0]),
    schedules: &[Schedule::Cosine { epochs: 100, warmup: 10 }],
    momentum: 0.9,
    batch_size: 64,
    zero_head: false,
    selects: true,
    seeds: 5,
    mean_of_groups: true,
    source: "KMnP/vpt (Jia et al. 2022, arXiv 2203.12119)",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_runs() {
        for protocol in AdaptationProtocol::ALL {
            assert_eq!(AdaptationProtocol::find(protocol.name), Some(protocol));
            assert!(protocol.selects || protocol.learning_rates.len() * protocol.schedules.len() == 1);
        }
        assert_eq!((OFFICIAL.runs(), LIGHTWEIGHT_SWEEP.runs(), ADAPTER_PAPER.runs()), (1, 5, 21));
        assert!(AdaptationProtocol::find("heavy").is_none());
        let text = serde_json::to_value(&OFFICIAL).unwrap();
        assert_eq!(text["schedules"][0]["decays"][2], 900);
    }
}
