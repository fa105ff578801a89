//! Downloads of published weights, from a server on loopback that answers as a Hugging Face hub does.
#![cfg(feature = "hub")]
#![allow(clippy::unwrap_used)]

mod hub_server;

use hub_server::{COMMIT, Page, Server, sha256};
use std::path::{Path, PathBuf};
use visrep_models::{Error, HubOptions, Preprocessing, Pretrained, Verification, find_pretrained};

const NAME: &str = "resnet18.gluon_in1k";
const REPOSITORY: &str = "timm/resnet18.gluon_in1k";
const CONFIG: &str =
    r#"{"architecture": "resnet18", "num_classes": 1000, "pretrained_cfg": {"crop_pct": 0.9}}"#;

/// A server, a cache, and a row of the table of which no digest is known.
struct Setting {
    server: Server,
    folder: tempfile::TempDir,
    options: HubOptions,
    row: Pretrained,
    body: Vec<u8>,
}

fn setting() -> Setting {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let mut options = HubOptions::from_env().unwrap();
    options.endpoint = Some(server.address.clone());
    options.cache = folder.path().join("hub");
    options.url_cache = folder.path().join("torch");
    (options.token, options.offline) = (None, false);
    let mut row = find_pretrained(NAME).unwrap().clone();
    (row.sha256, row.url_sha256) = (None, None);
    let body = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
    Setting { server, folder, options, row, body }
}

impl Setting {
    fn serve(&self, page: Page) {
        let body = self.body.clone();
        self.server.put_large(REPOSITORY, "main", "model.safetensors", Page { body, ..page });
        self.server.put_small(REPOSITORY, "main", "config.json", CONFIG);
    }

    #[track_caller]
    fn fails(&self, words: &[&str]) -> Error {
        let error = self.row.download(&self.options).unwrap_err();
        for word in words {
            assert!(error.to_string().contains(word), "{word:?} is not in: {error}");
        }
        error
    }

    /// Every file below the caches.
    fn files(&self) -> Vec<PathBuf> {
        fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
            for entry in std::fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() { walk(&path, files) } else { files.push(path) }
            }
        }
        let mut files = Vec::new();
        walk(self.folder.path(), &mut files);
        files
    }
}

#[test]
fn weights_come_once_and_lie_where_the_python_library_has_them() {
    let mut s = setting();
    s.serve(Page::default());
    s.options.token = Some("secret".into());
    let first = s.row.download(&s.options).unwrap();
    let digest = sha256(&s.body);
    assert_eq!((first.verification, first.downloaded), (Verification::Server, true));
    assert_eq!(first.sha256, digest);
    let repository = s.options.cache.join("models--timm--resnet18.gluon_in1k");
    assert_eq!(first.weights, repository.join("snapshots").join(COMMIT).join("model.safetensors"));
    assert_eq!(std::fs::read(repository.join("blobs").join(&digest)).unwrap(), s.body);
    assert_eq!(std::fs::read_to_string(repository.join("refs/main")).unwrap(), COMMIT);
    let config = Preprocessing::from_hub_config(first.config.as_ref().unwrap()).unwrap();
    assert_eq!(config.preprocessing.crop_pct, 0.9);
    // Nobody asked who comes, so nobody is told.
    assert!(s.server.requests().iter().all(|request| !request.headers.contains_key("authorization")));

    // A commit by itself is found without a reference, as Python leaves it.
    for (revision, offline) in [(None, false), (None, true), (Some(COMMIT), true)] {
        (s.options.revision, s.options.offline) = (revision.map(str::to_owned), offline);
        let again = s.row.download(&s.options).unwrap();
        assert_eq!((again.downloaded, again.verification), (false, Verification::Server));
        assert_eq!((again.weights, again.config), (first.weights.clone(), first.config.clone()));
    }
    assert!(s.server.requests().is_empty());

    // What rots in the cache is not handed out, and goes.
    std::fs::write(repository.join("blobs").join(&digest), "rot").unwrap();
    s.fails(&["is not the published file", &sha256(b"rot"), &digest, "removed"]);
    assert!(!first.weights.exists());
    s.options.revision = None;
    s.options.offline = false;
    assert!(s.row.download(&s.options).unwrap().downloaded);
}

