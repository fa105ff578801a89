//! CIFAR-10 and CIFAR-100 in their binary version: <https://www.cs.toronto.edu/~kriz/cifar.html>.
//!
//! Records of one label byte (CIFAR-100: a coarse and a fine one) and 3072 bytes of pixels: the red plane, the
//! green and the blue, 32x32 each.

use super::{Layout, Part, RawImages, Shape};
use crate::Error;
use crate::labels::Labels;
use crate::source::Source;
use std::path::{Path, PathBuf};

const PIXELS: u64 = 3 * 32 * 32;
const SHAPE: Shape = Shape { width: 32, height: 32, layout: Layout::Planar, binary: false };

/// Files that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CifarSplit {
    pub(crate) name: &'static str,
    files: Vec<PathBuf>,
    pub(crate) fine: bool,
}

impl RawImages {
    /// The images of CIFAR-10 in one or more of its files (`data_batch_1.bin` …), with the names in
    /// `batches.meta.txt` beside the first where it is there.
    pub fn open_cifar10(files: &[PathBuf]) -> Result<Self, Error> {
        open(files, 1, 10, "batches.meta.txt")
    }

    /// The images of CIFAR-100 in its files (`train.bin` or `test.bin`), with their fine labels and the names in
    /// `fine_label_names.txt` beside the first where it is there.
    pub fn open_cifar100(files: &[PathBuf]) -> Result<Self, Error> {
        open(files, 2, 100, "fine_label_names.txt")
    }
}

fn open(files: &[PathBuf], label_bytes: u64, classes: usize, names: &str) -> Result<RawImages, Error> {
    let Some(first) = files.first() else {
        return Err(Error::Option { parameter: "files", problem: "there are none".into() });
    };
    let record = label_bytes + PIXELS;
    let (mut parts, mut labels) = (Vec::new(), Labels::default());
    for path in files {
        let io = |source| Error::Io { path: path.clone(), source };
        let layout = |problem| Error::Layout { path: path.clone(), problem };
        let input = Source::File(path.clone()).open().map_err(io)?;
        let bytes = input.len().map_err(io)?;
        if bytes == 0 || bytes % record != 0 {
            let problem = format!("has {bytes} bytes, which is not a number of CIFAR records of {record}");
            return Err(layout(problem));
        }
        for row in 0..bytes / record {
            // The last label byte: CIFAR-100's fine one.
            let label = input.read_at(row * record + label_bytes - 1, 1).map_err(io)?[0];
            if usize::from(label) >= classes {
                return Err(layout(format!("row {row} has label {label}, expected 0 to {}", classes - 1)));
            }
            labels.push(Some(label.into()));
        }
        parts.push(Part::new(path, input, SHAPE, label_bytes, record, bytes / record)?);
    }
    let names = read_names(&first.with_file_name(names)).filter(|names| names.len() == classes);
    let names = names.unwrap_or_else(|| (0..classes).map(|class| class.to_string()).collect());
    RawImages::new(first, SHAPE, parts, labels, Some(names))
}

fn read_names(path: &Path) -> Option<Vec<String>> {
    const LIMIT: u64 = 1 << 16;
    std::fs::metadata(path).ok().filter(|metadata| metadata.len() < LIMIT)?;
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(String::from).collect())
}

/// The splits among `files`, the contents of a folder.
pub(crate) fn splits(files: &[PathBuf]) -> Vec<CifarSplit> {
    let named =
        |wanted: &str| files.iter().find(|file| file.file_name().is_some_and(|name| name == wanted)).cloned();
    let split =
        |name, files: Vec<PathBuf>, fine| (!files.is_empty()).then_some(CifarSplit { name, files, fine });
    let batches = (1..=5).filter_map(|batch| named(&format!("data_batch_{batch}.bin"))).collect();
    let ten =
        [split("train", batches, false), split("test", named("test_batch.bin").into_iter().collect(), false)];
    if ten.iter().any(Option::is_some) {
        return ten.into_iter().flatten().collect();
    }
    let hundred =
        ["train", "test"].map(|name| split(name, named(&format!("{name}.bin")).into_iter().collect(), true));
    hundred.into_iter().flatten().collect()
}

impl CifarSplit {
    pub(crate) fn open(&self) -> Result<RawImages, Error> {
        if self.fine { RawImages::open_cifar100(&self.files) } else { RawImages::open_cifar10(&self.files) }
    }

    /// The split that a single file is, by its name.
    pub(crate) fn of_file(path: &Path) -> Option<Self> {
        splits(&[path.to_path_buf()]).pop()
    }
}
