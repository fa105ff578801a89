//! What the random transforms draw: distributions, probabilities, order, and that equal generators give equal views.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

use serde_json::Value;
use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::path::Path;
use visrep_augment::{
    BlurMethod, Border, ColorJitter, Filter, GaussianBlur, Op, RandomApply, RandomGrayscale,
    RandomHorizontalFlip, RandomResizedCrop, Region, RgbImage, Rng, Solarize, Transform, View, grayscale,
    presets, resize_region, view_rng,
};

fn rng(index: u64) -> Rng {
    view_rng(1, 2, index, 0)
}

/// What `transform` draws for an image of `width` x `height`.
fn drawn(transform: &impl Transform, width: u32, height: u32, rng: &mut Rng) -> View {
    let mut view = View::new((width, height));
    transform.draw(&mut view, rng);
    view
}

fn region(crop: &RandomResizedCrop, width: u32, height: u32, rng: &mut Rng) -> Region {
    drawn(crop, width, height, rng).region().unwrap().0
}

/// A picture without symmetry, so that every transform shows.
fn picture(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| [(x * 7) as u8, (y * 5) as u8, (x * y) as u8])
}

fn numbers() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/golden/augment/numbers.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn range(value: &Value) -> RangeInclusive<f64> {
    value[0].as_f64().unwrap()..=value[1].as_f64().unwrap()
}

fn side(case: &Value, key: &str) -> u32 {
    case[key].as_u64().unwrap() as u32
}

#[test]
fn crops_are_distributed_as_torchvisions() {
    const DRAWS: usize = 40_000;
    for case in numbers()["crops"].as_array().unwrap() {
        let (width, height) = (side(case, "width"), side(case, "height"));
        let crop = RandomResizedCrop::new(8).unwrap().scale(range(&case["scale"])).unwrap();
        let crop = crop.ratio(range(&case["ratio"])).unwrap();
        let mut rng = rng(0);
        let mut drawn: HashMap<&str, Vec<f64>> = HashMap::new();
        for _ in 0..DRAWS {
            let region = region(&crop, width, height, &mut rng);
            region.check(width, height).unwrap();
            let [x, y, w, h] = [region.x, region.y, region.width, region.height].map(f64::from);
            let (total_w, total_h) = (f64::from(width), f64::from(height));
            drawn.entry("area").or_default().push(w * h / (total_w * total_h));
            drawn.entry("log_ratio").or_default().push((w / h).ln());
            drawn.entry("x").or_default().push((x + w / 2.0) / total_w);
            drawn.entry("y").or_default().push((y + h / 2.0) / total_h);
        }
        for (key, deciles) in case["deciles"].as_object().unwrap() {
            let values = &drawn[key.as_str()];
            for (i, decile) in deciles.as_array().unwrap().iter().enumerate() {
                // Whole pixels make ties: the share below and the share up to the decile enclose its rank.
                let decile = decile.as_f64().unwrap();
                let below = values.iter().filter(|&&v| v < decile - 1e-9).count() as f64 / DRAWS as f64;
                let up_to = values.iter().filter(|&&v| v <= decile + 1e-9).count() as f64 / DRAWS as f64;
                let rank = (i + 1) as f64 / 10.0;
                // Five standard deviations of the difference of two samples of this size.
                let slack = 5.0 * (rank * (1.0 - rank) * 2.0 / DRAWS as f64).sqrt();
                assert!(
                    below - slack <= rank && rank <= up_to + slack,
                    "{width}x{height} {key} decile {rank}: {below}..{up_to} of ours lie below {decile}"
                );
            }
        }
    }
}

#[test]
fn shapes_that_no_draw_fits_get_torchvisions_central_crop() {
    for case in numbers()["fallbacks"].as_array().unwrap() {
        let crop = RandomResizedCrop::new(8).unwrap().scale(1.0..=1.0).unwrap();
        let crop = crop.ratio(range(&case["ratio"])).unwrap();
        let region = region(&crop, side(case, "width"), side(case, "height"), &mut rng(0));
        let expected: Vec<u64> =
            case["region"].as_array().unwrap().iter().map(|v| v.as_u64().unwrap()).collect();
        assert_eq!([region.x, region.y, region.width, region.height].map(u64::from), expected[..], "{case}");
    }
}

