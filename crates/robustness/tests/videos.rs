//! ImageNet-P from videos as they are published, and the same frames as images: by `ffmpeg` where it is, else by a stand-in.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too
#![cfg(unix)]

mod support;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use support::{context, drawn, file, random, run, run_in, value};
use visrep_augment::RgbImage;
use visrep_data::{Ffmpeg, SampleImage, SequenceFiles};
use visrep_probe::SuiteContext;

const TENCH: &str = "n01440764";

/// Real videos of as many frames.
const VIDEOS: [(&str, usize); 2] = [("noise", 4), ("sound", 3)];

/// Says that it is ffmpeg, and gives what lies beside the video as its frames.
const STAND_IN: &str = r#"#!/bin/sh
for argument; do
    case "$argument" in
        -version) echo 'ffmpeg version 0-stand-in Copyright'; exit ;;
        file:*) exec cat "${argument#file:}.ppm" ;;
    esac
done
exit 1
"#;

/// An executable, written by another process, so that none of ours has it open when it is started.
fn executable(path: &Path, script: &str) {
    let mut shell = Command::new("sh");
    let mut shell = shell
        .args(["-c", "cat > \"$0\" && chmod +x \"$0\""])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    shell.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(shell.wait().unwrap().success());
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/golden/data/videos")
        .join(format!("{name}.mp4"))
}

/// Puts each of the videos in the folder of a perturbation, with what the stand-in gives.
fn videos(root: &Path, perturbation: &str) {
    let folder = root.join("imagenet-p").join(perturbation).join(TENCH);
    std::fs::create_dir_all(&folder).unwrap();
    for (seed, (name, frames)) in (0..).zip(VIDEOS) {
        std::fs::copy(fixture(name), folder.join(format!("{name}.mp4"))).unwrap();
        let frames = (0..frames as u32).flat_map(|at| {
            let image = drawn(seed + at);
            [format!("P6\n{} {}\n255\n", image.width(), image.height()).as_bytes(), image.data()].concat()
        });
        std::fs::write(folder.join(format!("{name}.mp4.ppm")), frames.collect::<Vec<u8>>()).unwrap();
    }
}

/// The frames of all sequences below a folder.
fn frames(folder: &Path) -> (Vec<RgbImage>, Vec<usize>) {
    let (data, lengths) = SequenceFiles::below(folder).unwrap().open(Ffmpeg::find).unwrap();
    let frame = |index| match data.get(index).unwrap().image {
        SampleImage::Decoded(image) => image,
        SampleImage::Encoded(_) => panic!("is no video"),
    };
    ((0..data.len()).map(frame).collect(), lengths)
}

/// This test run again in a process that finds `program` as its ffmpeg, or what there is.
fn with_program(name: &str, program: Option<&Path>) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--ignored"]);
    if let Some(program) = program {
        command.env(Ffmpeg::VARIABLE, program);
    }
    let output = command.output().unwrap();
    let (said, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("1 passed"), "{said}\n{wrong}");
}

#[test]
fn a_stand_in_gives_the_figures_of_the_same_frames() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("stand-in");
    executable(&program, STAND_IN);
    with_program("videos_have_the_figures_of_their_frames", Some(&program));
    with_program("what_is_no_video_is_told", Some(&program));
}

#[test]
fn ffmpeg_gives_the_figures_of_the_same_frames() {
    match Ffmpeg::find() {
        Ok(_) => with_program("videos_have_the_figures_of_their_frames", None),
        Err(error) => eprintln!("left out: {error}"),
    }
}

#[test]
fn without_the_program_the_suite_says_what_to_do() {
    with_program("it_is_said_how_to_install_it", Some(Path::new("/nowhere/ffmpeg")));
}

