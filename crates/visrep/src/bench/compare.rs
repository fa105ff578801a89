//! Two benchmarks side by side: differences, and whether they are more than chance.

use super::headline::Headlines;
use super::paired::{McNemar, Paired, Randomised, Test};
use super::results::{ImageGroups, ModelEntry, Results, Verdicts};
use super::unit::Unit;
use anyhow::{Context, Result, bail};
use serde::Serialize;
use std::fmt;
use visrep_metrics::{Interval, Score};
use visrep_probe::Groups;

/// One benchmark's results and the file that they came from.
pub struct Side {
    /// The file.
    pub file: String,
    /// What it holds.
    pub results: Results,
}

/// A model of the one against a model of the other.
#[derive(Debug, Serialize)]
pub struct Comparison {
    /// The first's model, as people read it, and its file.
    pub a: String,
    /// The second's.
    pub b: String,
    /// The figures that both have, in the first's order.
    pub rows: Vec<Row>,
    /// What makes the two less comparable than they look.
    pub warnings: Vec<String>,
}

/// One figure of both.
#[derive(Debug, Serialize)]
pub struct Row {
    /// The data's name.
    pub data: String,
    /// The suite.
    pub suite: String,
    /// The task within it.
    pub task: String,
    /// What the values are.
    pub metric: String,
    /// What a table calls it, when it stands for its suite.
    pub headline: Option<String>,
    /// The first's value.
    pub a: f64,
    /// The second's.
    pub b: f64,
    /// The second's less the first's.
    pub difference: f64,
    /// The paired bootstrap interval of the difference, where both have records of the same images.
    pub interval: Option<Interval>,
    /// McNemar's exact test, where single images are right or wrong.
    pub mcnemar: Option<McNemar>,
    /// Fisher's randomisation test in its place, of other means and where several images show one object.
    pub randomisation: Option<Randomised>,
}

/// Protocol entries that differ between models under the same protocol: what a search found, and how a fit went.
const FOUND: [&str; 10] = [
    "c",
    "c_choice",
    "fit",
    "top1_by_choice",
    "val_top1_by_c",
    "val_top1_by_candidate",
    "val_figure_by_candidate",
    "candidate",
    "top1_by_seed",
    "choice",
];

impl Comparison {
    /// Every model that both name alike, each with itself.
    pub fn of_common_models(first: &Side, second: &Side, seed: u64, all: bool) -> Result<Vec<Self>> {
        let ids: Vec<_> = first.results.models.iter().map(|model| model.id.as_str()).collect();
        let both = ids.iter().filter(|id| second.results.models.iter().any(|model| model.id == **id));
        let found: Vec<_> =
            both.map(|id| Self::new(first, id, second, id, seed, all)).collect::<Result<_>>()?;
        if found.is_empty() {
            let others: Vec<_> = second.results.models.iter().map(|model| model.id.as_str()).collect();
            bail!(
                "{} has the models {} and {} has {}: choose with --model-a and --model-b",
                first.file,
                ids.join(", "),
                second.file,
                others.join(", ")
            );
        }
        Ok(found)
    }

    /// The model `a` of the one against `b` of the other, by their ids: `all` figures, or those that stand for their suite.
    pub fn new(first: &Side, a: &str, second: &Side, b: &str, seed: u64, all: bool) -> Result<Self> {
        let (one, other) = (first.model(a)?, second.model(b)?);
        let (mut rows, mut warnings) = (Vec::new(), Vec::new());
        let headlines = Headlines::of(&first.results);
        for score in first.scores(one) {
            let headline = headlines.suite_name(score);
            if !all && headline.is_none() {
                continue;
            }
            let same = |found: &&Score| {
                (&found.data, &found.suite, &found.task, &found.metric)
                    == (&score.data, &score.suite, &score.task, &score.metric)
            };
            let Some(matching) = second.scores(other).find(same) else { continue };
            for (key, value) in &score.protocol {
                let theirs = matching.protocol.get(key);
                if !FOUND.contains(&key.as_str()) && theirs != Some(value) {
                    let theirs = theirs.map_or("nothing", String::as_str);
                    let warning = format!("{key}: {value} against {theirs}");
                    if !warnings.contains(&warning) {
                        warnings.push(warning);
                    }
                }
            }
            let paired = Paired::find((first, one), (second, other), (score, matching), seed)?;
            if let Some(Paired::OtherImages) = paired {
                let warning =
                    format!("{}: the test images differ, so that figures are not paired", score.data);
                if !warnings.contains(&warning) {
                    warnings.push(warning);
                }
            }
            let (interval, test) = match paired {
                Some(Paired::Compared { interval, test }) => (interval, test),
                _ => (None, None),
            };
            let (mcnemar, randomisation) = match test {
                Some(Test::McNemar(found)) => (Some(found), None),
                Some(Test::Randomisation(found)) => (None, Some(found)),
                None => (None, None),
            };
            rows.push(Row {
                data: score.data.clone(),
                suite: score.suite.clone(),
                task: score.task.clone(),
                metric: score.metric.clone(),
                headline,
                a: score.value,
                b: matching.value,
                difference: matching.value - score.value,
                interval,
                mcnemar,
                randomisation,
            });
        }
        if rows.is_empty() {
            bail!(
                "{} ({a}) and {} ({b}) have no figure in common: they were measured on other data or by other suites",
                first.file,
                second.file
            );
        }
        let name = |model: &ModelEntry, side: &Side| format!("{} ({})", model.label, side.file);
        Ok(Self { a: name(one, first), b: name(other, second), rows, warnings })
    }
}

