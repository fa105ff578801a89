//! The figures, of sets of images: which samples each pipeline compares. The formulas are visrep-metrics'.

use super::{InceptionScoreProtocol, InceptionSet, KidProtocol, NeighbourProtocol};
use crate::Error;
use visrep_metrics::{
    DensityCoverage, FeatureMatrix, InceptionScore, KernelDistance, NumpyRandom, PrecisionRecall,
    ScoreMatrix, density_coverage, frechet_distance, kernel_distance_over, precision_recall, softmax,
};

/// The Fréchet inception distance (Heusel et al. 2017).
///
/// # Errors
/// Sets of features of other dimensions than each other's, or of a single image.
pub fn frechet(generated: &InceptionSet, reference: &InceptionSet) -> Result<f64, Error> {
    same_dimensions(generated, reference)?;
    Ok(frechet_distance(generated.gaussian()?, reference.gaussian()?)?)
}

/// The kernel inception distance (Bińkowski et al. 2018), and its standard deviation over subsets.
///
/// # Errors
/// Fewer samples than a subset has, unless it may shrink; features that were not kept.
pub fn kid(
    generated: &InceptionSet,
    reference: &InceptionSet,
    protocol: &KidProtocol,
) -> Result<KernelDistance, Error> {
    same_dimensions(generated, reference)?;
    let dim = generated.dim();
    let generated = FeatureMatrix::new(generated.features()?, dim)?;
    let reference = FeatureMatrix::new(reference.features()?, dim)?;
    let fewest = generated.len().min(reference.len());
    let size = if protocol.shrinks { protocol.subset_size.min(fewest) } else { protocol.subset_size };
    if size > fewest {
        return Err(Error::TooFewForKid { size, samples: fewest });
    }
    let mut generator = NumpyRandom::new(protocol.seed);
    let subsets = (0..protocol.subsets).map(|_| {
        if protocol.reference_first {
            let real = generator.choice(reference.len(), size);
            (generator.choice(generated.len(), size), real)
        } else {
            let fake = generator.choice(generated.len(), size);
            (fake, generator.choice(reference.len(), size))
        }
    });
    Ok(kernel_distance_over(&generated, &reference, subsets)?)
}

/// The Inception score (Salimans et al. 2016), and its standard deviation over splits.
///
/// # Errors
/// Fewer images than splits; logits that were not kept.
pub fn inception_score(
    set: &InceptionSet,
    protocol: &InceptionScoreProtocol,
) -> Result<InceptionScore, Error> {
    let logits = set.logits()?;
    let classes = logits.len() / set.samples().unwrap_or(1).max(1);
    let scores = ScoreMatrix::new(logits, classes)?;
    let order = match protocol.shuffle {
        Some(seed) => NumpyRandom::new(seed).permutation(scores.len()),
        None => (0..scores.len()).collect(),
    };
    let rows: Vec<&[f32]> = scores.rows().collect();
    let shuffled: Vec<f64> = order.into_iter().flat_map(|row| rows[row]).map(|&value| value.into()).collect();
    let probabilities = softmax(&ScoreMatrix::new(&shuffled, classes)?, 1.0)?;
    Ok(visrep_metrics::inception_score(&ScoreMatrix::new(&probabilities, classes)?, protocol.splits)?)
}

/// What neighbourhoods tell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbours {
    /// Precision and recall.
    pub precision_recall: PrecisionRecall,
    /// Density and coverage.
    pub density_coverage: DensityCoverage,
}

/// Precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020).
///
/// # Errors
/// No more samples on a side than the neighbour that counts; features that were not kept.
pub fn neighbours(
    generated: &InceptionSet,
    reference: &InceptionSet,
    protocol: &NeighbourProtocol,
) -> Result<Neighbours, Error> {
    same_dimensions(generated, reference)?;
    let dim = generated.dim();
    let generated = FeatureMatrix::new(generated.features()?, dim)?;
    let reference = FeatureMatrix::new(reference.features()?, dim)?;
    Ok(Neighbours {
        precision_recall: precision_recall(&reference, &generated, protocol.precision_recall)?,
        density_coverage: density_coverage(&reference, &generated, protocol.density_coverage)?,
    })
}

fn same_dimensions(generated: &InceptionSet, reference: &InceptionSet) -> Result<(), Error> {
    if generated.dim() == reference.dim() {
        return Ok(());
    }
    Err(Error::Dimensions { generated: generated.dim(), reference: reference.dim() })
}
