//! Outlier detection on sets of one's choice: images of what a classifier knows against folders of anything else.

use super::folder::{ClassFolders, VAL, class_folders, find, missing};
use super::head::{Classes, Pass, View, part_of};
use super::outliers::{head_scores, keys, record_detection};
use super::published::{Measure, Published};
use crate::Error;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use tch::{Kind, Tensor};
use visrep_augment::Rng;
use visrep_data::{Dataset, Fingerprint, ImageFiles, Subset};
use visrep_metrics::{ClassTypicality, FeatureMatrix, ScoreMatrix, TypicalSet, predictions};
use visrep_models::{Features, Model};
use visrep_probe::{Findings, SuiteContext, SuiteInfo, pooled};

const INFO: SuiteInfo = SuiteInfo {
    name: "ood",
    about: "outlier detection on folders of one's choice: MSP, MaxLogit, energy, and by typicality (Zhu et al. 2022)",
    expects: &[
        "ood/NAME/, any images at any depth: outliers, each folder a set of its own",
        "ood/in/, optional: images of what the classifier knows; else imagenet/val/SYNSET/",
    ],
    published: "whatever sets one likes, such as Places, SUN, Textures, iNaturalist; and image-net.org, ILSVRC2012_img_val.tar",
};

/// The folder of inliers within that of the sets.
const INLIERS: &str = "in";

/// Deviations from the mean at which features are cut off, as published for ImageNet.
const LAMBDA: f64 = 1.05;

/// The suite.
pub(super) struct OutOfDistribution;

impl Published for OutOfDistribution {
    type Found = Opened;

    fn info(&self) -> SuiteInfo {
        INFO
    }

    fn find(&self, root: &Path, _task: Option<&str>, context: &SuiteContext) -> Result<Opened, Error> {
        let nothing = || missing(&INFO, root, &["ood"]);
        let folder = find(root, &["ood"]).ok_or_else(nothing)?;
        let failed = |source| visrep_data::Error::Io { path: folder.clone(), source };
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.path().is_dir() && name != INLIERS && !name.starts_with('.') {
                names.push(name);
            }
        }
        names.sort();
        let all = |path: &Path| -> Result<Arc<dyn Dataset>, Error> {
            let data = ImageFiles::below(path)?;
            if data.is_empty() {
                let problem = "has no image below it".to_owned();
                return Err(Error::Layout { path: path.into(), problem });
            }
            Ok(Arc::new(data))
        };
        let outliers = names.into_iter().map(|name| {
            let data = context.limited(all(&folder.join(&name))?);
            Ok((name, data))
        });
        let outliers = outliers.collect::<Result<Vec<_>, Error>>()?;
        if outliers.is_empty() {
            return Err(nothing());
        }
        let (inliers, classes) = match (find(&folder, &[INLIERS]), find(root, VAL)) {
            (Some(path), _) => (all(&path)?, None),
            (None, Some(path)) => {
                (class_folders(&path, ClassFolders::Synsets(None))?, Some(Classes::ImageNet1k))
            }
            (None, None) => return Err(missing(&INFO, root, &["ood/in", VAL[0]])),
        };
        let inliers = context.limited(inliers);
        if inliers.len() < 2 {
            let problem = "has one image of what the classifier knows: one half says what is typical, on the other scores are compared";
            return Err(Error::Layout { path: root.into(), problem: problem.into() });
        }
        let mut order: Vec<usize> = (0..inliers.len()).collect();
        order.shuffle(&mut Rng::seed_from_u64(context.seed));
        let mut half = |count: usize| {
            let mut places: Vec<usize> = order.drain(..count).collect();
            places.sort_unstable();
            Arc::new(Subset::new(Arc::clone(&inliers), places)) as Arc<dyn Dataset>
        };
        let (usual, tested) = (half(inliers.len() / 2), half(inliers.len() - inliers.len() / 2));
        Ok(Opened { outliers, usual, tested, classes })
    }
}

pub(super) struct Opened {
    outliers: Vec<(String, Arc<dyn Dataset>)>,
    /// The inliers that say what is typical.
    usual: Arc<dyn Dataset>,
    /// The inliers from which outliers are told.
    tested: Arc<dyn Dataset>,
    /// What the classifier must know, where the inliers have published classes.
    classes: Option<Classes>,
}

/// What a network makes of a set: rows for its images.
struct Seen {
    logits: Vec<f32>,
    features: Vec<f32>,
    n: usize,
}

