//! CIFAR-10-C: every corruption of CIFAR-10's test images as one NumPy array, the severities one after the other.

use super::corruptions::{condition, partial, record_figures};
use super::folder::{find, need};
use super::head::{Classes, Pass, View};
use super::published::{Measure, Published};
use crate::corruption_figures::CorruptionFigures;
use crate::{ConditionResult, Error, LabelSpace};
use std::path::Path;
use std::sync::Arc;
use visrep_corrupt::{Corruption, Severity};
use visrep_data::{Dataset, NpyOptions, RawImages, Subset};
use visrep_models::Model;
use visrep_probe::{Findings, SuiteContext, SuiteInfo};

const INFO: SuiteInfo = SuiteInfo {
    name: "cifar-10-c",
    about: "CIFAR-10's test images under corruption (Hendrycks & Dietterich 2019)",
    expects: &["CIFAR-10-C/CORRUPTION.npy", "CIFAR-10-C/labels.npy"],
    published: "zenodo.org, record 2535967, CIFAR-10-C.tar",
};

const PLACES: &[&str] = &["CIFAR-10-C", "cifar-10-c"];

/// The images of an array that has its labels beside it.
pub(super) fn labelled_array(path: &Path) -> Result<Arc<dyn Dataset>, Error> {
    let data = RawImages::open_npy(path, &NpyOptions::default())?;
    let wrong = |problem: String| Error::Layout { path: path.into(), problem };
    match data.labels()?.iter().position(|label| !matches!(label, Some(0..10))) {
        None => Ok(Arc::new(data)),
        Some(row) => Err(wrong(match data.label(row) {
            Some(label) => format!("has the label {label} for image {row}, which is none of CIFAR-10's 10 classes"),
            None => "has no labels: labels.npy, or the file with 'labels' for 'data' in its name, must lie beside it".into(),
        })),
    }
}

/// The suite.
pub(super) struct Cifar10C;

impl Published for Cifar10C {
    type Found = Opened;

    fn info(&self) -> SuiteInfo {
        INFO
    }

    fn find(&self, root: &Path, _task: Option<&str>, context: &SuiteContext) -> Result<Opened, Error> {
        let folder = need(&INFO, root, PLACES)?;
        let (mut corruptions, mut sizes, mut notes) = (Vec::new(), Vec::new(), Vec::new());
        for corruption in Corruption::ALL {
            let name = format!("{corruption}.npy");
            let Some(path) = find(&folder, &[&name]) else {
                if Corruption::BENCHMARK.contains(&corruption) {
                    notes.push(format!("{corruption}: there is no {}", folder.join(name).display()));
                }
                continue;
            };
            let all = labelled_array(&path)?;
            if all.len() % 5 != 0 || all.is_empty() {
                let problem =
                    format!("holds {} images, which are no five severities of equally many", all.len());
                return Err(Error::Layout { path, problem });
            }
            let each = all.len() / 5;
            sizes.push((corruption.name().to_owned(), each));
            let severity = |at: usize| {
                let indices = (at * each..(at + 1) * each).collect();
                context.limited(Arc::new(Subset::new(Arc::clone(&all), indices)))
            };
            corruptions.push((corruption, std::array::from_fn(severity)));
        }
        if corruptions.is_empty() {
            let problem = "holds no array of a corruption, such as gaussian_noise.npy".into();
            return Err(Error::Layout { path: folder, problem });
        }
        notes.extend(partial(&sizes, 10_000));
        Ok(Opened { corruptions, notes })
    }
}

pub(super) struct Opened {
    corruptions: Vec<(Corruption, [Arc<dyn Dataset>; 5])>,
    notes: Vec<String>,
}

impl Measure for Opened {
    fn sets(&self) -> Vec<&Arc<dyn Dataset>> {
        self.corruptions.iter().flat_map(|(_, severities)| severities).collect()
    }

    fn measure(&self, model: &Model, context: &SuiteContext) -> Result<Findings, Error> {
        let mut record = Classes::Cifar10.begin(INFO.name, model, context, &self.notes)?;
        record.entry("corruption", "as published, from the arrays");
        let pass = Pass { model, context };
        let mut results: Vec<(Corruption, Vec<ConditionResult>)> = Vec::new();
        for (corruption, severities) in &self.corruptions {
            let mut of_severities = Vec::with_capacity(5);
            for (severity, data) in Severity::ALL.into_iter().zip(severities) {
                let found = Some((*corruption, severity));
                let (result, verdicts) = condition(&pass, Arc::clone(data), View::Evaluation, found)?;
                record.findings.verdicts.push(verdicts);
                of_severities.push(result);
            }
            results.push((*corruption, of_severities));
        }
        let figures =
            CorruptionFigures { clean: None, corruptions: &results, label_space: LabelSpace::Other };
        record_figures(&mut record, &figures)?;
        Ok(record.findings)
    }
}
