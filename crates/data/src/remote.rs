//! Files behind an address: `https://host/path`, `s3://bucket/path`, `file:///path`, through `object_store`.
//!
//! A file is read in pieces of a few megabytes, each with one ranged request; pieces that were read lately are
//! kept in a cache of bounded size that a dataset's files share. Requests run on a small runtime of their own, so that
//! any thread can wait for them, also one that belongs to another runtime.

use crate::cache::{Cache, Weighted};
use crate::open::{Kind, split_in_name};
use crate::source::{Source, Stamp};
use crate::{Dataset, Error, expand, natural, parallel};
use bytes::{Bytes, BytesMut};
use object_store::path::Path as StorePath;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt, parse_url_opts};
use std::future::Future;
use std::io::{Error as IoError, Read, Result as IoResult};
use std::path::Path;
use std::sync::{Arc, OnceLock, mpsc};
use tokio::runtime::Runtime;
use url::Url;

/// Bytes of a request.
const PIECE: u64 = 4 << 20;
/// What the pieces kept may occupy.
const CACHE_BYTES: usize = 256 << 20;

/// A remote file's place, size and version. Cloning shares them.
#[derive(Clone)]
pub(crate) struct RemoteFile(Arc<File>);

struct File {
    store: Arc<dyn ObjectStore>,
    path: StorePath,
    address: String,
    stamp: Stamp,
    /// The version, where the store has a strong one.
    tag: Option<String>,
    /// Number within its dataset.
    number: u64,
    pieces: Arc<Cache<Bytes>>,
}

impl Weighted for Bytes {
    const KEEPS_FAILURES: bool = false;

    fn size(&self) -> usize {
        self.len()
    }
}

impl RemoteFile {
    pub(crate) fn address(&self) -> String {
        self.0.address.clone()
    }

    pub(crate) fn stamp(&self) -> Stamp {
        self.0.stamp
    }

    /// `len` bytes from `offset` on, which lie within the file.
    pub(crate) fn read_at(&self, offset: u64, len: usize) -> IoResult<Bytes> {
        let end = offset + len as u64;
        let first = offset / PIECE;
        if len == 0 {
            return Ok(Bytes::new());
        }
        let last = (end - 1) / PIECE;
        let part = |number: u64| {
            let piece = self.piece(number)?;
            let begin = number * PIECE;
            let (from, to) = (offset.max(begin) - begin, end.min(begin + PIECE) - begin);
            Ok::<_, IoError>(piece.slice(from as usize..to as usize))
        };
        if first == last {
            return part(first);
        }
        let mut whole = BytesMut::with_capacity(len);
        for number in first..=last {
            whole.extend_from_slice(&part(number)?);
        }
        Ok(whole.freeze())
    }

    /// One piece of the file, from the cache or its store.
    fn piece(&self, number: u64) -> IoResult<Bytes> {
        let file = self.0.clone();
        let range = number * PIECE..((number + 1) * PIECE).min(file.stamp.0);
        let expected = range.end - range.start;
        // Far more pieces than a file has, and far more files than a dataset.
        let piece = self.0.pieces.get(self.0.number << 32 | number, || {
            let options = GetOptions {
                range: Some(GetRange::Bounded(range)),
                if_match: file.tag.clone(),
                ..GetOptions::default()
            };
            let bytes = wait(async move { file.store.get_opts(&file.path, options).await?.bytes().await })?;
            match bytes.len() as u64 == expected {
                true => Ok(bytes),
                false => {
                    Err(format!("gave {} bytes for {expected}: it cannot be read in parts", bytes.len()))
                }
            }
        });
        piece.as_ref().clone().map_err(IoError::other)
    }

    /// The file from `position` on.
    pub(crate) fn into_reader(self, position: u64) -> RemoteReader {
        RemoteReader { file: self, position }
    }
}

/// A remote file read in order.
pub(crate) struct RemoteReader {
    file: RemoteFile,
    position: u64,
}

impl Read for RemoteReader {
    fn read(&mut self, out: &mut [u8]) -> IoResult<usize> {
        // Up to the end of a piece, so that none is copied.
        let left = self.file.stamp().0.saturating_sub(self.position);
        let len = left.min(PIECE - self.position % PIECE).min(out.len() as u64) as usize;
        out[..len].copy_from_slice(&self.file.read_at(self.position, len)?);
        self.position += len as u64;
        Ok(len)
    }
}

/// The threads that requests run on.
fn runtime() -> Result<&'static Runtime, String> {
    static RUNTIME: OnceLock<Result<Runtime, String>> = OnceLock::new();
    let build = || {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder
            .worker_threads(2)
            .thread_name("visrep-remote")
            .enable_all()
            .build()
            .map_err(|error| error.to_string())
    };
    RUNTIME.get_or_init(build).as_ref().map_err(Clone::clone)
}

/// Waits for a request.
fn wait<T: Send + 'static>(
    request: impl Future<Output = object_store::Result<T>> + Send + 'static,
) -> Result<T, String> {
    let (sender, receiver) = mpsc::sync_channel(1);
    runtime()?.spawn(async move {
        // The receiver waits for this alone.
        let _ = sender.send(request.await);
    });
    match receiver.recv() {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err("the request was given up".into()),
    }
}

