//! Huffman tables and the symbols that they code.

use super::bits::Bits;

/// Codes up to this many bits are found in one look; three looks fit in one refill, with the longest symbol behind.
const LOOK: u32 = 11;

/// A decoding table. It is kept from image to image, as its memory is what takes time.
pub(super) struct Table {
    /// By the next `LOOK` bits: `length << 8 | symbol`; 0 for longer codes.
    codes: Box<[u16; 1 << LOOK]>,
    /// By the next `LOOK` bits, what they say; see [`Entry`].
    entries: Box<[Entry; 1 << LOOK]>,
    /// By the next `LOOK` bits, how far all symbols within them reach; see [`Stride`]. Only after `prepare_skipping`.
    strides: Box<[Stride; 1 << LOOK]>,
    /// For each length, the first code beyond those of that length, aligned to 16 bits.
    limit: [u32; 18],
    /// For each length, what to add to a code to find its symbol.
    offset: [i32; 17],
    /// What the table was made from.
    counts: [u8; 16],
    symbols: Vec<u8>,
    class: Class,
    /// Whether `strides` belong to this table.
    skips: bool,
}

/// What a table codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Sizes of DC differences.
    Dc,
    /// Runs of zeros with the size of the AC coefficient behind them.
    Ac,
}

/// What the next bits say: in bits 0..8 how many of them to take, in 8..12 the run of zeros before the coefficient, in
/// 12..14 the [`Kind`], in 16..32 the coefficient's value, or its size where the value does not fit.
#[derive(Clone, Copy, Default)]
pub(super) struct Entry(u32);

/// What an [`Entry`] holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A symbol and the value behind it.
    Value = 0,
    /// A symbol without a value: end of block, or 16 zeros.
    Zeros = 0x1000,
    /// A symbol; its value lies beyond the look.
    Symbol = 0x2000,
    /// The start of a longer code.
    Long = 0x3000,
}

impl Entry {
    const KIND: u32 = 0x3000;

    #[inline(always)]
    fn new(bits: u32, kind: Kind, run: u32, value: i32) -> Self {
        Self(bits | run << 8 | kind as u32 | (value as u32) << 16)
    }

    #[inline(always)]
    pub(super) fn bits(self) -> u32 {
        self.0 & 0xFF
    }

    #[inline(always)]
    pub(super) fn is(self, kind: Kind) -> bool {
        self.0 & Self::KIND == kind as u32
    }

    #[inline(always)]
    pub(super) fn run(self) -> usize {
        (self.0 >> 8 & 15) as usize
    }

    #[inline(always)]
    pub(super) fn value(self) -> i16 {
        (self.0 >> 16) as i16
    }
}

/// Several symbols at once, for blocks whose values do not matter: in bits 0..8 how many bits they take, in 8..15 how
/// many coefficients they cover, in bit 15 whether the last one ends the block. 0 where none fits.
#[derive(Clone, Copy, Default)]
pub(super) struct Stride(u16);

impl Stride {
    #[inline(always)]
    pub(super) fn bits(self) -> u32 {
        u32::from(self.0 & 0xFF)
    }

    #[inline(always)]
    pub(super) fn coefficients(self) -> usize {
        usize::from(self.0 >> 8 & 0x7F)
    }

    #[inline(always)]
    pub(super) fn ends_block(self) -> bool {
        self.0 & 0x8000 != 0
    }
}

impl Table {
    /// A table of no codes.
    pub(super) fn empty() -> Self {
        Self {
            codes: Box::new([0; 1 << LOOK]),
            entries: Box::new([Entry::default(); 1 << LOOK]),
            strides: Box::new([Stride::default(); 1 << LOOK]),
            limit: [u32::MAX; 18],
            offset: [0; 17],
            counts: [0; 16],
            symbols: Vec::new(),
            class: Class::Dc,
            skips: false,
        }
    }

    /// Makes this the table with so many codes of each length, and the symbols in the codes' order. `None` when no
    /// such code exists.
    pub(super) fn set(&mut self, class: Class, counts: &[u8; 16], symbols: &[u8]) -> Option<()> {
        if self.class == class && self.counts == *counts && self.symbols == symbols && !symbols.is_empty() {
            return Some(());
        }
        // Whatever follows may fail halfway, so that the old contents must not be found again.
        self.symbols.clear();
        self.skips = false;
        self.codes.fill(0);
        self.entries.fill(Entry::new(0, Kind::Long, 0, 0));
        (self.limit, self.offset) = ([u32::MAX; 18], [0; 17]);
        let (mut code, mut index) = (0_u32, 0_usize);
        for length in 1..=16_u32 {
            let count = u32::from(counts[length as usize - 1]);
            self.offset[length as usize] = index as i32 - code as i32;
            if code + count > 1 << length {
                return None;
            }
            for _ in 0..count {
                if length <= LOOK {
                    self.enter(class, code, length, symbols[index]);
                }
                code += 1;
                index += 1;
            }
            self.limit[length as usize] = code << (16 - length);
            code <<= 1;
        }
        (self.class, self.counts) = (class, *counts);
        self.symbols.extend_from_slice(symbols);
        Some(())
    }

