//! What [`super::Pixels`] does, with AVX2.

use super::pixels::{Column, Quad};
use pulp::x86::V3;
use pulp::{cast, cast_lossy};
use std::arch::x86_64::{__m128i, __m256i};

/// In both halves of a register.
const fn twice(half: [u8; 16]) -> [[u8; 16]; 2] {
    [half, half]
}

/// Two quads in the halves of a register. Through memory, sixteen bytes at a time, the register would wait for both.
#[inline(always)]
fn both(simd: V3, low: &Quad, high: &Quad) -> __m256i {
    let low = simd.avx._mm256_castsi128_si256(cast(*low));
    simd.avx2._mm256_inserti128_si256::<1>(low, cast(*high))
}

/// Nothing comes to this place.
const NONE: u8 = 0x80;

#[inline(always)]
pub(super) fn columns(simd: V3, rows: [&Quad; 8]) -> [Column; 4] {
    let avx2 = simd.avx2;
    let spread: __m256i = cast(twice([0, 1, 2, NONE, 3, 4, 5, NONE, 6, 7, 8, NONE, 9, 10, 11, NONE]));
    let pair = |low: usize, high: usize| avx2._mm256_shuffle_epi8(both(simd, rows[low], rows[high]), spread);
    let (a, b, c, d) = (pair(0, 4), pair(1, 5), pair(2, 6), pair(3, 7));
    let (ab, ab_high) = (avx2._mm256_unpacklo_epi32(a, b), avx2._mm256_unpackhi_epi32(a, b));
    let (cd, cd_high) = (avx2._mm256_unpacklo_epi32(c, d), avx2._mm256_unpackhi_epi32(c, d));
    [
        cast(avx2._mm256_unpacklo_epi64(ab, cd)),
        cast(avx2._mm256_unpackhi_epi64(ab, cd)),
        cast(avx2._mm256_unpacklo_epi64(ab_high, cd_high)),
        cast(avx2._mm256_unpackhi_epi64(ab_high, cd_high)),
    ]
}

/// The pixels of each half of a register without their fourth bytes.
#[inline(always)]
fn without_fourth(simd: V3, pixels: __m256i) -> __m256i {
    let gather = cast(twice([0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, NONE, NONE, NONE, NONE]));
    simd.avx2._mm256_shuffle_epi8(pixels, gather)
}

#[inline(always)]
pub(super) fn packed(simd: V3, column: &Column) -> [u8; 24] {
    let together = cast([0u32, 1, 2, 4, 5, 6, 3, 7]);
    let halves = without_fourth(simd, cast(*column));
    cast_lossy(simd.avx2._mm256_permutevar8x32_epi32(halves, together))
}

#[inline(always)]
pub(super) fn rows(simd: V3, columns: [&Column; 4]) -> [Quad; 8] {
    let avx2 = simd.avx2;
    let [a, b, c, d] = [
        cast::<Column, __m256i>(*columns[0]),
        cast::<Column, __m256i>(*columns[1]),
        cast::<Column, __m256i>(*columns[2]),
        cast::<Column, __m256i>(*columns[3]),
    ];
    let (ab, ab_high) = (avx2._mm256_unpacklo_epi32(a, b), avx2._mm256_unpackhi_epi32(a, b));
    let (cd, cd_high) = (avx2._mm256_unpacklo_epi32(c, d), avx2._mm256_unpackhi_epi32(c, d));
    let halves = |rows: __m256i| cast::<__m256i, [Quad; 2]>(without_fourth(simd, rows));
    let [r0, r4] = halves(avx2._mm256_unpacklo_epi64(ab, cd));
    let [r1, r5] = halves(avx2._mm256_unpackhi_epi64(ab, cd));
    let [r2, r6] = halves(avx2._mm256_unpacklo_epi64(ab_high, cd_high));
    let [r3, r7] = halves(avx2._mm256_unpackhi_epi64(ab_high, cd_high));
    [r0, r1, r2, r3, r4, r5, r6, r7]
}

#[inline(always)]
pub(super) fn last_five_reversed(simd: V3, pixels: &Quad) -> Quad {
    let order: __m128i = cast([13u8, 14, 15, 10, 11, 12, 7, 8, 9, 4, 5, 6, 1, 2, 3, NONE]);
    cast(simd.ssse3._mm_shuffle_epi8(cast(*pixels), order))
}

#[inline(always)]
pub(super) fn greys(simd: V3, quads: [&Quad; 2]) -> [Quad; 2] {
    let (avx, avx2) = (simd.avx, simd.avx2);
    let pixels = both(simd, quads[0], quads[1]);
    let red_green: __m256i =
        cast(twice([0, NONE, 1, NONE, 3, NONE, 4, NONE, 6, NONE, 7, NONE, 9, NONE, 10, NONE]));
    let green_blue: __m256i =
        cast(twice([1, NONE, 2, NONE, 4, NONE, 5, NONE, 7, NONE, 8, NONE, 10, NONE, 11, NONE]));
    // Half of green's weight in either product: the whole does not fit into 16 bits with a sign.
    let weights = |first: i32, second: i32| avx._mm256_set1_epi32(second << 16 | first);
    let sum = avx2._mm256_add_epi32(
        avx2._mm256_madd_epi16(avx2._mm256_shuffle_epi8(pixels, red_green), weights(19595, 19235)),
        avx2._mm256_madd_epi16(avx2._mm256_shuffle_epi8(pixels, green_blue), weights(19235, 7471)),
    );
    let grey = avx2._mm256_srli_epi32::<16>(avx2._mm256_add_epi32(sum, avx._mm256_set1_epi32(0x8000)));
    let thrice: __m256i = cast(twice([0, 0, 0, 4, 4, 4, 8, 8, 8, 12, 12, 12, NONE, NONE, NONE, NONE]));
    cast(avx2._mm256_shuffle_epi8(grey, thrice))
}
