//! Under autocast: the kinds that PyTorch's modules give, and values near those without it.
#![allow(clippy::unwrap_used)]

use tch::{Device, Kind, Tensor};
use visrep_models::{Model, ModelOptions, Taps};
use visrep_torch::Autocast;

/// Model, side, tap, and the kind of that tap and of the pooled features' source: timm 1.0.31 under
/// `torch.autocast("cpu", torch.bfloat16)`. Residual sums take the wider kind, so that what is added to decides.
const KINDS: [(&str, i64, &str, Kind); 10] = [
    ("resnet10t", 64, "layer4", Kind::BFloat16),
    ("resnetv2_18", 64, "stages.3", Kind::BFloat16),
    ("nf_resnet26", 64, "stages.3", Kind::BFloat16),
    ("vit_tiny_patch16_224", 224, "blocks.11", Kind::Float),
    ("mixer_s32_224", 224, "blocks.7", Kind::BFloat16),
    ("convnext_atto", 64, "stages.3", Kind::Float),
    ("convnextv2_atto", 64, "stages.3", Kind::BFloat16),
    ("swin_tiny_patch4_window7_224", 224, "layers.3", Kind::BFloat16),
    ("efficientnet_b0", 64, "blocks.6", Kind::BFloat16),
    ("densenet121", 64, "features.denseblock4", Kind::BFloat16),
];

#[test]
fn kinds_are_those_of_pytorch_and_values_near_those_in_f32() {
    let _no_grad = tch::no_grad_guard();
    for (name, side, tap, kind) in KINDS {
        let model = Model::create(name, &ModelOptions { seed: Some(1), ..Default::default() }).unwrap();
        let x = Tensor::linspace(-1.0, 1.0, 2 * 3 * side * side, (Kind::Float, Device::Cpu))
            .sin()
            .reshape([2, 3, side, side]);
        let run = || model.backbone().forward_with_taps(&x, false, Taps::Named(&[tap])).unwrap();
        let plain = run();
        let cast = {
            let _autocast = Autocast::enter(Device::Cpu, Some(Kind::BFloat16)).unwrap();
            run()
        };
        assert_eq!(cast.taps[0].1.kind(), kind, "{name} {tap}");
        let (plain, cast) = (plain.pooled, cast.pooled.to_kind(Kind::Float));
        let error = ((&cast - &plain).norm() / plain.norm()).double_value(&[]);
        assert!(error > 0.0 && error < 0.05, "{name}: {error}");
    }
}
