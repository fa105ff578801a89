//! BigEarthNet in small, with its bands of 16 bits and several classes for a patch.

#![allow(clippy::unwrap_used)]

mod support;

use std::io::Cursor;
use support::{Root, message, pixels};
use tiff::encoder::{TiffEncoder, colortype::Gray16};
use visrep_data::{Dataset, InMemory, Splits};
use visrep_models::{Model, ModelOptions};
use visrep_probe::{Benchmark, Context};
use visrep_vtab::{BigEarthNet, BigEarthNetBenchmark, LandCover, OpenOptions};

const ROOT: &str = "vtab/bigearthnet/BigEarthNet-v1.0";

fn band(side: u32, value: u16) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let values = vec![value; (side * side) as usize];
    TiffEncoder::new(&mut bytes).unwrap().write_image::<Gray16>(side, side, &values).unwrap();
    bytes.into_inner()
}

/// A patch of one colour, in reflectances.
fn patch(root: &Root, name: &str, rgb: [u16; 3], labels: &[&str]) {
    let file = |end: &str| format!("{ROOT}/{name}/{name}_{end}");
    for (band_name, value) in [("B04", rgb[0]), ("B03", rgb[1]), ("B02", rgb[2]), ("B08", 9)] {
        root.write(&file(&format!("{band_name}.tif")), band(6, value));
    }
    let metadata = serde_json::json!({"labels": labels, "projection": "PROJCS[]", "acquisition_date": "2017-06-13 10:10:31"});
    root.write(&file("labels_metadata.json"), metadata.to_string());
}

