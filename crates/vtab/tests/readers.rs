//! The readers on files laid out as the published ones are, and on damaged ones.

#![allow(clippy::unwrap_used)]

mod support;

use support::{Root, example, fingerprint, gzip, mat, message, norb, pixels, png, scenes, svhn, tfrecord};
use visrep_data::{Dataset, ImageFiles};
use visrep_vtab::{
    ClevrLabel, NorbLabel, NorbValues, TfRecords, kitti_splits, open_clevr, open_diabetic_retinopathy,
    open_kitti, open_small_norb, open_svhn, read_mat, write_norb_matrix,
};

#[test]
fn svhn_packed_and_plain() {
    let root = Root::new();
    for packed in [true, false] {
        let path = root.write("train_32x32.mat", svhn(12, packed));
        let data = open_svhn(&path).unwrap();
        assert_eq!((data.len(), data.classes().len()), (12, 10));
        let image = pixels(&data, 11);
        assert_eq!((image.width(), image.height()), (32, 32));
        // Column 5, row 9.
        assert_eq!(image.pixel(5, 9), [11, 9, 5]);
        assert_eq!(data.key(11), "train_32x32.mat:11");
        // The file says 1, … 9, 10, 1, 2.
        let labels: Vec<_> = data.labels().unwrap().into_iter().flatten().collect();
        assert_eq!(labels, [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2]);
        assert!(data.get(12).is_err() && data.label(12).is_none());
    }
}

/// What results are kept by: it must stay what it is.
#[test]
fn fingerprints_are_of_keys_labels_and_classes() {
    let root = Root::new();
    let keys = |file: &str, count: usize| (0..count).map(|row| format!("{file}:{row}")).collect::<Vec<_>>();
    let digits = open_svhn(root.write("train_32x32.mat", svhn(12, true))).unwrap();
    let expected = fingerprint(
        &keys("train_32x32.mat", 12),
        &[1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2],
        &(0..10).map(|digit| digit.to_string()).collect::<Vec<_>>(),
    );
    assert_eq!(digits.fingerprint().unwrap(), expected);
    let (images, info) = norb(20, 4);
    let (images, info) = (root.write("a-dat.mat", images), root.write("a-info.mat", info));
    let azimuths = open_small_norb(&images, &info, NorbLabel::Azimuth).unwrap();
    let expected = fingerprint(
        &keys("a-dat.mat", 20),
        &(0..20).map(|row| row % 18).collect::<Vec<_>>(),
        &(0..18).map(|class| format!("{} degrees", 20 * class)).collect::<Vec<_>>(),
    );
    assert_eq!(azimuths.fingerprint().unwrap(), expected);
    let elevations = open_small_norb(&images, &info, NorbLabel::Elevation).unwrap();
    assert_ne!(elevations.fingerprint().unwrap(), expected);
}

#[test]
fn damaged_mat_files_are_errors_that_name_them() {
    let root = Root::new();
    let whole = svhn(3, true);
    let open = |bytes: &[u8]| open_svhn(root.write("d.mat", bytes)).map(drop);
    assert!(open(&whole).is_ok());
    for cut in [0, 50, 128, 131, 140, whole.len() / 2, whole.len() - 1] {
        message(open(&whole[..cut]), &["d.mat"]);
    }
    message(open(&[&[0; 126][..], b"XX"].concat()), &["no MAT-file of level 5"]);
    let mut hdf5 = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".to_vec();
    hdf5.resize(600, 0);
    message(open(&hdf5), &["7.3", "HDF5", "-v7"]);
    message(open(&mat(&[("X", &[32, 32, 3, 1], &[0; 3072])], true)), &["no array `y`"]);
    message(open(&mat(&[("X", &[2, 2], &[0; 4]), ("y", &[1, 1], &[1])], true)), &["shape [2, 2]"]);
    message(
        open(&mat(&[("X", &[32, 32, 3, 1], &[0; 3072]), ("y", &[1, 1], &[11])], true)),
        &["d.mat:0", "11"],
    );
    message(
        open(&mat(&[("X", &[32, 32, 3, 9], &[0; 3072]), ("y", &[1, 1], &[1])], true)),
        &["`X`", "cut short"],
    );
    message(open(&mat(&[("X", &[u32::MAX; 8], &[0; 8]), ("y", &[1, 1], &[1])], false)), &["`X`", "claims"]);
    // Any byte may be wrong: an error or other values, never a panic.
    for at in (128..whole.len()).step_by(7) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x55;
        let _ = open(&damaged);
    }
}

