//! Vision transformers: "An image is worth 16×16 words" (Dosovitskiy et al., 2020), pre-norm, class token, learned
//! position embedding, as timm's `VisionTransformer`, whose parameter names these are.

use crate::arch::{Architecture, Family};
use crate::backbone::Collected;
use crate::init;
use crate::layers::{Conv2d, ConvInit, ConvShape, LayerNorm, Linear, LinearInit};
use crate::{Backbone, Error, Features, Taps};
use tch::{TchError, Tensor, nn::Path};

/// What distinguishes one vision transformer from another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    /// The length of a token.
    width: i64,
    depth: usize,
    heads: i64,
    /// The side of the image and of a patch, in pixels.
    image: i64,
    patch: i64,
}

const TI16: Config = Config { width: 192, depth: 12, heads: 3, image: 224, patch: 16 };
const S16: Config = Config { width: 384, heads: 6, ..TI16 };
const B16: Config = Config { width: 768, heads: 12, ..TI16 };

const fn row(name: &'static str, config: Config, backbone_parameters: i64) -> Architecture {
    Architecture { name, family: Family::Vit(config), backbone_parameters }
}

/// The architectures of this family.
pub(crate) const ARCHITECTURES: &[Architecture] = &[
    row("vit_tiny_patch16_224", TI16, 5_524_416),
    row("vit_small_patch16_224", S16, 21_665_664),
    row("vit_base_patch16_224", B16, 85_798_656),
];

impl Config {
    /// The length of the pooled features.
    pub(crate) fn embed_dim(&self) -> i64 {
        self.width
    }
}

struct Block {
    norm1: LayerNorm,
    qkv: Linear,
    proj: Linear,
    norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
    heads: i64,
}

impl Block {
    fn new(path: &Path<'_>, width: i64, heads: i64) -> Result<Self, TchError> {
        let linear = |path: Path<'_>, input, output| Linear::new(&path, input, output, LinearInit::Normal02);
        Ok(Self {
            norm1: LayerNorm::new(&(path / "norm1"), width)?,
            qkv: linear(path / "attn" / "qkv", width, 3 * width)?,
            proj: linear(path / "attn" / "proj", width, width)?,
            norm2: LayerNorm::new(&(path / "norm2"), width)?,
            fc1: linear(path / "mlp" / "fc1", width, 4 * width)?,
            fc2: linear(path / "mlp" / "fc2", 4 * width, width)?,
            heads,
        })
    }

    fn attention(&self, x: &Tensor) -> Result<Tensor, TchError> {
        let (n, t, c) = x.size3()?;
        let qkv = self.qkv.forward(x)?.f_reshape([n, t, 3, self.heads, c / self.heads])?;
        let qkv = qkv.f_permute([2, 0, 3, 1, 4])?;
        let (q, k, v) = (qkv.f_select(0, 0)?, qkv.f_select(0, 1)?, qkv.f_select(0, 2)?);
        let no_mask = None::<Tensor>;
        let y = Tensor::f_scaled_dot_product_attention(&q, &k, &v, no_mask, 0.0, false, None, false)?;
        self.proj.forward(&y.f_transpose(1, 2)?.f_reshape([n, t, c])?)
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor, TchError> {
        let x = x.f_add(&self.attention(&self.norm1.forward(x)?)?)?;
        let hidden = self.fc1.forward(&self.norm2.forward(&x)?)?.f_gelu("none")?;
        x.f_add(&self.fc2.forward(&hidden)?)
    }
}

/// A vision transformer without its classifier.
pub(crate) struct Vit {
    cls_token: Tensor,
    pos_embed: Tensor,
    patch_embed: Conv2d,
    blocks: Vec<Block>,
    norm: LayerNorm,
    image: i64,
    width: i64,
}

/// Each block's output, before the final norm.
const TAPS: [&str; 12] = [
    "blocks.0",
    "blocks.1",
    "blocks.2",
    "blocks.3",
    "blocks.4",
    "blocks.5",
    "blocks.6",
    "blocks.7",
    "blocks.8",
    "blocks.9",
    "blocks.10",
    "blocks.11",
];

impl Vit {
    pub(crate) fn new(path: &Path<'_>, config: &Config) -> Result<Self, TchError> {
        let Config { width, depth, heads, image, patch } = *config;
        let tokens = 1 + (image / patch).pow(2);
        let stem =
            ConvShape { input: 3, output: width, kernel: patch, stride: patch, padding: 0, bias: true };
        Ok(Self {
            cls_token: path.add("cls_token", init::normal(&[1, 1, width], 1e-6)?, true),
            pos_embed: path.add("pos_embed", init::normal(&[1, tokens, width], 0.02)?, true),
            patch_embed: Conv2d::new(&(path / "patch_embed" / "proj"), stem, ConvInit::Default)?,
            blocks: (0..depth)
                .map(|i| Block::new(&(path / "blocks" / i), width, heads))
                .collect::<Result<_, _>>()?,
            norm: LayerNorm::new(&(path / "norm"), width)?,
            image,
            width,
        })
    }
}

impl Backbone for Vit {
    fn forward_with_taps(&self, x: &Tensor, _train: bool, taps: Taps<'_>) -> Result<Features, Error> {
        let mut collected = Collected::new(taps, self.taps())?;
        let size = x.size();
        if size.len() != 4 || size[1..] != [3, self.image, self.image] {
            let side = self.image;
            let expected =
                format!("this transformer takes (N, 3, {side}, {side}); resize the images to {side}x{side}");
            return Err(Error::Input { got: size, expected });
        }
        let patches = self.patch_embed.forward(x)?.f_flatten(2, -1)?.f_transpose(1, 2)?;
        let class = self.cls_token.f_expand([size[0], -1, -1], false)?;
        let mut x = Tensor::f_cat(&[class, patches], 1)?.f_add(&self.pos_embed)?;
        for (name, block) in self.taps().iter().zip(&self.blocks) {
            x = block.forward(&x)?;
            collected.keep(name, &x);
        }
        let tokens = self.norm.forward(&x)?;
        let pooled = tokens.f_select(1, 0)?;
        Ok(Features { pooled, map: None, tokens: Some(tokens), taps: collected.into_taps() })
    }

    fn embed_dim(&self) -> i64 {
        self.width
    }

    fn taps(&self) -> &[&'static str] {
        &TAPS[..self.blocks.len()]
    }
}
