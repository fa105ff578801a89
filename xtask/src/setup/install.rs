//! Downloads, checks and unpacks a [`Component`].
//!
//! The folder appears under its name only when it is complete: everything happens beside it and ends in
//! a rename. An interrupted run leaves finished downloads, which the next one uses, and nothing else that
//! matters. One run works at a time; the lock is also held by the programs that a run starts, so that it
//! outlives a killed run for as long as they do.

use std::fs::{self, File, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{Error, Result};
use crate::setup::wheels::{CPU, Component, Wheel};
use crate::setup::{SPACE, host};

const STAMP: &str = "setup-stamp";
const UNPACK: &str = include_str!("unpack.py");

/// Holds the lock under which folders of `target` are changed.
pub(crate) struct Installer {
    target: PathBuf,
    lock: File,
}

impl Installer {
    /// Waits for other runs to end.
    pub(crate) fn new(root: &Path) -> Result<Self> {
        let target = root.join("target");
        fs::create_dir_all(&target)
            .map_err(|e| Error::io(format_args!("cannot make {}", target.display()), &e))?;
        let path = target.join("libtorch.lock");
        let cannot = |e: &std::io::Error| Error::io(format_args!("cannot lock {}", path.display()), e);
        let lock = File::create(&path).map_err(|e| cannot(&e))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                eprintln!("waiting for another setup to end (it holds {})", path.display());
                lock.lock().map_err(|e| cannot(&e))?;
            }
            Err(TryLockError::Error(e)) => return Err(cannot(&e)),
        }
        Ok(Self { target, lock })
    }

    /// Installs those of `components` that are not complete.
    pub(crate) fn install(&self, components: &[&Component], index_url: Option<&str>) -> Result<()> {
        let missing: Vec<_> =
            components.iter().copied().filter(|part| !is_complete(&self.target, part)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        host::platform()?;
        host::python()?;
        let wheels = distinct_wheels(&missing);
        let download: u64 = wheels.iter().map(|wheel| wheel.bytes).sum();
        let unpacked: u64 = missing.iter().map(|part| part.unpacked).sum();
        // What an interrupted run left counts: it needs no more room.
        let present: u64 = wheels.iter().filter(|w| self.has(w)).map(|wheel| wheel.bytes).sum();
        host::require_space(&self.target, download - present + unpacked + build_space(&missing))?;
        eprintln!(
            "LibTorch: fetching {} in {} wheels (to be unpacked to {})",
            host::gigabytes(download - present),
            wheels.iter().filter(|w| !self.has(w)).count(),
            host::gigabytes(unpacked)
        );

        make_folder(&self.downloads())?;
        for (index, wheel) in wheels.iter().enumerate() {
            let (name, version) = wheel.package();
            let here = if self.has(wheel) { ", already here" } else { "" };
            let megabytes = wheel.bytes as f64 / 1e6;
            eprintln!("{}/{} {name} {version} ({megabytes:.0} MB{here})", index + 1, wheels.len());
            if !self.has(wheel) {
                self.download(wheel, index_url)?;
            }
        }
        for component in missing {
            self.put_in_place(component)?;
        }
        remove_folder(&self.downloads())
    }

    fn downloads(&self) -> PathBuf {
        self.target.join("libtorch.download")
    }

    fn has(&self, wheel: &Wheel) -> bool {
        fs::metadata(self.downloads().join(wheel.file)).is_ok_and(|file| file.len() == wheel.bytes)
    }

    fn download(&self, wheel: &Wheel, index_url: Option<&str>) -> Result<()> {
        let folder = self.downloads();
        let (name, version) = wheel.package();
        // A requirement with a hash makes pip choose this very file among builds of the same version.
        let requirement = folder.join("requirement.txt");
        write(&requirement, &format!("{name}=={version} --hash=sha256:{}\n", wheel.sha256))?;
        let temporary = folder.join("tmp");
        remove_folder(&temporary)?;
        make_folder(&temporary)?;

        let mut pip = Command::new("python3");
        // Without pip's cache, which would take the wheel's size twice more.
        pip.args(["-m", "pip", "download", "--no-cache-dir", "--no-input", "--disable-pip-version-check"]);
        pip.args(["--no-deps", "--only-binary=:all:", "--python-version", "311", "--implementation", "cp"]);
        pip.args(["--platform", wheel.platform(), "--dest"]).arg(&folder).arg("-r").arg(&requirement);
        if let Some(url) = index_url {
            pip.args(["--index-url", url]);
        }
        // So that a large download neither fills a small /tmp nor is left behind there.
        pip.env("TMPDIR", &temporary);
        let (ok, messages) = self.watch(&mut pip)?;
        remove_folder(&temporary)?;
        if ok && self.has(wheel) {
            return Ok(());
        }
        if messages.contains("DO NOT MATCH THE HASHES") {
            return Err(wrong_hash(wheel, "pip's message above has the one it found"));
        }
        if messages.contains("No space left on device") {
            return Err(Error::new(format!("the disk of {} is full", folder.display()))
                .fix("free some space and run setup again; wheels that are complete are kept"));
        }
        Err(Error::new(format!("pip could not download {} (its own message is above)", wheel.file)).fix(
            "check the network, or name an index that works: `cargo xtask setup --index-url URL`; wheels that are \
             complete are kept for the next try",
        ))
    }

    /// Runs a program with its output shown; returns whether it succeeded and what it said on stderr.
    fn watch(&self, command: &mut Command) -> Result<(bool, String)> {
        let program = command.get_program().to_string_lossy().into_owned();
        let cannot = |e: &std::io::Error| Error::io(format_args!("cannot run {program}"), e);
        let mut child =
            command.stdin(self.lock_for_child()?).stderr(Stdio::piped()).spawn().map_err(|e| cannot(&e))?;
        let mut said = Vec::new();
        if let Some(mut pipe) = child.stderr.take() {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = pipe.read(&mut buffer) {
                said.extend_from_slice(&buffer[..count]);
                // Showing it is a courtesy: a closed terminal does not stop the work.
                let _ = std::io::stderr().write_all(&buffer[..count]);
            }
        }
        let status = child.wait().map_err(|e| cannot(&e))?;
        Ok((status.success(), String::from_utf8_lossy(&said).into_owned()))
    }

    /// The lock as a child's standard input, which it has no other use for.
    fn lock_for_child(&self) -> Result<Stdio> {
        self.lock.try_clone().map(Stdio::from).map_err(|e| Error::io("cannot share the lock", &e))
    }

    /// Prepares the folder beside its final place, and renames it.
    fn put_in_place(&self, component: &Component) -> Result<()> {
        let partial = self.target.join("libtorch.partial");
        let old = self.target.join("libtorch.old");
        remove_folder(&partial)?;
        remove_folder(&old)?;
        if let Err(error) = self.prepare(component, &partial) {
            // Half a gigabyte is in the way of someone whose disk is full; the error matters more than
            // whether this works.
            let _ = remove_folder(&partial);
            return Err(error);
        }

        let place = self.target.join(component.folder);
        if place.exists() {
            rename(&place, &old)?;
            // A component inside this one has a stamp of its own.
            let inner = old.join("cuda");
            if inner.exists() {
                rename(&inner, &partial.join("cuda"))?;
            }
        }
        rename(&partial, &place)?;
        remove_folder(&old)?;
        eprintln!("{}: {}", component.name, place.display());
        Ok(())
    }

    /// Unpacks, links and stamps.
    fn prepare(&self, component: &Component, folder: &Path) -> Result<()> {
        make_folder(folder)?;
        for (wheel, rules) in component.parts {
            self.unpack(wheel, folder, rules)?;
        }
        for (place, to) in component.links {
            link(to, &folder.join(place))?;
        }
        // torch-sys compares this with the version that it binds.
        write(&folder.join("build-version"), &format!("{}\n", crate::libtorch::VERSION))?;
        write(&folder.join(STAMP), &(component.recipe() + &list_libraries(folder)?))
    }

    fn unpack(&self, wheel: &Wheel, to: &Path, rules: &[&str]) -> Result<()> {
        let path = self.downloads().join(wheel.file);
        let output = Command::new("python3")
            .args(["-I", "-c", UNPACK])
            .args([path.as_os_str(), wheel.sha256.as_ref(), to.as_os_str()])
            .args(rules)
            .stdin(self.lock_for_child()?)
            .stderr(Stdio::inherit())
            .output()
            .map_err(|e| Error::io("cannot run python3", &e))?;
        let said = String::from_utf8_lossy(&output.stdout).trim().to_string();
        match output.status.code() {
            Some(0) => Ok(()),
            Some(3) => {
                fs::remove_file(&path)
                    .map_err(|e| Error::io(format_args!("cannot remove {}", path.display()), &e))?;
                Err(wrong_hash(wheel, &format!("found {said}; the file is removed")))
            }
            Some(4) => Err(Error::new(format!("cannot unpack {}: {said}", wheel.file))
                .fix("free some disk space, or check the disk, and run setup again")),
            Some(5) => Err(Error::new(format!("{} holds no {said}", wheel.file))),
            _ => Err(Error::new(format!("unpacking {} was stopped ({})", wheel.file, output.status))
                .fix("run setup again; nothing has to be downloaded twice")),
        }
    }
}

