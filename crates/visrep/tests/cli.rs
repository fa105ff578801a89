//! The contracts of the `visrep` binary that scripts rely on, with good input and bad.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

mod support;

use std::path::Path;
use support::{fail, succeed, visrep};
use tch::{Device, Kind, Tensor};
use visrep_models::{Model, ModelOptions};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures");
/// A network small enough for tests.
const MODEL: &str = "resnet18_cifar_w16";

fn weights(folder: &Path, classes: i64) -> Model {
    let options = ModelOptions { num_classes: Some(classes), seed: Some(1), ..ModelOptions::default() };
    let model = Model::create(MODEL, &options).unwrap();
    model.save_weights(folder.join("w.safetensors")).unwrap();
    model
}

fn photo(name: &str) -> String {
    format!("{FIXTURES}/photos/{name}")
}

#[test]
fn forward_gives_the_models_logits_and_features_whatever_the_batch_size() {
    let folder = tempfile::tempdir().unwrap();
    let model = weights(folder.path(), 7);
    let x = Tensor::randn([5, 3, 32, 32], (Kind::Float, Device::Cpu));
    Tensor::write_safetensors(&[("x", &x)], folder.path().join("x.safetensors")).unwrap();
    succeed(
        folder.path(),
        &[
            "forward",
            "--model",
            MODEL,
            "--weights",
            "w.safetensors",
            "--input",
            "x.safetensors",
            "--output",
            "y.safetensors",
            "--batch-size",
            "2",
        ],
    );
    let y = Tensor::read_safetensors(folder.path().join("y.safetensors")).unwrap();
    let get = |name: &str| y.iter().find(|(found, _)| found == name).unwrap().1.shallow_clone();
    let expected = tch::no_grad(|| model.backbone().forward_features(&x, false)).unwrap();
    let logits = tch::no_grad(|| model.logits(&expected, false)).unwrap();
    assert_eq!(get("logits").size(), [5, 7]);
    assert!(get("logits").allclose(&logits, 1e-4, 1e-5, false));
    assert!(get("features").allclose(&expected.pooled, 1e-4, 1e-5, false));
}

#[test]
fn forward_refuses_what_does_not_fit_and_leaves_the_old_output_alone() {
    let folder = tempfile::tempdir().unwrap();
    weights(folder.path(), 7);
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("y.safetensors"), "old").unwrap();
    let wrong = Tensor::zeros([2, 32, 32, 3], (Kind::Float, Device::Cpu));
    Tensor::write_safetensors(&[("x", &wrong)], at("shape.safetensors")).unwrap();
    Tensor::write_safetensors(&[("images", &wrong)], at("name.safetensors")).unwrap();
    std::fs::write(at("garbage.safetensors"), [0xff; 64]).unwrap();
    let forward = |model: &str, weights: &str, input: &str| {
        fail(
            folder.path(),
            &[
                "forward",
                "--model",
                model,
                "--weights",
                weights,
                "--input",
                input,
                "--output",
                "y.safetensors",
            ],
        )
    };
    assert!(forward(MODEL, "w.safetensors", "shape.safetensors").contains("(N, 3, H, W)"));
    assert!(forward(MODEL, "w.safetensors", "name.safetensors").contains("images"));
    assert!(forward(MODEL, "w.safetensors", "garbage.safetensors").contains("garbage.safetensors"));
    let good = Tensor::zeros([1, 3, 32, 32], (Kind::Float, Device::Cpu));
    Tensor::write_safetensors(&[("x", &good)], at("x.safetensors")).unwrap();
    assert!(forward("resnet18_cifr", "w.safetensors", "x.safetensors").contains("resnet18_cifar"));
    assert!(
        forward("resnet18", "w.safetensors", "x.safetensors").contains(&format!("the file fits `{MODEL}`"))
    );
    assert!(forward(MODEL, "garbage.safetensors", "x.safetensors").contains("garbage.safetensors"));
    assert_eq!(std::fs::read_to_string(at("y.safetensors")).unwrap(), "old");
}

