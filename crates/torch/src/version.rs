//! Which LibTorch was loaded.

use std::fmt;

use crate::Error;

/// The version whose interface `tch` 0.24 binds.
const NEEDED: Version = Version { major: 2, minor: 11, patch: 0 };

// SAFETY: this declares the function as `torch/csrc/inductor/aoti_torch/c/shim.h` does; libtorch_cpu,
// which the bindings link, exports it.
unsafe extern "C" {
    /// The version in its highest three bytes: major, minor, patch (`torch/headeronly/version.h`).
    safe fn aoti_torch_abi_version() -> u64;
}

/// A version of LibTorch, as in `2.11.0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Counts changes of everything.
    pub major: u8,
    /// Counts releases; the C++ interface changes with each.
    pub minor: u8,
    /// Counts repairs of a release.
    pub patch: u8,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// The version of the LibTorch that this program has loaded.
#[must_use]
pub fn version() -> Version {
    let [major, minor, patch, ..] = aoti_torch_abi_version().to_be_bytes();
    Version { major, minor, patch }
}

/// Checks that the loaded LibTorch is of the release that the program was built for. LibTorch promises no
/// binary compatibility between releases: with another one, calls crash or quietly do the wrong thing.
///
/// # Errors
/// [`Error::Version`] with both versions.
pub fn check_version() -> Result<(), Error> {
    check(version())
}

fn check(found: Version) -> Result<(), Error> {
    if (found.major, found.minor) == (NEEDED.major, NEEDED.minor) {
        return Ok(());
    }
    Err(Error::Version { found, needed: NEEDED })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loaded_version_is_the_one_that_is_needed() {
        assert_eq!((version().major, version().minor), (2, 11));
        check_version().unwrap();
    }

    #[test]
    fn another_release_is_refused_and_another_repair_is_not() {
        assert!(check(Version { patch: 1, ..NEEDED }).is_ok());
        let message = check(Version { major: 2, minor: 4, patch: 1 }).unwrap_err().to_string();
        assert!(message.contains("2.4.1") && message.contains("2.11.0"), "{message}");
    }
}
