//! A folder of the Hugging Face hub says which model it holds and how its images are prepared.
#![allow(clippy::unwrap_used)]

use std::fs;
use tch::{Device, Kind, Tensor};
use visrep_models::{Error, Interpolation, Model, ModelOptions};

const CONFIG: &str = r#"{"architecture": "resnet18_cifar_w16", "num_classes": 7, "pretrained_cfg": {
    "tag": "own", "input_size": [3, 48, 48], "crop_pct": 0.75, "interpolation": "bilinear",
    "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}}"#;

fn folder() -> (tempfile::TempDir, Model) {
    let folder = tempfile::tempdir().unwrap();
    let options = ModelOptions { num_classes: Some(7), seed: Some(1), ..Default::default() };
    let model = Model::create("resnet18_cifar_w16", &options).unwrap();
    model.save_weights(folder.path().join("model.safetensors")).unwrap();
    fs::write(folder.path().join("config.json"), CONFIG).unwrap();
    (folder, model)
}

fn forward(model: &Model, channels: i64) -> Tensor {
    let x = Tensor::ones([1, channels, 16, 16], (Kind::Float, Device::Cpu));
    tch::no_grad(|| model.forward(&x, false)).unwrap()
}

#[test]
fn the_folder_is_enough() {
    let (folder, model) = folder();
    let (loaded, report) = Model::from_hub(folder.path(), &ModelOptions::default()).unwrap();
    assert_eq!((loaded.name(), loaded.num_classes()), ("resnet18_cifar_w16", 7));
    let preprocessing = loaded.preprocessing();
    assert_eq!((preprocessing.input_size, preprocessing.crop_pct), (48, 0.75));
    assert_eq!((preprocessing.interpolation, preprocessing.std), (Interpolation::Bilinear, [0.25; 3]));
    assert!(forward(&loaded, 3).allclose(&forward(&model, 3), 1e-5, 1e-6, false));
    assert!(report.non_finite.is_empty());

    // With the name given, the folder's preprocessing holds all the same.
    let (named, _) =
        Model::from_weights("resnet18_cifar_w16", folder.path(), &ModelOptions::default()).unwrap();
    assert_eq!(named.preprocessing(), preprocessing);
}

#[test]
fn what_a_folder_lacks_is_named() {
    let (folder, _) = folder();
    let error = |text: &str| {
        fs::write(folder.path().join("config.json"), text).unwrap();
        Model::from_hub(folder.path(), &ModelOptions::default()).unwrap_err().to_string()
    };
    assert!(error("{").contains("config.json"));
    assert!(error(r#"{"architecture": "resnet18_cifar_w17"}"#).contains("resnet18_cifar_w16"));
    fs::remove_file(folder.path().join("model.safetensors")).unwrap();
    assert!(error(CONFIG).contains("model.safetensors"));
    fs::remove_file(folder.path().join("config.json")).unwrap();
    let error = Model::from_hub(folder.path(), &ModelOptions::default()).unwrap_err();
    assert!(error.to_string().contains("config.json"), "{error}");
}

#[test]
fn weights_for_rgb_serve_other_channels() {
    let (folder, model) = folder();
    let path = folder.path().join("model.safetensors");
    let load = |in_channels| {
        let options = ModelOptions { in_channels, ..Default::default() };
        Model::from_weights("resnet18_cifar_w16", &path, &options).unwrap()
    };
    let (grey, report) = load(1);
    assert!(report.to_string().contains("from 3 to 1"), "{report}");
    // A grey image gives what its three equal channels gave.
    assert!(forward(&grey, 1).allclose(&forward(&model, 3), 1e-4, 1e-4, false));
    assert!(forward(&load(6).0, 6).allclose(&forward(&model, 3), 1e-4, 1e-4, false));
    let options = ModelOptions { num_classes: Some(3), ..Default::default() };
    let error = Model::from_weights("resnet18_cifar_w16", &path, &options).unwrap_err();
    assert!(matches!(error, Error::Mismatch(_)) && error.to_string().contains("num_classes = 7"), "{error}");
}
