//! What distinguishes one vision transformer from another.

use super::scheme::Scheme;
use super::sincos::Table;
use crate::layers::{Activation, NormKind};
use crate::preprocessing::{IMAGENET_MEAN, IMAGENET_STD};
use crate::{Interpolation, Preprocessing};

/// A vision transformer. [`Config::new`] is the paper's; the methods below name the departures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    /// The length of a token.
    pub(crate) width: i64,
    pub(crate) depth: usize,
    pub(crate) heads: i64,
    /// The perceptrons' hidden width.
    pub(crate) hidden: i64,
    /// The side of a patch in pixels.
    pub(crate) patch: i64,
    /// The side of the image in pixels.
    pub(crate) image: i64,
    pub(crate) stem: Stem,
    pub(crate) class_token: bool,
    /// DeiT's second class token, for distillation.
    pub(crate) distillation_token: bool,
    /// Further tokens that stand for no patch ("Vision transformers need registers", Darcet et al., 2023).
    pub(crate) registers: i64,
    pub(crate) positions: Positions,
    /// Whether class token and registers have positions too.
    pub(crate) prefix_positions: bool,
    pub(crate) block: BlockKind,
    pub(crate) mlp: MlpKind,
    pub(crate) activation: Activation,
    pub(crate) norm: NormKind,
    /// A normalisation before the first block, and patches embedded without a bias (CLIP).
    pub(crate) pre_norm: bool,
    pub(crate) qkv_bias: bool,
    /// Normalisation of each head's queries and keys.
    pub(crate) qk_norm: bool,
    /// Where LayerScale starts; 0 for none.
    pub(crate) layer_scale: f64,
    pub(crate) final_norm: FinalNorm,
    pub(crate) pool: Pool,
    /// A linear layer and a tanh between pooling and classifier.
    pub(crate) representation: bool,
    /// How kernels and position embeddings are resampled.
    pub(crate) resampling: Resampling,
    pub(crate) start: Scheme,
}

/// How an image becomes tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stem {
    /// One linear map of each patch.
    Patches,
    /// Four 3×3 convolutions of stride 2, then a 1×1 one ("Early convolutions help transformers see better", Xiao et al.,
    /// 2021).
    Convolutions,
}

/// What tells tokens where they stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Positions {
    Learned,
    /// A fixed table of sines and cosines.
    Fixed(Table),
}

/// How attention and perceptron are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockKind {
    /// One after the other, each normalised before: the paper's.
    PreNorm,
    /// One after the other, each normalised after (Swin V2's order).
    PostNorm,
    /// Side by side, on one normalised input ("Scaling vision transformers to 22 billion parameters", Dehghani et al.,
    /// 2023).
    Parallel,
    /// This many attentions side by side, then as many perceptrons ("Three things everyone should know about vision
    /// transformers", Touvron et al., 2022).
    Many(usize),
    /// [`Self::PreNorm`] with differential attention ("Differential transformer", Ye et al., 2024).
    Differential,
    /// [`Self::Parallel`] with differential attention and one output projection for both.
    ParallelDifferential,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MlpKind {
    Plain,
    /// SiLU-gated; `hidden` is the width of the gate.
    SwiGlu,
}

/// What the last normalisation is applied to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FinalNorm {
    /// All tokens: `norm`.
    Tokens,
    /// The pooled vector: `fc_norm`.
    Pooled,
    None,
}

/// What the classifier reads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pool {
    /// The class token.
    Class,
    /// The mean of class and distillation token.
    ClassAndDistillation,
    /// The patches' mean.
    Mean,
    /// Attention of a learned query to the patches.
    Attention,
    /// A class token that comes after the last block and reads the patches in two blocks of its own, whose branches are
    /// scaled by factors that start at `scale`.
    ClassAttention { scale: f64 },
}

/// The filter of a resampling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resampling {
    /// Bicubic, antialiased: timm's for all but FlexiViT.
    Bicubic,
    /// Bilinear, not antialiased: what FlexiViT was trained with.
    Bilinear,
}

