//! Every form of distance on real networks, against the formulas written out; and images whose size a network does not take.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

use tch::{Kind, Tensor};
use visrep_augment::{Filter, RgbImage, resize};
use visrep_models::{Model, ModelOptions, Taps};
use visrep_perceptual::{
    DistanceForm, Error, FeatureDistances, ImageDistance, ImageDistances, LpipsNet, PerceptualDistance,
    perceptual_taps,
};

fn model(name: &str, options: ModelOptions) -> Model {
    Model::create(name, &ModelOptions { num_classes: Some(0), seed: Some(0), ..options }).unwrap()
}

fn image(side: u32, shift: u32) -> RgbImage {
    RgbImage::from_fn(side, side, |x, y| [((x + shift) * 8) as u8, (y * 7) as u8, (x * y + shift) as u8])
}

fn input(model: &Model, image: &RgbImage) -> Tensor {
    let size = [1, i64::from(image.height()), i64::from(image.width()), 3];
    model.preprocessing().normalize(&Tensor::from_slice(image.data()).view(size), model.device()).unwrap()
}

type Rows = Vec<Vec<f64>>;

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

fn squares(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum()
}

/// A tap of one image as rows of channels, one for each position.
fn rows(tap: &Tensor) -> Rows {
    let tap = tap.get(0).to_kind(Kind::Double);
    Rows::try_from(if tap.dim() == 3 { tap.flatten(1, -1).tr() } else { tap }).unwrap()
}

fn unit(rows: &Rows) -> Rows {
    let norm = |row: &Vec<f64>| dot(row, row).sqrt() + 1e-10;
    rows.iter().map(|row| row.iter().map(|x| x / norm(row)).collect()).collect()
}

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    1.0 - dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

fn gram(rows: &Rows) -> Vec<f64> {
    let (c, p) = (rows[0].len(), rows.len() as f64);
    (0..c * c).map(|at| rows.iter().map(|row| row[at / c] * row[at % c]).sum::<f64>() / p).collect()
}

fn mean(rows: &Rows) -> Vec<f64> {
    (0..rows[0].len()).map(|c| rows.iter().map(|row| row[c]).sum::<f64>() / rows.len() as f64).collect()
}

fn by_hand(form: DistanceForm, a: &Rows, b: &Rows) -> f64 {
    let (ua, ub) = (unit(a), unit(b));
    match form {
        DistanceForm::Baseline => {
            ua.iter().zip(&ub).map(|(x, y)| squares(x, y)).sum::<f64>() / ua.len() as f64
        }
        DistanceForm::Cosine => cosine(&a.concat(), &b.concat()),
        DistanceForm::Style => squares(&gram(&ua), &gram(&ub)),
        DistanceForm::MeanPool => squares(&mean(&ua), &mean(&ub)),
        DistanceForm::PooledCosine => unreachable!("no tap is looked at"),
    }
}

/// All forms and each tap, in both directions, on images of the network's own size.
fn check(model: &Model, side: u32) {
    let distances = FeatureDistances::all(model).unwrap().with_each_tap();
    let (a, b) = (image(side, 0), image(side, 5));
    let found = distances.measure(&[&a, &b, &a], &[&[&b, &a, &a]]).unwrap();
    let taps = distances.taps();
    assert_eq!((found.len(), distances.names().len()), (5 + taps.len(), 5 + taps.len()));
    let of = |image: &RgbImage| {
        let names: Vec<&str> = taps.iter().map(String::as_str).collect();
        let named = Taps::Named(&names);
        tch::no_grad(|| model.backbone().forward_with_taps(&input(model, image), false, named).unwrap())
    };
    let (fa, fb) = (of(&a), of(&b));
    let tapped: Vec<(Rows, Rows)> =
        fa.taps.iter().zip(&fb.taps).map(|((_, a), (_, b))| (rows(a), rows(b))).collect();
    let mut expected: Vec<f64> = DistanceForm::ALL[..4]
        .iter()
        .map(|&form| tapped.iter().map(|(a, b)| by_hand(form, a, b)).sum())
        .collect();
    let pooled = |features: &visrep_models::Features| {
        Vec::<f64>::try_from(features.pooled.get(0).to_kind(Kind::Double)).unwrap()
    };
    expected.push(cosine(&pooled(&fa), &pooled(&fb)));
    expected.extend(tapped.iter().map(|(a, b)| by_hand(DistanceForm::Baseline, a, b)));
    for ((name, found), expected) in distances.names().iter().zip(&found).zip(expected) {
        let [forth, back, none] = found[0][..] else { panic!("{found:?}") };
        assert!((forth - expected).abs() < 2e-5 * expected.max(1e-2), "{name}: {forth}, by hand {expected}");
        assert!((forth - back).abs() < 1e-5 * expected && none.abs() < 1e-9, "{name}: {back} {none}");
        assert!(forth > 0.0, "{name}");
    }
}

