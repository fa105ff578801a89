//! What an output says about how it was made, so that no run goes on with another one's files.

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};
use std::fs::{File, TryLockError};
use std::path::Path;

/// How something is made: names and values, in words that a person can read.
pub(in crate::commands) type Settings = Map<String, Value>;

/// Writes the settings into the file `name` in `folder`, or finds the same there; holds the folder for this process. Errs where the
/// folder has something else, naming what differs.
pub(in crate::commands) fn claim(folder: &Path, name: &str, settings: &Settings) -> Result<File> {
    let path = folder.join(name);
    if path.exists() {
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let found: Settings = serde_json::from_str(&text)
            .with_context(|| format!("{} is damaged: write elsewhere", path.display()))?;
        compare(folder, &found, settings)?;
    } else {
        let mut entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
        // A run that was killed in its first moment may have left a temporary file.
        let is_hidden = |name: std::ffi::OsString| name.to_string_lossy().starts_with('.');
        if entries.any(|entry| !entry.is_ok_and(|entry| is_hidden(entry.file_name()))) {
            bail!("{} is not empty, and is no output of this command: name another folder", folder.display());
        }
        let text = serde_json::to_string_pretty(settings)? + "\n";
        visrep_models::write_atomically(&path, text.as_bytes())
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    let file = File::open(&path).with_context(|| path.display().to_string())?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => bail!("another process is writing to {}", folder.display()),
        // Some file systems have no locks.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(file),
    }
}

/// Errs where `found`, the settings that `output` was made with, are others, naming each that differs.
pub(in crate::commands) fn compare(output: &Path, found: &Settings, wanted: &Settings) -> Result<()> {
    let mut names: Vec<&String> = found.keys().chain(wanted.keys()).collect();
    names.sort();
    names.dedup();
    let missing = Value::Null;
    let shown = |value: &Value| match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let differences: Vec<String> = names
        .into_iter()
        .map(|name| (name, found.get(name).unwrap_or(&missing), wanted.get(name).unwrap_or(&missing)))
        .filter(|(_, there, here)| there != here)
        .map(|(name, there, here)| format!("{name}: {} there, {} here", shown(there), shown(here)))
        .collect();
    if !differences.is_empty() {
        bail!(
            "{} was made in another way ({}): write elsewhere, or use the same options",
            output.display(),
            differences.join("; ")
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const FILE: &str = "made.json";

    fn settings(value: Value) -> Settings {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn an_output_is_claimed_once_and_only_for_the_same_settings() {
        let folder = tempfile::tempdir().unwrap();
        let first = settings(json!({"seed": 0, "jpeg": 85}));
        let held = claim(folder.path(), FILE, &first).unwrap();
        let twice = claim(folder.path(), FILE, &first).unwrap_err().to_string();
        assert!(twice.contains("another process"), "{twice}");
        drop(held);
        claim(folder.path(), FILE, &first).unwrap();
        let other =
            claim(folder.path(), FILE, &settings(json!({"seed": 1, "jpeg": null}))).unwrap_err().to_string();
        assert!(other.contains("jpeg: 85 there, none here; seed: 0 there, 1 here"), "{other}");
        std::fs::write(folder.path().join(FILE), "{").unwrap();
        assert!(claim(folder.path(), FILE, &first).unwrap_err().to_string().contains("damaged"));
        let full = tempfile::tempdir().unwrap();
        std::fs::write(full.path().join("mine.txt"), "").unwrap();
        assert!(claim(full.path(), FILE, &first).unwrap_err().to_string().contains("not empty"));
    }
}
