//! The accurate integer inverse DCT of libjpeg (`jidctint.c`, after Loeffler, Ligtenberg and Moschytz, 1989): 13-bit
//! constants, and two more bits kept between its passes. Every rounding is libjpeg's.

mod reduced;
#[cfg(target_arch = "x86_64")]
mod x86;
#[cfg(target_arch = "x86_64")]
mod x86_reduced;

use super::simd::Simd;

/// Blocks that are transformed side by side: enough columns for the compiler to work on many at once.
const SIDE_BY_SIDE: usize = 8;

/// Columns of that many blocks.
const COLUMNS: usize = 8 * SIDE_BY_SIDE;

/// Blocks side by side, row by row.
type Strip = [[i32; COLUMNS]; 8];

const CONST_BITS: u32 = 13;
const PASS1_BITS: u32 = 2;

/// Inverse DCT of a row of blocks, to `size` (8, 4, 2 or 1) samples a side.
///
/// The `blocks` are in natural order; `lasts` says of each the zigzag index of its last coefficient that may differ
/// from 0. Block `i` goes to columns `size * i..` of the rows of `plane`, `stride` apart.
#[inline(always)]
pub(super) fn row_of_blocks(
    simd: Simd,
    size: usize,
    blocks: &[[i16; 64]],
    lasts: &[u8],
    quantization: &[u16; 64],
    plane: &mut [u8],
    stride: usize,
) {
    match size {
        8 => whole(simd, blocks, lasts, quantization, plane, stride),
        4 => reduced::to_four(simd, blocks, quantization, plane, stride),
        2 => reduced::to_two(simd, blocks, quantization, plane, stride),
        _ => {
            for (sample, block) in plane.iter_mut().zip(blocks) {
                *sample = reduced::one(block[0], quantization[0]);
            }
        }
    }
}

/// At full size.
#[inline(always)]
fn whole(
    simd: Simd,
    blocks: &[[i16; 64]],
    lasts: &[u8],
    quantization: &[u16; 64],
    plane: &mut [u8],
    stride: usize,
) {
    let (mut waiting, mut count) = ([0; SIDE_BY_SIDE], 0);
    for (at, (block, &last)) in blocks.iter().zip(lasts).enumerate() {
        if last == 0 {
            flat(block[0], quantization[0], &mut plane[at * 8..], stride);
            continue;
        }
        waiting[count] = at;
        count += 1;
        if count == SIDE_BY_SIDE {
            several(simd, blocks, &waiting, quantization, plane, stride);
            count = 0;
        }
    }
    if count > 0 {
        several(simd, blocks, &waiting[..count], quantization, plane, stride);
    }
}

/// Those of the `blocks` that `which` names: `SIDE_BY_SIDE` at the most.
#[inline(always)]
fn several(
    simd: Simd,
    blocks: &[[i16; 64]],
    which: &[usize],
    quantization: &[u16; 64],
    plane: &mut [u8],
    stride: usize,
) {
    #[cfg(target_arch = "x86_64")]
    if let Some(v3) = simd.v3 {
        for pair in which.chunks(2) {
            let (first, second) = (pair[0], pair[pair.len() - 1]);
            let samples = x86::two_blocks(v3, [&blocks[first], &blocks[second]], quantization);
            for (at, samples) in [first, second].into_iter().zip(samples) {
                for (row, samples) in plane[at * 8..].chunks_mut(stride).zip(samples) {
                    row[..8].copy_from_slice(&samples.to_le_bytes());
                }
            }
        }
        return;
    }
    full(blocks, which, quantization, plane, stride);
}

/// A block with nothing but its DC coefficient.
#[inline(always)]
fn flat(dc: i16, quantization: u16, target: &mut [u8], stride: usize) {
    let sample = reduced::one(dc, quantization);
    for row in target.chunks_mut(stride).take(8) {
        row[..8].fill(sample);
    }
}

