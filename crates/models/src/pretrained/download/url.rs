//! Files by URL, and what every transfer has in common.

use crate::Error;
use hf_hub::api::Progress as _;
use indicatif::ProgressBar;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;
use ureq::Agent;
use ureq::config::RedirectAuthHeaders;
use ureq::http::{Response, StatusCode};

/// How often a transfer that breaks off is tried.
const ATTEMPTS: u32 = 3;
/// No published weights are larger; a server that never stops sending would fill the disk.
const MAX_BYTES: u64 = 64 << 30;
/// A server that says nothing for this long is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// An HTTP client that hands every status to its caller. From an encrypted address it is not led to one that is not, and
/// a token is shown to the host that it was meant for alone.
pub(super) fn agent(url: &str, redirects: u32) -> Agent {
    Agent::config_builder()
        .https_only(url.starts_with("https://"))
        .redirect_auth_headers(RedirectAuthHeaders::SameHost)
        .http_status_as_error(false)
        .max_redirects(redirects)
        .max_redirects_will_error(false)
        .timeout_connect(Some(PATIENCE))
        .timeout_recv_response(Some(PATIENCE))
        .timeout_per_read(Some(PATIENCE))
        .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
        .build()
        .into()
}

/// Why a transfer did not end.
pub(super) enum Broken {
    /// Another attempt may go further.
    Retry(String),
    /// It would not.
    Stop(String),
}

/// Tries until it works, waiting a little longer each time.
pub(super) fn persist<T>(mut attempt: impl FnMut() -> Result<T, Broken>) -> Result<T, String> {
    let mut tries = 1;
    loop {
        match attempt() {
            Ok(value) => return Ok(value),
            Err(Broken::Retry(reason)) if tries == ATTEMPTS => {
                return Err(format!("{reason}; what has arrived is kept: run this again to go on"));
            }
            Err(Broken::Retry(_)) => std::thread::sleep(Duration::from_millis(200) * tries.pow(2)),
            Err(Broken::Stop(reason)) => return Err(reason),
        }
        tries += 1;
    }
}

/// What a file is called after its URL.
pub(super) fn file_name(url: &str) -> Result<&str, Error> {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    match path.rsplit('/').next() {
        Some(name) if !matches!(name, "" | "." | "..") && !name.contains('\\') && name.len() < path.len() => {
            Ok(name)
        }
        _ => {
            Err(Error::Download { what: url.into(), reason: "the URL does not end in a file's name".into() })
        }
    }
}

/// What is downloaded.
pub(super) struct Source<'a> {
    pub(super) url: &'a str,
    pub(super) token: Option<&'a str>,
    /// Its length in bytes, where that is known beforehand.
    pub(super) size: Option<u64>,
}

/// Downloads a file to a `.part` file beside `path`, which becomes `path` once `check` agrees; a part that an earlier
/// call left is continued. `None` when another process has put the file there meanwhile, which is left as it is.
pub(super) fn download<T>(
    source: &Source<'_>,
    path: &Path,
    progress: bool,
    check: impl FnOnce(&Path) -> Result<T, Error>,
) -> Result<Option<T>, Error> {
    let fault = |reason: String| Error::Download { what: source.url.into(), reason };
    let writing = |source: std::io::Error| fault(format!("cannot write beside {}: {source}", path.display()));
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let part = path.with_file_name(name);
    std::fs::create_dir_all(path.parent().unwrap_or(path)).map_err(writing)?;
    let Some(mut file) = claim(&part, path).map_err(writing)? else { return Ok(None) };
    let agent = agent(source.url, 10);
    let mut bar = progress.then(|| ProgressBar::new(0));
    let shown = file_name(source.url)?;
    if let Err(reason) = persist(|| transfer(&agent, source, &mut file, bar.as_mut(), shown)) {
        if file.metadata().is_ok_and(|metadata| metadata.len() == 0) {
            let _ = std::fs::remove_file(&part);
        }
        return Err(fault(reason));
    }
    file.sync_all().map_err(writing)?;
    let checked = check(&part)?;
    std::fs::rename(&part, path).map_err(writing)?;
    Ok(Some(checked))
}

/// Opens and locks the part of a file, alone among processes; `None` when `path` is there by then.
fn claim(part: &Path, path: &Path) -> std::io::Result<Option<File>> {
    loop {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(part)?;
        // Not every file system knows locks.
        match file.lock() {
            Err(source) if source.kind() != ErrorKind::Unsupported => return Err(source),
            _ => {}
        }
        // Who had the lock before may have finished: what was opened is then the file itself, mapped into memory perhaps
        // and not to be touched, or one that was thrown away.
        let still_the_part = is_at(&file, part)?;
        if path.exists() {
            if still_the_part {
                let _ = std::fs::remove_file(part);
            }
            return Ok(None);
        }
        if still_the_part {
            return Ok(Some(file));
        }
    }
}

