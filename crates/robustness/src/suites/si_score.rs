//! SI-Score: objects pasted on backgrounds at every size, place and angle (Djolonga et al. 2021).
//!
//! A set is a folder for each class with images that are named by a number, and `metadata.csv`, which says what each number shows
//! (`dataset_generator.py` of google-research/si-score). Its figure is the mean over the factor's values of the accuracy at each, as
//! in robustness_metrics (`metrics/synthetic.py`).

use super::figures::share;
use super::folder::{coverage, find, missing};
use super::head::{Classes, Pass, View};
use super::published::{Measure, Published};
use crate::Error;
use crate::classes::{si_score_class, synset_name};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tch::Tensor;
use visrep_data::{Dataset, Fingerprint, ImageFolder, Map};
use visrep_models::Model;
use visrep_probe::{FactorValue, Findings, Shown, SuiteContext, SuiteInfo, record_by_value};

const INFO: SuiteInfo = SuiteInfo {
    name: "si-score",
    about: "objects pasted on backgrounds at every size, place and angle; mean over values (Djolonga et al. 2021)",
    expects: &[
        "si-score/area/CLASS/NUMBER.jpg and metadata.csv",
        "si-score/location20_area02_min0pc/, the same",
        "si-score/rotation/, the same",
    ],
    published: PUBLISHED,
};

pub(super) const PUBLISHED: &str = "github.com/google-research/si-score, size.zip, location.zip, rotation.zip; `visrep data get si-score`, or one's own by \
     `visrep data si-score`";

/// One of the sets.
pub(super) struct Part {
    pub(super) task: &'static str,
    /// Where it may lie; the first is what its archive unpacks to.
    places: &'static [&'static str],
    /// The columns of `metadata.csv` that have the factor.
    columns: &'static [&'static str],
    /// How many images were published (TensorFlow Datasets' `siscore`).
    images: usize,
    /// The value of the factor with which others are compared.
    pub(super) reference: &'static [f64],
}

/// The three sets.
pub(super) const PARTS: [Part; 3] = [
    Part {
        task: "size",
        places: &["si-score/area", "si-score/size", "si-score/object_size", "object_size"],
        columns: &["area"],
        images: 92_884,
        // The size at which the set of places has its objects.
        reference: &[0.2],
    },
    Part {
        task: "location",
        places: &[
            "si-score/location20_area02_min0pc",
            "si-score/location",
            "si-score/object_location",
            "object_location",
        ],
        columns: &["x_coord", "y_coord"],
        images: 541_548,
        reference: &[0.5, 0.5],
    },
    Part {
        task: "rotation",
        places: &["si-score/rotation", "si-score/object_rotation", "object_rotation"],
        columns: &["rotation"],
        images: 39_540,
        // The nearest to upright.
        reference: &[1.0],
    },
];

/// The columns that say which object an image shows.
const OBJECT: [&str; 2] = ["foreground_class", "foreground_instance"];
/// Everything else that an image depends on.
const SCENE: [&str; 5] = ["background", "x_coord", "y_coord", "area", "rotation"];

/// A set that was found: images with ImageNet's labels, and what each shows.
pub(super) struct Set {
    pub(super) data: Arc<dyn Dataset>,
    pub(super) shown: Vec<Shown>,
}

impl Part {
    /// Where the set lies below `root`.
    pub(super) fn folder(&self, root: &Path) -> Option<PathBuf> {
        find(root, self.places)
    }

