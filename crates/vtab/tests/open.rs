//! Every task from its data as they are published, from VTAB-1k's lists and from mirrors.

#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeSet;
use support::{Root, dsprites, example, gzip, mat, message, norb, pixels, png, scenes, svhn, tfrecord};
use visrep_data::{ConvertOptions, Dataset, ImageFolder, convert};
use visrep_probe::TaskVerdicts;
use visrep_vtab::{BigEarthNetBenchmark, LandCover, OpenOptions, Task, TaskData, VtabSuite, open_task};

fn open(root: &Root, task: Task) -> Result<TaskData, visrep_vtab::Error> {
    open_task(root.path(), task, &OpenOptions::default())
}

/// Opens a task and holds what must be true of any: parts that do not overlap, labels within the classes.
#[track_caller]
fn check(root: &Root, task: Task, sizes: (usize, usize, usize)) -> TaskData {
    let data = open(root, task).unwrap();
    assert_eq!((data.train800.len(), data.val200.len(), data.test.len()), sizes, "{data:?}");
    let keys = |data: &dyn Dataset| (0..data.len()).map(|index| data.key(index)).collect::<Vec<_>>();
    let (train, test) = (keys(&*data.train1000), keys(&*data.test));
    let joined = [keys(&*data.train800), keys(&*data.val200)].concat();
    assert_eq!(train, joined, "the 1000 are the 800 and the 200, in that order");
    let unique: BTreeSet<_> = train.iter().chain(&test).collect();
    assert_eq!(unique.len(), train.len() + test.len(), "{task}: parts overlap");
    for part in [&data.train800, &data.val200, &data.train1000, &data.test] {
        assert_eq!(part.classes().len(), task.info().classes);
        let labels: Vec<_> = part.labels().unwrap();
        assert!(labels.iter().all(|label| label.is_some_and(|label| (label as usize) < task.info().classes)));
        for index in 0..part.len().min(3) {
            pixels(&**part, index);
        }
    }
    let labels = |data: &dyn Dataset| data.labels().unwrap();
    assert_eq!(labels(&*data.train1000), [labels(&*data.train800), labels(&*data.val200)].concat());
    assert_eq!(data.training_counts().unwrap().iter().sum::<usize>(), train.len());
    data
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|class| format!("class_{class:03}")).collect()
}

#[test]
fn the_lists_of_vtab_1k_say_which_examples_are_official() {
    let root = Root::new();
    for image in 0..10 {
        root.write(&format!("vtab-1k/smallnorb_ele/images/{image}.png"), png(3, [image; 3]));
    }
    let list = |range: std::ops::Range<usize>| -> String {
        range.map(|line| format!("images/{}.png {}\n", line % 10, line % 9)).collect()
    };
    let at = |name: &str| format!("vtab-1k/smallnorb_ele/{name}.txt");
    root.write(&at("train800val200"), list(0..1000));
    root.write(&at("test"), list(0..50));
    let data = open(&root, Task::SmallNorbElevation).unwrap();
    assert_eq!(
        (data.train800.len(), data.val200.len(), data.train1000.len(), data.test.len()),
        (800, 200, 1000, 50)
    );
    assert!(data.official_train && !data.official_test, "VTAB's test set has 12,150 images");
    assert_eq!(data.val200.label(0), Some((800 % 9) as u32));
    assert_eq!(pixels(&*data.train1000, 7).pixel(0, 0), [7; 3]);

    // From the two lists alone.
    std::fs::remove_file(root.path().join(at("train800val200"))).unwrap();
    root.write(&at("train800"), list(0..800));
    root.write(&at("val200"), list(800..1000));
    let again = open(&root, Task::SmallNorbElevation).unwrap();
    assert_eq!(again.train1000.labels().unwrap(), data.train1000.labels().unwrap());

    root.write(&at("val200"), list(800..999));
    message(open(&root, Task::SmallNorbElevation), &["smallnorb_elevation", "not 800 and 200"]);
    root.write(&at("train800val200"), list(0..999));
    message(open(&root, Task::SmallNorbElevation), &["999 images, not 1000"]);
    root.write(&at("train800val200"), list(0..1000).replace(" 8\n", " 9\n"));
    message(open(&root, Task::SmallNorbElevation), &["has 10 classes", "labels from 0 to 8"]);
}