#[test]
fn a_drawn_crop_can_be_replayed() {
    let image = picture(50, 41);
    let crop = RandomResizedCrop::new(16).unwrap().filter(Filter::Bicubic);
    for index in 0..20 {
        let view = drawn(&crop, 50, 41, &mut rng(index));
        let (region, _) = view.region().unwrap();
        let replayed = resize_region(&image, region, 16, 16, Filter::Bicubic).unwrap();
        assert_eq!(crop.apply(image.clone(), &mut rng(index)), replayed);
        let part = resize_region(&image, region, region.width, region.height, Filter::Nearest).unwrap();
        assert_eq!(view.apply_to_region(part).unwrap(), replayed);
    }
}

#[test]
fn probabilities_are_kept() {
    const DRAWS: u64 = 10_000;
    let image = picture(3, 2);
    let share = |transform: &dyn Transform| {
        let changed = (0..DRAWS).filter(|&i| transform.apply(image.clone(), &mut rng(i)) != image).count();
        changed as f64 / DRAWS as f64
    };
    for p in [0.0, 0.1, 0.5, 0.8, 1.0] {
        let slack = 5.0 * (p * (1.0 - p) / DRAWS as f64).sqrt();
        let solarize = RandomApply::new(Solarize::new(0).unwrap(), p).unwrap();
        for share in [
            share(&RandomHorizontalFlip::new(p).unwrap()),
            share(&RandomGrayscale::new(p).unwrap()),
            share(&solarize),
        ] {
            assert!((share - p).abs() <= slack, "{share} instead of {p}");
        }
    }
}

#[test]
fn jitter_draws_each_factor_uniformly_and_each_order_equally_often() {
    const DRAWS: usize = 24_000;
    let jitter = ColorJitter::new(0.4, 1.5, 0.2, 0.3).unwrap();
    let expected = [0.6..=1.4, 0.0..=2.5, 0.8..=1.2, -0.3..=0.3];
    let mut factors: [Vec<f64>; 4] = Default::default();
    let mut orders: HashMap<Vec<usize>, usize> = HashMap::new();
    let mut rng = rng(0);
    for _ in 0..DRAWS {
        let mut order = Vec::new();
        for step in drawn(&jitter, 1, 1, &mut rng).ops() {
            let (which, factor) = match *step {
                Op::AdjustBrightness { factor } => (0, factor),
                Op::AdjustContrast { factor } => (1, factor),
                Op::AdjustSaturation { factor } => (2, factor),
                Op::AdjustHue { turns } => (3, turns),
                ref other => panic!("{other:?} is no jitter"),
            };
            order.push(which);
            factors[which].push(factor);
        }
        *orders.entry(order).or_default() += 1;
    }
    assert_eq!(orders.len(), 24);
    let chi_squared: f64 = orders.values().map(|&n| (n as f64 - 1000.0).powi(2) / 1000.0).sum();
    assert!(chi_squared < 58.0, "orders are uneven: chi squared {chi_squared} at 23 degrees of freedom");
    for (drawn, range) in factors.iter_mut().zip(expected) {
        assert_eq!(drawn.len(), DRAWS);
        assert!(drawn.iter().all(|factor| range.contains(factor)));
        drawn.sort_by(f64::total_cmp);
        // Kolmogorov-Smirnov against the uniform distribution, at a chance of error of 1e-6.
        let distance = drawn.iter().enumerate().map(|(i, factor)| {
            let uniform = (factor - range.start()) / (range.end() - range.start());
            (uniform - (i as f64 + 0.5) / DRAWS as f64).abs()
        });
        assert!(distance.fold(0.0, f64::max) < 2.7 / (DRAWS as f64).sqrt());
    }
}

#[test]
fn jitter_leaves_out_what_is_zero() {
    let jitter = ColorJitter::new(0.0, 0.4, 0.0, 0.0).unwrap();
    assert!(matches!(drawn(&jitter, 1, 1, &mut rng(0)).ops(), [Op::AdjustContrast { .. }]));
    let image = picture(9, 8);
    let none = ColorJitter::new(0.0, 0.0, 0.0, 0.0).unwrap();
    assert_eq!(none.apply(image.clone(), &mut rng(0)), image);
}

#[test]
fn blur_draws_its_sigma_from_the_range() {
    let blur = GaussianBlur::new(BlurMethod::Kernel { size: 3, border: Border::Reflect }, 0.1..=2.0).unwrap();
    let mut rng = rng(0);
    let sigma = |view: View| match view.ops() {
        [Op::GaussianBlur { sigma, .. }] => *sigma,
        other => panic!("{other:?} is no blur"),
    };
    let drawn: Vec<f64> = (0..4000).map(|_| sigma(drawn(&blur, 1, 1, &mut rng))).collect();
    assert!(drawn.iter().all(|sigma| (0.1..=2.0).contains(sigma)));
    let mean = drawn.iter().sum::<f64>() / 4000.0;
    assert!((mean - 1.05).abs() < 5.0 * 1.9 / 12f64.sqrt() / 4000f64.sqrt(), "mean {mean}");
}

