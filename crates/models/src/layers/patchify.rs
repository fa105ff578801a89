//! The first layer of networks on patches: non-overlapping squares of pixels, each through one linear map.

use crate::Error;
use crate::builder::{Builder, images};
use crate::init::Init;
use crate::layers::{Conv2d, ConvConfig, Padding};
use tch::Tensor;

/// The geometry of a [`Patchify`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct PatchifyConfig {
    /// The network's name in messages: "an MLP-Mixer".
    pub(crate) network: &'static str,
    pub(crate) width: i64,
    /// The sides of a patch in pixels.
    pub(crate) patch: i64,
    /// The sides of the image in pixels, unless the caller's options say otherwise.
    pub(crate) image: i64,
}

/// A convolution whose kernel is as large as its stride, for images of one size: timm's `PatchEmbed` with the parameters of
/// its `proj`.
#[derive(Clone, Debug)]
pub(crate) struct Patchify {
    conv: Conv2d,
    config: PatchifyConfig,
    in_channels: i64,
    image: (i64, i64),
}

impl Patchify {
    /// `init` and `bias_init` as in [`ConvConfig`]. Errs when the patches do not divide the image.
    pub(crate) fn new(
        builder: &Builder<'_>,
        config: PatchifyConfig,
        init: Init,
        bias_init: Option<Init>,
    ) -> Result<Self, Error> {
        let PatchifyConfig { width, patch, .. } = config;
        let in_channels = builder.options().in_channels;
        let image = config.image(builder)?;
        let conv = ConvConfig::new(in_channels, width, patch).stride(patch).padding(Padding::Fixed(0, 0));
        let conv = ConvConfig { init, bias: true, bias_init, ..conv };
        Ok(Self { conv: Conv2d::new(builder, conv)?, config, in_channels, image })
    }

    /// The numbers of rows and columns of patches.
    pub(crate) fn grid(&self) -> (i64, i64) {
        (self.image.0 / self.config.patch, self.image.1 / self.config.patch)
    }

    /// (N, width, rows, columns) from images of its size.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor, Error> {
        let (network, (rows, columns)) = (self.config.network, self.image);
        let x = images(x, network, self.in_channels, 1, self.conv.weight().kind())?;
        let size = x.size();
        if size[2..] != [rows, columns] {
            let expected = format!(
                "this is {network} for images of {rows}x{columns}: resize them, or make the network with \
                 image_size = ({}, {})",
                size[2], size[3]
            );
            return Err(Error::Input { got: size, expected });
        }
        Ok(self.conv.forward(&x)?)
    }
}

impl PatchifyConfig {
    /// The caller's image size, or the network's own; errs when the patches do not divide it.
    pub(crate) fn image(&self, builder: &Builder<'_>) -> Result<(i64, i64), Error> {
        let (rows, columns) = builder.options().image_size.unwrap_or((self.image, self.image));
        if rows % self.patch == 0 && columns % self.patch == 0 {
            return Ok((rows, columns));
        }
        let near = |side: i64| (side + self.patch / 2).max(self.patch) / self.patch * self.patch;
        let (patch, near_rows, near_columns) = (self.patch, near(rows), near(columns));
        Err(Error::Option {
            architecture: self.network.into(),
            option: "image_size",
            value: format!("{rows}x{columns}"),
            reason: format!(
                "its patches of {patch} pixels must divide both sides; {near_rows}x{near_columns} is the nearest size"
            ),
        })
    }
}
