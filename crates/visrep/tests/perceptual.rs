//! `visrep bench bapps-2afc`, `bapps-jnd` and `visrep distance` on tiny images laid out as the published ones.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

mod support;

use serde_json::Value;
use std::path::Path;
use support::{fail, succeed};
use visrep_decode::{DecodeOptions, RgbImage, decode, encode_png};
use visrep_models::{Model, ModelOptions};
use visrep_perceptual::{
    BappsFolder, BappsSet, DistanceForm, FeatureDistances, ImageDistance, ImageDistances, Lpips, LpipsHeads,
    LpipsNet, LpipsVersion, PixelDistance, StructuralDistance, ms_ssim_fitted, score_pairs, score_triplets,
    ssim,
};

/// A network small enough for tests.
const MODEL: &str = "resnet18_cifar_w16";
const OF_MODEL: [&str; 4] = ["--model", MODEL, "--weights", "w.safetensors"];
const OF_SQUEEZE: [&str; 4] = ["--model", "squeezenet1_1", "--weights", "squeeze.safetensors"];
const REST: [&str; 8] = ["--data", "data", "--out", "out", "--workers", "1", "--device", "cpu"];

fn weights(folder: &Path, model: &str, file: &str) -> Model {
    let options = ModelOptions { num_classes: Some(0), seed: Some(1), ..ModelOptions::default() };
    let model = Model::create(model, &options).unwrap();
    model.save_weights(folder.join(file)).unwrap();
    model
}

fn write(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

fn share(path: &Path, share: f32) {
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }\n";
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(share.to_le_bytes());
    write(path, &bytes);
}

fn picture(level: u8) -> RgbImage {
    RgbImage::from_fn(64, 64, |x, y| [(x % 7) as u8 * level, (y % 5) as u8 * 30, level])
}

fn patch(path: &Path, level: u8) {
    write(path, &encode_png(&picture(level)).unwrap());
}

/// Triplets of which the first image is nearer in pixels, with what judges say of each.
fn two_afc(root: &Path, set: BappsSet, judges: &[f32]) {
    let folder = root.join(format!("bapps/2afc/val/{set}"));
    for (number, &judge) in judges.iter().enumerate() {
        for (part, level) in [("ref", 20), ("p0", 22), ("p1", 30 + number as u8)] {
            patch(&folder.join(format!("{part}/{number:06}.png")), level);
        }
        share(&folder.join(format!("judge/{number:06}.npy")), judge);
    }
}

fn results(folder: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join("out/results.json")).unwrap()).unwrap()
}

fn score<'a>(results: &'a Value, task: &str, metric: &str) -> &'a Value {
    let of = |score: &&Value| score["task"] == task && score["metric"] == metric;
    let found: Vec<_> = results["scores"].as_array().unwrap().iter().filter(of).collect();
    assert_eq!(found.len(), 1, "{task} {metric}");
    found[0]
}

fn value(results: &Value, task: &str, metric: &str) -> f64 {
    score(results, task, metric)["value"].as_f64().unwrap()
}

/// A score's value lies in its interval.
fn has_interval(score: &Value) {
    let at = |end: &str| score["interval"][end].as_f64().unwrap();
    let value = score["value"].as_f64().unwrap();
    assert!(at("low") <= value && value <= at("high"), "{score}");
    assert!(score["interval"]["method"].as_str().unwrap().contains("bootstrap"), "{score}");
}

