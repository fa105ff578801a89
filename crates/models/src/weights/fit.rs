//! From a file's tensors to a model's parameters: compared as a whole, then taken over or copied.

use super::dtype::{dtype_name, is_weight};
use super::state::StateDict;
use super::{COUNTER, Mismatch, Misshaped};
use crate::adapt::adapt_input_channels;
use crate::arch::Architecture;
use crate::head::HeadSpec;
use crate::{Error, ModelOptions};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use tch::{Device, Kind, Tensor};

/// What loading a weight file did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoadReport {
    /// The file.
    pub path: PathBuf,
    /// How many tensors were loaded: all that the model has.
    pub loaded: usize,
    /// The file's classifier tensors, left out because the model has no classifier.
    pub ignored: Vec<String>,
    /// Loaded tensors that hold a NaN or an infinity: worth a warning.
    pub non_finite: Vec<String>,
    /// What was unwrapped, stripped, renamed or left out on the way, a clause each.
    pub notes: Vec<String>,
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tensors from {}", self.loaded, self.path.display())?;
        for note in &self.notes {
            write!(f, "; {note}")?;
        }
        if !self.ignored.is_empty() {
            write!(f, "; the model has no classifier, so left out: {}", self.ignored.join(", "))?;
        }
        if !self.non_finite.is_empty() {
            write!(f, "; WARNING: NaN or infinite values in {}", self.non_finite.join(", "))?;
        }
        Ok(())
    }
}

/// What a file is loaded into.
pub(crate) struct Target<'a> {
    /// The model's name, for messages.
    pub(crate) model: &'a str,
    /// Where the architecture keeps its classifier.
    pub(crate) head: HeadSpec,
    pub(crate) has_head: bool,
    /// Every variable, by timm's name.
    pub(crate) variables: BTreeMap<String, Tensor>,
}

/// Turns other publishers' names and layouts into those of `architecture`, whose variables are `target`, and notes it.
pub(crate) fn adapt(
    state: &mut StateDict,
    architecture: &Architecture,
    target: &BTreeMap<String, Tensor>,
    options: &ModelOptions,
) -> Result<(), Error> {
    let _no_grad = tch::no_grad_guard();
    let mut notes = architecture.config.adapt(options, state.tensors_mut(), target)?;
    notes.extend(adapt_input_channels(state.tensors_mut(), target, options.in_channels)?);
    notes.into_iter().for_each(|note| state.note(note));
    Ok(())
}

/// Gives the variables the file's values, or changes nothing and says why.
pub(crate) fn fit(state: StateDict, target: Target<'_>) -> Result<LoadReport, Error> {
    let ignored = check(&state, &target)?;
    let path = state.path().to_owned();
    let contents = state.into_contents();
    let mut report = LoadReport {
        path,
        loaded: target.variables.len(),
        ignored,
        non_finite: Vec::new(),
        notes: contents.notes,
    };
    let _no_grad = tch::no_grad_guard();
    let mut sources = contents.tensors;
    let mut taken = Taken::default();
    for (name, mut variable) in target.variables {
        let Some(source) = sources.remove(&name) else { continue };
        if !is_finite(&source)? {
            report.non_finite.push(name);
        }
        if taken.can_take(&source, &variable) {
            variable.f_set_data(&source)?;
        } else if is_blank(&variable) {
            variable.f_set_data(&source.f_to_dtype(variable.kind(), false, true)?.f_contiguous()?)?;
        } else {
            variable.f_copy_(&source)?;
        }
    }
    Ok(report)
}

/// Errs with all that keeps the file from fitting; returns the classifier tensors that it has beside.
pub(super) fn check(state: &StateDict, target: &Target<'_>) -> Result<Vec<String>, Error> {
    let (mismatch, ignored) = compare(state, target);
    match mismatch.is_empty() {
        true => Ok(ignored),
        false => Err(Box::new(mismatch.with_suggestions(state)?).into()),
    }
}

/// Everything that keeps the file from fitting, and the classifier tensors that it has beside.
fn compare(state: &StateDict, target: &Target<'_>) -> (Mismatch, Vec<String>) {
    let shapes = state.shapes();
    let mut mismatch = Mismatch {
        path: state.path().into(),
        model: target.model.into(),
        missing: Vec::new(),
        unexpected: Vec::new(),
        misshaped: Vec::new(),
        mistyped: Vec::new(),
        suggestions: Vec::new(),
        head: target.head,
    };
    for (name, variable) in &target.variables {
        let dtype = match (state.get(name), state.unread().get(name)) {
            (Some(tensor), _) if is_weight(tensor.kind()) => None,
            (Some(tensor), _) => Some(dtype_name(tensor.kind()).to_owned()),
            (None, unread) => unread.map(|unread| unread.dtype.clone()),
        };
        match shapes.get(name) {
            None => mismatch.missing.push((name.clone(), variable.size())),
            // A special tensor's shape may not be known; its type is what is wrong with it.
            Some(shape) if *shape != variable.size() && state.get(name).is_some() => {
                let (name, model, file) = (name.clone(), variable.size(), shape.clone());
                mismatch.misshaped.push(Misshaped { name, model, file });
            }
            Some(_) => {}
        }
        if let Some(dtype) = dtype {
            mismatch.mistyped.push((name.clone(), dtype));
        }
    }
    let mut ignored = Vec::new();
    for (name, shape) in shapes {
        let counter = name
            .strip_suffix(COUNTER)
            .is_some_and(|n| target.variables.contains_key(&format!("{n}.running_mean")));
        if target.variables.contains_key(&name) || counter {
            continue;
        }
        match !target.has_head && target.head.owns(&name) {
            true => ignored.push(name),
            false => mismatch.unexpected.push((name, shape)),
        }
    }
    (mismatch, ignored)
}

