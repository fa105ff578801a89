//! BEiT: "BEiT: BERT pre-training of image transformers" (Bao et al., 2021) and BEiT v2 (Peng et al., 2022): vision transformers
//! with a bias by relative position in each block instead of a position embedding, no bias on keys, and layer scale, as
//! timm's `Beit`, whose parameter names these are.
//!
//! Taps: each block's tokens, `blocks.<i>`. Images have the size that the network was made for, which 16 divides.

use crate::arch::{self, Architecture, Sizes};
use crate::backbone::Collected;
use crate::builder::{Builder, Switches};
use crate::head::HeadSpec;
use crate::init::Init;
use crate::layers::{self, Activation, DropPath, LayerNorm, Linear, LinearConfig, Mlp, Param};
use crate::layers::{
    Patchify, PatchifyConfig, RelativeIndex, RelativePosition, attend, resize_table, run, split,
};
use crate::preprocessing::{IMAGENET_MEAN, IMAGENET_STD, Interpolation};
use crate::{Backbone, Error, Features, ModelOptions, Preprocessing, Taps};
use std::collections::BTreeMap;
use tch::{TchError, Tensor};

/// What distinguishes one BEiT from another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    width: i64,
    depth: usize,
    heads: i64,
    /// The side of the image in pixels.
    image: i64,
    /// Where layer scale starts.
    layer_scale: f64,
    /// Whether images are normalised by ImageNet's statistics, as for BEiT v2, and not by 1/2.
    imagenet: bool,
}

/// The side of a patch in pixels.
const PATCH: i64 = 16;

const BASE: Config =
    Config { width: 768, depth: 12, heads: 12, image: 224, layer_scale: 0.1, imagenet: false };
const LARGE: Config = Config { width: 1024, depth: 24, heads: 16, layer_scale: 1e-5, ..BASE };

/// The architectures of this family.
pub(crate) const ARCHITECTURES: &[Architecture] = &[
    Architecture::new("beit_base_patch16_224", &BASE),
    Architecture::new("beit_base_patch16_384", &Config { image: 384, ..BASE }),
    Architecture::new("beit_large_patch16_224", &LARGE),
    Architecture::new("beit_large_patch16_384", &Config { image: 384, ..LARGE }),
    Architecture::new("beit_large_patch16_512", &Config { image: 512, ..LARGE }),
    Architecture::new("beitv2_base_patch16_224", &Config { layer_scale: 1e-5, imagenet: true, ..BASE }),
    Architecture::new("beitv2_large_patch16_224", &Config { imagenet: true, ..LARGE }),
];

impl arch::Config for Config {
    fn build(&self, builder: &Builder<'_>) -> Result<Box<dyn Backbone>, Error> {
        Ok(Box::new(Beit::new(builder, self)?))
    }

    fn head(&self) -> HeadSpec {
        HeadSpec::linear("head").started(Init::Normal(0.02 * 0.001))
    }

    fn untagged(&self) -> (Preprocessing, i64) {
        let (mean, std) = if self.imagenet { (IMAGENET_MEAN, IMAGENET_STD) } else { ([0.5; 3], [0.5; 3]) };
        let (input_size, interpolation) = (self.image as u32, Interpolation::Bicubic);
        let crop_pct = if self.image == 224 { 0.9 } else { 1.0 };
        let sized = Preprocessing { input_size, interpolation, crop_pct, ..Default::default() };
        (Preprocessing { mean, std, ..sized }, 1000)
    }

    /// Tables of relative positions are resampled to the image size of `options`.
    fn adapt(
        &self,
        options: &ModelOptions,
        tensors: &mut BTreeMap<String, Tensor>,
        target: &BTreeMap<String, Tensor>,
    ) -> Result<Vec<String>, Error> {
        // They follow from the sizes.
        tensors.retain(|name, _| !name.ends_with("relative_position_index"));
        let (rows, columns) = options.image_size.unwrap_or((self.image, self.image));
        let mut resampled = 0;
        for (name, tensor) in tensors.iter_mut() {
            if name.ends_with("relative_position_bias_table")
                && target.get(name).is_some_and(|own| own.size() != tensor.size())
                && let Some(table) = resize_table(tensor, (rows / PATCH, columns / PATCH), true)?
            {
                (*tensor, resampled) = (table, resampled + 1);
            }
        }
        Ok(match resampled {
            0 => Vec::new(),
            _ => {
                vec![format!("{resampled} tables of relative positions resampled to {rows}x{columns} pixels")]
            }
        })
    }

    fn sizes(&self) -> Sizes {
        Sizes::Image
    }
}

#[derive(Clone)]
struct Block {
    norm1: LayerNorm,
    qkv: Param,
    q_bias: Param,
    v_bias: Param,
    position: RelativePosition,
    proj: Linear,
    gamma_1: Param,
    norm2: LayerNorm,
    mlp: Mlp,
    gamma_2: Param,
    heads: i64,
    drop_path: DropPath,
}

