//! Writing a command's output so that a failure never harms a file that was there before.

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// Writes `path` through a temporary file in its folder: `write` fills the temporary file, which then
/// takes the place of `path` in one step. Missing parent folders are made.
pub fn replace(path: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let named = || format!("cannot write {}", path.display());
    let temporary = tempfile::Builder::new().prefix(".visrep-").tempfile_in(&folder).with_context(named)?;
    write(temporary.path()).with_context(named)?;
    temporary.as_file().sync_all().with_context(named)?;
    set_default_mode(temporary.as_file()).with_context(named)?;
    temporary.persist(path).map_err(|error| error.error).with_context(named)?;
    Ok(())
}

/// Temporary files are private to their owner; an output is an ordinary file.
fn set_default_mode(file: &std::fs::File) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.set_permissions(std::fs::Permissions::from_mode(0o644))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

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
