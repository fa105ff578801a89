//! Vision transformers: "An image is worth 16×16 words" (Dosovitskiy et al., 2020) and what grew from it, as timm's
//! `VisionTransformer`, whose parameter names these are: `config` names the departures, `table` the architectures.
//!
//! Taps: each block's tokens, `blocks.<i>`. Images may have any size that the patch divides; positions are resampled to it.

mod adapt;
mod attention;
mod block;
#[cfg(test)]
mod checks;
mod class_attention;
mod config;
mod mae;
mod parallel;
mod position;
mod resample;
mod scheme;
mod sincos;
mod stem;
mod table;
#[cfg(test)]
mod tests;

use crate::arch::{self, Sizes};
use crate::backbone::Collected;
use crate::builder::{Builder, Switches, images};
use crate::head::{HeadKind, HeadSpec};
use crate::init::Init;
use crate::layers::{AttentionPool, Linear, LinearConfig, Param, TokenNorm, run};
use crate::{Backbone, Error, Features, ModelOptions, PatchTransformer, Preprocessing, Taps};
use block::Block;
use class_attention::ClassAttention;
use config::{Config, FinalNorm, Pool};
pub use mae::{MaeDecoder, MaeDecoderConfig};
use position::PositionEmbedding;
use std::collections::BTreeMap;
use stem::Stem;
pub(crate) use table::ARCHITECTURES;
use tch::{Kind, Tensor};

impl arch::Config for Config {
    fn build(&self, builder: &Builder<'_>) -> Result<Box<dyn Backbone>, Error> {
        Ok(Box::new(Vit::new(builder, self)?))
    }

    fn head(&self) -> HeadSpec {
        let head = HeadSpec::linear("head").started(self.start.head());
        match self.pool {
            Pool::ClassAndDistillation => head.kind(HeadKind::Distilled),
            _ => head,
        }
    }

    fn untagged(&self) -> (Preprocessing, i64) {
        match self.image {
            // Tiny images: all of them, and ten classes as CIFAR-10 has.
            16 => (Preprocessing { crop_pct: 1.0, ..self.default_preprocessing() }, 10),
            _ => (self.default_preprocessing(), 1000),
        }
    }

    fn adapt(
        &self,
        options: &ModelOptions,
        tensors: &mut BTreeMap<String, Tensor>,
        target: &BTreeMap<String, Tensor>,
    ) -> Result<Vec<String>, Error> {
        adapt::adapt(self, options, tensors, target)
    }

    #[cfg(test)]
    fn at_depth_2(&self) -> Option<Box<dyn arch::Config>> {
        Some(Box::new(self.depth(2)))
    }

    fn sizes(&self) -> Sizes {
        match self.stem {
            config::Stem::Patches => Sizes::ImageAndPatch,
            config::Stem::Convolutions => Sizes::Image,
        }
    }
}

/// A linear layer with or without its bias.
fn biased(config: LinearConfig, bias: bool) -> LinearConfig {
    LinearConfig { bias, ..config }
}

/// Which patches a network sees.
#[derive(Clone, Copy)]
enum Shown<'a> {
    All,
    /// Those of these indices (N, K).
    Kept(&'a Tensor),
    /// Those that `masked` (N, patches) does not mark; `token` (C) stands for the others.
    Masked {
        masked: &'a Tensor,
        token: &'a Tensor,
    },
}

/// A vision transformer without its classifier.
pub(crate) struct Vit {
    stem: Stem,
    /// Class token, distillation token, registers: (1, n, C) each.
    prefix: Vec<Param>,
    positions: PositionEmbedding,
    norm_pre: Option<TokenNorm>,
    blocks: Vec<Block>,
    norm: Option<TokenNorm>,
    pool: Pool,
    attention_pool: Option<AttentionPool>,
    class_attention: Option<ClassAttention>,
    fc_norm: Option<TokenNorm>,
    pre_logits: Option<Linear>,
    in_channels: i64,
    /// The image it is made for, and its patches.
    image: (i64, i64),
    patch: i64,
    width: i64,
    prefix_tokens: i64,
    /// Each block's output, before the final norm.
    taps: Vec<String>,
    switches: Switches,
}

