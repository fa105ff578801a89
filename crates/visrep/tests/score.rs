//! `visrep score`: what its fixed contracts print, and what they say of bad files.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output};
use visrep_metrics::ALEXNET_ERRORS;

fn visrep(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_visrep"))
        .arg("score")
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

/// A folder with these files, and what to do in it.
struct Files(tempfile::TempDir);

impl Files {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        Self(folder)
    }

    #[track_caller]
    fn score(&self, arguments: &[&str]) -> Value {
        let output = visrep(self.0.path(), arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {stderr}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Must fail with code 1 and one line that has all of `parts`.
    #[track_caller]
    fn fail(&self, arguments: &[&str], parts: &[&str]) {
        let output = visrep(self.0.path(), arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {stderr}");
        assert!(output.stdout.is_empty() && !stderr.contains("panicked"), "{stderr}");
        assert_eq!(stderr.trim_end().lines().count(), 1, "{stderr}");
        for part in parts {
            assert!(stderr.contains(part), "'{part}' is not in: {stderr}");
        }
    }
}

#[track_caller]
fn close(value: &Value, expected: f64, tolerance: f64) {
    let value = value.as_f64().unwrap();
    assert!((value - expected).abs() <= tolerance, "{value} is not {expected}");
}

const REAL: [&str; 5] = ["imagenet-real", "--predictions", "p.csv", "--labels", "real.json"];

#[test]
fn imagenet_real_leaves_out_empty_lists() {
    let files = Files::new(&[
        ("real.json", "[[], [970, 795], [230, 231], [809]]"),
        // A byte order mark, blanks, another column, any order, Windows' line ends.
        ("p.csv", "\u{feff}note, prediction ,val_index\r\na,809,4\r\nb,795,2\r\nc,0,1\r\nd,229,3\r\n"),
    ]);
    let found = files.score(&REAL);
    assert_eq!(found, json!({"accuracy": 2.0 / 3.0, "n": 3, "left_out": 1}));
}

#[test]
fn imagenet_real_says_what_is_wrong_and_where() {
    let real = ("real.json", "[[], [970, 795], [230]]");
    let fail = |csv: &str, parts: &[&str]| Files::new(&[real, ("p.csv", csv)]).fail(&REAL, parts);
    fail("val_index,label\n1,2\n", &["p.csv, line 1", "no column 'prediction'", "val_index, label"]);
    fail("val_index;prediction\n1;2\n", &["separate columns by commas"]);
    fail("val_index,prediction\n2,795\n2,970\n", &["line 3", "'val_index'", "already given in line 2"]);
    fail("val_index,prediction\n0,795\n", &["line 2", "'val_index'", "from 1 to 3"]);
    fail("val_index,prediction\r\n3,230\r\n\r\n\r\n2,nan\r\n", &["p.csv, line 5", "'nan'"]);
    fail("note,val_index,prediction\n\"a b\",3,230\n,2,nan\n", &["p.csv, line 3", "'nan'"]);
    // Rows that an open quotation mark takes in are not left out without a word.
    fail("val_index,prediction,note\n2,795,\"5 inch\n3,230,x\n", &["p.csv, line 2", "a quotation mark"]);
    fail("val_index,prediction,\"note\n2,795,x\n", &["p.csv, line 1", "a quotation mark"]);
    fail("val_index,prediction\r\n2\r\n", &["line 2", "1 values"]);
    fail("val_index,prediction\n2,nan\n", &["line 2", "'prediction'", "'nan'", "from 0 to 999"]);
    fail("val_index,prediction\n2,1000\n", &["'1000'", "from 0 to 999"]);
    fail("val_index,prediction\n2\n", &["line 2", "1 values", "2 columns"]);
    fail("val_index,prediction\n", &["p.csv has no rows"]);
    fail("", &["p.csv has no rows"]);
    fail("val_index,val_index,prediction\n1,1,1\n", &["two columns", "'val_index'"]);
    fail("val_index,prediction\n1,0\n", &["p.csv", "none of the images has a label"]);
    let csv = ("p.csv", "val_index,prediction\n1,2\n");
    Files::new(&[csv]).fail(&REAL, &["cannot read real.json"]);
    Files::new(&[csv, ("real.json", "{\"a\": 1}")]).fail(&REAL, &["real.json is no list of lists"]);
    Files::new(&[csv, ("real.json", "[[1], [1000]]")]).fail(&REAL, &["image 2", "1000"]);
    Files::new(&[csv, ("real.json", "[]")]).fail(&REAL, &["real.json is an empty list"]);
    Files::new(&[real]).fail(&REAL, &["cannot read p.csv"]);
}

/// ImageNet-C's table with `scale` times AlexNet's errors.
fn alexnet(scale: f64) -> String {
    let mut csv = "corruption,severity,error\n".to_owned();
    for (name, errors) in ALEXNET_ERRORS.iter().rev() {
        for (severity, error) in (1..).zip(errors) {
            writeln!(csv, "{name},{severity},{}", scale * error).unwrap();
        }
    }
    csv
}

#[test]
fn imagenet_c_is_normalised_by_alexnet() {
    let command = ["imagenet-c", "--errors", "e.csv"];
    for (scale, mce, unit) in [(1.0, 100.0, "fractions"), (100.0, 100.0, "percent"), (0.5, 50.0, "fractions")]
    {
        let csv = alexnet(scale) + "spatter,1,0.5\n";
        let found = Files::new(&[("e.csv", &csv)]).score(&command);
        close(&found["mce"], mce, 1e-9);
        assert_eq!(found["ce"].as_object().unwrap().len(), 15);
        close(&found["ce"]["fog"], mce, 1e-9);
        assert_eq!(found["errors"], unit);
        assert!(found.get("relative_mce").is_none());
    }
    let files = Files::new(&[("e.csv", &alexnet(100.0))]);
    let found = files.score(&[&command[..], &["--clean-error", "43.48"]].concat());
    close(&found["relative_mce"], 100.0, 1e-9);
    close(&found["relative_ce"]["snow"], 100.0, 1e-9);
    std::fs::write(files.0.path().join("half.csv"), alexnet(0.5)).unwrap();
    let found = files.score(&[&command[..], &["--baseline", "half.csv"]].concat());
    close(&found["mce"], 200.0, 1e-9);
    std::fs::write(files.0.path().join("zero.csv"), alexnet(0.0)).unwrap();
    files.fail(&[&command[..], &["--baseline", "zero.csv"]].concat(), &["zero.csv", "never errs"]);
    files.fail(&[&command[..], &["--clean-error", "143"]].concat(), &["--clean-error 143", "percent"]);
}

#[test]
fn imagenet_c_says_what_is_wrong_and_where() {
    let fail = |csv: &str, parts: &[&str]| {
        Files::new(&[("e.csv", csv)]).fail(&["imagenet-c", "--errors", "e.csv"], parts);
    };
    let good = alexnet(1.0);
    fail(&good.replace("fog,", "frog,"), &["'corruption'", "'frog'", "fog"]);
    fail(&good.replace("fog,", "Fog,"), &["'Fog'", "must be written fog"]);
    fail(&(good.clone() + "sparkles,1,0.5\n"), &["line 77", "'sparkles'", "ImageNet-C-bar"]);
    fail(&(good.clone() + "snow,2,0.5\n"), &["line 77", "'severity'", "already given in line"]);
    fail(&good.replace("fog,5,", "fog,6,"), &["'severity'", "'6'", "from 1 to 5"]);
    fail(&good.replace("fog,5,0.945", "fog,5,NaN"), &["'error'", "'NaN'", "no finite number"]);
    fail(&good.replace("fog,5,0.945", "fog,5,"), &["'error'", "is empty"]);
    fail(&good.replace("fog,5,0.945", "fog,5,-0.1"), &["'-0.1'", "is not an error"]);
    let gaps: String = good
        .lines()
        .filter(|line| !line.starts_with("snow") && !line.starts_with("fog,2") && !line.starts_with("fog,4"))
        .fold(String::new(), |text, line| text + line + "\n");
    fail(&gaps, &["e.csv", "snow", "fog at severity 2, 4"]);
}

#[test]
fn bapps_scores_agreement_with_judges() {
    let command = ["bapps-2afc", "--distances", "d.csv"];
    let csv = "d0,d1,judge\n1,2,0\n2,1,0.2\n3,1,1\n4,4,0.8\n";
    let found = Files::new(&[("d.csv", csv)]).score(&command);
    close(&found["score"], 0.675, 1e-12);
    close(&found["human"], 0.84, 1e-12);
    close(&found["oracle"], 0.9, 1e-12);
    assert_eq!(found["n"], 4);
    assert!(
        found["interval"]["low"].as_f64() < Some(0.675) && found["interval"]["high"].as_f64() > Some(0.675)
    );
    let fail = |csv: &str, parts: &[&str]| Files::new(&[("d.csv", csv)]).fail(&command, parts);
    fail("d0,d1\n1,2\n", &["no column 'judge'"]);
    fail("d0,d1,judge\n1,2,5\n", &["line 2", "'judge'", "from 0 to 1"]);
    fail("d0,d1,judge\n1,2,1\ninf,2,1\n", &["line 3", "'d0'", "no finite number"]);
    fail("d0,d1,judge\n1,x,1\n", &["'d1'", "'x' is no number"]);
}

#[test]
fn shape_bias_counts_decisions_for_shape_and_texture() {
    let command = ["shape-bias", "--decisions", "d.csv"];
    let csv = "image,decision\ncat1-airplane1.png,cat\na/cat2-dog1.png,dog\nbear1-oven2.png,bear\n\
        bear2-oven2.png,truck\ndog1-dog2.png,dog\n";
    let found = Files::new(&[("d.csv", csv)]).score(&command);
    close(&found["shape_bias"], 2.0 / 3.0, 1e-12);
    close(&found["class_mean"], 0.75, 1e-12);
    close(&found["decided"], 0.75, 1e-12);
    assert_eq!((&found["n"], &found["left_out"]), (&json!(4), &json!(1)));
    let fail = |csv: &str, parts: &[&str]| Files::new(&[("d.csv", csv)]).fail(&command, parts);
    fail("image,decision\nphoto.png,cat\n", &["line 2", "'image'", "'photo.png'", "cat1-airplane1.png"]);
    fail("image,decision\ncat1-dog1.png,tabby\n", &["'decision'", "'tabby'", "airplane, bear"]);
    fail("image,decision\ncat1-dog1.png,cat\ncat1-dog1.png,dog\n", &["line 3", "given in line 2"]);
    fail("image,decision\ncat1-cat2.png,cat\n", &["d.csv", "one class in every image"]);
}

#[test]
fn effective_robustness_fits_the_named_baseline() {
    let odds = |z: f64| 100.0 / (1.0 + (-z).exp());
    let mut csv = "model,val,shift,other\n".to_owned();
    for (name, z) in [("resnet18", 0.5), ("resnet50", 1.0), ("vgg16", 0.7)] {
        writeln!(csv, "{name},{},{},1", odds(z), odds(0.9 * z - 0.5)).unwrap();
    }
    writeln!(csv, "clip,{},{},1\nresnet_zero,50,0,1\nresnet_unmeasured,60,,1", odds(0.7), odds(0.13) + 5.0)
        .unwrap();
    let files = Files::new(&[("t.csv", &csv)]);
    let command = ["effective-robustness", "--table", "t.csv", "--x", "val", "--y", "shift", "--baseline"];
    for baseline in ["^(resnet|vgg)", "^(?!clip)"] {
        let found = files.score(&[&command[..], &[baseline]].concat());
        close(&found["slope"], 0.9, 1e-9);
        close(&found["intercept"], -0.5, 1e-9);
        close(&found["r2"], 1.0, 1e-9);
        assert_eq!(found["n"], 3);
        close(&found["rho"]["clip"], 5.0, 1e-9);
        close(&found["rho"]["resnet50"], 0.0, 1e-9);
        close(&found["rho"]["resnet_zero"], -odds(-0.5), 1e-9);
        assert_eq!(found["left_out"], json!(["resnet_unmeasured"]));
    }
    let fail = |baseline: &str, parts: &[&str]| files.fail(&[&command[..], &[baseline]].concat(), parts);
    fail("(", &["--baseline '('", "no regular expression"]);
    fail("^bert", &["no model", "--baseline '^bert'", "resnet18"]);
    fail("^vgg", &["t.csv", "two baseline models"]);
    let fail = |csv: &str, parts: &[&str]| {
        Files::new(&[("t.csv", csv)]).fail(&[&command[..], &["."]].concat(), parts);
    };
    fail("model,val\na,50\n", &["no column 'shift'"]);
    fail("model,val,shift\na,50,40\na,60,50\n", &["line 3", "'model'", "given in line 2"]);
    let odd = Files::new(&[("t.csv", "model,val,shift\na,50,40\nb,60,55\nc,70,140\nd,NA,30\n")]);
    let output = visrep(odd.0.path(), &[&command[..], &["."]].concat());
    let (found, stderr): (Value, _) =
        (serde_json::from_slice(&output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert_eq!((&found["n"], &found["left_out"]), (&json!(2), &json!(["c", "d"])));
    assert!(stderr.contains("line 4, column 'shift': '140'") && stderr.lines().count() == 1, "{stderr}");
    fail("model,val,shift\na,fifty,40\n", &["'val'", "'fifty' is no number"]);
    fail("model,val,shift\n,50,40\n", &["'model'", "must name its model"]);
}

/// An NPY file of version 1.
fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

#[test]
fn calibration_prints_every_figure() {
    let command = ["calibration", "--probs", "p.npy", "--labels", "l.npy"];
    let files = Files::new(&[]);
    let write = |probabilities: &[f32], shape: &str, labels: &[i64]| {
        let p: Vec<u8> = probabilities.iter().flat_map(|p| p.to_le_bytes()).collect();
        let l: Vec<u8> = labels.iter().flat_map(|l| l.to_le_bytes()).collect();
        std::fs::write(files.0.path().join("p.npy"), npy("<f4", shape, &p)).unwrap();
        std::fs::write(files.0.path().join("l.npy"), npy("<i8", &format!("({},)", labels.len()), &l))
            .unwrap();
    };
    let probabilities = [0.75, 0.25, 0.75, 0.25, 0.75, 0.25, 0.25, 0.75];
    write(&probabilities, "(4, 2)", &[0, 0, 1, 0]);
    let found = files.score(&command);
    assert_eq!((&found["n"], &found["classes"]), (&json!(4), &json!(2)));
    close(&found["accuracy"], 0.5, 1e-12);
    for name in ["ece", "max_error", "rms", "rms_hendrycks"] {
        close(&found[name], 0.25, 1e-12);
    }
    close(&found["rms_hendrycks_published"], 0.0, 0.0);
    close(&found["brier"], (2.0 * 0.125 + 2.0 * 1.125) / 4.0, 1e-12);
    close(&found["nll"], -(0.75_f64.ln() + 0.25_f64.ln()) / 2.0, 1e-12);
    // Half of them are right, so that no confidence but one half fits.
    close(&found["scaled"]["nll"], 2.0_f64.ln(), 1e-3);
    assert!(found["scaled"]["temperature"].as_f64() > Some(50.0));
    for name in ["adaptive_ece", "class_wise_ece", "adaptive_class_wise_ece", "aurra"] {
        assert!(found[name].is_f64(), "{name}");
    }

    write(&probabilities, "(2, 4)", &[0, 0]);
    files.fail(&command, &["p.npy, row 0", "sum to 2"]);
    write(&[0.5, 0.5, f32::NAN, 1.0], "(2, 2)", &[0, 0]);
    files.fail(&command, &["p.npy, row 1, column 0", "NaN"]);
    write(&[2.0, -1.0], "(1, 2)", &[0]);
    files.fail(&command, &["p.npy, row 0, column 0", "softmax"]);
    write(&probabilities, "(4, 2)", &[0, 1, 2, 1]);
    files.fail(&command, &["l.npy, entry 2", "label 2", "2 classes"]);
    write(&probabilities, "(4, 2)", &[0, 1]);
    files.fail(&command, &["p.npy has 4 rows", "l.npy 2 labels"]);
    write(&probabilities, "(8,)", &[0, 1]);
    files.fail(&command, &["p.npy", "expected probabilities (samples, classes)"]);
    write(&[], "(0, 2)", &[]);
    files.fail(&command, &["p.npy", "empty"]);
    write(&probabilities, "(8, 2)", &[0; 8]);
    files.fail(&command, &["p.npy", "cut off"]);
    std::fs::write(files.0.path().join("p.npy"), "text").unwrap();
    files.fail(&command, &["p.npy"]);
    write(&probabilities, "(4, 2)", &[0; 4]);
    std::fs::write(files.0.path().join("l.npy"), npy("<f4", "(4,)", &[0; 16])).unwrap();
    files.fail(&command, &["l.npy holds floats", "astype"]);
}

#[test]
fn vtab_has_two_means() {
    let command = ["vtab", "--results", "r.csv"];
    let mut csv = "task,accuracy\n".to_owned();
    for (task, group) in visrep_metrics::VTAB_TASKS {
        writeln!(csv, "{task},{}", if group == visrep_metrics::VtabGroup::Specialized { 80 } else { 40 })
            .unwrap();
    }
    let found = Files::new(&[("r.csv", &csv)]).score(&command);
    close(&found["mean_19"], (4.0 * 0.8 + 15.0 * 0.4) / 19.0, 1e-12);
    close(&found["mean_of_groups"], 1.6 / 3.0, 1e-12);
    let fail = |csv: &str, parts: &[&str]| Files::new(&[("r.csv", csv)]).fail(&command, parts);
    fail(&csv.replace("dmlab,40\n", ""), &["r.csv", "19 tasks", "missing: dmlab"]);
    fail(&csv.replace("dmlab", "imagenet"), &["r.csv", "'imagenet'", "caltech101"]);
    fail(&(csv.clone() + "dmlab,40\n"), &["line 21", "already given"]);
    fail(&csv.replace("pets,40", "pets,140"), &["'accuracy'", "'140'"]);
}

/// A suite's help, and whether it has all of these in its own words.
#[track_caller]
fn teaches(suite: &str, parts: &[&str]) {
    let output = visrep(Path::new("."), &[suite, "--help"]);
    let help = String::from_utf8(output.stdout).unwrap();
    for part in parts {
        assert!(help.contains(part), "'{part}' is not in: {help}");
    }
}

#[test]
fn the_examples_of_the_help_are_true() {
    // What is printed of the rows that the help shows, and that it names every key of it.
    let shown = |suite: &str, files: &[(&str, &str)], arguments: &[&str]| -> Value {
        let found = Files::new(files).score(&[&[suite], arguments].concat());
        for (name, text) in files.iter().filter(|(name, _)| name.ends_with(".csv")) {
            let rows: Vec<&str> = text.lines().collect();
            assert!(!rows.is_empty(), "{name}");
            teaches(suite, &rows);
        }
        for key in found.as_object().unwrap().keys() {
            teaches(suite, &[&format!("`{key}`")]);
        }
        found
    };
    let csv = [("d.csv", "d0,d1,judge\n0.1415,0.6492,0.0\n0.0291,0.0026,0.8\n")];
    let found = shown("bapps-2afc", &csv, &["--distances", "d.csv"]);
    close(&found["score"], 0.9, 1e-12);
    close(&found["human"], 0.84, 1e-12);
    close(&found["oracle"], 0.9, 1e-12);
    close(&found["interval"]["low"], 0.8, 1e-12);
    let files = [("p.csv", "val_index,prediction\n1,65\n2,795\n"), ("real.json", "[[], [970, 795]]")];
    let found = shown("imagenet-real", &files, &["--predictions", "p.csv", "--labels", "real.json"]);
    assert_eq!(found, json!({"accuracy": 1.0, "n": 1, "left_out": 1}));
    let csv = [("d.csv", "image,decision\ncat1-airplane1.png,cat\nknife3-dog2.png,dog\n")];
    let found = shown("shape-bias", &csv, &["--decisions", "d.csv"]);
    assert_eq!(
        found,
        json!({"shape_bias": 0.5, "class_mean": 0.5, "decided": 1.0, "shape": 1, "texture": 1, "n": 2, "left_out": 0})
    );
    let csv = [("t.csv", "model,val,imagenetv2\nalexnet,56.52,43.97\nresnet50,76.13,63.33\n")];
    let of = ["--table", "t.csv", "--x", "val", "--y", "imagenetv2", "--baseline", "^(alexnet|vgg|resnet)"];
    let found = shown("effective-robustness", &csv, &of);
    close(&found["slope"], 0.8788, 1e-4);
    close(&found["intercept"], -0.4729, 1e-4);
    // Of the others the keys.
    let tasks = visrep_metrics::VTAB_TASKS.map(|(task, _)| task);
    teaches("vtab", &[&["task,accuracy", "`mean_19`", "`mean_of_groups`", "`natural`"], &tasks[..]].concat());
    let corruptions = ALEXNET_ERRORS.map(|(name, _)| name);
    teaches(
        "imagenet-c",
        &[&["`mce`", "`relative_mce`", "`mean_error`", "`errors`"], &corruptions[..]].concat(),
    );
    teaches("calibration", &["`ece`", "`rms_hendrycks`", "`aurra`", "`scaled`", "`classes`", "from 0 to"]);
    teaches("fid", &["`fid`", "`kid`", "`inception_score`", "`precision`", "`warnings`"]);
}
