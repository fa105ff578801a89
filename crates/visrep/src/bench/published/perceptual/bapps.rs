//! BAPPS: which of two distorted patches people find nearer (2AFC), and whether they tell two apart (JND).

use super::failed;
use super::measured::{Measured, Row, fingerprint};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use visrep_data::Fingerprint;
use visrep_metrics::{
    Interval, bootstrap_mean_of_means, jnd_map_interval, mean, two_afc_human, two_afc_oracle,
};
use visrep_models::Model;
use visrep_perceptual::{
    BappsFolder, BappsSet, ImageDistances, JndScores, TripletScores, score_pairs_by, score_triplets_by,
};
use visrep_probe::{
    Error, Findings, LEVEL, OpenSuite, Parts, Progress, RESAMPLES, Recorder, Suite, SuiteContext, SuiteInfo,
    TaskVerdicts,
};

/// Triplets in one pass.
const BATCH: usize = 32;

/// The side of a patch in pixels.
const SIDE: u32 = 64;

/// BAPPS.
pub struct Bapps {
    info: SuiteInfo,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    TwoAfc,
    Jnd,
}

const PUBLISHED: &str =
    "github.com/richzhang/PerceptualSimilarity, scripts/download_dataset.sh; heads in lpips/weights/v0.1";

pub static TWO_AFC: Bapps = Bapps {
    info: SuiteInfo {
        name: "bapps-2afc",
        about: "which of two distorted patches people find nearer, by every form of distance between activations, LPIPS where its network \
                is measured, PSNR, SSIM and MS-SSIM (Zhang et al. 2018)",
        expects: &[
            "bapps/2afc/val/{traditional,cnn,superres,deblur,color,frameinterp}/{ref,p0,p1,judge}/",
            "lpips/{alex,vgg,squeeze}.pth, optional",
        ],
        published: PUBLISHED,
    },
    kind: Kind::TwoAfc,
};

pub static JND: Bapps = Bapps {
    info: SuiteInfo {
        name: "bapps-jnd",
        about: "whether people tell two patches apart, by the same distances as bapps-2afc (Zhang et al. 2018)",
        expects: &["bapps/jnd/val/{traditional,cnn}/{p0,p1,same}/", "lpips/{alex,vgg,squeeze}.pth, optional"],
        published: PUBLISHED,
    },
    kind: Kind::Jnd,
};

impl Kind {
    fn sets(self) -> &'static [BappsSet] {
        match self {
            Self::TwoAfc => &BappsSet::VALIDATION,
            Self::Jnd => &BappsSet::JND,
        }
    }

    /// Sets over which the paper has a mean, and what it is called. The second and third are of the 2AFC alone.
    fn means(self) -> &'static [(&'static str, &'static [BappsSet])] {
        const MEANS: [(&str, &[BappsSet]); 3] = [
            ("mean", &BappsSet::VALIDATION),
            ("distortions", BappsSet::DISTORTIONS),
            ("real-algorithms", BappsSet::REAL_ALGORITHMS),
        ];
        match self {
            Self::TwoAfc => &MEANS,
            Self::Jnd => &[("mean", &BappsSet::JND)],
        }
    }

    fn metric(self) -> &'static str {
        match self {
            Self::TwoAfc => "2afc",
            Self::Jnd => "map",
        }
    }

    fn place(self, set: BappsSet) -> String {
        match self {
            Self::TwoAfc => format!("bapps/2afc/val/{set}"),
            Self::Jnd => format!("bapps/jnd/val/{set}"),
        }
    }
}

impl Suite for Bapps {
    fn info(&self) -> SuiteInfo {
        self.info
    }

    fn tasks(&self) -> Vec<String> {
        self.kind.sets().iter().map(ToString::to_string).collect()
    }

