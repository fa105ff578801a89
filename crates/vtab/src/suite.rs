//! All tasks that there are data for, and the benchmark over them.

use crate::adapt::{Adaptation, FrozenLinear};
use crate::open::{Origin, Whole, splits_of};
use crate::sprites::{SpriteLabel, Sprites};
use crate::{Error, NorbLabel, OpenOptions, Task, TaskData, ToyPart, Toys, open_task};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use visrep_data::Dataset;
use visrep_metrics::{Score, VTAB_TASKS, VtabGroup, mean, vtab_means};
use visrep_models::Model;
use visrep_probe::{Benchmark, Context, Evaluation, Figure, compute_protocol};

/// The suite's name in scores.
const SUITE: &str = "vtab";

/// Protocol entries: whether the 1000 examples, and the test images, are those of the authors.
const OFFICIAL_TRAIN: &str = "official_train_examples";
const OFFICIAL_TEST: &str = "official_test";

/// A task that cannot be run.
#[derive(Debug)]
pub struct MissingTask {
    /// The task.
    pub task: Task,
    /// Why, and what to do: there are no data, or what is there is damaged.
    pub reason: Error,
}

/// Tasks with their data, and those that there are none for.
#[derive(Debug, Default)]
pub struct VtabSuite {
    /// What can be run, in VTAB's order.
    pub found: Vec<TaskData>,
    /// What cannot.
    pub missing: Vec<MissingTask>,
}

impl VtabSuite {
    /// Looks for VTAB's 19 tasks under `root`.
    #[must_use]
    pub fn open(root: impl AsRef<Path>, options: &OpenOptions) -> Self {
        Self::open_tasks(root, &Task::VTAB, options)
    }

    /// Looks for `tasks` under `root`.
    #[must_use]
    pub fn open_tasks(root: impl AsRef<Path>, tasks: &[Task], options: &OpenOptions) -> Self {
        let mut suite = Self::default();
        for &task in tasks {
            match open_task(&root, task, options) {
                Ok(data) => suite.found.push(data),
                Err(reason) => suite.missing.push(MissingTask { task, reason }),
            }
        }
        suite
    }

    /// dSprites' and smallNORB's tasks on [`Sprites`] and [`Toys`], which need no data. Their scores are marked, and are none of
    /// VTAB's.
    ///
    /// # Errors
    /// None that is known; the splits are made as those of any dataset.
    pub fn drawn(options: &OpenOptions) -> Result<Self, Error> {
        let sprites = |label| {
            let all: Arc<dyn Dataset> = Arc::new(Sprites::new(label));
            let [train, val, test] = splits_of(&all, [0.8, 0.1, 0.1]);
            (train, val, test, "sprites, not dSprites")
        };
        let toys = |label| -> (Arc<dyn Dataset>, _, _, _) {
            let testing: Arc<dyn Dataset> = Arc::new(Toys::new(ToyPart::Testing, label));
            let [val, test] = splits_of(&testing, [0.5, 0.5]);
            (Arc::new(Toys::new(ToyPart::Training, label)), val, test, "toys, not smallNORB")
        };
        let tasks = [
            (Task::DspritesLocation, sprites(SpriteLabel::Location)),
            (Task::DspritesOrientation, sprites(SpriteLabel::Orientation)),
            (Task::SmallNorbAzimuth, toys(NorbLabel::Azimuth)),
            (Task::SmallNorbElevation, toys(NorbLabel::Elevation)),
        ];
        let stand_in = |(task, (train, val, test, said))| -> Result<TaskData, Error> {
            let whole = Whole {
                train,
                val: Some(val),
                test,
                origin: Origin::Drawn,
                note: format!("procedural {said}"),
            };
            let data = TaskData::from_whole(task, whole, PathBuf::from("drawn by visrep"), options)?;
            Ok(TaskData { stand_in: true, ..data })
        };
        Ok(Self { found: tasks.into_iter().map(stand_in).collect::<Result<_, _>>()?, missing: Vec::new() })
    }
}

/// VTAB with 1000 examples: each task adapted to and tested, and the means over tasks.
pub struct VtabBenchmark {
    suite: VtabSuite,
    adaptation: Box<dyn Adaptation>,
}

impl VtabBenchmark {
    /// The tasks of `suite` with a linear classifier on frozen features.
    #[must_use]
    pub fn new(suite: VtabSuite) -> Self {
        Self::with(suite, Box::new(FrozenLinear::default()))
    }

    /// The tasks of `suite`, adapted to in a way of one's own.
    #[must_use]
    pub fn with(suite: VtabSuite, adaptation: Box<dyn Adaptation>) -> Self {
        Self { suite, adaptation }
    }

    /// The tasks.
    #[must_use]
    pub fn suite(&self) -> &VtabSuite {
        &self.suite
    }

    /// One task's score.
    ///
    /// # Errors
    /// Data that cannot be read, a model that refuses them.
    pub fn run_task(&self, data: &TaskData, model: &Model, context: &Context) -> Result<Score, Error> {
        self.report_task(data, model, context).map(|(score, _)| score)
    }

