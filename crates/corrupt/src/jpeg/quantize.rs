//! Quantisation: the tables of ITU-T T.81 Annex K, scaled by quality as the Independent JPEG Group does.

use super::dct::Blocks;
use crate::simd::floor;

#[rustfmt::skip]
const LUMA: [u16; 64] = [
    16, 11, 10, 16,  24,  40,  51,  61,
    12, 12, 14, 19,  26,  58,  60,  55,
    14, 13, 16, 24,  40,  57,  69,  56,
    14, 17, 22, 29,  51,  87,  80,  62,
    18, 22, 37, 56,  68, 109, 103,  77,
    24, 35, 55, 64,  81, 104, 113,  92,
    49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103,  99,
];

#[rustfmt::skip]
const CHROMA: [u16; 64] = [
    17, 18, 24, 47, 99, 99, 99, 99,
    18, 21, 26, 66, 99, 99, 99, 99,
    24, 26, 56, 99, 99, 99, 99, 99,
    47, 66, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
];

/// One table of step sizes, in row order, with what makes division fast.
pub(super) struct Quantizer {
    pub(super) steps: [i32; 64],
    /// `1 / (8 * step)`
    reciprocals: [f32; 64],
}

impl Quantizer {
    pub(super) fn luma(quality: u8) -> Self {
        Self::scaled(&LUMA, quality)
    }

    pub(super) fn chroma(quality: u8) -> Self {
        Self::scaled(&CHROMA, quality)
    }

    fn scaled(table: &[u16; 64], quality: u8) -> Self {
        let quality = i32::from(quality);
        let percent = if quality < 50 { 5000 / quality } else { 200 - 2 * quality };
        let steps = table.map(|step| ((i32::from(step) * percent + 50) / 100).clamp(1, 255));
        let reciprocals = steps.map(|step| 1.0 / (8 * step) as f32);
        Self { steps, reciprocals }
    }

    /// Rounds each coefficient (eight times its size, as the forward DCT leaves it) to the nearest multiple
    /// of its step, halves away from zero; what is left is that multiple's number.
    #[inline(always)]
    pub(super) fn quantize(&self, blocks: &mut Blocks) {
        for ((values, &step), &reciprocal) in blocks.iter_mut().zip(&self.steps).zip(&self.reciprocals) {
            for value in values {
                // The half keeps the quotient further from the next integer than f32 can be wrong, up to 2^21.
                let size = (value.abs() + 4 * step) as f32 + 0.5;
                let level = floor(size * reciprocal);
                *value = if *value < 0 { -level } else { level };
            }
        }
    }

    /// Multiples to coefficients at their true size.
    #[inline(always)]
    pub(super) fn restore(&self, blocks: &mut Blocks) {
        for (values, &step) in blocks.iter_mut().zip(&self.steps) {
            for value in values {
                *value *= step;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jpeg::dct::LANES;

    #[test]
    fn the_reciprocal_rounds_like_a_division() {
        for quality in [1, 7, 25, 50, 85, 100] {
            let quantizer = Quantizer::luma(quality);
            for start in (-20_000..20_000).step_by(LANES) {
                let values = std::array::from_fn(|lane| start + lane as i32);
                let mut blocks = [values; 64];
                quantizer.quantize(&mut blocks);
                let levels = blocks;
                quantizer.restore(&mut blocks);
                for (((levels, restored), &step), lane) in levels
                    .iter()
                    .zip(&blocks)
                    .zip(&quantizer.steps)
                    .flat_map(|row| (0..LANES).map(move |i| (row, i)))
                {
                    let value: i32 = values[lane];
                    let level = (value.abs() + 4 * step) / (8 * step) * value.signum();
                    assert_eq!((levels[lane], restored[lane]), (level, level * step));
                }
            }
        }
    }

    #[test]
    fn qualities_scale_as_published() {
        assert_eq!(Quantizer::luma(50).steps[..3], [16, 11, 10]);
        assert_eq!(Quantizer::luma(85).steps[..3], [5, 3, 3]);
        assert_eq!(Quantizer::luma(100).steps, [1; 64]);
        assert_eq!(Quantizer::chroma(7).steps[..3], [121, 129, 171]);
    }
}