#[test]
fn preprocess_gives_one_normalised_image_for_each_file() {
    let folder = tempfile::tempdir().unwrap();
    let (cat, clock) = (photo("chelsea/chelsea.png"), photo("clock/clock.png"));
    succeed(folder.path(), &["preprocess", "--model", "resnet50", &cat, &clock, "--output", "x.safetensors"]);
    let tensors = Tensor::read_safetensors(folder.path().join("x.safetensors")).unwrap();
    let (name, x) = &tensors[0];
    assert_eq!((name.as_str(), x.size(), x.kind()), ("x", vec![2, 3, 224, 224], Kind::Float));
    // Normalised by ImageNet's statistics: the darkest possible red is -0.485 / 0.229.
    assert!(x.min().double_value(&[]) >= -2.2 && x.max().double_value(&[]) <= 2.7);
    let error = fail(
        folder.path(),
        &["preprocess", "--model", "resnet50", "missing.png", "--output", "z.safetensors"],
    );
    assert!(error.contains("missing.png") && !folder.path().join("z.safetensors").exists());
}

#[test]
fn corrupt_is_a_function_of_its_arguments() {
    let folder = tempfile::tempdir().unwrap();
    let cat = photo("chelsea/chelsea.png");
    let run = |seed: &str, out: &str| {
        succeed(
            folder.path(),
            &["corrupt", "--corruption", "shot_noise", "--severity", "3", "--seed", seed, &cat, out],
        );
        std::fs::read(folder.path().join(out)).unwrap()
    };
    let first = run("1", "a.png");
    assert_eq!(first, run("1", "b.png"));
    assert_ne!(first, run("2", "c.png"));
    let header = visrep_decode::read_header(&first).unwrap();
    assert_eq!((header.width, header.height), (451, 300));
    for (corruption, severity, hint) in [("fogg", "3", "fog"), ("fog", "6", "5"), ("fog", "0", "1")] {
        let error = fail(
            folder.path(),
            &["corrupt", "--corruption", corruption, "--severity", severity, &cat, "d.png"],
        );
        assert!(error.contains(hint), "{error}");
    }
}

#[test]
fn embed_writes_keys_labels_and_features_of_fixed_width() {
    let folder = tempfile::tempdir().unwrap();
    weights(folder.path(), 10);
    for name in ["chelsea", "clock"] {
        let class = folder.path().join("images").join(name);
        std::fs::create_dir_all(&class).unwrap();
        std::fs::copy(photo(&format!("{name}/{name}.png")), class.join("one.png")).unwrap();
    }
    succeed(
        folder.path(),
        &[
            "embed",
            "--model",
            MODEL,
            "--weights",
            "w.safetensors",
            "--data",
            "images",
            "--output",
            "f.parquet",
        ],
    );
    let file = std::fs::File::open(folder.path().join("f.parquet")).unwrap();
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let names: Vec<_> = reader.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["key", "label", "features"]);
    assert!(format!("{:?}", reader.schema().field(2).data_type()).contains("Float32"));
    let batch = reader.build().unwrap().next().unwrap().unwrap();
    assert_eq!(batch.num_rows(), 2);
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    assert!(
        fail(folder.path(), &["embed", "--model", MODEL, "--data", "empty", "--output", "g.parquet"])
            .contains("empty")
    );
}

