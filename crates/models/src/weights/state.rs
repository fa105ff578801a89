//! A weight file's tensors by name, whatever its format.

use super::fit::{Target, adapt, check, is_finite};
use super::hub;
use super::npz;
use super::pickle;
use super::safetensors;
use super::source::Source;
use super::strip;
use super::zip::Archive;
use crate::{Error, ModelOptions, arch};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use tch::{Kind, Tensor};

/// The format of a weight file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// <https://huggingface.co/docs/safetensors>
    Safetensors,
    /// `torch.save`, as a zip archive or in the format before PyTorch 1.6.
    Torch,
    /// NumPy's archive of arrays, as big_vision and BiT publish theirs.
    Npz,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Safetensors => "safetensors",
            Self::Torch => "PyTorch checkpoint",
            Self::Npz => "NumPy archive",
        })
    }
}

/// A tensor of a type that LibTorch lacks or that is no plain array: listed, never loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// Its shape; empty where the file does not tell.
    pub shape: Vec<i64>,
    /// What it is.
    pub dtype: String,
}

/// What a file holds, before it has a path.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) tensors: BTreeMap<String, Tensor>,
    pub(super) unread: BTreeMap<String, Unread>,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) notes: Vec<String>,
}

/// Named tensors as a file holds them, on the CPU and in the types they are stored in, before they are fitted to a model.
///
/// What training scripts wrap around a model's weights has been taken off, and [`Self::notes`] tells what: dictionaries
/// (`state_dict`, `model`, `teacher`) and prefixes (`module.`, `backbone.`, `encoder_q.`).
#[derive(Debug)]
pub struct StateDict {
    path: PathBuf,
    format: Format,
    config: Option<serde_json::Value>,
    contents: Contents,
}

