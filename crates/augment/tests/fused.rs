//! The fast mode of the colour jitter against the exact one, on the same parameters.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

use visrep_augment::{
    ColorJitter, ColorStep, Compose, FusedColor, Op, RandomApply, RandomGrayscale, RgbImage, Solarize,
    Transform, View, adjust_brightness, adjust_contrast, adjust_hue, adjust_saturation, fused_color,
    grayscale, presets, view_rng,
};

/// Every width has pixels that fill no vector; colours from all of the cube.
fn colours(width: u32, height: u32, seed: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let bits = (y * width + x + seed * 7919).wrapping_mul(2_654_435_761);
        let bits = (bits ^ bits >> 15).wrapping_mul(2_246_822_519);
        [(bits >> 24) as u8, (bits >> 13) as u8, (bits >> 3) as u8]
    })
}

fn exact(image: &mut RgbImage, steps: &[ColorStep]) {
    for step in steps {
        match *step {
            ColorStep::Brightness(factor) => adjust_brightness(image, factor),
            ColorStep::Contrast(factor) => adjust_contrast(image, factor),
            ColorStep::Saturation(factor) => adjust_saturation(image, factor),
            ColorStep::Hue(turns) => adjust_hue(image, turns),
            ColorStep::Grayscale => grayscale(image),
        }
    }
}

/// How often the values differ, and by how much at most.
fn differences(steps: &[ColorStep], image: &RgbImage) -> (f64, u8) {
    let (mut fused, mut one_by_one) = (image.clone(), image.clone());
    fused_color(&mut fused, steps);
    exact(&mut one_by_one, steps);
    let pairs = || fused.data().iter().zip(one_by_one.data());
    let count = pairs().filter(|(a, b)| a != b).count();
    let worst = pairs().map(|(a, b)| a.abs_diff(*b)).max().unwrap();
    (count as f64 / image.data().len() as f64, worst)
}

/// All orders of some steps.
fn orders(steps: &[ColorStep]) -> Vec<Vec<ColorStep>> {
    if steps.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (i, &first) in steps.iter().enumerate() {
        let rest: Vec<ColorStep> =
            steps.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, &step)| step).collect();
        all.extend(orders(&rest).into_iter().map(|rest| [vec![first], rest].concat()));
    }
    all
}

#[test]
fn all_but_the_hue_is_exact() {
    use ColorStep::{Brightness, Contrast, Grayscale, Saturation};
    for (width, height) in [(1, 1), (7, 5), (64, 3), (101, 40)] {
        let image = colours(width, height, width);
        for factors in [[0.3, 1.7, 1.6], [1.4, 0.6, 0.0], [2.5, 3.0, 4.0], [0.0, 0.0, 1.0]] {
            let steps = [Brightness(factors[0]), Contrast(factors[1]), Saturation(factors[2]), Grayscale];
            for steps in orders(&steps[..3]).into_iter().chain(orders(&steps)) {
                assert_eq!(differences(&steps, &image), (0.0, 0), "{width}x{height} {steps:?}");
            }
        }
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -3.0, 1e300] {
            let steps = [Brightness(value), Contrast(value), Saturation(value)];
            assert_eq!(differences(&steps, &image).1, 0, "{value}");
        }
    }
}

#[test]
fn the_hue_keeps_its_stated_error() {
    let image = colours(1024, 1024, 1);
    for turns in [-0.5, -0.21, -0.1, 0.0, 0.003, 0.1, 0.2, 0.37, 0.5] {
        let (share, worst) = differences(&[ColorStep::Hue(turns)], &image);
        assert!(share < 0.003 && worst <= 6, "{turns}: {share} of the values, by up to {worst}");
    }
    // What comes after it stretches the differences, of as few pixels.
    use ColorStep::{Brightness, Contrast, Hue, Saturation};
    for steps in orders(&[Brightness(1.3), Contrast(1.2), Saturation(0.7), Hue(0.1)]) {
        let (share, worst) = differences(&steps, &image);
        assert!(share < 0.01 && worst <= 24, "{steps:?}: {share} of the values, by up to {worst}");
    }
}

#[test]
fn a_fused_transform_draws_the_same_and_merges_what_follows_each_other() {
    let jitter = || RandomApply::new(ColorJitter::new(0.4, 0.4, 0.2, 0.1).unwrap(), 0.8).unwrap();
    let whole = || {
        let grey = RandomGrayscale::new(0.5).unwrap();
        let solarize = RandomApply::new(Solarize::new(128).unwrap(), 0.5).unwrap();
        Compose::new().then(jitter()).then(grey).then(solarize).then(jitter())
    };
    let mut merged = 0;
    for index in 0..200 {
        let (mut plain, mut fused) = (View::new((30, 20)), View::new((30, 20)));
        whole().draw(&mut plain, &mut view_rng(0, 0, index, 0));
        FusedColor::new(whole()).draw(&mut fused, &mut view_rng(0, 0, index, 0));
        let mut steps = Vec::new();
        for op in fused.ops() {
            match op {
                Op::FusedColor { steps: more } => {
                    merged += 1;
                    steps.extend(more.iter().map(|step| match *step {
                        ColorStep::Brightness(factor) => Op::AdjustBrightness { factor },
                        ColorStep::Contrast(factor) => Op::AdjustContrast { factor },
                        ColorStep::Saturation(factor) => Op::AdjustSaturation { factor },
                        ColorStep::Hue(turns) => Op::AdjustHue { turns },
                        ColorStep::Grayscale => Op::Grayscale,
                    }));
                }
                other => steps.push(other.clone()),
            }
        }
        assert_eq!(steps, plain.ops());
        let stored = serde_json::to_string(&fused).unwrap();
        assert_eq!(serde_json::from_str::<View>(&stored).unwrap(), fused, "{stored}");
    }
    assert!(merged > 200, "only {merged} runs were merged");
    // A recipe runs as before, its crop first.
    let recipe = presets::by_name("moco-v2").unwrap().views.remove(0).transform;
    let mut view = View::new((300, 200));
    FusedColor::new(recipe).draw(&mut view, &mut view_rng(0, 0, 0, 0));
    assert!(view.region().is_some() && view.size() == (224, 224));
}
