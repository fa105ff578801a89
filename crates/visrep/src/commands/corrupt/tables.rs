//! The benchmark as Parquet files, with columns for the corruption and the severity.

use super::benchmark::{encoded, views};
use super::plan::{Kind, Plan};
use crate::commands::data::progress_bar;
use crate::commands::made::files::Done;
use crate::commands::made::record;
use crate::commands::output;
use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::sync::Arc;
use visrep_data::{Column, ConvertOptions, Dataset, Map, SampleImage, convert, recorded};

/// Writes one Parquet file, or a folder of those with so many rows each. The conditions of an image follow each other.
pub(super) fn write(plan: &Plan, rows_per_file: usize) -> Result<Done> {
    let Kind::Corruptions { jpeg, .. } = plan.kind else { bail!("sequences are no corruptions") };
    let settings = plan.settings();
    let single = rows_per_file == usize::MAX;
    if single {
        output::check(&plan.output)?;
    } else {
        std::fs::create_dir_all(&plan.output)
            .with_context(|| format!("cannot create {}", plan.output.display()))?;
    }
    for file in existing(plan, single)? {
        if let Some(found) = recorded(&file) {
            let found = found.get("note").and_then(|note| note.as_object().cloned()).unwrap_or_default();
            record::compare(&file, &found, &settings)?;
        }
    }
    let (views, pairs) = views(plan)?;
    let (rows, per_image) = (views.len(), pairs.len());
    let bytes = Map::images(Arc::new(views), move |image, key| {
        Ok(SampleImage::Encoded(encoded(&image, key, jpeg)?.into()))
    });
    let pairs = Arc::new(pairs);
    let columns = vec![
        Column::text("corruption", {
            let pairs = pairs.clone();
            move |row| pairs[row % pairs.len()].0.name().to_owned()
        }),
        Column::integer("severity", move |row| i64::from(pairs[row % pairs.len()].1.get())),
    ];
    let options = ConvertOptions {
        rows_per_file,
        skip_broken: true,
        columns,
        note: Some(settings.into()),
        ..ConvertOptions::default()
    };
    let bar = progress_bar(rows)?;
    let made = convert(&bytes, &plan.output, &options, |done| bar.set_position(done as u64))?;
    bar.finish_and_clear();
    // Each of an image's rows has failed in the same way.
    let mut broken = made.broken;
    broken.dedup();
    let left_out = (rows - made.rows).div_ceil(per_image);
    Ok(Done { written: made.files.len() - made.kept, kept: made.kept, broken, left_out })
}

/// The Parquet files that are there already.
fn existing(plan: &Plan, single: bool) -> Result<Vec<PathBuf>> {
    if single {
        return Ok(plan.output.exists().then(|| plan.output.clone()).into_iter().collect());
    }
    let mut files = Vec::new();
    let named = || plan.output.display().to_string();
    for entry in std::fs::read_dir(&plan.output).with_context(named)? {
        let path = entry.with_context(named)?.path();
        if path.extension().is_some_and(|ending| ending == "parquet") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
