//! Downloading published weights: from a Hugging Face repository into the cache of `hf-hub`, or from the URL where they were
//! published first, into the caches that the Python libraries use too. What arrives is compared with the digest that
//! is known beforehand, or with the server's own.

mod answer;
mod dataset;
mod digest;
mod file;
mod options;
mod repository;
mod url;

use super::Pretrained;
use crate::Error;
pub use dataset::{HubFile, hub_dataset_files};
pub use digest::Verification;
use digest::{Expected, verify};
pub use file::{FetchedFile, FileSource, fetch_file};
pub use options::HubOptions;
use repository::Repository;
use std::path::PathBuf;

/// Files on this machine that hold published weights.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Download {
    /// The weights: `model.safetensors` of a repository, or the file of a URL.
    pub weights: PathBuf,
    /// The repository's `config.json`, for [`Preprocessing::from_hub_config`](crate::Preprocessing::from_hub_config).
    pub config: Option<PathBuf>,
    /// The SHA-256 of the weights.
    pub sha256: String,
    /// What that digest was compared with.
    pub verification: Verification,
    /// Whether the weights were downloaded just now; otherwise they were in the cache.
    pub downloaded: bool,
}

impl Pretrained {
    /// Downloads the weights, unless the cache has them, and verifies them.
    ///
    /// A file in the cache is taken without asking the server whether there is a newer one. A transfer that breaks
    /// off is tried again twice, and continued by a later call. The digest known beforehand is that of the default
    /// revision: of another one, the server's is compared.
    ///
    /// # Errors
    /// Weights that nobody has published; a server that cannot be reached, refuses or breaks off; a file with
    /// another digest, which is removed if it was downloaded just now; offline, a file that the cache has not.
    pub fn download(&self, options: &HubOptions) -> Result<Download, Error> {
        match (&self.hub, self.url) {
            (Some(repository), _) => self.download_repository(repository, options),
            (None, Some(url)) => self.download_url(url, options),
            (None, None) => {
                let known = format!("nobody has published weights of {} under this tag", self.architecture);
                Err(Error::UnknownWeights { name: self.name(), known })
            }
        }
    }

    fn download_repository(&self, name: &str, options: &HubOptions) -> Result<Download, Error> {
        let repository = Repository::new(name, options)?;
        let known = self.sha256.filter(|_| options.revision.is_none());
        let weights = repository.require("model.safetensors", known)?;
        let expected = Expected { known, server: weights.digest.as_deref() };
        let (sha256, verification) = match verify(&weights.path, &expected)? {
            Ok(verified) => verified,
            Err(mismatch) => {
                // In the cache lies what others may use too: only what is damaged goes.
                let remove =
                    weights.downloaded || weights.digest.as_ref().is_some_and(|own| *own != mismatch.got);
                if remove {
                    repository::remove(&weights.path);
                }
                return Err(mismatch.into_error(&weights.path, remove));
            }
        };
        let config = repository.beside(&weights, "config.json")?;
        Ok(Download { weights: weights.path, config, sha256, verification, downloaded: weights.downloaded })
    }

    fn download_url(&self, url: &str, options: &HubOptions) -> Result<Download, Error> {
        if let Some(revision) = &options.revision {
            let reason = format!("it is a file, and has no revision `{revision}`");
            return Err(Error::Download { what: url.into(), reason });
        }
        let path = options.url_cache.join(url::file_name(url)?);
        if options.offline && !path.exists() {
            return Err(Error::Offline { what: url.into(), path });
        }
        let source = FileSource { url, sha256: self.url_sha256, ..FileSource::default() };
        let FetchedFile { sha256, verification, downloaded } = fetch_file(&source, &path, options.progress)?;
        Ok(Download { weights: path, config: None, sha256, verification, downloaded })
    }
}
