//! The published recipes by name: what they list, what they draw, and that they run on any image.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

use visrep_augment::presets::{self, Step};
use visrep_augment::{
    AugMix, AugMixOps, BigVisionRandAugment, BlurMethod, Chain, CropSampling, Filter, Op, RandAugment,
    RgbImage, TfBrightness, TfColorJitter, TfColorStep, ThreeAugment, TimmAugment, Transform,
    TrivialAugmentWide, View, view_rng,
};

fn picture(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| [(x * 7) as u8, (y * 5) as u8, (x * y) as u8])
}

#[test]
fn every_name_gives_a_recipe_whose_views_run() {
    let names = presets::names();
    assert!(names.len() >= 30 && names.is_sorted(), "{names:?}");
    for name in names {
        let preset = presets::by_name(name).unwrap();
        assert_eq!(preset.name, name);
        assert!(preset.to_string().lines().count() > 2, "{preset}");
        if let Some(batch) = preset.batch {
            assert_eq!(batch.mix().unwrap().is_some(), batch.mixup > 0.0 || batch.cutmix > 0.0);
        }
        for view in &preset.views {
            let Step::RandomResizedCrop { size, .. } = view.steps[0] else {
                panic!("{name} starts with no crop")
            };
            for (width, height) in [(1, 1), (3, 200), (70, 43)] {
                let mut rng = view_rng(0, 0, u64::from(width), 0);
                let seen = view.transform.apply(picture(width, height), &mut rng);
                assert_eq!((seen.width(), seen.height()), (size, size), "{name}");
            }
        }
    }
}

#[test]
fn an_unknown_name_lists_those_there_are() {
    let message = presets::by_name("dinov9").unwrap_err().to_string();
    assert!(message.starts_with("preset must be one of barlow-twins, "), "{message}");
    assert!(message.ends_with("found dinov9"), "{message}");
}

#[test]
fn a_recipe_prints_as_a_table() {
    let expected = "\
dino: Caron et al. 2021 (ViT); facebookresearch/dino main_dino.py
1 view
  random resized crop      p 1    224x224, area 0.4-1, bicubic
  horizontal flip          p 0.5
  colour jitter            p 0.8  brightness 0.4, contrast 0.4, saturation 0.2, hue 0.1
  grayscale                p 0.2
  Gaussian blur            p 1    sigma 0.1-2, Pillow's
1 view
  random resized crop      p 1    224x224, area 0.4-1, bicubic
  horizontal flip          p 0.5
  colour jitter            p 0.8  brightness 0.4, contrast 0.4, saturation 0.2, hue 0.1
  grayscale                p 0.2
  Gaussian blur            p 0.1  sigma 0.1-2, Pillow's
  solarize                 p 0.2  from 128
8 views
  random resized crop      p 1    96x96, area 0.05-0.4, bicubic
  horizontal flip          p 0.5
  colour jitter            p 0.8  brightness 0.4, contrast 0.4, saturation 0.2, hue 0.1
  grayscale                p 0.2
  Gaussian blur            p 0.5  sigma 0.1-2, Pillow's
";
    assert_eq!(presets::by_name("dino").unwrap().to_string(), expected);
    let a1 = presets::by_name("rsb-a1").unwrap().to_string();
    assert!(a1.contains("mixup 0.2, CutMix 1, label smoothing 0.1, 3 views of each image"), "{a1}");
}

#[test]
fn crops_are_drawn_as_in_the_original_code() {
    use CropSampling::{Inception, OneShot, TensorFlow, Torchvision};
    for name in presets::names() {
        let expected = match name {
            "byol" | "mae-linear" => OneShot,
            "simclr-tf" => Inception,
            "big-vision-vit-s16" => TensorFlow,
            _ if name.starts_with("supervised-") => TensorFlow,
            _ => Torchvision,
        };
        for view in presets::by_name(name).unwrap().views {
            let Step::RandomResizedCrop { sampling, ratio, .. } = view.steps[0] else {
                panic!("{name} starts with no crop")
            };
            let widest = if expected == TensorFlow { 1.33 } else { 4.0 / 3.0 };
            assert_eq!((sampling, ratio), (expected, (0.75, widest)), "{name}");
        }
    }
    let table = presets::by_name("supervised-light2").unwrap().to_string();
    assert!(table.contains("224x224, area 0.05-1, bilinear, ratio 0.75-1.33, TensorFlow's\n"), "{table}");
}

#[test]
fn steps_are_drawn_as_often_as_they_say() {
    const DRAWS: u32 = 4000;
    let byol = presets::by_name("byol").unwrap();
    for (view, blur, solarize) in [(&byol.views[0], 1.0, 0.0), (&byol.views[1], 0.1, 0.2)] {
        let mut counts = [0u32; 5];
        for index in 0..DRAWS {
            let mut drawn = View::new((300, 200));
            view.transform.draw(&mut drawn, &mut view_rng(1, 0, u64::from(index), 0));
            for op in drawn.ops() {
                let slot = match op {
                    Op::FlipHorizontal => 0,
                    Op::TfColorJitter { steps } => {
                        assert!(steps.iter().any(|step| matches!(step, TfColorStep::Shift(_))), "{steps:?}");
                        1
                    }
                    Op::Grayscale => 2,
                    Op::GaussianBlur { method: BlurMethod::Kernel { size: 23, .. }, .. } => 3,
                    Op::Solarize { threshold: 128 } => 4,
                    _ => continue,
                };
                counts[slot] += 1;
            }
        }
        for (count, p) in counts.into_iter().zip([0.5, 0.8, 0.2, blur, solarize]) {
            let share = f64::from(count) / f64::from(DRAWS);
            assert!((share - p).abs() <= 5.0 * (p * (1.0 - p) / f64::from(DRAWS)).sqrt(), "{share} for {p}");
        }
    }
}

