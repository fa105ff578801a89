//! Values that no run can use.

use super::{Best, Recipe};
use crate::Error;
use crate::optim::Clip;
use crate::schedule::{BatchScaling, Shape};

impl Recipe {
    /// Errs on values that no run can use, naming the key.
    pub fn check(&self) -> Result<(), Error> {
        let refuse = |key: &str, value: String, message: &str| {
            Err(Error::Value { key: key.to_owned(), value, message: message.to_owned() })
        };
        for (key, value) in [
            ("loader.batch_size", self.loader.batch_size),
            ("gradient.accumulate", self.gradient.accumulate),
            ("log.every_steps", self.log.every_steps as usize),
            ("checkpoint.keep", self.checkpoint.keep),
        ] {
            if value == 0 {
                return refuse(key, "0".to_owned(), "must be at least 1");
            }
        }
        for (key, value) in self.not_negative() {
            if !(value.is_finite() && value >= 0.0) {
                return refuse(key, value.to_string(), "must be finite and not negative");
            }
        }
        for (key, value) in self.positive() {
            if !(value.is_finite() && value > 0.0) {
                return refuse(key, value.to_string(), "must be finite and above 0");
            }
        }
        if let BatchScaling::Linear(0) | BatchScaling::Sqrt(0) = self.schedule.batch_scaling {
            return refuse(
                "schedule.batch_scaling",
                "0".to_owned(),
                "the batch to scale from must be at least 1",
            );
        }
        if self.decay.final_rate.is_some() && self.decay.rate == 0.0 {
            return refuse("decay.final_rate", "set".to_owned(), "needs a decay.rate above 0 to start from");
        }
        if let Some(value) =
            self.ema.iter().flat_map(|ema| ema.decay.ends()).find(|x| !(0.0..=1.0).contains(x))
        {
            return refuse("ema.decay", value.to_string(), "must be within 0 and 1");
        }
        if let Some((key, value, message)) = self.optimizer.out_of_range() {
            return refuse(key, value, message);
        }
        if let Some(probe) = &self.probe
            && (probe.k == 0 || probe.images == 0)
        {
            return refuse("probe.k and probe.images", "0".to_owned(), "must be at least 1");
        }
        if let Some(online) = &self.online
            && !(0.0..1.0).contains(&online.momentum)
        {
            let value = online.momentum.to_string();
            return refuse("online.momentum", value, "must be within 0 and 1, below 1");
        }
        if self.best() == Best::Probe && self.probe.is_none() {
            return refuse(
                "checkpoint.best",
                "probe".to_owned(),
                "needs a section [probe], such as probe.every=5 epochs",
            );
        }
        self.views.check()?;
        Ok(())
    }

    /// The numbers that may be 0 and not less.
    fn not_negative(&self) -> Vec<(&'static str, f64)> {
        let schedule = &self.schedule;
        let mut numbers = vec![
            ("schedule.lr", schedule.lr),
            ("schedule.final_lr", schedule.final_lr),
            ("schedule.warmup_lr", schedule.warmup_lr),
            ("decay.rate", self.decay.rate),
            ("decay.final_rate", self.decay.final_rate.unwrap_or(0.0)),
            ("checkpoint.minutes", self.checkpoint.minutes),
        ];
        if let Some(online) = &self.online {
            numbers.push(("online.lr", online.lr));
            numbers.push(("online.weight_decay", online.weight_decay));
        }
        for group in &self.parameters.groups {
            numbers.push(("parameters.groups.lr_scale", group.lr_scale));
            numbers.push(("parameters.groups.weight_decay", group.weight_decay.unwrap_or(0.0)));
        }
        match &schedule.shape {
            Shape::Polynomial { power } => numbers.push(("schedule.shape.polynomial.power", *power)),
            Shape::Steps { factor, .. } => numbers.push(("schedule.shape.steps.factor", *factor)),
            Shape::Cosine | Shape::Constant | Shape::Rsqrt { .. } => {}
        }
        numbers
    }

    /// The numbers that must be above 0.
    fn positive(&self) -> Vec<(&'static str, f64)> {
        let mut numbers = vec![("parameters.layer_decay", self.parameters.layer_decay)];
        numbers.extend(self.sam.iter().map(|sam| ("sam.rho", sam.rho)));
        numbers.extend(self.probe.iter().map(|probe| ("probe.temperature", probe.temperature)));
        if self.decay.unscaled {
            numbers.push(("schedule.lr (with decay.unscaled)", self.schedule.lr));
        }
        match &self.gradient.clip {
            Some(Clip::Global { norm } | Clip::PerTensor { norm }) => {
                numbers.push(("gradient.clip.norm", *norm))
            }
            Some(Clip::Adaptive { factor, eps, .. }) => {
                numbers.extend([("gradient.clip.factor", *factor), ("gradient.clip.eps", *eps)]);
            }
            None => {}
        }
        numbers
    }
}
