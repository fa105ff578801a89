//! Which of a checkpoint's tensors are the model's: training scripts keep them in a dictionary beside the optimiser, the
//! epoch and their arguments.

use super::machine::Id;
use super::torch::{MAX_DEPTH, Reader};
use crate::weights::list;
use std::collections::{BTreeMap, HashMap};

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
/// The most entries of dictionaries that are looked at, those that are met again included.
const MAX_ENTRIES: usize = 1 << 18;

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
    let mut walk = Walk { reader, visits: 0, known: HashMap::new(), left: Vec::new() };
    loop {
        let Some(entries) = walk.keyed(at)? else {
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
            entries.iter().filter(|&(_, &id)| walk.holds_tensors(id)).map(|(key, _)| key).collect();
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
    walk.flatten(at, "", 0, &mut selected)?;
    if !walk.left.is_empty() {
        selected.notes.push(format!("left out {}", list(&walk.left)));
    }
    Ok(selected)
}

struct Walk<'p, 'a> {
    reader: Reader<'p, 'a>,
    visits: usize,
    /// Whether there are tensors in what was asked about.
    known: HashMap<Id, bool>,
    left: Vec<String>,
}

impl Walk<'_, '_> {
    /// A dictionary's entries by their keys, the last of equal keys.
    fn keyed(&mut self, id: Id) -> Result<Option<BTreeMap<String, Id>>, String> {
        let Some(entries) = self.reader.entries(id) else { return Ok(None) };
        self.visits += entries.len();
        if self.visits > MAX_ENTRIES {
            return Err(format!("its dictionaries have more than {MAX_ENTRIES} entries"));
        }
        let keyed = entries.into_iter().filter_map(|(key, value)| Some((self.reader.key(key)?, value)));
        Ok(Some(keyed.collect()))
    }

    fn holds_tensors(&mut self, id: Id) -> bool {
        self.reader.holds_tensors(id, &mut self.known)
    }

    /// Takes the tensors at any depth, their names joined by dots.
    fn flatten(&mut self, at: Id, prefix: &str, depth: usize, selected: &mut Selected) -> Result<(), String> {
        for (key, id) in self.keyed(at)?.unwrap_or_default() {
            let name = format!("{prefix}{key}");
            if !matches!(self.reader.tensor(id), Ok(None)) {
                selected.tensors.insert(name, id);
            } else if let Some(value) = self.reader.scalar(id) {
                selected.metadata.insert(name, value);
            } else if self.holds_tensors(id) && depth < MAX_DEPTH {
                self.flatten(id, &format!("{name}."), depth + 1, selected)?;
            } else {
                self.left.push(format!("`{name}` ({})", self.reader.describe(id)));
            }
        }
        Ok(())
    }
}
