//! NumPy's NPY files: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.
//!
//! [`NpyArray`] is any array of numbers; datasets are made of two kinds. Images are arrays of `uint8` (or `bool`) of shape (n, height, width), (n, height, width, 1 or 3),
//! (n, 1 or 3, height, width), or sequences of frames (n, frames, height, width, 3), which become one image after the other. Labels are integers, of shape (n) or (n, columns).

use super::{Layout, MAX_ROWS, Part, RawImages, Shape};
use crate::Error;
use crate::labels::Labels;
use crate::source::{Input, Source};
use std::io::Write;
use std::path::{Path, PathBuf};

/// NumPy itself refuses longer headers unless told otherwise.
const MAX_HEADER: usize = 10_000;

/// How arrays are read as a dataset.
#[derive(Clone, Debug, Default)]
pub struct NpyOptions {
    /// The member of an `.npz` file with the images. Found by its name otherwise.
    pub images: Option<String>,
    /// The member of an `.npz` file with the labels, or another `.npy` file's path. Found by its name otherwise.
    pub labels: Option<String>,
    /// Which column of two-dimensional labels to take, such as a latent of dSprites. Without it, labels with more than
    /// one column are left unread.
    pub label_column: Option<usize>,
}

/// A whole array of numbers in memory, whatever their type in the file.
#[derive(Clone, Debug, PartialEq)]
pub struct NpyArray {
    /// Its sizes, the slowest axis first; none for a single number.
    pub shape: Vec<usize>,
    /// Its values in C order; integers beyond 2⁵³ lose their last digits.
    pub values: Vec<f64>,
    /// Whether the file holds integers (or `bool`).
    pub integers: bool,
}

impl NpyArray {
    /// Reads an `.npy` file of integers, `bool`, `float16`, `float32` or `float64` in C order.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let array = open_array(path)?;
        array.numbers().map_err(|problem| Error::Layout { path: path.into(), problem })
    }
}

impl NpyArray {
    /// Writes the array as an NPY file, version 1.0.
    pub(super) fn write(&self, to: &mut impl Write) -> std::io::Result<()> {
        let count = self.shape.iter().try_fold(1, |n: usize, &size| n.checked_mul(size));
        if count != Some(self.values.len()) {
            let problem = format!("an array {:?} does not have {} values", self.shape, self.values.len());
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, problem));
        }
        let descr = if self.integers { "<i8" } else { "<f8" };
        let sizes: String = self.shape.iter().map(|size| format!("{size}, ")).collect();
        let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({sizes}), }}");
        // So long that the values begin at a multiple of 64 bytes.
        let padded = (10 + header.len() + 1).next_multiple_of(64) - 10;
        to.write_all(b"\x93NUMPY\x01\x00")?;
        to.write_all(&(padded as u16).to_le_bytes())?;
        to.write_all(format!("{header:<0$}\n", padded - 1).as_bytes())?;
        let mut bytes = Vec::with_capacity(1 << 16);
        for values in self.values.chunks(1 << 13) {
            bytes.clear();
            values.iter().for_each(|&value| {
                bytes.extend(if self.integers { (value as i64).to_le_bytes() } else { value.to_le_bytes() });
            });
            to.write_all(&bytes)?;
        }
        Ok(())
    }
}

/// An array in a file.
pub(super) struct Array {
    pub(super) input: Input,
    /// Where the values begin.
    data: u64,
    kind: Kind,
    shape: Vec<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kind {
    /// `u`, `i`, `b` or `f`.
    class: u8,
    bytes: usize,
    big_endian: bool,
}

impl Array {
    /// Reads the header of the array that begins at `start`.
    pub(super) fn parse(input: Input, start: u64) -> Result<Self, String> {
        let read = |offset, len| input.read_at(offset, len).map_err(|error| error.to_string());
        let head = read(start, 10)?;
        if !head.starts_with(b"\x93NUMPY") {
            return Err("is no NPY file: it does not begin with \\x93NUMPY".into());
        }
        let (begin, len) = match head[6] {
            1 => (10, usize::from(u16::from_le_bytes([head[8], head[9]]))),
            2 | 3 => {
                let more = read(start + 8, 4)?;
                (12, u32::from_le_bytes([more[0], more[1], more[2], more[3]]) as usize)
            }
            other => return Err(format!("is NPY version {other}, which is not known")),
        };
        if len > MAX_HEADER {
            return Err(format!("has a header of {len} bytes, more than the {MAX_HEADER} that NumPy reads"));
        }
        let header = read(start + begin, len)?;
        let header = std::str::from_utf8(&header).map_err(|_| "has a header that is not text")?;
        let (kind, shape) = parse_header(header)?;
        Ok(Self { input, data: start + begin + len as u64, kind, shape })
    }