impl StateDict {
    /// Reads a weight file, whose format its content tells, or a folder as the Hugging Face hub lays it out (`config.json`
    /// beside `model.safetensors`, `pytorch_model.bin`, or their shards with an index).
    ///
    /// Nothing in a file is ever run, and what it claims is checked against its size before anything is allocated for it.
    ///
    /// # Errors
    /// When the path cannot be read, or holds nothing that is a weight file.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let (config, (format, mut contents)) = match path.is_dir() {
            true => hub::read(path)?,
            false => (None, read_file(path)?),
        };
        strip::strip(&mut contents);
        Ok(Self { path: path.into(), format, config, contents })
    }

    /// The file or folder it was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The format of the file.
    pub fn format(&self) -> Format {
        self.format
    }

    /// What the file says about itself: safetensors' metadata, or a checkpoint's numbers and texts, such as its epoch.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.contents.metadata
    }

    /// The `config.json` of a folder.
    pub fn config(&self) -> Option<&serde_json::Value> {
        self.config.as_ref()
    }

    /// What was unwrapped and left out, a clause each.
    pub fn notes(&self) -> &[String] {
        &self.contents.notes
    }

    /// The names of the tensors that hold a NaN or an infinity, or would as `kind`: 16 bits hold less.
    ///
    /// # Errors
    /// A kind that LibTorch cannot convert to.
    pub fn non_finite(&self, kind: Option<Kind>) -> Result<Vec<&str>, Error> {
        let _no_grad = tch::no_grad_guard();
        let mut names = Vec::new();
        for (name, tensor) in self.tensors().iter().filter(|(_, tensor)| tensor.is_floating_point()) {
            let finite = match kind.filter(|kind| *kind != tensor.kind()) {
                Some(kind) => is_finite(&tensor.f_to_kind(kind)?)?,
                None => is_finite(tensor)?,
            };
            if !finite {
                names.push(name.as_str());
            }
        }
        Ok(names)
    }

    /// Adds a clause to [`Self::notes`].
    pub fn note(&mut self, note: impl Into<String>) {
        self.contents.notes.push(note.into());
    }

    /// The tensors by name.
    pub fn tensors(&self) -> &BTreeMap<String, Tensor> {
        &self.contents.tensors
    }

    /// What the file has besides, in types that cannot be read.
    pub fn unread(&self) -> &BTreeMap<String, Unread> {
        &self.contents.unread
    }

    /// The names of the tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.contents.tensors.keys().map(String::as_str)
    }

    /// The tensor called `name`.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.contents.tensors.get(name)
    }

    /// Every tensor's shape, those that cannot be read included.
    pub fn shapes(&self) -> BTreeMap<String, Vec<i64>> {
        let read = self.contents.tensors.iter().map(|(name, tensor)| (name.clone(), tensor.size()));
        let unread = self.contents.unread.iter().map(|(name, tensor)| (name.clone(), tensor.shape.clone()));
        read.chain(unread).collect()
    }

    /// Puts a tensor under `name`; returns the one that it replaces.
    pub fn insert(&mut self, name: impl Into<String>, tensor: Tensor) -> Option<Tensor> {
        self.contents.tensors.insert(name.into(), tensor)
    }

    /// Takes a tensor out.
    pub fn remove(&mut self, name: &str) -> Option<Tensor> {
        self.contents.tensors.remove(name)
    }

    /// Gives every tensor the name that `new_name` has for its old one; `None` takes it out.
    ///
    /// # Errors
    /// When two would have the same name; nothing has been renamed then.
    pub fn rename(&mut self, mut new_name: impl FnMut(&str) -> Option<String>) -> Result<(), Error> {
        let mut renamed = BTreeMap::new();
        for (old, tensor) in &self.contents.tensors {
            if let Some(new) = new_name(old)
                && renamed.insert(new.clone(), tensor.shallow_clone()).is_some()
            {
                return Err(Error::Format {
                    path: self.path.clone(),
                    reason: format!("`{old}` and another of its tensors would both be called `{new}`"),
                });
            }
        }
        self.contents.tensors = renamed;
        Ok(())
    }

    /// Gives the tensors the names and layouts of the model called `name`, as loading them into it does. The classifier may
    /// have any number of classes, or be absent.
    ///
    /// # Errors
    /// An unknown name, tensors that claim to be a model's and cannot be, and a file that does not fit the model:
    /// [`Error::Mismatch`] lists every tensor at fault.
    pub fn adapt_to(&mut self, name: &str) -> Result<(), Error> {
        let (resolved, options) = (arch::resolve(name)?, ModelOptions::default());
        let architecture = resolved.architecture;
        let blank = architecture.blank(&options, resolved.num_classes)?;
        adapt(self, architecture, &blank.tensors, &options)?;
        let head = architecture.config.head();
        let num_classes = self.classes(head.name, blank.embed_dim).unwrap_or(resolved.num_classes);
        let variables = architecture.blank(&options, num_classes)?.tensors;
        check(self, &Target { model: name, head, has_head: num_classes > 0, variables }).map(drop)
    }

    /// The classes of the classifier kept under `head`, by the rows of its weight: 0 without one, `None` when the
    /// weight is not (classes, `embed_dim`), perhaps as a 1×1 convolution, and so not this architecture's.
    pub(crate) fn classes(&self, head: &str, embed_dim: i64) -> Option<i64> {
        let name = format!("{head}.weight");
        let unread = self.contents.unread.get(&name).map(|weight| weight.shape.clone());
        let Some(shape) = self.get(&name).map(Tensor::size).or(unread) else { return Some(0) };
        match shape[..] {
            [rows, columns] | [rows, columns, 1, 1] if rows > 0 && columns == embed_dim => Some(rows),
            _ => None,
        }
    }

    pub(crate) fn tensors_mut(&mut self) -> &mut BTreeMap<String, Tensor> {
        &mut self.contents.tensors
    }

    pub(super) fn into_contents(self) -> Contents {
        self.contents
    }
}

/// Reads a single file by its first bytes.
pub(super) fn read_file(path: &Path) -> Result<(Format, Contents), Error> {
    let source = Source::open(path)?;
    read_source(&source).map_err(|reason| Error::Format { path: path.into(), reason })
}

fn read_source(source: &Source) -> Result<(Format, Contents), String> {
    let bytes = source.bytes();
    if let Some(reason) = safetensors::other_format(bytes) {
        return Err(reason.into());
    }
    if bytes.starts_with(b"PK") && !safetensors::has_header(bytes) {
        let mut archive = Archive::open(bytes)?;
        if let Some(contents) = pickle::read_zip(source, &mut archive) {
            return Ok((Format::Torch, contents?));
        }
        return Ok((Format::Npz, npz::read(source, &mut archive)?));
    }
    if pickle::is_legacy(bytes) {
        return Ok((Format::Torch, pickle::read_legacy(source)?));
    }
    Ok((Format::Safetensors, safetensors::read(source)?))
}
