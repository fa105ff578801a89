//! Tasks whose images have several classes: a linear classifier for each class, mean average precision and F1.

use crate::read::BigEarthNet;
use crate::{Error, InputPreparation, OpenOptions, Task};
use rand::seq::SliceRandom;
use std::collections::BTreeMap;
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

/// BigEarthNet with a linear classifier for each class on frozen features of 1000 images: mean average precision over the
/// classes that the test images have, and F1 over all decisions (micro) and classes (macro).
pub struct BigEarthNetBenchmark {
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
    /// Looks for BigEarthNet's folder of patches in `root`, draws its test set (a fifth) and 1000 training examples of the rest.
    ///
    /// # Errors
    /// No patches, or labels that cannot be read.
    pub fn open(root: impl AsRef<Path>, options: &OpenOptions) -> Result<Self, Error> {
        let root = root.as_ref();
        let names =
            ["vtab/bigearthnet/BigEarthNet-v1.0", "vtab/bigearthnet", "bigearthnet", "BigEarthNet-v1.0"];
        let found = names.iter().map(|name| root.join(name)).find(|folder| folder.is_dir());
        let folder = found.ok_or_else(|| Error::Missing {
            task: Task::BigEarthNet.name(),
            root: root.into(),
            looked: names.join(", "),
            advice: format!("Get it: visrep data get remote-sensing/bigearthnet --data {}", root.display()),
        })?;
        let all = Arc::new(BigEarthNet::open(folder)?);
        let mut order: Vec<usize> = (0..all.len()).collect();
        order.shuffle(&mut view_rng(0, 0, 1, 0));
        let cut = all.len() / 5;
        let (test, rest) = order.split_at(cut);
        let mut train = rest.to_vec();
        train.shuffle(&mut view_rng(options.seed, 0, 2, 0));
        train.truncate(TRAIN);
        train.sort_unstable();
        let mut test = test.to_vec();
        test.sort_unstable();
        if let Some(limit) = options.limit.filter(|limit| *limit < test.len()) {
            test = (0..limit).map(|nth| test[nth * test.len() / limit]).collect();
        }
        if train.is_empty() || test.is_empty() {
            let problem = "there are too few patches to train on some and test on others".into();
            return Err(Error::Split { task: Task::BigEarthNet.name(), problem });
        }
        let labels = |places: &[usize]| -> Result<Vec<Vec<bool>>, Error> {
            places.iter().map(|place| Ok(all.labels_of(*place)?)).collect()
        };
        let (train_labels, test_labels) = (labels(&train)?, labels(&test)?.concat());
        let description = format!(
            "{} training examples drawn with seed {}, {} test images of a fifth drawn with seed 0; not official",
            train.len(),
            options.seed,
            test.len()
        );
        let part = |places| -> Arc<dyn Dataset> { Arc::new(Subset::new(all.clone(), places)) };
        let (train, test) = (part(train), part(test));
        let input = InputPreparation::default();
        Ok(Self { train, test, train_labels, test_labels, description, input, c: 0.1 })
    }

    /// The probability of each class for each test image, image by image.
    fn probabilities(&self, train: FeatureSet, test: &FeatureSet) -> Result<Vec<f64>, Error> {
        let classes = Task::BigEarthNet.info().classes;
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
        let scores = ScoreMatrix::new(&values, Task::BigEarthNet.info().classes)?;
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
            let figure = Figure { task: Task::BigEarthNet.name().into(), metric, value, n, interval: None };
            context.score(model, self.id(), figure, &protocol)
        };
        Ok(vec![
            of("map", mean_average_precision(&scores, &self.test_labels)?),
            of("f1_micro", f1.micro),
            of("f1_macro", f1.macro_mean),
        ])
    }
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
