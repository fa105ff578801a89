//! `super::reduced` of two blocks at once with AVX2: a block in each half of a register, 16 bits to a value.

use super::x86::dequantized;
use super::{CONST_BITS, PASS1_BITS};
use pulp::cast;
use pulp::x86::V3;
use std::arch::x86_64::__m256i;

/// Two factors for the products of pairs.
#[inline(always)]
fn factors(simd: V3, a: i16, b: i16) -> __m256i {
    simd.avx._mm256_set1_epi32(i32::from(b) << 16 | i32::from(a.cast_unsigned()))
}

/// 32-bit values, rounded and shifted right.
#[inline(always)]
fn rounded<const SHIFT: i32>(simd: V3, value: __m256i) -> __m256i {
    let half = simd.avx._mm256_set1_epi32(1 << (SHIFT - 1));
    simd.avx2._mm256_srai_epi32::<SHIFT>(simd.avx2._mm256_add_epi32(value, half))
}

/// To 4x4 samples: four rows of each block.
#[inline(always)]
pub(super) fn four(simd: V3, blocks: [&[i16; 64]; 2], quantization: &[u16; 64]) -> [[u32; 4]; 2] {
    let (avx, avx2) = (simd.avx, simd.avx2);
    let v = dequantized(simd, blocks, quantization);
    let zero = avx._mm256_setzero_si256();
    const SHIFT: i32 = (CONST_BITS - PASS1_BITS + 1) as i32;
    let low = half::<SHIFT>(
        simd,
        avx2._mm256_unpacklo_epi16(zero, v[0]),
        avx2._mm256_unpacklo_epi16(v[2], v[6]),
        avx2._mm256_unpacklo_epi16(v[7], v[5]),
        avx2._mm256_unpacklo_epi16(v[3], v[1]),
    );
    let high = half::<SHIFT>(
        simd,
        avx2._mm256_unpackhi_epi16(zero, v[0]),
        avx2._mm256_unpackhi_epi16(v[2], v[6]),
        avx2._mm256_unpackhi_epi16(v[7], v[5]),
        avx2._mm256_unpackhi_epi16(v[3], v[1]),
    );
    let mut rows = [zero; 4];
    for r in 0..4 {
        rows[r] = avx2._mm256_packs_epi32(low[r], high[r]);
    }
    let (r01, r23) =
        (avx2._mm256_unpacklo_epi16(rows[0], rows[1]), avx2._mm256_unpacklo_epi16(rows[2], rows[3]));
    let (r01_right, r23_right) =
        (avx2._mm256_unpackhi_epi16(rows[0], rows[1]), avx2._mm256_unpackhi_epi16(rows[2], rows[3]));
    // Two columns of four values each.
    let (c01, c23) = (avx2._mm256_unpacklo_epi32(r01, r23), avx2._mm256_unpackhi_epi32(r01, r23));
    let (c45, c67) =
        (avx2._mm256_unpacklo_epi32(r01_right, r23_right), avx2._mm256_unpackhi_epi32(r01_right, r23_right));
    let columns = half::<{ (CONST_BITS + PASS1_BITS + 3 + 1) as i32 }>(
        simd,
        avx2._mm256_unpacklo_epi16(zero, c01),
        avx2._mm256_unpacklo_epi16(c23, c67),
        avx2._mm256_unpackhi_epi16(c67, c45),
        avx2._mm256_unpackhi_epi16(c23, c01),
    );
    let samples = avx2._mm256_packs_epi16(
        avx2._mm256_packs_epi32(columns[0], columns[1]),
        avx2._mm256_packs_epi32(columns[2], columns[3]),
    );
    let turned = cast::<[[u8; 16]; 2], __m256i>([[0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15]; 2]);
    let centred = avx2._mm256_xor_si256(samples, avx._mm256_set1_epi8(-128));
    cast(avx2._mm256_shuffle_epi8(centred, turned))
}

