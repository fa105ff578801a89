//! The protocol end to end on tiny sets laid out as the published ones.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

mod common;

use common::image;
use std::path::Path;
use visrep_models::{Model, ModelOptions};
use visrep_probe::{Findings, Parts, SuiteContext};
use visrep_transfer::{Error, SUITES, TransferDataset, VOC_CLASSES, VocSplit, open_transfer};

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn food(root: &Path) {
    let root = root.join("food-101");
    write(&root.join("meta/classes.txt"), "apple_pie\nbaklava\n");
    for (split, count) in [("train", 10), ("test", 4)] {
        let mut list = String::new();
        for number in 0..count {
            let class = number % 2;
            let name = format!("{}/{split}{number}", ["apple_pie", "baklava"][class]);
            image(&root.join("images").join(format!("{name}.jpg")), class, number);
            list += &format!("{name}\n");
        }
        write(&root.join(format!("meta/{split}.txt")), &list);
    }
}

fn aircraft(root: &Path) {
    let root = root.join("fgvc-aircraft-2013b/data");
    write(&root.join("variants.txt"), "707-320\nBoeing 717\n");
    for (split, count) in [("train", 6), ("val", 4), ("test", 5)] {
        let mut list = String::new();
        for number in 0..count {
            let class = number % 2;
            let name = format!("{}{number}", split.len());
            image(&root.join("images").join(format!("{name}.jpg")), class, number);
            list += &format!("{name} {}\n", ["707-320", "Boeing 717"][class]);
        }
        write(&root.join(format!("images_variant_{split}.txt")), &list);
    }
}

/// Of twenty classes two are there: the first in every second image, the last in every third; the sixth image's first is difficult.
fn voc(root: &Path) {
    let root = root.join("VOCdevkit/VOC2007");
    for (split, from, count) in [("train", 0, 12), ("val", 20, 12), ("test", 40, 12)] {
        for class in VOC_CLASSES {
            let label = |number: usize| match class {
                "aeroplane" if number % 20 == 5 => "0",
                "aeroplane" if number.is_multiple_of(2) => "1",
                "tvmonitor" if number.is_multiple_of(3) => "1",
                _ => "-1",
            };
            let lines: String =
                (from..from + count).map(|number| format!("{number:06} {:>2}\n", label(number))).collect();
            write(&root.join(format!("ImageSets/Main/{class}_{split}.txt")), &lines);
        }
        for number in from..from + count {
            image(&root.join(format!("JPEGImages/{number:06}.jpg")), number % 2, number % 3);
        }
    }
}

fn cars(root: &Path) {
    for (split, count) in [("train", 10), ("test", 4)] {
        for number in 0..count {
            let class = ["Acura RL Sedan 2012", "smart fortwo 2012"][number % 2];
            image(&root.join(format!("transfer/cars/{split}/{class}/{number}.jpg")), number % 2, number);
        }
    }
}

fn run(root: &Path, task: Option<&str>, context: &SuiteContext) -> Findings {
    let options = ModelOptions { num_classes: Some(0), seed: Some(0), ..Default::default() };
    let model = Model::create("resnet18_cifar_w16", &options).unwrap();
    SUITES[0].open(root, task, context).unwrap().run(&model, context).unwrap()
}

