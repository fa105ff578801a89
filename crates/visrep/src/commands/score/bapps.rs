//! `visrep score bapps-2afc`.

use super::table::Table;
use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;
use visrep_metrics::{Interval, bootstrap_mean, two_afc, two_afc_human, two_afc_oracle};

/// Two-alternative forced choice on BAPPS
///
/// Prints `score`, how often the distance agrees with the judges, from 0 to 1, where equal distances agree by half; `human`, how
/// often one judge agrees with another; `oracle`, the best that any distance can reach; `n`, the number of triplets; and the 95 %
/// bootstrap `interval` of the score. BAPPS is scored one set at a time: the published figure is the mean of the sets' scores.
#[derive(Args)]
#[command(
    after_help = "D.csv has a row for each triplet: d0 and d1, the distances of its two patches from the reference (any numbers, less is nearer), \
    and judge, the fraction of judges from 0 to 1 who find the second patch nearer:\n\n    \
    d0,d1,judge\n    \
    0.1415,0.6492,0.0\n    \
    0.0291,0.0026,0.8\n\n\
    Example:\n  \
    visrep score bapps-2afc --distances D.csv\n\n\
    prints for these two rows, the first distance agreeing with all judges and the second with 0.8 of them:\n\n  \
    {\"score\": 0.9, \"human\": 0.84, \"oracle\": 0.9, \"n\": 2,\n   \
    \"interval\": {\"low\": 0.8, \"high\": 1.0, \"level\": 0.95, \"method\": …}}"
)]
pub struct Bapps2afc {
    /// CSV with the columns d0, d1 and judge
    #[arg(long, value_name = "D.csv")]
    distances: PathBuf,
}

#[derive(Serialize)]
struct Figures {
    score: f64,
    human: f64,
    oracle: f64,
    n: usize,
    interval: Interval,
}

impl Bapps2afc {
    pub fn run(self) -> Result<()> {
        let (mut first, mut second, mut judges) = (Vec::new(), Vec::new(), Vec::new());
        let table = Table::read(&self.distances)?;
        for [d0, d1, judge] in table.columns(["d0", "d1", "judge"])? {
            first.push(d0.number()?);
            second.push(d1.number()?);
            judges.push(judge.number_in(0.0..=1.0, "a fraction of judges, from 0 to 1")?);
        }
        let figures = || -> Result<Figures, visrep_metrics::Error> {
            let found = two_afc(&first, &second, &judges)?;
            Ok(Figures {
                score: found.score,
                human: two_afc_human(&judges)?,
                oracle: two_afc_oracle(&judges)?,
                n: judges.len(),
                interval: bootstrap_mean(&found.agreement, 1000, 0.95, 0)?,
            })
        };
        super::print(&figures().with_context(|| self.distances.display().to_string())?)
    }
}
