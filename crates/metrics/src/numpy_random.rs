//! NumPy's legacy generator, as far as published splits and subsets are drawn with it: `np.random.seed(n)`,
//! `np.random.permutation(n)` and `np.random.choice(…, replace=False)`.
//!
//! The generator is MT19937 (Matsumoto and Nishimura 1998); bounded integers are drawn by masking and rejection, and a choice
//! without replacement is the beginning of a permutation by Fisher and Yates from the end, which is what NumPy keeps stable.

const WORDS: usize = 624;
const SHIFT: usize = 397;

/// `np.random.RandomState(seed)`, for what was published as drawn with it.
///
/// ```
/// let mut generator = visrep_metrics::NumpyRandom::new(0);
/// assert_eq!(generator.permutation(6), [5, 2, 1, 3, 0, 4]);
/// ```
#[derive(Clone, Debug)]
pub struct NumpyRandom {
    words: [u32; WORDS],
    next: usize,
}

impl NumpyRandom {
    /// The generator after `np.random.seed(seed)`.
    pub fn new(seed: u32) -> Self {
        let mut words = [seed; WORDS];
        for i in 1..WORDS {
            let before = words[i - 1];
            words[i] = 1_812_433_253_u32.wrapping_mul(before ^ before >> 30).wrapping_add(i as u32);
        }
        Self { words, next: WORDS }
    }

    fn word(&mut self) -> u32 {
        if self.next == WORDS {
            for i in 0..WORDS {
                let joined = self.words[i] & 0x8000_0000 | self.words[(i + 1) % WORDS] & 0x7fff_ffff;
                let odd = if joined & 1 == 1 { 0x9908_b0df } else { 0 };
                self.words[i] = self.words[(i + SHIFT) % WORDS] ^ joined >> 1 ^ odd;
            }
            self.next = 0;
        }
        let mut word = self.words[self.next];
        self.next += 1;
        word ^= word >> 11;
        word ^= word << 7 & 0x9d2c_5680;
        word ^= word << 15 & 0xefc6_0000;
        word ^ word >> 18
    }

    /// An integer from 0 to `most`.
    fn up_to(&mut self, most: u32) -> u32 {
        if most == 0 {
            return 0;
        }
        let mask = u32::MAX >> most.leading_zeros();
        loop {
            let value = self.word() & mask;
            if value <= most {
                return value;
            }
        }
    }

    /// `permutation(n)`: the numbers below `n`, shuffled. Below 2³², as NumPy draws no others in this way.
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            let j = self.up_to(u32::try_from(i).unwrap_or(u32::MAX)) as usize;
            all.swap(i, j);
        }
        all
    }

    /// `choice(n, count, replace=False)`: `count` different numbers below `n`; all of them if it is greater.
    pub fn choice(&mut self, n: usize, count: usize) -> Vec<usize> {
        let mut all = self.permutation(n);
        all.truncate(count);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `fixtures/golden/vtab/make.py`.
    #[test]
    fn draws_are_numpys() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/golden/vtab/golden.json");
        let golden: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        for case in golden["choice"].as_array().unwrap() {
            let list = |name: &str| -> Vec<usize> {
                case[name].as_array().unwrap().iter().map(|value| value.as_u64().unwrap() as usize).collect()
            };
            let (videos, test) = (case["videos"].as_u64().unwrap() as usize, list("test"));
            let mut generator = NumpyRandom::new(123);
            assert_eq!(generator.choice(videos, test.len()), test);
            assert_eq!(generator.choice(videos - test.len(), test.len()), list("val"));
        }
        let mut generator = NumpyRandom::new(2020);
        assert_eq!(generator.choice(10, 4), [2, 4, 9, 1]);
        assert_eq!(generator.permutation(12), [1, 6, 5, 4, 10, 7, 2, 9, 3, 8, 11, 0]);
        assert_eq!(generator.choice(7, 9), [2, 0, 3, 5, 1, 4, 6]);
        assert_eq!(NumpyRandom::new(1).choice(1, 1), [0]);
        assert!(NumpyRandom::new(1).choice(0, 0).is_empty());
    }
}
