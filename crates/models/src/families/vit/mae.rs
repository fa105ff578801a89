//! The decoder of masked autoencoders: "Masked autoencoders are scalable vision learners" (He et al., 2021), with the
//! parameter names of facebookresearch/mae.

use super::block::Block;
use super::check_keep;
use super::config::Config;
use super::scheme::Scheme;
use super::sincos::Table;
use crate::builder::{Builder, Start, Switches};
use crate::init::Init;
use crate::layers::{LayerNorm, Linear, Param, run};
use crate::{Error, ModelOptions};
use tch::{Tensor, nn};

/// What a [`MaeDecoder`] is made for, and its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaeDecoderConfig {
    /// The length of the encoder's tokens.
    pub encoder_width: i64,
    /// The encoder's tokens before those of the patches.
    pub prefix_tokens: i64,
    /// Rows and columns of patches.
    pub grid: (i64, i64),
    /// Values predicted for each patch: side · side · channels.
    pub patch_values: i64,
    /// The length of the decoder's tokens, a multiple of 4 and of `heads`.
    pub width: i64,
    /// The number of blocks.
    pub depth: usize,
    /// The number of heads.
    pub heads: i64,
}

impl MaeDecoderConfig {
    /// The paper's decoder, 8 blocks of width 512 with 16 heads, for an encoder with a class token on RGB images.
    pub fn new(encoder_width: i64, grid: (i64, i64), patch_size: i64) -> Self {
        Self {
            encoder_width,
            prefix_tokens: 1,
            grid,
            patch_values: 3 * patch_size * patch_size,
            width: 512,
            depth: 8,
            heads: 16,
        }
    }
}

/// Predicts every patch's pixels from the encoder's tokens of some of them.
pub struct MaeDecoder {
    config: MaeDecoderConfig,
    embed: Linear,
    mask_token: Param,
    /// A fixed table, saved and not trained.
    positions: Param,
    blocks: Vec<Block>,
    norm: LayerNorm,
    predict: Linear,
    switches: Switches,
}

impl MaeDecoder {
    /// Makes it with its parameters at `path`: `decoder_embed`, `mask_token`, `decoder_pos_embed`, `decoder_blocks`,
    /// `decoder_norm`, `decoder_pred`, started as in MAE's code.
    ///
    /// # Errors
    /// Sizes below 1, or a width that 4 or the heads do not divide.
    pub fn new(path: &nn::Path<'_>, config: &MaeDecoderConfig) -> Result<Self, Error> {
        let MaeDecoderConfig { encoder_width, prefix_tokens, grid, patch_values, width, depth, heads } =
            *config;
        let refused =
            |option, value: i64, reason: &str| Err(super::refused(option, value.to_string(), reason.into()));
        let sizes = [
            ("encoder_width", encoder_width),
            ("grid", grid.0.min(grid.1)),
            ("patch_values", patch_values),
            ("width", width),
            ("heads", heads),
        ];
        if let Some((option, value)) = sizes.into_iter().find(|(_, value)| *value < 1) {
            return refused(option, value, "give at least 1");
        }
        if prefix_tokens < 0 {
            return refused("prefix_tokens", prefix_tokens, "give at least 0");
        }
        if width % 4 != 0 || width % heads != 0 {
            return refused("width", width, "give a multiple of 4 and of the heads");
        }

        let options = ModelOptions::default();
        let builder = Builder::new(path.clone(), Start::Initial, &options);
        let block = Config::new(width, depth, heads, 1).start(Scheme::Mae);
        let linear =
            |name: &str, input, output| Linear::new(&(&builder / name), Scheme::Mae.linear(input, output));
        let shape = [1, prefix_tokens + grid.0 * grid.1, width];
        let positions = builder.computed("decoder_pos_embed", &shape, false, || {
            let patches = Table::Mae.make(grid, width)?;
            let prefix = Tensor::f_zeros([1, prefix_tokens, width], (patches.kind(), patches.device()))?;
            Tensor::f_cat(&[prefix, patches], 1)
        })?;
        let mask_token = builder.parameter("mask_token", &[1, 1, width], Init::Normal(0.02))?;
        Ok(Self {
            config: *config,
            embed: linear("decoder_embed", encoder_width, width)?,
            mask_token,
            positions,
            blocks: (0..depth)
                .map(|i| Block::new(&(&builder / "decoder_blocks" / i), &block, i, 0.0))
                .collect::<Result<_, _>>()?,
            norm: LayerNorm::new(&(&builder / "decoder_norm"), width, 1e-6)?,
            predict: linear("decoder_pred", width, patch_values)?,
            switches: builder.switches().clone(),
        })
    }

    /// The predicted values (N, patches, [`MaeDecoderConfig::patch_values`]) of all patches, row by row, ordered as
    /// [`patchify`](crate::patchify) does. `tokens` (N, prefix + K, encoder width) are what
    /// [`forward_tokens`](crate::PatchTransformer::forward_tokens) made of the patches `keep` (N, K), int64.
    ///
    /// # Errors
    /// Shapes that do not go together, indices out of range.
    pub fn forward(&self, tokens: &Tensor, keep: &Tensor, train: bool) -> Result<Tensor, Error> {
        let MaeDecoderConfig { encoder_width, prefix_tokens, grid, width, .. } = self.config;
        let patches = grid.0 * grid.1;
        let size = tokens.size();
        let batch = size.first().copied().unwrap_or(0);
        check_keep(keep, batch, patches)?;
        let kept = keep.size()[1];
        if size != [batch, prefix_tokens + kept, encoder_width] {
            let expected = format!(
                "this decoder takes {prefix_tokens} tokens and then one of length {encoder_width} for each of the {kept} \
                 patches kept"
            );
            return Err(Error::Input { got: size, expected });
        }
        let x = self.embed.forward(tokens)?;
        let index = keep.f_to_device(x.device())?.f_unsqueeze(-1)?.f_expand([-1, -1, width], false)?;
        let masked = self.mask_token.f_to_kind(x.kind())?.f_expand([batch, patches, width], false)?;
        let all = masked.f_scatter(1, &index, &x.f_narrow(1, prefix_tokens, kept)?)?;
        let x = Tensor::f_cat(&[x.f_narrow(1, 0, prefix_tokens)?, all], 1)?;
        let mut x = x.f_add(&self.positions)?;
        for block in &self.blocks {
            x = run(&self.switches, block, &x, train)?;
        }
        let x = self.norm.forward(&x.f_narrow(1, prefix_tokens, patches)?)?;
        Ok(self.predict.forward(&x)?)
    }

    /// Turns gradient checkpointing on or off, as
    /// [`Model::set_gradient_checkpointing`](crate::Model::set_gradient_checkpointing) does for a model.
    pub fn set_gradient_checkpointing(&self, on: bool) {
        self.switches.set_checkpointing(on);
    }
}
