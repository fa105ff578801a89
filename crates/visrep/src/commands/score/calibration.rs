//! `visrep score calibration`.

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Serialize;
use std::path::{Path, PathBuf};
use visrep_data::NpyArray;
use visrep_metrics::{
    Binning, Error, ScoreMatrix, TopBin, accuracy, aurra, brier, calibration, class_wise_ece, confidences,
    equal_mass_calibration, nll, predictions, rms_calibration, softmax, temperature_scaling,
};

/// Bins of every calibration error but Hendrycks'.
const BINS: usize = 15;
/// Samples in each of Hendrycks' bins.
const PER_BIN: usize = 100;

/// Every calibration figure of a classifier's probabilities
///
/// Prints, over 15 bins of the top-1 confidence: `ece` and `max_error` (bins of equal width, an edge opening its bin),
/// `rms` (the root of the weighted squared gaps) and `adaptive_ece` (bins of equally many samples); `class_wise_ece` and
/// `adaptive_class_wise_ece`, of every class's probability; `rms_hendrycks`, over bins of 100, and `rms_hendrycks_published`,
/// whose code leaves out the most confident bin; `brier` (from 0 to 2, over all classes), `nll` (nats), `aurra`, the area under the curve
/// of accuracy against the share of samples answered, `accuracy`, `n` samples and `classes`; and under `scaled` the `temperature` with
/// the lowest nll and what the figures then are (fitted to these samples: a lower bound, not an estimate). All but nll, brier and
/// temperature are fractions from 0 to 1.
#[derive(Args)]
#[command(
    after_help = "P.npy is an array of floats (samples, classes), from 0 to 1, whose rows sum to 1; L.npy holds the label of each sample, an integer \
    from 0 to the number of classes less 1:\n\n    \
    np.save(\"P.npy\", torch.softmax(logits, 1).numpy())\n    \
    np.save(\"L.npy\", labels.numpy())\n\n\
    Example:\n  \
    visrep score calibration --probs P.npy --labels L.npy\n\n\
    prints:\n\n  \
    {\"n\": 10000, \"classes\": 10, \"accuracy\": 0.9341, \"ece\": 0.0412, \"max_error\": 0.28, …, \"aurra\": 0.989,\n   \
    \"scaled\": {\"temperature\": 1.62, \"n\": 10000, …, \"ece\": 0.0091, …}}"
)]
pub struct Calibration {
    /// Probabilities (samples, classes), as NumPy saves them
    #[arg(long, value_name = "P.npy")]
    probs: PathBuf,
    /// Labels (samples), integers
    #[arg(long, value_name = "L.npy")]
    labels: PathBuf,
}

#[derive(Serialize)]
struct Figures {
    n: usize,
    classes: usize,
    accuracy: f64,
    ece: f64,
    max_error: f64,
    rms: f64,
    adaptive_ece: f64,
    class_wise_ece: f64,
    adaptive_class_wise_ece: f64,
    rms_hendrycks: f64,
    rms_hendrycks_published: f64,
    brier: f64,
    nll: f64,
    aurra: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    scaled: Option<Box<Scaled>>,
}

#[derive(Serialize)]
struct Scaled {
    temperature: f64,
    #[serde(flatten)]
    figures: Figures,
}

impl Calibration {
    pub fn run(self) -> Result<()> {
        let (classes, probabilities) = read_probabilities(&self.probs)?;
        let labels = read_labels(&self.labels)?;
        let n = probabilities.len() / classes;
        let (p, l) = (self.probs.display(), self.labels.display());
        if labels.len() != n {
            bail!("{p} has {n} rows but {l} {} labels: they must match one to one", labels.len());
        }
        if let Some(row) = labels.iter().position(|&label| label < 0 || label as usize >= classes) {
            bail!(
                "{l}, entry {row}: label {} is none of the {classes} classes from 0 on of {p}",
                labels[row]
            );
        }
        let figures = || -> Result<Figures, Error> {
            let matrix = ScoreMatrix::new(&probabilities, classes)?;
            let plain = figures_of(&matrix, &labels)?;
            let logits: Vec<f64> = probabilities.iter().map(|p| p.max(1e-12).ln()).collect();
            let logits = ScoreMatrix::new(&logits, classes)?;
            let temperature = temperature_scaling(&logits, &labels)?;
            let rescaled = softmax(&logits, temperature)?;
            let figures = figures_of(&ScoreMatrix::new(&rescaled, classes)?, &labels)?;
            Ok(Figures { scaled: Some(Box::new(Scaled { temperature, figures })), ..plain })
        };
        super::print(&figures().with_context(|| p.to_string())?)
    }
}

fn figures_of(matrix: &ScoreMatrix<'_>, labels: &[i64]) -> Result<Figures, Error> {
    let predicted = predictions(matrix);
    let confidences = confidences(matrix)?;
    let correct: Vec<bool> = predicted.iter().zip(labels).map(|(a, b)| a == b).collect();
    let equal_width = calibration(&confidences, &correct, BINS)?;
    Ok(Figures {
        n: matrix.len(),
        classes: matrix.classes(),
        accuracy: accuracy(&predicted, labels)?,
        ece: equal_width.ece,
        max_error: equal_width.max,
        rms: equal_width.rms,
        adaptive_ece: equal_mass_calibration(&confidences, &correct, BINS)?.ece,
        class_wise_ece: class_wise_ece(matrix, labels, BINS, Binning::EqualWidth)?,
        adaptive_class_wise_ece: class_wise_ece(matrix, labels, BINS, Binning::EqualMass)?,
        rms_hendrycks: rms_calibration(&confidences, &correct, PER_BIN, TopBin::Kept)?,
        rms_hendrycks_published: rms_calibration(&confidences, &correct, PER_BIN, TopBin::Dropped)?,
        brier: brier(matrix, labels)?,
        nll: nll(matrix, labels)?,
        aurra: aurra(&confidences, &correct)?,
        scaled: None,
    })
}

/// The number of classes and the probabilities, row-major.
fn read_probabilities(path: &Path) -> Result<(usize, Vec<f64>)> {
    let (array, path) = (NpyArray::read(path)?, path.display());
    let &[n, classes] = array.shape.as_slice() else {
        bail!("{path} holds an array {:?}, expected probabilities (samples, classes)", array.shape);
    };
    if n == 0 || classes == 0 {
        bail!("{path} holds an empty array {:?}: there is nothing to score", array.shape);
    }
    for (row, values) in array.values.chunks_exact(classes).enumerate() {
        if let Some(column) = values.iter().position(|p| !(0.0..=1.001).contains(p)) {
            let value = values[column];
            bail!("{path}, row {row}, column {column}: {value} is no probability; save a softmax's output");
        }
        let sum: f64 = values.iter().sum();
        if (sum - 1.0).abs() > 1e-3 {
            bail!("{path}, row {row}: the probabilities sum to {sum}, not 1; save a softmax's output");
        }
    }
    Ok((classes, array.values))
}

fn read_labels(path: &Path) -> Result<Vec<i64>> {
    let (array, path) = (NpyArray::read(path)?, path.display());
    if !array.integers {
        bail!("{path} holds floats, expected integer labels: save it with `.astype(np.int64)`");
    }
    match array.shape.as_slice() {
        [_] | [_, 1] => Ok(array.values.iter().map(|&label| label as i64).collect()),
        shape => bail!("{path} holds an array {shape:?}, expected one label for each sample"),
    }
}
