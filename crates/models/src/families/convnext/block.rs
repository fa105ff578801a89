//! The residual block, and the normalisations that it has to itself.

use super::config::{Config, NormKind};
use crate::builder::Builder;
use crate::init::Init;
use crate::layers::{Activation, Block, Conv2d, ConvConfig, DropPath, LayerNorm, Param, add_branch};
use crate::{Error, GrnStatistics};
use tch::{Kind, TchError, Tensor};

/// A normalisation of the last axis.
#[derive(Clone, Debug)]
pub(super) enum Norm {
    Layer(LayerNorm),
    /// Its weight, whether the mean is taken away for the deviation, and what is added to the variance.
    Scale(Param, NormKind, f64),
}

impl Norm {
    pub(super) fn new(builder: &Builder<'_>, config: &Config, width: i64) -> Result<Self, TchError> {
        Ok(match config.norm {
            NormKind::Layer => Self::Layer(LayerNorm::new(builder, width, config.eps)?),
            kind => {
                let weight = builder.parameter("weight", &[width], Init::Constant(1.0))?;
                Self::Scale(weight, kind, config.eps)
            }
        })
    }

    /// `x` (..., C).
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor, TchError> {
        let (weight, kind, eps) = match self {
            Self::Layer(norm) => return norm.forward(x),
            Self::Scale(weight, kind, eps) => (weight, kind, *eps),
        };
        let mut variance = match kind {
            NormKind::Simple => x.f_var_dim(&[-1_i64][..], true, true)?,
            _ => x.f_square()?.f_mean_dim(&[-1_i64][..], true, None)?,
        };
        x.f_mul(&variance.f_add_scalar_(eps)?.f_rsqrt()?)?.f_mul(weight)
    }
}

/// A linear layer over the last axis that may be stored as a 1×1 convolution.
#[derive(Clone, Debug)]
struct Pointwise {
    weight: Param,
    bias: Param,
}

