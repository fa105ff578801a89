//! Optimisers over named tensors, with state that can be saved.
//!
//! An optimiser is a [`Rule`]: one file with its hyper-parameters and its step. [`Optimizer`] does the rest: which
//! parameter is trained how, the state of each, saving and restoring.

mod adafactor;
mod adamw;
mod clip;
mod groups;
mod lamb;
mod lars;
mod optimizer;
mod rule;
mod sgd;

pub use adafactor::Adafactor;
pub use adamw::AdamW;
pub use clip::Clip;
pub use groups::{Decay, GroupConfig, ParameterOptions, ParametersConfig, Which, layer_scales};
pub use lamb::Lamb;
pub use lars::{Adapt, Lars, LarsVariant};
pub use optimizer::{Optimizer, Rates};
pub use rule::{Group, Rule};
pub use sgd::Sgd;

pub(crate) use groups::Grouping;

use serde::{Deserialize, Serialize};

/// An optimiser of the list: in a recipe, the section `[optimizer]` with `name` and the rule's own keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "lowercase")]
#[non_exhaustive]
pub enum OptimizerConfig {
    /// `sgd`
    Sgd(Sgd),
    /// `adamw`
    AdamW(AdamW),
    /// `lars`
    Lars(Lars),
    /// `lamb`
    Lamb(Lamb),
    /// `adafactor`
    Adafactor(Adafactor),
}

impl OptimizerConfig {
    /// The rule.
    pub fn rule(&self) -> Box<dyn Rule> {
        match self {
            Self::Sgd(rule) => Box::new(rule.clone()),
            Self::AdamW(rule) => Box::new(rule.clone()),
            Self::Lars(rule) => Box::new(rule.clone()),
            Self::Lamb(rule) => Box::new(rule.clone()),
            Self::Adafactor(rule) => Box::new(rule.clone()),
        }
    }

    /// The first of its values that is outside its range: the key, the value and what it must be.
    pub(crate) fn out_of_range(&self) -> Option<(&'static str, String, &'static str)> {
        let below_one = "must be within 0 and 1, below 1";
        let positive = "must be finite and above 0";
        let fraction = |x: &f64| (0.0..1.0).contains(x);
        let above = |x: f64| x.is_finite() && x > 0.0;
        let mut found = Vec::new();
        let mut need = |key: &'static str, fits: bool, value: String, message: &'static str| {
            if !fits {
                found.push((key, value, message));
            }
        };
        let mut momentum = |momentum: f64, nesterov: bool| {
            need("optimizer.momentum", fraction(&momentum), momentum.to_string(), below_one);
            let fits = !nesterov || momentum != 0.0;
            need("optimizer.nesterov", fits, "true".to_owned(), "needs a momentum above 0");
        };
        match self {
            Self::Sgd(sgd) => momentum(sgd.momentum, sgd.nesterov),
            Self::Lars(lars) => {
                momentum(lars.momentum, lars.nesterov);
                let larc = lars.variant == LarsVariant::Larc;
                need("optimizer.trust", above(lars.trust), lars.trust.to_string(), positive);
                let eps = lars.eps.is_finite() && lars.eps >= 0.0;
                need("optimizer.eps", eps, lars.eps.to_string(), "must be finite and not negative");
                need(
                    "optimizer.clip",
                    larc || !lars.clip,
                    "true".to_owned(),
                    "is for variant = \"larc\" alone",
                );
            }
            Self::AdamW(AdamW { betas, eps }) | Self::Lamb(Lamb { betas, eps, .. }) => {
                let text = format!("{betas:?}");
                need("optimizer.betas", betas.iter().all(fraction), text, below_one);
                let fits = eps.is_finite() && *eps >= 0.0;
                need("optimizer.eps", fits, eps.to_string(), "must be finite and not negative");
            }
            Self::Adafactor(rule) => {
                need("optimizer.momentum", fraction(&rule.momentum), rule.momentum.to_string(), below_one);
                need("optimizer.beta2_cap", fraction(&rule.beta2_cap), rule.beta2_cap.to_string(), below_one);
                need("optimizer.decay_rate", above(rule.decay_rate), rule.decay_rate.to_string(), positive);
                need("optimizer.eps", above(rule.eps), rule.eps.to_string(), positive);
                let threshold = rule.clipping_threshold.unwrap_or(1.0);
                need("optimizer.clipping_threshold", above(threshold), threshold.to_string(), positive);
            }
        }
        found.into_iter().next()
    }
}
