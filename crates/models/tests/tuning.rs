//! Head surgery, layer groups, freezing, the modes of batch normalisation, kinds and drop rates.
#![allow(clippy::unwrap_used)]

use tch::{Device, Kind, Tensor};
use visrep_models::{BatchNormMode, Error, HeadStart, MemoryFormat, Model, ModelOptions};

fn model(options: ModelOptions) -> Model {
    Model::create("resnet18_cifar_w16", &ModelOptions { seed: Some(3), ..options }).unwrap()
}

fn images(channels: i64) -> Tensor {
    Tensor::linspace(-1.0, 1.0, 4 * channels * 64, (Kind::Float, Device::Cpu))
        .sin()
        .reshape([4, channels, 8, 8])
}

fn forward(model: &Model, x: &Tensor, train: bool) -> Tensor {
    tch::no_grad(|| model.forward(x, train)).unwrap()
}

#[test]
fn a_classifier_can_be_replaced_zeroed_and_dropped() {
    let mut model = model(ModelOptions::default());
    let x = images(3);
    let features = tch::no_grad(|| model.backbone().forward_features(&x, false)).unwrap().pooled;

    model.reset_classifier(7, HeadStart::Zero).unwrap();
    assert_eq!((model.num_classes(), forward(&model, &x, false).size()), (7, vec![4, 7]));
    assert_eq!(forward(&model, &x, false).abs().max().double_value(&[]), 0.0);
    assert_eq!(model.parameter_count(), 700_176 + 7 * 129);
    assert_eq!(model.var_store().trainable_variables().len(), 62);

    model.reset_classifier(5, HeadStart::Random(Some(1))).unwrap();
    let first = forward(&model, &x, false);
    model.reset_classifier(5, HeadStart::Random(Some(1))).unwrap();
    assert_eq!(forward(&model, &x, false), first);
    assert!(first.abs().max().double_value(&[]) > 0.0);

    model.reset_classifier(0, HeadStart::Zero).unwrap();
    assert_eq!(forward(&model, &x, false), features);
    assert_eq!(model.parameter_count(), 700_176);
    assert!(model.var_store().variables().keys().all(|name| !name.starts_with("fc.")));
    assert!(matches!(model.reset_classifier(-1, HeadStart::Zero), Err(Error::NumClasses(-1))));
}

#[test]
fn some_classes_can_be_kept_in_another_order() {
    let mut model = model(ModelOptions::default());
    let x = images(3);
    let all = forward(&model, &x, false);
    for wrong in [&[][..], &[3, 10], &[-1]] {
        assert!(matches!(model.select_classes(wrong), Err(Error::Unknown { .. })), "{wrong:?}");
    }
    model.select_classes(&[9, 0, 4]).unwrap();
    let kept = all.index_select(1, &Tensor::from_slice(&[9_i64, 0, 4]));
    assert!(forward(&model, &x, false).allclose(&kept, 1e-6, 1e-6, false));
    assert_eq!((model.num_classes(), model.info().num_classes), (3, 3));
    // What is saved is what is left.
    let file = tempfile::NamedTempFile::new().unwrap();
    model.save_weights(file.path()).unwrap();
    let (loaded, _) =
        Model::from_weights("resnet18_cifar_w16", file.path(), &ModelOptions::default()).unwrap();
    assert_eq!(forward(&loaded, &x, false), forward(&model, &x, false));
}

#[test]
fn layer_groups_go_from_the_stem_to_the_classifier() {
    let groups = model(ModelOptions::default()).layer_groups();
    assert_eq!(groups.len(), 1 + 8 + 1);
    assert_eq!(groups[0].parameters, ["bn1.bias", "bn1.weight", "conv1.weight"]);
    assert!(groups[3].parameters.iter().all(|name| name.starts_with("layer2.0.")));
    assert_eq!(groups[9].parameters, ["fc.bias", "fc.weight"]);
}

#[test]
fn what_is_frozen_stays_as_it_was() {
    let mut model = model(ModelOptions::default());
    let message = model.freeze_through("layer9").unwrap_err().to_string();
    assert!(message.contains("layer9") && message.contains("conv1, layer1, layer2"), "{message}");
    // The stem has 3 parameters, each block 6, and the first of layer2 a projection with 3.
    assert_eq!(model.freeze_through("layer2").unwrap(), 3 + 2 * 6 + 2 * 6 + 3);
    let before = model.var_store().variables();
    let before = |name: &str| before[name].copy();
    let (stem, late) = (before("bn1.running_mean"), before("layer3.0.bn1.running_mean"));
    model.forward(&images(3), true).unwrap().sum(Kind::Float).backward();
    let after = model.var_store().variables();
    assert_eq!(after["bn1.running_mean"], stem);
    assert_ne!(after["layer3.0.bn1.running_mean"], late);
    assert!(!after["layer2.1.conv2.weight"].grad().defined());
    assert!(after["layer3.0.conv1.weight"].grad().defined());
}

