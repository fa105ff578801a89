//! The strings that timm's training scripts describe an automatic augmentation by, and the lists that they choose from.

use super::timm::{Choice, TimmOp};
use crate::error::{Error, check_within, wrong};

/// How a magnitude varies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Noise {
    /// Normally, by this standard deviation.
    Normal(f64),
    /// It is uniform from 0 to the magnitude.
    Uniform,
}

/// Which list `rand` chooses from.
#[derive(Clone, Copy)]
enum List {
    Plain,
    Weights,
    ThreeAugment,
    WeightedThreeAugment,
}

/// What a string says.
pub(super) struct Settings {
    pub(super) noise: Noise,
    pub(super) highest: f64,
    magnitude: f64,
    layers: usize,
    p: f64,
    increasing: bool,
    list: List,
}

impl Settings {
    /// The choice of `rand`.
    pub(super) fn layers(&self) -> Choice {
        let (layers, p, magnitude) = (self.layers, self.p, self.magnitude);
        let plain = |ops| Choice::Layers { ops, layers, p, magnitude };
        let weighted = |ops| Choice::Weighted { ops, layers, p, magnitude };
        match self.list {
            List::Plain if self.increasing => plain(&INCREASING),
            List::Plain => plain(&PLAIN),
            List::ThreeAugment => plain(&THREE_AUGMENT),
            List::Weights => weighted(&WEIGHTS),
            List::WeightedThreeAugment => weighted(&WEIGHTED_THREE_AUGMENT),
        }
    }
}

const CONFIG: &str = "TimmAugment config";

/// Reads the parts that come after the name of the policy.
pub(super) fn parse<'a>(
    config: &str,
    name: &str,
    parts: impl Iterator<Item = &'a str>,
) -> Result<Settings, Error> {
    if !["rand", "original", "originalr", "v0", "v0r", "3a"].contains(&name) {
        return Err(wrong(
            CONFIG,
            "something that starts with rand, original, originalr, v0, v0r or 3a",
            config,
        ));
    }
    let mut settings = Settings {
        noise: Noise::Normal(0.0),
        highest: 10.0,
        magnitude: 10.0,
        layers: 2,
        p: 0.5,
        increasing: false,
        list: List::Plain,
    };
    for part in parts {
        read(&mut settings, config, name, part)?;
    }
    let most = match settings.layers() {
        Choice::Weighted { ops, .. } => ops.len(),
        _ => 1000,
    };
    check_within("TimmAugment n", settings.layers as f64, 0.0..=most as f64)?;
    Ok(settings)
}

fn read(settings: &mut Settings, config: &str, name: &str, part: &str) -> Result<(), Error> {
    let unknown = || wrong(CONFIG, format!("made of parts that timm has, not {part:?}"), config);
    if name == "rand"
        && let Some(list) = part.strip_prefix('t')
    {
        settings.list = match list {
            "weights" => List::Weights,
            "3a" => List::ThreeAugment,
            "3aw" => List::WeightedThreeAugment,
            _ => return Err(unknown()),
        };
        return Ok(());
    }
    let digits = part.find(|c: char| c.is_ascii_digit()).ok_or_else(unknown)?;
    let (key, value) = part.split_at(digits);
    let value: f64 = value.parse().map_err(|_| unknown())?;
    if !value.is_finite() {
        return Err(unknown());
    }
    match key {
        "mstd" => settings.noise = if value > 100.0 { Noise::Uniform } else { Noise::Normal(value) },
        _ if name != "rand" => return Err(unknown()),
        "m" => settings.magnitude = value,
        "mmax" => {
            check_within("TimmAugment mmax", value, 0.0..=1000.0)?;
            // timm takes 0 for not given.
            settings.highest = if value == 0.0 { 10.0 } else { value };
        }
        "n" => settings.layers = value as usize,
        "p" => {
            check_within("TimmAugment p", value, 0.0..=1.0)?;
            settings.p = value;
        }
        "inc" => settings.increasing = value != 0.0,
        _ => return Err(unknown()),
    }
    Ok(())
}

const PLAIN: [TimmOp; 15] = [
    TimmOp::AutoContrast,
    TimmOp::Equalize,
    TimmOp::Invert,
    TimmOp::Rotate,
    TimmOp::Posterize,
    TimmOp::Solarize,
    TimmOp::SolarizeAdd,
    TimmOp::Color,
    TimmOp::Contrast,
    TimmOp::Brightness,
    TimmOp::Sharpness,
    TimmOp::ShearX,
    TimmOp::ShearY,
    TimmOp::TranslateXRel,
    TimmOp::TranslateYRel,
];

const INCREASING: [TimmOp; 15] = [
    TimmOp::AutoContrast,
    TimmOp::Equalize,
    TimmOp::Invert,
    TimmOp::Rotate,
    TimmOp::PosterizeIncreasing,
    TimmOp::SolarizeIncreasing,
    TimmOp::SolarizeAdd,
    TimmOp::ColorIncreasing,
    TimmOp::ContrastIncreasing,
    TimmOp::BrightnessIncreasing,
    TimmOp::SharpnessIncreasing,
    TimmOp::ShearX,
    TimmOp::ShearY,
    TimmOp::TranslateXRel,
    TimmOp::TranslateYRel,
];

const THREE_AUGMENT: [TimmOp; 3] = [TimmOp::SolarizeIncreasing, TimmOp::Desaturate, TimmOp::GaussianBlur];

const WEIGHTED_THREE_AUGMENT: [(TimmOp, f64); 14] = [
    (TimmOp::SolarizeIncreasing, 6.0),
    (TimmOp::Desaturate, 6.0),
    (TimmOp::GaussianBlur, 6.0),
    (TimmOp::Rotate, 3.0),
    (TimmOp::ShearX, 2.0),
    (TimmOp::ShearY, 2.0),
    (TimmOp::PosterizeIncreasing, 1.0),
    (TimmOp::AutoContrast, 1.0),
    (TimmOp::ColorIncreasing, 1.0),
    (TimmOp::SharpnessIncreasing, 1.0),
    (TimmOp::ContrastIncreasing, 1.0),
    (TimmOp::BrightnessIncreasing, 1.0),
    (TimmOp::Equalize, 1.0),
    (TimmOp::Invert, 1.0),
];

const WEIGHTS: [(TimmOp, f64); 15] = [
    (TimmOp::Rotate, 3.0),
    (TimmOp::ShearX, 2.0),
    (TimmOp::ShearY, 2.0),
    (TimmOp::TranslateXRel, 1.0),
    (TimmOp::TranslateYRel, 1.0),
    (TimmOp::ColorIncreasing, 0.25),
    (TimmOp::SharpnessIncreasing, 0.25),
    (TimmOp::AutoContrast, 0.25),
    (TimmOp::SolarizeIncreasing, 0.05),
    (TimmOp::SolarizeAdd, 0.05),
    (TimmOp::ContrastIncreasing, 0.05),
    (TimmOp::BrightnessIncreasing, 0.05),
    (TimmOp::Equalize, 0.05),
    (TimmOp::PosterizeIncreasing, 0.05),
    (TimmOp::Invert, 0.05),
];
