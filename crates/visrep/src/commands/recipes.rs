//! `visrep recipes`: what `visrep train` can be asked for by name.

use super::output;
use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use visrep_train::Recipe;

/// List the recipes, or show one with every effective value
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    visrep recipes\n  \
    visrep recipes show simclr-digits\n  \
    visrep recipes show simclr-digits --set 'schedule.length=40 epochs' > mine.toml")]
pub struct Recipes {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Subcommand)]
enum Action {
    /// Print a recipe as TOML: its source, deviations and expected result, and every value, defaults included
    Show(Show),
}

#[derive(Args)]
struct Show {
    /// A recipe's name, or a TOML file
    #[arg(value_name = "RECIPE")]
    recipe: String,
    /// Change a value of the recipe by its key (schedule.lr=0.05); may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    changes: Vec<String>,
}

impl Recipes {
    pub fn run(self) -> Result<()> {
        match self.action {
            Some(Action::Show(show)) => output::say(&read(&show.recipe, &show.changes)?.to_toml()?),
            None => {
                let names = Recipe::names();
                let width = names.iter().map(|name| name.len()).max().unwrap_or_default();
                let mut text = String::new();
                for name in names {
                    text += &format!("{name:width$}  {}\n", Recipe::named(name)?.about.title);
                }
                output::say(&text)
            }
        }
    }
}

/// The recipe of a name or a file, with `changes` made one after the other.
pub fn read(name: &str, changes: &[String]) -> Result<Recipe> {
    let mut recipe = if name.ends_with(".toml") { Recipe::read(name)? } else { Recipe::named(name)? };
    for change in changes {
        recipe.set(change).with_context(|| format!("--set {change}"))?;
    }
    Ok(recipe)
}
