//! `cargo xtask doctor`: what this machine has, and what to fix.

use std::path::Path;
use std::process::ExitCode;

use crate::error::{Error, Result};
use crate::libtorch::{LibTorch, Origin};
use crate::process::ask;
use crate::setup;

/// The oldest NVIDIA driver that CUDA 13 runs on.
const CUDA_DRIVER: u32 = 580;

/// Prints what this machine has and what to fix; fails only if something needed is missing.
#[derive(clap::Args)]
pub(crate) struct Args {}

/// One line of the report.
struct Finding {
    subject: &'static str,
    mark: Mark,
    text: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Good,
    /// Something is lost, nothing fails.
    Note,
    Missing,
}

/// Runs the command.
pub(crate) fn run(root: &Path, _args: &Args) -> Result<ExitCode> {
    let findings = [
        rust(),
        needed("C++ compiler", setup::compiler()),
        python(root),
        libtorch(root),
        cuda(root),
        processor(),
        finding(
            "decoders",
            Mark::Good,
            "JPEG, PNG, WebP, GIF, BMP, TIFF in Rust; cmake and nasm are not needed (the price: \
             whole images are decoded, where libjpeg-turbo could decode just a crop)",
        ),
        disk(root),
    ];
    for Finding { subject, mark, text } in &findings {
        let mark = match mark {
            Mark::Good => "ok",
            Mark::Note => "note",
            Mark::Missing => "FIX",
        };
        println!("{mark:<5}{subject:<14}{}", text.replace('\n', "\n                   "));
    }
    let missing = findings.iter().filter(|finding| finding.mark == Mark::Missing).count();
    Ok(if missing == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn finding(subject: &'static str, mark: Mark, text: impl Into<String>) -> Finding {
    Finding { subject, mark, text: text.into() }
}

fn needed(subject: &'static str, result: Result<String>) -> Finding {
    match result {
        Ok(text) => finding(subject, Mark::Good, text),
        Err(error) => finding(subject, Mark::Missing, plain(&error)),
    }
}

fn plain(error: &Error) -> String {
    error.to_string().trim_start_matches("error: ").to_string()
}

fn rust() -> Finding {
    let version = ask(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()), &["--version"]);
    match version {
        // These flags replace those of .cargo/config.toml, the rpath to LibTorch among them.
        Some(version) if std::env::var_os("RUSTFLAGS").is_some() => finding(
            "Rust",
            Mark::Note,
            format!(
                "{version}; RUSTFLAGS is set and hides this project's rpath: `cargo xtask` works, plain `cargo \
                 run` needs LD_LIBRARY_PATH=target/libtorch/lib"
            ),
        ),
        Some(version) => finding("Rust", Mark::Good, version),
        None => finding("Rust", Mark::Missing, "rustc does not run\n  fix: reinstall the Rust toolchain"),
    }
}

/// Python is needed only to fetch LibTorch.
fn python(root: &Path) -> Finding {
    let in_use = matches!(LibTorch::from_environment(root), Ok(Some(_))) || setup::is_provided(root);
    match setup::python() {
        Err(error) if in_use => {
            let lack = plain(&error).lines().next().unwrap_or_default().to_string();
            finding("Python", Mark::Note, format!("{lack} (not needed now: LibTorch is here)"))
        }
        found => needed("Python", found),
    }
}

fn libtorch(root: &Path) -> Finding {
    let subject = "LibTorch";
    match LibTorch::from_environment(root) {
        Err(error) => return finding(subject, Mark::Missing, plain(&error)),
        Ok(Some(found)) => return finding(subject, Mark::Good, found.to_string()),
        Ok(None) => {}
    }
    let folder = LibTorch::target_folder(root);
    if setup::is_provided(root) {
        return needed(
            subject,
            LibTorch::open(Origin::Target, &folder, &folder).map(|found| found.to_string()),
        );
    }
    match setup::platform() {
        Ok(()) => finding(
            subject,
            Mark::Missing,
            format!("{} is not complete\n  fix: `cargo xtask setup`", folder.display()),
        ),
        Err(error) => finding(subject, Mark::Missing, plain(&error)),
    }
}

fn cuda(root: &Path) -> Finding {
    let subject = "CUDA";
    let query = ["--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"];
    let Some(devices) = ask("nvidia-smi", &query).filter(|text| !text.is_empty()) else {
        return finding(subject, Mark::Good, "no NVIDIA GPU (nvidia-smi finds none): the CPU is used");
    };
    let driver = devices.lines().next().and_then(|line| line.rsplit(", ").next()).unwrap_or_default();
    let major: u32 = driver.split('.').next().and_then(|text| text.parse().ok()).unwrap_or(0);
    if major < CUDA_DRIVER {
        return finding(
            subject,
            Mark::Note,
            format!(
                "{devices}\nnot used: driver {driver} is too old\n  fix: install driver {CUDA_DRIVER} or later"
            ),
        );
    }
    // A LibTorch of the user's own may carry CUDA; what this project provides is checked.
    if matches!(LibTorch::from_environment(root), Ok(None)) && !setup::has_cuda(root) {
        return finding(
            subject,
            Mark::Note,
            format!("{devices}\nnot used: CUDA's libraries are not here\n  fix: `cargo xtask setup --cuda`"),
        );
    }
    finding(subject, Mark::Good, devices)
}

/// What the processor offers to LibTorch and to the decoders.
fn processor() -> Finding {
    let subject = "CPU";
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let Ok(text) = std::fs::read_to_string("/proc/cpuinfo") else {
        return finding(subject, Mark::Good, format!("{threads} threads ({})", std::env::consts::ARCH));
    };
    let value = |key: &str| {
        let line = text.lines().find(|line| line.split(':').next().is_some_and(|name| name.trim() == key))?;
        line.split_once(':').map(|(_, value)| value.trim())
    };
    let model = value("model name").unwrap_or("unknown model");
    let flags: Vec<_> = value("flags").unwrap_or_default().split_whitespace().collect();
    let (found, lacking): (Vec<_>, Vec<_>) =
        [("AVX2", "avx2"), ("AVX-512", "avx512f"), ("AVX-512 bf16", "avx512_bf16"), ("AMX bf16", "amx_bf16")]
            .iter()
            .partition(|(_, flag)| flags.contains(flag));
    let names = |list: Vec<&(&str, &str)>| match list.as_slice() {
        [] => "none".to_string(),
        list => list.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "),
    };
    let mark = if flags.contains(&"avx2") { Mark::Good } else { Mark::Note };
    finding(
        subject,
        mark,
        format!("{model}, {threads} threads\nhas {}; lacks {}", names(found), names(lacking)),
    )
}

fn disk(root: &Path) -> Finding {
    let target = root.join("target");
    match setup::free_space(if target.is_dir() { &target } else { root }) {
        Some(free) if free < setup::SPACE => finding(
            "disk",
            Mark::Note,
            format!(
                "{} free; setting up and building takes {}",
                setup::gigabytes(free),
                setup::gigabytes(setup::SPACE)
            ),
        ),
        Some(free) => finding("disk", Mark::Good, format!("{} free", setup::gigabytes(free))),
        None => finding("disk", Mark::Note, "`df` does not tell how much is free"),
    }
}
