//! A small HTTP server on loopback that answers as a Hugging Face hub does: `resolve` addresses, redirects to where
//! large files lie, ETags, commits and ranges. And one that misbehaves, if told to.

use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What `main` stands for.
pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// What the server does at a path.
#[derive(Clone, Default)]
pub(crate) struct Page {
    pub(crate) body: Vec<u8>,
    /// Headers besides the length and the range.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// Answers this status and the headers, without a body.
    pub(crate) status: Option<&'static str>,
    /// Breaks off in the middle of this many answers.
    pub(crate) deaths: usize,
    /// Answers those only who send a token.
    pub(crate) private: bool,
    /// Answers with everything, whatever range is asked for.
    pub(crate) no_ranges: bool,
}

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) headers: HashMap<String, String>,
}

#[derive(Default)]
struct State {
    pages: HashMap<String, Page>,
    requests: Vec<Request>,
}

/// The server; it lives as long as the process.
pub(crate) struct Server {
    pub(crate) address: String,
    state: Arc<Mutex<State>>,
}

pub(crate) fn sha256(body: &[u8]) -> String {
    Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Server {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let shared = Arc::clone(&shared);
                // A client may go away at any time.
                std::thread::spawn(move || stream.and_then(|stream| answer(stream, &shared)));
            }
        });
        Self { address, state }
    }

    pub(crate) fn put(&self, path: &str, page: Page) {
        self.state.lock().unwrap().pages.insert(path.into(), page);
    }

    /// A large file of a repository, as the hub has it: a redirect that tells the digest, and the file elsewhere.
    pub(crate) fn put_large(&self, repository: &str, revision: &str, file: &str, page: Page) {
        let digest = sha256(&page.body);
        let headers = vec![
            ("Location", format!("{}/cdn/{digest}", self.address)),
            ("X-Linked-Etag", format!("\"{digest}\"")),
            ("ETag", "\"of-the-redirect\"".into()),
            ("X-Repo-Commit", commit(revision)),
        ];
        let redirect = Page { headers, status: Some("302 Found"), private: page.private, ..Page::default() };
        let page = Page { private: false, ..page };
        self.put_both(repository, revision, file, &redirect);
        self.put(&format!("/cdn/{digest}"), page);
    }

    /// A small file of a repository, which the hub sends at once.
    pub(crate) fn put_small(&self, repository: &str, revision: &str, file: &str, body: &str) {
        let headers = vec![
            ("ETag", "\"fedcba9876543210fedcba9876543210fedcba98\"".into()),
            ("X-Repo-Commit", commit(revision)),
        ];
        let page = Page { body: body.into(), headers, ..Page::default() };
        self.put_both(repository, revision, file, &page);
    }

    /// Under the name of the revision and under its commit.
    fn put_both(&self, repository: &str, revision: &str, file: &str, page: &Page) {
        for revision in [revision, &commit(revision)] {
            self.put(&format!("/{repository}/resolve/{revision}/{file}"), page.clone());
        }
    }

    /// The requests since the last call.
    pub(crate) fn requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.state.lock().unwrap().requests)
    }
}

/// The commit that a revision stands for.
pub(crate) fn commit(revision: &str) -> String {
    if revision == "main" { COMMIT.into() } else { sha256(revision.as_bytes())[..40].into() }
}

fn answer(mut stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = HashMap::new();
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let range = headers.get("range").cloned();
    let anonymous = !headers.contains_key("authorization");
    let (page, dies) = {
        let mut state = state.lock().unwrap();
        state.requests.push(Request { path: path.clone(), headers });
        let Some(page) = state.pages.get_mut(&path) else {
            return write!(
                stream,
                "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
        };
        // A question for one byte is none for the file.
        let dies = page.deaths > 0 && range.as_deref() != Some("bytes=0-0");
        page.deaths -= usize::from(dies);
        (page.clone(), dies)
    };
    if page.private && anonymous {
        return write!(stream, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    let mut head: String = page.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    head += "Connection: close\r\n";
    if let Some(status) = page.status {
        return write!(stream, "HTTP/1.1 {status}\r\n{head}Content-Length: 0\r\n\r\n");
    }
    let (length, mut body) = (page.body.len(), &page.body[..]);
    let mut status = "200 OK";
    if let Some(range) = range.filter(|_| !page.no_ranges) {
        let (start, end) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
        let start: usize = start.parse().unwrap();
        if start >= length {
            return write!(stream, "HTTP/1.1 416 Range Not Satisfiable\r\n{head}Content-Length: 0\r\n\r\n");
        }
        let end = end.parse().map_or(length, |last: usize| length.min(last + 1));
        status = "206 Partial Content";
        body = &page.body[start..end];
        head += &format!("Content-Range: bytes {start}-{}/{length}\r\n", end - 1);
    }
    write!(stream, "HTTP/1.1 {status}\r\n{head}Content-Length: {}\r\n\r\n", body.len())?;
    stream.write_all(if dies { &body[..body.len() / 2] } else { body })
}