    /// The images, when that is what the array holds, and how many.
    pub(super) fn images(&self, binary: bool) -> Result<(Shape, u64), String> {
        let describe = || format!("holds an array {:?} of {}", self.shape, self.kind.name());
        if self.kind.bytes != 1 || !matches!(self.kind.class, b'u' | b'b') {
            return Err(format!("{}, expected images of uint8 or bool", describe()));
        }
        let (n, height, width, layout) = match *self.shape {
            [n, h, w] | [n, h, w, 1] | [n, 1, h, w] => (n, h, w, Layout::Grey),
            [n, h, w, 3] => (n, h, w, Layout::Interleaved),
            [n, 3, h, w] => (n, h, w, Layout::Planar),
            [n, frames, h, w, 3] => (n.saturating_mul(frames), h, w, Layout::Interleaved),
            _ => {
                return Err(format!(
                    "{}, expected (n, height, width), (n, height, width, 3) or (n, 3, height, width)",
                    describe()
                ));
            }
        };
        let side = |value: u64| u32::try_from(value).map_err(|_| describe());
        let binary = binary || self.kind.class == b'b';
        Ok((Shape { width: side(width)?, height: side(height)?, layout, binary }, n))
    }

    /// The images as a part of a dataset.
    pub(super) fn into_part(self, path: &Path, binary: bool) -> Result<(Shape, Part), Error> {
        let layout = |problem| Error::Layout { path: path.into(), problem };
        let (shape, n) = self.images(binary).map_err(layout)?;
        let stride = shape.bytes().map_err(layout)? as u64;
        let part = Part::new(path, self.input, shape, self.data, stride, n)?;
        Ok((shape, part))
    }

    /// The labels; none where there are several columns and `column` does not choose.
    pub(super) fn labels(&self, column: Option<usize>) -> Result<Labels, String> {
        let (rows, columns) = match *self.shape {
            [rows] => (rows, 1),
            [rows, columns @ 1..=4096] => (rows, columns as usize),
            _ => return Err(format!("holds an array {:?}, expected labels (n) or (n, columns)", self.shape)),
        };
        if !matches!(self.kind.class, b'u' | b'i' | b'b') {
            return Err(format!("holds labels of {}, expected integers", self.kind.name()));
        }
        if rows > MAX_ROWS {
            return Err(format!("claims {rows} labels"));
        }
        let column = match column {
            None if columns > 1 => return Ok(Labels::default()),
            None => 0,
            Some(column) if column < columns => column,
            Some(column) => return Err(format!("has {columns} columns of labels, no column {column}")),
        };
        let (mut labels, stride) = (Labels::default(), columns * self.kind.bytes);
        let rows_at_once = (1 << 20) / stride.max(1) as u64;
        let mut row = 0;
        while row < rows {
            let n = rows_at_once.clamp(1, rows - row);
            let bytes = self.input.read_at(self.data + row * stride as u64, n as usize * stride);
            for values in bytes.map_err(|error| error.to_string())?.chunks_exact(stride) {
                let value = self.kind.integer(&values[column * self.kind.bytes..][..self.kind.bytes]);
                labels.push(match u32::try_from(value) {
                    Ok(label) => Some(label),
                    Err(_) if value == -1 => None,
                    Err(_) => return Err(format!("label {value} is no class index")),
                });
            }
            row += n;
        }
        Ok(labels)
    }
}

impl Array {
    /// All values.
    pub(super) fn numbers(&self) -> Result<NpyArray, String> {
        let sizes = self.shape.iter().map(|&size| usize::try_from(size).ok()).collect::<Option<Vec<_>>>();
        let count =
            sizes.as_ref().and_then(|sizes| sizes.iter().try_fold(1, |n: usize, &s| n.checked_mul(s)));
        let bytes = count.and_then(|count| count.checked_mul(self.kind.bytes));
        let (Some(shape), Some(count), Some(bytes)) = (sizes, count, bytes) else {
            return Err(format!("claims an array {:?}, which no memory holds", self.shape));
        };
        let held = self.input.len().map_err(|error| error.to_string())?.saturating_sub(self.data);
        if (bytes as u64) > held {
            return Err(format!(
                "is cut off: {:?} of {} take {bytes} bytes, and {held} are there",
                self.shape,
                self.kind.name()
            ));
        }
        let mut values = Vec::with_capacity(count);
        let at_once = (1 << 20) / self.kind.bytes * self.kind.bytes;
        for from in (0..bytes).step_by(at_once) {
            let read = self.input.read_at(self.data + from as u64, at_once.min(bytes - from));
            let read = read.map_err(|error| error.to_string())?;
            values.extend(read.chunks_exact(self.kind.bytes).map(|value| self.kind.number(value)));
        }
        Ok(NpyArray { shape, values, integers: self.kind.class != b'f' })
    }
}

impl Kind {
    fn number(self, bytes: &[u8]) -> f64 {
        if self.class != b'f' {
            return self.integer(bytes) as f64;
        }
        // The bits as an unsigned number of the same size.
        let bits = Kind { class: b'u', ..self }.integer(bytes) as u64;
        match self.bytes {
            2 => half(bits as u16),
            4 => f64::from(f32::from_bits(bits as u32)),
            _ => f64::from_bits(bits),
        }
    }

