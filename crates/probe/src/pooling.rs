//! Which vector stands for an image.

use crate::Error;
use std::fmt;
use tch::{Kind, Tensor};
use visrep_models::{Backbone, Features, Model, Taps};

/// Which vector stands for an image. The figures of one network differ by points between these, so that every protocol
/// says which it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Pooling {
    /// What the network's classifier reads (timm's pre-logits).
    #[default]
    PreLogits,
    /// The class token after the final norm. For transformers that have one.
    Class,
    /// The final norm of the mean over the last block's patch tokens: MAE's `global_pool` in fine-tuning. Of a convolutional
    /// network the pre-logits, which are a mean already.
    Mean,
    /// The class token and the mean of the patch tokens, both after the final norm, one after the other: DINO's linear
    /// evaluation of ViT-B.
    ClassAndMean,
    /// The class tokens of the last blocks, each after the final norm, one after the other: DINO's linear evaluation of ViT-S
    /// takes four.
    LastClasses {
        /// How many blocks.
        blocks: usize,
    },
}

impl fmt::Display for Pooling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PreLogits => f.write_str("pre-logits"),
            Self::Class => f.write_str("class token"),
            Self::Mean => f.write_str("mean of the patch tokens, then the final norm"),
            Self::ClassAndMean => f.write_str("class token and mean of the patch tokens"),
            Self::LastClasses { blocks } => write!(f, "class tokens of the last {blocks} blocks"),
        }
    }
}

impl Pooling {
    /// The length of the vectors that it makes of `model`'s features.
    pub fn dim(self, model: &Model) -> i64 {
        model.embed_dim()
            * match self {
                Self::PreLogits | Self::Class | Self::Mean => 1,
                Self::ClassAndMean => 2,
                Self::LastClasses { blocks } => blocks as i64,
            }
    }

    /// Runs the backbone on normalised images `x` (N, C, H, W); the features' `pooled` is this vector for each image, (N,
    /// [`Self::dim`]) f32.
    ///
    /// # Errors
    /// A network that has no such tokens; images that do not fit it.
    pub fn forward(self, model: &Model, x: &Tensor, train: bool) -> Result<Features, Error> {
        let backbone = model.backbone();
        let taps = backbone.taps();
        let wanted = match self {
            Self::Mean => 1,
            Self::LastClasses { blocks } => blocks,
            Self::PreLogits | Self::Class | Self::ClassAndMean => 0,
        };
        if wanted > taps.len() || self == (Self::LastClasses { blocks: 0 }) {
            let (value, expected) = (wanted as f64, "at least 1, and no more than the network has blocks");
            return Err(Error::Parameter { parameter: "blocks", value, expected });
        }
        let names: Vec<&str> = taps[taps.len() - wanted..].iter().map(String::as_str).collect();
        let taps = if names.is_empty() { Taps::None } else { Taps::Named(&names) };
        let features = backbone.forward_with_taps(x, train, taps)?;
        let pooled = self.pool(backbone, &features)?.f_to_kind(Kind::Float)?;
        Ok(Features { pooled, ..features })
    }

    fn pool(self, backbone: &dyn Backbone, features: &Features) -> Result<Tensor, Error> {
        let prefix = backbone.prefix_tokens();
        let tokens = || match &features.tokens {
            Some(tokens) => Ok(tokens),
            None => Err(self.unfit("the network has no tokens")),
        };
        let class = |tokens: &Tensor| match prefix {
            0 => Err(self.unfit("the network has no class token")),
            _ => Ok(tokens.f_select(1, 0)?),
        };
        let patches = |tokens: &Tensor| -> Result<Tensor, Error> {
            let patches = tokens.f_narrow(1, prefix, tokens.size()[1] - prefix)?;
            Ok(patches.f_mean_dim([1].as_slice(), true, None)?)
        };
        Ok(match self {
            Self::PreLogits => features.pooled.shallow_clone(),
            Self::Class => class(tokens()?)?,
            Self::Mean => match features.taps.last() {
                Some((_, tap)) if tap.dim() == 3 => backbone.final_norm(&patches(tap)?)?.f_squeeze_dim(1)?,
                _ => features.pooled.shallow_clone(),
            },
            Self::ClassAndMean => {
                let tokens = tokens()?;
                Tensor::f_cat(&[class(tokens)?, patches(tokens)?.f_squeeze_dim(1)?], 1)?
            }
            Self::LastClasses { .. } => {
                let normed = |tap: &Tensor| match tap.dim() {
                    3 => class(&backbone.final_norm(tap)?),
                    _ => Err(self.unfit("the network has no tokens")),
                };
                let parts = features.taps.iter().map(|(_, tap)| normed(tap));
                Tensor::f_cat(&parts.collect::<Result<Vec<_>, _>>()?, 1)?
            }
        })
    }

    fn unfit(self, problem: &'static str) -> Error {
        Error::Pooling { pooling: self, problem }
    }
}
