//! `results.json` as it grows: what is finished is kept from run to run, and what is run again takes the place of what was there.

use super::registry::Unit;
use crate::bench::headline;
use crate::bench::results::{
    Details, Finished, ImageGroups, ModelEntry, Note, Reliability, Results, Verdicts,
};
use anyhow::{Context, Result, bail};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use visrep_metrics::Score;
use visrep_probe::Findings;

/// The results of a folder.
pub struct Ledger {
    path: PathBuf,
    /// What it holds.
    pub results: Results,
}

/// Whether a figure's task is a suite's task of this name or a part of it: `fog` and `fog/3` of `fog`, `shot_noise_2` of `shot_noise`.
fn belongs(task: &str, name: &str) -> bool {
    task.strip_prefix(name).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
}

/// Whether a figure is of this model and suite.
fn is_of(score: &Score, entry: &ModelEntry, suite: &str) -> bool {
    score.suite == suite && score.model == entry.architecture && score.weights == entry.weights
}

impl Ledger {
    /// Reads what is there, unless it is to be forgotten.
    ///
    /// # Errors
    /// A file that cannot be read, or that is of another benchmark.
    pub fn open(path: &Path, fresh: bool) -> Result<Self> {
        let mut results = Results::empty();
        if path.exists() && !fresh {
            let shown = path.display();
            let bytes = std::fs::read(path).with_context(|| format!("cannot read {shown}"))?;
            let found: Results = serde_json::from_slice(&bytes)
                .with_context(|| format!("{shown} is no results.json: move it away, or add --fresh"))?;
            if found.details.finished.is_empty() && !found.scores.is_empty() {
                bail!("{shown} holds results of another kind of benchmark: name another --out");
            }
            results = found;
        }
        Ok(Self { path: path.into(), results })
    }

    /// Adds a model, unless it is there, and gives its id: its name, with a number where several have it.
    pub fn model(&mut self, entry: ModelEntry) -> String {
        let models = &mut self.results.models;
        let same =
            |known: &&ModelEntry| known.architecture == entry.architecture && known.weights == entry.weights;
        if let Some(known) = models.iter().find(same) {
            return known.id.clone();
        }
        let mut id = entry.id.clone();
        let mut number = 1;
        while models.iter().any(|known| known.id == id) {
            number += 1;
            id = format!("{}-{number}", entry.id);
        }
        models.push(ModelEntry { id: id.clone(), label: id.clone(), ..entry });
        id
    }

    /// Whether this was run to its end.
    pub fn has(&self, model: &str, unit: &str, signature: &str) -> bool {
        let found =
            |known: &Finished| known.model == model && known.unit == unit && known.signature == signature;
        self.results.details.finished.iter().any(found)
    }