#[test]
fn judgements_of_similarity_run_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let model = weights(folder.path(), MODEL, "w.safetensors");
    let root = folder.path().join("data");
    for set in BappsSet::VALIDATION {
        two_afc(&root, set, &[0.0, 0.2, 1.0, 0.9]);
    }
    // One set is stored in blocks of 4 x 4, and has one triplet more.
    let cnn = root.join("bapps/2afc/val/cnn");
    for (part, level) in [("ref", 20), ("p0", 36), ("p1", 21)] {
        let picture = picture(level);
        let blocks = RgbImage::from_fn(256, 256, |x, y| picture.pixel(x / 4, y / 4));
        write(&cnn.join(format!("{part}/000004.png")), &encode_png(&blocks).unwrap());
    }
    share(&cnn.join("judge/000004.npy"), 1.0);

    let table = succeed(folder.path(), &[&["bench", "bapps-2afc"], &OF_MODEL[..], &REST].concat());
    let found = results(folder.path());
    let open = |set| BappsFolder::two_afc(root.join("bapps"), false, set).unwrap();
    // In pixels the first is nearer, but for the one more.
    assert!((value(&found, "psnr-deblur", "2afc") - (1.0 + 0.8 + 0.0 + 0.1) / 4.0).abs() < 1e-6);
    assert!((value(&found, "psnr-cnn", "2afc") - 2.9 / 5.0).abs() < 1e-6);
    assert!((value(&found, "psnr-mean", "2afc") - (5.0 * 1.9 / 4.0 + 2.9 / 5.0) / 6.0).abs() < 1e-6);
    assert!((value(&found, "psnr-distortions", "2afc") - (1.9 / 4.0 + 2.9 / 5.0) / 2.0).abs() < 1e-6);
    assert!((value(&found, "psnr-real-algorithms", "2afc") - 1.9 / 4.0).abs() < 1e-6);
    // What judges give each triplet is kept for comparison, but of single taps.
    let kept = found["details"]["verdicts"].as_array().unwrap();
    let of = |task: &str| kept.iter().find(|of| of["task"] == task).map(|of| (&of["n"], &of["metric"]));
    assert_eq!(of("psnr-cnn").unwrap(), (&5.into(), &"2afc".into()));
    assert!(kept.iter().all(|of| !of["task"].as_str().unwrap().starts_with("tap ")), "{kept:?}");
    // Every distance is what the library says of it.
    let forms = FeatureDistances::all(&model).unwrap();
    for (number, form) in DistanceForm::ALL.into_iter().enumerate() {
        let only = Only(&forms, number);
        let expected = score_triplets(&only, open(BappsSet::Color).triplets(), 3).unwrap().two_afc.score;
        let prefix = if number == 0 { String::new() } else { format!("{form}-") };
        assert_eq!(value(&found, &format!("{prefix}color"), "2afc"), expected, "{form}");
        for task in ["mean", "distortions", "real-algorithms", "color"] {
            has_interval(score(&found, &format!("{prefix}{task}"), "2afc"));
        }
    }
    for (name, distance) in [("ssim", StructuralDistance::Ssim), ("ms-ssim", StructuralDistance::MsSsim)] {
        let expected = score_triplets(&distance, open(BappsSet::Cnn).triplets(), 9).unwrap().two_afc.score;
        assert_eq!(value(&found, &format!("{name}-cnn"), "2afc"), expected);
    }
    // What judges reach stands once: the more so of the means.
    let human = |p: f64| p * p + (1.0 - p) * (1.0 - p);
    let of_four = (1.0 + human(0.2) + 1.0 + human(0.9)) / 4.0;
    assert!((value(&found, "color", "human") - of_four).abs() < 1e-6);
    assert!(
        (value(&found, "mean", "human") - (5.0 * of_four + (4.0 * of_four + 1.0) / 5.0) / 6.0).abs() < 1e-6
    );
    assert!((value(&found, "real-algorithms", "oracle") - (1.0 + 0.8 + 1.0 + 0.9) / 4.0).abs() < 1e-6);
    // Of single taps the means alone.
    let tap = score(&found, "tap layer4: mean", "2afc");
    assert_eq!((&tap["n"], &tap["protocol"]["form"]), (&25.into(), &"tap layer4".into()));
    let all = found["scores"].as_array().unwrap();
    assert!(!all.iter().any(|score| score["task"] == "tap layer4: cnn"));
    for distance in ["baseline", "style", "tap layer4", "MS-SSIM"] {
        assert!(table.contains(&format!("bapps-2afc: 2AFC, {distance} ")), "{distance} has no row: {table}");
    }
    let html = std::fs::read_to_string(folder.path().join("out/report.html")).unwrap();
    assert!(html.contains("2AFC, mean by distance, %") && html.contains("pooled-cosine"));
}

