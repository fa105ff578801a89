//! How features and accuracy change with an object's size, place and angle, on SI-Score's sets (Bouchacourt, Ibrahim & Morcos 2021).

use super::head::{Classes, Pass, View, part_of};
use super::published::{Measure, Published};
use super::si_score::{PARTS, PUBLISHED, Part, Present, Set, add_shown, verdicts};
use crate::Error;
use std::collections::{BTreeSet, HashSet};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use tch::Tensor;
use visrep_data::{Dataset, Fingerprint, Subset};
use visrep_models::Model;
use visrep_probe::{
    FactorValue, FeatureSet, Findings, Recorder, Shown, SuiteContext, SuiteInfo, TaskVerdicts, pooled,
    record_by_value, record_invariance,
};

const INFO: SuiteInfo = SuiteInfo {
    name: "si-score-invariance",
    about: "how features stay as they are, and accuracy, while an object's size, place or angle changes (Bouchacourt et al. 2021)",
    expects: &["si-score/area/, si-score/location20_area02_min0pc/, si-score/rotation/, as for si-score"],
    published: PUBLISHED,
};

/// Scenes (an object on a background) of each set, unless `--limit` says otherwise: features of all values are kept at once.
const SCENES: usize = 100;

/// The suite.
pub(super) struct SiScoreInvariance;

impl Published for SiScoreInvariance {
    type Found = Opened;

    fn info(&self) -> SuiteInfo {
        INFO
    }

    fn tasks(&self) -> Vec<String> {
        PARTS.iter().map(|part| part.task.into()).collect()
    }

    fn find(&self, root: &Path, task: Option<&str>, context: &SuiteContext) -> Result<Opened, Error> {
        let Present { parts, notes } = Present::under(root, task, &INFO)?;
        let factors =
            parts.iter().map(|(part, folder)| factor(part, folder, context)).collect::<Result<_, _>>()?;
        Ok(Opened { factors, notes })
    }
}

/// The images of some scenes of a set.
fn factor(part: &Part, folder: &Path, context: &SuiteContext) -> Result<Factor, Error> {
    let Set { data, shown } = part.open(folder)?;
    let reference = FactorValue::new(part.reference);
    let at_reference = shown.iter().filter(|shown| shown.value == reference).map(|shown| shown.scene);
    let all: Vec<usize> = at_reference.collect::<BTreeSet<_>>().into_iter().collect();
    if all.is_empty() {
        return Err(Error::Layout {
            path: folder.into(),
            problem: format!(
                "has nothing at {reference}, with which other values are compared: make the whole set"
            ),
        });
    }
    let count = context.limit.unwrap_or(SCENES).min(all.len());
    let chosen: HashSet<usize> = (0..count).map(|nth| all[nth * all.len() / count]).collect();
    let indices: Vec<usize> =
        (0..shown.len()).filter(|&index| chosen.contains(&shown[index].scene)).collect();
    let shown = indices.iter().map(|&index| shown[index].clone()).collect();
    let scenes = (count, all.len());
    Ok(Factor { task: part.task, data: Arc::new(Subset::new(data, indices)), shown, reference, scenes })
}

pub(super) struct Opened {
    factors: Vec<Factor>,
    notes: Vec<String>,
}

struct Factor {
    task: &'static str,
    data: Arc<dyn Dataset>,
    shown: Vec<Shown>,
    reference: FactorValue,
    /// Those that are looked at, and all.
    scenes: (usize, usize),
}

impl Measure for Opened {
    fn sets(&self) -> Vec<&Arc<dyn Dataset>> {
        self.factors.iter().map(|factor| &factor.data).collect()
    }

    fn beside(&self, hash: &mut Fingerprint) -> Result<(), Error> {
        self.factors.iter().flat_map(|factor| &factor.shown).for_each(|shown| add_shown(hash, shown));
        Ok(())
    }

    fn measure(&self, model: &Model, context: &SuiteContext) -> Result<Findings, Error> {
        let classifies = Classes::ImageNet1k.check(model).is_ok();
        let mut record = Recorder::new(INFO.name, model, context);
        record.findings.notes.clone_from(&self.notes);
        if !classifies {
            let note = "the model has no classifier of ImageNet-1k's classes: features only";
            record.findings.notes.push(note.into());
        }
        record.entry("features", "what the classifier reads");
        record.entry("invariance", INVARIANCE);
        for factor in &self.factors {
            let (chosen, all) = factor.scenes;
            record.entry("scenes", format!("{chosen} of the {all} at the reference, evenly spread"));
            record.entry("reference", factor.reference.to_string());
            record.part(&part_of(factor.task, &factor.data), |record| {
                factor.measure(record, &Pass { model, context }, classifies)
            })?;
        }
        Ok(record.findings)
    }
}

impl Factor {
    fn measure(&self, record: &mut Recorder<'_>, pass: &Pass<'_>, classifies: bool) -> Result<(), Error> {
        let (mut features, mut keys, mut labels) = (Vec::new(), Vec::new(), Vec::new());
        let mut correct = Vec::new();
        let seed = pass.context.seed;
        pass.features_until(Arc::clone(&self.data), View::Evaluation, self.task, |batch, found| {
            features.push(pooled(found)?);
            keys.extend(batch.keys.iter().cloned());
            labels.extend(&batch.labels);
            if classifies {
                correct.extend(verdicts(&pass.head(batch, found, self.task)?, &batch.labels)?);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let features = FeatureSet::new(Tensor::f_cat(&features, 0)?, labels, keys)?;
        record_invariance(record, self.task, &features, &self.shown, &self.reference, seed)?;
        if classifies {
            record_by_value(record, self.task, &self.shown, &correct, seed)?;
            let verdicts = TaskVerdicts::new(self.task, &features.keys, &features.labels, correct);
            record.findings.verdicts.push(verdicts.showing(&self.shown));
        }
        Ok(())
    }
}

/// For the protocol.
const INVARIANCE: &str = "(d(z, z') - d(z, z_t)) / d(z, z') by the cosine distance, of a scene z at the reference, itself z_t and another z' at \
                          the value";
