//! Against the peers: every architecture, the fixed tables, resampling, other patch sizes, masked autoencoders.

use super::checks::{Summary, checks, error};
use super::config::{BlockKind, Config, Resampling};
use super::mae::{MaeDecoder, MaeDecoderConfig};
use super::scheme::Scheme;
use super::sincos::Table;
use super::{ARCHITECTURES, Vit, resample};
use crate::builder::{Builder, Start};
use crate::golden::{self, filled, input};
use crate::head::Head;
use crate::{Backbone, Error, Model, ModelOptions, PatchTransformer, Taps, patchify};
use serde::Deserialize;
use std::collections::BTreeMap;
use tch::{Device, Kind, Tensor, nn};

#[test]
fn match_the_peers() {
    golden::check_family("vit", ARCHITECTURES);
}

#[test]
fn fixed_tables_are_the_publications() {
    let tables: BTreeMap<String, Summary> = checks("tables");
    for (name, table) in [("mae", Table::Mae), ("moco_v3", Table::MocoV3), ("big_vision", Table::BigVision)] {
        let error = error(&table.make((5, 7), 32).expect("a table"), &tables[name]);
        assert!(error < 1e-6, "{name}: {error:e}");
    }
}

#[derive(Deserialize)]
struct Resampled {
    positions: Vec<(String, (i64, i64), Summary)>,
    kernels: Vec<(String, i64, Summary)>,
}

#[test]
fn resampling_is_timms() {
    let filter = |name: &str| match name {
        "bicubic" => Resampling::Bicubic,
        _ => Resampling::Bilinear,
    };
    let expected: Resampled = checks("resampling");
    for (name, size, expected) in &expected.positions {
        let x = filled("pos_embed", &[1, 64, 32]);
        let x = resample::positions(&x, (8, 8), *size, filter(name)).expect("resampled");
        let error = error(&x, expected);
        assert!(error < 1e-5, "{name} {size:?}: {error:e}");
    }
    for (name, side, expected) in &expected.kernels {
        let matrix = resample::kernel_matrix(16, *side, filter(name)).expect("a matrix");
        let x = filled("patch_embed.proj.weight", &[8, 3, 16, 16]);
        let error = error(&resample::kernels(&x, &matrix, *side).expect("resampled"), expected);
        println!("{name} {side}: {error:.1e}");
        assert!(error < 1e-4, "{name} {side}: {error:e}");
    }
}

/// A small network, filled.
fn tiny(config: &Config, store: &nn::VarStore, options: &ModelOptions) -> (Vit, Head) {
    let builder = Builder::new(store.root(), Start::Initial, options);
    let vit = Vit::new(&builder, config).expect("a network");
    let head = Head::new(&builder, &crate::arch::Config::head(config), 64, 10).expect("a head");
    golden::fill(&store.variables().into_iter().collect());
    (vit, head)
}

const TINY: Config = Config::new(64, 2, 2, 16).image(64).hidden(128);

#[derive(Deserialize)]
struct OtherPatches {
    side: i64,
    image: (i64, i64),
    logits: Summary,
    gradient: [f64; 2],
}