/// One of several distances.
struct Only<'a>(&'a FeatureDistances<'a>, usize);

impl ImageDistance for Only<'_> {
    fn name(&self) -> String {
        self.0.names().swap_remove(self.1)
    }

    fn distances(
        &self,
        references: &[&RgbImage],
        others: &[&[&RgbImage]],
    ) -> Result<Vec<Vec<f64>>, visrep_perceptual::Error> {
        Ok(self.0.measure(references, others)?.swap_remove(self.1))
    }
}

#[test]
fn a_limit_takes_patches_from_the_whole_set() {
    let folder = tempfile::tempdir().unwrap();
    weights(folder.path(), MODEL, "w.safetensors");
    two_afc(&folder.path().join("data"), BappsSet::Superres, &[0.0, 0.0, 1.0, 1.0]);
    let arguments = [&["bench", "bapps-2afc/superres"], &OF_MODEL[..], &REST, &["--limit", "2"]].concat();
    succeed(folder.path(), &arguments);
    let found = results(folder.path());
    let of_two = score(&found, "psnr-superres", "2afc");
    assert_eq!(
        (of_two["value"].as_f64(), of_two["n"].as_u64()),
        (Some(0.5), Some(2)),
        "the first and the third"
    );
    // Where there is no mean to speak of, single taps have their set.
    assert!(score(&found, "tap layer1: superres", "2afc")["n"] == 2);
    let notes = found["details"]["notes"].as_array().unwrap();
    let note = notes[0]["text"].as_str().unwrap();
    assert!(notes.len() == 1 && note.contains("superres: 4 triplets, published are 10856"), "{note}");
}

#[test]
fn noticeable_differences_and_lpips_run_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let model = weights(folder.path(), "squeezenet1_1", "squeeze.safetensors");
    let root = folder.path().join("data");
    let heads = LpipsHeads::random(LpipsNet::Squeeze, 3).unwrap();
    std::fs::create_dir_all(root.join("lpips")).unwrap();
    heads.save(root.join("lpips/squeeze.pth")).unwrap();
    for set in BappsSet::JND {
        let folder = root.join(format!("bapps/jnd/val/{set}"));
        for (number, (level, same)) in
            [(21, 1.0), (60, 0.0), (26, 2.0 / 3.0), (23, 0.0)].into_iter().enumerate()
        {
            patch(&folder.join(format!("p0/{number:06}.png")), 20);
            patch(&folder.join(format!("p1/{number:06}.png")), level);
            share(&folder.join(format!("same/{number:06}.npy")), same);
        }
    }
    two_afc(&root, BappsSet::Traditional, &[0.0, 0.4, 1.0]);
    let suites = ["bench", "bapps-jnd", "bapps-2afc"];
    let table = succeed(folder.path(), &[&suites, &OF_SQUEEZE[..], &REST].concat());
    let found = results(folder.path());
    // By their distance: 21, 23, 26, 60, of which people call 1, 0, 2/3 and 0 the same.
    let pixels = 0.6 + 0.4 * (5.0 / 3.0 / 3.0);
    assert!((value(&found, "psnr-cnn", "map") - pixels).abs() < 1e-6);
    assert!((value(&found, "psnr-mean", "map") - pixels).abs() < 1e-6);
    let lpips = Lpips::new(LpipsNet::Squeeze, LpipsVersion::V0_1, model, heads).unwrap();
    let pairs = BappsFolder::jnd(root.join("bapps"), BappsSet::Cnn).unwrap();
    let expected = score_pairs(&lpips, pairs.pairs(), 2).unwrap().map;
    assert_eq!(value(&found, "lpips-cnn", "map"), expected);
    let triplets = BappsFolder::two_afc(root.join("bapps"), false, BappsSet::Traditional).unwrap();
    let expected = score_triplets(&lpips, triplets.triplets(), 2).unwrap().two_afc.score;
    assert_eq!(value(&found, "lpips-traditional", "2afc"), expected);
    let protocol = &score(&found, "lpips-cnn", "map")["protocol"];
    assert_eq!(protocol["distance"], "LPIPS v0.1 (squeeze)");
    assert!(protocol["preprocessing"].as_str().unwrap().ends_with("LPIPS's own scaling"));
    for task in ["cnn", "mean", "lpips-cnn", "lpips-mean", "pooled-cosine-mean", "ms-ssim-mean"] {
        has_interval(score(&found, task, "map"));
    }
    assert!(table.contains("bapps-jnd: mAP, LPIPS"), "{table}");
    let html = std::fs::read_to_string(folder.path().join("out/report.html")).unwrap();
    assert!(html.contains("JND mAP, mean by distance, %"));
}

