//! `visrep weights get`: published weights onto this machine.

use super::super::output;
use anyhow::{Context, Result};
use clap::Args;
use std::path::PathBuf;
use visrep_models::{Download, HubOptions, Preprocessing, Pretrained, find_pretrained, model_names};

/// Download published weights, verify them, and print where they are
///
/// The path goes to standard output, what is known of the weights to standard error. Weights come from the Hugging
/// Face hub (HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE), or else from where they were published first, and are kept where
/// Python's libraries keep them (HF_HOME, HF_HUB_CACHE, TORCH_HOME), so that nothing is downloaded twice.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    visrep weights get resnet50\n  \
    visrep weights get vit_base_patch16_224.dino --cache weights\n  \
    visrep bench --model resnet50.a1_in1k --weights $(visrep weights get resnet50.a1_in1k) --data DIR")]
pub struct Get {
    /// Which weights: `architecture.tag`, or an architecture for its default (see `visrep weights list`)
    #[arg(value_name = "NAME")]
    name: String,
    /// A branch, tag or commit of the hub's repository [default: main, checked against the digest known beforehand]
    #[arg(long, value_name = "REVISION")]
    revision: Option<String>,
    /// Keep the files in this folder
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
}

impl Get {
    pub fn run(self) -> Result<()> {
        let row = find_pretrained(&self.name)?;
        let mut options = HubOptions::from_env()?;
        if let Some(folder) = self.cache {
            let folder = std::path::absolute(&folder).with_context(|| folder.display().to_string())?;
            (options.cache, options.url_cache) = (folder.clone(), folder);
        }
        (options.revision, options.progress) = (self.revision, true);
        let download = row.download(&options)?;
        eprint!("{}", description(row, &download));
        output::say(&format!("{}\n", download.weights.display()))
    }
}

fn description(row: &Pretrained, download: &Download) -> String {
    let from = row.hub.as_deref().or(row.url).unwrap_or_default();
    let how = if download.downloaded { "downloaded" } else { "in the cache" };
    let p = &row.preprocessing;
    let mut text = format!("{}: {from}, {how}\n", row.name());
    let mut say = |label: &str, value: String| text += &format!("  {label:<13} {value}\n");
    say("SHA-256", format!("{} ({})", download.sha256, download.verification));
    say("licence", row.licence.unwrap_or("not stated").into());
    say("input", format!("{0} x {0}, {1}, mean {2:?}, std {3:?}", p.input_size, resize(p), p.mean, p.std));
    say("classes", row.num_classes.to_string());
    if let Some(top1) = row.top1 {
        let other = match &row.test {
            Some((test, Some(top1))) => {
                format!("; {top1} % at {0} x {0}, {1}", test.input_size, resize(test))
            }
            _ => String::new(),
        };
        say("top-1", format!("{top1} % on ImageNet-1k{other}"));
    }
    if !model_names().iter().any(|name| name == row.architecture) {
        say("note", format!("{} cannot be built here", row.architecture));
    }
    match download.config.as_ref().map(Preprocessing::from_hub_config) {
        Some(Ok(config)) if config.preprocessing != *p => {
            let p = config.preprocessing;
            let said =
                format!("{0} x {0}, {1}, mean {2:?}, std {3:?}", p.input_size, resize(&p), p.mean, p.std);
            say("note", format!("the repository's config.json says otherwise: input {said}"));
        }
        Some(Err(error)) => say("note", format!("the repository's config.json cannot be used: {error}")),
        _ => {}
    }
    text
}

fn resize(p: &Preprocessing) -> String {
    format!("crop {} ({}), {}", p.crop_pct, p.crop_mode, p.interpolation)
}
