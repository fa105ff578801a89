//! Tiny copies of published sets, laid out as their archives unpack, and classifiers whose predictions are known.

#![allow(dead_code)] // each test takes what it needs

use std::path::{Path, PathBuf};
use tch::{Kind, Tensor};
use visrep_augment::{RgbImage, Transform, view_rng};
use visrep_decode::{DecodeOptions, decode, encode_png};
use visrep_models::{Model, ModelOptions};
use visrep_probe::{Error, Findings, Suite, SuiteContext, eval_transform};
use visrep_robustness::SUITES;

/// An image that no other number has.
pub(crate) fn drawn(number: u32) -> RgbImage {
    RgbImage::from_fn(32, 32, |x, y| {
        let wave = (x * (1 + number % 5) + y * (1 + number % 3)) * 8;
        [wave as u8, (number * 40) as u8, ((x / (2 + number % 4) + y / 4) % 2 * 200) as u8]
    })
}

pub(crate) fn write(path: &Path, image: &RgbImage) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, encode_png(image).unwrap()).unwrap();
}

/// A folder with a drawn image at each of these places.
pub(crate) fn images(places: &[&str]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    add(root.path(), places);
    root
}

/// The same, beside what is there.
pub(crate) fn add(root: &Path, places: &[&str]) {
    for (number, place) in (0..).zip(places) {
        write(&root.join(place), &drawn(number));
    }
}

/// A file of any content.
pub(crate) fn file(root: &Path, place: &str, content: &str) {
    let path = root.join(place);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

/// An `.npy` file of bytes of a shape.
pub(crate) fn npy(path: &Path, shape: &[usize], bytes: &[u8]) {
    let sizes: Vec<_> = shape.iter().map(ToString::to_string).collect();
    let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({},), }}\n", sizes.join(", "));
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.bytes());
    file.extend(bytes);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, file).unwrap();
}

/// A small network with initial weights.
pub(crate) fn random(classes: i64) -> Model {
    let options = ModelOptions { num_classes: Some(classes), seed: Some(3), ..Default::default() };
    Model::create("resnet18_cifar_w16", &options).unwrap()
}

/// One that gives every image the same logits: 0 but for these classes.
pub(crate) fn constant(classes: i64, logits: &[(i64, f64)]) -> Model {
    let model = random(classes);
    tch::no_grad(|| {
        let variables = model.var_store().variables();
        let _ = variables["fc.weight"].shallow_clone().zero_();
        let bias = variables["fc.bias"].shallow_clone().zero_();
        for &(class, logit) in logits {
            let _ = bias.get(class).fill_(logit);
        }
    });
    model
}

/// The logits of images, by the plainest way.
pub(crate) fn logits(model: &Model, images: &[RgbImage]) -> Vec<Vec<f32>> {
    let transform = eval_transform(model.preprocessing()).unwrap();
    let row = |image: &RgbImage| {
        let seen = transform.apply(image.clone(), &mut view_rng(0, 0, 0, 0));
        let size = [1, i64::from(seen.height()), i64::from(seen.width()), 3];
        let x = model
            .preprocessing()
            .normalize(&Tensor::from_slice(seen.data()).view(size), model.device())
            .unwrap();
        let logits = tch::no_grad(|| model.forward(&x, false)).unwrap();
        Vec::<f32>::try_from(logits.to_kind(Kind::Float).flatten(0, -1)).unwrap()
    };
    images.iter().map(row).collect()
}

pub(crate) fn arg_max(row: &[f32]) -> usize {
    (1..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best })
}

pub(crate) fn read(path: &Path) -> RgbImage {
    decode(&std::fs::read(path).unwrap(), &DecodeOptions::default()).unwrap()
}

/// Every file below a folder, sorted.
pub(crate) fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

pub(crate) fn suite(name: &str) -> &'static dyn Suite {
    SUITES.into_iter().find(|suite| suite.info().name == name).unwrap()
}

pub(crate) fn context() -> SuiteContext {
    SuiteContext { workers: 1, batch_size: 3, ..Default::default() }
}

pub(crate) fn run(name: &str, task: Option<&str>, root: &Path, model: &Model) -> Result<Findings, Error> {
    run_in(name, task, root, model, &context())
}

pub(crate) fn run_in(
    name: &str,
    task: Option<&str>,
    root: &Path,
    model: &Model,
    context: &SuiteContext,
) -> Result<Findings, Error> {
    let opened = suite(name).open(root, task, context)?;
    assert_eq!(opened.fingerprint()?, suite(name).open(root, task, context)?.fingerprint()?);
    opened.run(model, context)
}

/// The value of a figure that there must be.
#[track_caller]
pub(crate) fn value(found: &Findings, task: &str, metric: &str) -> f64 {
    let of = |score: &&visrep_metrics::Score| score.task == task && score.metric == metric;
    found.scores.iter().find(of).unwrap_or_else(|| panic!("no {metric} of {task}")).value
}

#[track_caller]
pub(crate) fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9, "{found}, expected {expected}");
}
