//! Videos: decoded by `ffmpeg` where it is, as OpenCV decodes them (`fixtures/golden/data/videos/make.py`); and, by stand-ins for it,
//! how it is run and what becomes of what it gives.
#![allow(missing_docs, clippy::unwrap_used)]
#![cfg(unix)]

use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use visrep_augment::Compose;
use visrep_data::{
    Dataset, Error, Ffmpeg, Loader, LoaderOptions, Sample, SampleImage, SequenceFiles, VideoFrames, Views,
};
use visrep_decode::{RgbImage, encode_png};

#[derive(serde::Deserialize)]
struct Expected {
    width: u32,
    height: u32,
    sha256: Vec<String>,
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/golden/data/videos")
}

fn expected() -> BTreeMap<String, Expected> {
    serde_json::from_slice(&std::fs::read(fixtures().join("expected.json")).unwrap()).unwrap()
}

fn pixels(sample: Sample) -> RgbImage {
    match sample.image {
        SampleImage::Decoded(image) => image,
        SampleImage::Encoded(_) => panic!("{} is not decoded", sample.key),
    }
}

/// The program, unless it is not there, which is said.
fn program() -> Option<Ffmpeg> {
    Ffmpeg::find().map_err(|error| eprintln!("left out: {error}")).ok()
}

/// An executable that says it is ffmpeg, notes its arguments in `log`, and for a video does as the script says. It is written by another
/// process, so that none of ours has it open when it is started.
fn stand_in(folder: &Path, script: &str) -> Ffmpeg {
    let path = folder.join("stand-in");
    let log = folder.join("log");
    let script = format!(
        "#!/bin/sh\nif [ \"$1\" = -version ]; then echo 'ffmpeg version 9.9-stand-in Copyright'; exit; fi\n\
         for argument; do case \"$argument\" in file:*) video=\"${{argument#file:}}\" ;; esac; done\n\
         echo \"$*\" >> '{}'\n{script}\n",
        log.display()
    );
    let mut shell = Command::new("sh");
    let shell = shell.args(["-c", "cat > \"$0\" && chmod +x \"$0\""]).arg(&path);
    let mut shell = shell.stdin(Stdio::piped()).spawn().unwrap();
    shell.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(shell.wait().unwrap().success());
    Ffmpeg::at(path).unwrap()
}

/// Frames as the program gives them, each of one colour.
fn frames(colours: &[u8]) -> Vec<u8> {
    colours.iter().flat_map(|&colour| [&b"P6\n3 2\n255\n"[..], &[colour; 18]].concat()).collect()
}

/// Videos of four and six frames, `a.mp4` and `b.mp4`, with what a stand-in may give beside them.
fn two_videos(folder: &Path) -> Vec<String> {
    for (name, real, colours) in
        [("a.mp4", "noise.mp4", &[1, 2, 3, 4][..]), ("b.mp4", "uneven.mp4", &[5, 6, 7, 8, 9, 10][..])]
    {
        std::fs::copy(fixtures().join(real), folder.join(name)).unwrap();
        std::fs::write(folder.join(format!("{name}.ppm")), frames(colours)).unwrap();
    }
    vec!["a.mp4".into(), "b.mp4".into()]
}

