//! `visrep bench SUITE…`: published test sets by name, one table for all models, resumable.

mod export;
mod ledger;
mod perceptual;
pub mod registry;
mod remote_sensing;
mod sprites;
mod transfer;
mod vtab;
mod wide;

use super::results::ModelEntry;
use super::{Interrupted, Settings, environment, now, table, write};
use crate::commands::output::say;
use crate::report;
use anyhow::{Context as _, Result, bail};
use ledger::Ledger;
use registry::Unit;
use std::path::{Path, PathBuf};
use std::time::Instant;
use visrep_data::Fingerprint;
use visrep_models::Model;
use visrep_probe::{Error, Findings, OpenSuite, Parts, SuiteContext, weights_hash};

/// What to measure, and how.
pub struct Plan {
    /// The suites.
    pub units: Vec<Unit>,
    /// Each model's name and weights.
    pub models: Vec<(String, PathBuf)>,
    /// The folder with the published sets.
    pub root: PathBuf,
    /// Whether to forget what is there.
    pub fresh: bool,
    /// How.
    pub settings: Settings,
}

/// A suite whose data are there.
struct Found {
    unit: Unit,
    opened: Box<dyn OpenSuite>,
    fingerprint: u64,
    stamp: u64,
}

/// Runs what is not finished yet, model by model, and writes the results after each suite. Suites whose data are missing are told and
/// left out; what fails is told at the end, when everything else is done.
///
/// # Errors
/// Where nothing could be measured, or something failed.
pub fn run(plan: &Plan) -> Result<()> {
    let started = Instant::now();
    std::fs::create_dir_all(&plan.settings.out)
        .with_context(|| format!("cannot create {}", plan.settings.out.display()))?;
    let mut ledger = Ledger::open(&plan.settings.out.join("results.json"), plan.fresh)?;
    let parts = plan.settings.out.join("parts");
    if plan.fresh {
        forget_parts(&parts)?;
    }
    for (_, weights) in &plan.models {
        if !weights.exists() {
            bail!("there are no weights at {}", weights.display());
        }
    }
    let (mut failures, mut missing) = (Vec::new(), Vec::new());
    let mut found = Vec::new();
    for unit in &plan.units {
        let context = plan.settings.context("");
        match open(unit, plan, &context) {
            Ok((opened, fingerprint)) => {
                let stamp = opened.stamp();
                found.push(Found { unit: unit.clone(), opened, fingerprint, stamp });
            }
            Err(error @ Error::MissingData { .. }) => {
                let info = unit.suite.info();
                // Where it has a command, the error's words for the place are these with it.
                let text = error.to_string().replace(info.published, &registry::published(&info));
                eprintln!("MISSING  {text}: skipped");
                // It begins with the suite's name, which stands beside it wherever it is shown.
                let why = text.split_once(": ").map_or(text.as_str(), |(_, why)| why);
                missing.push((unit.name(), why.to_owned()));
            }
            Err(error) => failures.push(format!("{}: {error}", unit.name())),
        }
    }
    if found.is_empty() {
        let failed = failures.into_iter().map(|failure| format!("\n  {failure}"));
        let missed = missing.iter().map(|(name, why)| format!("\n  {name}: {why}"));
        bail!(
            "nothing could be measured under {}; `visrep bench --list` says what is expected there{}",
            plan.root.display(),
            failed.chain(missed).collect::<String>()
        );
    }
    let mut told: Vec<String> = Vec::new();
    for (name, weights) in &plan.models {
        let opened = crate::commands::open_model(Some(name), weights, &plan.settings.compute);
        let (hash, model) = match opened.and_then(|model| Ok((weights_hash(&model)?, model))) {
            Ok(found) => found,
            Err(error) => {
                failures.push(format!("{name}: {error:#}"));
                continue;
            }
        };
        let shown = format!("{} (sha256 {})", weights.display(), &hash[..12]);
        let id = ledger.model(entry(&model, name, weights, &shown));
        for suite in &found {
            plan.settings.go_on()?;
            let unit = suite.unit.name();
            let signature = plan.signature(&unit, suite.fingerprint, &hash, &model);
            // Parts know their images' files by themselves; what is finished is so for these contents of all of them.
            let finished = format!("{signature}-{:016x}", suite.stamp);
            if ledger.has(&id, &unit, &finished) {
                eprintln!("{id}: {unit} is finished (--fresh runs it again)");
                continue;
            }
            if plan.settings.limit.is_some() && ledger.is_whole(&id, &suite.unit) {
                let failure = format!(
                    "{id}: {unit}: {} has its figures of all images, which a trial would take the place of: name another --out",
                    ledger.path().display()
                );
                eprintln!("FAILED  {failure}");
                failures.push(failure);
                continue;
            }
            let parts = Parts::in_folder(parts.join(&signature));
            match parts.finished() {
                0 => eprintln!("{id}: {unit}"),
                finished => eprintln!("{id}: {unit}, {finished} parts of which are finished"),
            }
            let context = SuiteContext { parts: parts.clone(), ..plan.settings.context(&shown) };
            match suite.opened.run(&model, &context) {
                Ok(mut findings) => {
                    mark_trial(&mut findings, plan.settings.limit);
                    // A note on several models is told once.
                    for note in &findings.notes {
                        let note = format!("note: {unit}: {note}");
                        if !told.contains(&note) {
                            eprintln!("{note}");
                            told.push(note);
                        }
                    }
                    ledger.add(&id, &suite.unit, finished, findings);
                    ledger.results.command.clone_from(&plan.settings.command);
                    ledger.results.environment = environment(
                        &plan.settings.compute,
                        plan.settings.workers,
                        plan.settings.batch_size,
                        plan.settings.seed,
                    );
                    ledger.results.finished = now();
                    ledger.results.seconds = started.elapsed().as_secs_f64();
                    ledger.save()?;
                    parts.clear()?;
                }
                Err(Error::Interrupted | Error::Stopped { .. }) => return Err(Interrupted.into()),
                Err(error) => {
                    eprintln!("FAILED  {id}: {unit}: {error}");
                    failures.push(format!("{id}: {unit}: {error}"));
                }
            }
        }
    }
    let results = &ledger.results;
    if !results.scores.is_empty() {
        let file = |name: &str| plan.settings.out.join(name);
        write(&file("results.csv"), &export::csv(results)?)?;
        write(&file("accuracies.csv"), &wide::csv(results)?)?;
        write(&file("results.md"), export::markdown(results, &missing).as_bytes())?;
        write(&file("report.html"), report::suites::render(results, &missing)?.as_bytes())?;
        let shown = |name: &str| file(name).display().to_string();
        say(&format!(
            "{}\nresults  {}\n         {}\n         {}\nreport   {}\n",
            table::render(results),
            shown("results.json"),
            shown("results.csv"),
            shown("results.md"),
            shown("report.html")
        ))?;
    }
    if failures.is_empty() {
        return Ok(());
    }
    bail!("{} of what was asked for failed:\n  {}", failures.len(), failures.join("\n  "))
}

