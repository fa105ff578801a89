//! Attention within windows, and the merging of patches between stages.

use crate::Error;
use crate::builder::Builder;
use crate::init::Init;
use crate::layers::{self, Activation, Derived, DropPath, LayerNorm, Linear, LinearConfig, Mlp};
use crate::layers::{RelativeIndex, RelativePosition, attend, split};
use tch::{Device, Kind, TchError, Tensor};

/// PyTorch's default, unlike other transformers' 1e-6.
pub(super) const EPS: f64 = 1e-5;

/// Where the windows of a stage lie; one for all its blocks.
#[derive(Clone, Debug)]
pub(super) struct Windows {
    /// The rows and columns of a window.
    side: (i64, i64),
    index: RelativeIndex,
    /// By how many rows and columns every second block shifts them.
    shift: (i64, i64),
    /// (windows, 1, T, T), which keeps tokens apart that the shift brought together from opposite borders.
    mask: Derived,
}

impl Windows {
    /// For maps of so many rows and columns.
    pub(super) fn new(map: (i64, i64), side: (i64, i64)) -> Self {
        let shift = |map: i64, side: i64| if map <= side { 0 } else { side / 2 };
        let shift = (shift(map.0, side.0), shift(map.1, side.1));
        let padded = (padded(map.0, side.0), padded(map.1, side.1));
        let mask = Derived::new(move || mask(padded, side, shift));
        Self { side, index: RelativeIndex::new(side, false), shift, mask }
    }
}

/// `size` and what is missing to the next multiple of `side`.
fn padded(size: i64, side: i64) -> i64 {
    (size + side - 1) / side * side
}

/// -100 between tokens that are of one window only by the shift, 0 otherwise.
fn mask(map: (i64, i64), side: (i64, i64), shift: (i64, i64)) -> Result<Tensor, TchError> {
    // Along each axis: before the last window, the last window without what was shifted in, and that. timm takes an axis
    // without a shift as one last part.
    let part = |i: i64, size: i64, side: i64, shift: i64| match shift {
        0 => 2,
        _ => i64::from(i >= size - side) + i64::from(i >= size - shift),
    };
    let part = |y: i64, x: i64| part(y, map.0, side.0, shift.0) * 3 + part(x, map.1, side.1, shift.1);
    let parts: Vec<i64> = (0..map.0).flat_map(|y| (0..map.1).map(move |x| part(y, x))).collect();
    let parts = Tensor::f_from_slice(&parts)?.f_view([1, map.0, map.1, 1])?;
    let parts = partition(&parts, side)?.f_view([-1, side.0 * side.1])?;
    let apart = parts.f_unsqueeze(1)?.f_ne_tensor(&parts.f_unsqueeze(2)?)?.f_unsqueeze(1)?;
    Tensor::f_zeros(apart.size(), (Kind::Float, Device::Cpu))?.f_masked_fill(&apart, -100.0)
}

/// (N · windows, T, C) of maps (N, H, W, C).
fn partition(x: &Tensor, side: (i64, i64)) -> Result<Tensor, TchError> {
    let (n, height, width, channels) = x.size4()?;
    let x = x.f_view([n, height / side.0, side.0, width / side.1, side.1, channels])?;
    x.f_permute([0, 1, 3, 2, 4, 5])?.f_reshape([-1, side.0 * side.1, channels])
}

/// The maps (N, H, W, C) that [`partition`] made `windows` of.
fn join(windows: &Tensor, side: (i64, i64), map: (i64, i64)) -> Result<Tensor, TchError> {
    let channels = windows.size()[2];
    let grid = (map.0 / side.0, map.1 / side.1);
    let x = windows.f_view([-1, grid.0, grid.1, side.0, side.1, channels])?;
    x.f_permute([0, 1, 3, 2, 4, 5])?.f_reshape([-1, map.0, map.1, channels])
}

/// Attention within windows and a perceptron ("Swin transformer", equation 3).
#[derive(Clone, Debug)]
pub(super) struct Block {
    norm1: LayerNorm,
    qkv: Linear,
    proj: Linear,
    position: RelativePosition,
    norm2: LayerNorm,
    mlp: Mlp,
    heads: i64,
    windows: Windows,
    shifted: bool,
    drop_path: DropPath,
}

