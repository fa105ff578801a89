//! `visrep data si-score`: the sets as they are published, made again, broken off, and of input that cannot be right.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

mod support;

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use support::{fail, succeed, visrep};
use visrep_decode::{DecodeOptions, RgbImage, decode, encode_png};
use visrep_models::{Model, ModelOptions};

/// A PNG of a disc, red on transparent.
fn disc(path: &Path, side: u32) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let file = std::fs::File::create(path).unwrap();
    let mut encoder = png::Encoder::new(file, side, side);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    let middle = (side as f32 - 1.0) / 2.0;
    let pixel = |at: u32| {
        let (x, y) = ((at % side) as f32 - middle, (at / side) as f32 - middle);
        if x.hypot(y) <= middle { [220, 10, 10, 255] } else { [0, 0, 0, 0] }
    };
    let pixels: Vec<u8> = (0..side * side).flat_map(pixel).collect();
    encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
}

fn picture(path: &Path, rgb: [u8; 3]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, encode_png(&RgbImage::filled(60, 40, rgb)).unwrap()).unwrap();
}

/// Two objects and three backgrounds.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = |place: &str| folder.path().join(place);
    disc(&at("objects/koala/a.png"), 40);
    disc(&at("objects/orange/b.png"), 30);
    for (name, rgb) in [("green", [0, 90, 0]), ("blue", [0, 0, 90]), ("grey", [90; 3])] {
        picture(&at(&format!("scenes/{name}.png")), rgb);
    }
    folder
}

const MAKE: [&str; 6] = ["data", "si-score", "--foregrounds", "objects", "--backgrounds", "scenes"];

fn make<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&MAKE[..], more].concat()
}

/// Every file below a folder with its bytes.
fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            found.insert(path, bytes);
        }
    }
    found
}

#[test]
fn sets_have_the_published_layout_and_are_measured() {
    let folder = folder();
    let path = folder.path();
    let told = succeed(
        path,
        &make(&["--output", "data/si-score", "--set", "rotation", "--backgrounds-per-object", "1"]),
    );
    let set = path.join("data/si-score/rotation");
    let table = std::fs::read_to_string(set.join("metadata.csv")).unwrap();
    let mut lines = table.lines();
    assert_eq!(
        lines.next().unwrap(),
        "image_id,x_coord,y_coord,area,rotation,foreground_class,foreground_instance,background,bg_resolution_width,\
         bg_resolution_height,pct_inside_image"
    );
    // Turned squares of 80 and 100 % reach out of the image by more than 5 %.
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    let areas: Vec<&str> = rows.iter().map(|row| row[3]).collect();
    assert_eq!(areas.iter().filter(|area| **area == "0.2").count(), 36);
    assert!(areas.iter().filter(|area| **area == "1.0").count() < 36);
    assert_eq!(rows[0][..7], ["0", "0.5", "0.5", "0.2", "1", "0", "0"]);
    assert_eq!(rows[1][..7], ["1", "0.5", "0.5", "0.2", "1", "1", "0"]);
    for row in &rows {
        let class = ["koala", "orange"][row[5].parse::<usize>().unwrap()];
        let image = std::fs::read(set.join(class).join(format!("{}.jpg", row[0]))).unwrap();
        let image = decode(&image, &DecodeOptions::default()).unwrap();
        assert_eq!((image.width(), image.height()), (512, 512));
        let [red, ..] = image.pixel(256, 256);
        assert!(red > 200, "the disc is in the middle");
    }
    assert!(told.contains(&format!("rotation: {} images", rows.len())), "{told}");
    assert!(told.contains("visrep bench si-score --model M --weights W --data data\n"), "{told}");
    let classes = std::fs::read_to_string(set.join("foreground_classes.csv")).unwrap();
    assert_eq!(classes, "int,label\n105,koala\n950,orange\n");
    assert!(std::fs::read_to_string(set.join("backgrounds.csv")).unwrap().contains("1,green.png"));

    // Made again, nothing changes; with a file gone and another cut short, it ends with the same bytes.
    let before = files(&set);
    let again = make(&["--output", "data/si-score", "--set", "rotation", "--backgrounds-per-object", "1"]);
    std::fs::remove_file(set.join("koala/0.jpg")).unwrap();
    let half = &before[&set.join("orange/1.jpg")];
    std::fs::write(set.join("orange/1.jpg"), &half[..half.len() / 2]).unwrap();
    let told = succeed(path, &[&again[..], &["--workers", "1"]].concat());
    assert!(told.contains(&format!("{} of them from an earlier run", rows.len() - 2)), "{told}");
    assert!(files(&set) == before);
    let other = make(&["--output", "data/si-score", "--set", "rotation", "--seed", "1"]);
    let error = fail(path, &other);
    assert!(error.contains("was made in another way") && error.contains("seed: 0 there, 1 here"), "{error}");

    // And a model is measured on it.
    let options = ModelOptions { num_classes: Some(1000), seed: Some(1), ..ModelOptions::default() };
    let model = Model::create("resnet18_cifar_w16", &options).unwrap();
    tch::no_grad(|| {
        let variables = model.var_store().variables();
        let _ = variables["fc.weight"].shallow_clone().zero_();
        let _ = variables["fc.bias"].shallow_clone().zero_().get(105).fill_(5.0);
    });
    model.save_weights(path.join("koala.safetensors")).unwrap();
    let bench = ["bench", "si-score", "si-score-invariance", "--model", "resnet18_cifar_w16", "--weights"];
    let rest = ["koala.safetensors", "--data", "data", "--out", "out", "--workers", "1", "--device", "cpu"];
    let table = succeed(path, &[&bench[..], &rest].concat());
    let line =
        table.lines().find(|line| line.starts_with("si-score rotation: top-1, mean over values")).unwrap();
    assert!(line.contains("50.0"), "{table}");
    assert!(table.contains("si-score-invariance rotation: invariance of features"), "{table}");
    let results: Value =
        serde_json::from_slice(&std::fs::read(path.join("out/results.json")).unwrap()).unwrap();
    let at = |task: &str, metric: &str| {
        let scores = results["scores"].as_array().unwrap();
        scores.iter().filter(|score| score["task"] == task && score["metric"] == metric).count()
    };
    assert_eq!((at("rotation/21", "accuracy"), at("rotation/21", "invariance")), (2, 1));
    let html = std::fs::read_to_string(path.join("out/report.html")).unwrap();
    assert!(html.contains("invariance of features") && !html.contains("rotation/21"), "values are in curves");
    let csv = std::fs::read_to_string(path.join("out/results.csv")).unwrap();
    assert!(csv.contains("si-score,rotation/21,accuracy,0.5"), "{csv}");
}