#[test]
fn photographs_are_distorted_without_data() {
    let folder = tempfile::tempdir().unwrap();
    weights(folder.path(), MODEL, "w.safetensors");
    let more = ["--limit", "3"];
    let suites = ["bench", "distortion-invariance", "spatial-frequency"];
    let table = succeed(folder.path(), &[&suites[..], &OF_MODEL, &REST, &more].concat());
    let found = results(folder.path());
    // Stronger distortions are farther, and closer than other photographs; in pixels by arithmetic.
    let noise = |prefix: &str, severity| {
        value(&found, &format!("{prefix}gaussian_noise/{severity}"), "relative-distance")
    };
    for prefix in ["", "style-", "psnr-", "ssim-"] {
        assert!((1..5).all(|severity| noise(prefix, severity) < noise(prefix, severity + 1)), "{prefix}");
        let mean = (1..=5).map(|severity| noise(prefix, severity)).sum::<f64>() / 5.0;
        let recorded = score(&found, &format!("{prefix}gaussian_noise"), "mean-relative-distance");
        assert!((recorded["value"].as_f64().unwrap() - mean).abs() < 1e-9, "{prefix}");
        assert_eq!(recorded["n"], 12);
        has_interval(recorded);
        assert!(value(&found, &format!("{prefix}gaussian_noise"), "growth") > 0.9, "{prefix}");
    }
    assert!(value(&found, "psnr-mean", "mean-relative-distance") < 1.0);
    has_interval(score(&found, "tap layer4: mean", "mean-relative-distance"));
    // Noise of one energy is one mean squared error in all octaves; 32 pixels have room for four.
    let octave = |prefix: &str, middle: &str| {
        value(&found, &format!("{prefix}log2-cycles-per-pixel/{middle}"), "relative-distance")
    };
    let pixels = ["-4.5", "-3.5", "-2.5", "-1.5"].map(|middle| octave("psnr-", middle));
    assert!(pixels.iter().all(|found| (found / pixels[0] - 1.0).abs() < 0.01), "{pixels:?}");
    assert!((value(&found, "psnr-mean", "fine-to-coarse") - 1.0).abs() < 0.01);
    assert!(octave("", "-1.5") > 0.0);
    has_interval(score(&found, "mean", "fine-to-coarse"));
    let row =
        table.lines().find(|line| line.starts_with("distortion-invariance: distance under distortion, SSIM"));
    let ratio = format!("{:.3}", value(&found, "ssim-mean", "mean-relative-distance"));
    assert!(row.is_some_and(|row| table.contains("\nratio ") && row.ends_with(&ratio)), "{table}");
    let html = std::fs::read_to_string(folder.path().join("out/report.html")).unwrap();
    assert!(html.contains("log2-cycles-per-pixel") && html.contains("gaussian_noise"));

    let one =
        [&["bench", "distortion-invariance/pixelate"], &OF_MODEL[..], &REST, &["--limit", "1"]].concat();
    let error = fail(folder.path(), &one);
    assert!(error.contains("two photographs at least"), "{error}");
}

/// The numbers of a table's row.
fn numbers(table: &str, row: usize) -> Vec<f64> {
    let line = table.lines().nth(row).unwrap();
    line.split(',').skip(2).map(|number| number.parse().unwrap()).collect()
}