#[test]
fn arrays_of_a_mat_file_by_name() {
    let root = Root::new();
    let path =
        root.write("a.mat", mat(&[("a", &[1, 3], &[5, 6, 7]), ("other", &[2, 2], &[1, 2, 3, 4])], true));
    let arrays = read_mat(&path, &["other", "a"]).unwrap();
    assert_eq!((arrays[0].name.as_str(), arrays[0].shape.as_slice()), ("other", &[2, 2][..]));
    assert_eq!(arrays[1].numbers().unwrap(), [5.0, 6.0, 7.0]);
    assert_eq!(arrays[0].bytes_at(1, 2).unwrap(), [2, 3]);
    assert!(arrays[0].bytes_at(3, 2).is_err() && arrays[0].is_bytes() && !arrays[0].is_empty());
    message(read_mat(root.path().join("none.mat"), &["a"]).map(drop), &["none.mat"]);
}

#[test]
fn norb_plain_and_packed() {
    let root = Root::new();
    let (images, info) = norb(20, 6);
    let paths = [
        (root.write("a-dat.mat", &images), root.write("a-info.mat", &info)),
        (root.write("b-dat.mat.gz", gzip(&images)), root.write("b-info.mat.gz", gzip(&info))),
    ];
    for (images, info) in paths {
        let azimuth = open_small_norb(&images, &info, NorbLabel::Azimuth).unwrap();
        let elevation = open_small_norb(&images, &info, NorbLabel::Elevation).unwrap();
        assert_eq!((azimuth.len(), azimuth.classes().len(), elevation.classes().len()), (20, 18, 9));
        assert_eq!((azimuth.label(19), elevation.label(19)), (Some(1), Some(1)));
        // The left camera's, grey.
        let image = pixels(&azimuth, 13);
        assert!(image.width() == 6 && image.data().iter().all(|value| *value == 13));
    }
}

#[test]
fn damaged_norb_files_are_errors_that_name_them() {
    let root = Root::new();
    let (images, info) = norb(3, 4);
    let good = root.write("info.mat", &info);
    let open =
        |images: &[u8]| open_small_norb(root.write("dat.mat", images), &good, NorbLabel::Azimuth).map(drop);
    assert!(open(&images).is_ok());
    for cut in [0, 3, 10, 20, images.len() - 1] {
        message(open(&images[..cut]), &["dat.mat", "cut short"]);
    }
    message(open(&info), &["dat.mat", "no matrix of uint8"]);
    let mut odd = images.clone();
    odd[4..8].copy_from_slice(&(-1_i32).to_le_bytes());
    message(open(&odd), &["number of axes"]);
    odd[4..8].copy_from_slice(&4_i32.to_le_bytes());
    odd[8..12].copy_from_slice(&i32::MAX.to_le_bytes());
    message(open(&odd), &["cannot hold"]);
    message(open(&gzip(&images)[..20]), &["dat.mat"]);

    let (more, _) = norb(5, 4);
    message(open(&more), &["info.mat", "(5, 4)"]);
    let mut file = Vec::new();
    write_norb_matrix(&mut file, &[1, 4], &NorbValues::Integers(&[4, 0, 3, 0])).unwrap();
    let (one, _) = norb(1, 4);
    let odd = root.write("odd-info.mat", &file);
    let one = root.write("one.mat", one);
    message(open_small_norb(&one, &odd, NorbLabel::Azimuth).map(drop), &["odd-info.mat:0", "azimuth"]);
    assert!(open_small_norb(&one, &odd, NorbLabel::Elevation).is_ok());
    assert!(write_norb_matrix(&mut Vec::new(), &[2, 2], &NorbValues::Bytes(&[1])).is_err());
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|class| class.to_string()).collect()
}

#[test]
fn tfrecords_in_shards() {
    let root = Root::new();
    let record = |label: u64| example(&png(5, [label as u8; 3]), label);
    let first = root.write("dmlab-train.tfrecord-00000-of-00002", tfrecord(&[record(3), record(5)]));
    let second = root.write("dmlab-train.tfrecord-00001-of-00002", tfrecord(&[record(0)]));
    let data = TfRecords::open(&[first, second], numbered(6)).unwrap();
    assert_eq!(data.len(), 3);
    let labels: Vec<_> = data.labels().unwrap().into_iter().flatten().collect();
    assert_eq!(labels, [3, 5, 0]);
    assert_eq!(pixels(&data, 1).pixel(4, 4), [5; 3]);
    assert_eq!(data.key(2), "dmlab-train.tfrecord-00001-of-00002:0");
    assert!(data.get(3).is_err() && data.fingerprint().unwrap() == data.fingerprint().unwrap());
}

