//! Archives read from front to back, any number of them, with nothing kept.

use super::entry::{Fetch, cut_short};
use super::sample::Samples;
use crate::source::Source;
use crate::{Error, Sample, SampleImage, SampleStream};
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use rand::seq::SliceRandom;
use std::io::{BufReader, Read};
use std::path::PathBuf;
use std::sync::Arc;
use visrep_augment::view_rng;

/// Keep these random numbers apart from those of views and of the loader's order.
const SHARD_ORDER: u64 = u64::MAX - 4;
const WINDOW_ORDER: u64 = u64::MAX - 5;

/// In which order archives are read.
#[derive(Clone, Debug)]
pub struct StreamOptions {
    /// Whether each epoch draws its own order: of the shards, and of the samples within each window.
    pub shuffle: bool,
    /// Samples that are in memory together and are shuffled among each other.
    pub window: usize,
    /// What the orders are drawn from.
    pub seed: u64,
    /// The number of this process and of all: each reads its own share of the shards.
    pub rank: (usize, usize),
    /// Class names, where labels are names and not indices.
    pub classes: Vec<String>,
}

impl Default for StreamOptions {
    /// The shards' own order, and a window of 1000 samples where `shuffle` is set.
    fn default() -> Self {
        Self { shuffle: false, window: 1000, seed: 0, rank: (0, 1), classes: Vec::new() }
    }
}

/// Samples of tar archives (WebDataset) from front to back, plain or gzip. See [`WebDataset`](crate::WebDataset) for
/// what a sample is.
///
/// A shuffle draws the order of the shards, and mixes each run of `window` samples. An epoch is a pure function of the
/// options and its number, and can be resumed at any sample: what comes before is passed over without
/// being decoded. A shard that is cut short or damaged gives one error in its place and ends there.
pub struct TarStream {
    shards: Arc<[(String, Source)]>,
    options: StreamOptions,
}

impl TarStream {
    /// A stream of the samples in `files`.
    pub fn new(files: &[PathBuf], options: StreamOptions) -> Result<Self, Error> {
        Self::of_sources(files.iter().map(|file| Source::File(file.clone())).collect(), options)
    }

    /// A stream of the samples at a path or a pattern for several (`shard-{000..123}.tar`, `data/*.tar`); with the
    /// feature `remote` also at an address.
    pub fn open(pattern: &str, options: StreamOptions) -> Result<Self, Error> {
        #[cfg(feature = "remote")]
        if pattern.contains("://") {
            let (_, sources) = crate::remote::sources(pattern, &crate::remote::environment())?;
            return Self::of_sources(sources, options);
        }
        Self::new(&crate::expand::files(pattern)?, options)
    }

    fn of_sources(shards: Vec<Source>, options: StreamOptions) -> Result<Self, Error> {
        let fail = |parameter, problem: String| Err(Error::Option { parameter, problem });
        let (rank, world) = options.rank;
        if rank >= world {
            return fail("rank", format!("{rank} of {world} processes: ranks count from 0"));
        }
        if shards.len() < world {
            let problem = format!("{} shards cannot be shared by {world} processes", shards.len());
            return fail("files", problem);
        }
        if options.window == 0 {
            return fail("window", "must be at least 1".into());
        }
        Ok(Self { shards: Source::named(shards).into(), options })
    }
}

impl SampleStream for TarStream {
    fn epoch(&self, epoch: u64, skip: usize) -> Box<dyn Iterator<Item = Result<Sample, Error>> + Send> {
        let StreamOptions { shuffle, seed, rank: (rank, world), .. } = self.options;
        let mut order: Vec<usize> = (0..self.shards.len()).collect();
        if shuffle {
            order.shuffle(&mut view_rng(seed, epoch, SHARD_ORDER, 0));
        }
        let order = order.into_iter().skip(rank).step_by(world).collect::<Vec<_>>().into_iter();
        let mut reading = Reading {
            shards: self.shards.clone(),
            classes: self.options.classes.clone().into(),
            order,
            current: None,
        };
        let window = if shuffle { self.options.window } else { 1 };
        let windows = skip / window;
        for _ in 0..windows * window {
            if reading.next(false).is_none() {
                break;
            }
        }
        let windows = Windows { reading, window, seed, epoch, number: windows as u64, ready: Vec::new() };
        Box::new(windows.skip(skip % window))
    }

    fn classes(&self) -> &[String] {
        &self.options.classes
    }
}

/// Shuffles runs of samples.
struct Windows {
    reading: Reading,
    window: usize,
    seed: u64,
    epoch: u64,
    number: u64,
    /// The window's samples, the next one last.
    ready: Vec<Result<Sample, Error>>,
}

