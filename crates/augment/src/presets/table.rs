//! The published recipes, with the files that their parameters are from.

use super::Step;
use super::preset::{BatchRecipe, Preset, PresetView};
use crate::error::wrong;
use crate::{BlurMethod, Border, CropSampling, Error, Filter, TfBrightness};

struct Recipe {
    name: &'static str,
    source: &'static str,
    views: fn() -> Vec<(usize, Vec<Step>)>,
    batch: Option<BatchRecipe>,
}

impl Recipe {
    const fn new(name: &'static str, source: &'static str, views: fn() -> Vec<(usize, Vec<Step>)>) -> Self {
        Self { name, source, views, batch: None }
    }

    const fn batch(mut self, mixup: f64, cutmix: f64, label_smoothing: f64, repeats: usize) -> Self {
        self.batch = Some(BatchRecipe { mixup, cutmix, label_smoothing, repeats });
        self
    }
}

/// In the order of their names.
const RECIPES: [Recipe; 31] = [
    Recipe::new("barlow-twins", "Zbontar et al. 2021; facebookresearch/barlowtwins main.py", flip_first),
    Recipe::new(
        "big-vision-vit-s16",
        "Beyer et al. 2022 (2205.01580); google-research/big_vision configs/vit_s16_i1k.py",
        || big_vision(10),
    )
    .batch(0.2, 0.0, 0.0, 1),
    Recipe::new(
        "byol",
        "Grill et al. 2020; google-deepmind/deepmind-research byol/utils/augmentations.py",
        byol,
    ),
    Recipe::new("deit", "Touvron et al. 2020; facebookresearch/deit main.py, timm create_transform", || {
        timm(224, "rand-m9-mstd0.5-inc1", Some(Filter::Bicubic))
    })
    .batch(0.8, 1.0, 0.1, 3),
    Recipe::new(
        "deit3",
        "Touvron et al. 2022 (ImageNet-1k, 3-Augment); facebookresearch/deit augment.py",
        || vec![(1, vec![crop(224, 0.08, BICUBIC), FLIP, Step::ThreeAugment { color_jitter: 0.3 }])],
    )
    .batch(0.8, 1.0, 0.0, 3),
    Recipe::new("dino", "Caron et al. 2021 (ViT); facebookresearch/dino main_dino.py", || dino(0.4)),
    Recipe::new("dino-resnet50", "Caron et al. 2021 (ResNet-50); facebookresearch/dino README.md", || {
        dino(0.14)
    }),
    Recipe::new(
        "dinov2",
        "Oquab et al. 2023; facebookresearch/dinov2 data/augmentations.py, where the probabilities of blur are \
         complements of those written down (data/transforms.py, keep_p)",
        dinov2,
    ),
    Recipe::new("mae", "He et al. 2021; facebookresearch/mae main_pretrain.py", || {
        vec![(1, vec![crop(224, 0.2, BICUBIC), FLIP])]
    }),
    Recipe::new(
        "mae-linear",
        "He et al. 2021 (linear evaluation); facebookresearch/mae main_linprobe.py, util/crop.py",
        || vec![(1, vec![crop_within(224, (0.08, 1.0), BICUBIC, CropSampling::OneShot), FLIP])],
    ),
    Recipe::new("moco-v1", "He et al. 2019; facebookresearch/moco main_moco.py", || {
        let jitter = Step::ColorJitter { strength: [0.4; 4], p: 1.0 };
        vec![(2, vec![crop(224, 0.2, BILINEAR), GREY, jitter, FLIP])]
    }),
    Recipe::new("moco-v2", "Chen et al. 2020; facebookresearch/moco main_moco.py (--aug-plus)", moco_v2),
    Recipe::new("moco-v3", "Chen et al. 2021 (ViT); facebookresearch/moco-v3 main_moco.py", || moco_v3(0.08)),
    Recipe::new(
        "moco-v3-resnet50",
        "Chen et al. 2021 (ResNet-50, --crop-min .2); facebookresearch/moco-v3 CONFIG.md",
        || moco_v3(0.2),
    ),
    Recipe::new("rsb-a1", "Wightman et al. 2021, procedure A1 (600 epochs), timm create_transform", || {
        timm(224, "rand-m7-mstd0.5-inc1", None)
    })
    .batch(0.2, 1.0, 0.1, 3),
    Recipe::new("rsb-a2", "Wightman et al. 2021, procedure A2 (300 epochs), timm create_transform", || {
        timm(224, "rand-m7-mstd0.5-inc1", None)
    })
    .batch(0.1, 1.0, 0.0, 3),
    Recipe::new(
        "rsb-a3",
        "Wightman et al. 2021, procedure A3 (100 epochs at 160), timm create_transform",
        || timm(160, "rand-m6-mstd0.5-inc1", None),
    )
    .batch(0.1, 1.0, 0.0, 1),
    Recipe::new("simclr", "Chen et al. 2020 (ImageNet), with torchvision's operations", || {
        let blur = kernel_blur(23, Border::Zero, 0.5);
        vec![(2, vec![crop(224, 0.08, BILINEAR), FLIP, jitter([0.8, 0.8, 0.8, 0.2]), GREY, blur])]
    }),
    Recipe::new("simclr-cifar", "Chen et al. 2020 (CIFAR), with torchvision's operations", || {
        vec![(2, vec![crop(32, 0.08, BILINEAR), FLIP, jitter([0.4, 0.4, 0.4, 0.1]), GREY])]
    }),
    Recipe::new(
        "simclr-tf",
        "Chen et al. 2020 (ImageNet, v2); google-research/simclr tf2/data_util.py",
        || {
            let jitter = Step::TfColorJitter {
                strength: [0.8, 0.8, 0.8, 0.2],
                brightness: TfBrightness::Multiplied,
                p: 0.8,
            };
            let blur = kernel_blur(23, Border::Zero, 0.5);
            let crop = crop_within(224, (0.08, 1.0), BICUBIC, CropSampling::Inception);
            vec![(2, vec![crop, FLIP, jitter, GREY, blur])]
        },
    ),
    Recipe::new("simmim", "Xie et al. 2021; microsoft/SimMIM data/data_simmim.py", || {
        vec![(1, vec![crop(192, 0.67, BILINEAR), FLIP])]
    }),
    Recipe::new("simsiam", "Chen and He 2020; facebookresearch/simsiam main_simsiam.py", moco_v2),
    Recipe::new("supervised", "torchvision references/classification/presets.py", || {
        vec![(1, vec![crop(224, 0.08, BILINEAR), FLIP])]
    }),
    Recipe::new("supervised-light1", AUGREG, || big_vision(0)),
    Recipe::new("supervised-light2", AUGREG, || big_vision(10)).batch(0.2, 0.0, 0.0, 1),
    Recipe::new("supervised-medium1", AUGREG, || big_vision(15)).batch(0.2, 0.0, 0.0, 1),
    Recipe::new("supervised-medium2", AUGREG, || big_vision(15)).batch(0.5, 0.0, 0.0, 1),
    Recipe::new("supervised-strong1", AUGREG, || big_vision(20)).batch(0.5, 0.0, 0.0, 1),
    Recipe::new("supervised-strong2", AUGREG, || big_vision(20)).batch(0.8, 0.0, 0.0, 1),
    Recipe::new(
        "swav",
        "Caron et al. 2020; facebookresearch/swav src/multicropdataset.py, README.md",
        || {
            let view = |size, scale| {
                let crop = crop_within(size, scale, BILINEAR, CropSampling::Torchvision);
                vec![crop, FLIP, jitter([0.8, 0.8, 0.8, 0.2]), GREY, kernel_blur(23, Border::Reflect, 0.5)]
            };
            vec![(2, view(224, (0.14, 1.0))), (6, view(96, (0.05, 0.14)))]
        },
    ),
    Recipe::new("vicreg", "Bardes et al. 2021; facebookresearch/vicreg augmentations.py", flip_first),
];

