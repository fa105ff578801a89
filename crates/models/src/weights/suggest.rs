//! Which architecture a file is of, by its tensors' names and shapes.

use super::COUNTER;
use super::state::StateDict;
use crate::arch::{self, Architecture};
use crate::{Error, ModelOptions};
use std::collections::BTreeMap;

/// The most architectures that are suggested.
const SUGGESTIONS: usize = 3;
/// The least agreement worth a suggestion.
const WORTH_TELLING: f64 = 0.4;
/// A name in another shape counts this much of one in the same: a network of another width or patch size is nearer than one
/// of another family.
const MISSHAPED: f64 = 0.25;

/// How well an architecture fits a file.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Suggestion {
    /// The architecture's name.
    pub name: &'static str,
    /// From 0, nothing alike, to 1: every name and shape, the classifier's included.
    pub agreement: f64,
    /// Whether nothing but the classifier differs.
    pub fits: bool,
}

/// The architectures that `state` is of or nearest to, the best first: those that fit where there are any, and otherwise a
/// few that have much in common with it. Names are compared as they are, before any family's adaptation.
///
/// # Errors
/// When LibTorch refuses to make one.
pub fn suggest_architectures(state: &StateDict) -> Result<Vec<Suggestion>, Error> {
    let mut file = state.shapes();
    file.retain(|name, _| !name.ends_with(COUNTER));
    let mut ranked =
        arch::all().map(|architecture| compare(&file, architecture)).collect::<Result<Vec<_>, Error>>()?;
    ranked.sort_by(|a, b| b.agreement.total_cmp(&a.agreement));
    let fitting = ranked.iter().any(|suggestion| suggestion.fits);
    ranked.retain(|suggestion| suggestion.fits || (!fitting && suggestion.agreement >= WORTH_TELLING));
    ranked.truncate(SUGGESTIONS);
    Ok(ranked)
}

fn compare(
    file: &BTreeMap<String, Vec<i64>>,
    architecture: &'static Architecture,
) -> Result<Suggestion, Error> {
    let (_, num_classes) = architecture.config.untagged();
    let model = architecture.blank(&ModelOptions::default(), num_classes)?.tensors;
    let head = architecture.config.head();
    let (mut same, mut misshaped, mut fits) = (0, 0, true);
    for (name, tensor) in &model {
        match file.get(name) {
            Some(shape) if *shape == tensor.size() => same += 1,
            found => {
                misshaped += usize::from(found.is_some());
                fits &= head.owns(name);
            }
        }
    }
    fits &= same > 0 && file.keys().all(|name| model.contains_key(name) || head.owns(name));
    let either = file.len() + model.len() - same - misshaped;
    let agreement = (same as f64 + MISSHAPED * misshaped as f64) / either.max(1) as f64;
    Ok(Suggestion { name: architecture.name, agreement, fits })
}
