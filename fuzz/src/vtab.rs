//! The files in which VTAB's datasets come: what opens is read, and what must hold of any dataset is checked.

use crate::data::{put, read, scratch};
use std::path::PathBuf;
use visrep_vtab::{
    ClevrLabel, NorbLabel, TfRecords, kitti_splits, open_clevr, open_kitti, open_small_norb, open_svhn,
    read_mat,
};

/// Files that are whole, to stand beside the input.
const NORB_IMAGES: &[u8] = include_bytes!("../../fixtures/golden/vtab/seeds/smallnorb.dat");
const NORB_INFO: &[u8] = include_bytes!("../../fixtures/golden/vtab/seeds/smallnorb.info");
/// DMLab's classes.
const CLASSES: usize = 6;

/// Opens a MAT-file: its arrays by themselves, and as SVHN.
pub fn mat(bytes: &[u8]) {
    let file = put("set.mat", bytes);
    for name in ["X", "y", "signed", "single", "labels"] {
        for array in read_mat(&file, &[name]).into_iter().flatten() {
            if let Ok(numbers) = array.numbers() {
                assert_eq!(numbers.len(), array.len(), "a number for each value");
            }
            assert!(array.bytes_at(usize::MAX, 1).is_err());
        }
    }
    if let Ok(data) = open_svhn(&file) {
        read(&data);
    }
}

/// Opens smallNORB's matrices with the input as images, and then as their records.
pub fn norb(bytes: &[u8]) {
    for (images, info) in [(bytes, NORB_INFO), (NORB_IMAGES, bytes)] {
        let (images, info) = (put("norb-dat.mat", images), put("norb-info.mat", info));
        for label in [NorbLabel::Azimuth, NorbLabel::Elevation] {
            if let Ok(data) = open_small_norb(&images, &info, label) {
                read(&data);
            }
        }
    }
}

/// Opens a TFRecord file: as it is, and with its checksums made right, so that what is behind them is reached.
pub fn tfrecord(bytes: &[u8]) {
    for bytes in [bytes.to_vec(), mended(bytes)] {
        let file = put("set.tfrecord", &bytes);
        if let Ok(data) = TfRecords::open(&[file], (0..CLASSES).map(|class| class.to_string()).collect()) {
            read(&data);
        }
    }
}

/// Opens CLEVR's scenes.
pub fn clevr(bytes: &[u8]) {
    let root = folder("clevr", &["scenes", "images/val"]);
    std::fs::write(root.join("scenes/CLEVR_val_scenes.json"), bytes).expect("a scratch file");
    for label in [ClevrLabel::Count, ClevrLabel::Distance] {
        if let Ok(data) = open_clevr(&root, "val", label) {
            read(&data);
        }
    }
}

/// Opens KITTI with the input as the objects of its only image, and as the two files of the mapping with a zero between them.
pub fn kitti(bytes: &[u8]) {
    let root = folder("kitti", &["training/image_2", "training/label_2", "mapping"]);
    let write = |name: &str, bytes: &[u8]| std::fs::write(root.join(name), bytes).expect("a scratch file");
    write("training/image_2/000000.png", b"");
    write("training/label_2/000000.txt", bytes);
    if let Ok(data) = open_kitti(&root) {
        read(&data);
    }
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    for name in ["mapping/train_mapping.txt", "mapping/train_rand.txt"] {
        write(name, parts.next().unwrap_or_default());
    }
    if let Ok(splits) = kitti_splits(&root) {
        let images = [splits.train, splits.val, splits.test].concat();
        let places: std::collections::BTreeSet<_> = images.iter().collect();
        assert_eq!(places.len(), images.len(), "an image is in one split");
        assert_eq!(places.last().map_or(0, |last| **last + 1), images.len(), "every image is in a split");
    }
}

/// Records whose lengths and data have the checksums that they should.
fn mended(bytes: &[u8]) -> Vec<u8> {
    let masked =
        |bytes: &[u8]| crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes();
    let (mut bytes, mut at) = (bytes.to_vec(), 0);
    while let Some(head) = bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<12>()) {
        let crc = masked(&head[..8]);
        head[8..].copy_from_slice(&crc);
        let Ok(length) = usize::try_from(u64::from_le_bytes(std::array::from_fn(|i| head[i]))) else { break };
        let Some(end) = (at + 12).checked_add(length) else { break };
        let Some(crc) = bytes.get(at + 12..end).map(masked) else { break };
        let Some(place) = bytes.get_mut(end..).and_then(|rest| rest.first_chunk_mut::<4>()) else { break };
        *place = crc;
        at = end + 4;
    }
    bytes
}

/// A folder with these folders in it.
fn folder(name: &str, folders: &[&str]) -> PathBuf {
    let root = scratch().join(name);
    for folder in folders {
        std::fs::create_dir_all(root.join(folder)).expect("a folder for scratch files");
    }
    root
}
