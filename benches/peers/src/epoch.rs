//! Epochs of pre-training from a Parquet file, with everything that a run does: loading, views, steps, the export.

use anyhow::Result;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tch::Device;
use visrep_data::{Dataset, Parquet};
use visrep_train::{Recipe, RunOptions, train_with};

use crate::Workload;
use crate::sink::Sink;

/// Every pass is a run of one epoch from initial weights.
pub(crate) struct Epoch {
    recipe: Recipe,
    data: Arc<dyn Dataset>,
    options: RunOptions,
}

impl Epoch {
    /// `recipe` is a recipe's name and `precision` fp32 or bf16; the recipe's data are the images of `file`.
    pub(crate) fn open(
        recipe: &str,
        model: &str,
        precision: &str,
        file: &str,
        workers: usize,
    ) -> Result<Self> {
        let mut recipe = Recipe::named(recipe)?;
        for assignment in [
            format!("model.name={model}"),
            format!("compute.precision={precision}"),
            "schedule.length=1 epochs".to_owned(),
            "log.every_steps=1".to_owned(),
            "log.tensorboard=false".to_owned(),
        ] {
            recipe.set(&assignment)?;
        }
        let options = RunOptions {
            seed: 0,
            device: Device::Cpu,
            workers,
            stop: Arc::new(AtomicBool::new(false)),
            progress: false,
        };
        Ok(Self { recipe, data: Arc::new(Parquet::open(Path::new(file))?), options })
    }
}

impl Workload for Epoch {
    fn units(&self) -> usize {
        self.data.len()
    }

    fn pass(&mut self, sink: &mut Sink) -> Result<()> {
        let out = tempfile::tempdir()?;
        let mut losses = Vec::new();
        train_with(&self.recipe, Arc::clone(&self.data), out.path(), &self.options, |report| {
            losses.push(report.loss as f32);
        })?;
        sink.tensor(&tch::Tensor::from_slice(&losses))
    }
}