#[test]
fn patches_change_their_size_and_gradients_reach_the_kernels() {
    let store = nn::VarStore::new(Device::Cpu);
    let (vit, head) = tiny(&TINY, &store, &ModelOptions::default());
    let logits = |x: &Tensor| head.forward(&vit.forward_features(x, false).expect("features"), 0.0, false);
    let x = input(&[1, 3, 64, 64]);
    let before = logits(&x).expect("logits");
    for expected in checks::<Vec<OtherPatches>>("patch_sizes") {
        vit.set_patch_size(expected.side).expect("another size");
        assert_eq!(vit.patch_size(), expected.side);
        let (rows, columns) = expected.image;
        let logits = logits(&input(&[1, 3, rows, columns])).expect("logits");
        let error = error(&logits.detach(), &expected.logits);
        let mut weight = store.variables().remove("patch_embed.proj.weight").expect("kernels");
        weight.zero_grad();
        logits.square().sum(Kind::Float).backward();
        let grad = weight.grad().to_kind(Kind::Double);
        let [sum, norm] = expected.gradient;
        let got = [grad.sum(Kind::Double).double_value(&[]), grad.norm().double_value(&[])];
        let worst = ((got[0] - sum).abs() / norm).max((got[1] - norm).abs() / norm);
        println!("side {}: {error:.1e}, gradient {worst:.1e}", expected.side);
        assert!(error < 1e-4 && worst < 1e-3, "side {}: {error:e} {worst:e}", expected.side);
    }
    vit.set_patch_size(16).expect("its own size");
    assert_eq!(logits(&x).expect("logits"), before);
    assert!(vit.set_patch_size(0).is_err());
}

#[test]
fn parameters_start_as_timms() {
    let networks: BTreeMap<String, BTreeMap<String, [f64; 2]>> = checks("initial");
    assert_eq!(networks.len(), 9);
    for (name, expected) in networks {
        let config = match name.as_str() {
            "plain" => TINY,
            "map" => TINY.attention_pool(),
            "swiglu" => TINY.swiglu(64).layer_scale(1e-5).registers(4),
            "post_norm" => TINY.block(BlockKind::PostNorm).layer_scale(1e-5),
            "parallel" => TINY.block(BlockKind::Parallel).without_qkv_bias().layer_scale(1e-5),
            "differential" => TINY.block(BlockKind::Differential),
            "many" => TINY.block(BlockKind::Many(2)).layer_scale(1e-5),
            "distilled" => TINY.distilled(),
            "moco_v3" => TINY.start(Scheme::MocoV3),
            other => panic!("{other}"),
        };
        let store = nn::VarStore::new(Device::Cpu);
        let options = ModelOptions::default();
        let builder = Builder::new(store.root(), Start::Initial, &options);
        let _vit = Vit::new(&builder, &config).expect("a network");
        let spec = crate::arch::Config::head(&config);
        let _head = Head::new(&builder, &spec, 64, 10).expect("a head");
        for (parameter, tensor) in store.variables() {
            // timm's MoCo v3 start leaves the patches to PyTorch's default; MoCo v3's own code does not.
            if name == "moco_v3" && parameter.starts_with("patch_embed") {
                continue;
            }
            let [mean, std] = expected[&parameter];
            let x = tensor.to_kind(Kind::Double);
            let got = [x.mean(None).double_value(&[]), x.std(false).double_value(&[])];
            // Both are samples: within six of their deviations, by the count of values.
            let allowed = 6.0 * std.max(got[1]) * (2.0 / x.numel() as f64).sqrt() + 1e-12;
            let apart = (got[0] - mean).abs().max((got[1] - std).abs());
            assert!(apart <= allowed, "{name}: {parameter} starts as {got:?}, timm's as {:?}", [mean, std]);
        }
    }
}

#[derive(Deserialize)]
struct Mae {
    keep: Vec<Vec<i64>>,
    tokens: Summary,
    pixels: Summary,
    patchified: Summary,
    gradients: BTreeMap<String, [f64; 2]>,
}

