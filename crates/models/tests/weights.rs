//! Weight files: there and back, every kind of mismatch, damaged files, and writes that fail.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::path::Path;
use tch::{Device, Kind, Tensor};
use visrep_models::{
    Error, Model, ModelOptions, StateDict, find_pretrained, model_info, suggest_architectures,
};

const NAME: &str = "resnet18_cifar_w16";

fn model(num_classes: Option<i64>, seed: i64) -> Model {
    Model::create(NAME, &ModelOptions { num_classes, seed: Some(seed), ..Default::default() }).unwrap()
}

/// Writes these tensors, of any kind, as a peer would.
fn write(path: &Path, tensors: &[(&str, Tensor)]) {
    Tensor::write_safetensors(tensors, path).unwrap();
}

fn named(model: &Model) -> Vec<(String, Tensor)> {
    model.var_store().variables().into_iter().collect()
}

fn same(a: &Model, b: &Model) -> bool {
    let b = b.var_store().variables();
    named(a).iter().all(|(name, tensor)| b.get(name).is_none_or(|other| other == tensor))
}

#[test]
fn there_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let (a, mut b) = (model(None, 1), model(None, 2));
    a.save_weights(&path).unwrap();
    a.save_weights(&path).unwrap();
    assert!(!same(&a, &b));
    let report = b.load_weights(&path).unwrap();
    assert!(same(&a, &b));
    assert_eq!(report.loaded, named(&a).len());
    assert!(report.ignored.is_empty() && report.non_finite.is_empty());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
}

#[test]
fn counters_are_passed_over_and_half_precision_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    for kind in [Kind::Half, Kind::BFloat16, Kind::Double, Kind::Float] {
        let (a, mut b) = (model(None, 1), model(None, 2));
        let mut tensors = named(&a);
        for (_, tensor) in &mut tensors {
            *tensor = tensor.detach().to_kind(kind);
        }
        tensors.push(("bn1.num_batches_tracked".into(), Tensor::from(5_i64)));
        tensors.push(("layer2.0.downsample.1.num_batches_tracked".into(), Tensor::from(5_i64)));
        let tensors: Vec<_> = tensors.iter().map(|(n, t)| (n.as_str(), t.shallow_clone())).collect();
        write(&path, &tensors);
        assert_eq!(b.load_weights(&path).unwrap().loaded, tensors.len() - 2);
        for (name, tensor) in named(&b) {
            assert_eq!(tensor.kind(), Kind::Float);
            let expected = a.var_store().variables()[&name].to_kind(kind).to_kind(Kind::Float);
            assert_eq!(tensor, expected, "{name}");
        }
    }
}

#[test]
fn heads_may_be_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let (with, mut without) = (model(None, 1), model(Some(0), 2));
    with.save_weights(&path).unwrap();
    let report = without.load_weights(&path).unwrap();
    assert_eq!(report.ignored, ["fc.bias", "fc.weight"]);
    assert!(report.to_string().contains("left out: fc.bias, fc.weight"));
    assert!(same(&without, &with));

    without.save_weights(&path).unwrap();
    assert!(model(Some(0), 3).load_weights(&path).unwrap().ignored.is_empty());
    let mut other = model(None, 3);
    let message = other.load_weights(&path).unwrap_err().to_string();
    assert!(
        message.contains("the file has no classifier") && message.contains("num_classes = 0"),
        "{message}"
    );

    model(Some(7), 1).save_weights(&path).unwrap();
    let message = other.load_weights(&path).unwrap_err().to_string();
    assert!(message.contains("num_classes = 7"), "{message}");
    assert!(message.contains("fc.weight: the model has [10, 128], the file [7, 128]"), "{message}");
    assert!(same(&other, &model(None, 3)), "a refused file changes nothing");
}

