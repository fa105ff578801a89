//! `visrep score effective-robustness`.

use super::table::{Cell, Table, Unique};
use anyhow::{Context, Result, bail};
use clap::Args;
use fancy_regex::Regex;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use visrep_metrics::ShiftFit;

/// Effective robustness of models against a baseline
///
/// Fits a straight line, by least squares between the log-odds of the two accuracies, to the models whose name --baseline
/// matches and whose two accuracies lie strictly between 0 and 100. Prints `slope`, `intercept`, `r2` (on log-odds), the number
/// `n` of models behind the fit, and `rho`: for each model, its accuracy under the shift less what the line expects of it, in
/// percentage points. Models that lack either accuracy, or have one outside 0 to 100, have no `rho` and are listed in
/// `left_out`.
#[derive(Args)]
#[command(
    after_help = "T.csv has a row for each model: its name in the column model (or else in the first), and accuracies in percent, \
    from 0 to 100; an empty value, or NA or nan, is an accuracy that nobody measured:

    \
    model,val,imagenetv2\n    \
    alexnet,56.52,43.97\n    \
    resnet50,76.13,63.33\n\n\
    `visrep bench` writes such a table, accuracies.csv, of the models that it measured.\n\n\
    The expression matches anywhere in a name unless it begins with ^ or ends with $, and may look around: the second \
    example takes all models but some.\n\n\
    Examples:\n  \
    visrep score effective-robustness --table T.csv --x val --y imagenetv2 --baseline '^(alexnet|vgg|resnet)'\n  \
    visrep score effective-robustness --table T.csv --x val --y imagenetv2 --baseline '^(?!.*(swsl|clip))'\n\n\
    The first prints for these two rows, through which the line goes exactly:\n\n  \
    {\"slope\": 0.8788, \"intercept\": -0.4729, \"r2\": 1.0, \"n\": 2, \"rho\": {\"alexnet\": 0.0, \"resnet50\": 0.0}, \"left_out\": []}"
)]
pub struct EffectiveRobustness {
    /// CSV with a row for each model
    #[arg(long, value_name = "T.csv")]
    table: PathBuf,
    /// The column of clean accuracies
    #[arg(long, value_name = "COL")]
    x: String,
    /// The column of accuracies under the shift
    #[arg(long, value_name = "COL")]
    y: String,
    /// Which models the fit takes: a regular expression that their names match
    #[arg(long, value_name = "REGEX")]
    baseline: String,
}

#[derive(Serialize)]
struct Figures {
    #[serde(flatten)]
    fit: ShiftFit,
    rho: BTreeMap<String, f64>,
    left_out: Vec<String>,
}

/// An accuracy in percent; `None` where nobody measured one, or what stands there cannot be one, which is said.
fn percent(cell: Cell<'_>) -> Result<Option<f64>> {
    if ["", "na", "n/a", "nan", "-"].contains(&cell.text.to_ascii_lowercase().as_str()) {
        return Ok(None);
    }
    let value = cell.number()?;
    if (0.0..=100.0).contains(&value) {
        return Ok(Some(value));
    }
    eprintln!(
        "warning: {}; its model is left out",
        cell.error("is not an accuracy in percent, from 0 to 100")
    );
    Ok(None)
}

impl EffectiveRobustness {
    pub fn run(self) -> Result<()> {
        let path = self.table.display();
        let baseline = Regex::new(&self.baseline)
            .with_context(|| format!("--baseline '{}' is no regular expression", self.baseline))?;
        let table = Table::read(&self.table)?;
        let model = if table.has("model") { "model" } else { table.first_column() };
        let mut unique = Unique::new();
        let (mut models, mut left_out) = (Vec::new(), Vec::new());
        for [name, x, y] in table.columns([model, &self.x, &self.y])? {
            if name.text.is_empty() {
                return Err(name.error("is empty; every row must name its model"));
            }
            unique.add(name.text, name)?;
            match (percent(x)?, percent(y)?) {
                (Some(x), Some(y)) => models.push((name.text.to_owned(), x / 100.0, y / 100.0)),
                _ => left_out.push(name.text.to_owned()),
            }
        }
        let inside = |value: f64| value > 0.0 && value < 1.0;
        let (mut clean, mut shifted) = (Vec::new(), Vec::new());
        for (name, x, y) in &models {
            let matches = baseline
                .is_match(name)
                .with_context(|| format!("--baseline '{}' cannot be matched with '{name}'", self.baseline))?;
            if matches && inside(*x) && inside(*y) {
                clean.push(*x);
                shifted.push(*y);
            }
        }
        if clean.is_empty() {
            bail!(
                "{path}: no model whose '{}' and '{}' lie between 0 and 100 matches --baseline '{}'; \
                 the names are like {}",
                self.x,
                self.y,
                self.baseline,
                models.iter().take(5).map(|(name, ..)| name.as_str()).collect::<Vec<_>>().join(", ")
            );
        }
        let fit = ShiftFit::new(&clean, &shifted).with_context(|| path.to_string())?;
        let rho = models.into_iter().map(|(name, x, y)| (name, 100.0 * fit.rho(x, y))).collect();
        super::print(&Figures { fit, rho, left_out })
    }
}
