//! `visrep bench compare`.

use crate::bench::compare::{Comparison, Side};
use crate::commands::output::say;
use anyhow::{Context, Result};
use clap::Args;
use std::path::{Path, PathBuf};

/// Compare two benchmarks' results
///
/// For every figure that both files have, on the same data, of a model that both name alike: both values, the difference (the
/// second less the first), and, where both recorded what the figure is made of and the images are the same, the 95 % paired
/// bootstrap interval of the difference and a p-value: of McNemar's exact test where single images are right or wrong, and of
/// Fisher's randomisation test of other means and where several images show one object, which are then drawn together. AUROC, AUPR,
/// FPR95 and JND mAP have the interval alone. The table has the figures that stand for their suite, --json has all.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    visrep bench compare a/results.json b/results.json\n  \
    visrep bench compare run/results.json run/results.json --model-a supervised --model-b simclr\n\n\
    Models are named by their id in the files: random, own, simclr, supervised; of suites the name given to --model, with -2, -3 … \
    where several weights have it. With many figures some differ by chance: one in twenty has p < 0.05 where nothing differs.")]
pub struct Compare {
    /// The first results.json
    #[arg(value_name = "A.json")]
    first: PathBuf,
    /// The second
    #[arg(value_name = "B.json")]
    second: PathBuf,
    /// The first's model [default: each that both files have]
    #[arg(long, value_name = "ID", requires = "model_b")]
    model_a: Option<String>,
    /// The second's model
    #[arg(long, value_name = "ID", requires = "model_a")]
    model_b: Option<String>,
    /// Seed of the bootstrap
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Print every figure as JSON
    #[arg(long)]
    json: bool,
}

impl Compare {
    pub fn run(self) -> Result<()> {
        let (first, second) = (read(&self.first)?, read(&self.second)?);
        let comparisons = match (&self.model_a, &self.model_b) {
            (Some(a), Some(b)) => vec![Comparison::new(&first, a, &second, b, self.seed, self.json)?],
            _ => Comparison::of_common_models(&first, &second, self.seed, self.json)?,
        };
        if self.json {
            return say(&format!("{}\n", serde_json::to_string_pretty(&comparisons)?));
        }
        comparisons.iter().try_for_each(|comparison| say(&format!("{comparison}\n")))
    }
}

/// One file's results.
pub(super) fn read(path: &Path) -> Result<Side> {
    let shown = path.display();
    let text = std::fs::read(path).with_context(|| format!("cannot read {shown}"))?;
    let results = serde_json::from_slice(&text)
        .with_context(|| format!("{shown} is no results.json of `visrep bench`"))?;
    Ok(Side { file: shown.to_string(), results })
}
