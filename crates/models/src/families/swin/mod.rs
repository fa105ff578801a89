//! Swin transformers: "Swin transformer: hierarchical vision transformer using shifted windows" (Liu et al., 2021), and the
//! windows found for them by "Searching the search space of vision transformer" (Chen et al., 2021, `swin_s3_*`), as
//! timm's `SwinTransformer`, whose parameter names these are.
//!
//! Maps are (N, H, W, C) within. For images of another size the windows grow and shrink with the image, as with timm's
//! `set_input_size`; maps that windows do not divide are padded.
//!
//! Taps: each stage's map, `layers.<i>`. Images have the size that the network was made for, which 4 divides.

mod block;
mod config;

use crate::backbone::{Collected, stage_key};
use crate::builder::{Builder, Switches};
use crate::init::Init;
use crate::layers::{LayerNorm, Patchify, PatchifyConfig, run};
use crate::{Backbone, Error, Features, Taps};
use block::{Block, EPS, PatchMerging, Windows};
use config::{Config, PATCH};
use tch::Tensor;

pub(crate) use config::ARCHITECTURES;

/// A Swin transformer without its classifier.
pub(crate) struct Swin {
    patch_embed: Patchify,
    patch_norm: LayerNorm,
    /// Before every stage but the first.
    merging: Vec<PatchMerging>,
    stages: Vec<Vec<Block>>,
    norm: LayerNorm,
    embed_dim: i64,
    /// Each stage's output.
    taps: Vec<String>,
    switches: Switches,
}

impl Swin {
    pub(crate) fn new(builder: &Builder<'_>, config: &Config) -> Result<Self, Error> {
        let Config { width, depths, heads, image, .. } = *config;
        let patch_embed = builder / "patch_embed";
        let patchify = PatchifyConfig { network: "a Swin transformer", width, patch: PATCH, image };
        let patchify = Patchify::new(&(&patch_embed / "proj"), patchify, Init::Default, None)?;
        let grid = patchify.grid();
        let (mut merging, mut stages) = (Vec::new(), Vec::new());
        let mut rates = builder.drop_path_rates(depths.iter().sum()).into_iter();
        for (i, depth) in depths.into_iter().enumerate() {
            let builder = builder / "layers" / i;
            let (width, heads) = (width << i, heads << i);
            if i > 0 {
                merging.push(PatchMerging::new(&(&builder / "downsample"), width / 2)?);
            }
            let windows = Windows::new(config.map(grid, i), config.window(grid, i));
            let block = |j| {
                let rate = rates.next().unwrap_or(0.0);
                Block::new(&(&builder / "blocks" / j), (width, heads), &windows, j % 2 == 1, rate)
            };
            stages.push((0..depth).map(block).collect::<Result<_, _>>()?);
        }
        let embed_dim = width << 3;
        Ok(Self {
            patch_embed: patchify,
            patch_norm: LayerNorm::new(&(&patch_embed / "norm"), width, EPS)?,
            merging,
            stages,
            norm: LayerNorm::new(&(builder / "norm"), embed_dim, EPS)?,
            embed_dim,
            taps: (0..4).map(|i| format!("layers.{i}")).collect(),
            switches: builder.switches().clone(),
        })
    }
}

impl Backbone for Swin {
    fn forward_with_taps(&self, x: &Tensor, train: bool, taps: Taps<'_>) -> Result<Features, Error> {
        let mut collected = Collected::new(taps, self.taps())?;
        let nchw = |x: &Tensor| x.f_permute([0, 3, 1, 2]);
        let patches = self.patch_embed.forward(x)?.f_permute([0, 2, 3, 1])?;
        let mut x = self.patch_norm.forward(&patches)?;
        for (i, blocks) in self.stages.iter().enumerate() {
            if i > 0 {
                x = self.merging[i - 1].forward(&x)?;
            }
            for block in blocks {
                x = run(&self.switches, block, &x, train)?;
            }
            collected.keep(&self.taps[i], &nchw(&x)?);
        }
        let map = self.norm.forward(&x)?;
        let pooled = map.f_mean_dim(&[1_i64, 2][..], false, None)?;
        Ok(Features { pooled, map: Some(nchw(&map)?), tokens: None, taps: collected.into_taps() })
    }

    fn embed_dim(&self) -> i64 {
        self.embed_dim
    }

    fn taps(&self) -> &[String] {
        &self.taps
    }

    fn layer_key(&self, parameter: &str) -> Option<[u32; 2]> {
        let mut parts = parameter.split('.');
        match parts.next()? {
            "patch_embed" => Some([0, 0]),
            "layers" => stage_key(parts),
            // timm's matcher puts the final norm with the last block.
            "norm" => Some([4, self.stages[3].len() as u32 - 1]),
            _ => None,
        }
    }

    fn exempt_from_decay(&self, parameter: &str) -> bool {
        parameter.ends_with("relative_position_bias_table")
    }
}

#[cfg(test)]
mod tests;
