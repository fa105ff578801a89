//! Tasks whose images have several classes: a linear classifier for each class, mean average precision and F1.

use crate::read::{BigEarthNet, LandCover, read_patches};
use crate::{Error, InputPreparation, OpenOptions, Task};
use rand::seq::SliceRandom;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use tch::Tensor;
use visrep_augment::view_rng;
use visrep_data::{Dataset, Subset};
use visrep_metrics::{Score, ScoreMatrix, mean_average_precision, multi_label_f1};
use visrep_models::Model;
use visrep_probe::{
    Benchmark, Context, FeatureSet, Figure, LinearProbe, LinearProbeOptions, Pooling, Regularisation,
    compute_protocol, extract_views,
};

/// Training examples, as in VTAB.
const TRAIN: usize = 1000;
/// A class is predicted from this probability on.
const THRESHOLD: f64 = 0.5;

/// The published lists of patches under snow or clouds, which the authors leave out.
const LEFT_OUT: [&str; 2] = ["patches_with_seasonal_snow.csv", "patches_with_cloud_and_shadow.csv"];

/// BigEarthNet with a linear classifier for each class on frozen features of 1000 images: mean average precision over the
/// classes that the test images have, and F1 over all decisions (micro) and classes (macro).
pub struct BigEarthNetBenchmark {
    task: &'static str,
    classes: usize,
    train: Arc<dyn Dataset>,
    test: Arc<dyn Dataset>,
    train_labels: Vec<Vec<bool>>,
    test_labels: Vec<bool>,
    description: String,
    /// How images become input.
    pub input: InputPreparation,
    /// scikit-learn's `C` of every classifier, on standardised features.
    pub c: f64,
}

impl BigEarthNetBenchmark {
    /// Looks for BigEarthNet's folder of patches in `root`. Where the published splits lie in it or beside it (`train.csv` and
    /// `test.csv`, or `bigearthnet-train.csv` and `bigearthnet-test.csv`, one patch to a line) the test set is theirs, otherwise a
    /// fifth is drawn; 1000 training examples are drawn of the rest. Patches that the lists `patches_with_seasonal_snow.csv` and
    /// `patches_with_cloud_and_shadow.csv` name are left out, as are those without any of the 19 classes where these are asked for.
    ///
    /// # Errors
    /// No patches, or labels or lists that cannot be read.
    pub fn open(root: impl AsRef<Path>, cover: LandCover, options: &OpenOptions) -> Result<Self, Error> {
        Self::build(&mut Patches::open(root.as_ref(), options)?, cover, options)
    }

    /// As [`Self::open`] for each of `covers`. The folder, the lists and every patch's labels are read once for all of them, on a few
    /// threads. What keeps all from being opened, such as missing data, is one error alone.
    pub fn open_all(
        root: impl AsRef<Path>,
        covers: &[LandCover],
        options: &OpenOptions,
    ) -> Vec<Result<Self, Error>> {
        if covers.is_empty() {
            return Vec::new();
        }
        match Patches::open(root.as_ref(), options) {
            Ok(mut patches) => {
                covers.iter().map(|cover| Self::build(&mut patches, *cover, options)).collect()
            }
            Err(error) => vec![Err(error)],
        }
    }

    fn build(patches: &mut Patches, cover: LandCover, options: &OpenOptions) -> Result<Self, Error> {
        let all = Arc::new(patches.all.with_classes(cover));
        let said = patches.said.clone();
        let ((train, train_labels), (test, test_labels)) = patches.labelled(cover)?;
        if train.is_empty() || test.is_empty() {
            let problem = "there are too few patches to train on some and test on others".into();
            return Err(Error::Split { task: Task::BigEarthNet.name(), problem });
        }
        let classes = cover.classes().len();
        let description = format!(
            "{classes} classes; {} training examples drawn with seed {}, {} test images {said}",
            train.len(),
            options.seed,
            test.len()
        );
        let part = |places| -> Arc<dyn Dataset> { Arc::new(Subset::new(all.clone(), places)) };
        let (train, test, test_labels) = (part(train), part(test), test_labels.concat());
        let (task, input) = (cover.task(), InputPreparation::default());
        Ok(Self { task, classes, train, test, train_labels, test_labels, description, input, c: 0.1 })
    }

