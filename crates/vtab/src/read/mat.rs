//! MATLAB's level 5 MAT-files, as far as arrays of numbers go: SVHN's images, the labels and splits of Flowers-102.
//!
//! The format: "MAT-File Format", MathWorks. A header of 128 bytes, then elements of a tag (type, size) and data; an element is
//! an array, or one packed with zlib. Arrays are stored with the first axis fastest.

use crate::error::{io, layout};
use crate::store::Store;
use flate2::read::ZlibDecoder;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use visrep_data::Error;

const HEADER: usize = 128;
const COMPRESSED: u32 = 15;
const MATRIX: u32 = 14;
/// More dimensions, or a longer name, than any array has.
const MAX_AXES: u64 = 32;
const MAX_NAME: u64 = 1 << 10;

/// An array of numbers in a MAT-file.
pub struct MatArray {
    /// Its name.
    pub name: String,
    /// Its sizes; the first axis is the fastest.
    pub shape: Vec<usize>,
    kind: Kind,
    swapped: bool,
    data: Store,
}

/// How a number is stored: its bytes, and whether it is signed or a float.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Unsigned(usize),
    Signed(usize),
    Float(usize),
}

impl Kind {
    fn of(code: u32) -> Option<Self> {
        Some(match code {
            1 => Self::Signed(1),
            2 => Self::Unsigned(1),
            3 => Self::Signed(2),
            4 => Self::Unsigned(2),
            5 => Self::Signed(4),
            6 => Self::Unsigned(4),
            7 => Self::Float(4),
            9 => Self::Float(8),
            12 => Self::Signed(8),
            13 => Self::Unsigned(8),
            _ => return None,
        })
    }

    fn bytes(self) -> usize {
        match self {
            Self::Unsigned(n) | Self::Signed(n) | Self::Float(n) => n,
        }
    }

    /// The number in `bytes`, least significant first.
    fn number(self, bytes: &[u8]) -> f64 {
        let mut raw = [0; 8];
        raw[..bytes.len()].copy_from_slice(bytes);
        let bits = u64::from_le_bytes(raw);
        let unused = 64 - 8 * bytes.len() as u32;
        match self {
            Self::Unsigned(_) => bits as f64,
            Self::Signed(_) => ((bits << unused) as i64 >> unused) as f64,
            Self::Float(4) => f64::from(f32::from_bits(bits as u32)),
            Self::Float(_) => f64::from_bits(bits),
        }
    }
}

impl MatArray {
    /// The number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the values are stored as bytes without a sign, which [`Self::bytes_at`] gives.
    pub fn is_bytes(&self) -> bool {
        self.kind == Kind::Unsigned(1)
    }

    /// All values, the first axis fastest.
    ///
    /// # Errors
    /// When they cannot be read from the file that they were unpacked to.
    pub fn numbers(&self) -> std::io::Result<Vec<f64>> {
        let size = self.kind.bytes();
        let bytes = self.data.read_at(0, (self.len() * size) as u64)?;
        let number = |value: &[u8]| {
            if self.swapped {
                let mut value = value.to_vec();
                value.reverse();
                return self.kind.number(&value);
            }
            self.kind.number(value)
        };
        Ok(bytes.chunks_exact(size).map(number).collect())
    }

    /// `count` values of one byte from value `from` on.
    ///
    /// # Errors
    /// When they lie beyond the end.
    pub fn bytes_at(&self, from: usize, count: usize) -> std::io::Result<Vec<u8>> {
        self.data.read_at(from as u64, count as u64)
    }
}

