//! The inverse DCT of two blocks at once with AVX2: a block in each half of a register, 16 bits to a value.

use super::{CONST_BITS, PASS1_BITS};
use pulp::cast;
use pulp::x86::V3;
use std::arch::x86_64::__m256i;

/// Row `r` of both blocks.
pub(super) type Rows = [__m256i; 8];

/// Two blocks; the result has a row of 8 samples for each row of each block.
#[inline(always)]
pub(super) fn two_blocks(simd: V3, blocks: [&[i16; 64]; 2], quantization: &[u16; 64]) -> [[u64; 8]; 2] {
    let values = dequantized(simd, blocks, quantization);
    let columns = pass::<{ (CONST_BITS - PASS1_BITS) as i32 }>(simd, values);
    let rows = pass::<{ (CONST_BITS + PASS1_BITS + 3) as i32 }>(simd, transpose(simd, columns));
    samples(simd, rows)
}

/// The rows of both blocks, times their quantisation steps.
#[inline(always)]
pub(super) fn dequantized(simd: V3, blocks: [&[i16; 64]; 2], quantization: &[u16; 64]) -> Rows {
    let steps = quantization.as_chunks::<8>().0;
    let rows = [blocks[0].as_chunks::<8>().0, blocks[1].as_chunks::<8>().0];
    // Loops, as closures handed to `from_fn` or `map` are not sure to be inlined.
    let mut values = [simd.avx._mm256_setzero_si256(); 8];
    for r in 0..8 {
        let step = cast::<[[u16; 8]; 2], __m256i>([steps[r], steps[r]]);
        values[r] = simd.avx2._mm256_mullo_epi16(cast([rows[0][r], rows[1][r]]), step);
    }
    values
}

/// One dimension, as `super::pass` in its own words: pairs of products are added up in 32 bits.
#[inline(always)]
fn pass<const SHIFT: i32>(simd: V3, v: Rows) -> Rows {
    let (avx, avx2) = (simd.avx, simd.avx2);
    // The products of a pair of values with a pair of factors, of the lower and of the upper half of the columns.
    let product = |(low, high): (__m256i, __m256i), a: i16, b: i16| {
        let factors = avx._mm256_set1_epi32(i32::from(b) << 16 | i32::from(a.cast_unsigned()));
        (avx2._mm256_madd_epi16(low, factors), avx2._mm256_madd_epi16(high, factors))
    };
    let pair = |a, b| (avx2._mm256_unpacklo_epi16(a, b), avx2._mm256_unpackhi_epi16(a, b));
    type Wide = (__m256i, __m256i);
    let add = |a: Wide, b: Wide| (avx2._mm256_add_epi32(a.0, b.0), avx2._mm256_add_epi32(a.1, b.1));
    let subtract = |a: Wide, b: Wide| (avx2._mm256_sub_epi32(a.0, b.0), avx2._mm256_sub_epi32(a.1, b.1));
    // Scaled, and with the half that rounds when it is shifted back.
    let half = avx._mm256_set1_epi32(1 << (SHIFT - 1));
    let zero = avx._mm256_setzero_si256();
    let scaled = |value: __m256i| {
        let (low, high) = (avx2._mm256_unpacklo_epi16(zero, value), avx2._mm256_unpackhi_epi16(zero, value));
        let shift =
            |wide| avx2._mm256_add_epi32(avx2._mm256_srai_epi32::<{ 16 - CONST_BITS as i32 }>(wide), half);
        (shift(low), shift(high))
    };
    // Even part.
    let v26 = pair(v[2], v[6]);
    let t3 = product(v26, 4433 + 6270, 4433);
    let t2 = product(v26, 4433, 4433 - 15137);
    let t0 = scaled(avx2._mm256_add_epi16(v[0], v[4]));
    let t1 = scaled(avx2._mm256_sub_epi16(v[0], v[4]));
    let even = [add(t0, t3), add(t1, t2), subtract(t1, t2), subtract(t0, t3)];
    // Odd part.
    let z34 = pair(avx2._mm256_add_epi16(v[7], v[3]), avx2._mm256_add_epi16(v[5], v[1]));
    let z3 = product(z34, 9633 - 16069, 9633);
    let z4 = product(z34, 9633, 9633 - 3196);
    let (v71, v53) = (pair(v[7], v[1]), pair(v[5], v[3]));
    let odd = [
        add(product(v71, -7373, 12299 - 7373), z4),
        add(product(v53, -20995, 25172 - 20995), z3),
        add(product(v53, 16819 - 20995, -20995), z4),
        add(product(v71, 2446 - 7373, -7373), z3),
    ];
    let narrow = |(low, high): Wide| {
        avx2._mm256_packs_epi32(avx2._mm256_srai_epi32::<SHIFT>(low), avx2._mm256_srai_epi32::<SHIFT>(high))
    };
    [
        narrow(add(even[0], odd[0])),
        narrow(add(even[1], odd[1])),
        narrow(add(even[2], odd[2])),
        narrow(add(even[3], odd[3])),
        narrow(subtract(even[3], odd[3])),
        narrow(subtract(even[2], odd[2])),
        narrow(subtract(even[1], odd[1])),
        narrow(subtract(even[0], odd[0])),
    ]
}

