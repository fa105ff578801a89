//! ImageNet-O: telling images of classes outside ImageNet-1k from ImageNet's own (Hendrycks et al. 2021).

use super::folder::{ClassFolders, VAL, class_folders, coverage, need, with_labels};
use super::head::{Classes, Logits, Pass, View};
use super::published::{Measure, Published};
use super::shared::VAL_IMAGES;
use crate::Error;
use crate::classes::ClassSubset;
use std::path::Path;
use std::sync::Arc;
use visrep_data::{Dataset, ImageFolder};
use visrep_metrics::{
    DetectionCurve, RankedScores, ScoreMatrix, bootstrap_strata, energy_scores, max_logit_scores, msp_scores,
};
use visrep_models::Model;
use visrep_probe::{Findings, LEVEL, RESAMPLES, Recorder, SuiteContext, SuiteInfo, TaskVerdicts};

const INFO: SuiteInfo = SuiteInfo {
    name: "imagenet-o",
    about: "outlier detection: images of no ImageNet-1k class against 200 of its classes (Hendrycks et al. 2021)",
    expects: &["imagenet-o/SYNSET/", "imagenet/val/SYNSET/"],
    published: "github.com/hendrycks/natural-adv-examples, imagenet-o.tar; and image-net.org, ILSVRC2012_img_val.tar",
};

/// The suite.
pub(super) struct ImageNetO;

impl Published for ImageNetO {
    type Found = Opened;

    fn info(&self) -> SuiteInfo {
        INFO
    }

    fn find(&self, root: &Path, _task: Option<&str>, context: &SuiteContext) -> Result<Opened, Error> {
        let (outliers, val) = (need(&INFO, root, &["imagenet-o"])?, need(&INFO, root, VAL)?);
        // Its folders are named by the classes that images are taken for, which matters to nobody.
        let outliers: Arc<dyn Dataset> = Arc::new(ImageFolder::open(outliers)?);
        let all = class_folders(&val, ClassFolders::Synsets(None))?;
        let inliers = with_labels(all, |label| ClassSubset::O.label_of(label).is_some())?;
        if inliers.is_empty() {
            let problem = "has no images of ImageNet-O's 200 classes, the inliers".into();
            return Err(Error::Layout { path: val, problem });
        }
        let coverage = format!(
            "outliers: {}; inliers: {}",
            coverage(outliers.len(), 2000),
            coverage(inliers.len(), 10_000)
        );
        Ok(Opened { outliers: context.limited(outliers), inliers: context.limited(inliers), coverage })
    }
}

pub(super) struct Opened {
    outliers: Arc<dyn Dataset>,
    inliers: Arc<dyn Dataset>,
    coverage: String,
}

impl Measure for Opened {
    fn sets(&self) -> Vec<&Arc<dyn Dataset>> {
        vec![&self.outliers, &self.inliers]
    }

    fn measure(&self, model: &Model, context: &SuiteContext) -> Result<Findings, Error> {
        let mut record = Classes::ImageNet1k.begin(INFO.name, model, context, &[])?;
        record.entry("classes", "the 200 of ImageNet-O, cut from the 1000 before every score");
        record.entry("images", self.coverage.clone());
        record.entry("positives", "outliers");
        let pass = Pass { model, context };
        let cut = |logits: Logits| {
            let kept = ClassSubset::O.indices().map(usize::from);
            let rows = logits.values.chunks_exact(logits.classes);
            rows.flat_map(|row| kept.map(|class| row[class])).collect::<Vec<f32>>()
        };
        let outliers = pass.logits(Arc::clone(&self.outliers), View::Shared(INFO.name), "outliers")?;
        let mut values = cut(outliers);
        let inliers = pass.logits(Arc::clone(&self.inliers), View::Shared(VAL_IMAGES), "inliers")?;
        values.extend(cut(inliers));
        let (outliers, n) = (self.outliers.len(), self.outliers.len() + self.inliers.len());
        let positive: Vec<bool> = (0..n).map(|index| index < outliers).collect();
        let keys = keys([&self.outliers, &self.inliers]);
        for (score, values) in head_scores(&ScoreMatrix::new(&values, 200)?)? {
            record_detection(&mut record, score, &keys, &values, &positive, context.seed)?;
        }
        Ok(record.findings)
    }
}

/// The scores of outliers that logits give: by name, one for each row.
pub(super) fn head_scores(logits: &ScoreMatrix<'_, f32>) -> Result<[(&'static str, Vec<f64>); 3], Error> {
    let probabilities = visrep_metrics::softmax(logits, 1.0)?;
    Ok([
        ("msp", msp_scores(&ScoreMatrix::new(&probabilities, logits.classes())?)?),
        ("max-logit", max_logit_scores(logits)),
        ("energy", energy_scores(logits, 1.0)?),
    ])
}

/// The names of images, one set after the other.
pub(super) fn keys(sets: [&Arc<dyn Dataset>; 2]) -> Vec<String> {
    sets.into_iter().flat_map(|set| (0..set.len()).map(move |index| set.key(index))).collect()
}

/// Adds how well `scores` tell outliers, which come first and are the positives: `aupr`, `auroc` and `fpr95` of `task`, and of the images of
/// these keys the scores' ranks.
pub(super) fn record_detection(
    record: &mut Recorder<'_>,
    task: &str,
    keys: &[String],
    scores: &[f64],
    positive: &[bool],
    seed: u64,
) -> Result<(), Error> {
    let ranked = RankedScores::new(scores)?;
    let whole = ranked.curve(positive, 0..scores.len())?;
    // Outliers and inliers are resampled apart, so that their numbers stay.
    let outliers = positive.iter().filter(|&&positive| positive).count();
    let strata = [outliers, scores.len() - outliers];
    for (metric, statistic) in FIGURES {
        let resampled = |sample: &[usize]| {
            let curve = ranked.curve(positive, sample.iter().copied());
            curve.and_then(|curve| statistic(&curve)).unwrap_or(f64::NAN)
        };
        let interval = bootstrap_strata(&strata, resampled, RESAMPLES, LEVEL, seed)?;
        record.figure(task, metric, statistic(&whole)?, scores.len(), Some(interval));
    }
    let shares = positive.iter().copied().map(f64::from).collect();
    record.findings.verdicts.push(TaskVerdicts::of_scores(task, keys, scores, shares));
    Ok(())
}

type Statistic = fn(&DetectionCurve) -> Result<f64, visrep_metrics::Error>;

const FIGURES: [(&str, Statistic); 3] = [
    ("aupr", |curve| Ok(curve.average_precision())),
    ("auroc", |curve| Ok(curve.auroc())),
    ("fpr95", |curve| curve.fpr_at_recall(0.95)),
];
