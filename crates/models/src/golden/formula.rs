//! The formula that gives weights and inputs their values, the same as the scripts' (`common.py` states it).

use serde::Deserialize;
use std::collections::BTreeMap;
use tch::Tensor;

/// Where a network needs other values than the formula's usual ones; `common.py` says why.
#[derive(Deserialize)]
#[serde(default)]
pub(super) struct Fill {
    /// Of the convolution weights.
    gain: f64,
    /// Endings of names whose values are halved.
    damped: Vec<String>,
}

impl Default for Fill {
    /// The gain that keeps the size of activations through a ReLU.
    fn default() -> Self {
        Self { gain: 6.0, damped: Vec::new() }
    }
}

/// Gives the variables of a network, which may be blank, their usual values.
pub(crate) fn fill(variables: &BTreeMap<String, Tensor>) {
    fill_as(variables, &Fill::default());
}

pub(super) fn fill_as(variables: &BTreeMap<String, Tensor>, fill: &Fill) {
    let _no_grad = tch::no_grad_guard();
    for (name, variable) in variables {
        let scale = if fill.damped.iter().any(|ending| name.ends_with(ending)) { 0.5 } else { 1.0 };
        let value = filled_with(name, &variable.size(), fill.gain) * scale;
        variable.shallow_clone().set_data(&value);
    }
}

/// The usual values of a tensor.
pub(crate) fn filled(name: &str, shape: &[i64]) -> Tensor {
    filled_with(name, shape, Fill::default().gain)
}

/// `common.py` states these rules.
fn filled_with(name: &str, shape: &[i64], gain: f64) -> Tensor {
    let fan_in: i64 = shape.iter().skip(1).product();
    let last = name.rsplit('.').next().expect("a name");
    let few = shape.len() < 2;
    if matches!(last, "running_var" | "gain" | "gamma") || few && matches!(last, "weight" | "skipinit_gain") {
        mapped(name, shape, |u| 0.5 + u)
    } else if few || ADDED.iter().any(|part| last.contains(part)) {
        mapped(name, shape, |u| 0.2 * (u - 0.5))
    } else {
        let gain = if shape.len() == 4 { gain } else { 3.0 };
        let bound = (gain / fan_in as f64).sqrt();
        mapped(name, shape, |u| bound * (2.0 * u - 1.0))
    }
}

/// `map` of the uniform numbers of `name`, on all cores: the largest networks have hundreds of millions.
fn mapped(name: &str, shape: &[i64], map: impl Fn(f64) -> f64 + Sync) -> Tensor {
    let hash = name.bytes().fold(FNV, fnv);
    let mut values = vec![0.0_f32; shape.iter().product::<i64>() as usize];
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let share = values.len().div_ceil(cores).max(1 << 16);
    std::thread::scope(|scope| {
        for (chunk, start) in values.chunks_mut(share).zip((0_u64..).step_by(share)) {
            let map = &map;
            scope.spawn(move || {
                for (value, i) in chunk.iter_mut().zip(start..) {
                    *value = map(unit(hash.wrapping_add(i))) as f32;
                }
            });
        }
    });
    Tensor::from_slice(&values).reshape(shape)
}

/// Parts of the names of what is added to activations.
const ADDED: [&str; 5] = ["bias", "token", "pos_embed", "latent", "running_mean"];

pub(crate) fn input(shape: &[i64]) -> Tensor {
    tensor(shape, uniform("input", shape.iter().product::<i64>() as usize).map(|u| 3.0 * (u - 0.5)))
}

const FNV: u64 = 0xCBF2_9CE4_8422_2325;

fn fnv(hash: u64, byte: u8) -> u64 {
    (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
}

pub(crate) fn uniform(name: &str, count: usize) -> impl Iterator<Item = f64> + use<> {
    let hash = name.bytes().fold(FNV, fnv);
    (0..count as u64).map(move |i| unit(hash.wrapping_add(i)))
}

/// splitmix64 of `z`, in [0, 1).
fn unit(z: u64) -> f64 {
    let mut z = z.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    (z >> 40) as f64 / f64::from(1 << 24)
}

pub(crate) fn tensor(shape: &[i64], values: impl Iterator<Item = f64>) -> Tensor {
    Tensor::from_slice(&values.map(|v| v as f32).collect::<Vec<_>>()).reshape(shape)
}

/// FNV-1a 64, in hexadecimal.
pub(super) fn digest(lines: &[String]) -> String {
    format!("{:016x}", lines.iter().flat_map(|line| line.bytes()).fold(FNV, fnv))
}
