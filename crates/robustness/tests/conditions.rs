//! Suites of corruptions and sequences end to end on tiny sets laid out as the published ones.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

mod support;

use std::path::Path;
use support::{
    arg_max, constant, context, drawn, file, images, logits, near, npy, random, run, run_in, value,
};
use visrep_augment::RgbImage;
use visrep_corrupt::{Corruption, Perturbation};
use visrep_metrics::{ALEXNET_CLEAN_ERROR, ALEXNET_ERRORS, RankingDistance};
use visrep_probe::{Parts, SuiteContext};

const TENCH: &str = "n01440764";
const STINGRAY: &str = "n01498041";

/// Each corruption with an image of either class at every severity.
fn stored(root: &Path, folder: &str, corruptions: &[Corruption]) {
    let mut places = Vec::new();
    for corruption in corruptions {
        for severity in 1..=5 {
            for class in [TENCH, STINGRAY] {
                places.push(format!("{folder}/{corruption}/{severity}/{class}/ILSVRC2012_val_00000001.JPEG"));
            }
        }
    }
    support::add(root, &places.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn stored_corruptions_give_the_published_means() {
    let val = format!("imagenet/val/{TENCH}/ILSVRC2012_val_00000001.JPEG");
    let root = images(&[&val]);
    stored(root.path(), "imagenet-c", &Corruption::BENCHMARK);
    // Always tench: half of the corrupted images are right, and all clean ones.
    let model = constant(1000, &[(0, 5.0)]);
    let found = run("imagenet-c", None, root.path(), &model).unwrap();
    near(value(&found, "clean", "error"), 0.0);
    near(value(&found, "fog/3", "error"), 0.5);
    near(value(&found, "mean", "mean-error"), 0.5);
    let alexnet = ALEXNET_ERRORS.map(|(_, errors)| errors.iter().sum::<f64>() / 5.0);
    let mce = alexnet.map(|error| 0.5 / error).iter().sum::<f64>() / 15.0;
    near(value(&found, "mean", "mce"), mce);
    let relative = alexnet.map(|error| 0.5 / (error - ALEXNET_CLEAN_ERROR)).iter().sum::<f64>() / 15.0;
    near(value(&found, "mean", "relative-mce"), relative);
    assert_eq!(found.verdicts.len(), 1 + 15 * 5);
    assert_eq!(found.notes, ["each severity has 2 of the 50000 published images"]);

    let one = run("imagenet-c", Some("fog"), root.path(), &model).unwrap();
    near(value(&one, "fog", "mean-error"), 0.5);
    assert!(
        one.scores.iter().all(|score| score.task != "mean"),
        "a single corruption has no means over corruptions"
    );

    std::fs::remove_dir_all(root.path().join("imagenet-c/snow")).unwrap();
    std::fs::remove_dir_all(root.path().join("imagenet")).unwrap();
    let found = run("imagenet-c", None, root.path(), &model).unwrap();
    assert!(found.scores.iter().all(|score| score.metric != "mce"), "mCE is of all fifteen");
    assert!(found.notes[0].contains("snow: there is no"), "{:?}", found.notes);
    std::fs::remove_dir_all(root.path().join("imagenet-c/fog/4")).unwrap();
    let error = run("imagenet-c", None, root.path(), &model).unwrap_err().to_string();
    assert!(error.contains("severities in folders 1 to 5"), "{error}");
}

#[test]
fn a_stored_condition_that_broke_off_goes_on_behind_its_last_image() {
    let root = tempfile::tempdir().unwrap();
    let place = |severity, number| format!("imagenet-c/fog/{severity}/{TENCH}/{number}.png");
    for severity in 1..=5 {
        for number in 0..4 {
            support::write(&root.path().join(place(severity, number)), &drawn(severity * 4 + number));
        }
    }
    let model = random(1000);
    let whole = run("imagenet-c", Some("fog"), root.path(), &model).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let parts = Parts::in_folder(folder.path());
    let resumable = SuiteContext { batch_size: 1, parts: parts.clone(), ..context() };
    let resumed = || run_in("imagenet-c", Some("fog"), root.path(), &model, &resumable);
    let damaged = |place: &str| {
        let image = std::fs::read(root.path().join(place)).unwrap();
        file(root.path(), place, &"-".repeat(image.len()));
        image
    };
    let (third, image) = (place(2, 2), damaged(&place(2, 2)));
    let error = resumed().unwrap_err().to_string();
    assert!(error.contains("2.png"), "{error}");
    assert_eq!(parts.finished(), 2, "severity 1, and two images of severity 2");
    // What was found is not looked at again: these cannot be read any more.
    let (first, begun) = (damaged(&place(1, 3)), damaged(&place(2, 0)));
    std::fs::write(root.path().join(third), image).unwrap();
    let found = resumed().unwrap();
    for (found, whole) in found.verdicts.iter().zip(&whole.verdicts) {
        assert_eq!((&found.task, found.images, &found.correct), (&whole.task, whole.images, &whole.correct));
    }
    let values = |found: &visrep_probe::Findings| found.scores.iter().map(|s| s.value).collect::<Vec<_>>();
    values(&found).into_iter().zip(values(&whole)).for_each(|(a, b)| assert!((a - b).abs() < 1e-6));
    assert_eq!((found.verdicts.len(), found.scores.len()), (whole.verdicts.len(), whole.scores.len()));
    // Of files that have other sizes by now nothing was found; the rest is kept.
    std::fs::write(root.path().join(place(2, 0)), [&begun[..], b"and more"].concat()).unwrap();
    let again = resumed().unwrap();
    assert_eq!(values(&again).len(), values(&whole).len());
    assert_eq!(
        parts.finished(),
        7,
        "one for each of four severities; two stretches of severity 2, and one anew"
    );
    std::fs::write(root.path().join(place(1, 3)), [&first[..], b"and more"].concat()).unwrap();
    file(root.path(), &place(2, 1), "no image");
    let error = resumed().unwrap_err().to_string();
    assert!(error.contains("1.png"), "severity 1 was found again, and then severity 2: {error}");
}

#[test]
fn corruptions_in_memory_are_of_the_usual_images() {
    let root = images(&[&format!("imagenet/val/{TENCH}/a.JPEG"), &format!("imagenet/val/{STINGRAY}/b.JPEG")]);
    let model = constant(1000, &[(6, 5.0)]);
    let found = run("imagenet-c-in-memory", Some("contrast"), root.path(), &model).unwrap();
    near(value(&found, "contrast/5", "error"), 0.5);
    assert!(found.scores[0].protocol["corruption"].contains("no JPEG"));
    let frosty = || run("imagenet-c-in-memory", Some("frost"), root.path(), &model);
    let of = |found: &visrep_probe::Findings| found.scores[0].protocol["frost"].clone();
    assert!(of(&frosty().unwrap()).contains("a drawn substitute"));
    for (number, (name, _)) in (0..).zip(visrep_corrupt::FROST_PHOTOGRAPHS) {
        assert!(number == 0 || frosty().unwrap_err().to_string().contains(name), "{name} is missing");
        support::write(&root.path().join("imagenet-c/frost").join(name), &drawn(number));
    }
    assert!(of(&frosty().unwrap()).contains("photographs that are not the benchmark's"));
    // They lie where the stored corruption would be, which is still missing.
    let stored_frost = run("imagenet-c", None, root.path(), &model);
    assert!(matches!(stored_frost, Err(visrep_probe::Error::MissingData { .. })), "{:?}", stored_frost.err());
    let found = run("imagenet-c-bar-in-memory", Some("perlin_noise"), root.path(), &model).unwrap();
    near(value(&found, "perlin_noise", "mean-error"), 0.5);
    stored(root.path(), "imagenet-c-bar", &Corruption::IMAGENET_BAR);
    let found = run("imagenet-c-bar", None, root.path(), &model).unwrap();
    near(value(&found, "mean", "mean-error"), 0.5);
    assert!(found.scores.iter().all(|score| score.metric != "mce"));
}

/// Images one after the other, as an array's bytes.
fn bytes(images: &[RgbImage]) -> Vec<u8> {
    images.iter().flat_map(|image| image.data().to_vec()).collect()
}

#[test]
fn cifars_arrays_are_read() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("CIFAR-10-C");
    let two = [drawn(0), drawn(1)];
    let all: Vec<_> = (0..5).flat_map(|_| two.clone()).collect();
    for corruption in Corruption::BENCHMARK {
        npy(&folder.join(format!("{corruption}.npy")), &[10, 32, 32, 3], &bytes(&all));
    }
    npy(&folder.join("labels.npy"), &[10], &[3, 8, 3, 8, 3, 8, 3, 8, 3, 8]);
    let model = constant(10, &[(8, 2.0)]);
    let found = run("cifar-10-c", None, root.path(), &model).unwrap();
    near(value(&found, "mean", "mean-error"), 0.5);
    near(value(&found, "jpeg_compression/5", "error"), 0.5);
    assert!(found.scores.iter().all(|score| score.metric != "mce"), "AlexNet's errors are for ImageNet");
    let limited = SuiteContext { limit: Some(1), ..context() };
    let found = run_in("cifar-10-c", None, root.path(), &model, &limited).unwrap();
    near(value(&found, "mean", "mean-error"), 1.0);

    npy(&folder.join("labels.npy"), &[9], &[0; 9]);
    let error = run("cifar-10-c", None, root.path(), &model).unwrap_err().to_string();
    assert!(error.contains("10 images have 9 labels"), "{error}");
    npy(&folder.join("labels.npy"), &[10], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 10]);
    let error = run("cifar-10-c", None, root.path(), &model).unwrap_err().to_string();
    assert!(error.contains("label 10 for image 9"), "{error}");
    std::fs::remove_file(folder.join("labels.npy")).unwrap();
    let error = run("cifar-10-c", None, root.path(), &model).unwrap_err().to_string();
    assert!(error.contains("has no labels"), "{error}");

    let folder = root.path().join("cifar-10.1");
    npy(&folder.join("cifar10.1_v6_data.npy"), &[2, 32, 32, 3], &bytes(&two));
    npy(&folder.join("cifar10.1_v6_labels.npy"), &[2], &[8, 1]);
    let found = run("cifar-10.1", None, root.path(), &model).unwrap();
    near(value(&found, "v6", "top1"), 0.5);
    assert_eq!(found.scores[0].protocol["images"], "2 of the 2000 published");
}

