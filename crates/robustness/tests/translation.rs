//! The suites of small translations and of transforms end to end on tiny images.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

mod support;

use support::{arg_max, constant, context, drawn, images, logits, near, random, run, run_in, value, write};
use visrep_augment::{Filter, RgbImage, Transform, presets, view_rng};
use visrep_probe::{Parts, SuiteContext};

const TENCH: &str = "imagenet/val/n01440764/a.JPEG";
const STINGRAY: &str = "imagenet/val/n01498041/b.JPEG";

#[test]
fn a_classifier_that_never_changes_its_mind_is_consistent() {
    let root = images(&[TENCH, STINGRAY, "imagenet/val/n01498041/c.JPEG"]);
    let found = run("translation", None, root.path(), &constant(1000, &[(6, 5.0)])).unwrap();
    near(value(&found, "consistency", "consistency"), 1.0);
    for task in ["one-pixel-shift", "one-pixel-scale"] {
        near(value(&found, task, "flip-probability"), 0.0);
        near(value(&found, task, "probability-change"), 0.0);
    }
    near(value(&found, "position", "top1"), 2.0 / 3.0);
    near(value(&found, "position", "mean-top1"), 2.0 / 3.0);
    let places = found.scores.iter().filter(|score| score.task.starts_with("position/")).count();
    let of_places = found.verdicts.iter().filter(|verdicts| verdicts.task.starts_with("position/"));
    assert_eq!((places, of_places.map(|verdicts| verdicts.correct.len()).collect()), (25, vec![3; 25]));
    let only = run("translation", Some("one-pixel"), root.path(), &random(1000)).unwrap();
    assert!(only.scores.iter().all(|score| score.task.starts_with("one-pixel-")));
}

#[test]
fn black_on_black_does_not_move_and_other_images_do() {
    let root = images(&[]);
    write(&root.path().join(TENCH), &RgbImage::filled(40, 32, [0; 3]));
    let model = random(1000);
    let found = run("translation", None, root.path(), &model).unwrap();
    for task in ["one-pixel-shift", "one-pixel-scale"] {
        near(value(&found, task, "probability-change"), 0.0);
    }
    near(value(&found, "consistency", "consistency"), 1.0);
    write(&root.path().join(TENCH), &drawn(3));
    write(&root.path().join(STINGRAY), &drawn(7));
    let found = run("translation", None, root.path(), &model).unwrap();
    let figures: Vec<_> = found.scores.iter().map(|score| score.value).collect();
    assert!(value(&found, "one-pixel-shift", "probability-change") > 0.0);
    assert!(value(&found, "one-pixel-scale", "probability-change") > 0.0);
    // What is drawn is an image's own, whatever the batches.
    let other = SuiteContext { batch_size: 64, workers: 2, ..context() };
    let again = run_in("translation", None, root.path(), &model, &other).unwrap();
    for (score, before) in again.scores.iter().zip(figures) {
        assert!((score.value - before).abs() < 1e-6, "{}", score.task);
    }
}

#[test]
fn what_a_stopped_run_has_left_is_not_looked_at_again() {
    let places: Vec<_> = (0..5).map(|number| format!("imagenet/val/n01440764/{number}.JPEG")).collect();
    let root = images(&places.iter().map(String::as_str).collect::<Vec<_>>());
    let model = random(1000);
    let whole = run("translation", None, root.path(), &model).unwrap();
    let folder = tempfile::tempdir().unwrap();
    // Of 40 crops an image and of three, one and two images are in a batch.
    let context = SuiteContext { batch_size: 6, parts: Parts::in_folder(folder.path()), ..context() };
    let resumed = || run_in("translation", None, root.path(), &model, &context);
    let damaged = |place: usize| {
        let path = root.path().join(&places[place]);
        let image = std::fs::read(&path).unwrap();
        std::fs::write(path, vec![0; image.len()]).unwrap();
        image
    };
    let fourth = damaged(3);
    assert!(resumed().unwrap_err().to_string().contains("3.JPEG"));
    let first = damaged(0);
    std::fs::write(root.path().join(&places[3]), fourth).unwrap();
    // Crops of the first two batches are known, one-pixel shifts of none.
    assert!(resumed().unwrap_err().to_string().contains("0.JPEG"));
    std::fs::write(root.path().join(&places[0]), first).unwrap();
    let found = resumed().unwrap();
    assert_eq!(found.scores.len(), whole.scores.len());
    for (found, whole) in found.scores.iter().zip(&whole.scores) {
        assert!((found.value - whole.value).abs() < 1e-6, "{} {}", found.task, found.metric);
    }
    for place in 0..5 {
        damaged(place);
    }
    assert!(resumed().is_ok(), "everything is known");
}

