//! YCbCr to interleaved RGB with AVX2, 32 pixels at once.

use pulp::cast;
use pulp::x86::V3;
use std::arch::x86_64::__m256i;

/// How many pixels [`rgb`] converts.
pub(super) const PIXELS: usize = 32;

/// 16 bits to a value, of the lower and the upper eight pixels in each half of a register.
type Wide = (__m256i, __m256i);

/// `super::rgb_of` for many pixels: the constants' whole parts are added, so that the rest fits into 16 bits.
#[inline(always)]
pub(super) fn rgb(simd: V3, y: &[u8; PIXELS], cb: &[u8; PIXELS], cr: &[u8; PIXELS]) -> [[u8; PIXELS]; 3] {
    let (avx, avx2) = (simd.avx, simd.avx2);
    let zero = avx._mm256_setzero_si256();
    let widen = |bytes: &[u8; PIXELS]| -> Wide {
        let bytes = cast(*bytes);
        (avx2._mm256_unpacklo_epi8(bytes, zero), avx2._mm256_unpackhi_epi8(bytes, zero))
    };
    let add = |a: Wide, b: Wide| (avx2._mm256_add_epi16(a.0, b.0), avx2._mm256_add_epi16(a.1, b.1));
    let subtract = |a: Wide, b: Wide| (avx2._mm256_sub_epi16(a.0, b.0), avx2._mm256_sub_epi16(a.1, b.1));
    let middle = avx._mm256_set1_epi16(128);
    let (y, cb, cr) =
        (widen(y), subtract(widen(cb), (middle, middle)), subtract(widen(cr), (middle, middle)));
    // Value times factor / 65536, rounded.
    let one = avx._mm256_set1_epi16(1);
    let fraction = |value: Wide, factor: i16| {
        let factor = avx._mm256_set1_epi16(factor);
        let fraction = |twice| {
            let product = avx2._mm256_mulhi_epi16(twice, factor);
            avx2._mm256_srai_epi16::<1>(avx2._mm256_add_epi16(product, one))
        };
        let twice = add(value, value);
        (fraction(twice.0), fraction(twice.1))
    };
    let red = add(add(y, cr), fraction(cr, (91881 - 65536) as i16));
    let blue = add(add(y, add(cb, cb)), fraction(cb, (116_130 - 2 * 65536) as i16));
    let factors = avx._mm256_set1_epi32((65536 - 46802) << 16 | 0xFFFF & -22554);
    let half = avx._mm256_set1_epi32(1 << 15);
    let mixed = |cb, cr| {
        let mixed = |pairs| {
            let sum = avx2._mm256_add_epi32(avx2._mm256_madd_epi16(pairs, factors), half);
            avx2._mm256_srai_epi32::<16>(sum)
        };
        avx2._mm256_packs_epi32(
            mixed(avx2._mm256_unpacklo_epi16(cb, cr)),
            mixed(avx2._mm256_unpackhi_epi16(cb, cr)),
        )
    };
    let green = subtract(add(y, (mixed(cb.0, cr.0), mixed(cb.1, cr.1))), cr);
    let narrow = |(low, high): Wide| avx2._mm256_packus_epi16(low, high);
    interleave(simd, [narrow(red), narrow(green), narrow(blue)])
}

/// Where in 16 bytes of interleaved pixels, the `PART`th of three, channel `CHANNEL`'s bytes come from.
const fn places(part: usize, channel: usize) -> [[u8; 16]; 2] {
    let mut places = [0x80; 16];
    let mut at = 0;
    while at < 16 {
        if (part * 16 + at) % 3 == channel {
            places[at] = ((part * 16 + at) / 3) as u8;
        }
        at += 1;
    }
    [places; 2]
}

/// Three channels of 32 pixels to 96 bytes.
#[inline(always)]
fn interleave(simd: V3, channels: [__m256i; 3]) -> [[u8; PIXELS]; 3] {
    let avx2 = simd.avx2;
    const PLACES: [[[[u8; 16]; 2]; 3]; 3] = [
        [places(0, 0), places(0, 1), places(0, 2)],
        [places(1, 0), places(1, 1), places(1, 2)],
        [places(2, 0), places(2, 1), places(2, 2)],
    ];
    let part = |places: [[[u8; 16]; 2]; 3]| {
        let [r, g, b] =
            [0, 1, 2].map(|channel| avx2._mm256_shuffle_epi8(channels[channel], cast(places[channel])));
        avx2._mm256_or_si256(avx2._mm256_or_si256(r, g), b)
    };
    // Each holds a third of the lower 16 pixels, and a third of the upper ones.
    let [a, b, c] = [part(PLACES[0]), part(PLACES[1]), part(PLACES[2])];
    [
        cast(avx2._mm256_permute2x128_si256::<0x20>(a, b)),
        cast(avx2._mm256_permute2x128_si256::<0x30>(c, a)),
        cast(avx2._mm256_permute2x128_si256::<0x31>(b, c)),
    ]
}