#[test]
fn presets_give_views_of_the_right_size_that_depend_on_the_generator_alone() {
    let image = picture(70, 43);
    for (preset, size, random) in [
        (presets::simclr(32, 0.5, false).unwrap(), 32, true),
        (presets::simclr(48, 1.0, true).unwrap(), 48, true),
        (presets::supervised(24).unwrap(), 24, true),
        (presets::eval(36, 32, Filter::Bicubic).unwrap(), 32, false),
    ] {
        let views: Vec<RgbImage> = (0..8).map(|i| preset.apply(image.clone(), &mut rng(i))).collect();
        for (i, view) in views.iter().enumerate() {
            assert_eq!((view.width(), view.height()), (size, size));
            assert_eq!(*view, preset.apply(image.clone(), &mut rng(i as u64)));
            assert_eq!(*view != views[0], random && i > 0);
        }
    }
}

#[test]
fn simclr_makes_a_fifth_of_the_views_grey_and_keeps_four_fifths_jittered() {
    const DRAWS: u64 = 3000;
    let preset = presets::simclr(4, 1.0, false).unwrap();
    let image = RgbImage::filled(8, 8, [180, 90, 60]);
    let mut grey = image.clone();
    grayscale(&mut grey);
    let (mut greys, mut untouched) = (0, 0);
    for i in 0..DRAWS {
        let [r, g, b] = preset.apply(image.clone(), &mut rng(i)).pixel(0, 0);
        greys += u32::from(r == g && g == b);
        untouched += u32::from([r, g, b] == [180, 90, 60] || [r, g, b] == grey.pixel(0, 0));
    }
    let share = |count: u32| f64::from(count) / DRAWS as f64;
    // A strong saturation step, or brightness near zero, makes a few more of them grey.
    assert!((0.17..0.30).contains(&share(greys)), "grey: {}", share(greys));
    assert!((0.17..0.23).contains(&share(untouched)), "without jitter: {}", share(untouched));
}

#[test]
fn the_smallest_images_and_thin_ones_pass_through_everything() {
    let simclr = presets::simclr(5, 2.5, true).unwrap();
    let pillow = GaussianBlur::new(BlurMethod::Pillow, 0.0..=30.0).unwrap();
    let eval = presets::eval(3, 9, Filter::Lanczos).unwrap();
    for (width, height) in [(1, 1), (2, 1), (1, 3), (400, 1), (1, 400), (33, 2)] {
        for i in 0..40 {
            let view = simclr.apply(picture(width, height), &mut rng(i));
            assert_eq!((view.width(), view.height()), (5, 5));
            let view = pillow.apply(picture(width, height), &mut rng(i));
            assert_eq!((view.width(), view.height()), (width, height));
        }
        let view = eval.apply(picture(width, height), &mut rng(0));
        assert_eq!((view.width(), view.height()), (9, 9));
        let region = region(&RandomResizedCrop::new(5).unwrap(), width, height, &mut rng(0));
        assert!(region.check(width, height).is_ok());
    }
    let outside = Region { x: 2, y: 0, width: 2, height: 1 };
    assert!(resize_region(&picture(3, 3), outside, 4, 4, Filter::Box).is_err());
}

#[test]
fn a_view_can_be_stored_and_replayed() {
    let transform = presets::simclr(24, 1.0, true).unwrap();
    for index in 0..30 {
        let view = drawn(&transform, 50, 41, &mut rng(index));
        let stored = serde_json::to_string(&view).unwrap();
        let read: View = serde_json::from_str(&stored).unwrap();
        assert_eq!(read, view, "{stored}");
        assert_eq!(view.size(), (24, 24));
        let applied = transform.apply(picture(50, 41), &mut rng(index));
        assert_eq!(read.apply(picture(50, 41)).unwrap(), applied);
        let message = read.apply(picture(49, 41)).unwrap_err().to_string();
        assert_eq!(message, "the view is drawn for 50x41 pixels, the image has 49x41");
    }
    let mut view = View::new((4, 4));
    view.push(Op::custom("mine", Some((2, 2)), |_| RgbImage::filled(2, 2, [7; 3])));
    assert_eq!((view.size(), format!("{view:?}").contains("mine")), ((2, 2), true));
    assert_eq!(view.apply(picture(4, 4)).unwrap(), RgbImage::filled(2, 2, [7; 3]));
    assert!(serde_json::to_string(&view).is_err(), "a function cannot be stored");
}
