//! Figures as rows with a column for each model, for every table; and the one that a benchmark prints.

use super::headline::Headlines;
use super::results::Results;
use super::unit::Unit;
use std::collections::BTreeSet;
use std::fmt::Write;
use visrep_metrics::Score;

/// A figure of all models.
pub struct Row<'a> {
    /// What it is called: no two rows of a table are called alike.
    pub name: String,
    /// What its numbers are.
    pub unit: Unit,
    /// One for each column; none where it was not measured.
    pub scores: Vec<Option<&'a Score>>,
}

/// Rows of the scores that `place` gives a column, below `columns`, and a name, in their order. Scores of one name that are not of one
/// figure, of other data or twice of one model, stand in rows of their own, whose names say what tells them apart.
pub fn rows(
    scores: &[Score],
    columns: usize,
    place: impl Fn(&Score) -> Option<(usize, String)>,
) -> Vec<Row<'_>> {
    let mut groups: Vec<(String, Vec<(usize, &Score)>)> = Vec::new();
    for score in scores {
        let Some((column, name)) = place(score) else { continue };
        match groups.iter_mut().find(|(found, _)| *found == name) {
            Some((_, group)) => group.push((column, score)),
            None => groups.push((name, vec![(column, score)])),
        }
    }
    let mut rows: Vec<Row<'_>> = Vec::new();
    for (name, group) in groups {
        for (suffix, group) in told_apart(group) {
            let mut name = format!("{name}{suffix}");
            // What was added may be another's name.
            while rows.iter().any(|row| row.name == name) {
                name.push_str(", too");
            }
            let mut row = Row { name, unit: Unit::Percent, scores: vec![None; columns] };
            for (column, score) in group {
                row.unit = Unit::of(&score.metric);
                row.scores[column] = Some(score);
            }
            rows.push(row);
        }
    }
    rows
}

/// A score and its column.
type Placed<'a> = (usize, &'a Score);

/// Scores of one name by what tells them apart, with what a name says of it: nothing where all are of one figure.
fn told_apart(group: Vec<Placed<'_>>) -> Vec<(String, Vec<Placed<'_>>)> {
    let clash = |group: &[Placed<'_>]| {
        let columns: BTreeSet<_> = group.iter().map(|(column, _)| column).collect();
        columns.len() < group.len()
            || group
                .iter()
                .any(|(_, score)| (&score.data, &score.metric) != (&group[0].1.data, &group[0].1.metric))
    };
    if !clash(&group) {
        return vec![(String::new(), group)];
    }
    let keys: BTreeSet<&String> = group.iter().flat_map(|(_, score)| score.protocol.keys()).collect();
    let own = [
        |score: &Score| score.data.clone(),
        |score: &Score| score.metric.clone(),
        |score: &Score| score.task.clone(),
    ];
    let own = own.into_iter().map(|of| group.iter().map(|(_, score)| of(score)).collect::<Vec<_>>());
    let entry = |key: &String, score: &Score| score.protocol.get(key).map(|value| format!("{key} {value}"));
    let entries = keys.iter().map(|key| {
        group.iter().map(|(_, score)| entry(key, score).unwrap_or_else(|| format!("no {key}"))).collect()
    });
    for names in own.chain(entries) {
        let mut parts: Vec<(String, Vec<Placed<'_>>)> = Vec::new();
        for (name, &placed) in names.into_iter().zip(&group) {
            let suffix = format!(", {name}");
            match parts.iter_mut().find(|(found, _)| *found == suffix) {
                Some((_, part)) => part.push(placed),
                None => parts.push((suffix, vec![placed])),
            }
        }
        if parts.iter().all(|(_, part)| !clash(part)) {
            return parts;
        }
    }
    // Nothing that is recorded tells them apart: in their order.
    let mut parts: Vec<(String, Vec<Placed<'_>>)> = Vec::new();
    for (nth, placed) in group.into_iter().enumerate() {
        parts.push((format!(", number {}", nth + 1), vec![placed]));
    }
    parts
}

/// One line for each figure and data set, one column for each model. Units stand beside the names, or above them where all have one.
pub fn render(results: &Results) -> String {
    let headlines = Headlines::of(results);
    let rows = rows(&results.scores, results.models.len(), |score| {
        Some((results.model_of(score)?, headlines.name(score)?))
    });
    let wide = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or_default();
    let common = rows.first().map(|row| row.unit).filter(|unit| rows.iter().all(|row| row.unit == *unit));
    let symbol = |unit: Unit| if common.is_none() { format!("  {:5}", unit.symbol()) } else { String::new() };
    let columns: Vec<_> = results.models.iter().map(|model| model.label.chars().count().max(7)).collect();
    let mut text = format!("\n{:wide$}{}", common.map_or("", Unit::symbol), symbol(Unit::Plain("")));
    for (model, column) in results.models.iter().zip(&columns) {
        let _ = write!(text, "  {:>column$}", model.label);
    }
    text.push('\n');
    for row in rows {
        let _ = write!(text, "{:wide$}{}", row.name, symbol(row.unit));
        for (score, column) in row.scores.iter().zip(&columns) {
            let value = score.map_or_else(|| "-".to_owned(), |score| row.unit.text(score.value, 1));
            let _ = write!(text, "  {value:>column$}");
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::testing;

    fn score(data: &str, task: &str, value: f64, protocol: &[(&str, &str)]) -> Score {
        let score = testing::with(testing::score("knn", task, "top1", value), protocol);
        Score { data: data.into(), ..score }
    }

    /// The rows' names and values, all scores being called `kNN`; those of the task `b` are another model's.
    fn named(scores: &[Score]) -> Vec<(String, Vec<Option<f64>>)> {
        let rows = rows(scores, 2, |score| Some((usize::from(score.task == "b"), "kNN".to_owned())));
        let values = |row: &Row<'_>| row.scores.iter().map(|score| score.map(|score| score.value)).collect();
        rows.iter().map(|row| (row.name.clone(), values(row))).collect()
    }

    #[test]
    fn figures_of_one_name_never_hide_each_other() {
        let row = |name: &str, a, b| (name.to_owned(), vec![a, b]);
        let (a, b) = (score("x", "a", 0.1, &[("k", "5")]), score("x", "b", 0.2, &[("k", "20")]));
        assert_eq!(named(&[a.clone(), b.clone()]), [row("kNN", Some(0.1), Some(0.2))]);
        // Of other data.
        let other = score("y", "b", 0.3, &[]);
        let found = named(&[a.clone(), other]);
        assert_eq!(found, [row("kNN, x", Some(0.1), None), row("kNN, y", None, Some(0.3))]);
        // Twice of one model: the protocol tells them apart, and the other model stands where its own says.
        let again = score("x", "a", 0.4, &[("k", "20")]);
        let found = named(&[a.clone(), again, b]);
        assert_eq!(found, [row("kNN, k 5", Some(0.1), None), row("kNN, k 20", Some(0.4), Some(0.2))]);
        // Nothing does.
        let found = named(&[a.clone(), Score { value: 0.5, ..a }]);
        assert_eq!(found, [row("kNN, number 1", Some(0.1), None), row("kNN, number 2", Some(0.5), None)]);
    }
}
