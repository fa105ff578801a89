//! Names, tags, preprocessing, initial values, and input that does not fit.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use serde_json::json;
use tch::{Device, Kind, Tensor};
use visrep_models::{Error, Interpolation, Model, ModelOptions, Taps, model_info, model_names};

fn small(seed: i64) -> Model {
    let options = ModelOptions { seed: Some(seed), ..Default::default() };
    Model::create("resnet18_cifar_w16", &options).unwrap()
}

#[test]
fn a_bare_name_means_timms_default_tag() {
    let info = model_info("resnet50").unwrap();
    assert_eq!((info.tag, info.num_classes, info.parameters), (Some("a1_in1k"), 1000, 25_557_032));
    assert_eq!(info.preprocessing, model_info("resnet50.a1_in1k").unwrap().preprocessing);
    assert_eq!(info.preprocessing.interpolation, Interpolation::Bicubic);
    assert_eq!(info.preprocessing.resize_size(), 235);
    assert_eq!(info.tags.len(), 19);

    let vit = model_info("vit_base_patch16_224").unwrap();
    assert_eq!((vit.tag, vit.preprocessing.mean), (Some("augreg2_in21k_ft_in1k"), [0.5; 3]));
    assert_eq!(vit.preprocessing.resize_size(), 248);
}

#[test]
fn a_tag_decides_preprocessing_and_classes() {
    let tv = model_info("resnet50.tv_in1k").unwrap();
    assert_eq!(
        (tv.preprocessing.interpolation, tv.preprocessing.resize_size()),
        (Interpolation::Bilinear, 256)
    );
    let small = model_info("resnet50.a3_in1k").unwrap();
    assert_eq!((small.preprocessing.input_size, small.preprocessing.resize_size()), (160, 168));
    let dino = model_info("vit_small_patch16_224.dino").unwrap();
    assert_eq!((dino.num_classes, dino.parameters), (0, 21_665_664));
    assert_eq!(model_info("vit_base_patch16_224.mae").unwrap().licence, Some("cc-by-nc-4.0"));
    assert_eq!(model_info("vit_tiny_patch16_224.augreg_in21k").unwrap().num_classes, 21_843);
    let cifar = model_info("resnet18_cifar").unwrap();
    assert_eq!((cifar.tag, cifar.preprocessing.input_size, cifar.num_classes), (None, 32, 10));
}

#[test]
fn every_name_and_tag_resolves() {
    for name in model_names() {
        let info = model_info(&name).unwrap();
        for tag in info.tags {
            assert_eq!(model_info(&format!("{name}.{tag}")).unwrap().architecture, name);
        }
    }
}

#[test]
fn unknown_names_list_the_nearest() {
    let message = model_info("resnet5O").unwrap_err().to_string();
    assert!(message.contains("`resnet5O`") && message.contains("resnet50"), "{message}");
    let message = model_info("resnet50.a1_ink1").unwrap_err().to_string();
    assert!(message.contains("it has a1_in1k, "), "{message}");
    let message = model_info("resnet18_cifar.a1").unwrap_err().to_string();
    assert!(message.contains("leave the tag out"), "{message}");
    for name in ["", ".", "..", "é", "resnet50.", &"x".repeat(10_000)] {
        assert!(model_info(name).is_err(), "{name:?}");
    }
    let options = ModelOptions { num_classes: Some(-1), ..Default::default() };
    assert!(matches!(Model::create("resnet18", &options), Err(Error::NumClasses(-1))));
}

#[test]
fn preprocessing_survives_serde() {
    let info = model_info("resnet50").unwrap();
    let value = serde_json::to_value(&info.preprocessing).unwrap();
    assert_eq!(value["interpolation"], json!("bicubic"));
    assert_eq!(serde_json::from_value::<visrep_models::Preprocessing>(value).unwrap(), info.preprocessing);
}

#[test]
fn normalise_is_torchvisions() {
    let preprocessing = model_info("resnet50").unwrap().preprocessing;
    let bytes: Vec<u8> = (0..2 * 4 * 5 * 3).map(|i| (i * 37 % 256) as u8).collect();
    let images = Tensor::from_slice(&bytes).reshape([2, 4, 5, 3]);
    let x = preprocessing.normalize(&images, Device::Cpu).unwrap();
    assert_eq!((x.size(), x.kind(), x.is_contiguous()), (vec![2, 3, 4, 5], Kind::Float, true));
    for (n, c, h, w) in [(0, 0, 0, 0), (1, 2, 3, 4), (0, 1, 2, 3)] {
        let byte = bytes[((n * 4 + h) * 5 + w) * 3 + c];
        let expected = (f32::from(byte) / 255.0 - preprocessing.mean[c] as f32) / preprocessing.std[c] as f32;
        let got = x.double_value(&[n as i64, c as i64, h as i64, w as i64]);
        assert!((got - f64::from(expected)).abs() < 1e-6, "{got} {expected}");
    }
    assert!(preprocessing.normalize(&x, Device::Cpu).is_err());
    assert!(preprocessing.normalize(&images.reshape([2, 3, 4, 5]), Device::Cpu).is_err());
}

