//! The list of methods, as recipes name them.

use crate::{
    Dino, DinoConfig, Dinov2, Dinov2Config, Error, Esvit, EsvitConfig, Ibot, IbotConfig, Method, Msn, MsnConfig, Simclr,
    SimclrConfig, Supervised, SupervisedConfig,
};
use serde::{Deserialize, Serialize};

/// A method and its hyper-parameters: in a recipe, the section `[method]` with `name` and the method's own keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum MethodConfig {
    /// `dino`
    Dino(DinoConfig),
    /// `dinov2`
    Dinov2(Dinov2Config),
    /// `esvit`
    Esvit(EsvitConfig),
    /// `ibot`
    Ibot(IbotConfig),
    /// `msn`
    Msn(MsnConfig),
    /// `simclr`
    Simclr(SimclrConfig),
    /// `supervised`
    Supervised(SupervisedConfig),
}

/// What a method is built for.
#[derive(Clone, Copy, Debug)]
pub struct Setup<'a> {
    /// The backbone's name, as `visrep_models::Model::create` takes it.
    pub model: &'a str,
    /// The number of classes of the dataset; 0 when it has no labels.
    pub classes: usize,
    /// Where the networks live.
    pub device: tch::Device,
    /// The seed of every initial weight.
    pub seed: u64,
}

impl MethodConfig {
    /// Makes the networks with their initial weights.
    pub fn build(&self, setup: &Setup<'_>) -> Result<Box<dyn Method>, Error> {
        Ok(match self {
            Self::Dino(config) => Box::new(Dino::new(config, setup)?),
            Self::Dinov2(config) => Box::new(Dinov2::new(config, setup)?),
            Self::Esvit(config) => Box::new(Esvit::new(config, setup)?),
            Self::Ibot(config) => Box::new(Ibot::new(config, setup)?),
            Self::Msn(config) => Box::new(Msn::new(config, setup)?),
            Self::Simclr(config) => Box::new(Simclr::new(config, setup)?),
            Self::Supervised(config) => Box::new(Supervised::new(config, setup)?),
        })
    }
}
