//! `visrep corrupt`: whole benchmarks, their resumption, and bad input.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use visrep_corrupt::{Corruption, Corruptor, Perturbation, Scale, Severity, jpeg_round_trip, keyed_seed};
use visrep_data::decode_sample;
use visrep_decode::{DecodeOptions, RgbImage, decode, encode_png};

fn visrep(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_visrep"))
        .arg("corrupt")
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

#[track_caller]
fn succeed(folder: &Path, arguments: &[&str]) -> String {
    let output = visrep(folder, arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?} failed: {stderr}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs a command that must fail without a panic; gives all that it said.
#[track_caller]
fn fail(folder: &Path, arguments: &[&str]) -> String {
    let output = visrep(folder, arguments);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{arguments:?} succeeded");
    assert!(!stderr.contains("panicked") && stderr.contains("error: "), "{stderr}");
    stderr + &String::from_utf8_lossy(&output.stdout)
}

/// Four small images of two classes in `folder/images`.
fn images(folder: &Path) {
    for (i, name) in ["cat/a.png", "cat/b.png", "dog/a.png", "dog/c.png"].into_iter().enumerate() {
        let image = RgbImage::from_fn(40, 36, |x, y| {
            [(x * 6) as u8, (y * 7 + 9 * i as u32) as u8, ((x * y + 31 * i as u32) % 256) as u8]
        });
        let path = folder.join("images").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, encode_png(&image).unwrap()).unwrap();
    }
}

/// Every file below `folder`, by its path.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(at) = open.pop() {
        for entry in std::fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().to_owned(), std::fs::read(path).unwrap());
            }
        }
    }
    found
}

const SMALL: [&str; 8] = ["--all", "--data", "images", "--resize", "36", "--crop", "32", "--seed=4"];

fn small<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&SMALL[..], more].concat()
}

#[test]
fn a_benchmark_has_the_published_layout_and_pixels_whatever_the_threads() {
    let folder = tempfile::tempdir().unwrap();
    images(folder.path());
    let said = succeed(folder.path(), &small(&["--output", "one", "--workers", "1"]));
    for line in ["jpeg: 85", "frost: substitute", "constants: cifar32", "seed: 4", "central 32x32"] {
        assert!(said.contains(line), "{said}");
    }
    succeed(folder.path(), &small(&["--output", "four", "--workers", "4"]));
    let made = files(&folder.path().join("one"));
    assert_eq!(made, files(&folder.path().join("four")));
    assert_eq!(made.len(), 15 * 5 * 4 + 1);
    // One of them, made by hand.
    let bytes = std::fs::read(folder.path().join("images/dog/c.png")).unwrap();
    let image = decode(&bytes, &DecodeOptions::default()).unwrap();
    let transform = visrep_augment::presets::eval(36, 32, visrep_augment::Filter::Bilinear).unwrap();
    let image =
        visrep_augment::Transform::apply(&transform, image, &mut visrep_augment::view_rng(0, 0, 0, 0));
    let (corruption, severity) = (Corruption::ShotNoise, Severity::try_new(3).unwrap());
    let seed = keyed_seed("dog/c.png", corruption, severity, 4);
    let expected = Corruptor::new(Scale::Cifar32).corrupt(&image, corruption, severity, seed).unwrap();
    let file = &made[Path::new("shot_noise/3/dog/c.JPEG")];
    let found = decode(file, &DecodeOptions::default()).unwrap();
    assert_eq!(found, jpeg_round_trip(&expected, 85).unwrap());
}

#[test]
fn a_killed_run_goes_on_and_ends_with_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    images(folder.path());
    succeed(folder.path(), &small(&["--output", "whole", "--suite", "imagenet-c-extra"]));
    let whole = files(&folder.path().join("whole"));
    let out = folder.path().join("killed");
    for wait in [30, 60, 90] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_visrep"))
            .arg("corrupt")
            .args(small(&["--output", "killed", "--suite", "imagenet-c-extra", "--workers", "2"]))
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(wait));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    // What a stopped machine may leave, and what a killed process does.
    std::fs::create_dir_all(out.join("fog/2/cat")).unwrap();
    std::fs::write(out.join("fog/2/cat/a.JPEG"), &whole[Path::new("fog/2/cat/a.JPEG")][..50]).unwrap();
    std::fs::write(out.join("fog/2/cat/b.JPEG.part"), "half").unwrap();
    // So it is if not one of the runs came so far as to say what it is.
    if !out.join("visrep-corrupt.json").exists() {
        std::fs::copy(folder.path().join("whole/visrep-corrupt.json"), out.join("visrep-corrupt.json"))
            .unwrap();
    }
    let _ = std::fs::remove_file(out.join("fog/2/cat/b.JPEG"));
    succeed(folder.path(), &small(&["--output", "killed", "--suite", "imagenet-c-extra"]));
    assert_eq!(files(&out), whole);
    let again = succeed(folder.path(), &small(&["--output", "killed", "--suite", "imagenet-c-extra"]));
    assert!(again.contains("380 files, 380 of them from an earlier run"), "{again}");
    let other =
        fail(folder.path(), &small(&["--output", "killed", "--suite", "imagenet-c-extra", "--jpeg", "90"]));
    assert!(other.contains("jpeg: 85 there, 90 here"), "{other}");
}