/// Those of the `blocks` that `which` names: `SIDE_BY_SIDE` at the most.
#[inline(always)]
fn full(blocks: &[[i16; 64]], which: &[usize], quantization: &[u16; 64], plane: &mut [u8], stride: usize) {
    let (mut values, mut passed) = ([[0; COLUMNS]; 8], [[0; COLUMNS]; 8]);
    let steps = quantization.as_chunks::<8>().0;
    for (at, &index) in which.iter().enumerate() {
        for ((row, steps), values) in blocks[index].as_chunks::<8>().0.iter().zip(steps).zip(&mut values) {
            for ((value, &coefficient), &step) in values[at * 8..][..8].iter_mut().zip(row).zip(steps) {
                *value = scaled(coefficient, step);
            }
        }
    }
    pass::<{ CONST_BITS - PASS1_BITS }>(&values, &mut passed);
    transpose(&passed, &mut values);
    pass::<{ CONST_BITS + PASS1_BITS + 3 }>(&values, &mut passed);
    let mut samples = [[0; COLUMNS]; 8];
    for (to, from) in samples.iter_mut().zip(&passed) {
        for (to, &value) in to.iter_mut().zip(from) {
            *to = sample(value);
        }
    }
    for (at, &index) in which.iter().enumerate() {
        let columns = std::array::from_fn(|c| samples[c].as_chunks::<8>().0[at]);
        for (row, samples) in plane[index * 8..].chunks_mut(stride).zip(transpose_bytes(columns)) {
            row[..8].copy_from_slice(&samples.to_le_bytes());
        }
    }
}

/// A coefficient times its quantisation step, 16 bits wide as libjpeg-turbo's vector code multiplies.
#[inline(always)]
fn scaled(coefficient: i16, step: u16) -> i32 {
    i32::from(coefficient.wrapping_mul(step.cast_signed()))
}

/// Centres on 128 and clamps.
#[inline(always)]
fn sample(value: i32) -> u8 {
    (value + 128).clamp(0, 255) as u8
}

/// Turns every block about its diagonal.
#[inline(always)]
fn transpose(from: &Strip, to: &mut Strip) {
    for block in (0..COLUMNS).step_by(8) {
        for r in 0..8 {
            for c in 0..8 {
                to[c][block + r] = from[r][block + c];
            }
        }
    }
}

/// The columns of an 8x8 block of bytes, each as a word with its first byte lowest.
///
/// Three rounds swap the off-diagonal quarters of blocks of 8, 4 and 2 bytes a side, eight bytes to a word.
#[inline(always)]
fn transpose_bytes(rows: [[u8; 8]; 8]) -> [u64; 8] {
    let mut words = rows.map(u64::from_le_bytes);
    for (distance, mask) in
        [(4, 0x0000_0000_FFFF_FFFF), (2, 0x0000_FFFF_0000_FFFF), (1, 0x00FF_00FF_00FF_00FF_u64)]
    {
        let shift = 8 * distance as u32;
        for r in (0..8).filter(|r| r & distance == 0) {
            let (top, bottom) = (words[r], words[r + distance]);
            words[r] = top & mask | (bottom & mask) << shift;
            words[r + distance] = top >> shift & mask | bottom & !mask;
        }
    }
    words
}