impl Iterator for Windows {
    type Item = Result<Sample, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ready.is_empty() {
            while self.ready.len() < self.window {
                let Some(sample) = self.reading.next(true) else { break };
                self.ready.push(sample);
            }
            if self.window > 1 {
                self.ready.shuffle(&mut view_rng(self.seed, self.epoch, WINDOW_ORDER, self.number));
            }
            self.number += 1;
        }
        self.ready.pop()
    }
}

/// Goes through shards.
struct Reading {
    shards: Arc<[(String, Source)]>,
    classes: Arc<[String]>,
    order: std::vec::IntoIter<usize>,
    current: Option<Current>,
}

struct Current {
    name: String,
    samples: Samples<Forward>,
}

impl Reading {
    /// The next sample; without its bytes where `content` is not wanted.
    fn next(&mut self, content: bool) -> Option<Result<Sample, Error>> {
        loop {
            let current = match &mut self.current {
                Some(current) => current,
                none => {
                    let (name, source) = &self.shards[self.order.next()?];
                    match Forward::open(source) {
                        Ok(input) => {
                            none.insert(Current { name: name.clone(), samples: Samples::new(input, 0, true) })
                        }
                        Err(error) => {
                            return Some(Err(Error::Io {
                                path: source.describe(name).into(),
                                source: error,
                            }));
                        }
                    }
                }
            };
            let mut bytes = Bytes::new();
            let found = current.samples.next(|input, entry| {
                let fetched = if content {
                    input.fetch(entry.data, entry.size as usize).inspect(|fetched| bytes = fetched.clone())
                } else {
                    // The last byte, so that a cut is noticed here as it is when all of them are read.
                    let (last, len) = (entry.size.saturating_sub(1), entry.size.min(1));
                    input.fetch(entry.data + last, len as usize)
                };
                let expected = if content { entry.size } else { entry.size.min(1) };
                let fetched = fetched.map_err(|error| error.to_string())?;
                if fetched.len() as u64 == expected {
                    Ok(())
                } else {
                    Err(format!("is cut short in {}", entry.name))
                }
            });
            match found {
                Ok(Some(found)) if found.image.is_some() => {
                    let key = format!("{}/{}", current.name, found.key);
                    return Some(match label(found.label(), &self.classes) {
                        Ok(label) => Ok(Sample { image: SampleImage::Encoded(bytes), label, key }),
                        Err(problem) => Err(Error::Row { key, problem }),
                    });
                }
                Ok(Some(_)) => {}
                Ok(None) => self.current = None,
                Err(problem) => {
                    let key = format!("{} from byte {} on", current.name, current.samples.input().position);
                    self.current = None;
                    return Some(Err(Error::Row { key, problem }));
                }
            }
        }
    }
}

fn label(text: Option<&str>, classes: &[String]) -> Result<Option<u32>, String> {
    let Some(text) = text else { return Ok(None) };
    if let Some(class) = classes.iter().position(|class| class == text) {
        return Ok(Some(class as u32));
    }
    match text.parse::<i64>() {
        Ok(-1) => Ok(None),
        Ok(index) if index >= 0 && (classes.is_empty() || (index as u64) < classes.len() as u64) => {
            u32::try_from(index).map(Some).map_err(|_| format!("label {index} is no class index"))
        }
        Ok(index) => Err(format!("label {index} is outside the {} classes", classes.len())),
        Err(_) => {
            Err(format!("label `{text}` is none of the classes: name them in `StreamOptions::classes`"))
        }
    }
}

/// An archive that is read forwards.
struct Forward {
    reader: Box<dyn Read + Send>,
    position: u64,
}

impl Forward {
    fn open(source: &Source) -> std::io::Result<Self> {
        let mut reader = source.stream()?;
        let mut magic = Vec::new();
        (&mut reader).take(2).read_to_end(&mut magic)?;
        let packed = magic == [0x1f, 0x8b];
        let reader = std::io::Cursor::new(magic).chain(reader);
        let reader: Box<dyn Read + Send> = match packed {
            true => Box::new(BufReader::with_capacity(1 << 18, MultiGzDecoder::new(reader))),
            false => Box::new(reader),
        };
        Ok(Self { reader, position: 0 })
    }
}

impl Fetch for Forward {
    fn fetch(&mut self, offset: u64, len: usize) -> std::io::Result<Bytes> {
        let ahead = offset.checked_sub(self.position).ok_or(std::io::ErrorKind::NotSeekable)?;
        let skipped = std::io::copy(&mut (&mut self.reader).take(ahead), &mut std::io::sink())?;
        self.position += skipped;
        if skipped < ahead {
            return Err(cut_short());
        }
        // Grows with what is there, whatever the header claims.
        let mut bytes = Vec::with_capacity(len.min(1 << 16));
        (&mut self.reader).take(len as u64).read_to_end(&mut bytes)?;
        self.position += bytes.len() as u64;
        Ok(bytes.into())
    }
}