#[test]
fn distances_of_pairs_are_the_librarys() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let model = weights(path, MODEL, "w.safetensors");
    let squeeze = weights(path, "squeezenet1_1", "squeeze.safetensors");
    let heads = LpipsHeads::random(LpipsNet::Squeeze, 3).unwrap();
    heads.save(path.join("heads.safetensors")).unwrap();
    let (a, b, c) = (picture(20), picture(30), picture(90));
    for (name, level) in [("a", 20), ("b", 30), ("c", 90)] {
        patch(&path.join(format!("images/{name}.png")), level);
    }
    // Without a network.
    let table = succeed(path, &["distance", "images/a.png", "images/b.png"]);
    assert!(table.starts_with("a,b,psnr,ssim\nimages/a.png,images/b.png,"), "{table}");
    assert!((numbers(&table, 1)[1] - ssim(&a, &b).unwrap()).abs() < 1e-12);
    // Chosen taps and forms, of many pairs of which one has another size.
    write(&path.join("images/small.png"), &encode_png(&RgbImage::filled(32, 32, [9; 3])).unwrap());
    write(
        &path.join("images/pairs.csv"),
        b"b,a,judge\nb.png,a.png,1\nsmall.png,small.png,0\nc.png,a.png,0\n",
    );
    let chosen = ["--pairs", "images/pairs.csv", "--metric", "style,mse,baseline", "--taps", "layer1,layer3"];
    let output = ["--device", "cpu", "--output", "d.csv"];
    let printed = succeed(path, &[&["distance"], &chosen[..], &OF_MODEL, &output].concat());
    assert!(printed.is_empty());
    let table = std::fs::read_to_string(path.join("d.csv")).unwrap();
    assert!(table.starts_with("a,b,style,mse,baseline\na.png,b.png,"), "{table}");
    let forms = [DistanceForm::Style, DistanceForm::Baseline];
    let distances = FeatureDistances::new(&model, &["layer1", "layer3"], &forms).unwrap();
    let expected = distances.measure(&[&a, &a], &[&[&b, &c]]).unwrap();
    let pixels = PixelDistance.distances(&[&a, &a], &[&[&b, &c]]).unwrap();
    for (row, at) in [(1, 0), (3, 1)] {
        let found = numbers(&table, row);
        assert!((found[0] / expected[0][0][at] - 1.0).abs() < 1e-5, "{table}");
        assert!((found[2] / expected[1][0][at] - 1.0).abs() < 1e-5, "{table}");
        assert_eq!(found[1], pixels[0][at]);
    }
    assert_eq!(numbers(&table, 2), [0.0, 0.0, 0.0]);
    // LPIPS, and images that are made smaller first.
    let lpips = Lpips::new(LpipsNet::Squeeze, LpipsVersion::V0_0, squeeze, heads).unwrap();
    let of_heads = ["--heads", "heads.safetensors", "--lpips-version", "0.0", "--device", "cpu"];
    let two = ["distance", "images/a.png", "images/c.png"];
    let table = succeed(path, &[&two[..], &OF_SQUEEZE, &of_heads].concat());
    let expected = lpips.distances(&[&a], &[&[&c]]).unwrap()[0][0];
    assert!(table.starts_with("a,b,lpips\n") && (numbers(&table, 1)[0] - expected).abs() < 1e-6, "{table}");
    let table = succeed(path, &["distance", "images/a.png", "images/small.png", "--size", "16"]);
    assert!(numbers(&table, 1)[0] > 0.0);
}