/// Says of every figure of a trial that it is one, where the suite does not.
fn mark_trial(findings: &mut Findings, limit: Option<usize>) {
    let Some(limit) = limit else { return };
    for score in &mut findings.scores {
        let said = || format!("at most {limit} images of each set: not the published one");
        score.protocol.entry("limit".to_owned()).or_insert_with(said);
    }
}

/// Removes what stopped runs have left: the folders named by signatures, whatever else is there.
fn forget_parts(folder: &Path) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.len() == 16 && name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            Parts::in_folder(entry.path()).clear()?;
        }
    }
    Ok(())
}

fn open(unit: &Unit, plan: &Plan, context: &SuiteContext) -> Result<(Box<dyn OpenSuite>, u64), Error> {
    let opened = unit.suite.open(&plan.root, unit.task.as_deref(), context)?;
    let fingerprint = opened.fingerprint()?;
    Ok((opened, fingerprint))
}

fn entry(model: &Model, name: &str, weights: &std::path::Path, shown: &str) -> ModelEntry {
    let file = weights.file_name().unwrap_or(weights.as_os_str()).to_string_lossy();
    ModelEntry {
        id: name.to_owned(),
        label: name.to_owned(),
        about: format!("weights {file}"),
        architecture: model.name().to_owned(),
        weights: shown.to_owned(),
        parameters: model.parameter_count(),
    }
}

impl Plan {
    /// A hash of all that a suite's figures depend on.
    fn signature(&self, unit: &str, data: u64, weights: &str, model: &Model) -> String {
        let device = if self.settings.compute.device == tch::Device::Cpu { "cpu" } else { "accelerator" };
        let text = format!(
            "{unit} {data:016x} {weights} {:?} {:?} {} {device} {:?} {}",
            model.preprocessing(),
            self.settings.limit,
            self.settings.seed,
            self.settings.compute.protocol(model),
            env!("CARGO_PKG_VERSION"),
        );
        format!("{:016x}", Fingerprint::of(&text))
    }
}
