//! How many frames an MP4 file has, from its index and not by decoding it (ISO/IEC 14496-12).

use std::io::{Read, Seek, SeekFrom};

/// A larger index is refused: that of a sequence of frames has a few hundred bytes.
const MAX_INDEX_BYTES: u64 = 16 << 20;

/// A file of more boxes at its top is refused: a plain one has four or five.
const MAX_BOXES: usize = 1000;

/// A video of more frames is refused.
const MAX_FRAMES: u32 = 1 << 16;

/// The number of frames of the first track of pictures in a file of `len` bytes.
///
/// # Errors
/// What is wrong, as the rest of a sentence that begins with the file.
pub(super) fn frames(file: &mut (impl Read + Seek), len: u64) -> Result<usize, String> {
    let index = index(file, len)?;
    // A handler has its version and flags, 4 bytes of nothing, and then its kind.
    let pictures = |media: &&[u8]| {
        inside(media, &[b"hdlr"]).and_then(|handler| handler.get(8..12)).is_some_and(|kind| kind == b"vide")
    };
    let tracks = boxes(&index).filter(|(kind, _)| kind == b"trak");
    let mut media = tracks.filter_map(|(_, track)| inside(track, &[b"mdia"]));
    let table = media.find(pictures).ok_or("has no track of pictures")?;
    let table = inside(table, &[b"minf", b"stbl"]).ok_or("has a track without a table of its frames")?;
    let count = [b"stsz", b"stz2"]
        .into_iter()
        .find_map(|kind| inside(table, &[kind]))
        .and_then(|sizes| sizes.get(8..12))
        .and_then(|count| <[u8; 4]>::try_from(count).ok())
        .map(u32::from_be_bytes)
        .ok_or("has a track without the sizes of its frames")?;
    match count {
        0 => Err("has no frames in its index: a video in fragments must be put together first".into()),
        1..=MAX_FRAMES => Ok(count as usize),
        _ => Err(format!("has {count} frames, more than the {MAX_FRAMES} that a sequence may have")),
    }
}

/// The content of the file's box `moov`.
fn index(file: &mut (impl Read + Seek), len: u64) -> Result<Vec<u8>, String> {
    let (mut at, mut head) = (0u64, [0; 16]);
    for _ in 0..MAX_BOXES {
        if len.saturating_sub(at) < 8 {
            break;
        }
        let wide = len - at >= 16;
        let head = &mut head[..if wide { 16 } else { 8 }];
        let read = file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(head));
        read.map_err(|error| format!("cannot be read: {error}"))?;
        let Some((kind, skip, size)) = head_of(head, len - at) else { break };
        if &kind != b"moov" {
            // The first says that it is one: what else begins so is no accident.
            if at == 0 && !kind.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ') {
                break;
            }
            at += size;
            continue;
        }
        if size > MAX_INDEX_BYTES {
            return Err(format!("has an index of {size} bytes (limit {MAX_INDEX_BYTES})"));
        }
        let mut index = vec![0; (size - skip) as usize];
        let read = file.seek(SeekFrom::Start(at + skip)).and_then(|_| file.read_exact(&mut index));
        return read.map(|()| index).map_err(|error| format!("cannot be read: {error}"));
    }
    Err("is no whole MP4 file: it has no index (the box `moov`); was it cut short?".into())
}

/// Of a box that begins `head`, with `left` bytes to the end of what it lies in: its kind, where its content begins and where it ends.
fn head_of(head: &[u8], left: u64) -> Option<([u8; 4], u64, u64)> {
    let size = u32::from_be_bytes(head.get(..4)?.try_into().ok()?);
    let kind = head.get(4..8)?.try_into().ok()?;
    let (skip, size) = match size {
        0 => (8, left),
        1 => (16, u64::from_be_bytes(head.get(8..16)?.try_into().ok()?)),
        size => (8, size.into()),
    };
    (skip..=left).contains(&size).then_some((kind, skip, size))
}

/// The boxes that lie one after the other in `bytes`, up to one that is damaged.
fn boxes(mut bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let (kind, skip, size) = head_of(bytes, bytes.len() as u64)?;
        let (one, rest) = bytes.split_at(size as usize);
        bytes = rest;
        Some((kind, &one[skip as usize..]))
    })
}

