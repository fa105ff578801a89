//! Which parameter is trained how: weight decay and what it spares, layer-wise learning rates, groups by name.

use crate::Length;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use tch::Tensor;
use visrep_models::Model;

/// Weight decay and what it spares: the section `[decay]` of a recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decay {
    /// The factor: added to the gradient by SGD and LARS (L2), decoupled and multiplied by the learning rate in AdamW and
    /// Adafactor, decoupled and part of the ratio in LAMB.
    pub rate: f64,
    /// The factor that a cosine over the whole run ends with (DINO: 0.04 to 0.4); left out, it stays. The decays of
    /// `[[parameters.groups]]` change in the same proportion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub final_rate: Option<f64>,
    /// Multiplied by the schedule's part of the highest learning rate and not by that itself, as big_vision has it: its 1e-4
    /// at a learning rate of 1e-3 is 0.1 in PyTorch's way. For AdamW and Adafactor.
    #[serde(default)]
    pub unscaled: bool,
    /// Which parameters decay.
    #[serde(default)]
    pub on: Which,
}

/// A choice of parameters by their dimensions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Which {
    /// Those with two or more dimensions: not biases, nor the scales and shifts of normalisation layers.
    #[default]
    Matrices,
    /// Those with at most one dimension.
    Vectors,
    /// All; for decay as MoCo, SimSiam and SwAV have it.
    All,
}

impl Which {
    /// Whether a parameter is one of them.
    pub fn includes(self, parameter: &Tensor) -> bool {
        match self {
            Self::Matrices => parameter.dim() > 1,
            Self::Vectors => parameter.dim() <= 1,
            Self::All => true,
        }
    }
}

/// The section `[parameters]` of a recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ParametersConfig {
    /// The layers of the backbone learn at `layer_decay` times the rate of the layers after them, the stem the slowest
    /// (BEiT, MAE's fine-tuning; timm's groups). 1: all alike. Heads outside the model have the full rate.
    pub layer_decay: f64,
    /// Exceptions; the first one that fits a parameter counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupConfig>,
}

impl Default for ParametersConfig {
    fn default() -> Self {
        Self { layer_decay: 1.0, groups: Vec::new() }
    }
}

/// An exception for some parameters: an entry `[[parameters.groups]]` of a recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupConfig {
    /// Their names, in which `*` stands for anything: `predictor.*`, `*.bias`.
    pub names: String,
    /// Those of these names that are meant.
    #[serde(default = "all")]
    pub on: Which,
    /// A factor of the learning rate.
    #[serde(default = "one")]
    pub lr_scale: f64,
    /// Whether the learning rate stays at its highest value, as SimSiam's predictor has it.
    #[serde(default)]
    pub constant_lr: bool,
    /// Their weight decay, in place of `decay.rate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f64>,
    /// They are left as they are for so long from the start (DINO's last layer, SwAV's prototypes): their steps, moments
    /// and decay begin after that.
    #[serde(default = "never")]
    pub freeze: Length,
}

fn all() -> Which {
    Which::All
}

fn one() -> f64 {
    1.0
}

fn never() -> Length {
    Length::Steps(0)
}

/// How one parameter is trained.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ParameterOptions {
    /// Weight decay.
    pub weight_decay: f64,
    /// A factor of the learning rate.
    pub lr_scale: f64,
    /// Whether its learning rate stays at the highest.
    pub constant_lr: bool,
    /// Steps from the start of the run in which it does not change.
    pub frozen_steps: u64,
}

impl Default for ParameterOptions {
    /// No decay, the learning rate as it is, from the first step on.
    fn default() -> Self {
        Self { weight_decay: 0.0, lr_scale: 1.0, constant_lr: false, frozen_steps: 0 }
    }
}

/// The predicate that a recipe makes: a parameter's options by its name and shape.
pub(crate) struct Grouping<'a> {
    decay: &'a Decay,
    config: &'a ParametersConfig,
    layer_scales: HashMap<String, f64>,
    steps: Box<dyn Fn(Length) -> u64 + 'a>,
}