#[test]
fn forms_on_maps_are_the_formulas() {
    // From 32 x 32 positions of 16 channels to 4 x 4 of 128: both ways in which the Gram matrices are compared.
    check(&model("resnet18_cifar_w16", ModelOptions::default()), 32);
}

#[test]
fn taps_are_ends_of_stages_blocks_or_lpips_own() {
    let of = |name: &str| perceptual_taps(&model(name, ModelOptions::default()));
    assert_eq!(of("resnet18_cifar_w16"), ["layer1", "layer2", "layer3", "layer4"]);
    assert_eq!(of("squeezenet1_1"), LpipsNet::Squeeze.taps());
    let vit = model("vit_tiny_patch16_224", ModelOptions::default());
    assert_eq!(perceptual_taps(&vit), vit.backbone().taps());
    assert_eq!(of("mobilenetv2_050").first().map(String::as_str), Some("blocks.0"));
    let dense = of("densenet121");
    assert!(dense.contains(&"features.norm5".to_owned()), "{dense:?}");
}

#[test]
fn forms_on_tokens_are_the_formulas() {
    check(
        &model("vit_tiny_patch16_224", ModelOptions { image_size: Some((64, 64)), ..Default::default() }),
        64,
    );
}

#[test]
fn patches_that_do_not_divide_images_enlarge_them() {
    let model = model("vit_tiny_patch16_224", ModelOptions { patch_size: Some(14), ..Default::default() });
    let distance = PerceptualDistance::all_taps(&model).unwrap();
    assert_eq!(distance.input_size(64, 60).unwrap(), (70, 70));
    assert_eq!(distance.input_size(70, 84).unwrap(), (70, 84));
    let (a, b) = (image(64, 0), image(64, 5));
    let found = distance.distances(&[&a], &[&[&b]]).unwrap()[0][0];
    let enlarged = |image: &RgbImage| input(&model, &resize(image, 70, 70, Filter::Bicubic));
    let expected = distance.distance(&enlarged(&a), &enlarged(&b)).unwrap().double_value(&[0]);
    assert!((found - expected).abs() < 1e-6 && found > 0.0, "{found} {expected}");
    // Tensors are taken as they are.
    assert!(matches!(distance.distance(&input(&model, &a), &input(&model, &b)), Err(Error::Model(_))));
}

#[test]
fn networks_of_one_size_get_it() {
    let model = model("mixer_s32_224", ModelOptions::default());
    let distances = FeatureDistances::new(&model, &["blocks.0"], &[DistanceForm::MeanPool]).unwrap();
    assert_eq!(distances.input_size(64, 64).unwrap(), (224, 224));
    let (a, b) = (image(64, 0), image(64, 5));
    let found = distances.measure(&[&a], &[&[&b]]).unwrap();
    assert!(found[0][0][0] > 0.0);
}

#[test]
fn what_cannot_be_measured_is_said() {
    let model = model("resnet18_cifar_w16", ModelOptions::default());
    let new = |taps: &[&str], forms: &[DistanceForm]| FeatureDistances::new(&model, taps, forms).map(|_| ());
    assert!(matches!(new(&["layer1"], &[]), Err(Error::Metrics(_))));
    assert!(matches!(new(&[], &[DistanceForm::Style]), Err(Error::NoTaps { .. })));
    assert!(matches!(new(&["x"], &[DistanceForm::Style]), Err(Error::UnknownTap { .. })));
    assert!(new(&[], &[DistanceForm::PooledCosine]).is_ok());
    assert_eq!("mean-pool".parse(), Ok(DistanceForm::MeanPool));
    assert!("gram".parse::<DistanceForm>().unwrap_err().contains("baseline, cosine, style"));
    // Whatever the order in which taps are named, and however often.
    let named =
        FeatureDistances::new(&model, &["layer3", "layer1", "layer3"], &[DistanceForm::Baseline]).unwrap();
    let each = named.with_each_tap();
    assert_eq!(each.taps(), ["layer1", "layer3"]);
    let (a, b) = (image(32, 0), image(32, 5));
    let found = each.measure(&[&a], &[&[&b]]).unwrap();
    let alone = PerceptualDistance::new(&model, &["layer3"]).unwrap().distances(&[&a], &[&[&b]]).unwrap();
    assert!((found[2][0][0] - alone[0][0]).abs() < 1e-9 && each.names()[2].contains("(layer3)"));
    let distances = FeatureDistances::all(&model).unwrap();
    let small = image(16, 0);
    assert!(matches!(distances.measure(&[&small], &[&[&image(32, 0)]]), Err(Error::Size { .. })));
    assert!(matches!(distances.measure(&[&small], &[&[]]), Err(Error::Size { .. })));
}
