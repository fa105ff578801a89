//! Weight files of other publishers, by their own code: names and shapes in `vit_checks.json`.

use crate::arch;
use crate::builder::{Builder, Start};
use crate::families::vit::checks::{Summary, checks, error};
use crate::families::vit::config::{Config, MlpKind};
use crate::golden::{filled, input};
use crate::head::Head;
use crate::{ModelOptions, Taps};
use serde::Deserialize;
use std::collections::BTreeMap;
use tch::{Device, Tensor, nn};

#[derive(Deserialize)]
struct Case {
    name: String,
    tensors: BTreeMap<String, Vec<i64>>,
    image: Option<(i64, i64)>,
    patch: Option<i64>,
    input: Vec<i64>,
    output: Summary,
}

/// The network that a case is for, and its classes.
fn network(name: &str) -> (Config, i64) {
    let tiny = Config::new(64, 2, 2, 16).image(64).hidden(128);
    let scaled = tiny.layer_scale(1e-5);
    match name.trim_end_matches(" (file)") {
        "transformers DeiT" => (tiny.distilled(), 10),
        "transformers DINOv2" => (scaled, 0),
        // transformers rounds two thirds of the hidden width up to a multiple of 8.
        "transformers DINOv2 SwiGLU" => (scaled.swiglu(88), 0),
        "transformers DINOv2 registers" => (scaled.registers(4), 0),
        "transformers SigLIP" => (tiny.attention_pool().tanh(), 0),
        "transformers CLIP" | "OpenAI CLIP" => (tiny.clip().quick(), 10),
        "timm, flexible" => (tiny.flexible(), 10),
        "DeiT III" => (tiny.deit3(), 10),
        "DINOv2 registers" | "TIPS v2" => {
            (Config { mlp: MlpKind::SwiGlu, hidden: 64, ..scaled.registers(4) }, 0)
        }
        "big_vision npz, stacked" => (tiny.attention_pool(), 0),
        _ => (tiny, 10),
    }
}

#[test]
fn other_publishers_files_give_their_outputs() {
    for case in checks::<Vec<Case>>("adapting") {
        let (config, classes) = network(&case.name);
        let options = ModelOptions { image_size: case.image, patch_size: case.patch, ..Default::default() };
        let store = nn::VarStore::new(Device::Cpu);
        let builder = Builder::new(store.root(), Start::Initial, &options);
        let config: &dyn arch::Config = &config;
        let backbone = config.build(&builder).expect("a network");
        let head = (classes > 0).then(|| Head::new(&builder, &config.head(), 64, classes).expect("a head"));
        let variables: BTreeMap<String, Tensor> = store.variables().into_iter().collect();

        let mut tensors: BTreeMap<String, Tensor> =
            case.tensors.iter().map(|(name, shape)| (name.clone(), filled(name, shape))).collect();
        let notes = config.adapt(&options, &mut tensors, &variables).expect("adapted");
        let names = |tensors: &BTreeMap<String, Tensor>| -> Vec<(String, Vec<i64>)> {
            tensors.iter().map(|(name, tensor)| (name.clone(), tensor.size())).collect()
        };
        assert_eq!(names(&tensors), names(&variables), "{}: {notes:?}", case.name);
        let logits = tch::no_grad(|| {
            for (name, tensor) in &tensors {
                variables[name].shallow_clone().copy_(tensor);
            }
            let features =
                backbone.forward_with_taps(&input(&case.input), false, Taps::None).expect("features");
            match &head {
                Some(head) => head.forward(&features, 0.0, false).expect("logits"),
                None => features.pooled,
            }
        });
        let error = error(&logits, &case.output);
        println!("{}: {error:.1e}, {notes:?}", case.name);
        assert!(error < 1e-4, "{} differs: {error:e}; {notes:?}", case.name);
    }
}

#[test]
fn what_cannot_be_adapted_is_left_to_the_mismatch_report() {
    let config = Config::new(64, 2, 2, 16).image(64);
    let shapes: [(&str, &[i64]); 3] =
        [("patch_embed.proj.weight", &[64, 3, 16, 16]), ("head.weight", &[10, 64]), ("head.bias", &[10])];
    let target = BTreeMap::from(shapes.map(|(name, shape)| (name.to_owned(), filled(name, shape))));
    let names = [
        "pos_embed",
        "patch_embed.proj.weight",
        "head.weight",
        "visual.class_embedding",
        "embedding/kernel",
        "Transformer/encoderblock/LayerNorm_0/scale",
        "vision_model.head.attention.in_proj_weight",
    ];
    let signs = ["", "embedding/bias", "vision_model.embeddings.patch_embedding.bias"];
    let shapes: [&[i64]; 6] = [&[], &[0], &[4], &[1, 0, 64], &[1, 18, 64], &[3, 3, 3, 3, 3]];
    let config: &dyn arch::Config = &config;
    for shape in shapes {
        for (name, sign) in names.iter().flat_map(|name| signs.map(|sign| (name, sign))) {
            let value = || Tensor::zeros(shape, (tch::Kind::Float, Device::Cpu));
            let mut tensors = BTreeMap::from([((*name).to_owned(), value()), (sign.to_owned(), value())]);
            // An error, or a mismatch later; never a panic.
            let _outcome = config.adapt(&ModelOptions::default(), &mut tensors, &target);
        }
    }
}
