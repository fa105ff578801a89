//! What [`super::Pixels`] does, with AVX2 and AVX-512.

use super::pixels::{Column, Quad, Run};
use pulp::x86::{V3, V4};
use pulp::{cast, cast_lossy};
use std::arch::x86_64::{__m128i, __m256i, __m512i};
use std::hint::black_box;

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
pub(super) fn last_five_reversed(simd: V3, pixels: &Quad, kept: &Quad) -> Quad {
    let order: __m128i = cast([13u8, 14, 15, 10, 11, 12, 7, 8, 9, 4, 5, 6, 1, 2, 3, NONE]);
    let last: __m128i = cast([0u8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255]);
    let reversed = simd.ssse3._mm_shuffle_epi8(cast(*pixels), order);
    cast(simd.sse2._mm_or_si128(reversed, simd.sse2._mm_and_si128(cast(*kept), last)))
}

#[inline(always)]
pub(super) fn first_five_reversed(simd: V3, pixels: &Quad, kept: &Quad) -> Quad {
    let order: __m128i = cast([NONE, 12u8, 13, 14, 9, 10, 11, 6, 7, 8, 3, 4, 5, 0, 1, 2]);
    let first: __m128i = cast([255u8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let reversed = simd.ssse3._mm_shuffle_epi8(cast(*pixels), order);
    cast(simd.sse2._mm_or_si128(reversed, simd.sse2._mm_and_si128(cast(*kept), first)))
}

/// Sixteen words of the thirty-two of `a` and `b`.
#[inline(always)]
fn choose(simd: V4, a: __m512i, order: [u32; 16], b: __m512i) -> __m512i {
    simd.avx512f._mm512_permutex2var_epi32(a, cast(order), b)
}

/// How 64 pixels change places, four in each quarter of a register: words into quarters with a gap behind each, bytes within
/// quarters, and words without the gaps.
pub(super) struct Reversal {
    apart: [[u32; 16]; 4],
    within: [Quad; 4],
    together: [[u32; 16]; 3],
}

impl Reversal {
    pub(super) fn new() -> Self {
        let within = [9, 10, 11, 6, 7, 8, 3, 4, 5, 0, 1, 2, NONE, NONE, NONE, NONE];
        // What the compiler knows it makes one shuffle of, for which this instruction set needs eight.
        black_box(Self {
            apart: [
                [13, 14, 15, 0, 10, 11, 12, 0, 7, 8, 9, 0, 4, 5, 6, 0],
                [17, 18, 19, 0, 14, 15, 16, 0, 11, 12, 13, 0, 8, 9, 10, 0],
                [21, 22, 23, 0, 18, 19, 20, 0, 15, 16, 17, 0, 12, 13, 14, 0],
                [9, 10, 11, 0, 6, 7, 8, 0, 3, 4, 5, 0, 0, 1, 2, 0],
            ],
            within: [within; 4],
            together: [
                [0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 16, 17, 18, 20],
                [5, 6, 8, 9, 10, 12, 13, 14, 16, 17, 18, 20, 21, 22, 24, 25],
                [10, 12, 13, 14, 16, 17, 18, 20, 21, 22, 24, 25, 26, 28, 29, 30],
            ],
        })
    }

    #[inline(always)]
    pub(super) fn apply(&self, simd: V4, pixels: &Run) -> Run {
        let mut result = [0; 192];
        let [a, b, c] = pixels.as_chunks::<64>().0 else { return result };
        let (a, b, c) = (cast(*a), cast(*b), cast(*c));
        // The last sixteen pixels first.
        let [first, second, third, fourth] = self.apart;
        let alone = |a, order| simd.avx512f._mm512_permutexvar_epi32(cast::<[u32; 16], _>(order), a);
        let within = |words| simd.avx512bw._mm512_shuffle_epi8(words, cast(self.within));
        let (p, q) = (within(alone(c, first)), within(choose(simd, b, second, c)));
        let (r, s) = (within(choose(simd, a, third, b)), within(alone(a, fourth)));
        let [first, second, third] = self.together;
        let thirds = [choose(simd, p, first, q), choose(simd, q, second, r), choose(simd, r, third, s)];
        for (bytes, third) in result.as_chunks_mut::<64>().0.iter_mut().zip(thirds) {
            *bytes = cast(third);
        }
        result
    }
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