/// The share of flips and the mean top-5 distance of a sequence, by hand.
fn along(model: &visrep_models::Model, frames: &[RgbImage], noise: bool) -> (f64, f64) {
    strided(model, frames, if noise { None } else { Some(1) })
}

/// The same with so many frames from one to the next, or from the first to each.
fn strided(model: &visrep_models::Model, frames: &[RgbImage], stride: Option<usize>) -> (f64, f64) {
    let rows = logits(model, frames);
    let from = stride.unwrap_or(1);
    let pairs: Vec<_> = (from..rows.len()).map(|at| (stride.map_or(0, |stride| at - stride), at)).collect();
    let flips = pairs.iter().filter(|&&(a, b)| arg_max(&rows[a]) != arg_max(&rows[b])).count();
    let wide = |row: &Vec<f32>| row.iter().copied().map(f64::from).collect::<Vec<_>>();
    let distance =
        |&(a, b): &(usize, usize)| RankingDistance::Top5.between(&wide(&rows[a]), &wide(&rows[b])).unwrap();
    let distances: f64 = pairs.iter().map(distance).sum();
    (flips as f64 / pairs.len() as f64, distances / pairs.len() as f64)
}

#[test]
fn flips_are_counted_along_sequences() {
    let root = tempfile::tempdir().unwrap();
    let sequences: Vec<Vec<RgbImage>> = vec![(0..4).map(drawn).collect(), (3..6).map(drawn).collect()];
    for perturbation in Perturbation::BENCHMARK {
        for (number, frames) in sequences.iter().enumerate() {
            for (at, frame) in frames.iter().enumerate() {
                let place = format!("imagenet-p/{perturbation}/{TENCH}/video{number}/{at:02}.png");
                support::write(&root.path().join(place), frame);
            }
        }
    }
    let model = random(1000);
    let found = run("imagenet-p", None, root.path(), &model).unwrap();
    let mut flips = Vec::new();
    for (perturbation, noise) in [("brightness", false), ("gaussian_noise", true)] {
        let each: Vec<_> = sequences.iter().map(|frames| along(&model, frames, noise)).collect();
        let (flip, distance) = ((each[0].0 + each[1].0) / 2.0, (each[0].1 + each[1].1) / 2.0);
        near(value(&found, perturbation, "flip-probability"), flip);
        near(value(&found, perturbation, "top5-distance"), distance);
        flips.push(flip);
    }
    // Strides of 2; one sequence is too short for 3.
    let two: Vec<_> = sequences.iter().map(|frames| strided(&model, frames, Some(2))).collect();
    near(value(&found, "brightness_2", "flip-probability"), (two[0].0 + two[1].0) / 2.0);
    near(value(&found, "mean_2", "top5-distance"), (two[0].1 + two[1].1) / 2.0);
    assert!(found.scores.iter().all(|score| !score.task.ends_with("_3") && score.task != "gaussian_noise_2"));
    // Stronger noise is stored by itself.
    for (number, frames) in sequences.iter().enumerate() {
        for (at, frame) in frames.iter().rev().enumerate() {
            let place = format!("imagenet-p/gaussian_noise_2/{TENCH}/video{number}/{at:02}.png");
            support::write(&root.path().join(place), frame);
        }
    }
    let stronger = run("imagenet-p", Some("gaussian_noise"), root.path(), &model).unwrap();
    let backwards = |frames: &Vec<RgbImage>| frames.iter().rev().cloned().collect::<Vec<_>>();
    let two: Vec<_> = sequences.iter().map(|frames| along(&model, &backwards(frames), true)).collect();
    near(value(&stronger, "gaussian_noise_2", "flip-probability"), (two[0].0 + two[1].0) / 2.0);
    near(value(&stronger, "gaussian_noise", "flip-probability"), flips[1]);
    // Two of the ten are noise.
    near(value(&found, "mean", "flip-probability"), (8.0 * flips[0] + 2.0 * flips[1]) / 10.0);
    assert!(found.notes[0].contains("baseline.json"), "{:?}", found.notes);

    let entries = Perturbation::BENCHMARK.map(|p| format!(r#""{p}": {{"flip": 0.5, "top5": 2}}"#));
    file(root.path(), "imagenet-p/baseline.json", &format!("{{{}}}", entries.join(", ")));
    let normalised = run("imagenet-p", None, root.path(), &model).unwrap();
    near(value(&normalised, "mean", "mfr"), 2.0 * value(&found, "mean", "flip-probability"));
    near(value(&normalised, "mean", "mt5d"), value(&found, "mean", "top5-distance") / 2.0);
    file(root.path(), "imagenet-p/baseline.json", r#"{"fog": {"flip": 0.5, "top5": 2}}"#);
    let error = run("imagenet-p", None, root.path(), &model).unwrap_err().to_string();
    assert!(error.contains("is no baseline"), "{error}");

    let limited = SuiteContext { limit: Some(1), ..context() };
    std::fs::remove_file(root.path().join("imagenet-p/baseline.json")).unwrap();
    let one = run_in("imagenet-p", Some("tilt"), root.path(), &model, &limited).unwrap();
    near(value(&one, "tilt", "flip-probability"), along(&model, &sequences[0], false).0);
    assert_eq!(one.scores[0].protocol["sequences"], "frames");
    std::fs::remove_dir_all(root.path().join("imagenet-p/tilt")).unwrap();
    file(root.path(), &format!("imagenet-p/tilt/{TENCH}/notes.txt"), "");
    let error = run("imagenet-p", None, root.path(), &model).unwrap_err().to_string();
    assert!(error.contains("has no sequences: neither videos"), "{error}");
}

#[test]
fn cifars_sequences_are_arrays() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("CIFAR-10-P/shot_noise.npy");
    let frames: Vec<_> = (0..6).map(drawn).collect();
    npy(&path, &[2, 3, 32, 32, 3], &bytes(&frames));
    let model = random(10);
    let found = run("cifar-10-p", None, root.path(), &model).unwrap();
    let each = [along(&model, &frames[..3], true), along(&model, &frames[3..], true)];
    near(value(&found, "shot_noise", "flip-probability"), (each[0].0 + each[1].0) / 2.0);
    near(value(&found, "shot_noise", "top5-distance"), (each[0].1 + each[1].1) / 2.0);
    assert_eq!(found.notes.len(), 9, "nine of ten are missing");
    let missing = |name: &str| found.notes.iter().any(|note| note.starts_with(name));
    assert!(
        missing("spatter: ") && !missing("snow: "),
        "the benchmark of CIFAR-10 has spatter: {:?}",
        found.notes
    );
    npy(&path, &[6, 32, 32, 3], &bytes(&frames));
    let error = run("cifar-10-p", None, root.path(), &model).unwrap_err().to_string();
    assert!(error.contains("expected sequences"), "{error}");
}
