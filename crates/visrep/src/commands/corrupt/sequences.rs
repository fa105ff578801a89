//! ImageNet-P as folders of frames.

use super::names::{self, Names};
use super::plan::Plan;
use crate::commands::made::files::{self, Done, Failure};
use crate::commands::made::record;
use anyhow::{Context, Result};
use visrep_augment::{Transform, view_rng};
use visrep_corrupt::{Difficulty, Perturbation, frames, keyed_sequence_seed};
use visrep_data::decode_sample;
use visrep_decode::{DecodeOptions, encode_png};

/// Writes `SEQUENCE/CLASS/NAME/00.png` and so on, but for sequences that are there already. Harder noise has a folder of its own
/// name, as published: `gaussian_noise_2`.
pub(super) fn write(plan: &Plan, perturbations: &[Perturbation], difficulty: Difficulty) -> Result<Done> {
    std::fs::create_dir_all(&plan.output)
        .with_context(|| format!("cannot create {}", plan.output.display()))?;
    let _held = record::claim(&plan.output, super::RECORD, &plan.settings())?;
    let resize = plan.resize()?;
    let names = Names::of(&*plan.data)?;
    let folder = |perturbation: Perturbation| match difficulty {
        Difficulty::Two | Difficulty::Three if perturbation.is_noise() => {
            plan.output.join(format!("{perturbation}_{difficulty}"))
        }
        _ => plan.output.join(perturbation.name()),
    };
    files::each_sample(plan.data.len(), plan.workers, |index| {
        let name = names.path(&*plan.data, index);
        let (mut written, mut kept) = (0, 0);
        let mut image = None;
        for &perturbation in perturbations {
            let folder = folder(perturbation).join(&name);
            let paths: Vec<_> =
                (0..perturbation.frames(plan.scale)).map(|i| folder.join(names::frame(i))).collect();
            let missing: Vec<bool> = paths.iter().map(|path| !files::is_whole(path)).collect();
            if !missing.contains(&true) {
                kept += paths.len();
                continue;
            }
            let (key, image) = match &image {
                Some(prepared) => prepared,
                None => {
                    let sample = plan.data.get(index)?;
                    let decoded = decode_sample(&sample, &DecodeOptions::default())?;
                    let resized = resize.apply(decoded, &mut view_rng(plan.seed, 0, index as u64, 0));
                    image.insert((sample.key, resized))
                }
            };
            let crop = plan.size.map_or(image.width().min(image.height()), |(_, crop)| crop);
            let seed = keyed_sequence_seed(key, perturbation, difficulty, plan.seed);
            let broken = |error: &dyn std::fmt::Display| {
                Failure::Broken(format!("{key}: cannot make the frames of {perturbation}: {error}"))
            };
            let made = frames(image, crop, perturbation, difficulty, plan.scale, seed)
                .map_err(|error| broken(&error))?;
            for ((frame, path), missing) in made.zip(&paths).zip(missing) {
                let frame = frame.map_err(|error| broken(&error))?;
                if missing {
                    let png = encode_png(&frame).map_err(|error| broken(&error))?;
                    files::write(path, &png).map_err(Failure::Fatal)?;
                    written += 1;
                } else {
                    kept += 1;
                }
            }
        }
        Ok((written, kept))
    })
}