impl<'a> Grouping<'a> {
    /// For a method that trains `model`; `steps` counts the steps of a length.
    pub(crate) fn new(
        decay: &'a Decay,
        config: &'a ParametersConfig,
        model: &Model,
        steps: impl Fn(Length) -> u64 + 'a,
    ) -> Self {
        let layer_scales =
            if config.layer_decay == 1.0 { HashMap::new() } else { layer_scales(model, config.layer_decay) };
        Self { decay, config, layer_scales, steps: Box::new(steps) }
    }

    /// The options of a parameter.
    pub(crate) fn of(&self, name: &str, tensor: &Tensor) -> ParameterOptions {
        let group = self.config.groups.iter().find(|g| matches(&g.names, name) && g.on.includes(tensor));
        let decay = if self.decay.on.includes(tensor) { self.decay.rate } else { 0.0 };
        // A method puts its networks under a name of its own each: `model.`, `student.`
        let layer = name.split_once('.').and_then(|(_, layer)| self.layer_scales.get(layer)).unwrap_or(&1.0);
        match group {
            None => ParameterOptions { weight_decay: decay, lr_scale: *layer, ..Default::default() },
            Some(group) => ParameterOptions {
                weight_decay: group.weight_decay.unwrap_or(decay),
                lr_scale: layer * group.lr_scale,
                constant_lr: group.constant_lr,
                frozen_steps: (self.steps)(group.freeze),
            },
        }
    }

    /// The patterns of groups that fit none of `names`.
    pub(crate) fn unmatched(&self, names: &[&str]) -> Vec<&'a str> {
        let patterns = self.config.groups.iter().map(|group| group.names.as_str());
        patterns.filter(|pattern| !names.iter().any(|name| matches(pattern, name))).collect()
    }
}

/// The factor of the learning rate of each of the model's parameters under layer-wise decay: `decay^(n - 1 - i)` for group
/// `i` of the `n` of [`Model::layer_groups`] (BEiT, MAE's fine-tuning; timm's groups).
pub fn layer_scales(model: &Model, decay: f64) -> HashMap<String, f64> {
    let groups = model.layer_groups();
    let last = groups.len().saturating_sub(1) as i32;
    let scaled = groups
        .into_iter()
        .zip(0..)
        .flat_map(|(group, i)| group.parameters.into_iter().map(move |name| (name, decay.powi(last - i))));
    scaled.collect()
}

/// Whether `name` is what `pattern` says, in which `*` stands for any text.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|tail| {
            tail.char_indices().map(|(at, _)| at).chain([tail.len()]).any(|at| matches(rest, &tail[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_learn_at_the_rates_of_timm() {
        let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/golden/train/layer_decay.json");
        let golden: HashMap<String, HashMap<String, f64>> =
            serde_json::from_str(&std::fs::read_to_string(golden).unwrap()).unwrap();
        assert_eq!(golden.len(), 2);
        for (name, expected) in golden {
            let model = Model::create(&name, &visrep_models::ModelOptions::default()).unwrap();
            let decay = Decay { rate: 0.05, final_rate: None, unscaled: false, on: Which::Matrices };
            let config = ParametersConfig { layer_decay: 0.65, ..ParametersConfig::default() };
            let grouping = Grouping::new(&decay, &config, &model, |_| 0);
            let mut seen = 0;
            for (parameter, tensor) in model.var_store().variables() {
                if tensor.requires_grad() {
                    let found = grouping.of(&format!("student.{parameter}"), &tensor).lr_scale;
                    assert!((found - expected[&parameter]).abs() < 1e-9, "{name} {parameter}: {found}");
                    seen += 1;
                }
            }
            assert_eq!(seen, expected.len(), "{name}");
            assert_eq!(grouping.of("head.0.linear.weight", &tch::Tensor::from(0f32)).lr_scale, 1.0);
        }
    }

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, name, fits) in [
            ("*", "", true),
            ("*.bias", "head.0.bias", true),
            ("*.bias", "bias", false),
            ("predictor.*", "predictor.0.weight", true),
            ("predictor.*", "model.predictor.0", false),
            ("a*b*c", "a1b2bc", true),
            ("a*b*c", "a1c", false),
            ("head", "head", true),
            ("head", "heads", false),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }
}
