//! Results as tables for other programs and for people: CSV and Markdown.

use crate::bench::headline::Headlines;
use crate::bench::results::Results;
use crate::bench::table;
use anyhow::Result;
use std::fmt::Write;

/// Every figure, one to a line; its protocol as a JSON object.
pub fn csv(results: &Results) -> Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record([
        "model", "weights", "data", "suite", "task", "metric", "value", "low", "high", "n", "protocol",
    ])?;
    for score in &results.scores {
        let name = results.model_of(score).map_or(score.model.as_str(), |model| &results.models[model].id);
        let end = |end: Option<f64>| end.map(|end| end.to_string()).unwrap_or_default();
        let interval = score.interval.as_ref();
        writer.write_record([
            name,
            &score.weights,
            &score.data,
            &score.suite,
            &score.task,
            &score.metric,
            &score.value.to_string(),
            &end(interval.map(|interval| interval.low)),
            &end(interval.map(|interval| interval.high)),
            &score.n.to_string(),
            &serde_json::to_string(&score.protocol)?,
        ])?;
    }
    Ok(writer.into_inner()?)
}

/// The figures that stand for their suites, one column for each model, with their units and intervals; notes; and what was missing.
pub fn markdown(results: &Results, missing: &[(String, String)]) -> String {
    let columns = results.models.len();
    let headlines = Headlines::of(results);
    let rows = table::rows(&results.scores, columns, |score| {
        Some((results.model_of(score)?, headlines.name(score)?))
    });
    let cell = |text: &str| text.replace('|', "\\|");
    let mut text = String::from("# visrep bench\n\nWith 95 % intervals.\n\n| | |");
    results.models.iter().for_each(|model| text.push_str(&format!(" {} |", cell(&model.label))));
    text.push_str("\n|---|---|");
    text.push_str(&"---:|".repeat(columns));
    text.push('\n');
    for row in rows {
        let _ = write!(text, "| {} | {} |", cell(&row.name), row.unit.symbol());
        for score in row.scores {
            let value = score.map_or_else(String::new, |score| {
                let interval = score.interval.as_ref().map_or_else(String::new, |interval| {
                    format!(" ({} to {})", row.unit.text(interval.low, 2), row.unit.text(interval.high, 2))
                });
                format!("{}{interval}", row.unit.text(score.value, 2))
            });
            let _ = write!(text, " {value} |");
        }
        text.push('\n');
    }
    text.push('\n');
    for model in &results.models {
        let _ = writeln!(text, "- **{}**: {}, {}", model.label, model.architecture, model.weights);
    }
    for suite in results.suites() {
        for (about, note) in results.notes(suite) {
            let _ = writeln!(text, "- note on {about}, {suite}: {note}");
        }
    }
    for (name, why) in missing {
        let _ = writeln!(text, "- missing, {name}: {why}");
    }
    let _ = writeln!(text, "\n`{}`, visrep {}, {}.", results.command, results.visrep, results.finished);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::testing;
    use visrep_metrics::{Score, wilson};

    fn results() -> Results {
        let score = |weights: &str, suite: &str, metric: &str, value: f64| Score {
            interval: Some(wilson(10, 40, 0.95).unwrap()),
            weights: weights.into(),
            ..testing::score(suite, suite, metric, value)
        };
        let scores = vec![
            score("a|b", "imagenet-a", "top1", 0.25),
            score("a|b", "imagenet-a", "nll", 3.5),
            score("c", "imagenet-r", "top1", 0.5),
        ];
        Results { command: "visrep bench".into(), ..testing::results(&["a|b", "c"], scores) }
    }

    #[test]
    fn every_figure_is_in_the_csv_and_the_main_ones_in_the_table() {
        let results = results();
        let text = String::from_utf8(csv(&results).unwrap()).unwrap();
        assert_eq!(text.lines().count(), 4);
        assert!(text.contains("a|b,a|b,imagenet-a,imagenet-a,imagenet-a,top1,0.25,0.14"), "{text}");
        let missing = [("objectnet".to_owned(), "there is no x".to_owned())];
        let text = markdown(&results, &missing);
        assert!(text.contains("| imagenet-a: top-1 | % | 25.00 (14.19 to 40.19) |  |"), "{text}");
        assert!(text.contains("| imagenet-r: top-1 | % |  | 50.00"), "{text}");
        assert!(
            text.contains("a\\|b |") && !text.contains("nll") && text.contains("missing, objectnet"),
            "{text}"
        );
    }
}
