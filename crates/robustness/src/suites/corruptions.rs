//! ImageNet-C and ImageNet-C-bar: from files as they were published, and made from ImageNet's validation images when they are needed.

use super::folder::{ClassFolders, VAL, class_folders, find, missing, need};
use super::head::{Classes, Pass, View, as_stored_protocol, keys_and_labels};
use super::published::{Measure, Published};
use super::shared::VAL_IMAGES;
use crate::corruption_figures::CorruptionFigures;
use crate::evaluate::{Tally, describe, summarise};
use crate::{Classifier, ConditionResult, CorruptionOptions, Error, LabelSpace, evaluate_corruptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tch::Kind;
use visrep_corrupt::{Corruption, FROST_PHOTOGRAPHS, Frost, Severity};
use visrep_data::{Condition, Dataset, Fingerprint};
use visrep_models::Model;
use visrep_probe::{Findings, Recorder, SuiteContext, SuiteInfo, TaskVerdicts};

/// Corruptions of ImageNet's validation images.
pub(super) struct Corruptions {
    info: SuiteInfo,
    source: Source,
    /// Those that the suite is about.
    benchmark: &'static [Corruption],
    /// Those and others that are evaluated where they are there.
    known: &'static [Corruption],
}

/// Where the photographs of frost may lie, by the first of them.
const PHOTOGRAPHS: &[&str] =
    &["imagenet-c/frost/frost1.png", "ImageNet-C/frost/frost1.png", "frost/frost1.png"];

enum Source {
    /// Files in `CORRUPTION/SEVERITY/SYNSET/`.
    Files(&'static [&'static str]),
    /// Made in memory, after the evaluation crop.
    Memory,
}

pub(super) const IMAGENET_C: Corruptions = Corruptions {
    info: SuiteInfo {
        name: "imagenet-c",
        about: "ImageNet under 15 corruptions, and 4 more, as stored files (Hendrycks & Dietterich 2019)",
        expects: &["imagenet-c/CORRUPTION/1..5/SYNSET/", "imagenet/val/ too, for the relative mCE"],
        published: "zenodo.org, record 2235448, noise.tar, blur.tar, weather.tar, digital.tar, extra.tar; or `visrep corrupt --all`",
    },
    source: Source::Files(&["imagenet-c", "ImageNet-C"]),
    benchmark: &Corruption::BENCHMARK,
    known: &Corruption::ALL,
};

pub(super) const IMAGENET_C_IN_MEMORY: Corruptions = Corruptions {
    info: SuiteInfo {
        name: "imagenet-c-in-memory",
        about: "the same 15 corruptions made while they are evaluated: no JPEG; not the published figures",
        expects: &[
            "imagenet/val/SYNSET/",
            "imagenet-c/frost/frost1.png … frost5.jpg, optional: the published photographs; else frost is a drawn substitute",
        ],
        published: super::folder::VAL_PUBLISHED,
    },
    source: Source::Memory,
    benchmark: &Corruption::BENCHMARK,
    known: &Corruption::BENCHMARK,
};

pub(super) const IMAGENET_C_BAR: Corruptions = Corruptions {
    info: SuiteInfo {
        name: "imagenet-c-bar",
        about: "ImageNet under 10 corruptions unlike ImageNet-C's, as files (Mintun et al. 2021)",
        expects: &["imagenet-c-bar/CORRUPTION/1..5/SYNSET/"],
        published: "made with `visrep corrupt --all --suite imagenet-c-bar`, or github.com/facebookresearch/augmentation-corruption",
    },
    source: Source::Files(&["imagenet-c-bar"]),
    benchmark: &Corruption::IMAGENET_BAR,
    known: &Corruption::IMAGENET_BAR,
};

pub(super) const IMAGENET_C_BAR_IN_MEMORY: Corruptions = Corruptions {
    info: SuiteInfo {
        name: "imagenet-c-bar-in-memory",
        about: "the same 10 corruptions made while they are evaluated: no JPEG",
        expects: &["imagenet/val/SYNSET/"],
        published: super::folder::VAL_PUBLISHED,
    },
    source: Source::Memory,
    benchmark: &Corruption::IMAGENET_BAR,
    known: &Corruption::IMAGENET_BAR,
};

impl Published for Corruptions {
    type Found = Opened;

    fn info(&self) -> SuiteInfo {
        self.info
    }

    fn tasks(&self) -> Vec<String> {
        self.known.iter().map(|corruption| corruption.name().to_owned()).collect()
    }

