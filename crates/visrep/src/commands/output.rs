//! Writing a command's output: files so that a failure never harms what was there before, and text so that a
//! reader may stop listening.

use anyhow::{Context, Result, bail};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use visrep_models::write_atomically_with;

/// Prints `text`. A reader that has closed the pipe (`| head`) has seen enough: that is no error.
pub fn say(text: &str) -> Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other.context("cannot write to standard output"),
    }
}

/// Errs where [`replace`] would in the end: for commands that work long before they write.
pub fn check(path: &Path) -> Result<()> {
    if path.exists() && !path.is_file() {
        bail!("{} is not a regular file; name another output", path.display());
    }
    let folder = folder_of(path);
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    tempfile::tempfile_in(&folder).with_context(|| format!("cannot write in {}", folder.display()))?;
    Ok(())
}

/// A number of bytes, for people: `812 B`, `3.4 kB`, `1.2 GB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut size = bytes as f64 / 1000.0;
    let mut unit = 0;
    // What would be shown as 1000.0 is one of the next.
    while size >= 999.95 && unit + 1 < UNITS.len() {
        size /= 1000.0;
        unit += 1;
    }
    format!("{size:.1} {}", UNITS[unit])
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Has `write` fill a temporary file in the folder of `path`, which then takes the place of `path` in one step.
/// Missing parent folders are made; of a link, the file it leads to is replaced.
pub fn replace(path: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    check(path)?;
    write_atomically_with(path, |temporary| write(temporary).map_err(std::io::Error::other))
        .with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_the_unit_that_suits_them() {
        let sizes = [0, 999, 1000, 1249, 999_949, 999_950, 2_500_000_000, u64::MAX].map(size);
        assert_eq!(
            sizes,
            ["0 B", "999 B", "1.0 kB", "1.2 kB", "999.9 kB", "1.0 MB", "2.5 GB", "18446744.1 TB"]
        );
    }

    #[test]
    fn what_is_no_file_is_refused_and_a_link_stays_one() {
        let folder = tempfile::tempdir().unwrap();
        assert!(check(folder.path()).unwrap_err().to_string().contains("not a regular file"));
        #[cfg(unix)]
        {
            let (file, link) = (folder.path().join("file"), folder.path().join("link"));
            std::fs::write(&file, "old").unwrap();
            std::os::unix::fs::symlink(&file, &link).unwrap();
            replace(&link, |to| Ok(std::fs::write(to, "new")?)).unwrap();
            assert_eq!(std::fs::read_to_string(&file).unwrap(), "new");
            assert!(link.is_symlink());
        }
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_litter() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.txt");
        replace(&path, |to| Ok(std::fs::write(to, "good")?)).unwrap();
        replace(&path, |to| {
            std::fs::write(to, "half")?;
            anyhow::bail!("disk full")
        })
        .unwrap_err();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "good");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