#[test]
fn train_leaves_its_files_and_a_second_call_finds_it_finished() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "train",
        "supervised-digits",
        "--data",
        "fixtures:digits",
        "--out",
        "run",
        "--set",
        "schedule.length=1 epochs",
        "--set",
        "schedule.warmup=0 epochs",
        "--set",
        "loader.batch_size=256",
        "--seed",
        "3",
    ];
    succeed(folder.path(), &arguments);
    let run = folder.path().join("run");
    for file in ["model.safetensors", "metrics.jsonl", "recipe.toml"] {
        assert!(run.join(file).is_file(), "{file} is missing");
    }
    let metrics = std::fs::read(run.join("metrics.jsonl")).unwrap();
    succeed(folder.path(), &arguments);
    assert_eq!(std::fs::read(run.join("metrics.jsonl")).unwrap(), metrics);
    let error = fail(folder.path(), &["train", "simclr-digits", "--data", "fixtures:digits", "--out", "run"]);
    assert!(error.contains("another run") && error.contains("method.name"), "{error}");
    let error =
        fail(folder.path(), &["train", "simclr-digitz", "--data", "fixtures:digits", "--out", "other"]);
    assert!(error.contains("simclr-digits"), "{error}");
    let error = fail(
        folder.path(),
        &[
            "train",
            "simclr-digits",
            "--data",
            "fixtures:digits",
            "--out",
            "other",
            "--set",
            "loader.batchsize=2",
        ],
    );
    assert!(error.contains("batch_size"), "{error}");
}

#[test]
fn data_inspect_counts_and_names_what_is_broken() {
    let folder = tempfile::tempdir().unwrap();
    let text = succeed(folder.path(), &["data", "inspect", "fixtures:digits"]);
    assert!(text.contains("1797 images") && text.contains("10 named"), "{text}");
    let class = folder.path().join("images/a");
    std::fs::create_dir_all(&class).unwrap();
    std::fs::copy(photo("clock/clock.png"), class.join("good.png")).unwrap();
    std::fs::write(class.join("bad.png"), "not an image").unwrap();
    let output = visrep(folder.path(), &["data", "inspect", "images"]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("bad.png"));
}

#[test]
fn data_convert_writes_parquet_that_inspect_reads_and_draws() {
    let folder = tempfile::tempdir().unwrap();
    let text = succeed(
        folder.path(),
        &["data", "convert", "fixtures:digits", "digits", "--rows-per-file", "1000", "--longest", "6"],
    );
    assert!(text.contains("1797 images") && text.contains("2 files"), "{text}");
    let again = ["data", "convert", "fixtures:digits", "digits", "--rows-per-file", "1000", "--longest", "6"];
    assert!(succeed(folder.path(), &again).contains("2 of them from an earlier run"));
    assert!(fail(folder.path(), &["data", "convert", "fixtures:digits", "digits"]).contains("in the way"));
    let text = succeed(folder.path(), &["data", "inspect", "digits/*.parquet", "--sheet", "sheet.png"]);
    assert!(text.contains("Jpeg 1797") && text.contains("6 6 6 wide") && text.contains("10 named"), "{text}");
    assert!(text.contains("sheet.png; from the top: 0, 1, 2"), "{text}");
    let header =
        visrep_decode::read_header(&std::fs::read(folder.path().join("sheet.png")).unwrap()).unwrap();
    assert_eq!((header.width, header.height), (4 + 12 * 100, 4 + 10 * 100));
}

#[test]
fn models_lists_names_and_says_when_nothing_matches() {
    let folder = tempfile::tempdir().unwrap();
    let text = succeed(folder.path(), &["models", "vit_base"]);
    assert!(text.contains("vit_base_patch16_224") && !text.contains("resnet"), "{text}");
    assert!(fail(folder.path(), &["models", "unheard-of"]).contains("unheard-of"));
}

/// Runs `forward` with further options; gives its results and what it said.
fn forward(folder: &Path, options: &[&str]) -> (Tensor, Tensor, String) {
    let arguments = ["forward", "--model", MODEL, "--weights", "w.safetensors", "--input", "x.safetensors"];
    let output = visrep(folder, &[&arguments[..], &["--output", "y.safetensors"], options].concat());
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{options:?}: {stderr}");
    let y = Tensor::read_safetensors(folder.join("y.safetensors")).unwrap();
    let get = |name: &str| y.iter().find(|(found, _)| found == name).unwrap().1.shallow_clone();
    (get("features"), get("logits"), stderr)
}