fn runs(folder: &Path) -> Vec<String> {
    std::fs::read_to_string(folder.join("log")).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[test]
fn frames_are_those_of_opencv() {
    let Some(ffmpeg) = program() else { return };
    let all = expected();
    assert_eq!(all.len(), 8);
    for (name, expected) in &all {
        let data = VideoFrames::open(ffmpeg.clone(), fixtures(), vec![name.clone()]).unwrap();
        assert_eq!(data.lengths(), [expected.sha256.len()], "{name}");
        for (index, sha256) in expected.sha256.iter().enumerate().rev() {
            let sample = data.get(index).unwrap();
            assert_eq!((sample.key.clone(), sample.label), (format!("{name}:{index}"), None));
            let image = pixels(sample);
            assert_eq!((image.width(), image.height()), (expected.width, expected.height), "{name}");
            // Elsewhere the conversion from YUV rounds otherwise.
            if cfg!(target_arch = "x86_64") {
                let found: String =
                    Sha256::digest(image.data()).iter().map(|byte| format!("{byte:02x}")).collect();
                assert_eq!(found, *sha256, "{name}:{index}");
            }
        }
    }
}

#[test]
fn damaged_videos_are_told() {
    let Some(ffmpeg) = program() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.mp4");
    let read = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        VideoFrames::open(ffmpeg.clone(), folder.path(), vec!["damaged.mp4".into()])?.get(0)
    };
    // The index comes first and survives: frames are missing at the end.
    let whole = std::fs::read(fixtures().join("index_first.mp4")).unwrap();
    read(&whole).unwrap();
    for cut in [whole.len() - 1, whole.len() - 100, whole.len() - 900] {
        let error = read(&whole[..cut]).unwrap_err();
        assert!(matches!(error, Error::Video { .. }) && error.is_bad_sample(), "{error}");
        assert!(error.to_string().contains("damaged.mp4: "), "{error}");
    }
    // Frames of zeros.
    let mut zeros = whole.clone();
    let end = zeros.len();
    zeros[end - 600..].fill(0);
    let error = read(&zeros).unwrap_err().to_string();
    assert!(error.contains("damaged.mp4: ") && error.contains("says: "), "{error}");
    let error = read(b"#EXTM3U\n#EXTINF:1,\nother.ts\n").unwrap_err().to_string();
    assert!(error.contains("is no whole MP4 file"), "{error}");
}

#[test]
fn each_video_is_decoded_once_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let videos = two_videos(folder.path());
    let ffmpeg = stand_in(folder.path(), "sleep 0.1\ncat \"$video.ppm\"");
    assert_eq!(ffmpeg.version(), "9.9-stand-in");
    let data = Arc::new(VideoFrames::open(ffmpeg, folder.path(), videos).unwrap());
    assert_eq!((data.len(), data.lengths(), data.groups()), (10, vec![4, 6], vec![0..4, 4..10]));
    assert_eq!((data.key(3), data.key(4), data.label(0)), ("a.mp4:3".into(), "b.mp4:0".into(), None));
    assert!(matches!(data.get(10), Err(Error::Index { index: 10, len: 10 })));
    assert!(runs(folder.path()).is_empty(), "opening decodes nothing");
    let options = LoaderOptions { batch_size: 3, workers: 4, ..Default::default() };
    let loader =
        Loader::new(Arc::clone(&data) as Arc<dyn Dataset>, Views::single(Compose::new()), options).unwrap();
    let batches: Vec<_> = loader.epoch(0, 0).map(Result::unwrap).collect();
    let colours: Vec<u8> =
        batches.iter().flat_map(|batch| batch.views[0].data.chunks(18).map(|image| image[0])).collect();
    assert_eq!(colours, (1..=10).collect::<Vec<_>>());
    let runs = runs(folder.path());
    assert_eq!(runs.len(), 2, "{runs:?}");
    assert!(runs[0].contains("-xerror") && runs[0].contains("-sws_flags bicubic -pix_fmt rgb24"), "{runs:?}");
}

#[test]
fn what_the_program_gives_is_checked() {
    let problem = |script: &str| {
        let folder = tempfile::tempdir().unwrap();
        let videos = two_videos(folder.path());
        let data = VideoFrames::open(stand_in(folder.path(), script), folder.path(), videos).unwrap();
        let error = data.get(0).unwrap_err();
        assert!(error.is_bad_sample());
        assert_eq!(error.to_string(), data.get(1).unwrap_err().to_string());
        assert_eq!(runs(folder.path()).len(), 1, "a failure is kept");
        error.to_string()
    };
    for (script, expected) in [
        ("head -c 58 \"$video.ppm\"", "gave 2 frames, where its index has 4"),
        ("cat \"$video.ppm\" \"$video.ppm\"", "has more frames than the 4 of its index"),
        (
            "head -c 50 \"$video.ppm\"; echo 'partial file' >&2; exit 69",
            "cannot be decoded; stand-in says: partial file",
        ),
        ("cat \"$video.ppm\"; exit 3", "cannot be decoded (stand-in: exit status: 3)"),
        ("printf 'P6\\n40000 40000\\n255\\n'; cat /dev/zero", "frames of 40000x40000 px"),
        ("cat /dev/zero", "was decoded to no frames"),
        // More than a pipe holds, before any frame.
        ("head -c 300000 /dev/zero | tr '\\0' x >&2; exit 1", "cannot be decoded"),
        ("exit 0", "gave 0 frames"),
    ] {
        let problem = problem(script);
        assert!(problem.contains("a.mp4: ") && problem.contains(expected), "{script}: {problem}");
        assert!(problem.len() < 1000);
    }
}