#[test]
fn a_classifier_of_another_shape_is_listed_and_decides_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    for shape in [vec![10_000_000_000, 0], vec![0, 128], vec![5, 64], vec![128], vec![]] {
        let mut tensors = named(&model(Some(5), 1));
        for (name, tensor) in &mut tensors {
            *tensor = tensor.detach();
            if name == "fc.weight" {
                *tensor = Tensor::zeros(shape.as_slice(), (Kind::Float, Device::Cpu));
            }
        }
        write(&path, &tensors.iter().map(|(n, t)| (n.as_str(), t.shallow_clone())).collect::<Vec<_>>());
        let message = Model::from_weights(NAME, &path, &ModelOptions::default()).unwrap_err().to_string();
        assert!(
            message.contains(&format!("fc.weight: the model has [10, 128], the file {shape:?}")),
            "{message}"
        );
    }
    model(Some(5), 1).save_weights(&path).unwrap();
    assert_eq!(Model::from_weights(NAME, &path, &ModelOptions::default()).unwrap().0.num_classes(), 5);
    model(Some(0), 1).save_weights(&path).unwrap();
    assert_eq!(Model::from_weights(NAME, &path, &ModelOptions::default()).unwrap().0.num_classes(), 0);
}

#[test]
fn a_mismatch_lists_every_tensor() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let mut target = model(None, 1);
    let mut tensors = named(&target);
    tensors.retain(|(name, _)| name != "bn1.bias" && name != "layer3.1.conv2.weight");
    for (name, tensor) in &mut tensors {
        match name.as_str() {
            "conv1.weight" => *tensor = Tensor::zeros([64, 3, 7, 7], (Kind::Float, Device::Cpu)),
            "bn1.weight" => *tensor = Tensor::zeros([16], (Kind::Int64, Device::Cpu)),
            _ => *tensor = tensor.detach(),
        }
    }
    tensors.push(("extra.a".into(), Tensor::zeros([2], (Kind::Float, Device::Cpu))));
    tensors.push(("extra.b".into(), Tensor::zeros([3], (Kind::Float, Device::Cpu))));
    write(&path, &tensors.iter().map(|(n, t)| (n.as_str(), t.shallow_clone())).collect::<Vec<_>>());
    let error = target.load_weights(&path).unwrap_err();
    let message = error.to_string();
    let Error::Mismatch(mismatch) = error else { panic!("{message}") };
    assert_eq!((mismatch.missing.len(), mismatch.unexpected.len()), (2, 2));
    assert_eq!((mismatch.misshaped.len(), mismatch.mistyped.len()), (1, 1));
    for part in [
        "missing     bn1.bias [16]",
        "missing     layer3.1.conv2.weight [64, 64, 3, 3]",
        "unexpected  extra.a [2]",
        "unexpected  extra.b [3]",
        "misshaped   conv1.weight: the model has [16, 3, 3, 3], the file [64, 3, 7, 7]",
        "mistyped    bn1.weight: I64",
    ] {
        assert!(message.contains(part), "{part} is not in {message}");
    }

    let wrapped = |prefix: &str| {
        let wrapped =
            named(&target).into_iter().map(|(n, t)| (format!("{prefix}{n}"), t)).collect::<Vec<_>>();
        write(&path, &wrapped.iter().map(|(n, t)| (n.as_str(), t.shallow_clone())).collect::<Vec<_>>());
        model(None, 2).load_weights(&path)
    };
    let message = wrapped("mine.").unwrap_err().to_string();
    assert!(message.contains("begin with `mine.`"), "{message}");
    assert_eq!(wrapped("module.backbone.").unwrap().notes, ["stripped `module.`", "stripped `backbone.`"]);
}

