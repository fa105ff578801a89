//! Files of a Hugging Face repository, through `hf-hub` and its cache.
//!
//! `hf-hub` 0.5 takes what a server says for granted: an ETag becomes a file name, and a redirect without a target is
//! a panic. So the answer is looked at before `hf-hub` sees it, and a broken transfer is continued from outside, since
//! its own retries start a file over in the middle.

use super::digest::is_sha256;
use super::{HubOptions, url};
use crate::Error;
use hf_hub::api::sync::{ApiBuilder, ApiError, ApiRepo};
use hf_hub::{Cache, Repo, RepoType};
use std::path::{Path, PathBuf};
use ureq::http::{HeaderMap, StatusCode};

/// Redirects within the hub, as of a repository that was renamed.
const MAX_REDIRECTS: usize = 5;

/// A repository at a revision.
pub(super) struct Repository<'a> {
    options: &'a HubOptions,
    repo: Repo,
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

/// What the hub says of a file.
struct Answer {
    etag: String,
    commit: String,
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
        let mut builder = ApiBuilder::from_cache(Cache::new(options.cache.clone()))
            .with_token(options.token.clone())
            .with_progress(options.progress)
            .with_user_agent(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        if let Some(endpoint) = &options.endpoint {
            builder = builder.with_endpoint(endpoint.clone());
        }
        let api = builder.build().map_err(|source| fault(source.to_string()))?;
        let repo = Repo::with_revision(name.into(), RepoType::Model, revision.into());
        Ok(Self { options, api: api.repo(repo.clone()), repo })
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
        let Some(answer) = self.ask(file)? else { return Ok(None) };
        let digest = Some(answer.etag.clone()).filter(|etag| is_sha256(etag));
        if let (Some(server), Some(known)) = (&digest, known)
            && server != known
        {
            let reason = format!(
                "the server now has other weights there, with SHA-256 {server}; known is {known}. To take them all \
                 the same, ask for the revision `main`"
            );
            return Err(Error::Download { what: self.api.url(file), reason });
        }
        let path = self.transfer(file, &answer)?;
        Ok(Some(CachedFile { path, digest, downloaded: true }))
    }

    fn cached(&self, file: &str) -> Option<PathBuf> {
        let cache = Cache::new(self.options.cache.clone()).repo(self.repo.clone());
        // A commit has no entry of its own among the references when Python made the cache.
        let at_commit =
            || Some(cache.pointer_path(self.repo.revision()).join(file)).filter(|path| path.exists());
        cache.get(file).or_else(at_commit)
    }

    /// What the hub answers to `hf-hub`'s first request; `None` for a file that is not there.
    fn ask(&self, file: &str) -> Result<Option<Answer>, Error> {
        let mut address = self.api.url(file);
        let fault = |reason: String| Error::Download { what: self.api.url(file), reason };
        let agent = url::agent(0);
        for _ in 0..=MAX_REDIRECTS {
            let mut request = agent.get(&address).header("Range", "bytes=0-0");
            if let Some(token) = &self.options.token {
                request = request.header("Authorization", format!("Bearer {token}"));
            }
            let response = request.call().map_err(|source| fault(source.to_string()))?;
            let (status, headers) = (response.status(), response.headers());
            if status.is_redirection() {
                let Some(target) = header(headers, "location") else {
                    return Err(fault(format!("the server answers {status} and not where to go")));
                };
                if let Some(path) = target.strip_prefix('/').filter(|path| !path.starts_with('/')) {
                    let origin = address.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
                    address = format!("{origin}/{path}");
                    continue;
                }
            } else if status == StatusCode::NOT_FOUND {
                return Ok(None);
            } else if !status.is_success() {
                let detail =
                    header(headers, "x-error-message").map(|text| format!(" ({text})")).unwrap_or_default();
                let advice = match status {
                    StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                        "; there is no such repository, or it wants a token (HF_TOKEN) and its terms accepted"
                    }
                    _ => "",
                };
                return Err(fault(format!("the server answers {status}{detail}{advice}")));
            }
            let etag = header(headers, "x-linked-etag").or_else(|| header(headers, "etag"));
            let (etag, commit) = (etag.map(|etag| etag.replace('"', "")), header(headers, "x-repo-commit"));
            let name = |text: &String| {
                (1..=128).contains(&text.len())
                    && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            };
            return match (etag.filter(name), commit.map(str::to_owned).filter(name)) {
                (Some(etag), Some(commit)) => Ok(Some(Answer { etag, commit })),
                _ => Err(fault(
                    "the server is no Hugging Face hub: its answer lacks a usable ETag or commit".into(),
                )),
            };
        }
        Err(fault(format!("the server redirects more than {MAX_REDIRECTS} times")))
    }

    /// Has `hf-hub` download the file into the cache.
    fn transfer(&self, file: &str, answer: &Answer) -> Result<PathBuf, Error> {
        let cache = Cache::new(self.options.cache.clone()).repo(self.repo.clone());
        // A link whose file is gone would stop `hf-hub`.
        let pointer = cache.pointer_path(&answer.commit).join(file);
        if pointer.is_symlink() && !pointer.exists() {
            let _ = std::fs::remove_file(&pointer);
        }
        let part = cache.blob_path(&answer.etag).with_extension("part");
        let attempt = || {
            self.api.download(file).map_err(|source| match &source {
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
        url::persist(attempt).map_err(|reason| Error::Download { what: self.api.url(file), reason })
    }
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

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
