//! Entropy-coded data of a progressive scan to coefficients, one block at a time (T.81, G.2).

use super::bits::Bits;
use super::cursor::Cursor;
use super::huffman::{Kind, Table, value};
use super::markers::ZIGZAG;
use super::scan::Block;

/// What has to be known to decode a block of one component.
#[derive(Clone, Copy)]
pub(super) struct Coding<'a> {
    pub(super) dc: Option<&'a Table>,
    pub(super) ac: Option<&'a Table>,
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
    /// The scan's part of one block of its component number `index`; `last` is the zigzag index of the block's last
    /// coefficient that differs from 0. `None` when a table is missing.
    #[inline(always)]
    pub(super) fn block(
        &self,
        cursor: &mut Cursor<'_>,
        index: usize,
        coding: &Coding<'_>,
        block: &mut Block,
        last: &mut u8,
    ) -> Option<()> {
        match (self.spectral.0 == 0, self.refines) {
            (true, false) => {
                let predicted = &mut cursor.predicted[index];
                *predicted = predicted.wrapping_add(coding.dc?.difference(&mut cursor.bits));
                block[0] = (*predicted << self.low) as i16;
            }
            (true, true) => block[0] |= (cursor.bits.take(1) << self.low) as i16,
            (false, refines) => {
                // A copy, which can stay in registers.
                let mut bits = cursor.bits;
                if refines {
                    self.refine(&mut bits, &mut cursor.end_run, coding.ac?, block, last);
                } else {
                    self.first(&mut bits, &mut cursor.end_run, coding.ac?, block, last);
                }
                cursor.bits = bits;
            }
        }
        Some(())
    }

    /// The first scan of AC coefficients.
    #[inline(always)]
    fn first(&self, bits: &mut Bits<'_>, end_run: &mut u32, table: &Table, block: &mut Block, last: &mut u8) {
        if *end_run > 0 {
            *end_run -= 1;
            return;
        }
        let (mut k, end) = self.spectral;
        while k <= end {
            bits.refill();
            let entry = table.entry(bits);
            if entry.is(Kind::Value) {
                bits.skip(entry.bits());
                k += entry.run();
                if k > 63 {
                    break;
                }
                block[usize::from(ZIGZAG[k])] = entry.value() << self.low;
                *last = (*last).max(k as u8);
                k += 1;
                continue;
            }
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
            *last = (*last).max(k as u8);
            k += 1;
        }
    }

    /// A later scan of AC coefficients: one more bit of those that are known, and new ones of size 1.
    #[inline(always)]
    fn refine(
        &self,
        bits: &mut Bits<'_>,
        end_run: &mut u32,
        table: &Table,
        block: &mut Block,
        last: &mut u8,
    ) {
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
                    *last = (*last).max(k as u8);
                }
                k += 1;
            }
        }
        if *end_run > 0 {
            for k in k..=end.min(usize::from(*last)) {
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
#[inline(always)]
fn run_length(bits: &mut Bits<'_>, size: u32) -> u32 {
    if size == 0 { 1 } else { (1 << size) + bits.take(size) }
}

/// Reads a correction bit and moves `coefficient` away from zero by `bit` if it is set.
#[inline(always)]
fn correct(bits: &mut Bits<'_>, coefficient: &mut i16, bit: i16) {
    if bits.take(1) == 1 && *coefficient & bit == 0 {
        *coefficient = coefficient.wrapping_add(if *coefficient >= 0 { bit } else { -bit });
    }
}