/// Whether the folder is there, made from what is pinned now, and has all its libraries.
pub(crate) fn is_complete(target: &Path, component: &Component) -> bool {
    let folder = target.join(component.folder);
    let Ok(stamp) = fs::read_to_string(folder.join(STAMP)) else { return false };
    let Some(libraries) = stamp.strip_prefix(&component.recipe()) else { return false };
    libraries.lines().all(|line| {
        line.split_once(' ').is_some_and(|(bytes, path)| {
            fs::metadata(folder.join(path)).is_ok_and(|file| file.len().to_string() == bytes)
        })
    }) && component.links.iter().all(|(place, _)| folder.join(place).exists())
}

/// The size and path of each unpacked library: what [`is_complete`] compares. Headers are too many to
/// look at each time.
fn list_libraries(folder: &Path) -> Result<String> {
    fn visit(folder: &Path, below: &Path, text: &mut String) -> std::io::Result<()> {
        for entry in fs::read_dir(folder.join(below))? {
            let entry = entry?;
            let path = below.join(entry.file_name());
            let kind = entry.file_type()?;
            if kind.is_dir() && path != Path::new("include") {
                visit(folder, &path, text)?;
            } else if kind.is_file() && path.to_string_lossy().contains(".so") {
                *text += &format!("{} {}\n", entry.metadata()?.len(), path.display());
            }
        }
        Ok(())
    }
    let mut text = String::new();
    visit(folder, Path::new(""), &mut text)
        .map_err(|e| Error::io(format_args!("cannot list {}", folder.display()), &e))?;
    Ok(text)
}

