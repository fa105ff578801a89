//! Quantisation: the tables of ITU-T T.81 Annex K, scaled by quality as the Independent JPEG Group does.

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
    steps: [i32; 64],
    /// `ceil(2^32 / (8 * step))`: exact division of anything below 2^17.
    reciprocals: [u64; 64],
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
        let reciprocals = steps.map(|step| (1_u64 << 32).div_ceil(8 * step as u64));
        Self { steps, reciprocals }
    }

    /// Rounds each coefficient (eight times its size, as the forward DCT leaves it) to the nearest multiple
    /// of its step, halves away from zero, at its true size.
    pub(super) fn round_trip(&self, block: &mut [i32; 64]) {
        for ((value, &step), &reciprocal) in block.iter_mut().zip(&self.steps).zip(&self.reciprocals) {
            let size = (value.unsigned_abs() as u64) + 4 * step as u64;
            let level = ((size * reciprocal) >> 32) as i32;
            *value = level * step * value.signum();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reciprocal_rounds_like_a_division() {
        for quality in [1, 7, 25, 50, 85, 100] {
            let quantizer = Quantizer::luma(quality);
            for value in -20_000..20_000 {
                let mut block = [value; 64];
                quantizer.round_trip(&mut block);
                for (&found, &step) in block.iter().zip(&quantizer.steps) {
                    let level = (value.abs() + 4 * step) / (8 * step);
                    assert_eq!(found, level * step * value.signum());
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
