//! `visrep bench study`.

use super::compare::read;
use crate::bench::study::{ACCURACY, Accuracies, Study};
use crate::commands::output::{replace, say};
use crate::commands::score::table::{Table, Unique};
use crate::report;
use anyhow::Result;
use clap::{Args, Subcommand};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// What several models' results say together
#[derive(Args)]
pub struct StudyArgs {
    #[command(subcommand)]
    study: Kind,
}

#[derive(Subcommand)]
enum Kind {
    Perceptual(Perceptual),
}

/// Perceptual scores against ImageNet accuracy
///
/// Do better classifiers make better perceptual distances? (Kumar et al. 2022: up to a point, beyond which they make worse ones.) Takes the
/// accuracies and the means of bapps-2afc and bapps-jnd of all models in the files, prints for each form of distance how the two go
/// together and which model scores best, and writes study.json, study.csv and study.html with a plot for each form.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    visrep bench imagenet-val bapps-2afc --model resnet18 --weights A --model resnet50 --weights B --data ROOT --out runs\n  \
    visrep bench study perceptual runs/results.json\n  \
    visrep bench study perceptual a/results.json b/results.json --accuracies top1.csv\n\n\
    top1.csv gives accuracies in percent, by the models' ids or architectures:\n\n    \
    model,accuracy\n    \
    resnet18,69.76")]
struct Perceptual {
    /// The files
    #[arg(value_name = "RESULTS.json", required = true)]
    files: Vec<PathBuf>,
    /// The accuracy: SUITE, or SUITE/TASK
    #[arg(long, value_name = "SUITE", default_value = ACCURACY)]
    accuracy: String,
    /// Accuracies measured elsewhere: CSV with the columns model and accuracy, in percent
    #[arg(long, value_name = "A.csv", conflicts_with = "accuracy")]
    accuracies: Option<PathBuf>,
    /// Where the study goes
    #[arg(long, value_name = "DIR", default_value = "target/visrep/study")]
    out: PathBuf,
}

impl StudyArgs {
    pub fn run(self) -> Result<()> {
        let Kind::Perceptual(study) = self.study;
        study.run()
    }
}

impl Perceptual {
    fn run(self) -> Result<()> {
        let sides = self.files.iter().map(|file| read(file)).collect::<Result<Vec<_>>>()?;
        let accuracies = match &self.accuracies {
            Some(path) => Accuracies::Given(given(path)?, path.display().to_string()),
            None => Accuracies::Suite(self.accuracy),
        };
        let study = Study::new(&sides, &accuracies)?;
        let put =
            |name: &str, bytes: &[u8]| replace(&self.out.join(name), |path| Ok(std::fs::write(path, bytes)?));
        put("study.json", &serde_json::to_vec_pretty(&study)?)?;
        put("study.csv", &study.csv()?)?;
        put("study.html", report::study::render(&study)?.as_bytes())?;
        say(&format!("{study}\nstudy  {}\n", self.out.join("study.html").display()))
    }
}

/// The accuracies of a table, as fractions.
fn given(path: &Path) -> Result<HashMap<String, f64>> {
    let table = Table::read(path)?;
    let (mut found, mut names) = (HashMap::new(), Unique::new());
    for [model, accuracy] in table.columns(["model", "accuracy"])? {
        names.add(model.text.to_owned(), model)?;
        found.insert(
            model.text.to_owned(),
            accuracy.number_in(0.0..=100.0, "a percentage from 0 to 100")? / 100.0,
        );
    }
    Ok(found)
}