/// Room for a build besides these components, in bytes: with LibTorch itself it is [`SPACE`] in all. Where LibTorch is here already, what is
/// built with it may be here too, and nothing is asked for.
fn build_space(missing: &[&Component]) -> u64 {
    if missing.iter().all(|part| part.folder != CPU.folder) {
        return 0;
    }
    let download: u64 = distinct_wheels(&[&CPU]).iter().map(|wheel| wheel.bytes).sum();
    SPACE.saturating_sub(download + CPU.unpacked)
}

fn distinct_wheels(components: &[&Component]) -> Vec<&'static Wheel> {
    let mut wheels: Vec<&'static Wheel> = Vec::new();
    for (wheel, _) in components.iter().flat_map(|component| component.parts) {
        if wheels.iter().all(|seen| seen.file != wheel.file) {
            wheels.push(wheel);
        }
    }
    wheels
}

fn wrong_hash(wheel: &Wheel, found: &str) -> Error {
    Error::new(format!("{} is not the file that is pinned: its SHA-256 should be {} ({found})", wheel.file, wheel.sha256))
        .fix("run setup again; if that does not help, the index serves another file: name one with --index-url URL")
}

#[cfg(unix)]
fn link(to: &str, place: &Path) -> Result<()> {
    std::os::unix::fs::symlink(to, place)
        .map_err(|e| Error::io(format_args!("cannot link {}", place.display()), &e))
}

#[cfg(not(unix))]
fn link(_to: &str, _place: &Path) -> Result<()> {
    host::platform()
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(|e| Error::io(format_args!("cannot write {}", path.display()), &e))
}

fn make_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|e| Error::io(format_args!("cannot make {}", path.display()), &e))
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to)
        .map_err(|e| Error::io(format_args!("cannot rename {} to {}", from.display(), to.display()), &e))
}

/// Removes a folder that may not be there.
fn remove_folder(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io(format_args!("cannot remove {}", path.display()), &e))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::wheels::CUDA;

    /// What a finished setup leaves, with tiny libraries.
    fn installed() -> tempfile::TempDir {
        let target = tempfile::tempdir().unwrap();
        let folder = target.path().join(CPU.folder);
        fs::create_dir_all(folder.join("lib")).unwrap();
        fs::write(folder.join("lib/libtorch_cpu.so"), "elf").unwrap();
        for (place, to) in CPU.links {
            link(to, &folder.join(place)).unwrap();
        }
        let stamp = CPU.recipe() + &list_libraries(&folder).unwrap();
        fs::write(folder.join(STAMP), stamp).unwrap();
        target
    }

    #[test]
    fn a_stamped_folder_with_all_its_libraries_is_complete() {
        assert!(is_complete(installed().path(), &CPU));
    }

    #[test]
    fn a_missing_or_shortened_library_or_another_recipe_is_not_complete() {
        let target = installed();
        let library = target.path().join("libtorch/lib/libtorch_cpu.so");
        fs::write(&library, "el").unwrap();
        assert!(!is_complete(target.path(), &CPU));
        fs::write(&library, "elf").unwrap();
        assert!(is_complete(target.path(), &CPU));

        let stamp = target.path().join("libtorch").join(STAMP);
        let text = fs::read_to_string(&stamp).unwrap();
        fs::write(&stamp, text.replace("setup 1", "setup 0")).unwrap();
        assert!(!is_complete(target.path(), &CPU));
        fs::remove_file(&stamp).unwrap();
        assert!(!is_complete(target.path(), &CPU));
    }

    #[test]
    fn the_wheel_that_two_components_share_is_fetched_once() {
        let wheels = distinct_wheels(&[&CPU, &CUDA]);
        assert_eq!(wheels.iter().filter(|wheel| wheel.package().0 == "torch").count(), 1);
        assert_eq!(wheels.len(), 15);
    }

    #[test]
    fn libtorch_and_a_build_take_what_the_readme_says() {
        let download: u64 = distinct_wheels(&[&CPU]).iter().map(|wheel| wheel.bytes).sum();
        assert_eq!(download + CPU.unpacked + build_space(&[&CPU]), SPACE);
        assert_eq!(build_space(&[&CUDA]), 0);
        let said = format!("{} GB of disk", SPACE / 1_000_000_000);
        assert!(include_str!("../../../README.md").contains(&said), "{said}");
    }
}
