//! Parquet files: schemas, row groups, labels, and hostile ones.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use arrow_array::{ArrayRef, BinaryArray, Float64Array, Int8Array, Int64Array, StringArray, UInt64Array};
use bytes::Bytes;
use parquet::file::reader::{FileReader, SerializedFileReader};
use std::sync::Arc;
use support::{hugging_face, image, png, write};
use visrep_data::{ColumnOptions, Dataset, Error, Parquet, Subset, decode_sample};
use visrep_decode::DecodeOptions;

fn open(bytes: Vec<u8>) -> Result<Parquet, Error> {
    Parquet::from_bytes(Bytes::from(bytes), "set.parquet")
}

fn message<T>(result: Result<T, Error>) -> String {
    result.err().expect("an error").to_string()
}

fn images(rows: usize) -> ArrayRef {
    Arc::new(BinaryArray::from_iter_values((0..rows).map(png)))
}

fn check(data: &dyn Dataset, index: usize, content: usize) {
    let sample = data.get(index).unwrap();
    assert_eq!(sample.label, data.label(index));
    assert_eq!(sample.key, data.key(index));
    assert_eq!(decode_sample(&sample, &DecodeOptions::default()).unwrap(), image(content, 6, 5));
}

#[test]
fn the_hugging_face_schema_is_read_by_row_group() {
    let data = open(hugging_face(1000, 70, &["zero", "one", "two"])).unwrap();
    assert_eq!((data.len(), data.classes().len(), data.classes()[2].as_str()), (1000, 3, "two"));
    let groups = data.groups();
    assert_eq!((groups.len(), groups[1].clone(), groups[14].clone()), (15, 70..140, 980..1000));
    for index in [999, 0, 69, 70, 500] {
        check(&data, index, index);
        assert_eq!(data.label(index), Some(index as u32 % 3));
    }
    assert_eq!(data.key(70), "set.parquet:70");
    assert_eq!(data.labels().unwrap().len(), 1000);
    assert!(matches!(data.get(1000), Err(Error::Index { index: 1000, len: 1000 })));
}

#[test]
fn a_large_row_group_is_read_in_slices() {
    let data = open(hugging_face(5000, 5000, &["a", "b"])).unwrap();
    assert_eq!(data.groups(), [0..4096, 4096..5000]);
    for index in [4999, 4095, 4096, 0] {
        check(&data, index, index);
    }
}

#[test]
fn a_folder_of_shards_goes_in_natural_order() {
    let dir = tempfile::tempdir().unwrap();
    for shard in 0..11 {
        let path = dir.path().join(format!("part-{shard}.parquet"));
        std::fs::write(path, hugging_face(shard + 1, 3, &["a"])).unwrap();
    }
    let data = Parquet::open(dir.path()).unwrap();
    assert_eq!(data.len(), 66);
    assert_eq!(
        (data.key(0), data.key(3), data.key(65)),
        ("part-0.parquet:0".into(), "part-2.parquet:0".into(), "part-10.parquet:10".into())
    );
    check(&data, 65, 10);
    check(&data, 4, 1);
    assert_eq!(data.labels().unwrap(), vec![Some(0); 66]);

    std::fs::write(dir.path().join("part-5.parquet"), hugging_face(2, 2, &["b"])).unwrap();
    let text = message(Parquet::open(dir.path()));
    assert!(text.contains("part-5.parquet") && text.contains("part-0.parquet"), "{text}");
}

#[test]
fn a_subset_keeps_to_the_row_groups() {
    let data = Arc::new(open(hugging_face(30, 10, &["a"])).unwrap());
    let subset = Subset::new(data, vec![1, 5, 9, 12, 25, 29]);
    assert_eq!(subset.groups(), [0..3, 3..4, 4..6]);
    check(&subset, 3, 12);
}

#[test]
fn plain_byte_columns_and_labels_of_any_integer_type_do() {
    let labels: ArrayRef = Arc::new(Int8Array::from(vec![Some(4), Some(-1), None]));
    let data = open(write(vec![("class", labels), ("blob", images(3))], 10, None)).unwrap();
    assert_eq!(data.labels().unwrap(), [Some(4), None, None]);
    assert_eq!(data.classes(), ["0", "1", "2", "3", "4"]);
    check(&data, 1, 1);

    let data = open(write(vec![("blob", images(2))], 10, None)).unwrap();
    assert_eq!((data.labels().unwrap(), data.classes().len()), (vec![None; 2], 0));
    check(&data, 1, 1);

    let labels: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX]));
    let text = message(open(write(vec![("label", labels), ("image", images(1))], 10, None)));
    assert!(text.contains("is no class index"), "{text}");
}