#[test]
fn what_cannot_be_compared_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    weights(path, MODEL, "w.safetensors");
    patch(&path.join("a.png"), 20);
    write(&path.join("small.png"), &encode_png(&RgbImage::filled(8, 8, [9; 3])).unwrap());
    write(&path.join("p.csv"), b"a,b\na.png,\n");
    let says = |arguments: &[&str], part: &str| {
        let error = fail(path, &[&["distance"], arguments].concat());
        assert!(error.contains(part), "'{part}' is not in: {error}");
    };
    says(&["a.png"], "2 values required");
    says(&["a.png", "none.png"], "cannot read none.png");
    says(&["a.png", "small.png"], "a.png has 64 x 64 pixels and small.png 8 x 8: a distance needs one size");
    says(&["a.png", "a.png", "--metric", "style"], "style compares activations: add --model");
    says(&["a.png", "a.png", "--metric", "gram"], "there is no metric 'gram'; there are baseline, cosine");
    says(&["small.png", "small.png", "--metric", "ms-ssim"], "11 pixels at least");
    says(&["--pairs", "p.csv"], "p.csv, line 2, column 'b'");
    says(&[&["a.png", "a.png", "--taps", "layer9"], &OF_MODEL[..]].concat(), "unknown tap 'layer9'");
    let pixels = ["a.png", "a.png", "--taps", "layer1", "--metric", "mse"];
    says(&[&pixels, &OF_MODEL[..]].concat(), "leave --taps out");
    let of_heads = ["a.png", "a.png", "--heads", "w.safetensors"];
    says(
        &[&of_heads, &OF_MODEL[..]].concat(),
        "LPIPS has the networks alexnet, vgg16 and squeezenet1_1, not",
    );
    says(&[&["a.png", "a.png", "--metric", "lpips"], &OF_MODEL[..]].concat(), "lpips needs --model alexnet");
    // Maps are LPIPS's, of one pair.
    let map = ["--map", "m.png"];
    says(
        &[&["a.png", "a.png"], &map[..], &OF_MODEL].concat(),
        "--map draws LPIPS, which is not measured: add",
    );
    says(&[&of_heads[..], &map, &OF_MODEL].concat(), "squeezenet1_1, not resnet18_cifar_w16: give one");
    write(&path.join("two.csv"), b"a,b\na.png,a.png\na.png,a.png\n");
    let pairs = ["--pairs", "two.csv", "--heads", "w.safetensors"];
    says(&[&pairs[..], &map, &OF_MODEL].concat(), "--map draws one pair, not 2");
    let named = |name: &str, part: &str| {
        says(&[&of_heads[..], &["--map", name], &OF_MODEL].concat(), part);
    };
    named("m.jpg", "let the name end in .png");
    named("a.png/m.png", "--map a.png/m.png: name a file that can be written");
    assert!(!path.join("m.png").exists());
}

#[test]
fn maps_show_where_images_differ_and_small_ones_have_fewer_scales() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let squeeze = weights(path, "squeezenet1_1", "squeeze.safetensors");
    let heads = LpipsHeads::random(LpipsNet::Squeeze, 3).unwrap();
    heads.save(path.join("heads.safetensors")).unwrap();
    let a = RgbImage::filled(80, 64, [90; 3]);
    let b = RgbImage::from_fn(80, 64, |x, y| if x < 12 && y < 12 { [250, 20, 20] } else { [90; 3] });
    for (name, image) in [("a.png", &a), ("b.png", &b)] {
        write(&path.join(name), &encode_png(image).unwrap());
    }
    let of_map = ["--heads", "heads.safetensors", "--map", "maps/m.png", "--device", "cpu"];
    let measured = ["--metric", "ms-ssim,lpips"];
    let draw = |other: &str| {
        succeed(path, &[&["distance", "a.png", other], &measured[..], &OF_SQUEEZE, &of_map].concat())
    };
    let table = draw("b.png");
    assert!(table.starts_with("a,b,ms-ssim,ms-ssim-scales,lpips,lpips-map-max\n"), "{table}");
    let found = numbers(&table, 1);
    assert!((found[0] - ms_ssim_fitted(&a, &b).unwrap()).abs() < 1e-12 && found[1] == 3.0, "{table}");
    let lpips = Lpips::new(LpipsNet::Squeeze, LpipsVersion::V0_1, squeeze, heads).unwrap();
    let expected = lpips.map_of_images(&a, &b).unwrap();
    let largest = expected.iter().copied().fold(0.0, f32::max);
    assert!(largest > 0.0 && (found[3] / f64::from(largest) - 1.0).abs() < 1e-5, "{table}");
    let levels = || {
        let bytes = std::fs::read(path.join("maps/m.png")).unwrap();
        assert_eq!(bytes[25], 0, "grayscale");
        decode(&bytes, &DecodeOptions::default()).unwrap()
    };
    let drawn = levels();
    assert_eq!((drawn.width(), drawn.height()), (80, 64));
    for (pixel, expected) in drawn.data().chunks_exact(3).zip(&expected) {
        // Heads drawn at random have weights below 0.
        let level = 255.0 * expected.max(0.0) / largest;
        assert!((f32::from(pixel[0]) - level).abs() <= 1.0, "{pixel:?} {expected}");
    }
    assert!(drawn.data().contains(&255) && drawn.data().iter().any(|&level| level < 200), "not one colour");
    // Equal images differ nowhere.
    assert_eq!(numbers(&draw("a.png"), 1), [1.0, 3.0, 0.0, 0.0]);
    assert!(levels().data().iter().all(|&level| level == 0));
}