    /// Puts findings in the place of earlier ones: of the whole suite's, or of those of the same tasks.
    pub fn add(&mut self, model: &str, unit: &Unit, signature: String, findings: Findings) {
        let Results { models, scores, details, .. } = &mut self.results;
        let Some(entry) = models.iter().find(|entry| entry.id == model) else { return };
        let suite = unit.suite.info().name;
        let whole = unit.task.is_none();
        let mut tasks: HashSet<String> = findings.scores.iter().map(|score| score.task.clone()).collect();
        tasks.extend(findings.verdicts.iter().map(|found| found.task.clone()));
        tasks.extend(findings.reliability.iter().map(|(condition, _)| condition.clone()));
        // Probes are of whatever data they are given: those of other data stay.
        let data = findings.scores.first().map_or_else(|| suite.to_owned(), |score| score.data.clone());
        let own = |score: &Score| is_of(score, entry, suite) && score.data == data;
        // Means over tasks hold no longer where a task that they may be made of has another figure now.
        let names = unit.suite.tasks();
        let same = findings.scores.iter().all(|new| {
            let known = |old: &Score| {
                own(old) && (&old.task, &old.metric) == (&new.task, &new.metric) && old.value == new.value
            };
            scores.iter().any(known)
        });
        let of_one = |score: &Score| names.iter().any(|name| belongs(headline::task(score), name));
        let outdated = |score: &&Score| own(score) && !tasks.contains(&score.task) && !of_one(score);
        let gone: HashSet<String> = match whole || same {
            true => HashSet::new(),
            false => scores.iter().filter(outdated).map(|score| score.task.clone()).collect(),
        };
        let stays = |task: &String| !whole && !tasks.contains(task) && !gone.contains(task);
        scores.retain(|score| !own(score) || stays(&score.task));
        details.verdicts.retain(|found| {
            found.model != model || found.suite != suite || found.data != data || stays(&found.task)
        });
        details
            .reliability
            .retain(|found| found.model != model || found.data != suite || stays(&found.condition));
        // Of a single task, notes on the others stay.
        let about = unit.task.as_ref().map(|task| format!("{task}: "));
        details.notes.retain(|note| {
            let other = about.as_ref().is_some_and(|about| !note.text.starts_with(about));
            note.model != model || note.suite != suite || (other && !findings.notes.contains(&note.text))
        });
        let name = unit.name();
        // What a single task has changed is no whole run any more.
        details.finished.retain(|known| {
            let of_suite = known.unit == suite || known.unit.starts_with(&format!("{suite}/"));
            let holds = !whole && known.unit != name && (known.unit != suite || same);
            known.model != model || known.data != data || !of_suite || holds
        });
        let Findings { scores: new, verdicts, reliability, notes } = findings;
        scores.extend(new);
        details.verdicts.extend(verdicts.iter().map(|found| Verdicts::of_task(model, &data, suite, found)));
        // Groups are the images': of all models' verdicts on them there is one record, the newest.
        for groups in verdicts.iter().filter_map(ImageGroups::of_task) {
            details.groups.retain(|known| known.images != groups.images);
            details.groups.push(groups);
        }
        let Details { verdicts, groups, .. } = details;
        groups.retain(|known| verdicts.iter().any(|found| found.images == known.images));
        details.reliability.extend(reliability.into_iter().map(|(condition, found)| Reliability {
            model: model.to_owned(),
            data: suite.to_owned(),
            condition,
            ece: found.ece,
            bins: found.bins,
        }));
        let note = |text| Note { model: model.to_owned(), suite: suite.to_owned(), text };
        details.notes.extend(notes.into_iter().map(note));
        if !gone.is_empty() {
            let text = format!(
                "figures over several tasks were of an earlier run and are gone: run {suite} for them"
            );
            details.notes.retain(|note| note.model != model || note.suite != suite || note.text != text);
            details.notes.push(note(text));
        }
        details.finished.push(Finished { model: model.to_owned(), unit: name, data, signature });
    }

