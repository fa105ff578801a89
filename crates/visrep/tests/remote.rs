//! The `visrep` binary on sources behind an address, against a server on loopback.
#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

#[path = "../../data/tests/support/server.rs"]
mod server;

use server::{Server, golden};
use std::path::Path;
use std::process::{Command, Output};

fn visrep(folder: &Path, arguments: &[&str], options: &[(String, String)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_visrep"));
    let options = options.iter().map(|(name, value)| (name.to_uppercase(), value));
    command.args(arguments).current_dir(folder).envs(options).output().unwrap()
}

#[track_caller]
fn succeed(folder: &Path, arguments: &[&str], options: &[(String, String)]) -> String {
    let output = visrep(folder, arguments, options);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "visrep {arguments:?} failed: {stderr}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What `data inspect` says, but for the name of the source.
fn findings(text: &str) -> &str {
    text.split_once(" images").unwrap().1
}

#[test]
fn addresses_are_inspected_and_converted_as_files_are() {
    let (folder, server) = (tempfile::tempdir().unwrap(), Server::start());
    for name in ["parquet/{zstd,brotli}.parquet", "arrow/stream.arrow", "webdataset/gnu.tar"] {
        let local = succeed(folder.path(), &["data", "inspect", golden().join(name).to_str().unwrap()], &[]);
        let http = format!("http://{}/{name}", server.address);
        assert_eq!(findings(&succeed(folder.path(), &["data", "inspect", &http], &[])), findings(&local));
        let s3 = format!("s3://bucket/{name}");
        assert_eq!(
            findings(&succeed(folder.path(), &["data", "inspect", &s3], &server.s3())),
            findings(&local)
        );
    }
    let address = format!("http://{}/webdataset/gnu.tar", server.address);
    let convert = ["data", "convert", &address, "copy.parquet"];
    assert!(succeed(folder.path(), &convert, &[]).starts_with("copy.parquet: "));
    // Nothing is fetched twice for what is there.
    assert!(succeed(folder.path(), &convert, &[]).contains("from an earlier run"));
    let original = succeed(folder.path(), &["data", "inspect", &address], &[]);
    assert_eq!(
        findings(&succeed(folder.path(), &["data", "inspect", "copy.parquet"], &[])),
        findings(&original)
    );
}

#[test]
fn what_cannot_be_fetched_is_one_error_with_the_address() {
    let (folder, server) = (tempfile::tempdir().unwrap(), Server::start());
    for address in
        [format!("http://{}/parquet/missing.parquet", server.address), "gopher://host/a.parquet".to_owned()]
    {
        let output = visrep(folder.path(), &["data", "inspect", &address], &[]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && !stderr.contains("panicked"), "{stderr}");
        assert!(stderr.starts_with("error: ") && stderr.contains(&address), "{stderr}");
    }
}