/// One dimension of all columns; the results are rounded and shifted right by `SHIFT`.
#[inline(always)]
fn pass<const SHIFT: u32>(from: &Strip, to: &mut Strip) {
    for c in 0..COLUMNS {
        let v = |r: usize| from[r][c];
        let mul = |a: i32, factor: i32| a.wrapping_mul(factor);
        // Where libjpeg-turbo's vector code adds in 16 bits.
        let narrow = |sum: i32| i32::from(sum as i16);
        // Even part.
        let z1 = mul(v(2).wrapping_add(v(6)), 4433);
        let t2 = z1.wrapping_sub(mul(v(6), 15137));
        let t3 = z1.wrapping_add(mul(v(2), 6270));
        let t0 = narrow(v(0).wrapping_add(v(4))) << CONST_BITS;
        let t1 = narrow(v(0).wrapping_sub(v(4))) << CONST_BITS;
        let (e0, e1) = (t0.wrapping_add(t3), t1.wrapping_add(t2));
        let (e2, e3) = (t1.wrapping_sub(t2), t0.wrapping_sub(t3));

        // Odd part.
        let (z1, z2) = (v(7).wrapping_add(v(1)), v(5).wrapping_add(v(3)));
        let (z3, z4) = (narrow(v(7).wrapping_add(v(3))), narrow(v(5).wrapping_add(v(1))));
        let z5 = mul(z3.wrapping_add(z4), 9633);
        let (z1, z2) = (mul(z1, -7373), mul(z2, -20995));
        let (z3, z4) = (mul(z3, -16069).wrapping_add(z5), mul(z4, -3196).wrapping_add(z5));
        let o0 = mul(v(1), 12299).wrapping_add(z1).wrapping_add(z4);
        let o1 = mul(v(3), 25172).wrapping_add(z2).wrapping_add(z3);
        let o2 = mul(v(5), 16819).wrapping_add(z2).wrapping_add(z4);
        let o3 = mul(v(7), 2446).wrapping_add(z1).wrapping_add(z3);

        let round = |value: i32| {
            let value = value.wrapping_add(1 << (SHIFT - 1)) >> SHIFT;
            value.clamp(i16::MIN.into(), i16::MAX.into())
        };
        to[0][c] = round(e0.wrapping_add(o0));
        to[1][c] = round(e1.wrapping_add(o1));
        to[2][c] = round(e2.wrapping_add(o2));
        to[3][c] = round(e3.wrapping_add(o3));
        to[4][c] = round(e3.wrapping_sub(o3));
        to[5][c] = round(e2.wrapping_sub(o2));
        to[6][c] = round(e1.wrapping_sub(o1));
        to[7][c] = round(e0.wrapping_sub(o0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks of all kinds, some with values that no image has.
    pub(in crate::jpeg::idct) fn blocks() -> Vec<[i16; 64]> {
        let mut state = 1_u64;
        let mut next = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as i32
        };
        let mut blocks = Vec::new();
        for (range, share) in [(40, 5), (400, 5), (2000, 3), (65536, 2)] {
            for _ in 0..200 {
                let value = |_| if next() % share == 0 { (next() % range - range / 2) as i16 } else { 0 };
                blocks.push(std::array::from_fn(value));
            }
        }
        blocks
    }

    #[test]
    fn every_instruction_set_gives_the_same_samples() {
        let (blocks, simd) = (blocks(), Simd::detect());
        let quantization = std::array::from_fn(|i| 1 + i as u16 / 3);
        let stride = blocks.len() * 8;
        let (mut fast, mut plain) = (vec![0; stride * 8], vec![0; stride * 8]);
        for which in (0..blocks.len()).collect::<Vec<_>>().chunks(7) {
            several(simd, &blocks, which, &quantization, &mut fast, stride);
            full(&blocks, which, &quantization, &mut plain, stride);
        }
        assert!(fast == plain);
    }

    #[test]
    fn a_flat_block_takes_the_short_way_to_the_same_samples() {
        for dc in -300..300 {
            let mut block = [0; 64];
            block[0] = dc;
            let quantization = [7; 64];
            let (mut short, mut long) = ([0; 64], [0; 64]);
            flat(dc, 7, &mut short, 8);
            full(&[block], &[0], &quantization, &mut long, 8);
            assert_eq!(short, long, "dc {dc}");
        }
    }

    #[test]
    fn it_is_the_inverse_dct_to_within_a_level() {
        let mut block = [0_i16; 64];
        for (i, value) in [(0, 210), (1, -90), (8, 55), (10, 31), (27, -40), (63, 12)] {
            block[i] = value;
        }
        let mut found = [0; 64];
        full(&[block], &[0], &[1; 64], &mut found, 8);
        for y in 0..8 {
            for x in 0..8 {
                let mut sum = 0.0;
                for (i, &value) in block.iter().enumerate() {
                    let (u, v) = ((i % 8) as f64, (i / 8) as f64);
                    let norm = |f: f64| if f == 0.0 { 0.5_f64.sqrt() } else { 1.0 };
                    let wave =
                        |at: usize, f: f64| ((2 * at + 1) as f64 * f * std::f64::consts::PI / 16.0).cos();
                    sum += f64::from(value) * norm(u) * norm(v) / 4.0 * wave(x, u) * wave(y, v);
                }
                assert!((f64::from(found[y * 8 + x]) - (sum + 128.0)).abs() < 0.6, "at {x}, {y}");
            }
        }
    }
}
