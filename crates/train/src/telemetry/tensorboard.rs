//! TensorBoard's event files: records of TFRecord that hold the scalars of `Event` messages
//! (tensorflow/core/util/event.proto, tensorflow/core/lib/io/record_writer.h).

use crate::Error;
use prost::Message;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The part of `tensorflow.Event` that scalars need.
#[derive(Clone, PartialEq, Message)]
struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(oneof = "What", tags = "3, 5, 7")]
    what: Option<What>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum What {
    #[prost(string, tag = "3")]
    FileVersion(String),
    #[prost(message, tag = "5")]
    Summary(Summary),
    #[prost(message, tag = "7")]
    SessionLog(SessionLog),
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, tag = "2")]
    simple_value: f32,
}

#[derive(Clone, PartialEq, Message)]
struct SessionLog {
    /// 1: a session starts here.
    #[prost(int32, tag = "1")]
    status: i32,
}

/// An event file of one process; a run that is resumed gets another one beside it, which TensorBoard shows as one.
pub(crate) struct EventFile {
    path: PathBuf,
    file: File,
}

impl EventFile {
    /// Makes a new file in `folder` for a run that goes on after `step` steps. What older files there say of later steps
    /// is withdrawn.
    pub(crate) fn create(folder: &Path, step: u64) -> Result<Self, Error> {
        std::fs::create_dir_all(folder).map_err(Error::io(folder, "make the folder"))?;
        let now = since_1970();
        // Nanoseconds too: a run may be resumed within a second, in a process of the same number.
        let name = format!(
            "events.out.tfevents.{:010}.{:09}.{}.visrep",
            now.as_secs(),
            now.subsec_nanos(),
            std::process::id()
        );
        let path = folder.join(name);
        let file = File::create_new(&path).map_err(Error::io(&path, "make the file"))?;
        let mut events = Self { path, file };
        events.write(0, What::FileVersion("brain.Event:2".to_owned()))?;
        if step > 0 {
            events.write(step + 1, What::SessionLog(SessionLog { status: 1 }))?;
        }
        Ok(events)
    }

    /// Appends scalars of `step`.
    pub(crate) fn scalars<'a>(
        &mut self,
        step: u64,
        scalars: impl IntoIterator<Item = (&'a str, f64)>,
    ) -> Result<(), Error> {
        let value = |(tag, value): (&str, f64)| Value { tag: tag.to_owned(), simple_value: value as f32 };
        self.write(step, What::Summary(Summary { value: scalars.into_iter().map(value).collect() }))
    }

    fn write(&mut self, step: u64, what: What) -> Result<(), Error> {
        let wall_time = since_1970().as_secs_f64();
        let event = Event { wall_time, step: step as i64, what: Some(what) };
        self.file.write_all(&record(&event.encode_to_vec())).map_err(Error::io(&self.path, "append"))
    }
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// `data` as a record: its length, that number's checksum, itself, its checksum.
fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(data.len() + 16);
    record.extend(length);
    record.extend(masked(&length).to_le_bytes());
    record.extend(data);
    record.extend(masked(data).to_le_bytes());
    record
}

/// TFRecord's checksum: CRC-32C, turned and shifted, so that a checksum over data with checksums stays a good one.
fn masked(data: &[u8]) -> u32 {
    crc32c::crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The events in the bytes of a file.
    fn read(mut bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        while !bytes.is_empty() {
            let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
            let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
            assert_eq!(number(8), masked(&bytes[..8]));
            let data = &bytes[12..12 + length];
            assert_eq!(number(12 + length), masked(data));
            events.push(Event::decode(data).unwrap());
            bytes = &bytes[16 + length..];
        }
        events
    }

    #[test]
    fn scalars_and_the_start_of_a_resumed_session_are_read_back() {
        let folder = tempfile::tempdir().unwrap();
        for start in [0, 30] {
            let mut events = EventFile::create(folder.path(), start).unwrap();
            events.scalars(start + 10, [("loss", 0.5), ("lr", 0.1)]).unwrap();
        }
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let parts: Vec<Vec<Event>> = files.iter().map(|file| read(&std::fs::read(file).unwrap())).collect();
        assert_eq!((parts.len(), parts[0].len(), parts[1].len()), (2, 2, 3));
        assert_eq!(parts[0][0].what, Some(What::FileVersion("brain.Event:2".to_owned())));
        assert!(parts[0][0].wall_time > 1.7e9);
        let Some(What::Summary(summary)) = &parts[0][1].what else { panic!("{:?}", parts[0]) };
        let found: Vec<_> =
            summary.value.iter().map(|value| (value.tag.as_str(), value.simple_value)).collect();
        assert_eq!((parts[0][1].step, found), (10, vec![("loss", 0.5), ("lr", 0.1)]));
        assert_eq!((parts[1][1].step, parts[1][2].step), (31, 40));
        assert_eq!(parts[1][1].what, Some(What::SessionLog(SessionLog { status: 1 })));
    }

    #[test]
    fn the_checksum_is_that_of_tensorflow() {
        // CRC-32C of "123456789" is e3069283 (RFC 3720).
        assert_eq!(masked(b"123456789"), 0xe306_9283_u32.rotate_right(15).wrapping_add(0xa282_ead8));
    }
}
