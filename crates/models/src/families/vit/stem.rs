//! How an image becomes tokens.

use super::config::{self, Config, Resampling};
use super::resample;
use crate::Error;
use crate::builder::Builder;
use crate::init::Init;
use crate::layers::{BatchNorm2d, BatchNormConfig, Conv2d, ConvConfig, Param};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use tch::Tensor;

/// `patch_embed`: images (N, I, H, W) to tokens (N, H / P · W / P, C).
pub(super) enum Stem {
    Patches(Patches),
    Convolutions(Convolutions),
}

/// One linear map of each patch: `proj.weight` (C, I, P, P), and `proj.bias` (C) where it has one.
pub(super) struct Patches {
    weight: Param,
    bias: Option<Param>,
    /// The side that patches are cut with now; the weight keeps its own.
    side: AtomicI64,
    own_side: i64,
    resampling: Resampling,
    /// What turns the weight into one of another side, by that side.
    matrices: Mutex<BTreeMap<i64, Tensor>>,
}

/// Four 3×3 convolutions of stride 2 with batch normalisation and ReLU, then a 1×1 one: `proj.0`, `proj.1`, `proj.3` ...
/// `proj.12`, as in MoCo v3's `ConvStem`.
pub(super) struct Convolutions {
    layers: Vec<(Conv2d, BatchNorm2d)>,
    last: Conv2d,
}

impl Stem {
    /// `patch` is the side of a patch, which [`ModelOptions::patch_size`](crate::ModelOptions) may have changed.
    pub(super) fn new(builder: &Builder<'_>, config: &Config, patch: i64) -> Result<Self, Error> {
        let path = builder / "patch_embed" / "proj";
        let channels = builder.options().in_channels;
        match config.stem {
            config::Stem::Patches => Ok(Self::Patches(Patches::new(&path, config, channels, patch)?)),
            config::Stem::Convolutions => {
                Ok(Self::Convolutions(Convolutions::new(&path, config.width, channels)?))
            }
        }
    }

    /// The side of a patch.
    pub(super) fn patch(&self) -> i64 {
        match self {
            Self::Patches(patches) => patches.side.load(Ordering::Relaxed),
            Self::Convolutions(_) => 16,
        }
    }

    pub(super) fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, Error> {
        let map = match self {
            Self::Patches(patches) => patches.forward(x)?,
            Self::Convolutions(convolutions) => convolutions.forward(x, train)?,
        };
        Ok(map.f_flatten(2, -1)?.f_transpose(1, 2)?)
    }
}

impl Patches {
    fn new(builder: &Builder<'_>, config: &Config, channels: i64, side: i64) -> Result<Self, Error> {
        let fan_in = channels * side * side;
        let (init, bias_init) = config.start.patches(config.width, fan_in);
        let bias_init = bias_init.unwrap_or(Init::default_bias(fan_in));
        let weight = builder.parameter("weight", &[config.width, channels, side, side], init)?;
        let bias = match config.pre_norm {
            true => None,
            false => Some(builder.parameter("bias", &[config.width], bias_init)?),
        };
        let (side, own_side, resampling) = (AtomicI64::new(side), side, config.resampling);
        Ok(Self { weight, bias, side, own_side, resampling, matrices: Mutex::default() })
    }

    /// Cuts patches with `side` from now on.
    pub(super) fn set_side(&self, side: i64) -> Result<(), Error> {
        if side != self.own_side {
            let _kept = self.matrix(side)?;
        }
        self.side.store(side, Ordering::Relaxed);
        Ok(())
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor, Error> {
        let side = self.side.load(Ordering::Relaxed);
        let weight = match side == self.own_side {
            true => self.weight.shallow_clone(),
            false => resample::kernels(&self.weight, &self.matrix(side)?, side)?,
        };
        Ok(x.f_conv2d(&weight, self.bias.as_deref(), [side; 2], [0; 2], [1; 2], 1)?)
    }

    /// The matrix for `side`, on the weight's device. It is kept: finding a pseudo-inverse takes far longer than applying it.
    fn matrix(&self, side: i64) -> Result<Tensor, Error> {
        let mut matrices = self.matrices.lock().unwrap_or_else(PoisonError::into_inner);
        let device = self.weight.device();
        if let Some(matrix) = matrices.get(&side)
            && matrix.device() == device
        {
            return Ok(matrix.shallow_clone());
        }
        let matrix = tch::no_grad(|| resample::kernel_matrix(self.own_side, side, self.resampling))?;
        let matrix = matrix.f_to_device(device)?;
        matrices.insert(side, matrix.shallow_clone());
        Ok(matrix)
    }
}

impl Convolutions {
    fn new(builder: &Builder<'_>, width: i64, channels: i64) -> Result<Self, Error> {
        let mut layers = Vec::new();
        let mut input = channels;
        for (i, output) in [width / 8, width / 4, width / 2, width].into_iter().enumerate() {
            let conv = Conv2d::new(&(builder / (3 * i)), ConvConfig::new(input, output, 3).stride(2))?;
            let norm = BatchNorm2d::new(&(builder / (3 * i + 1)), output, BatchNormConfig::default())?;
            layers.push((conv, norm));
            input = output;
        }
        Ok(Self { layers, last: Conv2d::new(&(builder / 12), ConvConfig::new(width, width, 1).bias())? })
    }

    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, Error> {
        let mut x = x.shallow_clone();
        for (conv, norm) in &self.layers {
            x = norm.forward(&conv.forward(&x)?, train)?.f_relu_()?;
        }
        Ok(self.last.forward(&x)?)
    }
}
