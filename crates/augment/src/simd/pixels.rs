//! Interleaved pixels, moved about in the ways that the compiler's vectors are slow at.

#[cfg(target_arch = "x86_64")]
use super::x86;

/// Sixteen bytes, of which the first twelve are four pixels.
pub(crate) type Quad = [u8; 16];

/// How many rows are taken apart together.
pub(crate) const GROUP: usize = 8;

/// A pixel, and a fourth byte, of each of the rows of a group.
pub(crate) type Column = [u8; 4 * GROUP];

/// What moves them: AVX2's shuffles where the machine has them, else plain loops. To be used within
/// [`vectorised`](super::vectorised).
#[derive(Clone, Copy)]
pub(crate) struct Pixels {
    #[cfg(target_arch = "x86_64")]
    avx2: Option<pulp::x86::V3>,
}

/// Calls the function of [`x86`] of that name, if this machine can, and returns what it does.
macro_rules! with_avx2 {
    ($pixels:expr, $function:ident($($argument:expr),*)) => {
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = $pixels.avx2 {
            return x86::$function(simd, $($argument),*);
        }
    };
}

impl Pixels {
    /// What this machine has.
    pub(crate) fn detect() -> Self {
        Self {
            #[cfg(target_arch = "x86_64")]
            avx2: pulp::x86::V3::try_new(),
        }
    }

    /// Four pixels of each of eight rows as four columns; the fourth byte of each pixel is 0.
    #[inline(always)]
    pub(crate) fn columns(self, rows: [&Quad; GROUP]) -> [Column; 4] {
        with_avx2!(self, columns(rows));
        let mut columns = [[0; 4 * GROUP]; 4];
        for (x, column) in columns.iter_mut().enumerate() {
            for (r, row) in rows.iter().enumerate() {
                column[r * 4..r * 4 + 3].copy_from_slice(&row[x * 3..x * 3 + 3]);
            }
        }
        columns
    }

    /// The way back from [`Self::columns`]; the last four bytes of each row are 0.
    #[inline(always)]
    pub(crate) fn rows(self, columns: [&Column; 4]) -> [Quad; GROUP] {
        with_avx2!(self, rows(columns));
        let mut rows = [[0; 16]; GROUP];
        for (x, column) in columns.into_iter().enumerate() {
            for (r, row) in rows.iter_mut().enumerate() {
                row[x * 3..x * 3 + 3].copy_from_slice(&column[r * 4..r * 4 + 3]);
            }
        }
        rows
    }

    /// The eight pixels of a column, one behind the other.
    #[inline(always)]
    pub(crate) fn packed(self, column: &Column) -> [u8; 3 * GROUP] {
        with_avx2!(self, packed(column));
        let mut packed = [0; 3 * GROUP];
        for (result, pixel) in packed.as_chunks_mut::<3>().0.iter_mut().zip(column.as_chunks::<4>().0) {
            result.copy_from_slice(&pixel[..3]);
        }
        packed
    }

    /// Five pixels, the last fifteen bytes of `pixels`, in the opposite order, and then a 0.
    #[inline(always)]
    pub(crate) fn last_five_reversed(self, pixels: &Quad) -> Quad {
        with_avx2!(self, last_five_reversed(pixels));
        let mut result = [0; 16];
        for i in 0..5 {
            result[i * 3..i * 3 + 3].copy_from_slice(&pixels[13 - i * 3..16 - i * 3]);
        }
        result
    }

    /// The greys of eight pixels, each three times; the last four bytes are 0. See [`grey`].
    #[inline(always)]
    pub(crate) fn greys(self, quads: [&Quad; 2]) -> [Quad; 2] {
        with_avx2!(self, greys(quads));
        let mut result = [[0; 16]; 2];
        for (result, quad) in result.iter_mut().zip(quads) {
            for i in 0..4 {
                result[i * 3..i * 3 + 3].fill(grey([quad[i * 3], quad[i * 3 + 1], quad[i * 3 + 2]]));
            }
        }
        result
    }
}

/// Pillow's grey: (19595 R + 38470 G + 7471 B + 32768) / 65536.
#[inline(always)]
pub(crate) fn grey([r, g, b]: [u8; 3]) -> u8 {
    ((u32::from(r) * 19595 + u32::from(g) * 38470 + u32::from(b) * 7471 + 0x8000) >> 16) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes<const N: usize>(seed: usize) -> [u8; N] {
        std::array::from_fn(|i| ((i + 1) * 73 + seed * 151 + i * i * seed) as u8)
    }

    #[test]
    fn vectors_equal_plain_loops() {
        let ours = Pixels::detect();
        let plain = Pixels {
            #[cfg(target_arch = "x86_64")]
            avx2: None,
        };
        for seed in 0..50 {
            let rows: [Quad; GROUP] = std::array::from_fn(|r| bytes(seed * 8 + r));
            let columns = ours.columns(rows.each_ref());
            assert_eq!(columns, plain.columns(rows.each_ref()));
            let four = columns.each_ref();
            assert_eq!(ours.rows(four), plain.rows(four));
            let column = bytes(seed);
            assert_eq!(ours.packed(&column), plain.packed(&column));
            let (a, b) = (bytes(seed), bytes(seed + 99));
            assert_eq!(ours.last_five_reversed(&a), plain.last_five_reversed(&a));
            assert_eq!(ours.greys([&a, &b]), plain.greys([&a, &b]));
        }
        let extremes = [&[255; 16], &[0; 16]];
        assert_eq!(ours.greys(extremes), plain.greys(extremes));
    }
}
