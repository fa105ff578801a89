//! Archives into folders.

use super::table::Unpack;
use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// Unpacks the file at `path` into `folder`. Doing so again gives the same files.
pub fn unpack(path: &Path, folder: &Path, how: Unpack) -> Result<()> {
    let named = || format!("cannot unpack {}", path.display());
    match how {
        Unpack::None => Ok(()),
        Unpack::Tar => tar::Archive::new(maybe_gzip(path)?).unpack(folder).with_context(named),
        Unpack::Zip => {
            let file = File::open(path).with_context(named)?;
            zip::ZipArchive::new(BufReader::new(file))
                .with_context(named)?
                .extract(folder)
                .with_context(named)
        }
        Unpack::Gz => {
            // `a.mat.gz` becomes `a.mat`.
            let to = folder.join(path.file_stem().unwrap_or(path.as_os_str()));
            let mut from = maybe_gzip(path)?;
            crate::commands::output::replace(&to, |temporary| {
                std::io::copy(&mut from, &mut File::create(temporary)?).map(drop).with_context(named)
            })
        }
    }
}

/// A file's content, without gzip where it is packed so.
fn maybe_gzip(path: &Path) -> Result<Box<dyn Read>> {
    let mut file = File::open(path).with_context(|| path.display().to_string())?;
    let mut head = Vec::new();
    (&mut file).take(2).read_to_end(&mut head)?;
    file.seek(SeekFrom::Start(0))?;
    let file = BufReader::with_capacity(1 << 18, file);
    Ok(if head == [0x1f, 0x8b] { Box::new(flate2::read::MultiGzDecoder::new(file)) } else { Box::new(file) })
}

/// The SHA-256 of a file in hexadecimal digits.
pub fn sha256(path: &Path) -> Result<String> {
    let mut file = File::open(path).with_context(|| format!("{} is not in the archive", path.display()))?;
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer).with_context(|| path.display().to_string())? {
            0 => break,
            count => hash.update(&buffer[..count]),
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
