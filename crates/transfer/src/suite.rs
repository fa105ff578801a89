//! The protocol as a suite: `visrep bench transfer`.

use crate::fit::{Several, several, single};
use crate::{Error, TransferData, TransferDataset, TransferLabels, open_transfer};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use visrep_data::{Dataset, Fingerprint, Views};
use visrep_metrics::{mean, wilson};
use visrep_models::{CropMode, Interpolation, Model, Preprocessing};
use visrep_probe::{
    FeatureSet, Findings, LEVEL, OpenSuite, Pooling, Recorder, Suite, SuiteContext, SuiteInfo, TaskVerdicts,
    eval_transform, extract_views, limited, preprocessing_protocol,
};

const INFO: SuiteInfo = SuiteInfo {
    name: "transfer",
    about: "logistic regression on frozen features of 12 datasets, the penalty searched (Kornblith et al. 2019)",
    expects: &[
        "transfer/NAME/{train,val,test}, any images that --data takes, or as published:",
        "food-101/, cifar-10-batches-bin/, cifar-100-binary/, SUN397/, fgvc-aircraft-2013b/, VOCdevkit/VOC2007/,",
        "dtd/, oxford-iiit-pet/, caltech-101/, flowers-102/, or below vtab/ as `visrep data get` puts them",
    ],
    published: "their authors; `visrep data get vtab/{cifar100,dtd,pets,caltech101,flowers102,sun397}`",
};

struct Transfer;

/// The suites of this crate.
pub const SUITES: [&dyn Suite; 1] = [&Transfer];

impl Suite for Transfer {
    fn info(&self) -> SuiteInfo {
        INFO
    }

    fn tasks(&self) -> Vec<String> {
        TransferDataset::ALL.map(|dataset| dataset.to_string()).to_vec()
    }

    fn open(
        &self,
        root: &Path,
        task: Option<&str>,
        context: &SuiteContext,
    ) -> Result<Box<dyn OpenSuite>, visrep_probe::Error> {
        let (mut found, mut missing, mut paths) = (Vec::new(), Vec::new(), Vec::new());
        let mut wrong = Vec::new();
        for dataset in TransferDataset::ALL {
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
                Err(error) if task.is_none() => wrong.push(format!("{dataset}: {error}")),
                Err(error) => return Err(of_suite(error)),
            }
        }
        if let (true, Some(first)) = (found.is_empty(), wrong.first()) {
            return Err(visrep_probe::Error::Suite { suite: INFO.name, message: first.clone() });
        }
        missing.splice(..0, wrong);
        if found.is_empty() {
            return Err(visrep_probe::Error::MissingData {
                suite: INFO.name,
                paths,
                published: INFO.published,
            });
        }
        Ok(Box::new(Opened { found, missing, whole: task.is_none() }))
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

struct Opened {
    found: Vec<TransferData>,
    missing: Vec<String>,
    /// Whether all were asked for, of which there are means.
    whole: bool,
}

/// What a dataset's measurement came to.
#[derive(Serialize, Deserialize)]
struct Measured {
    value: f64,
    c: Option<f64>,
    n: usize,
    train: usize,
    verdicts: Option<TaskVerdicts>,
}

impl OpenSuite for Opened {
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

    fn run(&self, model: &Model, context: &SuiteContext) -> Result<Findings, visrep_probe::Error> {
        let preprocessing = preprocessing(model);
        let mut record = Recorder::new(INFO.name, model, context);
        record.findings.notes.clone_from(&self.missing);
        record.entry("preprocessing", preprocessing_protocol(&preprocessing));
        record.entry("features", Pooling::PreLogits.to_string());
        record.entry(
            "classifier",
            "logistic regression by L-BFGS, bias free, 1/C of 45 from 1e-6 to 1e5 chosen on val, fitted to train and val",
        );
        let mut logits = Vec::new();
        for data in &self.found {
            context.go_on()?;
            let info = data.dataset.info();
            let measured: Measured = context
                .parts
                .get(info.name, || measure(data, model, &preprocessing, context).map_err(of_suite))?;
            record.entry("splits", data.description.clone());
            if let Some(c) = measured.c {
                record.entry("c", format!("{c:e}"));
            }
            record.entry("train_samples", measured.train.to_string());
            // Of a mean over classes there is no such interval.
            let right =
                measured.verdicts.as_ref().map(|found| found.correct.iter().filter(|&&right| right).count());
            let interval = match right {
                Some(right) if info.metric.name() == "top1" => Some(wilson(right, measured.n, LEVEL)?),
                _ => None,
            };
            record.figure(info.name, info.metric.name(), measured.value, measured.n, interval);
            record.findings.verdicts.extend(measured.verdicts);
            logits.push(logit(measured.value, measured.n));
        }
        ["splits", "c", "train_samples"].iter().for_each(|key| drop(record.protocol.remove(*key)));
        if self.whole && logits.len() > 1 {
            let names: Vec<_> = self.found.iter().map(|data| data.dataset.info().name).collect();
            record.entry("datasets", format!("{}: {}", names.len(), names.join(", ")));
            record.entry("mean", "the accuracy whose logit ln(p / (1 - p)) is the mean of the datasets'; p at least half an image from 0 and 1");
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

/// The shorter side resized to the input's, bicubic, and the centre cropped.
fn preprocessing(model: &Model) -> Preprocessing {
    Preprocessing {
        crop_pct: 1.0,
        crop_mode: CropMode::Center,
        interpolation: Interpolation::Bicubic,
        ..model.preprocessing().clone()
    }
}

fn measure(
    data: &TransferData,
    model: &Model,
    preprocessing: &Preprocessing,
    context: &SuiteContext,
) -> Result<Measured, Error> {
    let views = Views::single(eval_transform(preprocessing)?);
    let said = preprocessing_protocol(preprocessing);
    let options = context.extract_options();
    let of = |set: &Arc<dyn Dataset>| -> Result<FeatureSet, Error> {
        context.go_on()?;
        Ok(extract_views(model, Arc::clone(set), &views, &said, &options)?)
    };
    let (train, val, test) = (of(&data.train)?, of(&data.val)?, of(&data.test)?);
    let info = data.dataset.info();
    let (fitted, verdicts) = match &data.labels {
        TransferLabels::Single => {
            let fitted = single(&train, &val, &test, info.metric, data.train.classes().len())?;
            let correct = fitted.correct.clone().unwrap_or_default();
            (fitted, Some(TaskVerdicts::new(info.name, &test.keys, &test.labels, correct)))
        }
        TransferLabels::Several([of_train, of_val, of_test]) => {
            let [train, val, test] = [(&train, of_train), (&val, of_val), (&test, of_test)]
                .map(|(features, labels)| Several { features, labels });
            (several(&train, &val, &test)?, None)
        }
    };
    Ok(Measured { value: fitted.value, c: fitted.c, n: test.len(), train: train.len() + val.len(), verdicts })
}

fn of_suite(error: Error) -> visrep_probe::Error {
    match error {
        Error::Probe(error) => error,
        error => visrep_probe::Error::Suite { suite: INFO.name, message: error.to_string() },
    }
}
