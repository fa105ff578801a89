//! `visrep score imagenet-real`.

use super::table::{Table, Unique};
use anyhow::{Context, Result};
use clap::Args;
use std::path::PathBuf;
use visrep_metrics::any_label_accuracy;
use visrep_robustness::real_labels;

/// Accuracy on ImageNet-ReaL's labels
///
/// Prints `accuracy`, the fraction of predictions that are among the labels of their image, over the `n` images that have
/// labels; `left_out` counts the predictions for images that have none, and so neither help nor harm.
#[derive(Args)]
#[command(
    after_help = "P.csv has a row for each image, val_index being the number in ILSVRC2012_val_00000001.JPEG, and classes \
    counted from 0 in the order of their synsets:\n\n    \
    val_index,prediction\n    \
    1,65\n    \
    2,795\n\n\
    val_index is from 1 to the number of images, each at most once; prediction from 0 to 999. Images without a row count nowhere, \
    which is said.\n\n\
    real.json, from google-research/reassessed-imagenet, lists the labels of each image: [[], [970, 795], …]\n\n\
    Example:\n  \
    visrep score imagenet-real --predictions P.csv --labels real.json\n\n\
    prints for these two rows, the first image having no labels:\n\n  \
    {\"accuracy\": 1.0, \"n\": 1, \"left_out\": 1}"
)]
pub struct ImagenetReal {
    /// CSV with the columns val_index and prediction
    #[arg(long, value_name = "P.csv")]
    predictions: PathBuf,
    /// The lists of labels, real.json
    #[arg(long, value_name = "REAL.json")]
    labels: PathBuf,
}

/// ImageNet's classes.
const CLASSES: usize = 1000;

impl ImagenetReal {
    pub fn run(self) -> Result<()> {
        let labels = self.read_labels()?;
        let table = Table::read(&self.predictions)?;
        let (mut predictions, mut of_image) = (Vec::new(), Vec::new());
        let mut unique = Unique::new();
        for [index, prediction] in table.columns(["val_index", "prediction"])? {
            let image = index.index_in(1..=labels.len())?;
            unique.add(image, index)?;
            of_image.push(labels[image - 1].as_slice());
            predictions.push(prediction.index_in(0..=CLASSES - 1)? as i64);
        }
        let result = any_label_accuracy(&predictions, &of_image)
            .with_context(|| self.predictions.display().to_string())?;
        if predictions.len() < labels.len() {
            let (given, all) = (predictions.len(), labels.len());
            eprintln!("{}: predictions of {given} of the {all} images", self.predictions.display());
        }
        super::print(&result)
    }

    fn read_labels(&self) -> Result<Vec<Vec<u32>>> {
        let path = self.labels.display();
        let text = std::fs::read(&self.labels).with_context(|| format!("cannot read {path}"))?;
        Ok(real_labels(&self.labels, &text)?)
    }
}
