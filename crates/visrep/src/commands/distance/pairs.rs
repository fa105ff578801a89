//! The pairs of images to measure.

use crate::commands::score::table::Table;
use anyhow::Result;
use std::path::{Path, PathBuf};

/// Two images.
pub struct Pair {
    /// Where they are.
    pub paths: [PathBuf; 2],
    /// As the user names them.
    pub shown: [String; 2],
}

impl Pair {
    /// Two files as they were named.
    pub fn of(a: &Path, b: &Path) -> Self {
        Self { paths: [a, b].map(Path::to_owned), shown: [a, b].map(|path| path.display().to_string()) }
    }
}

/// The pairs of a table, whose paths start at its folder.
pub fn read(path: &Path) -> Result<Vec<Pair>> {
    let table = Table::read(path)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut pairs = Vec::new();
    for cells in table.columns(["a", "b"])? {
        for cell in cells {
            if cell.text.is_empty() {
                return Err(cell.error("is empty; the path of an image must stand here"));
            }
        }
        let shown = cells.map(|cell| cell.text.to_owned());
        pairs.push(Pair { paths: [folder.join(&shown[0]), folder.join(&shown[1])], shown });
    }
    Ok(pairs)
}