/// Opens Parquet, Arrow IPC or tar files (WebDataset) at an address: `https://`, `http://`, `s3://` or `file://`.
///
/// An address may hold brace lists (`https://host/shard-{000..123}.tar`) and, where the store can list what it has (S3
/// can, HTTP cannot), end in `/` or have wildcards (`s3://bucket/set/train-*.parquet`). `options` configure the store as
/// `object_store` names them, such as `aws_region`, `aws_endpoint` or `aws_skip_signature`; [`open`](crate::open) takes
/// them from the environment (`AWS_ACCESS_KEY_ID`, …).
pub fn open_remote(address: &str, options: &[(String, String)]) -> Result<Arc<dyn Dataset>, Error> {
    let (kind, sources) = sources(address, options)?;
    Ok(match kind {
        #[cfg(feature = "parquet")]
        Kind::Parquet => Arc::new(crate::Parquet::build(sources, &crate::ColumnOptions::default())?),
        #[cfg(feature = "arrow")]
        Kind::Arrow => Arc::new(crate::ArrowIpc::build(sources, &crate::ColumnOptions::default())?),
        Kind::Tar => Arc::new(crate::WebDataset::build(sources)?),
        other => return Err(other.left_out(Path::new(address))),
    })
}

/// As [`open_remote`], with the options in the environment.
pub(crate) fn open(address: &str) -> Result<Arc<dyn Dataset>, Error> {
    open_remote(address, &environment())
}

pub(crate) fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// The files at an address, and what they are.
pub(crate) fn sources(address: &str, options: &[(String, String)]) -> Result<(Kind, Vec<Source>), Error> {
    let fail = |problem: String| Error::Layout { path: address.into(), problem };
    let mut addresses = Vec::new();
    for address in expand::braces(address).map_err(fail)? {
        if address.ends_with('/') || address.contains(['*', '[']) {
            addresses.extend(list(&address, options).map_err(fail)?);
        } else {
            addresses.push(address);
        }
    }
    let kind = |address: &String| Kind::of_name(Path::new(address));
    let expected = "expected .parquet, .arrow or .tar files";
    let first = addresses
        .first()
        .and_then(kind)
        .ok_or_else(|| fail(format!("is nothing that is read here: {expected}")))?;
    if !is_read(Some(first)) || addresses.iter().any(|file| kind(file) != Some(first)) {
        return Err(fail(format!("has files of other kinds: {expected}, all of one kind")));
    }
    let mut splits: Vec<_> = addresses.iter().filter_map(|file| split_in_name(Path::new(file))).collect();
    splits.sort_unstable();
    splits.dedup();
    if splits.len() > 1 {
        return Err(fail(format!("holds the splits {}: name one's files", splits.join(", "))));
    }
    let pieces = Arc::new(Cache::new(CACHE_BYTES));
    let numbered: Vec<_> = (0..).zip(addresses).collect();
    let opened = parallel::map(numbered, |(number, file)| {
        let (store, path) = store(&file, options)?;
        let head = {
            let (store, path) = (store.clone(), path.clone());
            wait(async move { store.head(&path).await })
        };
        let meta = head.map_err(|problem| Error::Layout { path: file.clone().into(), problem })?;
        let tag = meta.e_tag.filter(|tag| !tag.starts_with("W/"));
        let stamp = (meta.size, Some(meta.last_modified.into()));
        let pieces = pieces.clone();
        Ok(Source::Remote(RemoteFile(Arc::new(File {
            store,
            path,
            address: file,
            stamp,
            tag,
            number,
            pieces,
        }))))
    });
    Ok((first, opened.into_iter().collect::<Result<_, Error>>()?))
}

fn is_read(kind: Option<Kind>) -> bool {
    matches!(kind, Some(Kind::Parquet | Kind::Arrow | Kind::Tar))
}

fn store(address: &str, options: &[(String, String)]) -> Result<(Arc<dyn ObjectStore>, StorePath), Error> {
    let fail = |problem: String| Error::Layout { path: address.into(), problem };
    let url = Url::parse(address).map_err(|error| fail(format!("is no address: {error}")))?;
    // Whoever writes `http:` means it.
    let http = (url.scheme() == "http").then_some(("allow_http", "true"));
    let options = options.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain(http);
    let (store, path) = parse_url_opts(&url, options).map_err(|error| fail(error.to_string()))?;
    Ok((store.into(), path))
}

/// The files that fit an address with wildcards, or lie directly in a folder, in natural order.
fn list(address: &str, options: &[(String, String)]) -> Result<Vec<String>, String> {
    let fixed = address.find(['*', '[']).map_or(address, |at| &address[..at]);
    let folder = &fixed[..fixed.rfind('/').map_or(0, |slash| slash + 1)];
    let pattern = if address.ends_with('/') { format!("{address}*") } else { address.to_owned() };
    let (store, prefix) = store(folder, options).map_err(|error| error.to_string())?;
    let listed = {
        let prefix = prefix.clone();
        wait(async move { store.list_with_delimiter(Some(&prefix)).await })
    };
    let listed =
        listed.map_err(|error| format!("cannot be listed, name its files (`{{000..123}}`): {error}"))?;
    let names = listed.objects.iter().filter_map(|object| object.location.filename());
    let mut files: Vec<_> =
        names.filter(|name| !name.starts_with('.')).map(|name| format!("{folder}{name}")).collect();
    files.retain(|file| expand::matches(&pattern, file) && is_read(Kind::of_name(Path::new(file))));
    files.sort_by(|a, b| natural::compare(a, b));
    if files.is_empty() {
        Err("has no files that fit, or does not list them: name each (`{000..123}`)".into())
    } else {
        Ok(files)
    }
}