impl Vit {
    fn new(builder: &Builder<'_>, config: &Config) -> Result<Self, Error> {
        let Config { width, depth, heads, hidden, norm, activation, .. } = *config;
        let (image, patch) = sizes(builder, config)?;
        let token = |wanted: bool, name: &str, count: i64, init: Init| match wanted {
            true => Ok(Some(builder.parameter(name, &[1, count, width], init)?)),
            false => Ok::<_, Error>(None),
        };
        let prefix = [
            token(config.class_token, "cls_token", 1, config.start.class_token())?,
            token(config.distillation_token, "dist_token", 1, Init::Normal(0.02))?,
            token(config.registers > 0, "reg_token", config.registers, Init::Normal(1e-6))?,
        ];
        let named_norm = |wanted: bool, name: &str| match wanted {
            true => Ok(Some(TokenNorm::new(&(builder / name), norm, width)?)),
            false => Ok::<_, Error>(None),
        };
        let rates = builder.drop_path_rates(depth);
        let block = |(i, rate)| Block::new(&(builder / "blocks" / i), config, i, rate);
        Ok(Self {
            stem: Stem::new(builder, config, patch)?,
            prefix: prefix.into_iter().flatten().collect(),
            positions: PositionEmbedding::new(builder, config, (image.0 / patch, image.1 / patch))?,
            norm_pre: named_norm(config.pre_norm, "norm_pre")?,
            blocks: rates.into_iter().enumerate().map(block).collect::<Result<_, _>>()?,
            norm: named_norm(config.final_norm == FinalNorm::Tokens, "norm")?,
            pool: config.pool,
            attention_pool: match config.pool {
                Pool::Attention => {
                    let path = builder / "attn_pool";
                    Some(AttentionPool::new(&path, (width, hidden), heads, norm, activation)?)
                }
                _ => None,
            },
            class_attention: match config.pool {
                Pool::ClassAttention { scale } => {
                    Some(ClassAttention::new(&(builder / "class_attn"), config, scale)?)
                }
                _ => None,
            },
            fc_norm: named_norm(config.final_norm == FinalNorm::Pooled, "fc_norm")?,
            pre_logits: match config.representation {
                true => {
                    let path = builder / "pre_logits" / "fc";
                    Some(Linear::new(&path, config.start.linear(width, width))?)
                }
                false => None,
            },
            in_channels: builder.options().in_channels,
            image,
            patch,
            width,
            prefix_tokens: config.prefix_tokens(),
            taps: (0..depth).map(|i| format!("blocks.{i}")).collect(),
            switches: builder.switches().clone(),
        })
    }

    /// The tokens that enter the first block.
    fn embed(&self, x: &Tensor, shown: Shown<'_>, train: bool) -> Result<Tensor, Error> {
        let x = images(x, "a vision transformer", self.in_channels, 1, self.positions.kind())?;
        let (batch, _, rows, columns) = x.size4()?;
        let grid = self.grid((rows, columns))?;
        let mut patches = self.stem.forward(&x, train)?;
        if let Shown::Masked { masked, token } = shown {
            check_mask(masked, token, [batch, grid.0 * grid.1, self.width])?;
            let masked = masked.f_to_device(x.device())?.f_unsqueeze(-1)?;
            patches = token.f_to_kind(patches.kind())?.f_where_self(&masked, &patches)?;
        }
        patches = patches.f_add(&self.positions.patches(grid)?)?;
        if let Shown::Kept(keep) = shown {
            check_keep(keep, batch, grid.0 * grid.1)?;
            let index =
                keep.f_to_device(x.device())?.f_unsqueeze(-1)?.f_expand([-1, -1, self.width], false)?;
            patches = patches.f_gather(1, &index, false)?;
        }
        let tokens = match self.prefix.is_empty() {
            true => patches,
            false => {
                let mut prefix =
                    Tensor::f_cat(&self.prefix.iter().map(|token| &**token).collect::<Vec<_>>(), 1)?;
                if let Some(positions) = self.positions.prefix()? {
                    prefix = prefix.f_add(&positions)?;
                }
                Tensor::f_cat(&[prefix.f_expand([batch, -1, -1], false)?, patches], 1)?
            }
        };
        Ok(match &self.norm_pre {
            Some(norm) => norm.forward(&tokens)?,
            None => tokens,
        })
    }

