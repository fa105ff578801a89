//! The residual blocks.

use super::attention::Attention;
use super::config::{BlockKind, Config, MlpKind};
use super::parallel::Parallel;
use crate::Error;
use crate::builder::Builder;
use crate::layers::{self, DropPath, LayerScale, Mlp, SwiGlu, TokenNorm};
use tch::Tensor;

/// One block of a vision transformer.
#[derive(Clone)]
pub(super) enum Block {
    /// Attention, then perceptron.
    Sequential {
        attention: Branch<Attention>,
        mlp: Branch<FeedForward>,
        post_norm: bool,
        drop_path: DropPath,
    },
    /// Attention beside perceptron.
    Parallel(Parallel),
    /// Attentions, then perceptrons.
    Many { attentions: Vec<Branch<Attention>>, mlps: Vec<Branch<FeedForward>>, drop_path: DropPath },
}

/// A part of a block with its normalisation and its scale.
#[derive(Clone)]
pub(super) struct Branch<T> {
    norm: TokenNorm,
    part: T,
    scale: Option<LayerScale>,
}

/// What follows attention.
#[derive(Clone)]
pub(super) enum FeedForward {
    Plain(Mlp),
    SwiGlu(SwiGlu),
}

/// A function of tokens (N, T, C) to tokens.
pub(super) trait Part {
    fn forward(&self, x: &Tensor) -> Result<Tensor, Error>;
}

impl Block {
    /// Block number `index`, left out in training with probability `drop_path`.
    pub(super) fn new(
        builder: &Builder<'_>,
        config: &Config,
        index: usize,
        drop_path: f64,
    ) -> Result<Self, Error> {
        let drop_path = DropPath(drop_path);
        match config.block {
            BlockKind::PreNorm | BlockKind::PostNorm | BlockKind::Differential => {
                let depth = (config.block == BlockKind::Differential).then_some(index);
                let attention = Attention::new(&(builder / "attn"), config, depth)?;
                let mlp = FeedForward::new(&(builder / "mlp"), config)?;
                let names = [["norm1", "ls1"], ["norm2", "ls2"]];
                let post_norm = config.block == BlockKind::PostNorm;
                Ok(Self::Sequential {
                    attention: Branch::new(builder, names[0], config, attention)?,
                    mlp: Branch::new(builder, names[1], config, mlp)?,
                    post_norm,
                    drop_path,
                })
            }
            BlockKind::Parallel | BlockKind::ParallelDifferential => {
                Ok(Self::Parallel(Parallel::new(builder, config, index, drop_path)?))
            }
            BlockKind::Many(count) => {
                let (mut attentions, mut mlps) = (Vec::new(), Vec::new());
                for i in 0..count {
                    let (attention, mlp) = (builder / "attns" / i, builder / "ffns" / i);
                    let part = Attention::new(&(&attention / "attn"), config, None)?;
                    attentions.push(Branch::new(&attention, ["norm", "ls"], config, part)?);
                    let part = FeedForward::new(&(&mlp / "mlp"), config)?;
                    mlps.push(Branch::new(&mlp, ["norm", "ls"], config, part)?);
                }
                Ok(Self::Many { attentions, mlps, drop_path })
            }
        }
    }
}

impl layers::Block for Block {
    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, Error> {
        match self {
            Self::Sequential { attention, mlp, post_norm, drop_path } => {
                let x = x.f_add(&drop_path.apply(attention.forward(x, *post_norm)?, train)?)?;
                Ok(x.f_add(&drop_path.apply(mlp.forward(&x, *post_norm)?, train)?)?)
            }
            Self::Parallel(block) => block.forward(x, train),
            Self::Many { attentions, mlps, drop_path } => {
                let x = side_by_side(attentions, x, *drop_path, train)?;
                side_by_side(mlps, &x, *drop_path, train)
            }
        }
    }
}

/// The residual sum of `branches`, each of which reads `x`.
fn side_by_side<T: Part>(
    branches: &[Branch<T>],
    x: &Tensor,
    drop_path: DropPath,
    train: bool,
) -> Result<Tensor, Error> {
    let mut sum = x.shallow_clone();
    for branch in branches {
        sum = sum.f_add(&drop_path.apply(branch.forward(x, false)?, train)?)?;
    }
    Ok(sum)
}

impl<T> Branch<T> {
    /// `names` are those of the normalisation and the scale. In a post-norm block the normalisation scales: its weight starts
    /// where LayerScale would.
    fn new(builder: &Builder<'_>, names: [&str; 2], config: &Config, part: T) -> Result<Self, Error> {
        let scaled = config.layer_scale > 0.0;
        let post_norm = config.block == BlockKind::PostNorm;
        let path = builder / names[0];
        let norm = match post_norm && scaled {
            true => TokenNorm::starting(&path, config.norm, config.width, config.layer_scale)?,
            false => TokenNorm::new(&path, config.norm, config.width)?,
        };
        let scale = match scaled && !post_norm {
            true => Some(LayerScale::new(&(builder / names[1]), config.width, config.layer_scale)?),
            false => None,
        };
        Ok(Self { norm, part, scale })
    }
}

impl<T: Part> Branch<T> {
    fn forward(&self, x: &Tensor, post_norm: bool) -> Result<Tensor, Error> {
        let y = match post_norm {
            true => self.norm.forward(&self.part.forward(x)?)?,
            false => self.part.forward(&self.norm.forward(x)?)?,
        };
        Ok(match &self.scale {
            Some(scale) => scale.forward(&y)?,
            None => y,
        })
    }
}

impl FeedForward {
    fn new(builder: &Builder<'_>, config: &Config) -> Result<Self, Error> {
        let Config { width, hidden, start, activation, .. } = *config;
        Ok(match config.mlp {
            MlpKind::Plain => {
                let layers = (start.mlp(width, hidden), start.mlp(hidden, width));
                Self::Plain(Mlp::of(builder, layers, activation)?)
            }
            MlpKind::SwiGlu => Self::SwiGlu(SwiGlu::new(builder, width, hidden)?),
        })
    }
}

impl Part for FeedForward {
    fn forward(&self, x: &Tensor) -> Result<Tensor, Error> {
        match self {
            Self::Plain(mlp) => mlp.forward(x),
            Self::SwiGlu(mlp) => mlp.forward(x),
        }
    }
}

impl Part for Attention {
    fn forward(&self, x: &Tensor) -> Result<Tensor, Error> {
        Ok(Attention::forward(self, x)?)
    }
}
