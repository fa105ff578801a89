//! Every labelled suite end to end on tiny sets laid out as the published ones, with their odd corners.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

mod support;

use support::{
    add, arg_max, constant, context, drawn, file, images, logits, near, npy, random, read, run, run_in, value,
};
use visrep_metrics::{auroc, average_precision, fpr_at_recall};
use visrep_probe::{Error, SuiteContext};
use visrep_robustness::{ClassSubset, synset_name};

/// Class 0 is tench, in neither ImageNet-A nor R; 6 is stingray, in both.
const VAL: [&str; 4] = [
    "imagenet/val/n01440764/ILSVRC2012_val_00000001.JPEG",
    "imagenet/val/n01440764/ILSVRC2012_val_00000002.JPEG",
    "imagenet/val/n01498041/ILSVRC2012_val_00000003.JPEG",
    "imagenet/val/n15075141/ILSVRC2012_val_00000004.JPEG",
];

#[test]
fn every_figure_of_a_labelled_set() {
    let root = images(&VAL);
    let model = constant(1000, &[(0, 9.0), (6, 5.0), (999, 3.0)]);
    let found = run("imagenet-val", None, root.path(), &model).unwrap();
    let of = |metric: &str| value(&found, "imagenet-val", metric);
    near(of("top1"), 0.5);
    // 0, 6, 999, and of the equal ones the first two.
    near(of("top5"), 1.0);
    let all: f64 = [9.0_f64, 5.0, 3.0].iter().map(|z| z.exp()).sum::<f64>() + 997.0;
    let p = |z: f64| z.exp() / all;
    near(of("nll"), -(2.0 * p(9.0).ln() + p(5.0).ln() + p(3.0).ln()) / 4.0);
    near(of("ece"), (p(9.0) - 0.5).abs());
    near(of("rms-calibration"), (p(9.0) - 0.5).abs());
    near(of("rms-calibration-published"), 0.0);
    near(of("aurra"), (1.0 + 1.0 + 2.0 / 3.0 + 0.5) / 4.0);
    let (temperature, scaled) = (of("temperature"), of("scaled-ece"));
    assert!((0.2..=5.0).contains(&temperature) && (0.0..=1.0).contains(&scaled), "{temperature} {scaled}");
    let score = found.scores.iter().find(|score| score.metric == "scaled-nll").unwrap();
    assert!(score.protocol["scaling"].contains("the other half") && score.value > 0.0);
    assert!(of("brier") > 0.5 && of("adaptive-ece") > 0.0 && of("class-wise-ece") > 0.0);
    for metric in ["top1", "top5", "nll", "brier", "ece", "adaptive-ece", "rms-calibration", "aurra"] {
        let score = found.scores.iter().find(|score| score.metric == metric).unwrap();
        let interval = score.interval.as_ref().unwrap();
        assert!(interval.low <= interval.high && interval.low <= score.value + 0.5, "{metric}: {interval:?}");
        assert_eq!((score.n, score.data.as_str()), (4, "imagenet-val"));
    }
    assert_eq!(found.verdicts[0].correct, [true, true, false, false]);
    assert_eq!(found.scores[0].protocol["images"], "4 of the 50000 published");
}

#[test]
fn temperatures_are_of_the_other_half() {
    let model = constant(1000, &[(0, 0.5), (6, 0.25)]);
    // All are right, or all wrong: the lowest temperature is the best, or the highest, and every image gets it.
    for (class, expected) in [("n01440764", 0.2_f64), ("n15075141", 5.0)] {
        let places = [0, 1, 2, 3, 4].map(|number| format!("imagenet/val/{class}/{number}.JPEG"));
        let root = images(&places.each_ref().map(String::as_str));
        let found = run("imagenet-val", None, root.path(), &model).unwrap();
        let temperature = value(&found, "imagenet-val", "temperature");
        assert!((temperature - expected).abs() < 1e-4, "{temperature}");
        let of = |z: f64| (z / temperature).exp();
        let all = of(0.5) + of(0.25) + 998.0;
        let label = if expected < 1.0 { of(0.5) } else { 1.0 };
        let nll = value(&found, "imagenet-val", "scaled-nll");
        assert!((nll + (label / all).ln()).abs() < 1e-6, "{nll}");
        let right = f64::from(u8::from(expected < 1.0));
        let ece = value(&found, "imagenet-val", "scaled-ece");
        assert!((ece - (right - of(0.5) / all).abs()).abs() < 1e-6, "{ece}");
    }
}

