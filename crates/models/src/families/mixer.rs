//! MLP-Mixers: "MLP-Mixer: an all-MLP architecture for vision" (Tolstikhin et al., 2021), as timm's `MlpMixer`, whose
//! parameter names these are. The weights in `.npz` files of the authors are renamed on loading.
//!
//! timm runs the authors' weights with the exact GELU where they used its tanh approximation; so does this.
//!
//! Taps: each block's tokens, `blocks.<i>`. Images have the size that the network was made for, which the patch divides.

use crate::arch::{self, Architecture, Sizes};
use crate::backbone::Collected;
use crate::builder::{Builder, Switches};
use crate::head::HeadSpec;
use crate::init::Init;
use crate::layers::{
    self, Activation, DropPath, LayerNorm, LinearConfig, Mlp, Patchify, PatchifyConfig, run,
};
use crate::preprocessing::Interpolation;
use crate::{Backbone, Error, Features, ModelOptions, Preprocessing, Taps};
use std::collections::BTreeMap;
use tch::Tensor;

/// What distinguishes one Mixer from another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    /// The length of a token. The token mixing is half as wide, the channel mixing four times.
    width: i64,
    depth: usize,
    patch: i64,
}

const S32: Config = Config { width: 512, depth: 8, patch: 32 };
const B32: Config = Config { width: 768, depth: 12, patch: 32 };
const L32: Config = Config { width: 1024, depth: 24, patch: 32 };

/// The architectures of this family.
pub(crate) const ARCHITECTURES: &[Architecture] = &[
    Architecture::new("mixer_s32_224", &S32),
    Architecture::new("mixer_s16_224", &Config { patch: 16, ..S32 }),
    Architecture::new("mixer_b32_224", &B32),
    Architecture::new("mixer_b16_224", &Config { patch: 16, ..B32 }),
    Architecture::new("mixer_l32_224", &L32),
    Architecture::new("mixer_l16_224", &Config { patch: 16, ..L32 }),
];

impl arch::Config for Config {
    fn build(&self, builder: &Builder<'_>) -> Result<Box<dyn Backbone>, Error> {
        Ok(Box::new(Mixer::new(builder, self)?))
    }

    fn head(&self) -> HeadSpec {
        HeadSpec::linear("head").started(Init::Constant(0.0))
    }

    fn untagged(&self) -> (Preprocessing, i64) {
        let interpolation = Interpolation::Bicubic;
        (Preprocessing { interpolation, mean: [0.5; 3], std: [0.5; 3], ..Default::default() }, 1000)
    }

    /// From the names of Flax that `.npz` files have (`MixerBlock_0/token_mixing/Dense_0/kernel`), perhaps below
    /// `params/` or `opt/target/`.
    fn adapt(
        &self,
        _options: &ModelOptions,
        tensors: &mut BTreeMap<String, Tensor>,
        _target: &BTreeMap<String, Tensor>,
    ) -> Result<Vec<String>, Error> {
        if !tensors.keys().any(|name| name.contains("MixerBlock_")) {
            return Ok(Vec::new());
        }
        for (name, tensor) in std::mem::take(tensors) {
            let tensor = match (name.ends_with("/kernel"), tensor.dim()) {
                (true, 2) => tensor.f_tr()?,
                // (rows, columns, in, out)
                (true, 4) => tensor.f_permute([3, 2, 0, 1])?,
                _ => tensor,
            };
            tensors.insert(from_flax(&name), tensor);
        }
        Ok(vec!["renamed from Flax's names".into()])
    }

    fn sizes(&self) -> Sizes {
        Sizes::Image
    }
}

/// timm's name for a parameter that Flax calls `name`.
fn from_flax(name: &str) -> String {
    let name =
        ["opt/target/", "params/"].iter().fold(name, |name, root| name.strip_prefix(root).unwrap_or(name));
    let part = |part: &str| -> String {
        match part.strip_prefix("MixerBlock_") {
            Some(index) => format!("blocks.{index}"),
            None => match part {
                "stem" => "stem.proj",
                "LayerNorm_0" => "norm1",
                "LayerNorm_1" => "norm2",
                "token_mixing" => "mlp_tokens",
                "channel_mixing" => "mlp_channels",
                "Dense_0" => "fc1",
                "Dense_1" => "fc2",
                "pre_head_layer_norm" => "norm",
                "kernel" | "scale" => "weight",
                other => other,
            }
            .into(),
        }
    };
    name.split('/').map(part).collect::<Vec<_>>().join(".")
}

/// Mixes tokens, channel by channel, then channels, token by token.
#[derive(Clone)]
struct Block {
    norm1: LayerNorm,
    tokens: Mlp,
    norm2: LayerNorm,
    channels: Mlp,
    drop_path: DropPath,
}