    fn open(
        &self,
        root: &Path,
        task: Option<&str>,
        _context: &SuiteContext,
    ) -> Result<Box<dyn OpenSuite>, Error> {
        let asked =
            || self.kind.sets().iter().copied().filter(|set| task.is_none_or(|task| task == set.to_string()));
        let (mut parts, mut notes) = (Vec::new(), Vec::new());
        for set in asked() {
            let path = root.join(self.kind.place(set));
            if !path.is_dir() {
                notes.push(format!("{set}: there is no {}", path.display()));
                continue;
            }
            let bapps = root.join("bapps");
            let folder = match self.kind {
                Kind::TwoAfc => BappsFolder::two_afc(bapps, false, set),
                Kind::Jnd => BappsFolder::jnd(bapps, set),
            };
            let folder = folder.map_err(failed(self.info.name))?;
            if let (Kind::TwoAfc, Some(all)) = (self.kind, set.validation_triplets())
                && folder.len() != all
            {
                notes.push(format!(
                    "{set}: {} triplets, published are {all}: not the whole set",
                    folder.len()
                ));
            }
            parts.push((set, folder));
        }
        if parts.is_empty() {
            let paths = asked().map(|set| root.join(self.kind.place(set))).collect();
            return Err(Error::MissingData { suite: self.info.name, paths, published: PUBLISHED });
        }
        Ok(Box::new(Opened { info: self.info, kind: self.kind, parts, notes, heads: root.join("lpips") }))
    }
}

struct Opened {
    info: SuiteInfo,
    kind: Kind,
    parts: Vec<(BappsSet, BappsFolder)>,
    notes: Vec<String>,
    heads: PathBuf,
}

/// What ends a pass over a set.
enum Failure {
    Distance(visrep_perceptual::Error),
    Suite(Error),
}

impl From<visrep_perceptual::Error> for Failure {
    fn from(error: visrep_perceptual::Error) -> Self {
        Self::Distance(error)
    }
}

/// What one distance found on a set.
#[derive(Serialize, Deserialize)]
enum Scored {
    TwoAfc(TripletScores),
    Jnd(JndScores),
}

impl Scored {
    fn value(&self) -> f64 {
        match self {
            Self::TwoAfc(scores) => scores.two_afc.score,
            Self::Jnd(scores) => scores.map,
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::TwoAfc(scores) => scores.judge.len(),
            Self::Jnd(scores) => scores.same.len(),
        }
    }

    /// What the figure is made of, for paired comparison: of the triplets or pairs at these places of the set.
    fn verdicts(&self, task: &str, metric: &str, places: &[usize]) -> TaskVerdicts {
        // The images' names say less than their places and what judges said.
        let key = |(place, share): (&usize, &f64)| format!("{place} {share}");
        match self {
            Self::TwoAfc(TripletScores { two_afc, judge, .. }) => {
                let keys = places.iter().zip(judge).map(key);
                TaskVerdicts::of_values(task, metric, keys, two_afc.agreement.clone())
            }
            Self::Jnd(JndScores { distances, same, .. }) => {
                TaskVerdicts::of_scores(task, places.iter().zip(same).map(key), distances, same.clone())
            }
        }
    }

    /// The judges' answers of triplets.
    fn judge(&self) -> &[f64] {
        match self {
            Self::TwoAfc(scores) => &scores.judge,
            Self::Jnd(_) => &[],
        }
    }
}

/// The bootstrap interval of the mean over sets, each of which is resampled by itself.
fn interval(sets: &[&Scored], seed: u64) -> Result<Interval, visrep_metrics::Error> {
    let (mut agreements, mut pairs) = (Vec::new(), Vec::new());
    for set in sets {
        match set {
            Scored::TwoAfc(scores) => agreements.push(scores.two_afc.agreement.as_slice()),
            Scored::Jnd(scores) => pairs.push((scores.distances.as_slice(), scores.same.as_slice())),
        }
    }
    if pairs.is_empty() {
        bootstrap_mean_of_means(&agreements, RESAMPLES, LEVEL, seed)
    } else {
        jnd_map_interval(&pairs, RESAMPLES, LEVEL, seed)
    }
}

impl Opened {
    /// Every distance on every set: for each set, a score for each row.
    fn score(&self, measured: &Measured<'_>, context: &SuiteContext) -> Result<Vec<Vec<Scored>>, Error> {
        let distances = measured.distances();
        let mut found = Vec::new();
        for (set, folder) in &self.parts {
            let name = Parts::name_of(&set.to_string(), folder.stamp());
            found.push(context.parts.get(&name, || self.score_set(*set, folder, &distances, context))?);
        }
        Ok(found)
    }

