//! Accuracies as a table with a row for each model and a column for each set, which `visrep score effective-robustness` reads.

use crate::bench::results::Results;
use anyhow::Result;

/// Every top-1 in percent: a column is called by its suite, or `SUITE/TASK` where a suite has several. What was not measured is empty.
pub fn csv(results: &Results) -> Result<Vec<u8>> {
    let mut columns: Vec<String> = Vec::new();
    let mut rows: Vec<Vec<Option<f64>>> = vec![Vec::new(); results.models.len()];
    for score in results.scores.iter().filter(|score| score.metric == "top1") {
        let Some(model) = results.model_of(score) else { continue };
        let name = if score.task == score.suite {
            score.suite.clone()
        } else {
            format!("{}/{}", score.suite, score.task)
        };
        let column = columns.iter().position(|column| *column == name).unwrap_or_else(|| {
            columns.push(name);
            columns.len() - 1
        });
        let row = &mut rows[model];
        row.resize(row.len().max(column + 1), None);
        row[column] = Some(100.0 * score.value);
    }
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    let heading = std::iter::once("model").chain(columns.iter().map(String::as_str));
    writer.write_record(heading)?;
    for (model, values) in results.models.iter().zip(&rows) {
        let value = |column: usize| match values.get(column) {
            Some(Some(value)) => value.to_string(),
            _ => String::new(),
        };
        let values: Vec<String> = (0..columns.len()).map(value).collect();
        writer.write_record(std::iter::once(model.id.as_str()).chain(values.iter().map(String::as_str)))?;
    }
    Ok(writer.into_inner()?)
}