#[test]
fn heads_are_trained_on_judgements() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    weights(path, "squeezenet1_1", "squeeze.safetensors");
    // Judges find the first nearer, which it is in pixels.
    for set in ["traditional", "mix"] {
        let folder = path.join(format!("data/bapps/2afc/train/{set}"));
        for number in 0..6_u8 {
            for (part, level) in [("ref", 20), ("p0", 22), ("p1", 60 + 9 * number)] {
                patch(&folder.join(format!("{part}/{number:06}.png")), level);
            }
            share(&folder.join(format!("judge/{number:06}.npy")), 0.0);
        }
    }
    let train = |output: &str, more: &[&str]| {
        let of_net =
            ["train-lpips", "--net", "squeeze", "--weights", "squeeze.safetensors", "--data", "data"];
        let passes =
            ["--sets", "traditional,mix", "--batch-size", "4", "--epochs", "3", "--decay-epochs", "2"];
        let rest = ["--learning-rate", "0.01", "--workers", "2", "--device", "cpu", "--output", output];
        support::visrep(path, &[&of_net[..], &passes, &rest, more].concat())
    };
    let losses = |output: &std::process::Output| -> Vec<f64> {
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{text}");
        text.lines().filter_map(|line| line.split_once("loss ")?.1.parse().ok()).collect()
    };
    let found = losses(&train("a.safetensors", &[]));
    assert!(found.len() == 5 && found[4] < 0.8 * found[0], "{found:?}");
    let read = |name: &str| LpipsHeads::read(LpipsNet::Squeeze, path.join(name)).unwrap();
    let a = read("a.safetensors");
    assert!(a.weights().iter().all(|weight| weight.min().double_value(&[]) >= 0.0));
    // A seed is a run.
    assert_eq!(losses(&train("b.safetensors", &[])), found);
    assert!(a.weights().iter().zip(read("b.safetensors").weights()).all(|(a, b)| a == b));
    assert_ne!(losses(&train("c.safetensors", &["--seed", "1"])), found);
    // The heads are LPIPS's.
    for (name, level) in [("x", 20), ("y", 70)] {
        patch(&path.join(format!("{name}.png")), level);
    }
    let two = ["distance", "x.png", "y.png", "--heads", "a.safetensors", "--device", "cpu"];
    assert!(numbers(&succeed(path, &[&two[..], &OF_SQUEEZE].concat()), 1)[0] > 0.0);

    let failing = |more: &[&str], part: &str| {
        let output = train("d.safetensors", more);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(part) && !text.contains("panicked"), "{text}");
    };
    failing(&["--limit", "0"], "--limit");
    share(&path.join("data/bapps/2afc/train/mix/judge/000003.npy"), 2.0);
    failing(&[], "mix/judge/000003.npy");
    std::fs::remove_dir_all(path.join("data/bapps/2afc/train/mix")).unwrap();
    failing(&[], "2afc/train/mix/ref");
}
