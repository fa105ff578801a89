//! Several models that should be alike, such as those that differ by their seed alone: how far apart they are under each shift, beside how far
//! apart they are where they were trained for (the stress test of D'Amour et al. 2022).

use super::compare::Side;
use super::headline::Headlines;
use super::results::ModelEntry;
use super::unit::Unit;
use anyhow::{Result, bail};
use serde::Serialize;
use std::fmt;
use visrep_metrics::Score;

/// The figure whose spread others are compared with, unless the user names another.
pub const IN_DISTRIBUTION: &str = "imagenet-val";

/// The models and how far apart they are.
#[derive(Debug, Serialize)]
pub struct Spread {
    /// The models, as people read them, each with its file.
    pub replicas: Vec<String>,
    /// The figure with whose spread the others' are compared.
    pub in_distribution: String,
    /// The figures that all models have, in the first's order.
    pub rows: Vec<Row>,
    /// For each pair of rows of one metric, how their values go together over the models: the rows' names and Pearson's correlation. Only
    /// where both vary.
    pub correlations: Vec<(String, String, f64)>,
    /// What makes the spread less telling than it looks.
    pub warnings: Vec<String>,
}

/// One figure of all models.
#[derive(Debug, Serialize)]
pub struct Row {
    /// What a table calls it.
    pub name: String,
    /// The data's name.
    pub data: String,
    /// The suite.
    pub suite: String,
    /// The task within it.
    pub task: String,
    /// What the values are.
    pub metric: String,
    /// Whether it stands for its suite, and is in the table.
    pub headline: bool,
    /// The mean.
    pub mean: f64,
    /// The standard deviation, with the number of models less one.
    pub deviation: f64,
    /// The lowest.
    pub lowest: f64,
    /// The highest.
    pub highest: f64,
    /// The standard deviation as a multiple of the in-distribution figure's; none where that is 0.
    pub ratio: Option<f64>,
    /// Pearson's correlation with the in-distribution figure over the models; none where either does not vary.
    pub correlation: Option<f64>,
    /// One for each model.
    pub values: Vec<f64>,
    /// Each model's rank, the highest value having 1; equal values share the mean of their ranks.
    pub ranks: Vec<f64>,
}

/// Protocol entries that may differ between replicas.
const OWN: [&str; 5] = ["c", "c_choice", "fit", "top1_by_choice", "seed"];

impl Spread {
    /// The spread of the models of `sides`, those of these ids or all, beside that of `in_distribution`: a suite, or `SUITE/TASK`.
    pub fn new(sides: &[Side], ids: &[String], in_distribution: &str) -> Result<Self> {
        let replicas = chosen(sides, ids)?;
        let (side, first) = replicas[0];
        let (mut rows, mut warnings) = (Vec::new(), Vec::new());
        let headlines = Headlines::of(&side.results);
        for score in side.scores(first) {
            let same = |found: &&Score| {
                (&found.data, &found.suite, &found.task, &found.metric)
                    == (&score.data, &score.suite, &score.task, &score.metric)
            };
            let all: Option<Vec<&Score>> =
                replicas.iter().map(|&(side, model)| side.scores(model).find(same)).collect();
            let Some(all) = all else { continue };
            for (key, value) in &score.protocol {
                let other =
                    all.iter().find_map(|found| found.protocol.get(key).filter(|theirs| *theirs != value));
                if let Some(other) = other
                    && !OWN.contains(&key.as_str())
                {
                    let warning =
                        format!("{key}: {value} against {other}: the models differ by more than chance");
                    if !warnings.contains(&warning) {
                        warnings.push(warning);
                    }
                }
            }
            let values = all.iter().map(|score| score.value).collect();
            rows.push(Row::new(score, headlines.suite_name(score), values));
        }
        if rows.is_empty() {
            bail!("the {} models have no figure in common: measure them by the same suites", replicas.len());
        }
        let Some(base) = rows.iter().find(|row| row.is(in_distribution)).map(|row| row.values.clone()) else {
            let mut known: Vec<String> = rows.iter().filter(|row| row.headline).map(Row::unit).collect();
            known.dedup();
            bail!(
                "not all models have the accuracy of {in_distribution}: measure it too, or choose another by --in-distribution: {}",
                known.join(", ")
            );
        };
        let spread = deviation(&base);
        for row in &mut rows {
            row.ratio = (spread > 0.0).then(|| row.deviation / spread);
            row.correlation = correlation(&row.values, &base);
        }
        if spread == 0.0 {
            warnings
                .push(format!("all models have the same {in_distribution}: there is no ratio to its spread"));
        }
        if replicas.len() < 5 {
            warnings.push(format!(
                "{} models: a standard deviation of so few is itself uncertain by {:.0} %",
                replicas.len(),
                100.0 / (2.0 * (replicas.len() - 1) as f64).sqrt()
            ));
        }
        let correlations = pairs(&rows);
        let name = |(side, model): &(&Side, &ModelEntry)| format!("{} ({})", model.label, side.file);
        Ok(Self {
            replicas: replicas.iter().map(name).collect(),
            in_distribution: in_distribution.to_owned(),
            rows,
            correlations,
            warnings,
        })
    }
}

