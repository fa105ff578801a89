//! `visrep score fid`, from files of images to figures.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

mod support;

use serde_json::Value;
use std::path::Path;
use support::{fail, succeed};
use visrep_decode::{RgbImage, encode_png};
use visrep_models::{Model, ModelOptions};
use visrep_perceptual::{InceptionSet, frechet};

fn picture(path: &Path, side: u32, kind: u32) {
    let value = |x: u32, y: u32, c: u32| (x * (kind + 1) + y * (7 - kind) + c * 60 * (kind % 2)) as u8;
    let image = RgbImage::from_fn(side, side + 9 * kind, |x, y| [0, 1, 2].map(|c| value(x, y, c)));
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, encode_png(&image).unwrap()).unwrap();
}

fn score(folder: &Path, arguments: &[&str]) -> Value {
    serde_json::from_str(&succeed(folder, &[&["score", "fid"], arguments].concat())).unwrap()
}

#[test]
fn from_folders_to_figures_and_from_statistics() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let options = ModelOptions { seed: Some(1), ..ModelOptions::default() };
    Model::create("inception_v3_fid", &options).unwrap().save_weights(folder.join("w.safetensors")).unwrap();
    for kind in 0..3 {
        picture(&folder.join(format!("generated/{kind}.png")), 40, kind);
        // Folders that are called like splits, and a picture beside them.
        let name = ["train/x.png", "test/deep/x.png", "x.png"][kind as usize];
        picture(&folder.join("real").join(name), 90, kind + 3);
    }
    let images = ["--images", "generated", "--weights", "w.safetensors", "--preset", "torch-fidelity"];
    let kept = ["--save-stats", "generated.npz", "--save-features"];
    let found = score(folder, &[&images[..], &kept, &["--metrics", "is", "--splits", "2"]].concat());
    assert_eq!((&found["preset"], &found["images"]["n"]), (&"torch-fidelity".into(), &3.into()));
    assert_eq!(found["protocol"]["inception_score"]["shuffle"], 2020);
    assert!(found["inception_score"]["mean"].as_f64().unwrap() >= 1.0 && found.get("fid").is_none());
    assert_eq!(
        (&found["network"]["published"], &found["network"]["precision"]),
        (&false.into(), &"fp32".into())
    );

    // Of four images there, evenly spread, three.
    picture(&folder.join("real/x2.png"), 90, 6);
    let small = ["--limit", "3", "--kid-subset-size", "2", "--kid-subsets", "5", "--neighbour", "1"];
    let reference = ["--reference", "real", "--metrics", "fid,kid,prdc"];
    let figures = score(folder, &[&images[..], &reference, &small].concat());
    assert_eq!(figures["reference"]["n"], 3);
    assert_eq!(figures["protocol"]["kid"]["subset_size"], 2);
    assert!(figures["warnings"][1].as_str().unwrap().contains("--reference: 3 images"), "{figures}");
    for name in ["precision", "recall", "coverage"] {
        assert!((0.0..=1.0).contains(&figures[name].as_f64().unwrap()), "{name}: {figures}");
    }
    assert!(figures["density"].is_f64());

    // The same from statistics, of which none needs the network.
    let real = ["--images", "real", "--weights", "w.safetensors", "--preset", "torch-fidelity"];
    let found = score(
        folder,
        &[&real[..], &["--limit", "3", "--save-stats", "real.npz", "--save-features"]].concat(),
    );
    assert!(found.get("reference").is_none() && found.get("warnings").is_none());
    let both = ["--images", "generated.npz", "--reference", "real.npz", "--metrics", "fid,kid,prdc"];
    let again = score(folder, &[&both[..], &["--preset", "torch-fidelity"], &small].concat());
    for name in ["fid", "kid", "precision", "recall", "density", "coverage"] {
        assert_eq!(again[name], figures[name], "{name}");
    }
    assert_eq!((&again["images"]["pipeline"], again.get("resize")), (&"torch-fidelity".into(), None));
    let message = fail(folder, &[&["score", "fid"][..], &both, &["--preset", "clean-fid"]].concat());
    assert!(message.contains("made by the pipeline of torch-fidelity: add --preset"), "{message}");
    let [generated, real] =
        ["generated.npz", "real.npz"].map(|name| InceptionSet::read(folder.join(name)).unwrap());
    assert_eq!(figures["fid"].as_f64(), Some(frechet(&generated, &real).unwrap()));
    assert!(figures["fid"].as_f64().unwrap() > 0.0);
}

#[test]
fn what_cannot_be_is_said_before_any_work() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    picture(&folder.join("one/a.png"), 20, 1);
    picture(&folder.join("two/a.png"), 20, 1);
    picture(&folder.join("two/b.png"), 20, 2);
    std::fs::create_dir(folder.join("none")).unwrap();
    std::fs::write(folder.join("odd.npz"), "no archive").unwrap();
    let fail = |arguments: &str, parts: &[&str]| {
        let arguments: Vec<&str> = ["score", "fid"].into_iter().chain(arguments.split(' ')).collect();
        let message = fail(folder, &arguments);
        for part in parts {
            assert!(message.contains(part), "'{part}' is not in: {message}");
        }
    };
    fail("--images one", &["--reference", "--metrics is", "--save-stats"]);
    fail("--images one --metrics kid", &["kid", "--reference"]);
    fail("--images two --reference two", &["--weights", "visrep weights get inception_v3_fid"]);
    fail("--images two --reference one", &["one: it takes 2 images at least, and 1 count"]);
    fail("--images none --reference one --weights w", &["none", "no image file at any depth"]);
    fail("--images gone --reference one --weights w", &["gone: no such file or folder"]);
    fail("--images two --reference odd.npz --weights w", &["odd.npz", "ZIP"]);
    fail("--images one --reference one --weights w --preset tf", &["pytorch-fid, clean-fid"]);
    fail(
        "--images one --reference one --weights w --metrics kid",
        &["one, --kid-subset-size", "1000", "has 1"],
    );
    fail("--images one --metrics is --weights w", &["1 images", "10 splits", "--splits"]);
    fail("--images one --reference one --weights w --metrics prdc", &["neighbour number 5", "--neighbour"]);
    fail("--images two --reference two --weights w", &["w: "]);
}
