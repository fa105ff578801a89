//! Cue conflict: whether decisions follow an object's shape or the texture it was given (Geirhos et al. 2019).

use super::figures::share;
use super::folder::need;
use super::head::{Classes, Pass, View, as_stored_protocol};
use super::published::{Measure, Published};
use crate::Error;
use crate::classes::{CUE_CONFLICT_CLASSES, CueConflictClass, Stimulus};
use std::path::Path;
use std::sync::Arc;
use visrep_data::{Dataset, ImageFiles, Subset};
use visrep_metrics::{Interval, ScoreMatrix, bootstrap_mean, shape_bias};
use visrep_models::Model;
use visrep_probe::{Findings, LEVEL, RESAMPLES, SuiteContext, SuiteInfo, TaskVerdicts};

const INFO: SuiteInfo = SuiteInfo {
    name: "cue-conflict",
    about: "shape bias: images of one class's shape and another's texture (Geirhos et al. 2019)",
    expects: &["cue-conflict/*.png, or in folders; named cat1-airplane1.png"],
    published: "github.com/rgeirhos/texture-vs-shape, stimuli/style-transfer-preprocessed-512",
};

/// Images whose shape and texture are of different classes.
const PUBLISHED: usize = 1200;

/// The suite.
pub(super) struct CueConflict;

impl Published for CueConflict {
    type Found = Opened;

    fn info(&self) -> SuiteInfo {
        INFO
    }

    fn find(&self, root: &Path, _task: Option<&str>, context: &SuiteContext) -> Result<Opened, Error> {
        let folder = need(&INFO, root, &["cue-conflict"])?;
        let all: Arc<dyn Dataset> = Arc::new(ImageFiles::below(&folder)?);
        let (mut indices, mut stimuli) = (Vec::new(), Vec::new());
        for index in 0..all.len() {
            let key = all.key(index);
            let stimulus = Stimulus::from_name(&key).ok_or_else(|| Error::Layout {
                path: folder.join(&key),
                problem: format!(
                    "is not named for two of the 16 classes ({}), as cat1-airplane1.png is",
                    CUE_CONFLICT_CLASSES.map(|(name, _)| name).join(", ")
                ),
            })?;
            if stimulus.shape != stimulus.texture {
                indices.push(index);
                stimuli.push(stimulus);
            }
        }
        if indices.is_empty() {
            let problem = "has no image whose shape and texture differ".into();
            return Err(Error::Layout { path: folder, problem });
        }
        let found = indices.len();
        let places = context.places(found);
        let indices = places.iter().map(|&place| indices[place]).collect();
        let stimuli = places.iter().map(|&place| stimuli[place]).collect();
        Ok(Opened { data: Arc::new(Subset::new(all, indices)), stimuli, found })
    }
}

/// Which photograph gave a stimulus its shape: `cat1` of `cat1-airplane1.png`.
fn shape_of(key: &str) -> &str {
    let name = key.rsplit('/').next().unwrap_or(key);
    name.split_once('-').map_or(name, |(shape, _)| shape)
}

pub(super) struct Opened {
    data: Arc<dyn Dataset>,
    stimuli: Vec<Stimulus>,
    found: usize,
}

impl Measure for Opened {
    fn sets(&self) -> Vec<&Arc<dyn Dataset>> {
        vec![&self.data]
    }

    fn measure(&self, model: &Model, context: &SuiteContext) -> Result<Findings, Error> {
        let mut record = Classes::ImageNet1k.begin(INFO.name, model, context, &[])?;
        record.entry("preprocessing", as_stored_protocol(model.preprocessing()));
        record.entry(
            "decision",
            "of 16 classes, the highest mean probability over each one's classes of ImageNet",
        );
        record.entry("images", super::folder::coverage(self.found, PUBLISHED));
        let pass = Pass { model, context };
        let logits = pass.logits(Arc::clone(&self.data), View::AsStored, INFO.name)?;
        let probabilities = logits.probabilities()?;
        let decisions = CueConflictClass::decide(&ScoreMatrix::new(&probabilities, logits.classes)?)?;
        let index = |of: fn(&Stimulus) -> CueConflictClass| -> Vec<usize> {
            self.stimuli.iter().map(|stimulus| of(stimulus).index()).collect()
        };
        let (shapes, textures) = (index(|stimulus| stimulus.shape), index(|stimulus| stimulus.texture));
        let decisions: Vec<_> = decisions.into_iter().map(CueConflictClass::index).collect();
        let result = shape_bias(&shapes, &textures, &decisions)?;
        let followed: Vec<f64> = (decisions.iter().zip(&shapes).zip(&textures))
            .filter(|((decision, shape), texture)| decision == shape || decision == texture)
            .map(|((decision, shape), _)| f64::from(decision == shape))
            .collect();
        let (task, n) = (INFO.name, result.n);
        // One photograph gives its shape to many stimuli.
        let photographs = || logits.keys.iter().map(|key| shape_of(key));
        match result.shape_bias {
            Some(bias) => {
                let interval: Interval = bootstrap_mean(&followed, RESAMPLES, LEVEL, context.seed)?;
                record.figure(task, "shape-bias", bias, followed.len(), Some(interval));
                let of_cue = |((decision, shape), texture): ((&usize, &usize), &usize)| match decision {
                    decision if decision == shape => 1.0,
                    decision if decision == texture => 0.0,
                    _ => f64::NAN,
                };
                let values = decisions.iter().zip(&shapes).zip(&textures).map(of_cue).collect();
                let verdicts = TaskVerdicts::of_values(task, "shape-bias", &logits.keys, values);
                record.findings.verdicts.push(verdicts.with_objects(photographs()));
            }
            None => record
                .findings
                .notes
                .push("no decision follows shape or texture: there is no shape bias".into()),
        }
        if let Some(mean) = result.class_mean {
            record.figure(task, "shape-bias-class-mean", mean, followed.len(), None);
        }
        for (class, (name, _)) in CUE_CONFLICT_CLASSES.iter().enumerate() {
            let places: Vec<_> = (0..n).filter(|&place| shapes[place] == class).collect();
            let take = |all: &[usize]| places.iter().map(|&place| all[place]).collect::<Vec<_>>();
            if let Ok(found) = shape_bias(&take(&shapes), &take(&textures), &take(&decisions))
                && let Some(bias) = found.shape_bias
            {
                record.figure(*name, "shape-bias", bias, found.shape + found.texture, None);
            }
        }
        record.figure(task, "decided", result.decided, n, None);
        let correct: Vec<_> =
            decisions.iter().zip(&shapes).map(|(decision, shape)| decision == shape).collect();
        let (accuracy, interval) = share(&correct)?;
        record.figure(task, "top1", accuracy, n, Some(interval));
        record
            .findings
            .verdicts
            .push(TaskVerdicts::new(task, &logits.keys, &[], correct).with_objects(photographs()));
        Ok(record.findings)
    }
}
