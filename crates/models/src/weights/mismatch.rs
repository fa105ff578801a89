//! Everything that keeps a file's tensors from being a model's, at once.

use super::state::StateDict;
use super::suggest::{Suggestion, suggest_architectures};
use crate::Error;
use std::fmt;
use std::path::PathBuf;

/// How many architectures are suggested.
const SUGGESTIONS: usize = 3;
/// The least agreement worth a suggestion.
const WORTH_TELLING: f64 = 0.4;

/// A tensor whose shape differs between the model and the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misshaped {
    /// Its name in both.
    pub name: String,
    /// The model's shape.
    pub model: Vec<i64>,
    /// The file's shape.
    pub file: Vec<i64>,
}

/// All differences between a model and a weight file; the model is unchanged.
#[derive(Clone, Debug)]
pub struct Mismatch {
    /// The file.
    pub path: PathBuf,
    /// The model's name.
    pub model: String,
    /// What the model has and the file lacks, with the model's shapes.
    pub missing: Vec<(String, Vec<i64>)>,
    /// What the file has and the model lacks, with the file's shapes.
    pub unexpected: Vec<(String, Vec<i64>)>,
    /// What both have in different shapes.
    pub misshaped: Vec<Misshaped>,
    /// What the file holds in a type that is no floating-point type read here, with that type.
    pub mistyped: Vec<(String, String)>,
    /// The architectures that the file is nearest to, the best first, unless only the classifier differs.
    pub suggestions: Vec<Suggestion>,
    /// The prefix of the model's classifier, `fc.` or `head.`.
    pub(super) head_prefix: String,
}

impl Mismatch {
    pub(super) fn is_empty(&self) -> bool {
        self.missing.is_empty()
            && self.unexpected.is_empty()
            && self.misshaped.is_empty()
            && self.mistyped.is_empty()
    }

    /// Adds the architectures that `state`, which is the file, is nearest to.
    pub(super) fn with_suggestions(mut self, state: &StateDict) -> Result<Self, Error> {
        if !self.only_head() {
            self.suggestions = suggest_architectures(state)?;
            self.suggestions.retain(|suggestion| suggestion.agreement >= WORTH_TELLING);
            self.suggestions.truncate(SUGGESTIONS);
        }
        Ok(self)
    }

    fn only_head(&self) -> bool {
        let in_head = |name: &str| name.starts_with(&self.head_prefix);
        self.mistyped.is_empty()
            && self.unexpected.is_empty()
            && self.missing.iter().all(|(name, _)| in_head(name))
            && self.misshaped.iter().all(|tensor| in_head(&tensor.name))
    }

    /// What to do about it, where that is clear.
    pub fn advice(&self) -> Option<String> {
        if self.only_head() {
            let classes = self.misshaped.iter().find_map(|tensor| tensor.file.first());
            return Some(match classes {
                Some(classes) => format!(
                    "only the classifier differs: create the model with num_classes = {classes} to use the \
                     file's, or with 0 to leave it out"
                ),
                None => {
                    "the file has no classifier: create the model with num_classes = 0, or put a classifier \
                         of your own on top"
                        .into()
                }
            });
        }
        self.prefix()
            .map(|prefix| format!("the file's names begin with `{prefix}`: save it without that prefix"))
            .or_else(|| {
                let best = self.suggestions.first()?;
                Some(match best.fits() {
                    true => format!("the file fits `{}`", best.name),
                    false => {
                        let nearest: Vec<_> =
                            self.suggestions.iter().map(|near| format!("`{}`", near.name)).collect();
                        let percent = 100.0 * best.agreement;
                        format!(
                            "the file is nearest to {} ({percent:.0} % of the first's names and shapes)",
                            nearest.join(", ")
                        )
                    }
                })
            })
    }

    /// What stands before the names that would otherwise be the model's.
    fn prefix(&self) -> Option<&str> {
        let (first, _) = self.unexpected.first()?;
        let prefix = &first[..=first.find('.')?];
        let names: Option<Vec<_>> =
            self.unexpected.iter().map(|(name, _)| name.strip_prefix(prefix)).collect();
        let wrapped = names?.iter().any(|name| self.missing.iter().any(|(missing, _)| missing == name));
        wrapped.then_some(prefix)
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} does not fit {}", self.path.display(), self.model)?;
        if let Some(advice) = self.advice() {
            write!(f, "; {advice}")?;
        }
        for (name, shape) in &self.missing {
            write!(f, "\n  missing     {name} {shape:?}")?;
        }
        for (name, shape) in &self.unexpected {
            write!(f, "\n  unexpected  {name} {shape:?}")?;
        }
        for Misshaped { name, model, file } in &self.misshaped {
            write!(f, "\n  misshaped   {name}: the model has {model:?}, the file {file:?}")?;
        }
        for (name, kind) in &self.mistyped {
            write!(f, "\n  mistyped    {name}: {kind}; F64, F32, F16 and BF16 are read")?;
        }
        Ok(())
    }
}

impl std::error::Error for Mismatch {}
