//! Any dataset as Parquet files: Hugging Face's image schema, in shards.

use crate::extra_column::Values;
use crate::{Column, Dataset, Error, Sample, SampleImage, decode_sample, parallel};
use arrow_array::{ArrayRef, BinaryArray, Int64Array, RecordBatch, StringArray, StructArray};
use arrow_schema::{DataType, Field, Schema};
use jpeg_encoder::{ColorType, Encoder};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::ColumnPath;
use serde_json::json;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::NamedTempFile;
use visrep_augment::{Filter, resize};
use visrep_decode::{DecodeOptions, RgbImage, encode_png};

/// Rows read and encoded together.
const AT_ONCE: usize = 256;
/// A row group is ended after so many rows …
const GROUP_ROWS: usize = 1024;
/// … or bytes: what a shuffling reader has to fetch together.
const GROUP_BYTES: usize = 16 << 20;
/// Where a file says what it was made from, beside Hugging Face's own key.
const KEY: &str = "visrep";

/// How [`convert`] writes.
#[derive(Clone, Debug)]
pub struct ConvertOptions {
    /// Rows of each file. One file has them all where it is `usize::MAX`.
    pub rows_per_file: usize,
    /// How images are encoded anew; as they are in the source where it is none. Pixels that are not encoded become PNG.
    pub reencode: Option<Reencode>,
    /// Whether samples that cannot be read or encoded are left out, and not an error.
    pub skip_broken: bool,
    /// How images are decoded to be encoded anew.
    pub decode: DecodeOptions,
    /// Columns beside the image and its label.
    pub columns: Vec<Column>,
    /// What made the samples, if that is worth knowing. It is recorded in each file ([`recorded`]), and a file with another
    /// note is not taken for one of this conversion.
    pub note: Option<serde_json::Value>,
}

impl Default for ConvertOptions {
    fn default() -> Self {
        Self {
            rows_per_file: 10_000,
            reencode: None,
            skip_broken: false,
            decode: DecodeOptions::default(),
            columns: Vec::new(),
            note: None,
        }
    }
}

/// A smaller copy of an image, as JPEG. It is recorded in each file's metadata, under `visrep`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reencode {
    /// The longest side in pixels, which larger images are reduced to (Pillow's bilinear, antialiased); no image is
    /// enlarged. None keeps the size.
    pub longest_side: Option<u32>,
    /// JPEG quality, 1 to 100. Chroma is halved both ways below 90, and kept from there on.
    pub quality: u8,
}

/// What [`convert`] wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Converted {
    /// The files, in order.
    pub files: Vec<PathBuf>,
    /// Files that were there already, from a run that was stopped.
    pub kept: usize,
    /// Rows written.
    pub rows: usize,
    /// Messages about the samples left out.
    pub broken: Vec<String>,
}

