//! VTAB as suites: the tasks by a linear classifier on frozen features, and by the published protocols of fine-tuning.

use std::path::Path;
use std::sync::Arc;
use visrep_data::{Dataset, Fingerprint, InMemory, Splits};
use visrep_metrics::Score;
use visrep_models::Model;
use visrep_probe::{
    Context, Error, Findings, OpenSuite, Parts, Suite, SuiteContext, SuiteInfo, TaskVerdicts,
};
use visrep_vtab::{
    ADAPTER_PAPER, ADAPTER_PAPER_LINEAR, Adaptation, FrozenLinear, LIGHTWEIGHT_SWEEP, OFFICIAL, OpenOptions,
    Task, TaskData, VtabBenchmark, VtabSuite, task_folders,
};

/// VTAB with one way to adapt a network.
struct Vtab {
    info: SuiteInfo,
    adaptation: fn() -> Box<dyn Adaptation>,
    tasks: Tasks,
    /// Whether `all` leaves it out.
    long: bool,
}

/// Where tasks come from.
#[derive(Clone, Copy)]
enum Tasks {
    /// VTAB's, from folders.
    Published,
    /// Those that are drawn.
    Drawn,
}

const EXPECTS: &[&str] = &["vtab/TASK/, vtab-1k/TASK/ or TASK/, as `visrep data get vtab/TASK` makes it"];
const PUBLISHED: &str = "16 datasets: `visrep data get --list`";
/// Test images of a drawn task, unless `--limit` says otherwise.
const DRAWN_TEST: usize = 2000;

const fn vtab(name: &'static str, about: &'static str, adaptation: fn() -> Box<dyn Adaptation>) -> Vtab {
    let info = SuiteInfo { name, about, expects: EXPECTS, published: PUBLISHED };
    Vtab { info, adaptation, tasks: Tasks::Published, long: false }
}

const fn long(name: &'static str, about: &'static str, adaptation: fn() -> Box<dyn Adaptation>) -> Vtab {
    Vtab { long: true, ..vtab(name, about, adaptation) }
}

static OFFICIAL_RUN: Vtab = vtab(
    "vtab",
    "19 tasks of 1000 images each, the network fine-tuned by VTAB's official run (hours on a CPU)",
    || OFFICIAL.adaptation(),
);
static LINEAR: Vtab =
    vtab("vtab-linear", "19 tasks of 1000 images each, logistic regression on frozen features", || {
        Box::new(FrozenLinear::default())
    });
static LIGHTWEIGHT: Vtab = long(
    "vtab-lightweight",
    "the same by VTAB's lightweight sweep: the best of four fine-tunings on the 200, trained on the 1000 (days on a CPU)",
    || LIGHTWEIGHT_SWEEP.adaptation(),
);
static ADAPTER: Vtab = long(
    "vtab-adapter",
    "full fine-tuning as in papers on adapters and prompts (VPT's): the best of 16 on the 200, five seeds on the 1000 (days on a CPU)",
    || ADAPTER_PAPER.adaptation(),
);
static ADAPTER_LINEAR: Vtab = vtab(
    "vtab-adapter-linear",
    "the linear classifier of the same papers: gradient descent on frozen features, the best of 40, five seeds",
    || ADAPTER_PAPER_LINEAR.adaptation(),
);
static DRAWN: Vtab = Vtab {
    info: SuiteInfo {
        name: "vtab-sprites",
        about: "dSprites' and smallNORB's tasks on drawn sprites and toys, logistic regression on frozen features; not VTAB's scores",
        expects: &[],
        published: "drawn by visrep, with the published latents",
    },
    tasks: Tasks::Drawn,
    ..vtab("", "", || Box::new(FrozenLinear::default()))
};

/// The table.
pub static SUITES: [&dyn Suite; 6] =
    [&OFFICIAL_RUN, &LINEAR, &LIGHTWEIGHT, &ADAPTER, &ADAPTER_LINEAR, &DRAWN];

impl Tasks {
    fn list(self) -> Vec<Task> {
        match self {
            Self::Published => Task::VTAB.into(),
            Self::Drawn => vec![
                Task::DspritesLocation,
                Task::DspritesOrientation,
                Task::SmallNorbAzimuth,
                Task::SmallNorbElevation,
            ],
        }
    }

    fn open(
        self,
        root: &Path,
        chosen: &[Task],
        context: &SuiteContext,
    ) -> Result<VtabSuite, visrep_vtab::Error> {
        let options = OpenOptions { seed: context.seed, limit: context.limit };
        Ok(match self {
            Self::Published => VtabSuite::open_tasks(root, chosen, &options),
            Self::Drawn => {
                let limit = Some(context.limit.unwrap_or(DRAWN_TEST));
                let mut drawn = VtabSuite::drawn(&OpenOptions { limit, ..options })?;
                drawn.found.retain(|data| chosen.contains(&data.task));
                drawn
            }
        })
    }
}

impl Suite for Vtab {
    fn info(&self) -> SuiteInfo {
        self.info
    }

    fn tasks(&self) -> Vec<String> {
        self.tasks.list().iter().map(ToString::to_string).collect()
    }

