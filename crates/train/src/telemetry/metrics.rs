//! `metrics.jsonl`: one JSON object for each logged step.

use crate::{Error, StepReport};
use serde_json::{Map, Value};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use visrep_models::write_atomically;

/// The file, open for appending.
pub(crate) struct MetricsLog {
    path: PathBuf,
    file: File,
}

impl MetricsLog {
    /// Opens the file for a run that goes on after `step` steps: lines of later steps are dropped, as are lines
    /// that a killed run left unfinished, so that no step appears twice.
    pub(crate) fn open(path: &Path, step: u64) -> Result<Self, Error> {
        let mut kept = Vec::new();
        match File::open(path) {
            Ok(file) => {
                for line in BufReader::new(file).split(b'\n') {
                    let line = line.map_err(Error::io(path, "read"))?;
                    let known =
                        serde_json::from_slice::<Value>(&line).ok().and_then(|value| value["step"].as_u64());
                    if known.is_some_and(|known| known <= step) {
                        kept.extend_from_slice(&line);
                        kept.push(b'\n');
                    }
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io(path, "read")(error)),
        }
        replace(path, &kept)?;
        let file = OpenOptions::new().append(true).open(path).map_err(Error::io(path, "append"))?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Appends the line of `report`.
    pub(crate) fn append(&mut self, report: &StepReport) -> Result<(), Error> {
        let mut line = Map::new();
        line.insert("step".into(), report.step.into());
        line.insert("epoch".into(), report.epoch.into());
        for (name, value) in report.scalars().filter(|(name, _)| *name != "epoch") {
            line.insert(name.into(), value.into());
        }
        let mut text = Value::Object(line).to_string();
        text.push('\n');
        self.file.write_all(text.as_bytes()).map_err(Error::io(&self.path, "append"))
    }
}

/// Puts `content` at `path` in one go: a reader sees the old file or the new one.
pub(crate) fn replace(path: &Path, content: &[u8]) -> Result<(), Error> {
    write_atomically(path, content).map_err(|error| Error::io(path, "write")(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_after_the_step_and_torn_ones_are_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        std::fs::write(&path, "{\"step\":10,\"loss\":1.0}\n{\"step\":20}\n{\"step\":30}\n{\"step\":1")
            .unwrap();
        let mut log = MetricsLog::open(&path, 20).unwrap();
        let report = StepReport {
            step: 30,
            total: 40,
            epoch: 3,
            loss: 0.5,
            lr: 0.1,
            images_per_second: 12.0,
            metrics: vec![("accuracy", 0.75)],
        };
        log.append(&report).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let steps: Vec<u64> = lines.iter().map(|line| line["step"].as_u64().unwrap()).collect();
        assert_eq!(steps, [10, 20, 30]);
        assert_eq!(lines[2]["accuracy"], 0.75);
    }
}
