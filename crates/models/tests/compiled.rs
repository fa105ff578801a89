//! A compiled package in the place of a backbone.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(clippy::unwrap_used)]

use tch::{Device, Kind, Tensor};
use visrep_models::{Error, Model, ModelOptions, Taps};

const TINY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/golden/torch/tiny.pt2");

#[test]
fn it_gives_pooled_features_and_is_frozen() {
    let model = Model::from_package("resnet18_cifar_w16", TINY, &ModelOptions::default()).unwrap();
    assert!(model.is_compiled() && model.num_classes() == 0 && model.parameter_count() == 0);
    assert_eq!(model.preprocessing().input_size, 32);
    let x = Tensor::ones([3, 3, 32, 32], (Kind::Float, Device::Cpu));
    let features = model.backbone().forward_features(&x, false).unwrap();
    let weight = (Tensor::arange(384, (Kind::Float, Device::Cpu)) * 0.7).sin().view([128, 3]);
    let expected = weight.sum_dim_intlist(1, false, Kind::Float).expand([3, 128], false);
    assert!(features.pooled.allclose(&expected, 1e-5, 1e-6, false));

    let single = model.backbone().forward_features(&x.narrow(0, 0, 1), false).unwrap().pooled;
    assert!(single.allclose(&expected.narrow(0, 0, 1), 1e-5, 1e-6, false));

    let train = model.backbone().forward_features(&x, true).unwrap_err().to_string();
    assert!(train.contains("compiled"), "{train}");
    let tap = model.backbone().forward_with_taps(&x, false, Taps::Named(&["layer1"])).unwrap_err();
    assert!(matches!(tap, Error::UnknownTap { .. }));
    let folder = tempfile::tempdir().unwrap();
    let saved = model.save_weights(folder.path().join("w.safetensors")).unwrap_err().to_string();
    assert!(saved.contains("copy the package"), "{saved}");
}

#[test]
fn a_package_of_another_network_is_refused() {
    let model = Model::from_package("resnet18_cifar", TINY, &ModelOptions::default()).unwrap();
    let x = Tensor::ones([1, 3, 32, 32], (Kind::Float, Device::Cpu));
    let message = model.forward(&x, false).unwrap_err().to_string();
    assert!(message.contains("128") && message.contains("resnet18_cifar"), "{message}");
    let missing = Model::from_package("resnet18_cifar", "no/such.pt2", &ModelOptions::default());
    assert!(missing.err().unwrap().to_string().contains("no/such.pt2"));
}
