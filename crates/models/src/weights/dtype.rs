//! Element types: what each format calls them, and which LibTorch has.

use safetensors::Dtype;
use tch::Kind;

/// The element type of a tensor in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Element {
    /// One that LibTorch has.
    Kind(Kind),
    /// One that it lacks, by the format's name for it.
    Other(String),
}

/// The name of an element type as safetensors has it (`F32`, `BF16`, `I64`); quantised types, which it lacks, as
/// PyTorch has them.
pub fn dtype_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Uint8 => "U8",
        Kind::Int8 => "I8",
        Kind::Int16 => "I16",
        Kind::Int => "I32",
        Kind::Int64 => "I64",
        Kind::Half => "F16",
        Kind::Float => "F32",
        Kind::Double => "F64",
        Kind::ComplexHalf => "C32",
        Kind::ComplexFloat => "C64",
        Kind::ComplexDouble => "C128",
        Kind::Bool => "BOOL",
        Kind::QInt8 => "qint8",
        Kind::QUInt8 => "quint8",
        Kind::QInt32 => "qint32",
        Kind::BFloat16 => "BF16",
        Kind::Float8e5m2 => "F8_E5M2",
        Kind::Float8e4m3fn => "F8_E4M3",
        Kind::Float8e5m2fnuz => "F8_E5M2FNUZ",
        Kind::Float8e4m3fnuz => "F8_E4M3FNUZ",
    }
}

/// Whether weights may be of this type.
pub(super) fn is_weight(kind: Kind) -> bool {
    matches!(kind, Kind::Double | Kind::Float | Kind::Half | Kind::BFloat16)
}

pub(super) fn is_quantised(kind: Kind) -> bool {
    matches!(kind, Kind::QInt8 | Kind::QUInt8 | Kind::QInt32)
}

/// safetensors' types and LibTorch's.
const SAFETENSORS: [(Dtype, Kind); 15] = [
    (Dtype::BOOL, Kind::Bool),
    (Dtype::U8, Kind::Uint8),
    (Dtype::I8, Kind::Int8),
    (Dtype::I16, Kind::Int16),
    (Dtype::I32, Kind::Int),
    (Dtype::I64, Kind::Int64),
    (Dtype::F16, Kind::Half),
    (Dtype::BF16, Kind::BFloat16),
    (Dtype::F32, Kind::Float),
    (Dtype::F64, Kind::Double),
    (Dtype::C64, Kind::ComplexFloat),
    (Dtype::F8_E5M2, Kind::Float8e5m2),
    (Dtype::F8_E4M3, Kind::Float8e4m3fn),
    (Dtype::F8_E5M2FNUZ, Kind::Float8e5m2fnuz),
    (Dtype::F8_E4M3FNUZ, Kind::Float8e4m3fnuz),
];

pub(super) fn of_safetensors(dtype: Dtype) -> Element {
    match SAFETENSORS.iter().find(|(known, _)| *known == dtype) {
        Some((_, kind)) => Element::Kind(*kind),
        None => Element::Other(dtype.to_string()),
    }
}

/// What safetensors calls `kind`; `None` for those that it lacks.
pub(super) fn to_safetensors(kind: Kind) -> Option<Dtype> {
    SAFETENSORS.iter().find(|(_, known)| *known == kind).map(|(dtype, _)| *dtype)
}

/// PyTorch's types: the class of their storages (`torch.FloatStorage`), the dtype (`torch.float32`), the kind.
const TORCH: [(&str, &str, Kind); 19] = [
    ("ByteStorage", "uint8", Kind::Uint8),
    ("CharStorage", "int8", Kind::Int8),
    ("ShortStorage", "int16", Kind::Int16),
    ("IntStorage", "int32", Kind::Int),
    ("LongStorage", "int64", Kind::Int64),
    ("HalfStorage", "float16", Kind::Half),
    ("FloatStorage", "float32", Kind::Float),
    ("DoubleStorage", "float64", Kind::Double),
    ("BoolStorage", "bool", Kind::Bool),
    ("BFloat16Storage", "bfloat16", Kind::BFloat16),
    ("ComplexFloatStorage", "complex64", Kind::ComplexFloat),
    ("ComplexDoubleStorage", "complex128", Kind::ComplexDouble),
    ("QInt8Storage", "qint8", Kind::QInt8),
    ("QUInt8Storage", "quint8", Kind::QUInt8),
    ("QInt32Storage", "qint32", Kind::QInt32),
    ("", "float8_e5m2", Kind::Float8e5m2),
    ("", "float8_e4m3fn", Kind::Float8e4m3fn),
    ("", "float8_e5m2fnuz", Kind::Float8e5m2fnuz),
    ("", "float8_e4m3fnuz", Kind::Float8e4m3fnuz),
];

/// The type of a storage's elements by the name of its class in the module `torch`.
pub(super) fn of_torch_storage(class: &str) -> Element {
    match TORCH.iter().find(|(name, _, _)| *name == class) {
        Some((_, _, kind)) => Element::Kind(*kind),
        None => Element::Other(class.trim_end_matches("Storage").into()),
    }
}

/// The type called `torch.{name}`.
pub(super) fn of_torch_dtype(name: &str) -> Element {
    match TORCH.iter().find(|(_, dtype, _)| *dtype == name) {
        Some((_, _, kind)) => Element::Kind(*kind),
        None => Element::Other(name.into()),
    }
}

/// NumPy's type strings, little-endian. `|V2` is how bfloat16 arrays, which NumPy does not know, come out of JAX.
pub(super) fn of_numpy(descr: &str) -> Element {
    Element::Kind(match descr {
        "<f4" => Kind::Float,
        "<f2" => Kind::Half,
        "<f8" => Kind::Double,
        "|V2" | "<V2" => Kind::BFloat16,
        "|b1" => Kind::Bool,
        "|u1" => Kind::Uint8,
        "|i1" => Kind::Int8,
        "<i2" => Kind::Int16,
        "<i4" => Kind::Int,
        "<i8" => Kind::Int64,
        "<c8" => Kind::ComplexFloat,
        "<c16" => Kind::ComplexDouble,
        other => return Element::Other(other.into()),
    })
}
