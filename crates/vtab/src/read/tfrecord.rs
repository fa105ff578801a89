//! DMLab as it is published: TFRecord files of `tf.train.Example`s with `image` (JPEG), `filename` and `label`.
//!
//! A record is its length (`u64`, little-endian), the masked CRC-32C of the length, the data, and the masked CRC-32C of the
//! data: TensorFlow's `core/lib/io/record_writer.h`. An example is a protocol buffer: `core/example/feature.proto`.

use crate::error::{io, layout};
use crate::store::Store;
use bytes::Bytes;
use prost::Message;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use visrep_data::{Dataset, Error, Sample, SampleImage};

/// A longer record is refused: no image is.
const MAX_RECORD: u64 = 1 << 30;

#[derive(Clone, PartialEq, Message)]
struct Example {
    #[prost(message, optional, tag = "1")]
    features: Option<Features>,
}

#[derive(Clone, PartialEq, Message)]
struct Features {
    #[prost(map = "string, message", tag = "1")]
    feature: HashMap<String, Feature>,
}

/// Of the lists that a feature can be, exactly one is there.
#[derive(Clone, PartialEq, Message)]
struct Feature {
    #[prost(message, optional, tag = "1")]
    bytes_list: Option<BytesList>,
    #[prost(message, optional, tag = "3")]
    int64_list: Option<Int64List>,
}

#[derive(Clone, PartialEq, Message)]
struct BytesList {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    value: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
struct Int64List {
    #[prost(int64, repeated, tag = "1")]
    value: Vec<i64>,
}

/// TFRecord files of labelled images, one after the other.
///
/// Opening reads the lengths of the records, each with its checksum, and not their data; [`Dataset::label`] therefore reads the
/// sample's record. A sample's key is `file:record`.
pub struct TfRecords {
    files: Vec<File>,
    classes: Vec<String>,
}

struct File {
    path: PathBuf,
    name: String,
    store: Store,
    /// Index in the dataset of the first record.
    start: usize,
    /// Where each record's data begin, and how many bytes they are.
    records: Vec<(u64, u64)>,
}

/// TensorFlow's checksum: rotated and shifted, so that data that hold checksums of their own are safe.
fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

impl TfRecords {
    /// Opens `files` of examples with an `image` and a `label`, an index into `classes`.
    ///
    /// # Errors
    /// No files; one that is no TFRecord, is cut short, or has a wrong checksum over a length.
    pub fn open(files: &[PathBuf], classes: Vec<String>) -> Result<Self, Error> {
        if files.is_empty() {
            return Err(layout("", "no TFRecord files were named"));
        }
        let (mut opened, mut start) = (Vec::with_capacity(files.len()), 0);
        for path in files {
            let file = File::open(path, start)?;
            start += file.records.len();
            opened.push(file);
        }
        Ok(Self { files: opened, classes })
    }

    fn example(&self, index: usize) -> Result<(Bytes, u32, String), Error> {
        let len = self.len();
        if index >= len {
            return Err(Error::Index { index, len });
        }
        let file = &self.files[self.files.partition_point(|file| file.start <= index) - 1];
        let record = index - file.start;
        let key = format!("{}:{record}", file.name);
        let fail = |problem: String| Error::Row { key: key.clone(), problem };
        let data = file.data(record).map_err(&fail)?;
        let example =
            Example::decode(data).map_err(|error| fail(format!("is no tf.train.Example: {error}")))?;
        let mut features = example.features.unwrap_or_default().feature;
        let image = features.remove("image").and_then(|feature| feature.bytes_list?.value.into_iter().next());
        let label = features.remove("label").and_then(|feature| feature.int64_list?.value.first().copied());
        let image = image.ok_or_else(|| fail("has no feature `image` of bytes".into()))?;
        let label = label.ok_or_else(|| fail("has no feature `label` of an integer".into()))?;
        match u32::try_from(label).ok().filter(|label| (*label as usize) < self.classes.len()) {
            Some(label) => Ok((image, label, key)),
            None => Err(fail(format!("has label {label}, outside the {} classes", self.classes.len()))),
        }
    }
}

impl File {
    fn open(path: &Path, start: usize) -> Result<Self, Error> {
        let store = Store::open(path).map_err(io(path))?;
        let (mut records, mut at, end) = (Vec::new(), 0, store.len());
        while at < end {
            let record = records.len();
            let fail = |problem: String| layout(path, format!("record {record}: {problem}"));
            let head = store.read_at(at, 12).map_err(|_| fail("is cut short within its length".into()))?;
            let (length, crc) = head.split_at(8);
            if crc != masked_crc(length).to_le_bytes() {
                return Err(fail(
                    "has a length with a wrong checksum: the file is damaged, or no TFRecord".into(),
                ));
            }
            let length = length.iter().rev().fold(0, |value: u64, byte| value << 8 | u64::from(*byte));
            if length > MAX_RECORD {
                return Err(fail(format!("claims {length} bytes")));
            }
            if at + 12 + length + 4 > end {
                return Err(fail(format!("is cut short: {length} bytes do not fit into what is left")));
            }
            records.push((at + 12, length));
            at += 12 + length + 4;
        }
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        Ok(Self { path: path.into(), name, store, start, records })
    }

    /// The data of a record, compared with their checksum.
    fn data(&self, record: usize) -> Result<Bytes, String> {
        let (at, length) = self.records[record];
        let read = self.store.read_at(at, length + 4);
        let mut data = Bytes::from(read.map_err(|error| format!("{}: {error}", self.path.display()))?);
        let crc = data.split_off(length as usize);
        if *crc != masked_crc(&data).to_le_bytes() {
            return Err("has a wrong checksum: the file is damaged".into());
        }
        Ok(data)
    }
}

impl Dataset for TfRecords {
    fn len(&self) -> usize {
        self.files.last().map_or(0, |file| file.start + file.records.len())
    }

    fn get(&self, index: usize) -> Result<Sample, Error> {
        let (image, label, key) = self.example(index)?;
        Ok(Sample { image: SampleImage::Encoded(image), label: Some(label), key })
    }

    fn label(&self, index: usize) -> Option<u32> {
        self.example(index).ok().map(|(_, label, _)| label)
    }

    fn labels(&self) -> Result<Vec<Option<u32>>, Error> {
        (0..self.len()).map(|index| self.example(index).map(|(_, label, _)| Some(label))).collect()
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn key(&self, index: usize) -> String {
        match self.files.iter().rfind(|file| file.start <= index) {
            Some(file) if index < self.len() => format!("{}:{}", file.name, index - file.start),
            _ => format!("sample {index}"),
        }
    }

    /// From the records' places: labels would need every record.
    fn fingerprint(&self) -> Result<u64, Error> {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hash = DefaultHasher::new();
        for file in &self.files {
            (&file.name, &file.records).hash(&mut hash);
            let changed = file.path.metadata().and_then(|metadata| metadata.modified());
            changed.map_err(io(&file.path))?.hash(&mut hash);
        }
        self.classes.hash(&mut hash);
        Ok(hash.finish())
    }
}
