//! Writing Parquet from any source, and contact sheets.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::path::PathBuf;
use std::sync::Arc;
use support::{image, in_memory};
use visrep_data::{
    Concat, ConvertOptions, Dataset, InMemory, Map, Parquet, Reencode, Sample, SampleImage, Subset,
    contact_sheet, convert, decode_sample, open,
};
use visrep_decode::{DecodeOptions, Format, RgbImage, read_header};

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/golden/data").join(name)
}

fn encoded(sample: &Sample) -> &[u8] {
    match &sample.image {
        SampleImage::Encoded(bytes) => bytes,
        SampleImage::Decoded(_) => panic!("is decoded"),
    }
}

#[test]
fn every_source_comes_back_from_parquet() {
    let dir = tempfile::tempdir().unwrap();
    for (number, name) in [
        "mnist/train",
        "cifar10/test",
        "cifar-c/fog.npy",
        "arrow/file.arrow",
        "webdataset/gnu.tar",
        "lists/paths.txt",
    ]
    .into_iter()
    .enumerate()
    {
        let source = open(&golden(name)).unwrap();
        let out = dir.path().join(format!("{number}.parquet"));
        let mut done = 0;
        let made = convert(&*source, &out, &ConvertOptions::default(), |n| done = n).unwrap();
        assert_eq!((made.rows, made.files.len(), done), (source.len(), 1, source.len()));
        let data = Parquet::open(&out).unwrap();
        let new = dir.path().join("new");
        std::fs::write(&new, "").unwrap();
        let permissions = |path| std::fs::metadata(path).unwrap().permissions();
        assert_eq!(permissions(&out), permissions(&new), "as any new file's");
        assert_eq!(
            (data.classes(), data.labels().unwrap()),
            (source.classes(), source.labels().unwrap()),
            "{name}"
        );
        let options = DecodeOptions::default();
        for index in 0..source.len() {
            let (a, b) = (data.get(index).unwrap(), source.get(index).unwrap());
            assert_eq!(decode_sample(&a, &options).unwrap(), decode_sample(&b, &options).unwrap());
            if let SampleImage::Encoded(bytes) = &b.image {
                assert_eq!(encoded(&a), &bytes[..], "{name}: kept as it was");
            }
        }
    }
}

#[test]
fn a_stopped_conversion_goes_on_and_never_leaves_half_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("set");
    let options = ConvertOptions { rows_per_file: 30, ..ConvertOptions::default() };
    // The second file fails at its last row.
    let mut samples: Vec<Sample> = (0..100).map(|index| in_memory(100).get(index).unwrap()).collect();
    let classes: Vec<String> = in_memory(1).classes().to_vec();
    let good = InMemory::new(samples.clone(), classes.clone());
    samples[59].image = SampleImage::Encoded(b"no image".to_vec().into());
    let bad = InMemory::new(samples, classes);
    let reencoded = |skip_broken| ConvertOptions {
        reencode: Some(Reencode { longest_side: Some(3), quality: 95 }),
        skip_broken,
        ..options.clone()
    };
    let error = convert(&bad, &out, &reencoded(false), |_| ()).unwrap_err().to_string();
    assert!(error.contains("image-59"), "{error}");
    let names = || {
        let mut names: Vec<_> = std::fs::read_dir(&out)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(), ["data-00000-of-00004.parquet"]);
    // What a killed run leaves is removed, what another is writing is not.
    std::fs::write(out.join(".visrep-convert-dead.tmp"), b"half a file").unwrap();
    let live = std::fs::File::create(out.join(".visrep-convert-live.tmp")).unwrap();
    live.lock().unwrap();
    assert!(convert(&bad, &out, &reencoded(false), |_| ()).is_err());
    assert_eq!(names(), [".visrep-convert-live.tmp", "data-00000-of-00004.parquet"]);
    drop(live);
    let made = convert(&good, &out, &reencoded(false), |_| ()).unwrap();
    assert_eq!((made.kept, made.rows, names().len()), (1, 100, 4));
    let data = open(&out).unwrap();
    assert_eq!(data.len(), 100);
    let header = read_header(encoded(&data.get(99).unwrap())).unwrap();
    assert_eq!((header.format, header.width, header.height), (Format::Jpeg, 3, 3));
    // Another conversion into the same folder is refused.
    let error = convert(&good, &out, &options, |_| ()).unwrap_err().to_string();
    assert!(error.contains("in the way") && error.contains("00000"), "{error}");

    let other = ConvertOptions { rows_per_file: 1000, ..options.clone() };
    let error = convert(&good, &out, &other, |_| ()).unwrap_err().to_string();
    assert!(error.contains("in the way") && error.contains("-of-00004"), "{error}");
    assert_eq!(names().len(), 4);

    let skipped = dir.path().join("skipped.parquet");
    let made = convert(&bad, &skipped, &reencoded(true), |_| ()).unwrap();
    assert_eq!((made.rows, made.broken.len()), (99, 1));
    assert!(made.broken[0].contains("image-59"));
    for reencode in
        [Reencode { longest_side: Some(0), quality: 90 }, Reencode { longest_side: None, quality: 0 }]
    {
        let options = ConvertOptions { reencode: Some(reencode), ..ConvertOptions::default() };
        assert!(convert(&good, &dir.path().join("x.parquet"), &options, |_| ()).is_err());
    }
}

