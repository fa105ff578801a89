//! `visrep bench compare` on results written by hand.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};

/// Results of one model on eight images, of which `right` has a bit for each that a kNN classifier has right.
fn results(id: &str, right: u8, images: &str, k: &str) -> Value {
    let accuracy = f64::from(right.count_ones()) / 8.0;
    let score = |suite: &str, task: &str, metric: &str, value: f64| {
        json!({
            "suite": suite, "task": task, "metric": metric, "value": value, "n": 8, "interval": null,
            "protocol": {"k": k, "c": id}, "model": "resnet", "weights": id, "data": "pets",
        })
    };
    let verdicts = |suite: &str, task: &str, right: u8| {
        json!({
            "model": id, "data": "pets", "suite": suite, "task": task, "images": images, "n": 8,
            "right": STANDARD.encode([right]),
        })
    };
    let severities = (1..=5).map(|severity| verdicts("imagenet-c", &format!("fog/{severity}"), right));
    let all: Vec<Value> = [verdicts("knn", "pets", right)].into_iter().chain(severities).collect();
    json!({
        "schema": 1, "visrep": "0.1.0", "command": "", "finished": "", "seconds": 0.0, "environment": [],
        "models": [{
            "id": id, "label": id, "about": "", "architecture": "resnet", "weights": id, "parameters": 1,
        }],
        "datasets": [],
        "scores": [
            score("knn", "pets", "top1", accuracy),
            score("knn", "pets", "nll", 2.5 - accuracy),
            score("imagenet-c", "fog/3", "error", 1.0 - accuracy),
            score("imagenet-c", "fog", "mean-error", 1.0 - accuracy),
        ],
        "details": {"reliability": [], "confusion": [], "verdicts": all},
    })
}

fn compare(folder: &Path, arguments: &[&str]) -> Output {
    let command = ["bench", "compare"];
    Command::new(env!("CARGO_BIN_EXE_visrep"))
        .args(command)
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

/// A folder with the two results.
fn folder(a: &Value, b: &Value) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, results) in [("a.json", a), ("b.json", b)] {
        std::fs::write(folder.path().join(name), results.to_string()).unwrap();
    }
    folder
}

#[track_caller]
fn printed(folder: &Path, arguments: &[&str]) -> String {
    let output = compare(folder, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn fail(folder: &Path, arguments: &[&str], parts: &[&str]) {
    let output = compare(folder, arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    for part in parts {
        assert!(stderr.contains(part), "'{part}' is not in: {stderr}");
    }
}

#[test]
fn figures_on_the_same_images_are_paired() {
    let folder =
        folder(&results("own", 0b0000_1101, "f00d", "20"), &results("own", 0b1111_0101, "f00d", "20"));
    let found: Value =
        serde_json::from_str(&printed(folder.path(), &["a.json", "b.json", "--json"])).unwrap();
    let rows = found[0]["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 4);
    assert_eq!(found[0]["warnings"], json!([]));
    for row in rows {
        let (metric, difference) = (row["metric"].as_str().unwrap(), row["difference"].as_f64().unwrap());
        let better = if metric == "top1" { 0.375 } else { -0.375 };
        assert!((difference - better).abs() < 1e-12, "{row}");
        match metric {
            "nll" => assert!(row["interval"].is_null() && row["mcnemar"].is_null(), "{row}"),
            _ => {
                let end = |name: &str| row["interval"][name].as_f64().unwrap();
                assert!(end("low") <= difference && difference <= end("high"), "{row}");
                assert!(end("low") < end("high"), "{row}");
            }
        }
        match metric {
            "top1" | "error" => {
                assert_eq!((&row["mcnemar"]["only_a"], &row["mcnemar"]["only_b"]), (&json!(1), &json!(4)));
                // 2 (1 + 5) / 32.
                assert!((row["mcnemar"]["p_value"].as_f64().unwrap() - 0.375).abs() < 1e-9);
            }
            _ => assert!(row["mcnemar"].is_null()),
        }
    }
    let table = printed(folder.path(), &["a.json", "b.json"]);
    let line = table.lines().find(|line| line.contains("kNN, k = 20")).unwrap();
    for part in ["37.50", "75.00", "+37.50", "0.3750"] {
        assert!(line.contains(part), "{line}");
    }
    assert!(!table.contains("nll") && !table.contains("note:"), "{table}");
}

#[test]
fn what_makes_figures_less_comparable_is_said() {
    let folder = folder(&results("own", 0b1101, "f00d", "20"), &results("own", 0b111, "beef", "10"));
    let table = printed(folder.path(), &["a.json", "b.json"]);
    assert!(table.contains("note: k: 20 against 10"), "{table}");
    assert!(table.contains("note: pets: the test images differ"), "{table}");
    // What a search found differs between models of one protocol.
    assert!(!table.contains("c: own"), "{table}");
}

#[test]
fn models_are_chosen_and_bad_files_are_named() {
    let mut old = results("simclr", 0b111, "f00d", "20");
    old["details"].as_object_mut().unwrap().remove("verdicts");
    let folder = folder(&results("own", 0b1101, "f00d", "20"), &old);
    let path = folder.path();
    fail(path, &["a.json", "b.json"], &["a.json has the models own", "simclr", "--model-a"]);
    let chosen = ["a.json", "b.json", "--model-a", "own", "--model-b"];
    fail(path, &[&chosen[..], &["vit"]].concat(), &["b.json has no model 'vit', but simclr"]);
    // Older results have no verdicts: differences only.
    let table = printed(path, &[&chosen[..], &["simclr"]].concat());
    assert!(table.contains("37.50") && !table.contains("note:"), "{table}");

    fail(path, &["a.json", "none.json"], &["cannot read none.json"]);
    std::fs::write(path.join("text.json"), "{}").unwrap();
    fail(path, &["a.json", "text.json"], &["text.json is no results.json"]);
    let mut damaged = results("own", 0b1, "f00d", "20");
    damaged["details"]["verdicts"][0]["right"] = json!("!");
    std::fs::write(path.join("damaged.json"), damaged.to_string()).unwrap();
    fail(path, &["a.json", "damaged.json"], &["verdicts of own on pets", "damaged"]);
    let mut other = results("own", 0b1, "f00d", "20");
    other["scores"].as_array_mut().unwrap().iter_mut().for_each(|score| score["data"] = json!("cars"));
    std::fs::write(path.join("other.json"), other.to_string()).unwrap();
    fail(path, &["a.json", "other.json"], &["no figure in common"]);
}
