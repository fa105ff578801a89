//! What this machine must have before anything is fetched or built; each lack is one sentence with its fix.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::{Error, Result};
use crate::libtorch::VERSION;
use crate::process::ask;

/// The pinned wheels are for one platform.
pub(crate) fn platform() -> Result<()> {
    if cfg!(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu")) {
        return Ok(());
    }
    let here = format!("{} on {}", std::env::consts::OS, std::env::consts::ARCH);
    Err(Error::new(format!("LibTorch is provided for x86-64 Linux with glibc only, and this is {here}")).fix(
        format!(
            "install LibTorch {VERSION} for this machine and set LIBTORCH to its folder, or set \
             LIBTORCH_USE_PYTORCH=1 if python3 has PyTorch {VERSION}"
        ),
    ))
}

/// The oldest pip that finds the pinned wheels (tried: 18.1 does not, 20.0.2 does).
const OLDEST_PIP: u32 = 20;

/// Python 3 with pip, which downloads the wheels; returns their versions.
pub(crate) fn python() -> Result<String> {
    let python = ask("python3", &["--version"]).ok_or_else(|| {
        Error::new("python3 is missing; it downloads and unpacks LibTorch").fix(
            "install it (Debian, Ubuntu: `apt install python3 python3-pip`; Fedora: `dnf install python3 python3-pip`)",
        )
    })?;
    let pip = ask("python3", &["-m", "pip", "--version"]).ok_or_else(|| {
        Error::new("python3 has no pip; it downloads LibTorch").fix(
            "`python3 -m ensurepip --user`, or install it (Debian, Ubuntu: `apt install python3-pip`; Fedora: \
             `dnf install python3-pip`)",
        )
    })?;
    let pip = pip.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    if pip_major(&pip).is_some_and(|major| major < OLDEST_PIP) {
        return Err(Error::new(format!(
            "{pip} is too old to find LibTorch's wheels, which takes pip {OLDEST_PIP}"
        ))
        .fix("`python3 -m pip install --user --upgrade pip`"));
    }
    Ok(format!("{python}, {pip}"))
}

/// The first number in text as `pip 23.2.1`.
fn pip_major(pip: &str) -> Option<u32> {
    pip.strip_prefix("pip ")?.split('.').next()?.parse().ok()
}

/// A C++17 compiler with its standard library, for `torch-sys`; returns its name and version.
pub(crate) fn compiler() -> Result<String> {
    let chosen = std::env::var("CXX").unwrap_or_else(|_| "c++".to_string());
    let fix = "install one (Debian, Ubuntu: `apt install g++`; Fedora: `dnf install gcc-c++`), or set CXX";
    let version = ask(&chosen, &["--version"])
        .ok_or_else(|| Error::new(format!("no C++ compiler: `{chosen}` does not run")).fix(fix))?;
    let works = Command::new(&chosen)
        .args(["-std=c++17", "-fsyntax-only", "-include", "optional", "-x", "c++", "/dev/null"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !works {
        return Err(Error::new(format!("`{chosen}` cannot compile C++17 with its standard library")).fix(fix));
    }
    Ok(version.lines().next().unwrap_or_default().to_string())
}

/// Free bytes on the disk that holds `folder`, where `df` tells.
pub(crate) fn free_space(folder: &Path) -> Option<u64> {
    let table = ask("df", &["-Pk".as_ref(), folder.as_os_str()])?;
    let kibibytes: u64 = table.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// Fails if `folder`'s disk has less than `bytes` left.
pub(crate) fn require_space(folder: &Path, bytes: u64) -> Result<()> {
    match free_space(folder) {
        Some(free) if free < bytes => Err(Error::new(format!(
            "{} needs {} of disk space, and {} are free",
            folder.display(),
            gigabytes(bytes),
            gigabytes(free)
        ))
        .fix("free some, or clone the repository to a larger disk")),
        // Where `df` is missing, a full disk shows when writing.
        _ => Ok(()),
    }
}

/// `1.5 GB`
pub(crate) fn gigabytes(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pip_versions_are_read() {
        assert_eq!(pip_major("pip 18.1"), Some(18));
        assert_eq!(pip_major("pip 23.2.1"), Some(23));
        assert_eq!(pip_major("pip"), None);
    }
}