#[test]
fn a_random_network_is_scored_as_by_hand() {
    let root = images(&VAL);
    let model = random(1000);
    let by_hand: Vec<_> = logits(&model, &[0, 1, 2, 3].map(drawn)).iter().map(|row| arg_max(row)).collect();
    let labels = [0, 0, 6, 999];
    let correct: Vec<_> = by_hand.iter().zip(labels).map(|(&a, b)| a == b).collect();
    let found = run("imagenet-val", None, root.path(), &model).unwrap();
    assert_eq!(found.verdicts[0].correct, correct);
}

#[test]
fn classes_are_cut_before_the_arg_max() {
    let root = images(&VAL);
    let sting = "n01498041";
    let in_a = synset_name(ClassSubset::A.indices()[3]).unwrap();
    let places = [
        format!("imagenet-a/{sting}/a.jpg"),
        format!("imagenet-a/{in_a}/b.jpg"),
        format!("imagenet-a/{in_a}/c.jpg"),
    ];
    add(root.path(), &places.each_ref().map(String::as_str));
    file(root.path(), "imagenet-a/README.txt", "a loose file");
    add(root.path(), &["imagenet-r/n01498041/sketch_1.jpg", "imagenet-r/n01443537/art_0.jpg"]);
    // Over all 1000 every prediction would be 0.
    let model = constant(1000, &[(0, 9.0), (6, 5.0), (1, 4.0)]);
    let found = run("imagenet-a", None, root.path(), &model).unwrap();
    near(value(&found, "imagenet-a", "top1"), 1.0 / 3.0);
    near(value(&found, "imagenet-val-same-classes", "top1"), 1.0);
    assert!(found.scores[0].protocol["classes"].contains("200 of ImageNet-A"));
    let found = run("imagenet-r", None, root.path(), &model).unwrap();
    near(value(&found, "imagenet-r", "top1"), 0.5);
    std::fs::remove_dir_all(root.path().join("imagenet")).unwrap();
    let found = run("imagenet-r", None, root.path(), &model).unwrap();
    assert!(found.scores.iter().all(|score| score.task == "imagenet-r"), "there are no usual images");
}

#[test]
fn numeric_folders_are_class_indices() {
    let top = "imagenetv2-top-images-format-val";
    let places =
        ["0/a.jpeg", "1/b.jpeg", "2/c.jpeg", "10/d.jpeg", "100/e.jpeg"].map(|place| format!("{top}/{place}"));
    let root = images(&places.each_ref().map(String::as_str));
    // As strings, 10 would be the third folder.
    for (class, expected) in [(10, 0.2), (2, 0.2), (3, 0.0)] {
        let found = run("imagenet-v2", None, root.path(), &constant(1000, &[(class, 5.0)])).unwrap();
        near(value(&found, "top-images", "top1"), expected);
        assert_eq!(found.notes.len(), 2, "two of the three sets are not there: {:?}", found.notes);
    }
    let only = run("imagenet-v2", Some("threshold-0.7"), root.path(), &random(1000));
    assert!(matches!(only, Err(Error::MissingData { .. })));
}

#[test]
fn sketch_and_stylized_have_all_classes() {
    let root = images(&["sketch/n01440764/sketch_0.JPEG", "stylized-imagenet/val/n15075141/x.JPEG"]);
    let model = constant(1000, &[(999, 5.0)]);
    near(value(&run("imagenet-sketch", None, root.path(), &model).unwrap(), "imagenet-sketch", "top1"), 0.0);
    near(
        value(&run("stylized-imagenet", None, root.path(), &model).unwrap(), "stylized-imagenet", "top1"),
        1.0,
    );
}