#[test]
fn datasets_are_measured_as_they_are_published() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    food(root);
    aircraft(root);
    voc(root);
    cars(root);
    let parts = Parts::in_folder(root.join("parts"));
    let context = SuiteContext { workers: 1, parts: parts.clone(), ..Default::default() };
    let found = run(root, None, &context);
    assert_eq!(parts.finished(), 4);
    let figures: Vec<_> =
        found.scores.iter().map(|score| (score.task.as_str(), score.metric.as_str(), score.n)).collect();
    let expected = [
        ("food101", "top1", 4),
        ("cars", "top1", 4),
        ("aircraft", "mean-per-class", 5),
        ("voc2007", "map-11", 12),
        ("mean", "logit-mean", 4),
    ];
    assert_eq!(figures, expected);
    // The classes differ in colour, which a random network sees.
    for score in &found.scores[..3] {
        assert_eq!(score.value, 1.0, "{score:?}");
    }
    assert!(found.scores[3].value > 0.6, "{:?}", found.scores[3]);
    let protocol = |nth: usize, key: &str| found.scores[nth].protocol.get(key).map(String::as_str);
    assert_eq!(protocol(2, "splits"), Some("its lists of variants"));
    assert_eq!(protocol(2, "train_samples"), Some("10"));
    assert!(protocol(0, "splits").unwrap().contains("drawn with seed 0"), "{:?}", protocol(0, "splits"));
    assert!(protocol(0, "preprocessing").unwrap().contains("shortest edge 32 bicubic"));
    assert_eq!((protocol(4, "splits"), protocol(4, "c")), (None, None));
    assert_eq!(found.notes.len(), 8, "the others are missing: {:?}", found.notes);
    assert!(found.notes.iter().any(|note| note.starts_with("birdsnap: there is none of ")));
    let tasks: Vec<_> = found.verdicts.iter().map(|verdicts| verdicts.task.as_str()).collect();
    assert_eq!(tasks, ["food101", "cars", "aircraft"]);

    let limited = SuiteContext { limit: Some(6), parts: Parts::default(), ..context };
    let found = run(root, Some("voc2007"), &limited);
    assert_eq!((found.scores.len(), found.scores[0].n), (1, 6), "one task alone has no mean");
}

/// What an archive within an archive leaves behind is no dataset, and one that cannot be right keeps no other from being measured.
#[test]
fn leftovers_and_damage_stay_apart() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    write(&root.join("vtab/caltech101/caltech-101/readme.txt"), "");
    for class in 0..2 {
        for number in 0..4 {
            let name = format!("vtab/caltech101/101_ObjectCategories/class{class}/{number}.jpg");
            image(&root.join(name), class, number);
        }
    }
    let found = open_transfer(root, TransferDataset::Caltech101).unwrap();
    assert_eq!(
        (found.train.len() + found.val.len(), found.test.len()),
        (8, 0),
        "fewer than thirty of each class"
    );
    food(root);
    write(&root.join("SUN397/ClassName.txt"), "/a/abbey\n");
    std::fs::remove_dir_all(root.join("vtab")).unwrap();
    let context = SuiteContext { workers: 1, ..Default::default() };
    let found = run(root, None, &context);
    assert_eq!(found.scores.len(), 1, "{:?}", found.scores);
    assert!(
        found.notes[0].starts_with("sun397: ") && found.notes[0].contains("Training_01.txt"),
        "{:?}",
        found.notes
    );
    assert!(SUITES[0].open(root, Some("sun397"), &context).is_err());
}

#[test]
fn what_is_wrong_with_a_dataset_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let fail = |dataset: &str| open_transfer(root, dataset.parse().unwrap()).err().unwrap();
    assert!(matches!(fail("food101"), Error::Missing { .. }));
    let none = SUITES[0].open(root, None, &SuiteContext::default()).err().unwrap();
    assert!(matches!(none, visrep_probe::Error::MissingData { .. }));
    food(root);
    write(&root.join("food-101/meta/test.txt"), "apple_pie/1\nwaffles/2\n");
    let error = fail("food101").to_string();
    assert!(error.contains("test.txt:2") && error.contains("waffles"), "{error}");
    voc(root);
    let main = root.join("VOCdevkit/VOC2007/ImageSets/Main");
    assert_eq!(VocSplit::open(&root.join("VOCdevkit/VOC2007"), "val").unwrap().images.len(), 12);
    for (text, words) in [
        ("000000 1\n000001\n", "is no name and label"),
        ("000000 1\n", "has 1 images"),
        ("000000 2\n", "another label"),
    ] {
        let name = if text.contains(" 2") { "aeroplane_train.txt" } else { "cat_train.txt" };
        let kept = std::fs::read(main.join(name)).unwrap();
        let rest: String = (1..12).map(|number| format!("{number:06} -1\n")).collect();
        let text = if words.starts_with("has") { text.to_owned() } else { text.to_owned() + &rest };
        write(&main.join(name), &text[..]);
        let error = fail("voc2007").to_string();
        assert!(error.contains(name), "{error}");
        if !words.starts_with("is no") {
            assert!(error.contains(words), "{words}: {error}");
        }
        std::fs::write(main.join(name), kept).unwrap();
    }
    assert_eq!(TransferDataset::ALL.len(), SUITES[0].tasks().len());
}
