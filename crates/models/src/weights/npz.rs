//! NumPy's archives of arrays: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.

use super::dtype::{self, Element};
use super::source::Source;
use super::state::{Contents, Unread};
use super::zip::{Archive, Entry};
use tch::{Kind, Tensor};

/// The longest header of an array: NumPy's own limit for what it takes from strangers.
const MAX_HEADER: usize = 10_000;
/// The most dimensions of an array, as in NumPy.
const MAX_DIMENSIONS: usize = 64;

/// Reads `archive`, which is all of `source`.
pub(super) fn read(source: &Source, archive: &mut Archive<'_>) -> Result<Contents, String> {
    let entries: Vec<String> =
        archive.names().filter(|name| name.ends_with(".npy")).map(str::to_owned).collect();
    if entries.is_empty() {
        return Err("it is a zip archive without arrays (.npy) or a PyTorch checkpoint (data.pkl)".into());
    }
    let mut contents = Contents::default();
    for entry in entries {
        let name = entry.trim_end_matches(".npy").to_owned();
        let in_array = |reason: String| format!("the array `{name}`: {reason}");
        let content = archive.read(&entry)?;
        let bytes = archive.bytes(&content, usize::MAX)?;
        let header = Header::read(bytes).map_err(in_array)?;
        match dtype::of_numpy(&header.descr) {
            Element::Kind(kind) => {
                let array = header.array(source, &content, bytes, kind).map_err(in_array)?;
                contents.tensors.insert(name, array);
            }
            Element::Other(dtype) => {
                drop(contents.unread.insert(name, Unread { shape: header.shape, dtype }))
            }
        }
    }
    Ok(contents)
}

/// What stands before an array's elements.
#[derive(Debug, PartialEq, Eq)]
struct Header {
    descr: String,
    fortran_order: bool,
    shape: Vec<i64>,
    /// Where the elements begin.
    length: usize,
}

impl Header {
    fn read(bytes: &[u8]) -> Result<Self, String> {
        let truncated = "it is no .npy file, or truncated";
        let (start, length) = match bytes {
            [0x93, b'N', b'U', b'M', b'P', b'Y', 1, _, a, b, ..] => (10, u16::from_le_bytes([*a, *b]).into()),
            [0x93, b'N', b'U', b'M', b'P', b'Y', 2 | 3, _, a, b, c, d, ..] => {
                (12, u32::from_le_bytes([*a, *b, *c, *d]) as usize)
            }
            _ => return Err(truncated.into()),
        };
        if length > MAX_HEADER {
            return Err(format!("its header has {length} bytes, more than NumPy reads"));
        }
        let text = bytes.get(start..start + length).ok_or(truncated)?;
        let text = std::str::from_utf8(text).map_err(|_| "its header is no text")?;
        let mut header =
            Self::parse(text).ok_or_else(|| format!("its header cannot be read: {}", text.trim_end()))?;
        header.length = start + length;
        Ok(header)
    }

    /// `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`, the keys in any order.
    fn parse(text: &str) -> Option<Self> {
        let after = |key: &str| {
            let (_, rest) = text.split_once(&format!("'{key}'"))?;
            rest.trim_start().strip_prefix(':').map(str::trim_start)
        };
        let descr = after("descr")?;
        let descr = match descr.strip_prefix('\'') {
            Some(rest) => rest.split_once('\'')?.0,
            // The fields of a record.
            None if descr.starts_with('[') => "a structured type",
            None => return None,
        };
        let fortran_order = match after("fortran_order")? {
            order if order.starts_with("True") => true,
            order if order.starts_with("False") => false,
            _ => return None,
        };
        let (shape, _) = after("shape")?.strip_prefix('(')?.split_once(')')?;
        let dimensions = shape.split(',').map(str::trim).filter(|n| !n.is_empty());
        // Python 2 wrote its long integers with an L.
        let shape = dimensions.map(|n| n.trim_end_matches('L').parse().ok().filter(|&n: &i64| n >= 0));
        let shape = shape.collect::<Option<Vec<_>>>()?;
        (shape.len() <= MAX_DIMENSIONS).then(|| Self { descr: descr.into(), fortran_order, shape, length: 0 })
    }

    fn array(&self, source: &Source, content: &Entry, bytes: &[u8], kind: Kind) -> Result<Tensor, String> {
        // Column by column is row by row with the dimensions the other way round.
        let mut shape = self.shape.clone();
        if self.fortran_order {
            shape.reverse();
        }
        let expected =
            shape.iter().try_fold(kind.elt_size_in_bytes() as i64, |product, &n| product.checked_mul(n));
        let length = bytes.len() - self.length;
        if expected != i64::try_from(length).ok() {
            return Err(format!(
                "{:?} of {} do not take the {length} bytes that it has",
                self.shape, self.descr
            ));
        }
        let array = match content {
            Entry::Stored { offset, .. } => source.tensor(offset + self.length, &shape, kind)?,
            Entry::Inflated(content) => Source::tensor_of(&content[self.length..], &shape, kind)?,
        };
        if !self.fortran_order || shape.len() < 2 {
            return Ok(array);
        }
        let back: Vec<i64> = (0..shape.len() as i64).rev().collect();
        array.f_permute(back).and_then(|array| array.f_contiguous()).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        let read =
            |text: &str| Header::parse(text).map(|header| (header.descr, header.fortran_order, header.shape));
        let plain = read("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }       \n");
        assert_eq!(plain, Some(("<f4".into(), false, vec![3, 4])));
        let reordered = read("{'shape':(7L,),'fortran_order':True,'descr':'|V2'}");
        assert_eq!(reordered, Some(("|V2".into(), true, vec![7])));
        assert_eq!(
            read("{'descr': '<f8', 'fortran_order': False, 'shape': (), }"),
            Some(("<f8".into(), false, vec![]))
        );
        for bad in [
            "",
            "{}",
            "{'descr': '<f4', 'fortran_order': 0, 'shape': (3,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (-3,)}",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