#[test]
fn the_architecture_that_fits_is_suggested() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let suggested = |saved: &Model, name: &str| {
        saved.save_weights(&path).unwrap();
        let message = Model::from_weights(name, &path, &ModelOptions::default()).unwrap_err().to_string();
        message.lines().next().unwrap().to_owned()
    };
    for num_classes in [None, Some(0), Some(7)] {
        let message = suggested(&model(num_classes, 1), "vit_tiny_patch16_224");
        assert!(message.ends_with(&format!("the file fits `{NAME}`")), "{message}");
        let message = suggested(&model(num_classes, 1), "resnet18");
        assert!(message.ends_with(&format!("the file fits `{NAME}`")), "{message}");
    }
    // Of no architecture, but of a family.
    let mut tensors = named(&model(None, 1));
    tensors.retain(|(name, _)| !name.starts_with("layer4.1"));
    write(&path, &tensors.iter().map(|(n, t)| (n.as_str(), t.detach())).collect::<Vec<_>>());
    let message = model(None, 1).load_weights(&path).unwrap_err().to_string();
    assert!(message.contains(&format!("nearest to `{NAME}` (90 % ")), "{message}");
    write(&path, &[("a", Tensor::zeros([2], (Kind::Float, Device::Cpu)))]);
    let message = model(None, 1).load_weights(&path).unwrap_err().to_string();
    assert!(!message.contains("nearest") && !message.contains("fits"), "{message}");
}

#[test]
fn what_is_loaded_is_shared_with_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    model(None, 1).save_weights(&path).unwrap();
    let before = std::fs::read(&path).unwrap();
    let (mut a, report) = Model::from_weights(NAME, &path, &ModelOptions::default()).unwrap();
    assert_eq!(report.loaded, named(&a).len());
    let (b, _) = Model::from_weights(NAME, &path, &ModelOptions::default()).unwrap();
    assert!(same(&a, &b) && same(&a, &model(None, 1)));
    let trainable = a.var_store().trainable_variables().len();
    assert_eq!(trainable, model(None, 1).var_store().trainable_variables().len());
    tch::no_grad(|| {
        for (_, mut tensor) in named(&a) {
            let _ = tensor.fill_(3.0);
        }
    });
    assert!(same(&b, &model(None, 1)), "two models of one file are apart");
    assert_eq!(std::fs::read(&path).unwrap(), before, "a file is never changed");
    // A model that has taken a file's memory may be saved over that file, and loaded from it again.
    a.save_weights(&path).unwrap();
    assert!(!same(&a, &b));
    let _ = a.load_weights(&path).unwrap();
    assert!(named(&a).iter().all(|(_, tensor)| tensor.min().double_value(&[]) == 3.0));
}

#[test]
fn nan_is_loaded_and_reported() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let bad = model(None, 1);
    tch::no_grad(|| {
        let _ = bad.var_store().variables()["bn1.bias"].get(3).fill_(f64::NAN);
        let _ = bad.var_store().variables()["fc.bias"].get(0).fill_(f64::INFINITY);
    });
    bad.save_weights(&path).unwrap();
    let report = model(None, 2).load_weights(&path).unwrap();
    assert_eq!(report.non_finite, ["bn1.bias", "fc.bias"]);
    assert!(report.to_string().contains("WARNING"));

    for kind in [Kind::Half, Kind::BFloat16, Kind::Double] {
        let tensors = named(&bad).into_iter().map(|(n, t)| (n, t.detach().to_kind(kind))).collect::<Vec<_>>();
        write(&path, &tensors.iter().map(|(n, t)| (n.as_str(), t.shallow_clone())).collect::<Vec<_>>());
        assert_eq!(model(None, 2).load_weights(&path).unwrap().non_finite, report.non_finite);
    }
}

