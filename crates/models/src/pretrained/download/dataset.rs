//! Datasets on the Hugging Face hub: the files that its interface lists.

use super::digest::is_sha256;
use super::{HubOptions, url};
use crate::Error;
use serde::Deserialize;
use std::io::Read as _;
use ureq::http::StatusCode;

/// The hub's address, where neither the caller nor the environment has another.
const HUB: &str = "https://huggingface.co";
/// The longest page of a list.
const MAX_PAGE: u64 = 16 << 20;
/// More pages than any of these datasets has.
const MAX_PAGES: usize = 100;

/// A file of a dataset on the hub.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HubFile {
    /// Its path in the repository.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// The SHA-256 that the hub states; small files have none.
    pub sha256: Option<String>,
    /// Where it is.
    pub url: String,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    size: u64,
    lfs: Option<Large>,
}

#[derive(Deserialize)]
struct Large {
    oid: String,
    size: u64,
}

/// The files of the dataset `repository` (`owner/name`) at the options' revision, in the hub's order.
///
/// # Errors
/// A name that is none, no such repository, a hub that cannot be reached or answers something else.
pub fn hub_dataset_files(repository: &str, options: &HubOptions) -> Result<Vec<HubFile>, Error> {
    let fault = |reason: String| Error::Download { what: format!("the dataset {repository}"), reason };
    let revision = options.revision.as_deref().unwrap_or("main");
    if !is_plain(repository) || repository.split('/').count() != 2 || !is_plain(revision) {
        return Err(fault("this is not the name of a repository and a revision".into()));
    }
    let hub = options.endpoint.as_deref().unwrap_or(HUB);
    let mut page = Some(format!("{hub}/api/datasets/{repository}/tree/{revision}?recursive=true"));
    let (mut files, mut pages) = (Vec::new(), 0);
    while let Some(address) = page {
        pages += 1;
        if pages > MAX_PAGES {
            return Err(fault(format!("its list has more than {MAX_PAGES} pages")));
        }
        let (text, next) = read(&address, options.token.as_deref()).map_err(fault)?;
        let entries: Vec<Entry> = serde_json::from_slice(&text)
            .map_err(|error| fault(format!("its list cannot be read: {error}")))?;
        for entry in entries.into_iter().filter(|entry| entry.kind == "file") {
            // Paths become names of files here.
            if !is_plain(&entry.path) {
                return Err(fault(format!("it has a file called `{}`", entry.path)));
            }
            let url = format!("{hub}/datasets/{repository}/resolve/{revision}/{}", entry.path);
            let bytes = entry.lfs.as_ref().map_or(entry.size, |large| large.size);
            let sha256 = entry.lfs.map(|large| large.oid).filter(|oid| is_sha256(oid));
            files.push(HubFile { path: entry.path, bytes, sha256, url });
        }
        page = next.filter(|next| next.starts_with(&format!("{hub}/")));
    }
    Ok(files)
}

fn is_plain(text: &str) -> bool {
    text.split('/').all(|part| !matches!(part, "" | "." | ".."))
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+= ".contains(c))
}

/// A page and the address of the next one. The token is for those who ask for it.
fn read(address: &str, token: Option<&str>) -> Result<(Vec<u8>, Option<String>), String> {
    let agent = url::agent(address, 5);
    let ask = |token: Option<&str>| {
        let mut request = agent.get(address);
        if let Some(token) = token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        request.call().map_err(|error| error.to_string())
    };
    let mut response = ask(None)?;
    let who = matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
    if who && token.is_some() {
        response = ask(token)?;
    }
    let status = response.status();
    if !status.is_success() {
        let advice = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
                "; there is no such dataset, or it wants a token (HF_TOKEN) and its terms accepted"
            }
            _ => "",
        };
        return Err(format!("the server answers {status}{advice}"));
    }
    let next = response.headers().get("link").and_then(|link| next_page(link.to_str().ok()?));
    let mut text = Vec::new();
    let mut body = response.into_body().into_reader().take(MAX_PAGE + 1);
    body.read_to_end(&mut text).map_err(|error| error.to_string())?;
    if text.len() as u64 > MAX_PAGE {
        return Err(format!("its list is longer than {MAX_PAGE} bytes"));
    }
    Ok((text, next))
}

/// Of `<https://…>; rel="next", <…>; rel="…"`.
fn next_page(link: &str) -> Option<String> {
    let next = link.split(',').find(|part| part.contains(r#"rel="next""#))?;
    Some(next.split_once('<')?.1.split_once('>')?.0.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_links() {
        assert!(is_plain("owner/name") && is_plain("train/0.tar"));
        assert!(!is_plain("../name") && !is_plain("a//b") && !is_plain("a?b") && !is_plain(""));
        let link = r#"<https://hub/api?cursor=a>; rel="next""#;
        assert_eq!(next_page(link).as_deref(), Some("https://hub/api?cursor=a"));
        assert_eq!(next_page(r#"<https://hub/api>; rel="last""#), None);
    }
}