const AUGREG: &str = "Steiner et al. 2021 (AugReg); google-research/big_vision configs/vit_i1k.py";
const BILINEAR: Filter = Filter::Bilinear;
const BICUBIC: Filter = Filter::Bicubic;
const FLIP: Step = Step::Flip { p: 0.5 };
const GREY: Step = Step::Grayscale { p: 0.2 };
/// Brightness, contrast, saturation and hue of BYOL and what follows it.
const BYOL: [f64; 4] = [0.4, 0.4, 0.2, 0.1];
/// 255 times ImageNet's mean, as timm fills with.
const MEAN: [u8; 3] = [124, 116, 104];

fn crop(size: u32, least: f64, filter: Filter) -> Step {
    crop_within(size, (least, 1.0), filter, CropSampling::Torchvision)
}

fn crop_within(size: u32, scale: (f64, f64), filter: Filter, sampling: CropSampling) -> Step {
    Step::RandomResizedCrop { size, scale, ratio: Step::RATIO, filter, sampling }
}

fn jitter(strength: [f64; 4]) -> Step {
    Step::ColorJitter { strength, p: 0.8 }
}

fn pillow_blur(p: f64) -> Step {
    Step::GaussianBlur { method: BlurMethod::Pillow, sigma: (0.1, 2.0), p }
}

fn kernel_blur(size: u32, border: Border, p: f64) -> Step {
    Step::GaussianBlur { method: BlurMethod::Kernel { size, border }, sigma: (0.1, 2.0), p }
}

fn solarize(p: f64) -> Step {
    Step::Solarize { threshold: 128, p }
}

