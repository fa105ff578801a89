//! `cargo xtask bench peers`: visrep's speed beside its Python peers, in one run.
//!
//! This builds visrep's side, sets up a Python environment with the pinned peers, and starts `benches/peers/run.py`, which
//! does the measuring; `benches/README.md` says what and how.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use crate::error::{Error, Result};
use crate::libtorch::LibTorch;
use crate::process::{cargo, run as run_command, with_libtorch};
use crate::setup;

const SCRIPT: &str = "benches/peers/run.py";
const REQUIREMENTS: &str = "benches/peers/requirements.txt";
const TENSORFLOW: &str = "benches/peers/requirements-tensorflow.txt";

/// What the environment takes: PyTorch comes with CUDA's libraries, without which it cannot be imported.
const DOWNLOAD: u64 = 2_800_000_000;
const DISK: u64 = 4_600_000_000;

const EXAMPLES: &str = "\
Examples:
  cargo xtask bench peers --list                 what can be measured
  cargo xtask bench peers --data imagenet/val    everything, on images of yours (an ImageFolder of JPEGs)
  cargo xtask bench peers --only crop ops/hue    two of them
  cargo xtask bench peers --python PY            with the peers that this interpreter has

The machine should have nothing else to do. Results: target/visrep/peers/results.json.";

/// Measures visrep's speed beside its Python peers.
///
/// The first time, the peers are installed into target/visrep/peers/venv: 2.8 GB to download, 4.6 GB of disk. A ratio
/// below its limit is a result, no failure; the exit status is 1 if something could not be measured.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Images to measure on, an ImageFolder of JPEGs; else photographs of the repository and drawn ones
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// What to measure: a bench of --list, or a part of one as `ops/hue` or `crop/large`
    #[arg(long, value_name = "NAME", num_args = 1..)]
    only: Vec<String>,
    /// List what can be measured, and do nothing
    #[arg(long)]
    list: bool,
    /// Turns of each side; the best counts
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: u32,
    /// The least that a turn lasts, in seconds
    #[arg(long, value_name = "S", default_value_t = 0.3)]
    seconds: f64,
    /// At most so many images of --data
    #[arg(long, value_name = "N", default_value_t = 512)]
    images: u32,
    /// Also measure TensorFlow's tf.image and tf.data: 0.3 GB more to download
    #[arg(long)]
    tensorflow: bool,
    /// An interpreter with the peers (benches/peers/requirements.txt), instead of installing them
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
}

impl Args {
    /// The options of `run.py`. The user's paths are relative to `here`.
    fn passed_on(&self, here: &Path) -> Vec<OsString> {
        let mut options: Vec<OsString> = Vec::new();
        if let Some(data) = &self.data {
            options.extend(["--data".into(), here.join(data).into()]);
        }
        options.extend(["--rounds".into(), self.rounds.to_string().into()]);
        options.extend(["--seconds".into(), self.seconds.to_string().into()]);
        options.extend(["--images".into(), self.images.to_string().into()]);
        if self.tensorflow {
            options.push("--tensorflow".into());
        }
        if !self.only.is_empty() {
            options.push("--only".into());
            options.extend(self.only.iter().map(OsString::from));
        }
        options
    }
}

/// Runs the command.
pub(super) fn run(root: &Path, here: &Path, args: &Args) -> Result<ExitCode> {
    if args.list {
        return finish(Command::new("python3").args([SCRIPT, "--list"]));
    }
    if let Some(data) = args.data.as_ref().map(|data| here.join(data)).filter(|data| !data.is_dir()) {
        return Err(Error::new(format!("{} is no folder", data.display())).fix("give --data an ImageFolder"));
    }
    let libtorch = setup::ensure(root)?;
    for what in
        [&["--package", "visrep-peers"][..], &["--package", "visrep-models", "--example", "model_speed"]]
    {
        run_command(with_libtorch(cargo().arg("build").args(what), &libtorch.lib)?)?;
    }
    let python = match &args.python {
        Some(python) if python.components().count() > 1 => here.join(python),
        Some(python) => python.clone(),
        None => environment(root, args.tensorflow)?,
    };
    let mut script = Command::new(python);
    script.arg(SCRIPT).args(args.passed_on(here));
    // Only visrep's side may see this LibTorch, which PyTorch would take for its own.
    if libtorch.lib != LibTorch::target_folder(root).join("lib") {
        script.env("VISREP_LIBTORCH", &libtorch.lib);
    }
    finish(&mut script)
}

/// Runs `run.py`; the exit code is its own.
fn finish(script: &mut Command) -> Result<ExitCode> {
    let status = script.status().map_err(|e| {
        Error::io(format_args!("cannot start {}", script.get_program().to_string_lossy()), &e)
            .fix("install Python 3.11 or later, or give --python PATH")
    })?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// The interpreter of the environment with the peers, which is made where it is missing or other peers are pinned now.
fn environment(root: &Path, tensorflow: bool) -> Result<PathBuf> {
    let folder = root.join("target/visrep/peers/venv");
    let python = folder.join("bin/python");
    let files: &[&str] = if tensorflow { &[REQUIREMENTS, TENSORFLOW] } else { &[REQUIREMENTS] };
    for file in files {
        let pins = fs::read_to_string(root.join(file))
            .map_err(|e| Error::io(format_args!("cannot read {file}"), &e))?;
        let stamp = folder.join(Path::new(file).file_name().unwrap_or_default());
        if fs::read_to_string(&stamp).is_ok_and(|installed| installed == pins) {
            continue;
        }
        if !python.exists() {
            setup::python()?;
            let parent = root.join("target");
            fs::create_dir_all(&parent).map_err(|e| Error::io("cannot make target", &e))?;
            setup::require_space(&parent, DOWNLOAD + DISK)?;
            let (download, disk) = (setup::gigabytes(DOWNLOAD), setup::gigabytes(DISK));
            eprintln!("The peers: about {download} to download, {disk} in {}", folder.display());
            run_command(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        }
        run_command(
            Command::new(&python)
                .args(["-m", "pip", "install", "--no-deps", "--requirement"])
                .arg(root.join(file)),
        )?;
        fs::write(&stamp, pins)
            .map_err(|e| Error::io(format_args!("cannot write {}", stamp.display()), &e))?;
    }
    Ok(python)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Args as _, FromArgMatches};

    fn parse(line: &[&str]) -> Args {
        let command = Args::augment_args(clap::Command::new("peers").no_binary_name(true));
        Args::from_arg_matches(&command.try_get_matches_from(line).unwrap()).unwrap()
    }

    #[test]
    fn options_reach_the_script_with_paths_that_hold_from_the_root() {
        let args = parse(&["--data", "images", "--rounds", "2", "--only", "crop", "ops/hue"]);
        let options = args.passed_on(Path::new("/home/me"));
        assert_eq!(options[..4], ["--data", "/home/me/images", "--rounds", "2"].map(OsString::from));
        assert_eq!(options[options.len() - 3..], ["--only", "crop", "ops/hue"].map(OsString::from));
        assert!(!options.contains(&"--tensorflow".into()));
    }

    #[test]
    fn the_pins_are_exact() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for file in [REQUIREMENTS, TENSORFLOW] {
            let text = fs::read_to_string(root.join(file)).unwrap();
            let pins: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
            assert!(!pins.is_empty() && pins.iter().all(|pin| pin.split("==").count() == 2), "{file}");
        }
    }
}