impl Seen {
    fn of(pass: &Pass<'_>, data: &Arc<dyn Dataset>, what: &str) -> Result<Self, Error> {
        let mut seen = Self { logits: Vec::new(), features: Vec::new(), n: data.len() };
        pass.features_until(Arc::clone(data), View::Evaluation, what, |batch, found| {
            seen.features.extend(Vec::<f32>::try_from(pooled(found)?.f_flatten(0, -1)?)?);
            let logits = pass.head(batch, found, what)?;
            seen.logits.extend(Vec::<f32>::try_from(logits.f_flatten(0, -1)?)?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(seen)
    }

    /// The logits of features that are cut off at their usual range. Errs where the classifier reads others than these.
    fn rectified(&self, pass: &Pass<'_>, usual: &TypicalSet) -> Result<Vec<f32>, Error> {
        let mut features = self.features.clone();
        usual.rectify(&mut features, LAMBDA)?;
        let Pass { model, context } = *pass;
        let rows = Tensor::from_slice(&features).f_view([self.n as i64, -1])?;
        let mut logits = Vec::with_capacity(self.logits.len());
        for rows in rows.f_split(context.batch_size as i64, 0)? {
            let pooled = rows.f_to_device(model.device())?.f_to_kind(model.kind())?;
            let features = Features { pooled, map: None, tokens: None, taps: Vec::new() };
            let found =
                tch::no_grad(|| context.precision.run(model.device(), || model.logits(&features, false)))?;
            let found = found.f_to_kind(Kind::Float)?.f_to_device(tch::Device::Cpu)?.f_contiguous()?;
            logits.extend(Vec::<f32>::try_from(found.f_flatten(0, -1)?)?);
        }
        Ok(logits)
    }
}

impl Measure for Opened {
    fn sets(&self) -> Vec<&Arc<dyn Dataset>> {
        [&self.usual, &self.tested].into_iter().chain(self.outliers.iter().map(|(_, data)| data)).collect()
    }

    fn beside(&self, hash: &mut Fingerprint) -> Result<(), Error> {
        self.outliers.iter().for_each(|(name, _)| hash.text(name));
        Ok(())
    }

    fn measure(&self, model: &Model, context: &SuiteContext) -> Result<Findings, Error> {
        let mut record = match self.classes {
            Some(classes) => classes.begin(INFO.name, model, context, &[])?,
            None => Classes::begin_any(INFO.name, model, context, &[])?,
        };
        record.entry("positives", "outliers");
        let halves = format!("{} that say what is typical, {} compared", self.usual.len(), self.tested.len());
        record.entry("inliers", format!("{halves}: halves drawn by the seed"));
        record.entry("typicality", TYPICALITY);
        record.entry("rectified", format!("{RECTIFIED} {LAMBDA} deviations"));
        let (pass, classes) = (Pass { model, context }, usize::try_from(model.num_classes()).unwrap_or(1));
        let usual = Seen::of(&pass, &self.usual, "inliers, first half")?;
        let dim = usual.features.len() / usual.n;
        let typical = TypicalSet::new(&FeatureMatrix::new(&usual.features, dim)?);
        let logits = ScoreMatrix::new(&usual.logits, classes)?;
        let of_classes = ClassTypicality::new(&logits, &predictions(&logits))?;
        drop(usual);
        let tested = Seen::of(&pass, &self.tested, "inliers, second half")?;
        let rectified = match tested.rectified(&pass, &typical) {
            Ok(rectified) => Some(rectified),
            Err(Error::Model(visrep_models::Error::Features(_))) => {
                let note =
                    "no scores of rectified features: the classifier reads others than the pooled ones";
                record.findings.notes.push(note.into());
                None
            }
            Err(error) => return Err(error),
        };
        for (name, data) in &self.outliers {
            record.entry("outliers", format!("{} in ood/{name}", data.len()));
            record.part(&part_of(&part_of(name, data), &self.tested), |record| -> Result<(), Error> {
                let found = Seen::of(&pass, data, name)?;
                let keys = keys([data, &self.tested]);
                let positive: Vec<bool> = (0..found.n + tested.n).map(|index| index < found.n).collect();
                let together = [found.logits.as_slice(), &tested.logits].concat();
                let matrix = ScoreMatrix::new(&together, classes)?;
                let mut scores: Vec<_> = head_scores(&matrix)?
                    .into_iter()
                    .map(|(score, values)| (score.to_owned(), values))
                    .collect();
                scores.push(("typicality".into(), of_classes.scores(&matrix)?));
                if let Some(inliers) = &rectified {
                    let together = [found.rectified(&pass, &typical)?.as_slice(), inliers].concat();
                    let of_rectified = head_scores(&ScoreMatrix::new(&together, classes)?)?;
                    scores.extend(
                        of_rectified
                            .into_iter()
                            .map(|(score, values)| (format!("rectified {score}"), values)),
                    );
                }
                for (score, values) in scores {
                    let task = format!("{name} {score}");
                    record_detection(record, &task, &keys, &values, &positive, context.seed)?;
                }
                Ok(())
            })?;
        }
        Ok(record.findings)
    }
}

/// For the protocol.
const TYPICALITY: &str = "minus the highest logit, less its mean and by its deviation over the first half's images taken for that class";
const RECTIFIED: &str =
    "what the classifier reads, each value cut off at its mean over the first half plus or minus";