impl Config {
    /// Pre-norm blocks, class token, learned positions, one linear map of each patch, and a perceptron four times as wide as
    /// the tokens, for images of 224 pixels.
    pub(crate) const fn new(width: i64, depth: usize, heads: i64, patch: i64) -> Self {
        Self {
            width,
            depth,
            heads,
            hidden: 4 * width,
            patch,
            image: 224,
            stem: Stem::Patches,
            class_token: true,
            distillation_token: false,
            registers: 0,
            positions: Positions::Learned,
            prefix_positions: true,
            block: BlockKind::PreNorm,
            mlp: MlpKind::Plain,
            activation: Activation::Gelu,
            norm: NormKind::Layer(1e-6),
            pre_norm: false,
            qkv_bias: true,
            qk_norm: false,
            layer_scale: 0.0,
            final_norm: FinalNorm::Tokens,
            pool: Pool::Class,
            representation: false,
            resampling: Resampling::Bicubic,
            start: Scheme::Timm,
        }
    }

    pub(crate) const fn image(self, image: i64) -> Self {
        Self { image, ..self }
    }

    pub(crate) const fn patch(self, patch: i64) -> Self {
        Self { patch, ..self }
    }

    pub(crate) const fn depth(self, depth: usize) -> Self {
        Self { depth, ..self }
    }

    pub(crate) const fn hidden(self, hidden: i64) -> Self {
        Self { hidden, ..self }
    }

    pub(crate) const fn block(self, block: BlockKind) -> Self {
        Self { block, ..self }
    }

    pub(crate) const fn activation(self, activation: Activation) -> Self {
        Self { activation, ..self }
    }

    pub(crate) const fn norm(self, norm: NormKind) -> Self {
        Self { norm, ..self }
    }

    pub(crate) const fn layer_scale(self, layer_scale: f64) -> Self {
        Self { layer_scale, ..self }
    }

    pub(crate) const fn without_qkv_bias(self) -> Self {
        Self { qkv_bias: false, ..self }
    }

    pub(crate) const fn without_prefix_positions(self) -> Self {
        Self { prefix_positions: false, ..self }
    }

    /// With registers, which have no positions, nor has the class token.
    pub(crate) const fn registers(self, registers: i64) -> Self {
        Self { registers, ..self.without_prefix_positions() }
    }

    /// With registers that have positions, as the class token has.
    pub(crate) const fn placed_registers(self, registers: i64) -> Self {
        Self { registers, ..self }
    }

    pub(crate) const fn without_final_norm(self) -> Self {
        Self { final_norm: FinalNorm::None, ..self }
    }

    /// Without class token; the mean of the patches is normalised (timm's `global_pool="avg"`).
    pub(crate) const fn mean(self) -> Self {
        Self { class_token: false, pool: Pool::Mean, final_norm: FinalNorm::Pooled, ..self }
    }

    /// Without class token; the mean is of normalised patches (timm's `global_pool="avg", fc_norm=False`).
    pub(crate) const fn mean_of_normed(self) -> Self {
        Self { class_token: false, pool: Pool::Mean, ..self }
    }

    /// Without class token; pooled by attention.
    pub(crate) const fn attention_pool(self) -> Self {
        Self { class_token: false, pool: Pool::Attention, ..self }
    }

    /// CLIP's tower: normalised before the first block too, epsilon 1e-5.
    pub(crate) const fn clip(self) -> Self {
        Self { pre_norm: true, norm: NormKind::Layer(1e-5), ..self }
    }

    /// OpenAI's approximation of GELU.
    pub(crate) const fn quick(self) -> Self {
        self.activation(Activation::QuickGelu)
    }

    /// The tanh approximation of GELU.
    pub(crate) const fn tanh(self) -> Self {
        self.activation(Activation::GeluTanh)
    }

