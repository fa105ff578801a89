//! Files of a Hugging Face repository, through `hf-hub` and its cache.
//!
//! `hf-hub` 0.5 takes what a server says for granted: an ETag becomes a file name, and a redirect without a target is
//! a panic. So the answer is looked at before `hf-hub` sees it, and a broken transfer is continued from outside, since
//! its own retries start a file over in the middle.

use super::answer::{Answer, ask};
use super::digest::is_sha256;
use super::{HubOptions, url};
use crate::Error;
use hf_hub::api::sync::{ApiBuilder, ApiError, ApiRepo};
use hf_hub::{Cache, Repo, RepoType};
use std::path::{Path, PathBuf};

/// A repository at a revision.
pub(super) struct Repository<'a> {
    options: &'a HubOptions,
    repo: Repo,
    /// Knows the addresses; sends no token.
    api: ApiRepo,
}

/// A file in the cache.
pub(super) struct CachedFile {
    pub(super) path: PathBuf,
    /// The SHA-256 that the server states; small files have none.
    pub(super) digest: Option<String>,
    /// Whether it was downloaded just now.
    pub(super) downloaded: bool,
}

impl<'a> Repository<'a> {
    pub(super) fn new(name: &str, options: &'a HubOptions) -> Result<Self, Error> {
        let revision = options.revision.as_deref().unwrap_or("main");
        let fault = |reason: String| Error::Download { what: name.to_owned(), reason };
        let plain = |text: &str| {
            text.split('/').all(|part| !matches!(part, "" | "." | ".."))
                && text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c))
        };
        if !plain(revision) {
            return Err(fault(format!("`{revision}` is not a branch, tag or commit")));
        }
        if !plain(name) || name.split('/').count() != 2 {
            return Err(fault("this is not the name of a repository".into()));
        }
        let repo = Repo::with_revision(name.into(), RepoType::Model, revision.into());
        let api = client(&repo, options, None).map_err(|source| fault(source.to_string()))?;
        Ok(Self { options, repo, api })
    }

    /// Like [`Self::fetch`], and an error when the file cannot be had.
    pub(super) fn require(&self, file: &str, known: Option<&str>) -> Result<CachedFile, Error> {
        let what = self.api.url(file);
        match self.fetch(file, known)? {
            Some(file) => Ok(file),
            None if self.options.offline => Err(Error::Offline { what, path: self.options.cache.clone() }),
            None => {
                Err(Error::Download { what, reason: "the server has no such file at this revision".into() })
            }
        }
    }

    /// The file from the cache or the hub; `None` when the repository has no such file, or offline when the cache
    /// has not. Errs before any transfer when the server states another digest than the one known beforehand.
    pub(super) fn fetch(&self, file: &str, known: Option<&str>) -> Result<Option<CachedFile>, Error> {
        if let Some(path) = self.cached(file) {
            return Ok(Some(CachedFile { digest: digest_of(&path), path, downloaded: false }));
        }
        if self.options.offline {
            return Ok(None);
        }
        let fault = |reason: String| Error::Download { what: self.api.url(file), reason };
        let token = self.options.token.as_deref();
        let Some(answer) = ask(&self.api.url(file), token).map_err(fault)? else { return Ok(None) };
        let digest = Some(answer.etag.clone()).filter(|etag| is_sha256(etag));
        if let (Some(server), Some(known)) = (&digest, known)
            && server != known
        {
            let reason = format!(
                "the server now has other weights there, with SHA-256 {server}; known is {known}. To take them all \
                 the same, ask for the revision `main`"
            );
            return Err(fault(reason));
        }
        let path = self.transfer(file, &answer).map_err(fault)?;
        Ok(Some(CachedFile { path, digest, downloaded: true }))
    }

    fn cached(&self, file: &str) -> Option<PathBuf> {
        let cache = Cache::new(self.options.cache.clone()).repo(self.repo.clone());
        // A commit has no entry of its own among the references when Python made the cache.
        let at_commit =
            || Some(cache.pointer_path(self.repo.revision()).join(file)).filter(|path| path.exists());
        cache.get(file).or_else(at_commit)
    }

    /// Has `hf-hub` download the file into the cache.
    fn transfer(&self, file: &str, answer: &Answer) -> Result<PathBuf, String> {
        let cache = Cache::new(self.options.cache.clone()).repo(self.repo.clone());
        // A link whose file is gone would stop `hf-hub`.
        let pointer = cache.pointer_path(&answer.commit).join(file);
        if pointer.is_symlink() && !pointer.exists() {
            let _ = std::fs::remove_file(&pointer);
        }
        let token = self.options.token.clone().filter(|_| answer.private);
        let api = client(&self.repo, self.options, token).map_err(|source| source.to_string())?;
        let part = cache.blob_path(&answer.etag).with_extension("part");
        let attempt = || {
            api.download(file).map_err(|source| match &source {
                // The part is longer than the file, or as long: it was left by something else.
                ApiError::InvalidResume => {
                    let _ = std::fs::remove_file(&part);
                    url::Broken::Retry(source.to_string())
                }
                ApiError::RequestError(error) => match **error {
                    ureq::Error::StatusCode(416) => {
                        let _ = std::fs::remove_file(&part);
                        url::Broken::Retry(source.to_string())
                    }
                    ureq::Error::StatusCode(400..500) => url::Broken::Stop(source.to_string()),
                    _ => url::Broken::Retry(source.to_string()),
                },
                ApiError::IoError(_) => url::Broken::Retry(source.to_string()),
                _ => url::Broken::Stop(source.to_string()),
            })
        };
        url::persist(attempt)
    }
}

fn client(repo: &Repo, options: &HubOptions, token: Option<String>) -> Result<ApiRepo, ApiError> {
    let mut builder = ApiBuilder::from_cache(Cache::new(options.cache.clone()))
        .with_token(token)
        .with_progress(options.progress)
        .with_user_agent(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
    if let Some(endpoint) = &options.endpoint {
        builder = builder.with_endpoint(endpoint.clone());
    }
    Ok(builder.build()?.repo(repo.clone()))
}

/// Removes a file of the cache, and what its link leads to.
pub(super) fn remove(path: &Path) {
    if let Ok(blob) = path.canonicalize() {
        let _ = std::fs::remove_file(blob);
    }
    let _ = std::fs::remove_file(path);
}

/// The cache calls a large file by its SHA-256.
fn digest_of(path: &Path) -> Option<String> {
    let blob = path.canonicalize().ok()?;
    Some(blob.file_name()?.to_str()?.to_owned()).filter(|name| is_sha256(name))
}
