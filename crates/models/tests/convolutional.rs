//! EfficientNet, the MobileNets, VGG, AlexNet, SqueezeNet, GoogLeNet, Inception v3 and DenseNet: what the golden values do
//! not show.
#![allow(clippy::unwrap_used)]

use tch::{Device, Kind, Tensor};
use visrep_models::{Error, Model, ModelOptions, Taps};

fn options() -> ModelOptions {
    ModelOptions { num_classes: Some(10), seed: Some(3), ..Default::default() }
}

/// Without LibTorch's generator, which tests running side by side share.
fn images(batch: i64, side: i64) -> Tensor {
    let values = Tensor::arange(batch * 3 * side * side, (Kind::Float, Device::Cpu));
    ((values * 12.9898).sin() * 2.0).reshape([batch, 3, side, side])
}

#[test]
fn the_smallest_image_is_taken_and_a_smaller_one_named() {
    let smallest = [
        ("efficientnet_b0", 1),
        ("tf_efficientnet_b0", 1),
        ("mobilenetv2_050", 1),
        ("tf_mobilenetv3_small_100", 1),
        ("vgg11", 32),
        ("alexnet", 63),
        ("squeezenet1_0", 21),
        ("squeezenet1_1", 17),
        ("googlenet", 15),
        ("inception_v3", 75),
        ("inception_v3_fid", 75),
        ("densenet121", 29),
    ];
    for (name, side) in smallest {
        let model = Model::create(name, &options()).unwrap();
        let logits = tch::no_grad(|| model.forward(&images(1, side), false)).unwrap();
        assert_eq!(logits.size(), [1, 10], "{name}");
        assert!(logits.isfinite().all().double_value(&[]) == 1.0, "{name}");
        let error = model.forward(&images(1, side - 1), false).unwrap_err();
        assert!(matches!(error, Error::Input { .. }), "{name}: {error}");
        assert!(error.to_string().contains(&format!("H and W of at least {side}")), "{name}: {error}");
        let wide = images(1, 2 * side).narrow(2, 0, side - 1);
        assert!(matches!(model.forward(&wide, false), Err(Error::Input { .. })), "{name}");
    }
}

/// The taps that the `lpips` package reads, and that nothing later in the pass writes to them.
#[test]
fn taps_of_lpips_are_there() {
    let networks: [(&str, &[&str], &[i64]); 3] = [
        (
            "alexnet",
            &["features.1", "features.4", "features.7", "features.9", "features.11"],
            &[64, 192, 384, 256, 256],
        ),
        (
            "vgg16",
            &["features.3", "features.8", "features.15", "features.22", "features.29"],
            &[64, 128, 256, 512, 512],
        ),
        (
            "squeezenet1_1",
            &[
                "features.1",
                "features.4",
                "features.7",
                "features.9",
                "features.10",
                "features.11",
                "features.12",
            ],
            &[64, 128, 256, 384, 384, 512, 512],
        ),
    ];
    for (name, taps, channels) in networks {
        let model = Model::create(name, &ModelOptions { num_classes: Some(0), ..options() }).unwrap();
        let x = images(1, 64);
        let kept =
            |wanted| tch::no_grad(|| model.backbone().forward_with_taps(&x, false, wanted)).unwrap().taps;
        let named = kept(Taps::Named(taps));
        let found: Vec<_> = named.iter().map(|(name, tap)| (name.as_str(), tap.size()[1])).collect();
        assert_eq!(found, taps.iter().copied().zip(channels.iter().copied()).collect::<Vec<_>>(), "{name}");
        let all = kept(Taps::All);
        for (tap, x) in &named {
            assert!(x.min().double_value(&[]) >= 0.0, "{name} {tap}");
            assert_eq!(all.iter().find(|(other, _)| other == tap).unwrap().1, *x, "{name} {tap}");
        }
    }
}

