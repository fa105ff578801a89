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
            // An image is one value over all severities: five images differ, of which four by one sign, so that it is McNemar's test again.
            "mean-error" => {
                let found = &row["randomisation"];
                assert!(row["mcnemar"].is_null() && found["draws"].is_null(), "{row}");
                assert_eq!((&found["units"], &found["of"]), (&json!(5), &json!("images")));
                assert_eq!(found["p_value"], json!(0.375));
            }
            _ => assert!(row["mcnemar"].is_null() && row["randomisation"].is_null()),
        }
    }
    let table = printed(folder.path(), &["a.json", "b.json"]);
    let line = table.lines().find(|line| line.contains("kNN, k = 20")).unwrap();
    for part in ["37.50", "75.00", "+37.50", "0.3750", "McNemar"] {
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

/// Little end first, in base64.
fn values(values: &[f32]) -> String {
    STANDARD.encode(values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())
}

/// Results of one model with figures of `metric` by task, and records of single images.
fn of_figures(
    suite: &str,
    metric: &str,
    tasks: &[(&str, f64)],
    records: &[Value],
    groups: &[Value],
) -> Value {
    let mut found = results("own", 0, "f00d", "20");
    let score = |(task, value): &(&str, f64)| {
        json!({
            "suite": suite, "task": task, "metric": metric, "value": value, "n": 8, "interval": null,
            "protocol": {}, "model": "resnet", "weights": "own", "data": suite,
        })
    };
    found["scores"] = tasks.iter().map(score).collect();
    let of_model = |record: &Value| {
        let mut record = record.clone();
        for (key, value) in [("model", "own"), ("data", suite), ("suite", suite)] {
            record[key] = json!(value);
        }
        record
    };
    found["details"]["verdicts"] = records.iter().map(of_model).collect();
    found["details"]["groups"] = json!(groups);
    found
}

/// The rows of the comparison of two results.
#[track_caller]
fn rows(a: &Value, b: &Value) -> Vec<Value> {
    let folder = folder(a, b);
    let found: Value =
        serde_json::from_str(&printed(folder.path(), &["a.json", "b.json", "--json"])).unwrap();
    found[0]["rows"].as_array().unwrap().clone()
}

fn ends(row: &Value) -> (f64, f64) {
    let end = |name: &str| row["interval"][name].as_f64().unwrap_or_else(|| panic!("no interval: {row}"));
    (end("low"), end("high"))
}

/// A record of verdicts on 64 images.
fn verdicts(right: u64, images: &str) -> Value {
    json!({"task": "size", "images": images, "n": 64, "right": STANDARD.encode(right.to_le_bytes())})
}

/// Sixteen objects of four images each; `values` of a factor by image.
fn sixteen_objects(values: &[u8]) -> Value {
    let objects: Vec<u8> = (0..64).map(|image| image / 4).collect();
    json!({
        "images": "f00d", "n": 64, "objects": STANDARD.encode(objects), "values": STANDARD.encode(values),
    })
}

#[test]
fn images_of_one_object_are_drawn_together() {
    // All images of an object are right or wrong alike: the first has two objects, the second seven others.
    let (first, second) = (0x0000_0000_0000_00ff_u64, 0x0000_000f_ffff_ff00_u64);
    let side = |right: u64, groups: &[Value]| {
        let accuracy = f64::from(right.count_ones()) / 64.0;
        of_figures("si-score", "top1", &[("size", accuracy)], &[verdicts(right, "f00d")], groups)
    };
    let groups = [sixteen_objects(&[])];
    let alone = &rows(&side(first, &[]), &side(second, &[]))[0];
    let grouped = &rows(&side(first, &groups), &side(second, &groups))[0];
    let width = |row: &Value| ends(row).1 - ends(row).0;
    assert!(width(grouped) > 1.7 * width(alone), "{grouped} {alone}");
    assert!((grouped["difference"].as_f64().unwrap() - 5.0 / 16.0).abs() < 1e-12);
    assert!(
        grouped["interval"]["method"].as_str().unwrap().starts_with("bootstrap of groups(16, "),
        "{grouped}"
    );

    // Of 2 objects against 7: 2 (1 + 9 + 36) / 512, and not McNemar's of 8 images against 28.
    let found = &grouped["randomisation"];
    assert!((found["p_value"].as_f64().unwrap() - 92.0 / 512.0).abs() < 1e-12, "{grouped}");
    assert_eq!(
        (&found["units"], &found["of"], &found["draws"]),
        (&json!(9), &json!("objects"), &Value::Null)
    );
    assert!(grouped["mcnemar"].is_null());
    assert!(alone["mcnemar"]["p_value"].as_f64().unwrap() < 0.002 && alone["randomisation"].is_null());

    // Where one side is older and does not know the objects, the other's are the same images'.
    let older = &rows(&side(first, &[]), &side(second, &groups))[0];
    assert_eq!(
        (&older["interval"], &older["randomisation"]),
        (&grouped["interval"], &grouped["randomisation"])
    );
    let folder = folder(&side(first, &groups), &side(second, &groups));
    let table = printed(folder.path(), &["a.json", "b.json"]);
    assert!(table.contains("0.1797  randomisation of 9 objects, exact"), "{table}");

    // Of one object alone there is no telling; other images are other images.
    let one = json!({"images": "f00d", "n": 64, "objects": STANDARD.encode([0_u8; 64]), "values": ""});
    let row = &rows(&side(first, std::slice::from_ref(&one)), &side(second, &[one]))[0];
    assert!(row["interval"].is_null() && row["randomisation"].is_null(), "{row}");
    let mut moved = side(second, &groups);
    moved["details"]["verdicts"][0]["images"] = json!("beef");
    let row = &rows(&side(first, &groups), &moved)[0];
    assert!(row["interval"].is_null() && row["mcnemar"].is_null(), "{row}");
}

#[test]
fn means_over_values_weigh_values_alike() {
    // One image in four is at the first value, where the second model has them all and the first none; at the other they are alike.
    let at: Vec<u8> = (0..64).map(|image| u8::from(image % 4 != 0)).collect();
    let groups = [sixteen_objects(&at)];
    let side = |right: u64, value: f64| {
        of_figures("si-score", "mean-top1", &[("size", value)], &[verdicts(right, "f00d")], &groups)
    };
    let row = &rows(&side(0, 0.0), &side(0x1111_1111_1111_1111, 0.5))[0];
    let (low, high) = ends(row);
    assert!((low - 0.5).abs() < 1e-12 && (high - 0.5).abs() < 1e-12, "{row}");
    // All of sixteen objects have one sign.
    assert_eq!(row["randomisation"]["p_value"], json!(2.0 / 65_536.0));
}

#[test]
fn values_are_paired_within_their_sets() {
    let sets = ["traditional", "cnn", "superres", "deblur", "color", "frameinterp"];
    let record = |task: &str, metric: &str, own: &[f32]| {
        json!({
            "task": task, "images": task, "n": own.len(), "right": "", "metric": metric, "values": values(own),
        })
    };
    // The second is better by a half on one triplet of four in five sets, and the same in the sixth.
    let side = |better: f32, mean: f64| {
        let of_set = |set: &&str| {
            let gain = if *set == "deblur" { 0.0 } else { better };
            record(set, "2afc", &[0.5, 1.0, 0.0, 0.5 + gain])
        };
        let records: Vec<Value> = sets.iter().map(of_set).collect();
        of_figures("bapps-2afc", "2afc", &[("mean", mean), ("deblur", 0.5)], &records, &[])
    };
    let found = rows(&side(0.0, 0.5), &side(0.5, 0.5 + 5.0 / 48.0));
    let (low, high) = ends(&found[0]);
    assert!(0.0 < low && low < 5.0 / 48.0 && 5.0 / 48.0 < high && high < 0.4, "{}", found[0]);
    // Five triplets of one sign: 2 / 32.
    assert_eq!(
        (&found[0]["randomisation"]["p_value"], &found[0]["randomisation"]["units"]),
        (&json!(0.0625), &json!(5))
    );
    assert_eq!((ends(&found[1]), &found[1]["randomisation"]["p_value"]), ((0.0, 0.0), &json!(1.0)));

    // Shape bias: decisions for neither cue do not count, and a photograph's stimuli are one unit.
    let nothing = f32::NAN;
    let objects = json!({
        "images": "cue-conflict", "n": 8, "objects": STANDARD.encode([0_u8, 0, 1, 1, 2, 2, 3, 3]), "values": "",
    });
    let side = |own: &[f32], bias: f64| {
        let records = [record("cue-conflict", "shape-bias", own)];
        of_figures(
            "cue-conflict",
            "shape-bias",
            &[("cue-conflict", bias)],
            &records,
            std::slice::from_ref(&objects),
        )
    };
    let a = side(&[1.0, nothing, 0.0, 0.0, 0.0, 1.0, nothing, 0.0], 1.0 / 3.0);
    let b = side(&[1.0, 1.0, 0.0, 1.0, nothing, 1.0, 1.0, 0.0], 5.0 / 7.0);
    let row = &rows(&a, &b)[0];
    assert!(ends(row).0 < 8.0 / 21.0 && 8.0 / 21.0 < ends(row).1, "{row}");
    assert_eq!((&row["randomisation"]["units"], &row["randomisation"]["of"]), (&json!(4), &json!("objects")));
}

#[test]
fn scores_of_detection_are_paired_by_image() {
    let record = |task: &str, ranks: [u8; 8], positive: &[f32]| {
        // Two kinds are bits, the first four outliers.
        let right = if positive.is_empty() { STANDARD.encode([0b1111]) } else { String::new() };
        json!({
            "task": task, "images": task, "n": 8, "right": right, "ranks": STANDARD.encode(ranks),
            "positive": values(positive),
        })
    };
    let (mixed, apart) = ([0, 5, 2, 7, 1, 6, 3, 4], [7, 6, 5, 4, 3, 2, 1, 0]);
    let side = |ranks, metric: &str, value: f64| {
        of_figures("imagenet-o", metric, &[("msp", value)], &[record("msp", ranks, &[])], &[])
    };
    // Of sixteen pairs of an outlier and an inlier, the first has eight right.
    for (metric, a, b) in [("auroc", 0.5, 1.0), ("aupr", 2.0 / 3.0, 1.0), ("fpr95", 1.0, 0.0)] {
        let row = &rows(&side(mixed, metric, a), &side(apart, metric, b))[0];
        let (low, high) = ends(row);
        assert!(low < high && low <= b - a && b - a <= high, "{row}");
        assert!(low.min(-high) >= -1.0 && row["randomisation"].is_null(), "{row}");
    }
    // Judges' shares are no two kinds: the nearest pairs are those that they call the same.
    let same = [1.0, 0.5, 0.75, 0.0, 0.25, 0.0, 0.5, 0.0];
    let side = |ranks, value: f64| {
        let records = ["traditional", "cnn"].map(|set| record(set, ranks, &same));
        of_figures("bapps-jnd", "map", &[("mean", value), ("cnn", value)], &records, &[])
    };
    for row in rows(&side([7, 6, 5, 4, 3, 2, 1, 0], 0.4), &side([0, 2, 1, 5, 4, 6, 3, 7], 0.9)) {
        assert!(ends(&row).0 < ends(&row).1 && ends(&row).1 > 0.3, "{row}");
    }
}