#[test]
fn parquet_has_the_same_bytes_as_the_files_and_two_more_columns() {
    let folder = tempfile::tempdir().unwrap();
    images(folder.path());
    let chosen = ["--corruption", "contrast,fog", "--severity", "5,1"];
    let with = |more: &[&'static str]| small(&[&chosen[..], more].concat());
    succeed(folder.path(), &with(&["--output", "files"]));
    succeed(folder.path(), &with(&["--output", "one.parquet"]));
    succeed(folder.path(), &with(&["--output", "shards", "--parquet", "--rows-per-file", "6"]));
    let by_file = files(&folder.path().join("files"));
    assert_eq!(by_file.len(), 2 * 2 * 4 + 1);
    for output in ["one.parquet", "shards"] {
        let data = visrep_data::open(&folder.path().join(output)).unwrap();
        assert_eq!((data.len(), data.classes()), (16, &["cat".to_owned(), "dog".to_owned()][..]));
        for row in 0..16 {
            let sample = data.get(row).unwrap();
            let corruption = ["fog", "contrast"][row % 4 / 2];
            let severity = [1, 5][row % 2];
            let name = ["cat/a", "cat/b", "dog/a", "dog/c"][row / 4];
            let file = &by_file[Path::new(&format!("{corruption}/{severity}/{name}.JPEG"))];
            let file = decode(file, &DecodeOptions::default()).unwrap();
            assert_eq!(decode_sample(&sample, &DecodeOptions::default()).unwrap(), file, "{row}");
        }
    }
    let file = std::fs::File::open(folder.path().join("one.parquet")).unwrap();
    let batches = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let schema = batches.schema().clone();
    let names: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["image", "label", "corruption", "severity"]);
    let batch = batches.build().unwrap().next().unwrap().unwrap();
    let severities: &arrow_array::Int64Array = batch.column(3).as_any().downcast_ref().unwrap();
    assert_eq!(severities.values()[..4], [1, 5, 1, 5]);
    let corruptions: &arrow_array::StringArray = batch.column(2).as_any().downcast_ref().unwrap();
    assert_eq!((corruptions.value(0), corruptions.value(2)), ("fog", "contrast"));
    // A lost file is made again, and other settings are refused.
    let before = files(&folder.path().join("shards"));
    std::fs::remove_file(folder.path().join("shards/data-00001-of-00003.parquet")).unwrap();
    succeed(folder.path(), &with(&["--output", "shards", "--parquet", "--rows-per-file", "6"]));
    assert_eq!(files(&folder.path().join("shards")), before);
    for output in [&["--output", "one.parquet"][..], &["--output", "shards", "--parquet"]] {
        let error = fail(folder.path(), &[&with(output)[..], &["--no-jpeg"]].concat());
        assert!(error.contains("jpeg: 85 there, none here"), "{error}");
    }
}

#[test]
fn broken_images_are_left_out_and_listed() {
    let folder = tempfile::tempdir().unwrap();
    images(folder.path());
    std::fs::write(folder.path().join("images/cat/broken.jpg"), [0xFF, 0xD8, 0xFF]).unwrap();
    for output in ["files", "one.parquet"] {
        let said = fail(folder.path(), &small(&["--corruption", "fog", "--output", output]));
        assert!(said.contains("left out: ") && said.contains("broken.jpg"), "{said}");
        assert!(said.contains("1 of 5 images were left out"), "{said}");
    }
    assert_eq!(files(&folder.path().join("files")).len(), 4 * 5 + 1);
    assert_eq!(visrep_data::open(&folder.path().join("one.parquet")).unwrap().len(), 4 * 5);
    // A second run finds everything, and still says so.
    let said = fail(folder.path(), &small(&["--corruption", "fog", "--output", "files"]));
    assert!(said.contains("broken.jpg") && said.contains("20 of them from an earlier run"), "{said}");
}

