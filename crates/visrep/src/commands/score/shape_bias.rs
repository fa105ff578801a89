//! `visrep score shape-bias`.

use super::table::{Table, Unique};
use anyhow::{Context, Result};
use clap::Args;
use std::path::PathBuf;
use visrep_robustness::{CUE_CONFLICT_CLASSES, CueConflictClass, Stimulus};

/// Shape bias on the cue-conflict images
///
/// Prints `shape_bias`, the fraction for shape of the decisions that are for the shape or for the texture, from 0 (all for the texture)
/// to 1 (null where none is for either); `class_mean`, its mean over shape classes; `decided`, the share of decisions for either;
/// `shape`, `texture` and `n`, how many decisions are for each and how many images there are; `left_out`, how many images more there
/// are whose shape and texture are of one class, which decide nothing.
#[derive(Args)]
#[command(
    after_help = "D.csv has a row for each image, under its original name (shape, then texture; folders do not matter), and which of \
    the 16 classes was chosen:\n\n    \
    image,decision\n    \
    cat1-airplane1.png,cat\n    \
    knife3-dog2.png,dog\n\n\
    The classes: airplane bear bicycle bird boat bottle car cat chair clock dog elephant keyboard knife oven truck\n\n\
    Example:\n  \
    visrep score shape-bias --decisions D.csv\n\n\
    prints for these two rows, the first decision being for the shape and the second for the texture:\n\n  \
    {\"shape_bias\": 0.5, \"class_mean\": 0.5, \"decided\": 1.0, \"shape\": 1, \"texture\": 1, \"n\": 2, \"left_out\": 0}"
)]
pub struct ShapeBias {
    /// CSV with the columns image and decision
    #[arg(long, value_name = "D.csv")]
    decisions: PathBuf,
}

impl ShapeBias {
    pub fn run(self) -> Result<()> {
        let (mut shapes, mut textures, mut decisions) = (Vec::new(), Vec::new(), Vec::new());
        let mut unique = Unique::new();
        let table = Table::read(&self.decisions)?;
        for [image, decision] in table.columns(["image", "decision"])? {
            let stimulus = Stimulus::from_name(image.text).ok_or_else(|| {
                image.error("is no cue-conflict image: such a name is cat1-airplane1.png, the shape first")
            })?;
            // Folders do not matter.
            unique.add(image.text.rsplit(['/', '\\']).next(), image)?;
            let decided = CueConflictClass::named(decision.text).ok_or_else(|| {
                let classes = CUE_CONFLICT_CLASSES.map(|(name, _)| name).join(", ");
                decision.error(format_args!("is none of the 16 classes: {classes}"))
            })?;
            shapes.push(stimulus.shape.index());
            textures.push(stimulus.texture.index());
            decisions.push(decided.index());
        }
        let result = visrep_metrics::shape_bias(&shapes, &textures, &decisions)
            .with_context(|| self.decisions.display().to_string())?;
        super::print(&result)
    }
}