    fn name(self) -> String {
        let class = match self.class {
            b'u' => "uint",
            b'i' => "int",
            b'f' => "float",
            _ => return "bool".into(),
        };
        format!("{class}{}", self.bytes * 8)
    }

    fn integer(self, bytes: &[u8]) -> i128 {
        let mut value: i128 = 0;
        let at = |index: usize| if self.big_endian { bytes[index] } else { bytes[bytes.len() - 1 - index] };
        for index in 0..bytes.len() {
            value = value << 8 | i128::from(at(index));
        }
        let bits = bytes.len() as u32 * 8;
        if self.class == b'i' && value >> (bits - 1) & 1 == 1 { value - (1 << bits) } else { value }
    }
}

/// The value of an IEEE 754 binary16.
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 0x3ff));
    let magnitude = match exponent {
        0 => fraction * 2.0_f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2.0_f64.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}

/// The type and shape in a header such as `{'descr': '|u1', 'fortran_order': False, 'shape': (3, 4), }`.
fn parse_header(header: &str) -> Result<(Kind, Vec<u64>), String> {
    let after = |key: &str| {
        let found = header.split_once(&format!("'{key}':")).map(|(_, rest)| rest.trim_start());
        found.ok_or_else(|| format!("has a header without '{key}'"))
    };
    let descr = after("descr")?.strip_prefix('\'').and_then(|rest| rest.split_once('\''));
    let descr = descr.ok_or("holds records, expected numbers")?.0;
    let (order, rest) = descr.split_at_checked(1).unwrap_or_default();
    let (class, bytes) = rest.split_at_checked(1).unwrap_or_default();
    let kind = match (order, class.as_bytes(), bytes.parse()) {
        ("<" | ">" | "|" | "=", [class @ (b'u' | b'i')], Ok(bytes @ (1 | 2 | 4 | 8)))
        | ("<" | ">" | "=", [class @ b'f'], Ok(bytes @ (2 | 4 | 8))) => {
            Kind { class: *class, bytes, big_endian: order == ">" }
        }
        ("|", b"b", Ok(1)) => Kind { class: b'b', bytes: 1, big_endian: false },
        _ => {
            return Err(format!(
                "holds values of type `{descr}`, expected integers or floats of up to 64 bits"
            ));
        }
    };
    if !after("fortran_order")?.starts_with("False") {
        return Err("is in Fortran order: save it with `numpy.ascontiguousarray`".into());
    }
    let shape = after("shape")?.strip_prefix('(').and_then(|rest| rest.split_once(')'));
    let shape = shape.ok_or("has a header whose shape cannot be read")?.0;
    let sizes = shape.split(',').map(str::trim).filter(|size| !size.is_empty());
    let sizes: Result<Vec<u64>, _> = sizes.map(str::parse).collect();
    Ok((kind, sizes.map_err(|_| "has a header whose shape cannot be read")?))
}

fn open_array(path: &Path) -> Result<Array, Error> {
    let input = Source::File(path.into()).open().map_err(|source| Error::Io { path: path.into(), source })?;
    Array::parse(input, 0).map_err(|problem| Error::Layout { path: path.into(), problem })
}

impl RawImages {
    /// Sequences of as many frames each in an `.npy` file of shape (n, frames, height, width, 3), as CIFAR-10-P has them: every frame of
    /// the first sequence, then of the second, and how many each has. There are no labels.
    ///
    /// # Errors
    /// Those of [`Self::open_npy`]; an array of another shape.
    pub fn open_npy_sequences(path: impl AsRef<Path>) -> Result<(Self, usize), Error> {
        let path = path.as_ref();
        let array = open_array(path)?;
        let frames = match *array.shape {
            [_, frames, _, _, 3] if frames > 0 => usize::try_from(frames).ok(),
            _ => None,
        };
        let Some(frames) = frames else {
            let problem =
                format!("holds an array {:?}, expected sequences (n, frames, height, width, 3)", array.shape);
            return Err(Error::Layout { path: path.into(), problem });
        };
        let (shape, part) = array.into_part(path, false)?;
        Ok((Self::new(path, shape, vec![part], Labels::default(), None)?, frames))
    }