impl Side {
    fn model(&self, id: &str) -> Result<&ModelEntry> {
        let models = &self.results.models;
        models.iter().find(|model| model.id == id).with_context(|| {
            let known: Vec<_> = models.iter().map(|model| model.id.as_str()).collect();
            format!("{} has no model '{id}', but {}", self.file, known.join(", "))
        })
    }

    /// Its scores of a model.
    pub(super) fn scores<'a>(&'a self, model: &'a ModelEntry) -> impl Iterator<Item = &'a Score> {
        let of_model = |score: &&Score| score.model == model.architecture && score.weights == model.weights;
        self.results.scores.iter().filter(of_model)
    }

    /// Its records of a model's verdicts, by the task, on some data under a suite.
    pub(super) fn verdicts<'a>(
        &'a self,
        model: &'a ModelEntry,
        data: &'a str,
        suite: &'a str,
    ) -> impl Iterator<Item = &'a Verdicts> {
        self.results
            .details
            .verdicts
            .iter()
            .filter(move |found| found.model == model.id && found.data == data && found.suite == suite)
    }

    /// What `n` images of this fingerprint have in common, where it is known.
    pub(super) fn groups(&self, images: &str, n: usize) -> Result<Option<Groups>> {
        let found =
            self.results.details.groups.iter().find(|groups| groups.images == images && groups.n == n);
        found.map(ImageGroups::unpack).transpose()
    }
}

impl Row {
    /// The p-value, and which test it is of.
    fn test(&self) -> Option<(String, String)> {
        let (p, test) = match (&self.mcnemar, &self.randomisation) {
            (Some(found), _) => (found.p_value, "McNemar".to_owned()),
            (None, Some(Randomised { found, of, .. })) => {
                let how = match found.draws {
                    None => "exact".to_owned(),
                    Some(draws) => format!("{draws} draws"),
                };
                (found.p_value, format!("randomisation of {} {of}, {how}", found.units))
            }
            (None, None) => return None,
        };
        let p = if p < 1e-4 { "< 0.0001".to_owned() } else { format!("{p:.4}") };
        Some((p, test))
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "A  {}\nB  {}\n", self.a, self.b)?;
        let rows: Vec<_> = self.rows.iter().filter_map(|row| Some((row.headline.as_ref()?, row))).collect();
        // The unit stands once where all have the same one.
        let percent = rows.iter().all(|(_, row)| Unit::of(&row.metric) == Unit::Percent);
        let named = |(headline, row): (&String, &Row)| {
            if percent { headline.clone() } else { Unit::of(&row.metric).title(headline) }
        };
        let wide = |text: &dyn Fn((&String, &Row)) -> usize| {
            rows.iter().map(|&row| text(row)).max().unwrap_or_default()
        };
        let (data, name) =
            (wide(&|(_, row)| row.data.chars().count()), wide(&|row| named(row).chars().count()));
        writeln!(
            f,
            "{:data$}  {:name$}  {:>7}  {:>7}  {:>7}  {:>16}  {:>8}  test",
            if percent { "%" } else { "" },
            "",
            "A",
            "B",
            "B - A",
            "95 % interval",
            "p"
        )?;
        for (headline, row) in rows {
            let unit = Unit::of(&row.metric);
            let signed = |value: f64| {
                let text = unit.text(value, 2);
                if text.starts_with('-') { text } else { format!("+{text}") }
            };
            let ([a, b], difference) =
                ([row.a, row.b].map(|value| unit.text(value, 2)), signed(row.difference));
            let named = named((headline, row));
            write!(f, "{:data$}  {named:name$}  {a:>7}  {b:>7}  {difference:>7}", row.data)?;
            let interval = row.interval.as_ref().map_or("-".to_owned(), |interval| {
                format!("{} .. {}", signed(interval.low), signed(interval.high))
            });
            let (p, test) = row.test().unwrap_or_else(|| ("-".to_owned(), String::new()));
            let line = format!("  {interval:>16}  {p:>8}  {test}");
            writeln!(f, "{}", line.trim_end())?;
        }
        for warning in &self.warnings {
            writeln!(f, "note: {warning}")?;
        }
        Ok(())
    }
}