    fn by_name_only(&self) -> bool {
        self.long
    }

    fn open(
        &self,
        root: &Path,
        task: Option<&str>,
        context: &SuiteContext,
    ) -> Result<Box<dyn OpenSuite>, Error> {
        let all = self.tasks.list();
        let chosen: Vec<Task> =
            all.into_iter().filter(|known| task.is_none_or(|task| task == known.name())).collect();
        let suite = self.info.name;
        let wrong = |error: &visrep_vtab::Error| Error::Suite { suite, message: error.to_string() };
        let found = self.tasks.open(root, &chosen, context).map_err(|error| wrong(&error))?;
        if found.found.is_empty() {
            // Data that are there and cannot be right are no missing data.
            if let Some(damaged) =
                found.missing.iter().find(|task| !matches!(task.reason, visrep_vtab::Error::Missing { .. }))
            {
                return Err(wrong(&damaged.reason));
            }
            let paths = match chosen.as_slice() {
                [one] => task_folders(root, *one),
                _ => vec![root.join("vtab"), root.join("vtab-1k")],
            };
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
        for data in self
            .tasks()
            .iter()
            .flat_map(|task| [Some(&task.train1000), task.trainval1000.as_ref(), Some(&task.test)])
        {
            hash.number(data.map_or(Ok(0), |data| data.fingerprint())?);
        }
        Ok(hash.finish())
    }

    fn stamp(&self) -> u64 {
        Fingerprint::of_stamps(self.tasks().iter().flat_map(sets_of))
    }

    fn run(&self, model: &Model, context: &SuiteContext) -> Result<Findings, Error> {
        let probing = without_data(context, self.suite);
        let mut findings = measure(&self.benchmark, self.suite, model, context, &probing)?;
        if !self.one {
            let means = self.benchmark.means(&findings.scores, model, &probing);
            let means = means.map_err(|error| probe_error(self.suite, error))?;
            findings.scores.extend(means.into_iter().map(|score| of_suite(score, self.suite)));
        }
        findings.notes.clone_from(&self.notes);
        Ok(findings)
    }
}

/// The images of a task.
fn sets_of(task: &TaskData) -> impl Iterator<Item = &Arc<dyn Dataset>> {
    [Some(&task.train1000), task.trainval1000.as_ref(), Some(&task.test)].into_iter().flatten()
}

/// A context for tasks that bring their own data: its splits are not read.
pub fn without_data(context: &SuiteContext, suite: &str) -> Context {
    let none = || std::sync::Arc::new(InMemory::new(Vec::new(), Vec::new()));
    context.on(Splits { train: none(), test: none(), description: String::new() }, suite)
}

/// An error of visrep-vtab's as one of a suite.
pub fn probe_error(suite: &'static str, error: visrep_vtab::Error) -> Error {
    match error {
        visrep_vtab::Error::Probe(error) => error,
        error => Error::Suite { suite, message: error.to_string() },
    }
}

/// A score as the suite's own, whose protocol says where the data are.
pub fn of_suite(score: Score, suite: &str) -> Score {
    let mut score = Score { suite: suite.to_owned(), ..score };
    let place = std::mem::replace(&mut score.data, suite.to_owned());
    score.protocol.insert("data".to_owned(), place);
    score
}

/// Every task's score, and its verdicts where the score is that of one run.
pub fn measure(
    benchmark: &VtabBenchmark,
    suite: &'static str,
    model: &Model,
    context: &SuiteContext,
    probing: &Context,
) -> Result<Findings, Error> {
    let mut findings = Findings::default();
    for task in &benchmark.suite().found {
        context.go_on()?;
        let name = Parts::name_of(&task.name(), Fingerprint::of_stamps(sets_of(task)));
        let (score, verdicts): (Score, Vec<TaskVerdicts>) = context.parts.get(&name, || {
            measure_task(benchmark, task, model, probing).map_err(|error| probe_error(suite, error))
        })?;
        // What was kept may have been measured when the same weights lay elsewhere.
        let score = Score { weights: context.weights.clone(), ..score };
        findings.scores.push(of_suite(score, suite));
        findings.verdicts.extend(verdicts);
    }
    Ok(findings)
}

/// A task's score with the verdicts of each run that it averages: of one by the task's name, of several by `TASK/run-N`.
fn measure_task(
    benchmark: &VtabBenchmark,
    task: &TaskData,
    model: &Model,
    probing: &Context,
) -> Result<(Score, Vec<TaskVerdicts>), visrep_vtab::Error> {
    let (score, runs) = benchmark.report_task(task, model, probing)?;
    let test = &task.test;
    let labels: Vec<i64> = test.labels()?.into_iter().map(|label| label.map_or(-1, i64::from)).collect();
    let several = runs.len() > 1;
    let verdicts = runs.into_iter().enumerate().map(|(run, evaluation)| {
        let name = if several { format!("{}/run-{run}", score.task) } else { score.task.clone() };
        let keys = (0..test.len()).map(|index| test.key(index));
        TaskVerdicts::new(name, keys, &labels, evaluation.correct)
    });
    let verdicts = verdicts.collect();
    Ok((score, verdicts))
}
