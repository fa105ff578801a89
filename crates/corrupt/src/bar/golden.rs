//! Parity with the published formulas (`fixtures/golden/corrupt/make_bar.py`), and the statistics of the random ones.

use std::collections::BTreeMap;

use visrep_decode::RgbImage;

use super::*;
use crate::Corruptor;
use crate::golden::{Stream, corner, hex, photograph};

impl Draws for Stream {
    fn unit(&mut self) -> f64 {
        Stream::unit(self)
    }

    fn normal(&mut self) -> f64 {
        (0..12).map(|_| Stream::unit(self)).sum::<f64>() - 6.0
    }
}

/// As `Corruptor` does, with the draws of `stream`.
fn apply(image: &RgbImage, corruption: Corruption, share: f64, stream: &mut Stream) -> RgbImage {
    let made = match corruption {
        Corruption::BlueNoiseSample => blue_noise_sample(image, 3.0 * share - 2.5, stream),
        Corruption::BrownishNoise => brownish_noise(image, 64.0 * share, stream),
        Corruption::CausticRefraction => caustic_refraction(image, share, stream),
        Corruption::CheckerboardCutout => checkerboard_cutout(image, share, stream),
        Corruption::CircularMotionBlur => circular_motion_blur(image, 15.0 * share),
        Corruption::CocentricSineWaves => cocentric_sine_waves(image, 128.0 * share, stream),
        Corruption::InverseSparkles => inverse_sparkles(image, 65.0 * share, stream),
        Corruption::Lines => lines(image, share, stream),
        Corruption::PerlinNoise => perlin_noise(image, 0.5 * share, stream),
        Corruption::PinchAndTwirl => pinch_and_twirl(image, share, 3, stream),
        Corruption::PlasmaNoise => plasma_noise(image, 64.0 * share, stream),
        Corruption::Ripple => ripple(image, 0.025 * share, stream),
        Corruption::SingleFrequencyGreyscale => single_frequency_greyscale(image, 196.0 * share, stream),
        Corruption::Sparkles => sparkles(image, 0.1 * share, stream),
        Corruption::TransverseChromaticAbberation => {
            transverse_chromatic_abberation(image, 0.5 * share, stream)
        }
        other => panic!("{other} is not of C-bar"),
    };
    made.unwrap()
}

#[test]
fn every_corruption_of_bar_matches_the_published_formula_within_one_level() {
    let text = include_str!("../../../../fixtures/golden/corrupt/golden_bar.json");
    let golden: serde_json::Value = serde_json::from_str(text).unwrap();
    let crop = photograph();
    let mut worst: BTreeMap<Corruption, (u8, usize, usize)> = BTreeMap::new();
    let cases = golden["bar"].as_array().unwrap();
    assert_eq!(cases.len(), 2 * 10 * 5 * 3);
    for case in cases {
        let text = |key: &str| case[key].as_str().unwrap();
        let number = |key: &str| case[key].as_u64().unwrap();
        let corruption: Corruption = text("corruption").parse().unwrap();
        let severity = Severity::try_new(number("severity") as u8).unwrap();
        let scale: Scale = text("scale").parse().unwrap();
        let share = strength(corruption, severity, scale).unwrap() / 10.0;
        let image = corner(&crop, text("image"));
        let out = apply(&image, corruption, share, &mut Stream(number("seed")));
        let found: Vec<u8> = out.data().iter().copied().step_by(number("stride") as usize).collect();
        let expected = hex(text("out"));
        assert_eq!(found.len(), expected.len());
        let (most, differing, total) = worst.entry(corruption).or_default();
        for (&a, &b) in found.iter().zip(&expected) {
            *most = (*most).max(a.abs_diff(b));
            *differing += usize::from(a != b);
        }
        *total += found.len();
    }
    for (corruption, (most, differing, total)) in &worst {
        println!("{corruption:32} at most {most} apart, {differing} of {total} differ");
    }
    assert_eq!(worst.len(), 15);
    for (corruption, (most, differing, total)) in worst {
        assert!(most <= 1, "{corruption}: {most} levels apart");
        assert!(differing * 20 <= total, "{corruption}: {differing} of {total} values differ");
    }
}

fn picture(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| [(x * 5) as u8, (y * 7) as u8, ((x * y) % 251) as u8])
}

#[test]
fn any_size_works_and_the_seed_and_nothing_else_decides() {
    for (w, h) in [(1, 1), (1, 9), (2, 2), (3, 5), (32, 32), (41, 23)] {
        let image = picture(w, h);
        for scale in [Scale::Cifar32, Scale::ImageNet224] {
            let corruptor = Corruptor::new(scale);
            for corruption in Corruption::BAR {
                for severity in Severity::ALL {
                    let at = |seed| corruptor.corrupt(&image, corruption, severity, seed).unwrap();
                    let out = at(3);
                    assert_eq!((out.width(), out.height()), (w, h), "{corruption}");
                    assert_eq!(out, at(3), "{corruption}");
                    if (w, h) == (41, 23) {
                        let differs = (4..12).any(|seed| at(seed) != out);
                        assert_eq!(differs, corruption.is_random(), "{corruption}");
                    }
                }
            }
        }
    }
}

