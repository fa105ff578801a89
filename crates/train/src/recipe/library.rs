//! The recipes that the crate ships, by name.

use super::Recipe;
use crate::Error;

macro_rules! recipes {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../recipes/", $name, ".toml")))),+]
    };
}

/// Every recipe: its name and text.
const RECIPES: &[(&str, &str)] = recipes![
    "barlow-twins-cifar10",
    "barlow-twins-digits",
    "byol-cifar10",
    "byol-digits",
    "dino-cifar10",
    "dino-digits",
    "dinov2-digits",
    "esvit-digits",
    "extrema-digits",
    "ibot-digits",
    "moco-v1-digits",
    "moco-v2-cifar10",
    "moco-v2-digits",
    "moco-v3-digits",
    "msn-digits",
    "nnclr-digits",
    "projector-momentum-digits",
    "relic-v2-digits",
    "sce-digits",
    "sdssl-digits",
    "simclr-cifar10",
    "simclr-classes-digits",
    "simclr-digits",
    "simclr-fixtures",
    "simsiam-cifar10",
    "simsiam-digits",
    "supervised-digits",
    "supervised-fixtures",
    "swav-cifar10",
    "swav-digits",
    "vicreg-digits",
];

impl Recipe {
    /// The names of the recipes that the crate ships, sorted.
    pub fn names() -> Vec<&'static str> {
        RECIPES.iter().map(|(name, _)| *name).collect()
    }

    /// The recipe called `name`; an unknown name is an error that lists the nearest.
    pub fn named(name: &str) -> Result<Self, Error> {
        match RECIPES.iter().find(|(known, _)| *known == name) {
            Some((_, text)) => Self::parse(text, name),
            None => {
                let nearest = super::edit::nearest(name, Self::names().into_iter().map(str::to_owned));
                Err(Error::UnknownRecipe { name: name.to_owned(), nearest })
            }
        }
    }
}
