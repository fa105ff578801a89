//! Entropy-coded data to coefficients: one block at a time, sequential and progressive (T.81, F.2 and G.2).

use super::bits::Bits;
use super::huffman::{Table, extend};
use super::markers::ZIGZAG;

/// What has to be known to decode a block of one component.
pub(super) struct Coding<'a> {
    pub(super) dc: Option<&'a Table>,
    pub(super) ac: Option<&'a Table>,
}

/// A block's coefficients in natural order.
type Block = [i16; 64];

/// A whole block of a sequential scan, into a block of zeros. Gives the zigzag index of its last coefficient.
#[inline(always)]
pub(super) fn sequential(
    bits: &mut Bits<'_>,
    dc: &Table,
    ac: &Table,
    predicted: &mut i32,
    block: &mut Block,
) -> u8 {
    *predicted = predicted.wrapping_add(difference(bits, dc));
    block[0] = *predicted as i16;
    let (mut k, mut last) = (1, 0);
    while k < 64 {
        bits.refill();
        let value = if let Some((value, run, length)) = ac.whole(bits) {
            bits.skip(length);
            k += run;
            value
        } else {
            let symbol = ac.symbol(bits);
            let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            if size == 0 {
                if run < 15 {
                    break;
                }
                k += 16;
                continue;
            }
            k += run;
            extend(bits.take(size), size)
        };
        if k > 63 {
            break;
        }
        block[usize::from(ZIGZAG[k])] = value as i16;
        last = k as u8;
        k += 1;
    }
    last
}

/// The difference of a DC coefficient from the one before.
#[inline(always)]
fn difference(bits: &mut Bits<'_>, table: &Table) -> i32 {
    let size = u32::from(table.symbol(bits) & 15);
    if size == 0 { 0 } else { extend(bits.take(size), size) }
}

/// A progressive scan's part of the state that lasts from block to block.
pub(super) struct Progression {
    /// First and last coefficient, in zigzag order.
    pub(super) spectral: (usize, usize),
    /// Whether an earlier scan gave the higher bits.
    pub(super) refines: bool,
    /// The bit that this scan gives.
    pub(super) low: u32,
    /// Blocks left that have no further coefficients.
    pub(super) end_run: u32,
}

impl Progression {
    /// The scan's part of one block.
    pub(super) fn block(
        &mut self,
        bits: &mut Bits<'_>,
        coding: &Coding<'_>,
        predicted: &mut i32,
        block: &mut Block,
    ) -> Option<()> {
        match (self.spectral.0 == 0, self.refines) {
            (true, false) => {
                *predicted = predicted.wrapping_add(difference(bits, coding.dc?));
                block[0] = (*predicted << self.low) as i16;
            }
            (true, true) => block[0] |= (bits.take(1) << self.low) as i16,
            (false, false) => self.first(bits, coding.ac?, block),
            (false, true) => self.refine(bits, coding.ac?, block),
        }
        Some(())
    }

    /// The first scan of AC coefficients.
    fn first(&mut self, bits: &mut Bits<'_>, table: &Table, block: &mut Block) {
        if self.end_run > 0 {
            self.end_run -= 1;
            return;
        }
        let (mut k, end) = self.spectral;
        while k <= end {
            let symbol = table.symbol(bits);
            let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            if size == 0 {
                if run < 15 {
                    self.end_run = run_length(bits, run as u32) - 1;
                    break;
                }
                k += 16;
                continue;
            }
            k += run;
            let value = extend(bits.take(size), size) << self.low;
            if k > 63 {
                break;
            }
            block[usize::from(ZIGZAG[k])] = value as i16;
            k += 1;
        }
    }

    /// A later scan of AC coefficients: one more bit of those that are known, and new ones of size 1.
    fn refine(&mut self, bits: &mut Bits<'_>, table: &Table, block: &mut Block) {
        let bit = 1_i16 << self.low;
        let (mut k, end) = self.spectral;
        if self.end_run == 0 {
            while k <= end {
                let symbol = table.symbol(bits);
                let (mut run, size) = (symbol >> 4, symbol & 15);
                let mut value = 0;
                if size != 0 {
                    value = if bits.take(1) == 1 { bit } else { -bit };
                } else if run < 15 {
                    self.end_run = run_length(bits, u32::from(run));
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
        if self.end_run > 0 {
            for k in k..=end {
                let coefficient = &mut block[usize::from(ZIGZAG[k])];
                if *coefficient != 0 {
                    correct(bits, coefficient, bit);
                }
            }
            self.end_run -= 1;
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
