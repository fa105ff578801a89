//! The one error type: what is wrong in a sentence, and what to do about it.

use std::fmt;

/// What every command returns.
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// A problem and its fix, both written for the person at the keyboard.
#[derive(Debug)]
pub(crate) struct Error {
    problem: String,
    fix: Option<String>,
}

impl Error {
    pub(crate) fn new(problem: impl Into<String>) -> Self {
        Self { problem: problem.into(), fix: None }
    }

    /// Says what to do about it.
    pub(crate) fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// An input/output error with what was being done, as in "cannot write target/x".
    pub(crate) fn io(what: impl fmt::Display, error: &std::io::Error) -> Self {
        let this = Self::new(format!("{what}: {error}"));
        match error.kind() {
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                this.fix("make the folder writable for this user, or clone the repository to one that is")
            }
            std::io::ErrorKind::StorageFull => this.fix("free some disk space and run the command again"),
            _ => this,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.problem)?;
        if let Some(fix) = &self.fix {
            write!(f, "\n  fix: {fix}")?;
        }
        Ok(())
    }
}
