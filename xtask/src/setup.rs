//! `cargo xtask setup`: finds LibTorch, or fetches it into `target/libtorch`.

mod host;
mod install;
mod wheels;

use std::path::Path;

use crate::error::{Error, Result};
use crate::libtorch::{LibTorch, Origin};
pub(crate) use host::{compiler, free_space, gigabytes, platform, python, require_space};
use install::{Installer, is_complete};

/// Disk space that a fresh clone needs for LibTorch, without CUDA's libraries, and a first build, in bytes. The README says it too.
pub(crate) const SPACE: u64 = 6_000_000_000;

const EXAMPLES: &str = "\
Examples:
  cargo xtask setup                          once; then plain `cargo build` and `cargo test` work
  cargo xtask setup --cuda                   also for an NVIDIA GPU (driver 580 or later)
  cargo xtask setup --index-url URL          from a mirror of the Python package index
  LIBTORCH=/opt/libtorch cargo xtask setup   only checks that this LibTorch fits

It may be interrupted and run again at any time. pip's own settings (proxy, certificates,
mirrors) apply.";

/// Finds LibTorch, or fetches it into target/libtorch.
///
/// If LIBTORCH or LIBTORCH_USE_PYTORCH is set, that LibTorch is checked and used. Otherwise the pinned
/// wheels are downloaded with pip, compared with their SHA-256 and unpacked to target/libtorch; nothing
/// outside `target` is changed.
#[derive(clap::Args, Default)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Also fetch what an NVIDIA GPU needs: 2.5 GB to download, 3 GB in target/libtorch/cuda
    #[arg(long)]
    cuda: bool,
    /// The Python package index to download from, instead of the one pip is set to
    #[arg(long, value_name = "URL")]
    index_url: Option<String>,
}

/// Runs the command.
pub(crate) fn run(root: &Path, args: &Args) -> Result<LibTorch> {
    compiler()?;
    if let Some(found) = LibTorch::from_environment(root)? {
        if args.cuda {
            return Err(Error::new(format!("--cuda adds to target/libtorch, but {} is set", found.origin))
                .fix("unset it, or use a LibTorch that was built with CUDA"));
        }
        eprintln!("LibTorch: {found}");
        return Ok(found);
    }
    let components: &[_] = if args.cuda { &[&wheels::CPU, &wheels::CUDA] } else { &[&wheels::CPU] };
    let target = root.join("target");
    if !components.iter().all(|component| is_complete(&target, component)) {
        Installer::new(root)?.install(components, args.index_url.as_deref())?;
    }
    let folder = LibTorch::target_folder(root);
    let found = LibTorch::open(Origin::Target, &folder, &folder)?;
    eprintln!("LibTorch: {found}");
    Ok(found)
}

/// Makes sure of LibTorch before a command that builds with it.
pub(crate) fn ensure(root: &Path) -> Result<LibTorch> {
    run(root, &Args::default())
}

/// Whether the CUDA libraries lie in `target/libtorch/cuda`.
pub(crate) fn has_cuda(root: &Path) -> bool {
    is_complete(&root.join("target"), &wheels::CUDA)
}

/// Whether `target/libtorch` is as the present pins want it.
pub(crate) fn is_provided(root: &Path) -> bool {
    is_complete(&root.join("target"), &wheels::CPU)
}