impl Block {
    /// `shifted`: whether its windows are moved by half their side.
    pub(super) fn new(
        builder: &Builder<'_>,
        (width, heads): (i64, i64),
        windows: &Windows,
        shifted: bool,
        drop_path: f64,
    ) -> Result<Self, Error> {
        let attention = builder / "attn";
        let index = windows.index.clone();
        Ok(Self {
            norm1: LayerNorm::new(&(builder / "norm1"), width, EPS)?,
            qkv: Linear::new(&(&attention / "qkv"), LinearConfig::normal02(width, 3 * width))?,
            proj: Linear::new(&(&attention / "proj"), LinearConfig::normal02(width, width))?,
            position: RelativePosition::new(&attention, index, heads, Init::Normal(0.02))?,
            norm2: LayerNorm::new(&(builder / "norm2"), width, EPS)?,
            mlp: Mlp::new(&(builder / "mlp"), width, 4 * width, Activation::Gelu)?,
            heads,
            windows: windows.clone(),
            shifted: shifted && windows.shift != (0, 0),
            drop_path: DropPath(drop_path),
        })
    }

    /// Attention within the windows of `x` (N, H, W, C).
    fn attention(&self, x: &Tensor) -> Result<Tensor, TchError> {
        let Windows { side, shift, .. } = self.windows;
        let (n, height, width, _) = x.size4()?;
        let rolled = |x: &Tensor, (rows, columns): (i64, i64)| match self.shifted {
            true => x.f_roll([rows, columns], [1_i64, 2]),
            false => Ok(x.shallow_clone()),
        };
        let map = (padded(height, side.0), padded(width, side.1));
        let fits = map == (height, width);
        let mut x = rolled(x, (-shift.0, -shift.1))?;
        if !fits {
            x = x.f_constant_pad_nd([0, 0, 0, map.1 - width, 0, map.0 - height])?;
        }
        let windows = self.within(&partition(&x, side)?, n)?;
        let mut x = join(&windows, side, map)?;
        if !fits {
            x = x.f_narrow(1, 0, height)?.f_narrow(2, 0, width)?.f_contiguous()?;
        }
        rolled(&x, shift)
    }

    /// Attention among the tokens of each window of `count` images: `x` (count · windows, T, C).
    fn within(&self, x: &Tensor, count: i64) -> Result<Tensor, TchError> {
        let (all, tokens, _) = x.size3()?;
        let [q, k, v] = split(&self.qkv.forward(x)?, self.heads)?;
        let mut bias = self.position.bias()?;
        if self.shifted {
            let size = [count, all / count, self.heads, tokens, tokens];
            bias = bias.f_add(&self.windows.mask.like(&bias)?)?.f_expand(size, false)?;
            bias = bias.f_reshape([all, self.heads, tokens, tokens])?;
        }
        self.proj.forward(&attend(&q, &k, &v, Some(bias))?)
    }
}

impl layers::Block for Block {
    /// `x` (N, H, W, C).
    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, Error> {
        let branch = self.attention(&self.norm1.forward(x)?)?;
        let x = self.drop_path.add(x, branch, train)?;
        let branch = self.mlp.forward(&self.norm2.forward(&x)?)?;
        Ok(self.drop_path.add(&x, branch, train)?)
    }
}

/// Joins 2×2 neighbours to one token of twice the channels.
#[derive(Clone, Debug)]
pub(super) struct PatchMerging {
    norm: LayerNorm,
    reduction: Linear,
}

impl PatchMerging {
    pub(super) fn new(builder: &Builder<'_>, width: i64) -> Result<Self, TchError> {
        let linear = LinearConfig::normal02(4 * width, 2 * width).without_bias();
        Ok(Self {
            norm: LayerNorm::new(&(builder / "norm"), 4 * width, EPS)?,
            reduction: Linear::new(&(builder / "reduction"), linear)?,
        })
    }

    /// `x` (N, H, W, C) to (N, ⌈H / 2⌉, ⌈W / 2⌉, 2 C).
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor, TchError> {
        let (n, height, width, channels) = x.size4()?;
        let x = match (height % 2, width % 2) {
            (0, 0) => x.shallow_clone(),
            (below, right) => x.f_constant_pad_nd([0, 0, 0, right, 0, below])?,
        };
        let (height, width) = ((height + 1) / 2, (width + 1) / 2);
        let x = x.f_view([n, height, 2, width, 2, channels])?.f_permute([0, 1, 3, 4, 2, 5])?;
        self.reduction.forward(&self.norm.forward(&x.f_reshape([n, height, width, 4 * channels])?)?)
    }
}
