//! Files that appear whole or not at all.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Why [`write_atomically`] failed, and what stands at the path now.
#[derive(Debug)]
pub struct WriteError {
    /// Whether the new content is in place all the same: only the folder could not be synced.
    pub replaced: bool,
    /// The system's reason.
    pub source: io::Error,
}

impl std::fmt::Display for WriteError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let source = &self.source;
        if self.replaced {
            write!(
                f,
                "its folder cannot be synced: {source}; the file is in place, but a power cut may undo that"
            )
        } else {
            write!(f, "{source}; a file that stood there before is unchanged")
        }
    }
}

impl std::error::Error for WriteError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

impl From<WriteError> for io::Error {
    /// Keeps the kind; says so when the file is in place.
    fn from(error: WriteError) -> Self {
        match error.replaced {
            false => error.source,
            true => Self::new(error.source.kind(), error.to_string()),
        }
    }
}

/// Puts `bytes` at `path` in one go: a reader sees the old file or the new one, and a failure leaves the old one as
/// it was. A temporary file beside it (`.visrep-*.tmp`) is written, synced and renamed, and the folder is synced.
/// The file has the permissions of any new file. A link stays a link: what it points to is replaced.
///
/// # Errors
/// When the file cannot be written, or its folder not be synced: [`WriteError::replaced`] tells which.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    write_atomically_with(path, |temporary| fs::write(temporary, bytes))
}

/// [`write_atomically`] for content that `fill` writes into the temporary file, whose path it is given.
///
/// # Errors
/// Those of [`write_atomically`], and what `fill` returns.
pub fn write_atomically_with(
    path: &Path,
    fill: impl FnOnce(&Path) -> io::Result<()>,
) -> Result<(), WriteError> {
    let folder = replace(path, fill).map_err(|source| WriteError { replaced: false, source })?;
    sync(&folder).map_err(|source| WriteError { replaced: true, source })
}

/// Writes, syncs and renames; returns the folder, still to be synced.
fn replace(path: &Path, fill: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<PathBuf> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if path.is_dir() {
        return Err(io::Error::other("it is a folder; name a file"));
    }
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".visrep-").suffix(".tmp");
    #[cfg(unix)]
    {
        // As a plain `File::create` would: readable by whom the umask allows.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let file = builder.tempfile_in(&folder)?;
    fill(file.path())?;
    file.as_file().sync_all()?;
    file.persist(&path).map_err(|error| error.error)?;
    Ok(folder)
}

/// Makes a rename in `folder` last.
fn sync(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_tells_what_stands_there() {
        let error = |replaced| WriteError { replaced, source: io::Error::other("no") };
        assert!(error(false).to_string().contains("unchanged"));
        assert!(
            error(true).to_string().contains("in place") && !error(true).to_string().contains("unchanged")
        );
        assert!(io::Error::from(error(true)).to_string().contains("in place"));
    }

    #[test]
    #[cfg(unix)]
    fn permissions_are_those_of_any_new_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let mode = |name: &str| {
            let metadata = fs::metadata(folder.path().join(name)).unwrap();
            metadata.permissions().mode()
        };
        write_atomically(&folder.path().join("ours"), b"new").unwrap();
        fs::write(folder.path().join("plain"), b"new").unwrap();
        assert_eq!(mode("ours"), mode("plain"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
