//! `visrep weights`: what it prints, what it writes, and how it ends.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};
use visrep_models::{Model, ModelOptions, StateDict};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/golden/models/weights");
/// A network small enough for tests.
const MODEL: &str = "resnet18_cifar_w16";

fn visrep(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_visrep"))
        .arg("weights")
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

#[track_caller]
fn succeed(folder: &Path, arguments: &[&str]) -> String {
    let output = visrep(folder, arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "visrep weights {arguments:?} failed: {stderr}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn model(seed: i64) -> Model {
    Model::create(MODEL, &ModelOptions { seed: Some(seed), ..ModelOptions::default() }).unwrap()
}

#[test]
fn inspect_lists_tensors_and_the_architecture() {
    let folder = tempfile::tempdir().unwrap();
    model(1).save_weights(folder.path().join("w.safetensors")).unwrap();
    let text = succeed(folder.path(), &["inspect", "w.safetensors"]);
    assert!(text.contains(&format!("fits: {MODEL}")), "{text}");
    assert!(text.contains("layer4.1.conv2.weight") && text.contains("F32  [128, 128, 3, 3]"), "{text}");
    assert!(text.contains(&format!("metadata: architecture = {MODEL}")), "{text}");

    let text = succeed(folder.path(), &["inspect", &format!("{FIXTURES}/dino.pth")]);
    for part in [
        "note: took `teacher`",
        "note: took `backbone.`",
        "metadata: epoch = 100",
        "PyTorch checkpoint: 2 tensors",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let text = succeed(folder.path(), &["inspect", &format!("{FIXTURES}/special.pth")]);
    assert!(text.contains("quantised qint8") && text.contains("cannot be read"), "{text}");

    let json: Value =
        serde_json::from_str(&succeed(folder.path(), &["inspect", "w.safetensors", "--json"])).unwrap();
    assert_eq!(json["architectures"][0]["name"], MODEL);
    assert_eq!(json["architectures"][0]["fits"], true);
    let tensors = json["tensors"].as_array().unwrap();
    let conv = tensors.iter().find(|tensor| tensor["name"] == "conv1.weight").unwrap();
    let expected = serde_json::json!({
        "name": "conv1.weight", "shape": [16, 3, 3, 3], "dtype": "F32", "bytes": 1728, "non_finite": false
    });
    assert_eq!(*conv, expected);
    assert_eq!(json["bytes"].as_i64().unwrap(), 4 * json["values"].as_i64().unwrap());
}

#[test]
fn convert_keeps_names_and_values() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.safetensors");
    for (file, tensors) in [("dino.pth", 2), ("layouts_legacy.pth", 7), ("big_vision.npz", 8), ("hub", 2)] {
        let input = format!("{FIXTURES}/{file}");
        let said = succeed(folder.path(), &["convert", &input, "out.safetensors"]);
        assert!(said.contains(&format!("{tensors} tensors")), "{said}");
        succeed(folder.path(), &["diff", &input, "out.safetensors"]);
    }
    let kinds = format!("{FIXTURES}/layouts.pth");
    succeed(folder.path(), &["convert", &kinds, "out.safetensors", "--dtype", "bf16"]);
    assert!(
        StateDict::read(&out).unwrap().tensors().values().all(|tensor| tensor.kind() == tch::Kind::BFloat16)
    );

    model(1).save_weights(folder.path().join("w.safetensors")).unwrap();
    succeed(folder.path(), &["convert", "w.safetensors", "out.safetensors", "--model", MODEL]);
    succeed(folder.path(), &["diff", "w.safetensors", "out.safetensors"]);
    // A file may be converted onto itself.
    succeed(folder.path(), &["convert", "out.safetensors", "out.safetensors", "--dtype", "f16"]);

    for (arguments, part) in [
        (["convert", "absent.pth", "new.safetensors"], "absent.pth"),
        (["convert", &format!("{FIXTURES}/attacks/system.pth"), "new.safetensors"], "posix.system"),
        (["convert", "w.safetensors", "."], "not a regular file"),
    ] {
        let output = visrep(folder.path(), &arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && stderr.contains("error: ") && stderr.contains(part), "{stderr}");
    }
    assert!(!folder.path().join("new.safetensors").exists());
}

#[test]
fn diff_tells_what_differs_by_its_status_too() {
    let folder = tempfile::tempdir().unwrap();
    for seed in [1, 2] {
        model(seed).save_weights(folder.path().join(format!("{seed}.safetensors"))).unwrap();
    }
    let said = succeed(folder.path(), &["diff", "1.safetensors", "1.safetensors"]);
    assert_eq!(said, "102 tensors are the same, 0 differ\n");
    let output = visrep(folder.path(), &["diff", "1.safetensors", "2.safetensors", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let differing = json["differing"].as_array().unwrap();
    assert_eq!(json["same"].as_u64().unwrap() + differing.len() as u64, 102);
    let conv = differing.iter().find(|tensor| tensor["name"] == "conv1.weight").unwrap();
    assert!(conv["max_abs"].as_f64().unwrap() > 0.1 && conv["relative"].as_f64().unwrap() > 1.0, "{conv}");

    let (first, second) = (format!("{FIXTURES}/protocol_4.pth"), format!("{FIXTURES}/layouts.pth"));
    let output = visrep(folder.path(), &["diff", &first, &second]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.contains("- a [2]\n")
            && said.contains("+ base [4, 6]\n")
            && said.ends_with("0 tensors are the same, 9 differ\n"),
        "{said}"
    );

    // Trouble is no difference.
    std::fs::write(folder.path().join("text.pth"), "no weights").unwrap();
    for file in ["absent.pth", "text.pth", "."] {
        let output = visrep(folder.path(), &["diff", "1.safetensors", file]);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{file}");
        assert!(String::from_utf8_lossy(&output.stderr).starts_with("error: "), "{file}");
    }

    // Names, shapes and types, each on its own.
    let state = StateDict::read(folder.path().join("1.safetensors")).unwrap();
    let path = folder.path().join("half.safetensors");
    state.save(&path, Some(tch::Kind::Half)).unwrap();
    let output = visrep(folder.path(), &["diff", "1.safetensors", "half.safetensors"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("~ bn1.bias: F32 and F16, greatest difference 0.000e0"), "{said}");
    assert_eq!(output.status.code(), Some(1));
}

/// What is told of a file that another model was named for: a screen at most, and all of it when asked for.
#[test]
fn a_wrong_model_is_told_in_a_few_lines() {
    let folder = tempfile::tempdir().unwrap();
    model(1).save_weights(folder.path().join("w.safetensors")).unwrap();
    let wrong = "vit_tiny_patch16_224";
    let output = visrep(folder.path(), &["convert", "w.safetensors", "o.safetensors", "--model", wrong]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains(&format!("the file fits `{MODEL}`")), "{stderr}");
    assert!(stderr.lines().count() < 15 && stderr.contains("missing     … and "), "{stderr}");
    assert!(!folder.path().join("o.safetensors").exists());
    let output = visrep(folder.path(), &["inspect", "w.safetensors", "--model", wrong]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        stderr.lines().count() > 250 && stderr.contains("missing     pos_embed [1, 197, 192]"),
        "{stderr}"
    );
    let said = succeed(folder.path(), &["inspect", "w.safetensors", "--model", MODEL]);
    assert!(said.contains(&format!("fits: {MODEL}")), "{said}");
}