#[test]
fn folders_of_classes() {
    let root = Root::new();
    // 33 images of one class, one of the others; and what really lies in Caltech-101's background.
    let classes: Vec<_> = [vec!["BACKGROUND_Google".to_owned()], names(101)].concat();
    root.classes("vtab/caltech101/101_ObjectCategories", &classes, 1);
    root.classes("vtab/caltech101/101_ObjectCategories", &classes[..1], 33);
    root.write("vtab/caltech101/101_ObjectCategories/BACKGROUND_Google/tmp", "not an image");
    let data = check(&root, Task::Caltech101, (105, 26, 3));
    assert!(!data.official_test && data.description.contains("not VTAB's"), "{data:?}");
    // What NumPy leaves of 33 after `seed(1234)` and `choice(33, 30, replace=False)`.
    let left = ["image_0007.png", "image_0020.png", "image_0022.png"];
    assert_eq!([0, 1, 2].map(|at| data.test.key(at)), left.map(|name| format!("BACKGROUND_Google/{name}")));

    root.classes("vtab/eurosat/2750", &names(10), 10);
    let first = check(&root, Task::EuroSat, (60, 20, 20));
    // The test set is the same whatever the seed; the examples are not.
    let options = OpenOptions { seed: 1, limit: Some(7) };
    let other = open_task(root.path(), Task::EuroSat, &options).unwrap();
    assert_eq!(other.test.len(), 7);
    assert!((0..7).all(|index| (0..20).any(|at| first.test.key(at) == other.test.key(index))));
    assert!(other.description.contains("seed 1") && other.description.contains("not all"), "{other:?}");

    root.classes("resisc45/NWPU-RESISC45", &names(45), 2);
    check(&root, Task::Resisc45, (54, 18, 18));
    root.classes("vtab/uc_merced/UCMerced_LandUse/Images", &names(21), 5);
    check(&root, Task::UcMerced, (63, 21, 21));
    root.classes("vtab/uc_merced/UCMerced_LandUse/Images", &["more".to_owned()], 5);
    message(open(&root, Task::UcMerced), &["22 classes, not 21"]);
}

