//! One pass of a classifier over a test set.

use super::panels::Panels;
use crate::Error;
use crate::evaluate::from;
use serde::{Serialize, de::DeserializeOwned};
use std::ops::ControlFlow;
use std::sync::Arc;
use tch::{Device, Kind, Tensor};
use visrep_augment::{Compose, Filter, Resize};
use visrep_data::{Batch, Dataset, Loader, LoaderOptions, Views};
use visrep_models::{Features, Interpolation, Model, Preprocessing};
use visrep_probe::{Parts, Progress, Recorder, SuiteContext, TaskVerdicts, eval_transform, passes};

/// The classes that a suite's classifier must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Classes {
    /// ImageNet-1k's 1000.
    ImageNet1k,
    /// CIFAR-10's 10.
    Cifar10,
}

impl Classes {
    /// How many.
    pub(super) fn count(self) -> usize {
        match self {
            Self::ImageNet1k => 1000,
            Self::Cifar10 => 10,
        }
    }

    /// Begins the record of what the model's own head says, with `notes` of what is missing. Errs as [`Self::check`].
    pub(super) fn begin<'a>(
        self,
        suite: &'a str,
        model: &'a Model,
        context: &'a SuiteContext,
        notes: &[String],
    ) -> Result<Recorder<'a>, Error> {
        self.check(model)?;
        Self::begin_any(suite, model, context, notes)
    }

    /// [`Self::begin`] for a classifier of any classes.
    pub(super) fn begin_any<'a>(
        suite: &'a str,
        model: &'a Model,
        context: &'a SuiteContext,
        notes: &[String],
    ) -> Result<Recorder<'a>, Error> {
        if model.num_classes() == 0 {
            return Err(Error::NoHead { model: model.name().into() });
        }
        let mut record = Recorder::new(suite, model, context);
        record.findings.notes = notes.to_vec();
        record.entry("classifier", "the model's own head");
        Ok(record)
    }

    /// Errs unless the model has a classifier of as many classes.
    pub(super) fn check(self, model: &Model) -> Result<(), Error> {
        let expected = match self {
            Self::ImageNet1k => {
                "the 1000 classes of ImageNet-1k in the order of their synsets (a model of ImageNet-21k, or with a background class, \
                 must be one that was fine-tuned to these)"
            }
            Self::Cifar10 => "the 10 classes of CIFAR-10",
        };
        match usize::try_from(model.num_classes()) {
            Ok(0) => Err(Error::NoHead { model: model.name().into() }),
            Ok(classes) if classes == self.count() => Ok(()),
            _ => Err(Error::Classes { model: model.name().into(), classes: model.num_classes(), expected }),
        }
    }
}

/// The evaluation transform for images that are already cropped, as those of ImageNet-C are: nothing where they have the model's size,
/// else a resize to it. A second resize and crop would lose their borders (RobustBench's issue 59).
pub(super) fn as_stored(preprocessing: &Preprocessing) -> Result<Compose, Error> {
    let side = preprocessing.input_size;
    Ok(Compose::new().then(Resize::exact(side, side, filter(preprocessing.interpolation))?))
}

/// A model's interpolation as a filter.
pub(super) fn filter(interpolation: Interpolation) -> Filter {
    match interpolation {
        Interpolation::Bilinear => Filter::Bilinear,
        Interpolation::Bicubic => Filter::Bicubic,
    }
}

/// What [`as_stored`] does, for the protocol.
pub(super) fn as_stored_protocol(preprocessing: &Preprocessing) -> String {
    let p = preprocessing;
    format!(
        "as stored, resized to {} where of another size, mean {:?}, std {:?}",
        p.input_size, p.mean, p.std
    )
}

/// How a set is looked at.
pub(super) enum View {
    /// Resized and cropped as the model wants it.
    Evaluation,
    /// [`as_stored`].
    AsStored,
    /// As several images: logits and features have a row for each of them, one image's after the other.
    Panels(Panels),
    /// [`View::Evaluation`], with logits that the cache keeps on a shelf of this name, for images that several suites have.
    Shared(&'static str),
}

/// What is kept of these images under a name is kept under: where their files have other sizes, it is something else.
pub(super) fn part_of(name: &str, data: &Arc<dyn Dataset>) -> String {
    Parts::name_of(name, data.stamp())
}

/// The keys and labels of a set, -1 where there is none.
pub(super) fn keys_and_labels(data: &Arc<dyn Dataset>) -> Result<(Vec<String>, Vec<i64>), Error> {
    let labels = data.labels()?.into_iter().map(|label| label.map_or(-1, i64::from)).collect();
    Ok(((0..data.len()).map(|index| data.key(index)).collect(), labels))
}

/// A classifier on one test set.
pub(super) struct Pass<'a> {
    pub(super) model: &'a Model,
    pub(super) context: &'a SuiteContext,
}