#[test]
fn strengths_grow_with_severity_and_folders_are_the_published_ones() {
    for corruption in Corruption::BAR {
        for scale in Scale::ALL {
            let row = Severity::ALL.map(|severity| strength(corruption, severity, scale).unwrap());
            assert!(row.windows(2).all(|pair| pair[0] < pair[1]) && row[4] <= 10.0, "{corruption} {row:?}");
        }
    }
    let folder =
        |corruption: Corruption, s: usize, scale| corruption.severity_folder(Severity::ALL[s], scale);
    assert_eq!(folder(Corruption::CausticRefraction, 0, Scale::ImageNet224), "2.35");
    assert_eq!(folder(Corruption::Sparkles, 1, Scale::Cifar32), "3.50");
    assert_eq!(folder(Corruption::Fog, 2, Scale::ImageNet224), "3");
}

/// Mean and standard deviation of what is added to grey, the means of those of many seeds.
fn added(corruption: Corruption, severity: usize, seeds: u64) -> (f64, f64) {
    let grey = RgbImage::filled(64, 64, [128; 3]);
    let corruptor = Corruptor::new(Scale::ImageNet224);
    let (mut means, mut variances) = (0.0, 0.0);
    for seed in 0..seeds {
        let out = corruptor.corrupt(&grey, corruption, Severity::ALL[severity], seed).unwrap();
        let values: Vec<f64> = out.data().iter().step_by(3).map(|&value| f64::from(value) - 128.0).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        means += mean / seeds as f64;
        variances +=
            values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64 / seeds as f64;
    }
    (means, variances.sqrt())
}

#[test]
fn random_patterns_have_the_published_moments() {
    // Brownish noise has the deviation within each image that it is scaled to (and a mean that is not held) …
    let (_, deviation) = added(Corruption::BrownishNoise, 0, 40);
    assert!((deviation - 6.4).abs() < 0.05, "{deviation}");
    // … a sine has its amplitude over the square root of two; truncation takes half a level from the mean …
    let (mean, deviation) = added(Corruption::SingleFrequencyGreyscale, 0, 400);
    assert!(
        (mean + 0.5).abs() < 0.3 && (deviation - 19.6 / 2.0_f64.sqrt()).abs() < 0.4,
        "{mean} {deviation}"
    );
    // … and a saw-tooth its height over that of twelve.
    let (mean, deviation) = added(Corruption::CocentricSineWaves, 0, 200);
    assert!(
        (mean + 0.5).abs() < 0.6 && (deviation - 38.4 / 12.0_f64.sqrt()).abs() < 0.4,
        "{mean} {deviation}"
    );
}

#[test]
fn blue_noise_leaves_the_share_of_points_of_a_normal_threshold_and_is_blue() {
    let white = RgbImage::filled(96, 96, [255; 3]);
    let corruptor = Corruptor::new(Scale::ImageNet224);
    let (mut kept, mut low, mut high) = (0.0, 0.0, 0.0);
    for seed in 0..20 {
        let out = corruptor.corrupt(&white, Corruption::BlueNoiseSample, Severity::ALL[4], seed).unwrap();
        let mask: Vec<f64> = out.data().chunks(3).map(|pixel| f64::from(pixel[0]) / 255.0).collect();
        kept += mask.iter().sum::<f64>() / mask.len() as f64 / 20.0;
        // Power along the rows at a low and at a high frequency.
        for (k, power) in [(2.0, &mut low), (40.0, &mut high)] {
            for row in mask.chunks(96) {
                let angle = |x: usize| std::f64::consts::TAU * k * x as f64 / 96.0;
                let re: f64 = row.iter().enumerate().map(|(x, v)| v * angle(x).cos()).sum();
                let im: f64 = row.iter().enumerate().map(|(x, v)| v * angle(x).sin()).sum();
                *power += re * re + im * im;
            }
        }
    }
    // A strength of 5.6 is a threshold of -0.82, which a standard normal exceeds in 79 of 100 cases.
    assert!((kept - 0.7939).abs() < 0.01, "{kept}");
    assert!(high > 1.5 * low, "{high} against {low}");
}

#[test]
fn a_checkerboard_covers_half_of_its_share() {
    let white = RgbImage::filled(96, 96, [255; 3]);
    let corruptor = Corruptor::new(Scale::ImageNet224);
    let covered: f64 = (0..300)
        .map(|seed| {
            let out =
                corruptor.corrupt(&white, Corruption::CheckerboardCutout, Severity::ALL[4], seed).unwrap();
            out.data().iter().filter(|&&v| v == 128).count() as f64 / out.data().len() as f64
        })
        .sum();
    assert!((covered / 300.0 - 0.3).abs() < 0.02, "{covered}");
}
