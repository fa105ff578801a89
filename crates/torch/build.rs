//! Compiles the C++ files in `shim` against the LibTorch that `torch-sys` was built with.
//!
//! Needs what `torch-sys` itself needs: a C++17 compiler and LibTorch's headers. Which LibTorch, it learns from
//! `torch-sys`; `LIBTORCH_INCLUDE` and `LIBTORCH_CXX11_ABI` mean the same as there.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// The release whose interface the C++ files are written to, the one of `tch` 0.24.
const NEEDED: &str = "2.11";

const SOURCES: [&str; 9] = [
    "shim/error.cpp",
    "shim/tensor.cpp",
    "shim/checkpoint.cpp",
    "shim/modes.cpp",
    "shim/optim.cpp",
    "shim/random.cpp",
    "shim/device.cpp",
    "shim/graph.cpp",
    "shim/package.cpp",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=shim");
    for variable in ["LIBTORCH_INCLUDE", "LIBTORCH_CXX11_ABI"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let include = include_folder()?;
    check_version(&include)?;
    let mut build = cc::Build::new();
    build.cpp(true).std("c++17").files(SOURCES).warnings(true).extra_warnings(true);
    build.define("_GLIBCXX_USE_CXX11_ABI", env::var("LIBTORCH_CXX11_ABI").as_deref().unwrap_or("1"));
    build.define("GLOG_USE_GLOG_EXPORT", None);
    // Thin wrappers: optimising what they include buys nothing.
    build.opt_level(1);
    for folder in [include.clone(), include.join("torch/csrc/api/include")] {
        if build.get_compiler().is_like_msvc() {
            build.include(folder);
        } else {
            // As a system's headers, whose warnings are not ours to mend.
            build.flag("-isystem").flag(folder);
        }
    }
    build.try_compile("visrep_torch_shim")?;
    Ok(())
}

/// The folder with LibTorch's headers.
fn include_folder() -> Result<PathBuf, String> {
    if let Ok(folder) = env::var("LIBTORCH_INCLUDE") {
        return Ok(Path::new(&folder).join("include"));
    }
    let lib = env::var("DEP_TCH_LIBTORCH_LIB").map_err(|_| {
        "torch-sys does not say where LibTorch is on this system: set LIBTORCH_INCLUDE to the folder that holds \
         LibTorch's `include`"
    })?;
    let root =
        Path::new(&lib).parent().ok_or_else(|| format!("`{lib}`, LibTorch's folder, has no parent"))?;
    Ok(root.join("include"))
}

/// Checks that the headers are of the release that the C++ files need.
fn check_version(include: &Path) -> Result<(), String> {
    let path = include.join("torch/headeronly/version.h");
    let text = fs::read_to_string(&path).map_err(|error| {
        format!(
            "{}: {error}; LibTorch {NEEDED} with its headers is needed: run `cargo xtask setup`, or set LIBTORCH \
             (and LIBTORCH_INCLUDE, if the headers are elsewhere)",
            path.display()
        )
    })?;
    println!("cargo::rerun-if-changed={}", path.display());
    let number = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix("#define ")?.strip_prefix(name)?.trim().parse::<u32>().ok())
    };
    let found = match (number("TORCH_VERSION_MAJOR "), number("TORCH_VERSION_MINOR ")) {
        (Some(major), Some(minor)) => format!("{major}.{minor}"),
        _ => "of an unknown version".to_string(),
    };
    if found == NEEDED {
        return Ok(());
    }
    Err(format!(
        "{} is from LibTorch {found}, and {NEEDED} is needed: run `cargo xtask setup`, or set LIBTORCH to a LibTorch \
         {NEEDED}",
        path.display()
    ))
}
