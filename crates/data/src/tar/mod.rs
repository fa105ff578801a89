//! WebDataset: images in tar archives, with the files of a sample next to each other under one key.
//!
//! [`WebDataset`] reads any sample at any time: opening goes through the headers once and keeps four bytes a
//! sample, its place in its shard, and its label. [`TarStream`] reads shards from front to back and keeps nothing.

mod entry;
mod sample;
mod scratch;
mod stream;

pub use stream::{StreamOptions, TarStream};

use crate::fingerprint::Fingerprint;
use crate::labels::{ClassTable, Labels};
use crate::source::{Input, Source, Stamp};
use crate::{Dataset, Error, Sample, SampleImage, parallel};
use bytes::Bytes;
use entry::Fetch;
use sample::Samples;
use scratch::Scratch;
use std::ops::Range;
use std::path::PathBuf;

/// Blocks of 512 bytes are counted in 32 bits.
const BLOCK: u64 = 512;
/// Samples that lie together in a shard and are drawn together where that pays.
const GROUP: usize = 1024;
/// Groups of a remote set that a shuffling reader mixes: about as many as fit into the cache.
const REMOTE_GROUPS: usize = 2;

/// Images in tar archives (WebDataset), read in any order.
///
/// A sample is a run of files with the same key, the path up to the first dot of the file name. Its image is the
/// first file with an image's extension; its label the content of `.cls` (or `.label`, `.cls.txt`), or
/// `label`, `cls`, `class`, `class_id` or `target` in `.json`. Integers are class indices; names become classes in
/// sorted order. Samples without an image are passed over.
///
/// Plain archives are read in place. Packed ones (`.tar.gz`, `.tgz`) are unpacked when they are opened, to temporary files
/// without a name, which take the space on disk (in `TMPDIR`) that the archives take unpacked: stream them instead, with
/// [`TarStream`], where that is too much.
///
/// An archive that is cut within a file is an error. One that was cut between two files cannot be told from one whose
/// writer left out the blocks of zeros at its end, which GNU tar and Python's `tarfile` put up with: it is read, and named in
/// [`warnings`](Dataset::warnings).
///
/// A sample's key is `shard.tar/key`, with folders before it where shards of several folders have one name.
pub struct WebDataset {
    shards: Vec<Shard>,
    /// Block number of each sample's first header, in its shard.
    places: Vec<u32>,
    labels: Labels,
    classes: Vec<String>,
    remote: bool,
    /// Those of the shards that end without a mark.
    unmarked: Vec<String>,
}

struct Shard {
    name: String,
    source: Source,
    /// What was unpacked.
    unpacked: Option<Input>,
    stamp: Option<Stamp>,
    /// Its samples' indices.
    samples: Range<usize>,
}

struct Indexed {
    shard: Shard,
    places: Vec<u32>,
    labels: ClassTable,
    unmarked: bool,
}

impl Fetch for &Input {
    fn fetch(&mut self, offset: u64, len: usize) -> std::io::Result<Bytes> {
        let left = self.len()?.checked_sub(offset).ok_or_else(entry::cut_short)?;
        self.read_at(offset, left.min(len as u64) as usize)
    }
}

impl WebDataset {
    /// Opens archives, in the order given, and reads their headers and labels.
    pub fn open_files(files: &[PathBuf]) -> Result<Self, Error> {
        Self::build(files.iter().map(|file| Source::File(file.clone())).collect())
    }

    pub(crate) fn build(sources: Vec<Source>) -> Result<Self, Error> {
        let remote = sources.iter().any(|source| !matches!(source, Source::File(_)));
        let mut this = Self {
            shards: Vec::new(),
            places: Vec::new(),
            labels: Labels::default(),
            classes: Vec::new(),
            remote,
            unmarked: Vec::new(),
        };
        let mut table = ClassTable::default();
        let scratch = Scratch::default();
        for indexed in parallel::map(Source::named(sources), |(name, source)| index(name, source, &scratch)) {
            let Indexed { mut shard, places, labels, unmarked } = indexed?;
            if unmarked {
                this.unmarked.push(shard.source.describe(&shard.name));
            }
            shard.samples = this.places.len()..this.places.len() + places.len();
            this.places.extend(places);
            table.append(&labels);
            this.shards.push(shard);
        }
        this.places.shrink_to_fit();
        let first = this.shards.first().map(|shard| shard.source.describe(&shard.name)).unwrap_or_default();
        (this.labels, this.classes) =
            table.finish().map_err(|problem| Error::Layout { path: first.into(), problem })?;
        Ok(this)
    }

    fn shard_of(&self, index: usize) -> Result<&Shard, Error> {
        if index >= self.places.len() {
            return Err(Error::Index { index, len: self.places.len() });
        }
        Ok(&self.shards[self.shards.partition_point(|shard| shard.samples.end <= index)])
    }

