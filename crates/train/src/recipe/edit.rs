//! Changing single values of a recipe by their dotted key, and comparing recipes key by key.

use super::Recipe;
use crate::Error;
use toml::{Table, Value};

/// The three of `known` most like `wanted`.
pub(super) fn nearest(wanted: &str, known: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut known: Vec<(f64, String)> =
        known.into_iter().map(|name| (strsim::jaro_winkler(wanted, &name), name)).collect();
    known.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    known.into_iter().take(3).map(|(_, name)| name).collect()
}

/// Every value of `table` with its dotted key, in the order of the table.
fn leaves(table: &Table, prefix: &str, into: &mut Vec<(String, Value)>) {
    for (key, value) in table {
        let key = format!("{prefix}{key}");
        match value {
            Value::Table(inner) => leaves(inner, &format!("{key}."), into),
            value => into.push((key, value.clone())),
        }
    }
}

impl Recipe {
    /// Sets one value, given as `key.path=value`: `schedule.lr=0.1`, `schedule.length=20 epochs`,
    /// `views.crop.scale=[0.2, 1.0]`. The value is TOML; what is not TOML is taken as a string.
    ///
    /// Errs, without changing anything, on a key that the recipe cannot have (the nearest are listed) and on a
    /// value of the wrong type or outside its range.
    pub fn set(&mut self, assignment: &str) -> Result<(), Error> {
        let wrong = |message: &str| Error::Value {
            key: assignment.to_owned(),
            value: String::new(),
            message: message.to_owned(),
        };
        let (key, text) =
            assignment.split_once('=').ok_or_else(|| wrong("write key=value, such as schedule.lr=0.1"))?;
        let (key, text) = (key.trim(), text.trim());
        if key.is_empty() || key.split('.').any(str::is_empty) {
            return Err(wrong("the key before the = has an empty part"));
        }
        let value = toml::from_str::<Table>(&format!("value = {text}"))
            .ok()
            .filter(|table| table.len() == 1)
            .and_then(|mut table| table.remove("value"))
            .unwrap_or_else(|| Value::String(text.to_owned()));

        let mut table = self.table()?;
        let mut known = Vec::new();
        leaves(&table, "", &mut known);
        let exists = known.iter().any(|(name, _)| name == key || name.starts_with(&format!("{key}.")));
        let unknown = |message: String| Error::UnknownKey {
            key: key.to_owned(),
            nearest: nearest(key, known.iter().map(|(name, _)| name.clone())),
            message,
        };
        insert(&mut table, key, value)
            .map_err(|part| unknown(format!("{part} is a value, not a section")))?;
        let changed: Self = Value::Table(table).try_into().map_err(|error: toml::de::Error| {
            let message = error.message().to_owned();
            if exists {
                Error::Value { key: key.to_owned(), value: text.to_owned(), message }
            } else {
                unknown(message)
            }
        })?;
        changed.check()?;
        *self = changed;
        Ok(())
    }

    /// How `self` (in a checkpoint) differs from `asked` in what decides the result, one line for each key.
    pub(crate) fn differences(&self, asked: &Self) -> Result<Vec<String>, Error> {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        leaves(&self.table()?, "", &mut ours);
        leaves(&asked.table()?, "", &mut theirs);
        let find = |list: &[(String, Value)], key: &str| {
            list.iter()
                .find(|(name, _)| name == key)
                .map_or("absent".to_owned(), |(_, value)| value.to_string())
        };
        let mut keys: Vec<&String> = ours.iter().chain(&theirs).map(|(key, _)| key).collect();
        keys.sort();
        keys.dedup();
        let harmless = ["about.", "checkpoint.", "log.", "probe."];
        let differing =
            keys.into_iter().filter(|key| !harmless.iter().any(|section| key.starts_with(section)));
        Ok(differing
            .filter_map(|key| {
                let (saved, asked) = (find(&ours, key), find(&theirs, key));
                (saved != asked).then(|| format!("{key}: {saved} in the checkpoint, {asked} asked for"))
            })
            .collect())
    }

    fn table(&self) -> Result<Table, Error> {
        Table::try_from(self)
            .map_err(|error| Error::Recipe { origin: self.about.title.clone(), message: error.to_string() })
    }
}

/// Puts `value` at the dotted `key`, making sections as needed; `Err` is the part of the key that is no section.
fn insert(table: &mut Table, key: &str, value: Value) -> Result<(), String> {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
            Ok(())
        }
        Some((section, rest)) => match table.entry(section).or_insert_with(|| Value::Table(Table::new())) {
            Value::Table(inner) => insert(inner, rest, value),
            _ => Err(section.to_owned()),
        },
    }
}
