//! The entries of a tar archive: ustar, GNU long names, and PAX names and sizes.
//!
//! POSIX.1-2024, "pax Interchange Format"; GNU tar manual, "Basic Tar Format".

use bytes::Bytes;

/// A file in an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Where its headers begin: those of a long name come before the file's own.
    pub(super) header: u64,
    /// Where its content begins.
    pub(super) data: u64,
    pub(super) size: u64,
    /// Its path, without what could disturb a terminal and without a leading `./`.
    pub(super) name: String,
}

impl Entry {
    /// Where the next header begins.
    pub(super) fn next(&self) -> Result<u64, String> {
        padded(self.size)
            .and_then(|size| self.data.checked_add(size))
            .ok_or_else(|| "has an absurd size".into())
    }
}

/// What comes next in an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    File(Entry),
    /// Its end: the blocks of zeros that mark it, or only that nothing follows.
    End {
        marked: bool,
    },
}

/// What archives are read through.
pub(super) trait Fetch {
    /// Up to `len` bytes from `offset` on: fewer at the end only. What begins beyond the end is [`cut_short`].
    fn fetch(&mut self, offset: u64, len: usize) -> std::io::Result<Bytes>;
}

/// The error of an archive that ends within a file.
pub(super) fn cut_short() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "is cut short")
}

const BLOCK: usize = 512;
/// A longer name or PAX header is refused.
const MAX_EXTENSION: u64 = 1 << 16;
/// More headers than this before a file's own are refused.
const MAX_EXTENSIONS: usize = 16;

/// The first regular file at `position` or after it, or the archive's end. Folders, links and the like are passed over.
///
/// An archive may end without the blocks of zeros that mark its end, as for GNU tar and Python's `tarfile`; one block of
/// zeros is enough of them.
pub(super) fn next_file(input: &mut impl Fetch, position: u64) -> Result<Next, String> {
    let (mut at, mut start) = (position, position);
    let (mut long_name, mut pax_size) = (None, None);
    let mut extensions = 0;
    loop {
        let block = input.fetch(at, BLOCK).map_err(|error| error.to_string())?;
        let marked = block.len() == BLOCK && block.iter().all(|byte| *byte == 0);
        // The header of a long name is not the end of anything.
        if marked || block.is_empty() && extensions == 0 {
            return Ok(Next::End { marked });
        }
        if block.len() < BLOCK {
            return Err(format!("is cut short in a header at byte {at}"));
        }
        let fail = |problem: &str| format!("{problem} at byte {at}");
        if !checksum_fits(&block) {
            return Err(fail("is damaged, or no tar file: wrong checksum"));
        }
        let size = number(&block[124..136]).ok_or_else(|| fail("has a size that cannot be read"))?;
        let kind = block[156];
        let data = at + BLOCK as u64;
        let size = match kind {
            b'L' | b'x' | b'g' | b'K' => size,
            _ => pax_size.take().unwrap_or(size),
        };
        let end = padded(size).and_then(|size| data.checked_add(size));
        let end = end.filter(|end| *end < 1 << 62).ok_or_else(|| fail("has an absurd size"))?;
        match kind {
            b'L' | b'x' => {
                extensions += 1;
                if size > MAX_EXTENSION || extensions > MAX_EXTENSIONS {
                    return Err(fail("has an absurdly long name"));
                }
                let content = input.fetch(data, size as usize).map_err(|error| error.to_string())?;
                if content.len() as u64 != size {
                    return Err(fail("is cut short"));
                }
                if kind == b'L' {
                    long_name = Some(clean(content.split(|byte| *byte == 0).next().unwrap_or_default()));
                } else {
                    read_pax(&content, &mut long_name, &mut pax_size)
                        .ok_or_else(|| fail("has a damaged PAX header"))?;
                }
                at = end;
            }
            0 | b'0' | b'7' => {
                let name = long_name.take().unwrap_or_else(|| clean(&short_name(&block)));
                return Ok(Next::File(Entry { header: start, data, size, name }));
            }
            b'S' => return Err(fail("has a sparse file, which is not read")),
            _ => {
                // What went before was about this entry.
                if !matches!(kind, b'g' | b'K') {
                    (long_name, pax_size, extensions) = (None, None, 0);
                    start = end;
                }
                at = end;
            }
        }
    }
}

