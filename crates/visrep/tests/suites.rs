//! `visrep bench SUITE…` on tiny sets laid out as the published ones.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

mod support;

use serde_json::Value;
use std::path::Path;
use support::{fail, succeed, visrep};
use visrep_decode::{RgbImage, encode_png};
use visrep_models::{Model, ModelOptions};

/// A network small enough for tests.
const MODEL: &str = "resnet18_cifar_w16";

fn add(root: &Path, places: &[&str]) {
    for (number, place) in (0_u32..).zip(places) {
        let path = root.join(place);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let image = RgbImage::from_fn(32, 32, |x, y| [(x * number) as u8, (y * 8) as u8, 90]);
        std::fs::write(path, encode_png(&image).unwrap()).unwrap();
    }
}

/// Weights whose head gives every image this class.
fn weights(folder: &Path, name: &str, classes: i64, class: i64) {
    let options = ModelOptions { num_classes: Some(classes), seed: Some(1), ..ModelOptions::default() };
    let model = Model::create(MODEL, &options).unwrap();
    tch::no_grad(|| {
        let variables = model.var_store().variables();
        let _ = variables["fc.weight"].shallow_clone().zero_();
        let _ = variables["fc.bias"].shallow_clone().zero_().get(class).fill_(5.0);
    });
    model.save_weights(folder.join(name)).unwrap();
}

/// Images of tench (0) and stingray (6), of the usual set and of ImageNet-A and V2.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    add(
        &folder.path().join("data"),
        &[
            "imagenet/val/n01440764/ILSVRC2012_val_00000001.JPEG",
            "imagenet/val/n01440764/ILSVRC2012_val_00000002.JPEG",
            "imagenet/val/n01498041/ILSVRC2012_val_00000003.JPEG",
            "imagenetv2-top-images-format-val/0/a.jpeg",
            "imagenetv2-top-images-format-val/6/b.jpeg",
            "imagenet-a/n01498041/a.jpg",
        ],
    );
    weights(folder.path(), "tench.safetensors", 1000, 0);
    weights(folder.path(), "sting.safetensors", 1000, 6);
    folder
}

const OF_TENCH: [&str; 4] = ["--model", MODEL, "--weights", "tench.safetensors"];
const OF_STING: [&str; 4] = ["--model", MODEL, "--weights", "sting.safetensors"];
const REST: [&str; 8] = ["--data", "data", "--out", "out", "--workers", "1", "--device", "cpu"];

fn results(folder: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join("out/results.json")).unwrap()).unwrap()
}

fn value(results: &Value, weights: &str, suite: &str, task: &str, metric: &str) -> f64 {
    let of = |score: &&Value| {
        (&score["suite"], &score["task"], &score["metric"]) == (&suite.into(), &task.into(), &metric.into())
            && score["weights"].as_str().unwrap().starts_with(weights)
    };
    let found: Vec<_> = results["scores"].as_array().unwrap().iter().filter(of).collect();
    assert_eq!(found.len(), 1, "{weights} {suite} {task} {metric}");
    found[0]["value"].as_f64().unwrap()
}

#[test]
fn suites_are_listed_with_what_they_need() {
    let folder = tempfile::tempdir().unwrap();
    let listed = succeed(folder.path(), &["bench", "--list"]);
    for part in [
        "imagenet-v2\n",
        "ROOT/imagenetv2-matched-frequency-format-val",
        "github.com/hendrycks/natural-adv-examples",
        "tasks: matched-frequency, threshold-0.7, top-images",
        "bapps-2afc",
        "cifar-10-c",
        "few-shot-5",
        "linear-protocol/dino: Caron et al. 2021, ViT-S",
        "fine-tune/mae-vit-base: MAE's",
        "takes long: not part of `all`",
        "spatial-grid",
    ] {
        assert!(listed.contains(part), "'{part}' is not in: {listed}");
    }
}

