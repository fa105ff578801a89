//! Remote sensing as a suite: land use and land cover by linear classifiers on frozen features.

use super::vtab::{measure, of_suite, probe_error, without_data};
use std::path::Path;
use std::sync::Arc;
use visrep_data::{Dataset, Fingerprint};
use visrep_metrics::Score;
use visrep_models::Model;
use visrep_probe::{Benchmark as _, Error, Findings, OpenSuite, Parts, Suite, SuiteContext, SuiteInfo};
use visrep_vtab::{
    BigEarthNetBenchmark, LandCover, OpenOptions, Task, VtabBenchmark, VtabSuite, task_folders,
};

const INFO: SuiteInfo = SuiteInfo {
    name: "remote-sensing",
    about: "EuroSAT, RESISC45, UC Merced, So2Sat and BigEarthNet by linear classifiers on frozen features of 1000 images",
    expects: &["vtab/TASK/ or TASK/, as `visrep data get remote-sensing/TASK` makes it"],
    published: "five datasets: `visrep data get --list`",
};

/// Those whose images have one class each.
const SINGLE: [Task; 4] = [Task::EuroSat, Task::Resisc45, Task::UcMerced, Task::So2Sat];
const COVERS: [LandCover; 2] = [LandCover::Classes19, LandCover::Classes43];

struct RemoteSensing;

/// The table.
pub static SUITES: [&dyn Suite; 1] = [&RemoteSensing];

impl Suite for RemoteSensing {
    fn info(&self) -> SuiteInfo {
        INFO
    }

    fn tasks(&self) -> Vec<String> {
        let single = SINGLE.iter().map(|task| task.name());
        single.chain(COVERS.map(LandCover::task)).map(String::from).collect()
    }

    fn about_task(&self, task: &str) -> Option<String> {
        COVERS.into_iter().find(|cover| cover.task() == task).map(|cover| {
            let classes = cover.classes().len();
            format!("BigEarthNet with {classes} classes, several for an image: mean average precision and F1")
        })
    }

    fn open(
        &self,
        root: &Path,
        task: Option<&str>,
        context: &SuiteContext,
    ) -> Result<Box<dyn OpenSuite>, Error> {
        let options = OpenOptions { seed: context.seed, limit: context.limit };
        let asked = |name: &str| task.is_none_or(|task| task == name);
        let single: Vec<Task> = SINGLE.into_iter().filter(|task| asked(task.name())).collect();
        let covers: Vec<_> = COVERS.into_iter().filter(|cover| asked(cover.task())).collect();
        let looked = match (single.as_slice(), covers.as_slice()) {
            ([one], []) => task_folders(root, *one),
            ([], [_]) => task_folders(root, Task::BigEarthNet),
            _ => vec![root.join("vtab"), root.join("eurosat")],
        };
        let single = VtabSuite::open_tasks(root, &single, &options);
        let mut reasons: Vec<_> = Vec::new();
        let mut several = Vec::new();
        for opened in BigEarthNetBenchmark::open_all(root, &covers, &options) {
            match opened {
                Ok(found) => several.push(found),
                Err(error) => reasons.push(error),
            }
        }
        let VtabSuite { found, missing } = single;
        reasons.extend(missing.into_iter().map(|missing| missing.reason));
        if found.is_empty() && several.is_empty() {
            let is_missing =
                |reason: &visrep_vtab::Error| matches!(reason, visrep_vtab::Error::Missing { .. });
            return Err(match reasons.into_iter().find(|reason| !is_missing(reason)) {
                Some(damaged) => probe_error(INFO.name, damaged),
                None => Error::MissingData { suite: INFO.name, paths: looked, published: INFO.published },
            });
        }
        let notes = reasons.iter().map(ToString::to_string).collect();
        let single = VtabBenchmark::new(VtabSuite { found, missing: Vec::new() });
        Ok(Box::new(Opened { single, several, notes }))
    }
}

struct Opened {
    single: VtabBenchmark,
    several: Vec<BigEarthNetBenchmark>,
    /// What is missing.
    notes: Vec<String>,
}

impl Opened {
    fn sets(&self) -> impl Iterator<Item = &Arc<dyn Dataset>> {
        let single = self.single.suite().found.iter().flat_map(|task| [&task.train1000, &task.test]);
        single.chain(self.several.iter().flat_map(BigEarthNetBenchmark::images))
    }
}

impl OpenSuite for Opened {
    fn fingerprint(&self) -> Result<u64, Error> {
        let mut hash = Fingerprint::new();
        for data in self.sets() {
            hash.number(data.fingerprint()?);
        }
        Ok(hash.finish())
    }

    fn stamp(&self) -> u64 {
        Fingerprint::of_stamps(self.sets())
    }

    fn run(&self, model: &Model, context: &SuiteContext) -> Result<Findings, Error> {
        let probing = without_data(context, INFO.name);
        let mut findings = measure(&self.single, INFO.name, model, context, &probing)?;
        for benchmark in &self.several {
            context.go_on()?;
            let name = Parts::name_of(benchmark.task(), Fingerprint::of_stamps(benchmark.images()));
            let scores: Vec<Score> = context.parts.get(&name, || benchmark.run(model, &probing))?;
            // What was kept may have been measured when the same weights lay elsewhere.
            let scores = scores.into_iter().map(|score| Score { weights: context.weights.clone(), ..score });
            findings.scores.extend(scores.map(|score| of_suite(score, INFO.name)));
        }
        findings.notes.clone_from(&self.notes);
        Ok(findings)
    }
}