#[test]
fn sequences_are_folders_of_frames() {
    let folder = tempfile::tempdir().unwrap();
    images(folder.path());
    let chosen = ["--suite", "imagenet-p-extra", "--sequence", "translate,gaussian_noise,shear"];
    let args = small(&[&chosen[..], &["--difficulty", "2", "--output", "p"]].concat());
    succeed(folder.path(), &args);
    let made = files(&folder.path().join("p"));
    let frames = Perturbation::Translate.frames(Scale::Cifar32) + 31 + 31;
    assert_eq!(made.len(), 4 * frames + 1);
    assert!(made.contains_key(Path::new("gaussian_noise_2/dog/c/30.png")));
    assert!(made.contains_key(Path::new("translate/cat/a/15.png")));
    std::fs::remove_file(folder.path().join("p/shear/cat/b/07.png")).unwrap();
    succeed(folder.path(), &args);
    assert_eq!(files(&folder.path().join("p")), made);
    succeed(folder.path(), &["--sequence", "tilt", "images/cat/a.png", "frames"]);
    assert_eq!(files(&folder.path().join("frames")).len(), 31);
}

#[test]
fn one_image_may_become_a_jpeg_and_says_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    images(folder.path());
    let base = ["--corruption", "frost", "--severity", "2", "images/cat/a.png"];
    let with = |more: &[&'static str]| [&base[..], more].concat();
    let said = succeed(folder.path(), &with(&["a.png"]));
    assert!(said.contains("no JPEG step, substitute frost"), "{said}");
    let said = succeed(folder.path(), &with(&["--jpeg", "85", "a.jpg"]));
    assert!(said.contains("JPEG 85"), "{said}");
    succeed(folder.path(), &with(&["--jpeg", "85", "b.png"]));
    let read = |name: &str| {
        decode(&std::fs::read(folder.path().join(name)).unwrap(), &DecodeOptions::default()).unwrap()
    };
    assert_eq!(read("a.jpg"), read("b.png"));
    assert_eq!(read("b.png"), jpeg_round_trip(&read("a.png"), 85).unwrap());
    let error = fail(folder.path(), &with(&["c.jpg"]));
    assert!(error.contains("--jpeg 85"), "{error}");
}

#[test]
fn bad_input_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    images(folder.path());
    std::fs::create_dir(folder.path().join("full")).unwrap();
    std::fs::write(folder.path().join("full/mine.txt"), "").unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let all = |more: &[&'static str]| small(more);
    for (arguments, hint) in [
        (all(&["--output", "o", "--corruption", "gausian_noise"]), "gaussian_noise"),
        (all(&["--output", "o", "--severity", "0"]), "not one of 1, 2, 3, 4, 5"),
        (all(&["--output", "o", "--severity", "6"]), "not one of 1, 2, 3, 4, 5"),
        (all(&["--output", "o", "--suite", "imagenet-d"]), "imagenet-c-bar"),
        (all(&["--output", "o", "--sequence", "rotation"]), "rotate"),
        (all(&["--output", "o", "--difficulty", "4"]), "not one of 1, 2, 3"),
        (all(&["--output", "o", "--jpeg", "101"]), "1..=100"),
        (all(&["--output", "o", "--frost", "images"]), "frost1.png"),
        (all(&["--output", "o", "--corruption", "sparkles"]), "is not one of imagenet-c"),
        (all(&["--output", "o", "--suite", "imagenet-c", "--sequence", "tilt"]), "has no sequences"),
        (all(&["--output", "o.parquet", "--suite", "imagenet-p"]), "folders of PNG frames"),
        (all(&["--output", "full"]), "not empty"),
        (all(&["--output", "file"]), "cannot create"),
        (all(&["--output", "file/x"]), "cannot create"),
        (vec!["--all", "--data", "nothing", "--output", "o"], "nothing"),
        (
            vec!["--all", "--data", "images", "--output", "o", "--resize", "20", "--crop", "32"],
            "raise --resize",
        ),
        (vec!["--all", "--data", "images", "--output", "o", "--no-crop"], "--scale"),
        (vec!["--all", "--output", "o"], "--data"),
        (vec!["images/cat/a.png", "o.png"], "--corruption"),
        (vec!["--corruption", "fog", "images/cat/a.png", "o.png"], "--severity"),
        (vec!["--corruption", "fog,snow", "--severity", "1", "images/cat/a.png", "o.png"], "--all"),
        (vec!["--corruption", "fog", "--severity", "1", "images/cat/a.png", "o.webp"], ".png"),
        (vec!["--sequence", "tilt,shear", "images/cat/a.png", "o"], "one --sequence"),
    ] {
        let error = fail(folder.path(), &arguments);
        assert!(error.contains(hint), "{arguments:?}: {error}");
    }
    assert!(!folder.path().join("o").exists() && !folder.path().join("o.parquet").exists());
}
