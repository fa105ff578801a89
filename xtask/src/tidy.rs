//! House rules that no compiler checks; a part of `cargo xtask lint`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

const MAX_LINES: usize = 500;

/// Files that may be longer than [`MAX_LINES`], each with the reason.
const LONG_FILES: &[(&str, &str)] = &[];

/// Crates that may use `unsafe`: they bind foreign code.
const UNSAFE_CRATES: &[&str] = &["torch"];

/// Text that must not appear. Written in pieces, so that this file passes.
const FORBIDDEN: &[(&str, &str)] = &[
    (concat!("to", "do!("), "finish it, or leave it out"),
    (concat!("unimple", "mented!("), "finish it, or leave it out"),
    (concat!("pypi", ".org"), "name no registry host: mirrors are the user's choice"),
    (concat!("python", "hosted.org"), "name no registry host: mirrors are the user's choice"),
    (concat!("static.", "crates.io"), "name no registry host: mirrors are the user's choice"),
    (concat!("index.", "crates.io"), "name no registry host: mirrors are the user's choice"),
    (concat!("download.", "pytorch.org"), "name no registry host: mirrors are the user's choice"),
];

/// Folders of what is built, which git ignores.
const BUILT: &[&str] = &["target", "fuzz/target", "fuzz/corpus", "fuzz/artifacts", "fuzz/coverage"];

/// Endings of the files whose text is looked at.
const TEXT: &[&str] = &["rs", "toml", "md", "py", "sh", "yml", "yaml"];

/// Checks every text file of the project and lists all that is wrong.
pub(crate) fn check(root: &Path) -> Result<()> {
    let mut files = Vec::new();
    collect(root, Path::new(""), &mut files)
        .map_err(|e| Error::io(format_args!("cannot list {}", root.display()), &e))?;
    files.sort();
    let mut faults = Vec::new();
    for path in &files {
        let text = fs::read_to_string(root.join(path))
            .map_err(|e| Error::io(format_args!("cannot read {}", path.display()), &e))?;
        faults.extend(faults_in(path, &text).into_iter().map(|fault| format!("{}{fault}", path.display())));
    }
    eprintln!("tidy: {} files", files.len());
    if faults.is_empty() {
        return Ok(());
    }
    let count = faults.len();
    Err(Error::new(format!("tidy found {count} faults:\n  {}", faults.join("\n  "))))
}

/// All text files below `folder`, without hidden folders that are not the project's own and build output.
fn collect(root: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = folder.join(&name);
        let kind = entry.file_type()?;
        if kind.is_dir() {
            let ours = !name.starts_with('.') || [".ci", ".cargo", ".github"].contains(&name.as_str());
            if ours && !BUILT.iter().any(|built| path == Path::new(built)) {
                collect(root, &path, files)?;
            }
        } else if kind.is_file() && is_text(&path) {
            files.push(path);
        }
    }
    Ok(())
}

fn is_text(path: &Path) -> bool {
    path == Path::new(".ci/run")
        || path.extension().is_some_and(|ending| TEXT.contains(&ending.to_string_lossy().as_ref()))
}

/// What is wrong with one file; each entry is what follows its path, as in `:3: trailing space`.
fn faults_in(path: &Path, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let at = index + 1;
        if line.ends_with([' ', '\t']) {
            faults.push(format!(":{at}: trailing space"));
        }
        for (words, advice) in FORBIDDEN {
            // A hidden line of a documentation example that is not run may leave something out.
            let example = words.ends_with("!(") && line.trim_start().starts_with("//");
            if line.contains(words) && !example {
                faults.push(format!(":{at}: `{words}`: {advice}"));
            }
        }
    }
    if !text.is_empty() && !text.ends_with('\n') {
        faults.push(": no newline at its end".to_string());
    }
    let count = text.lines().count();
    let code = path.extension().is_some_and(|ending| ending == "rs" || ending == "py");
    let listed = LONG_FILES.iter().any(|(file, _)| path == Path::new(file));
    if code && count > MAX_LINES && !listed {
        faults.push(format!(": {count} lines; divide it by subject (at most {MAX_LINES})"));
    }
    if path.extension().is_some_and(|ending| ending == "rs") {
        faults.extend(rust_faults(path, text));
    } else if path.starts_with("crates") && path.ends_with("Cargo.toml") && !inherits_lints(text) {
        faults.push(": does not inherit the workspace's lints".to_string());
    }
    faults
}

fn rust_faults(path: &Path, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    // A README may stand for the comment.
    if !text.starts_with("//!") && !text.starts_with("#![doc = include_str!(") {
        faults.push(":1: does not begin with `//!` and what the file is for".to_string());
    }
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    let may_be_unsafe = match parts.as_slice() {
        [crates, name, src, file]
            if crates == "crates" && src == "src" && (file == "lib.rs" || file == "main.rs") =>
        {
            UNSAFE_CRATES.contains(&name.as_ref())
        }
        _ => true,
    };
    if !may_be_unsafe && !text.contains("#![forbid(unsafe_code)]") {
        faults.push(": lacks `#![forbid(unsafe_code)]`".to_string());
    }
    faults
}

fn inherits_lints(manifest: &str) -> bool {
    manifest.contains("[lints]\nworkspace = true")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(path: &str, text: &str) -> Vec<String> {
        faults_in(Path::new(path), text)
    }

    #[test]
    fn a_good_file_passes() {
        assert!(faults("crates/x/src/a.rs", "//! Good.\n\nfn f() {}\n").is_empty());
        assert!(faults("crates/x/src/lib.rs", "//! Good.\n#![forbid(unsafe_code)]\n").is_empty());
        assert!(faults("crates/torch/src/lib.rs", "//! Binds.\n").is_empty());
        assert!(faults("crates/x/Cargo.toml", "[lints]\nworkspace = true\n").is_empty());
    }

    #[test]
    fn each_fault_is_found_with_its_line() {
        assert_eq!(faults("crates/x/src/a.rs", "fn f() {}\n").len(), 1);
        assert_eq!(faults("crates/x/src/lib.rs", "//! Careless.\n").len(), 1);
        assert_eq!(faults("a.md", "one\ntwo \n"), [":2: trailing space"]);
        assert_eq!(faults("a.md", "one"), [": no newline at its end"]);
        assert_eq!(faults("crates/x/Cargo.toml", "[package]\n").len(), 1);
        let unfinished = format!("//! A.\nfn f() {{ {})\n", FORBIDDEN[0].0);
        assert!(faults("crates/x/src/a.rs", &unfinished)[0].starts_with(":2: "));
        let long = format!("//! A.\n{}", "\n".repeat(MAX_LINES));
        assert_eq!(faults("crates/x/src/a.rs", &long).len(), 1);
        assert!(faults("fixtures/README.md", &"line\n".repeat(2 * MAX_LINES)).is_empty());
    }
}