/// The memory that variables have taken over: no two may share any, or training one would change the other.
#[derive(Default)]
struct Taken {
    /// From the first byte to behind the last.
    spans: BTreeMap<usize, usize>,
}

impl Taken {
    /// Whether `variable` can have the memory of `source` instead of a copy.
    fn can_take(&mut self, source: &Tensor, variable: &Tensor) -> bool {
        let alike = source.kind() == variable.kind()
            && variable.device() == Device::Cpu
            && source.is_contiguous()
            && (source.stride() == variable.stride() || is_blank(variable))
            && source.numel() > 0;
        let start = source.data_ptr() as usize;
        let end = start + source.numel() * source.kind().elt_size_in_bytes();
        let before = self.spans.range(..end).next_back().map_or(0, |(_, &end)| end);
        let take = alike && before <= start;
        if take {
            self.spans.insert(start, end);
        }
        take
    }
}

/// Whether `variable` was made without memory for its values.
fn is_blank(variable: &Tensor) -> bool {
    variable.size().iter().zip(variable.stride()).any(|(&n, step)| n > 1 && step == 0)
}

/// Whether no value is NaN or infinite.
pub(super) fn is_finite(tensor: &Tensor) -> Result<bool, tch::TchError> {
    // One NaN or infinity makes a sum NaN or infinite, and a sum is the fastest way through the values. Large finite
    // values could too, so that only a finite sum decides.
    let kind = if tensor.kind() == Kind::Double { Kind::Double } else { Kind::Float };
    let sum = f64::try_from(tensor.f_sum(kind)?)?;
    Ok(sum.is_finite() || f64::try_from(tensor.f_isfinite()?.f_all()?.f_to_kind(Kind::Double)?)? == 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `base` and its `row` are views of one storage in the file.
    #[test]
    fn variables_share_no_memory() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/golden/models/weights/layouts.pth");
        let read = || StateDict::read(file).expect("a fixture");
        for kind in [Kind::Float, Kind::Double] {
            for blank in [true, false] {
                let variable = |(name, shape): (String, Vec<i64>)| {
                    let memory = if blank { vec![1; shape.len()] } else { shape.clone() };
                    let tensor = Tensor::zeros(memory, (kind, Device::Cpu)).expand(shape, false);
                    (name, tensor.set_requires_grad(true))
                };
                let variables: BTreeMap<_, _> = read().shapes().into_iter().map(variable).collect();
                let handles =
                    variables.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect();
                let target =
                    Target { model: "m", head: HeadSpec::linear("fc"), has_head: true, variables: handles };
                assert_eq!(fit(read(), target).expect("it fits").loaded, variables.len());
                let _no_grad = tch::no_grad_guard();
                for (name, tensor) in &variables {
                    assert_eq!(*tensor, read().get(name).expect("a tensor").to_kind(kind), "{name}");
                    assert!(tensor.requires_grad() && tensor.is_leaf() && tensor.is_contiguous(), "{name}");
                }
                let before = variables["base"].copy();
                let _ = variables["row"].shallow_clone().fill_(-9.0);
                assert_eq!(variables["base"], before);
            }
        }
    }

    #[test]
    fn types_that_are_no_weights_are_named() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/golden/models/weights");
        let mistyped = |file: &str| {
            let state = StateDict::read(format!("{folder}/{file}")).expect("a fixture");
            let variable =
                |(name, shape): (String, Vec<i64>)| (name, Tensor::zeros(shape, (Kind::Float, Device::Cpu)));
            let variables = state.shapes().into_iter().map(variable).collect();
            let target = Target { model: "m", head: HeadSpec::linear("fc"), has_head: true, variables };
            match fit(state, target) {
                Err(Error::Mismatch(mismatch)) => mismatch.mistyped,
                other => panic!("{other:?}"),
            }
        };
        let named = |pairs: &[(&str, &str)]| -> Vec<_> {
            pairs.iter().map(|(name, dtype)| ((*name).to_owned(), (*dtype).to_owned())).collect()
        };
        let special = [("quantised", "quantised qint8"), ("sparse", "sparse tensor"), ("u16", "uint16")];
        assert_eq!(mistyped("special.pth"), named(&special));
        let kinds = [
            ("bool", "BOOL"),
            ("c64", "C64"),
            ("f8", "F8_E4M3"),
            ("i16", "I16"),
            ("i32", "I32"),
            ("i64", "I64"),
            ("i8", "I8"),
            ("u16", "U16"),
            ("u8", "U8"),
        ];
        assert_eq!(mistyped("kinds.safetensors"), named(&kinds));
    }

    #[test]
    fn sums_that_overflow_are_no_infinities() {
        let large = Tensor::from_slice(&[3e38_f32, 3e38]);
        assert!(is_finite(&large).expect("a sum"));
        assert!(!is_finite(&Tensor::from_slice(&[3e38_f32, f32::NAN])).expect("a sum"));
        assert!(!is_finite(&Tensor::from_slice(&[f32::INFINITY, -f32::INFINITY])).expect("a sum"));
        assert!(is_finite(&Tensor::zeros([0], (Kind::Float, Device::Cpu))).expect("a sum"));
    }
}
