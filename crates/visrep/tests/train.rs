//! `visrep recipes`, `visrep train` with a probe, and `visrep plot`.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

mod support;

use support::{fail, succeed};

#[test]
fn recipes_are_listed_and_shown_with_every_value() {
    let folder = tempfile::tempdir().unwrap();
    let list = succeed(folder.path(), &["recipes"]);
    let line = list.lines().find(|line| line.starts_with("simclr-digits ")).unwrap();
    assert!(line.contains("SimCLR on the handwritten digits"), "{list}");

    let shown = succeed(
        folder.path(),
        &["recipes", "show", "simclr-digits", "--set", "schedule.lr=0.25", "--set", "sam.rho=0.05"],
    );
    for value in
        ["lr = 0.25", "final_lr = 0.0", "shape = \"cosine\"", "accumulate = 1", "rho = 0.05", "[about]"]
    {
        assert!(shown.contains(value), "{value} in {shown}");
    }
    std::fs::write(folder.path().join("mine.toml"), &shown).unwrap();
    assert_eq!(succeed(folder.path(), &["recipes", "show", "mine.toml"]), shown);

    assert!(fail(folder.path(), &["recipes", "show", "simclr-digit"]).contains("simclr-digits"));
    let error = fail(folder.path(), &["recipes", "show", "simclr-digits", "--set", "schedule.lrr=1"]);
    assert!(error.contains("--set schedule.lrr=1") && error.contains("schedule.lr "), "{error}");
}

#[test]
fn a_probed_run_is_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let train = |out: &str, seed: &str| {
        let short = ["schedule.length=4 steps", "schedule.warmup=1 steps", "loader.batch_size=16"];
        let probe = ["log.every_steps=1", "probe.every=2 steps", "probe.images=60", "online.lr=0.5"];
        let changes = short.into_iter().chain(probe).flat_map(|change| ["--set", change]);
        let mut arguments =
            vec!["train", "simclr-digits", "--data", "fixtures:digits", "--out", out, "--seed", seed];
        arguments.extend(["--device", "cpu"]);
        arguments.extend(changes);
        succeed(folder.path(), &arguments);
    };
    train("a", "0");
    train("b", "1");
    let metrics = std::fs::read_to_string(folder.path().join("a/metrics.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> =
        metrics.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let probed: Vec<f64> = lines.iter().filter_map(|line| line["knn_top1"].as_f64()).collect();
    assert!(
        lines.len() == 4 && probed.len() == 2 && probed.iter().all(|x| (0.1..=1.0).contains(x)),
        "{metrics}"
    );
    let share = |line: &serde_json::Value, name: &str| {
        line[name].as_f64().is_some_and(|share| (0.0..=1.0).contains(&share))
    };
    assert!(lines.iter().all(|line| share(line, "online_top1")), "{metrics}");
    assert_eq!(lines.iter().filter(|line| share(line, "linear_top1")).count(), 2, "{metrics}");
    assert!(folder.path().join("a/checkpoints/best.safetensors").is_file());

    assert_eq!(succeed(folder.path(), &["plot", "a", "b"]), "curves.svg\n");
    let svg = std::fs::read_to_string(folder.path().join("curves.svg")).unwrap();
    for text in ["loss", "knn_top1", "watch_effective_rank", "lr", ">\na\n<", ">\nb\n<"] {
        assert!(svg.contains(text), "{text:?} in {}", &svg[..svg.len().min(3000)]);
    }
    assert!(!svg.contains("images_per_second"));
    succeed(folder.path(), &["plot", "a", "--metric", "loss", "--output", "loss.png", "--smooth", "0.5"]);
    let png = std::fs::read(folder.path().join("loss.png")).unwrap();
    let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!((info.width, info.height), (460, 310));
    let blue = |pixel: &[u8]| pixel == [0x1d, 0x6f, 0xd8];
    assert!(pixels.chunks(3).filter(|pixel| blue(pixel)).count() > 100, "the line and the legend");
    // The title of the panel, below the legend.
    let dark = |row: usize| {
        pixels[row * 460 * 3..][..460 * 3].chunks(3).any(|pixel| pixel[0] < 0xa0 && pixel[2] < 0xa0)
    };
    assert!((40..60).any(dark), "no title is drawn");

    assert!(fail(folder.path(), &["plot", "a", "--metric", "lss"]).contains("loss"));
    assert!(fail(folder.path(), &["plot", "c"]).contains("c: cannot read the metrics"));
    assert!(fail(folder.path(), &["plot", "a", "--output", "x.jpg"]).contains(".svg or .png"));
    assert!(fail(folder.path(), &["plot", "a", "--smooth", "1"]).contains("--smooth"));
}
