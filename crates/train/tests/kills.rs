//! Runs that are killed at any moment, in the middle of a step or of a checkpoint: each goes on exactly.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

mod common;

use common::{images, options, recipe};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use visrep_train::{Outcome, Recipe, train_with};

const FOLDER: &str = "VISREP_TEST_KILLED";
const STEPS: u64 = 90;

fn killed() -> Recipe {
    let mut recipe = recipe("simclr-digits", STEPS);
    recipe.set("checkpoint.every=1 steps").unwrap();
    recipe.set("checkpoint.best=loss").unwrap();
    recipe.set("optimizer={ name = 'adamw' }").unwrap();
    recipe.set("schedule.lr=0.01").unwrap();
    recipe
}

fn run(out: &Path) {
    let outcome = train_with(&killed(), Arc::new(images(17)), out, &options(), |report| {
        println!("step {}", report.step);
    });
    assert_eq!(outcome.unwrap(), Outcome::Finished);
}

/// Numbers that no run of the test repeats, below `most`.
fn random(most: u64) -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(()) % most
}

/// The newest checkpoint, the best one and the metrics but for the speed.
fn results(out: &Path) -> (Vec<u8>, Vec<u8>, Vec<serde_json::Value>) {
    let read = |name: &str| std::fs::read(out.join(name)).unwrap();
    let text = String::from_utf8(read("metrics.jsonl")).unwrap();
    let mut lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    lines.iter_mut().for_each(|line| drop(line.as_object_mut().unwrap().remove("images_per_second")));
    (read(&format!("checkpoints/step-{STEPS:09}.safetensors")), read("checkpoints/best.safetensors"), lines)
}

/// This test `name` run again in a process of its own, which trains in `out`.
fn child(name: &str, out: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture", "--include-ignored"]).env(FOLDER, out);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn kill(name: &str, times: usize) {
    if let Some(out) = std::env::var_os(FOLDER) {
        run(Path::new(&out));
        return;
    }
    let (whole, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    run(whole.path());
    let mut kills = 0;
    while kills < times {
        let mut process = child(name, out.path()).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        // One step in, or two: from there to the next step is a checkpoint, and the best one.
        let steps = lines.map_while(Result::ok).filter(|line| line.contains("step "));
        if steps.take(1 + random(2) as usize).count() == 0 {
            let output = process.wait_with_output().unwrap();
            panic!("{}", String::from_utf8_lossy(&output.stderr));
        }
        std::thread::sleep(Duration::from_micros(random(20_000)));
        process.kill().unwrap();
        let output = process.wait_with_output().unwrap();
        kills += usize::from(!output.status.success());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains("damaged"), "a checkpoint was unreadable: {said}");
        for file in std::fs::read_dir(out.path().join("checkpoints")).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "safetensors") {
                safetensors::SafeTensors::deserialize(&std::fs::read(&path).unwrap()).unwrap();
            }
        }
        if output.status.success() {
            break;
        }
    }
    let output = child(name, out.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    println!("killed {kills} times");
    assert!(kills >= times.min(5));
    assert!(results(whole.path()) == results(out.path()), "the results differ");
}

#[test]
fn a_run_that_is_killed_goes_on_exactly() {
    kill("a_run_that_is_killed_goes_on_exactly", 5);
}

/// `cargo xtask test --slow`
#[test]
#[ignore = "30 processes take half a minute"]
fn a_run_that_is_killed_thirty_times_goes_on_exactly() {
    kill("a_run_that_is_killed_thirty_times_goes_on_exactly", 30);
}
