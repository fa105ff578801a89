//! Measurements on published datasets that are known by name: what a command line lists, opens and runs.
//!
//! A [`Suite`] is a row of a plain table (`&[&dyn Suite]`); any crate can have one, and tables are put together by whoever runs them.
//! Opening a suite looks for its data under a root folder; what is opened can be run on one model after the other, and says by
//! [`OpenSuite::fingerprint`] whether it is still the same data.

use crate::verdicts::TaskVerdicts;
use crate::{Context, Error, ExtractOptions, Figure, Parts, compute_protocol, preprocessing_protocol};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use visrep_data::{Dataset, Splits, Subset};
use visrep_metrics::{Calibration, Interval, Score};
use visrep_models::Model;
use visrep_torch::Precision;

/// What a list says of a suite.
#[derive(Clone, Copy, Debug)]
pub struct SuiteInfo {
    /// Its name, as people type it: `imagenet-a`.
    pub name: &'static str,
    /// What it measures, in one line.
    pub about: &'static str,
    /// The files or folders under the root that it reads, the way the published archives unpack.
    pub expects: &'static [&'static str],
    /// Where these are published.
    pub published: &'static str,
}

/// A measurement on data of its own.
pub trait Suite: Sync {
    /// What a list says of it.
    fn info(&self) -> SuiteInfo;

    /// The names of the parts that can be run alone, as `NAME/TASK`; none where there is but one.
    fn tasks(&self) -> Vec<String> {
        Vec::new()
    }

    /// What a task of [`Self::tasks`] is, in one line, where its name does not say it.
    fn about_task(&self, _task: &str) -> Option<String> {
        None
    }

    /// Whether it takes so long that it is run only where it is named, not with all suites.
    fn by_name_only(&self) -> bool {
        false
    }

    /// Finds the data under `root`, of all tasks or of one. Reads names and labels, no image.
    ///
    /// # Errors
    /// [`Error::MissingData`] where nothing of the data is there; any other error where it is there and cannot be right.
    fn open(
        &self,
        root: &Path,
        task: Option<&str>,
        context: &SuiteContext,
    ) -> Result<Box<dyn OpenSuite>, Error>;
}

/// A suite whose data were found.
pub trait OpenSuite {
    /// A number that is another one for other data.
    fn fingerprint(&self) -> Result<u64, Error>;

    /// A number that changes when the images do and their names do not, as [`Dataset::stamp`] tells it: what is finished is then run
    /// again. Parts of what was stopped are found by the stamps of their own images, where a suite has several sets: a damaged file that was
    /// mended is no reason to lose the others.
    fn stamp(&self) -> u64 {
        0
    }

    /// Measures `model`, which is not changed.
    fn run(&self, model: &Model, context: &SuiteContext) -> Result<Findings, Error>;
}

/// What all suites of one run share.
#[derive(Clone, Debug)]
pub struct SuiteContext {
    /// Where the model's weights come from, in scores.
    pub weights: String,
    /// At most so many images of each set (sequences, of sequences), evenly spread.
    pub limit: Option<usize>,
    /// The seed of everything that is drawn.
    pub seed: u64,
    /// Threads that read and decode.
    pub workers: usize,
    /// Images per forward pass.
    pub batch_size: usize,
    /// Draw progress bars.
    pub progress: bool,
    /// In which precision networks run.
    pub precision: Precision,
    /// A folder for features; `None` keeps none.
    pub cache: Option<PathBuf>,
    /// Where parts of the measurement are kept when they are finished; for this model and data alone.
    pub parts: Parts,
    /// Raised when the work should stop.
    pub stop: Arc<AtomicBool>,
}

impl Default for SuiteContext {
    /// All images, seed 0, a worker per core, batches of 64, fp32, no progress bars, no cache, no parts.
    fn default() -> Self {
        Self {
            weights: String::new(),
            limit: None,
            seed: 0,
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            batch_size: 64,
            progress: false,
            precision: Precision::Fp32,
            cache: None,
            parts: Parts::default(),
            stop: Arc::default(),
        }
    }
}

