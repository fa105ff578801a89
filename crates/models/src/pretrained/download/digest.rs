//! The SHA-256 of a file, and what it is compared with.

use crate::Error;
use sha2::{Digest, Sha256};
use std::fmt;
use std::io::Read;
use std::path::Path;

/// What the digest of a file was compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verification {
    /// The digest that was known beforehand.
    Known,
    /// The first digits, which were known beforehand.
    KnownStart,
    /// The digest that the server states: the file is as the server has it.
    Server,
    /// Nothing: neither the table nor the server has a SHA-256.
    Nothing,
}

impl fmt::Display for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Known => "as known beforehand",
            Self::KnownStart => "its first digits as known beforehand",
            Self::Server => "as the server states; not known beforehand",
            Self::Nothing => "compared with nothing: neither the table nor the server has one",
        })
    }
}

/// What a digest should be.
pub(super) struct Expected<'a> {
    /// The digest or its first digits, from the table.
    pub(super) known: Option<&'a str>,
    /// The digest that the server states.
    pub(super) server: Option<&'a str>,
}

/// A digest that is not what it should be.
pub(super) struct Mismatch {
    pub(super) got: String,
    pub(super) expected: String,
    pub(super) by: &'static str,
}

impl Mismatch {
    pub(super) fn into_error(self, path: &Path, removed: bool) -> Error {
        let advice = match removed {
            true => "the file was removed: run this again",
            false => "delete the file, if nothing else needs it, and run this again",
        };
        let Self { got, expected, by } = self;
        Error::Digest { path: path.into(), got, reason: format!("{by} has {expected}; {advice}") }
    }
}

/// Compares a file with what is expected of it; the inner result says how that went.
pub(super) fn verify(
    path: &Path,
    expected: &Expected<'_>,
) -> Result<Result<(String, Verification), Mismatch>, Error> {
    let got = sha256(path).map_err(|source| Error::Read { path: path.into(), source })?;
    let mut verification = Verification::Nothing;
    let sides = [(expected.server, "the server"), (expected.known, "the table of published digests")];
    for (digest, by) in sides {
        let Some(digest) = digest else { continue };
        if !got.starts_with(digest) {
            return Ok(Err(Mismatch { got, expected: digest.into(), by }));
        }
        verification = match () {
            () if expected.known.is_none() => Verification::Server,
            () if digest.len() == 64 && expected.known == Some(digest) => Verification::Known,
            () => Verification::KnownStart,
        };
    }
    Ok(Ok((got, verification)))
}

/// Whether `text` is a SHA-256 in lower-case hexadecimal digits.
pub(super) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn sha256(path: &Path) -> std::io::Result<String> {
    let (mut file, mut hasher) = (std::fs::File::open(path)?, Sha256::new());
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            count => hasher.update(&buffer[..count]),
        }
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_compared_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("abc");
        std::fs::write(&path, "abc").unwrap();
        // FIPS 180-2, appendix B.1.
        let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let compare = |known, server| {
            verify(&path, &Expected { known, server }).unwrap().map_err(|mismatch| mismatch.by)
        };
        let other = "0000000000000000000000000000000000000000000000000000000000000000";
        let verified = |how| Ok((digest.to_owned(), how));
        assert_eq!(compare(Some(digest), None), verified(Verification::Known));
        assert_eq!(compare(Some(digest), Some(digest)), verified(Verification::Known));
        assert_eq!(compare(Some(&digest[..8]), None), verified(Verification::KnownStart));
        assert_eq!(compare(Some(&digest[..8]), Some(digest)), verified(Verification::KnownStart));
        assert_eq!(compare(None, Some(digest)), verified(Verification::Server));
        assert_eq!(compare(None, None), verified(Verification::Nothing));
        assert_eq!(compare(Some(other), Some(digest)), Err("the table of published digests"));
        assert_eq!(compare(Some(digest), Some(other)), Err("the server"));
        assert!(is_sha256(digest) && !is_sha256(&digest[..63]) && !is_sha256(&digest.to_uppercase()));
    }
}
