//! The suite of outliers of one's choice end to end on tiny images.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

mod support;

use support::{add, constant, drawn, images, logits, near, random, run, value};
use visrep_metrics::{auroc, average_precision, fpr_at_recall};
use visrep_probe::Error;

const IN: [&str; 4] = ["ood/in/a.png", "ood/in/deep/b.png", "ood/in/deep/c.png", "ood/in/d.png"];

#[test]
fn every_folder_is_a_set_of_its_own() {
    let root = images(&IN);
    add(root.path(), &["ood/noise/0.png", "ood/noise/1.png", "ood/noise/2.png"]);
    std::fs::write(root.path().join("ood/README.md"), "a loose file").unwrap();
    let model = random(10);
    let found = run("ood", None, root.path(), &model).unwrap();
    let scores = ["msp", "max-logit", "energy", "typicality", "rectified msp", "rectified energy"];
    for score in scores {
        for metric in ["auroc", "aupr", "fpr95"] {
            let value = value(&found, &format!("noise {score}"), metric);
            assert!((0.0..=1.0).contains(&value), "{score} {metric}: {value}");
        }
    }
    assert!(found.scores.iter().all(|score| score.n == 5), "half of the inliers say what is typical");
    // Which two of the four were compared is drawn: one of the six pairs gives all three figures.
    let outliers = logits(&model, &[0, 1, 2].map(drawn));
    let inliers = logits(&model, &[0, 1, 2, 3].map(drawn));
    let highest = |row: &Vec<f32>| -row.iter().map(|&z| f64::from(z)).fold(f64::NEG_INFINITY, f64::max);
    let positive = [true, true, true, false, false];
    let pairs = (0..4).flat_map(|a| (a + 1..4).map(move |b| (a, b)));
    let fits = |(a, b): (usize, usize)| {
        let rows = outliers.iter().chain([&inliers[a], &inliers[b]]);
        let scores: Vec<f64> = rows.map(highest).collect();
        let figures = [
            ("auroc", auroc(&scores, &positive).unwrap()),
            ("aupr", average_precision(&scores, &positive).unwrap()),
            ("fpr95", fpr_at_recall(&scores, &positive, 0.95).unwrap()),
        ];
        figures
            .iter()
            .all(|(metric, expected)| (value(&found, "noise max-logit", metric) - expected).abs() < 1e-9)
    };
    assert!(pairs.into_iter().any(fits));

    add(root.path(), &["ood/art/x.png"]);
    let found = run("ood", None, root.path(), &constant(10, &[(3, 2.0)])).unwrap();
    // All images alike: nothing tells them apart, by any score.
    near(value(&found, "art energy", "auroc"), 0.5);
    near(value(&found, "noise typicality", "auroc"), 0.5);
    near(value(&found, "noise rectified max-logit", "auroc"), 0.5);
}

#[test]
fn what_is_missing_is_told() {
    let root = images(&["ood/noise/0.png"]);
    let open = |root: &std::path::Path| run("ood", None, root, &random(1000)).unwrap_err();
    assert!(matches!(open(root.path()), Error::MissingData { .. }), "there are no inliers");
    add(root.path(), &["imagenet/val/n01440764/a.JPEG", "imagenet/val/n01498041/b.JPEG"]);
    run("ood", None, root.path(), &random(1000)).unwrap();
    let error = run("ood", None, root.path(), &random(10)).unwrap_err().to_string();
    assert!(error.contains("needs one of the 1000 classes"), "{error}");
    add(root.path(), &["ood/in/a.png"]);
    assert!(open(root.path()).to_string().contains("one image of what"));
    add(root.path(), &["ood/in/b.png"]);
    let none = run("ood", None, root.path(), &random(0)).unwrap_err().to_string();
    assert!(none.contains("has no classifier"), "{none}");
    std::fs::create_dir(root.path().join("ood/empty")).unwrap();
    assert!(open(root.path()).to_string().contains("has no image below it"));
    std::fs::remove_dir_all(root.path().join("ood/noise")).unwrap();
    std::fs::remove_dir_all(root.path().join("ood/empty")).unwrap();
    assert!(matches!(open(root.path()), Error::MissingData { .. }), "there are no outliers");
}