#[test]
fn a_repository_that_asks_who_comes_is_told() {
    let mut s = setting();
    s.serve(Page { private: true, ..Page::default() });
    s.fails(&["model.safetensors", "401", "HF_TOKEN"]);
    s.options.token = Some("secret".into());
    assert!(s.row.download(&s.options).unwrap().downloaded);
    let asked = s.server.requests();
    let resolve = asked.iter().rfind(|request| request.path.ends_with("main/model.safetensors")).unwrap();
    assert_eq!(resolve.headers["authorization"], "Bearer secret");
}

#[test]
fn offline_nothing_is_asked_for() {
    let mut s = setting();
    s.serve(Page::default());
    s.options.offline = true;
    let error = s.fails(&["resolve/main/model.safetensors", "hub", "HF_HUB_OFFLINE"]);
    assert!(matches!(error, Error::Offline { .. }));
    (s.row.hub, s.row.url) = (None, Some("http://127.0.0.1:9/file-01234567.pth"));
    s.fails(&["file-01234567.pth", "HF_HUB_OFFLINE"]);
    assert!(s.server.requests().is_empty());
}

#[test]
fn a_file_with_another_digest_is_refused_and_removed() {
    let s = setting();
    s.serve(Page::default());
    let digest = sha256(&s.body);
    // The file changes under the digest that the hub states.
    let mut wrong = s.body.clone();
    wrong[5] ^= 1;
    s.server.put(&format!("/cdn/{digest}"), Page { body: wrong.clone(), ..Page::default() });
    let error = s.fails(&["model.safetensors", &sha256(&wrong), "the server has", &digest, "removed"]);
    assert!(matches!(error, Error::Digest { .. }));
    assert!(s.files().iter().all(|file| file.ends_with("main") || file.extension().unwrap() == "lock"));
}

#[test]
fn a_digest_known_beforehand_counts_before_anything_is_transferred() {
    let mut s = setting();
    s.serve(Page::default());
    let digest: &'static str = sha256(&s.body).leak();
    s.row.sha256 = Some("5555555555555555555555555555555555555555555555555555555555555555");
    s.fails(&[digest, "5555", "main"]);
    assert!(s.server.requests().iter().all(|request| !request.path.starts_with("/cdn")));
    // Of a revision that is asked for by name, nothing is known beforehand.
    s.options.revision = Some("main".into());
    assert_eq!(s.row.download(&s.options).unwrap().verification, Verification::Server);
    // In the cache now is what others may want: it stays, but is not handed out.
    s.options.revision = None;
    s.fails(&["the table of published digests has 5555", "delete the file"]);
    assert!(s.files().iter().any(|file| file.ends_with("model.safetensors")));
    s.row.sha256 = Some(digest);
    assert_eq!(s.row.download(&s.options).unwrap().verification, Verification::Known);
}