    /// Enters a code of at most `LOOK` bits.
    fn enter(&mut self, class: Class, code: u32, length: u32, symbol: u8) {
        let rest = LOOK - length;
        let places = (code << rest) as usize..((code + 1) << rest) as usize;
        self.codes[places.clone()].fill((length << 8) as u16 | u16::from(symbol));
        let entries = &mut self.entries[places];
        let (run, size) = match class {
            Class::Dc => (0, u32::from(symbol & 15)),
            Class::Ac => (u32::from(symbol >> 4), u32::from(symbol & 15)),
        };
        if size == 0 {
            let kind = if class == Class::Dc { Kind::Value } else { Kind::Zeros };
            entries.fill(Entry::new(length, kind, run, 0));
        } else if size > rest {
            entries.fill(Entry::new(length, Kind::Symbol, run, size as i32));
        } else {
            for (bits, entries) in entries.chunks_exact_mut(1 << (rest - size)).enumerate() {
                entries.fill(Entry::new(length + size, Kind::Value, run, extend(bits as u32, size)));
            }
        }
    }

    /// Makes [`stride`](Self::stride) ready.
    pub(super) fn prepare_skipping(&mut self) {
        if self.skips {
            return;
        }
        for (bits, stride) in self.strides.iter_mut().enumerate() {
            let (mut taken, mut covered, mut end) = (0, 0, false);
            while !end && taken < LOOK {
                // What slides in from the right is not known, and so a symbol must not reach into it.
                let entry = self.entries[bits << taken & ((1 << LOOK) - 1)];
                if taken + entry.bits() > LOOK || !(entry.is(Kind::Value) || entry.is(Kind::Zeros)) {
                    break;
                }
                taken += entry.bits();
                end = entry.is(Kind::Zeros) && entry.run() < 15;
                covered += if end { 0 } else { entry.run() as u32 + 1 };
            }
            // No block has that many coefficients: one symbol at a time finds where this one ends.
            let covered = covered.min(64);
            *stride = Stride((taken | covered << 8 | u32::from(end) << 15) as u16);
        }
        self.skips = true;
    }

    /// What the next bits say; after [`Bits::refill`].
    #[inline(always)]
    pub(super) fn entry(&self, bits: &Bits<'_>) -> Entry {
        self.entries[bits.peek(LOOK) as usize]
    }

    /// How far the next bits reach; after [`Bits::refill`].
    #[inline(always)]
    pub(super) fn stride(&self, bits: &Bits<'_>) -> Stride {
        self.strides[bits.peek(LOOK) as usize]
    }

    /// The next symbol; 0 for a code that does not exist, as libjpeg has it. After [`Bits::refill`].
    #[inline(always)]
    pub(super) fn symbol(&self, bits: &mut Bits<'_>) -> u8 {
        let entry = self.codes[bits.peek(LOOK) as usize];
        let (length, symbol) =
            if entry != 0 { (entry >> 8, entry as u8) } else { self.long_symbol(bits.peek(16)) };
        bits.skip(u32::from(length));
        symbol
    }

    /// Length and symbol of the code that the 16 bits `next` start with.
    #[cold]
    fn long_symbol(&self, next: u32) -> (u16, u8) {
        let Some(length) = (LOOK as usize + 1..=16).find(|&length| next < self.limit[length]) else {
            return (16, 0);
        };
        let code = (next >> (16 - length)) as i32;
        let index = usize::try_from(code + self.offset[length]).ok();
        (length as u16, index.and_then(|index| self.symbols.get(index).copied()).unwrap_or(0))
    }

    /// The next difference of a DC coefficient from the one before.
    #[inline(always)]
    pub(super) fn difference(&self, bits: &mut Bits<'_>) -> i32 {
        bits.refill();
        let entry = self.entry(bits);
        if entry.is(Kind::Value) {
            bits.skip(entry.bits());
            return i32::from(entry.value());
        }
        let size = u32::from(self.symbol(bits) & 15);
        value(bits, size)
    }
}

/// The value in the next `size` (0..=15) bits; at most 40 were taken since [`Bits::refill`].
#[inline(always)]
pub(super) fn value(bits: &mut Bits<'_>, size: u32) -> i32 {
    if size == 0 {
        return 0;
    }
    let value = extend(bits.peek(size), size);
    bits.skip(size);
    value
}

/// The signed value of `size` (1..=16) bits: T.81's EXTEND.
#[inline(always)]
fn extend(bits: u32, size: u32) -> i32 {
    let bits = bits as i32;
    if bits < 1 << (size - 1) { bits - (1 << size) + 1 } else { bits }
}