impl Block {
    fn new(
        builder: &Builder<'_>,
        config: &Config,
        number: usize,
        index: RelativeIndex,
        drop_path: f64,
    ) -> Result<Self, Error> {
        let Config { width, heads, layer_scale, .. } = *config;
        let attention = builder / "attn";
        let zeros = |name| attention.parameter(name, &[width], Init::Constant(0.0));
        let gamma = |name| builder.parameter(name, &[width], Init::Constant(layer_scale));
        // The last layer of each branch starts the smaller the deeper it lies.
        let last = Init::Normal(0.02 / (2.0 * (number + 1) as f64).sqrt());
        let fc1 = LinearConfig::normal02(width, 4 * width);
        let fc2 = LinearConfig::new(4 * width, width).started(last);
        Ok(Self {
            norm1: LayerNorm::new(&(builder / "norm1"), width, 1e-6)?,
            qkv: (&attention / "qkv").parameter("weight", &[3 * width, width], Init::Normal(0.02))?,
            q_bias: zeros("q_bias")?,
            v_bias: zeros("v_bias")?,
            position: RelativePosition::new(&attention, index, heads, Init::Constant(0.0))?,
            proj: Linear::new(&(&attention / "proj"), LinearConfig::new(width, width).started(last))?,
            gamma_1: gamma("gamma_1")?,
            norm2: LayerNorm::new(&(builder / "norm2"), width, 1e-6)?,
            mlp: Mlp::of(&(builder / "mlp"), (fc1, fc2), Activation::Gelu)?,
            gamma_2: gamma("gamma_2")?,
            heads,
            drop_path: DropPath(drop_path),
        })
    }

    fn attention(&self, x: &Tensor) -> Result<Tensor, TchError> {
        let k_bias = self.q_bias.f_zeros_like()?;
        let bias = Tensor::f_cat(&[&*self.q_bias, &k_bias, &*self.v_bias], 0)?;
        let [q, k, v] = split(&visrep_torch::linear(x, &self.qkv, Some(&bias))?, self.heads)?;
        self.proj.forward(&attend(&q, &k, &v, Some(self.position.bias()?))?)
    }

    /// `x` plus a branch scaled by `gamma`.
    fn add(&self, x: &Tensor, branch: &Tensor, gamma: &Param, train: bool) -> Result<Tensor, TchError> {
        if !train || self.drop_path.0 <= 0.0 {
            return x.f_addcmul(branch, gamma);
        }
        self.drop_path.add(x, branch.f_mul(gamma)?, train)
    }
}

impl layers::Block for Block {
    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, Error> {
        let branch = self.attention(&self.norm1.forward(x)?)?;
        let x = self.add(x, &branch, &self.gamma_1, train)?;
        let branch = self.mlp.forward(&self.norm2.forward(&x)?)?;
        Ok(self.add(&x, &branch, &self.gamma_2, train)?)
    }
}

/// A BEiT without its classifier.
pub(crate) struct Beit {
    cls_token: Param,
    patch_embed: Patchify,
    blocks: Vec<Block>,
    fc_norm: LayerNorm,
    width: i64,
    /// Each block's output.
    taps: Vec<String>,
    switches: Switches,
}

impl Beit {
    pub(crate) fn new(builder: &Builder<'_>, config: &Config) -> Result<Self, Error> {
        let Config { width, depth, image, .. } = *config;
        let patchify = PatchifyConfig { network: "a BEiT", width, patch: PATCH, image };
        let patchify = Patchify::new(&(builder / "patch_embed.proj"), patchify, Init::Default, None)?;
        let index = RelativeIndex::new(patchify.grid(), true);
        let rates = builder.drop_path_rates(depth);
        let block = |(i, rate)| Block::new(&(builder / "blocks" / i), config, i, index.clone(), rate);
        Ok(Self {
            cls_token: builder.parameter("cls_token", &[1, 1, width], Init::Normal(0.02))?,
            patch_embed: patchify,
            blocks: rates.into_iter().enumerate().map(block).collect::<Result<_, _>>()?,
            fc_norm: LayerNorm::new(&(builder / "fc_norm"), width, 1e-6)?,
            width,
            taps: (0..depth).map(|i| format!("blocks.{i}")).collect(),
            switches: builder.switches().clone(),
        })
    }
}

impl Backbone for Beit {
    fn forward_with_taps(&self, x: &Tensor, train: bool, taps: Taps<'_>) -> Result<Features, Error> {
        let mut collected = Collected::new(taps, self.taps())?;
        let patches = self.patch_embed.forward(x)?.f_flatten(2, -1)?.f_transpose(1, 2)?;
        let class = self.cls_token.f_expand([patches.size()[0], -1, -1], false)?;
        let mut x = Tensor::f_cat(&[class, patches], 1)?;
        for (name, block) in self.taps().iter().zip(&self.blocks) {
            x = run(&self.switches, block, &x, train)?;
            collected.keep(name, &x);
        }
        let patches = x.f_narrow(1, 1, x.size()[1] - 1)?;
        let pooled = self.fc_norm.forward(&patches.f_mean_dim(1, false, None)?)?;
        Ok(Features { pooled, map: None, tokens: Some(x), taps: collected.into_taps() })
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
            "cls_token" | "patch_embed" => Some([0, 0]),
            "blocks" => Some([1, parts.next()?.parse().ok()?]),
            _ => None,
        }
    }

    fn exempt_from_decay(&self, parameter: &str) -> bool {
        parameter == "cls_token" || parameter.ends_with("relative_position_bias_table")
    }
}

#[cfg(test)]
mod tests {
    use crate::golden;

    #[test]
    fn match_timm() {
        golden::check_family("beit", super::ARCHITECTURES);
    }

    #[test]
    fn other_sizes_match_timm() {
        golden::check_size("beit", "beit_base_patch16_224", (96, 64));
    }

    #[test]
    fn tables_are_resampled_as_timm_does() {
        golden::check_adapt("beit");
    }

    #[test]
    fn kinds_and_memory_formats_agree() {
        golden::check_kinds("beit_base_patch16_224", 224);
    }
}
