//! `visrep data get`, against a server on loopback: files with and without known digests, archives, a mirror on a hub.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

#[allow(dead_code, reason = "it serves weights too")]
#[path = "../../models/tests/hub_server/mod.rs"]
mod hub_server;

use flate2::write::GzEncoder;
use hub_server::{Page, Server, sha256};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output};

struct Setting {
    server: Server,
    home: tempfile::TempDir,
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

fn tar_of(files: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, text) in files {
        let mut header = tar::Header::new_gnu();
        // `set_path` would refuse what a hostile archive has.
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        archive.append(&header, text.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap()
}

fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in files {
        archive.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

impl Setting {
    fn new() -> Self {
        Self { server: Server::start(), home: tempfile::tempdir().unwrap() }
    }

    fn put(&self, path: &str, body: &[u8]) -> String {
        self.server.put(path, Page { body: body.to_vec(), ..Page::default() });
        format!("{}{path}", self.server.address)
    }

    fn table(&self, text: &str) {
        std::fs::write(self.home.path().join("table.toml"), text).unwrap();
    }

    fn at(&self, path: &str) -> PathBuf {
        self.home.path().join("data").join(path)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_visrep"));
        for name in ["HF_TOKEN", "HF_TOKEN_PATH", "HF_HUB_OFFLINE"] {
            command.env_remove(name);
        }
        command
            .args(["data", "get"])
            .args(arguments)
            .current_dir(self.home.path())
            .env("HF_ENDPOINT", &self.server.address)
            .env("HF_HOME", self.home.path().join("hf"))
            .env("NO_PROXY", "127.0.0.1");
        command.output().unwrap()
    }

    fn get(&self, names: &[&str]) -> Output {
        self.run(&[names, &["--data", "data", "--table", "table.toml"]].concat())
    }

    #[track_caller]
    fn succeed(&self, names: &[&str]) -> (String, String) {
        let output = self.get(names);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{}", text(&output.stderr));
        (text(&output.stdout), text(&output.stderr))
    }

    #[track_caller]
    fn fail(&self, names: &[&str], words: &[&str]) {
        let output = self.get(names);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && !stderr.contains("panicked"), "{stderr}");
        words.iter().for_each(|word| assert!(stderr.contains(word), "{word:?} is not in: {stderr}"));
    }
}

/// An entry of one file.
fn entry(name: &str, url: &str, sha256: Option<&str>, unpack: &str) -> String {
    let digest = sha256.map_or_else(String::new, |sha256| format!("sha256 = \"{sha256}\"\n"));
    format!(
        "[[dataset]]\nnames = [\"{name}\"]\nabout = \"a test\"\nfolder = \"{name}\"\nlicence = \"CC0\"\n\
         [[dataset.files]]\nurl = \"{url}\"\n{digest}unpack = \"{unpack}\"\n"
    )
}

#[test]
fn archives_are_verified_unpacked_and_not_fetched_again() {
    let s = Setting::new();
    let tgz = gzip(&tar_of(&[("dtd/labels/train1.txt", "a/b.jpg"), ("dtd/images/a/b.jpg", "pixels")]));
    let url = s.put("/dtd.tar.gz", &tgz);
    let inner = gzip(&tar_of(&[("101_ObjectCategories/cup/image_0001.jpg", "cup")]));
    let zipped =
        s.put("/caltech.zip", &zip_of(&[("caltech/101.tar.gz", &inner), ("caltech/readme", b"text")]));
    let packed = s.put("/norb-dat.mat.gz", &gzip(b"matrix"));
    let table = [
        entry("vtab/dtd", &url, Some(&sha256(&tgz)), "tar"),
        entry("vtab/caltech", &zipped, None, "zip"),
        format!(
            "[[dataset.files.inner]]\npath = \"caltech/101.tar.gz\"\nunpack = \"tar\"\nsha256 = \"{}\"\n",
            sha256(&inner)
        ),
        entry("vtab/norb", &packed, None, "gz"),
    ];
    s.table(&table.concat());
    let (said, told) = s.succeed(&["vtab"]);
    assert_eq!(said.lines().count(), 3);
    assert!(PathBuf::from(said.lines().next().unwrap()).ends_with("data/vtab/dtd"), "{said}");
    assert!(
        told.contains("its digest is not known beforehand; recorded") && told.contains("licence: CC0"),
        "{told}"
    );
    assert_eq!(std::fs::read(s.at("vtab/dtd/dtd/images/a/b.jpg")).unwrap(), b"pixels");
    assert_eq!(std::fs::read(s.at("vtab/caltech/101_ObjectCategories/cup/image_0001.jpg")).unwrap(), b"cup");
    assert_eq!(std::fs::read(s.at("vtab/norb/norb-dat.mat")).unwrap(), b"matrix");
    for archive in ["vtab/dtd/dtd.tar.gz", "vtab/caltech/caltech.zip", "vtab/caltech/caltech/101.tar.gz"] {
        assert!(!s.at(archive).exists(), "{archive} is left");
    }

    s.server.requests();
    let (_, told) = s.succeed(&["vtab/dtd"]);
    assert!(told.contains("there already") && s.server.requests().is_empty(), "{told}");
}

#[test]
fn another_file_than_the_known_one_or_the_first_is_refused() {
    let s = Setting::new();
    let url = s.put("/a.mat", b"first");
    let other = s.put("/b.mat", b"tampered with");
    s.table(&(entry("x/a", &url, None, "none") + &entry("x/b", &other, Some(&sha256(b"published")), "none")));
    s.succeed(&["x/a"]);
    assert_eq!(std::fs::read(s.at("x/a/a.mat")).unwrap(), b"first");
    s.fail(&["x/b"], &["x/b", "is not the published file", &sha256(b"published"), "run this again"]);
    assert!(!s.at("x/b/b.mat").exists());

    // Gone from here and changed there.
    std::fs::remove_file(s.at("x/a/a.mat")).unwrap();
    s.put("/a.mat", b"second");
    s.fail(&["x/a"], &["is not the published file", &sha256(b"first")]);
    // Of several, those that can be had are.
    s.put("/b.mat", b"published");
    s.fail(&["x"], &["1 of 2 datasets are not there: x/a"]);
    assert!(s.at("x/b/b.mat").exists());
}

#[test]
fn a_download_that_breaks_off_goes_on_where_it_was() {
    let s = Setting::new();
    let body: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    let page = Page { body: body.clone(), deaths: 2, ..Page::default() };
    s.server.put("/large.bin", page);
    let url = format!("{}/large.bin", s.server.address);
    s.table(&entry("x/large", &url, Some(&sha256(&body)), "none"));
    s.succeed(&["x/large"]);
    assert_eq!(std::fs::read(s.at("x/large/large.bin")).unwrap(), body);
    let ranges = s.server.requests().iter().filter(|request| request.headers.contains_key("range")).count();
    assert_eq!(ranges, 2);
}

#[test]
fn hostile_archives_and_tables_stay_within_their_folder() {
    let s = Setting::new();
    let tar = s.put("/evil.tar", &tar_of(&[("../../escaped.txt", "out"), ("inside.txt", "in")]));
    let zip = s.put("/evil.zip", &zip_of(&[("../../escaped.txt", b"out")]));
    let broken = s.put("/broken.zip", b"PK\x03\x04 and no more");
    let url = entry("x/tar", &tar, None, "tar");
    s.table(&(url + &entry("x/zip", &zip, None, "zip") + &entry("x/broken", &broken, None, "zip")));
    let _ = s.get(&["x/tar"]);
    let _ = s.get(&["x/zip"]);
    assert!(!s.home.path().join("escaped.txt").exists() && !s.at("escaped.txt").exists());
    s.fail(&["x/broken"], &["cannot unpack", "broken.zip"]);
    s.table(&entry("../out", &tar, None, "tar"));
    s.fail(&["../out"], &["no folder within another"]);
    s.table("[[dataset]]\nnames = 3\n");
    s.fail(&["x"], &["table.toml", "no table of datasets"]);
}

#[test]
fn a_mirror_on_the_hub_is_taken_as_it_is() {
    let s = Setting::new();
    let shard = tar_of(&[("0.png", "pixels"), ("0.cls", "3")]);
    let listing = |cursor: &str| format!("/api/datasets/owner/set/tree/main?recursive=true{cursor}");
    let large = format!(
        r#"{{"type":"file","path":"train/0.tar","size":134,"lfs":{{"oid":"{}","size":{}}}}}"#,
        sha256(&shard),
        shard.len()
    );
    let next = format!("<{}{}>; rel=\"next\"", s.server.address, listing("&cursor=1"));
    let first = format!(r#"[{{"type":"directory","path":"train","size":0}},{large}]"#);
    s.server.put(&listing(""), Page { body: first.into(), headers: vec![("Link", next)], ..Page::default() });
    let second = r#"[{"type":"file","path":"classnames.txt","size":4},{"type":"file","path":".gitattributes","size":9}]"#;
    s.server.put(&listing("&cursor=1"), Page { body: second.into(), ..Page::default() });
    s.put("/datasets/owner/set/resolve/main/train/0.tar", &shard);
    s.put("/datasets/owner/set/resolve/main/classnames.txt", b"a\nb\n");
    s.table(
        "[[dataset]]\nnames = [\"x/set\"]\nabout = \"a test\"\nfolder = \"x/set\"\nlicence = \"CC0\"\n\
         hub = \"owner/set\"\nhub_folder = \"x/wds_set\"\n",
    );
    s.succeed(&["x/set"]);
    assert_eq!(std::fs::read(s.at("x/wds_set/train/0.tar")).unwrap(), shard);
    assert_eq!(std::fs::read(s.at("x/wds_set/classnames.txt")).unwrap(), b"a\nb\n");
    assert!(!s.at("x/wds_set/.gitattributes").exists());
    s.server.requests();
    s.succeed(&["x/set"]);
    assert!(s.server.requests().iter().all(|request| request.path.starts_with("/api/")));

    s.put("/datasets/owner/set/resolve/main/train/0.tar", b"other");
    std::fs::remove_file(s.at("x/wds_set/train/0.tar")).unwrap();
    s.fail(&["x/set"], &["0.tar"]);
    assert!(!s.at("x/wds_set/train/0.tar").exists());
    s.server.put(&listing(""), Page { status: Some("404 Not Found"), ..Page::default() });
    s.fail(&["x/set"], &["owner/set", "404", "HF_TOKEN"]);
}

#[test]
fn the_built_in_table_is_listed() {
    let s = Setting::new();
    let output = s.run(&["--list"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success());
    for words in [
        "vtab/clevr_count, vtab/clevr_distance",
        "19.0 GB",
        "clip-benchmark/wds_vtab-pcam on the hub",
        "by hand",
    ] {
        assert!(text.contains(words), "{words:?} is not in: {text}");
    }
    let output = s.run(&["vtab/svhm", "--data", "data"]);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && stderr.contains("vtab/svhn"), "{stderr}");
    let output = s.run(&["remote-sensing/so2sat", "--data", "data"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot be downloaded"));
}
