//! A folder as the Hugging Face hub lays it out: `config.json` beside the weights, which large models have in shards.

use super::list;
use super::state::{Contents, Format, read_file};
use crate::Error;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The longest `config.json` or index.
const MAX_JSON: u64 = 16 << 20;
/// Weights, and the index of their shards, the preferred first.
const WEIGHTS: [(&str, &str); 3] = [
    ("model.safetensors", "model.safetensors.index.json"),
    ("open_clip_model.safetensors", ""),
    ("pytorch_model.bin", "pytorch_model.bin.index.json"),
];

type Read = (Option<Value>, (Format, Contents));

/// Reads the weights in `folder`, and its configuration where it has one.
pub(super) fn read(folder: &Path) -> Result<Read, Error> {
    let config = folder.join("config.json");
    let config = if config.is_file() { Some(json(&config)?) } else { None };
    for (weights, index) in WEIGHTS {
        let path = folder.join(weights);
        if path.is_file() {
            return Ok((config, read_file(&path)?));
        }
        let path = folder.join(index);
        if !index.is_empty() && path.is_file() {
            return Ok((config, read_shards(folder, &path)?));
        }
    }
    let known: Vec<_> = WEIGHTS.iter().map(|(name, _)| *name).collect();
    let reason = format!("the folder has none of {}; name the weight file itself", known.join(", "));
    Err(Error::Format { path: folder.into(), reason })
}

/// `{"weight_map": {"name": "model-00001-of-00002.safetensors"}}`
fn read_shards(folder: &Path, index: &Path) -> Result<(Format, Contents), Error> {
    let refused = |reason: String| Error::Format { path: index.into(), reason };
    let value = json(index)?;
    let Some(map) = value.get("weight_map").and_then(Value::as_object) else {
        return Err(refused("it has no weight_map of names to files".into()));
    };
    let mut shards: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, file) in map {
        let Some(file) = file.as_str().filter(|file| is_plain(file)) else {
            return Err(refused(format!("`{name}` is in {file}, which is no file beside the index")));
        };
        shards.entry(file).or_default().insert(name);
    }
    let (mut format, mut all) = (Format::Safetensors, Contents::default());
    for (file, names) in &shards {
        let (shard_format, shard) = read_file(&folder.join(file))?;
        format = shard_format;
        let absent = |name: &&&str| !shard.tensors.contains_key(**name) && !shard.unread.contains_key(**name);
        let absent: Vec<_> = names.iter().filter(absent).map(|name| format!("`{name}`")).collect();
        if !absent.is_empty() {
            return Err(refused(format!("{file} does not have {}", list(&absent))));
        }
        all.tensors.extend(shard.tensors);
        all.unread.extend(shard.unread);
        all.metadata.extend(shard.metadata);
        all.notes.extend(shard.notes);
    }
    all.notes.push(format!("joined {} shards", shards.len()));
    Ok((format, all))
}

/// Whether `file` names a file and nothing of the way to it.
fn is_plain(file: &str) -> bool {
    let mut components = Path::new(file).components();
    matches!((components.next(), components.next()), (Some(std::path::Component::Normal(_)), None))
}

fn json(path: &Path) -> Result<Value, Error> {
    let failed = |source| Error::Read { path: path.into(), source };
    let length = fs::metadata(path).map_err(failed)?.len();
    if length > MAX_JSON {
        let reason = format!("it has {length} bytes, more than the {} MiB that are read", MAX_JSON >> 20);
        return Err(Error::Format { path: path.into(), reason });
    }
    let bytes = fs::read(path).map_err(failed)?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Error::Format { path: path.into(), reason: format!("it is no JSON: {error}") })
}