#[test]
fn masks_cut_objects_out_of_photographs() {
    let folder = folder();
    let path = folder.path();
    std::fs::remove_dir_all(path.join("objects")).unwrap();
    picture(&path.join("objects/n01882714/photo.png"), [250, 250, 0]);
    // The left half covers.
    std::fs::create_dir_all(path.join("masks/n01882714")).unwrap();
    let mask = |wide: u32| RgbImage::from_fn(wide, 40, |x, _| if x < 30 { [255; 3] } else { [0; 3] });
    let place = path.join("masks/n01882714/photo.png");
    std::fs::write(&place, encode_png(&mask(60)).unwrap()).unwrap();
    let arguments = ["--masks", "masks", "--output", "out", "--set", "size", "--backgrounds-per-object", "3"];
    let told = succeed(path, &make(&arguments));
    assert!(told.contains("looks for ROOT/si-score: call out so"), "{told}");
    // Twenty per cent, on the first of three backgrounds.
    let image = std::fs::read(path.join("out/area/n01882714/57.jpg")).unwrap();
    let image = decode(&image, &DecodeOptions::default()).unwrap();
    let ([red, ..], [right, ..]) = (image.pixel(200, 256), image.pixel(320, 256));
    assert!(red > 230 && right < 110, "{red} {right}");
    std::fs::write(&place, encode_png(&mask(61)).unwrap()).unwrap();
    let arguments =
        ["--masks", "masks", "--output", "other", "--set", "size", "--backgrounds-per-object", "3"];
    let output = visrep(path, &make(&arguments));
    let told =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && told.contains("is 61x40, and its object 60x40"), "{told}");
    std::fs::remove_file(&place).unwrap();
    picture(&path.join("masks/n01882714/other.png"), [0; 3]);
    let error = fail(path, &make(&arguments));
    assert!(error.contains("there is no mask of n01882714/photo.png: masks/n01882714/photo.png"), "{error}");
}

#[test]
fn what_cannot_be_right_is_told_before_anything_is_made() {
    let folder = folder();
    let path = folder.path();
    let arguments = make(&["--output", "out"]);
    picture(&path.join("objects/koala/photo.png"), [9; 3]);
    let error = fail(path, &arguments);
    assert!(error.contains("photo.png has no alpha channel") && error.contains("--masks"), "{error}");
    std::fs::remove_file(path.join("objects/koala/photo.png")).unwrap();
    disc(&path.join("objects/koalas/c.png"), 9);
    let error = fail(path, &arguments);
    assert!(
        error.contains("objects/koalas is no class of SI-Score") && error.contains("near is 'koala'"),
        "{error}"
    );
    std::fs::remove_dir_all(path.join("objects/koalas")).unwrap();
    let error = fail(path, &[&arguments[..], &["--backgrounds-per-object", "4"]].concat());
    assert!(error.contains("scenes holds 3"), "{error}");
    let error = fail(path, &[&arguments[..], &["--set", "colour"]].concat());
    assert!(error.contains("size, location and rotation"), "{error}");
    let error = fail(path, &[&arguments[..], &["--least-inside", "95"]].concat());
    assert!(error.contains("a share from 0 to 1"), "{error}");
    let error = fail(
        path,
        &["data", "si-score", "--foregrounds", "none", "--backgrounds", "scenes", "--output", "out"],
    );
    assert!(error.contains("--foregrounds") && error.contains("none"), "{error}");
    assert!(!path.join("out").exists());

    // One file that is damaged costs itself only.
    std::fs::write(path.join("objects/koala/broken.png"), b"no image").unwrap();
    let more = ["--set", "rotation", "--least-inside", "0.95", "--backgrounds-per-object", "1"];
    let output = visrep(path, &[&arguments[..], &more].concat());
    let told =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{told}");
    assert!(told.contains("left out: koala/broken.png") && told.contains("1 of 3 scenes"), "{told}");
    let table = std::fs::read_to_string(path.join("out/rotation/metadata.csv")).unwrap();
    assert!(table.lines().count() > 72, "{table}");
}