/// The models to look at, two at least.
fn chosen<'a>(sides: &'a [Side], ids: &[String]) -> Result<Vec<(&'a Side, &'a ModelEntry)>> {
    let all = || sides.iter().flat_map(|side| side.results.models.iter().map(move |model| (side, model)));
    if let Some(unknown) = ids.iter().find(|id| all().all(|(_, model)| model.id != **id)) {
        let mut known: Vec<_> = all().map(|(_, model)| model.id.as_str()).collect();
        known.dedup();
        bail!("no file has the model '{unknown}': there are {}", known.join(", "));
    }
    let found: Vec<_> = all().filter(|(_, model)| ids.is_empty() || ids.contains(&model.id)).collect();
    for (nth, (side, model)) in found.iter().enumerate() {
        let twin = |(_, other): &&(&Side, &ModelEntry)| {
            other.weights == model.weights && other.architecture == model.architecture
        };
        if let Some((other, _)) = found[..nth].iter().find(twin) {
            bail!(
                "{} and {} have the same model, {} with {}: a model counts once",
                other.file,
                side.file,
                model.architecture,
                model.weights
            );
        }
    }
    match found.as_slice() {
        [] => bail!("there is no model in these files"),
        [(side, model)] => {
            bail!("{} of {} is alone: give the results of two models or more", model.id, side.file)
        }
        _ => Ok(found),
    }
}

impl Row {
    fn new(score: &Score, headline: Option<String>, values: Vec<f64>) -> Self {
        Self {
            name: headline
                .clone()
                .unwrap_or_else(|| format!("{} {}: {}", score.suite, score.task, score.metric)),
            data: score.data.clone(),
            suite: score.suite.clone(),
            task: score.task.clone(),
            metric: score.metric.clone(),
            headline: headline.is_some(),
            mean: values.iter().sum::<f64>() / values.len() as f64,
            deviation: deviation(&values),
            lowest: values.iter().copied().fold(f64::INFINITY, f64::min),
            highest: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            ratio: None,
            correlation: None,
            ranks: ranks(&values),
            values,
        }
    }

    /// What people type for it: the suite, and the task where it is one of several.
    fn unit(&self) -> String {
        let one = self.task == self.suite || self.task == self.data || self.task == "mean";
        if one { self.suite.clone() } else { format!("{}/{}", self.suite, self.task) }
    }

    /// Whether it is the accuracy of a suite or task that people typed.
    fn is(&self, unit: &str) -> bool {
        matches!(self.metric.as_str(), "top1" | "mean-top1") && self.unit() == unit
    }
}

/// Values that differ by less than this share are the same: sums in another order differ by as much.
const SAME: f64 = 1e-12;