#[test]
fn batch_normalisation_obeys_its_mode() {
    let model = model(ModelOptions::default());
    let x = images(3);
    let running = || model.var_store().variables()["bn1.running_var"].copy();
    let start = running();
    let (eval, train) = (forward(&model, &x, false), {
        assert_eq!(model.set_batch_norm(BatchNormMode::Batch, |_| true), 20);
        forward(&model, &x, false)
    });
    assert_eq!(running(), start, "the batch's statistics are used and not kept");
    assert!(!eval.allclose(&train, 1e-3, 1e-3, false));
    model.set_batch_norm(BatchNormMode::Running, |_| true);
    assert_eq!(forward(&model, &x, true), eval);
    assert_eq!(running(), start);
    assert_eq!(model.set_batch_norm(BatchNormMode::Auto, |path| path.starts_with("layer1")), 4);
    assert_eq!(model.set_batch_norm(BatchNormMode::Auto, |_| true), 20);
    assert_eq!(forward(&model, &x, true), train);
    assert_ne!(running(), start);
}

#[test]
fn the_momentum_of_batch_normalisation_is_the_batchs_share() {
    let x = images(3);
    let mean = |momentum: Option<f64>| {
        let model = model(ModelOptions::default());
        if let Some(momentum) = momentum {
            assert_eq!(model.set_batch_norm_momentum(momentum).unwrap(), 20);
        }
        let _ = forward(&model, &x, true);
        // It starts at 0, so that what is there is the batch's share of its mean.
        model.var_store().variables()["bn1.running_mean"].copy()
    };
    let whole = mean(Some(1.0));
    assert!(whole.abs().max().double_value(&[]) > 1e-3);
    assert!(mean(Some(0.025)).allclose(&(&whole * 0.025), 1e-4, 1e-7, false));
    assert!(mean(None).allclose(&(&whole * 0.1), 1e-4, 1e-7, false));
    let model = model(ModelOptions::default());
    for wrong in [0.0, -0.1, 1.5, f64::NAN] {
        assert!(model.set_batch_norm_momentum(wrong).unwrap_err().to_string().contains("above 0"));
    }
}

#[test]
fn other_kinds_take_any_floating_point_input() {
    let mut model = model(ModelOptions::default());
    let expected = forward(&model, &images(3), false);
    model.set_kind(Kind::BFloat16).unwrap();
    let got = forward(&model, &images(3), false);
    assert_eq!((got.kind(), model.kind()), (Kind::BFloat16, Kind::BFloat16));
    let scale = expected.abs().max().double_value(&[]);
    let error = (got.to_kind(Kind::Float) - &expected).abs().max().double_value(&[]) / scale;
    assert!(error > 0.0 && error < 0.05, "{error}");
    assert!(model.set_kind(Kind::Int64).is_err());
}

#[test]
fn drop_rates_act_in_training_only() {
    let x = images(3);
    let plain = model(ModelOptions::default());
    plain.set_batch_norm(BatchNormMode::Running, |_| true);
    for options in [
        ModelOptions { drop_rate: 0.5, ..Default::default() },
        ModelOptions { drop_path_rate: 0.9, ..Default::default() },
    ] {
        let dropped = model(options);
        dropped.set_batch_norm(BatchNormMode::Running, |_| true);
        // With zero-initialised branches, stochastic depth would have nothing to drop.
        tch::no_grad(|| {
            for (name, mut tensor) in dropped.var_store().variables() {
                if name.ends_with("bn2.weight") {
                    let _ = tensor.fill_(1.0);
                }
                plain.var_store().variables().get_mut(&name).unwrap().copy_(&tensor);
            }
        });
        assert_eq!(forward(&dropped, &x, false), forward(&plain, &x, false));
        assert_ne!(forward(&dropped, &x, true), forward(&plain, &x, true), "{options:?}");
    }
}

#[test]
fn options_that_an_architecture_has_no_use_for_are_refused() {
    let create = |options| Model::create("resnet18_cifar_w16", &options).unwrap_err().to_string();
    let default = ModelOptions::default;
    for (options, word) in [
        (ModelOptions { image_size: Some((64, 64)), ..default() }, "image_size = 64x64"),
        (ModelOptions { patch_size: Some(8), ..default() }, "patch_size = 8"),
        (ModelOptions { in_channels: 0, ..default() }, "in_channels = 0"),
        (ModelOptions { drop_rate: 1.0, ..default() }, "drop_rate = 1"),
        (ModelOptions { drop_path_rate: -0.1, ..default() }, "drop_path_rate = -0.1"),
        (ModelOptions { drop_rate: f64::NAN, ..default() }, "drop_rate = NaN"),
    ] {
        let message = create(options);
        assert!(message.contains(word) && message.contains("resnet18_cifar_w16"), "{message}");
    }
    let grey = model(ModelOptions { in_channels: 1, ..default() });
    assert_eq!(forward(&grey, &images(1), false).size(), [4, 10]);
    let message = grey.forward(&images(3), false).unwrap_err().to_string();
    assert!(message.contains("(N, 1, H, W)"), "{message}");
}

