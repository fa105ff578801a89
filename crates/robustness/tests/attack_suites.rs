//! Suites of attacks end to end on tiny images.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

mod support;

use support::{constant, context, drawn, file, images, near, random, run, run_in, value};
use tch::{Kind, Tensor};
use visrep_augment::RgbImage;
use visrep_models::{Model, ModelOptions, Taps};
use visrep_probe::{Error, Findings, SuiteContext};

const TENCH: &str = "n01440764";

#[test]
fn attacks_are_at_the_published_budgets() {
    let places: Vec<_> = (0..4).map(|nth| format!("imagenet/val/{TENCH}/{nth}.JPEG")).collect();
    let root = images(&places.iter().map(String::as_str).collect::<Vec<_>>());
    // Whatever is done to an image, the head says tench.
    let found = run("attacks", Some("fgsm-linf-4"), root.path(), &constant(1000, &[(0, 5.0)])).unwrap();
    near(value(&found, "clean", "top1"), 1.0);
    near(value(&found, "fgsm-linf-4", "top1"), 1.0);
    assert_eq!(found.scores[1].protocol["attack"], "one step of L-infinity 4/255");
    let found =
        run("attacks", Some("spatial-worst-of-10"), root.path(), &constant(1000, &[(6, 5.0)])).unwrap();
    near(value(&found, "spatial-worst-of-10", "top1"), 0.0);
    assert!(
        found.scores[1].protocol["attack"].starts_with("shifts of at most 3 pixels, turns of at most 30")
    );
    let limited = SuiteContext { limit: Some(2), ..context() };
    let found = run_in("attacks", Some("fgsm-linf-4"), root.path(), &random(1000), &limited).unwrap();
    assert!(found.scores.iter().all(|score| score.n == 2));
    assert!(value(&found, "fgsm-linf-4", "top1") <= value(&found, "clean", "top1"));
    let lpa = Some("lpa-alexnet-0.5");
    let missing = run("attacks", lpa, root.path(), &random(1000)).unwrap_err().to_string();
    assert!(missing.contains("lpips/alexnet.safetensors"), "{missing}");
    let trunk = Model::create("alexnet", &ModelOptions { seed: Some(1), ..Default::default() }).unwrap();
    std::fs::create_dir(root.path().join("lpips")).unwrap();
    trunk.save_weights(root.path().join("lpips/alexnet.safetensors")).unwrap();
    let small = run("attacks", lpa, root.path(), &constant(1000, &[(0, 5.0)])).unwrap_err().to_string();
    assert!(small.contains("3, 32, 32]") && small.contains("at least 63"), "{small}");
    let sizes = ModelOptions {
        num_classes: Some(1000),
        image_size: Some((64, 64)),
        patch_size: Some(16),
        ..Default::default()
    };
    let always = Model::create("mocov3_vit_w96_patch4_16", &sizes).unwrap();
    tch::no_grad(|| {
        let variables = always.var_store().variables();
        let _ = variables["head.weight"].shallow_clone().zero_();
        let _ = variables["head.bias"].get(0).fill_(5.0);
    });
    let found = run_in("attacks", lpa, root.path(), &always, &limited).unwrap();
    near(value(&found, "lpa-alexnet-0.5", "top1"), 1.0);
    let none = tempfile::tempdir().unwrap();
    assert!(matches!(run("attacks", None, none.path(), &random(1000)), Err(Error::MissingData { .. })));
}

/// Two images that hardly differ.
fn twins() -> [RgbImage; 2] {
    let other = |x, y| drawn(3).pixel(x, y).map(|value| value ^ 1);
    [drawn(3), RgbImage::from_fn(32, 32, other)]
}

