//! Many files from many samples, on several threads, of which none is ever there in part.

use crate::commands::data::progress_bar;
use anyhow::{Context, Result, anyhow};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// What a whole file ends with.
const JPEG_END: &[u8] = &[0xFF, 0xD9];
const PNG_END: &[u8] = b"IEND\xAE\x42\x60\x82";

/// Whether `path` is there, whole. Files get their name when they are complete, so that only a machine that stopped (and not a
/// process) can leave a damaged one; its end tells.
pub(in crate::commands) fn is_whole(path: &Path) -> bool {
    let end = if path.extension().is_some_and(|ending| ending == "png") { PNG_END } else { JPEG_END };
    let ends_so = || -> std::io::Result<bool> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::End(-(end.len() as i64)))?;
        let mut last = Vec::new();
        file.read_to_end(&mut last)?;
        Ok(last == end)
    };
    ends_so().unwrap_or(false)
}

/// Writes a file beside its place and then gives it its name. What a run that was killed has left beside is overwritten by the
/// next.
pub(in crate::commands) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    let beside = PathBuf::from(beside);
    let put = || std::fs::write(&beside, bytes).and_then(|()| std::fs::rename(&beside, path));
    match put() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            std::fs::create_dir_all(folder).and_then(|()| put())
        }
        other => other,
    }
    .with_context(|| format!("cannot write {}", path.display()))
}

/// Why a sample was not done.
pub(in crate::commands) enum Failure {
    /// Its data are at fault: it is listed and left out.
    Broken(String),
    /// Nothing can go on.
    Fatal(anyhow::Error),
}

impl From<visrep_data::Error> for Failure {
    fn from(error: visrep_data::Error) -> Self {
        if error.is_bad_sample() { Self::Broken(error.to_string()) } else { Self::Fatal(error.into()) }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Fatal(error)
    }
}

/// What was done.
#[derive(Debug, Default)]
pub(in crate::commands) struct Done {
    pub(in crate::commands) written: usize,
    /// Files that were there already.
    pub(in crate::commands) kept: usize,
    /// Messages about the samples left out by this run, in the samples' order.
    pub(in crate::commands) broken: Vec<String>,
    /// Samples that are missing in the output, left out by this run or by an earlier one.
    pub(in crate::commands) left_out: usize,
}

/// Calls `make` with the number of every sample, on `workers` threads. It gives the numbers of files that it has written and that
/// were there already.
pub(in crate::commands) fn each_sample(
    samples: usize,
    workers: usize,
    make: impl Fn(usize) -> Result<(usize, usize), Failure> + Sync,
) -> Result<Done> {
    let bar = progress_bar(samples)?;
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let done = Mutex::new((Done::default(), Vec::new(), None));
    let work = || {
        while !stop.load(Ordering::Relaxed) {
            let sample = next.fetch_add(1, Ordering::Relaxed);
            if sample >= samples {
                break;
            }
            let made = make(sample);
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            match made {
                Ok((written, kept)) => {
                    done.0.written += written;
                    done.0.kept += kept;
                }
                Err(Failure::Broken(message)) => done.1.push((sample, message)),
                Err(Failure::Fatal(error)) => {
                    stop.store(true, Ordering::Relaxed);
                    done.2.get_or_insert(error);
                }
            }
            bar.inc(1);
        }
    };
    let mut lost = false;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers.min(samples).max(1)).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            lost |= thread.join().is_err();
        }
    });
    bar.finish_and_clear();
    if lost {
        return Err(anyhow!("a thread panicked; the files that are there are whole: start again to go on"));
    }
    let (mut done, mut broken, fatal) = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(error) = fatal {
        return Err(error);
    }
    broken.sort();
    done.left_out = broken.len();
    done.broken = broken.into_iter().map(|(_, message)| message).collect();
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_file_is_not_taken_for_a_whole_one() {
        let folder = tempfile::tempdir().unwrap();
        let jpeg = folder.path().join("new/a.JPEG");
        assert!(!is_whole(&jpeg));
        write(&jpeg, &[0xFF, 0xD8, 1, 2, 3, 0xFF, 0xD9]).unwrap();
        assert!(is_whole(&jpeg));
        assert_eq!(std::fs::read_dir(folder.path().join("new")).unwrap().count(), 1);
        for half in [&[0xFF, 0xD8, 1][..], &[]] {
            std::fs::write(&jpeg, half).unwrap();
            assert!(!is_whole(&jpeg));
        }
        let png = folder.path().join("a.png");
        write(&png, &visrep_decode::encode_png(&visrep_decode::RgbImage::filled(1, 1, [0; 3])).unwrap())
            .unwrap();
        assert!(is_whole(&png));
    }

    #[test]
    fn broken_samples_are_listed_in_order_and_a_fatal_one_ends_the_run() {
        let done = each_sample(20, 4, |i| match i {
            3 | 11 => Err(Failure::Broken(format!("number {i}"))),
            _ => Ok((i % 2, 1)),
        })
        .unwrap();
        assert_eq!((done.written, done.kept), (8, 18));
        assert_eq!(done.broken, ["number 3", "number 11"]);
        let error = each_sample(20, 4, |i| match i {
            5 => Err(Failure::Fatal(anyhow!("disk full"))),
            _ => Ok((1, 0)),
        });
        assert_eq!(error.unwrap_err().to_string(), "disk full");
    }
}
