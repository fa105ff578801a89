//! `cargo xtask fuzz`: every decoder and container against inputs that nobody wrote.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use crate::error::{Error, Result};
use crate::process::{ask, run as run_command};

/// What an input may take: seconds, and megabytes in all and in one piece.
const SECONDS: u32 = 20;
const MEMORY: u32 = 3072;
const ALLOCATION: u32 = 1100;
/// Larger files are no seeds: small inputs find things sooner.
const MAX_SEED: u64 = 64 << 10;

const AWKWARD: &str = "fixtures/awkward";
const DATA: &str = "fixtures/golden/data";
const VTAB: &str = "fixtures/golden/vtab";

/// The targets of `fuzz/Cargo.toml`: name, folder of the seeds, and how their names end.
const TARGETS: &[(&str, &str, &[&str])] = &[
    ("jpeg", AWKWARD, &[".jpg"]),
    ("png", AWKWARD, &[".png"]),
    ("webp", AWKWARD, &[".webp"]),
    ("gif", AWKWARD, &[".gif"]),
    ("tiff", AWKWARD, &[".tif"]),
    ("bmp", AWKWARD, &[".bmp"]),
    ("parquet", DATA, &[".parquet"]),
    ("arrow", DATA, &[".arrow"]),
    ("tar", DATA, &[".tar", ".tar.gz"]),
    ("tar_stream", DATA, &[".tar", ".tar.gz"]),
    ("idx", DATA, &["-ubyte", "-ubyte.gz"]),
    ("npy", DATA, &[".npy", ".npz"]),
    ("cifar", DATA, &[".bin"]),
    ("list", DATA, &[".csv", "paths.txt", "plain.txt"]),
    ("mat", VTAB, &[".mat"]),
    ("norb", VTAB, &[".dat", ".info"]),
    ("tfrecord", VTAB, &[".tfrecord"]),
    ("clevr", VTAB, &["scenes.json"]),
    ("kitti", VTAB, &[".label", ".mapping"]),
];

/// Where inputs that once broke something are kept, in a folder for each target; a test reads each of them.
const FINDS: &[&str] = &["crates/decode/tests/finds", "crates/data/tests/finds"];

/// Runs libFuzzer on every decoder and container, one target after the other
///
/// Seeds are collected from the fixtures into `fuzz/corpus`, where what libFuzzer adds stays for the next run. An input
/// that breaks something is kept in `fuzz/artifacts`. Needs a nightly compiler and cargo-fuzz.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only these targets, such as jpeg or tar_stream
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// Minutes for each target
    #[arg(long, value_name = "N", default_value_t = 10.0)]
    minutes: f64,
    /// Collect the seeds and run nothing, for `cargo +nightly fuzz run TARGET` by hand
    #[arg(long)]
    corpus_only: bool,
}

/// What became of a target.
struct Outcome {
    name: &'static str,
    passed: bool,
    statistics: Statistics,
    log: PathBuf,
}

/// What libFuzzer says at its end.
#[derive(Debug, Default, PartialEq, Eq)]
struct Statistics {
    runs: Option<u64>,
    slowest_seconds: Option<u64>,
    peak_megabytes: Option<u64>,
    artifact: Option<String>,
}

/// Runs the command; it fails when a target does.
pub(crate) fn run(root: &Path, args: &Args) -> Result<ExitCode> {
    let chosen = choose(&args.targets)?;
    let seconds = (args.minutes * 60.0).round();
    if !(1.0..1e6).contains(&seconds) {
        return Err(Error::new(format!("--minutes {}: expected a number above 0", args.minutes)));
    }
    for (name, folder, endings) in &chosen {
        let count = collect_seeds(root, name, folder, endings)?;
        eprintln!("fuzz: {name}: {count} seeds");
    }
    if args.corpus_only {
        return Ok(ExitCode::SUCCESS);
    }
    check_tools()?;
    // One by one where some are asked for, so that others need not build.
    for (name, ..) in &chosen {
        run_command(cargo_fuzz("build").arg(name))?;
    }
    let scratch = root.join("fuzz/target/scratch");
    let outcomes: Vec<_> =
        chosen.iter().map(|(name, ..)| fuzz(root, &scratch, name, seconds as u64)).collect::<Result<_>>()?;
    // Left by processes that libFuzzer ended; one that cannot be removed does no harm.
    let _ = fs::remove_dir_all(&scratch);
    eprint!("{}", report(&outcomes, seconds));
    let passed = outcomes.iter().all(|outcome| outcome.passed);
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn choose(names: &[String]) -> Result<Vec<(&'static str, &'static str, &'static [&'static str])>> {
    if names.is_empty() {
        return Ok(TARGETS.to_vec());
    }
    let known = || TARGETS.iter().map(|(name, ..)| *name).collect::<Vec<_>>().join(", ");
    let find = |name: &String| {
        TARGETS.iter().find(|(known, ..)| known == name).copied().ok_or_else(|| {
            Error::new(format!("there is no fuzz target `{name}`")).fix(format!("name one of {}", known()))
        })
    };
    names.iter().map(find).collect()
}

