//! A server on loopback that speaks as much HTTP and S3 as reading needs.
#![allow(dead_code, clippy::unwrap_used, reason = "a test may panic, and each uses its own part")]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Serves the golden datasets, at `/` and as the bucket `bucket`.
pub(crate) struct Server {
    /// Host and port.
    pub(crate) address: String,
    /// Requests answered so far.
    pub(crate) requests: Arc<AtomicUsize>,
    /// Whether every request is refused.
    pub(crate) broken: Arc<AtomicBool>,
}

/// The golden datasets.
pub(crate) fn golden() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/golden/data")
}

impl Server {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (requests, broken) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let (counted, fails) = (requests.clone(), broken.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (counted, fails) = (counted.clone(), fails.clone());
                std::thread::spawn(move || answer_all(&stream, &counted, &fails));
            }
        });
        Self { address, requests, broken }
    }

    /// The options of a store that is the bucket.
    pub(crate) fn s3(&self) -> Vec<(String, String)> {
        let endpoint = format!("http://{}", self.address);
        [
            ("aws_endpoint", endpoint.as_str()),
            ("aws_allow_http", "true"),
            ("aws_skip_signature", "true"),
            ("aws_region", "us-east-1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }
}

fn answer_all(stream: &TcpStream, counted: &AtomicUsize, fails: &AtomicBool) {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut first, mut range, mut line) = (String::new(), None, String::new());
        if reader.read_line(&mut first).unwrap_or(0) == 0 {
            return;
        }
        while reader.read_line(&mut line).is_ok_and(|n| n > 2) {
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("range: bytes=") {
                let (from, to) = value.trim().split_once('-').unwrap();
                range = Some((from.parse::<usize>().unwrap(), to.parse::<usize>().unwrap()));
            }
            line.clear();
        }
        counted.fetch_add(1, Ordering::SeqCst);
        let mut words = first.split(' ');
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let mut out = stream;
        if fails.load(Ordering::SeqCst) {
            let _ = out.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
            continue;
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let path = path.trim_start_matches('/').trim_start_matches("bucket").trim_start_matches('/');
        if query.contains("list-type=2") {
            let body = listing(query);
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            let _ = out.write_all((head + &body).as_bytes());
            continue;
        }
        let Ok(content) = std::fs::read(golden().join(path)) else {
            let _ = out.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
            continue;
        };
        let (status, part, more) = match range {
            Some((from, to)) => {
                let to = (to + 1).min(content.len());
                let more = format!("Content-Range: bytes {from}-{}/{}\r\n", to - 1, content.len());
                ("206 Partial Content", &content[from..to], more)
            }
            None => ("200 OK", &content[..], String::new()),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nETag: \"one\"\r\nLast-Modified: Wed, 01 Jan 2025 00:00:00 GMT\r\n{more}\r\n",
            part.len()
        );
        let _ = out.write_all(head.as_bytes());
        if method == "GET" {
            let _ = out.write_all(part);
        }
    }
}

/// S3's list of a folder.
fn listing(query: &str) -> String {
    let prefix =
        query.split('&').find_map(|pair| pair.strip_prefix("prefix=")).unwrap_or("").replace("%2F", "/");
    let mut body = String::from("<ListBucketResult><IsTruncated>false</IsTruncated>");
    for entry in std::fs::read_dir(golden().join(&prefix)).unwrap().flatten() {
        let (name, size) = (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().len());
        body += &format!(
            "<Contents><Key>{prefix}{name}</Key><LastModified>2025-01-01T00:00:00.000Z</LastModified><ETag>\"one\"</ETag><Size>{size}</Size></Contents>"
        );
    }
    body + "</ListBucketResult>"
}
