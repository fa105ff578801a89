//! Which columns of a Parquet or Arrow file hold the images, the labels and the class names.

use crate::Error;
use arrow_schema::{DataType, Field, Fields};
use serde_json::Value;

const IMAGE_NAMES: [&str; 9] =
    ["image", "img", "picture", "photo", "jpg", "jpeg", "png", "bytes", "image_bytes"];
const LABEL_NAMES: [&str; 5] = ["label", "labels", "fine_label", "target", "class"];

/// Which columns to read. By default they are found by themselves, see [`Parquet`](crate::Parquet).
#[derive(Clone, Debug, Default)]
pub struct ColumnOptions {
    /// The column of images.
    pub image: Option<String>,
    /// The column of integer labels.
    pub label: Option<String>,
}

/// The columns that a file's samples come from.
#[derive(Debug)]
pub(crate) struct Columns {
    pub(crate) image: Field,
    pub(crate) label: Option<Field>,
    /// Where the file names them.
    pub(crate) classes: Option<Vec<String>>,
}

impl Columns {
    /// Where the images' bytes are: the column, or its field `bytes`.
    pub(crate) fn image_path(&self) -> Vec<&str> {
        match self.image.data_type() {
            DataType::Struct(_) => vec![self.image.name(), "bytes"],
            _ => vec![self.image.name()],
        }
    }
}

/// Finds the columns of `file` among `fields`. `hugging_face` is what the file's metadata has under `huggingface`.
pub(crate) fn find(
    file: &str,
    fields: &Fields,
    hugging_face: Option<&str>,
    options: &ColumnOptions,
) -> Result<Columns, Error> {
    let features = hugging_face.and_then(features);
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
                         `ColumnOptions::image`",
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
                     `ColumnOptions::label`",
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
    Ok(Columns { image: image.clone(), label: label.cloned(), classes })
}

/// The class index that a stored label stands for, below `classes` where that is known: none for null (`i64::MIN`)
/// and -1.
pub(crate) fn class_index(label: i64, classes: Option<usize>) -> Result<Option<u32>, String> {
    let limit = classes.unwrap_or(u32::MAX as usize);
    match u32::try_from(label) {
        Ok(index) if (index as usize) < limit => Ok(Some(index)),
        _ if label == i64::MIN || label == -1 => Ok(None),
        _ => Err(match classes {
            Some(classes) => format!("label {label} is outside the {classes} classes"),
            None => format!("a label of {label} is no class index"),
        }),
    }
}

/// The features that the `huggingface` metadata describes, an object by column name.
fn features(text: &str) -> Option<Value> {
    let mut value: Value = serde_json::from_str(text).ok()?;
    value.pointer_mut("/info/features").map(Value::take).filter(Value::is_object)
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
        DataType::Struct(fields) => named(fields, "bytes").is_some_and(|field| is_binary(field.data_type())),
        other => is_binary(other),
    }
}

fn is_binary(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Binary | DataType::LargeBinary)
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