/// Writes `dataset` to `out`: one file where it ends in `.parquet`, else a folder of `data-00000-of-00005.parquet` and so
/// on. The columns are `image` (a struct of `bytes` and `path`, the sample's key) and, where there are classes or
/// labels, `label`, with the class names in the metadata that Hugging Face's `datasets` reads.
///
/// Each file appears when it is complete, under its own name, or not at all. A run that was stopped is taken up by the
/// next: files that say that they were made the same way of the same samples ([`Dataset::fingerprint`]) are kept. What else
/// is in the way is an error. `progress` is called with the number of samples done after every few.
pub fn convert(
    dataset: &dyn Dataset,
    out: &Path,
    options: &ConvertOptions,
    mut progress: impl FnMut(usize),
) -> Result<Converted, Error> {
    let option = |parameter, problem: String| Err(Error::Option { parameter, problem });
    if options.rows_per_file == 0 {
        return option("rows_per_file", "must be at least 1".into());
    }
    if let Some(Reencode { longest_side, quality }) = options.reencode {
        if longest_side == Some(0) {
            return option("longest_side", "must be at least 1 px".into());
        }
        if !(1..=100).contains(&quality) {
            return option("quality", format!("is {quality}, expected 1 to 100"));
        }
    }
    if dataset.is_empty() {
        return option("dataset", "has no samples".into());
    }
    let single = out.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("parquet"));
    let folder = if single {
        out.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."))
    } else {
        out
    };
    std::fs::create_dir_all(folder).map_err(|source| Error::Io { path: folder.into(), source })?;
    remove_leftovers(folder).map_err(|source| Error::Io { path: folder.into(), source })?;
    let rows_per_file = if single { dataset.len() } else { options.rows_per_file.min(dataset.len()) };
    let files = dataset.len().div_ceil(rows_per_file);
    let has_labels = !dataset.classes().is_empty() || dataset.labels()?.iter().any(Option::is_some);
    let source = dataset.fingerprint()?;
    let writer = Writer { dataset, options, has_labels, source, folder };
    let mut converted = Converted::default();
    if !single {
        refuse_others(out, files)?;
    }
    for number in 0..files {
        let path = if single { out.into() } else { out.join(file_name(number, files)) };
        let rows = number * rows_per_file..((number + 1) * rows_per_file).min(dataset.len());
        let made = writer.describe(&rows);
        if path.exists() {
            match made_from(&path) {
                Some((found, rows)) if found == made => {
                    converted.kept += 1;
                    converted.rows += rows;
                }
                _ => {
                    let problem =
                        "is in the way: it was not made by this conversion; remove it or write elsewhere";
                    return Err(Error::Layout { path, problem: problem.into() });
                }
            }
        } else {
            converted.rows +=
                writer.write(&path, rows.clone(), &made, &mut converted.broken, &mut progress)?;
        }
        progress(rows.end);
        converted.files.push(path);
    }
    Ok(converted)
}

fn file_name(number: usize, files: usize) -> String {
    format!("data-{number:05}-of-{files:05}.parquet")
}

/// Errs where a folder has Parquet files that are none of a conversion's: they would be read as part of it.
fn refuse_others(folder: &Path, files: usize) -> Result<(), Error> {
    let io = |source| Error::Io { path: folder.into(), source };
    let end = format!("-of-{files:05}.parquet");
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let number = name.strip_prefix("data-").and_then(|rest| rest.strip_suffix(&end)?.parse().ok());
        let ours = number.is_some_and(|number| number < files && name == file_name(number, files));
        if !ours && name.to_ascii_lowercase().ends_with(".parquet") && !name.starts_with('.') {
            let problem = "is in the way: it is not of this conversion; remove it or write elsewhere";
            return Err(Error::Layout { path: entry.path(), problem: problem.into() });
        }
    }
    Ok(())
}

/// What a file that [`convert`] wrote says about how it was made: an object, with the key `note` where
/// [`ConvertOptions::note`] was given. None for other files.
pub fn recorded(path: &Path) -> Option<serde_json::Value> {
    serde_json::from_str(&made_from(path)?.0).ok()
}

/// What a file says that it was made from, and its rows.
fn made_from(path: &Path) -> Option<(String, usize)> {
    let reader = SerializedFileReader::new(File::open(path).ok()?).ok()?;
    let metadata = reader.metadata().file_metadata();
    let entry = metadata.key_value_metadata()?.iter().find(|entry| entry.key == KEY)?;
    Some((entry.value.clone()?, usize::try_from(metadata.num_rows()).ok()?))
}

/// How unfinished files are called.
const TEMPORARY: (&str, &str) = (".visrep-convert-", ".tmp");

/// A file in the same folder as its final place, so that renaming it is atomic; removed when anything fails. As
/// readable as any new file: temporary ones are their owner's alone otherwise. It is locked, which tells it from
/// what a run that was killed has left.
fn temporary_in(folder: &Path) -> std::io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY.0).suffix(TEMPORARY.1);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let file = builder.tempfile_in(folder)?;
    // Where files cannot be locked, leftovers stay.
    let _ = file.as_file().try_lock();
    Ok(file)
}