/// One dimension of some columns. The first coefficient comes in the upper halves of 32 bits, others in pairs.
#[inline(always)]
fn half<const SHIFT: i32>(simd: V3, v0: __m256i, v26: __m256i, v75: __m256i, v31: __m256i) -> [__m256i; 4] {
    let avx2 = simd.avx2;
    let product = |pairs, a, b| avx2._mm256_madd_epi16(pairs, factors(simd, a, b));
    let t0 = avx2._mm256_srai_epi32::<{ 16 - (CONST_BITS + 1) as i32 }>(v0);
    let t2 = product(v26, 15137, -6270);
    let (outer, inner) = (avx2._mm256_add_epi32(t0, t2), avx2._mm256_sub_epi32(t0, t2));
    let t0 = avx2._mm256_add_epi32(product(v75, -1730, 11893), product(v31, -17799, 8697));
    let t2 = avx2._mm256_add_epi32(product(v75, -4176, -4926), product(v31, 7373, 20995));
    [
        rounded::<SHIFT>(simd, avx2._mm256_add_epi32(outer, t2)),
        rounded::<SHIFT>(simd, avx2._mm256_add_epi32(inner, t0)),
        rounded::<SHIFT>(simd, avx2._mm256_sub_epi32(inner, t0)),
        rounded::<SHIFT>(simd, avx2._mm256_sub_epi32(outer, t2)),
    ]
}

/// To 2x2 samples: two rows of each block.
#[inline(always)]
pub(super) fn two(simd: V3, blocks: [&[i16; 64]; 2], quantization: &[u16; 64]) -> [[[u8; 2]; 2]; 2] {
    let (avx, avx2) = (simd.avx, simd.avx2);
    let v = dequantized(simd, blocks, quantization);
    let zero = avx._mm256_setzero_si256();
    const SHIFT: i32 = (CONST_BITS - PASS1_BITS + 2) as i32;
    let low = half_of_four::<SHIFT>(
        simd,
        avx2._mm256_unpacklo_epi16(zero, v[0]),
        avx2._mm256_unpacklo_epi16(v[7], v[5]),
        avx2._mm256_unpacklo_epi16(v[3], v[1]),
    );
    let high = half_of_four::<SHIFT>(
        simd,
        avx2._mm256_unpackhi_epi16(zero, v[0]),
        avx2._mm256_unpackhi_epi16(v[7], v[5]),
        avx2._mm256_unpackhi_epi16(v[3], v[1]),
    );
    let (upper, lower) = (avx2._mm256_packs_epi32(low[0], high[0]), avx2._mm256_packs_epi32(low[1], high[1]));
    // Turn by turn a value of the upper and of the lower row.
    let (left, right) = (avx2._mm256_unpacklo_epi16(upper, lower), avx2._mm256_unpackhi_epi16(upper, lower));
    let pick = |from, places: [u8; 8]| {
        let mut all = [0x80; 16];
        all[..8].copy_from_slice(&places);
        avx2._mm256_shuffle_epi8(from, cast([all; 2]))
    };
    let columns = half_of_four::<{ (CONST_BITS + PASS1_BITS + 3 + 2) as i32 }>(
        simd,
        pick(left, [0x80, 0x80, 0, 1, 0x80, 0x80, 2, 3]),
        pick(right, [12, 13, 4, 5, 14, 15, 6, 7]),
        pick(left, [12, 13, 4, 5, 14, 15, 6, 7]),
    );
    let samples = avx2._mm256_packs_epi32(columns[0], columns[1]);
    let samples =
        avx2._mm256_xor_si256(avx2._mm256_packs_epi16(samples, samples), avx._mm256_set1_epi8(-128));
    let [first, second]: [[u8; 16]; 2] = cast(samples);
    [[[first[0], first[4]], [first[1], first[5]]], [[second[0], second[4]], [second[1], second[5]]]]
}

/// One dimension of some columns, as [`half`].
#[inline(always)]
fn half_of_four<const SHIFT: i32>(simd: V3, v0: __m256i, v75: __m256i, v31: __m256i) -> [__m256i; 2] {
    let avx2 = simd.avx2;
    let product = |pairs, a, b| avx2._mm256_madd_epi16(pairs, factors(simd, a, b));
    let even = avx2._mm256_srai_epi32::<{ 16 - (CONST_BITS + 2) as i32 }>(v0);
    let odd = avx2._mm256_add_epi32(product(v75, -5906, 6967), product(v31, -10426, 29692));
    [
        rounded::<SHIFT>(simd, avx2._mm256_add_epi32(even, odd)),
        rounded::<SHIFT>(simd, avx2._mm256_sub_epi32(even, odd)),
    ]
}
