//! Which LibTorch a build uses, and whether it is the right one.
//!
//! The rules are those of `torch-sys`: `LIBTORCH_USE_PYTORCH` first, then `LIBTORCH`, which
//! `.cargo/config.toml` sets to `target/libtorch` unless it is set already.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::process::ask;

/// The version that the pinned `tch` needs.
pub(crate) const VERSION: &str = "2.11.0";

const UNSET: &str = "unset it, and `cargo xtask setup` provides the right LibTorch";

/// Where a LibTorch came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The PyTorch that python3 imports, because `LIBTORCH_USE_PYTORCH` is set.
    Python,
    /// The folder that `LIBTORCH` names.
    Variable,
    /// `target/libtorch`, which `cargo xtask setup` made.
    Target,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Python => "LIBTORCH_USE_PYTORCH",
            Self::Variable => "LIBTORCH",
            Self::Target => "cargo xtask setup",
        })
    }
}

/// A LibTorch with the libraries and headers that a build needs.
#[derive(Debug)]
pub(crate) struct LibTorch {
    pub(crate) origin: Origin,
    pub(crate) version: String,
    /// The folder with `libtorch_cpu.so`.
    pub(crate) lib: PathBuf,
}

impl LibTorch {
    /// Where `cargo xtask setup` puts it.
    pub(crate) fn target_folder(root: &Path) -> PathBuf {
        root.join("target").join("libtorch")
    }

    /// The one that the user's environment names, if it names one; it must then be usable.
    pub(crate) fn from_environment(root: &Path) -> Result<Option<Self>> {
        let set = |name: &str| std::env::var_os(name).map(PathBuf::from);
        if set("LIBTORCH_USE_PYTORCH").is_some() {
            let folder = python_torch().ok_or_else(|| {
                Error::new("LIBTORCH_USE_PYTORCH is set, but python3 has no torch package")
                    .fix(format!("`python3 -m pip install torch=={VERSION}`, or {UNSET}"))
            })?;
            return Self::open(Origin::Python, &folder, &folder).map(Some);
        }
        // Cargo itself sets LIBTORCH to target/libtorch (see .cargo/config.toml).
        let folder = set("LIBTORCH").filter(|folder| *folder != Self::target_folder(root));
        match folder {
            None => Ok(None),
            Some(folder) if folder.is_relative() => {
                Err(Error::new(format!("LIBTORCH is the relative path {}", folder.display()))
                    .fix("make it absolute: the build looks from another folder than you"))
            }
            Some(folder) => {
                let include = set("LIBTORCH_INCLUDE").unwrap_or_else(|| folder.clone());
                let lib = set("LIBTORCH_LIB").unwrap_or(folder);
                Self::open(Origin::Variable, &include, &lib).map(Some)
            }
        }
    }

    /// Checks `<lib>/lib` and `<include>/include`.
    pub(crate) fn open(origin: Origin, include: &Path, lib: &Path) -> Result<Self> {
        let wrong = |problem: String| match origin {
            Origin::Target => Error::new(problem).fix("`cargo xtask setup`"),
            Origin::Python | Origin::Variable => Error::new(format!("{origin}: {problem}"))
                .fix(format!("point {origin} at LibTorch {VERSION}, or {UNSET}")),
        };
        for library in ["torch_cpu", "torch", "c10"] {
            let path = lib.join("lib").join(format!("{DLL_PREFIX}{library}{DLL_SUFFIX}"));
            if !path.is_file() {
                return Err(wrong(format!("{} does not exist", path.display())));
            }
        }
        let include = include.join("include");
        let header = include.join("torch/csrc/api/include/torch/torch.h");
        if !header.is_file() {
            return Err(wrong(format!("{} does not exist", header.display())));
        }
        let version = version_of(&include)
            .ok_or_else(|| wrong(format!("no version.h under {} tells the version", include.display())))?;
        if version != VERSION && std::env::var_os("LIBTORCH_BYPASS_VERSION_CHECK").is_none() {
            let problem =
                format!("{} is LibTorch {version}, and this project needs {VERSION}", lib.display());
            return Err(wrong(problem));
        }
        Ok(Self { origin, version, lib: lib.join("lib") })
    }
}

impl fmt::Display for LibTorch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {} (from {})", self.version, self.lib.display(), self.origin)
    }
}

/// The folder of the `torch` package, found without importing it, which takes seconds.
fn python_torch() -> Option<PathBuf> {
    // The same choice of interpreter as torch-sys makes.
    let python = if std::env::var_os("VIRTUAL_ENV").is_some() { "python" } else { "python3" };
    let find = "import importlib.util as u; print(u.find_spec('torch').submodule_search_locations[0])";
    ask(python, &["-c", find]).map(PathBuf::from)
}

/// The version that the headers carry, as in `2.11.0`.
fn version_of(include: &Path) -> Option<String> {
    // LibTorch 2.9 and later, and what came before.
    ["torch/headeronly/version.h", "torch/csrc/api/include/torch/version.h"]
        .iter()
        .filter_map(|header| std::fs::read_to_string(include.join(header)).ok())
        .find_map(|text| parse_version(&text))
}

fn parse_version(header: &str) -> Option<String> {
    let part = |name: &str| {
        header.lines().find_map(|line| {
            let mut words = line.split_whitespace();
            (words.next() == Some("#define") && words.next() == Some(name)).then(|| words.next())?
        })
    };
    let parts = [part("TORCH_VERSION_MAJOR")?, part("TORCH_VERSION_MINOR")?, part("TORCH_VERSION_PATCH")?];
    Some(parts.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const HEADER: &str = "#pragma once\n#define TORCH_VERSION_MAJOR 2\n#define TORCH_VERSION_MINOR 11\n#define TORCH_VERSION_PATCH 0\n";

    fn fake(version_header: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let api = folder.path().join("include/torch/csrc/api/include/torch");
        for path in [folder.path().join("lib"), folder.path().join("include/torch/headeronly"), api.clone()] {
            fs::create_dir_all(path).unwrap();
        }
        for library in ["torch_cpu", "torch", "c10"] {
            fs::write(folder.path().join(format!("lib/{DLL_PREFIX}{library}{DLL_SUFFIX}")), "").unwrap();
        }
        fs::write(api.join("torch.h"), "").unwrap();
        fs::write(folder.path().join("include/torch/headeronly/version.h"), version_header).unwrap();
        folder
    }

    #[test]
    fn a_complete_folder_opens() {
        let folder = fake(HEADER);
        let found = LibTorch::open(Origin::Variable, folder.path(), folder.path()).unwrap();
        assert_eq!(found.version, VERSION);
        assert_eq!(found.lib, folder.path().join("lib"));
    }

    #[test]
    fn another_version_is_named_with_the_one_that_is_needed() {
        let folder = fake(&HEADER.replace("MINOR 11", "MINOR 4"));
        let error = LibTorch::open(Origin::Variable, folder.path(), folder.path()).unwrap_err().to_string();
        assert!(error.contains("LibTorch 2.4.0") && error.contains(VERSION), "{error}");
    }

    #[test]
    fn a_missing_library_is_named() {
        let folder = fake(HEADER);
        fs::remove_file(folder.path().join(format!("lib/{DLL_PREFIX}c10{DLL_SUFFIX}"))).unwrap();
        let error = LibTorch::open(Origin::Variable, folder.path(), folder.path()).unwrap_err().to_string();
        assert!(error.contains("c10") && error.contains("does not exist"), "{error}");
    }
}
