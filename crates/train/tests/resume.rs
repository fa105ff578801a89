//! Stopping and going on: *n steps, resume, n steps* equals *2n steps* to the bit, and damaged, foreign or
//! unwritable checkpoints do no harm.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

mod common;

use common::{images, options, recipe};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use visrep_data::Dataset as _;
use visrep_train::{Error, Outcome, Recipe, RunOptions, train, train_with};

/// LibTorch's generator is one for the whole process, so runs here take turns.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

const STEPS: u64 = 10;

const PROGRESSIVE: &str = "views.progressive={from=4,end='8 steps',multiple=2}";

/// Trains until the end, or until `stop_after` steps.
fn run(recipe: &Recipe, out: &Path, stop_after: Option<u64>) -> Result<Outcome, Error> {
    let options = options();
    train_with(recipe, Arc::new(images(17)), out, &options, |report| {
        if stop_after == Some(report.step) {
            options.stop.store(true, Ordering::Relaxed);
        }
    })
}

fn checkpoints(out: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(out.join("checkpoints")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// The tensors of `model.safetensors`, by name.
fn exported(out: &Path) -> BTreeMap<String, Vec<u8>> {
    let bytes = std::fs::read(out.join("model.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    tensors.iter().map(|(name, view)| (name.to_owned(), view.data().to_vec())).collect()
}

/// Everything in `metrics.jsonl` but the speed, which no run repeats.
fn metrics(out: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(out.join("metrics.jsonl")).unwrap();
    let line = |line: &str| {
        let mut value: serde_json::Value = serde_json::from_str(line).unwrap();
        value.as_object_mut().unwrap().remove("images_per_second").unwrap();
        value
    };
    text.lines().map(line).collect()
}

#[test]
fn stopped_runs_end_as_if_they_had_never_stopped() {
    let _turn = turn();
    for name in Recipe::names().into_iter().filter(|name| name.ends_with("-digits")) {
        let mut recipe = recipe(name, STEPS);
        recipe.set("online.lr=0.5").unwrap();
        // Batches of four bear no more.
        recipe.set("schedule.lr=0.001").unwrap();
        if name == "simclr-digits" {
            // Views of 4, 6 and 8 pixels in the three epochs.
            recipe.set(PROGRESSIVE).unwrap();
        }
        let whole = tempfile::tempdir().unwrap();
        let outcome = run(&recipe, whole.path(), None).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(outcome, Outcome::Finished, "{name}");
        let last = std::fs::read(checkpoints(whole.path()).last().unwrap()).unwrap();
        // 17 images make 4 batches of 4: step 4 ends an epoch, 5 is one into the next, 7 is in its middle.
        // Where a run stops is the trainer's business, what it must keep the method's.
        let stops: &[&[u64]] = if name == "simclr-digits" { &[&[5], &[4], &[2, 7, 8]] } else { &[&[5]] };
        for &stops in stops {
            let parts = tempfile::tempdir().unwrap();
            for &stop in stops {
                assert_eq!(run(&recipe, parts.path(), Some(stop)).unwrap(), Outcome::Interrupted);
                assert!(!parts.path().join("model.safetensors").exists());
            }
            assert_eq!(run(&recipe, parts.path(), None).unwrap(), Outcome::Finished);
            let resumed = std::fs::read(checkpoints(parts.path()).last().unwrap()).unwrap();
            assert!(resumed == last, "{name}: stopped at {stops:?}: the last checkpoints differ");
            assert!(exported(parts.path()) == exported(whole.path()), "{name}: the exported models differ");
            assert_eq!(metrics(parts.path()), metrics(whole.path()), "{name}");
        }
        let steps: Vec<u64> =
            metrics(whole.path()).iter().map(|line| line["step"].as_u64().unwrap()).collect();
        assert_eq!(steps, (1..=STEPS).collect::<Vec<_>>());
        assert_eq!(
            run(&recipe, whole.path(), None).unwrap(),
            Outcome::Finished,
            "a finished run stays finished"
        );
        assert_eq!(Recipe::read(whole.path().join("recipe.toml")).unwrap(), recipe);
    }
}

#[test]
fn small_views_at_first_are_other_views() {
    let _turn = turn();
    let trained = |assignment: Option<&str>| {
        let mut recipe = recipe("simclr-digits", STEPS);
        assignment.into_iter().for_each(|assignment| recipe.set(assignment).unwrap());
        let out = tempfile::tempdir().unwrap();
        run(&recipe, out.path(), None).unwrap();
        exported(out.path())
    };
    let plain = trained(None);
    assert!(plain == trained(Some("views.progressive={from=8,end='8 steps',multiple=2}")));
    assert!(plain != trained(Some(PROGRESSIVE)));
}

#[test]
fn another_seed_or_number_of_workers() {
    let _turn = turn();
    let recipe = recipe("simclr-digits", 3);
    let model = |options: &RunOptions| {
        let out = tempfile::tempdir().unwrap();
        train(&recipe, Arc::new(images(17)), out.path(), options).unwrap();
        exported(out.path())
    };
    let first = model(&options());
    assert!(first == model(&RunOptions { workers: 1, ..options() }), "workers must not change the result");
    assert!(first != model(&RunOptions { seed: 6, ..options() }), "the seed must");
}

#[test]
fn the_last_checkpoints_are_kept_and_a_damaged_one_is_passed_over() {
    let _turn = turn();
    let mut recipe = recipe("supervised-digits", STEPS);
    recipe.set("checkpoint.every=2 steps").unwrap();
    let out = tempfile::tempdir().unwrap();
    run(&recipe, out.path(), None).unwrap();
    let files = checkpoints(out.path());
    let names: Vec<_> = files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["step-000000008.safetensors", "step-000000010.safetensors"]);
    let whole = std::fs::read(&files[1]).unwrap();

    let mut flipped = whole.clone();
    let middle = flipped.len() - 100;
    flipped[middle] ^= 1;
    // The header is covered too: its position, or the recipe in it.
    let edited = |from: &[u8], to: &[u8]| {
        let at = whole.windows(from.len()).position(|window| window == from).unwrap();
        let mut bytes = whole.clone();
        bytes[at..at + to.len()].copy_from_slice(to);
        bytes
    };
    let moved = edited(br#"\"step\":10"#, br#"\"step\":11"#);
    let rate = edited(b"momentum = 0.9", b"momentum = 0.8");
    for damaged in [flipped, moved, rate, whole[..whole.len() / 2].to_vec(), b"{}".to_vec(), Vec::new()] {
        std::fs::write(&files[1], &damaged).unwrap();
        assert_eq!(run(&recipe, out.path(), None).unwrap(), Outcome::Finished);
        assert!(std::fs::read(&files[1]).unwrap() == whole, "steps 9 and 10 were taken again from step 8");
    }

    let half = |file: &Path| {
        let bytes = std::fs::read(file).unwrap();
        std::fs::write(file, &bytes[..bytes.len() / 2]).unwrap();
    };
    files.iter().for_each(|file| half(file));
    let error = run(&recipe, out.path(), None).unwrap_err();
    assert!(matches!(&error, Error::CheckpointDamaged { path, .. } if *path == files[1]), "{error}");
}

#[test]
fn checkpoints_of_another_run_are_refused_and_kept() {
    let _turn = turn();
    let recipe = recipe("supervised-digits", STEPS);
    let out = tempfile::tempdir().unwrap();
    run(&recipe, out.path(), Some(3)).unwrap();
    let before = std::fs::read(&checkpoints(out.path())[0]).unwrap();

    let refused = |recipe: &Recipe, count: u32, options: &RunOptions, wanted: &str| {
        let error = train(recipe, Arc::new(images(count)), out.path(), options).unwrap_err();
        assert!(matches!(error, Error::CheckpointMismatch { .. }), "{error}");
        assert!(error.to_string().contains(wanted), "{error}");
    };
    let mut other = recipe.clone();
    other.set("schedule.lr=0.123").unwrap();
    refused(&other, 17, &options(), "schedule.lr");
    refused(&common::recipe("simclr-digits", STEPS), 17, &options(), "method.name");
    refused(&recipe, 18, &options(), "samples of the dataset: 17");
    refused(&recipe, 17, &RunOptions { seed: 9, ..options() }, "seed: 5");
    assert!(std::fs::read(&checkpoints(out.path())[0]).unwrap() == before);

    // When and how often to save is free to change.
    let mut same = recipe.clone();
    same.set("checkpoint.every=1 steps").unwrap();
    same.set("log.every_steps=5").unwrap();
    assert_eq!(run(&same, out.path(), None).unwrap(), Outcome::Finished);

    // A format of the future.
    let file = checkpoints(out.path()).pop().unwrap();
    let text = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned();
    assert!(text.contains(r#"{\"version\":3,"#));
    let mut bytes = std::fs::read(&file).unwrap();
    let at = bytes.windows(13).position(|window| window == br#"\"version\":3"#).unwrap();
    bytes[at + 12] = b'7';
    std::fs::write(&file, bytes).unwrap();
    let error = run(&same, out.path(), None).unwrap_err().to_string();
    assert!(error.contains("format 7"), "{error}");

    for file in checkpoints(out.path()) {
        std::fs::remove_file(file).unwrap();
    }
    assert!(matches!(run(&recipe, out.path(), None), Err(Error::OutputTaken { .. })));
}

#[test]
fn values_that_are_not_finite_stop_at_the_step_and_the_keys_at_fault() {
    let _turn = turn();
    let stopped = |lr: &str, steps| {
        let mut recipe = recipe("supervised-digits", steps);
        recipe.set(&format!("schedule.lr={lr}")).unwrap();
        recipe.set("checkpoint.every=1 steps").unwrap();
        let out = tempfile::tempdir().unwrap();
        let error = run(&recipe, out.path(), None).unwrap_err();
        assert!(!out.path().join("model.safetensors").exists());
        (error, checkpoints(out.path()).len())
    };
    // The gradient times this rate is beyond f32: the first step spoils the weights, be it the last as well.
    let mut keys = Vec::new();
    for steps in [STEPS, 1] {
        let (error, saved) = stopped("1e300", steps);
        assert!(error.to_string().contains("the weights are NaN or infinite"), "{error}");
        let Error::NonFinite { step: 0, epoch: 0, loss, keys: found } = error else { panic!("{error}") };
        assert!(loss.is_finite() && found.len() == 4 && found.iter().all(|key| key.starts_with("image-")));
        assert_eq!(saved, 0, "spoiled weights are not saved");
        keys.push(found);
    }
    assert_eq!(keys[0], keys[1]);
    // This one leaves them finite, and the next loss is not.
    let (error, saved) = stopped("1e30", STEPS);
    assert!(error.to_string().contains("the loss is"), "{error}");
    let Error::NonFinite { step, loss, keys, .. } = error else { panic!("{error}") };
    assert!(!loss.is_finite() && step >= 1 && keys.len() == 4);
    assert_eq!(saved as u64, step.min(2));
}

#[test]
fn a_sample_that_the_method_refuses_is_named() {
    let _turn = turn();
    let classes: Vec<String> = ["a", "b"].map(str::to_owned).to_vec();
    for (label, wanted) in [(Some(9), "labels must be within 0..2, found 9"), (None, "has no label")] {
        let mut samples: Vec<_> = (0..4).map(|i| images(4).get(i).unwrap()).collect();
        samples.iter_mut().enumerate().for_each(|(i, sample)| sample.label = Some(i as u32 % 2));
        samples[2].label = label;
        let data = visrep_data::InMemory::new(samples, classes.clone());
        let out = tempfile::tempdir().unwrap();
        let error =
            train(&recipe("supervised-digits", 1), Arc::new(data), out.path(), &options()).unwrap_err();
        assert!(matches!(&error, Error::Sample { key, .. } if key == "image-2"), "{error}");
        assert!(error.to_string().contains(wanted), "{error}");
    }
}

#[test]
fn zero_means_never_to_save_between_and_never_to_train() {
    let _turn = turn();
    let mut recipe = recipe("supervised-digits", 3);
    for assignment in ["checkpoint.every=0 steps", "checkpoint.minutes=0", "checkpoint.keep=9"] {
        recipe.set(assignment).unwrap();
    }
    let out = tempfile::tempdir().unwrap();
    run(&recipe, out.path(), None).unwrap();
    assert_eq!(checkpoints(out.path()).len(), 1, "the end always saves");

    for length in ["0 steps", "0.1 epochs", "1 examples"] {
        recipe.set(&format!("schedule.length={length}")).unwrap();
        let out = tempfile::tempdir().unwrap();
        let error = run(&recipe, out.path(), None).unwrap_err();
        assert!(matches!(&error, Error::Value { key, .. } if key == "schedule.length"), "{error}");
        assert!(!out.path().join("model.safetensors").exists());
    }
}

#[test]
#[cfg(unix)]
fn what_a_run_leaves_has_the_permissions_of_any_new_file() {
    use std::os::unix::fs::PermissionsExt;
    let _turn = turn();
    let out = tempfile::tempdir().unwrap();
    run(&recipe("supervised-digits", 1), out.path(), None).unwrap();
    let plain = out.path().join("plain");
    std::fs::write(&plain, "").unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
    let mut files = checkpoints(out.path());
    files.extend(["model.safetensors", "metrics.jsonl", "recipe.toml"].map(|name| out.path().join(name)));
    for file in files {
        assert_eq!(mode(&file), mode(&plain), "{}", file.display());
    }
}

#[test]
fn data_that_cannot_train_is_refused() {
    let _turn = turn();
    let out = tempfile::tempdir().unwrap();
    let recipe = recipe("supervised-digits", STEPS);
    let few = train(&recipe, Arc::new(images(3)), out.path(), &options()).unwrap_err();
    assert!(matches!(few, Error::TooFewSamples { samples: 3, batch_size: 4 }), "{few}");
    let unlabelled = visrep_data::InMemory::new(Vec::new(), Vec::new());
    assert!(train(&recipe, Arc::new(unlabelled), out.path(), &options()).is_err());
}

/// Runs this binary's test `name` again by itself, with the environment variable `folder` set to `out`, under `sh`
/// after `first`.
fn again(name: &str, first: &str, folder: &str, out: &Path) -> std::process::Output {
    std::process::Command::new("sh")
        .args(["-c", &format!("{first} exec \"$0\" \"$@\"")])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(folder, out)
        .output()
        .unwrap()
}

/// What is left out goes to standard error, so this test runs again and reads what it said.
#[test]
fn a_stopped_run_names_what_it_has_left_out() {
    let _turn = turn();
    const FOLDER: &str = "VISREP_TEST_LEFT_OUT";
    if let Some(out) = std::env::var_os(FOLDER) {
        let mut samples: Vec<_> = (0..12).map(|i| images(12).get(i).unwrap()).collect();
        for i in [1, 5, 9] {
            samples[i].image = visrep_data::SampleImage::Encoded(b"no image".to_vec().into());
        }
        let data = visrep_data::InMemory::new(samples, images(1).classes().to_vec());
        let mut recipe = recipe("supervised-digits", STEPS);
        recipe.set("loader.on_bad_sample=skip").unwrap();
        let options = options();
        let outcome = train_with(&recipe, Arc::new(data), Path::new(&out), &options, |report| {
            options.stop.store(report.step == 2, Ordering::Relaxed);
        });
        assert_eq!(outcome.unwrap(), Outcome::Interrupted);
        return;
    }
    let out = tempfile::tempdir().unwrap();
    let output = again("a_stopped_run_names_what_it_has_left_out", "", FOLDER, out.path());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("left out: "), "{said}");
}

/// A full disk, as a limit on the size of files that the shell sets for a process of its own: this test runs its
/// own binary again, which then trains in the folder of the environment variable.
#[test]
fn a_checkpoint_that_cannot_be_written_leaves_the_previous_one_good() {
    let _turn = turn();
    const FOLDER: &str = "VISREP_TEST_FULL_DISK";
    let mut recipe = recipe("supervised-digits", STEPS);
    if let Some(out) = std::env::var_os(FOLDER) {
        recipe.set("checkpoint.every=4 steps").unwrap();
        let error = run(&recipe, Path::new(&out), None).unwrap_err();
        assert!(matches!(error, Error::CheckpointWrite { .. }), "{error}");
        println!("refused: {error}");
        return;
    }
    let out = tempfile::tempdir().unwrap();
    run(&recipe, out.path(), Some(3)).unwrap();
    let before = checkpoints(out.path());
    // 64 blocks of 512 or 1024 bytes are less than any checkpoint; without the trap the signal would kill it.
    let name = "a_checkpoint_that_cannot_be_written_leaves_the_previous_one_good";
    let output = again(name, "trap '' XFSZ; ulimit -f 64;", FOLDER, out.path());
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("refused: "),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(checkpoints(out.path()), before, "the previous checkpoint is there, and no half-written one");
    assert_eq!(run(&recipe, out.path(), None).unwrap(), Outcome::Finished);
}
