//! The accurate integer inverse DCT of libjpeg (`jidctint.c`, after Loeffler, Ligtenberg and Moschytz, 1989): 13-bit
//! constants, and two more bits kept between its passes. Every rounding is libjpeg's.

/// Eight columns (first pass) or eight rows (second pass), worked on side by side.
type Lanes = [i32; 8];

const CONST_BITS: u32 = 13;
const PASS1_BITS: u32 = 2;

/// Inverse DCT of a row of blocks.
///
/// `coefficients` holds the blocks one after the other in natural order, and `lasts` for each the zigzag index of
/// its last coefficient that may differ from 0. Block `i` goes to columns `8 * i..` of `plane`'s eight rows.
#[inline(always)]
pub(super) fn row_of_blocks(
    coefficients: &[i16],
    lasts: &[u8],
    quantization: &[u16; 64],
    plane: &mut [u8],
    stride: usize,
) {
    for (index, (block, &last)) in coefficients.as_chunks::<64>().0.iter().zip(lasts).enumerate() {
        let target = &mut plane[index * 8..];
        if last == 0 {
            flat(block[0], quantization[0], target, stride);
        } else {
            full(block, quantization, target, stride);
        }
    }
}

/// A block with nothing but its DC coefficient.
#[inline(always)]
fn flat(dc: i16, quantization: u16, target: &mut [u8], stride: usize) {
    let scaled = i32::from(dc.wrapping_mul(quantization.cast_signed())) << PASS1_BITS;
    let sample = sample((scaled + (1 << (PASS1_BITS + 2))) >> (PASS1_BITS + 3));
    for row in target.chunks_mut(stride).take(8) {
        row[..8].fill(sample);
    }
}

#[inline(always)]
fn full(block: &[i16; 64], quantization: &[u16; 64], target: &mut [u8], stride: usize) {
    let rows: [Lanes; 8] = std::array::from_fn(|r| {
        std::array::from_fn(|c| {
            // 16 bits wide, as libjpeg-turbo's vector code multiplies.
            let at = r * 8 + c;
            i32::from(block[at].wrapping_mul(quantization[at].cast_signed()))
        })
    });
    let columns = transpose(pass::<{ CONST_BITS - PASS1_BITS }>(rows));
    let pixels = transpose(pass::<{ CONST_BITS + PASS1_BITS + 3 }>(columns));
    for (row, values) in target.chunks_mut(stride).zip(pixels) {
        row[..8].copy_from_slice(&values.map(sample));
    }
}

/// Centres on 128 and clamps.
#[inline(always)]
fn sample(value: i32) -> u8 {
    (value + 128).clamp(0, 255) as u8
}

#[inline(always)]
fn transpose(v: [Lanes; 8]) -> [Lanes; 8] {
    std::array::from_fn(|r| std::array::from_fn(|c| v[c][r]))
}

#[inline(always)]
fn add(a: Lanes, b: Lanes) -> Lanes {
    std::array::from_fn(|i| a[i].wrapping_add(b[i]))
}

#[inline(always)]
fn sub(a: Lanes, b: Lanes) -> Lanes {
    std::array::from_fn(|i| a[i].wrapping_sub(b[i]))
}

#[inline(always)]
fn mul(a: Lanes, factor: i32) -> Lanes {
    a.map(|v| v.wrapping_mul(factor))
}

/// One dimension, along the outer index; the results are rounded and shifted right by `SHIFT`.
#[inline(always)]
fn pass<const SHIFT: u32>(v: [Lanes; 8]) -> [Lanes; 8] {
    // Even part.
    let z1 = mul(add(v[2], v[6]), 4433);
    let t2 = sub(z1, mul(v[6], 15137));
    let t3 = add(z1, mul(v[2], 6270));
    let t0 = mul(add(v[0], v[4]), 1 << CONST_BITS);
    let t1 = mul(sub(v[0], v[4]), 1 << CONST_BITS);
    let even = [add(t0, t3), add(t1, t2), sub(t1, t2), sub(t0, t3)];

    // Odd part.
    let (z1, z2) = (add(v[7], v[1]), add(v[5], v[3]));
    let (z3, z4) = (add(v[7], v[3]), add(v[5], v[1]));
    let z5 = mul(add(z3, z4), 9633);
    let (z1, z2) = (mul(z1, -7373), mul(z2, -20995));
    let (z3, z4) = (add(mul(z3, -16069), z5), add(mul(z4, -3196), z5));
    let odd = [
        add(mul(v[1], 12299), add(z1, z4)),
        add(mul(v[3], 25172), add(z2, z3)),
        add(mul(v[5], 16819), add(z2, z4)),
        add(mul(v[7], 2446), add(z1, z3)),
    ];

    let round = |a: Lanes| -> Lanes { a.map(|v| v.wrapping_add(1 << (SHIFT - 1)) >> SHIFT) };
    [
        round(add(even[0], odd[0])),
        round(add(even[1], odd[1])),
        round(add(even[2], odd[2])),
        round(add(even[3], odd[3])),
        round(sub(even[3], odd[3])),
        round(sub(even[2], odd[2])),
        round(sub(even[1], odd[1])),
        round(sub(even[0], odd[0])),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_block_takes_the_short_way_to_the_same_samples() {
        for dc in -300..300 {
            let mut block = [0; 64];
            block[0] = dc;
            let quantization = [7; 64];
            let (mut short, mut long) = ([0; 64], [0; 64]);
            flat(dc, 7, &mut short, 8);
            full(&block, &quantization, &mut long, 8);
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
        full(&block, &[1; 64], &mut found, 8);
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