    /// Where it would lie.
    pub(super) fn place(&self) -> &'static str {
        self.places[0]
    }

    /// Reads names and `metadata.csv`.
    pub(super) fn open(&self, folder: &Path) -> Result<Set, Error> {
        let base = ImageFolder::open(folder)?;
        let wrong = |problem: String| Error::Layout { path: folder.into(), problem };
        let label = |name: &String| {
            si_score_class(name).map(u32::from).ok_or_else(|| {
                wrong(format!(
                    "has the folder '{name}', which is neither a class of SI-Score, such as 'koala', nor a synset of ImageNet-1k, such as \
                     'n01882714'"
                ))
            })
        };
        let labels = base.classes().iter().map(label).collect::<Result<Vec<_>, _>>()?;
        let metadata = self.metadata(&folder.join("metadata.csv"))?;
        let shown = (0..base.len()).map(|index| {
            let key = base.key(index);
            let number = Path::new(&key).file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
            let number = number
                .ok_or_else(|| wrong(format!("has the image '{key}', which is not named by a number")))?;
            metadata.get(&number).cloned().ok_or_else(|| {
                wrong(format!(
                    "has the image '{key}', of which metadata.csv has no row: they are of different sets, or the list is cut short"
                ))
            })
        });
        let shown = shown.collect::<Result<_, Error>>()?;
        let names = (0..1000).filter_map(synset_name).collect();
        let map = move |label: Option<u32>| label.and_then(|label| labels.get(label as usize).copied());
        Ok(Set { data: Arc::new(Map::labels(Arc::new(base), names, map)), shown })
    }

    /// What the image of each number shows.
    fn metadata(&self, path: &Path) -> Result<HashMap<u64, Shown>, Error> {
        let wrong = |problem: String| Error::Layout { path: path.into(), problem };
        if !path.is_file() {
            return Err(wrong(format!(
                "is not there: it says what each image shows, and is published beside the images (object_{}/metadata.csv)",
                self.task
            )));
        }
        let fail = |error: csv::Error| wrong(format!("is no table: {error}"));
        let mut reader = csv::Reader::from_path(path).map_err(fail)?;
        let headings = reader.headers().map_err(fail)?.clone();
        let column = |name: &str| {
            headings.iter().position(|heading| heading.trim() == name).ok_or_else(|| {
                let known: Vec<_> = headings.iter().collect();
                wrong(format!("has no column '{name}', but {}", known.join(", ")))
            })
        };
        let image = column("image_id")?;
        let columns =
            |names: &[&str]| names.iter().map(|name| column(name)).collect::<Result<Vec<_>, Error>>();
        let (factor, object) = (columns(self.columns)?, columns(&OBJECT)?);
        let others: Vec<_> = SCENE.into_iter().filter(|name| !self.columns.contains(name)).collect();
        let others = columns(&others)?;
        let (mut objects, mut scenes) = (Numbers::default(), Numbers::default());
        let mut found = HashMap::new();
        for (row, line) in reader.records().enumerate() {
            let line = line.map_err(fail)?;
            let field = |column: usize| line.get(column).unwrap_or_default().trim();
            let number = |column: usize| {
                field(column).parse::<f64>().ok().filter(|number| number.is_finite()).ok_or_else(|| {
                    wrong(format!(
                        "row {}: {} is '{}', which is no number",
                        row + 2,
                        headings.get(column).unwrap_or_default(),
                        field(column)
                    ))
                })
            };
            let joined =
                |columns: &[usize]| columns.iter().map(|&column| field(column)).collect::<Vec<_>>().join(",");
            let value = factor.iter().map(|&column| number(column)).collect::<Result<Vec<_>, _>>()?;
            let object = joined(&object);
            let scene = scenes.of(format!("{object},{}", joined(&others)));
            let shown = Shown { value: FactorValue::new(&value), object: objects.of(object), scene };
            // Written by Python, where numbers may have a fraction.
            found.insert(number(image)? as u64, shown);
        }
        Ok(found)
    }
}

/// Texts by number, each its own.
#[derive(Default)]
struct Numbers(BTreeMap<String, usize>);

impl Numbers {
    fn of(&mut self, text: String) -> usize {
        let next = self.0.len();
        *self.0.entry(text).or_insert(next)
    }
}