/// Copies a target's seeds into its corpus, and gives their number.
fn collect_seeds(root: &Path, name: &str, folder: &str, endings: &[&str]) -> Result<usize> {
    let corpus = root.join("fuzz/corpus").join(name);
    let io = |what: &Path, error: std::io::Error| {
        Error::io(format_args!("cannot copy {}", what.display()), &error)
    };
    fs::create_dir_all(&corpus).map_err(|error| io(&corpus, error))?;
    let mut files = Vec::new();
    list(&root.join(folder), &mut files).map_err(|error| io(Path::new(folder), error))?;
    files.retain(|file| endings.iter().any(|ending| file.to_string_lossy().ends_with(ending)));
    for finds in FINDS.iter().map(|finds| root.join(finds).join(name)).filter(|finds| finds.is_dir()) {
        list(&finds, &mut files).map_err(|error| io(&finds, error))?;
    }
    let mut count = 0;
    for file in files {
        let size = fs::metadata(&file).map_err(|error| io(&file, error))?.len();
        let path = file.strip_prefix(root).unwrap_or(&file).to_string_lossy().replace(['/', '\\'], "-");
        if (1..=MAX_SEED).contains(&size) {
            fs::copy(&file, corpus.join(path)).map_err(|error| io(&file, error))?;
            count += 1;
        }
    }
    Ok(count)
}

/// The files below `folder`.
fn list(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { list(&path, files)? } else { files.push(path) }
    }
    Ok(())
}

fn check_tools() -> Result<()> {
    let missing = |what| {
        Err(Error::new(format!("{what} is not installed"))
            .fix("run `rustup toolchain install nightly && cargo install cargo-fuzz`"))
    };
    if ask("rustup", &["run", "nightly", "rustc", "--version"]).is_none() {
        return missing("a nightly compiler, which libFuzzer's instrumentation needs,");
    }
    if ask("rustup", &["run", "nightly", "cargo", "fuzz", "--version"]).is_none() {
        return missing("cargo-fuzz");
    }
    Ok(())
}

/// cargo-fuzz under the nightly compiler. The cargo that started us has set variables that name its own compiler.
fn cargo_fuzz(command: &str) -> Command {
    let mut rustup = Command::new("rustup");
    rustup.args(["run", "nightly", "cargo", "fuzz", command]);
    for variable in ["CARGO", "RUSTC", "RUSTDOC", "RUSTUP_TOOLCHAIN"] {
        rustup.env_remove(variable);
    }
    rustup
}

/// Runs one target for so many seconds.
fn fuzz(root: &Path, scratch: &Path, name: &'static str, seconds: u64) -> Result<Outcome> {
    let log = root.join("fuzz/target").join(format!("{name}.log"));
    let io = |error: std::io::Error| Error::io(format_args!("cannot write {}", log.display()), &error);
    fs::create_dir_all(scratch).map_err(io)?;
    let output = File::create(&log).map_err(io)?;
    eprintln!("fuzz: {name} for {seconds} s, log in {}", log.strip_prefix(root).unwrap_or(&log).display());
    let mut command = cargo_fuzz("run");
    command.args([name, "--", "-print_final_stats=1"]);
    command.args([
        format!("-max_total_time={seconds}"),
        format!("-timeout={SECONDS}"),
        format!("-rss_limit_mb={MEMORY}"),
        format!("-malloc_limit_mb={ALLOCATION}"),
    ]);
    let streams = output.try_clone().map_err(io)?;
    let status = command
        .env("TMPDIR", scratch)
        .stdin(Stdio::null())
        .stdout(streams)
        .stderr(output)
        .status()
        .map_err(|error| Error::io("cannot start cargo-fuzz", &error))?;
    let text = fs::read(&log).map_err(io)?;
    let statistics = Statistics::read(&String::from_utf8_lossy(&text));
    Ok(Outcome { name, passed: status.success(), statistics, log })
}