#[test]
fn what_is_not_there_or_not_a_hub_is_an_error_with_its_address() {
    let mut s = setting();
    let path = format!("/{REPOSITORY}/resolve/main/model.safetensors");
    let address = format!("{}{path}", s.server.address);
    s.fails(&[&address, "no such file"]);
    let answers = |status, headers: &[(&'static str, &str)]| Page {
        status: Some(status),
        headers: headers.iter().map(|&(name, value)| (name, value.to_owned())).collect(),
        ..Page::default()
    };
    let target = ("Location", "http://127.0.0.1:9/gone");
    for (page, words) in [
        (answers("401 Unauthorized", &[("X-Error-Message", "Repository not found")]), "Repository not found"),
        (answers("403 Forbidden", &[]), "HF_TOKEN"),
        (answers("500 Internal Server Error", &[]), "500"),
        (answers("302 Found", &[]), "not where to go"),
        (answers("302 Found", &[("Location", &path)]), "redirects more than"),
        (answers("302 Found", &[target, ("ETag", "a"), ("X-Repo-Commit", "../up")]), "no Hugging Face hub"),
        (
            answers("302 Found", &[target, ("ETag", "../../up"), ("X-Repo-Commit", COMMIT)]),
            "no Hugging Face hub",
        ),
        (answers("302 Found", &[target]), "no Hugging Face hub"),
        (answers("302 Found", &[target, ("ETag", "a"), ("X-Repo-Commit", COMMIT)]), "refused"),
    ] {
        s.server.put(&path.replace("main", COMMIT), page.clone());
        s.server.put(&path, page);
        s.fails(&[REPOSITORY, words]);
    }
    assert!(s.files().is_empty(), "{:?}", s.files());
    for revision in ["../x", "a//b", "", "a b", "/etc"] {
        s.options.revision = Some(revision.into());
        s.fails(&["is not a branch, tag or commit"]);
    }
    s.options.revision = None;
    s.options.endpoint = Some("http://127.0.0.1:9".into());
    s.fails(&["http://127.0.0.1:9/timm", "refused"]);
    s.options.endpoint = Some("no address".into());
    s.fails(&["no address/timm"]);
}

#[test]
fn a_renamed_repository_is_followed() {
    let s = setting();
    s.serve(Page::default());
    let old = format!("/{REPOSITORY}/resolve/main/model.safetensors");
    let new = "/renamed/model/resolve/main/model.safetensors";
    s.server.put_large(
        "renamed/model",
        "main",
        "model.safetensors",
        Page { body: s.body.clone(), ..Page::default() },
    );
    let headers = vec![("Location", new.to_owned())];
    s.server.put(&old, Page { status: Some("307 Temporary Redirect"), headers, ..Page::default() });
    assert_eq!(std::fs::read(s.row.download(&s.options).unwrap().weights).unwrap(), s.body);
}

#[test]
fn a_server_that_dies_is_asked_for_the_rest() {
    let s = setting();
    s.serve(Page { deaths: 2, ..Page::default() });
    assert_eq!(std::fs::read(s.row.download(&s.options).unwrap().weights).unwrap(), s.body);
    let ranges: Vec<_> =
        s.server.requests().into_iter().filter_map(|r| r.headers.get("range").cloned()).collect();
    let half = s.body.len() / 2;
    let three_quarters = half + (s.body.len() - half) / 2;
    assert!(ranges.contains(&format!("bytes={half}-")), "{ranges:?}");
    assert!(ranges.contains(&format!("bytes={three_quarters}-")), "{ranges:?}");

    // It never recovers during one call, and a later call goes on.
    let s = setting();
    s.serve(Page { deaths: 3, ..Page::default() });
    s.fails(&["model.safetensors", "run this again to go on"]);
    assert!(s.files().iter().any(|file| file.extension().is_some_and(|end| end == "part")));
    assert_eq!(std::fs::read(s.row.download(&s.options).unwrap().weights).unwrap(), s.body);

    // A part that is too long, or as long as the file, is thrown away.
    for surplus in [0, 10] {
        let s = setting();
        s.serve(Page::default());
        let blobs = s.options.cache.join("models--timm--resnet18.gluon_in1k/blobs");
        std::fs::create_dir_all(&blobs).unwrap();
        let part = blobs.join(sha256(&s.body)).with_extension("part");
        std::fs::write(part, vec![0; s.body.len() + surplus]).unwrap();
        assert_eq!(std::fs::read(s.row.download(&s.options).unwrap().weights).unwrap(), s.body);
    }
}

#[test]
fn files_by_url_are_checked_against_the_digits_in_the_table() {
    let mut s = setting();
    let digest: &'static str = sha256(&s.body).leak();
    let url: &'static str = format!("{}/model.pth", s.server.address).leak();
    (s.row.hub, s.row.url) = (None, Some(url));
    s.fails(&["/model.pth", "404"]);

    let serve = |s: &Setting, page: Page| s.server.put("/model.pth", Page { body: s.body.clone(), ..page });
    // Every way of serving it, from nothing and from a part.
    let path = s.options.url_cache.join("model.pth");
    for page in [
        Page::default(),
        Page { deaths: 2, ..Page::default() },
        Page { no_ranges: true, ..Page::default() },
        Page { no_ranges: true, deaths: 1, ..Page::default() },
    ] {
        for part in [0, 1000, s.body.len(), s.body.len() + 10] {
            serve(&s, page.clone());
            std::fs::write(
                path.with_extension("pth.part"),
                s.body.iter().cycle().copied().take(part).collect::<Vec<_>>(),
            )
            .unwrap();
            let got = s.row.download(&s.options).unwrap();
            assert_eq!((got.verification, got.downloaded, got.config), (Verification::Nothing, true, None));
            assert_eq!(std::fs::read(&got.weights).unwrap(), s.body, "{part}");
            assert_eq!(s.files(), std::slice::from_ref(&path));
            std::fs::remove_file(&path).unwrap();
        }
    }

    serve(&s, Page::default());
    for (known, verification) in [(&digest[..8], Verification::KnownStart), (digest, Verification::Known)] {
        s.row.url_sha256 = Some(known);
        let (first, second) = (s.row.download(&s.options).unwrap(), s.row.download(&s.options).unwrap());
        assert_eq!((first.downloaded, second.downloaded), (true, false));
        assert_eq!((first.verification, second.verification), (verification, verification));
        std::fs::remove_file(&path).unwrap();
    }
    s.row.url_sha256 = Some("00000000");
    s.fails(&["model.pth", digest, "00000000", "removed"]);
    assert!(s.files().is_empty());
    std::fs::write(&path, "something else").unwrap();
    s.fails(&[&sha256(b"something else"), "00000000", "delete the file"]);
    assert!(path.exists());

    s.options.revision = Some("main".into());
    s.fails(&["no revision"]);
    s.options.revision = None;
    for url in ["http://127.0.0.1/", "nothing", "http://127.0.0.1/.."] {
        s.row.url = Some(url);
        s.fails(&["does not end in a file's name"]);
    }
    s.row.url = None;
    s.fails(&["nobody has published"]);
}

#[test]
fn names_are_found_or_the_nearest_are_told() {
    let error = |name: &str| find_pretrained(name).unwrap_err().to_string();
    assert_eq!(find_pretrained("resnet50").unwrap().name(), "resnet50.a1_in1k");
    assert_eq!(find_pretrained("vit_base_patch16_224.dino").unwrap().num_classes, 0);
    assert!(error("resnet5O").contains("did you mean resnet50"));
    assert!(
        error("resnet50.a9_in1k").contains("resnet50 has a1_in1k")
            || error("resnet50.a9_in1k").contains("a2_in1k")
    );
    assert!(error("mixer_s32_224").contains("nobody has published"));
    assert!(error("resnet200.untrained").contains("nobody has published"));
}

/// The server says one thing when it is asked for the file and another when it sends it.
#[test]
fn what_a_server_says_later_is_not_trusted() {
    let s = setting();
    s.serve(Page::default());
    let pinned = format!("/{REPOSITORY}/resolve/{COMMIT}/model.safetensors");
    let headers = vec![("ETag", "../../../escaped".to_owned()), ("X-Repo-Commit", "../..".to_owned())];
    s.server.put(&pinned, Page { body: s.body.clone(), headers, ..Page::default() });
    let got = s.row.download(&s.options).unwrap();
    let repository = s.options.cache.join("models--timm--resnet18.gluon_in1k");
    assert_eq!(got.weights, repository.join("snapshots").join(COMMIT).join("model.safetensors"));
    assert!(s.files().iter().all(|file| file.starts_with(&repository)), "{:?}", s.files());

    // More bytes than were announced.
    let s = setting();
    s.serve(Page::default());
    let digest = sha256(&s.body);
    let headers = vec![
        ("Location", format!("{}/cdn/{digest}", s.server.address)),
        ("X-Linked-Etag", digest.clone()),
        ("X-Linked-Size", (s.body.len() - 1).to_string()),
        ("X-Repo-Commit", COMMIT.to_owned()),
    ];
    let redirect = Page { headers, status: Some("302 Found"), ..Page::default() };
    s.server.put(&format!("/{REPOSITORY}/resolve/main/model.safetensors"), redirect);
    s.fails(&["model.safetensors", "399999"]);
    assert!(s.files().is_empty(), "{:?}", s.files());
}
