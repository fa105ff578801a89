//! Remote sources against a server on loopback that speaks as much HTTP and S3 as reading needs.
#![allow(missing_docs, clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use visrep_augment::RandomResizedCrop;
use visrep_data::{
    Dataset, Loader, LoaderOptions, SampleStream, StreamOptions, TarStream, Views, open, open_remote,
};

/// Serves the golden datasets, at `/` and as the bucket `bucket`.
struct Server {
    address: String,
    requests: Arc<AtomicUsize>,
    broken: Arc<AtomicBool>,
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/golden/data")
}

impl Server {
    fn start() -> Self {
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

    fn s3(&self) -> Vec<(String, String)> {
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

fn same(remote: &dyn Dataset, local: &dyn Dataset) {
    assert_eq!((remote.len(), remote.classes()), (local.len(), local.classes()));
    assert_eq!(remote.labels().unwrap(), local.labels().unwrap());
    for index in (0..local.len()).rev() {
        let (a, b) = (remote.get(index).unwrap(), local.get(index).unwrap());
        assert_eq!((a.key, a.label, format!("{:?}", a.image)), (b.key, b.label, format!("{:?}", b.image)));
    }
}

#[test]
fn files_over_http_and_s3_are_as_they_are_on_disk() {
    let server = Server::start();
    for name in ["parquet/{zstd,brotli}.parquet", "arrow/stream.arrow", "webdataset/gnu.tar"] {
        let local = open(&golden().join(name)).unwrap();
        same(&*open(Path::new(&format!("http://{}/{name}", server.address))).unwrap(), &*local);
        same(&*open_remote(&format!("s3://bucket/{name}"), &server.s3()).unwrap(), &*local);
        same(
            &*open(Path::new(&format!("file://{}", golden().canonicalize().unwrap().join(name).display())))
                .unwrap(),
            &*local,
        );
    }
    let pattern = golden().join("parquet/*.parquet");
    same(&*open_remote("s3://bucket/parquet/*.parquet", &server.s3()).unwrap(), &*open(&pattern).unwrap());
    same(
        &*open_remote("s3://bucket/parquet/", &server.s3()).unwrap(),
        &*open(&golden().join("parquet")).unwrap(),
    );
    // A small file is one request for its size and one for its content.
    let before = server.requests.load(Ordering::SeqCst);
    let data = open(Path::new(&format!("http://{}/parquet/none.parquet", server.address))).unwrap();
    (0..data.len()).for_each(|index| drop(data.get(index).unwrap()));
    assert_eq!(server.requests.load(Ordering::SeqCst) - before, 2);
}

#[test]
fn packed_archives_are_streamed_from_http() {
    let server = Server::start();
    let pattern = format!("http://{}/webdataset/shard-{{0.tar,1.tar.gz}}", server.address);
    let stream = TarStream::open(&pattern, StreamOptions::default()).unwrap();
    let keys: Vec<String> = stream.epoch(0, 1).map(|sample| sample.unwrap().key).collect();
    assert_eq!(
        keys,
        ["shard-0.tar/deep/er/0001", "shard-1.tar.gz/deep/er/0002", "shard-1.tar.gz/deep/er/0003"]
    );
}

#[test]
fn what_is_missing_fails_or_cannot_be_listed_is_said() {
    let server = Server::start();
    let message = |address: String| open(Path::new(&address)).err().unwrap().to_string();
    let missing = message(format!("http://{}/parquet/missing.parquet", server.address));
    assert!(missing.contains("missing.parquet") && missing.contains("not found"), "{missing}");
    let listed = message(format!("http://{}/parquet/*.parquet", server.address));
    assert!(listed.contains("name each"), "{listed}");
    assert!(message(format!("http://{}/make.py", server.address)).contains("expected .parquet"));
    assert!(message("gopher://host/a.parquet".into()).contains("gopher"));

    // A store that stops answering ends the epoch with the file's name, and is asked again by the next.
    let data = open(Path::new(&format!("http://{}/arrow/file.arrow", server.address))).unwrap();
    let fresh = open(Path::new(&format!("http://{}/parquet/gzip.parquet", server.address))).unwrap();
    assert!(data.get(0).is_ok());
    server.broken.store(true, Ordering::SeqCst);
    let views = Views::single(RandomResizedCrop::new(4).unwrap());
    let loader = Loader::new(fresh, views, LoaderOptions::default()).unwrap();
    // What is in the cache is still there.
    assert!(loader.epoch(0, 0).next().unwrap().is_ok() && data.get(1).is_ok());
    let error = message(format!("http://{}/parquet/none.parquet", server.address));
    assert!(error.contains("none.parquet"), "{error}");
}