impl Pass<'_> {
    /// Calls `take` with each batch and its logits (N, classes), f32 on the CPU, in the order of `data`. `what` names the work on the
    /// progress bar. Batches of [`View::Shared`] may have no pixels.
    ///
    /// # Errors
    /// An image that cannot be read or decoded, logits that are not finite: each names the image.
    pub(super) fn each(
        &self,
        data: Arc<dyn Dataset>,
        view: View,
        what: &str,
        mut take: impl FnMut(&Batch, &Tensor) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.each_until(data, view, what, |batch, logits| {
            take(batch, logits)?;
            Ok(ControlFlow::Continue(()))
        })
    }

    /// [`Self::each`] until `take` has seen enough.
    pub(super) fn each_until(
        &self,
        data: Arc<dyn Dataset>,
        view: View,
        what: &str,
        mut take: impl FnMut(&Batch, &Tensor) -> Result<ControlFlow<()>, Error>,
    ) -> Result<(), Error> {
        if let View::Shared(shelf) = view
            && let Some(kept) = self.kept(shelf)?
        {
            return self.each_kept(&data, kept, what, &mut take);
        }
        self.features_until(data, view, what, |batch, features| {
            take(batch, &self.head(batch, features, what)?)
        })
    }

    /// What `take` makes of a batch and its logits, one of each image of `data`, in order. What a stopped run has left of them is not
    /// computed again, unless the files have other sizes by now.
    pub(super) fn row<T: Serialize + DeserializeOwned>(
        &self,
        data: &Arc<dyn Dataset>,
        view: View,
        what: &str,
        mut take: impl FnMut(&Batch, &Tensor) -> Result<Vec<T>, Error>,
    ) -> Result<Vec<T>, Error> {
        let mut name = part_of(what, data);
        if matches!(view, View::Panels(_)) {
            // What is drawn of an image depends on its place among all: work goes on with a whole batch.
            name = format!("{name} in batches of {}", self.batch_size(&view));
        }
        let mut found = self.context.parts.row::<T>(&name, data.len());
        let first = found.len();
        if first < data.len() {
            let mut take = |batch: &Batch, logits: &Tensor| Ok(found.push(take(batch, logits)?)?);
            match view {
                View::Panels(_) => {
                    let from = first / self.batch_size(&view);
                    self.features_from(from, Arc::clone(data), view, what, |batch, features| {
                        take(batch, &self.head(batch, features, what)?)?;
                        Ok(ControlFlow::Continue(()))
                    })?;
                }
                view => self.each(from(Arc::clone(data), first), view, what, take)?,
            }
        }
        Ok(found.finish()?)
    }

    /// Whether `right` says of each image of `data` that its logits are its label's: a [`Self::row`].
    pub(super) fn verdicts(
        &self,
        data: &Arc<dyn Dataset>,
        view: View,
        what: &str,
        right: impl Fn(&Tensor, &[i64]) -> Result<Vec<bool>, Error>,
    ) -> Result<TaskVerdicts, Error> {
        let correct = self.row(data, view, what, |batch, logits| right(logits, &batch.labels))?;
        let (keys, labels) = keys_and_labels(data)?;
        Ok(TaskVerdicts::new(what, keys, &labels, correct))
    }

    /// Calls `take` with each batch and the network's features, until it has seen enough.
    pub(super) fn features_until(
        &self,
        data: Arc<dyn Dataset>,
        view: View,
        what: &str,
        take: impl FnMut(&Batch, &Features) -> Result<ControlFlow<()>, Error>,
    ) -> Result<(), Error> {
        self.features_from(0, data, view, what, take)
    }

    /// How many images are loaded at a time.
    fn batch_size(&self, view: &View) -> usize {
        match view {
            View::Panels(panels) => (self.context.batch_size / panels.count()).max(1),
            _ => self.context.batch_size,
        }
    }

    /// [`Self::features_until`] from a batch on.
    fn features_from(
        &self,
        first: usize,
        data: Arc<dyn Dataset>,
        view: View,
        what: &str,
        mut take: impl FnMut(&Batch, &Features) -> Result<ControlFlow<()>, Error>,
    ) -> Result<(), Error> {
        let Self { model, context } = *self;
        let batch_size = self.batch_size(&view);
        let (views, panels) = match view {
            View::Evaluation | View::Shared(_) => {
                (Views::single(eval_transform(model.preprocessing())?), None)
            }
            View::AsStored => (Views::single(as_stored(model.preprocessing())?), None),
            View::Panels(panels) => (Views::single(panels.clone()), Some(panels)),
        };
        let options = LoaderOptions {
            batch_size,
            workers: context.workers,
            shuffle: false,
            seed: context.seed,
            ..Default::default()
        };
        let mut progress = Progress::new(context.progress, what, data.len());
        progress.reach(first * batch_size);
        let loader = Loader::new(data, views, options)?;
        let apart = |batch| match &panels {
            Some(panels) => panels.apart(batch),
            None => batch,
        };
        let batches = loader.epoch(0, first).map(|batch| batch.map(apart));
        for pass in passes(model, batches, context.precision)? {
            let (batch, features) = pass?;
            context.go_on()?;
            let flow = take(&batch, &features)?;
            progress.advance(batch.labels.len());
            if flow.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// The logits (N, classes) of a batch, f32 on the CPU.
    pub(super) fn head(&self, batch: &Batch, features: &Features, what: &str) -> Result<Tensor, Error> {
        let Self { model, context } = *self;
        let logits = tch::no_grad(|| -> Result<Tensor, Error> {
            let logits = context.precision.run(model.device(), || model.logits(features, false))?;
            Ok(logits.f_to_kind(Kind::Float)?.f_to_device(Device::Cpu)?.f_contiguous()?)
        })?;
        let sums = Vec::<f64>::try_from(logits.f_sum_dim_intlist([1].as_slice(), false, Kind::Double)?)?;
        match sums.iter().position(|sum| !sum.is_finite()) {
            Some(row) => {
                let key = batch.keys[row * batch.keys.len() / sums.len()].clone();
                Err(Error::NotFinite { key, condition: what.into() })
            }
            None => Ok(logits),
        }
    }

    /// The logits of every image of `data`, in order.
    pub(super) fn logits(&self, data: Arc<dyn Dataset>, view: View, what: &str) -> Result<Logits, Error> {
        let classes = usize::try_from(self.model.num_classes()).unwrap_or_default();
        let mut all = Logits {
            values: Vec::with_capacity(data.len() * classes),
            classes,
            labels: vec![],
            keys: vec![],
        };
        self.each(data, view, what, |batch, logits| {
            all.values.extend(Vec::<f32>::try_from(logits.f_flatten(0, -1)?)?);
            all.labels.extend(&batch.labels);
            all.keys.extend(batch.keys.iter().cloned());
            Ok(())
        })?;
        Ok(all)
    }
}

/// The logits of a test set, row-major, with its labels and keys.
pub(super) struct Logits {
    pub(super) values: Vec<f32>,
    pub(super) classes: usize,
    /// -1 where there is none.
    pub(super) labels: Vec<i64>,
    pub(super) keys: Vec<String>,
}

impl Logits {
    /// The columns of `kept` classes, which ascend, with labels that index them. Errs on an image of another class.
    pub(super) fn select(self, kept: &[u16]) -> Result<Self, Error> {
        let row = |row: &[f32]| kept.iter().map(|&class| row[usize::from(class)]).collect::<Vec<_>>();
        let values = self.values.chunks_exact(self.classes).flat_map(row).collect();
        let label = |(&label, key): (&i64, &String)| {
            let place = u16::try_from(label).ok().and_then(|label| kept.binary_search(&label).ok());
            place.map(|place| place as i64).ok_or_else(|| Error::NoLabel { key: key.clone() })
        };
        let labels = self.labels.iter().zip(&self.keys).map(label).collect::<Result<_, _>>()?;
        Ok(Self { values, classes: kept.len(), labels, keys: self.keys })
    }

    /// The softmax of each row.
    pub(super) fn probabilities(&self) -> Result<Vec<f64>, Error> {
        Ok(visrep_metrics::softmax(&visrep_metrics::ScoreMatrix::new(&self.values, self.classes)?, 1.0)?)
    }

    /// Errs on the first image without a label.
    pub(super) fn check_labels(&self) -> Result<(), Error> {
        match self.labels.iter().position(|&label| label < 0) {
            Some(row) => Err(Error::NoLabel { key: self.keys[row].clone() }),
            None => Ok(()),
        }
    }
}
