//! The table of datasets: `datasets.toml`.

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::path::{Component, Path};
use std::sync::LazyLock;

/// Every dataset, as the table has it.
pub static TABLE: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    let table: Table = toml::from_str(include_str!("datasets.toml"))
        .unwrap_or_else(|error| panic!("datasets.toml: {error}"));
    table.dataset
});

/// A table in a file. Folders that lead out of where the data go are refused.
pub fn read(path: &Path) -> Result<Vec<Entry>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let table: Table =
        toml::from_str(&text).with_context(|| format!("{} is no table of datasets", path.display()))?;
    for entry in &table.dataset {
        for folder in entry.folders() {
            if !Path::new(folder).components().all(|part| matches!(part, Component::Normal(_))) {
                bail!(
                    "{}: {} goes to `{folder}`, which is no folder within another",
                    path.display(),
                    entry.names.join(", ")
                );
            }
        }
        if entry.hub.is_some() != entry.hub_folder.is_some() {
            bail!("{}: {} needs both of hub and hub_folder", path.display(), entry.names.join(", "));
        }
    }
    Ok(table.dataset)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    dataset: Vec<Entry>,
}

/// A dataset and where it is published. The table itself says what the fields are.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub names: Vec<String>,
    pub about: String,
    pub folder: String,
    pub licence: String,
    pub hub: Option<String>,
    pub hub_folder: Option<String>,
    pub by_hand: Option<String>,
    #[serde(default)]
    pub files: Vec<FileEntry>,
}

/// A file of a dataset.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    pub url: String,
    pub bytes: Option<u64>,
    pub sha256: Option<String>,
    /// Who states the digest: for readers of the table.
    #[serde(rename = "sha256_from")]
    pub _sha256_from: Option<String>,
    pub unpack: Unpack,
    /// A folder within the dataset's.
    pub into: Option<String>,
    #[serde(default)]
    pub inner: Vec<Inner>,
}

/// An archive within an archive.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inner {
    pub path: String,
    pub sha256: Option<String>,
    #[serde(rename = "sha256_from")]
    pub _sha256_from: Option<String>,
    pub unpack: Unpack,
}

/// What is done to a file once it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unpack {
    /// Plain or gzip.
    Tar,
    Zip,
    /// One file, packed with gzip.
    Gz,
    None,
}

impl Entry {
    /// Every folder that files or archives' contents go to.
    fn folders(&self) -> impl Iterator<Item = &str> {
        let own = [Some(&self.folder), self.hub_folder.as_ref()].into_iter().flatten();
        own.chain(self.files.iter().filter_map(|file| file.into.as_ref()))
            .chain(self.files.iter().flat_map(|file| file.inner.iter().map(|inner| &inner.path)))
            .map(String::as_str)
    }

    /// The bytes of its files, where all are known.
    pub fn bytes(&self) -> Option<u64> {
        let sizes = self.files.iter().map(|file| file.bytes);
        if self.files.is_empty() { None } else { sizes.sum() }
    }
}

/// The datasets that `name` stands for: one, or all of a suite. `table` is [`TABLE`] but in tests.
pub fn find<'a>(table: &'a [Entry], name: &str) -> Result<Vec<&'a Entry>> {
    let named = |entry: &&Entry| {
        entry.names.iter().any(|known| known == name || known.split('/').next() == Some(name))
    };
    let found: Vec<_> = table.iter().filter(named).collect();
    if found.is_empty() {
        let mut near: Vec<_> = table
            .iter()
            .flat_map(|entry| &entry.names)
            .map(|known| (strsim::jaro_winkler(known, name), known.as_str()))
            .collect();
        near.sort_by(|a, b| b.0.total_cmp(&a.0));
        let near: Vec<_> = near.iter().take(3).map(|(_, known)| *known).collect();
        bail!(
            "there is no dataset {name:?}; near it are {} (`visrep data get --list` has them all)",
            near.join(", ")
        );
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_table_is_sound() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/downloads/datasets.toml");
        assert_eq!(read(&path).unwrap().len(), TABLE.len());
        let mut names = BTreeSet::new();
        for entry in TABLE.iter() {
            let of = entry.names.join(", ");
            assert!(entry.names.iter().all(|name| names.insert(name.clone())), "{of} is there twice");
            assert!(
                !entry.files.is_empty() || entry.hub.is_some() || entry.by_hand.is_some(),
                "{of} is nowhere"
            );
            let inner =
                entry.files.iter().flat_map(|file| &file.inner).filter_map(|inner| inner.sha256.as_ref());
            for digest in entry.files.iter().filter_map(|file| file.sha256.as_ref()).chain(inner) {
                assert!(
                    digest.len() == 64 && digest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')),
                    "{of}"
                );
            }
            for file in &entry.files {
                assert_eq!(file.sha256.is_some(), file._sha256_from.is_some(), "{}: who says so?", file.url);
            }
        }
    }

    #[test]
    fn what_belongs_to_a_suite_has_its_name() {
        let suites: Vec<_> =
            crate::bench::published::registry::all().iter().map(|suite| suite.info().name).collect();
        let apart = ["bapps-2afc-train", "frost", "lpips", "remote-sensing", "vtab"];
        for name in TABLE.iter().flat_map(|entry| &entry.names) {
            let first = name.split('/').next().unwrap();
            assert!(suites.contains(&first) || apart.contains(&first), "{name}");
        }
        assert_eq!(find(&TABLE, "imagenet-v2").unwrap().len(), 3);
        assert_eq!(find(&TABLE, "imagenet-c").unwrap().len(), 5);
    }

    #[test]
    fn every_task_can_be_got_where_it_is_looked_for() {
        for task in visrep_vtab::Task::all() {
            let suite = if task.info().group.is_some() { "vtab" } else { "remote-sensing" };
            let entry = find(&TABLE, &format!("{suite}/{task}")).unwrap()[0];
            assert_eq!(entry.folder, format!("vtab/{}", task.info().dataset));
            if let Some(folder) = &entry.hub_folder {
                let name = folder.strip_prefix("vtab/").unwrap();
                assert!(task.info().folders.contains(&name), "{folder}");
            }
        }
        assert_eq!(find(&TABLE, "vtab").unwrap().len(), 16);
        let error = find(&TABLE, "vtab/shvn").unwrap_err().to_string();
        assert!(error.contains("vtab/svhn"), "{error}");
    }
}
