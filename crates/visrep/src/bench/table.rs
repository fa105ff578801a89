//! The summary that a benchmark prints.

use super::results::Results;
use std::fmt::Write;

/// One line for each figure and data set, one column for each model; values in percent.
pub fn render(results: &Results) -> String {
    let mut rows: Vec<(String, Vec<Option<f64>>)> = Vec::new();
    for score in &results.scores {
        let (Some(model), Some(name)) = (results.model_of(score), results.headline(score)) else { continue };
        let at = rows.iter().position(|(found, _)| *found == name).unwrap_or_else(|| {
            rows.push((name, vec![None; results.models.len()]));
            rows.len() - 1
        });
        rows[at].1[model] = Some(100.0 * score.value);
    }
    let wide = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    let columns: Vec<_> = results.models.iter().map(|model| model.label.chars().count().max(7)).collect();
    let mut text = format!("\n{:wide$}", "%");
    for (model, column) in results.models.iter().zip(&columns) {
        let _ = write!(text, "  {:>column$}", model.label);
    }
    text.push('\n');
    for (name, values) in rows {
        let _ = write!(text, "{name:wide$}");
        for (value, column) in values.iter().zip(&columns) {
            match value {
                Some(value) => {
                    let _ = write!(text, "  {value:>column$.1}");
                }
                None => {
                    let _ = write!(text, "  {:>column$}", "-");
                }
            }
        }
        text.push('\n');
    }
    text
}