/// The arrays of numbers called `wanted` in the MAT-file at `path`, in that order. What is large is unpacked to a temporary
/// file and read from there piece by piece.
///
/// # Errors
/// A file that is no MAT-file of level 5 (level 7.3 is HDF5, and says so), is cut short, or lacks one of the arrays.
pub fn read_mat(path: impl AsRef<Path>, wanted: &[&str]) -> Result<Vec<MatArray>, Error> {
    let path = path.as_ref();
    let fail = |problem: String| layout(path, problem);
    let mut file = BufReader::new(File::open(path).map_err(io(path))?);
    let mut header = [0; HEADER];
    file.read_exact(&mut header).map_err(|_| fail("is no MAT-file: it is shorter than its header".into()))?;
    let swapped = match &header[126..] {
        b"IM" => false,
        b"MI" => true,
        _ if header.starts_with(b"MATLAB 7.3") => {
            return Err(fail("is a MAT-file of version 7.3, which is HDF5: save it with -v7".into()));
        }
        _ => return Err(fail("is no MAT-file of level 5: its header does not end in IM or MI".into())),
    };
    let mut found: Vec<Option<MatArray>> = wanted.iter().map(|_| None).collect();
    let mut elements = Elements { reader: &mut file, swapped };
    while let Some((code, size)) = elements.tag().map_err(&fail)? {
        let array = match code {
            COMPRESSED => {
                let mut packed = (&mut *elements.reader).take(size);
                let mut inner = Elements { reader: &mut ZlibDecoder::new(&mut packed), swapped };
                let array = match inner.tag() {
                    Ok(Some((MATRIX, size))) => inner.array(size, wanted),
                    Ok(_) => Err("has a packed element that is no array".into()),
                    Err(problem) => Err(problem),
                };
                // To the checksum at the end, and over whatever padding there is.
                let array = array.and_then(|array| inner.rest().map(|()| array));
                std::io::copy(&mut packed, &mut std::io::sink()).map_err(io(path))?;
                if packed.limit() > 0 {
                    return Err(fail("is cut short within an element".into()));
                }
                array
            }
            MATRIX => elements.array(size, wanted),
            _ => elements.skip(size.next_multiple_of(8)).map(|()| None),
        };
        if let Some(array) = array.map_err(&fail)?
            && let Some(at) = wanted.iter().position(|name| *name == array.name)
        {
            found[at] = Some(array);
        }
        if found.iter().all(Option::is_some) {
            break;
        }
    }
    let missing = |name: &str| fail(format!("has no array `{name}`"));
    found.into_iter().zip(wanted).map(|(array, name)| array.ok_or_else(|| missing(name))).collect()
}

/// Elements one after the other.
struct Elements<'a, R> {
    reader: &'a mut R,
    swapped: bool,
}

