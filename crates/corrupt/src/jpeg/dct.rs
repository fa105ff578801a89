//! The accurate integer DCT of an 8 x 8 block, after C. Loeffler, A. Ligtenberg and G. Moschytz, *Practical
//! Fast 1-D DCT Algorithms with 11 Multiplications* (ICASSP 1989), in 13-bit fixed point with libjpeg's
//! rounding: two extra bits are kept between the passes.

const FRACTION: u32 = 13;
const EXTRA: u32 = 2;

const fn fix(x: f64) -> i32 {
    (x * (1 << FRACTION) as f64 + 0.5) as i32
}

/// The rotation of the even part, the same in both directions.
fn even_part(a: i32, b: i32) -> (i32, i32) {
    let common = (a + b) * fix(0.541_196_100);
    (common + a * fix(0.765_366_865), common - b * fix(1.847_759_065))
}

/// The odd part, the same in both directions.
fn odd_part([a, b, c, d]: [i32; 4]) -> [i32; 4] {
    let common = (a + b + c + d) * fix(1.175_875_602);
    let (ad, bc) = ((a + d) * fix(0.899_976_223), (b + c) * fix(2.562_915_447));
    let ac = common - (a + c) * fix(1.961_570_560);
    let bd = common - (b + d) * fix(0.390_180_644);
    [
        a * fix(0.298_631_336) - ad + ac,
        b * fix(2.053_119_869) - bc + bd,
        c * fix(3.072_711_026) - bc + ac,
        d * fix(1.501_321_110) - ad + bd,
    ]
}

/// One dimension of the forward transform, `2^13` times its size.
fn forward_1d(v: [i32; 8]) -> [i32; 8] {
    let sums = [v[0] + v[7], v[1] + v[6], v[2] + v[5], v[3] + v[4]];
    let (outer, inner) = (sums[0] + sums[3], sums[1] + sums[2]);
    let (second, sixth) = even_part(sums[0] - sums[3], sums[1] - sums[2]);
    let [seventh, fifth, third, first] = odd_part([v[3] - v[4], v[2] - v[5], v[1] - v[6], v[0] - v[7]]);
    [(outer + inner) << FRACTION, first, second, third, (outer - inner) << FRACTION, fifth, sixth, seventh]
}

/// One dimension of the inverse transform, `2^13` times its size.
fn inverse_1d(v: [i32; 8]) -> [i32; 8] {
    let (sum, difference) = ((v[0] + v[4]) << FRACTION, (v[0] - v[4]) << FRACTION);
    let (outer, inner) = even_part(v[2], v[6]);
    let even = [sum + outer, difference + inner, difference - inner, sum - outer];
    let [d, c, b, a] = odd_part([v[7], v[5], v[3], v[1]]);
    [even[0] + a, even[1] + b, even[2] + c, even[3] + d, even[3] - d, even[2] - c, even[1] - b, even[0] - a]
}

/// Transforms the eight columns side by side, and drops `bits` fractional bits, halves rounding up.
fn columns(block: &mut [i32; 64], transform: impl Fn([i32; 8]) -> [i32; 8], bits: u32) {
    for x in 0..8 {
        let out = transform(std::array::from_fn(|y| block[8 * y + x]));
        for (y, value) in out.into_iter().enumerate() {
            block[8 * y + x] = (value + (1 << (bits - 1))) >> bits;
        }
    }
}

fn transpose(block: &mut [i32; 64]) {
    for y in 0..8 {
        for x in 0..y {
            block.swap(8 * y + x, 8 * x + y);
        }
    }
}

/// Samples about zero to coefficients at eight times their size: rows first, then columns.
pub(super) fn forward(block: &mut [i32; 64]) {
    transpose(block);
    columns(block, forward_1d, FRACTION - EXTRA);
    transpose(block);
    columns(block, forward_1d, FRACTION + EXTRA);
}

/// Coefficients at their true size to samples about zero: columns first, then rows.
pub(super) fn inverse(block: &mut [i32; 64]) {
    columns(block, inverse_1d, FRACTION - EXTRA);
    transpose(block);
    columns(block, inverse_1d, FRACTION + EXTRA + 3);
    transpose(block);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forward_matches_the_definition_and_inverse_undoes_it() {
        let samples: [i32; 64] = std::array::from_fn(|i| ((i * 7919 + i * i * 31) % 256) as i32 - 128);
        let mut block = samples;
        forward(&mut block);
        for v in 0..8 {
            for u in 0..8 {
                let mut sum = 0.0;
                for y in 0..8 {
                    for x in 0..8 {
                        let angle = |k: usize, n: usize| {
                            (f64::from((2 * n as u32 + 1) * k as u32) * std::f64::consts::PI / 16.0).cos()
                        };
                        sum += f64::from(samples[8 * y + x]) * angle(u, x) * angle(v, y);
                    }
                }
                let norm = |k: usize| if k == 0 { 0.5_f64.sqrt() } else { 1.0 };
                let expected = 8.0 * 0.25 * norm(u) * norm(v) * sum;
                assert!((f64::from(block[8 * v + u]) - expected).abs() < 1.5, "{u} {v}");
            }
        }
        for value in &mut block {
            *value = (*value + 4) >> 3;
        }
        inverse(&mut block);
        for (a, b) in block.iter().zip(&samples) {
            assert!((a - b).abs() <= 1, "{a} {b}");
        }
    }
}