impl Pointwise {
    fn new(builder: &Builder<'_>, (input, output): (i64, i64), conv: bool) -> Result<Self, TchError> {
        let shape = [output, input, 1, 1];
        let shape = if conv { &shape[..] } else { &shape[..2] };
        Ok(Self {
            weight: builder.parameter("weight", shape, Init::Normal(0.02))?,
            bias: builder.parameter("bias", &[output], Init::Constant(0.0))?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor, TchError> {
        visrep_torch::linear(x, &self.weight.f_flatten(1, -1)?, Some(&*self.bias))
    }
}

/// Global response normalisation (ConvNeXt V2, section 4): each channel is scaled by its norm over the positions of an image,
/// relative to the other channels' norms.
#[derive(Clone, Debug)]
pub(super) struct GlobalResponseNorm {
    weight: Param,
    bias: Param,
}

impl GlobalResponseNorm {
    fn new(builder: &Builder<'_>, width: i64) -> Result<Self, TchError> {
        Ok(Self {
            weight: builder.parameter("weight", &[width], Init::Constant(0.0))?,
            bias: builder.parameter("bias", &[width], Init::Constant(0.0))?,
        })
    }

    /// `x` (N, H, W, C).
    fn forward(&self, x: &Tensor) -> Result<Tensor, TchError> {
        let norms = x.f_norm_scalaropt_dim(2.0, &[1_i64, 2][..], true)?;
        self.bias.f_addcmul(x, &self.factors(&norms)?)
    }

    /// What the channels are multiplied by: x + weight · x · n, of which `norms` (..., C) gives n.
    fn factors(&self, norms: &Tensor) -> Result<Tensor, TchError> {
        let mean = norms.f_mean_dim(&[-1_i64][..], true, None)?.f_add_scalar_(1e-6)?;
        norms.f_div(&mean)?.f_mul(&self.weight)?.f_add_scalar_(1.0)
    }

    /// The same for `x` (M, C), the positions that `rows` tells of.
    fn forward_rows(&self, x: &Tensor, rows: &Rows) -> Result<Tensor, TchError> {
        if rows.statistics == GrnStatistics::Batch {
            let norms = x.f_norm_scalaropt_dim(2.0, &[0_i64][..], true)?;
            return self.bias.f_addcmul(x, &self.factors(&norms)?);
        }
        let squares = x.f_to_kind(Kind::Float)?.f_square()?;
        let sums = Tensor::f_zeros([rows.count, x.size()[1]], (Kind::Float, x.device()))?;
        // Away from 0, where the root has no derivative.
        let norms = sums.f_index_add(0, &rows.images, &squares)?.f_clamp_min(1e-30)?.f_sqrt()?;
        let factors = self.factors(&norms.f_to_kind(x.kind())?)?.f_index_select(0, &rows.images)?;
        self.bias.f_addcmul(x, &factors)
    }
}

/// Whose positions the rows of a matrix (M, C) are, where only some positions of a map are kept.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    /// (M): the image of each row.
    pub(super) images: Param,
    /// The number of images.
    pub(super) count: i64,
    pub(super) statistics: GrnStatistics,
}

/// What follows the depthwise convolution, on channels-last values.
#[derive(Clone, Debug)]
struct Mlp {
    norm: Norm,
    fc1: Pointwise,
    activation: Activation,
    grn: Option<GlobalResponseNorm>,
    fc2: Pointwise,
    gamma: Option<Param>,
}

impl Mlp {
    fn new(builder: &Builder<'_>, config: &Config, width: i64) -> Result<Self, TchError> {
        let mlp = builder / "mlp";
        let hidden = 4 * width;
        let (gamma, grn) = match config.layer_scale {
            Some(start) => (Some(builder.parameter("gamma", &[width], Init::Constant(start))?), None),
            None => (None, Some(GlobalResponseNorm::new(&(&mlp / "grn"), hidden)?)),
        };
        Ok(Self {
            norm: Norm::new(&(builder / "norm"), config, width)?,
            fc1: Pointwise::new(&(&mlp / "fc1"), (width, hidden), config.conv_mlp)?,
            activation: config.activation,
            grn,
            fc2: Pointwise::new(&(&mlp / "fc2"), (hidden, width), config.conv_mlp)?,
            gamma,
        })
    }

    /// The branch of `x` (N, H, W, C), or (M, C) where `rows` says whose those are, before layer scale.
    fn forward(&self, x: &Tensor, rows: Option<&Rows>) -> Result<Tensor, TchError> {
        let hidden = self.fc1.forward(&self.norm.forward(x)?)?;
        let hidden = self.activation.apply_(hidden)?;
        let hidden = match (&self.grn, rows) {
            (None, _) => hidden,
            (Some(grn), None) => grn.forward(&hidden)?,
            (Some(grn), Some(rows)) => grn.forward_rows(&hidden, rows)?,
        };
        self.fc2.forward(&hidden)
    }
}

/// "A ConvNet for the 2020s", figure 4: a depthwise convolution, then a perceptron at each position.
#[derive(Clone, Debug)]
pub(super) struct Residual {
    conv: Conv2d,
    mlp: Mlp,
    drop_path: DropPath,
}

impl Residual {
    pub(super) fn new(
        builder: &Builder<'_>,
        config: &Config,
        (width, kernel): (i64, i64),
        drop_path: f64,
    ) -> Result<Self, TchError> {
        let conv = ConvConfig::new(width, width, kernel).groups(width).init(Init::Normal(0.02)).zero_bias();
        Ok(Self {
            conv: Conv2d::new(&(builder / "conv_dw"), conv)?,
            mlp: Mlp::new(builder, config, width)?,
            drop_path: DropPath(drop_path),
        })
    }

    /// The depthwise convolution of `x` (N, H, W, C).
    pub(super) fn mix_positions(&self, x: &Tensor) -> Result<Tensor, TchError> {
        self.conv.forward(&x.f_permute([0, 3, 1, 2])?)?.f_permute([0, 2, 3, 1])
    }

    /// `x` plus what the perceptron makes of `mixed`, both (N, H, W, C), or (M, C) where `rows` says whose
    /// those are.
    pub(super) fn mix_channels(
        &self,
        x: &Tensor,
        mixed: &Tensor,
        rows: Option<&Rows>,
        train: bool,
    ) -> Result<Tensor, TchError> {
        let branch = self.mlp.forward(mixed, rows)?;
        let dropped = train && self.drop_path.0 > 0.0;
        match &self.mlp.gamma {
            Some(gamma) if !dropped => x.f_addcmul(&branch, gamma),
            gamma => {
                let branch = match gamma {
                    Some(gamma) => branch.f_mul(gamma)?,
                    None => branch,
                };
                match rows {
                    Some(rows) if dropped => add_branch(x, self.drop_rows(&branch, rows)?),
                    _ => self.drop_path.add(x, branch, train),
                }
            }
        }
    }

    /// Stochastic depth for rows: those of one image stay or go together.
    fn drop_rows(&self, branch: &Tensor, rows: &Rows) -> Result<Tensor, TchError> {
        let ones = Tensor::f_ones([rows.count, 1], (branch.kind(), branch.device()))?;
        branch.f_mul(&self.drop_path.apply(ones, true)?.f_index_select(0, &rows.images)?)
    }
}

impl Block for Residual {
    /// `x` (N, H, W, C).
    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, Error> {
        Ok(self.mix_channels(x, &self.mix_positions(x)?, None, train)?)
    }
}
