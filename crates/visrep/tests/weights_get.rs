//! `visrep weights get` and `list`, against a server on loopback that answers as a Hugging Face hub does.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

#[path = "../../models/tests/hub_server/mod.rs"]
mod hub_server;

use hub_server::{Page, Server, commit, sha256};
use std::path::Path;
use std::process::{Command, Output};

const REPOSITORY: &str = "timm/vit_small_patch16_384.augreg_in21k_ft_in1k";
const NAME: &str = "vit_small_patch16_384.augreg_in21k_ft_in1k";

struct Setting {
    server: Server,
    home: tempfile::TempDir,
}

impl Setting {
    /// With two revisions of the weights: the file, and one that does not have the digest that the hub states.
    fn new() -> Self {
        let server = Server::start();
        let page = |text: &str| Page { body: text.into(), ..Page::default() };
        let config = r#"{"architecture": "vit_small_patch16_384", "num_classes": 1000, "pretrained_cfg": {
            "input_size": [3, 384, 384], "crop_pct": 1.0, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}}"#;
        for (revision, text) in [("good", "weights"), ("bad", "tampered with")] {
            server.put_large(REPOSITORY, revision, "model.safetensors", page(text));
            server.put_small(REPOSITORY, revision, "config.json", config);
        }
        server.put(&format!("/cdn/{}", sha256(b"tampered with")), page("TAMPERED WITH"));
        Self { server, home: tempfile::tempdir().unwrap() }
    }

    fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_visrep"));
        for name in
            ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_TOKEN", "HF_TOKEN_PATH", "TRANSFORMERS_OFFLINE"]
        {
            command.env_remove(name);
        }
        command
            .args(["weights", "get"])
            .args(arguments)
            .current_dir(self.home.path())
            .env("HF_ENDPOINT", &self.server.address)
            .env("HF_HOME", self.home.path().join("hf"))
            .env("TORCH_HOME", self.home.path().join("torch"))
            .env("HF_HUB_OFFLINE", "0")
            .env("NO_PROXY", "127.0.0.1")
            .envs(variables.iter().copied());
        command.output().unwrap()
    }

    /// Standard output and standard error of a command that must succeed.
    #[track_caller]
    fn succeed(&self, arguments: &[&str], variables: &[(&str, &str)]) -> (String, String) {
        let output = self.run(arguments, variables);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{}", text(&output.stderr));
        (text(&output.stdout), text(&output.stderr))
    }

    /// The one clear error of a command that must fail.
    #[track_caller]
    fn fail(&self, arguments: &[&str], variables: &[(&str, &str)], words: &[&str]) {
        let output = self.run(arguments, variables);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && output.stdout.is_empty(), "{stderr}");
        assert!(stderr.contains("error: ") && !stderr.contains("panicked"), "{stderr}");
        for word in words {
            assert!(stderr.contains(word), "{word:?} is not in: {stderr}");
        }
    }
}

#[test]
fn the_path_is_printed_and_what_is_known_is_told() {
    let s = Setting::new();
    let arguments = [NAME, "--revision", "good"];
    let (path, told) = s.succeed(&arguments, &[]);
    let repository = "hub/models--timm--vit_small_patch16_384.augreg_in21k_ft_in1k";
    let snapshots = s.home.path().join("hf").join(repository).join("snapshots");
    let expected = snapshots.join(commit("good")).join("model.safetensors");
    assert_eq!(Path::new(path.trim_end()), expected);
    assert_eq!(std::fs::read(expected).unwrap(), b"weights");
    for words in [
        &sha256(b"weights"),
        "as the server states",
        "apache-2.0",
        "384 x 384, crop 1 (center), bicubic, mean [0.5, 0.5, 0.5]",
        "top-1         83.814 %",
    ] {
        assert!(told.contains(words), "{words:?} is not in: {told}");
    }
    assert!(!told.contains("config.json"), "{told}");

    // From the cache, with and without a network.
    s.server.requests();
    assert_eq!(s.succeed(&arguments, &[]).0, path);
    assert_eq!(s.succeed(&arguments, &[("HF_HUB_OFFLINE", "1")]).0, path);
    assert!(s.server.requests().is_empty());
    s.fail(&[NAME], &[("HF_HUB_OFFLINE", "1")], &["HF_HUB_OFFLINE", "resolve/main/model.safetensors"]);

    let (elsewhere, _) = s.succeed(&[NAME, "--revision", "good", "--cache", "here"], &[]);
    assert!(Path::new(elsewhere.trim_end()).starts_with(s.home.path().canonicalize().unwrap().join("here")));
    let private = Page { body: b"weights".into(), private: true, ..Page::default() };
    s.server.put_large(REPOSITORY, "good", "model.safetensors", private);
    s.server.requests();
    let token = [("HF_TOKEN", "secret")];
    s.succeed(&[NAME, "--revision", "good", "--cache", "there"], &token);
    let asked = s.server.requests();
    let last = asked.iter().rfind(|request| request.path.contains("resolve/good/model")).unwrap();
    assert_eq!(last.headers["authorization"], "Bearer secret");

    s.server.put_small(
        REPOSITORY,
        "good",
        "config.json",
        r#"{"architecture": "other", "pretrained_cfg": {}}"#,
    );
    let (_, told) = s.succeed(&[NAME, "--revision", "good", "--cache", "new"], &token);
    assert!(told.contains("config.json says otherwise: input 224 x 224"), "{told}");
}

#[test]
fn what_is_wrong_is_refused() {
    let s = Setting::new();
    s.fail(
        &[NAME, "--revision", "bad"],
        &[],
        &["not the published file", &sha256(b"tampered with"), "removed"],
    );
    s.fail(&[NAME], &[], &["no such file at this revision"]);
    s.fail(&["vit_smal_patch16_384"], &[], &["did you mean vit_small_patch16_384"]);
    s.fail(&[NAME], &[("HF_ENDPOINT", "http://127.0.0.1:9")], &["cannot download http://127.0.0.1:9/timm"]);
    // A file by URL, which cannot be had here: in the cache lies another.
    s.fail(&["alexnet"], &[("HF_HUB_OFFLINE", "1")], &["alexnet-owt-7be5be79.pth", "HF_HUB_OFFLINE"]);
    let checkpoints = s.home.path().join("torch/hub/checkpoints");
    std::fs::create_dir_all(&checkpoints).unwrap();
    std::fs::write(checkpoints.join("alexnet-owt-7be5be79.pth"), "something else").unwrap();
    s.fail(&["alexnet"], &[], &["not the published file", &sha256(b"something else"), "7be5be79"]);
}

#[test]
fn published_weights_are_listed() {
    let list = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_visrep")).args(["weights", "list"]).args(arguments).output().unwrap()
    };
    let text = String::from_utf8(list(&["resnet50.a1"]).stdout).unwrap();
    let lines: Vec<Vec<_>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[1], ["resnet50.a1_in1k", "25.56", "M", "1000", "224", "80.38", "apache-2.0"]);
    assert_eq!(lines[2], ["resnet50.a1h_in1k", "25.56", "M", "1000", "176", "79.26", "apache-2.0"]);
    assert!(String::from_utf8(list(&[]).stdout).unwrap().lines().count() > 600);
    let none = list(&["untrained"]);
    assert!(!none.status.success());
    assert!(String::from_utf8(none.stderr).unwrap().contains("no published weights' name contains"));
}