    /// The sample's key and image.
    fn read(&self, index: usize, image: bool) -> Result<(String, Bytes), Error> {
        let shard = self.shard_of(index)?;
        let fail = |problem: String| Error::Row { key: format!("{}:{index}", shard.name), problem };
        let io = |source| Error::Io { path: shard.source.describe(&shard.name).into(), source };
        let opened;
        let input = match &shard.unpacked {
            Some(input) => input,
            None => {
                opened = shard.source.open().map_err(io)?;
                &opened
            }
        };
        if shard.unpacked.is_none() && input.stamp().map_err(io)? != shard.stamp {
            return Err(fail("the file has changed since it was opened".into()));
        }
        let mut bytes = Bytes::new();
        let mut samples = Samples::new(input, u64::from(self.places[index]) * BLOCK, false);
        let found = samples.next(|input, entry| {
            if image {
                bytes = input.read_at(entry.data, entry.size as usize).map_err(|error| error.to_string())?;
            }
            Ok(())
        });
        let found = found.map_err(fail)?.ok_or_else(|| fail("has gone".into()))?;
        Ok((format!("{}/{}", shard.name, found.key), bytes))
    }
}

/// Goes through an archive's headers.
fn index(name: String, source: Source, scratch: &Scratch) -> Result<Indexed, Error> {
    let path = PathBuf::from(source.describe(&name));
    let io = |source| Error::Io { path: path.clone(), source };
    let layout = |problem| Error::Layout { path: path.clone(), problem };
    let unpacked = match &source {
        Source::File(path) if is_packed(path).map_err(io)? => Some(scratch.gunzip(path).map_err(io)?),
        _ => None,
    };
    let opened;
    let input = match &unpacked {
        Some(input) => input,
        None => {
            opened = source.open().map_err(io)?;
            &opened
        }
    };
    let len = input.len().map_err(io)?;
    let stamp = match &unpacked {
        Some(_) => source.open().and_then(|packed| packed.stamp()).map_err(io)?,
        None => input.stamp().map_err(io)?,
    };
    let (mut places, mut labels) = (Vec::new(), ClassTable::default());
    let mut other = None;
    let mut samples = Samples::new(input, 0, true);
    while let Some(found) = samples.next(|_, _| Ok(())).map_err(layout)? {
        let Some(image) = &found.image else {
            other.get_or_insert(found.extension);
            continue;
        };
        if image.data.checked_add(image.size).is_none_or(|end| end > len) {
            return Err(layout(format!("is cut short in {}", image.name)));
        }
        let place = u32::try_from(found.header / BLOCK);
        places.push(place.map_err(|_| layout("is larger than 2 TiB: split it into shards".into()))?);
        labels.push(found.label()).map_err(layout)?;
    }
    if places.is_empty() {
        let problem = match other {
            Some(other) => format!("has no images, only files such as `.{other}`"),
            None => "is an archive without files".into(),
        };
        return Err(layout(problem));
    }
    let unmarked = samples.ended_unmarked();
    places.shrink_to_fit();
    Ok(Indexed { shard: Shard { name, source, unpacked, stamp, samples: 0..0 }, places, labels, unmarked })
}

fn is_packed(path: &std::path::Path) -> std::io::Result<bool> {
    let input = Source::File(path.into()).open()?;
    Ok(input.len()? >= 2 && *input.read_at(0, 2)? == [0x1f, 0x8b])
}

impl Dataset for WebDataset {
    fn len(&self) -> usize {
        self.places.len()
    }

    fn get(&self, index: usize) -> Result<Sample, Error> {
        let (key, bytes) = self.read(index, true)?;
        Ok(Sample { image: SampleImage::Encoded(bytes), label: self.labels.get(index), key })
    }

    fn label(&self, index: usize) -> Option<u32> {
        self.labels.get(index)
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    /// Keys are not kept: this reads the sample's header.
    fn key(&self, index: usize) -> String {
        self.read(index, false).map_or_else(|_| format!("sample {index}"), |(key, _)| key)
    }

    fn fingerprint(&self) -> Result<u64, Error> {
        let files = self.shards.iter().map(|shard| (shard.name.as_str(), shard.stamp));
        Ok(Fingerprint::of_files(files, self.labels.iter(), &self.classes))
    }

    fn warnings(&self) -> Vec<String> {
        const SHOWN: usize = 3;
        let all = self.unmarked.len();
        if all == 0 {
            return Vec::new();
        }
        let named = self.unmarked[..all.min(SHOWN)].join(", ");
        let more = if all > SHOWN { format!(" and {} more", all - SHOWN) } else { String::new() };
        vec![format!(
            "{named}{more}: {all} of {} archives end without the blocks that mark an archive's end: check that they are whole",
            self.shards.len()
        )]
    }

    fn groups(&self) -> Vec<Range<usize>> {
        let pieces = |shard: &Shard| {
            let Range { start, end } = shard.samples;
            (start..end).step_by(GROUP).map(move |first| first..(first + GROUP).min(end))
        };
        self.shards.iter().flat_map(pieces).collect()
    }

    fn groups_at_once(&self) -> usize {
        if self.remote { REMOTE_GROUPS } else { usize::MAX }
    }
}
