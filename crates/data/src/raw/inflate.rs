//! Unpacking what is compressed as a whole, so that it can be read at any position.

use crate::source::{Input, Source};
use std::fs::File;
use std::io::{BufReader, Error, Read, Result, Seek, SeekFrom, Write};
use std::path::Path;

/// What unpacks to more than this goes to a temporary file …
const IN_MEMORY: u64 = 256 << 20;
/// … and what unpacks to more than this is refused.
pub(super) const LIMIT: u64 = 16 << 30;

/// The file at `path`, unpacked when it is gzip (told from its first bytes).
pub(super) fn gunzip(path: &Path) -> Result<Input> {
    let input = Source::File(path.into()).open()?;
    let packed = input.len()? >= 2 && *input.read_at(0, 2)? == [0x1f, 0x8b];
    if !packed {
        return Ok(input);
    }
    unpack(flate2::read::MultiGzDecoder::new(BufReader::new(File::open(path)?)), LIMIT)
}

/// Everything that `reader` gives, at most `limit` bytes.
pub(super) fn unpack(mut reader: impl Read, limit: u64) -> Result<Input> {
    let mut head = Vec::new();
    (&mut reader).take(IN_MEMORY.min(limit) + 1).read_to_end(&mut head)?;
    head.shrink_to_fit();
    if head.len() as u64 > limit {
        return Err(too_large(limit));
    }
    if head.len() as u64 <= IN_MEMORY {
        return Ok(Input::Memory(head.into()));
    }
    let mut file = tempfile::tempfile()?;
    file.write_all(&head)?;
    let total =
        head.len() as u64 + std::io::copy(&mut reader.take(limit - head.len() as u64 + 1), &mut file)?;
    if total > limit {
        return Err(too_large(limit));
    }
    file.seek(SeekFrom::Start(0))?;
    Ok(Input::File(file))
}

fn too_large(limit: u64) -> Error {
    Error::new(std::io::ErrorKind::FileTooLarge, format!("unpacks to more than {limit} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bomb_is_given_up_at_the_limit() {
        let error = unpack(std::io::repeat(0).take(1 << 40), 1000).err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some("unpacks to more than 1000 bytes"));
        let input = unpack(std::io::repeat(7).take(1000), 1000);
        assert_eq!(input.and_then(|input| input.read_at(998, 2)).ok().as_deref(), Some(&[7, 7][..]));
    }

    #[test]
    fn what_is_large_lies_in_a_file() {
        let size = IN_MEMORY + 10;
        let input = unpack(std::io::repeat(3).take(size), LIMIT).ok();
        let input = input.filter(|input| matches!(input, Input::File(_)));
        assert_eq!(input.as_ref().and_then(|input| input.len().ok()), Some(size));
        assert_eq!(input.and_then(|input| input.read_at(size - 1, 1).ok()).as_deref(), Some(&[3][..]));
    }
}