impl SuiteContext {
    /// Errs with [`Error::Interrupted`] when the work should stop; for loops to ask now and then.
    pub fn go_on(&self) -> Result<(), Error> {
        if self.stop.load(Ordering::Relaxed) { Err(Error::Interrupted) } else { Ok(()) }
    }

    /// Places in a row of `count`, evenly spread so that all classes of an ordered set stay: all, or as many as the limit allows.
    pub fn places(&self, count: usize) -> Vec<usize> {
        spread(count, self.limit.unwrap_or(count))
    }

    /// What a [`Benchmark`](crate::Benchmark) runs in: these settings, and `splits` of the data that scores call `data`.
    pub fn on(&self, splits: Splits, data: &str) -> Context {
        let mut context = Context::new(splits, data, &self.weights);
        context.cache.clone_from(&self.cache);
        context.seed = self.seed;
        context.workers = self.workers;
        context.batch_size = self.batch_size;
        context.progress = self.progress;
        context.precision = self.precision;
        context.stop = Arc::clone(&self.stop);
        context
    }

    /// How features are extracted here: what the classifier reads, with the model's own normalisation.
    pub fn extract_options(&self) -> ExtractOptions {
        ExtractOptions {
            batch_size: self.batch_size,
            workers: self.workers,
            cache: self.cache.clone(),
            progress: self.progress,
            precision: self.precision,
            ..ExtractOptions::default()
        }
    }

    /// `data`, or as much of it as the limit allows.
    pub fn limited(&self, data: Arc<dyn Dataset>) -> Arc<dyn Dataset> {
        match self.limit {
            Some(limit) => limited(data, limit),
            None => data,
        }
    }
}

/// At most `limit` samples, evenly spread so that all classes of an ordered set stay.
pub fn limited(data: Arc<dyn Dataset>, limit: usize) -> Arc<dyn Dataset> {
    if data.len() <= limit {
        return data;
    }
    let indices = spread(data.len(), limit);
    Arc::new(Subset::new(data, indices))
}

/// `limit` places in a row of `count`, or all where there are no more.
fn spread(count: usize, limit: usize) -> Vec<usize> {
    let limit = limit.min(count);
    (0..limit).map(|nth| nth * count / limit).collect()
}

/// What a suite found about one model.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Findings {
    /// Every figure with its protocol.
    pub scores: Vec<Score>,
    /// What figures are made of, image by image, for paired comparison.
    pub verdicts: Vec<TaskVerdicts>,
    /// Calibration with the bins of a reliability diagram.
    pub reliability: Vec<(String, Calibration)>,
    /// What a reader should know: parts that are missing, figures that could not be computed.
    pub notes: Vec<String>,
}

/// Findings while they are gathered: a suite, a model, and the protocol that its figures share.
pub struct Recorder<'a> {
    suite: &'a str,
    model: &'a Model,
    context: &'a SuiteContext,
    /// What holds for the figures that follow; entries may be changed between figures.
    pub protocol: BTreeMap<String, String>,
    /// What was found so far.
    pub findings: Findings,
}

impl<'a> Recorder<'a> {
    /// Begins with the entries that every suite has: preprocessing, precision, memory format, seed, and the limit if there is one.
    pub fn new(suite: &'a str, model: &'a Model, context: &'a SuiteContext) -> Self {
        let mut protocol = BTreeMap::from([
            ("preprocessing".to_owned(), preprocessing_protocol(model.preprocessing())),
            ("seed".to_owned(), context.seed.to_string()),
        ]);
        protocol.extend(compute_protocol(model, context.precision).map(|(key, value)| (key.into(), value)));
        if let Some(limit) = context.limit {
            protocol.insert("limit".into(), format!("at most {limit}, evenly spread: not the published set"));
        }
        Self { suite, model, context, protocol, findings: Findings::default() }
    }

    /// Sets an entry of the protocol for the figures that follow.
    pub fn entry(&mut self, key: &str, value: impl Into<String>) {
        self.protocol.insert(key.to_owned(), value.into());
    }