impl<R: Read> Elements<'_, R> {
    fn word(&self, bytes: [u8; 4]) -> u32 {
        if self.swapped { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }

    /// The next element's type and size in bytes; `None` at the end.
    fn tag(&mut self) -> Result<Option<(u32, u64)>, String> {
        let mut tag = [0; 8];
        let mut have = 0;
        while have < tag.len() {
            match self.reader.read(&mut tag[have..]) {
                Ok(0) if have == 0 => return Ok(None),
                Ok(0) => return Err("is cut short within a tag".into()),
                Ok(count) => have += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("cannot be unpacked: {error}")),
            }
        }
        let [a, b, c, d, e, f, g, h] = tag;
        Ok(Some((self.word([a, b, c, d]), self.word([e, f, g, h]).into())))
    }

    /// Reads to the end.
    fn rest(&mut self) -> Result<(), String> {
        let read = std::io::copy(self.reader, &mut std::io::sink());
        read.map(drop).map_err(|error| format!("cannot be unpacked: {error}"))
    }

    fn skip(&mut self, count: u64) -> Result<(), String> {
        let copied = std::io::copy(&mut (&mut *self.reader).take(count), &mut std::io::sink());
        match copied {
            Ok(copied) if copied == count => Ok(()),
            Ok(_) => Err("is cut short within an element".into()),
            Err(error) => Err(format!("cannot be unpacked: {error}")),
        }
    }

    /// A small part of an array: its type, and at most `limit` bytes. Up to four bytes may stand in the tag itself.
    fn part(&mut self, limit: u64) -> Result<(u32, Vec<u8>), String> {
        let mut tag = [0; 8];
        self.read(&mut tag)?;
        let first = self.word([tag[0], tag[1], tag[2], tag[3]]);
        if first >> 16 != 0 {
            let size = (first >> 16) as usize;
            let small = tag.get(4..4 + size).ok_or("has a small element of more than four bytes")?;
            return Ok((first & 0xffff, small.to_vec()));
        }
        let size = u64::from(self.word([tag[4], tag[5], tag[6], tag[7]]));
        if size > limit {
            return Err(format!("has {size} bytes where at most {limit} can be"));
        }
        let mut bytes = vec![0; size.next_multiple_of(8) as usize];
        self.read(&mut bytes)?;
        bytes.truncate(size as usize);
        Ok((first, bytes))
    }

    fn read(&mut self, into: &mut [u8]) -> Result<(), String> {
        self.reader.read_exact(into).map_err(|error| format!("is cut short within an array ({error})"))
    }

    /// The array in an element of `size` bytes, if it holds numbers and its name is wanted. Reads the element to its end
    /// unless it is packed, when nothing follows.
    fn array(&mut self, size: u64, wanted: &[&str]) -> Result<Option<MatArray>, String> {
        let swapped = self.swapped;
        let mut body = (&mut *self.reader).take(size);
        let mut inner = Elements { reader: &mut body, swapped };
        let (_, flags) = inner.part(8)?;
        let flags: [u8; 4] =
            flags.get(..4).and_then(|flags| flags.try_into().ok()).ok_or("has no array flags")?;
        let flags = inner.word(flags);
        let (_, sizes) = inner.part(4 * MAX_AXES)?;
        let shape: Vec<u32> = sizes.as_chunks::<4>().0.iter().map(|size| inner.word(*size)).collect();
        let (_, name) = inner.part(MAX_NAME)?;
        let name = String::from_utf8_lossy(&name).into_owned();
        // Numbers are of the classes 6 to 15; the others hold text, cells and structures. Complex ones have another part.
        let is_numbers = (6..=15).contains(&(flags & 0xff)) && flags & 0x800 == 0;
        let array = match is_numbers && wanted.contains(&name.as_str()) {
            false => None,
            true => Some(inner.values(name, &shape)?),
        };
        std::io::copy(&mut body, &mut std::io::sink())
            .map_err(|error| format!("cannot be unpacked: {error}"))?;
        Ok(array)
    }

    fn values(&mut self, name: String, shape: &[u32]) -> Result<MatArray, String> {
        let about = |problem: String| format!("`{name}` {problem}");
        let shape: Vec<usize> = shape.iter().map(|size| *size as usize).collect();
        let count = shape.iter().try_fold(1_usize, |count, size| count.checked_mul(*size));
        let count = count.ok_or_else(|| about(format!("claims {shape:?} values")))?;
        let mut tag = [0; 8];
        self.read(&mut tag)?;
        let first = self.word([tag[0], tag[1], tag[2], tag[3]]);
        let kind =
            |code| Kind::of(code).ok_or_else(|| about(format!("has values of the unknown type {code}")));
        let (kind, data) = if first >> 16 != 0 {
            let small = tag.get(4..4 + (first >> 16) as usize).unwrap_or_default();
            (kind(first & 0xffff)?, Store::Memory(small.to_vec()))
        } else {
            let size = u64::from(self.word([tag[4], tag[5], tag[6], tag[7]]));
            let read = Store::unpack((&mut *self.reader).take(size));
            (kind(first)?, read.map_err(|error| about(format!("cannot be unpacked: {error}")))?)
        };
        let needed =
            count.checked_mul(kind.bytes()).ok_or_else(|| about(format!("claims {shape:?} values")))?;
        if data.len() != needed as u64 {
            return Err(about(format!("is cut short: {} bytes are no {shape:?} values", data.len())));
        }
        Ok(MatArray { name, shape, kind, swapped: self.swapped, data })
    }
}
