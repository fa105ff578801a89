//! Where to download from and where to keep it: the variables that `huggingface_hub` and `torch.hub` know.

use crate::Error;
use std::ffi::OsString;
use std::path::PathBuf;

/// Where published weights come from and where they are kept.
///
/// Both caches have the layouts of the Python libraries, so that files are shared with them.
#[derive(Clone)]
#[non_exhaustive]
pub struct HubOptions {
    /// The hub's address, without a slash at its end; `None` for the one that `hf-hub` has.
    pub endpoint: Option<String>,
    /// The folder of downloaded repositories.
    pub cache: PathBuf,
    /// The folder of files downloaded by URL.
    pub url_cache: PathBuf,
    /// Sent to the hub for repositories that do not answer without it.
    pub token: Option<String>,
    /// Takes nothing but what the caches have.
    pub offline: bool,
    /// A branch, tag or commit of the repository instead of `main`.
    pub revision: Option<String>,
    /// Draws a progress bar on standard error, if that is a terminal.
    pub progress: bool,
}

impl HubOptions {
    /// What the environment says, as `huggingface_hub` and `torch.hub` read it:
    ///
    /// | | variables, the first that is set |
    /// |---|---|
    /// | `endpoint` | `HF_ENDPOINT` |
    /// | `cache` | `HF_HUB_CACHE`, `HUGGINGFACE_HUB_CACHE`, `HF_HOME`/hub, `XDG_CACHE_HOME`/huggingface/hub, ~/.cache/huggingface/hub |
    /// | `url_cache` | `TORCH_HOME`/hub/checkpoints, `XDG_CACHE_HOME`/torch/hub/checkpoints, ~/.cache/torch/hub/checkpoints |
    /// | `token` | `HF_TOKEN`, `HUGGING_FACE_HUB_TOKEN`, the file `HF_TOKEN_PATH`, the file `token` beside `hub` |
    /// | `offline` | `HF_HUB_OFFLINE`, `TRANSFORMERS_OFFLINE`: 1, on, yes or true |
    ///
    /// No revision, no progress bar.
    ///
    /// # Errors
    /// When neither the variables nor a home folder say where the caches are, or the working folder is gone.
    pub fn from_env() -> Result<Self, Error> {
        Self::from_variables(|name| std::env::var_os(name), std::env::home_dir())
    }

    fn from_variables(
        variable: impl Fn(&str) -> Option<OsString>,
        home: Option<PathBuf>,
    ) -> Result<Self, Error> {
        let text = |name: &str| -> Option<String> {
            let text = variable(name)?.to_string_lossy().trim().to_owned();
            Some(text).filter(|text| !text.is_empty())
        };
        let folder = |name: &str| -> Option<PathBuf> {
            let path = PathBuf::from(variable(name).filter(|value| !value.is_empty())?);
            match (path.strip_prefix("~"), &home) {
                (Ok(rest), Some(home)) => Some(home.join(rest)),
                _ => Some(path),
            }
        };
        let caches = folder("XDG_CACHE_HOME").or_else(|| Some(home.as_ref()?.join(".cache")));
        let hf_home = folder("HF_HOME").or_else(|| Some(caches.as_ref()?.join("huggingface")));
        let cache = folder("HF_HUB_CACHE")
            .or_else(|| folder("HUGGINGFACE_HUB_CACHE"))
            .or_else(|| Some(hf_home.as_ref()?.join("hub")));
        let torch_home = folder("TORCH_HOME").or_else(|| Some(caches.as_ref()?.join("torch")));
        let (Some(cache), Some(torch_home)) = (cache, torch_home) else {
            let reason = "there is no home folder to keep it in; set HF_HOME and TORCH_HOME, or name a cache";
            return Err(Error::Download { what: "weights".into(), reason: reason.into() });
        };
        let absolute = |path: PathBuf| {
            std::path::absolute(&path).map_err(|source| {
                let what = format!("to {}", path.display());
                Error::Download { what, reason: source.to_string() }
            })
        };
        let token_file = folder("HF_TOKEN_PATH").or_else(|| Some(hf_home?.join("token")));
        let token = text("HF_TOKEN").or_else(|| text("HUGGING_FACE_HUB_TOKEN")).or_else(|| {
            let token = std::fs::read_to_string(token_file?).ok()?.trim().to_owned();
            Some(token).filter(|token| !token.is_empty())
        });
        let yes = |name: &str| {
            text(name).is_some_and(|value| matches!(&*value.to_lowercase(), "1" | "on" | "yes" | "true"))
        };
        Ok(Self {
            endpoint: text("HF_ENDPOINT").map(|endpoint| endpoint.trim_end_matches('/').to_owned()),
            cache: absolute(cache)?,
            url_cache: absolute(torch_home.join("hub").join("checkpoints"))?,
            token,
            offline: yes("HF_HUB_OFFLINE") || yes("TRANSFORMERS_OFFLINE"),
            revision: None,
            progress: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> HubOptions {
        let variable = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        };
        HubOptions::from_variables(variable, Some("/home/me".into())).unwrap()
    }

    #[test]
    fn caches_are_where_the_python_libraries_have_them() {
        type Variables<'a> = &'a [(&'a str, &'a str)];
        let cases: &[(Variables<'_>, &str, &str)] = &[
            (&[], "/home/me/.cache/huggingface/hub", "/home/me/.cache/torch/hub/checkpoints"),
            (&[("XDG_CACHE_HOME", "/x")], "/x/huggingface/hub", "/x/torch/hub/checkpoints"),
            (&[("HF_HOME", "~/hf"), ("TORCH_HOME", "/t")], "/home/me/hf/hub", "/t/hub/checkpoints"),
            (
                &[("HF_HOME", "/h"), ("HF_HUB_CACHE", "/c"), ("HF_ENDPOINT", "")],
                "/c",
                "/home/me/.cache/torch/hub/checkpoints",
            ),
        ];
        for (variables, cache, url_cache) in cases {
            let options = read(variables);
            assert_eq!(options.cache, PathBuf::from(cache));
            assert_eq!(options.url_cache, PathBuf::from(url_cache));
            assert_eq!(options.endpoint, None);
        }
        assert!(read(&[("HF_HUB_CACHE", "relative")]).cache.is_absolute());
        assert!(HubOptions::from_variables(|_| None, None).is_err());
    }

    #[test]
    fn tokens_switches_and_endpoints_are_read() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "from-file\n").unwrap();
        let home = folder.path().to_str().unwrap();
        assert_eq!(read(&[("HF_HOME", home)]).token.as_deref(), Some("from-file"));
        assert_eq!(read(&[("HF_HOME", home), ("HF_TOKEN", " t ")]).token.as_deref(), Some("t"));
        assert_eq!(read(&[("HF_HOME", "/nowhere")]).token, None);
        for (value, offline) in [("1", true), ("True", true), ("on", true), ("0", false), ("", false)] {
            assert_eq!(read(&[("HF_HUB_OFFLINE", value)]).offline, offline, "{value}");
        }
        let options = read(&[("HF_ENDPOINT", "http://127.0.0.1:9/")]);
        assert_eq!(options.endpoint.as_deref(), Some("http://127.0.0.1:9"));
    }
}