fn byol() -> Vec<(usize, Vec<Step>)> {
    let jitter = Step::TfColorJitter { strength: BYOL, brightness: TfBrightness::Added, p: 0.8 };
    let crop = crop_within(224, (0.08, 1.0), BICUBIC, CropSampling::OneShot);
    let view = |blur| vec![crop, FLIP, jitter, GREY, kernel_blur(23, Border::Zero, blur)];
    let mut second = view(0.1);
    second.push(solarize(0.2));
    vec![(1, view(1.0)), (1, second)]
}

/// Barlow Twins and VICReg: BYOL's with torchvision's jitter and Pillow's blur, flipped after the crop.
///
/// Where VICReg's sources differ (solo-learn solarizes both views with a probability of .1) this is the authors' repository, whose
/// code made the published weights: BYOL's two views, blur 1 and .1, solarize 0 and .2.
fn flip_first() -> Vec<(usize, Vec<Step>)> {
    let view = |blur| vec![crop(224, 0.08, BICUBIC), FLIP, jitter(BYOL), GREY, pillow_blur(blur)];
    let mut second = view(0.1);
    second.push(solarize(0.2));
    vec![(1, view(1.0)), (1, second)]
}

fn moco_v2() -> Vec<(usize, Vec<Step>)> {
    vec![(2, vec![crop(224, 0.2, BILINEAR), jitter([0.4, 0.4, 0.4, 0.1]), GREY, pillow_blur(0.5), FLIP])]
}

fn moco_v3(least: f64) -> Vec<(usize, Vec<Step>)> {
    let start = [crop(224, least, BILINEAR), jitter(BYOL), GREY];
    let first = [&start[..], &[pillow_blur(1.0), FLIP]].concat();
    let second = [&start[..], &[pillow_blur(0.1), solarize(0.2), FLIP]].concat();
    vec![(1, first), (1, second)]
}

/// `split` is the area that local crops go up to and global ones start from.
fn dino(split: f64) -> Vec<(usize, Vec<Step>)> {
    let view = |size, scale, blur| {
        let crop = crop_within(size, scale, BICUBIC, CropSampling::Torchvision);
        vec![crop, FLIP, jitter(BYOL), GREY, blur]
    };
    let mut second = view(224, (split, 1.0), pillow_blur(0.1));
    second.push(solarize(0.2));
    let first = view(224, (split, 1.0), pillow_blur(1.0));
    vec![(1, first), (1, second), (8, view(96, (0.05, split), pillow_blur(0.5)))]
}

fn dinov2() -> Vec<(usize, Vec<Step>)> {
    let view = |size, scale, blur| {
        let crop = crop_within(size, scale, BICUBIC, CropSampling::Torchvision);
        vec![crop, FLIP, jitter(BYOL), GREY, kernel_blur(9, Border::Reflect, blur)]
    };
    let mut second = view(224, (0.32, 1.0), 0.9);
    second.push(solarize(0.2));
    vec![(1, view(224, (0.32, 1.0), 0.0)), (1, second), (8, view(96, (0.05, 0.32), 0.5))]
}

fn timm(size: u32, config: &'static str, interpolation: Option<Filter>) -> Vec<(usize, Vec<Step>)> {
    let augment = Step::TimmAugment { config, fill: MEAN, interpolation };
    vec![(1, vec![crop(size, 0.08, BICUBIC), FLIP, augment])]
}

/// The crop is `decode_jpeg_and_inception_crop(224)` of big_vision's `pp/ops_image.py`, whose largest ratio is 1.33, not 4/3.
fn big_vision(magnitude: u32) -> Vec<(usize, Vec<Step>)> {
    let (scale, ratio, sampling) = ((0.05, 1.0), (0.75, 1.33), CropSampling::TensorFlow);
    let crop = Step::RandomResizedCrop { size: 224, scale, ratio, filter: BILINEAR, sampling };
    let augment = Step::BigVisionRandAugment { layers: 2, magnitude };
    vec![(1, vec![crop, FLIP, augment])]
}

/// The names that [`by_name`] knows.
#[must_use]
pub fn names() -> Vec<&'static str> {
    RECIPES.iter().map(|recipe| recipe.name).collect()
}

/// A published recipe at its published size.
///
/// ```
/// use visrep_augment::presets;
///
/// let dino = presets::by_name("dino")?;
/// assert_eq!(dino.view_count(), 10);
/// println!("{dino}");
/// # Ok::<(), visrep_augment::Error>(())
/// ```
///
/// Errs on a name that is not among [`names`], with those that are.
pub fn by_name(name: &str) -> Result<Preset, Error> {
    let recipe = RECIPES
        .iter()
        .find(|recipe| recipe.name == name)
        .ok_or_else(|| wrong("preset", format!("one of {}", names().join(", ")), name))?;
    let views = (recipe.views)();
    let views = views.into_iter().map(|(count, steps)| PresetView::new(count, steps));
    Ok(Preset {
        name: recipe.name,
        source: recipe.source,
        views: views.collect::<Result<_, _>>()?,
        batch: recipe.batch,
    })
}
