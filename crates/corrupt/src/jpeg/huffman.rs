//! The lossless half of baseline JPEG: the example codes of ITU-T T.81 Annex K, and bits into bytes.

/// Symbols by falling frequency, and how many there are of each length of 1 to 16 bits.
pub(super) struct Code {
    pub(super) lengths: [u8; 16],
    pub(super) symbols: &'static [u8],
}

const LUMA_DC: Code =
    Code { lengths: [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0], symbols: &DC_SYMBOLS };
const LUMA_AC: Code =
    Code { lengths: [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125], symbols: &LUMA_AC_SYMBOLS };
const CHROMA_DC: Code =
    Code { lengths: [0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0], symbols: &DC_SYMBOLS };
const CHROMA_AC: Code =
    Code { lengths: [0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 119], symbols: &CHROMA_AC_SYMBOLS };

/// Each with its class (0 for DC, 1 for AC) and number, as a file names it.
pub(super) const CODES: [(u8, Code); 4] =
    [(0x00, LUMA_DC), (0x10, LUMA_AC), (0x01, CHROMA_DC), (0x11, CHROMA_AC)];

const DC_SYMBOLS: [u8; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

#[rustfmt::skip]
const LUMA_AC_SYMBOLS: [u8; 162] = [
    0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07,
    0x22, 0x71, 0x14, 0x32, 0x81, 0x91, 0xA1, 0x08, 0x23, 0x42, 0xB1, 0xC1, 0x15, 0x52, 0xD1, 0xF0,
    0x24, 0x33, 0x62, 0x72, 0x82, 0x09, 0x0A, 0x16, 0x17, 0x18, 0x19, 0x1A, 0x25, 0x26, 0x27, 0x28,
    0x29, 0x2A, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3A, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49,
    0x4A, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5A, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69,
    0x6A, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89,
    0x8A, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7,
    0xA8, 0xA9, 0xAA, 0xB2, 0xB3, 0xB4, 0xB5, 0xB6, 0xB7, 0xB8, 0xB9, 0xBA, 0xC2, 0xC3, 0xC4, 0xC5,
    0xC6, 0xC7, 0xC8, 0xC9, 0xCA, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA, 0xE1, 0xE2,
    0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xEA, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8,
    0xF9, 0xFA,
];

#[rustfmt::skip]
const CHROMA_AC_SYMBOLS: [u8; 162] = [
    0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71,
    0x13, 0x22, 0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xA1, 0xB1, 0xC1, 0x09, 0x23, 0x33, 0x52, 0xF0,
    0x15, 0x62, 0x72, 0xD1, 0x0A, 0x16, 0x24, 0x34, 0xE1, 0x25, 0xF1, 0x17, 0x18, 0x19, 0x1A, 0x26,
    0x27, 0x28, 0x29, 0x2A, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3A, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48,
    0x49, 0x4A, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5A, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68,
    0x69, 0x6A, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87,
    0x88, 0x89, 0x8A, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0xA2, 0xA3, 0xA4, 0xA5,
    0xA6, 0xA7, 0xA8, 0xA9, 0xAA, 0xB2, 0xB3, 0xB4, 0xB5, 0xB6, 0xB7, 0xB8, 0xB9, 0xBA, 0xC2, 0xC3,
    0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xCA, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA,
    0xE2, 0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xEA, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8,
    0xF9, 0xFA,
];

/// The bits of each symbol, and how many.
struct Table([(u16, u8); 256]);

impl Table {
    const fn new(code: &Code) -> Self {
        let mut table = [(0, 0); 256];
        let (mut bits, mut at, mut length) = (0_u16, 0, 1_u8);
        while length <= 16 {
            let mut left = code.lengths[length as usize - 1];
            while left > 0 {
                table[code.symbols[at] as usize] = (bits, length);
                bits = bits.wrapping_add(1);
                at += 1;
                left -= 1;
            }
            bits <<= 1;
            length += 1;
        }
        Self(table)
    }
}

/// The tables of one kind of component.
pub(super) struct Tables {
    dc: Table,
    ac: Table,
}

pub(super) static LUMA: Tables = Tables { dc: Table::new(&LUMA_DC), ac: Table::new(&LUMA_AC) };
pub(super) static CHROMA: Tables = Tables { dc: Table::new(&CHROMA_DC), ac: Table::new(&CHROMA_AC) };

/// Entropy-coded data behind whatever `bytes` held before.
pub(super) struct Bits {
    bytes: Vec<u8>,
    /// The last `count` bits are waiting; at most 31 between calls.
    waiting: u64,
    count: u32,
}

impl Bits {
    pub(super) fn after(bytes: Vec<u8>) -> Self {
        Self { bytes, waiting: 0, count: 0 }
    }

    #[inline(always)]
    fn put(&mut self, bits: u32, count: u32) {
        self.waiting = self.waiting << count | u64::from(bits);
        self.count += count;
        if self.count >= 32 {
            self.count -= 32;
            let word = (self.waiting >> self.count) as u32;
            // A byte of ones must be followed by a zero. The test may be wrong only where there is none.
            if word & 0x8080_8080 & !word.wrapping_add(0x0101_0101) == 0 {
                self.bytes.extend_from_slice(&word.to_be_bytes());
            } else {
                word.to_be_bytes().into_iter().for_each(|byte| self.stuffed(byte));
            }
        }
    }

    fn stuffed(&mut self, byte: u8) {
        self.bytes.push(byte);
        if byte == 0xFF {
            self.bytes.push(0);
        }
    }

    /// A symbol that ends with the size of `value`, followed by `value` itself.
    #[inline(always)]
    fn symbol(&mut self, table: &Table, run: u32, value: i32) {
        let size = 32 - value.unsigned_abs().leading_zeros();
        let (code, length) = table.0[(run << 4 | size) as usize & 0xFF];
        // Negative values are stored as their ones' complement.
        let low = (value + (value >> 31)) as u32 & ((1 << size) - 1);
        self.put(u32::from(code) << size | low, u32::from(length) + size);
    }

    /// One block's levels in zigzag order, the first as the difference from `previous`.
    #[inline(always)]
    pub(super) fn block(&mut self, tables: &Tables, levels: &[i16; 64], previous: i16) {
        self.symbol(&tables.dc, 0, i32::from(levels[0]) - i32::from(previous));
        let mut left = 0_u64;
        for (i, &level) in levels.iter().enumerate() {
            left |= u64::from(level != 0) << i;
        }
        let mut last = 0;
        left &= !1;
        while left != 0 {
            let at = left.trailing_zeros();
            left &= left - 1;
            let mut run = at - last - 1;
            last = at;
            while run >= 16 {
                self.symbol(&tables.ac, 15, 0);
                run -= 16;
            }
            self.symbol(&tables.ac, run, i32::from(levels[at as usize & 63]));
        }
        if last < 63 {
            self.symbol(&tables.ac, 0, 0);
        }
    }

    /// The bytes, the last filled up with ones.
    pub(super) fn finish(mut self) -> Vec<u8> {
        let fill = self.count.next_multiple_of(8) - self.count;
        self.waiting = self.waiting << fill | ((1 << fill) - 1);
        self.count += fill;
        while self.count > 0 {
            self.count -= 8;
            self.stuffed((self.waiting >> self.count) as u8);
        }
        self.bytes
    }
}