/// Turns both blocks about their diagonals.
#[inline(always)]
fn transpose(simd: V3, v: Rows) -> Rows {
    let avx2 = simd.avx2;
    let low = |a, b| avx2._mm256_unpacklo_epi16(a, b);
    let high = |a, b| avx2._mm256_unpackhi_epi16(a, b);
    // Each round brings the rows that are 4, 2 and 1 apart together.
    let round = |v: Rows| {
        [
            low(v[0], v[4]),
            high(v[0], v[4]),
            low(v[1], v[5]),
            high(v[1], v[5]),
            low(v[2], v[6]),
            high(v[2], v[6]),
            low(v[3], v[7]),
            high(v[3], v[7]),
        ]
    };
    round(round(round(v)))
}

/// Values to samples: centred on 128, clamped, and turned about their diagonals once more.
#[inline(always)]
fn samples(simd: V3, v: Rows) -> [[u64; 8]; 2] {
    let (avx, avx2) = (simd.avx, simd.avx2);
    let centre = avx._mm256_set1_epi8(-128);
    // Two columns of a block one behind the other, and then turn by turn.
    let turns = cast::<[[u8; 16]; 2], __m256i>([[0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15]; 2]);
    let columns = |a, b| {
        let both = avx2._mm256_xor_si256(avx2._mm256_packs_epi16(a, b), centre);
        avx2._mm256_shuffle_epi8(both, turns)
    };
    let [c01, c23, c45, c67] =
        [columns(v[0], v[1]), columns(v[2], v[3]), columns(v[4], v[5]), columns(v[6], v[7])];
    let (c03, c03_below) = (avx2._mm256_unpacklo_epi16(c01, c23), avx2._mm256_unpackhi_epi16(c01, c23));
    let (c47, c47_below) = (avx2._mm256_unpacklo_epi16(c45, c67), avx2._mm256_unpackhi_epi16(c45, c67));
    let rows: [[[u64; 2]; 2]; 4] = [
        cast(avx2._mm256_unpacklo_epi32(c03, c47)),
        cast(avx2._mm256_unpackhi_epi32(c03, c47)),
        cast(avx2._mm256_unpacklo_epi32(c03_below, c47_below)),
        cast(avx2._mm256_unpackhi_epi32(c03_below, c47_below)),
    ];
    let mut samples = [[0; 8]; 2];
    for r in 0..8 {
        samples[0][r] = rows[r / 2][0][r % 2];
        samples[1][r] = rows[r / 2][1][r % 2];
    }
    samples
}
