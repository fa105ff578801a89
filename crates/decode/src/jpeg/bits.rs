//! Bits out of entropy-coded data.

use memchr::memchr;

/// Zeros behind the data of each interval, so that a whole word can be read from the last byte on.
const PADDING: usize = 8;

/// The entropy-coded data of one scan, with stuffed bytes removed, cut at its restart markers.
#[derive(Default)]
pub(super) struct Intervals {
    bytes: Vec<u8>,
    /// Where in `bytes` each interval ends, with `PADDING` zeros behind, and where in the file.
    ends: Vec<(usize, usize)>,
    /// The file ends within the scan, with no marker.
    cut: bool,
}

impl Intervals {
    /// Reads the scan that `file` starts with. Without `restarts` it ends at a restart marker, too.
    pub(super) fn read(&mut self, file: &[u8], restarts: bool) {
        self.bytes.clear();
        self.ends.clear();
        self.cut = true;
        let mut at = 0;
        while let Some(run) = memchr(0xFF, &file[at..]) {
            self.bytes.extend_from_slice(&file[at..at + run]);
            at += run;
            match file.get(at + 1) {
                Some(0) => {
                    self.bytes.push(0xFF);
                    at += 2;
                }
                Some(0xFF) => at += 1,
                Some(0xD0..=0xD7) if restarts => {
                    self.close(at);
                    at += 2;
                }
                Some(_) => {
                    self.cut = false;
                    break;
                }
                None => break,
            }
        }
        if self.cut {
            if file.get(at) != Some(&0xFF) {
                self.bytes.extend_from_slice(&file[at..]);
            }
            at = file.len();
        }
        self.close(at);
    }

    /// Ends an interval at `at` in the file.
    fn close(&mut self, at: usize) {
        self.ends.push((self.bytes.len(), at));
        self.bytes.extend_from_slice(&[0; PADDING]);
    }

    /// The data of interval `index`, unless there are fewer.
    pub(super) fn get(&self, index: usize) -> Option<Bits<'_>> {
        let end = self.ends.get(index)?.0 + PADDING;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before].0 + PADDING);
        Some(Bits { data: &self.bytes[start..end], at: 0, buffer: 0, valid: 0 })
    }

    /// How many bytes of the file the intervals up to number `index` take, without the marker behind.
    pub(super) fn length(&self, index: usize) -> usize {
        self.ends.get(index).or(self.ends.last()).map_or(0, |end| end.1)
    }

    /// Whether the file ends within the scan.
    pub(super) fn is_cut(&self) -> bool {
        self.cut
    }

    /// Whether the file ends within interval `index`.
    pub(super) fn ends_in(&self, index: usize) -> bool {
        self.cut && index + 1 >= self.ends.len()
    }
}

/// A reader of one interval; past its end it gives zeros.
#[derive(Clone, Copy)]
pub(super) struct Bits<'a> {
    /// The interval and `PADDING` zeros.
    data: &'a [u8],
    at: usize,
    /// The next bits, the first one highest. Below those that are valid lie the ones that follow, or zeros.
    buffer: u64,
    /// How many bits of `buffer` are valid, and not read again by the next refill: at most 63.
    valid: u32,
}

impl Bits<'_> {
    /// An interval without data.
    pub(super) const EMPTY: Self = Self { data: &[0; PADDING], at: 0, buffer: 0, valid: 0 };

    /// Makes sure that the next 56 bits can be looked at.
    #[inline(always)]
    pub(super) fn refill(&mut self) {
        let next = self.data.get(self.at..self.at + 8).and_then(|next| next.first_chunk());
        self.buffer |= next.map_or(0, |next| u64::from_be_bytes(*next)) >> self.valid;
        self.at += ((63 - self.valid) >> 3) as usize;
        self.valid |= 56;
    }

    /// The next `count` bits (1..=32) without taking them; after [`refill`](Self::refill).
    #[inline(always)]
    pub(super) fn peek(&self, count: u32) -> u32 {
        (self.buffer >> (64 - count)) as u32
    }

    /// Takes `count` bits (0..=56 since [`refill`](Self::refill)).
    #[inline(always)]
    pub(super) fn skip(&mut self, count: u32) {
        self.buffer <<= count & 63;
        self.valid = self.valid.wrapping_sub(count);
    }

    /// The next `count` bits (1..=16).
    #[inline(always)]
    pub(super) fn take(&mut self, count: u32) -> u32 {
        self.refill();
        let bits = self.peek(count);
        self.skip(count);
        bits
    }

    /// Whether zeros were taken because the data had ended.
    #[inline(always)]
    pub(super) fn is_exhausted(&self) -> bool {
        self.at * 8 > (self.data.len() - PADDING) * 8 + self.valid as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All bits of an interval, up to its end.
    fn bytes_of(mut bits: Bits<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        loop {
            let byte = bits.take(8);
            if bits.is_exhausted() {
                return bytes;
            }
            bytes.push(byte as u8);
        }
    }

    fn read(file: &[u8], restarts: bool) -> (Vec<Vec<u8>>, usize, bool) {
        let mut intervals = Intervals::default();
        intervals.read(file, restarts);
        let found: Vec<_> = (0..).map_while(|i| intervals.get(i)).map(bytes_of).collect();
        let length = intervals.length(found.len() - 1);
        (found, length, intervals.is_cut())
    }

    #[test]
    fn stuffing_goes_and_markers_end_intervals() {
        let file = [1, 0xFF, 0, 2, 0xFF, 0xFF, 0, 3, 0xFF, 0xD0, 4, 5, 0xFF, 0xFF, 0xD9, 6];
        assert_eq!(read(&file, true), (vec![vec![1, 0xFF, 2, 0xFF, 3], vec![4, 5]], 13, false));
        assert_eq!(read(&file, false), (vec![vec![1, 0xFF, 2, 0xFF, 3]], 8, false));
    }

    #[test]
    fn a_file_that_ends_within_the_scan_is_cut() {
        assert_eq!(read(&[1, 2, 3], true), (vec![vec![1, 2, 3]], 3, true));
        assert_eq!(read(&[1, 2, 0xFF], true), (vec![vec![1, 2]], 3, true));
        assert_eq!(read(&[1, 0xFF, 0xFF], true), (vec![vec![1]], 3, true));
        assert_eq!(read(&[], true), (vec![vec![]], 0, true));
    }

    #[test]
    fn bits_come_in_order_whatever_the_widths() {
        let mut intervals = Intervals::default();
        let file: Vec<u8> = (0..200_u32).map(|i| (i * 73 % 251) as u8).collect();
        intervals.read(&file, true);
        let mut bits = intervals.get(0).unwrap();
        let (mut at, mut width) = (0, 1);
        while at + width <= file.len() * 8 {
            let expected =
                (at..at + width).fold(0, |sum, bit| sum << 1 | u32::from(file[bit / 8] >> (7 - bit % 8) & 1));
            assert_eq!(bits.take(width as u32), expected, "{width} bits at {at}");
            at += width;
            width = width % 16 + 1;
        }
        assert!(!bits.is_exhausted());
        bits.take(16);
        assert!(bits.is_exhausted());
    }
}
