//! Columns that a conversion writes beside the image and its label.

use arrow_schema::{DataType, Field};
use std::fmt;
use std::sync::Arc;

/// A column with a value for every sample, by the sample's index.
#[derive(Clone)]
pub struct Column {
    name: String,
    values: Values,
}

#[derive(Clone)]
pub(crate) enum Values {
    Text(Arc<dyn Fn(usize) -> String + Send + Sync>),
    Integer(Arc<dyn Fn(usize) -> i64 + Send + Sync>),
}

impl Column {
    /// A column of strings.
    pub fn text(name: impl Into<String>, value: impl Fn(usize) -> String + Send + Sync + 'static) -> Self {
        Self { name: name.into(), values: Values::Text(Arc::new(value)) }
    }

    /// A column of whole numbers.
    pub fn integer(name: impl Into<String>, value: impl Fn(usize) -> i64 + Send + Sync + 'static) -> Self {
        Self { name: name.into(), values: Values::Integer(Arc::new(value)) }
    }

    /// The column's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn values(&self) -> &Values {
        &self.values
    }

    pub(crate) fn field(&self) -> Field {
        let kind = match self.values {
            Values::Text(_) => DataType::Utf8,
            Values::Integer(_) => DataType::Int64,
        };
        Field::new(&self.name, kind, false)
    }

    /// The type by the name that Hugging Face's `datasets` gives it.
    pub(crate) fn dtype(&self) -> &'static str {
        match self.values {
            Values::Text(_) => "string",
            Values::Integer(_) => "int64",
        }
    }
}

impl fmt::Debug for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Column({}: {})", self.name, self.dtype())
    }
}