#[test]
fn damaged_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let mut target = model(None, 1);
    target.save_weights(&path).unwrap();
    let good = std::fs::read(&path).unwrap();
    let header = u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
    let with_length = |length: u64, rest: &[u8]| [&length.to_le_bytes()[..], rest].concat();
    let huge_shape =
        br#"{"conv1.weight":{"dtype":"F32","shape":[4294967296,4294967296,3],"data_offsets":[0,0]}}"#;
    let overlap = br#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#;
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (vec![], "0 bytes"),
        (good[..5].to_vec(), "5 bytes"),
        (good[..header / 2].to_vec(), "truncated"),
        (good[..good.len() - 100].to_vec(), "truncated"),
        ([&good[..], b"tail"].concat(), "extra data"),
        (with_length(u64::MAX, b"{}"), "18446744073709551615 bytes"),
        (with_length(1 << 40, b"{}"), "truncated or of another format"),
        (with_length(2, b"{}"), "missing"),
        (with_length(2, b"[]"), "damaged"),
        (with_length(4, b"\xff\xfe\xfd\xfc"), "damaged"),
        (with_length(huge_shape.len() as u64, huge_shape), "damaged"),
        ([&with_length(overlap.len() as u64, overlap)[..], &[0; 12]].concat(), "damaged"),
        (b"PK\x03\x04\x00\x00\x08\x08abcdefgh".to_vec(), "zip"),
        (b"\x80\x02}q\x00(X\x05\x00\x00\x00state".to_vec(), "pickle"),
        (b"<!DOCTYPE html><html>".to_vec(), "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n".to_vec(), "git lfs pull"),
    ];
    for (bytes, expected) in cases {
        std::fs::write(&path, &bytes).unwrap();
        let message = target.load_weights(&path).unwrap_err().to_string();
        assert!(message.contains(expected) && message.contains("w.safetensors"), "{expected}: {message}");
    }
    // Any single byte of the header may be wrong; the outcome is an error or a load, never a panic.
    for position in (0..header + 8).step_by(97) {
        let mut bytes = good.clone();
        bytes[position] ^= 0x15;
        std::fs::write(&path, &bytes).unwrap();
        let _ = target.load_weights(&path);
    }
    let message = target.load_weights(folder.path()).unwrap_err().to_string();
    assert!(message.contains("none of model.safetensors"), "{message}");
    assert!(matches!(target.load_weights(folder.path().join("none")), Err(Error::Read { .. })));
}

#[test]
fn a_failed_write_harms_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let model = model(None, 1);
    let missing = folder.path().join("no/such/folder/w.safetensors");
    assert!(matches!(model.save_weights(&missing), Err(Error::Write { .. })));
    assert!(matches!(model.save_weights(folder.path()), Err(Error::Write { .. })));
    assert!(matches!(model.save_weights(""), Err(Error::Write { .. })));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn others_may_share_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let mut model = model(None, 1);
    let count = model.parameter_count();
    let _ = (model.var_store().root() / "projector").zeros("weight", &[3, 3]);
    assert_eq!(model.parameter_count(), count);
    model.save_weights(&path).unwrap();
    assert_eq!(model.load_weights(&path).unwrap().loaded, named(&model).len() - 1);
}

/// A model whose parameters lie in the mapped file trains, is saved over that very file, and is not changed by it.
#[test]
fn the_file_that_a_model_lies_in_stays_as_it_is_until_it_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    model(None, 1).save_weights(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let (mut a, _) = Model::from_weights(NAME, &path, &ModelOptions::default()).unwrap();
    let x = Tensor::linspace(-1.0, 1.0, 4 * 3 * 64, (Kind::Float, Device::Cpu)).sin().reshape([4, 3, 8, 8]);
    let step = |model: &Model| {
        model.forward(&x, true).unwrap().square().sum(Kind::Float).backward();
        tch::no_grad(|| {
            for mut parameter in model.var_store().trainable_variables() {
                let gradient = parameter.grad();
                let _ = parameter.f_sub_(&(gradient * 0.01)).unwrap();
                parameter.zero_grad();
            }
        });
    };
    step(&a);
    a.select_classes(&[4, 2, 7]).unwrap();
    step(&a);
    assert_eq!(std::fs::read(&path).unwrap(), bytes, "training changes copies");
    assert!(!same(&a, &model(None, 1)));

    let (b, _) = Model::from_weights(NAME, &path, &ModelOptions::default()).unwrap();
    a.save_weights(&path).unwrap();
    assert!(same(&b, &model(None, 1)), "the mapping stays with the old file");
    let (c, _) = Model::from_weights(NAME, &path, &ModelOptions::default()).unwrap();
    assert!(same(&a, &c) && c.num_classes() == 3);
    // Over and over, from the file that is mapped itself.
    c.save_weights(&path).unwrap();
    assert_eq!(a.load_weights(&path).unwrap().loaded, named(&a).len());
    assert!(same(&a, &c));
}