    /// What scores call the task.
    pub fn task(&self) -> &'static str {
        self.task
    }

    /// The training and the test images.
    pub fn images(&self) -> [&Arc<dyn Dataset>; 2] {
        [&self.train, &self.test]
    }

    /// The probability of each class for each test image, image by image.
    fn probabilities(&self, train: FeatureSet, test: &FeatureSet) -> Result<Vec<f64>, Error> {
        let classes = self.classes;
        let options = LinearProbeOptions {
            regularisation: Regularisation::Fixed { c: self.c },
            standardise: true,
            ..LinearProbeOptions::scikit_learn(self.c)
        };
        let mut all = vec![0.0; test.len() * classes];
        let mut set = train;
        for class in 0..classes {
            set.labels = self.train_labels.iter().map(|labels| i64::from(labels[class])).collect();
            let positives: i64 = set.labels.iter().sum();
            // What no training image has, or all have, is predicted for none, or all.
            if positives == 0 || positives as usize == set.len() {
                let value = if positives == 0 { 0.0 } else { 1.0 };
                all.iter_mut().skip(class).step_by(classes).for_each(|p| *p = value);
                continue;
            }
            let predicted = LinearProbe::fit(&set, &options)?.predict(&test.features)?;
            let predicted = predicted.f_select(1, 1).map_err(visrep_probe::Error::from)?;
            let predicted =
                Vec::<f64>::try_from(Tensor::contiguous(&predicted)).map_err(visrep_probe::Error::from)?;
            all.iter_mut().skip(class).step_by(classes).zip(predicted).for_each(|(p, value)| *p = value);
        }
        Ok(all)
    }

    fn figures(&self, model: &Model, context: &Context) -> Result<Vec<Score>, Error> {
        let (views, preprocessing) = self.input.views(model)?;
        let extract = |data: &Arc<dyn Dataset>| {
            extract_views(model, data.clone(), &views, &preprocessing, &context.extract_options())
        };
        let (train, test) = (extract(&self.train)?, extract(&self.test)?);
        let n = test.len();
        let values = self.probabilities(train, &test)?;
        let scores = ScoreMatrix::new(&values, self.classes)?;
        let f1 = multi_label_f1(&scores, &self.test_labels, THRESHOLD)?;
        let mut protocol: BTreeMap<String, String> =
            compute_protocol(model, context.precision).map(|(key, value)| (key.to_owned(), value)).into();
        let entries = [
            ("preprocessing", preprocessing.clone()),
            ("pooling", Pooling::PreLogits.to_string()),
            ("split", self.description.clone()),
            ("classifier", "logistic regression for each class by L-BFGS, standardised features".into()),
            ("c", self.c.to_string()),
            ("threshold", format!("F1 of probabilities from {THRESHOLD} on")),
            ("seed", context.seed.to_string()),
        ];
        protocol.extend(entries.map(|(key, value)| (key.to_owned(), value)));
        let of = |metric, value| {
            let figure = Figure { task: self.task.into(), metric, value, n, interval: None };
            context.score(model, self.id(), figure, &protocol)
        };
        Ok(vec![
            of("map", mean_average_precision(&scores, &self.test_labels)?),
            of("f1_micro", f1.micro),
            of("f1_macro", f1.macro_mean),
        ])
    }
}

/// The patches with the parts that they are for, and the labels that were read.
struct Patches {
    all: BigEarthNet,
    /// In the order in which training examples are drawn.
    train: Vec<usize>,
    test: Vec<usize>,
    /// What the latter are, in words.
    said: String,
    /// Bits of the 43 classes of the first of `train`, and of `test`.
    train_bits: Vec<u64>,
    test_bits: Vec<u64>,
}

/// Places of patches, and of each its labels.
type Labelled = (Vec<usize>, Vec<Vec<bool>>);

impl Patches {
    fn open(root: &Path, options: &OpenOptions) -> Result<Self, Error> {
        let names =
            ["vtab/bigearthnet/BigEarthNet-v1.0", "vtab/bigearthnet", "bigearthnet", "BigEarthNet-v1.0"];
        let found = names.iter().map(|name| root.join(name)).find(|folder| folder.is_dir());
        let folder = found.ok_or_else(|| Error::missing(Task::BigEarthNet, root, names.join(", ")))?;
        let all = BigEarthNet::open(&folder, LandCover::Classes43)?;
        let (mut train, mut test, mut said) = parts(&all, &folder)?;
        train.shuffle(&mut view_rng(options.seed, 0, 2, 0));
        if let Some(limit) = options.limit.filter(|limit| *limit < test.len()) {
            test = (0..limit).map(|nth| test[nth * test.len() / limit]).collect();
            said += ", not all";
        }
        let test_bits = all.bits(&test)?;
        Ok(Self { all, train, test, said, train_bits: Vec::new(), test_bits })
    }

