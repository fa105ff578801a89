//! NumPy's NPY files: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.
//!
//! Images are arrays of `uint8` (or `bool`) of shape (n, height, width), (n, height, width, 1 or 3) or
//! (n, 1 or 3, height, width). Labels are integers, of shape (n) or (n, columns).

use super::{Layout, MAX_ROWS, Part, RawImages, Shape};
use crate::Error;
use crate::labels::Labels;
use crate::source::{Input, Source};
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

impl Kind {
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
        ("<" | ">" | "|" | "=", [class @ (b'u' | b'i' | b'f')], Ok(bytes @ (1 | 2 | 4 | 8))) => {
            Kind { class: *class, bytes, big_endian: order == ">" }
        }
        ("|", b"b", Ok(1)) => Kind { class: b'b', bytes: 1, big_endian: false },
        _ => return Err(format!("holds values of type `{descr}`, expected integers")),
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
