//! `visrep models`: what can be asked for by name.

use super::output;
use anyhow::{Result, bail};
use clap::Args;
use visrep_models::{CropMode, model_info, model_names, parameter_table};

/// List the models and how their inputs are prepared
#[derive(Args)]
#[command(
    after_help = "Examples:\n  visrep models\n  visrep models vit\n  visrep models resnet50 --parameters"
)]
pub struct Models {
    /// Show only names that contain this
    #[arg(value_name = "TEXT")]
    filter: Option<String>,
    /// Show every parameter of the model of this name, with its shape
    #[arg(long)]
    parameters: bool,
}

impl Models {
    pub fn run(self) -> Result<()> {
        let filter = self.filter.unwrap_or_default();
        if self.parameters {
            if filter.is_empty() {
                bail!("--parameters shows one model; name it: visrep models resnet50 --parameters");
            }
            return output::say(&format!("{}\n", parameter_table(&filter)?));
        }
        let names: Vec<_> = model_names().into_iter().filter(|name| name.contains(&filter)).collect();
        if names.is_empty() {
            bail!("no model's name contains {filter:?}; `visrep models` lists them all");
        }
        let width = names.iter().map(String::len).max().unwrap_or_default();
        let mut text =
            format!("{:width$}  parameters  features  input  crop   resize           tags\n", "name");
        let single = names.len() == 1;
        for name in names {
            let info = model_info(&name)?;
            let preprocessing = &info.preprocessing;
            let resize = match preprocessing.crop_mode {
                CropMode::Center => preprocessing.interpolation.to_string(),
                CropMode::Squash => format!("{}, squash", preprocessing.interpolation),
            };
            text += &format!(
                "{name:width$}  {:>8.2} M  {:>8}  {:>5}  {:<5}  {:<15}  {}\n",
                info.parameters as f64 / 1e6,
                info.embed_dim,
                preprocessing.input_size,
                preprocessing.crop_pct,
                resize,
                if single { info.tags.join(" ") } else { few(&info.tags) },
            );
        }
        output::say(&text)
    }
}

/// The first tags, the default before others, and how many there are besides: a line is to fit a terminal.
fn few(tags: &[&str]) -> String {
    const SHOWN: usize = 2;
    match tags.len() {
        ..=SHOWN => tags.join(" "),
        all => format!("{} +{}", tags[..SHOWN].join(" "), all - SHOWN),
    }
}
