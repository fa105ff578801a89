//! The accurate integer DCT of 8 x 8 blocks, after C. Loeffler, A. Ligtenberg and G. Moschytz, *Practical
//! Fast 1-D DCT Algorithms with 11 Multiplications* (ICASSP 1989), in 13-bit fixed point with libjpeg's
//! rounding: two extra bits are kept between the passes.

const FRACTION: u32 = 13;
const EXTRA: u32 = 2;

const fn fix(x: f64) -> i32 {
    (x * (1 << FRACTION) as f64 + 0.5) as i32
}

/// The rotation of the even part, the same in both directions.
#[inline(always)]
fn even_part(a: i32, b: i32) -> (i32, i32) {
    let common = (a + b) * fix(0.541_196_100);
    (common + a * fix(0.765_366_865), common - b * fix(1.847_759_065))
}

/// The odd part, the same in both directions.
#[inline(always)]
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
#[inline(always)]
fn forward_1d(v: [i32; 8]) -> [i32; 8] {
    let sums = [v[0] + v[7], v[1] + v[6], v[2] + v[5], v[3] + v[4]];
    let (outer, inner) = (sums[0] + sums[3], sums[1] + sums[2]);
    let (second, sixth) = even_part(sums[0] - sums[3], sums[1] - sums[2]);
    let [seventh, fifth, third, first] = odd_part([v[3] - v[4], v[2] - v[5], v[1] - v[6], v[0] - v[7]]);
    [(outer + inner) << FRACTION, first, second, third, (outer - inner) << FRACTION, fifth, sixth, seventh]
}

/// One dimension of the inverse transform, `2^13` times its size.
#[inline(always)]
fn inverse_1d(v: [i32; 8]) -> [i32; 8] {
    let (sum, difference) = ((v[0] + v[4]) << FRACTION, (v[0] - v[4]) << FRACTION);
    let (outer, inner) = even_part(v[2], v[6]);
    let even = [sum + outer, difference + inner, difference - inner, sum - outer];
    let [d, c, b, a] = odd_part([v[7], v[5], v[3], v[1]]);
    [even[0] + a, even[1] + b, even[2] + c, even[3] + d, even[3] - d, even[2] - c, even[1] - b, even[0] - a]
}

/// How many blocks go through the transforms side by side.
pub(super) const LANES: usize = 16;

/// One value of each block.
pub(super) type Values = [i32; LANES];

/// Blocks in row order, one per lane.
pub(super) type Blocks = [Values; 64];

/// Transforms eight values of each block, `stride` apart from `start`, and drops `bits` fractional bits, halves
/// rounding up.
#[inline(always)]
fn line(
    blocks: &mut Blocks,
    start: usize,
    stride: usize,
    transform: impl Fn([i32; 8]) -> [i32; 8],
    bits: u32,
) {
    let mut line = [[0; LANES]; 8];
    for (k, values) in line.iter_mut().enumerate() {
        *values = blocks[start + k * stride];
    }
    let [a, b, c, d, e, f, g, h] = &mut line;
    for i in 0..LANES {
        let out = transform([a[i], b[i], c[i], d[i], e[i], f[i], g[i], h[i]]);
        let round = |value: i32| (value + (1 << (bits - 1))) >> bits;
        (a[i], b[i], c[i], d[i]) = (round(out[0]), round(out[1]), round(out[2]), round(out[3]));
        (e[i], f[i], g[i], h[i]) = (round(out[4]), round(out[5]), round(out[6]), round(out[7]));
    }
    for (k, values) in line.into_iter().enumerate() {
        blocks[start + k * stride] = values;
    }
}

/// Samples about zero to coefficients at eight times their size: rows first, then columns.
#[inline(always)]
pub(super) fn forward(blocks: &mut Blocks) {
    for y in 0..8 {
        line(blocks, 8 * y, 1, forward_1d, FRACTION - EXTRA);
    }
    for x in 0..8 {
        line(blocks, x, 8, forward_1d, FRACTION + EXTRA);
    }
}

/// Coefficients at their true size to samples about zero: columns first, then rows.
#[inline(always)]
pub(super) fn inverse(blocks: &mut Blocks) {
    for x in 0..8 {
        line(blocks, x, 8, inverse_1d, FRACTION - EXTRA);
    }
    for y in 0..8 {
        line(blocks, 8 * y, 1, inverse_1d, FRACTION + EXTRA + 3);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forward_matches_the_definition_and_inverse_undoes_it() {
        let samples: [i32; 64] = std::array::from_fn(|i| ((i * 7919 + i * i * 31) % 256) as i32 - 128);
        // Every lane has a block of its own: the same one, moved along.
        let mut blocks: Blocks =
            std::array::from_fn(|i| std::array::from_fn(|lane| samples[(i + lane) % 64]));
        let firsts = |blocks: &Blocks| blocks.map(|values| values[0]);
        forward(&mut blocks);
        let block = firsts(&blocks);
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
        for value in blocks.iter_mut().flatten() {
            *value = (*value + 4) >> 3;
        }
        inverse(&mut blocks);
        for (i, values) in blocks.iter().enumerate() {
            for (lane, value) in values.iter().enumerate() {
                assert!((value - samples[(i + lane) % 64]).abs() <= 1, "{i} {lane}");
            }
        }
    }
}
