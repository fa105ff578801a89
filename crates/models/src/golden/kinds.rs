//! The check of kinds and memory formats against f32 in the default format.

use super::{fill, input};
use crate::{MemoryFormat, Model, ModelOptions};
use tch::{Kind, Tensor};

/// bf16 has 8 significant bits; what the layers round adds up to a few of them.
const BF16: f64 = 0.05;

/// Checks that `name` on images of `side` pixels gives the same in bf16 and channels-last, and in training, as far as these can.
pub(crate) fn check_kinds(name: &str, side: i64) {
    let mut model = Model::create(name, &ModelOptions::default()).expect("a model");
    fill(&model.variables());
    let x = input(&[2, 3, side, side]);
    let logits = |model: &Model, x: &Tensor| {
        tch::no_grad(|| model.forward(x, false)).expect("logits").to_kind(Kind::Float)
    };
    let plain = logits(&model, &x);
    let difference = |other: &Tensor| ((other - &plain).norm() / plain.norm()).double_value(&[]);
    // Autograd keeps the values that inference overwrites.
    let tracked = difference(&model.forward(&x, false).expect("logits").detach());

    let last = visrep_torch::channels_last(&x).expect("a copy");
    let mixed = difference(&logits(&model, &last));
    model.set_memory_format(MemoryFormat::ChannelsLast).expect("a format");
    let last = difference(&logits(&model, &last));
    model.set_kind(Kind::BFloat16).expect("a kind");
    let half = difference(&logits(&model, &x));
    println!("{name}: tracked {tracked:.1e}, channels-last {mixed:.1e} and {last:.1e}, bf16 {half:.1e}");
    assert!(tracked < 1e-5 && mixed < 1e-5 && last < 1e-5, "{name}: {tracked:e} {mixed:e} {last:e}");
    assert!(half < BF16, "{name}: bf16 differs by {half:e}");
}
