//! Pillow's rules from stored samples to 8-bit RGB.

/// Grey to RGB.
pub(crate) fn push_gray(out: &mut Vec<u8>, gray: u8) {
    out.extend_from_slice(&[gray; 3]);
}

/// 16-bit grey to 8 bits: Pillow clips, it does not scale (its mode `I;16`).
pub(crate) fn clip_16(value: u16) -> u8 {
    value.min(255) as u8
}

/// CMYK (0 is no ink) to RGB: `(255 - C) * (255 - K) / 255`, rounded as Pillow's `cmyk2rgb` rounds.
pub(crate) fn cmyk_to_rgb([c, m, y, k]: [u8; 4]) -> [u8; 3] {
    let light = 255 - i32::from(k);
    [c, m, y].map(|ink| {
        let product = i32::from(ink) * light + 128;
        (light - (((product >> 8) + product) >> 8)).clamp(0, 255) as u8
    })
}

/// The samples of one row packed `bits` (1, 2, 4 or 8) to a sample, high bits first.
pub(crate) fn unpack(row: &[u8], bits: u8, width: u32) -> impl Iterator<Item = u8> + '_ {
    let per_byte = 8 / usize::from(bits);
    let mask = (0xFF_u16 >> (8 - bits)) as u8;
    (0..width as usize).map(move |x| {
        let shift = 8 - usize::from(bits) * (x % per_byte + 1);
        (row[x / per_byte] >> shift) & mask
    })
}

/// A grey of `bits` bits stretched to 0..=255.
pub(crate) fn stretch(value: u8, bits: u8) -> u8 {
    match bits {
        1 => value * 255,
        2 => value * 85,
        4 => value * 17,
        _ => value,
    }
}

/// Indices to RGB through a table of colours, black for what the table lacks.
pub(crate) fn push_indexed(out: &mut Vec<u8>, indices: impl Iterator<Item = u8>, table: &[[u8; 3]]) {
    for index in indices {
        out.extend_from_slice(table.get(usize::from(index)).unwrap_or(&[0; 3]));
    }
}
