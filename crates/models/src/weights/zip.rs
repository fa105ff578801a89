//! Zip archives in memory: where each entry's bytes are, or what they inflate to.

use flate2::read::DeflateDecoder;
use rawzip::{CompressionMethod, ZipArchive, ZipArchiveEntryWayfinder, ZipSliceArchive};
use std::collections::BTreeMap;
use std::io::Read;

/// The most entries of an archive.
const MAX_ENTRIES: usize = 1 << 18;
/// Compressed entries may inflate to this many bytes, beside 32 times what the archive has. Weights shrink by a tenth,
/// seldom more.
const MAX_INFLATED: u64 = 64 << 20;
/// Stored entries may have this many times the bytes of the archive: more than once only where one is read as several
/// types. Entries that lie over each other would have the same bytes copied again and again.
const MAX_STORED: u64 = 4;

/// An archive in `'a` bytes.
pub(super) struct Archive<'a> {
    archive: ZipSliceArchive<&'a [u8]>,
    entries: BTreeMap<String, (ZipArchiveEntryWayfinder, CompressionMethod)>,
    /// How many bytes may still be inflated.
    budget: u64,
    /// How many bytes of stored entries may still be read.
    stored: u64,
}

/// An entry's content.
pub(super) enum Entry {
    /// It lies in the archive as it is.
    Stored {
        /// From the start of the archive.
        offset: usize,
        length: usize,
    },
    /// It was compressed.
    Inflated(Vec<u8>),
}

impl<'a> Archive<'a> {
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, String> {
        let damaged = |error: rawzip::Error| {
            format!("its zip directory cannot be read ({error}); it is truncated or damaged")
        };
        let archive = ZipArchive::from_slice(bytes).map_err(damaged)?;
        let mut entries = BTreeMap::new();
        let mut records = archive.entries();
        while let Some(record) = records.next_entry().map_err(damaged)? {
            if record.is_dir() {
                continue;
            }
            let path = record.file_path();
            let name =
                std::str::from_utf8(path.as_ref()).map_err(|_| "the name of a zip entry is no UTF-8")?;
            let method = record.compression_method();
            if entries.insert(name.to_owned(), (record.wayfinder(), method)).is_some() {
                return Err(format!("its zip entry `{name}` is there twice"));
            }
            if entries.len() > MAX_ENTRIES {
                return Err(format!("it has more than {MAX_ENTRIES} zip entries"));
            }
        }
        let size = bytes.len() as u64;
        let budget = MAX_INFLATED.saturating_add(size.saturating_mul(32));
        Ok(Self { archive, entries, budget, stored: size.saturating_mul(MAX_STORED) })
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// The content of the entry called `name`.
    pub(super) fn read(&mut self, name: &str) -> Result<Entry, String> {
        let &(wayfinder, method) =
            self.entries.get(name).ok_or_else(|| format!("it has no zip entry `{name}`"))?;
        let damaged = |reason: String| format!("its zip entry `{name}` {reason}");
        let entry =
            self.archive.get_entry(wayfinder).map_err(|error| damaged(format!("cannot be read: {error}")))?;
        let claimed = wayfinder.uncompressed_size_hint();
        let (start, end) = entry.compressed_data_range();
        match method {
            CompressionMethod::STORE if claimed != end - start => {
                Err(damaged(format!("claims {claimed} bytes and has {}", end - start)))
            }
            CompressionMethod::STORE => {
                let overlap = || damaged("and others lie over each other; the archive is malicious".into());
                self.stored = self.stored.checked_sub(end - start).ok_or_else(overlap)?;
                Ok(Entry::Stored { offset: start as usize, length: entry.data().len() })
            }
            CompressionMethod::DEFLATE => {
                let too_large =
                    || damaged("inflates to far more than weights do; it may be a zip bomb".into());
                if claimed > self.budget {
                    return Err(too_large());
                }
                let mut content = Vec::new();
                let reader = entry.verifying_reader(DeflateDecoder::new(entry.data()));
                reader
                    .take(self.budget.min(claimed) + 1)
                    .read_to_end(&mut content)
                    .map_err(|error| damaged(format!("cannot be inflated: {error}")))?;
                let length = content.len() as u64;
                self.budget = self.budget.checked_sub(length).ok_or_else(too_large)?;
                match length == claimed {
                    true => Ok(Entry::Inflated(content)),
                    false => Err(damaged(format!("claims {claimed} bytes and has another length"))),
                }
            }
            other => {
                Err(damaged(format!("is compressed with {other}; only stored and deflated entries are read")))
            }
        }
    }

    /// The bytes of an entry that is needed whole, of at most `limit`.
    pub(super) fn bytes<'e>(&self, entry: &'e Entry, limit: usize) -> Result<&'e [u8], String>
    where
        'a: 'e,
    {
        let bytes = match entry {
            Entry::Stored { offset, length } => {
                let whole: &'a [u8] = self.archive.get_ref();
                &whole[*offset..offset + length]
            }
            Entry::Inflated(content) => content,
        };
        match bytes.len() <= limit {
            true => Ok(bytes),
            false => Err(format!("a zip entry of {} bytes is too long for what it should hold", bytes.len())),
        }
    }
}
