//! `visrep bench spread` and `visrep bench study` on results written by hand.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

mod support;

use serde_json::{Value, json};
use std::path::Path;
use support::{fail, succeed};

/// Results of one model with its accuracies on ImageNet and on ImageNet-R, and one figure that is no headline.
fn results(seed: &str, val: f64, r: f64) -> Value {
    let score = |suite: &str, metric: &str, value: f64| {
        json!({
            "suite": suite, "task": suite, "metric": metric, "value": value, "n": 100, "interval": null,
            "protocol": {"precision": "fp32", "seed": seed}, "model": "resnet50", "weights": seed, "data": suite,
        })
    };
    json!({
        "schema": 1, "visrep": "0.1.0", "command": "", "finished": "", "seconds": 0.0, "environment": [],
        "models": [{
            "id": "resnet50", "label": "resnet50", "about": "", "architecture": "resnet50", "weights": seed, "parameters": 1,
        }],
        "datasets": [],
        "scores": [
            score("imagenet-val", "top1", val), score("imagenet-r", "top1", r), score("imagenet-r", "nll", 2.0 - r),
        ],
        "details": {"reliability": [], "confusion": []},
    })
}

fn put(folder: &Path, name: &str, results: &Value) {
    std::fs::write(folder.join(name), results.to_string()).unwrap();
}

/// Three seeds, which are 0.1 points apart on ImageNet, and 1 point on ImageNet-R.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, val, r) in [("0.json", 0.760, 0.360), ("1.json", 0.761, 0.350), ("2.json", 0.762, 0.370)] {
        put(folder.path(), name, &results(name, val, r));
    }
    folder
}

const ALL: [&str; 5] = ["bench", "spread", "0.json", "1.json", "2.json"];

