//! Datasets onto this machine: where they are published, the transfer, and unpacking into the layout that the readers want.

mod record;
mod table;
mod unpack;

use anyhow::{Context, Result, bail};
use record::{Record, RecordedFile};
use std::path::{Path, PathBuf};
pub use table::{Entry, TABLE, find, read as read_table};
use table::{FileEntry, Inner};
pub use unpack::sha256;
use visrep_models::{FileSource, HubOptions, fetch_file, hub_dataset_files};

/// How datasets are fetched.
pub struct Options {
    /// Take what lies on the Hugging Face hub also where the publisher has files.
    pub mirror: bool,
    /// Keep archives after they are unpacked.
    pub keep_archives: bool,
    /// Draw progress bars.
    pub progress: bool,
    /// The hub's address and token.
    pub hub: HubOptions,
}

/// What brings the data of this suite, where it has a dataset of its name in the table.
pub fn command_for(suite: &str) -> Option<String> {
    find(&TABLE, suite).is_ok().then(|| format!("visrep data get {suite}"))
}

/// Brings a dataset to `root` and gives the folder where it now is. What an earlier call has brought is left as it is.
pub fn fetch(entry: &Entry, root: &Path, options: &Options) -> Result<PathBuf> {
    let name = entry.names.first().map_or("", String::as_str);
    match (&entry.hub, &entry.hub_folder) {
        (Some(repository), Some(folder)) if options.mirror || entry.files.is_empty() => {
            let folder = root.join(folder);
            from_hub(repository, &folder, options).with_context(|| name.to_owned())?;
            if let Some(how) = &entry.by_hand {
                eprintln!("{name}: {how}");
            }
            Ok(folder)
        }
        _ if entry.files.is_empty() => {
            let folder = root.join(&entry.folder);
            let how = entry.by_hand.as_deref().unwrap_or("it is published nowhere");
            bail!("{name} cannot be downloaded. {how}: {}", folder.display())
        }
        _ if options.mirror => bail!("{name} has no mirror: leave out --mirror"),
        _ => {
            let folder = root.join(&entry.folder);
            for file in &entry.files {
                one_file(file, &folder, options).with_context(|| name.to_owned())?;
            }
            Ok(folder)
        }
    }
}

/// What a file is called after its URL.
fn file_name(url: &str) -> &str {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    path.rsplit('/').next().unwrap_or_default()
}

fn one_file(file: &FileEntry, folder: &Path, options: &Options) -> Result<()> {
    let folder = file.into.as_ref().map_or_else(|| folder.to_path_buf(), |into| folder.join(into));
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let mut record = Record::read(&folder)?;
    let known = record.file(&file.url).cloned();
    let path = folder.join(file_name(&file.url));
    // A file that stays as it is must still be there; what an archive was unpacked to is not counted again.
    if known.as_ref().is_some_and(|known| known.done && (!known.stays || path.is_file())) {
        eprintln!("{}: there already", file.url);
        return Ok(());
    }
    let sha256 = file.sha256.as_deref().or(known.as_ref().map(|known| known.sha256.as_str()));
    let source = FileSource { url: &file.url, bytes: file.bytes, sha256, ..FileSource::default() };
    let fetched = fetch_file(&source, &path, options.progress)?;
    if sha256.is_none() {
        eprintln!("{}: its digest is not known beforehand; recorded: SHA-256 {}", file.url, fetched.sha256);
    }
    let stays = file.unpack == table::Unpack::None;
    let entry = RecordedFile { url: file.url.clone(), sha256: fetched.sha256, done: false, stays };
    record.put(entry.clone());
    record.write(&folder)?;
    if !stays {
        eprintln!("unpacking {}", path.display());
        unpack::unpack(&path, &folder, file.unpack)?;
        for inner in &file.inner {
            unpack_inner(inner, &folder)?;
        }
        if !options.keep_archives {
            std::fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    record.put(RecordedFile { done: true, ..entry });
    record.write(&folder)
}

/// Unpacks an archive that lay in another one, and removes it.
fn unpack_inner(inner: &Inner, folder: &Path) -> Result<()> {
    let path = folder.join(&inner.path);
    if let Some(expected) = &inner.sha256 {
        let got = unpack::sha256(&path)?;
        if got != *expected {
            bail!(
                "{} is not the published file: its SHA-256 is {got}, the table of published digests has {expected}",
                path.display()
            );
        }
    }
    unpack::unpack(&path, folder, inner.unpack)?;
    std::fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))
}

/// The files of a dataset on the hub, as they are.
fn from_hub(repository: &str, folder: &Path, options: &Options) -> Result<()> {
    let files = hub_dataset_files(repository, &options.hub)?;
    let files: Vec<_> = files.into_iter().filter(|file| !file.path.starts_with('.')).collect();
    if files.is_empty() {
        bail!("the dataset {repository} has no files");
    }
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let mut record = Record::read(folder)?;
    for file in files {
        let path = folder.join(&file.path);
        let known = record.file(&file.url).cloned();
        let server = file.sha256.as_deref();
        let unchanged =
            known.as_ref().is_some_and(|known| server.is_none_or(|server| server == known.sha256));
        if known.as_ref().is_some_and(|known| known.done) && unchanged && path.is_file() {
            continue;
        }
        let source = FileSource {
            url: &file.url,
            bytes: Some(file.bytes),
            server_sha256: server,
            token: options.hub.token.as_deref(),
            sha256: None,
        };
        let fetched = fetch_file(&source, &path, options.progress)?;
        record.put(RecordedFile { url: file.url, sha256: fetched.sha256, done: true, stays: true });
        record.write(folder)?;
    }
    Ok(())
}
