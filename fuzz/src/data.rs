//! Containers: what opens is read, and what must hold of any dataset is checked.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use visrep_data::{
    Dataset, Parquet, RawImages, SampleImage, SampleStream, StreamOptions, TarStream, WebDataset, open,
    open_splits,
};

/// Samples read of a dataset, beside its last.
const SAMPLES: usize = 32;
/// Files that are whole, to stand beside the input.
const IDX_IMAGES: &[u8] = include_bytes!("../../fixtures/golden/data/mnist/train-images-idx3-ubyte");
const IDX_LABELS: &[u8] = include_bytes!("../../fixtures/golden/data/mnist/train-labels-idx1-ubyte");
const NPY_IMAGES: &[u8] = include_bytes!("../../fixtures/golden/data/cifar-c/fog.npy");
const NPY_LABELS: &[u8] = include_bytes!("../../fixtures/golden/data/cifar-c/labels.npy");

/// Opens a Parquet file.
pub fn parquet(bytes: &[u8]) {
    if let Ok(data) = Parquet::from_bytes(bytes.to_vec().into(), "input.parquet") {
        read(&data);
    }
}

/// Opens an Arrow IPC file or stream.
pub fn arrow(bytes: &[u8]) {
    open_and_read(&put("set.arrow", bytes));
}

/// Opens a tar archive: as it is, and with the checksums of its headers made right, so that what is behind them is
/// reached. A stream must give what reading at any place gives.
pub fn tar(bytes: &[u8]) {
    for bytes in [bytes.to_vec(), mended(bytes)] {
        let file = put("set.tar", &bytes);
        let Ok(data) = WebDataset::open_files(std::slice::from_ref(&file)) else { continue };
        read(&data);
        let stream = stream(&file);
        let mut samples = stream.epoch(0, 0);
        for index in 0..data.len().min(SAMPLES) {
            let streamed = samples.next().expect("a sample for each of the archive's");
            // A label that is a name is an error of the stream, which does not know the classes.
            let (Ok(streamed), Ok(read)) = (streamed, data.get(index)) else { continue };
            assert_eq!((&streamed.key, encoded(&streamed.image)), (&read.key, encoded(&read.image)));
        }
    }
}

/// Streams a tar archive, and goes on from its second sample.
pub fn tar_stream(bytes: &[u8]) {
    for bytes in [bytes.to_vec(), mended(bytes)] {
        let stream = stream(&put("stream.tar", &bytes));
        let keys = |skip: usize, n: usize| -> Vec<Option<String>> {
            stream.epoch(0, skip).take(n).map(|sample| sample.ok().map(|sample| sample.key)).collect()
        };
        let whole = keys(0, SAMPLES + 1);
        assert_eq!(keys(1, SAMPLES), whole[whole.len().min(1)..], "resumed at sample 1");
    }
}

/// Opens IDX files with the input as images, and then as labels.
pub fn idx(bytes: &[u8]) {
    let labels = put("labels-whole", IDX_LABELS);
    if let Ok(data) = RawImages::open_idx(put("images", bytes), Some(&labels)) {
        read(&data);
    }
    open_and_read(&put("train-images-idx3-ubyte", bytes));
    let images = put("images-whole", IDX_IMAGES);
    if let Ok(data) = RawImages::open_idx(images, Some(&put("labels", bytes))) {
        read(&data);
    }
}

/// Opens NPY files with the input as images and then as labels, and the input as NPZ.
pub fn npy(bytes: &[u8]) {
    let folders = ["npy-images", "npy-labels"].map(|name| scratch().join(name));
    for ((folder, images), labels) in folders.iter().zip([bytes, NPY_IMAGES]).zip([NPY_LABELS, bytes]) {
        std::fs::create_dir_all(folder).expect("a folder for scratch files");
        std::fs::write(folder.join("labels.npy"), labels).expect("a scratch file");
        std::fs::write(folder.join("fog.npy"), images).expect("a scratch file");
        open_and_read(&folder.join("fog.npy"));
    }
    let file = put("set.npz", bytes);
    open_and_read(&file);
    if let Ok(splits) = open_splits(&file) {
        read(&*splits.train);
        read(&*splits.test);
    }
}

/// Opens CIFAR-10's and CIFAR-100's binary files.
pub fn cifar(bytes: &[u8]) {
    for name in ["test_batch.bin", "test.bin"] {
        open_and_read(&put(name, bytes));
    }
}

/// Opens lists separated by commas, tabs and spaces.
pub fn list(bytes: &[u8]) {
    for name in ["set.csv", "set.tsv", "set.txt"] {
        open_and_read(&put(name, bytes));
    }
}

/// Reads samples and labels, which must agree with each other.
pub(crate) fn read(data: &dyn Dataset) {
    let labels = data.labels();
    if let Ok(labels) = &labels {
        assert_eq!(labels.len(), data.len());
        let classes = data.classes().len();
        assert!(
            labels.iter().flatten().all(|label| (*label as usize) < classes),
            "a label outside the classes"
        );
    }
    for index in (0..data.len()).take(SAMPLES).chain(data.len().checked_sub(1)) {
        let (sample, label, key) = (data.get(index), data.label(index), data.key(index));
        let (Ok(sample), Ok(labels)) = (sample, &labels) else { continue };
        assert_eq!((sample.label, sample.label, sample.key), (label, labels[index], key));
    }
    assert!(data.get(data.len()).is_err() && data.label(data.len()).is_none());
}

fn open_and_read(file: &Path) {
    if let Ok(data) = open(file) {
        read(&*data);
    }
}

fn stream(file: &PathBuf) -> TarStream {
    TarStream::new(std::slice::from_ref(file), StreamOptions::default()).expect("options that can work")
}

fn encoded(image: &SampleImage) -> Option<&[u8]> {
    match image {
        SampleImage::Encoded(bytes) => Some(bytes),
        SampleImage::Decoded(_) => None,
    }
}

/// An archive whose headers have the checksums that they should.
fn mended(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for header in bytes.chunks_exact_mut(512).filter(|header| header[257..262] == *b"ustar") {
        header[148..156].copy_from_slice(b"        ");
        let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    bytes
}

/// Writes the input to a file, as these readers want it.
pub(crate) fn put(name: &str, bytes: &[u8]) -> PathBuf {
    let file = scratch().join(name);
    std::fs::write(&file, bytes).expect("a scratch file");
    file
}

/// A folder of this process's own, in `TMPDIR`; libFuzzer ends a process without a chance to remove it.
pub(crate) fn scratch() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("visrep-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder for scratch files");
        folder
    })
}
