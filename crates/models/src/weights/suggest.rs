//! Which architecture a file is of, by its tensors' names and shapes.

use super::COUNTER;
use super::state::StateDict;
use crate::{Error, ModelOptions, arch};
use std::collections::BTreeMap;

/// How well an architecture fits a file.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Suggestion {
    /// The architecture's name.
    pub name: String,
    /// From 0, nothing alike, to 1: every name and shape.
    pub agreement: f64,
    /// How many names and shapes are the same.
    pub same: usize,
    /// How many of the architecture's names the file lacks.
    pub missing: usize,
    /// How many of the file's names the architecture lacks.
    pub unexpected: usize,
    /// How many names have another shape.
    pub misshaped: usize,
}

impl Suggestion {
    /// Whether nothing but the classifier could differ.
    pub fn fits(&self) -> bool {
        self.agreement > 0.0 && self.missing + self.unexpected + self.misshaped <= 2
    }
}

/// A name in another shape counts this much of one in the same: a network of another width or patch size is nearer than one
/// of another family.
const MISSHAPED: f64 = 0.25;

/// Ranks `candidates`, each a name with its parameters' shapes, by how well they fit `state`, the best first. Those that have
/// no name in common are left out.
pub fn suggest<'a>(
    state: &StateDict,
    candidates: impl IntoIterator<Item = (&'a str, BTreeMap<String, Vec<i64>>)>,
) -> Vec<Suggestion> {
    let mut file = state.shapes();
    file.retain(|name, _| !name.ends_with(COUNTER));
    let mut ranked: Vec<Suggestion> =
        candidates.into_iter().map(|(name, shapes)| compare(&file, name, &shapes)).collect();
    ranked.retain(|suggestion| suggestion.agreement > 0.0);
    ranked.sort_by(|a, b| b.agreement.total_cmp(&a.agreement));
    ranked
}

/// [`suggest`] with every architecture that there is.
///
/// # Errors
/// When LibTorch refuses to make one.
pub fn suggest_architectures(state: &StateDict) -> Result<Vec<Suggestion>, Error> {
    let mut candidates = Vec::new();
    for architecture in arch::all() {
        let (_, num_classes) = architecture.config.untagged();
        let blank = architecture.blank(&ModelOptions::default(), num_classes)?;
        let shapes = blank.tensors.into_iter().map(|(name, tensor)| (name, tensor.size())).collect();
        candidates.push((architecture.name, shapes));
    }
    Ok(suggest(state, candidates))
}

fn compare(file: &BTreeMap<String, Vec<i64>>, name: &str, shapes: &BTreeMap<String, Vec<i64>>) -> Suggestion {
    let (mut same, mut misshaped, mut missing) = (0, 0, 0);
    for (name, shape) in shapes {
        match file.get(name) {
            Some(other) if other == shape => same += 1,
            Some(_) => misshaped += 1,
            None => missing += 1,
        }
    }
    let unexpected = file.len() - same - misshaped;
    let all = same + misshaped + missing + unexpected;
    let agreement = (same as f64 + MISSHAPED * misshaped as f64) / all.max(1) as f64;
    Suggestion { name: name.into(), agreement, same, missing, unexpected, misshaped }
}