#[test]
fn a_reencoded_image_keeps_its_shape_and_looks() {
    let picture = RgbImage::from_fn(300, 200, |x, y| [(x / 2) as u8, y as u8, 128]);
    let sample = Sample { image: SampleImage::Decoded(picture), label: None, key: "ramp".into() };
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("ramp.parquet");
    let reencode = Some(Reencode { longest_side: Some(150), quality: 95 });
    let data = InMemory::new(vec![sample], vec![]);
    convert(&data, &out, &ConvertOptions { reencode, ..ConvertOptions::default() }, |_| ()).unwrap();
    let small = decode_sample(&open(&out).unwrap().get(0).unwrap(), &DecodeOptions::default()).unwrap();
    assert_eq!((small.width(), small.height()), (150, 100));
    for (x, y) in [(10, 10), (75, 50), (140, 90)] {
        let [r, g, b] = small.pixel(x, y);
        assert!(u32::from(r).abs_diff(x) < 4 && u32::from(g).abs_diff(2 * y) < 4 && b.abs_diff(128) < 4);
    }
}

#[test]
fn a_contact_sheet_has_a_row_for_each_class_and_marks_what_is_broken() {
    let broken = Sample { image: SampleImage::Encoded(vec![1].into()), label: Some(0), key: "broken".into() };
    let parts: Vec<Arc<dyn Dataset>> =
        vec![Arc::new(in_memory(9)), Arc::new(InMemory::new(vec![broken], vec!["d".into()]))];
    let sheet = contact_sheet(&Concat::new(parts), 10, 4, 16);
    assert_eq!(sheet.rows, [Some(0), Some(1), Some(2), Some(3)]);
    assert_eq!((sheet.image.width(), sheet.image.height()), (4 + 3 * 20, 4 + 4 * 20));
    // Cells of 6x5 pixels are enlarged to 12x10 and lie in the middle.
    assert_eq!(sheet.image.pixel(4 + 2, 4 + 3), image(0, 6, 5).pixel(0, 0));
    assert_eq!(sheet.image.pixel(4 + 13, 4 + 12), image(0, 6, 5).pixel(5, 4));
    assert_eq!(sheet.image.pixel(4, 4 + 3 * 20), [200, 30, 30]);
    assert_eq!(contact_sheet(&in_memory(100), 2, 5, 16).rows.len(), 2);
    assert_eq!(contact_sheet(&InMemory::new(vec![], vec![]), 2, 5, 16).rows.len(), 0);
}

#[test]
fn what_a_run_left_of_other_samples_is_in_the_way() {
    let dir = tempfile::tempdir().unwrap();
    let samples = |change: &dyn Fn(usize, &mut Sample)| {
        let sample = |index| {
            let mut sample = in_memory(60).get(index).unwrap();
            change(index, &mut sample);
            sample
        };
        InMemory::new((0..60).map(sample).collect(), in_memory(1).classes().to_vec())
    };
    let options = ConvertOptions { rows_per_file: 20, ..ConvertOptions::default() };
    let out = dir.path().join("set");
    convert(&samples(&|_, _| ()), &out, &options, |_| ()).unwrap();
    assert_eq!(convert(&samples(&|_, _| ()), &out, &options, |_| ()).unwrap().kept, 3);
    // As many samples, of which the first of each file has its old key.
    let key = samples(&|index, sample| sample.key += if index == 31 { "!" } else { "" });
    let label = samples(&|index, sample| sample.label = sample.label.filter(|_| index != 58));
    for other in [key, label] {
        let error = convert(&other, &out, &options, |_| ()).unwrap_err().to_string();
        assert!(error.contains("in the way") && error.contains("00000-of"), "{error}");
    }
}

#[test]
fn a_fingerprint_is_that_of_the_samples() {
    let dir = tempfile::tempdir().unwrap();
    let copy = |from: &str, to: &str| {
        let path = dir.path().join(to);
        // As `cp -p` does: the time of the last change stays.
        let changed = std::fs::metadata(golden(from)).unwrap().modified().unwrap();
        std::fs::copy(golden(from), &path).unwrap();
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(changed).unwrap();
        path
    };
    let print = |data: &dyn Dataset| data.fingerprint().unwrap();
    for name in [
        "webdataset/gnu.tar",
        "parquet/zstd.parquet",
        "arrow/file.arrow",
        "cifar-c/fog.npy",
        "lists/headed.csv",
    ] {
        let original = open(&golden(name)).unwrap();
        assert_eq!(print(&*original), print(&*open(&golden(name)).unwrap()), "{name}");
        let path = copy(name, name.split('/').next_back().unwrap());
        if name == "cifar-c/fog.npy" {
            copy("cifar-c/labels.npy", "labels.npy");
        }
        assert_eq!(print(&*original), print(&*open(&path).unwrap()), "{name}: a copy elsewhere");
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
        assert_ne!(print(&*original), print(&*open(&path).unwrap()), "{name}: changed since");
    }
    let base: Arc<dyn Dataset> = Arc::new(in_memory(30));
    let subset = |indices: &[usize]| print(&Subset::new(base.clone(), indices.to_vec()));
    assert_eq!(subset(&[1, 2]), subset(&[1, 2]));
    assert_ne!(subset(&[1, 2]), subset(&[2, 1]));
    assert_ne!(print(&*base), print(&in_memory(29)));
    let concat = |parts: &[usize]| {
        let parts = parts.iter().map(|n| Arc::new(in_memory(*n)) as Arc<dyn Dataset>).collect();
        print(&Concat::new(parts))
    };
    assert_eq!(concat(&[3, 4]), concat(&[3, 4]));
    assert_ne!(concat(&[3, 4]), concat(&[4, 3]));
    let flipped = Map::labels(base.clone(), base.classes().to_vec(), |label| label.map(|label| 2 - label));
    assert_ne!(print(&flipped), print(&*base));
}