#[test]
#[ignore = "run by another test in a process of its own"]
fn videos_have_the_figures_of_their_frames() {
    let (published, unpacked) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for perturbation in ["gaussian_noise", "tilt"] {
        videos(published.path(), perturbation);
        let (images, lengths) = frames(&published.path().join("imagenet-p").join(perturbation));
        assert_eq!(lengths, VIDEOS.map(|(_, frames)| frames));
        let places = VIDEOS
            .iter()
            .flat_map(|(name, frames)| (0..*frames).map(move |at| format!("{name}/{at:02}.png")));
        for (place, image) in places.zip(&images) {
            let place = format!("imagenet-p/{perturbation}/{TENCH}/{place}");
            support::write(&unpacked.path().join(place), image);
        }
    }
    let model = random(1000);
    for limit in [None, Some(1)] {
        let context = SuiteContext { limit, workers: 3, ..context() };
        let of = |root: &Path| run_in("imagenet-p", None, root, &model, &context).unwrap();
        let (videos, images) = (of(published.path()), of(unpacked.path()));
        assert_eq!(videos.scores.len(), images.scores.len());
        for (video, image) in videos.scores.iter().zip(&images.scores) {
            let figures = |score: &visrep_metrics::Score| {
                (score.task.clone(), score.metric.clone(), score.value, score.interval.clone())
            };
            assert_eq!(figures(video), figures(image));
            let version = Ffmpeg::find().unwrap().version().to_owned();
            let stored = format!("H.264 as published, ffmpeg {version} ({})", std::env::consts::ARCH);
            assert_eq!(
                (&video.protocol["sequences"], image.protocol["sequences"].as_str()),
                (&stored, "frames")
            );
        }
    }
    // One of the two unpacked beside its video.
    let whole = run("imagenet-p", Some("tilt"), published.path(), &model).unwrap();
    let place = |root: &Path| root.join(format!("imagenet-p/tilt/{TENCH}/sound"));
    std::fs::create_dir(place(published.path())).unwrap();
    for at in 0..3 {
        let name = format!("{at:02}.png");
        std::fs::copy(place(unpacked.path()).join(&name), place(published.path()).join(&name)).unwrap();
    }
    let mixed = run("imagenet-p", Some("tilt"), published.path(), &model).unwrap();
    support::near(value(&mixed, "tilt", "top5-distance"), value(&whole, "tilt", "top5-distance"));
    let stored = &mixed.scores[0].protocol["sequences"];
    assert!(stored.starts_with("1 of 2 as H.264") && stored.ends_with("the others as frames"), "{stored}");
}

#[test]
#[ignore = "run by another test in a process of its own"]
fn what_is_no_video_is_told() {
    let root = tempfile::tempdir().unwrap();
    let model = random(1000);
    file(root.path(), &format!("imagenet-p/tilt/{TENCH}/video.mp4"), "h.264");
    let error = run("imagenet-p", None, root.path(), &model).unwrap_err().to_string();
    assert!(error.contains("video.mp4: is no whole MP4 file"), "{error}");
    // The stand-in has nothing to give for a video of its own.
    let root = tempfile::tempdir().unwrap();
    videos(root.path(), "tilt");
    let missing = root.path().join(format!("imagenet-p/tilt/{TENCH}/sound.mp4.ppm"));
    std::fs::remove_file(missing).unwrap();
    let error = run("imagenet-p", None, root.path(), &model).unwrap_err().to_string();
    assert!(error.contains("sound.mp4: cannot be decoded") && error.contains("stand-in says"), "{error}");
}

#[test]
#[ignore = "run by another test in a process of its own"]
fn it_is_said_how_to_install_it() {
    let root = tempfile::tempdir().unwrap();
    videos(root.path(), "tilt");
    let error = run("imagenet-p", None, root.path(), &random(1000)).unwrap_err().to_string();
    assert!(error.contains("/nowhere/ffmpeg: cannot be started"), "{error}");
    assert!(error.contains("apt install ffmpeg") && error.contains("unpack the frames"), "{error}");
}
