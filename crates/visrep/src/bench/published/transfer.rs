//! Probes as suites, on ImageNet or on images of one's own: nearest neighbours, few-shot ridge, linear probes, fine-tuning, figures of
//! the features.

use crate::source::Source;
use std::path::Path;
use visrep_data::{Fingerprint, Splits};
use visrep_metrics::Score;
use visrep_models::Model;
use visrep_probe::{
    Benchmark as _, Context, Error, Evaluation, FewShotBenchmark, Findings, FineTuneBenchmark,
    FineTunePreset, KnnBenchmark, KnnSweepBenchmark, LinearBenchmark, LinearFit, LinearPreset,
    LinearPresetBenchmark, OpenSuite, Parts, RepresentationBenchmark, Suite, SuiteContext, SuiteInfo,
    TaskVerdicts, limited,
};

/// A probe that is fitted to training images and tested on others.
struct Probe {
    info: SuiteInfo,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Knn,
    KnnSweep(fn() -> KnnSweepBenchmark),
    FewShot(usize),
    Linear,
    Representation,
    /// Published protocols, a task each.
    Protocols(Protocols),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Protocols {
    /// Of linear evaluation, on augmented images.
    Linear,
    /// The same on features that are computed once.
    Frozen,
    FineTune,
}

const EXPECTS: &[&str] = &["imagenet/{train,val}/SYNSET/, or ROOT itself, any images that --data takes"];
const PUBLISHED: &str = "image-net.org, ILSVRC2012; or images of one's own";

const fn probe(name: &'static str, about: &'static str, kind: Kind) -> Probe {
    Probe { info: SuiteInfo { name, about, expects: EXPECTS, published: PUBLISHED }, kind }
}

static KNN: Probe =
    probe("knn", "nearest neighbours among frozen features, DINO's weighting, k = 20", Kind::Knn);
static KNN_DINO: Probe = probe(
    "knn-dino",
    "DINO's evaluation: k of 10, 20, 100 and 200, temperature 0.07, images resized to 256 bicubic",
    Kind::KnnSweep(KnnSweepBenchmark::dino),
);
static KNN_SWEEP: Probe = probe(
    "knn-sweep",
    "k from 1 to 200 by temperatures from 0.03 to 1, a figure for each: none is chosen",
    Kind::KnnSweep(KnnSweepBenchmark::grid),
);
static FEW_SHOT_1: Probe =
    probe("few-shot-1", "ridge regression on one image of each class", Kind::FewShot(1));
static FEW_SHOT_5: Probe =
    probe("few-shot-5", "ridge regression on five images of each class", Kind::FewShot(5));
static FEW_SHOT_10: Probe =
    probe("few-shot-10", "ridge regression on ten images of each class", Kind::FewShot(10));
static FEW_SHOT_25: Probe =
    probe("few-shot-25", "ridge regression on 25 images of each class", Kind::FewShot(25));
static LINEAR: Probe =
    probe("linear", "logistic regression on frozen features, its strength searched", Kind::Linear);
static LINEAR_PROTOCOL: Probe = probe(
    "linear-protocol",
    "the papers' linear evaluations as published: of all but CLIP's every epoch is a pass of the network over augmented images",
    Kind::Protocols(Protocols::Linear),
);
static LINEAR_FROZEN: Probe = probe(
    "linear-frozen",
    "the same without augmentation, on features that are computed once: cheaper, and other figures than the papers'",
    Kind::Protocols(Protocols::Frozen),
);
static FINE_TUNE: Probe = probe(
    "fine-tune",
    "the whole network with a new classifier by published protocols",
    Kind::Protocols(Protocols::FineTune),
);
static REPRESENTATION: Probe = probe(
    "representation",
    "figures of the test features, nothing fitted: class separation, CKA with the labels, retrieval mAP, effective rank",
    Kind::Representation,
);

/// The table.
pub static SUITES: [&dyn Suite; 12] = [
    &KNN,
    &KNN_DINO,
    &KNN_SWEEP,
    &FEW_SHOT_1,
    &FEW_SHOT_5,
    &FEW_SHOT_10,
    &FEW_SHOT_25,
    &LINEAR,
    &LINEAR_PROTOCOL,
    &LINEAR_FROZEN,
    &FINE_TUNE,
    &REPRESENTATION,
];

impl Protocols {
    fn names(self) -> Vec<&'static str> {
        match self {
            Self::Linear => LinearPreset::names().to_vec(),
            // CLIP's has no augmentation that could be left out.
            Self::Frozen => {
                let augments = |name: &&str| {
                    LinearPreset::named(name, 0)
                        .is_ok_and(|preset| matches!(preset.fit, LinearFit::Gradient(..)))
                };
                LinearPreset::names().iter().copied().filter(augments).collect()
            }
            Self::FineTune => FineTunePreset::names(),
        }
    }

