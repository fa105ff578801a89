//! What can go wrong with a task or its data.

use std::path::PathBuf;

/// An error of this crate; each names the file, row, task or parameter at fault and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of a dataset is missing, damaged or laid out otherwise.
    #[error(transparent)]
    Data(#[from] visrep_data::Error),
    /// A measurement failed.
    #[cfg(feature = "evaluate")]
    #[error(transparent)]
    Probe(#[from] visrep_probe::Error),
    /// A score cannot be computed.
    #[error(transparent)]
    Metrics(#[from] visrep_metrics::Error),
    /// A file cannot be written.
    #[error("{}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// There is no task of this name.
    #[error("there is no VTAB task `{name}`; near it are {near}")]
    UnknownTask {
        /// The name.
        name: String,
        /// The nearest names.
        near: String,
    },
    /// There is no data for a task.
    #[error("{task}: no data under {}; looked for {looked}. {advice}", root.display())]
    Missing {
        /// The task.
        task: &'static str,
        /// Where it was looked for.
        root: PathBuf,
        /// The folders that it could be in, within `root`.
        looked: String,
        /// How to get it.
        advice: String,
    },
    /// A split cannot be made of what is there.
    #[error("{task}: {problem}")]
    Split {
        /// The task.
        task: &'static str,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// A parameter is outside its range.
    #[error("{parameter} is {value}: expected {expected}")]
    Parameter {
        /// The parameter.
        parameter: &'static str,
        /// What it is.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
}

impl Error {
    /// There is nothing for `task` under `root` in the folders that `looked` names.
    #[cfg(feature = "evaluate")]
    pub(crate) fn missing(task: crate::Task, root: &std::path::Path, looked: String) -> Self {
        let (info, root) = (task.info(), root.to_path_buf());
        let suite = if info.group.is_some() { "vtab" } else { "remote-sensing" };
        let advice = format!("Get it: visrep data get {suite}/{} --data {}", info.name, root.display());
        Self::Missing { task: info.name, root, looked, advice }
    }
}

/// An error about the layout of a file or folder.
pub(crate) fn layout(path: impl Into<PathBuf>, problem: impl Into<String>) -> visrep_data::Error {
    visrep_data::Error::Layout { path: path.into(), problem: problem.into() }
}

/// An error of the system about a file or folder.
pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> visrep_data::Error {
    let path = path.into();
    |source| visrep_data::Error::Io { path, source }
}