#[test]
fn columns_that_will_not_do_are_named() {
    let text: ArrayRef = Arc::new(StringArray::from(vec!["cat", "dog"]));
    let found = message(open(write(vec![("image", images(2)), ("label", text.clone())], 10, None)));
    assert!(found.contains("set.parquet: column `label` has type Utf8, expected an integer type"), "{found}");
    let float: ArrayRef = Arc::new(Float64Array::from(vec![0.0, 1.0]));
    let found = message(open(write(vec![("image", images(2)), ("label", float)], 10, None)));
    assert!(found.contains("`label` has type Float64"), "{found}");
    let found = message(open(write(vec![("image", text.clone())], 10, None)));
    assert!(found.contains("column `image` has type Utf8, expected binary"), "{found}");
    let found = message(open(write(vec![("caption", text)], 10, None)));
    assert!(found.contains("no column of images among `caption` (Utf8)"), "{found}");
    let two = write(vec![("left", images(2)), ("right", images(2))], 10, None);
    let found = message(open(two.clone()));
    assert!(found.contains("`left`, `right` would do: call one of them `image`"), "{found}");
    assert!(found.contains("`ColumnOptions::image`"), "{found}");

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("two.parquet");
    std::fs::write(&path, two).unwrap();
    let options = ColumnOptions { image: Some("right".into()), label: None };
    assert_eq!(Parquet::open_with(&path, &options).unwrap().len(), 2);
    let options = ColumnOptions { image: Some("middle".into()), label: None };
    assert!(message(Parquet::open_with(&path, &options)).contains("no column `middle`"));
}

#[test]
fn rows_without_an_image_or_with_an_impossible_label_are_named() {
    let blobs: ArrayRef = Arc::new(BinaryArray::from_opt_vec(vec![Some(b"junk"), None, Some(b"")]));
    let data = open(write(vec![("image", blobs)], 10, None)).unwrap();
    assert_eq!(message(data.get(1)), "set.parquet:1: column `image` holds no image bytes in this row");
    for index in [0, 2] {
        let error = decode_sample(&data.get(index).unwrap(), &DecodeOptions::default());
        assert!(message(error).starts_with(&format!("set.parquet:{index}: ")));
    }
    let metadata = r#"{"info":{"features":{"label":{"names":["a","b"],"_type":"ClassLabel"}}}}"#;
    let labels: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, -7]));
    let data = open(write(vec![("image", images(3)), ("label", labels)], 10, Some(metadata.into()))).unwrap();
    assert_eq!(data.get(0).unwrap().label, Some(1));
    assert_eq!(message(data.get(1)), "set.parquet:1: label 2 is outside the 2 classes");
    assert_eq!(message(data.labels()), message(data.get(1)));
    assert!(message(data.get(2)).contains("label -7"));
}

#[test]
fn a_truncated_file_is_refused_wherever_it_was_cut() {
    let whole = hugging_face(40, 10, &["a"]);
    for length in [0, 1, 7, 8, 100, whole.len() / 2, whole.len() - 9, whole.len() - 1] {
        let text = message(open(whole[..length].to_vec()));
        assert!(text.starts_with("set.parquet: cannot be read as Parquet"), "{length}: {text}");
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cut.parquet");
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert!(message(Parquet::open(&path)).contains("cut.parquet"));
}

#[test]
fn a_file_that_shrinks_after_opening_names_file_and_row_group() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("set.parquet");
    std::fs::write(&path, hugging_face(40, 10, &["a"])).unwrap();
    let data = Parquet::open(&path).unwrap();
    std::fs::write(&path, hugging_face(35, 10, &["a"])).unwrap();
    let text = message(data.get(37));
    assert!(text.contains("set.parquet: row group 3: the file has changed"), "{text}");
    std::fs::remove_file(&path).unwrap();
    assert!(message(data.get(0)).contains("set.parquet: row group 0: "));
}

/// Inverts a byte of the data pages, at many places. Whatever the damage, a row is right or an error that names
/// the row group (a damaged PNG is caught by its own checksum).
#[test]
fn a_damaged_page_names_file_and_row_group_and_spares_the_others() {
    let whole = hugging_face(40, 10, &["a"]);
    let mut refused = 0;
    for at in (4..whole.len() - 2000).step_by(7) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        let Ok(data) = open(bytes) else { continue };
        let results: Vec<_> = (0..40).map(|index| data.get(index)).collect();
        let failed: Vec<usize> = results
            .iter()
            .enumerate()
            .filter_map(|(index, result)| match result {
                Ok(_) => None,
                Err(Error::RowGroup { file, row_group, .. }) => {
                    assert_eq!((file.as_str(), *row_group), ("set.parquet", index / 10));
                    Some(*row_group)
                }
                Err(Error::Row { .. }) => Some(index / 10),
                Err(other) => panic!("{other}"),
            })
            .collect();
        refused += usize::from(!failed.is_empty());
        assert!(failed.iter().all(|group| *group == failed[0]), "one place was damaged: {failed:?}");
    }
    assert!(refused > 5, "{refused}");
}