    fn about(self, name: &str) -> Option<String> {
        match self {
            Self::Linear | Self::Frozen => {
                let LinearPreset { source, pooling, deviation, .. } = LinearPreset::named(name, 0).ok()?;
                let deviation = if deviation.is_empty() { String::new() } else { format!("; {deviation}") };
                Some(format!("{source}; reads the {pooling}{deviation}"))
            }
            Self::FineTune => Some(name.parse::<FineTunePreset>().ok()?.about().to_owned()),
        }
    }

    fn measure(
        self,
        name: &str,
        model: &Model,
        context: &Context,
    ) -> Result<(Evaluation, Vec<Score>), Error> {
        let preset = |name| LinearPreset::named(name, context.seed);
        match self {
            Self::Linear => LinearPresetBenchmark::new(preset(name)?).report(model, context),
            Self::Frozen => LinearPresetBenchmark::frozen(preset(name)?).report(model, context),
            Self::FineTune => FineTuneBenchmark::new(name.parse()?).report(model, context),
        }
    }
}

impl Suite for Probe {
    fn info(&self) -> SuiteInfo {
        self.info
    }

    fn tasks(&self) -> Vec<String> {
        match self.kind {
            Kind::Protocols(protocols) => protocols.names().into_iter().map(String::from).collect(),
            _ => Vec::new(),
        }
    }

    fn about_task(&self, task: &str) -> Option<String> {
        match self.kind {
            Kind::Protocols(protocols) => protocols.about(task),
            _ => None,
        }
    }

    fn by_name_only(&self) -> bool {
        matches!(self.kind, Kind::Protocols(_))
    }

    fn open(
        &self,
        root: &Path,
        task: Option<&str>,
        context: &SuiteContext,
    ) -> Result<Box<dyn OpenSuite>, Error> {
        let name = self.info.name;
        let wrong = |error: &dyn std::fmt::Display| Error::Suite { suite: name, message: error.to_string() };
        let imagenet = root.join("imagenet");
        let (source, data) = if imagenet.join("train").is_dir() {
            (Source::Path(imagenet), "imagenet".to_owned())
        } else {
            let text = root.to_string_lossy();
            let source: Source = text.parse().map_err(|error: String| wrong(&error))?;
            let has_splits =
                |path: &Path| path.is_file() || path.join("train").exists() || path.join("training").exists();
            match &source {
                // A folder of published test sets is no data set itself.
                Source::Path(path) if !has_splits(path) => {
                    let paths = vec![imagenet.join("train"), root.join("train")];
                    return Err(Error::MissingData { suite: name, paths, published: PUBLISHED });
                }
                _ => (source, text.into_owned()),
            }
        };
        let Splits { mut train, mut test, mut description } =
            source.splits().map_err(|error| wrong(&error))?;
        if let Some(limit) = context.limit {
            (train, test) = (limited(train, limit), limited(test, limit));
            description += &format!("; at most {limit} images of each");
        }
        let task = task.map(String::from);
        Ok(Box::new(Opened {
            name,
            kind: self.kind,
            task,
            splits: Splits { train, test, description },
            data,
        }))
    }
}

