//! Huffman tables and the symbols that they code.

use super::bits::Bits;

/// Codes up to this many bits are found in one look.
const LOOK: u32 = 10;

/// A decoding table.
#[derive(Clone)]
pub(super) struct Table {
    /// By the next `LOOK` bits: `length << 8 | symbol`; 0 for longer codes.
    look: Box<[u16; 1 << LOOK]>,
    /// By the next `LOOK` bits, where a code and the value bits behind it fit: `value << 16 | run << 8 | bits
    /// in all`; 0 elsewhere. Only for AC symbols.
    whole: Box<[i32; 1 << LOOK]>,
    /// For each length, the first code beyond those of that length, aligned to 16 bits.
    limit: [u32; 18],
    /// For each length, what to add to a code to find its symbol.
    offset: [i32; 17],
    symbols: Vec<u8>,
}

impl Table {
    /// From the number of codes of each length and the symbols in the codes' order. `None` when no such code exists.
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Self> {
        let mut table = Self {
            look: Box::new([0; 1 << LOOK]),
            whole: Box::new([0; 1 << LOOK]),
            limit: [u32::MAX; 18],
            offset: [0; 17],
            symbols: symbols.to_vec(),
        };
        let (mut code, mut index) = (0_u32, 0_usize);
        for length in 1..=16_u32 {
            let count = u32::from(counts[length as usize - 1]);
            table.offset[length as usize] = index as i32 - code as i32;
            if code + count > 1 << length {
                return None;
            }
            for _ in 0..count {
                if length <= LOOK {
                    let shift = LOOK - length;
                    let entry = (length << 8) as u16 | u16::from(symbols[index]);
                    table.look[(code << shift) as usize..((code + 1) << shift) as usize].fill(entry);
                }
                code += 1;
                index += 1;
            }
            table.limit[length as usize] = code << (16 - length);
            code <<= 1;
        }
        for bits in 0..1_u32 << LOOK {
            let entry = u32::from(table.look[bits as usize]);
            let (length, run, size) = (entry >> 8, entry >> 4 & 15, entry & 15);
            if length > 0 && size > 0 && length + size <= LOOK {
                let value = extend(bits >> (LOOK - length - size) & ((1 << size) - 1), size);
                table.whole[bits as usize] = value << 16 | (run << 8 | (length + size)) as i32;
            }
        }
        Some(table)
    }

    /// The next symbol; 0 for a code that does not exist, as libjpeg has it.
    #[inline(always)]
    pub(super) fn symbol(&self, bits: &mut Bits<'_>) -> u8 {
        bits.refill();
        let entry = self.look[bits.peek(LOOK) as usize];
        if entry != 0 {
            bits.skip(u32::from(entry >> 8));
            return entry as u8;
        }
        self.long_symbol(bits)
    }

    /// `(value, run, bits)` where the next AC symbol and its value fit into one look.
    #[inline(always)]
    pub(super) fn whole(&self, bits: &Bits<'_>) -> Option<(i32, usize, u32)> {
        let entry = self.whole[bits.peek(LOOK) as usize];
        (entry != 0).then_some((entry >> 16, (entry >> 8 & 15) as usize, (entry & 0xFF) as u32))
    }

    #[cold]
    fn long_symbol(&self, bits: &mut Bits<'_>) -> u8 {
        let next = bits.peek(16);
        let Some(length) = (LOOK as usize + 1..=16).find(|&length| next < self.limit[length]) else {
            bits.skip(16);
            return 0;
        };
        bits.skip(length as u32);
        let code = (next >> (16 - length)) as i32;
        let index = code + self.offset[length];
        usize::try_from(index).ok().and_then(|index| self.symbols.get(index).copied()).unwrap_or(0)
    }
}

/// The signed value of `size` (1..=16) bits: T.81's EXTEND.
#[inline(always)]
pub(super) fn extend(bits: u32, size: u32) -> i32 {
    let bits = bits as i32;
    if bits < 1 << (size - 1) { bits - (1 << size) + 1 } else { bits }
}