/// The standard deviation of a sample; 0 where values are the same but for rounding.
fn deviation(values: &[f64]) -> f64 {
    let size = values.iter().fold(0.0, |size: f64, value| size.max(value.abs()));
    if values.iter().all(|value| (value - values[0]).abs() <= SAME * size) {
        return 0.0;
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / (values.len() - 1) as f64).sqrt()
}

/// Pearson's correlation; none where one of the two does not vary.
pub(super) fn correlation(a: &[f64], b: &[f64]) -> Option<f64> {
    let (sa, sb) = (deviation(a), deviation(b));
    if sa == 0.0 || sb == 0.0 {
        return None;
    }
    let n = a.len() as f64;
    let (ma, mb) = (a.iter().sum::<f64>() / n, b.iter().sum::<f64>() / n);
    let products: f64 = a.iter().zip(b).map(|(a, b)| (a - ma) * (b - mb)).sum();
    Some((products / ((n - 1.0) * sa * sb)).clamp(-1.0, 1.0))
}

/// The rank of each value, the highest having 1; equal values share the mean of theirs.
pub(super) fn ranks(values: &[f64]) -> Vec<f64> {
    let rank = |value: &f64| {
        let above = values.iter().filter(|other| *other > value).count();
        let equal = values.iter().filter(|other| *other == value).count();
        above as f64 + (equal + 1) as f64 / 2.0
    };
    values.iter().map(rank).collect()
}

/// The correlation of each two figures that stand for their suites and are of one metric.
fn pairs(rows: &[Row]) -> Vec<(String, String, f64)> {
    let rows: Vec<_> = rows.iter().filter(|row| row.headline).collect();
    let mut found = Vec::new();
    for (nth, a) in rows.iter().enumerate() {
        for b in rows[nth + 1..].iter().filter(|b| b.metric == a.metric) {
            if let Some(correlation) = correlation(&a.values, &b.values) {
                found.push((a.name.clone(), b.name.clone(), correlation));
            }
        }
    }
    found
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for replica in &self.replicas {
            writeln!(f, "{replica}")?;
        }
        let rows: Vec<_> = self.rows.iter().filter(|row| row.headline).collect();
        let wide = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or_default();
        writeln!(
            f,
            "\n{:wide$}  {:5}  {:>7}  {:>7}  {:>15}  {:>6}  {:>6}",
            "", "", "mean", "sd", "range", "ratio", "r"
        )?;
        let or_dash = |value: Option<f64>, digits: usize| {
            value.map_or("-".to_owned(), |value| format!("{value:.digits$}"))
        };
        for row in rows {
            let unit = Unit::of(&row.metric);
            let (mean, deviation) = (unit.text(row.mean, 2), unit.text(row.deviation, 3));
            let range = format!("{}..{}", unit.text(row.lowest, 2), unit.text(row.highest, 2));
            writeln!(
                f,
                "{:wide$}  {:5}  {mean:>7}  {deviation:>7}  {range:>15}  {:>6}  {:>6}",
                row.name,
                unit.symbol(),
                or_dash(row.ratio, 1),
                or_dash(row.correlation, 2)
            )?;
        }
        writeln!(
            f,
            "\nratio: sd over that of {0}; r: correlation with {0} over the models",
            self.in_distribution
        )?;
        for warning in &self.warnings {
            writeln!(f, "note: {warning}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_those_of_a_sample() {
        // numpy: std(ddof=1), corrcoef; scipy: rankdata of the negatives.
        let (a, b) = ([0.71, 0.74, 0.69, 0.74], [0.30, 0.36, 0.21, 0.33]);
        assert!((deviation(&a) - 0.024_494_897_427_831_8).abs() < 1e-12);
        assert!((correlation(&a, &b).unwrap() - 0.944_911_182_523_068).abs() < 1e-6);
        assert_eq!(ranks(&a), [3.0, 1.5, 4.0, 1.5]);
        assert_eq!(deviation(&[0.1 + 0.2, 0.3, 0.3]), 0.0, "0.1 + 0.2 is 0.3 but for rounding");
        assert_eq!(correlation(&[0.5; 4], &b), None);
    }
}