    /// The tokens (N, T, C) pooled to (N, C).
    fn pooled(&self, tokens: &Tensor) -> Result<Tensor, Error> {
        let patches = || tokens.f_narrow(1, self.prefix_tokens, tokens.size()[1] - self.prefix_tokens);
        let mean = |x: &Tensor| x.f_mean_dim(&[1_i64][..], false, None);
        let mut pooled = match (self.pool, &self.attention_pool, &self.class_attention) {
            (Pool::ClassAndDistillation, ..) => mean(&tokens.f_narrow(1, 0, 2)?)?,
            (Pool::Mean, ..) => mean(&patches()?)?,
            (Pool::Attention, Some(pool), _) => pool.forward(&patches()?)?,
            (Pool::ClassAttention { .. }, _, Some(pool)) => pool.forward(tokens)?,
            _ => tokens.f_select(1, 0)?,
        };
        if let Some(norm) = &self.fc_norm {
            pooled = norm.forward(&pooled)?;
        }
        if let Some(linear) = &self.pre_logits {
            pooled = linear.forward(&pooled)?.f_tanh()?;
        }
        Ok(pooled)
    }

    /// What the blocks and the final norm make of embedded tokens.
    fn tokens(&self, embedded: Tensor, train: bool) -> Result<Tensor, Error> {
        let mut x = embedded;
        for block in &self.blocks {
            x = run(&self.switches, block, &x, train)?;
        }
        self.normed(&x)
    }

    fn normed(&self, tokens: &Tensor) -> Result<Tensor, Error> {
        Ok(match &self.norm {
            Some(norm) => norm.forward(tokens)?,
            None => tokens.shallow_clone(),
        })
    }
}

impl Backbone for Vit {
    fn forward_with_taps(&self, x: &Tensor, train: bool, taps: Taps<'_>) -> Result<Features, Error> {
        let mut collected = Collected::new(taps, self.taps())?;
        let mut x = self.embed(x, Shown::All, train)?;
        for (name, block) in self.taps().iter().zip(&self.blocks) {
            x = run(&self.switches, block, &x, train)?;
            collected.keep(name, &x);
        }
        let tokens = self.normed(&x)?;
        let pooled = self.pooled(&tokens)?;
        Ok(Features { pooled, map: None, tokens: Some(tokens), taps: collected.into_taps() })
    }

    fn embed_dim(&self) -> i64 {
        self.width
    }

    fn taps(&self) -> &[String] {
        &self.taps
    }

    fn prefix_tokens(&self) -> i64 {
        self.prefix_tokens
    }

    fn layer_key(&self, parameter: &str) -> Option<[u32; 2]> {
        let mut parts = parameter.split('.');
        match parts.next()? {
            "cls_token" | "dist_token" | "reg_token" | "pos_embed" | "patch_embed" | "norm_pre" => {
                Some([0, 0])
            }
            "blocks" => Some([1, parts.next()?.parse().ok()?]),
            // timm's matcher puts the final norm with the last block.
            "norm" => Some([1, self.blocks.len() as u32 - 1]),
            _ => None,
        }
    }

    fn exempt_from_decay(&self, parameter: &str) -> bool {
        matches!(parameter, "cls_token" | "dist_token" | "reg_token" | "pos_embed" | "class_attn.cls_token")
    }

    fn final_norm(&self, tap: &Tensor) -> Result<Tensor, Error> {
        self.normed(tap)
    }

    fn patch_transformer(&self) -> Option<&dyn PatchTransformer> {
        Some(self)
    }
}

impl PatchTransformer for Vit {
    fn patch_size(&self) -> i64 {
        self.stem.patch()
    }

    fn set_patch_size(&self, side: i64) -> Result<(), Error> {
        match &self.stem {
            Stem::Patches(patches) if side >= 1 => patches.set_side(side),
            Stem::Patches(_) => {
                Err(refused("patch_size", side.to_string(), "give at least one pixel".into()))
            }
            Stem::Convolutions(_) => {
                let reason = "patches made by convolutions have no other size".into();
                Err(refused("patch_size", side.to_string(), reason))
            }
        }
    }

