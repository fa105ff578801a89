//! Which architecture a file is of, by its tensors' names and shapes.

use super::COUNTER;
use super::state::StateDict;
use crate::arch::Architecture;
use crate::families::TABLES;
use crate::{Error, ModelOptions};
use std::collections::{BTreeMap, BTreeSet};
use tch::Tensor;

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
/// few that have much in common with it. Names are compared as they are; where none fits, also as each family turns other
/// publishers' into its own.
///
/// # Errors
/// When LibTorch refuses to make one.
pub fn suggest_architectures(state: &StateDict) -> Result<Vec<Suggestion>, Error> {
    let of = |(family, table): (usize, &&'static [Architecture])| {
        table.iter().map(move |row| Candidate::new(row, family))
    };
    let candidates = TABLES.iter().enumerate().flat_map(of).collect::<Result<Vec<_>, Error>>()?;
    let file = state.shapes();
    let mut ranked = rank(file.clone(), &candidates);
    for family in candidates.chunk_by(|a, b| a.family == b.family) {
        if ranked.first().is_some_and(|best| best.fits) {
            break;
        }
        let Some(adapted) = adapted(state, family).filter(|shapes| *shapes != file) else { continue };
        let other = rank(adapted, family);
        let best = |of: &[Suggestion]| of.first().map_or((false, 0.0), |near| (near.fits, near.agreement));
        if best(&other) > best(&ranked) {
            ranked = other;
        }
    }
    Ok(ranked)
}

/// The `candidates` worth telling of for a file of these shapes, the best first.
fn rank(mut file: Shapes, candidates: &[Candidate]) -> Vec<Suggestion> {
    file.retain(|name, _| !name.ends_with(COUNTER));
    let mut ranked: Vec<_> = candidates.iter().map(|candidate| compare(&file, candidate)).collect();
    ranked.sort_by(|a, b| b.agreement.total_cmp(&a.agreement));
    let fitting = ranked.iter().any(|suggestion| suggestion.fits);
    ranked.retain(|suggestion| suggestion.fits || (!fitting && suggestion.agreement >= WORTH_TELLING));
    ranked.truncate(SUGGESTIONS);
    ranked
}

/// The file's shapes as the family's network nearest to them would read them: one for all of a family, since adapting copies
/// values. `None` where it cannot.
fn adapted(state: &StateDict, family: &[Candidate]) -> Option<Shapes> {
    let _no_grad = tch::no_grad_guard();
    // A file may claim any shape for what cannot be read.
    let product = |shape: &Vec<i64>| shape.iter().fold(1, |n: i64, &size| n.saturating_mul(size));
    let values = |shapes: &Shapes| shapes.values().map(product).fold(0, i64::saturating_add);
    let file = state.shapes();
    let size = values(&file);
    // Shapes first, whatever the names: adapting to the network of another image size resamples position embeddings.
    let has: BTreeSet<_> = file.values().collect();
    let strange = |shapes: &Shapes| shapes.values().collect::<BTreeSet<_>>().difference(&has).count();
    let distance = |shapes: &Shapes| (strange(shapes), values(shapes).abs_diff(size));
    let near = family.iter().min_by_key(|candidate| distance(&candidate.shapes))?;
    let options = ModelOptions::default();
    let target = near.architecture.blank(&options, near.num_classes).ok()?.tensors;
    let mut tensors: BTreeMap<String, Tensor> =
        state.tensors().iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect();
    near.architecture.config.adapt(&options, &mut tensors, &target).ok()?;
    let unread = state.unread().iter().map(|(name, tensor)| (name.clone(), tensor.shape.clone()));
    Some(tensors.into_iter().map(|(name, tensor)| (name, tensor.size())).chain(unread).collect())
}

type Shapes = BTreeMap<String, Vec<i64>>;

/// An architecture with its tensors' shapes.
struct Candidate {
    architecture: &'static Architecture,
    /// The index of the table that the architecture is in.
    family: usize,
    num_classes: i64,
    shapes: Shapes,
}

impl Candidate {
    fn new(architecture: &'static Architecture, family: usize) -> Result<Self, Error> {
        let (_, num_classes) = architecture.config.untagged();
        let model = architecture.blank(&ModelOptions::default(), num_classes)?.tensors;
        let shapes = model.into_iter().map(|(name, tensor)| (name, tensor.size())).collect();
        Ok(Self { architecture, family, num_classes, shapes })
    }
}

fn compare(file: &Shapes, candidate: &Candidate) -> Suggestion {
    let (architecture, model) = (candidate.architecture, &candidate.shapes);
    let head = architecture.config.head();
    let (mut same, mut misshaped, mut fits) = (0, 0, true);
    for (name, size) in model {
        match file.get(name) {
            Some(shape) if shape == size => same += 1,
            found => {
                misshaped += usize::from(found.is_some());
                fits &= head.owns(name);
            }
        }
    }
    fits &= same > 0 && file.keys().all(|name| model.contains_key(name) || head.owns(name));
    let either = file.len() + model.len() - same - misshaped;
    let agreement = (same as f64 + MISSHAPED * misshaped as f64) / either.max(1) as f64;
    Suggestion { name: architecture.name, agreement, fits }
}