impl Block {
    fn new(builder: &Builder<'_>, width: i64, tokens: i64) -> Result<Self, Error> {
        let mlp = |name: &str, outer, hidden| {
            let linear = |input, output| LinearConfig {
                bias_init: Some(Init::Normal(1e-6)),
                ..LinearConfig::new(input, output).started(Init::XavierUniform)
            };
            let configs = (linear(outer, hidden), linear(hidden, outer));
            Mlp::of(&(builder / name), configs, Activation::Gelu)
        };
        Ok(Self {
            norm1: LayerNorm::new(&(builder / "norm1"), width, 1e-6)?,
            tokens: mlp("mlp_tokens", tokens, width / 2)?,
            norm2: LayerNorm::new(&(builder / "norm2"), width, 1e-6)?,
            channels: mlp("mlp_channels", width, 4 * width)?,
            // The same in every block, as in timm.
            drop_path: DropPath(builder.options().drop_path_rate),
        })
    }
}

impl layers::Block for Block {
    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, Error> {
        let across = self.norm1.forward(x)?.f_transpose(1, 2)?.f_contiguous()?;
        let branch = self.tokens.forward(&across)?.f_transpose(1, 2)?;
        let x = x.f_add(&self.drop_path.apply(branch, train)?)?;
        let branch = self.channels.forward(&self.norm2.forward(&x)?)?;
        Ok(self.drop_path.add(&x, branch, train)?)
    }
}

/// An MLP-Mixer without its classifier.
pub(crate) struct Mixer {
    stem: Patchify,
    blocks: Vec<Block>,
    norm: LayerNorm,
    width: i64,
    /// Each block's output, before the final norm.
    taps: Vec<String>,
    switches: Switches,
}

impl Mixer {
    pub(crate) fn new(builder: &Builder<'_>, config: &Config) -> Result<Self, Error> {
        let Config { width, depth, patch } = *config;
        let stem = PatchifyConfig { network: "an MLP-Mixer", width, patch, image: 224 };
        // LeCun's variance of 1/fan-in after the cut at two deviations, which takes away 12 % of the deviation.
        let fan_in = (builder.options().in_channels * patch * patch) as f64;
        let init = Init::TruncatedNormal(1.0 / fan_in.sqrt() / 0.879_625_661_034_239_8);
        let stem = Patchify::new(&(builder / "stem.proj"), stem, init, Some(Init::Constant(0.0)))?;
        let tokens = stem.grid().0 * stem.grid().1;
        let block = |i| Block::new(&(builder / "blocks" / i), width, tokens);
        Ok(Self {
            stem,
            blocks: (0..depth).map(block).collect::<Result<_, _>>()?,
            norm: LayerNorm::new(&(builder / "norm"), width, 1e-6)?,
            width,
            taps: (0..depth).map(|i| format!("blocks.{i}")).collect(),
            switches: builder.switches().clone(),
        })
    }
}

impl Backbone for Mixer {
    fn forward_with_taps(&self, x: &Tensor, train: bool, taps: Taps<'_>) -> Result<Features, Error> {
        let mut collected = Collected::new(taps, self.taps())?;
        let mut x = self.stem.forward(x)?.f_flatten(2, -1)?.f_transpose(1, 2)?;
        for (name, block) in self.taps().iter().zip(&self.blocks) {
            x = run(&self.switches, block, &x, train)?;
            collected.keep(name, &x);
        }
        let tokens = self.norm.forward(&x)?;
        let pooled = tokens.f_mean_dim(1, false, None)?;
        Ok(Features { pooled, map: None, tokens: Some(tokens), taps: collected.into_taps() })
    }

    fn embed_dim(&self) -> i64 {
        self.width
    }

    fn taps(&self) -> &[String] {
        &self.taps
    }

    fn layer_key(&self, parameter: &str) -> Option<[u32; 2]> {
        let mut parts = parameter.split('.');
        match parts.next()? {
            "stem" => Some([0, 0]),
            "blocks" => Some([1, parts.next()?.parse().ok()?]),
            // timm's matcher puts the final norm with the last block.
            "norm" => Some([1, self.blocks.len() as u32 - 1]),
            _ => None,
        }
    }

    fn final_norm(&self, tap: &Tensor) -> Result<Tensor, Error> {
        Ok(self.norm.forward(tap)?)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Model, ModelOptions, golden};
    use tch::{Device, Kind, Tensor};

    #[test]
    fn match_timm() {
        golden::check_family("mixer", super::ARCHITECTURES);
    }

    #[test]
    fn the_authors_files_are_understood() {
        golden::check_adapt("mixer");
    }

    #[test]
    fn kinds_and_memory_formats_agree() {
        golden::check_kinds("mixer_s32_224", 224);
    }

    #[test]
    fn other_sizes() {
        let make = |side| {
            let options = ModelOptions { image_size: Some((side, 64)), ..Default::default() };
            Model::create("mixer_s32_224", &options)
        };
        let message = make(40).expect_err("a size that 32 does not divide").to_string();
        assert!(message.contains("32x64 is the nearest"), "{message}");
        let model = make(32).expect("a model");
        let x = |side| Tensor::zeros([1, 3, side, 64], (Kind::Float, Device::Cpu));
        assert_eq!(model.forward(&x(32), false).expect("logits").size(), [1, 1000]);
        let message = model.forward(&x(64), false).expect_err("another size").to_string();
        assert!(message.contains("for images of 32x64") && message.contains("(64, 64)"), "{message}");
    }
}
