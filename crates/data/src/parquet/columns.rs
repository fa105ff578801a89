//! Which columns of a Parquet file hold the images, the labels and the class names.

use super::ParquetOptions;
use crate::Error;
use arrow_schema::{DataType, Field, Fields};
use parquet::arrow::arrow_reader::ArrowReaderMetadata;

const IMAGE_NAMES: [&str; 9] =
    ["image", "img", "picture", "photo", "jpg", "jpeg", "png", "bytes", "image_bytes"];
const LABEL_NAMES: [&str; 5] = ["label", "labels", "fine_label", "target", "class"];

/// The columns that a file's samples come from.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) image: Column,
    pub(super) label: Option<Column>,
}

/// A column and the one of its leaves that is read.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: String,
    /// Index of the leaf among all leaves of the file.
    pub(super) leaf: usize,
}

/// Finds the columns of `file`, and the class names when the file has them.
pub(super) fn find(
    file: &str,
    metadata: &ArrowReaderMetadata,
    options: &ParquetOptions,
) -> Result<(Columns, Option<Vec<String>>), Error> {
    let fields = metadata.schema().fields();
    let features = features(metadata);
    let of_type = |wanted: &str| -> Vec<&Field> {
        let is_wanted = |field: &&Field| {
            features.as_ref().is_some_and(|features| features[field.name().as_str()]["_type"] == wanted)
        };
        fields.iter().map(AsRef::as_ref).filter(is_wanted).collect()
    };
    let fail = |problem: String| Error::Parquet { file: file.into(), problem };

    let image = match &options.image {
        Some(name) => named(fields, name).ok_or_else(|| no_column(file, fields, name))?,
        None => {
            let fitting: Vec<&Field> =
                fields.iter().map(AsRef::as_ref).filter(|field| is_image(field.data_type())).collect();
            pick(&of_type("Image"), &IMAGE_NAMES)
                .or_else(|| pick_named(fields, &IMAGE_NAMES))
                .or_else(|| pick(&fitting, &[]))
                .ok_or_else(|| match fitting.as_slice() {
                    [] => fail(format!("no column of images among {}", list(fields))),
                    several => fail(format!(
                        "which column holds the images? {} would do: call one of them `image`, or name it in \
                         `ParquetOptions::image`",
                        several
                            .iter()
                            .map(|field| format!("`{}`", field.name()))
                            .collect::<Vec<_>>()
                            .join(", ")
                    )),
                })?
        }
    };
    if !is_image(image.data_type()) {
        return Err(column_type(file, image, "binary, or a struct with a binary field `bytes`"));
    }

    let label = match &options.label {
        Some(name) => Some(named(fields, name).ok_or_else(|| no_column(file, fields, name))?),
        None => {
            let candidates = of_type("ClassLabel");
            let found = pick(&candidates, &LABEL_NAMES).or_else(|| pick_named(fields, &LABEL_NAMES));
            if found.is_none() && candidates.len() > 1 {
                let names: Vec<_> = candidates.iter().map(|field| format!("`{}`", field.name())).collect();
                return Err(fail(format!(
                    "which column holds the labels? {} would do: call one of them `label`, or name it in \
                     `ParquetOptions::label`",
                    names.join(", ")
                )));
            }
            found
        }
    };
    if let Some(label) = label.filter(|label| !label.data_type().is_integer()) {
        return Err(column_type(file, label, "an integer type"));
    }

    let classes = label.and_then(|label| {
        let names = features.as_ref()?[label.name().as_str()]["names"].as_array()?;
        names.iter().map(|name| name.as_str().map(String::from)).collect()
    });
    let column = |field: &Field, path: &[&str]| -> Result<Column, Error> {
        let leaves = metadata.parquet_schema().columns();
        let leaf = leaves
            .iter()
            .position(|leaf| leaf.path().parts().iter().eq(path.iter()))
            .ok_or_else(|| fail(format!("column `{}` is nested in a way that is not read", field.name())))?;
        Ok(Column { name: field.name().clone(), leaf })
    };
    let image = match image.data_type() {
        DataType::Struct(_) => column(image, &[image.name(), "bytes"])?,
        _ => column(image, &[image.name()])?,
    };
    let label = label.map(|label| column(label, &[label.name()])).transpose()?;
    Ok((Columns { image, label }, classes))
}

/// The class index that a stored label stands for: none for null (`i64::MIN`) and -1.
pub(super) fn class_index(label: i64, classes: usize) -> Result<Option<u32>, String> {
    match u32::try_from(label) {
        Ok(index) if (index as usize) < classes => Ok(Some(index)),
        _ if is_no_label(label) => Ok(None),
        _ => Err(format!("label {label} is outside the {classes} classes")),
    }
}

/// Whether a stored label says that there is none: null (`i64::MIN`) or -1.
pub(super) fn is_no_label(label: i64) -> bool {
    label == i64::MIN || label == -1
}

/// The features that the `huggingface` metadata describes, an object by column name.
fn features(metadata: &ArrowReaderMetadata) -> Option<serde_json::Value> {
    let entries = metadata.metadata().file_metadata().key_value_metadata()?;
    let text = entries.iter().find(|entry| entry.key == "huggingface")?.value.as_ref()?;
    let mut value: serde_json::Value = serde_json::from_str(text).ok()?;
    value.pointer_mut("/info/features").map(serde_json::Value::take).filter(serde_json::Value::is_object)
}

fn named<'a>(fields: &'a Fields, name: &str) -> Option<&'a Field> {
    fields.iter().map(AsRef::as_ref).find(|field| field.name() == name)
}

/// The first of `names` that is a column.
fn pick_named<'a>(fields: &'a Fields, names: &[&str]) -> Option<&'a Field> {
    names.iter().find_map(|name| named(fields, name))
}

/// The only candidate, or the one with the first of `names`.
fn pick<'a>(candidates: &[&'a Field], names: &[&str]) -> Option<&'a Field> {
    match candidates {
        [only] => Some(only),
        several => names.iter().find_map(|name| several.iter().copied().find(|field| field.name() == name)),
    }
}

fn is_image(data_type: &DataType) -> bool {
    match data_type {
        DataType::Binary => true,
        DataType::Struct(fields) => {
            named(fields, "bytes").is_some_and(|f| *f.data_type() == DataType::Binary)
        }
        _ => false,
    }
}

fn list(fields: &Fields) -> String {
    let columns: Vec<_> = fields.iter().map(|f| format!("`{}` ({})", f.name(), f.data_type())).collect();
    columns.join(", ")
}

fn no_column(file: &str, fields: &Fields, name: &str) -> Error {
    Error::Parquet { file: file.into(), problem: format!("no column `{name}` among {}", list(fields)) }
}

fn column_type(file: &str, field: &Field, expected: &'static str) -> Error {
    Error::ColumnType {
        file: file.into(),
        column: field.name().clone(),
        found: field.data_type().to_string(),
        expected,
    }
}
