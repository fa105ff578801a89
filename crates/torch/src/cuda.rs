//! Loading LibTorch's CUDA half into a program that was linked with the CPU half only.
//!
//! One binary serves both kinds of machine: it links `libtorch_cpu` alone, and `libtorch_cuda`, which is
//! several gigabytes with what it needs, registers itself with the former when it is loaded.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::fmt;
use std::path::{Path, PathBuf};

use crate::Error;

/// What [`load_cuda_libraries`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CudaLibraries {
    /// This library was loaded.
    Loaded(PathBuf),
    /// The program had this one already.
    Present(PathBuf),
    /// The machine has no NVIDIA driver, so nothing was loaded.
    NoDriver,
    /// There is a driver, and no CUDA library of LibTorch's in any of these places.
    NotInstalled(Vec<PathBuf>),
}

impl fmt::Display for CudaLibraries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loaded(path) | Self::Present(path) => {
                write!(f, "{} is loaded and finds no GPU that it can use", path.display())
            }
            Self::NoDriver => f.write_str("this machine has no NVIDIA driver"),
            Self::NotInstalled(places) => {
                f.write_str("LibTorch's CUDA libraries are not installed (`cargo xtask setup --cuda`)")?;
                places.iter().try_for_each(|place| write!(f, "\n  looked for {}", place.display()))
            }
        }
    }
}

/// Loads `libtorch_cuda` if there is an NVIDIA driver and the library is installed: beside the
/// `libtorch_cpu` that this program runs with, or where `cargo xtask setup --cuda` puts it, in
/// `../cuda/torch/lib` from there. It is looked for nowhere else, since only a library from the same
/// installation fits.
///
/// Call it before any other work with LibTorch, which decides once whether there is CUDA when it is first
/// asked ([`DeviceChoice::resolve`](crate::DeviceChoice::resolve) does both in the right order). A second
/// call does no harm.
///
/// # Errors
/// [`Error::CudaLibraries`] if the library is there and cannot be loaded.
pub fn load_cuda_libraries() -> Result<CudaLibraries, Error> {
    if let Some(path) = loaded_library(&library("torch_cuda")) {
        return Ok(CudaLibraries::Present(path));
    }
    if !has_driver() {
        return Ok(CudaLibraries::NoDriver);
    }
    let places = loaded_library(&library("torch_cpu")).map(|path| places(&path)).unwrap_or_default();
    match places.iter().find(|place| place.is_file()) {
        None => Ok(CudaLibraries::NotInstalled(places)),
        Some(path) => load(path).map(|()| CudaLibraries::Loaded(path.clone())),
    }
}

/// Where `libtorch_cuda` may be, given where `libtorch_cpu` is.
pub(crate) fn places(torch_cpu: &Path) -> Vec<PathBuf> {
    let name = library("torch_cuda");
    let Some(lib) = torch_cpu.parent() else { return Vec::new() };
    let beside = lib.join(&name);
    let set_up = lib.parent().map(|folder| folder.join("cuda/torch/lib").join(&name));
    std::iter::once(beside).chain(set_up).collect()
}

fn library(name: &str) -> String {
    format!("{DLL_PREFIX}{name}{DLL_SUFFIX}")
}

/// The path of a library that this process has loaded, by its file name. Linux tells; elsewhere LibTorch
/// has no CUDA, or comes linked with it.
pub(crate) fn loaded_library(name: &str) -> Option<PathBuf> {
    find_mapping(&std::fs::read_to_string("/proc/self/maps").ok()?, name)
}

/// Finds a file by its name in the text of `/proc/self/maps`, where a path is the last field of a line
/// and the only one with a slash.
fn find_mapping(maps: &str, name: &str) -> Option<PathBuf> {
    maps.lines()
        .filter_map(|line| line.find('/').map(|start| Path::new(&line[start..])))
        .find(|path| path.file_name().is_some_and(|file| file == name))
        .map(Path::to_path_buf)
}

fn has_driver() -> bool {
    let name = if cfg!(windows) { "nvcuda.dll" } else { "libcuda.so.1" };
    // SAFETY: this is NVIDIA's driver library, under the name by which CUDA itself loads it; loading it
    // only prepares it for use.
    let driver = unsafe { libloading::Library::new(name) };
    driver.is_ok()
}

/// Loads a library for as long as the process lives.
fn load(path: &Path) -> Result<(), Error> {
    // SAFETY: the library comes from the same installation as the libtorch_cpu that this process runs
    // with, so the two fit; its initialisers register kernels with libtorch_cpu and are made to run when
    // it is loaded, from any thread.
    let library = unsafe { libloading::Library::new(path) }
        .map_err(|source| Error::CudaLibraries { path: path.to_path_buf(), source })?;
    // LibTorch keeps pointers into the library: it must never be unloaded.
    std::mem::forget(library);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_libtorch_of_this_process_is_found() {
        assert!(tch::get_num_threads() > 0);
        let path = loaded_library(&library("torch_cpu")).expect("libtorch_cpu is linked");
        assert!(path.is_file(), "{}", path.display());
        assert_eq!(places(&path).len(), 2);
        assert_eq!(loaded_library("libno_such_thing.so"), None);
    }

    #[test]
    fn a_mapping_is_found_by_its_whole_name_even_with_spaces_in_the_path() {
        let maps = "7f00-7f01 r--p 00000000 fe:00 42   /a b/lib/notlibtorch_cpu.so\n\
                    7f02-7f03 rw-p 00000000 00:00 0 \n\
                    7f04-7f05 r-xp 00000000 fe:00 43   /a b/lib/libtorch_cpu.so\n";
        let found = find_mapping(maps, "libtorch_cpu.so");
        assert_eq!(found, Some(PathBuf::from("/a b/lib/libtorch_cpu.so")));
    }

    #[test]
    fn a_broken_library_is_an_error_with_its_path() {
        let folder = std::env::temp_dir().join(format!("visrep-torch-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("libtorch_cuda.so");
        std::fs::write(&path, "no library").unwrap();
        let message = load(&path).unwrap_err().to_string();
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(message.contains("libtorch_cuda.so") && message.contains("device cpu"), "{message}");
    }

    #[test]
    fn loading_twice_does_no_harm() {
        let first = load_cuda_libraries().unwrap();
        let second = load_cuda_libraries().unwrap();
        match first {
            CudaLibraries::Loaded(path) => assert_eq!(second, CudaLibraries::Present(path)),
            other => assert_eq!(second, other),
        }
    }

    /// Needs `cargo xtask setup --cuda` and no GPU: shows that the files fit together.
    #[test]
    #[ignore = "needs the CUDA libraries"]
    fn the_cuda_libraries_of_setup_load() {
        assert!(tch::get_num_threads() > 0);
        let cpu = loaded_library(&library("torch_cpu")).expect("libtorch_cpu is linked");
        let path = places(&cpu).into_iter().find(|place| place.is_file()).expect("installed");
        load(&path).unwrap();
        assert!(tch::utils::has_cudart(), "libtorch_cuda registers itself with libtorch_cpu");
    }
}
