//! What both halves of the protocol share: finding the datasets, and their figures with the mean over them.

use crate::fine_tune::FineTuneSearch;
use crate::frozen::Frozen;
use crate::{Error, TransferData, TransferDataset, TransferLabels, open_transfer};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use visrep_data::{Dataset, Fingerprint};
use visrep_metrics::{mean, wilson};
use visrep_models::Model;
use visrep_probe::{
    Findings, LEVEL, OpenSuite, Parts, Recorder, Suite, SuiteContext, SuiteInfo, TaskVerdicts, limited,
};

pub(crate) const EXPECTS: &[&str] = &[
    "transfer/NAME/{train,val,test}, any images that --data takes, or as published:",
    "food-101/, cifar-10-batches-bin/, cifar-100-binary/, SUN397/, fgvc-aircraft-2013b/, VOCdevkit/VOC2007/,",
    "dtd/, oxford-iiit-pet/, caltech-101/, flowers-102/, or below vtab/ as `visrep data get` puts them",
];
pub(crate) const PUBLISHED: &str =
    "their authors; `visrep data get vtab/{cifar100,dtd,pets,caltech101,flowers102,sun397}`";

/// The suites of this crate: the classifier of frozen features, and fine-tuning with the paper's search.
pub const SUITES: [&dyn Suite; 2] = [&TransferSuite(Frozen), &TransferSuite(FineTuneSearch::PAPER)];

/// How a network becomes a classifier of a dataset.
pub(crate) trait Classifier: Copy + Sync + 'static {
    /// What a list says of the suite.
    fn info(&self) -> SuiteInfo;

    /// Whether it takes so long that it is run only where it is named.
    fn by_name_only(&self) -> bool {
        false
    }

    /// Why a dataset is none for it.
    fn left_out(&self, dataset: TransferDataset) -> Option<&'static str>;

    /// What holds for all datasets, as entries of a protocol.
    fn entries(
        &self,
        model: &Model,
        context: &SuiteContext,
    ) -> Result<BTreeMap<String, String>, visrep_probe::Error>;

    /// Fits it to a dataset, and tests it.
    fn measure(&self, data: &TransferData, model: &Model, context: &SuiteContext) -> Result<Measured, Error>;
}

/// The datasets with one kind of classifier.
pub(crate) struct TransferSuite<C>(pub(crate) C);

impl<C: Classifier> TransferSuite<C> {
    fn datasets(&self) -> impl Iterator<Item = TransferDataset> {
        TransferDataset::ALL.into_iter().filter(|&dataset| self.0.left_out(dataset).is_none())
    }
}

impl<C: Classifier> Suite for TransferSuite<C> {
    fn info(&self) -> SuiteInfo {
        self.0.info()
    }

    fn tasks(&self) -> Vec<String> {
        self.datasets().map(|dataset| dataset.to_string()).collect()
    }

    fn by_name_only(&self) -> bool {
        self.0.by_name_only()
    }

    fn open(
        &self,
        root: &Path,
        task: Option<&str>,
        context: &SuiteContext,
    ) -> Result<Box<dyn OpenSuite>, visrep_probe::Error> {
        let info = self.0.info();
        let (mut found, mut missing, mut paths) = (Vec::new(), Vec::new(), Vec::new());
        let mut notes = Vec::new();
        for dataset in self.datasets() {
            if task.is_some_and(|task| task != dataset.info().name) {
                continue;
            }
            match open_transfer(root, dataset) {
                Ok(data) => found.push(limit(data, context)),
                Err(error @ Error::Missing { .. }) => {
                    missing.push(error.to_string());
                    paths.push(root.join("transfer").join(dataset.info().name));
                }
                // One that is damaged does not keep the others from being measured.
                Err(error) if task.is_none() => notes.push(format!("{dataset}: {error}")),
                Err(error) => return Err(of_suite(info.name, error)),
            }
        }
        if let (true, Some(first)) = (found.is_empty(), notes.first()) {
            return Err(visrep_probe::Error::Suite { suite: info.name, message: first.clone() });
        }
        if found.is_empty() {
            let (suite, published) = (info.name, info.published);
            return Err(visrep_probe::Error::MissingData { suite, paths, published });
        }
        notes.extend(missing);
        if task.is_none() {
            let why = |dataset| self.0.left_out(dataset).map(|why| format!("{dataset} is left out: {why}"));
            notes.extend(TransferDataset::ALL.into_iter().filter_map(why));
        }
        Ok(Box::new(Opened { classifier: self.0, found, notes, whole: task.is_none() }))
    }
}