#[test]
fn masked_autoencoder_is_the_papers() {
    let expected: Mae = checks("mae");
    let store = nn::VarStore::new(Device::Cpu);
    let options = ModelOptions::default();
    let builder = Builder::new(store.root(), Start::Initial, &options);
    let encoder = Vit::new(&builder, &TINY.hidden(256).image(96).mae()).expect("an encoder");
    let sizes = MaeDecoderConfig { width: 32, depth: 2, heads: 4, ..MaeDecoderConfig::new(64, (6, 6), 16) };
    let decoder = MaeDecoder::new(&store.root(), &sizes).expect("a decoder");
    let variables: BTreeMap<String, Tensor> = store.variables().into_iter().collect();
    golden::fill(&variables);

    let x = input(&[2, 3, 96, 96]);
    let keep = Tensor::from_slice(&expected.keep.concat()).reshape([2, 9]);
    let tokens = encoder.forward_tokens(&x, Some(&keep), true).expect("tokens");
    let pixels = decoder.forward(&tokens, &keep, true).expect("pixels");
    let errors = [
        error(&tokens.detach(), &expected.tokens),
        error(&pixels.detach(), &expected.pixels),
        error(&patchify(&x, 16).expect("patches"), &expected.patchified),
    ];
    assert!(errors.iter().all(|error| *error < 1e-5), "{errors:?}");
    pixels.square().sum(Kind::Float).backward();
    assert!(!variables["pos_embed"].requires_grad() && !variables["decoder_pos_embed"].requires_grad());
    for (name, [sum, norm]) in &expected.gradients {
        let grad = variables[name].grad().to_kind(Kind::Double);
        let got = [grad.sum(Kind::Double).double_value(&[]), grad.norm().double_value(&[])];
        let worst = (got[0] - sum).abs().max((got[1] - norm).abs()) / norm;
        assert!(worst < 1e-3, "{name}: {worst:e}");
    }
    // Every patch kept, in order, is the plain network.
    let all = Tensor::arange(36, (Kind::Int64, Device::Cpu)).expand([2, 36], false);
    let plain = encoder.forward_features(&x, false).expect("features").tokens.expect("tokens");
    let kept = encoder.forward_tokens(&x, Some(&all), false).expect("tokens");
    assert!((plain - kept).abs().max().double_value(&[]) < 1e-5);
}

#[test]
fn a_mask_token_hides_what_it_stands_for() {
    let store = nn::VarStore::new(Device::Cpu);
    let (vit, _) = tiny(&TINY, &store, &ModelOptions::default());
    let x = input(&[2, 3, 48, 48]);
    let forward = |x: &Tensor, masked: &Tensor, token: &Tensor| vit.forward_masked(x, masked, token, false);
    let token = Tensor::full([64], 0.3, (Kind::Float, Device::Cpu)).set_requires_grad(true);
    let none = Tensor::zeros([2, 9], (Kind::Bool, Device::Cpu));
    let plain = vit.forward_tokens(&x, None, false).expect("tokens");
    assert_eq!(forward(&x, &none, &token).expect("tokens"), plain);

    // Patch 4 of the second image, the middle of 3 x 3.
    let masked = none.copy();
    let _ = masked.get(1).get(4).fill_(1);
    let hidden = forward(&x, &masked, &token).expect("tokens");
    assert_eq!(hidden.get(0), plain.get(0));
    assert!((hidden.get(1) - plain.get(1)).abs().max().double_value(&[]) > 1e-3);
    let other = x.copy();
    let _ = other.narrow(0, 1, 1).narrow(2, 16, 16).narrow(3, 16, 16).fill_(9.0);
    assert_eq!(forward(&other, &masked, &token).expect("tokens"), hidden, "its pixels must not matter");
    hidden.sum(Kind::Float).backward();
    assert!(token.grad().abs().max().double_value(&[]) > 0.0);

    for (masked, token) in [
        (none.narrow(1, 0, 8), token.detach()),
        (none.to_kind(Kind::Uint8), token.detach()),
        (none.shallow_clone(), token.detach().narrow(0, 0, 63)),
        (none.shallow_clone(), token.detach().to_kind(Kind::Int)),
    ] {
        assert!(matches!(forward(&x, &masked, &token), Err(Error::Input { .. })));
    }
}