    /// The training examples and the test images with the classes of `cover`. Of the training images as many are read as it takes.
    fn labelled(&mut self, cover: LandCover) -> Result<(Labelled, Labelled), Error> {
        let of = |(place, bits): (&usize, &u64)| {
            let labels = cover.of_bits(*bits);
            (cover == LandCover::Classes43 || labels.contains(&true)).then_some((*place, labels))
        };
        let kept =
            |places: &[usize], bits: &[u64]| places.iter().zip(bits).filter_map(of).take(TRAIN).count();
        while kept(&self.train, &self.train_bits) < TRAIN && self.train_bits.len() < self.train.len() {
            let from = self.train_bits.len();
            let to = self.train.len().min(from + TRAIN);
            self.train_bits.extend(self.all.bits(&self.train[from..to])?);
        }
        let train = self.train.iter().zip(&self.train_bits).filter_map(of).take(TRAIN).unzip();
        Ok((train, self.test.iter().zip(&self.test_bits).filter_map(of).unzip()))
    }
}

impl LandCover {
    /// What scores call BigEarthNet with these classes.
    #[must_use]
    pub fn task(self) -> &'static str {
        match self {
            Self::Classes43 => "bigearthnet-43",
            Self::Classes19 => "bigearthnet",
        }
    }
}

/// Where patches to train and to test on are, and what the latter are, in words.
fn parts(all: &BigEarthNet, folder: &Path) -> Result<(Vec<usize>, Vec<usize>, String), Error> {
    let beside = folder.parent().unwrap_or(folder);
    let list = |names: &[&str]| {
        let places = [folder, beside].into_iter().flat_map(|at| names.iter().map(move |name| at.join(name)));
        places.into_iter().find(|path| path.is_file())
    };
    let (mut out, mut lists) = (BTreeSet::new(), 0);
    for path in LEFT_OUT.iter().filter_map(|name| list(&[*name])) {
        out.extend(read_patches(&path)?.iter().filter_map(|patch| all.position(patch)));
        lists += 1;
    }
    let without = match lists {
        2 => "without patches under snow or clouds",
        1 => "without the patches of one of the two lists of snow and of clouds",
        _ => "snow and clouds included",
    };
    let published =
        (list(&["train.csv", "bigearthnet-train.csv"]), list(&["test.csv", "bigearthnet-test.csv"]));
    if let (Some(train), Some(test)) = published {
        let places = |path: &Path| -> Result<Vec<usize>, Error> {
            let place = |patch: String| match all.position(&patch) {
                Some(place) => Ok(place),
                None => Err(Error::Split {
                    task: Task::BigEarthNet.name(),
                    problem: format!(
                        "{} names `{patch}`, which is not in {}",
                        path.display(),
                        folder.display()
                    ),
                }),
            };
            let named = read_patches(path)?.into_iter().map(place).collect::<Result<Vec<_>, _>>()?;
            Ok(named.into_iter().filter(|place| !out.contains(place)).collect())
        };
        return Ok((places(&train)?, places(&test)?, format!("of the published split, {without}")));
    }
    let mut order: Vec<usize> = (0..all.len()).filter(|place| !out.contains(place)).collect();
    order.shuffle(&mut view_rng(0, 0, 1, 0));
    let cut = order.len() / 5;
    let mut test = order[..cut].to_vec();
    test.sort_unstable();
    Ok((order[cut..].to_vec(), test, format!("of a fifth drawn with seed 0, not official, {without}")))
}

impl Benchmark for BigEarthNetBenchmark {
    fn id(&self) -> &str {
        "remote-sensing"
    }

    /// Of `context` the resources, the cache, the seed and the names count, not its data.
    fn run(&self, model: &Model, context: &Context) -> Result<Vec<Score>, visrep_probe::Error> {
        self.figures(model, context).map_err(|error| visrep_probe::Error::Suite {
            suite: "remote-sensing",
            message: error.to_string(),
        })
    }
}
