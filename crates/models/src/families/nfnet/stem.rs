//! A normaliser-free network's stem.

use super::{Config, ScaledActivation, StemKind};
use crate::builder::Builder;
use crate::layers::{ConvConfig, StdConv2d, max_pool_3x3};
use tch::{Kind, TchError, Tensor};

/// Convolutions, an activation between every two of them, and perhaps a max-pool.
pub(super) struct Stem {
    convs: Vec<StdConv2d>,
    activation: ScaledActivation,
    kind: StemKind,
}

impl Stem {
    pub(super) fn new(
        builder: &Builder<'_>,
        config: &Config,
        input: i64,
        output: i64,
    ) -> Result<Self, TchError> {
        let single = |kernel| {
            let conv = ConvConfig::new(input, output, kernel).stride(2);
            Ok::<_, TchError>(vec![config.conv(&(builder / "conv"), conv, 1.0)?])
        };
        let convs = match config.stem {
            StemKind::DeepQuad => {
                let widths = [input, output / 8, output / 4, output / 2, output];
                let conv = |(i, stride): (usize, i64)| {
                    let conv = ConvConfig::new(widths[i], widths[i + 1], 3).stride(stride);
                    config.conv(&(builder / format!("conv{}", i + 1)), conv, 1.0)
                };
                [2, 1, 1, 2].into_iter().enumerate().map(conv).collect::<Result<_, _>>()?
            }
            StemKind::Conv3 => single(3)?,
            StemKind::Conv7Pool => single(7)?,
        };
        Ok(Self { convs, activation: config.scaled_activation(), kind: config.stem })
    }

    /// The convolution of stride 2 whose output is tapped.
    pub(super) fn tap(&self) -> &'static str {
        match self.kind {
            StemKind::DeepQuad => "stem.conv3",
            StemKind::Conv3 | StemKind::Conv7Pool => "stem.conv",
        }
    }

    /// By how much it makes the image smaller.
    pub(super) fn stride(&self) -> i64 {
        match self.kind {
            StemKind::DeepQuad | StemKind::Conv7Pool => 4,
            StemKind::Conv3 => 2,
        }
    }

    /// The kind of its parameters.
    pub(super) fn kind(&self) -> Kind {
        self.convs[0].weight().kind()
    }

    /// Its output; `tap` is shown that of [`Self::tap`], which stays as it is.
    pub(super) fn forward(&self, x: &Tensor, mut tap: impl FnMut(&Tensor)) -> Result<Tensor, TchError> {
        let mut x = self.convs[0].forward(x)?;
        for (i, conv) in self.convs.iter().enumerate().skip(1) {
            // The last activation follows the tap.
            let activated = match i + 1 == self.convs.len() {
                true => {
                    tap(&x);
                    self.activation.apply(&x, 1.0)?
                }
                false => self.activation.apply_(x)?,
            };
            x = conv.forward(&activated)?;
        }
        if self.convs.len() == 1 {
            tap(&x);
        }
        match self.kind {
            StemKind::Conv7Pool => max_pool_3x3(&x, false),
            StemKind::DeepQuad | StemKind::Conv3 => Ok(x),
        }
    }
}