    /// Images in an `.npy` file. Labels are in the file that the options name, else in one beside it: that
    /// with `labels` for `data` or `images` in the name, or `labels.npy` (CIFAR-10-C). Classes are numbered.
    pub fn open_npy(path: impl AsRef<Path>, options: &NpyOptions) -> Result<Self, Error> {
        let path = path.as_ref();
        let (shape, part) = open_array(path)?.into_part(path, false)?;
        let labels = options.labels.as_ref().map(PathBuf::from).or_else(|| labels_of(path));
        let labels = match labels {
            Some(labels) => open_array(&labels)?
                .labels(options.label_column)
                .map_err(|problem| Error::Layout { path: labels, problem })?,
            None => Labels::default(),
        };
        Self::new(path, shape, vec![part], labels, None)
    }
}

fn labels_of(images: &Path) -> Option<PathBuf> {
    let name = images.file_name()?.to_str()?;
    let names = [name.replace("data", "labels"), name.replace("images", "labels"), "labels.npy".into()];
    names
        .into_iter()
        .filter(|other| other != name)
        .map(|name| images.with_file_name(name))
        .find(|p| p.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_as_numpy_writes_them() {
        let kind = |class, bytes, big_endian| Kind { class, bytes, big_endian };
        let header =
            |descr, shape| format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
        let parsed = |descr, shape| parse_header(&header(descr, shape));
        assert_eq!(parsed("|u1", "(10, 32, 32, 3)"), Ok((kind(b'u', 1, false), vec![10, 32, 32, 3])));
        assert_eq!(parsed("<i8", "(5,)"), Ok((kind(b'i', 8, false), vec![5])));
        assert_eq!(parsed(">u2", "()"), Ok((kind(b'u', 2, true), vec![])));
        for (descr, shape) in
            [("|O", "(1,)"), ("<U5", "(1,)"), ("<é", "(1,)"), ("", "(1,)"), ("|u1", "(-1,)"), ("|u1", "7")]
        {
            assert!(parsed(descr, shape).is_err(), "{descr} {shape}");
        }
    }

    #[test]
    fn numbers_of_every_kind() {
        let number =
            |class, big_endian, bytes: &[u8]| Kind { class, bytes: bytes.len(), big_endian }.number(bytes);
        assert_eq!(number(b'i', false, &[0xfe, 0xff]), -2.0);
        assert_eq!(number(b'f', false, &1.5_f32.to_le_bytes()), 1.5);
        assert_eq!(number(b'f', true, &(-0.1_f64).to_be_bytes()), -0.1);
        for (bits, value) in [
            (0x3c00_u16, 1.0),
            (0xc000, -2.0),
            (0x0001, 2.0_f64.powi(-24)),
            (0x3555, 0.333_251_953_125),
            (0x7bff, 65504.0),
            (0xfc00, f64::NEG_INFINITY),
        ] {
            assert_eq!(number(b'f', false, &bits.to_le_bytes()), value);
        }
        assert!(half(0x7e00).is_nan());
    }

    #[test]
    fn whole_arrays() {
        let folder = tempfile::tempdir().unwrap();
        let write = |descr: &str, shape: &str, data: &[u8]| {
            let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
            let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
            bytes.extend((header.len() as u16).to_le_bytes());
            bytes.extend(header.as_bytes());
            bytes.extend(data);
            let path = folder.path().join("a.npy");
            std::fs::write(&path, bytes).unwrap();
            NpyArray::read(path)
        };
        let bytes: Vec<u8> = [0.25_f32, 0.75, 1.0, 0.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        let array = write("<f4", "(2, 2)", &bytes).unwrap();
        assert_eq!(
            array,
            NpyArray { shape: vec![2, 2], values: vec![0.25, 0.75, 1.0, 0.0], integers: false }
        );
        assert!(write("|u1", "(4,)", &[1, 2, 3, 4]).unwrap().integers);
        assert!(write("|u1", "(0, 7)", &[]).unwrap().values.is_empty());
        let cut = write("<f4", "(2, 3)", &bytes).unwrap_err().to_string();
        assert!(cut.contains("cut off") && cut.contains("a.npy"), "{cut}");
        assert!(write("<f4", "(4294967296, 4294967296)", &bytes).is_err());
        assert!(write("<c8", "(1,)", &bytes).is_err());
        assert!(NpyArray::read(folder.path().join("none.npy")).is_err());
    }

    #[test]
    fn integers_of_every_kind() {
        let value =
            |class, big_endian, bytes: &[u8]| Kind { class, bytes: bytes.len(), big_endian }.integer(bytes);
        assert_eq!(value(b'i', false, &[0xff; 8]), -1);
        assert_eq!(value(b'u', false, &[0xff; 8]), i128::from(u64::MAX));
        assert_eq!(value(b'i', false, &[1, 2]), 0x201);
        assert_eq!(value(b'i', true, &[1, 2]), 0x102);
        assert_eq!(value(b'b', false, &[1]), 1);
    }
}