    /// Whether there are figures of this on all its images, which those of a trial would take the place of.
    pub fn is_whole(&self, model: &str, unit: &Unit) -> bool {
        let Results { models, scores, .. } = &self.results;
        let Some(entry) = models.iter().find(|entry| entry.id == model) else { return false };
        let suite = unit.suite.info().name;
        scores.iter().any(|score| {
            let asked = unit.task.as_ref().is_none_or(|task| belongs(headline::task(score), task));
            is_of(score, entry, suite)
                && score.data == suite
                && asked
                && !score.protocol.contains_key("limit")
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the file.
    pub fn save(&self) -> Result<()> {
        crate::bench::write(&self.path, &serde_json::to_vec_pretty(&self.results)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::published::registry;
    use crate::bench::testing::{model, score, with};

    /// A ledger of one model, to which findings are added by the name of what was run.
    struct Kept(Ledger);

    impl Kept {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let mut ledger = Ledger::open(&folder.path().join("results.json"), false).unwrap();
            ledger.model(model("w"));
            Self(ledger)
        }

        /// What is there after these, and how many notes.
        fn add(&mut self, name: &str, scores: Vec<Score>) -> (String, usize) {
            let unit = registry::Unit::parse(&[name.to_owned()]).unwrap().remove(0);
            self.0.add("w", &unit, "signature".into(), Findings { scores, ..Default::default() });
            let results = &self.0.results;
            let of = |score: &Score| format!("{} {}", score.task, score.value);
            (results.scores.iter().map(of).collect::<Vec<_>>().join(", "), results.details.notes.len())
        }
    }

    #[test]
    fn means_of_other_figures_do_not_stay_beside_a_task_that_was_run_again() {
        let mut kept = Kept::new();
        let score = |task: &str, metric: &str, value| score("imagenet-c", task, metric, value);
        let fog = |value| vec![score("fog/1", "error", value), score("fog", "mean-error", value)];
        let snow = || vec![score("snow", "mean-error", 0.5)];
        let all = [fog(0.5), snow(), vec![score("mean", "mce", 0.5)]].concat();
        let shown = "fog/1 0.5, fog 0.5, snow 0.5, mean 0.5";
        assert_eq!(kept.add("imagenet-c", all), (shown.to_owned(), 0));
        // The same figures once more: what is made of them holds.
        let (again, notes) = kept.add("imagenet-c/fog", fog(0.5));
        assert!(again.contains("mean 0.5") && notes == 0, "{again}");
        let (other, notes) = kept.add("imagenet-c/fog", fog(0.25));
        assert_eq!((other.as_str(), notes), ("snow 0.5, fog/1 0.25, fog 0.25", 1));
    }

    #[test]
    fn a_task_that_was_run_again_leaves_what_is_said_of_the_others() {
        let mut kept = Kept::new();
        let score = |task: &str, value| score("imagenet-c", task, "mean-error", value);
        kept.add("imagenet-c", vec![score("fog", 0.5), score("snow", 0.5), score("mean", 0.5)]);
        let note = |text: &str| Note { model: "w".into(), suite: "imagenet-c".into(), text: text.into() };
        kept.0.results.details.notes = vec![note("severities of 3 images"), note("fog: in part")];
        let finished = |kept: &Kept| kept.0.has("w", "imagenet-c", "signature");
        // With the same figures the suite is still finished; with others it is not, and its mean is gone.
        assert_eq!(kept.add("imagenet-c/fog", vec![score("fog", 0.5)]).1, 1);
        assert!(finished(&kept));
        assert_eq!(kept.add("imagenet-c/fog", vec![score("fog", 0.25)]).1, 2);
        assert_eq!(kept.add("imagenet-c/snow", vec![score("snow", 0.25)]).1, 2);
        assert!(!finished(&kept));
        assert_eq!(kept.0.results.details.notes[0].text, "severities of 3 images");
    }

    #[test]
    fn figures_of_other_data_stay_and_a_trial_takes_the_place_of_none() {
        let mut kept = Kept::new();
        let of = |data: &str, value| Score { data: data.into(), ..score("knn", "knn", "top1", value) };
        kept.add("knn", vec![of("photos", 0.5)]);
        kept.add("knn", vec![of("paintings", 0.25)]);
        assert_eq!(kept.add("knn", vec![of("photos", 0.75)]).0, "knn 0.25, knn 0.75");
        let whole = |kept: &Kept, name: &str| {
            kept.0.is_whole("w", &registry::Unit::parse(&[name.to_owned()]).unwrap()[0])
        };
        let trial = |task| with(score("imagenet-c", task, "mean-error", 0.5), &[("limit", "at most 8")]);
        kept.add("imagenet-c", vec![trial("fog"), trial("snow")]);
        assert!(!whole(&kept, "imagenet-c"));
        kept.add("imagenet-c/fog", vec![score("imagenet-c", "fog", "mean-error", 0.5)]);
        let found = ["imagenet-c", "imagenet-c/fog", "imagenet-c/snow"].map(|name| whole(&kept, name));
        assert_eq!(found, [true, true, false]);
    }

    #[test]
    fn a_set_that_was_run_again_leaves_other_sets_with_every_distance() {
        let mut kept = Kept::new();
        let of = |part: &str, value| {
            [("", "baseline"), ("lpips-", "lpips"), ("tap layer4: ", "tap layer4")].map(|(prefix, form)| {
                with(score("bapps-2afc", &format!("{prefix}{part}"), "2afc", value), &[("form", form)])
            })
        };
        kept.add("bapps-2afc", [of("superres", 0.5), of("cnn", 0.5), of("mean", 0.5)].concat());
        let (found, notes) = kept.add("bapps-2afc/superres", of("superres", 0.25).into());
        let expected = "cnn 0.5, lpips-cnn 0.5, tap layer4: cnn 0.5, \
                        superres 0.25, lpips-superres 0.25, tap layer4: superres 0.25";
        assert_eq!((found.as_str(), notes), (expected, 1));
    }
}