/// A network that takes the one for class 0 and the other for class 1, with the border halfway.
fn fickle(classes: i64) -> Model {
    let model = random(classes);
    let features = |image: &RgbImage| {
        let x = model
            .preprocessing()
            .normalize(&Tensor::from_slice(image.data()).view([1, 32, 32, 3]), model.device());
        tch::no_grad(|| model.backbone().forward_with_taps(&x.unwrap(), false, Taps::None)).unwrap().pooled
    };
    let [a, b] = twins().each_ref().map(features);
    tch::no_grad(|| {
        let variables = model.var_store().variables();
        let _ = variables["fc.weight"].shallow_clone().zero_();
        let bias = variables["fc.bias"].shallow_clone().fill_(-20.0);
        let across = (&a - &b) / (&a - &b).square().sum(Kind::Float) * 8.0;
        let middle = ((&a + &b) * 0.5 * &across).sum(Kind::Float);
        variables["fc.weight"].get(0).copy_(&across.view([-1]));
        bias.get(0).copy_(&-middle);
        let _ = bias.get(1).fill_(0.0);
    });
    model
}

#[test]
fn every_attack_runs_and_none_helps() {
    let model = fickle(1000);
    let root = tempfile::tempdir().unwrap();
    for (class, image) in ["n01440764", "n01443537"].iter().zip(twins()) {
        support::write(&root.path().join(format!("imagenet/val/{class}/a.JPEG")), &image);
    }
    let found = run("attacks", None, root.path(), &model).unwrap();
    near(value(&found, "clean", "top1"), 1.0);
    let mut worst = 1.0_f64;
    for task in support::suite("attacks").tasks() {
        if task.starts_with("lpa") {
            assert!(found.notes.iter().any(|note| note.starts_with(&task)), "there is no AlexNet");
            continue;
        }
        let top1 = value(&found, &task, "top1");
        if task.ends_with("-linf-4") {
            worst = worst.min(top1);
            assert!(top1 < 1.0, "{task}: the border is half a level away");
        }
    }
    assert!(value(&found, "worst-of-linf-4", "top1") <= worst);
    assert!(value(&found, "spatial-grid", "top1") <= value(&found, "spatial-grid-turns", "top1"));
    assert!(value(&found, "spatial-grid", "top1") <= value(&found, "spatial-grid-shifts", "top1"));
    assert!(value(&found, "pgd-linf-2", "top1") <= value(&found, "pgd-linf-0.5", "top1"));
    let protocol =
        |task: &str| found.scores.iter().find(|score| score.task == task).unwrap().protocol["attack"].clone();
    assert_eq!(protocol("pgd-linf-0.5"), "L-infinity 0.5/255, 100 steps of 3 % of it, random start");
    assert_eq!(protocol("pgd-l2-0.5"), "L2 0.0714, 100 steps of 10 % of it, random start");
    assert!(protocol("spatial-grid-turns").contains("a grid of 1 x 1 x 31"));
    assert!(
        protocol("worst-of-linf-4").contains("fgsm-linf-4, apgd-ce-linf-4, apgd-t-linf-4, square-linf-4")
    );
}

/// CIFAR-10's test images in their binary form.
fn cifar(root: &std::path::Path, images: &[(u8, RgbImage)]) {
    let mut bytes = Vec::new();
    for (label, image) in images {
        bytes.push(*label);
        for channel in 0..3 {
            bytes.extend(image.data().iter().skip(channel).step_by(3));
        }
    }
    std::fs::create_dir_all(root.join("cifar-10-batches-bin")).unwrap();
    std::fs::write(root.join("cifar-10-batches-bin/test_batch.bin"), bytes).unwrap();
}