#[test]
fn channels_last_changes_the_memory_alone() {
    let mut model = model(ModelOptions::default());
    let x = images(3);
    let expected = forward(&model, &x, false);
    assert_eq!(model.memory_format(), MemoryFormat::Contiguous);
    assert_eq!(model.suggested_memory_format(), MemoryFormat::ChannelsLast);
    model.set_memory_format(MemoryFormat::ChannelsLast).unwrap();
    assert_eq!(model.memory_format(), MemoryFormat::ChannelsLast);
    let weight = &model.var_store().variables()["layer2.0.conv1.weight"];
    assert!(visrep_torch::is_channels_last(weight).unwrap());
    let map = tch::no_grad(|| model.backbone().forward_features(&x, false)).unwrap().map.unwrap();
    assert!(visrep_torch::is_channels_last(&map).unwrap(), "activations follow the weights");
    assert!(forward(&model, &x, false).allclose(&expected, 1e-5, 1e-5, false));
    model.set_memory_format(MemoryFormat::Contiguous).unwrap();
    assert_eq!(forward(&model, &x, false), expected);
    assert_eq!(model.memory_format(), MemoryFormat::Contiguous);
    let transformer = Model::create("vit_tiny_patch16_224", &ModelOptions::default()).unwrap();
    assert_eq!(transformer.suggested_memory_format(), MemoryFormat::Contiguous);
}

/// The gradients of a sum of the logits, and the running variance of the stem.
fn step(model: &Model) -> (Vec<Tensor>, Tensor) {
    model.forward(&images(3), true).unwrap().square().sum(Kind::Float).backward();
    let mut variables: Vec<_> = model.var_store().variables().into_iter().collect();
    variables.sort_by(|a, b| a.0.cmp(&b.0));
    let gradients = variables.iter().filter(|(_, t)| t.requires_grad()).map(|(_, t)| t.grad()).collect();
    (gradients, model.var_store().variables()["layer1.0.bn1.running_var"].copy())
}

#[test]
fn gradient_checkpointing_changes_no_number() {
    let (plain, expected) = step(&model(ModelOptions::default()));
    let model = model(ModelOptions::default());
    model.set_gradient_checkpointing(true);
    let (checkpointed, running) = step(&model);
    assert_eq!(plain, checkpointed);
    assert_eq!(running, expected, "the second run must not count the batch again");
}

/// What was learned so far is changed with the parameters, so that training goes on.
#[test]
fn training_goes_on_after_surgery_and_conversion() {
    let mut model = model(ModelOptions::default());
    let x = images(3);
    let backward = |model: &Model| {
        model.forward(&x, true).unwrap().to_kind(Kind::Float).square().sum(Kind::Float).f_backward().unwrap();
    };
    backward(&model);
    let gradient = |model: &Model, name: &str| model.var_store().variables()[name].grad().copy();
    let before = gradient(&model, "fc.weight");
    model.select_classes(&[9, 0, 4]).unwrap();
    assert_eq!(gradient(&model, "fc.weight"), before.index_select(0, &Tensor::from_slice(&[9_i64, 0, 4])));
    backward(&model);
    model.set_memory_format(MemoryFormat::ChannelsLast).unwrap();
    backward(&model);
    model.set_kind(Kind::BFloat16).unwrap();
    assert_eq!(gradient(&model, "layer1.0.conv1.weight").kind(), Kind::BFloat16);
    backward(&model);
    for (name, tensor) in model.var_store().variables() {
        let (gradient, frozen) = (tensor.grad(), !tensor.requires_grad());
        assert!(frozen || (gradient.kind() == tensor.kind() && gradient.size() == tensor.size()), "{name}");
    }
}

#[test]
fn a_copy_has_memory_and_options_of_its_own() {
    let original = model(ModelOptions::default());
    let x = images(3);
    let before = forward(&original, &x, false);
    let copy = original.duplicate(|options| options.drop_rate = 0.5).unwrap();
    assert_eq!(forward(&copy, &x, false), before);
    assert_eq!((copy.num_classes(), copy.preprocessing()), (10, original.preprocessing()));
    assert_ne!(forward(&copy, &x, true), forward(&copy, &x, true), "features are dropped at random");
    for tensor in copy.var_store().trainable_variables() {
        let _ = tch::no_grad(|| tensor.shallow_clone().zero_());
    }
    assert_eq!(forward(&original, &x, false), before);
    assert!(copy.takes_any_image_size());
    assert!(original.duplicate(|options| options.image_size = Some((64, 64))).is_err());

    let small = ModelOptions { image_size: Some((32, 32)), seed: Some(0), ..Default::default() };
    let vit = Model::create("vit_tiny_patch16_224", &small).unwrap();
    let larger = vit.duplicate(|options| options.image_size = Some((48, 48))).unwrap();
    assert!(!larger.takes_any_image_size());
    assert_eq!((vit.preprocessing().input_size, larger.preprocessing().input_size), (32, 48));
    assert_eq!(larger.var_store().variables()["pos_embed"].size(), [1, 10, 192]);
    let same = |name: &str| vit.var_store().variables()[name] == larger.var_store().variables()[name];
    assert!(same("blocks.3.mlp.fc1.weight") && same("cls_token"));
}
