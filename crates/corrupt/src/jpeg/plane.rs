//! Planes of samples, and their blocks taken sixteen at a time.

use super::dct::{Blocks, LANES};

/// One component's samples, rows top to bottom, `stride` apart.
pub(super) struct Plane {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) stride: usize,
    pub(super) data: Vec<u8>,
}

impl Plane {
    /// A black plane with room for whole blocks.
    pub(super) fn blocks(width: usize, height: usize) -> Plane {
        let stride = width.next_multiple_of(8);
        Plane { width, height, stride, data: vec![0; stride * height.next_multiple_of(8)] }
    }

    #[inline(always)]
    pub(super) fn row(&self, y: usize) -> &[u8] {
        &self.data[y * self.stride..][..self.width]
    }

    /// Repeats the last row to whole blocks.
    pub(super) fn repeat_last_row(&mut self) {
        let last = (self.height - 1) * self.stride;
        for y in self.height..self.data.len() / self.stride {
            self.data.copy_within(last..last + self.stride, y * self.stride);
        }
    }

    /// Extends a plane without gaps by its last column and row to whole blocks.
    pub(super) fn into_blocks(self) -> Plane {
        if self.width.is_multiple_of(8) && self.height.is_multiple_of(8) {
            return self;
        }
        let mut out = Plane::blocks(self.width, self.height);
        for (row, target) in self.data.chunks_exact(self.width).zip(out.data.chunks_exact_mut(out.stride)) {
            let (samples, rest) = target.split_at_mut(self.width);
            samples.copy_from_slice(row);
            rest.fill(row[self.width - 1]);
        }
        out.repeat_last_row();
        out
    }

    pub(super) fn blocks_across(&self) -> usize {
        self.stride / 8
    }

    pub(super) fn blocks_down(&self) -> usize {
        self.data.len() / (self.stride * 8)
    }

    /// How many groups of [`LANES`] blocks there are; the last may be short.
    pub(super) fn groups(&self) -> usize {
        (self.blocks_across() * self.blocks_down()).div_ceil(LANES)
    }

    /// Where the blocks of a group begin. The last group is filled up with the last block.
    #[inline(always)]
    fn starts(&self, group: usize) -> [usize; LANES] {
        let (across, count) = (self.blocks_across(), self.blocks_across() * self.blocks_down());
        std::array::from_fn(|lane| {
            let block = (group * LANES + lane).min(count - 1);
            block / across * 8 * self.stride + block % across * 8
        })
    }

    /// The samples about zero of the blocks `group * LANES..`, in row order of blocks.
    #[inline(always)]
    pub(super) fn load(&self, group: usize, blocks: &mut Blocks) {
        let starts = self.starts(group);
        for y in 0..8 {
            for (half, starts) in starts.as_chunks::<8>().0.iter().enumerate() {
                let mut rows = [0; 8];
                for (row, &start) in rows.iter_mut().zip(starts) {
                    let samples = self.data[start + y * self.stride..].first_chunk();
                    *row = samples.map_or(0, |samples| u64::from_le_bytes(*samples));
                }
                for (x, column) in transposed(rows).into_iter().enumerate() {
                    let values = &mut blocks[8 * y + x].as_chunks_mut::<8>().0[half];
                    for (value, sample) in values.iter_mut().zip(column.to_le_bytes()) {
                        *value = i32::from(sample) - 128;
                    }
                }
            }
        }
    }

    /// Puts back what [`Plane::load`] took.
    #[inline(always)]
    pub(super) fn store(&mut self, group: usize, blocks: &Blocks) {
        let starts = self.starts(group);
        for y in 0..8 {
            for (half, starts) in starts.as_chunks::<8>().0.iter().enumerate() {
                let mut columns = [0; 8];
                for (x, column) in columns.iter_mut().enumerate() {
                    let mut samples = [0; 8];
                    for (sample, value) in samples.iter_mut().zip(blocks[8 * y + x].as_chunks::<8>().0[half])
                    {
                        *sample = (value + 128).clamp(0, 255) as u8;
                    }
                    *column = u64::from_le_bytes(samples);
                }
                for (row, &start) in transposed(columns).into_iter().zip(starts) {
                    self.data[start + y * self.stride..][..8].copy_from_slice(&row.to_le_bytes());
                }
            }
        }
    }
}

/// Byte `i` of word `k` becomes byte `k` of word `i`.
#[inline(always)]
fn transposed(mut words: [u64; 8]) -> [u64; 8] {
    // Squares of four, two and one bytes change places across the diagonal.
    for (distance, shift, mask) in
        [(4, 32, 0x0000_0000_FFFF_FFFF), (2, 16, 0x0000_FFFF_0000_FFFF), (1, 8, 0x00FF_00FF_00FF_00FF_u64)]
    {
        for i in 0..8 {
            if i & distance == 0 {
                let (a, b) = (words[i], words[i + distance]);
                words[i] = (a & mask) | ((b & mask) << shift);
                words[i + distance] = ((a >> shift) & mask) | (b & !mask);
            }
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_change_places() {
        let words = std::array::from_fn(|k| u64::from_le_bytes(std::array::from_fn(|i| (8 * k + i) as u8)));
        for (i, word) in transposed(words).into_iter().enumerate() {
            assert_eq!(word.to_le_bytes(), std::array::from_fn(|k| (8 * k + i) as u8));
        }
    }

    #[test]
    fn blocks_come_back_where_they_were() {
        for (width, height) in [(5, 3), (8, 8), (41, 17), (224, 16)] {
            let data = (0..width * height).map(|i| (i * 7 + i / 11) as u8).collect();
            let mut plane = Plane { width, height, stride: width, data }.into_blocks();
            let before = plane.data.clone();
            let mut blocks = [[0; LANES]; 64];
            for group in 0..plane.groups() {
                plane.load(group, &mut blocks);
                plane.store(group, &blocks);
            }
            assert_eq!(plane.data, before);
        }
    }
}
