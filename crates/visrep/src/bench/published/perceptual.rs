//! Agreement with people's judgements of similarity as suites: BAPPS's 2AFC and just noticeable differences.

use std::path::{Path, PathBuf};
use visrep_data::Fingerprint;
use visrep_metrics::{bootstrap_mean, mean, two_afc_human, two_afc_oracle};
use visrep_models::{Model, ModelOptions};
use visrep_perceptual::{
    BappsFolder, BappsSet, ImageDistance, Lpips, LpipsHeads, LpipsNet, LpipsVersion, PerceptualDistance,
    score_pairs, score_triplets,
};
use visrep_probe::{
    Error, Findings, LEVEL, OpenSuite, Progress, RESAMPLES, Recorder, Suite, SuiteContext, SuiteInfo,
};

/// Triplets in one pass.
const BATCH: usize = 32;

/// BAPPS.
struct Bapps {
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

static TWO_AFC: Bapps = Bapps {
    info: SuiteInfo {
        name: "bapps-2afc",
        about: "which of two distorted patches people find nearer; LPIPS too where its network is measured (Zhang et al. 2018)",
        expects: &[
            "bapps/2afc/val/{traditional,cnn,superres,deblur,color,frameinterp}/{ref,p0,p1,judge}/",
            "lpips/{alex,vgg,squeeze}.pth, optional",
        ],
        published: PUBLISHED,
    },
    kind: Kind::TwoAfc,
};

static JND: Bapps = Bapps {
    info: SuiteInfo {
        name: "bapps-jnd",
        about: "whether people tell two patches apart; LPIPS too where its network is measured (Zhang et al. 2018)",
        expects: &["bapps/jnd/val/{traditional,cnn}/{p0,p1,same}/", "lpips/{alex,vgg,squeeze}.pth, optional"],
        published: PUBLISHED,
    },
    kind: Kind::Jnd,
};

/// The table.
pub static SUITES: [&dyn Suite; 2] = [&TWO_AFC, &JND];

impl Kind {
    fn sets(self) -> &'static [BappsSet] {
        match self {
            Self::TwoAfc => &BappsSet::VALIDATION,
            Self::Jnd => &BappsSet::JND,
        }
    }

    fn place(self, set: BappsSet) -> String {
        match self {
            Self::TwoAfc => format!("bapps/2afc/val/{set}"),
            Self::Jnd => format!("bapps/jnd/val/{set}"),
        }
    }
}

fn failed(suite: &'static str) -> impl Fn(visrep_perceptual::Error) -> Error {
    move |error| Error::Suite { suite, message: error.to_string() }
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
            parts.push((set, folder.map_err(failed(self.info.name))?));
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

impl Opened {
    /// LPIPS with the measured model as its network, where it is one of the three and its heads are there.
    fn lpips(&self, model: &Model) -> Result<Option<Lpips>, Error> {
        let failed = failed(self.info.name);
        let Some(net) = LpipsNet::ALL.into_iter().find(|net| net.architecture() == model.name()) else {
            return Ok(None);
        };
        let heads = self.heads.join(format!("{net}.pth"));
        if !heads.is_file() {
            return Ok(None);
        }
        let heads = LpipsHeads::read(net, heads).map_err(&failed)?;
        // LPIPS owns and freezes its network: it gets one of its own with the same weights.
        let folder =
            tempfile::tempdir().map_err(|source| Error::Io { path: std::env::temp_dir(), source })?;
        let weights = folder.path().join("trunk.safetensors");
        model.save_weights(&weights)?;
        let options =
            ModelOptions { num_classes: Some(0), device: model.device(), ..ModelOptions::default() };
        let (trunk, _) = Model::from_weights(net.architecture(), &weights, &options)?;
        Lpips::new(net, LpipsVersion::V0_1, trunk, heads).map(Some).map_err(failed)
    }

    /// Scores one distance on every part.
    fn score(
        &self,
        record: &mut Recorder<'_>,
        distance: &dyn ImageDistance,
        prefix: &str,
        context: &SuiteContext,
    ) -> Result<(), Error> {
        let failed = failed(self.info.name);
        record.entry("distance", distance.name());
        let mut values = Vec::new();
        for (set, folder) in &self.parts {
            let n = context.limit.map_or(folder.len(), |limit| limit.min(folder.len()));
            let task = format!("{prefix}{set}");
            let mut progress = Progress::new(context.progress, &task, n);
            match self.kind {
                Kind::TwoAfc => {
                    let mut judges = Vec::with_capacity(n);
                    let triplets = folder.triplets().take(n).inspect(|triplet| {
                        progress.advance(1);
                        judges.extend(triplet.as_ref().map(|triplet| triplet.judge));
                    });
                    let found = score_triplets(distance, triplets, BATCH).map_err(&failed)?.two_afc;
                    let interval = bootstrap_mean(&found.agreement, RESAMPLES, LEVEL, context.seed)?;
                    record.figure(&task, "2afc", found.score, n, Some(interval));
                    if prefix.is_empty() {
                        record.figure(&task, "human", two_afc_human(&judges)?, n, None);
                        record.figure(&task, "oracle", two_afc_oracle(&judges)?, n, None);
                    }
                    values.push(found.score);
                }
                Kind::Jnd => {
                    let pairs = folder.pairs().take(n).inspect(|_| progress.advance(1));
                    let found = score_pairs(distance, pairs, BATCH).map_err(&failed)?;
                    record.figure(&task, "map", found.map, n, None);
                    values.push(found.map);
                }
            }
        }
        if values.len() == self.kind.sets().len() {
            let metric = match self.kind {
                Kind::TwoAfc => "2afc",
                Kind::Jnd => "map",
            };
            record.figure(format!("{prefix}mean"), metric, mean(&values)?, values.len(), None);
        }
        Ok(())
    }
}

impl OpenSuite for Opened {
    fn fingerprint(&self) -> Result<u64, Error> {
        // The sets by their sizes: what the archive holds does not change.
        let mut hash = Fingerprint::new();
        self.parts.iter().for_each(|(_, folder)| hash.number(folder.len() as u64));
        for heads in LpipsNet::ALL.map(|net| self.heads.join(format!("{net}.pth"))) {
            if heads.is_file() {
                hash.file(&heads)?;
            }
        }
        Ok(hash.finish())
    }

    fn run(&self, model: &Model, context: &SuiteContext) -> Result<Findings, Error> {
        let failed = failed(self.info.name);
        let mut record = Recorder::new(self.info.name, model, context);
        record.findings.notes.clone_from(&self.notes);
        record.entry(
            "preprocessing",
            format!(
                "patches of 64 x 64 as they are, mean {:?}, std {:?}",
                model.preprocessing().mean,
                model.preprocessing().std
            ),
        );
        record.entry("precision", "fp32, whatever --precision says");
        if model.backbone().taps().is_empty() {
            record.findings.notes.push(format!("not for {}, whose layers cannot be seen", model.name()));
            return Ok(record.findings);
        }
        let distance = PerceptualDistance::all_taps(model).map_err(&failed)?;
        self.score(&mut record, &distance, "", context)?;
        if let Some(lpips) = self.lpips(model)? {
            record.entry("preprocessing", "patches of 64 x 64 as they are, LPIPS's own scaling");
            self.score(&mut record, &lpips, "lpips-", context)?;
        }
        Ok(record.findings)
    }
}