    /// DeiT's distillation token beside the class token.
    pub(crate) const fn distilled(self) -> Self {
        Self { distillation_token: true, pool: Pool::ClassAndDistillation, ..self }
    }

    /// DeiT III's: the class token has no position, and LayerScale starts at 1e-6.
    pub(crate) const fn deit3(self) -> Self {
        self.without_prefix_positions().layer_scale(1e-6)
    }

    /// For many patch sizes: the class token has no position, so that all positions can be resampled.
    pub(crate) const fn flexible(self) -> Self {
        Self { resampling: Resampling::Bilinear, ..self.without_prefix_positions() }
    }

    /// SiLU-gated perceptrons, with a gate of this width.
    pub(crate) const fn swiglu(self, hidden: i64) -> Self {
        Self { mlp: MlpKind::SwiGlu, hidden, ..self }
    }

    /// timm's `xp`: parallel blocks with root-mean-square norms, also before the first block.
    pub(crate) const fn xp(self) -> Self {
        let parallel = Self { block: BlockKind::Parallel, qkv_bias: false, qk_norm: true, ..self };
        Self { pre_norm: true, norm: NormKind::Rms(1e-6), ..parallel.without_prefix_positions() }
    }

    /// ViT-22B's: parallel blocks, normalised queries and keys, no biases in norms and in the projection to queries, keys and
    /// values, pooled by attention.
    pub(crate) const fn parallel(self) -> Self {
        let parallel = Self { block: BlockKind::Parallel, qkv_bias: false, qk_norm: true, ..self };
        parallel.norm(NormKind::LayerWithoutBias(1e-6)).attention_pool()
    }

    pub(crate) const fn representation(self) -> Self {
        Self { representation: true, ..self }
    }

    pub(crate) const fn convolutions(self) -> Self {
        Self { stem: Stem::Convolutions, ..self }
    }

    /// As pre-trained by MAE: positions of a fixed table.
    pub(crate) const fn mae(self) -> Self {
        self.fixed_positions(Table::Mae).start(Scheme::Mae)
    }

    /// As pre-trained by MoCo v3: positions of a fixed table.
    pub(crate) const fn moco_v3(self) -> Self {
        self.fixed_positions(Table::MocoV3).start(Scheme::MocoV3)
    }

    /// As ExtreMA has it: positions of a fixed table, and class attention whose scales start at `scale`.
    pub(crate) const fn extrema(self, scale: f64) -> Self {
        Self { pool: Pool::ClassAttention { scale }, ..self.moco_v3().mean() }
    }

    pub(crate) const fn start(self, start: Scheme) -> Self {
        Self { start, ..self }
    }

    pub(crate) const fn fixed_positions(self, table: Table) -> Self {
        Self { positions: Positions::Fixed(table), ..self }
    }

    /// The fixed table of positions, where they are not learned.
    pub(crate) const fn table(&self) -> Option<Table> {
        match self.positions {
            Positions::Fixed(table) => Some(table),
            Positions::Learned => None,
        }
    }

    /// Tokens before those of the patches.
    pub(crate) const fn prefix_tokens(&self) -> i64 {
        self.class_token as i64 + self.distillation_token as i64 + self.registers
    }

    /// What transformers without published weights expect: timm's default for this family.
    pub(crate) fn default_preprocessing(&self) -> Preprocessing {
        let preprocessing = Preprocessing {
            input_size: self.image as u32,
            crop_pct: 0.9,
            interpolation: Interpolation::Bicubic,
            mean: [0.5; 3],
            std: [0.5; 3],
            ..Preprocessing::default()
        };
        match self.start {
            Scheme::Timm => preprocessing,
            Scheme::BigVision => Preprocessing { crop_pct: 0.875, ..preprocessing },
            Scheme::MocoV3 | Scheme::Mae => {
                Preprocessing { crop_pct: 0.875, mean: IMAGENET_MEAN, std: IMAGENET_STD, ..preprocessing }
            }
        }
    }
}