struct Opened {
    name: &'static str,
    kind: Kind,
    /// The one protocol that was asked for.
    task: Option<String>,
    splits: Splits,
    data: String,
}

impl OpenSuite for Opened {
    fn fingerprint(&self) -> Result<u64, Error> {
        let mut hash = Fingerprint::new();
        hash.number(self.splits.train.fingerprint()?);
        hash.number(self.splits.test.fingerprint()?);
        Ok(hash.finish())
    }

    fn stamp(&self) -> u64 {
        Fingerprint::of_stamps([&self.splits.train, &self.splits.test])
    }

    fn run(&self, model: &Model, context: &SuiteContext) -> Result<Findings, Error> {
        let probing = context.on(self.splits.clone(), &self.data);
        let only = |scores| Findings { scores, ..Findings::default() };
        let mut findings = Findings::default();
        match self.kind {
            Kind::FewShot(shots) => return Ok(only(FewShotBenchmark::new(shots, 3).run(model, &probing)?)),
            Kind::KnnSweep(sweep) => return Ok(only(sweep().run(model, &probing)?)),
            Kind::Representation => {
                findings.scores = RepresentationBenchmark.run(model, &probing)?;
                // No share of anything, so that no table in percent has it.
                let rank = findings.scores.iter().find(|score| score.metric == "effective_rank");
                findings.notes.extend(
                    rank.map(|rank| format!("effective rank {:.1} of {}", rank.value, model.embed_dim())),
                );
            }
            Kind::Knn => self.add(&mut findings, None, KnnBenchmark::default().report(model, &probing)?)?,
            Kind::Linear => {
                self.add(&mut findings, None, LinearBenchmark::default().report(model, &probing)?)?
            }
            Kind::Protocols(protocols) => {
                self.protocols(protocols, model, context, &probing, &mut findings)?
            }
        }
        Ok(findings)
    }
}

impl Opened {
    /// The protocol that was asked for, or all.
    fn protocols(
        &self,
        protocols: Protocols,
        model: &Model,
        context: &SuiteContext,
        probing: &Context,
        findings: &mut Findings,
    ) -> Result<(), Error> {
        for name in protocols.names() {
            if self.task.as_ref().is_some_and(|task| task != name) {
                continue;
            }
            context.go_on()?;
            let part = Parts::name_of(name, self.stamp());
            match context.parts.get(&part, || protocols.measure(name, model, probing)) {
                Ok((evaluation, scores)) => {
                    // What was kept may have been measured when the same weights lay elsewhere.
                    let weights = &context.weights;
                    let scores = scores.into_iter().map(|score| Score { weights: weights.clone(), ..score });
                    self.add(findings, Some(name), (evaluation, scores.collect()))?;
                }
                // Of all protocols some are for transformers.
                Err(error @ Error::Pooling { .. }) if self.task.is_none() => {
                    findings.notes.push(format!("{name} is left out: {error}"));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Adds what was found; a protocol's name is its task.
    fn add(
        &self,
        findings: &mut Findings,
        task: Option<&str>,
        (evaluation, scores): (Evaluation, Vec<Score>),
    ) -> Result<(), Error> {
        let test = &self.splits.test;
        let labels: Vec<i64> = test.labels()?.into_iter().map(|label| label.map_or(-1, i64::from)).collect();
        let keys = (0..test.len()).map(|index| test.key(index));
        let of = task.unwrap_or(&self.data);
        findings.verdicts.push(TaskVerdicts::new(of, keys, &labels, evaluation.correct));
        let condition = task.map_or_else(|| self.name.to_owned(), |task| format!("{}/{task}", self.name));
        findings.reliability.extend(evaluation.probabilistic.map(|found| (condition, found.calibration)));
        findings.scores.extend(scores.into_iter().map(|score| match task {
            Some(task) => Score { suite: self.name.into(), task: task.into(), ..score },
            None => score,
        }));
        Ok(())
    }
}
