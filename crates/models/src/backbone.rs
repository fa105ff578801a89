//! The trait that every backbone implements, and the features it gives.

use crate::Error;
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
    /// The last layer's tokens (N, T, C), class token first, after the final norm, for transformers.
    pub tokens: Option<Tensor>,
    /// The taps asked for, in network order: (N, C, H, W) for maps, (N, T, C) for tokens.
    pub taps: Vec<(&'static str, Tensor)>,
}

/// Images in, features out. Its parameters live in the `VarStore` it was made in, under timm's names.
pub trait Backbone: Send {
    /// Runs the network on normalised images `x` (N, 3, H, W) f32. `train` selects batch statistics and
    /// stochastic layers. Errs when the size of `x` does not fit the network.
    fn forward_with_taps(&self, x: &Tensor, train: bool, taps: Taps<'_>) -> Result<Features, Error>;

    /// The length of [`Features::pooled`]'s vectors.
    fn embed_dim(&self) -> i64;

    /// The names of the taps, in network order (`layer1` ... `layer4`, `blocks.0` ...).
    fn taps(&self) -> &[&'static str];

    /// [`Self::forward_with_taps`] without taps.
    fn forward_features(&self, x: &Tensor, train: bool) -> Result<Features, Error> {
        self.forward_with_taps(x, train, Taps::None)
    }
}

/// The taps kept so far in a forward pass.
pub(crate) struct Collected<'a> {
    wanted: Taps<'a>,
    kept: Vec<(&'static str, Tensor)>,
}

impl<'a> Collected<'a> {
    /// Errs when a name is wanted that is not `known`.
    pub(crate) fn new(wanted: Taps<'a>, known: &[&'static str]) -> Result<Self, Error> {
        if let Taps::Named(names) = wanted
            && let Some(tap) = names.iter().find(|name| !known.contains(name))
        {
            return Err(Error::UnknownTap { tap: (*tap).into(), known: known.join(", ") });
        }
        Ok(Self { wanted, kept: Vec::new() })
    }

    /// Keeps `x` when `name` is wanted. Shares its memory: nothing later may change `x` in place.
    pub(crate) fn keep(&mut self, name: &'static str, x: &Tensor) {
        let wanted = match self.wanted {
            Taps::None => false,
            Taps::All => true,
            Taps::Named(names) => names.contains(&name),
        };
        if wanted {
            self.kept.push((name, x.shallow_clone()));
        }
    }

    pub(crate) fn into_taps(self) -> Vec<(&'static str, Tensor)> {
        self.kept
    }
}