    /// Adds a figure of `task` over `n` samples.
    pub fn figure(
        &mut self,
        task: impl Into<String>,
        metric: &'static str,
        value: f64,
        n: usize,
        interval: Option<Interval>,
    ) {
        self.add(Figure { task: task.into(), metric, value, n, interval });
    }

    /// What `measure` finds, as a part of this name, unique within the measurement, that is kept in the context's [`Parts`]: where it is
    /// finished, its findings are added and nothing is measured. Entries of the protocol are to be set before it, or within.
    ///
    /// # Errors
    /// Those of `measure`, and a file that cannot be written.
    pub fn part<E: From<Error>>(
        &mut self,
        name: &str,
        measure: impl FnOnce(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        let earlier = std::mem::take(&mut self.findings);
        let found = self.context.parts.get(name, || -> Result<Findings, E> {
            measure(self)?;
            Ok(std::mem::take(&mut self.findings))
        });
        self.findings = earlier;
        let Findings { scores, verdicts, reliability, notes } = found?;
        // What was kept may have been measured when the same weights lay elsewhere.
        let weights = &self.context.weights;
        self.findings
            .scores
            .extend(scores.into_iter().map(|score| Score { weights: weights.clone(), ..score }));
        self.findings.verdicts.extend(verdicts);
        self.findings.reliability.extend(reliability);
        self.findings.notes.extend(notes);
        Ok(())
    }

    /// Adds a figure.
    pub fn add(&mut self, figure: Figure) {
        self.findings.scores.push(Score {
            suite: self.suite.into(),
            task: figure.task,
            metric: figure.metric.into(),
            value: figure.value,
            n: figure.n,
            interval: figure.interval,
            protocol: self.protocol.clone(),
            model: self.model.name().into(),
            weights: self.context.weights.clone(),
            data: self.suite.into(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use visrep_augment::RgbImage;
    use visrep_data::{InMemory, Sample, SampleImage};

    #[test]
    fn a_part_that_is_finished_is_not_measured_again() {
        let folder = tempfile::tempdir().unwrap();
        let context = SuiteContext { parts: Parts::in_folder(folder.path()), ..Default::default() };
        let model = Model::create("resnet10t", &Default::default()).unwrap();
        let run = |fails: bool| {
            let mut record = Recorder::new("ours", &model, &context);
            record.figure("before", "top1", 0.5, 2, None);
            for task in ["a", "b"] {
                let part = record.part(task, |record| {
                    assert!(record.findings.scores.is_empty());
                    record.findings.notes.push(format!("{task} was measured"));
                    if fails && task == "b" {
                        return Err(Error::Interrupted);
                    }
                    // Another number in the second run, where it is measured then.
                    record.figure(task, "top1", if fails { 0.25 } else { 0.75 }, 4, None);
                    Ok(())
                });
                if part.is_err() {
                    assert_eq!(record.findings.scores.len(), 2, "what was there stays");
                }
            }
            record.findings
        };
        run(true);
        let found = run(false);
        let scores: Vec<_> = found.scores.iter().map(|score| (score.task.as_str(), score.value)).collect();
        assert_eq!(scores, [("before", 0.5), ("a", 0.25), ("b", 0.75)]);
        assert_eq!(found.notes, ["a was measured", "b was measured"]);
    }

    #[test]
    fn a_limit_spreads_over_the_set() {
        let sample = |i: u32| Sample {
            image: SampleImage::Decoded(RgbImage::filled(1, 1, [0; 3])),
            label: Some(i / 4),
            key: i.to_string(),
        };
        let data: Arc<dyn Dataset> =
            Arc::new(InMemory::new((0..12).map(sample).collect(), vec!["a".into(), "b".into(), "c".into()]));
        let context = |limit| SuiteContext { limit, ..Default::default() };
        let keys = |data: Arc<dyn Dataset>| (0..data.len()).map(|i| data.key(i)).collect::<Vec<_>>();
        assert_eq!(keys(context(Some(5)).limited(Arc::clone(&data))), ["0", "2", "4", "7", "9"]);
        assert_eq!(context(Some(12)).limited(Arc::clone(&data)).len(), 12);
        assert_eq!(context(None).limited(data).len(), 12);
    }
}
