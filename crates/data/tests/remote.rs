//! Remote sources against a server on loopback.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/server.rs"]
mod server;

use server::{Server, golden};
use std::path::Path;
use std::sync::atomic::Ordering;
use visrep_augment::RandomResizedCrop;
use visrep_data::{
    Dataset, Loader, LoaderOptions, SampleStream, StreamOptions, TarStream, Views, open, open_remote,
};

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
