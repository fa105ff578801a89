//! Vision transformers: "An image is worth 16×16 words" (Dosovitskiy et al., 2020), pre-norm, class token, learned
//! position embedding, as timm's `VisionTransformer`, whose parameter names these are.

use crate::arch::{self, Architecture, Sizes};
use crate::backbone::Collected;
use crate::builder::{Builder, Switches, images};
use crate::head::HeadSpec;
use crate::init::Init;
use crate::layers::{self, Activation, Conv2d, ConvConfig, DropPath, LayerNorm, Linear, LinearConfig, Mlp};
use crate::layers::{Padding, Param, run};
use crate::{Backbone, Error, Features, Taps};
use tch::{TchError, Tensor};

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

/// The architectures of this family.
pub(crate) const ARCHITECTURES: &[Architecture] = &[
    Architecture::new("vit_tiny_patch16_224", &TI16),
    Architecture::new("vit_small_patch16_224", &S16),
    Architecture::new("vit_base_patch16_224", &B16),
];

impl arch::Config for Config {
    fn build(&self, builder: &Builder<'_>) -> Result<Box<dyn Backbone>, Error> {
        Ok(Box::new(Vit::new(builder, self)?))
    }

    fn head(&self) -> HeadSpec {
        HeadSpec::linear("head").started(Init::Normal(0.02))
    }

    fn sizes(&self) -> Sizes {
        Sizes::Free
    }
}

#[derive(Clone)]
struct Block {
    norm1: LayerNorm,
    qkv: Linear,
    proj: Linear,
    norm2: LayerNorm,
    mlp: Mlp,
    heads: i64,
    drop_path: DropPath,
}

impl Block {
    fn new(builder: &Builder<'_>, width: i64, heads: i64, drop_path: f64) -> Result<Self, Error> {
        let attention = builder / "attn";
        Ok(Self {
            norm1: LayerNorm::new(&(builder / "norm1"), width, 1e-6)?,
            qkv: Linear::new(&(&attention / "qkv"), LinearConfig::normal02(width, 3 * width))?,
            proj: Linear::new(&(&attention / "proj"), LinearConfig::normal02(width, width))?,
            norm2: LayerNorm::new(&(builder / "norm2"), width, 1e-6)?,
            mlp: Mlp::new(&(builder / "mlp"), width, 4 * width, Activation::Gelu)?,
            heads,
            drop_path: DropPath(drop_path),
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
}

impl layers::Block for Block {
    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, Error> {
        let branch = self.attention(&self.norm1.forward(x)?)?;
        let x = x.f_add(&self.drop_path.apply(branch, train)?)?;
        let branch = self.mlp.forward(&self.norm2.forward(&x)?)?;
        Ok(x.f_add(&self.drop_path.apply(branch, train)?)?)
    }
}

/// A vision transformer without its classifier.
pub(crate) struct Vit {
    cls_token: Param,
    pos_embed: Param,
    patch_embed: Conv2d,
    blocks: Vec<Block>,
    norm: LayerNorm,
    in_channels: i64,
    image: i64,
    width: i64,
    /// Each block's output, before the final norm.
    taps: Vec<String>,
    switches: Switches,
}

impl Vit {
    pub(crate) fn new(builder: &Builder<'_>, config: &Config) -> Result<Self, Error> {
        let Config { width, depth, heads, image, patch } = *config;
        let in_channels = builder.options().in_channels;
        let tokens = 1 + (image / patch).pow(2);
        let stem =
            ConvConfig::new(in_channels, width, patch).stride(patch).padding(Padding::Fixed(0, 0)).bias();
        let rates = builder.drop_path_rates(depth);
        let block = |(i, rate)| Block::new(&(builder / "blocks" / i), width, heads, rate);
        Ok(Self {
            cls_token: builder.parameter("cls_token", &[1, 1, width], Init::Normal(1e-6))?,
            pos_embed: builder.parameter("pos_embed", &[1, tokens, width], Init::Normal(0.02))?,
            patch_embed: Conv2d::new(&(builder / "patch_embed" / "proj"), stem)?,
            blocks: rates.into_iter().enumerate().map(block).collect::<Result<_, _>>()?,
            norm: LayerNorm::new(&(builder / "norm"), width, 1e-6)?,
            in_channels,
            image,
            width,
            taps: (0..depth).map(|i| format!("blocks.{i}")).collect(),
            switches: builder.switches().clone(),
        })
    }
}

impl Backbone for Vit {
    fn forward_with_taps(&self, x: &Tensor, train: bool, taps: Taps<'_>) -> Result<Features, Error> {
        let mut collected = Collected::new(taps, self.taps())?;
        let x = images(x, "a vision transformer", self.in_channels, 1, self.patch_embed.weight().kind())?;
        let size = x.size();
        if size[2..] != [self.image, self.image] {
            let side = self.image;
            let expected =
                format!("this transformer takes (N, 3, {side}, {side}); resize the images to {side}x{side}");
            return Err(Error::Input { got: size, expected });
        }
        let patches = self.patch_embed.forward(&x)?.f_flatten(2, -1)?.f_transpose(1, 2)?;
        let class = self.cls_token.f_expand([size[0], -1, -1], false)?;
        let mut x = Tensor::f_cat(&[class, patches], 1)?.f_add(&self.pos_embed)?;
        for (name, block) in self.taps().iter().zip(&self.blocks) {
            x = run(&self.switches, block, &x, train)?;
            collected.keep(name, &x);
        }
        let tokens = self.norm.forward(&x)?;
        let pooled = tokens.f_select(1, 0)?;
        Ok(Features { pooled, map: None, tokens: Some(tokens), taps: collected.into_taps() })
    }

    fn embed_dim(&self) -> i64 {
        self.width
    }

    fn taps(&self) -> &[String] {
        &self.taps
    }

    fn prefix_tokens(&self) -> i64 {
        1
    }

    fn layer_key(&self, parameter: &str) -> Option<[u32; 2]> {
        let mut parts = parameter.split('.');
        match parts.next()? {
            "cls_token" | "pos_embed" | "patch_embed" => Some([0, 0]),
            "blocks" => Some([1, parts.next()?.parse().ok()?]),
            // timm's matcher puts the final norm with the last block.
            "norm" => Some([1, self.blocks.len() as u32 - 1]),
            _ => None,
        }
    }

    fn exempt_from_decay(&self, parameter: &str) -> bool {
        matches!(parameter, "cls_token" | "pos_embed")
    }

    fn final_norm(&self, tap: &Tensor) -> Result<Tensor, Error> {
        Ok(self.norm.forward(tap)?)
    }
}

#[cfg(test)]
mod tests {
    use crate::golden;

    #[test]
    fn match_timm() {
        golden::check_family("vit", super::ARCHITECTURES);
    }
}
