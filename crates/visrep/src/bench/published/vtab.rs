//! VTAB as suites: the tasks by a linear classifier on frozen features, and by fine-tuning.

use std::path::Path;
use visrep_data::{Fingerprint, InMemory, Splits};
use visrep_models::Model;
use visrep_probe::{Error, Findings, FineTunePreset, OpenSuite, Suite, SuiteContext, SuiteInfo};
use visrep_vtab::{
    Adaptation, FineTuneAdaptation, FrozenLinear, OpenOptions, Task, TaskData, VtabBenchmark, VtabSuite,
};

/// VTAB with one way to adapt a network.
struct Vtab {
    info: SuiteInfo,
    adaptation: fn() -> Box<dyn Adaptation>,
}

const EXPECTS: &[&str] = &["vtab/TASK/, vtab-1k/TASK/ or TASK/, as `visrep data get vtab/TASK` makes it"];
const PUBLISHED: &str = "nineteen datasets: `visrep data get --list`";

const fn vtab(name: &'static str, about: &'static str, adaptation: fn() -> Box<dyn Adaptation>) -> Vtab {
    Vtab { info: SuiteInfo { name, about, expects: EXPECTS, published: PUBLISHED }, adaptation }
}

static FINE_TUNED: Vtab = vtab(
    "vtab",
    "19 tasks of 1000 images each, the network fine-tuned by VTAB's protocol (hours on a CPU)",
    || Box::new(FineTuneAdaptation::new(FineTunePreset::Vtab)),
);
static LINEAR: Vtab =
    vtab("vtab-linear", "19 tasks of 1000 images each, a linear classifier on frozen features", || {
        Box::new(FrozenLinear::default())
    });

/// The table.
pub static SUITES: [&dyn Suite; 2] = [&FINE_TUNED, &LINEAR];

impl Suite for Vtab {
    fn info(&self) -> SuiteInfo {
        self.info
    }

    fn tasks(&self) -> Vec<String> {
        Task::VTAB.iter().map(ToString::to_string).collect()
    }

    fn open(
        &self,
        root: &Path,
        task: Option<&str>,
        context: &SuiteContext,
    ) -> Result<Box<dyn OpenSuite>, Error> {
        let chosen: Vec<Task> = Task::VTAB
            .into_iter()
            .filter(|known| task.is_none_or(|task| task == known.to_string()))
            .collect();
        let options = OpenOptions { seed: context.seed, limit: context.limit };
        let found = VtabSuite::open_tasks(root, &chosen, &options);
        let suite = self.info.name;
        if found.found.is_empty() {
            // Data that are there and cannot be right are no missing data.
            if let Some(damaged) =
                found.missing.iter().find(|task| !matches!(task.reason, visrep_vtab::Error::Missing { .. }))
            {
                return Err(Error::Suite { suite, message: damaged.reason.to_string() });
            }
            let paths = vec![root.join("vtab"), root.join("vtab-1k")];
            return Err(Error::MissingData { suite, paths, published: PUBLISHED });
        }
        let notes = found.missing.iter().map(|task| task.reason.to_string()).collect();
        let benchmark = VtabBenchmark::with(found, (self.adaptation)());
        Ok(Box::new(Opened { suite, benchmark, notes, one: task.is_some() }))
    }
}

struct Opened {
    suite: &'static str,
    benchmark: VtabBenchmark,
    /// What is missing.
    notes: Vec<String>,
    /// Whether one task alone was asked for, which has no means.
    one: bool,
}

impl Opened {
    fn tasks(&self) -> &[TaskData] {
        &self.benchmark.suite().found
    }
}

impl OpenSuite for Opened {
    fn fingerprint(&self) -> Result<u64, Error> {
        let mut hash = Fingerprint::new();
        for data in self.tasks().iter().flat_map(|task| [&task.train1000, &task.test]) {
            hash.number(data.fingerprint()?);
        }
        Ok(hash.finish())
    }

    fn run(&self, model: &Model, context: &SuiteContext) -> Result<Findings, Error> {
        // Tasks bring their own data: the context's splits are not read.
        let none = || std::sync::Arc::new(InMemory::new(Vec::new(), Vec::new()));
        let splits = Splits { train: none(), test: none(), description: String::new() };
        let probing = context.on(splits, self.suite);
        let wrong = |error: visrep_vtab::Error| match error {
            visrep_vtab::Error::Probe(error) => error,
            error => Error::Suite { suite: self.suite, message: error.to_string() },
        };
        let mut scores = Vec::new();
        for task in self.tasks() {
            context.go_on()?;
            let name = task.task.to_string();
            let found = || self.benchmark.run_task(task, model, &probing).map_err(wrong);
            scores.push(context.parts.get(&name, found)?);
        }
        if !self.one {
            scores.extend(self.benchmark.means(&scores, model, &probing).map_err(wrong)?);
        }
        for score in &mut scores {
            self.suite.clone_into(&mut score.suite);
            let place = std::mem::replace(&mut score.data, self.suite.to_owned());
            score.protocol.insert("data".to_owned(), place);
        }
        Ok(Findings { scores, notes: self.notes.clone(), ..Findings::default() })
    }
}