/// Deviation and largest value of parameters, as the peers start them.
#[test]
fn initial_values_are_the_peers() {
    let near = |got: f64, expected: f64| assert!((got / expected - 1.0).abs() < 0.04, "{got} {expected}");
    let spread = |model: &Model, name: &str| {
        let x = &model.var_store().variables()[name];
        (x.std(false).double_value(&[]), x.abs().max().double_value(&[]))
    };
    let thousand = ModelOptions { num_classes: Some(1000), ..options() };

    let model = Model::create("efficientnet_b0", &thousand).unwrap();
    near(spread(&model, "conv_head.weight").0, (2.0 / 1280.0_f64).sqrt());
    // Depthwise: each group has one output.
    near(spread(&model, "blocks.5.1.conv_dw.weight").0, (2.0 / 25.0_f64).sqrt());
    near(spread(&model, "blocks.5.1.se.conv_reduce.weight").0, (2.0 / 48.0_f64).sqrt());
    assert_eq!(spread(&model, "blocks.5.1.se.conv_reduce.bias").1, 0.0);
    near(spread(&model, "classifier.weight").1, 1.0 / 1000.0_f64.sqrt());
    assert_eq!(spread(&model, "classifier.bias").1, 0.0);

    let model = Model::create("squeezenet1_1", &thousand).unwrap();
    near(spread(&model, "features.12.squeeze.weight").1, (6.0 / 512.0_f64).sqrt());
    near(spread(&model, "classifier.1.weight").0, 0.01);

    let model = Model::create("vgg11", &thousand).unwrap();
    near(spread(&model, "features.3.weight").0, (2.0 / (128.0 * 9.0_f64)).sqrt());
    near(spread(&model, "pre_logits.fc2.weight").0, (2.0 / 4096.0_f64).sqrt());
    near(spread(&model, "head.fc.weight").0, 0.01);

    let model = Model::create("alexnet", &thousand).unwrap();
    near(spread(&model, "classifier.4.weight").1, 1.0 / 64.0);
    near(spread(&model, "features.3.bias").1, 1.0 / (64.0 * 25.0_f64).sqrt());

    let model = Model::create("googlenet", &thousand).unwrap();
    near(spread(&model, "inception4a.branch2.1.conv.weight").0, 0.01);
    near(spread(&model, "fc.weight").0, 0.01);
    near(spread(&model, "fc.bias").1, 1.0 / 32.0);

    let model = Model::create("inception_v3", &thousand).unwrap();
    near(spread(&model, "Mixed_7c.branch3x3_2a.conv.weight").0, 0.1);
    near(spread(&model, "fc.weight").0, 0.1);

    let model = Model::create("densenet121", &thousand).unwrap();
    near(spread(&model, "features.denseblock1.denselayer1.conv2.weight").0, (2.0 / (128.0 * 9.0_f64)).sqrt());
    near(spread(&model, "classifier.weight").1, 1.0 / 32.0);
    assert_eq!(spread(&model, "classifier.bias").1, 0.0);
}

/// Whether the options change what the model gives in training, and nothing else. Two runs of one model could not tell: they draw
/// the same when a checkpoint in another test restores the generator between them.
#[track_caller]
fn assert_drops(name: &str, dropping: ModelOptions) {
    let x = images(2, 64);
    let [plain, dropping] = [options(), dropping].map(|options| {
        let model = Model::create(name, &options).unwrap();
        [false, true].map(|train| tch::no_grad(|| model.forward(&x, train)).unwrap())
    });
    assert_eq!(plain[0], dropping[0], "{name}");
    assert_ne!(plain[1], dropping[1], "{name}");
}

/// Rates act in training alone, and AlexNet's dropout leaves its last layer's input whole.
#[test]
fn rates_act_in_training() {
    let x = images(2, 64);
    for name in ["alexnet", "vgg11", "squeezenet1_1", "mobilenetv3_small_050"] {
        assert_drops(name, ModelOptions { drop_rate: 0.5, ..options() });
    }
    let model = Model::create("alexnet", &ModelOptions { drop_rate: 0.5, ..options() }).unwrap();
    tch::no_grad(|| {
        let features = model.backbone().forward_features(&x, true).unwrap();
        assert_eq!(model.logits(&features, true).unwrap(), model.logits(&features, false).unwrap());
    });
    assert_drops("efficientnet_b0", ModelOptions { drop_path_rate: 0.9, ..options() });
}

/// Checkpointing changes the memory that training takes, not its gradients.
#[test]
fn checkpointing_keeps_gradients() {
    for (name, weight) in [
        ("mobilenetv3_small_050", "blocks.1.0.conv_dw.weight"),
        ("vgg11_bn", "features.4.weight"),
        ("squeezenet1_1", "features.4.expand3x3.weight"),
        ("googlenet", "inception3a.branch2.1.conv.weight"),
        ("densenet121", "features.denseblock2.denselayer3.conv1.weight"),
    ] {
        let model = Model::create(name, &options()).unwrap();
        let mut weight = model.var_store().variables()[weight].shallow_clone();
        let mut gradient = |checkpointing| {
            weight.zero_grad();
            model.set_gradient_checkpointing(checkpointing);
            let logits = model.forward(&images(2, 64), true).unwrap();
            logits.square().sum(Kind::Float).backward();
            weight.grad().copy()
        };
        let (plain, again) = (gradient(false), gradient(true));
        let norm = plain.norm().double_value(&[]);
        assert!(norm > 0.0, "{name}");
        assert!((plain - again).norm().double_value(&[]) < 1e-4 * norm, "{name}");
    }
}

/// What PyTorch converts by `.to(memory_format=channels_last)` and `.bfloat16()` still gives the same figures.
#[test]
fn formats_and_kinds_agree() {
    for name in ["tf_efficientnet_b0", "mobilenetv3_small_100", "squeezenet1_1", "googlenet", "densenet121"] {
        let mut model = Model::create(name, &options()).unwrap();
        let x = images(2, 64);
        let run = |model: &Model| tch::no_grad(|| model.forward(&x, false)).unwrap().to_kind(Kind::Float);
        let expected = run(&model);
        let error =
            |got: Tensor| (&got - &expected).norm().double_value(&[]) / expected.norm().double_value(&[]);
        model.set_memory_format(visrep_models::MemoryFormat::ChannelsLast).unwrap();
        assert!(error(run(&model)) < 1e-4, "{name}");
        model.set_kind(Kind::BFloat16).unwrap();
        assert!(error(run(&model)) < 0.1, "{name}: {}", error(run(&model)));
    }
}
