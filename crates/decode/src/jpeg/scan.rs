//! Entropy-coded data of a sequential scan to coefficients, one block at a time (T.81, F.2).

use super::bits::Bits;
use super::huffman::{Kind, Table, value};
use super::markers::ZIGZAG;

/// A block's coefficients in natural order.
pub(super) type Block = [i16; 64];

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
