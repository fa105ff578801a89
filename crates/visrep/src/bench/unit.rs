//! What the numbers of a figure are, and which of two are better.

/// How a figure is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A fraction, shown in percent; of figures relative to a baseline, in percent of it.
    Percent,
    /// A number as it is, with what it is in a word where there is one.
    Plain(&'static str),
}

impl Unit {
    /// That of a metric, which is a fraction unless it is known to be none.
    pub fn of(metric: &str) -> Self {
        match metric {
            "nll" | "scaled-nll" => Self::Plain("nats"),
            "relative-distance" | "mean-relative-distance" | "fine-to-coarse" => Self::Plain("ratio"),
            "brier" | "temperature" | "top5-distance" | "effective_rank" | "class_separation"
            | "cka_labels" | "cosine-similarity" | "equivariance" | "mean-invariance" => Self::Plain(""),
            metric if metric.starts_with("invariance") => Self::Plain(""),
            _ => Self::Percent,
        }
    }

    /// The sign or word beside numbers: `%`, `nats`, `ratio` or nothing.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Percent => "%",
            Self::Plain(word) => word,
        }
    }

    /// A value as it is shown.
    pub fn shown(self, value: f64) -> f64 {
        match self {
            Self::Percent => 100.0 * value,
            Self::Plain(_) => value,
        }
    }

    /// A value's digits: `digits` after the point of percent, two more of other numbers, which are mostly around 1.
    pub fn text(self, value: f64, digits: usize) -> String {
        let digits = if self == Self::Percent { digits } else { digits + 2 };
        let text = format!("{:.digits$}", self.shown(value));
        match text.strip_prefix('-') {
            // Nothing has no sign.
            Some(rest) if rest.chars().all(|digit| matches!(digit, '0' | '.')) => rest.to_owned(),
            _ => text,
        }
    }

    /// `what` with the unit behind a comma, for titles and axes.
    pub fn title(self, what: &str) -> String {
        match self.symbol() {
            "" => what.to_owned(),
            symbol => format!("{what}, {symbol}"),
        }
    }
}

/// What of a figure is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// More of it.
    High,
    /// Less of it.
    Low,
    /// Neither: it tells what a model is like.
    Neither,
}

impl Better {
    /// That of a metric.
    pub fn of(metric: &str) -> Self {
        const NEITHER: [&str; 13] = [
            "relative-distance",
            "mean-relative-distance",
            "fine-to-coarse",
            "class_separation",
            "cka_labels",
            "effective_rank",
            "temperature",
            "cosine-similarity",
            "shape-bias",
            "shape-bias-class-mean",
            "decided",
            "human",
            "oracle",
        ];
        const LOW: [&str; 15] = [
            "error",
            "ece",
            "mce",
            "nll",
            "brier",
            "flip",
            "mfr",
            "mt5d",
            "distance",
            "fpr",
            "gap",
            "drop",
            "calibration",
            "success",
            "change",
        ];
        if NEITHER.contains(&metric) {
            Self::Neither
        } else if metric == "ce" || LOW.iter().any(|part| metric.contains(part)) {
            Self::Low
        } else {
            Self::High
        }
    }

    /// A number that is higher for the better of two values; none where neither is better.
    pub fn rank(self, value: f64) -> Option<f64> {
        match self {
            Self::High => Some(value),
            Self::Low => Some(-value),
            Self::Neither => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_fractions_become_percent() {
        assert_eq!(Unit::of("top1").text(0.756_3, 1), "75.6");
        assert_eq!(Unit::of("mce").text(0.763_8, 2), "76.38");
        assert_eq!(Unit::of("nll").text(3.512_6, 1), "3.513");
        assert_eq!(
            (Unit::Percent.text(-0.0, 1), Unit::Percent.text(-0.01, 1)),
            ("0.0".into(), "-1.0".into())
        );
        assert_eq!(Unit::of("mean-relative-distance").title("distance"), "distance, ratio");
        for metric in [
            "fine-to-coarse",
            "class_separation",
            "cka_labels",
            "mean-invariance",
            "invariance-l2-q1",
            "brier",
        ] {
            assert_ne!(Unit::of(metric), Unit::Percent, "{metric}");
        }
        for metric in [
            "2afc",
            "map",
            "aurra",
            "fpr95",
            "flip-probability",
            "mean-ece",
            "bg-gap",
            "mean_19",
            "logit-mean",
        ] {
            assert_eq!(Unit::of(metric), Unit::Percent, "{metric}");
        }
    }

    #[test]
    fn what_is_better_is_known() {
        for metric in ["mean-error", "ce", "mce", "fpr95", "bg-gap", "drop", "scaled-nll", "top5-distance"] {
            assert_eq!(Better::of(metric), Better::Low, "{metric}");
        }
        for metric in ["top1", "aupr", "2afc", "aurra", "mean-invariance"] {
            assert_eq!(Better::of(metric), Better::High, "{metric}");
        }
        assert_eq!(Better::of("mean-relative-distance"), Better::Neither);
    }
}