#[test]
fn unfit_sizes_name_the_nearest() {
    let store = nn::VarStore::new(Device::Cpu);
    let (vit, _) = tiny(&TINY, &store, &ModelOptions::default());
    let message = |size: &[i64]| vit.forward_features(&input(size), false).expect_err("an error").to_string();
    assert!(message(&[1, 3, 70, 60]).contains("64x48 and 80x64"), "{}", message(&[1, 3, 70, 60]));
    assert!(message(&[1, 3, 8, 8]).contains("16x16"), "{}", message(&[1, 3, 8, 8]));
    assert!(message(&[1, 4, 64, 64]).contains("(N, 3, H, W)"));
    assert!(vit.forward_features(&input(&[2, 3, 48, 80]), false).is_ok());

    let made = |image_size, patch_size| {
        let options = ModelOptions { image_size, patch_size, ..Default::default() };
        Model::create("vit_tiny_patch16_224", &options)
    };
    let error = made(Some((230, 224)), None).expect_err("an error");
    assert!(error.to_string().contains("224x224 and 240x224"), "{error}");
    assert!(made(None, Some(15)).is_err());
    let model = made(Some((64, 96)), Some(32)).expect("a model");
    assert_eq!(model.var_store().variables()["pos_embed"].size(), [1, 7, 192]);
    // An architecture's own size may leave a rest.
    let own = Config::new(64, 1, 2, 14).image(32);
    let (odd, _) = tiny(&own, &nn::VarStore::new(Device::Cpu), &ModelOptions::default());
    assert!(odd.forward_features(&input(&[1, 3, 32, 32]), false).is_ok());
    assert!(odd.forward_features(&input(&[1, 3, 33, 32]), false).is_err());

    let keep = |values: &[i64]| Tensor::from_slice(values).reshape([1, -1]);
    let x = input(&[1, 3, 64, 64]);
    for bad in [
        keep(&[0, 16]),
        keep(&[-1]),
        keep(&[]),
        keep(&[0, 1]).to_kind(Kind::Int),
        keep(&[0, 1]).reshape([2, 1]),
    ] {
        assert!(matches!(vit.forward_tokens(&x, Some(&bad), false), Err(Error::Input { .. })), "{bad:?}");
    }
}

#[test]
fn big_visions_positions_follow_the_grid() {
    let config = TINY.fixed_positions(Table::BigVision).start(Scheme::BigVision).mean_of_normed();
    let store = nn::VarStore::new(Device::Cpu);
    let options = ModelOptions::default();
    let builder = Builder::new(store.root(), Start::Initial, &options);
    let vit = Vit::new(&builder, &config).expect("a network");
    let larger = Vit::new(
        &Builder::new(nn::VarStore::new(Device::Cpu).root(), Start::Initial, &options),
        &config.image(96),
    );
    let made = larger.expect("a network").positions.patches((6, 6)).expect("positions");
    assert_eq!(vit.positions.patches((6, 6)).expect("positions"), made);
}

#[test]
fn networks_run_in_bf16_and_with_checkpointing() {
    let options = ModelOptions { num_classes: Some(10), drop_path_rate: 0.1, ..Default::default() };
    let mut model = Model::create("vit_tiny_conv_stem_224", &options).expect("a model");
    model.set_gradient_checkpointing(true);
    let logits = model.forward(&input(&[2, 3, 64, 64]), true).expect("logits");
    logits.sum(Kind::Float).backward();
    assert!(model.var_store().variables()["patch_embed.proj.0.weight"].grad().defined());
    model.set_kind(Kind::BFloat16).expect("bf16");
    let features =
        model.backbone().forward_with_taps(&input(&[1, 3, 64, 96]), false, Taps::All).expect("features");
    assert_eq!(features.pooled.kind(), Kind::BFloat16);
    let model = Model::create("vit_tiny_patch16_224", &options).expect("a model");
    let patches = model.backbone().patch_transformer().expect("patches");
    patches.set_patch_size(8).expect("another size");
    assert_eq!(model.forward(&input(&[1, 3, 32, 48]), false).expect("logits").size(), [1, 10]);
}
