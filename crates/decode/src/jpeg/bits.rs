//! Bits out of entropy-coded data, with stuffed bytes removed.

/// A reader that stops in front of markers; past them, and past the end, it gives zeros and counts them.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The next bits, the first one highest; zeros below those that are valid.
    buffer: u64,
    /// How many bits of `buffer` are valid; negative after zeros were made up.
    valid: i32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, buffer: 0, valid: 0 }
    }

    /// Makes sure that the next 32 bits can be looked at.
    #[inline(always)]
    pub(super) fn refill(&mut self) {
        if self.valid < 32 {
            self.fill();
        }
    }

    fn fill(&mut self) {
        if self.valid < 0 {
            return;
        }
        if let Some(next) = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<4>()) {
            let word = u32::from_be_bytes(*next);
            // No byte of the four is 0xFF.
            if (word & 0x8080_8080 & (!word).wrapping_sub(0x0101_0101)) == 0 || !next.contains(&0xFF) {
                self.buffer |= u64::from(word) << (32 - self.valid);
                self.valid += 32;
                self.at += 4;
                return;
            }
        }
        while self.valid <= 56 {
            match self.bytes.get(self.at..).unwrap_or_default() {
                [0xFF, 0, ..] => {
                    self.push(0xFF);
                    self.at += 2;
                }
                [0xFF, 0xFF, ..] => self.at += 1,
                [0xFF, ..] | [] => return,
                [byte, ..] => {
                    self.push(*byte);
                    self.at += 1;
                }
            }
        }
    }

    fn push(&mut self, byte: u8) {
        self.buffer |= u64::from(byte) << (56 - self.valid);
        self.valid += 8;
    }

    /// The next `count` bits (1..=32) without taking them; after [`refill`](Self::refill).
    #[inline(always)]
    pub(super) fn peek(&self, count: u32) -> u32 {
        (self.buffer >> (64 - count)) as u32
    }

    /// Takes `count` bits (0..=32); after [`refill`](Self::refill).
    #[inline(always)]
    pub(super) fn skip(&mut self, count: u32) {
        self.buffer <<= count;
        self.valid -= count as i32;
    }

    /// The next `count` bits (1..=16).
    #[inline(always)]
    pub(super) fn take(&mut self, count: u32) -> u32 {
        self.refill();
        let bits = self.peek(count);
        self.skip(count);
        bits
    }

    /// Whether zeros were made up because the data had ended.
    #[inline(always)]
    pub(super) fn is_exhausted(&self) -> bool {
        self.valid < 0
    }

    /// Whether the bytes themselves have ended, with no marker.
    pub(super) fn is_cut(&self) -> bool {
        self.bytes.len() <= self.at + 1
    }

    /// Bytes read so far; when the data have ended, this is where the marker is.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// Drops what is left of the current interval. Whether a restart marker followed, which is passed.
    pub(super) fn restart(&mut self) -> bool {
        (self.buffer, self.valid) = (0, 0);
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let marker = rest.windows(2).position(|pair| pair[0] == 0xFF && !matches!(pair[1], 0 | 0xFF));
        match marker {
            Some(at) if matches!(rest[at + 1], 0xD0..=0xD7) => {
                self.at += at + 2;
                true
            }
            Some(at) => {
                self.at += at;
                self.valid = -1;
                false
            }
            None => {
                self.at = self.bytes.len();
                self.valid = -1;
                false
            }
        }
    }
}
