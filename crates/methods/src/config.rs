//! The list of methods, as recipes name them.

use crate::{
    BarlowTwins, BarlowTwinsConfig, Byol, ByolConfig, Dino, DinoConfig, Dinov2, Dinov2Config, Error, Esvit,
    EsvitConfig, Extrema, ExtremaConfig, Ibot, IbotConfig, Method, Moco, MocoConfig, MocoV3, MocoV3Config,
    Msn, MsnConfig, Nnclr, NnclrConfig, ProjectorMomentum, ProjectorMomentumConfig, RelicV2, RelicV2Config,
    Sce, SceConfig, Sdssl, SdsslConfig, Simclr, SimclrConfig, Simsiam, SimsiamConfig, Supervised,
    SupervisedConfig, Swav, SwavConfig, Vicreg, VicregConfig,
};
use serde::{Deserialize, Serialize};

/// A method and its hyper-parameters: in a recipe, the section `[method]` with `name` and the method's own keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum MethodConfig {
    /// `barlow-twins`
    BarlowTwins(BarlowTwinsConfig),
    /// `byol`
    Byol(ByolConfig),
    /// `dino`
    Dino(DinoConfig),
    /// `dinov2`
    Dinov2(Dinov2Config),
    /// `esvit`
    Esvit(EsvitConfig),
    /// `extrema`
    Extrema(ExtremaConfig),
    /// `ibot`
    Ibot(IbotConfig),
    /// `moco`: v1 and v2
    Moco(MocoConfig),
    /// `moco-v3`
    MocoV3(MocoV3Config),
    /// `msn`
    Msn(MsnConfig),
    /// `nnclr`
    Nnclr(NnclrConfig),
    /// `projector-momentum`
    ProjectorMomentum(ProjectorMomentumConfig),
    /// `relic-v2`
    RelicV2(RelicV2Config),
    /// `sce`
    Sce(SceConfig),
    /// `sdssl`
    Sdssl(SdsslConfig),
    /// `simclr`
    Simclr(SimclrConfig),
    /// `simsiam`
    Simsiam(SimsiamConfig),
    /// `supervised`
    Supervised(SupervisedConfig),
    /// `swav`
    Swav(SwavConfig),
    /// `vicreg`
    Vicreg(VicregConfig),
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
            Self::BarlowTwins(config) => Box::new(BarlowTwins::new(config, setup)?),
            Self::Byol(config) => Box::new(Byol::new(config, setup)?),
            Self::Dino(config) => Box::new(Dino::new(config, setup)?),
            Self::Dinov2(config) => Box::new(Dinov2::new(config, setup)?),
            Self::Esvit(config) => Box::new(Esvit::new(config, setup)?),
            Self::Extrema(config) => Box::new(Extrema::new(config, setup)?),
            Self::Ibot(config) => Box::new(Ibot::new(config, setup)?),
            Self::Moco(config) => Box::new(Moco::new(config, setup)?),
            Self::MocoV3(config) => Box::new(MocoV3::new(config, setup)?),
            Self::Msn(config) => Box::new(Msn::new(config, setup)?),
            Self::Nnclr(config) => Box::new(Nnclr::new(config, setup)?),
            Self::ProjectorMomentum(config) => Box::new(ProjectorMomentum::new(config, setup)?),
            Self::RelicV2(config) => Box::new(RelicV2::new(config, setup)?),
            Self::Sce(config) => Box::new(Sce::new(config, setup)?),
            Self::Sdssl(config) => Box::new(Sdssl::new(config, setup)?),
            Self::Simclr(config) => Box::new(Simclr::new(config, setup)?),
            Self::Simsiam(config) => Box::new(Simsiam::new(config, setup)?),
            Self::Supervised(config) => Box::new(Supervised::new(config, setup)?),
            Self::Swav(config) => Box::new(Swav::new(config, setup)?),
            Self::Vicreg(config) => Box::new(Vicreg::new(config, setup)?),
        })
    }
}

/// `found`, or an error unless it is finite and positive.
pub(crate) fn positive(parameter: &'static str, found: f64) -> Result<f64, Error> {
    if found.is_finite() && found > 0.0 {
        return Ok(found);
    }
    Err(Error::Parameter { parameter, expected: "finite and positive", found })
}

/// `found`, or an error unless it is finite and not negative.
pub(crate) fn not_negative(parameter: &'static str, found: f64) -> Result<f64, Error> {
    if found.is_finite() && found >= 0.0 {
        return Ok(found);
    }
    Err(Error::Parameter { parameter, expected: "finite and not negative", found })
}

/// `found`, or an error unless it is within 0 and 1.
pub(crate) fn fraction(parameter: &'static str, found: f64) -> Result<f64, Error> {
    if (0.0..=1.0).contains(&found) {
        return Ok(found);
    }
    Err(Error::Parameter { parameter, expected: "within 0 and 1", found })
}