    fn find(&self, root: &Path, task: Option<&str>, context: &SuiteContext) -> Result<Opened, Error> {
        let asked = |corruption: &Corruption| task.is_none_or(|task| task == corruption.name());
        let val =
            |path: &Path| class_folders(path, ClassFolders::Synsets(None)).map(|data| context.limited(data));
        let mut notes = Vec::new();
        let source = match self.source {
            Source::Memory => {
                let path = need(&self.info, root, VAL)?;
                let corruptions: Vec<_> = self.known.iter().copied().filter(asked).collect();
                // The folder may hold the stored corruption too, in folders of its severities.
                let first = find(root, PHOTOGRAPHS).filter(|_| corruptions.contains(&Corruption::Frost));
                let photographs = first.and_then(|first| Some(first.parent()?.to_owned()));
                Found::Memory { clean: val(&path)?, corruptions, photographs }
            }
            Source::Files(places) => {
                let folder = need(&self.info, root, places)?;
                let (mut corruptions, mut sizes) = (Vec::new(), Vec::new());
                for &corruption in self.known.iter().filter(|corruption| asked(corruption)) {
                    // A folder without any severity may hold something else: the photographs of frost.
                    let has_any = |path: &PathBuf| {
                        Severity::ALL.iter().any(|severity| path.join(severity.get().to_string()).is_dir())
                    };
                    let Some(path) = find(&folder, &[corruption.name()]).filter(has_any) else {
                        if self.benchmark.contains(&corruption) {
                            let path = folder.join(corruption.name());
                            notes.push(format!("{corruption}: there is no {}", path.display()));
                        }
                        continue;
                    };
                    let mut severity = |severity: Severity| {
                        let path = path.join(severity.get().to_string());
                        if path.is_dir() {
                            let data = class_folders(&path, ClassFolders::Synsets(None))?;
                            sizes.push((describe(Some((corruption, severity))), data.len()));
                            return Ok(context.limited(data));
                        }
                        let problem = "is not there: each corruption has its severities in folders 1 to 5";
                        Err(Error::Layout { path, problem: problem.into() })
                    };
                    let severities =
                        Severity::ALL.map(&mut severity).into_iter().collect::<Result<Vec<_>, _>>()?;
                    corruptions.push((corruption, severities));
                }
                notes.extend(partial(&sizes, 50_000));
                if corruptions.is_empty() {
                    return Err(missing(&self.info, &folder, &[task.unwrap_or(self.benchmark[0].name())]));
                }
                let clean = find(root, VAL).map(|path| val(&path)).transpose()?;
                Found::Files { clean, corruptions }
            }
        };
        Ok(Opened { info: self.info, source, notes })
    }
}

/// What to say of conditions that have not as many images as `published`: the mean over them is of another set, or of several.
pub(super) fn partial(sizes: &[(String, usize)], published: usize) -> Option<String> {
    let least = sizes.iter().min_by_key(|(_, size)| size)?;
    let most = sizes.iter().max_by_key(|(_, size)| size)?;
    if least.1 == most.1 {
        let whole = least.1 == published;
        return (!whole)
            .then(|| format!("each severity has {} of the {published} published images", least.1));
    }
    Some(format!(
        "severities have from {} ({}) to {} ({}) of the {published} published images: unpack the archives again",
        least.1, least.0, most.1, most.0
    ))
}

pub(super) struct Opened {
    info: SuiteInfo,
    source: Found,
    notes: Vec<String>,
}

enum Found {
    Files {
        clean: Option<Arc<dyn Dataset>>,
        corruptions: Vec<(Corruption, Vec<Arc<dyn Dataset>>)>,
    },
    Memory {
        clean: Arc<dyn Dataset>,
        corruptions: Vec<Corruption>,
        /// The folder with the photographs of frost, where frost is asked for.
        photographs: Option<PathBuf>,
    },
}

impl Measure for Opened {
    fn sets(&self) -> Vec<&Arc<dyn Dataset>> {
        match &self.source {
            Found::Files { clean, corruptions } => {
                clean.iter().chain(corruptions.iter().flat_map(|(_, severities)| severities)).collect()
            }
            Found::Memory { clean, .. } => vec![clean],
        }
    }

    fn beside(&self, hash: &mut Fingerprint) -> Result<(), Error> {
        match &self.source {
            Found::Files { corruptions, .. } => {
                corruptions.iter().for_each(|(corruption, _)| hash.text(corruption.name()));
            }
            Found::Memory { corruptions, photographs, .. } => {
                corruptions.iter().for_each(|corruption| hash.text(corruption.name()));
                if let Some(folder) = photographs {
                    FROST_PHOTOGRAPHS.iter().try_for_each(|(name, _)| hash.file(&folder.join(name)))?;
                }
            }
        }
        Ok(())
    }

