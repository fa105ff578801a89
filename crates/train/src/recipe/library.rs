//! The recipes that the crate ships, by name.

use super::Recipe;
use crate::Error;

macro_rules! recipes {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../recipes/", $name, ".toml")))),+]
    };
}

/// Every recipe: its name and text.
const RECIPES: &[(&str, &str)] =
    recipes![
    "dino-digits",
    "dinov2-digits",
    "esvit-digits",
    "ibot-digits",
    "msn-digits",
    "sce-digits",
    "simclr-digits",
    "simclr-fixtures",
    "supervised-digits",
    "supervised-fixtures",
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
