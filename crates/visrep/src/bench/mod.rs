//! `visrep bench`: models measured on images, to `results.json` and a report.

pub mod compare;
mod contestants;
mod figures;
pub mod headline;
mod packed;
mod paired;
mod pictures;
pub mod published;
pub mod results;
mod settings;
mod similarity;
pub mod spread;
pub mod study;
mod suites;
pub mod table;
#[cfg(test)]
pub mod testing;
pub mod unit;

use crate::commands::compute::Compute;
use crate::report;
use crate::source::Source;
use anyhow::{Context as _, Result};
pub use contestants::Interrupted;
use contestants::{Contestant, Training};
use results::{DatasetEntry, Details, Results};
pub use settings::Settings;
use std::path::{Path, PathBuf};
use std::time::Instant;
use visrep_data::Splits;
use visrep_probe::limited;

/// What to measure, and how.
pub struct Plan {
    /// The user's model and data; without it, the default comparison on the embedded images.
    pub own: Option<Own>,
    /// How; `results.json` and `report.html` go to its folder.
    pub settings: Settings,
}

/// A user's model and images.
pub struct Own {
    /// The model's name.
    pub model: String,
    /// Its weights; a random initialisation without.
    pub weights: Option<PathBuf>,
    /// The images.
    pub data: Source,
}

/// One data set of the comparison.
struct Set {
    entry: DatasetEntry,
    splits: Splits,
}

/// Runs the plan and writes its two files; prints the table.
pub fn run(plan: &Plan) -> Result<()> {
    let started = Instant::now();
    std::fs::create_dir_all(&plan.settings.out)
        .with_context(|| format!("cannot create {}", plan.settings.out.display()))?;
    let contestants = contestants(plan)?;
    let sets = sets(plan)?;
    let mut results = Results {
        schema: 1,
        visrep: env!("CARGO_PKG_VERSION").to_owned(),
        command: plan.settings.command.clone(),
        finished: String::new(),
        seconds: 0.0,
        environment: environment(
            &plan.settings.compute,
            plan.settings.workers,
            plan.settings.batch_size,
            plan.settings.seed,
        ),
        models: contestants.iter().map(|contestant| contestant.entry.clone()).collect(),
        datasets: sets.iter().map(|set| set.entry.clone()).collect(),
        scores: Vec::new(),
        details: Details::default(),
    };
    let mut gallery = report::gallery::Gallery::default();
    for set in &sets {
        suites::measure(plan, set, &contestants, &mut results, &mut gallery)?;
    }
    suites::similarity(plan, &contestants, &mut results, &mut gallery)?;
    if let Some(contestant) = contestants.iter().find(|contestant| contestant.recipe.is_some()) {
        gallery.views = pictures::views(contestant, &*Source::AllFixtures.open_train()?, plan.settings.seed)?;
    }
    results.finished = now();
    results.seconds = started.elapsed().as_secs_f64();
    let (json, html) = (plan.settings.out.join("results.json"), plan.settings.out.join("report.html"));
    write(&json, &serde_json::to_vec_pretty(&results)?)?;
    write(&html, report::render(&results, &gallery)?.as_bytes())?;
    let table = table::render(&results);
    crate::commands::output::say(&format!(
        "{table}\nresults  {}\nreport   {}\n",
        json.display(),
        html.display()
    ))
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    crate::commands::output::replace(path, |temporary| Ok(std::fs::write(temporary, bytes)?))
}

fn contestants(plan: &Plan) -> Result<Vec<Contestant>> {
    match &plan.own {
        None => contestants::trained_here(&Training {
            folder: &plan.settings.out.join("runs"),
            seed: plan.settings.seed,
            compute: &plan.settings.compute,
            workers: plan.settings.workers,
            stop: plan.settings.stop.clone(),
        }),
        Some(Own { model, weights: Some(weights), .. }) => Ok(vec![
            contestants::random(model, plan.settings.seed, &plan.settings.compute)?,
            contestants::own(model, weights, &plan.settings.compute)?,
        ]),
        Some(Own { model, weights: None, .. }) => {
            Ok(vec![contestants::random(model, plan.settings.seed, &plan.settings.compute)?])
        }
    }
}

fn sets(plan: &Plan) -> Result<Vec<Set>> {
    let sources = match &plan.own {
        None => vec![(Source::Digits, "Digits"), (Source::Patches, "Photo patches")],
        Some(own) => vec![(own.data.clone(), "")],
    };
    sources.into_iter().map(|(source, label)| Set::open(&source, label, plan)).collect()
}

impl Set {
    fn open(source: &Source, label: &str, plan: &Plan) -> Result<Self> {
        let Splits { train, test, mut description } = source.splits()?;
        let (train, test) = match plan.settings.limit {
            None => (train, test),
            Some(limit) => {
                description += &format!("; at most {limit} images of each");
                (limited(train, limit), limited(test, limit))
            }
        };
        let id = source.to_string();
        let label = match (label, source) {
            ("", Source::Path(path)) => {
                path.file_name().map_or_else(|| id.clone(), |name| name.to_string_lossy().into_owned())
            }
            ("", _) => id.clone(),
            (label, _) => label.to_owned(),
        };
        let classes = train.classes().to_vec();
        let entry = DatasetEntry {
            id,
            label,
            split: description.clone(),
            train: train.len(),
            test: test.len(),
            classes,
        };
        Ok(Self { entry, splits: Splits { train, test, description } })
    }
}

fn environment(compute: &Compute, workers: usize, batch_size: usize, seed: u64) -> Vec<(String, String)> {
    let version = visrep_torch::version();
    [
        ("processor", processor()),
        ("LibTorch", version.to_string()),
        ("device", visrep_torch::device_name(compute.device)),
        ("precision", compute.precision.to_string()),
        ("threads", format!("{} for LibTorch, {} that load images", tch::get_num_threads(), workers)),
        ("batch", batch_size.to_string()),
        ("seed", seed.to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// The processor's name where the system tells it, else its architecture.
fn processor() -> String {
    let named = std::fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    named.unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

/// The time in RFC 3339, UTC, to the second.
fn now() -> String {
    let now = time::OffsetDateTime::now_utc().replace_nanosecond(0);
    let text = now.ok().and_then(|now| now.format(&time::format_description::well_known::Rfc3339).ok());
    text.unwrap_or_default()
}
