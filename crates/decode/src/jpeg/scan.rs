//! Entropy-coded data to coefficients: one block at a time, sequential and progressive (T.81, F.2 and G.2).

use super::bits::Bits;
use super::cursor::Cursor;
use super::huffman::{Kind, Table, value};
use super::markers::ZIGZAG;

/// What has to be known to decode a block of one component.
#[derive(Clone, Copy)]
pub(super) struct Coding<'a> {
    pub(super) dc: Option<&'a Table>,
    pub(super) ac: Option<&'a Table>,
}

/// A block's coefficients in natural order.
type Block = [i16; 64];

/// Symbols that are looked up after one refill; a long one still fits behind them.
const LOOKS: usize = 3;

/// A whole block of a sequential scan, into a block of zeros. Gives the zigzag index of the last coefficient that may
/// differ from 0.
#[inline(always)]
pub(super) fn sequential(
    state: &mut Bits<'_>,
    dc: &Table,
    ac: &Table,
    predicted: &mut i32,
    block: &mut Block,
) -> u8 {
    // A copy, which can stay in registers.
    let mut bits = *state;
    let last = sequential_block(&mut bits, dc, ac, predicted, block);
    *state = bits;
    last
}

#[inline(always)]
fn sequential_block(
    bits: &mut Bits<'_>,
    dc: &Table,
    ac: &Table,
    predicted: &mut i32,
    block: &mut Block,
) -> u8 {
    *predicted = predicted.wrapping_add(dc.difference(bits));
    block[0] = *predicted as i16;
    let mut k = 1;
    loop {
        bits.refill();
        for _ in 0..LOOKS {
            let entry = ac.entry(bits);
            if !entry.is(Kind::Value) {
                match after_look(bits, ac) {
                    Symbol::End => return (k - 1) as u8,
                    Symbol::Zeros => k += 16,
                    Symbol::Value(run, value) => {
                        k += run;
                        if let Some(&at) = ZIGZAG.get(k) {
                            block[usize::from(at & 63)] = value;
                        }
                        k += 1;
                    }
                }
                if k > 63 {
                    return 63;
                }
                break;
            }
            bits.skip(entry.bits());
            k += entry.run();
            if k >= 63 {
                if k == 63 {
                    block[63] = entry.value();
                }
                return 63;
            }
            block[usize::from(ZIGZAG[k] & 63)] = entry.value();
            k += 1;
        }
    }
}

/// Passes a block of a sequential scan; only its DC coefficient is noted.
#[inline(always)]
pub(super) fn pass(state: &mut Bits<'_>, dc: &Table, ac: &Table, predicted: &mut i32) {
    let mut bits = *state;
    pass_block(&mut bits, dc, ac, predicted);
    *state = bits;
}

#[inline(always)]
fn pass_block(bits: &mut Bits<'_>, dc: &Table, ac: &Table, predicted: &mut i32) {
    *predicted = predicted.wrapping_add(dc.difference(bits));
    let mut k = 1;
    loop {
        bits.refill();
        for _ in 0..LOOKS {
            let stride = ac.stride(bits);
            let next = k + stride.coefficients();
            if stride.bits() > 0 && next < 64 {
                bits.skip(stride.bits());
                if stride.ends_block() {
                    return;
                }
                k = next;
                continue;
            }
            let entry = ac.entry(bits);
            if entry.is(Kind::Value) {
                bits.skip(entry.bits());
                k += entry.run() + 1;
            } else {
                match after_look(bits, ac) {
                    Symbol::End => return,
                    Symbol::Zeros => k += 16,
                    Symbol::Value(run, _) => k += run + 1,
                }
            }
            if k > 63 {
                return;
            }
            break;
        }
    }
}

/// A symbol that a look does not settle.
enum Symbol {
    /// The block has no further coefficients.
    End,
    /// Sixteen zeros.
    Zeros,
    /// A run of zeros and the coefficient behind it.
    Value(usize, i16),
}

/// Takes the symbol that starts with an entry without a value.
#[inline(always)]
fn after_look(bits: &mut Bits<'_>, ac: &Table) -> Symbol {
    let entry = ac.entry(bits);
    if entry.is(Kind::Zeros) {
        bits.skip(entry.bits());
        return if entry.run() < 15 { Symbol::End } else { Symbol::Zeros };
    }
    let symbol = ac.symbol(bits);
    match (usize::from(symbol >> 4), u32::from(symbol & 15)) {
        (15, 0) => Symbol::Zeros,
        (_, 0) => Symbol::End,
        (run, size) => Symbol::Value(run, value(bits, size) as i16),
    }
}

