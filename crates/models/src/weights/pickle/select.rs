//! Which of a checkpoint's tensors are the model's: training scripts keep them in a dictionary beside the optimiser, the
//! epoch and their arguments.

use super::machine::Id;
use super::torch::{MAX_DEPTH, Reader};
use crate::weights::list;
use std::collections::BTreeMap;

/// What the dictionaries are called that hold a model's weights, the preferred first: averaged weights before those that
/// they average, as timm has it, and a teacher before its student, as DINO's evaluations do.
const WRAPPERS: [&str; 17] = [
    "state_dict_ema",
    "model_ema",
    "ema_state_dict",
    "ema_model",
    "ema",
    "teacher",
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "module",
    "network",
    "net",
    "backbone",
    "student",
    "params",
    "weights",
];
/// The most tensors.
const MAX_TENSORS: usize = 1 << 18;

/// A checkpoint's weights, by name.
#[derive(Debug, Default)]
pub(super) struct Selected {
    pub(super) tensors: BTreeMap<String, Id>,
    /// Numbers and short texts beside them.
    pub(super) metadata: BTreeMap<String, String>,
    /// What was taken and what was left.
    pub(super) notes: Vec<String>,
}

/// Finds the weights below `root`.
pub(super) fn select(reader: Reader<'_, '_>, root: Id) -> Result<Selected, String> {
    let mut selected = Selected::default();
    let mut at = root;
    let mut path: Vec<String> = Vec::new();
    loop {
        let Some(entries) = keyed(reader, at) else {
            let what = reader.describe(at);
            return Err(match path.last() {
                None => format!(
                    "it holds {what}, not a dictionary of tensors; in Python, save `model.state_dict()` instead"
                ),
                Some(key) => format!("its `{key}` is {what}, not a dictionary of tensors"),
            });
        };
        let is_tensor = |id: Id| !matches!(reader.tensor(id), Ok(None));
        let holders: Vec<&String> =
            entries.iter().filter(|&(_, &id)| reader.holds_tensors(id)).map(|(key, _)| key).collect();
        if holders.is_empty() {
            return Err("it holds no tensors in dictionaries".into());
        }
        let chosen = match entries.values().any(|&id| is_tensor(id)) || path.len() >= MAX_DEPTH {
            true => None,
            false => WRAPPERS
                .into_iter()
                .find(|&wrapper| holders.iter().any(|key| *key == wrapper))
                .or_else(|| (holders.len() == 1).then(|| holders[0].as_str())),
        };
        let Some(chosen) = chosen.map(str::to_owned) else { break };
        let mut left = Vec::new();
        for (key, &id) in entries.iter().filter(|(key, _)| **key != chosen) {
            match reader.scalar(id) {
                Some(value) => drop(selected.metadata.insert(key.clone(), value)),
                None if holders.contains(&key) => left.push(format!("`{key}`")),
                None => left.push(format!("`{key}` ({})", reader.describe(id))),
            }
        }
        let left = match left.is_empty() {
            true => String::new(),
            false => format!(", left out {}", list(&left)),
        };
        selected.notes.push(format!("took `{chosen}`{left}"));
        at = entries[&chosen];
        path.push(chosen);
    }
    let mut walk = Walk { reader, visits: 0, left: Vec::new(), selected: &mut selected };
    walk.flatten(at, "", 0)?;
    let left = walk.left;
    if !left.is_empty() {
        selected.notes.push(format!("left out {}", list(&left)));
    }
    Ok(selected)
}

/// A dictionary's entries by their keys, the last of equal keys.
fn keyed(reader: Reader<'_, '_>, id: Id) -> Option<BTreeMap<String, Id>> {
    let entries = reader.entries(id)?;
    Some(entries.into_iter().filter_map(|(key, value)| Some((reader.key(key)?, value))).collect())
}

struct Walk<'s, 'p, 'a> {
    reader: Reader<'p, 'a>,
    visits: usize,
    left: Vec<String>,
    selected: &'s mut Selected,
}

impl Walk<'_, '_, '_> {
    /// Takes the tensors at any depth, their names joined by dots.
    fn flatten(&mut self, at: Id, prefix: &str, depth: usize) -> Result<(), String> {
        for (key, id) in keyed(self.reader, at).unwrap_or_default() {
            self.visits += 1;
            if self.visits > MAX_TENSORS {
                return Err(format!("it holds more than {MAX_TENSORS} tensors"));
            }
            let name = format!("{prefix}{key}");
            if !matches!(self.reader.tensor(id), Ok(None)) {
                self.selected.tensors.insert(name, id);
            } else if let Some(value) = self.reader.scalar(id) {
                self.selected.metadata.insert(name, value);
            } else if self.reader.holds_tensors(id) && depth < MAX_DEPTH {
                self.flatten(id, &format!("{name}."), depth + 1)?;
            } else {
                self.left.push(format!("`{name}` ({})", self.reader.describe(id)));
            }
        }
        Ok(())
    }
}