fn padded(size: u64) -> Option<u64> {
    size.checked_next_multiple_of(BLOCK as u64)
}

/// The sum of the header's bytes, its own field taken as spaces. Old tars summed signed bytes.
fn checksum_fits(block: &[u8]) -> bool {
    let byte = |(at, value): (usize, &u8)| if (148..156).contains(&at) { b' ' } else { *value };
    let unsigned: u64 = block.iter().enumerate().map(|pair| u64::from(byte(pair))).sum();
    let signed: i64 = block.iter().enumerate().map(|pair| i64::from(byte(pair).cast_signed())).sum();
    number(&block[148..156]).is_some_and(|sum| sum == unsigned || i64::try_from(sum) == Ok(signed))
}

/// A number in octal digits, or in base 256 when its first bit is set.
fn number(field: &[u8]) -> Option<u64> {
    if field[0] & 0x80 != 0 {
        let first = u64::from(field[0] & 0x7f);
        return field[1..]
            .iter()
            .try_fold(first, |value, byte| Some(value.checked_mul(256)? | u64::from(*byte)));
    }
    let digits =
        field.iter().skip_while(|byte| **byte == b' ').take_while(|byte| !matches!(**byte, 0 | b' '));
    digits.into_iter().try_fold(0_u64, |value, byte| match byte {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(u64::from(byte - b'0')),
        _ => None,
    })
}

/// The name in a header, after its prefix in ustar.
fn short_name(block: &[u8]) -> Vec<u8> {
    let text = |field: &[u8]| field.split(|byte| *byte == 0).next().unwrap_or_default().to_vec();
    let (name, prefix) = (text(&block[..100]), text(&block[345..500]));
    if block[257..263] == *b"ustar\0" && !prefix.is_empty() {
        [&prefix[..], b"/", &name].concat()
    } else {
        name
    }
}

/// A name as it is shown: no control characters, no leading `./`.
fn clean(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name);
    let name = name.trim_start_matches("./");
    name.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Takes the records `path` and `size` of a PAX header: `LENGTH KEY=VALUE\n`, the length of the whole.
fn read_pax(mut content: &[u8], name: &mut Option<String>, size: &mut Option<u64>) -> Option<()> {
    while !content.is_empty() {
        let space = content.iter().take(10).position(|byte| *byte == b' ')?;
        let length: usize = std::str::from_utf8(&content[..space]).ok()?.parse().ok()?;
        if length <= space + 1 || length > content.len() {
            return None;
        }
        let (record, rest) = content.split_at(length);
        let record = record[space + 1..].strip_suffix(b"\n")?;
        let equals = record.iter().position(|byte| *byte == b'=')?;
        match (&record[..equals], &record[equals + 1..]) {
            (b"path", value) => *name = Some(clean(value)),
            (b"size", value) => *size = Some(std::str::from_utf8(value).ok()?.parse().ok()?),
            _ => {}
        }
        content = rest;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_both_notations() {
        assert_eq!(number(b"0000644\0"), Some(0o644));
        assert_eq!(number(b"   17 \0"), Some(0o17));
        assert_eq!(number(b"\0\0\0\0"), Some(0));
        assert_eq!(number(b"00008\0"), None);
        assert_eq!(number(&[0x80, 0, 0, 1, 2]), Some(258));
        assert_eq!(number(&[0xff; 12]), None);
        assert_eq!(number(b"7777777777777777777777777"), None);
    }

    #[test]
    fn pax_records() {
        let read = |content: &[u8]| {
            let (mut name, mut size) = (None, None);
            read_pax(content, &mut name, &mut size).map(|()| (name, size))
        };
        assert_eq!(read(b"12 path=a/b\n13 size=1234\n"), Some((Some("a/b".into()), Some(1234))));
        assert_eq!(read(b"23 path=./\x1b[31mred.jpg\n"), Some((Some("\u{fffd}[31mred.jpg".into()), None)));
        for bad in [&b"0 path=a\n"[..], b"99 path=a\n", b"9 path=a\n\n", b"x", b"4 a\n", b"10 size=-1\n"] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }
}