impl Statistics {
    fn read(log: &str) -> Self {
        let number = |name: &str| {
            let line = log.lines().rev().find_map(|line| line.trim().strip_prefix(name));
            line.and_then(|line| line.trim_start_matches(':').trim().parse().ok())
        };
        let artifact = log.lines().find_map(|line| line.split_once("Test unit written to "));
        Self {
            runs: number("stat::number_of_executed_units"),
            slowest_seconds: number("stat::slowest_unit_time_sec"),
            peak_megabytes: number("stat::peak_rss_mb"),
            artifact: artifact.map(|(_, path)| path.trim().to_owned()),
        }
    }
}

fn report(outcomes: &[Outcome], seconds: f64) -> String {
    let shown = |number: Option<u64>| number.map_or_else(|| "?".to_owned(), |number| number.to_string());
    let mut text = format!(
        "{:<12} {:>12} {:>10} {:>8}  after {:.1} min each\n",
        "target",
        "runs",
        "slowest s",
        "MB",
        seconds / 60.0
    );
    for Outcome { name, passed, statistics, log } in outcomes {
        let Statistics { runs, slowest_seconds, peak_megabytes, artifact } = statistics;
        let end = match (passed, artifact) {
            (true, _) => "no crash".to_owned(),
            (false, Some(artifact)) => format!("FAILED on {artifact}"),
            (false, None) => format!("FAILED, see {}", log.display()),
        };
        let (runs, slowest, peak) = (shown(*runs), shown(*slowest_seconds), shown(*peak_megabytes));
        text += &format!("{name:<12} {runs:>12} {slowest:>10} {peak:>8}  {end}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_targets_are_those_of_the_package() {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/Cargo.toml");
        let manifest = fs::read_to_string(manifest).unwrap();
        let (_, bins) = manifest.split_once("[[bin]]").unwrap();
        let names: Vec<_> = bins.lines().filter_map(|line| line.strip_prefix("name = ")).collect();
        assert_eq!(names, TARGETS.iter().map(|(name, ..)| format!("\"{name}\"")).collect::<Vec<_>>());
    }

    #[test]
    fn every_target_has_seeds() {
        for (name, folder, endings) in TARGETS {
            let mut files = Vec::new();
            list(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder), &mut files).unwrap();
            for ending in *endings {
                let found = files.iter().any(|file| file.to_string_lossy().ends_with(ending));
                assert!(found, "{name}: no seed ends in {ending}");
            }
        }
    }

    #[test]
    fn unknown_targets_are_answered_with_the_known_ones() {
        assert_eq!(choose(&["jpeg".into()]).unwrap().len(), 1);
        assert_eq!(choose(&[]).unwrap().len(), TARGETS.len());
        let error = choose(&["jpg".into()]).unwrap_err().to_string();
        assert!(error.contains("`jpg`") && error.contains("tar_stream"), "{error}");
    }

    #[test]
    fn the_statistics_are_those_at_the_end() {
        let log = "#2 INITED cov: 7\nartifact_prefix='x'; Test unit written to fuzz/artifacts/a/crash-1\n\
             stat::number_of_executed_units: 1234\nstat::slowest_unit_time_sec:    3\nstat::peak_rss_mb:              99\n";
        let expected = Statistics {
            runs: Some(1234),
            slowest_seconds: Some(3),
            peak_megabytes: Some(99),
            artifact: Some("fuzz/artifacts/a/crash-1".into()),
        };
        assert_eq!(Statistics::read(log), expected);
        assert_eq!(Statistics::read("error: could not compile"), Statistics::default());
    }
}
