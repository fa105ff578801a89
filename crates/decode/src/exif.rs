//! The orientation tag out of an EXIF block, which is a TIFF directory (CIPA DC-008).

use crate::Orientation;

const ORIENTATION: u16 = 0x0112;
const SHORT: u16 = 3;

/// The orientation that `block` states, `Normal` when it states none that is valid. `block` starts at the TIFF
/// header (`II*\0` or `MM\0*`), with or without `Exif\0\0` in front.
pub(crate) fn orientation(block: &[u8]) -> Orientation {
    let block = block.strip_prefix(b"Exif\0\0").unwrap_or(block);
    short_entry(block, ORIENTATION).and_then(|(_, value)| Orientation::from_exif(value)).unwrap_or_default()
}

/// The first value of the 16-bit `tag` in the first directory, and where in `block` it stands.
pub(crate) fn short_entry(block: &[u8], tag: u16) -> Option<(usize, u16)> {
    let little = match block.get(..4)? {
        b"II*\0" => true,
        b"MM\0*" => false,
        _ => return None,
    };
    let short = |at: usize| {
        let bytes = block.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    };
    let long = |at: usize| {
        let bytes = block.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    };
    let directory = long(4)? as usize;
    let entries = usize::from(short(directory)?);
    (0..entries)
        .map_while(|i| directory.checked_add(2 + 12 * i))
        .find(|&entry| short(entry) == Some(tag) && short(entry + 2) == Some(SHORT))
        .and_then(|entry| Some((entry + 8, short(entry + 8)?)))
}