#[test]
fn spreads_are_multiples_of_that_in_distribution() {
    let folder = folder();
    let found: Value =
        serde_json::from_str(&succeed(folder.path(), &[&ALL[..], &["--json"]].concat())).unwrap();
    let rows = found["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 3);
    let near = |value: &Value, expected: f64| {
        assert!((value.as_f64().unwrap() - expected).abs() < 1e-9, "{value}, expected {expected}");
    };
    let row = &rows[1];
    assert_eq!((&row["suite"], &row["metric"]), (&json!("imagenet-r"), &json!("top1")));
    near(&row["mean"], 0.36);
    near(&row["deviation"], 0.01);
    near(&row["lowest"], 0.35);
    near(&row["highest"], 0.37);
    near(&row["ratio"], 10.0);
    // numpy.corrcoef([0.76, 0.761, 0.762], [0.36, 0.35, 0.37])
    near(&row["correlation"], 0.5);
    assert_eq!(row["ranks"], json!([2.0, 3.0, 1.0]));
    near(&rows[0]["ratio"], 1.0);
    near(&rows[2]["correlation"], -0.5);
    assert_eq!(rows[2]["headline"], json!(false));
    let pair = &found["correlations"][0];
    assert_eq!((&pair[0], &pair[1]), (&json!("imagenet-val: top-1"), &json!("imagenet-r: top-1")));
    near(&pair[2], 0.5);

    let table = succeed(folder.path(), &ALL);
    let line = table.lines().find(|line| line.starts_with("imagenet-r: top-1")).unwrap();
    for part in ["36.00", "1.000", "35.00..37.00", "10.0", "0.50"] {
        assert!(line.contains(part), "{line}");
    }
    assert!(
        table.contains("3 models: a standard deviation of so few is itself uncertain by 50 %"),
        "{table}"
    );
    assert!(!table.contains("nll") && !table.contains("seed:"), "{table}");
    let table = succeed(folder.path(), &[&ALL[..], &["--in-distribution", "imagenet-r"]].concat());
    assert!(
        table.lines().any(|line| line.starts_with("imagenet-val: top-1") && line.contains("0.1")),
        "{table}"
    );
}

#[test]
fn what_makes_a_spread_mean_nothing_is_said() {
    let folder = folder();
    let path = folder.path();
    let error = fail(path, &["bench", "spread", "0.json"]);
    assert!(error.contains("resnet50 of 0.json is alone"), "{error}");
    put(path, "copy.json", &results("0.json", 0.76, 0.36));
    let error = fail(path, &["bench", "spread", "0.json", "copy.json"]);
    assert!(error.contains("0.json and copy.json have the same model"), "{error}");
    let error = fail(path, &[&ALL[..], &["--in-distribution", "imagenet-v2"]].concat());
    assert!(error.contains("imagenet-v2") && error.contains("imagenet-val, imagenet-r"), "{error}");
    let error = fail(path, &[&ALL[..], &["--model", "vit"]].concat());
    assert!(error.contains("no file has the model 'vit': there are resnet50"), "{error}");
    std::fs::write(path.join("text.json"), "{}").unwrap();
    let error = fail(path, &["bench", "spread", "0.json", "text.json"]);
    assert!(error.contains("text.json is no results.json"), "{error}");
    let error = fail(path, &["bench", "spread", "none.json"]);
    assert!(error.contains("cannot read none.json"), "{error}");

    let mut other = results("3.json", 0.76, 0.5);
    other["scores"][0]["protocol"]["precision"] = json!("bf16");
    put(path, "3.json", &other);
    let table = succeed(path, &["bench", "spread", "0.json", "3.json"]);
    assert!(table.contains("note: precision: fp32 against bf16"), "{table}");
    assert!(table.contains("note: all models have the same imagenet-val"), "{table}");
    let mut nothing = results("4.json", 0.7, 0.5);
    nothing["scores"].as_array_mut().unwrap().iter_mut().for_each(|score| score["data"] = json!("cars"));
    put(path, "4.json", &nothing);
    let error = fail(path, &["bench", "spread", "0.json", "4.json"]);
    assert!(error.contains("the 2 models have no figure in common"), "{error}");
}

/// Results of one model: its accuracy, and its mean 2AFC by two distances.
fn measured(name: &str, accuracy: f64, baseline: f64, style: f64) -> Value {
    let score = |suite: &str, task: &str, metric: &str, value: f64, form: &str| {
        json!({
            "suite": suite, "task": task, "metric": metric, "value": value, "n": 9, "data": suite,
            "interval": {"low": value - 0.01, "high": value + 0.01, "level": 0.95, "method": "bootstrap"},
            "protocol": {"form": form}, "model": name, "weights": name,
        })
    };
    json!({
        "schema": 1, "visrep": "0.1.0", "command": "", "finished": "", "seconds": 0.0, "environment": [],
        "models": [{
            "id": name, "label": name, "about": "", "architecture": name, "weights": name, "parameters": 1,
        }],
        "datasets": [],
        "scores": [
            score("imagenet-val", "imagenet-val", "top1", accuracy, ""),
            score("bapps-2afc", "mean", "2afc", baseline, "baseline"),
            score("bapps-2afc", "style-mean", "2afc", style, "style"),
            score("bapps-2afc", "psnr-mean", "2afc", 0.6, "psnr"),
            score("bapps-2afc", "tap layer1: mean", "2afc", 0.6, "tap layer1"),
            score("bapps-2afc", "style-cnn", "2afc", 0.9, "style"),
        ],
        "details": {"reliability": [], "confusion": []},
    })
}

#[test]
fn perceptual_scores_are_studied_against_accuracy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    // The baseline rises and falls, style only rises.
    let models =
        [("a", 0.5, 0.66, 0.60), ("b", 0.6, 0.69, 0.61), ("c", 0.7, 0.67, 0.63), ("d", 0.8, 0.64, 0.64)];
    for (name, accuracy, baseline, style) in models {
        let found = measured(name, accuracy, baseline, style).to_string();
        std::fs::write(path.join(format!("{name}.json")), found).unwrap();
    }
    let study = ["bench", "study", "perceptual", "d.json", "a.json", "c.json", "b.json", "--out", "study"];
    let table = succeed(path, &study);
    assert!(table.contains("69.00 % by b (b.json) at 60.00 %"), "{table}");
    let read = || -> Value {
        serde_json::from_slice(&std::fs::read(path.join("study/study.json")).unwrap()).unwrap()
    };
    let found = read();
    let series = found["series"].as_array().unwrap();
    let forms: Vec<_> = series.iter().map(|of| of["form"].as_str().unwrap()).collect();
    assert_eq!(forms, ["baseline", "style"]);
    let near =
        |value: &Value, expected: f64| assert!((value.as_f64().unwrap() - expected).abs() < 1e-9, "{value}");
    // numpy: corrcoef; scipy: spearmanr.
    near(&series[0]["pearson"], -0.496_138_938_356_834);
    near(&series[0]["spearman"], -0.4);
    near(&series[1]["spearman"], 1.0);
    let front = |of: &Value| {
        of["points"].as_array().unwrap().iter().map(|point| point["on_front"] == true).collect::<Vec<_>>()
    };
    assert_eq!(front(&series[0]), [false, true, true, true]);
    assert_eq!(front(&series[1]), [false, false, false, true]);
    let csv = std::fs::read_to_string(path.join("study/study.csv")).unwrap();
    assert!(csv.lines().count() == 9 && csv.contains("bapps-2afc,style,d (d.json),0.8,0.64,"), "{csv}");
    let html = std::fs::read_to_string(path.join("study/study.html")).unwrap();
    assert_eq!(html.matches("<circle").count(), 8);

    // Accuracies from elsewhere, of two of the models.
    std::fs::write(path.join("top1.csv"), "model,accuracy\na,55.5\nb,60\n").unwrap();
    let table = succeed(path, &[&study[..], &["--accuracies", "top1.csv"]].concat());
    assert!(table.contains("note: d (d.json) has no accuracy in top1.csv"), "{table}");
    near(&read()["series"][0]["points"][0]["accuracy"], 0.555);
    assert!(read()["series"][0]["pearson"].is_null(), "two points are no correlation");
    let error = fail(path, &["bench", "study", "perceptual", "a.json"]);
    assert!(error.contains("no two models have both") && error.contains("imagenet-val"), "{error}");
    std::fs::write(path.join("top1.csv"), "model,accuracy\na,155.5\n").unwrap();
    let error = fail(path, &[&study[..], &["--accuracies", "top1.csv"]].concat());
    assert!(error.contains("top1.csv, line 2, column 'accuracy'"), "{error}");
}
