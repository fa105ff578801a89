//! Whole evaluations from JPEG files: features of a frozen network, and its errors under corruptions.

use anyhow::{Result, bail};
use std::sync::Arc;
use tch::Tensor;
use visrep_corrupt::Corruption;
use visrep_data::{Dataset, ImageFolder, Subset};
use visrep_models::{Model, ModelOptions};
use visrep_probe::{ExtractOptions, extract};
use visrep_robustness::{Classifier, ConditionResult, CorruptionOptions, evaluate_corruptions};

use crate::Workload;
use crate::sink::Sink;

/// Opens `features MODEL WEIGHTS FOLDER IMAGES BATCH WORKERS` or the same with `corruptions` and the names of some, commas between.
pub(crate) fn open(words: &[&str]) -> Result<Box<dyn Workload>> {
    let &[mode, model, weights, folder, images, batch, workers, ..] = words else {
        bail!("an evaluation takes: MODE MODEL WEIGHTS FOLDER IMAGES BATCH WORKERS [CORRUPTIONS]");
    };
    let (mut model, _) = Model::from_weights(model, weights, &ModelOptions::default())?;
    // As the command line does.
    model.set_memory_format(model.suggested_memory_format())?;
    let data = Arc::new(Subset::new(Arc::new(ImageFolder::open(folder)?), (0..images.parse()?).collect()));
    let (batch_size, workers) = (batch.parse()?, workers.parse()?);
    Ok(match (mode, &words[7..]) {
        ("features", []) => {
            let options = ExtractOptions { batch_size, workers, ..ExtractOptions::default() };
            Box::new(Extraction { model, data, options })
        }
        ("corruptions", [names]) => {
            let corruptions = names.split(',').map(str::parse).collect::<Result<Vec<Corruption>, _>>()?;
            let options = CorruptionOptions { corruptions, batch_size, workers, ..Default::default() };
            Box::new(Corrupted { model, data, options })
        }
        _ => bail!("unknown evaluation {mode}: give features, or corruptions with the names of some"),
    })
}

/// Files to features.
struct Extraction {
    model: Model,
    data: Arc<Subset>,
    options: ExtractOptions,
}

impl Workload for Extraction {
    fn units(&self) -> usize {
        self.data.len()
    }

    fn pass(&mut self, sink: &mut Sink) -> Result<()> {
        sink.tensor(&extract(&self.model, Arc::clone(&self.data) as _, &self.options)?.features)
    }
}

/// Files to the errors under every corruption and severity, and on the images as they are.
struct Corrupted {
    model: Model,
    data: Arc<Subset>,
    options: CorruptionOptions,
}

impl Workload for Corrupted {
    fn units(&self) -> usize {
        self.data.len() * (1 + 5 * self.options.corruptions.len())
    }

    /// The results are the mean confidences, since the errors of a network that has learned nothing say little.
    fn pass(&mut self, sink: &mut Sink) -> Result<()> {
        let report =
            evaluate_corruptions(&self.model, Classifier::Head, Arc::clone(&self.data) as _, &self.options)?;
        let all = std::iter::once(&report.clean).chain(report.corruptions.iter().flat_map(|(_, five)| five));
        sink.tensor(&Tensor::from_slice(&all.map(confidence).collect::<Vec<f64>>()))
    }
}

fn confidence(result: &ConditionResult) -> f64 {
    let sum: f64 = result.calibration.bins.iter().map(|bin| bin.confidence * bin.count as f64).sum();
    sum / result.n as f64
}