#[test]
fn places_are_across_and_then_down() {
    let root = images(&[TENCH]);
    let model = random(1000);
    // 14 of 32 pixels; 18 are left.
    let transform = presets::eval(14, 14, Filter::Bilinear).unwrap();
    let small = transform.apply(drawn(0), &mut view_rng(0, 0, 0, 0));
    let at = |x: u32, y: u32| {
        RgbImage::from_fn(32, 32, |column, row| {
            let inside = (x..x + 14).contains(&column) && (y..y + 14).contains(&row);
            if inside { small.pixel(column - x, row - y) } else { [0; 3] }
        })
    };
    let offsets = [0, 4, 9, 13, 18];
    let pictures: Vec<_> = offsets.iter().flat_map(|&y| offsets.map(|x| at(x, y))).collect();
    let predicted: Vec<_> = logits(&model, &pictures).iter().map(|row| arg_max(row)).collect();
    // The class of a place off the diagonal is made the right one.
    let (class, name) = (predicted[3], visrep_robustness::synset_name(predicted[3] as u16).unwrap());
    std::fs::rename(root.path().join("imagenet/val/n01440764"), root.path().join("imagenet/val").join(name))
        .unwrap();
    let found = run("translation", Some("position"), root.path(), &model).unwrap();
    let expected: Vec<_> = predicted.iter().map(|&found| found == class).collect();
    let verdicts: Vec<_> = found.verdicts.iter().map(|of_place| of_place.correct[0]).collect();
    assert_eq!(verdicts, expected);
    let middle = |offset: f64| ((offset + 7.0) / 32.0 * 10_000.0).round() / 10_000.0;
    near(value(&found, &format!("position/{},{}", middle(13.0), middle(0.0)), "accuracy"), 1.0);
}

#[test]
fn features_are_compared_with_those_of_the_image_as_it_is() {
    let places: Vec<_> = (0..4).map(|nth| format!("imagenet/val/n01440764/{nth}.JPEG")).collect();
    let root = images(&places.iter().map(String::as_str).collect::<Vec<_>>());
    let suite = "transform-invariance";
    // Any network has features.
    let model = random(0);
    let found = run(suite, Some("brightness-up"), root.path(), &model).unwrap();
    for step in 1..=10 {
        let task = format!("brightness-up/{}", 1.0 + f64::from(step) / 10.0);
        for metric in ["invariance", "invariance-q1", "invariance-l2", "invariance-l2-q3", "equivariance"] {
            assert!(value(&found, &task, metric).is_finite(), "{task} {metric}");
        }
    }
    let close = value(&found, "brightness-up/1.1", "invariance");
    assert!(close > value(&found, "brightness-up/2", "invariance") && close < 1.0);
    assert!(value(&found, "brightness-up", "mean-invariance") <= 1.0);
    // Black images are all alike: as far from one as from another.
    let found = run(suite, Some("translate-x"), root.path(), &model).unwrap();
    near((value(&found, "translate-x/1", "invariance") * 1e4).round(), 0.0);
    near((value(&found, "translate-x/1", "invariance-l2") * 1e4).round(), 0.0);
    let found = run(suite, Some("posterize"), root.path(), &model).unwrap();
    assert_eq!(found.scores.iter().filter(|score| score.metric == "invariance").count(), 8);
    let one = SuiteContext { limit: Some(1), ..context() };
    let error = run_in(suite, None, root.path(), &model, &one).unwrap_err().to_string();
    assert!(error.contains("fewer than two images"), "{error}");
}