    /// Every distance on one set.
    fn score_set(
        &self,
        set: BappsSet,
        folder: &BappsFolder,
        distances: &[&dyn ImageDistances],
        context: &SuiteContext,
    ) -> Result<Vec<Scored>, Error> {
        let places = context.places(folder.len());
        let mut progress = Progress::new(context.progress, set.to_string(), places.len());
        let mut begin = || {
            progress.advance(1);
            context.go_on().map_err(Failure::Suite)
        };
        let scored: Result<Vec<Scored>, Failure> = match self.kind {
            Kind::TwoAfc => {
                let triplets = places.iter().map(|&at| begin().and_then(|()| Ok(folder.triplet(at)?)));
                score_triplets_by(distances, triplets, BATCH)
                    .map(|all| all.into_iter().map(Scored::TwoAfc).collect())
            }
            Kind::Jnd => {
                let pairs = places.iter().map(|&at| begin().and_then(|()| Ok(folder.pair(at)?)));
                score_pairs_by(distances, pairs, BATCH).map(|all| all.into_iter().map(Scored::Jnd).collect())
            }
        };
        scored.map_err(|failure| match failure {
            Failure::Distance(error) => failed(self.info.name)(error),
            Failure::Suite(error) => error,
        })
    }

    /// Records one distance: of each set, and the means of those that are all there.
    fn record(
        &self,
        record: &mut Recorder<'_>,
        row: &Row,
        scored: &[&Scored],
        context: &SuiteContext,
    ) -> Result<(), Error> {
        row.enter(record);
        // Those of one tap are too many to keep.
        if !row.tap {
            for ((set, folder), scored) in self.parts.iter().zip(scored) {
                let (task, places) = (format!("{}{set}", row.prefix), context.places(folder.len()));
                record.findings.verdicts.push(scored.verdicts(&task, self.kind.metric(), &places));
            }
        }
        // Of every distance the judges are the same, so that what they reach stands once.
        let judges = row.prefix.is_empty();
        let mut figures = |task: &str, sets: &[&Scored]| -> Result<(), Error> {
            let n = sets.iter().map(|set| set.len()).sum();
            let over = |of: &dyn Fn(&Scored) -> Result<f64, visrep_metrics::Error>| {
                mean(&sets.iter().map(|set| of(set)).collect::<Result<Vec<_>, _>>()?)
            };
            let value = over(&|set| Ok(set.value()))?;
            let task = format!("{}{task}", row.prefix);
            record.figure(&task, self.kind.metric(), value, n, Some(interval(sets, context.seed)?));
            if let (true, Kind::TwoAfc) = (judges, self.kind) {
                record.figure(&task, "human", over(&|set| two_afc_human(set.judge()))?, n, None);
                record.figure(&task, "oracle", over(&|set| two_afc_oracle(set.judge()))?, n, None);
            }
            Ok(())
        };
        let of_set = |set: &BappsSet| self.parts.iter().position(|(found, _)| found == set);
        let means = self.kind.means().iter().filter_map(|(name, sets)| {
            let places = sets.iter().map(of_set).collect::<Option<Vec<_>>>()?;
            Some((*name, places))
        });
        let means: Vec<_> = means.collect();
        if !row.tap || means.is_empty() {
            for ((set, _), &scored) in self.parts.iter().zip(scored) {
                figures(&set.to_string(), &[scored])?;
            }
        }
        for (name, places) in means {
            figures(name, &places.into_iter().map(|place| scored[place]).collect::<Vec<_>>())?;
        }
        Ok(())
    }
}

impl OpenSuite for Opened {
    fn fingerprint(&self) -> Result<u64, Error> {
        let mut hash = Fingerprint::new();
        self.parts.iter().for_each(|(_, folder)| hash.number(folder.fingerprint()));
        fingerprint(hash.finish(), &self.heads)
    }

    fn stamp(&self) -> u64 {
        let mut hash = Fingerprint::new();
        self.parts.iter().for_each(|(_, folder)| hash.number(folder.stamp()));
        hash.finish()
    }

    fn run(&self, model: &Model, context: &SuiteContext) -> Result<Findings, Error> {
        let mut record = Recorder::new(self.info.name, model, context);
        record.findings.notes.clone_from(&self.notes);
        record.entry("precision", "fp32, whatever --precision says");
        if model.backbone().taps().is_empty() {
            let note =
                format!("of {} only pooled features are compared: its layers cannot be seen", model.name());
            record.findings.notes.push(note);
        }
        let measured = Measured::new(model, &self.heads, SIDE, self.info.name)?;
        let scored = self.score(&measured, context)?;
        for (at, row) in measured.rows.iter().enumerate() {
            let of_row: Vec<&Scored> = scored.iter().map(|set| &set[at]).collect();
            self.record(&mut record, row, &of_row, context)?;
        }
        Ok(record.findings)
    }
}