/// A converted model keeps its kind, whatever the file's.
#[test]
fn a_converted_model_stays_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let a = model(None, 1);
    a.save_weights(&path).unwrap();
    let mut b = model(None, 2);
    b.set_kind(Kind::BFloat16).unwrap();
    b.load_weights(&path).unwrap();
    for (name, tensor) in named(&b) {
        assert_eq!(tensor, a.var_store().variables()[&name].to_kind(Kind::BFloat16), "{name}");
        assert_eq!(tensor.kind(), Kind::BFloat16);
    }
}

/// Files of other publishers have none of the model's names: they are told by what loading makes of them.
#[test]
fn a_file_with_other_names_is_recognised() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let vit = Model::create("vit_tiny_patch16_224", &ModelOptions { seed: Some(1), ..Default::default() });
    let vit = vit.unwrap();
    // The names of transformers, queries, keys and values apart.
    let mut tensors = Vec::new();
    for (name, tensor) in named(&vit) {
        let tensor = tensor.detach();
        let block = |rest: &str| rest.replacen("blocks.", "vit.encoder.layer.", 1);
        if let Some((path, kind)) = name.split_once(".attn.qkv.") {
            for (part, piece) in ["query", "key", "value"].iter().zip(tensor.chunk(3, 0)) {
                tensors
                    .push((format!("{}.attention.attention.{part}.{kind}", block(path)), piece.contiguous()));
            }
            continue;
        }
        let renamed = [
            ("cls_token", "vit.embeddings.cls_token"),
            ("pos_embed", "vit.embeddings.position_embeddings"),
            ("patch_embed.proj", "vit.embeddings.patch_embeddings.projection"),
            (".attn.proj", ".attention.output.dense"),
            (".mlp.fc1", ".intermediate.dense"),
            (".mlp.fc2", ".output.dense"),
            (".norm1", ".layernorm_before"),
            (".norm2", ".layernorm_after"),
            ("head.", "classifier."),
        ]
        .iter()
        .fold(name.clone(), |text, (ours, theirs)| text.replace(ours, theirs));
        let renamed = match name.strip_prefix("norm.") {
            Some(kind) => format!("vit.layernorm.{kind}"),
            None => block(&renamed),
        };
        tensors.push((renamed, tensor));
    }
    // As many values more as the network for 384 pixels has.
    let pooler = Tensor::zeros([192, 384], (Kind::Float, Device::Cpu));
    tensors.push(("vit.pooler.dense.weight".into(), pooler));
    write(&path, &tensors.iter().map(|(n, t)| (n.as_str(), t.shallow_clone())).collect::<Vec<_>>());
    let suggestions = suggest_architectures(&StateDict::read(&path).unwrap()).unwrap();
    assert!(suggestions[0].fits && suggestions[0].name == "vit_tiny_patch16_224", "{suggestions:?}");
    let message = Model::from_weights("resnet18", &path, &ModelOptions::default()).unwrap_err().to_string();
    assert!(message.contains("the file fits `vit_tiny_patch16_224`"), "{message}");
    assert!(message.lines().count() < 15, "{message}");
}

/// The weights that the Fréchet inception distance is defined by are those of a network that is built here.
#[test]
fn the_fid_weights_belong_to_their_network() {
    let info = model_info("inception_v3_fid.tf_2015_12_05").unwrap();
    assert_eq!((info.tags, info.num_classes), (vec!["tf_2015_12_05"], 1008));
    assert_eq!(find_pretrained("inception_v3_fid").unwrap().tag, "tf_2015_12_05");
}
