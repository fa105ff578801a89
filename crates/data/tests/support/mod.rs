//! What the tests share: small images, Parquet files written on the spot.
#![allow(dead_code, missing_docs, clippy::unwrap_used, reason = "each test file uses its own part")]

use arrow_array::{ArrayRef, BinaryArray, Int64Array, RecordBatch, StringArray, StructArray};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;
use visrep_data::{InMemory, Sample, SampleImage};
use visrep_decode::{RgbImage, encode_png};

/// An image whose pixels depend on `index`.
pub(crate) fn image(index: usize, width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| [index as u8, (index >> 8) as u8, (x * 7 + y * 13) as u8])
}

pub(crate) fn png(index: usize) -> Vec<u8> {
    encode_png(&image(index, 6, 5)).unwrap()
}

/// `n` encoded images, labels 0, 1, 2, 0, …
pub(crate) fn in_memory(n: usize) -> InMemory {
    let sample = |index| Sample {
        image: SampleImage::Encoded(png(index).into()),
        label: Some(index as u32 % 3),
        key: format!("image-{index}"),
    };
    InMemory::new((0..n).map(sample).collect(), vec!["a".into(), "b".into(), "c".into()])
}

/// The Hugging Face image schema with `rows` images, `per_group` to a row group; labels `index % classes`.
pub(crate) fn hugging_face(rows: usize, per_group: usize, classes: &[&str]) -> Vec<u8> {
    let images: Vec<Vec<u8>> = (0..rows).map(png).collect();
    let bytes: ArrayRef = Arc::new(BinaryArray::from_iter_values(&images));
    let paths: ArrayRef = Arc::new(StringArray::from_iter_values((0..rows).map(|i| format!("{i}.png"))));
    let struct_fields =
        vec![Field::new("bytes", DataType::Binary, true), Field::new("path", DataType::Utf8, true)].into();
    let image: ArrayRef = Arc::new(StructArray::new(struct_fields, vec![bytes, paths], None));
    let labels: ArrayRef =
        Arc::new(Int64Array::from_iter_values((0..rows).map(|i| (i % classes.len().max(1)) as i64)));
    let names: Vec<String> = classes.iter().map(|class| format!("\"{class}\"")).collect();
    let metadata = format!(
        r#"{{"info":{{"features":{{"image":{{"_type":"Image"}},"label":{{"names":[{}],"_type":"ClassLabel"}}}}}}}}"#,
        names.join(",")
    );
    write(vec![("image", image), ("label", labels)], per_group, (!classes.is_empty()).then_some(metadata))
}

/// A Parquet file of `columns`.
pub(crate) fn write(
    columns: Vec<(&str, ArrayRef)>,
    per_group: usize,
    hugging_face: Option<String>,
) -> Vec<u8> {
    let fields: Vec<Field> =
        columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let batch =
        RecordBatch::try_new(schema.clone(), columns.into_iter().map(|(_, array)| array).collect()).unwrap();
    let metadata = hugging_face.map(|text| vec![KeyValue::new("huggingface".into(), text)]);
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(per_group))
        .set_data_page_row_count_limit(16)
        .set_write_batch_size(16)
        .set_key_value_metadata(metadata)
        .build();
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut file, schema, Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    file
}

/// A tar archive, as every tar writes it: `name, content` in order.
pub(crate) fn tar(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, content) in files {
        let mut header = [0_u8; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[100..108].copy_from_slice(b"0000644\0");
        header[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
        header[148..156].copy_from_slice(b"        ");
        header[156] = b'0';
        header[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        archive.extend(header);
        archive.extend(content);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.resize(archive.len() + 1024, 0);
    archive
}

/// Runs `test`, which fails when it takes longer, as one does that waits for ever.
pub(crate) fn within(seconds: u64, test: impl FnOnce() + Send + 'static) {
    let (sender, ended) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        test();
        let _ = sender.send(());
    });
    if ended.recv_timeout(Duration::from_secs(seconds)) == Err(RecvTimeoutError::Timeout) {
        panic!("hangs: not finished after {seconds} s");
    }
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}
