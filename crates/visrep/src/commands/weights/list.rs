//! `visrep weights list`: the published weights that are known by name.

use super::super::output;
use anyhow::{Result, bail};
use clap::Args;
use std::collections::{HashMap, HashSet};
use visrep_models::{Pretrained, model_info, model_names, pretrained_weights};

/// List published weights with their accuracy and licence
///
/// Top-1 is the accuracy on ImageNet-1k in percent as timm measured it, at the input size shown. Weights of
/// architectures without a number of parameters can be downloaded, and not built here.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  visrep weights list\n  visrep weights list dinov2\n  visrep weights list resnet50."
)]
pub struct List {
    /// Show only names that contain this
    #[arg(value_name = "PATTERN", default_value = "", hide_default_value = true)]
    pattern: String,
}

impl List {
    pub fn run(self) -> Result<()> {
        let wanted = |row: &&Pretrained| row.is_published() && row.name().contains(&self.pattern);
        let rows: Vec<_> = pretrained_weights().iter().filter(wanted).collect();
        if rows.is_empty() {
            bail!(
                "no published weights' name contains {:?}; `visrep weights list` lists them all",
                self.pattern
            );
        }
        let built: HashSet<_> = model_names().into_iter().collect();
        let mut parameters = HashMap::new();
        let width = rows.iter().map(|row| row.name().len()).max().unwrap_or_default();
        let mut text = format!("{:width$}  parameters  classes  input   top-1  licence\n", "name");
        for row in rows {
            // Tags with the same classes have the same number.
            let key = (row.architecture, row.num_classes);
            if built.contains(row.architecture) && !parameters.contains_key(&key) {
                parameters.insert(key, model_info(&row.name())?.parameters);
            }
            let count = parameters.get(&key).map(|&count| format!("{:.2} M", count as f64 / 1e6));
            text += &format!(
                "{:width$}  {:>10}  {:>7}  {:>5}  {:>6}  {}\n",
                row.name(),
                count.unwrap_or_default(),
                row.num_classes,
                row.preprocessing.input_size,
                row.top1.map(|top1| format!("{top1:.2}")).unwrap_or_default(),
                row.licence.unwrap_or("not stated"),
            );
        }
        output::say(&text)
    }
}
