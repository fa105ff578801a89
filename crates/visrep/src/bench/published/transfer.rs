//! Probes of frozen features as suites: kNN, few-shot ridge, linear probe.

use crate::source::Source;
use std::path::Path;
use visrep_data::{Fingerprint, Splits};
use visrep_models::Model;
use visrep_probe::{
    Benchmark as _, Error, FewShotBenchmark, Findings, KnnBenchmark, LinearBenchmark, OpenSuite, Part, Suite,
    SuiteContext, SuiteInfo, TaskVerdicts, limited,
};

/// A probe that is fitted to training images and tested on others.
struct Probe {
    info: SuiteInfo,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Knn,
    FewShot(usize),
    Linear,
}

const EXPECTS: &[&str] = &["imagenet/{train,val}/SYNSET/, or ROOT itself, any images that --data takes"];
const PUBLISHED: &str = "image-net.org, ILSVRC2012; or images of one's own";

const fn probe(name: &'static str, about: &'static str, kind: Kind) -> Probe {
    Probe { info: SuiteInfo { name, about, expects: EXPECTS, published: PUBLISHED }, kind }
}

static KNN: Probe =
    probe("knn", "nearest neighbours among frozen features, DINO's weighting, k = 20", Kind::Knn);
static FEW_SHOT_5: Probe =
    probe("few-shot-5", "ridge regression on five images of each class", Kind::FewShot(5));
static FEW_SHOT_10: Probe =
    probe("few-shot-10", "ridge regression on ten images of each class", Kind::FewShot(10));
static LINEAR: Probe =
    probe("linear", "logistic regression on frozen features, its strength searched", Kind::Linear);

/// The table.
pub static SUITES: [&dyn Suite; 4] = [&KNN, &FEW_SHOT_5, &FEW_SHOT_10, &LINEAR];

impl Suite for Probe {
    fn info(&self) -> SuiteInfo {
        self.info
    }

    fn open(
        &self,
        root: &Path,
        _task: Option<&str>,
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
        Ok(Box::new(Opened { name, kind: self.kind, splits: Splits { train, test, description }, data }))
    }
}

struct Opened {
    name: &'static str,
    kind: Kind,
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

    fn run(&self, model: &Model, context: &SuiteContext) -> Result<Findings, Error> {
        let probing = context.on(self.splits.clone(), &self.data);
        let (evaluation, scores) = match self.kind {
            Kind::FewShot(shots) => {
                let scores = FewShotBenchmark::new(shots, 3).run(model, &probing)?;
                return Ok(Findings { scores, ..Findings::default() });
            }
            Kind::Knn => KnnBenchmark::default().report(model, &probing)?,
            Kind::Linear => LinearBenchmark::default().report(model, &probing)?,
        };
        let set = probing.features(model, Part::Test)?;
        let verdicts = vec![TaskVerdicts::new(&self.data, &set.keys, &set.labels, evaluation.correct)];
        let reliability = evaluation
            .probabilistic
            .map(|found| (self.name.to_owned(), found.calibration))
            .into_iter()
            .collect();
        Ok(Findings { scores, verdicts, reliability, notes: Vec::new() })
    }
}