    /// One task's score, and how each test image was classified, by every run that the score averages.
    ///
    /// # Errors
    /// As [`Self::run_task`].
    pub fn report_task(
        &self,
        data: &TaskData,
        model: &Model,
        context: &Context,
    ) -> Result<(Score, Vec<Evaluation>), Error> {
        let adapted = self.adaptation.adapt(model, data, context)?;
        let (value, interval) = adapted.top1(context.seed)?;
        let n = data.test.len();
        let mut protocol = self.protocol(model, context);
        protocol.extend(adapted.protocol);
        let entries = [
            ("split", data.description.clone()),
            ("train_samples", data.train1000.len().to_string()),
            (OFFICIAL_TRAIN, data.official_train.to_string()),
            (OFFICIAL_TEST, data.official_test.to_string()),
        ];
        protocol.extend(entries.map(|(key, value)| (key.to_owned(), value)));
        let figure = Figure { task: data.name(), metric: "top1", value, n, interval: Some(interval) };
        let score = context.score(model, SUITE, figure, &protocol);
        Ok((Score { data: data.place.display().to_string(), ..score }, adapted.evaluations))
    }

    /// What holds for every task.
    fn protocol(&self, model: &Model, context: &Context) -> BTreeMap<String, String> {
        let own = [("adaptation", self.adaptation.name().to_owned()), ("seed", context.seed.to_string())];
        let all = own.into_iter().chain(compute_protocol(model, context.precision));
        all.map(|(key, value)| (key.to_owned(), value)).collect()
    }

    /// The means over what `scores` of tasks there are: VTAB's own when all 19 are there, that of every whole group, and
    /// otherwise the mean of what was found, which names what is missing.
    ///
    /// # Errors
    /// Scores that are no fractions.
    pub fn means(&self, scores: &[Score], model: &Model, context: &Context) -> Result<Vec<Score>, Error> {
        let known = |name: &str| VTAB_TASKS.iter().any(|(task, _)| *task == name);
        let found: Vec<(&str, f64)> = scores
            .iter()
            .filter(|score| score.metric == "top1" && known(&score.task))
            .map(|score| (score.task.as_str(), score.value))
            .collect();
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let missing: Vec<_> = VTAB_TASKS
            .iter()
            .map(|(task, _)| *task)
            .filter(|task| found.iter().all(|(name, _)| name != task))
            .collect();
        let mut protocol = self.protocol(model, context);
        // A mean is VTAB's where all that it is of are.
        for key in [OFFICIAL_TRAIN, OFFICIAL_TEST] {
            let own = |score: &&Score| {
                score.metric == "top1"
                    && known(&score.task)
                    && score.protocol.get(key).is_some_and(|value| value == "false")
            };
            let own: Vec<_> = scores.iter().filter(own).map(|score| score.task.as_str()).collect();
            let value = if own.is_empty() { "true".to_owned() } else { format!("false: {}", own.join(", ")) };
            protocol.insert(key.into(), value);
        }
        let figure = |metric, value, n| Figure { task: "mean".into(), metric, value, n, interval: None };
        let figures = if missing.is_empty() {
            let means = vtab_means(&found)?;
            vec![
                figure("mean_19", means.mean_19, 19),
                figure("mean_of_groups", means.mean_of_groups, 19),
                figure("natural", means.natural, 7),
                figure("specialized", means.specialized, 4),
                figure("structured", means.structured, 8),
            ]
        } else {
            protocol.insert("missing_tasks".into(), missing.join(", "));
            let values: Vec<f64> = found.iter().map(|(_, value)| *value).collect();
            let mut figures = vec![figure("mean_of_found", mean(&values)?, found.len())];
            let groups = [
                ("natural", VtabGroup::Natural),
                ("specialized", VtabGroup::Specialized),
                ("structured", VtabGroup::Structured),
            ];
            for (name, group) in groups {
                let tasks: Vec<_> =
                    VTAB_TASKS.iter().filter(|(_, of)| *of == group).map(|(task, _)| *task).collect();
                let values: Vec<f64> =
                    found.iter().filter(|(task, _)| tasks.contains(task)).map(|(_, value)| *value).collect();
                if values.len() == tasks.len() {
                    figures.push(figure(name, mean(&values)?, values.len()));
                }
            }
            figures
        };
        Ok(figures.into_iter().map(|figure| context.score(model, SUITE, figure, &protocol)).collect())
    }
}

impl Benchmark for VtabBenchmark {
    fn id(&self) -> &str {
        SUITE
    }

    /// Every task's top-1 accuracy, and the means. Of `context` the resources, the cache, the seed and the names count, not its
    /// data: each task brings its own.
    fn run(&self, model: &Model, context: &Context) -> Result<Vec<Score>, visrep_probe::Error> {
        let suite = |error: Error| visrep_probe::Error::Suite { suite: SUITE, message: error.to_string() };
        if self.suite.found.is_empty() {
            let missing: Vec<_> = self.suite.missing.iter().map(|missing| missing.task.name()).collect();
            let message = format!("there are no data for any task: {}", missing.join(", "));
            return Err(visrep_probe::Error::Suite { suite: SUITE, message });
        }
        let mut scores = Vec::new();
        for data in &self.suite.found {
            scores.push(self.run_task(data, model, context).map_err(suite)?);
        }
        scores.extend(self.means(&scores, model, context).map_err(suite)?);
        Ok(scores)
    }
}
