//! Everything that keeps a file's tensors from being a model's, at once.

use super::state::StateDict;
use super::suggest::{Suggestion, suggest_architectures};
use crate::Error;
use crate::head::HeadSpec;
use std::fmt;
use std::path::PathBuf;

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

/// The most lines of one kind in a message: it is to fit a terminal.
const SHOWN: usize = 6;

/// All differences between a model and a weight file; the model is unchanged.
///
/// `{}` writes the first few of each kind and how many follow, `{:#}` every one.
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
    /// The model's classifier.
    pub(super) head: HeadSpec,
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
        }
        Ok(self)
    }

    fn only_head(&self) -> bool {
        let in_head = |name: &str| self.head.owns(name);
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
        let prefixed =
            |prefix| format!("the file's names begin with `{prefix}`: save it without that prefix");
        self.prefix().map(prefixed).or_else(|| self.suggested())
    }

    /// A clause on the architectures that the file is nearest to.
    fn suggested(&self) -> Option<String> {
        let best = self.suggestions.first()?;
        let names: Vec<_> = self.suggestions.iter().map(|near| format!("`{}`", near.name)).collect();
        let names = names.join(", ");
        let architecture = self.model.split('.').next();
        match best.fits {
            // All names and shapes are right; what is wrong is told below.
            true if self.suggestions.iter().any(|near| Some(near.name) == architecture) => None,
            true => Some(format!("the file fits {names}")),
            false => {
                let percent = 100.0 * best.agreement;
                Some(format!(
                    "the file is nearest to {names} ({percent:.0} % of the first's names and shapes)"
                ))
            }
        }
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
        let named = |(name, shape): &(String, Vec<i64>)| format!("{name} {shape:?}");
        lines(f, "missing", &self.missing, named)?;
        lines(f, "unexpected", &self.unexpected, named)?;
        lines(f, "misshaped", &self.misshaped, |Misshaped { name, model, file }| {
            format!("{name}: the model has {model:?}, the file {file:?}")
        })?;
        lines(f, "mistyped", &self.mistyped, |(name, kind)| {
            format!("{name}: {kind}; F64, F32, F16 and BF16 are read")
        })
    }
}

/// A line for each of `tensors`; only the first few and how many follow, unless everything is asked for.
fn lines<T>(
    f: &mut fmt::Formatter<'_>,
    what: &str,
    tensors: &[T],
    text: impl Fn(&T) -> String,
) -> fmt::Result {
    let shown = if f.alternate() || tensors.len() <= SHOWN { tensors.len() } else { SHOWN - 1 };
    for tensor in &tensors[..shown] {
        write!(f, "\n  {what:<10}  {}", text(tensor))?;
    }
    match tensors.len() - shown {
        0 => Ok(()),
        more => write!(f, "\n  {what:<10}  … and {more} more"),
    }
}

impl std::error::Error for Mismatch {}