/// Whether `file` is what stands at `path`.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> std::io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let id = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    match std::fs::metadata(path) {
        Ok(there) => Ok(id(there) == id(file.metadata()?)),
        Err(source) if source.kind() == ErrorKind::NotFound => Ok(false),
        Err(source) => Err(source),
    }
}

/// An open file is neither renamed nor removed here.
#[cfg(not(unix))]
fn is_at(_file: &File, path: &Path) -> std::io::Result<bool> {
    Ok(path.exists())
}

/// One attempt: what is missing of the file, or all of it from a server that gives no parts.
fn transfer(
    agent: &Agent,
    source: &Source<'_>,
    file: &mut File,
    mut bar: Option<&mut ProgressBar>,
    shown: &str,
) -> Result<(), Broken> {
    let retry = |source: std::io::Error| Broken::Retry(source.to_string());
    let have = file.metadata().map_err(retry)?.len();
    let mut request = agent.get(source.url);
    if let Some(token) = source.token {
        request = request.header("Authorization", format!("Bearer {token}"));
    }
    if have > 0 {
        request = request.header("Range", format!("bytes={have}-"));
    }
    let response = request.call().map_err(|source| match source {
        ureq::Error::BadUri(_) | ureq::Error::Http(_) | ureq::Error::RequireHttpsOnly(_) => {
            Broken::Stop(source.to_string())
        }
        _ => Broken::Retry(source.to_string()),
    })?;
    let start = match response.status() {
        StatusCode::OK => 0,
        StatusCode::PARTIAL_CONTENT if content_range(&response).is_some_and(|(start, _)| start == have) => {
            have
        }
        status => {
            // The part may be of another file: all over.
            file.set_len(0).map_err(retry)?;
            let reason = format!("the server answers {status}");
            let again = have > 0 || status.is_server_error();
            return Err(if again { Broken::Retry(reason) } else { Broken::Stop(reason) });
        }
    };
    let length = response.body().content_length();
    let total = content_range(&response).map(|(_, total)| total).or_else(|| Some(start + length?));
    let limit = source.size.unwrap_or(MAX_BYTES);
    let too_long = |bytes: u64| {
        Broken::Stop(format!("the server sends {bytes} bytes or more, expected are at most {limit}"))
    };
    if let Some(total) = total.filter(|total| *total > limit) {
        file.set_len(0).map_err(retry)?;
        return Err(too_long(total));
    }
    file.set_len(start).and_then(|()| file.seek(SeekFrom::Start(start))).map_err(retry)?;
    let mut body = response.into_body().into_reader().take((limit + 1).saturating_sub(start));
    let copied = match bar.as_deref_mut() {
        None => std::io::copy(&mut body, file),
        Some(bar) => {
            bar.init(total.unwrap_or_default() as usize, shown);
            bar.set_position(start);
            std::io::copy(&mut bar.wrap_read(body), file)
        }
    };
    let arrived = start + copied.map_err(retry)?;
    if arrived > limit {
        file.set_len(0).map_err(retry)?;
        return Err(too_long(arrived));
    }
    match total {
        Some(total) if arrived != total => Err(Broken::Retry(format!("{arrived} of {total} bytes arrived"))),
        _ => {
            if let Some(bar) = bar {
                ProgressBar::finish(bar);
            }
            Ok(())
        }
    }
}

/// Where a partial answer starts, and how long the whole is.
fn content_range<T>(response: &Response<T>) -> Option<(u64, u64)> {
    let range = response.headers().get("content-range")?.to_str().ok()?.strip_prefix("bytes ")?;
    let (span, total) = range.split_once('/')?;
    Some((span.split_once('-')?.0.parse().ok()?, total.parse().ok()?))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// Two processes begin at once: the one that waits must not write into the file that the other has finished.
    #[test]
    fn a_part_that_another_process_has_finished_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let (part, path) = (folder.path().join("w.part"), folder.path().join("w"));
        for removed in [false, true] {
            let first = claim(&part, &path).unwrap().unwrap();
            std::fs::write(&part, "whole").unwrap();
            let (waiting_part, waiting_path) = (part.clone(), path.clone());
            let second = std::thread::spawn(move || claim(&waiting_part, &waiting_path).unwrap());
            std::thread::sleep(Duration::from_millis(200));
            match removed {
                false => std::fs::rename(&part, &path).unwrap(),
                true => std::fs::remove_file(&part).unwrap(),
            }
            drop(first);
            let second = second.join().unwrap();
            if removed {
                let file = second.unwrap();
                assert!(is_at(&file, &part).unwrap() && !path.exists());
            } else {
                assert!(second.is_none() && !part.exists());
                assert_eq!(std::fs::read(&path).unwrap(), b"whole");
                std::fs::remove_file(&path).unwrap();
            }
        }
    }
}
