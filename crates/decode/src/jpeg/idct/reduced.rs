//! Inverse DCTs to fewer samples than coefficients, as libjpeg scales down while it decodes (`jidctred.c`).

#[cfg(target_arch = "x86_64")]
use super::x86_reduced;
use super::{CONST_BITS, PASS1_BITS, sample, scaled};
use crate::jpeg::simd::Simd;

/// The mean of a block from its DC coefficient.
#[inline(always)]
pub(super) fn one(dc: i16, quantization: u16) -> u8 {
    sample((scaled(dc, quantization) + 4) >> 3)
}

/// A row of blocks to 4x4 samples each.
#[inline(always)]
pub(super) fn to_four(
    simd: Simd,
    blocks: &[[i16; 64]],
    quantization: &[u16; 64],
    plane: &mut [u8],
    stride: usize,
) {
    #[cfg(target_arch = "x86_64")]
    if let Some(v3) = simd.v3 {
        for (at, pair) in blocks.chunks(2).enumerate() {
            let samples = x86_reduced::four(v3, [&pair[0], &pair[pair.len() - 1]], quantization);
            for (column, samples) in (at * 8..).step_by(4).zip(&samples[..pair.len()]) {
                for (row, samples) in plane[column..].chunks_mut(stride).zip(samples) {
                    row[..4].copy_from_slice(&samples.to_le_bytes());
                }
            }
        }
        return;
    }
    for (at, block) in blocks.iter().enumerate() {
        four(block, quantization, &mut plane[at * 4..], stride);
    }
}

/// A row of blocks to 2x2 samples each.
#[inline(always)]
pub(super) fn to_two(
    simd: Simd,
    blocks: &[[i16; 64]],
    quantization: &[u16; 64],
    plane: &mut [u8],
    stride: usize,
) {
    #[cfg(target_arch = "x86_64")]
    if let Some(v3) = simd.v3 {
        for (at, pair) in blocks.chunks(2).enumerate() {
            let samples = x86_reduced::two(v3, [&pair[0], &pair[pair.len() - 1]], quantization);
            for (column, samples) in (at * 4..).step_by(2).zip(&samples[..pair.len()]) {
                for (row, samples) in plane[column..].chunks_mut(stride).zip(samples) {
                    row[..2].copy_from_slice(samples);
                }
            }
        }
        return;
    }
    for (at, block) in blocks.iter().enumerate() {
        two(block, quantization, &mut plane[at * 2..], stride);
    }
}

/// To 2x2 samples.
#[inline(always)]
fn two(block: &[i16; 64], quantization: &[u16; 64], target: &mut [u8], stride: usize) {
    let mut columns = [[0; 2]; 8];
    for c in [0, 1, 3, 5, 7] {
        let v = |r: usize| scaled(block[r * 8 + c], quantization[r * 8 + c]);
        columns[c] = half_of_four::<{ CONST_BITS - PASS1_BITS + 2 }>([v(0), v(1), v(3), v(5), v(7)]);
    }
    for (r, row) in target.chunks_mut(stride).take(2).enumerate() {
        let values = [0, 1, 3, 5, 7].map(|c| columns[c][r]);
        row[..2].copy_from_slice(&half_of_four::<{ CONST_BITS + PASS1_BITS + 3 + 2 }>(values).map(sample));
    }
}

/// One dimension, from coefficients 0, 1, 3, 5 and 7 to two values.
#[inline(always)]
fn half_of_four<const SHIFT: u32>([v0, v1, v3, v5, v7]: [i32; 5]) -> [i32; 2] {
    let even = v0 << (CONST_BITS + 2);
    let odd = sum([(v7, -5906), (v5, 6967), (v3, -10426), (v1, 29692)]);
    [even.wrapping_add(odd), even.wrapping_sub(odd)].map(round::<SHIFT>)
}

/// To 4x4 samples.
#[inline(always)]
fn four(block: &[i16; 64], quantization: &[u16; 64], target: &mut [u8], stride: usize) {
    let mut columns = [[0; 8]; 4];
    for c in [0, 1, 2, 3, 5, 6, 7] {
        let v = |r: usize| scaled(block[r * 8 + c], quantization[r * 8 + c]);
        let values = half::<{ CONST_BITS - PASS1_BITS + 1 }>([v(0), v(1), v(2), v(3), v(5), v(6), v(7)]);
        for (row, value) in columns.iter_mut().zip(values) {
            row[c] = value;
        }
    }
    for (row, [v0, v1, v2, v3, _, v5, v6, v7]) in target.chunks_mut(stride).zip(columns) {
        let values = half::<{ CONST_BITS + PASS1_BITS + 3 + 1 }>([v0, v1, v2, v3, v5, v6, v7]);
        row[..4].copy_from_slice(&values.map(sample));
    }
}

/// One dimension, from all coefficients but the fourth to four values.
#[inline(always)]
fn half<const SHIFT: u32>([v0, v1, v2, v3, v5, v6, v7]: [i32; 7]) -> [i32; 4] {
    let (t0, t2) = (v0 << (CONST_BITS + 1), sum([(v2, 15137), (v6, -6270), (0, 0), (0, 0)]));
    let (outer, inner) = (t0.wrapping_add(t2), t0.wrapping_sub(t2));
    let t0 = sum([(v7, -1730), (v5, 11893), (v3, -17799), (v1, 8697)]);
    let t2 = sum([(v7, -4176), (v5, -4926), (v3, 7373), (v1, 20995)]);
    [outer.wrapping_add(t2), inner.wrapping_add(t0), inner.wrapping_sub(t0), outer.wrapping_sub(t2)]
        .map(round::<SHIFT>)
}

#[inline(always)]
fn sum(products: [(i32, i32); 4]) -> i32 {
    let [a, b, c, d] = products.map(|(value, factor)| value.wrapping_mul(factor));
    a.wrapping_add(b).wrapping_add(c).wrapping_add(d)
}

#[inline(always)]
fn round<const SHIFT: u32>(value: i32) -> i32 {
    let value = value.wrapping_add(1 << (SHIFT - 1)) >> SHIFT;
    // 16 bits are kept between the passes, as in libjpeg-turbo's vector code.
    value.clamp(i16::MIN.into(), i16::MAX.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jpeg::idct::tests::blocks;

    #[test]
    fn every_instruction_set_gives_the_same_samples() {
        let (blocks, simd) = (blocks(), Simd::detect());
        let blocks = &blocks[1..];
        let quantization = std::array::from_fn(|i| 1 + i as u16 / 3);
        let stride = blocks.len() * 4;
        let (mut fast, mut plain) = (vec![0; stride * 4], vec![0; stride * 4]);
        to_four(simd, blocks, &quantization, &mut fast, stride);
        for (at, block) in blocks.iter().enumerate() {
            four(block, &quantization, &mut plain[at * 4..], stride);
        }
        assert!(fast == plain);
        to_two(simd, blocks, &quantization, &mut fast, stride);
        for (at, block) in blocks.iter().enumerate() {
            two(block, &quantization, &mut plain[at * 2..], stride);
        }
        assert!(fast == plain);
    }
}
