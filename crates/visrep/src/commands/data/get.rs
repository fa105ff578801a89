//! `visrep data get`: published datasets onto this machine.

use crate::commands::output;
use crate::downloads::{Entry, Options, TABLE, fetch, find, read_table};
use anyhow::{Context, Result, bail};
use clap::Args;
use std::path::PathBuf;
use visrep_models::HubOptions;

/// Download published datasets, verify them, and unpack them into the layout that `visrep bench` reads
///
/// Downloads that were broken off are continued. Every file is compared with the SHA-256 that is known beforehand or that the server
/// states; where nobody states one, the digest of the first download is recorded beside the data and later downloads are compared
/// with it. The folder of each dataset goes to standard output.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    visrep data get --list\n  \
    visrep data get vtab/svhn vtab/smallnorb_azimuth --data ~/data\n  \
    visrep data get vtab/patch_camelyon --data ~/data          from the Hugging Face hub (HF_ENDPOINT, HF_TOKEN)\n  \
    visrep data get vtab --data ~/data                         all of a suite")]
pub struct Get {
    /// Which: `SUITE/NAME`, or `SUITE` for all of it
    #[arg(value_name = "NAME", required_unless_present = "list")]
    names: Vec<String>,
    /// The folder of all datasets; each goes to one of its own in there
    #[arg(long, value_name = "ROOT", required_unless_present = "list")]
    data: Option<PathBuf>,
    /// List the datasets, their sizes and terms, and download nothing
    #[arg(long)]
    list: bool,
    /// A table of datasets of one's own, such as of mirrors nearby, in the form of the built-in one
    #[arg(long, value_name = "TABLE.toml")]
    table: Option<PathBuf>,
    /// Take the mirror on the Hugging Face hub also where the publisher has files
    #[arg(long)]
    mirror: bool,
    /// Keep archives after they are unpacked
    #[arg(long)]
    keep_archives: bool,
}

impl Get {
    pub fn run(self) -> Result<()> {
        let own = self.table.as_deref().map(read_table).transpose()?;
        let table: &[Entry] = own.as_deref().unwrap_or(&TABLE);
        let mut entries: Vec<&Entry> = Vec::new();
        for name in &self.names {
            for entry in find(table, name)? {
                if !entries.iter().any(|known| std::ptr::eq(*known, entry)) {
                    entries.push(entry);
                }
            }
        }
        if self.list {
            let listed: Vec<&Entry> = if entries.is_empty() { table.iter().collect() } else { entries };
            return output::say(&list(&listed));
        }
        let Some(root) = self.data else { bail!("say where to: --data ROOT") };
        let root = std::path::absolute(&root).with_context(|| root.display().to_string())?;
        let (mirror, keep_archives, progress) = (self.mirror, self.keep_archives, true);
        let options = Options { mirror, keep_archives, progress, hub: HubOptions::from_env()? };
        let mut failed = Vec::new();
        for entry in &entries {
            let names = entry.names.join(", ");
            eprintln!("{names}: {}; licence: {}", entry.about, entry.licence);
            match fetch(entry, &root, &options) {
                Ok(folder) => output::say(&format!("{}\n", folder.display()))?,
                // The others of a suite may still be had.
                Err(error) if entries.len() > 1 => {
                    eprintln!("error: {error:#}");
                    failed.push(names);
                }
                Err(error) => return Err(error),
            }
        }
        match failed.as_slice() {
            [] => Ok(()),
            failed => {
                bail!("{} of {} datasets are not there: {}", failed.len(), entries.len(), failed.join("; "))
            }
        }
    }
}

fn list(entries: &[&Entry]) -> String {
    let mut text = String::new();
    for entry in entries {
        let size = entry.bytes().map_or_else(String::new, |bytes| format!(", {:.1} GB", bytes as f64 / 1e9));
        let known = entry.files.iter().filter(|file| file.sha256.is_some()).count();
        let from = match (entry.files.len(), &entry.hub) {
            (0, None) => "by hand".to_owned(),
            (0, Some(hub)) => format!("{hub} on the hub"),
            (files, hub) => {
                let mirror = hub.as_ref().map_or_else(String::new, |hub| format!("; mirror: {hub}"));
                let s = if files == 1 { "" } else { "s" };
                format!("{files} file{s}, {known} of known digest{size}{mirror}")
            }
        };
        text +=
            &format!("{}\n  {}\n  {from}; licence: {}\n", entry.names.join(", "), entry.about, entry.licence);
    }
    text
}
