//! Files of a Hugging Face repository, with the addresses and the cache of `hf-hub`.
//!
//! The transfer is our own: `hf-hub` 0.5 takes what a server says for granted (an ETag becomes the name of a file that is
//! written, a redirect without a target is a panic), passes the token on to wherever it is led, and starts a file over
//! in the middle when it tries again.

use super::answer::{Answer, ask};
use super::digest::is_sha256;
use super::{HubOptions, url};
use crate::Error;
use hf_hub::api::sync::{ApiBuilder, ApiRepo};
use hf_hub::{Cache, CacheRepo, Repo, RepoType};
use std::path::{Path, PathBuf};

/// A repository at a revision.
pub(super) struct Repository<'a> {
    options: &'a HubOptions,
    name: String,
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
        Self::at(name, revision, options)
    }

    fn at(name: &str, revision: &str, options: &'a HubOptions) -> Result<Self, Error> {
        let repo = Repo::with_revision(name.into(), RepoType::Model, revision.into());
        let mut builder = ApiBuilder::from_cache(Cache::new(options.cache.clone())).with_token(None);
        if let Some(endpoint) = &options.endpoint {
            builder = builder.with_endpoint(endpoint.clone());
        }
        let api = builder
            .build()
            .map_err(|source| Error::Download { what: name.to_owned(), reason: source.to_string() })?;
        Ok(Self { options, api: api.repo(repo.clone()), name: name.to_owned(), repo })
    }

    /// The file `name` of the commit that `file` is of; `None` when it has none, or offline when the cache has not.
    pub(super) fn beside(&self, file: &CachedFile, name: &str) -> Result<Option<PathBuf>, Error> {
        let beside = file.path.with_file_name(name);
        if beside.exists() || self.options.offline {
            return Ok(Some(beside).filter(|path| path.exists()));
        }
        let commit = file.path.parent().and_then(|folder| folder.file_name()?.to_str());
        let Some(commit) = commit else { return Ok(None) };
        let fetched = Self::at(&self.name, commit, self.options)?.fetch(name, None)?;
        Ok(fetched.map(|file| file.path))
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
        let path = self.transfer(file, &answer)?;
        Ok(Some(CachedFile { path, digest, downloaded: true }))
    }

    fn cache(&self) -> CacheRepo {
        Cache::new(self.options.cache.clone()).repo(self.repo.clone())
    }

    fn cached(&self, file: &str) -> Option<PathBuf> {
        let cache = self.cache();
        // A commit has no entry of its own among the references when Python made the cache.
        let at_commit =
            || Some(cache.pointer_path(self.repo.revision()).join(file)).filter(|path| path.exists());
        cache.get(file).or_else(at_commit)
    }

    /// Downloads the file of the answer's commit into the cache, as `huggingface_hub` lays it out: the bytes under their
    /// ETag, a link to them under the commit, and the commit under the revision.
    fn transfer(&self, file: &str, answer: &Answer) -> Result<PathBuf, Error> {
        let (cache, pinned) = (self.cache(), Self::at(&self.name, &answer.commit, self.options)?);
        let url = pinned.api.url(file);
        let token = self.options.token.as_deref().filter(|_| answer.private);
        let source = url::Source { url: &url, token, size: answer.size };
        let blob = cache.blob_path(&answer.etag);
        if !blob.exists() {
            url::download(&source, &blob, self.options.progress, |_| Ok(()))?;
        }
        let pointer = cache.pointer_path(&answer.commit).join(file);
        let linked = link(&blob, &pointer).and_then(|()| cache.create_ref(&answer.commit));
        linked.map_err(|source| {
            let reason = format!("cannot write {}: {source}", pointer.display());
            Error::Download { what: url.clone(), reason }
        })?;
        Ok(pointer)
    }
}

/// Makes `pointer` lead to `blob`, whatever is there; both are two folders below the repository's.
fn link(blob: &Path, pointer: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(pointer.parent().unwrap_or(pointer))?;
    match std::fs::remove_file(pointer) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => return Err(source),
        _ => {}
    }
    #[cfg(unix)]
    {
        let name = Path::new("../../blobs").join(blob.file_name().unwrap_or_default());
        std::os::unix::fs::symlink(name, pointer)
    }
    // Links need a privilege there; `huggingface_hub` does the same.
    #[cfg(not(unix))]
    std::fs::rename(blob, pointer)
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