/// What is there.
pub(super) struct Present {
    /// Parts with their folders.
    pub(super) parts: Vec<(&'static Part, PathBuf)>,
    /// A note of each part that is not there.
    pub(super) notes: Vec<String>,
}

impl Present {
    /// Looks for all parts, or for one.
    pub(super) fn under(root: &Path, task: Option<&str>, info: &SuiteInfo) -> Result<Self, Error> {
        let (mut parts, mut notes, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for part in PARTS.iter().filter(|part| task.is_none_or(|task| task == part.task)) {
            places.push(part.place());
            match part.folder(root) {
                Some(folder) => parts.push((part, folder)),
                None => {
                    notes.push(format!("{}: there is no {}", part.task, root.join(part.place()).display()))
                }
            }
        }
        if parts.is_empty() { Err(missing(info, root, &places)) } else { Ok(Self { parts, notes }) }
    }
}

/// The suite.
pub(super) struct SiScore;

impl Published for SiScore {
    type Found = Opened;

    fn info(&self) -> SuiteInfo {
        INFO
    }

    fn tasks(&self) -> Vec<String> {
        PARTS.iter().map(|part| part.task.into()).collect()
    }

    fn find(&self, root: &Path, task: Option<&str>, context: &SuiteContext) -> Result<Opened, Error> {
        let Present { parts, notes } = Present::under(root, task, &INFO)?;
        let mut sets = Vec::new();
        for (part, folder) in parts {
            let Set { data, shown } = part.open(&folder)?;
            let coverage = coverage(data.len(), part.images);
            let places = context.places(data.len());
            let shown = places.into_iter().map(|place| shown[place].clone()).collect();
            sets.push(Chosen { task: part.task, set: Set { data: context.limited(data), shown }, coverage });
        }
        Ok(Opened { sets, notes })
    }
}

pub(super) struct Opened {
    sets: Vec<Chosen>,
    notes: Vec<String>,
}

struct Chosen {
    task: &'static str,
    set: Set,
    coverage: String,
}

impl Measure for Opened {
    fn sets(&self) -> Vec<&Arc<dyn Dataset>> {
        self.sets.iter().map(|chosen| &chosen.set.data).collect()
    }

    fn beside(&self, hash: &mut Fingerprint) -> Result<(), Error> {
        self.sets.iter().flat_map(|chosen| &chosen.set.shown).for_each(|shown| add_shown(hash, shown));
        Ok(())
    }

    fn measure(&self, model: &Model, context: &SuiteContext) -> Result<Findings, Error> {
        let mut record = Classes::ImageNet1k.begin(INFO.name, model, context, &self.notes)?;
        record.entry(
            "decision",
            "the arg max of the 1000; right if it is the class that stands for the object",
        );
        record.entry("mean-top1", "mean over the factor's values of the accuracy at each");
        for Chosen { task, set, coverage } in &self.sets {
            record.entry("images", coverage.clone());
            let verdicts = Pass { model, context }.verdicts(&set.data, View::Evaluation, task, verdicts)?;
            let (accuracy, interval) = share(&verdicts.correct)?;
            record.figure(*task, "top1", accuracy, verdicts.correct.len(), Some(interval));
            record_by_value(&mut record, task, &set.shown, &verdicts.correct, context.seed)?;
            record.findings.verdicts.push(verdicts.showing(&set.shown));
        }
        Ok(record.findings)
    }
}

/// Whether each row's arg max is its label.
pub(super) fn verdicts(logits: &Tensor, labels: &[i64]) -> Result<Vec<bool>, Error> {
    let predictions = Vec::<i64>::try_from(logits.f_argmax(1, false)?)?;
    Ok(predictions.iter().zip(labels).map(|(prediction, label)| prediction == label).collect())
}

/// Adds to `hash` what an image shows: figures depend on it as on the image.
pub(super) fn add_shown(hash: &mut Fingerprint, shown: &Shown) {
    hash.text(&shown.value.to_string());
    hash.number(shown.object as u64);
    hash.number(shown.scene as u64);
}