#[test]
fn damaged_tfrecords_are_errors_that_name_file_and_record() {
    let root = Root::new();
    let whole = tfrecord(&[example(&png(2, [1; 3]), 1), example(&png(2, [2; 3]), 2)]);
    let second = whole.len() / 2;
    let open = |bytes: &[u8]| TfRecords::open(&[root.write("d.tfrecord", bytes)], numbered(6));
    message(open(&whole[..second + 5]), &["d.tfrecord", "record 1", "cut short"]);
    message(open(&whole[..whole.len() - 1]), &["record 1", "cut short"]);
    message(open(b"\x89PNG\r\n\x1a\n and then some more"), &["record 0", "checksum", "no TFRecord"]);
    let damage = |at: usize| {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        damaged
    };
    message(open(&damage(second)), &["record 1", "checksum"]);
    // In the data: the others can still be read.
    let data = open(&damage(second + 40)).unwrap();
    assert!(data.get(0).is_ok() && data.label(1).is_none());
    message(data.get(1), &["d.tfrecord:1", "wrong checksum"]);
    message(data.labels(), &["d.tfrecord:1"]);
    let of = |record: Vec<u8>| open(&tfrecord(&[record])).unwrap().get(0).map(drop);
    message(of(b"\xff\xff no message".to_vec()), &["d.tfrecord:0", "tf.train.Example"]);
    message(of(Vec::new()), &["no feature `image`"]);
    message(of(example(b"x", 6)), &["label 6", "6 classes"]);
    message(TfRecords::open(&[], numbered(6)).map(drop), &["no TFRecord files"]);
}

#[test]
fn clevr_counts_and_distances() {
    let root = Root::new();
    root.write("scenes/CLEVR_val_scenes.json", scenes("val", &[(3, 7.5), (10, 9.2), (4, 11.0)]));
    for image in 0..3 {
        root.write(&format!("images/val/CLEVR_val_{image:06}.png"), png(3, [image; 3]));
    }
    let count = open_clevr(root.path(), "val", ClevrLabel::Count).unwrap();
    let distance = open_clevr(root.path(), "val", ClevrLabel::Distance).unwrap();
    let labels = |data: &ImageFiles| data.labels().unwrap().into_iter().flatten().collect::<Vec<_>>();
    assert_eq!((labels(&count), labels(&distance)), (vec![0, 7, 1], vec![0, 3, 5]));
    assert_eq!((count.classes().len(), distance.classes().len()), (8, 6));
    assert_eq!(pixels(&count, 2).pixel(0, 0), [2; 3]);
    message(open_clevr(root.path(), "train", ClevrLabel::Count).map(drop), &["CLEVR_train_scenes.json"]);
    root.write("scenes/CLEVR_val_scenes.json", scenes("val", &[(2, 7.5)]));
    message(open_clevr(root.path(), "val", ClevrLabel::Count).map(drop), &["scene 0", "2 objects"]);
    let whole = scenes("val", &[(3, 7.5)]);
    root.write("scenes/CLEVR_val_scenes.json", &whole[..whole.len() / 2]);
    message(open_clevr(root.path(), "val", ClevrLabel::Count).map(drop), &["no file of CLEVR's scenes"]);
    let outside = whole.replace("CLEVR_val_000000.png", "../../../etc/passwd");
    root.write("scenes/CLEVR_val_scenes.json", outside);
    message(
        open_clevr(root.path(), "val", ClevrLabel::Count).map(drop),
        &["no path under the dataset's folder"],
    );
}