#[test]
fn cifars_budgets_are_robustbenchs() {
    let root = tempfile::tempdir().unwrap();
    let model = fickle(10);
    let [first, second] = twins();
    cifar(root.path(), &[(0, first), (1, second)]);
    let top1 = |found: &Findings, task: &str| value(found, task, "top1");
    let weak = [
        "fgsm-linf-8",
        "pgd-linf-2",
        "apgd-ce-linf-8",
        "apgd-t-linf-8",
        "apgd-ce-l2-0.5",
        "apgd-t-l2-0.5",
        "square-linf-8",
        "square-l2-0.5",
    ];
    for task in weak {
        let found = run("attacks-cifar-10", Some(task), root.path(), &model).unwrap();
        near(top1(&found, "clean"), 1.0);
        assert!(top1(&found, task) < 1.0, "{task}: the border is half a level away");
    }
    let found = run("attacks-cifar-10", Some("apgd-t-l2-0.5"), root.path(), &model).unwrap();
    let protocol = &found.scores[1].protocol;
    assert_eq!(protocol["attack"], "L2 0.5, 9 targets of 100 steps each");
    assert_eq!(protocol["images"], "2, evenly spread over CIFAR-10's test images");
    for task in ["spatial-grid-shifts", "spatial-vote-of-10"] {
        let found = run("attacks-cifar-10", Some(task), root.path(), &model).unwrap();
        assert!((0.0..=1.0).contains(&top1(&found, task)), "{task}");
    }
    let thousand = run("attacks-cifar-10", Some("fgsm-linf-8"), root.path(), &random(1000));
    assert!(thousand.unwrap_err().to_string().contains("10 classes of CIFAR-10"));
}

#[test]
fn robustbenchs_list_says_which_images() {
    let places: Vec<_> =
        (0..4).map(|nth| format!("imagenet/val/{TENCH}/ILSVRC2012_val_0000000{nth}.JPEG")).collect();
    let root = images(&places.iter().map(String::as_str).collect::<Vec<_>>());
    let list = "robustbench/imagenet_test_image_ids.txt";
    let lines = [3, 1].map(|nth| format!("val/{TENCH}/ILSVRC2012_val_0000000{nth}.JPEG\n"));
    file(root.path(), list, &lines.concat());
    let model = random(1000);
    let attack = || run("attacks", Some("fgsm-linf-4"), root.path(), &model);
    let found = attack().unwrap();
    assert!(found.scores.iter().all(|score| score.n == 2));
    assert_eq!(found.scores[0].protocol["images"], "2, of the first 5000 of RobustBench's list");
    file(root.path(), list, "val/n01440764/ILSVRC2012_val_00000009.JPEG");
    let error = attack().unwrap_err().to_string();
    assert!(error.contains("names 'val/n01440764/ILSVRC2012_val_00000009.JPEG'"), "{error}");
    file(root.path(), list, "\n");
    assert!(attack().unwrap_err().to_string().contains("names no image"));
}

#[test]
fn one_change_is_tried_on_the_other_half() {
    let places: Vec<_> = (0..6).map(|nth| format!("imagenet/val/{TENCH}/{nth}.JPEG")).collect();
    let root = images(&places.iter().map(String::as_str).collect::<Vec<_>>());
    let suite = "universal-perturbations";
    let model = random(1000);
    let found = run(suite, Some("targeted-linf-8"), root.path(), &model).unwrap();
    let of = |task: &str, metric: &str| value(&found, task, metric);
    assert!(found.scores.iter().all(|score| score.n == 3), "half of the images");
    // All patches in their place are the change itself; so is a change that is not moved.
    for name in ["targeted-linf-8", "targeted-linf-8 single"] {
        near(of(&format!("{name} patches/64"), "success"), of(name, "success"));
        near(of(&format!("{name} moved/0,0"), "success"), of(name, "success"));
    }
    assert!(of("targeted-linf-8", "success") >= of("targeted-linf-8", "success-without"));
    assert_eq!(found.scores.iter().filter(|score| score.task.contains(" moved/")).count(), 32);
    // A head that says one thing is not moved.
    let found = run(suite, None, root.path(), &constant(1000, &[(0, 5.0)])).unwrap();
    for (task, top1) in [("targeted-linf-8", 1.0), ("targeted-l2-6", 1.0), ("untargeted-linf-8", 1.0)] {
        near(value(&found, task, "success"), 0.0);
        near(value(&found, task, "top1"), top1);
    }
    let one = SuiteContext { limit: Some(1), ..context() };
    let error = run_in(suite, None, root.path(), &model, &one).unwrap_err().to_string();
    assert!(error.contains("fewer than two images"), "{error}");
}