/// The content of the first box at a path of kinds.
fn inside<'a>(bytes: &'a [u8], path: &[&[u8; 4]]) -> Option<&'a [u8]> {
    path.iter().try_fold(bytes, |bytes, &kind| boxes(bytes).find(|(of, _)| of == kind).map(|(_, body)| body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn one(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        [&(body.len() as u32 + 8).to_be_bytes(), &kind[..], body].concat()
    }

    fn track(handler: &[u8; 4], sizes: &[u8]) -> Vec<u8> {
        let handler = one(b"hdlr", &[&[0; 8], &handler[..], &[0; 12]].concat());
        let table = one(b"minf", &one(b"stbl", &[one(b"stts", &[0; 8]), sizes.to_vec()].concat()));
        one(b"trak", &one(b"mdia", &[handler, table].concat()))
    }

    fn sizes(kind: &[u8; 4], count: u32) -> Vec<u8> {
        one(kind, &[&[0; 8], &count.to_be_bytes()[..]].concat())
    }

    fn read(file: &[u8]) -> Result<usize, String> {
        frames(&mut Cursor::new(file), file.len() as u64)
    }

    #[test]
    fn the_track_of_pictures_is_counted() {
        let sound = track(b"soun", &sizes(b"stsz", 99));
        for kind in [b"stsz", b"stz2"] {
            let moov = one(b"moov", &[sound.clone(), track(b"vide", &sizes(kind, 31))].concat());
            let mdat = one(b"mdat", &[7; 50]);
            let ftyp = one(b"ftyp", b"isom\0\0\0\0");
            assert_eq!(read(&[&ftyp[..], &mdat, &moov].concat()), Ok(31));
            assert_eq!(read(&[&ftyp[..], &moov, &mdat].concat()), Ok(31));
            // A size of 64 bits, and one that goes to the end of the file.
            let wide = [&[0, 0, 0, 1][..], b"mdat", &(16 + 50u64).to_be_bytes(), &[7; 50]].concat();
            let last = [&[0; 4], &moov[4..]].concat();
            assert_eq!(read(&[&ftyp[..], &wide, &last].concat()), Ok(31));
        }
    }

    #[test]
    fn what_is_damaged_is_told_and_nothing_is_trusted() {
        let of = |track: &[u8]| read(&one(b"moov", track)).unwrap_err();
        assert!(of(&track(b"soun", &sizes(b"stsz", 9))).contains("no track of pictures"));
        assert!(of(&track(b"vide", &sizes(b"stsz", 0))).contains("in fragments"));
        assert!(of(&track(b"vide", &sizes(b"stsz", u32::MAX))).contains("4294967295 frames"));
        assert!(of(&track(b"vide", &[])).contains("without the sizes"));
        for file in [&b""[..], b"h.264", b"\x89PNG\r\n\x1a\n\0\0\0\0\0\0\0\0\0", &one(b"mdat", &[7; 50])] {
            assert!(read(file).unwrap_err().contains("no whole MP4"), "{file:?}");
        }
        // An index that says it is large and is not there; one that is beyond the limit.
        assert!(read(b"\xff\xff\xff\xffmoov").unwrap_err().contains("no whole MP4"));
        let head = [&(17u32 << 20).to_be_bytes()[..], b"moov", &[0; 16]].concat();
        assert!(frames(&mut Cursor::new(&head), 1 << 30).unwrap_err().contains("limit"));
        assert!(frames(&mut Cursor::new(&head[4..]), 1 << 30).is_err());
        let whole = one(b"moov", &track(b"vide", &sizes(b"stsz", 31)));
        for cut in 0..whole.len() {
            assert!(read(&whole[..cut]).is_err(), "{cut}");
            let mut turned = whole.clone();
            for bit in 0..8 {
                turned[cut] ^= 1 << bit;
                assert!(
                    read(&turned).is_ok_and(|count| count <= MAX_FRAMES as usize) || read(&turned).is_err()
                );
            }
        }
        assert!(read(&[0, 0, 0, 8, b'f', b'r', b'e', b'e'].repeat(5000)).is_err());
    }
}