#[test]
fn policies_run_on_the_smallest_and_the_thinnest_images() {
    let policies: Vec<Box<dyn Transform>> = vec![
        Box::new(RandAugment::new(3, 30).unwrap().interpolation(Filter::Bicubic)),
        Box::new(TrivialAugmentWide::new()),
        Box::new(TimmAugment::parse("rand-m10-n3-mstd101").unwrap()),
        Box::new(BigVisionRandAugment::new(3, 30).unwrap()),
        Box::new(AugMix::new(AugMixOps::OriginalAll).unwrap().severity(10).unwrap()),
        Box::new(AugMix::new(AugMixOps::Torchvision).unwrap().severity(10).unwrap()),
        Box::new(ThreeAugment::new(0.3).unwrap()),
        Box::new(TfColorJitter::new(0.8, 0.8, 0.8, 0.2, TfBrightness::Multiplied).unwrap()),
    ];
    for (width, height) in [(1, 1), (2, 1), (1, 3), (400, 1), (1, 400), (33, 2), (3, 3)] {
        for policy in &policies {
            for index in 0..60 {
                let image = picture(width, height);
                let made = policy.apply(image.clone(), &mut view_rng(0, 0, index, 0));
                assert_eq!((made.width(), made.height()), (width, height));
                assert_eq!(policy.apply(image, &mut view_rng(0, 0, index, 0)), made);
            }
        }
    }
}

#[test]
fn operations_take_any_number() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -3.0, 0.0, 1e300] {
        let chain = Chain { weight: value, ops: vec![Op::CenterCrop { width: 3, height: 9 }] };
        for op in [
            Op::AdjustSharpness { factor: value },
            Op::AutoContrast { cutoff: value },
            Op::BlendGrey { grey: 7, factor: value },
            Op::TfColorJitter {
                steps: vec![
                    TfColorStep::Hue(value),
                    TfColorStep::Contrast(value),
                    TfColorStep::Scale(value),
                    TfColorStep::Shift(value),
                    TfColorStep::Saturation(value),
                ],
            },
            Op::Mix { original: value, chains: vec![chain.clone()] },
            Op::Posterize { bits: 255 },
            Op::SolarizeAdd { addition: 255, threshold: u16::MAX },
        ] {
            let made = op.apply(picture(7, 5));
            assert_eq!((made.width(), made.height()), (7, 5), "{op:?}");
        }
    }
}

macro_rules! refused {
    ($($make:expr => $message:literal),* $(,)?) => {$(
        match $make {
            Ok(_) => panic!("{} was accepted", stringify!($make)),
            Err(error) => assert_eq!(error.to_string(), $message),
        }
    )*};
}

#[test]
fn parameters_that_make_no_sense_are_refused() {
    let timm = TimmAugment::parse;
    let augmix = || AugMix::new(AugMixOps::Original).unwrap();
    refused! {
        RandAugment::new(2, 31) => "RandAugment magnitude must be between 0 and 30, found 31",
        RandAugment::new(2, 9).unwrap().num_magnitude_bins(9) =>
            "RandAugment num_magnitude_bins must be between 10 and 1000, found 9",
        TrivialAugmentWide::new().num_magnitude_bins(1) =>
            "TrivialAugmentWide num_magnitude_bins must be between 2 and 1000, found 1",
        timm("randm9") =>
            "TimmAugment config must be something that starts with rand, original, originalr, v0, v0r or 3a, found randm9",
        timm("rand-m9-q3") =>
            "TimmAugment config must be made of parts that timm has, not \"q3\", found rand-m9-q3",
        timm("rand-mx") => "TimmAugment config must be made of parts that timm has, not \"mx\", found rand-mx",
        timm("v0-m9") => "TimmAugment config must be made of parts that timm has, not \"m9\", found v0-m9",
        timm("rand-tnone") =>
            "TimmAugment config must be made of parts that timm has, not \"tnone\", found rand-tnone",
        timm("rand-p1.5") => "TimmAugment p must be between 0 and 1, found 1.5",
        timm("rand-n16-tweights") => "TimmAugment n must be between 0 and 15, found 16",
        BigVisionRandAugment::new(2, 31) => "BigVisionRandAugment magnitude must be between 0 and 30, found 31",
        augmix().severity(0) => "AugMix severity must be between 1 and 10, found 0",
        augmix().alpha(0.0) => "AugMix alpha must be between 0.01 and 1000, found 0",
        augmix().chain_depth(0) => "AugMix chain_depth must be between 1 and 100, found 0",
        ThreeAugment::new(-1.0) => "ThreeAugment color_jitter must be between 0 and 1000, found -1",
        TfColorJitter::new(0.8, 1.2, 0.8, 0.2, TfBrightness::Added) =>
            "TfColorJitter contrast must be between 0 and 1, found 1.2",
    }
}