#[test]
fn datasets_with_lists_of_their_own() {
    let root = Root::new();
    let dtd = names(47);
    root.classes("vtab/dtd/dtd/images", &dtd, 3);
    for (image, split) in ["train", "val", "test"].iter().enumerate() {
        let list: String = dtd.iter().map(|class| format!("{class}/image_{:04}.png\n", image + 1)).collect();
        root.write(&format!("vtab/dtd/dtd/labels/{split}1.txt"), list);
    }
    let data = check(&root, Task::Dtd, (47, 47, 47));
    assert!(data.description.contains("the dataset's") && !data.official_test, "{data:?}");
    root.write("vtab/dtd/dtd/labels/val1.txt", "unknown/a.png\n");
    message(open(&root, Task::Dtd), &["val1.txt:1", "unknown"]);

    for image in 1..=6 {
        root.write(&format!("vtab/flowers102/jpg/image_{image:05}.jpg"), png(3, [image; 3]));
    }
    root.write("vtab/flowers102/imagelabels.mat", mat(&[("labels", &[1, 6], &[1, 1, 102, 77, 5, 5])], true));
    let sets: [support::Array<'_>; 3] =
        [("trnid", &[1, 2], &[3, 1]), ("valid", &[1, 1], &[2]), ("tstid", &[1, 3], &[4, 5, 6])];
    root.write("vtab/flowers102/setid.mat", mat(&sets, true));
    let data = check(&root, Task::Flowers102, (2, 1, 3));
    let labels: BTreeSet<_> = data.train800.labels().unwrap().into_iter().flatten().collect();
    assert_eq!(Vec::from_iter(labels), [0, 101]);
    root.write("vtab/flowers102/setid.mat", mat(&[("trnid", &[1, 1], &[7]), sets[1], sets[2]], true));
    message(open(&root, Task::Flowers102), &["setid.mat", "image 7"]);

    for name in ["Abyssinian_1", "Abyssinian_2", "american_bulldog_1", "yorkshire_terrier_9", "Bombay_3"] {
        root.write(&format!("vtab/pets/images/{name}.jpg"), png(3, [9; 3]));
    }
    let trainval = "#Image CLASS-ID SPECIES BREED ID\nAbyssinian_1 1 1 1\namerican_bulldog_1 2 2 1\nAbyssinian_2 1 1 1\n";
    root.write("vtab/pets/annotations/trainval.txt", trainval);
    root.write("vtab/pets/annotations/test.txt", "yorkshire_terrier_9 37 2 25\nBombay_3 8 1 3\n");
    let data = check(&root, Task::Pets, (2, 1, 2));
    assert_eq!(data.train800.classes()[1], "american_bulldog");
    root.write("vtab/pets/annotations/test.txt", "yorkshire_terrier_9 38 2 25\n");
    message(open(&root, Task::Pets), &["test.txt:1"]);

    let classes: Vec<_> = (0..397).map(|class| format!("/{}/place_{class}", ['a', 'b'][class % 2])).collect();
    root.write("sun397/SUN397/ClassName.txt", classes.join("\n"));
    message(open(&root, Task::Sun397), &["sun397_tfds_va.txt"]);
    for (image, split) in ["tr", "va", "te"].iter().enumerate() {
        let path = format!("{}/sun_{image}.jpg", classes[396]);
        root.write(&format!("sun397/SUN397{path}"), png(3, [1; 3]));
        root.write(&format!("sun397/sun397_tfds_{split}.txt"), path);
    }
    let data = check(&root, Task::Sun397, (1, 1, 1));
    assert_eq!(data.test.label(0), Some(396));
}

#[test]
fn formats_of_their_own() {
    let root = Root::new();
    root.write("vtab/svhn/train_32x32.mat", svhn(20, true));
    root.write("vtab/svhn/test_32x32.mat", svhn(7, true).clone());
    let data = open(&root, Task::Svhn).unwrap();
    assert_eq!((data.train800.len(), data.val200.len(), data.test.len()), (16, 4, 7));

    let record = |label: u64| example(&png(5, [label as u8; 3]), label);
    for (split, count) in [("train", 8), ("validation", 3), ("test", 2)] {
        let records: Vec<_> = (0..count).map(|at| record(at % 6)).collect();
        root.write(&format!("vtab/dmlab/dmlab-{split}.tfrecord"), tfrecord(&records));
    }
    check(&root, Task::DmLab, (8, 3, 2));
    std::fs::remove_file(root.path().join("vtab/dmlab/dmlab-test.tfrecord")).unwrap();
    message(open(&root, Task::DmLab), &["no dmlab-test.tfrecord"]);

    for (split, images) in [("train", 10), ("val", 4)] {
        let all: Vec<_> = (0..images).map(|at| (3 + at % 8, 7.0 + at as f64 / 2.0)).collect();
        root.write(&format!("vtab/clevr/CLEVR_v1.0/scenes/CLEVR_{split}_scenes.json"), scenes(split, &all));
        for image in 0..images {
            let path = format!("vtab/clevr/CLEVR_v1.0/images/{split}/CLEVR_{split}_{image:06}.png");
            root.write(&path, png(3, [image as u8; 3]));
        }
    }
    check(&root, Task::ClevrCount, (8, 2, 4));
    check(&root, Task::ClevrDistance, (8, 2, 4));

    for (split, count) in [("46789x9x18x6x2x96x96-training", 12), ("01235x9x18x6x2x96x96-testing", 6)] {
        let (images, info) = norb(count, 4);
        root.write(&format!("vtab/smallnorb/smallnorb-5x{split}-dat.mat.gz"), gzip(&images));
        root.write(&format!("vtab/smallnorb/smallnorb-5x{split}-info.mat.gz"), gzip(&info));
    }
    check(&root, Task::SmallNorbAzimuth, (12, 3, 3));
    check(&root, Task::SmallNorbElevation, (12, 3, 3));

    let npz = dsprites(60, |image| [0, 1, 2, (image % 40) as i64, (image % 32) as i64, 5]);
    root.write("vtab/dsprites/dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz", npz);
    let data = check(&root, Task::DspritesLocation, (48, 6, 6));
    let row = |key: &str| key.rsplit(':').next().unwrap().parse::<usize>().unwrap();
    for index in 0..data.test.len() {
        let row = row(&data.test.key(index));
        assert_eq!(data.test.label(index), Some((row % 32 / 2) as u32));
        // White is 255.
        assert_eq!(pixels(&*data.test, index).pixel(3, row as u32), [255; 3]);
    }
    let data = check(&root, Task::DspritesOrientation, (48, 6, 6));
    let row = row(&data.test.key(0));
    assert_eq!(data.test.label(0), Some((row % 40 * 2 / 5) as u32));

    // CIFAR-100's records: coarse label, fine label, pixels.
    let records = |count: usize| -> Vec<u8> {
        (0..count).flat_map(|at| [vec![0, (at % 100) as u8], vec![at as u8; 3072]].concat()).collect()
    };
    root.write("vtab/cifar100/cifar-100-binary/train.bin", records(100));
    root.write("vtab/cifar100/cifar-100-binary/test.bin", records(100));
    let data = open(&root, Task::Cifar100).unwrap();
    assert_eq!((data.train800.len(), data.val200.len(), data.test.len()), (80, 20, 100));
}

#[test]
fn kitti_with_and_without_its_drives() {
    let root = Root::new();
    for image in 0..30 {
        let text = "Car 0.00 0 -1.57 599.41 156.40 629.75 189.25 2.85 2.63 12.34 0.47 1.49 9.44 -1.56\n";
        root.write(&format!("vtab/kitti/training/label_2/{image:06}.txt"), text);
        root.write(&format!("vtab/kitti/training/image_2/{image:06}.png"), png(4, [image; 3]));
    }
    let data = check(&root, Task::KittiDistance, (24, 3, 3));
    assert!(data.description.contains("devkit_object.zip"), "{data:?}");
    let lines: String = (0..30).map(|line| format!("d drive_{:02} {line}\n", line / 3)).collect();
    let order: Vec<_> = (1..=30).map(|line: usize| line.to_string()).collect();
    root.write("vtab/kitti/mapping/train_mapping.txt", lines);
    root.write("vtab/kitti/mapping/train_rand.txt", order.join(","));
    let data = check(&root, Task::KittiDistance, (24, 3, 3));
    assert!(data.description.contains("by drive"), "{data:?}");
    let drives: BTreeSet<_> = (0..3).map(|at| data.test.key(at)[..6].parse::<usize>().unwrap() / 3).collect();
    assert_eq!(drives.len(), 1);
}

#[test]
fn parquet_as_on_the_hugging_face_hub() {
    let root = Root::new();
    let folder = root.path().join("vtab/patch_camelyon/data");
    std::fs::create_dir_all(&folder).unwrap();
    for (split, count) in [("train", 10), ("validation", 4), ("test", 3)] {
        root.classes(&format!("source/{split}"), &names(2), count);
        let source = ImageFolder::open(root.path().join("source").join(split)).unwrap();
        let file = folder.join(format!("{split}-00000-of-00001.parquet"));
        convert(&source, &file, &ConvertOptions::default(), |_| ()).unwrap();
    }
    let data = check_mirror(&root, Task::PatchCamelyon);
    assert_eq!((data.train800.len(), data.val200.len(), data.test.len()), (20, 8, 6));
    assert_eq!(data.trainval1000.as_ref().unwrap().len(), 28);
    assert_eq!(pixels(&*data.test, 4).pixel(0, 0), [83, 2, 47]);
}

#[test]
fn mirrors_with_the_tasks_labels() {
    let root = Root::new();
    root.classes("vtab/wds_vtab-pcam/train", &names(2), 10);
    root.classes("vtab/wds_vtab-pcam/test", &names(2), 3);
    let data = check_mirror(&root, Task::PatchCamelyon);
    assert_eq!((data.train800.len(), data.val200.len(), data.test.len()), (16, 4, 6));
    assert!(data.description.contains("the mirror's"), "{data:?}");

    root.classes("vtab/wds_vtab-pcam/test", &["another".to_owned()], 1);
    message(open(&root, Task::PatchCamelyon), &["patch_camelyon", "3 classes, the task has 2"]);
    std::fs::remove_dir_all(root.path().join("vtab/wds_vtab-pcam/test/class_000")).unwrap();
    message(open(&root, Task::PatchCamelyon), &["`class_000` in the training data and `another`"]);
    // With one class less, the labels of the others would mean something else.
    std::fs::remove_dir_all(root.path().join("vtab/wds_vtab-pcam/test/another")).unwrap();
    message(open(&root, Task::PatchCamelyon), &["1 classes", "a folder for each"]);
    std::fs::remove_dir_all(root.path().join("vtab/wds_vtab-pcam/test")).unwrap();
    root.classes("vtab/wds_vtab-pcam/test", &names(2), 3);

    // Mirrors of dSprites have its latent classes.
    let tar = |count: usize| {
        let mut archive = Vec::new();
        for at in 0..count {
            let entries =
                [("png", png(4, [at as u8; 3])), ("cls", ((31 - at) % 32).to_string().into_bytes())];
            for (extension, bytes) in entries {
                let mut header = vec![0; 512];
                let name = format!("s{at:04}.{extension}");
                header[..name.len()].copy_from_slice(name.as_bytes());
                header[100..107].copy_from_slice(b"0000644");
                header[124..135].copy_from_slice(format!("{:011o}", bytes.len()).as_bytes());
                header[136..147].copy_from_slice(b"00000000000");
                header[156] = b'0';
                header[257..263].copy_from_slice(b"ustar\0");
                header[263..265].copy_from_slice(b"00");
                header[148..156].fill(b' ');
                let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
                header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
                archive.extend(header);
                archive.extend(&bytes);
                archive.resize(archive.len().next_multiple_of(512), 0);
            }
        }
        archive.extend([0; 1024]);
        archive
    };
    root.write("vtab/wds_vtab-dsprites_label_x_position/train/0.tar", tar(64));
    root.write("vtab/wds_vtab-dsprites_label_x_position/test/0.tar", tar(32));
    let data = check_mirror(&root, Task::DspritesLocation);
    assert_eq!(data.test.label(0), Some(15));

    root.write("vtab/so2sat/readme.txt", "nothing else");
    message(open(&root, Task::So2Sat), &["so2sat", "is not known", "train split"]);
    message(open(&root, Task::BigEarthNet), &["bigearthnet", "several classes"]);
    message(open(&root, Task::UcMerced), &["visrep data get remote-sensing/uc_merced"]);
    let error = message(open(&root, Task::Pets), &["pets: no data under", "oxford_iiit_pet"]);
    assert!(error.contains("visrep data get vtab/pets --data"), "{error}");

    let suite = VtabSuite::open(root.path(), &OpenOptions::default());
    let found: Vec<_> = suite.found.iter().map(|data| data.task).collect();
    assert_eq!(found, [Task::PatchCamelyon, Task::DspritesLocation]);
    assert_eq!(suite.missing.len(), 17);
    assert!(suite.missing.iter().all(|missing| missing.reason.to_string().contains("visrep data get")));
}

/// The error of missing data names every folder that was looked at, and a download that there is.
#[test]
fn what_is_missing_is_named_for_every_task() {
    let table = concat!(env!("CARGO_MANIFEST_DIR"), "/../visrep/src/downloads/datasets.toml");
    let table = std::fs::read_to_string(table).unwrap();
    let root = Root::new();
    for task in Task::all() {
        let error = match task.info().multi_label {
            false => open(&root, task).map(drop),
            true => BigEarthNetBenchmark::open(root.path(), LandCover::Classes43, &OpenOptions::default())
                .map(drop),
        };
        let info = task.info();
        let suite = if info.group.is_some() { "vtab" } else { "remote-sensing" };
        let get = format!("{suite}/{}", info.name);
        assert!(table.contains(&format!("\"{get}\"")), "{get} is no download");
        let command = format!("visrep data get {get} --data {}", root.path().display());
        let text = message(error, &[info.name, &command, info.dataset, "vtab/"]);
        if !info.multi_label {
            for name in info.folders {
                assert!(text.contains(name), "{name} is not in: {text}");
            }
            // Each once, in each of the three places.
            let looked = text.split("looked for ").nth(1).unwrap().split(". Get").next().unwrap();
            let places: Vec<_> = looked.split(", ").collect();
            assert!(places[0].starts_with("vtab/{") && places[1].starts_with("vtab-1k/{"), "{text}");
            let names: Vec<_> = places[2].trim_matches(['{', '}']).split(" | ").collect();
            assert_eq!(names.len(), names.iter().collect::<BTreeSet<_>>().len(), "{text}");
            for name in names {
                std::fs::create_dir(root.path().join(name)).unwrap();
                let found = message(open(&root, task), &["is there and is not known"]);
                assert!(found.contains(name), "{found}");
                std::fs::remove_dir(root.path().join(name)).unwrap();
            }
        }
    }
}

/// Two tasks of one dataset have the same images, and neither a fingerprint nor verdicts in common.
#[test]
fn tasks_of_one_dataset_are_told_apart() {
    let root = Root::new();
    for split in ["train", "val"] {
        let images: Vec<_> = (0..20).map(|at| (3 + at % 8, 7.75 + 0.5 * (at % 6) as f64)).collect();
        root.write(
            &format!("vtab/clevr/CLEVR_v1.0/scenes/CLEVR_{split}_scenes.json"),
            scenes(split, &images),
        );
        for at in 0..20 {
            root.write(
                &format!("vtab/clevr/CLEVR_v1.0/images/{split}/CLEVR_{split}_{at:06}.png"),
                png(3, [at; 3]),
            );
        }
    }
    let clevr = [Task::ClevrCount, Task::ClevrDistance].map(|task| open(&root, task).unwrap());
    let drawn = VtabSuite::drawn(&OpenOptions { limit: Some(50), ..OpenOptions::default() }).unwrap();
    for pair in [&clevr[..], &drawn.found[..2], &drawn.found[2..]] {
        let [one, other] = pair else { unreachable!("two tasks of one dataset") };
        let keys = |task: &TaskData| (0..task.test.len()).map(|at| task.test.key(at)).collect::<Vec<_>>();
        assert_eq!(keys(one), keys(other));
        let parts = |task: &TaskData| [task.test.clone(), task.train1000.clone()];
        for (one, other) in parts(one).into_iter().zip(parts(other)) {
            assert_ne!(one.fingerprint().unwrap(), other.fingerprint().unwrap());
        }
        let verdicts = |task: &TaskData| {
            let labels: Vec<_> = task.test.labels().unwrap().into_iter().flatten().map(i64::from).collect();
            TaskVerdicts::new(task.name(), keys(task), &labels, vec![true; labels.len()])
        };
        let (one, other) = (verdicts(one), verdicts(other));
        assert!(one.task != other.task && one.images != other.images);
    }
}

/// Keys of mirrors need not tell training from test images.
#[track_caller]
fn check_mirror(root: &Root, task: Task) -> TaskData {
    let data = open(root, task).unwrap();
    for part in [&data.train1000, &data.test] {
        assert!(
            part.labels()
                .unwrap()
                .iter()
                .all(|label| label.is_some_and(|label| (label as usize) < task.info().classes))
        );
        pixels(&**part, 0);
    }
    data
}