#[test]
fn kitti_labels_and_drives() {
    let root = Root::new();
    // Those of the published labels, shortened, and one with a score.
    let labels = [
        "Pedestrian 0.00 0 -0.20 712.40 143.00 810.73 307.92 1.89 0.48 1.20 1.84 1.47 8.41 0.01\n",
        "Truck 0.00 0 -1.57 599.41 156.40 629.75 189.25 2.85 2.63 12.34 0.47 1.49 69.44 -1.56\n\
         DontCare -1 -1 -10 503.89 169.71 590.61 190.13 -1 -1 -1 -1000 -1000 -1000 -10\n",
        "Misc 0.00 0 -1.82 804.79 167.34 995.43 327.94 1.63 1.48 2.37 3.23 1.59 8.55 -1.47\n\
         Car 0.00 0 -1.67 657.39 190.13 700.07 223.39 1.41 1.58 4.36 3.18 2.27 14.38 -1.58 0.9\n",
        "",
    ];
    for (image, text) in labels.iter().enumerate() {
        root.write(&format!("training/label_2/{image:06}.txt"), text);
        root.write(&format!("training/image_2/{image:06}.png"), png(4, [image as u8; 3]));
    }
    let data = open_kitti(root.path()).unwrap();
    let found: Vec<_> = data.labels().unwrap().into_iter().flatten().collect();
    assert_eq!(found, [3, 2, 1, 3]);
    root.write("training/label_2/000003.txt", "Car 0.00 0 -1.67 657.39\n");
    message(open_kitti(root.path()).map(drop), &["000003.txt:1", "is no object"]);
    std::fs::remove_file(root.path().join("training/label_2/000003.txt")).unwrap();
    message(open_kitti(root.path()).map(drop), &["000003.txt"]);

    // 40 images of 20 drives, in an order of their own.
    let mapping: String = (0..40)
        .map(|line| format!("2011_09_26 2011_09_26_drive_{:04}_sync {:010}\n", line / 2, line))
        .collect();
    let order: Vec<_> = (0..40).map(|image| (image * 7 % 40 + 1).to_string()).collect();
    root.write("mapping/train_mapping.txt", mapping);
    root.write("mapping/train_rand.txt", order.join(","));
    let splits = kitti_splits(root.path()).unwrap();
    let drive = |image: &usize| image * 7 % 40 / 2;
    let drives = |images: &[usize]| {
        let mut drives: Vec<_> = images.iter().map(drive).collect();
        drives.sort_unstable();
        drives.dedup();
        drives
    };
    // numpy.random.seed(123), then choice of 2 of 20 and of 2 of the 18 others, without replacement.
    assert_eq!((drives(&splits.test), drives(&splits.val)), (KITTI_TEST.to_vec(), KITTI_VAL.to_vec()));
    let mut all = [splits.train.clone(), splits.val.clone(), splits.test.clone()].concat();
    all.sort_unstable();
    assert_eq!(all, (0..40).collect::<Vec<_>>());
    assert_eq!((splits.train.len(), splits.val.len(), splits.test.len()), (32, 4, 4));
    root.write("mapping/train_rand.txt", "1,2,41");
    message(kitti_splits(root.path()), &["entry 3", "41"]);
}

const KITTI_TEST: [usize; 2] = [5, 14];
const KITTI_VAL: [usize; 2] = [7, 11];

#[test]
fn retinopathy_by_usage() {
    let root = Root::new();
    root.write("trainLabels.csv", "image,level\n10_left,0\n10_right,4\n");
    root.write(
        "retinopathy_solution.csv",
        "image,level,Usage\n1_left,0,Private\n1_right,1,Public\n2_left,2,Private\n",
    );
    // A disc of radius 20 on black; the files may be of any kind that is decoded.
    let eye = visrep_decode::RgbImage::from_fn(64, 48, |x, y| {
        let (dx, dy) = (f64::from(x) - 32.0, f64::from(y) - 24.0);
        if dx.hypot(dy) < 20.0 { [120, 60, 30] } else { [0; 3] }
    });
    for path in ["train/10_left", "train/10_right", "test/1_left", "test/1_right", "test/2_left"] {
        root.write(&format!("{path}.jpeg"), visrep_decode::encode_png(&eye).unwrap());
    }
    let open = |split: &str| open_diabetic_retinopathy(root.path(), split);
    let labels =
        |split: &str| open(split).unwrap().labels().unwrap().into_iter().flatten().collect::<Vec<_>>();
    assert_eq!((labels("train"), labels("Public"), labels("Private")), (vec![0, 4], vec![1], vec![0, 2]));
    let image = pixels(&open("train").unwrap(), 0);
    assert!((530..=540).contains(&image.width()) && (530..=540).contains(&image.height()));
    root.write("trainLabels.csv", "image,level\n10_left,5\n");
    message(open("train").map(drop), &["trainLabels.csv:2", "grade `5`"]);
    root.write("retinopathy_solution.csv", "image,level\n1_left,0\n");
    message(open("Public").map(drop), &["Usage"]);
}