#[test]
fn a_program_that_is_not_there_is_no_fault_of_the_video() {
    let folder = tempfile::tempdir().unwrap();
    let videos = two_videos(folder.path());
    let data = VideoFrames::open(stand_in(folder.path(), "exit 1"), folder.path(), videos).unwrap();
    std::fs::remove_file(folder.path().join("stand-in")).unwrap();
    let error = data.get(0).unwrap_err();
    assert!(matches!(error, Error::Program { .. }) && !error.is_bad_sample(), "{error}");
    for program in ["/nowhere/ffmpeg", "true"] {
        let error = Ffmpeg::at(program).unwrap_err().to_string();
        assert!(error.starts_with(program) && error.contains("VISREP_FFMPEG"), "{error}");
    }
}

#[test]
fn other_bytes_have_another_fingerprint() {
    let folder = tempfile::tempdir().unwrap();
    let videos = two_videos(folder.path());
    let ffmpeg = stand_in(folder.path(), "exit 1");
    let of =
        || VideoFrames::open(ffmpeg.clone(), folder.path(), videos.clone()).unwrap().fingerprint().unwrap();
    let before = of();
    assert_eq!(of(), before);
    std::fs::copy(fixtures().join("index_first.mp4"), folder.path().join("b.mp4")).unwrap();
    assert_ne!(of(), before);
}

#[test]
fn sequences_are_videos_and_folders() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    std::fs::create_dir_all(root.join("set/n1/unpacked")).unwrap();
    let set = root.join("set");
    let image = |colour: u8| encode_png(&RgbImage::filled(3, 2, [colour; 3])).unwrap();
    for at in 0..2 {
        std::fs::write(set.join(format!("n1/unpacked/{at:02}.png")), image(90 + at)).unwrap();
    }
    // `-` sorts before `.`, but after the end of a name.
    for (name, colours) in
        [("a.mp4", &[1, 2, 3, 4][..]), ("a-b.MP4", &[5, 6, 7, 8][..]), ("unpacked.mp4", &[][..])]
    {
        std::fs::copy(fixtures().join("noise.mp4"), set.join("n1").join(name)).unwrap();
        std::fs::write(set.join(format!("n1/{name}.ppm")), frames(colours)).unwrap();
    }
    std::fs::write(set.join("n1/.hidden.mp4"), "").unwrap();
    let files = SequenceFiles::below(&set).unwrap();
    assert_eq!((files.len(), files.videos(), files.is_empty()), (3, 2, false));
    let ffmpeg = stand_in(root, "cat \"$video.ppm\"");
    let (data, lengths) = files.clone().open(|| Ok(ffmpeg.clone())).unwrap();
    assert_eq!(lengths, [2, 4, 4]);
    assert_eq!([0, 2, 6].map(|at| data.key(at)), ["n1/unpacked/00.png", "n1/a.mp4:0", "n1/a-b.MP4:0"]);
    assert_eq!(pixels(data.get(6).unwrap()).pixel(0, 0), [5; 3]);
    let (data, lengths) = files.clone().only(&[0, 2]).open(|| Ok(ffmpeg)).unwrap();
    assert_eq!((lengths, data.key(2)), (vec![2, 4], "n1/a-b.MP4:0".into()));
    // Without videos nobody asks for the program.
    let none = || Err(Error::Option { parameter: "ffmpeg", problem: "is not needed".into() });
    assert_eq!(files.clone().only(&[0]).open(none).unwrap().1, [2]);
    assert!(files.only(&[1]).open(none).is_err());
    assert!(SequenceFiles::below(root.join("none")).is_err());
}
