//! The formula of fixtures/golden/models/common.py.

use tch::Tensor;

/// Evenly within 0..1.
pub(crate) fn uniform(name: &str, shape: &[i64]) -> Tensor {
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    let value = |index: i64| {
        let mut z = hash.wrapping_add(index as u64).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f64 / f64::from(1 << 24)
    };
    let values: Vec<f64> = (0..shape.iter().product()).map(value).collect();
    Tensor::from_slice(&values).view(shape)
}

/// The values of a network's tensor.
pub(crate) fn filled(name: &str, shape: &[i64]) -> Tensor {
    let u = uniform(name, shape);
    let last = name.rsplit('.').next().unwrap_or_default();
    if shape.len() < 2 {
        return if matches!(last, "weight" | "running_var") { u + 0.5 } else { (u - 0.5) * 0.2 };
    }
    let fan_in: i64 = shape[1..].iter().product();
    let gain = if shape.len() == 4 { 6.0 } else { 3.0 };
    (u * 2.0 - 1.0) * (gain / fan_in as f64).sqrt()
}