    fn measure(&self, model: &Model, context: &SuiteContext) -> Result<Findings, Error> {
        let mut record = Classes::ImageNet1k.begin(self.info.name, model, context, &self.notes)?;
        let label_space = LabelSpace::ImageNet1k;
        match &self.source {
            Found::Files { clean, corruptions } => {
                record.entry("preprocessing", as_stored_protocol(model.preprocessing()));
                record.entry("corruption", "as stored in the files");
                let pass = Pass { model, context };
                let mut one = |data: &Arc<dyn Dataset>, view, found| -> Result<ConditionResult, Error> {
                    let (result, verdicts) = condition(&pass, Arc::clone(data), view, found)?;
                    record.findings.verdicts.push(verdicts);
                    Ok(result)
                };
                let clean =
                    clean.as_ref().map(|data| one(data, View::Shared(VAL_IMAGES), None)).transpose()?;
                let mut results = Vec::with_capacity(corruptions.len());
                for (corruption, severities) in corruptions {
                    let each = Severity::ALL.into_iter().zip(severities);
                    let each =
                        each.map(|(severity, data)| one(data, View::AsStored, Some((*corruption, severity))));
                    results.push((*corruption, each.collect::<Result<Vec<_>, _>>()?));
                }
                let figures = CorruptionFigures { clean: clean.as_ref(), corruptions: &results, label_space };
                record_figures(&mut record, &figures)?;
            }
            Found::Memory { clean, corruptions, photographs } => {
                let frost = photographs.as_deref().map(Frost::open).transpose()?;
                let options = CorruptionOptions {
                    corruptions: corruptions.clone(),
                    label_space,
                    frost: frost.unwrap_or_else(Frost::substitute),
                    seed: context.seed,
                    batch_size: context.batch_size,
                    workers: context.workers,
                    progress: context.progress,
                    precision: context.precision,
                    stop: Arc::clone(&context.stop),
                    parts: context.parts.clone(),
                };
                let report = evaluate_corruptions(model, Classifier::Head, Arc::clone(clean), &options)?;
                report.protocol().into_iter().for_each(|(key, value)| record.entry(key, value));
                let keys: Vec<_> = (0..clean.len()).map(|index| clean.key(index)).collect();
                let labels: Vec<_> =
                    clean.labels()?.into_iter().map(|label| label.map_or(-1, i64::from)).collect();
                let conditions = report.corruptions.iter().flat_map(|(_, results)| results);
                for result in std::iter::once(&report.clean).chain(conditions) {
                    let verdicts = TaskVerdicts::new(result.task(), &keys, &labels, result.correct.clone());
                    record.findings.verdicts.push(verdicts);
                }
                let (clean, corruptions) = (Some(&report.clean), &report.corruptions);
                record_figures(&mut record, &CorruptionFigures { clean, corruptions, label_space })?;
            }
        }
        Ok(record.findings)
    }
}

/// A classifier under one condition.
pub(super) fn condition(
    pass: &Pass<'_>,
    data: Arc<dyn Dataset>,
    view: View,
    condition: Condition,
) -> Result<(ConditionResult, TaskVerdicts), Error> {
    let name = describe(condition);
    let (confidences, verdicts) = judge(pass, data, view, &name)?;
    let tally = Tally { confidences, correct: verdicts.correct.clone() };
    Ok((summarise(condition, tally, pass.context.seed)?, verdicts))
}

/// The confidence in each image's prediction, and whether it is right. What a stopped run has left of them is not computed again.
fn judge(
    pass: &Pass<'_>,
    data: Arc<dyn Dataset>,
    view: View,
    name: &str,
) -> Result<(Vec<f64>, TaskVerdicts), Error> {
    let found = pass.row(&data, view, name, |batch, logits| {
        if let Some(row) = batch.labels.iter().position(|&label| label < 0) {
            return Err(Error::NoLabel { key: batch.keys[row].clone() });
        }
        let (confidences, predictions) = logits.f_softmax(1, Kind::Double)?.f_max_dim(1, false)?;
        let confidences = Vec::<f64>::try_from(confidences)?.into_iter().map(|c| c.clamp(0.0, 1.0));
        let predictions = Vec::<i64>::try_from(predictions)?;
        let correct = predictions.iter().zip(&batch.labels).map(|(a, b)| a == b);
        Ok(confidences.zip(correct).collect())
    })?;
    let (confidences, correct) = found.into_iter().unzip();
    let (keys, labels) = keys_and_labels(&data)?;
    Ok((confidences, TaskVerdicts::new(name, keys, &labels, correct)))
}

/// Adds every figure of a corruption benchmark; of a single corruption, no means over corruptions.
pub(super) fn record_figures(
    record: &mut Recorder<'_>,
    figures: &CorruptionFigures<'_>,
) -> Result<(), Error> {
    for found in figures.all()? {
        if found.averaged.is_some() && figures.corruptions.len() == 1 {
            continue;
        }
        record.entry("normaliser", found.normaliser);
        match found.averaged {
            Some(corruptions) => record.entry("corruptions", corruptions),
            None => drop(record.protocol.remove("corruptions")),
        }
        record.add(found.figure);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_that_are_not_whole_are_told() {
        let of = |sizes: [usize; 2]| {
            partial(&[("fog/1".to_owned(), sizes[0]), ("fog/2".to_owned(), sizes[1])], 50)
        };
        assert_eq!(of([50, 50]), None);
        assert!(of([10, 10]).unwrap().contains("each severity has 10 of the 50"));
        let uneven = of([50, 10]).unwrap();
        assert!(uneven.contains("from 10 (fog/2) to 50 (fog/1)"), "{uneven}");
        assert_eq!(partial(&[], 50), None);
    }
}