#[test]
fn several_models_stand_in_one_table_and_what_is_finished_stays() {
    let folder = folder();
    let path = folder.path();
    let run = |suites: &[&str], models: &[&[&str]], more: &[&str]| {
        let arguments = [&["bench"], suites, &models.concat(), &REST[..], more].concat();
        let output = visrep(path, &arguments);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{stderr}");
        (String::from_utf8(output.stdout).unwrap(), stderr)
    };
    let (table, stderr) = run(&["imagenet-val", "imagenet-a", "imagenet-r"], &[&OF_TENCH, &OF_STING], &[]);
    assert!(stderr.contains("MISSING  imagenet-r: there is no data/imagenet-r"), "{stderr}");
    assert!(stderr.contains("github.com/hendrycks/imagenet-r"), "{stderr}");
    let line = table.lines().find(|line| line.starts_with("imagenet-val: top-1")).unwrap();
    assert!(line.contains("66.7") && line.contains("33.3"), "{table}");
    let found = results(path);
    assert!((value(&found, "tench", "imagenet-val", "imagenet-val", "top1") - 2.0 / 3.0).abs() < 1e-12);
    assert_eq!(value(&found, "sting", "imagenet-a", "imagenet-a", "top1"), 1.0);
    let ids: Vec<_> = found["models"].as_array().unwrap().iter().map(|model| model["id"].clone()).collect();
    assert_eq!(ids, [MODEL, "resnet18_cifar_w16-2"]);
    for name in ["results.csv", "results.md", "report.html"] {
        let text = std::fs::read_to_string(path.join("out").join(name)).unwrap();
        assert!(text.contains("imagenet-a"), "{name}");
    }
    let html = std::fs::read_to_string(path.join("out/report.html")).unwrap();
    assert!(html.contains("Missing: imagenet-r") && html.contains("<svg"), "the report draws");

    // Another suite joins, and nothing is run again.
    let (table, stderr) = run(&["imagenet-val", "imagenet-v2/top-images"], &[&OF_TENCH], &[]);
    assert!(stderr.contains("imagenet-val is finished"), "{stderr}");
    assert!(
        table.contains("imagenet-v2 top-images: top-1") && table.contains("imagenet-a: top-1"),
        "{table}"
    );
    let found = results(path);
    assert_eq!(value(&found, "tench", "imagenet-v2", "top-images", "top1"), 0.5);
    assert_eq!(value(&found, "sting", "imagenet-a", "imagenet-a", "top1"), 1.0);
    // A table with a row for each model, for effective robustness: tench alone has seen V2.
    let table = std::fs::read_to_string(path.join("out/accuracies.csv")).unwrap();
    let lines: Vec<_> = table.lines().collect();
    assert_eq!(
        lines[0],
        "model,imagenet-val,imagenet-a,imagenet-a/imagenet-val-same-classes,imagenet-v2/top-images"
    );
    assert!(lines[1].starts_with("resnet18_cifar_w16,66.66") && lines[1].ends_with(",50"), "{table}");
    assert!(lines[2].starts_with("resnet18_cifar_w16-2,33.33") && lines[2].ends_with(",100,"), "{table}");
    run(&["imagenet-v2/top-images"], &[&OF_STING], &[]);
    let fit = ["score", "effective-robustness", "--table", "out/accuracies.csv", "--x", "imagenet-val"];
    let fit = [&fit[..], &["--y", "imagenet-v2/top-images", "--baseline", "resnet"]].concat();
    let fit: Value = serde_json::from_str(&succeed(path, &fit)).unwrap();
    assert_eq!((fit["n"].as_u64(), fit["slope"].as_f64()), (Some(2), Some(0.0)));
    // Other data are other results: one image more.
    add(&path.join("data"), &["imagenet-a/n01498041/b.jpg"]);
    let (_, stderr) = run(&["imagenet-a"], &[&OF_STING], &[]);
    assert!(!stderr.contains("imagenet-a is finished"), "{stderr}");
    let of_a = |found: &Value| {
        let all = found["scores"].as_array().unwrap().clone();
        all.into_iter()
            .filter(|score| score["suite"] == "imagenet-a" && score["metric"] == "top1")
            .map(|s| s["n"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(of_a(&results(path)), [1, 1, 2, 1], "both tasks of either model, the second's anew");
    run(&["imagenet-val"], &[&OF_TENCH], &["--fresh", "--limit", "1"]);
    let found = results(path);
    assert!(found["scores"].as_array().unwrap().iter().all(|score| score["suite"] == "imagenet-val"));
    assert!(found["scores"][0]["protocol"]["limit"].as_str().unwrap().contains("not the published set"));
    let table = std::fs::read_to_string(path.join("out/results.md")).unwrap();
    assert!(table.contains("| imagenet-val: top-1 (at most 1) | % | 100.00"), "{table}");
}

/// ImageNet-C with one corruption, of whose severities the fourth cannot be read at first.
#[test]
fn a_suite_that_failed_goes_on_where_it_was() {
    let folder = folder();
    let path = folder.path();
    let place = |severity: u8| format!("imagenet-c/fog/{severity}/n01440764/ILSVRC2012_val_00000001.JPEG");
    let places: Vec<_> = (1..=5).map(place).collect();
    add(&path.join("data"), &places.iter().map(String::as_str).collect::<Vec<_>>());
    let file = |severity| path.join("data").join(place(severity));
    let whole = std::fs::read(file(4)).unwrap();
    std::fs::write(file(4), b"torn").unwrap();
    let run = || {
        let output = visrep(path, &[&["bench", "imagenet-c/fog"], &OF_TENCH[..], &REST].concat());
        let [table, stderr] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        (output.status.success(), stderr, table)
    };
    let (success, stderr, _) = run();
    assert!(!success && stderr.contains("ILSVRC2012_val_00000001.JPEG"), "{stderr}");
    std::fs::write(file(4), whole).unwrap();
    // What is finished is not read again, while files have the sizes that they had.
    let size = std::fs::metadata(file(1)).unwrap().len();
    std::fs::write(file(1), "-".repeat(size as usize)).unwrap();
    let (success, stderr, table) = run();
    assert!(success, "{stderr}");
    assert!(table.contains("imagenet-c fog: mean error  "), "a task that was run alone has a row: {table}");
    assert!(stderr.contains("imagenet-c/fog, 4 parts of which are finished"), "{stderr}");
    assert_eq!(value(&results(path), "tench", "imagenet-c", "fog/4", "error"), 0.0);
    assert_eq!(std::fs::read_dir(path.join("out/parts")).unwrap().count(), 0, "no part is kept longer");
    let (success, stderr, _) = run();
    assert!(success && stderr.contains("imagenet-c/fog is finished"), "{stderr}");
    // Other contents under the same name are other data.
    std::fs::write(file(1), b"longer").unwrap();
    let (success, stderr, _) = run();
    assert!(!success && stderr.contains("ILSVRC2012_val_00000001.JPEG"), "{stderr}");
}

#[test]
fn two_models_are_compared_on_the_same_images() {
    let folder = folder();
    let path = folder.path();
    succeed(path, &[&["bench", "imagenet-val"], &OF_TENCH[..], &OF_STING, &REST].concat());
    let compare =
        ["bench", "compare", "out/results.json", "out/results.json", "--model-a", MODEL, "--model-b"];
    let compared = succeed(path, &[&compare[..], &["resnet18_cifar_w16-2", "--json"]].concat());
    let rows: Value = serde_json::from_str(&compared).unwrap();
    let of = |row: &&Value| row["metric"] == "top1";
    let row = rows[0]["rows"].as_array().unwrap().iter().find(of).unwrap();
    assert_eq!((&row["mcnemar"]["only_a"], &row["mcnemar"]["only_b"]), (&2.into(), &1.into()));
    assert!(row["interval"]["low"].as_f64().unwrap() <= -1.0 / 3.0);
    let table = succeed(path, &[&compare[..], &["resnet18_cifar_w16-2"]].concat());
    assert!(table.contains("imagenet-val: top-1"), "{table}");
}

#[test]
fn probes_run_by_name_on_any_images() {
    let folder = tempfile::tempdir().unwrap();
    weights(folder.path(), "tench.safetensors", 1000, 0);
    let arguments = ["--data", "fixtures:digits", "--out", "out", "--limit", "60", "--device", "cpu"];
    let table = succeed(
        folder.path(),
        &[&["bench", "knn", "few-shot-5", "linear"], &OF_TENCH[..], &arguments].concat(),
    );
    for part in ["kNN, k = 20", "5-shot ridge", "linear probe"] {
        assert!(table.contains(part), "{table}");
    }
    let found = results(folder.path());
    assert_eq!(found["details"]["verdicts"].as_array().unwrap().len(), 2);
}

#[test]
fn every_kind_of_probe_runs_by_name() {
    let folder = tempfile::tempdir().unwrap();
    weights(folder.path(), "tench.safetensors", 1000, 0);
    let arguments = ["--data", "fixtures:digits", "--out", "out", "--limit", "24", "--device", "cpu"];
    let suites = [
        "knn-dino",
        "knn-sweep",
        "few-shot-1",
        "few-shot-10",
        "few-shot-25",
        "representation",
        "linear-protocol/clip",
        "linear-protocol/moco",
        "linear-frozen",
    ];
    let output = visrep(folder.path(), &[&["bench"], &suites[..], &OF_TENCH, &arguments].concat());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert!(stderr.contains("mae is left out: pooling by class token"), "{stderr}");
    assert!(stderr.contains("effective rank"), "{stderr}");
    let table = String::from_utf8(output.stdout).unwrap();
    for part in [
        "knn-dino, k = 10, T = 0.07",
        "knn-sweep, k = 5, T = 0.2",
        "1-shot ridge",
        "25-shot ridge (fewer in some classes)",
        "class separation",
        "CKA with the labels",
        "linear-protocol moco",
        "linear-frozen byol",
    ] {
        assert!(table.contains(part), "'{part}' is not in: {table}");
    }
    let found = results(folder.path());
    let scores = found["scores"].as_array().unwrap();
    let of = |suite: &str, task: &str| {
        let same =
            |score: &&Value| score["suite"] == suite && score["task"] == task && score["metric"] == "top1";
        scores.iter().find(same).unwrap()
    };
    let moco = &of("linear-protocol", "moco")["protocol"];
    assert!(
        moco["preset"].as_str().unwrap().starts_with("moco: He et al.") && moco["augmentation"] == "crop"
    );
    assert!(moco["preprocessing"].as_str().unwrap().starts_with("shortest edge 36 bilinear"), "{moco}");
    assert!(of("linear-frozen", "moco")["protocol"]["augmentation"].as_str().unwrap().starts_with("none"));
    let verdicts = found["details"]["verdicts"].as_array().unwrap();
    assert!(verdicts.iter().any(|of| of["suite"] == "linear-protocol" && of["task"] == "clip"));
    // A protocol more leaves the others as they are.
    succeed(folder.path(), &[&["bench", "linear-protocol/swav"], &OF_TENCH[..], &arguments].concat());
    let found = results(folder.path());
    let tasks: Vec<_> = found["scores"].as_array().unwrap().iter().map(|score| &score["task"]).collect();
    assert!(tasks.iter().any(|task| *task == "moco") && tasks.iter().any(|task| *task == "swav"));
    // Alone, a protocol that the network cannot have is an error.
    let error =
        fail(folder.path(), &[&["bench", "linear-protocol/dino"], &OF_TENCH[..], &arguments].concat());
    assert!(error.contains("class tokens of the last 4 blocks"), "{error}");
}

/// Weights with a configuration that makes images 8 pixels wide, so that a whole fine-tuning takes seconds.
fn tiny(folder: &Path) -> [&'static str; 4] {
    std::fs::create_dir_all(folder.join("tiny")).unwrap();
    weights(&folder.join("tiny"), "model.safetensors", 10, 0);
    let config = r#"{"architecture": "resnet18_cifar_w16", "num_classes": 10,
        "pretrained_cfg": {"input_size": [3, 8, 8], "crop_pct": 1.0, "interpolation": "bilinear",
        "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}}"#;
    std::fs::write(folder.join("tiny/config.json"), config).unwrap();
    ["--model", MODEL, "--weights", "tiny"]
}

/// EuroSAT's ten classes in one colour each.
fn eurosat(folder: &Path) {
    let root = folder.join("data/vtab/eurosat/2750");
    for (class, colour) in (0..10_u8).map(|class| (class, [class * 25, 250 - class * 25, class * 10])) {
        for image in 0..4 {
            let path = root.join(format!("c{class}/image_{image}.png"));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, encode_png(&RgbImage::filled(8, 8, colour)).unwrap()).unwrap();
        }
    }
}

#[test]
#[ignore = "two whole fine-tunings of 1000 steps take half a minute"]
fn networks_are_fine_tuned_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let model = tiny(folder.path());
    let arguments = ["--data", "fixtures:digits", "--out", "out", "--limit", "40", "--device", "cpu"];
    let table = succeed(folder.path(), &[&["bench", "fine-tune/vtab"], &model[..], &arguments].concat());
    assert!(table.contains("fine-tune vtab"), "{table}");
    let found = results(folder.path());
    let score = found["scores"].as_array().unwrap().iter().find(|score| score["metric"] == "top1").unwrap();
    assert_eq!(
        (&score["protocol"]["steps"], &score["protocol"]["resolution"]),
        (&"1000".into(), &"8".into())
    );
    assert!(score["value"].as_f64().unwrap() > 0.2, "{score}");

    eurosat(folder.path());
    let table = succeed(folder.path(), &[&["bench", "vtab"], &model[..], &REST].concat());
    assert!(
        table.contains("vtab eurosat: top-1") && table.contains("vtab: mean of 1 of 19 tasks"),
        "{table}"
    );
    let found = results(folder.path());
    assert!(value(&found, "tiny", "vtab", "eurosat", "top1") > 0.5);
    let of = |score: &&Value| score["suite"] == "vtab" && score["task"] == "eurosat";
    let protocol = &found["scores"].as_array().unwrap().iter().find(of).unwrap()["protocol"];
    assert_eq!(
        (&protocol["training_examples"], &protocol["steps"]),
        (&"trainval[:1000]".into(), &"1000".into())
    );
    assert!(protocol["deviation"].as_str().unwrap().contains("images of 8 pixels"));
}

#[test]
fn vtab_runs_on_frozen_features() {
    let folder = tempfile::tempdir().unwrap();
    let model = tiny(folder.path());
    eurosat(folder.path());
    let suites = ["vtab-linear", "vtab-adapter-linear/eurosat", "vtab-sprites/smallnorb_elevation"];
    let table =
        succeed(folder.path(), &[&["bench"], &suites[..], &model, &REST, &["--limit", "50"]].concat());
    for part in [
        "vtab-linear eurosat: top-1",
        "vtab-linear: mean of 1 of 19 tasks",
        "vtab-adapter-linear eurosat: top-1",
        "vtab-sprites smallnorb_elevation (drawn): top-1",
    ] {
        assert!(table.contains(part), "'{part}' is not in: {table}");
    }
    let found = results(folder.path());
    let protocol = |suite: &str| {
        let of = |score: &&Value| score["suite"] == suite && score["metric"] == "top1";
        found["scores"].as_array().unwrap().iter().find(of).unwrap()["protocol"].clone()
    };
    assert_eq!(protocol("vtab-adapter-linear")["final_seeds"], "0, 1, 2, 3, 4");
    assert!(protocol("vtab-sprites")["split"].as_str().unwrap().contains("toys, not smallNORB"));
    let notes = found["details"]["notes"].as_array().unwrap();
    assert!(
        notes.iter().any(|note| note["text"].as_str().unwrap().contains("visrep data get vtab/caltech101"))
    );
    // Runs are compared image by image, those of several seeds each by itself.
    let verdicts = found["details"]["verdicts"].as_array().unwrap();
    let of = |suite: &str| {
        let own = verdicts.iter().filter(|found| found["suite"] == suite);
        own.map(|found| found["task"].as_str().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(of("vtab-linear"), ["eurosat"]);
    let runs = ["eurosat/run-0", "eurosat/run-1", "eurosat/run-2", "eurosat/run-3", "eurosat/run-4"];
    assert_eq!(of("vtab-adapter-linear"), runs);
}

#[test]
fn remote_sensing_runs_on_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    weights(folder.path(), "tench.safetensors", 1000, 0);
    for class in 0..21_u8 {
        for image in 0..3 {
            let path = folder.path().join(format!("data/uc_merced/Images/c{class:02}/{image}.png"));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, encode_png(&RgbImage::filled(8, 8, [class * 12, 90, image])).unwrap())
                .unwrap();
        }
    }
    let run = ["bench", "remote-sensing", "remote-sensing/uc_merced"];
    let output = visrep(folder.path(), &[&run[..], &OF_TENCH, &REST].concat());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert!(stderr.contains("note: remote-sensing: bigearthnet: no data"), "{stderr}");
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.contains("remote-sensing uc_merced: top-1"), "{table}");
    let error =
        fail(folder.path(), &[&["bench", "remote-sensing/bigearthnet-43"], &OF_TENCH[..], &REST].concat());
    assert!(error.contains("MISSING  remote-sensing"), "{error}");
}

#[test]
fn sprites_need_no_data() {
    let folder = tempfile::tempdir().unwrap();
    weights(folder.path(), "tench.safetensors", 1000, 0);
    let more = ["--limit", "4", "--seed", "3"];
    let table = succeed(
        folder.path(),
        &[&["bench", "sprites-invariance/scale"], &OF_TENCH[..], &REST, &more].concat(),
    );
    assert!(table.contains("sprites-invariance scale: invariance of features"), "{table}");
    let found = results(folder.path());
    let points = |metric: &str| {
        let of = |score: &&Value| score["metric"] == metric && score["task"] != "scale";
        found["scores"]
            .as_array()
            .unwrap()
            .iter()
            .filter(of)
            .map(|score| score["n"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    // Six sizes of four sprites; the full one is what the others are compared with.
    assert_eq!((points("accuracy"), points("invariance")), (vec![4; 6], vec![4; 5]));
    let of_full = "scale/1";
    assert!(value(&found, "tench", "sprites-invariance", of_full, "accuracy") <= 1.0);
}

#[test]
fn what_cannot_be_measured_is_said() {
    let folder = folder();
    let path = folder.path();
    let measure = |suite: &str, model: &[&str]| fail(path, &[&["bench", suite], model, &REST[..]].concat());
    let error = measure("imagenet-z", &OF_TENCH);
    assert!(error.contains("there is no suite 'imagenet-z'"), "{error}");
    let error = measure("imagenet-r", &OF_TENCH);
    assert!(error.contains("nothing could be measured under data") && error.contains("MISSING"), "{error}");
    let error = fail(path, &["bench", "imagenet-a", "--data", "data"]);
    assert!(error.contains("--model"), "{error}");
    let error = fail(path, &[&["bench", "imagenet-a", "--model", MODEL], &REST[..]].concat());
    assert!(error.contains("1 --model and 0 --weights"), "{error}");
    let error = measure("imagenet-a", &["--model", MODEL, "--weights", "none.safetensors"]);
    assert!(error.contains("no weights at none.safetensors"), "{error}");

    // One failure does not lose the others.
    weights(path, "ten.safetensors", 10, 0);
    std::fs::write(path.join("data/imagenet-a/n01498041/a.jpg"), "no image").unwrap();
    let error = fail(path, &[&["bench", "imagenet-a", "imagenet-val"], &OF_TENCH[..], &REST].concat());
    assert!(error.contains("n01498041/a.jpg"), "{error}");
    assert!(
        (value(&results(path), "tench", "imagenet-val", "imagenet-val", "top1") - 2.0 / 3.0).abs() < 1e-12
    );
    let error = measure("imagenet-val", &["--model", MODEL, "--weights", "ten.safetensors"]);
    assert!(error.contains("a classifier of 10 classes"), "{error}");
    std::fs::write(path.join("out/results.json"), "{}").unwrap();
    let error = measure("imagenet-val", &OF_TENCH);
    assert!(error.contains("is no results.json: move it away, or add --fresh"), "{error}");
}