#[test]
fn patches_become_rgb() {
    let root = Root::new();
    patch(&root, "S2A_MSIL2A_2", [500, 1000, 5000], &["Water bodies", "Airports"]);
    patch(&root, "S2A_MSIL2A_1", [0, 0, 0], &[]);
    let data = BigEarthNet::open(root.path().join(ROOT), LandCover::Classes43).unwrap();
    assert_eq!((data.len(), data.classes().len(), data.key(1)), (2, 43, "S2A_MSIL2A_2".into()));
    // 2000 is white, and so is what is more.
    assert_eq!(pixels(&data, 1).pixel(5, 5), [63, 127, 255]);
    let labels = data.labels_of(1).unwrap();
    let found: Vec<_> = (0..43).filter(|class| labels[*class]).collect();
    assert_eq!(found, [1, 41]);
    assert!(data.labels_of(0).unwrap().iter().all(|label| !label) && data.labels_of(2).is_err());

    let file = |end: &str| format!("{ROOT}/S2A_MSIL2A_1/S2A_MSIL2A_1_{end}");
    root.write(&file("B03.tif"), band(4, 1));
    message(data.get(0), &["S2A_MSIL2A_1", "different sizes"]);
    root.write(&file("B03.tif"), &band(6, 1)[..30]);
    message(data.get(0), &["B03.tif", "TIFF"]);
    root.write(&file("labels_metadata.json"), r#"{"labels": ["Cities"]}"#);
    message(data.labels_of(0), &["labels_metadata.json", "unknown class `Cities`"]);
    root.write(&file("labels_metadata.json"), "{");
    message(data.labels_of(0), &["labels_metadata.json", "no labels"]);
}

#[test]
fn classes_are_told_by_their_colours() {
    let root = Root::new();
    for at in 0..60_u16 {
        let (red, blue) = (at % 2 == 1, at % 3 == 0);
        let labels: Vec<_> = [(red, "Pastures"), (blue, "Vineyards"), (true, "Sea and ocean")]
            .iter()
            .filter(|l| l.0)
            .map(|l| l.1)
            .collect();
        let value = |on: bool| if on { 1800 + at } else { 100 + at };
        patch(&root, &format!("S2A_{at:02}"), [value(red), 700 + at, value(blue)], &labels);
    }
    let benchmark =
        BigEarthNetBenchmark::open(root.path(), LandCover::Classes43, &OpenOptions::default()).unwrap();
    let options = ModelOptions { num_classes: Some(0), seed: Some(0), ..ModelOptions::default() };
    let model = Model::create("resnet18_cifar_w16", &options).unwrap();
    let none = || std::sync::Arc::new(InMemory::new(Vec::new(), Vec::new()));
    let splits = Splits { train: none(), test: none(), description: String::new() };
    let mut context = Context::new(splits, "bigearthnet", "random");
    context.workers = 2;
    let scores = benchmark.run(&model, &context).unwrap();
    let metrics: Vec<_> = scores.iter().map(|score| (score.metric.as_str(), score.n)).collect();
    assert_eq!(metrics, [("map", 12), ("f1_micro", 12), ("f1_macro", 12)]);
    assert!(scores[0].value > 0.9 && scores[1].value > 0.9, "{scores:?}");
    // 40 of 43 classes are nowhere, and count as 0.
    assert!(scores[2].value <= 3.0 / 43.0 + 1e-9);
    assert!(
        scores[0].protocol["split"].contains("48 training examples")
            && scores[0].protocol["split"].contains("not official")
    );
    message(
        BigEarthNetBenchmark::open(root.path().join("none"), LandCover::Classes19, &OpenOptions::default())
            .map(drop),
        &["bigearthnet: no data", "remote-sensing/bigearthnet"],
    );
}

#[test]
fn published_splits_and_the_nineteen_classes() {
    let root = Root::new();
    for at in 0..20_u16 {
        let labels: &[&str] = match at {
            3 => &["Airports"],
            _ if at % 2 == 0 => &["Rice fields", "Airports"],
            _ => &["Sea and ocean", "Salines"],
        };
        let value = 100 + 900 * (at % 2);
        patch(&root, &format!("S2A_{at:02}"), [value, 700, value], labels);
    }
    let list = |range: std::ops::Range<u16>| range.map(|at| format!("S2A_{at:02}\n")).collect::<String>();
    root.write("vtab/bigearthnet/train.csv", list(0..12));
    root.write("vtab/bigearthnet/val.csv", list(12..14));
    root.write("vtab/bigearthnet/test.csv", list(14..20));
    root.write("vtab/bigearthnet/patches_with_seasonal_snow.csv", "S2A_05\nS2A_15\nS2B_elsewhere\n");
    let open = |cover| BigEarthNetBenchmark::open(root.path(), cover, &OpenOptions::default());
    let of19 = open(LandCover::Classes19).unwrap();
    // Without number 3, which has none of the 19, and numbers 5 and 15, which have snow.
    assert_eq!(of19.images().map(|images| images.len()), [10, 5]);
    let mut keys: Vec<_> = (0..10).map(|index| of19.images()[0].key(index)).collect();
    keys.sort();
    assert!(!keys.contains(&"S2A_03".into()) && !keys.contains(&"S2A_05".into()), "{keys:?}");
    assert_eq!(open(LandCover::Classes43).unwrap().images().map(|images| images.len()), [11, 5]);
    let labels =
        BigEarthNet::open(root.path().join(ROOT), LandCover::Classes19).unwrap().labels_of(7).unwrap();
    assert_eq!((0..19).filter(|class| labels[*class]).collect::<Vec<_>>(), [16, 18]);

    let options = ModelOptions { num_classes: Some(0), seed: Some(0), ..ModelOptions::default() };
    let model = Model::create("resnet18_cifar_w16", &options).unwrap();
    let none = || std::sync::Arc::new(InMemory::new(Vec::new(), Vec::new()));
    let splits = Splits { train: none(), test: none(), description: String::new() };
    let scores = of19.run(&model, &Context::new(splits, "bigearthnet", "random")).unwrap();
    assert_eq!((scores[0].task.as_str(), scores[0].metric.as_str()), ("bigearthnet", "map"));
    assert!(scores[0].value > 0.9, "{scores:?}");
    let split = &scores[0].protocol["split"];
    assert!(
        split.starts_with("19 classes; 10 training") && split.contains("of the published split"),
        "{split}"
    );
    assert!(split.ends_with("without the patches of one of the two lists of snow and of clouds"), "{split}");

    // Both at once are what each is alone.
    let both = BigEarthNetBenchmark::open_all(
        root.path(),
        &[LandCover::Classes19, LandCover::Classes43],
        &OpenOptions::default(),
    );
    let alone = [of19, open(LandCover::Classes43).unwrap()];
    assert_eq!(both.len(), 2);
    for (found, alone) in both.into_iter().map(Result::unwrap).zip(&alone) {
        assert_eq!(found.task(), alone.task());
        for (found, alone) in found.images().into_iter().zip(alone.images()) {
            assert_eq!(found.fingerprint().unwrap(), alone.fingerprint().unwrap());
            assert_eq!(found.classes(), alone.classes());
        }
        let figures = |benchmark: &BigEarthNetBenchmark| {
            let splits = Splits { train: none(), test: none(), description: String::new() };
            let scores = benchmark.run(&model, &Context::new(splits, "bigearthnet", "random")).unwrap();
            scores.iter().map(|score| score.value.to_bits()).collect::<Vec<_>>()
        };
        assert_eq!(figures(&found), figures(alone));
    }
    let missing = BigEarthNetBenchmark::open_all(
        root.path().join("none"),
        &[LandCover::Classes19, LandCover::Classes43],
        &OpenOptions::default(),
    );
    assert!(matches!(missing.as_slice(), [Err(visrep_vtab::Error::Missing { .. })]));

    root.write("vtab/bigearthnet/test.csv", "S2A_99\n");
    message(open(LandCover::Classes19).map(drop), &["test.csv names `S2A_99`"]);
}