    fn grid(&self, (rows, columns): (i64, i64)) -> Result<(i64, i64), Error> {
        let side = self.stem.patch();
        let grid = (rows / side, columns / side);
        // An architecture's own size may leave a rest, which no patch sees: 384 pixels in patches of 14.
        if ((rows, columns) == self.image && side == self.patch) || fits((rows, columns), side) {
            return Ok(grid);
        }
        let expected = format!(
            "its sides must be multiples of the patch's, {side} pixels; the nearest sizes are {}",
            nearest((rows, columns), side)
        );
        Err(Error::Input { got: vec![rows, columns], expected })
    }

    fn forward_tokens(&self, x: &Tensor, keep: Option<&Tensor>, train: bool) -> Result<Tensor, Error> {
        self.tokens(self.embed(x, keep.map_or(Shown::All, Shown::Kept), train)?, train)
    }

    fn forward_masked(
        &self,
        x: &Tensor,
        masked: &Tensor,
        token: &Tensor,
        train: bool,
    ) -> Result<Tensor, Error> {
        self.tokens(self.embed(x, Shown::Masked { masked, token }, train)?, train)
    }

    fn pool(&self, tokens: &Tensor) -> Result<Tensor, Error> {
        tokens.size3()?;
        self.pooled(tokens)
    }
}

/// The image and the patch that a network is made for.
fn sizes(builder: &Builder<'_>, config: &Config) -> Result<((i64, i64), i64), Error> {
    let options = builder.options();
    let patch = options.patch_size.unwrap_or(config.patch);
    let image = options.image_size.unwrap_or((config.image, config.image));
    let own = (image, patch) == ((config.image, config.image), config.patch);
    if own || fits(image, patch) {
        return Ok((image, patch));
    }
    let (option, value) = match options.image_size {
        Some((rows, columns)) => ("image_size", format!("{rows}x{columns}")),
        None => ("patch_size", patch.to_string()),
    };
    let reason = format!(
        "patches of {patch} pixels do not divide images of {}x{}; give an image_size such as {}",
        image.0,
        image.1,
        nearest(image, patch)
    );
    Err(refused(option, value, reason))
}

fn refused(option: &'static str, value: String, reason: String) -> Error {
    Error::Option { architecture: "vision transformer".into(), option, value, reason }
}

fn fits((rows, columns): (i64, i64), side: i64) -> bool {
    rows >= side && columns >= side && rows % side == 0 && columns % side == 0
}

/// The sizes next below and next above, ready for a sentence.
fn nearest((rows, columns): (i64, i64), side: i64) -> String {
    let below = |x: i64| (x / side).max(1) * side;
    let above = |x: i64| ((x + side - 1) / side).max(1) * side;
    let (low, high) = ((below(rows), below(columns)), (above(rows), above(columns)));
    match low == high {
        true => format!("{}x{}", low.0, low.1),
        false => format!("{}x{} and {}x{}", low.0, low.1, high.0, high.1),
    }
}

/// Refuses indices that would not choose among `patches` patches of each of `batch` images.
fn check_keep(keep: &Tensor, batch: i64, patches: i64) -> Result<(), Error> {
    let size = keep.size();
    let expected = |problem: &str| {
        let expected = format!(
            "{problem}; give the indices of the patches to keep, int64 (N, K), for N = {batch} images of {patches} patches"
        );
        Err(Error::Input { got: size.clone(), expected })
    };
    if keep.kind() != Kind::Int64 || size.len() != 2 || size[0] != batch || size[1] < 1 {
        return expected(&format!("it is {:?}", keep.kind()));
    }
    let (low, high) = (keep.f_min()?.f_int64_value(&[])?, keep.f_max()?.f_int64_value(&[])?);
    match low < 0 || high >= patches {
        true => expected(&format!("it has indices from {low} to {high}")),
        false => Ok(()),
    }
}

/// Refuses a mask that is not one of [batch, patches], and a token that is not of the width.
fn check_mask(masked: &Tensor, token: &Tensor, [batch, patches, width]: [i64; 3]) -> Result<(), Error> {
    if masked.kind() != Kind::Bool || masked.size() != [batch, patches] {
        let expected = format!("give a mask ({batch}, {patches}) of booleans; it is {:?}", masked.kind());
        return Err(Error::Input { got: masked.size(), expected });
    }
    if !token.is_floating_point() || token.size() != [width] {
        let expected = format!("give a mask token ({width}) of floating point; it is {:?}", token.kind());
        return Err(Error::Input { got: token.size(), expected });
    }
    Ok(())
}
