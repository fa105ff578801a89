//! The trait that every backbone implements, and the features it gives.

use crate::{Error, PatchTransformer, SparseEncoder};
use tch::Tensor;

/// Which intermediate activations a forward pass should keep.
#[derive(Clone, Copy, Debug, Default)]
pub enum Taps<'a> {
    /// None: the cheapest.
    #[default]
    None,
    /// Every tap in [`Backbone::taps`].
    All,
    /// Those named.
    Named(&'a [&'a str]),
}

/// What a backbone makes of a batch of images.
#[derive(Debug)]
pub struct Features {
    /// One vector per image, (N, [`Backbone::embed_dim`]): what the classifier reads (timm's pre-logits).
    pub pooled: Tensor,
    /// The last feature map (N, C, H, W), for convolutional backbones.
    pub map: Option<Tensor>,
    /// The last layer's tokens (N, T, C), after the final norm where there is one, for transformers:
    /// [`Backbone::prefix_tokens`] of them first (class, distillation, registers), then one per patch, row by row.
    pub tokens: Option<Tensor>,
    /// The taps asked for, in network order: (N, C, H, W) for maps, (N, T, C) for tokens.
    pub taps: Vec<(String, Tensor)>,
}

impl Features {
    /// Those of a network that ends with `map`, pooled by its mean over the positions.
    pub(crate) fn of_map(map: Tensor, collected: Collected<'_>) -> Result<Self, Error> {
        let pooled = map.f_adaptive_avg_pool2d([1, 1])?.f_flatten(1, -1)?;
        Ok(Self { pooled, map: Some(map), tokens: None, taps: collected.into_taps() })
    }
}

/// Images in, features out. Its parameters live in the `VarStore` it was made in, under timm's names.
pub trait Backbone: Send {
    /// Runs the network on normalised images `x` (N, C, H, W) of any floating-point kind. `train` selects batch statistics and
    /// stochastic layers. Errs when the size of `x` does not fit the network.
    fn forward_with_taps(&self, x: &Tensor, train: bool, taps: Taps<'_>) -> Result<Features, Error>;

    /// The taps alone, as [`Features::taps`] has them. Networks of layers in a row (AlexNet, VGG, SqueezeNet) end with the last that
    /// is asked for; others run to their end.
    fn forward_taps(&self, x: &Tensor, train: bool, taps: Taps<'_>) -> Result<Vec<(String, Tensor)>, Error> {
        Ok(self.forward_with_taps(x, train, taps)?.taps)
    }

    /// The length of [`Features::pooled`]'s vectors.
    fn embed_dim(&self) -> i64;

    /// The names of the taps, in network order (`layer1` ... `layer4`, `blocks.0` ...).
    fn taps(&self) -> &[String];

    /// Where a parameter stands in depth, for layer-wise learning rates and for freezing: keys that compare equal form
    /// one group, and smaller ones lie nearer the input. `None` is what lies behind the last block. These are the groups of
    /// timm's `group_matcher(coarse=False)`.
    fn layer_key(&self, parameter: &str) -> Option<[u32; 2]>;

    /// How many tokens precede those of the patches.
    fn prefix_tokens(&self) -> i64 {
        0
    }

    /// Whether a parameter is to be left out of weight decay although it has more than one axis: position embeddings,
    /// class tokens and the like (timm's `no_weight_decay`).
    fn exempt_from_decay(&self, _parameter: &str) -> bool {
        false
    }

    /// The final norm applied to a tap's tokens, as DINO's evaluation on the last four blocks has it (timm's
    /// `get_intermediate_layers(norm=True)`); networks without one give the tap back.
    fn final_norm(&self, tap: &Tensor) -> Result<Tensor, Error> {
        Ok(tap.shallow_clone())
    }

    /// What it can do as a transformer over patches, of which it may see some alone: other patch sizes, masked autoencoding.
    /// `None` for other networks.
    fn patch_transformer(&self) -> Option<&dyn PatchTransformer> {
        None
    }

    /// What it can do as a convolutional network that may see some patches alone: masked autoencoding. `None` for networks
    /// that cannot.
    fn sparse_encoder(&self) -> Option<&dyn SparseEncoder> {
        None
    }

    /// [`Self::forward_with_taps`] without taps.
    fn forward_features(&self, x: &Tensor, train: bool) -> Result<Features, Error> {
        self.forward_with_taps(x, train, Taps::None)
    }
}

/// [`Backbone::layer_key`] of a parameter in a stage, from the parts of its path behind the name of the stages: the stage, then
/// `blocks` and the block; or `downsample`, which timm's matcher puts with the first block.
pub(crate) fn stage_key<'a>(mut parts: impl Iterator<Item = &'a str>) -> Option<[u32; 2]> {
    let stage: u32 = parts.next()?.parse().ok()?;
    match parts.next()? {
        "downsample" => Some([1 + stage, 0]),
        _ => Some([1 + stage, parts.next()?.parse().ok()?]),
    }
}

/// The taps kept so far in a forward pass.
pub(crate) struct Collected<'a> {
    wanted: Taps<'a>,
    kept: Vec<(String, Tensor)>,
}

impl<'a> Collected<'a> {
    /// Errs when a name is wanted that is not `known`.
    pub(crate) fn new(wanted: Taps<'a>, known: &[String]) -> Result<Self, Error> {
        if let Taps::Named(names) = wanted
            && let Some(tap) = names.iter().find(|name| !known.iter().any(|tap| tap == *name))
        {
            return Err(Error::UnknownTap { tap: (*tap).into(), known: known.join(", ") });
        }
        Ok(Self { wanted, kept: Vec::new() })
    }

    /// Whether `name` is wanted.
    pub(crate) fn wants(&self, name: &str) -> bool {
        match self.wanted {
            Taps::None => false,
            Taps::All => true,
            Taps::Named(names) => names.contains(&name),
        }
    }

    /// Keeps `x` when `name` is wanted. Shares its memory: nothing later may change `x` in place.
    pub(crate) fn keep(&mut self, name: &str, x: &Tensor) {
        if self.wants(name) {
            self.kept.push((name.into(), x.shallow_clone()));
        }
    }

    pub(crate) fn into_taps(self) -> Vec<(String, Tensor)> {
        self.kept
    }
}