#[test]
fn a_seed_fixes_the_initial_values() {
    let (a, b, c) = (small(7), small(7), small(8));
    let (a, b, c) = (a.var_store().variables(), b.var_store().variables(), c.var_store().variables());
    assert!(a.iter().all(|(name, tensor)| *tensor == b[name]));
    assert_ne!(a["conv1.weight"], c["conv1.weight"]);
}

/// The deviation and the largest value of each kind of parameter, as timm and PyTorch define them.
#[test]
fn initial_values_are_timms() {
    let spread = |model: &Model, name: &str| {
        let x = &model.var_store().variables()[name];
        (x.std(false).double_value(&[]), x.abs().max().double_value(&[]))
    };
    let near = |got: f64, expected: f64| assert!((got / expected - 1.0).abs() < 0.03, "{got} {expected}");
    let options = ModelOptions { seed: Some(3), ..Default::default() };

    let resnet = Model::create("resnet18", &options).unwrap();
    near(spread(&resnet, "layer2.0.conv1.weight").0, (2.0 / (128.0 * 9.0_f64)).sqrt());
    let bound = 1.0 / 512.0_f64.sqrt();
    near(spread(&resnet, "fc.weight").0, bound / 3.0_f64.sqrt());
    near(spread(&resnet, "fc.weight").1, bound);
    near(spread(&resnet, "fc.bias").1, bound);
    let scale = |name: &str| resnet.var_store().variables()[name].mean(None).double_value(&[]);
    assert_eq!((scale("layer1.0.bn1.weight"), scale("layer1.0.bn2.weight")), (1.0, 0.0));
    assert_eq!((scale("layer2.0.downsample.1.weight"), scale("bn1.running_var")), (1.0, 1.0));

    let vit = Model::create("vit_tiny_patch16_224", &options).unwrap();
    for name in ["pos_embed", "blocks.3.attn.qkv.weight", "blocks.11.mlp.fc2.weight", "head.weight"] {
        near(spread(&vit, name).0, 0.02);
    }
    assert!(spread(&vit, "cls_token").1 < 1e-5);
    assert_eq!(spread(&vit, "head.bias").1, 0.0);
    let bound = 1.0 / 768.0_f64.sqrt();
    near(spread(&vit, "patch_embed.proj.weight").1, bound);
    near(spread(&vit, "patch_embed.proj.bias").1, bound);
}

#[test]
fn input_that_does_not_fit_is_refused() {
    let options = ModelOptions { num_classes: Some(0), ..Default::default() };
    let vit = Model::create("vit_tiny_patch16_224", &options).unwrap();
    let resnet = small(1);
    let zeros = |shape: &[i64]| Tensor::zeros(shape, (Kind::Float, Device::Cpu));
    for (shape, problem) in [
        (&[1, 3, 8, 8][..], "nearest sizes are 16x16"),
        (&[1, 1, 224, 224], "(N, 3, H, W)"),
        (&[3, 224, 224], "(N, 3, H, W)"),
        (&[1, 3, 224, 225], "nearest sizes are 224x224 and 224x240"),
        (&[], "(N, 3, H, W)"),
    ] {
        let message = vit.forward(&zeros(shape), false).unwrap_err().to_string();
        assert!(message.contains(problem), "{message}");
    }
    for shape in [&[1, 1, 32, 32][..], &[3, 32, 32], &[1, 3, 0, 32], &[5]] {
        assert!(matches!(resnet.forward(&zeros(shape), false), Err(Error::Input { .. })), "{shape:?}");
    }
    assert_eq!(resnet.forward(&zeros(&[1, 3, 1, 1]), false).unwrap().size(), [1, 10]);
    assert!(matches!(resnet.forward(&zeros(&[1, 3, 8, 8]), true), Err(Error::SingleValueBatchNorm(_))));
    let error = resnet.backbone().forward_with_taps(&zeros(&[1, 3, 8, 8]), false, Taps::Named(&["layer5"]));
    let message = error.unwrap_err().to_string();
    assert!(message.contains("layer5") && message.contains("act1, layer1"), "{message}");
    assert!(resnet.forward(&zeros(&[2, 3, 8, 8]).to_kind(Kind::Int64), false).is_err());
}

#[test]
fn the_parameter_table_adds_up() {
    let table = small(1).parameter_table().to_string();
    assert!(table.ends_with("701466 trainable values, 2400 fixed"), "{table}");
    assert!(table.contains("layer1.0.conv1.weight "), "{table}");
}