/// At most so many images of each split.
fn limit(mut data: TransferData, context: &SuiteContext) -> TransferData {
    if let Some(limit) = context.limit {
        let cut = |set: &Arc<dyn Dataset>| limited(Arc::clone(set), limit);
        if let TransferLabels::Several(labels) = &mut data.labels {
            for (labels, set) in labels.iter_mut().zip([&data.train, &data.val, &data.test]) {
                *labels = context.places(set.len()).into_iter().map(|place| labels[place]).collect();
            }
        }
        (data.train, data.val, data.test) = (cut(&data.train), cut(&data.val), cut(&data.test));
    }
    data
}

struct Opened<C> {
    classifier: C,
    found: Vec<TransferData>,
    /// What is missing or damaged, or no dataset for such a classifier.
    notes: Vec<String>,
    /// Whether all were asked for, of which there are means.
    whole: bool,
}

/// What a dataset's measurement came to.
#[derive(Serialize, Deserialize)]
pub(crate) struct Measured {
    /// The dataset's figure.
    pub value: f64,
    /// Test images.
    pub n: usize,
    /// The protocol's entries that are this dataset's.
    pub entries: BTreeMap<String, String>,
    /// Where images have one class.
    pub verdicts: Option<TaskVerdicts>,
}

impl<C: Classifier> OpenSuite for Opened<C> {
    fn fingerprint(&self) -> Result<u64, visrep_probe::Error> {
        let mut hash = Fingerprint::new();
        for data in self.found.iter().flat_map(|found| [&found.train, &found.val, &found.test]) {
            hash.number(data.fingerprint()?);
        }
        for labels in self.found.iter().flat_map(|found| match &found.labels {
            TransferLabels::Single => [].as_slice(),
            TransferLabels::Several(splits) => splits.as_slice(),
        }) {
            for label in labels.iter().flatten() {
                hash.number(label.map_or(2, u64::from));
            }
        }
        Ok(hash.finish())
    }

    fn stamp(&self) -> u64 {
        let mut hash = Fingerprint::new();
        self.found.iter().for_each(|found| hash.number(found.stamp()));
        hash.finish()
    }

    fn run(&self, model: &Model, context: &SuiteContext) -> Result<Findings, visrep_probe::Error> {
        let suite = self.classifier.info().name;
        let mut record = Recorder::new(suite, model, context);
        record.findings.notes.clone_from(&self.notes);
        record.protocol.extend(self.classifier.entries(model, context)?);
        let shared = record.protocol.clone();
        let (mut names, mut logits, mut diverged) = (Vec::new(), Vec::new(), None);
        for data in &self.found {
            context.go_on()?;
            let info = data.dataset.info();
            let measure =
                || self.classifier.measure(data, model, context).map_err(|error| of_suite(suite, error));
            let part = Parts::name_of(info.name, data.stamp());
            let measured: Measured = match context.parts.get(&part, measure) {
                Ok(measured) => measured,
                // No setting does on this dataset; that says nothing of the others.
                Err(error) if self.whole && error.is_divergence() => {
                    record.findings.notes.push(format!("{} is left out: {error}", info.name));
                    diverged = Some(error);
                    continue;
                }
                Err(error) => return Err(error),
            };
            record.protocol.clone_from(&shared);
            record.protocol.extend(measured.entries);
            record.entry("splits", data.description.clone());
            // Of a mean over classes there is no such interval.
            let right =
                measured.verdicts.as_ref().map(|found| found.correct.iter().filter(|&&right| right).count());
            let interval = match right {
                Some(right) if info.metric.name() == "top1" => Some(wilson(right, measured.n, LEVEL)?),
                _ => None,
            };
            record.figure(info.name, info.metric.name(), measured.value, measured.n, interval);
            record.findings.verdicts.extend(measured.verdicts);
            names.push(info.name);
            logits.push(logit(measured.value, measured.n));
        }
        if let (true, Some(error)) = (names.is_empty(), diverged) {
            return Err(error);
        }
        record.protocol = shared;
        if self.whole && logits.len() > 1 {
            record.entry("datasets", format!("{}: {}", names.len(), names.join(", ")));
            let said = "the accuracy whose logit ln(p / (1 - p)) is the mean of the datasets'; p at least half an image from 0 and 1";
            record.entry("mean", said);
            let mean = mean(&logits)?;
            record.figure("mean", "logit-mean", 1.0 / (1.0 + (-mean).exp()), logits.len(), None);
        }
        Ok(record.findings)
    }
}

/// The paper's average over datasets is of logits, which count an error halved alike everywhere.
fn logit(value: f64, n: usize) -> f64 {
    let half = 0.5 / n.max(1) as f64;
    let p = value.clamp(half, 1.0 - half);
    (p / (1.0 - p)).ln()
}

fn of_suite(suite: &'static str, error: Error) -> visrep_probe::Error {
    match error {
        Error::Probe(error) => error,
        error => visrep_probe::Error::Suite { suite, message: error.to_string() },
    }
}