/// A progressive scan's part of the state that lasts from block to block.
pub(super) struct Progression {
    /// First and last coefficient, in zigzag order.
    pub(super) spectral: (usize, usize),
    /// Whether an earlier scan gave the higher bits.
    pub(super) refines: bool,
    /// The bit that this scan gives.
    pub(super) low: u32,
}

impl Progression {
    /// The scan's part of one block of its component number `index`. `None` when a table is missing.
    pub(super) fn block(
        &self,
        cursor: &mut Cursor<'_>,
        index: usize,
        coding: &Coding<'_>,
        block: &mut Block,
    ) -> Option<()> {
        match (self.spectral.0 == 0, self.refines) {
            (true, false) => {
                let predicted = &mut cursor.predicted[index];
                *predicted = predicted.wrapping_add(coding.dc?.difference(&mut cursor.bits));
                block[0] = (*predicted << self.low) as i16;
            }
            (true, true) => block[0] |= (cursor.bits.take(1) << self.low) as i16,
            (false, false) => self.first(&mut cursor.bits, &mut cursor.end_run, coding.ac?, block),
            (false, true) => self.refine(&mut cursor.bits, &mut cursor.end_run, coding.ac?, block),
        }
        Some(())
    }

    /// The first scan of AC coefficients.
    fn first(&self, bits: &mut Bits<'_>, end_run: &mut u32, table: &Table, block: &mut Block) {
        if *end_run > 0 {
            *end_run -= 1;
            return;
        }
        let (mut k, end) = self.spectral;
        while k <= end {
            bits.refill();
            let symbol = table.symbol(bits);
            let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            if size == 0 {
                if run < 15 {
                    *end_run = run_length(bits, run as u32) - 1;
                    break;
                }
                k += 16;
                continue;
            }
            k += run;
            let value = value(bits, size) << self.low;
            if k > 63 {
                break;
            }
            block[usize::from(ZIGZAG[k])] = value as i16;
            k += 1;
        }
    }

    /// A later scan of AC coefficients: one more bit of those that are known, and new ones of size 1.
    fn refine(&self, bits: &mut Bits<'_>, end_run: &mut u32, table: &Table, block: &mut Block) {
        let bit = 1_i16 << self.low;
        let (mut k, end) = self.spectral;
        if *end_run == 0 {
            while k <= end {
                bits.refill();
                let symbol = table.symbol(bits);
                let (mut run, size) = (symbol >> 4, symbol & 15);
                let mut value = 0;
                if size != 0 {
                    value = if bits.take(1) == 1 { bit } else { -bit };
                } else if run < 15 {
                    *end_run = run_length(bits, u32::from(run));
                    break;
                }
                while k <= end {
                    let coefficient = &mut block[usize::from(ZIGZAG[k])];
                    if *coefficient != 0 {
                        correct(bits, coefficient, bit);
                    } else if run == 0 {
                        break;
                    } else {
                        run -= 1;
                    }
                    k += 1;
                }
                if value != 0 && k <= end {
                    block[usize::from(ZIGZAG[k])] = value;
                }
                k += 1;
            }
        }
        if *end_run > 0 {
            for k in k..=end {
                let coefficient = &mut block[usize::from(ZIGZAG[k])];
                if *coefficient != 0 {
                    correct(bits, coefficient, bit);
                }
            }
            *end_run -= 1;
        }
    }
}

/// How many blocks an end-of-band symbol covers, itself included.
fn run_length(bits: &mut Bits<'_>, size: u32) -> u32 {
    if size == 0 { 1 } else { (1 << size) + bits.take(size) }
}

/// Reads a correction bit and moves `coefficient` away from zero by `bit` if it is set.
fn correct(bits: &mut Bits<'_>, coefficient: &mut i16, bit: i16) {
    if bits.take(1) == 1 && *coefficient & bit == 0 {
        *coefficient = coefficient.wrapping_add(if *coefficient >= 0 { bit } else { -bit });
    }
}
