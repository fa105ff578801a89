//! How long something lasts: in optimiser steps, in passes over the data, or in images seen.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A length of training, written `"500 steps"`, `"40 epochs"` (fractions allowed) or `"100000 examples"`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Length {
    /// Optimiser steps.
    Steps(u64),
    /// Passes over the dataset.
    Epochs(f64),
    /// Images, each counted once however many views it has.
    Examples(u64),
}

impl Length {
    /// The number of steps, rounded to the nearest, when an epoch has `per_epoch` steps of `batch` images.
    pub fn steps(self, per_epoch: u64, batch: u64) -> u64 {
        match self {
            Self::Steps(steps) => steps,
            Self::Epochs(epochs) => (epochs * per_epoch as f64).round() as u64,
            Self::Examples(examples) => (examples as f64 / batch.max(1) as f64).round() as u64,
        }
    }
}

impl FromStr for Length {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is not a length: write \"500 steps\", \"40 epochs\" or \"100000 examples\"");
        let (number, unit) = text.trim().split_once(' ').ok_or_else(wrong)?;
        match unit.trim() {
            "step" | "steps" => number.parse().map(Self::Steps).map_err(|_| wrong()),
            "example" | "examples" => number.parse().map(Self::Examples).map_err(|_| wrong()),
            "epoch" | "epochs" => match number.parse::<f64>() {
                Ok(epochs) if (0.0..1e9).contains(&epochs) => Ok(Self::Epochs(epochs)),
                _ => Err(wrong()),
            },
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Steps(n) => write!(f, "{n} steps"),
            Self::Epochs(n) => write!(f, "{n} epochs"),
            Self::Examples(n) => write!(f, "{n} examples"),
        }
    }
}

impl TryFrom<String> for Length {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Length> for String {
    fn from(length: Length) -> Self {
        length.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_parse_print_and_convert() {
        for (text, steps) in [("7 steps", 7), ("2.5 epochs", 25), ("0 epochs", 0), ("640 examples", 20)] {
            let length: Length = text.parse().unwrap();
            assert_eq!(length.steps(10, 32), steps, "{text}");
            assert_eq!(length.to_string().parse::<Length>().unwrap(), length);
        }
        for wrong in
            ["", "7", "steps", "-1 steps", "1.5 steps", "nan epochs", "-2 epochs", "inf epochs", "3 days"]
        {
            assert!(wrong.parse::<Length>().is_err(), "{wrong}");
        }
    }
}
