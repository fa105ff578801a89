//! The tables beside the images, as `dataset_generator.py` of google-research/si-score writes them.

use super::objects::Scenes;
use anyhow::{Context, Result};
use std::path::Path;
use visrep_models::write_atomically;
use visrep_robustness::si_score::{SiScoreSet, Variation};
use visrep_robustness::si_score_class;

const HEADING: [&str; 11] = [
    "image_id",
    "x_coord",
    "y_coord",
    "area",
    "rotation",
    "foreground_class",
    "foreground_instance",
    "background",
    "bg_resolution_width",
    "bg_resolution_height",
    "pct_inside_image",
];

/// Writes `metadata.csv`, a row for each image, and the lists of classes and backgrounds. `made` has the sides of each scene's object
/// where there are images of it.
pub(super) fn write(
    folder: &Path,
    set: SiScoreSet,
    variations: &[Variation],
    least_inside: f64,
    scenes: &Scenes,
    made: &[Option<(u32, u32)>],
) -> Result<()> {
    let instances: Vec<_> = scenes.instances().collect();
    let side = set.side().to_string();
    let mut rows = Vec::new();
    for (place, variation) in variations.iter().enumerate() {
        for (nth, (instance, size)) in instances.iter().zip(made).enumerate() {
            let Some(size) = *size else { continue };
            let inside = variation.place(size, set.side()).inside;
            if inside < least_inside {
                continue;
            }
            rows.push(vec![
                (place * scenes.len() + nth).to_string(),
                format!("{:?}", variation.x),
                format!("{:?}", variation.y),
                format!("{:?}", variation.area),
                variation.rotation.to_string(),
                instance.class.to_string(),
                instance.instance.to_string(),
                instance.background.to_string(),
                side.clone(),
                side.clone(),
                // Python's round(share, 4).
                format!("{:?}", (inside * 1e4).round_ties_even() / 1e4),
            ]);
        }
    }
    table(folder, "metadata.csv", &HEADING, rows)?;
    let named =
        |pairs: Vec<(String, String)>| pairs.into_iter().map(|(int, label)| vec![int, label]).collect();
    let classes = scenes.classes();
    let indices =
        classes.iter().enumerate().map(|(index, class)| (index.to_string(), class.clone())).collect();
    let of_imagenet = classes
        .iter()
        .filter_map(|class| Some((si_score_class(class)?.to_string(), class.clone())))
        .collect();
    let backgrounds =
        scenes.background_names().enumerate().map(|(index, name)| (index.to_string(), name)).collect();
    table(folder, "foreground_classes_metadata_indices.csv", &["int", "label"], named(indices))?;
    table(folder, "foreground_classes.csv", &["int", "label"], named(of_imagenet))?;
    table(folder, "backgrounds.csv", &["int", "label"], named(backgrounds))
}

fn table(folder: &Path, name: &str, heading: &[&str], rows: Vec<Vec<String>>) -> Result<()> {
    let path = folder.join(name);
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(heading)?;
    for row in rows {
        writer.write_record(row)?;
    }
    let bytes = writer.into_inner().context("a table in memory")?;
    write_atomically(&path, &bytes).with_context(|| format!("cannot write {}", path.display()))
}
