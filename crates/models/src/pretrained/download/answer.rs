//! The hub's answer to a question for a file, before anything is transferred.

use super::url;
use ureq::http::{HeaderMap, StatusCode};

/// Redirects within the hub, as of a repository that was renamed.
const MAX_REDIRECTS: usize = 5;

/// What the hub says of a file.
pub(super) struct Answer {
    /// The SHA-256 of a large file, Git's SHA-1 of a small one.
    pub(super) etag: String,
    /// In bytes.
    pub(super) size: Option<u64>,
    /// The commit that the revision stands for.
    pub(super) commit: String,
    /// Whether the file is only given to those who say who they are.
    pub(super) private: bool,
}

/// Why there is no answer.
struct Refusal {
    reason: String,
    /// Whether a token may change it.
    who: bool,
}

/// Asks for the file at `address`; `None` when it is not there.
///
/// The token goes to those repositories only that want one.
pub(super) fn ask(address: &str, token: Option<&str>) -> Result<Option<Answer>, String> {
    let answer = match (ask_as(address, None), token) {
        (Err(Refusal { who: true, .. }), Some(token)) => ask_as(address, Some(token)),
        (answer, _) => answer,
    };
    answer.map_err(|refusal| refusal.reason)
}

fn ask_as(address: &str, token: Option<&str>) -> Result<Option<Answer>, Refusal> {
    let fault = |reason: String| Refusal { reason, who: false };
    let mut address = address.to_owned();
    let agent = url::agent(&address, 0);
    for _ in 0..=MAX_REDIRECTS {
        // The question that `huggingface_hub` puts too.
        let mut request = agent.get(&address).header("Range", "bytes=0-0");
        if let Some(token) = token {
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
            return Err(refusal(status, header(headers, "x-error-message")));
        }
        let etag = header(headers, "x-linked-etag").or_else(|| header(headers, "etag"));
        let etag = etag.map(|etag| etag.replace('"', "")).filter(|etag| is_name(etag));
        let commit = header(headers, "x-repo-commit").filter(|commit| is_name(commit));
        let size =
            header(headers, "x-linked-size").or_else(|| header(headers, "content-range")?.rsplit('/').next());
        let size = size.and_then(|size| size.parse().ok());
        return match (etag, commit) {
            (Some(etag), Some(commit)) => {
                Ok(Some(Answer { etag, size, commit: commit.into(), private: token.is_some() }))
            }
            _ => Err(fault(
                "the server is no Hugging Face hub: its answer lacks a usable ETag or commit".into(),
            )),
        };
    }
    Err(fault(format!("the server redirects more than {MAX_REDIRECTS} times")))
}

fn refusal(status: StatusCode, message: Option<&str>) -> Refusal {
    let who =
        matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS);
    let advice = match who {
        true => "; there is no such repository, or it wants a token (HF_TOKEN) and its terms accepted",
        false => "",
    };
    let message = message.map(|message| format!(" ({message})")).unwrap_or_default();
    Refusal { reason: format!("the server answers {status}{message}{advice}"), who }
}

/// Whether it can be the name of a file in the cache: no more than that is known of what the server says.
fn is_name(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
