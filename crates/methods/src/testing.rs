//! Small batches and steps for the tests of methods.

use crate::{Batch, Loss, Method, NamedTensor, Setup, Step};
use std::collections::BTreeMap;
use tch::{Device, Kind, Tensor};

pub(crate) const MODEL: &str = "resnet18_cifar_w16";

pub(crate) fn setup() -> Setup<'static> {
    Setup { model: MODEL, classes: 0, device: Device::Cpu, seed: 3 }
}

/// Views of `n` images of these sides, random pixels.
pub(crate) fn batch(n: i64, sides: &[i64]) -> Batch {
    tch::manual_seed(n);
    let view = |&side: &i64| Tensor::randint(256, [n, side, side, 3], (Kind::Float, Device::Cpu));
    let images = sides.iter().map(|side| view(side).to_kind(Kind::Uint8)).collect();
    Batch { images, labels: vec![-1; n as usize], indices: (0..n as usize).collect() }
}

pub(crate) fn step(index: u64) -> Step {
    Step { index, total: 100, epoch: index / 10, log: true }
}

/// The values of `named` as they are now.
pub(crate) fn values(named: Vec<NamedTensor>) -> BTreeMap<String, Tensor> {
    named.into_iter().map(|(name, tensor)| (name, tensor.detach().copy())).collect()
}

/// The largest difference between two tensors.
pub(crate) fn apart(a: &Tensor, b: &Tensor) -> f64 {
    (a - b).abs().max().double_value(&[])
}

/// The gradients of `loss`, by name.
pub(crate) fn gradients(method: &dyn Method, loss: &Tensor) -> BTreeMap<String, Tensor> {
    let (names, tensors): (Vec<_>, Vec<_>) = method.parameters().into_iter().unzip();
    names.into_iter().zip(Tensor::run_backward(&[loss], &tensors, false, false)).collect()
}

/// One step of gradient descent with the rate `lr`, up to but without `after_step`.
pub(crate) fn descend(method: &mut dyn Method, batch: &Batch, step: &Step, lr: f64) -> Loss {
    let loss = method.loss(batch, step).unwrap();
    let gradients = gradients(method, &loss.value);
    tch::no_grad(|| {
        for (name, mut parameter) in method.parameters() {
            let _ = parameter.f_sub_(&(&gradients[&name] * lr)).unwrap();
        }
    });
    loss
}
