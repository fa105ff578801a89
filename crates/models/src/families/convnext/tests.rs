//! Against timm, and against a transcription of the authors' sparse encoder.

use super::config::{ARCHITECTURES, HUGE_SHALLOW, XXLARGE_SHALLOW};
use crate::golden::{self, error, fill, input, statistics_error, sum_norm_error, tensor, uniform, values};
use crate::{GrnStatistics, Model, ModelOptions, SparseEncoder};
use serde::Deserialize;
use std::collections::BTreeMap;
use tch::{Device, Kind, Tensor};

#[test]
fn match_timm() {
    golden::check_family("convnext", ARCHITECTURES);
}

#[test]
fn the_largest_match_timm_at_reduced_depth() {
    golden::check_config("convnext", "convnext_xxlarge@depth1", &XXLARGE_SHALLOW, 1000);
    golden::check_config("convnext", "convnextv2_huge@depth1", &HUGE_SHALLOW, 1000);
}

#[test]
fn publishers_names_are_understood() {
    golden::check_adapt("convnext");
}

#[test]
fn weights_of_masked_pretraining_need_no_head() {
    let target = filled_atto().variables();
    let mut tensors: BTreeMap<_, _> = target
        .iter()
        .filter(|(name, _)| !name.starts_with("head."))
        .map(|(n, t)| (n.clone(), t.copy()))
        .collect();
    let notes = super::names::adapt(&mut tensors, &target).expect("adapted");
    assert!(notes[0].contains("head.norm"), "{notes:?}");
    assert!(tensors.keys().eq(target.keys()));
    assert_eq!(tensors["head.norm.weight"], Tensor::ones([320], (Kind::Float, Device::Cpu)));
    assert_eq!(tensors["head.norm.bias"], Tensor::zeros([320], (Kind::Float, Device::Cpu)));
    assert!(super::names::adapt(&mut tensors, &target).expect("adapted").is_empty());
}

#[test]
fn kinds_and_memory_formats_agree() {
    for name in ["convnext_atto", "convnext_atto_rms", "convnextv2_atto", "convnext_tiny"] {
        golden::check_kinds(name, 96);
    }
}

#[derive(Deserialize)]
struct Sparse {
    mask: Vec<Vec<Vec<i64>>>,
    image: Encoded,
    batch: Encoded,
}

#[derive(Deserialize)]
struct Encoded {
    values: Vec<f64>,
    statistics: [f64; 2],
    scalar: f64,
    gradients: BTreeMap<String, [f64; 2]>,
}

fn filled_atto() -> Model {
    let options = ModelOptions { num_classes: Some(0), ..Default::default() };
    let model = Model::create("convnextv2_atto", &options).expect("a model");
    fill(&model.variables());
    model
}

fn sparse(model: &Model) -> &dyn SparseEncoder {
    model.backbone().sparse_encoder().expect("a sparse encoder")
}

#[test]
fn the_sparse_forward_is_the_authors() {
    let text = include_str!("../../../../../fixtures/golden/models/convnext_sparse.json");
    let golden: Sparse = serde_json::from_str(text).expect("golden values");
    let mask: Vec<i64> = golden.mask.iter().flatten().flatten().copied().collect();
    let mask = Tensor::from_slice(&mask).reshape([2, 2, 3]);
    for (statistics, golden) in [(GrnStatistics::Image, &golden.image), (GrnStatistics::Batch, &golden.batch)]
    {
        // With gradient checkpointing and without.
        for checkpointing in [false, true] {
            let model = filled_atto();
            model.set_gradient_checkpointing(checkpointing);
            let x = input(&[2, 3, 64, 96]);
            let map = sparse(&model).forward_sparse(&x, &mask, statistics, true).expect("a map");
            assert_eq!(map.size(), [2, 320, 2, 3]);
            let mut shown = values(&map.select(0, 0).narrow(0, 0, 16).select(1, 0).select(1, 1));
            shown.extend(values(&map.select(0, 1).narrow(0, 304, 16).select(1, 1).select(1, 2)));
            let mut worst = error(&shown, &golden.values).max(statistics_error(&map, golden.statistics));
            assert!(worst < 1e-4, "{statistics:?}: {worst:e}");

            let probe = tensor(&map.size(), uniform("probe", map.numel()).map(|u| 2.0 * u - 1.0));
            let scalar = (&map * probe).sum(Kind::Float);
            scalar.backward();
            worst = worst.max((scalar.double_value(&[]) - golden.scalar).abs() / golden.scalar.abs());
            let variables = model.variables();
            for (name, expected) in &golden.gradients {
                worst = worst.max(sum_norm_error(&variables[name].grad(), *expected, 0.0));
            }
            println!("{statistics:?}, checkpointing {checkpointing}: {worst:.1e}");
            assert!(worst < 1e-3, "{statistics:?}: gradients differ by {worst:e}");
        }
    }
}

/// What is hidden leaves no trace, and where nothing is, the network is the dense one.
#[test]
fn hidden_pixels_do_not_matter() {
    let model = filled_atto();
    let x = input(&[1, 3, 64, 64]);
    let forward = |x: &Tensor, mask: [i64; 4]| {
        let mask = Tensor::from_slice(&mask).reshape([1, 2, 2]);
        tch::no_grad(|| sparse(&model).forward_sparse(x, &mask, GrnStatistics::Image, false)).expect("a map")
    };
    let dense = tch::no_grad(|| model.backbone().forward_features(&x, false)).expect("features");
    let whole = forward(&x, [0; 4]);
    assert!(error(&values(&whole), &values(&dense.map.expect("a map"))) < 1e-5);

    let changed = x.copy();
    let _ = changed.narrow(2, 0, 32).narrow(3, 32, 32).fill_(7.0);
    let (a, b) = (forward(&x, [0, 1, 0, 0]), forward(&changed, [0, 1, 0, 0]));
    assert_eq!(a, b);
    assert_eq!(a.select(2, 0).select(2, 1).abs().max().double_value(&[]), 0.0);
    assert_ne!(forward(&x, [0; 4]), forward(&changed, [0; 4]));
}

#[test]
fn masks_that_do_not_fit_are_refused() {
    let model = filled_atto();
    let refused = |x: [i64; 4], mask: &[i64], name: &str| {
        let x = Tensor::zeros(x, (Kind::Float, Device::Cpu));
        let mask = Tensor::ones(mask, (Kind::Bool, Device::Cpu));
        let result = sparse(&model).forward_sparse(&x, &mask, GrnStatistics::Image, false);
        let message = result.expect_err("an error").to_string();
        assert!(message.contains(name), "{message}");
    };
    refused([1, 3, 64, 64], &[1, 2, 2], "keep at least one");
    refused([1, 3, 64, 64], &[1, 4], "[1, 2, 2]");
    refused([1, 3, 65, 64], &[1, 2, 2], "32 pixels");
    let resnet = Model::create("resnet18_cifar_w16", &ModelOptions::default()).expect("a model");
    assert!(resnet.backbone().sparse_encoder().is_none());
}