#[test]
fn precision_and_memory_format_are_chosen_said_and_recorded() {
    let folder = tempfile::tempdir().unwrap();
    weights(folder.path(), 7);
    let x = Tensor::randn([5, 3, 32, 32], (Kind::Float, Device::Cpu));
    Tensor::write_safetensors(&[("x", &x)], folder.path().join("x.safetensors")).unwrap();
    let (features, logits, said) = forward(folder.path(), &["--device", "cpu"]);
    assert!(said.contains("device cpu, precision fp32") && said.contains("channels-last (auto)"), "{said}");
    let (plain, _, said) = forward(folder.path(), &["--channels-last", "off"]);
    assert!(said.contains("memory format contiguous"), "{said}");
    assert!(plain.allclose(&features, 1e-4, 1e-5, false));

    let native = visrep_torch::cpu_bf16().unwrap() != visrep_torch::CpuBf16::Emulated;
    let (_, _, said) = forward(folder.path(), &["--precision", "auto", "--device", "cpu"]);
    let chosen = if native { "precision bf16 (auto)" } else { "precision fp32 (auto)" };
    assert!(said.contains(chosen), "{said}");
    if native {
        let (cast, cast_logits, _) = forward(folder.path(), &["--precision", "bf16", "--device", "cpu"]);
        for (cast, exact) in [(cast, features), (cast_logits, logits)] {
            let error = ((&cast - &exact).norm() / exact.norm()).double_value(&[]);
            assert!(cast.kind() == Kind::Float && error > 1e-6 && error < 0.05, "{error}");
        }
    } else {
        let arguments = ["embed", "--model", MODEL, "--data", "fixtures:digits", "--output", "f.parquet"];
        let error =
            fail(folder.path(), &[&arguments[..], &["--precision", "bf16", "--device", "cpu"]].concat());
        assert!(error.contains("AMX"), "{error}");
    }
    let wrong = ["forward", "--precision", "fp16", "--weights", "w", "--input", "x", "--output", "y"];
    assert!(fail(folder.path(), &wrong).contains("auto, fp32 or bf16"));

    let arguments = ["embed", "--model", MODEL, "--data", "fixtures:digits", "--output", "f.parquet"];
    succeed(folder.path(), &[&arguments[..], &["--device", "cpu", "--channels-last", "on"]].concat());
    let file = std::fs::File::open(folder.path().join("f.parquet")).unwrap();
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let entries = reader.metadata().file_metadata().key_value_metadata().unwrap();
    let entry = |key: &str| entries.iter().find(|entry| entry.key == key).unwrap().value.clone().unwrap();
    assert_eq!(entry("visrep.precision"), "fp32");
    assert_eq!(
        (entry("visrep.device"), entry("visrep.memory_format")),
        ("cpu".into(), "channels-last".into())
    );
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[test]
fn a_compiled_package_goes_where_weights_do() {
    let folder = tempfile::tempdir().unwrap();
    let package = format!("{FIXTURES}/golden/torch/tiny.pt2");
    let arguments = ["embed", "--weights", &package, "--data", "fixtures:digits", "--output", "f.parquet"];
    let error = fail(folder.path(), &arguments);
    assert!(error.contains("tiny.pt2") && error.contains("--model"), "{error}");
    let named = [&arguments[..], &["--model", MODEL, "--device", "cpu", "--batch-size", "50"]].concat();
    succeed(folder.path(), &named);
    let file = std::fs::File::open(folder.path().join("f.parquet")).unwrap();
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    assert_eq!(reader.metadata().file_metadata().num_rows(), 1797);
    let entries = reader.metadata().file_metadata().key_value_metadata().unwrap();
    let precision = entries.iter().find(|entry| entry.key == "visrep.precision").unwrap();
    assert!(precision.value.as_deref().unwrap().contains("as compiled"));
    // The package was made for at most 64 images at once.
    let error = fail(folder.path(), &[&arguments[..], &["--model", MODEL, "--batch-size", "65"]].concat());
    assert!(error.contains("tiny.pt2") && error.contains("[65, 3, 32, 32]"), "{error}");
}
