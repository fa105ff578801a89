//! One file by its URL: what weights and datasets have in common.

use super::digest::{Expected, Verification, verify};
use super::url;
use crate::Error;
use std::path::Path;

/// A file behind a URL, and what is known of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct FileSource<'a> {
    /// Where it is: `https://` or `http://`.
    pub url: &'a str,
    /// Its length in bytes, where that is known beforehand; a longer answer is refused.
    pub bytes: Option<u64>,
    /// Its SHA-256 or the beginning of it, where that is known beforehand, in lower-case hexadecimal digits.
    pub sha256: Option<&'a str>,
    /// The SHA-256 that the server states.
    pub server_sha256: Option<&'a str>,
    /// Sent to a server that wants to know who asks.
    pub token: Option<&'a str>,
}

/// A file that has arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FetchedFile {
    /// Its SHA-256.
    pub sha256: String,
    /// What that was compared with.
    pub verification: Verification,
    /// Whether it was downloaded just now; otherwise it was there.
    pub downloaded: bool,
}

/// Downloads a file to `path` and verifies it; a file that is there is verified alone. A transfer that breaks off is tried again
/// twice, and continued by a later call; what is at `path` is whole at any time. With `progress` a bar is drawn.
///
/// # Errors
/// A server that cannot be reached, refuses or breaks off; a file with another digest, which is removed if it was downloaded just
/// now.
pub fn fetch_file(source: &FileSource<'_>, path: &Path, progress: bool) -> Result<FetchedFile, Error> {
    let expected = Expected { known: source.sha256, server: source.server_sha256 };
    let check = |path: &Path, remove: bool| match verify(path, &expected)? {
        Ok(verified) => Ok(verified),
        Err(mismatch) => {
            if remove {
                let _ = std::fs::remove_file(path);
            }
            Err(mismatch.into_error(path, remove))
        }
    };
    let arrived = match path.exists() {
        true => None,
        false => {
            let transfer = url::Source { url: source.url, token: source.token, size: source.bytes };
            url::download(&transfer, path, progress, |part| check(part, true))?
        }
    };
    let downloaded = arrived.is_some();
    let (sha256, verification) = match arrived {
        Some(verified) => verified,
        None => check(path, false)?,
    };
    Ok(FetchedFile { sha256, verification, downloaded })
}