#[test]
fn reassessed_labels_leave_empty_lists_out() {
    let root = images(&VAL);
    file(root.path(), "imagenet-real/real.json", "[[], [5, 0], [7], [0, 999]]");
    let found = run("imagenet-real", None, root.path(), &constant(1000, &[(0, 5.0)])).unwrap();
    near(value(&found, "imagenet-real", "top1"), 2.0 / 3.0);
    assert_eq!(found.verdicts[0].correct, [true, false, true]);
    assert_eq!(
        found.scores[0].protocol["images"],
        "3 with labels; 1 without are left out; 4 of the 50000 published of validation"
    );
    let limited = SuiteContext { limit: Some(2), ..context() };
    let found = run_in("imagenet-real", None, root.path(), &constant(1000, &[(0, 5.0)]), &limited).unwrap();
    assert_eq!(found.verdicts[0].correct, [true, false]);
    for (wrong, part) in [
        ("[[1], [2]]", "ILSVRC2012_val_00000003.JPEG, which is none of the 2"),
        ("[[1], [2], [3], [1000]]", "image 4 the label 1000"),
        ("{}", "is no list of lists"),
        ("[]", "is an empty list"),
        ("[[], [], [], []]", "has no image to which"),
    ] {
        file(root.path(), "imagenet-real/real.json", wrong);
        let error = run("imagenet-real", None, root.path(), &random(1000)).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn outliers_are_told_by_three_scores() {
    let inlier = |nth: usize| synset_name(ClassSubset::O.indices()[nth]).unwrap();
    let places: Vec<_> = (0..3)
        .map(|nth| format!("imagenet-o/{}/out{nth}.jpg", inlier(nth)))
        .chain((0..4).map(|nth| format!("imagenet/val/{}/in{nth}.JPEG", inlier(nth))))
        .chain(["imagenet/val/n01440764/tench.JPEG".to_owned()])
        .collect();
    let root = images(&places.iter().map(String::as_str).collect::<Vec<_>>());
    let model = random(1000);
    let found = run("imagenet-o", None, root.path(), &model).unwrap();
    // Tench is no class of ImageNet-O's.
    assert!(found.scores.iter().all(|score| score.n == 7));
    let rows = logits(&model, &[0, 1, 2, 3, 4, 5, 6].map(drawn));
    let kept = |row: &Vec<f32>| ClassSubset::O.indices().map(|index| f64::from(row[usize::from(index)]));
    let energy = |row: &Vec<f32>| -kept(row).map(f64::exp).iter().sum::<f64>().ln();
    let highest = |row: &Vec<f32>| kept(row).into_iter().fold(f64::NEG_INFINITY, f64::max);
    let positive = [true, true, true, false, false, false, false];
    for (task, score) in [
        ("msp", &(|row: &Vec<f32>| -(highest(row) + energy(row)).exp()) as &dyn Fn(&Vec<f32>) -> f64),
        ("max-logit", &|row| -highest(row)),
        ("energy", &|row| energy(row)),
    ] {
        let scores: Vec<_> = rows.iter().map(score).collect();
        near(value(&found, task, "aupr"), average_precision(&scores, &positive).unwrap());
        near(value(&found, task, "auroc"), auroc(&scores, &positive).unwrap());
        near(value(&found, task, "fpr95"), fpr_at_recall(&scores, &positive, 0.95).unwrap());
    }
}

const MAPPINGS: &str = "objectnet-1.0/mappings";

fn objectnet() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let folder = "objectnet-1.0/images";
    for (number, place) in
        (0..).zip(["alarm_clock/a.png", "alarm_clock/b.png", "banana/c.png", "air_freshener/d.png"])
    {
        let inner = drawn(number);
        let framed = visrep_augment::RgbImage::from_fn(36, 36, |x, y| {
            if (2..34).contains(&x) && (2..34).contains(&y) { inner.pixel(x - 2, y - 2) } else { [255, 0, 0] }
        });
        support::write(&root.path().join(folder).join(place), &framed);
    }
    let put = |name: &str, content: &str| file(root.path(), &format!("{MAPPINGS}/{name}"), content);
    put(
        "folder_to_objectnet_label.json",
        r#"{"alarm_clock": "Alarm clock", "banana": "Banana", "air_freshener": "Air freshener"}"#,
    );
    put(
        "objectnet_to_imagenet_1k.json",
        r#"{"Alarm clock": "analog clock; digital clock", "Banana": "banana"}"#,
    );
    put("imagenet_to_label_2012_v2", "banana\ntench, Tinca tinca\ndigital clock\nanalog clock\n");
    put("pytorch_to_imagenet_2012_id.json", r#"{"954": 0, "0": 1, "530": 2, "409": 3}"#);
    root
}

#[test]
fn objectnet_loses_its_frame_and_knows_several_classes() {
    let root = objectnet();
    let found = run("objectnet", None, root.path(), &constant(1000, &[(0, 9.0), (530, 5.0)])).unwrap();
    // Tench stands for no object; an air freshener is no class of ImageNet's.
    near(value(&found, "objectnet", "top1"), 2.0 / 3.0);
    assert_eq!(found.scores[0].protocol["images"], "3 of 2 classes that are ImageNet's too");
    let model = random(1000);
    let right = |(number, own): (u32, &[usize])| {
        let row = &logits(&model, &[drawn(number)])[0];
        let best = [409, 530, 954].into_iter().max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
        own.contains(&best)
    };
    let clock: &[usize] = &[409, 530];
    let expected: Vec<_> = [(0, clock), (1, clock), (2, &[954])].into_iter().map(right).collect();
    assert_eq!(run("objectnet", None, root.path(), &model).unwrap().verdicts[0].correct, expected);

    assert!(found.scores.iter().all(|score| score.task == "objectnet"), "there are no usual images");
    // Both clocks and a banana are among the usual images, and a tench, which stands for no object.
    let usual =
        [409, 530, 954, 0].map(|class| format!("imagenet/val/{}/a.JPEG", synset_name(class).unwrap()));
    add(root.path(), &usual.each_ref().map(String::as_str));
    let found = run("objectnet", None, root.path(), &constant(1000, &[(0, 9.0), (530, 5.0)])).unwrap();
    near(value(&found, "objectnet", "top1"), 2.0 / 3.0);
    near(value(&found, "imagenet-val-same-classes", "top1"), 2.0 / 3.0);
    let last = found.scores.last().unwrap();
    assert!(last.protocol["images"].starts_with("3 of ImageNet's") && !last.protocol.contains_key("border"));

    file(root.path(), &format!("{MAPPINGS}/pytorch_to_imagenet_2012_id.json"), r#"{"954": 0, "0": 9}"#);
    let error = run("objectnet", None, root.path(), &model).unwrap_err().to_string();
    assert!(error.contains("class '0' the line 9"), "{error}");
    file(root.path(), &format!("{MAPPINGS}/pytorch_to_imagenet_2012_id.json"), r#"{"954": 0}"#);
    let error = run("objectnet", None, root.path(), &model).unwrap_err().to_string();
    assert!(error.contains("the class 'analog clock'"), "{error}");
    std::fs::remove_dir_all(root.path().join(MAPPINGS)).unwrap();
    assert!(matches!(run("objectnet", None, root.path(), &model), Err(Error::MissingData { .. })));
}

#[test]
fn backgrounds_make_a_gap_and_a_challenge() {
    let root = images(&[
        "bg_challenge/original/val/00_dog/fg_1.JPEG",
        "bg_challenge/original/val/01_bird/fg_2.JPEG",
        "bg_challenge/mixed_same/val/00_dog/fg_1.JPEG",
        "bg_challenge/mixed_same/val/00_dog/fg_2.JPEG",
        "bg_challenge/mixed_rand/val/00_dog/fg_1.JPEG",
        "bg_challenge/mixed_rand/val/08_fish/fg_2.JPEG",
        "bg_challenge/only_bg_t/val/00_dog/bg_1.JPEG",
        "bg_challenge/only_bg_t/val/05_insect/bg_2.JPEG",
    ]);
    // A golden retriever.
    let dogs = constant(1000, &[(207, 5.0)]);
    let found = run("imagenet-9", None, root.path(), &dogs).unwrap();
    near(value(&found, "original", "top1"), 0.5);
    near(value(&found, "imagenet-9", "bg-gap"), 0.5);
    assert_eq!(found.notes.len(), 4);
    // A tabby stands for none of the nine.
    let found = run("imagenet-9", Some("original"), root.path(), &constant(1000, &[(281, 5.0)])).unwrap();
    near(value(&found, "original", "top1"), 0.0);

    let masks = root.path().join("bg_challenge/fg_mask/val");
    let half: Vec<u8> = (0..32 * 32).map(|place| u8::from(place % 32 < 16)).collect();
    npy(&masks.join("00_dog/fg_1.npy"), &[32, 32], &half);
    npy(&masks.join("01_bird/fg_2.npy"), &[32, 32], &half);
    let found = run("background-challenge", None, root.path(), &dogs).unwrap();
    near(value(&found, "background-challenge", "top1"), 0.5);
    assert_eq!(found.verdicts[0].correct, [true, false]);
    // By hand: the left half is the foreground's.
    let model = random(1000);
    let held = |foreground: u32, classes: &[usize]| {
        [6, 7].into_iter().all(|background| {
            let (above, below) = (drawn(foreground), drawn(background));
            let pasted = visrep_augment::RgbImage::from_fn(32, 32, |x, y| {
                if x < 16 { above.pixel(x, y) } else { below.pixel(x, y) }
            });
            classes.contains(&arg_max(&logits(&model, &[pasted])[0]))
        })
    };
    let (dog, bird): (Vec<_>, Vec<_>) = (
        (151..269).filter(|c| ![171, 172].contains(c)).collect(),
        (7..25).chain(87..101).chain(127..147).collect(),
    );
    let found = run("background-challenge", None, root.path(), &model).unwrap();
    assert_eq!(found.verdicts[0].correct, [held(0, &dog), held(1, &bird)]);
    // A run that was stopped goes on behind its last foreground.
    let folder = tempfile::tempdir().unwrap();
    let kept = SuiteContext { parts: visrep_probe::Parts::in_folder(folder.path()), ..context() };
    let resumed = || run_in("background-challenge", None, root.path(), &dogs, &kept);
    std::fs::remove_file(masks.join("01_bird/fg_2.npy")).unwrap();
    file(root.path(), "bg_challenge/fg_mask/val/01_bird/fg_2.npy", "no mask");
    assert!(resumed().is_err());
    npy(&masks.join("01_bird/fg_2.npy"), &[32, 32], &half);
    npy(&masks.join("00_dog/fg_1.npy"), &[8, 8], &[0; 64]);
    assert_eq!(resumed().unwrap().verdicts[0].correct, [true, false]);
    npy(&masks.join("00_dog/fg_1.npy"), &[32, 32], &half);
    npy(&masks.join("01_bird/fg_2.npy"), &[8, 8], &[0; 64]);
    let error = run("background-challenge", None, root.path(), &dogs).unwrap_err().to_string();
    assert!(error.contains("fg_2.npy holds an array [8, 8]"), "{error}");
    add(root.path(), &["bg_challenge/only_fg/val/dogs/a.JPEG"]);
    let error = run("imagenet-9", None, root.path(), &dogs).unwrap_err().to_string();
    assert!(error.contains("'dogs'"), "{error}");
}

#[test]
fn decisions_follow_shape_or_texture() {
    for folder in ["cue-conflict", "cue-conflict/airplane"] {
        let names = ["airplane1-cat1.png", "cat1-airplane1.png", "airplane2-airplane3.png", "dog1-cat1.png"];
        let places = names.map(|name| format!("{folder}/{name}"));
        let root = images(&places.each_ref().map(String::as_str));
        let found = run("cue-conflict", None, root.path(), &constant(1000, &[(404, 9.0)])).unwrap();
        near(value(&found, "cue-conflict", "shape-bias"), 0.5);
        near(value(&found, "airplane", "shape-bias"), 1.0);
        near(value(&found, "cue-conflict", "decided"), 2.0 / 3.0);
        near(value(&found, "cue-conflict", "top1"), 1.0 / 3.0);
    }
    let root = images(&["cue-conflict/plane1-cat1.png"]);
    let error = run("cue-conflict", None, root.path(), &random(1000)).unwrap_err().to_string();
    assert!(error.contains("plane1-cat1.png is not named for two of the 16"), "{error}");
}

#[test]
fn bad_input_is_named() {
    let root = images(&VAL);
    let empty = tempfile::tempdir().unwrap();
    for suite in visrep_robustness::SUITES {
        let error = suite.open(empty.path(), None, &context()).err().unwrap();
        assert!(matches!(error, Error::MissingData { .. }), "{error}");
        assert!(error.to_string().contains(suite.info().name), "{error}");
    }
    let ten = run("imagenet-val", None, root.path(), &random(10)).unwrap_err().to_string();
    assert!(
        ten.contains("a classifier of 10 classes: this suite needs one of the 1000 classes of ImageNet-1k"),
        "{ten}"
    );
    let none = run("imagenet-val", None, root.path(), &random(0)).unwrap_err().to_string();
    assert!(none.contains("has no classifier"), "{none}");
    file(root.path(), "imagenet/val/n01440764/ILSVRC2012_val_00000002.JPEG", "no image");
    let error = run("imagenet-val", None, root.path(), &random(1000)).unwrap_err().to_string();
    assert!(error.contains("n01440764/ILSVRC2012_val_00000002.JPEG"), "{error}");
    std::fs::create_dir(root.path().join("imagenet/val/n99999999")).unwrap();
    std::fs::copy(
        root.path().join("imagenet/val/n15075141/ILSVRC2012_val_00000004.JPEG"),
        root.path().join("imagenet/val/n99999999/x.JPEG"),
    )
    .unwrap();
    let error = run("imagenet-val", None, root.path(), &random(1000)).unwrap_err().to_string();
    assert!(error.contains("'n99999999', which is no synset"), "{error}");
    assert_eq!(read(&root.path().join("imagenet/val/n99999999/x.JPEG")), drawn(3));
}