/// Removes what runs that were killed have left in `folder`: the unfinished files that nobody is writing.
fn remove_leftovers(folder: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(TEMPORARY.0) && name.ends_with(TEMPORARY.1) {
            let left = File::open(entry.path()).is_ok_and(|file| file.try_lock().is_ok());
            if left {
                std::fs::remove_file(entry.path())?;
            }
        }
    }
    Ok(())
}

struct Writer<'a> {
    dataset: &'a dyn Dataset,
    options: &'a ConvertOptions,
    has_labels: bool,
    /// The dataset's fingerprint.
    source: u64,
    folder: &'a Path,
}

/// A sample as it is written.
struct Row {
    index: usize,
    bytes: Vec<u8>,
    key: String,
    label: Option<i64>,
}

impl Writer<'_> {
    /// How the file with `rows` of the source is made, as it is recorded.
    fn describe(&self, rows: &std::ops::Range<usize>) -> String {
        let reencode = self.options.reencode.map(|reencode| {
            json!({"format": "jpeg", "longest_side": reencode.longest_side, "quality": reencode.quality})
        });
        let source = format!("{:016x}", self.source);
        let mut made = json!({"first_row": rows.start, "rows": rows.len(), "of": self.dataset.len(), "source": source, "reencode": reencode});
        if let Some(note) = &self.options.note {
            made["note"] = note.clone();
        }
        made.to_string()
    }

    fn schema(&self) -> Schema {
        let image =
            vec![Field::new("bytes", DataType::Binary, true), Field::new("path", DataType::Utf8, true)];
        let mut fields = vec![Field::new("image", DataType::Struct(image.into()), true)];
        if self.has_labels {
            fields.push(Field::new("label", DataType::Int64, true));
        }
        fields.extend(self.options.columns.iter().map(Column::field));
        Schema::new(fields)
    }

    /// Writes one file, and gives the number of its rows.
    fn write(
        &self,
        path: &Path,
        rows: std::ops::Range<usize>,
        made: &str,
        broken: &mut Vec<String>,
        progress: &mut impl FnMut(usize),
    ) -> Result<usize, Error> {
        let io = |source| Error::Io { path: path.into(), source };
        let fail = |error: parquet::errors::ParquetError| Error::Parquet {
            file: path.display().to_string(),
            problem: error.to_string(),
        };
        let mut features = json!({"image": {"_type": "Image"}});
        if self.has_labels {
            features["label"] = match self.dataset.classes() {
                [] => json!({"dtype": "int64", "_type": "Value"}),
                names => json!({"names": names, "_type": "ClassLabel"}),
            };
        }
        for column in &self.options.columns {
            features[column.name()] = json!({"dtype": column.dtype(), "_type": "Value"});
        }
        let features = json!({"info": {"features": features}}).to_string();
        let metadata = [("huggingface", features), (KEY, made.into())];
        let metadata = metadata.map(|(key, value)| KeyValue::new(key.to_owned(), value)).to_vec();
        let column = |field: &str| ColumnPath::new(vec!["image".into(), field.into()]);
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            // Images do not shrink, repeat or sort.
            .set_column_compression(column("bytes"), Compression::UNCOMPRESSED)
            .set_column_dictionary_enabled(column("bytes"), false)
            .set_column_statistics_enabled(column("bytes"), EnabledStatistics::None)
            .set_column_statistics_enabled(column("path"), EnabledStatistics::None)
            .set_max_row_group_row_count(None)
            .set_key_value_metadata(Some(metadata))
            .build();
        let temporary = temporary_in(self.folder).map_err(io)?;
        let schema = Arc::new(self.schema());
        let file = temporary.as_file().try_clone().map_err(io)?;
        let mut writer = ArrowWriter::try_new(file, schema.clone(), Some(properties)).map_err(fail)?;
        let (mut written, mut group_rows, mut group_bytes) = (0, 0, 0);
        for first in rows.clone().step_by(AT_ONCE) {
            let indices: Vec<usize> = (first..(first + AT_ONCE).min(rows.end)).collect();
            let done = first + indices.len();
            let mut good = Vec::new();
            for row in parallel::map(indices, |index| self.row(index)) {
                match row {
                    Ok(row) => good.push(row),
                    Err(error) if self.options.skip_broken && error.is_bad_sample() => {
                        broken.push(error.to_string())
                    }
                    Err(error) => return Err(error),
                }
            }
            group_rows += good.len();
            group_bytes += good.iter().map(|row| row.bytes.len()).sum::<usize>();
            written += good.len();
            writer.write(&self.batch(good, &schema).map_err(|error| fail(error.into()))?).map_err(fail)?;
            if group_rows >= GROUP_ROWS || group_bytes >= GROUP_BYTES {
                writer.flush().map_err(fail)?;
                (group_rows, group_bytes) = (0, 0);
            }
            progress(done);
        }
        writer.close().map_err(fail)?;
        temporary.as_file().sync_all().map_err(io)?;
        temporary.persist_noclobber(path).map_err(|error| io(error.error))?;
        Ok(written)
    }

    fn row(&self, index: usize) -> Result<Row, Error> {
        let sample = self.dataset.get(index)?;
        let label = sample.label.map(i64::from);
        let encoded = |image: &RgbImage, key: &str| {
            encode_png(image).map_err(|source| Error::Decode { key: key.into(), source })
        };
        let bytes = match (&self.options.reencode, &sample.image) {
            (Some(reencode), _) => reencode.apply(&sample, &self.options.decode)?,
            (None, SampleImage::Encoded(bytes)) => bytes.to_vec(),
            (None, SampleImage::Decoded(image)) => encoded(image, &sample.key)?,
        };
        Ok(Row { index, bytes, key: sample.key, label })
    }

    fn batch(&self, rows: Vec<Row>, schema: &Arc<Schema>) -> Result<RecordBatch, arrow_schema::ArrowError> {
        let bytes: ArrayRef = Arc::new(BinaryArray::from_iter_values(rows.iter().map(|row| &row.bytes)));
        let paths: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.key)));
        let DataType::Struct(fields) = schema.field(0).data_type() else {
            return Ok(RecordBatch::new_empty(schema.clone()));
        };
        let mut columns: Vec<ArrayRef> =
            vec![Arc::new(StructArray::try_new(fields.clone(), vec![bytes, paths], None)?)];
        if self.has_labels {
            columns.push(Arc::new(rows.iter().map(|row| row.label).collect::<Int64Array>()));
        }
        for column in &self.options.columns {
            columns.push(match column.values() {
                Values::Text(value) => {
                    Arc::new(StringArray::from_iter_values(rows.iter().map(|row| value(row.index))))
                }
                Values::Integer(value) => {
                    Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| value(row.index))))
                }
            });
        }
        RecordBatch::try_new(schema.clone(), columns)
    }
}

impl Reencode {
    fn apply(&self, sample: &Sample, decode: &DecodeOptions) -> Result<Vec<u8>, Error> {
        let image = decode_sample(sample, decode)?;
        let longest = image.width().max(image.height());
        let image = match self.longest_side {
            Some(side) if side < longest => {
                let scaled = |length: u32| {
                    (f64::from(length) * f64::from(side) / f64::from(longest)).round().max(1.0) as u32
                };
                resize(&image, scaled(image.width()), scaled(image.height()), Filter::Bilinear)
            }
            _ => image,
        };
        let problem = |problem: String| Error::Row { key: sample.key.clone(), problem };
        let side = |length: u32| {
            u16::try_from(length).map_err(|_| problem(format!("{length} px are more than a JPEG can have")))
        };
        let (width, height) = (side(image.width())?, side(image.height())?);
        let mut bytes = Vec::new();
        Encoder::new(&mut bytes, self.quality)
            .encode(image.data(), width, height, ColorType::Rgb)
            .map_err(|error| problem(error.to_string()))?;
        Ok(bytes)
    }
}
