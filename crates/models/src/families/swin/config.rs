//! The architectures, under timm's names, and how they read other publishers' weights.

use super::Swin;
use crate::arch::{self, Architecture, Sizes};
use crate::builder::Builder;
use crate::head::HeadSpec;
use crate::init::Init;
use crate::layers::resize_table;
use crate::preprocessing::Interpolation;
use crate::{Backbone, Error, ModelOptions, Preprocessing};
use std::collections::BTreeMap;
use tch::Tensor;

/// What distinguishes one Swin transformer from another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    /// The channels of the first stage; each later stage doubles them.
    pub(super) width: i64,
    pub(super) depths: [usize; 4],
    /// The heads of the first stage; each later stage doubles them.
    pub(super) heads: i64,
    /// The sides of the windows, stage by stage, in patches.
    pub(super) windows: [i64; 4],
    /// The side of the image in pixels.
    pub(super) image: i64,
}

/// The side of a patch in pixels.
pub(super) const PATCH: i64 = 4;

const TINY: Config = Config { width: 96, depths: [2, 2, 6, 2], heads: 3, windows: [7; 4], image: 224 };
const SMALL: Config = Config { depths: [2, 2, 18, 2], ..TINY };
const BASE: Config = Config { width: 128, heads: 4, ..SMALL };
const LARGE: Config = Config { width: 192, heads: 6, ..SMALL };

const fn larger(config: Config) -> Config {
    Config { windows: [12; 4], image: 384, ..config }
}

/// The architectures of this family.
pub(crate) const ARCHITECTURES: &[Architecture] = &[
    Architecture::new("swin_tiny_patch4_window7_224", &TINY),
    Architecture::new("swin_small_patch4_window7_224", &SMALL),
    Architecture::new("swin_base_patch4_window7_224", &BASE),
    Architecture::new("swin_base_patch4_window12_384", &larger(BASE)),
    Architecture::new("swin_large_patch4_window7_224", &LARGE),
    Architecture::new("swin_large_patch4_window12_384", &larger(LARGE)),
    Architecture::new("swin_s3_tiny_224", &Config { windows: [7, 7, 14, 7], ..TINY }),
    Architecture::new("swin_s3_small_224", &Config { windows: [14, 14, 14, 7], ..SMALL }),
    Architecture::new("swin_s3_base_224", &Config { depths: [2, 2, 30, 2], windows: [7, 7, 14, 7], ..TINY }),
];

impl Config {
    /// The rows and columns of a stage's map, for an image of so many patches.
    pub(super) fn map(&self, grid: (i64, i64), stage: usize) -> (i64, i64) {
        let halved = |side: i64| (0..stage).fold(side, |side, _| (side + 1) / 2);
        (halved(grid.0), halved(grid.1))
    }

    /// The window of a stage, for an image of so many patches: in proportion to the image, and no larger than the map.
    pub(super) fn window(&self, grid: (i64, i64), stage: usize) -> (i64, i64) {
        let map = self.map(grid, stage);
        let scaled = |side: i64| (self.windows[stage] * side / (self.image / PATCH)).max(1);
        (scaled(grid.0).min(map.0), scaled(grid.1).min(map.1))
    }
}

impl arch::Config for Config {
    fn build(&self, builder: &Builder<'_>) -> Result<Box<dyn Backbone>, Error> {
        Ok(Box::new(Swin::new(builder, self)?))
    }

    fn head(&self) -> HeadSpec {
        HeadSpec::linear("head.fc").started(Init::Normal(0.02))
    }

    fn untagged(&self) -> (Preprocessing, i64) {
        let (input_size, interpolation) = (self.image as u32, Interpolation::Bicubic);
        let crop_pct = if self.image == 384 { 1.0 } else { 0.9 };
        (Preprocessing { input_size, interpolation, crop_pct, ..Default::default() }, 1000)
    }

    /// The authors' checkpoints merge patches at the end of a stage, timm at the start of the next; tables of relative
    /// positions are resampled to the windows of `options`.
    fn adapt(
        &self,
        options: &ModelOptions,
        tensors: &mut BTreeMap<String, Tensor>,
        target: &BTreeMap<String, Tensor>,
    ) -> Result<Vec<String>, Error> {
        let mut notes = Vec::new();
        let authors = tensors.contains_key("layers.0.downsample.reduction.weight");
        let (rows, columns) = options.image_size.unwrap_or((self.image, self.image));
        let grid = (rows / PATCH, columns / PATCH);
        let mut resampled = 0;
        for (name, tensor) in std::mem::take(tensors) {
            // They follow from the sizes.
            if name.ends_with("relative_position_index") || name.ends_with("attn_mask") {
                continue;
            }
            let name = if authors { from_authors(&name) } else { name };
            let mut tensor = tensor;
            if name.ends_with("relative_position_bias_table")
                && let Some(stage) = stage(&name)
                && target.get(&name).is_some_and(|own| own.size() != tensor.size())
                && let Some(table) = resize_table(&tensor, self.window(grid, stage), false)?
            {
                (tensor, resampled) = (table, resampled + 1);
            }
            tensors.insert(name, tensor);
        }
        if authors {
            notes.push("renamed from the authors' names".into());
        }
        if resampled > 0 {
            notes.push(format!(
                "{resampled} tables of relative positions resampled to windows for {rows}x{columns} pixels"
            ));
        }
        Ok(notes)
    }

    fn sizes(&self) -> Sizes {
        Sizes::Image
    }
}

/// The stage of a parameter.
fn stage(name: &str) -> Option<usize> {
    name.strip_prefix("layers.")?.split('.').next()?.parse().ok().filter(|stage| *stage < 4)
}

/// timm's name for a parameter of the authors' code.
fn from_authors(name: &str) -> String {
    if let Some(rest) = name.strip_prefix("head.") {
        return format!("head.fc.{rest}");
    }
    match (stage(name), name.split_once(".downsample.")) {
        (Some(stage), Some((_, rest))) => format!("layers.{}.downsample.{rest}", stage + 1),
        _ => name.into(),
    }
}