#[test]
fn a_row_group_that_ends_early_names_file_and_row_group() {
    // The footer's row count of the second group, 10 as a zigzag varint (20), is raised: the pages end before it.
    let whole = hugging_face(20, 10, &["a"]);
    let footer = u32::from_le_bytes(whole[whole.len() - 8..whole.len() - 4].try_into().unwrap()) as usize;
    let start = whole.len() - 8 - footer;
    let mut found = 0;
    for at in start..whole.len() - 8 {
        if whole[at] != 20 {
            continue;
        }
        let mut bytes = whole.clone();
        bytes[at] = 40;
        let Ok(data) = open(bytes) else { continue };
        if data.len() != 30 {
            continue;
        }
        let group = if data.groups()[0].len() == 20 { 0 } else { 1 };
        let text = message(data.get(data.groups()[group].start));
        assert!(text.starts_with(&format!("set.parquet: row group {group}: ")), "{text}");
        assert!(text.contains("expected 20, got 10"), "{text}");
        assert!(message(data.labels()).contains(&format!("row group {group}")));
        assert!(data.get(data.groups()[1 - group].start).is_ok(), "the other group is whole");
        found += 1;
    }
    assert_eq!(found, 2, "the footer has one count for each group");
}

/// Damages the footer at every byte: opening and reading never panic, hang or take absurd memory.
#[test]
fn a_damaged_footer_never_panics() {
    let whole = hugging_face(6, 3, &["a"]);
    let footer = u32::from_le_bytes(whole[whole.len() - 8..whole.len() - 4].try_into().unwrap()) as usize;
    for at in whole.len() - 8 - footer..whole.len() {
        for value in [0x00, 0x7f, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] = value;
            if let Ok(data) = open(bytes) {
                for index in [0, 3, data.len().saturating_sub(1)] {
                    let _ = data.get(index);
                }
            }
        }
    }
}

#[test]
fn metadata_of_another_shape_is_passed_over() {
    for text in ["[]", "3", "\"x\"", "{\"info\": 5}", "{\"info\": {\"features\": []}}", "not JSON"] {
        let data = open(write(vec![("image", images(2))], 10, Some(text.into()))).unwrap();
        assert_eq!((data.len(), data.classes().len()), (2, 0), "{text}");
    }
}

#[test]
fn a_file_replaced_by_one_of_the_same_length_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("set.parquet");
    std::fs::write(&path, hugging_face(40, 10, &["a"])).unwrap();
    let data = Parquet::open(&path).unwrap();
    assert!(data.get(3).is_ok());
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    let later = file.metadata().unwrap().modified().unwrap() + std::time::Duration::from_secs(5);
    file.set_modified(later).unwrap();
    assert!(message(data.get(33)).contains("row group 3: the file has changed since it was opened"));
    assert!(message(data.labels()).contains("row group 0: the file has changed since it was opened"));
}

/// `value` as a zigzag varint.
fn varint(value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = 2 * value;
    while rest > 0x7f {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

/// `whole` with each number `from` of its footer replaced by `to` in turn.
fn with_count(whole: &[u8], from: u64, to: u64) -> Vec<Vec<u8>> {
    let end = whole.len() - 8;
    let footer = u32::from_le_bytes(whole[end..end + 4].try_into().unwrap()) as usize;
    let (from, to) = (varint(from), varint(to));
    let length = (footer + to.len() - from.len()) as u32;
    (end - footer..end)
        .filter(|at| whole[*at..].starts_with(&from))
        .map(|at| [&whole[..at], &to, &whole[at + from.len()..end], &length.to_le_bytes(), b"PAR1"].concat())
        .collect()
}

#[test]
fn absurd_counts_are_refused_by_name() {
    let whole = hugging_face(41, 41, &["a"]);
    let claims = |to: u64| -> Vec<String> {
        with_count(&whole, 41, to)
            .into_iter()
            .filter_map(|bytes| open(bytes).err())
            .map(|e| e.to_string())
            .collect()
    };
    for rows in [(1 << 28) + 1, 1 << 40, i64::MAX as u64 / 2] {
        let expected =
            format!("set.parquet: claims {rows} rows, more than the 268435456 that a file may have");
        assert!(claims(rows).contains(&expected), "{:?}", claims(rows));
    }
    assert!(!claims(1 << 28).iter().any(|text| text.contains("more than")));

    // Rows within bounds, but of so many bytes that each would be a block of its own.
    let reader = SerializedFileReader::new(Bytes::from(whole.clone())).unwrap();
    let bytes = reader.metadata().row_group(0).column(0).uncompressed_size() as u64;
    let mut refused = 0;
    for rows in with_count(&whole, 41, 1 << 27) {
        for both in with_count(&rows, bytes, 1 << 60) {
            let expected =
                "set.parquet: row group 0: claims 134217728 rows of 1152921504606846976 bytes together";
            refused += usize::from(open(both).is_err_and(|error| error.to_string() == expected));
        }
    }
    assert!(refused > 0);
}
