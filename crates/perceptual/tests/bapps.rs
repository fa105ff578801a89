//! BAPPS as its archives unpack: a small copy of the layout, good and broken.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

use std::fs;
use std::path::Path;
use visrep_augment::RgbImage;
use visrep_decode::encode_png;
use visrep_perceptual::{
    BappsFolder, BappsSet, ImageDistances, PixelDistance, StructuralDistance, score_pairs, score_pairs_by,
    score_triplets, score_triplets_by,
};

/// A number in an array of shape (1), as `numpy.save` writes it.
fn npy(value: f32) -> Vec<u8> {
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }";
    let mut bytes = b"\x93NUMPY\x01\x00v\x00".to_vec();
    bytes.extend(format!("{header:<117}\n").bytes());
    bytes.extend(value.to_le_bytes());
    bytes
}

fn patch(level: u8) -> RgbImage {
    RgbImage::from_fn(64, 64, move |x, y| [level, (x * 4) as u8, (y * 4) as u8])
}

/// As the validation's files are: each pixel a block of 4 x 4.
fn blocks(level: u8) -> RgbImage {
    let patch = patch(level);
    RgbImage::from_fn(256, 256, move |x, y| patch.pixel(x / 4, y / 4))
}

fn write(folder: &Path, part: &str, name: &str, bytes: &[u8]) {
    fs::create_dir_all(folder.join(part)).unwrap();
    fs::write(folder.join(part).join(name), bytes).unwrap();
}

/// Three triplets, of which a distance in pixels gets two right by most judges.
fn two_afc(root: &Path) -> std::path::PathBuf {
    let folder = root.join("2afc/val/superres");
    for (number, (first, second, judge)) in
        [(110, 120, 0.2), (140, 105, 1.0), (101, 130, 0.6)].iter().enumerate()
    {
        let name = format!("{number:06}.png");
        write(&folder, "ref", &name, &encode_png(&blocks(100)).unwrap());
        write(&folder, "p0", &name, &encode_png(&blocks(*first)).unwrap());
        write(&folder, "p1", &name, &encode_png(&patch(*second)).unwrap());
        write(&folder, "judge", &format!("{number:06}.npy"), &npy(*judge));
    }
    folder
}

#[test]
fn triplets_are_read_and_scored() {
    let root = tempfile::tempdir().unwrap();
    two_afc(root.path());
    let set = BappsFolder::two_afc(root.path(), false, BappsSet::Superres).unwrap();
    assert_eq!(set.len(), 3);
    let triplet = set.triplets().nth(1).unwrap().unwrap();
    assert_eq!((triplet.reference, triplet.first, triplet.second), (patch(100), patch(140), patch(105)));
    assert_eq!(triplet.judge, 1.0);
    assert_eq!(set.triplet(2).unwrap().second, patch(130));
    assert!(set.triplet(3).unwrap_err().to_string().contains("holds 3, so that there is no number 3"));
    let scores = score_triplets(&PixelDistance, set.triplets(), 2).unwrap();
    assert!((scores.two_afc.score - (0.8 + 1.0 + 0.4) / 3.0).abs() < 1e-6);
    assert!((scores.judge[0] - 0.2).abs() < 1e-6 && scores.judge[1] == 1.0);
    let both: [&dyn ImageDistances; 2] = [&StructuralDistance::MsSsim, &PixelDistance];
    let found = score_triplets_by(&both, set.triplets(), 2).unwrap();
    assert_eq!((found.len(), found[1].two_afc.score), (2, scores.two_afc.score));
    assert_eq!((&found[1].first, &found[1].second), (&scores.first, &scores.second));
}

#[test]
fn pairs_are_read_and_scored() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("jnd/val/cnn");
    for (number, (second, same)) in [(101, 1.0), (160, 0.0), (110, 2.0 / 3.0)].iter().enumerate() {
        let name = format!("{number:06}.png");
        write(&folder, "p0", &name, &encode_png(&patch(100)).unwrap());
        write(&folder, "p1", &name, &encode_png(&patch(*second)).unwrap());
        write(&folder, "same", &format!("{number:06}.npy"), &npy(*same));
    }
    let set = BappsFolder::jnd(root.path(), BappsSet::Cnn).unwrap();
    let scores = score_pairs(&PixelDistance, set.pairs(), 2).unwrap();
    assert_eq!((scores.distances.len(), scores.same.len()), (3, 3));
    assert_eq!((set.pair(1).unwrap().same, set.pair(3).is_err()), (0.0, true));
    let both: [&dyn ImageDistances; 2] = [&PixelDistance, &StructuralDistance::Ssim];
    let found = score_pairs_by(&both, set.pairs(), 2).unwrap();
    assert_eq!((found.len(), found[0].map), (2, scores.map));
    let alone = score_pairs(&StructuralDistance::Ssim, set.pairs(), 3).unwrap();
    assert_eq!(found[1].distances, alone.distances);
    assert!((scores.map - (0.6 + 0.4 * 5.0 / 6.0)).abs() < 1e-6, "{}", scores.map);
}

#[test]
fn what_is_missing_or_broken_is_named() {
    let root = tempfile::tempdir().unwrap();
    let open = || BappsFolder::two_afc(root.path(), false, BappsSet::Superres);
    let error = open().unwrap_err().to_string();
    assert!(error.contains("2afc/val/superres/ref") && error.contains("below its root"), "{error}");
    let folder = two_afc(root.path());
    fs::write(folder.join("judge/000001.npy"), npy(1.5)).unwrap();
    let error = open().unwrap().triplets().nth(1).unwrap().unwrap_err().to_string();
    assert!(error.contains("judge/000001.npy: holds 1.5, not one share"), "{error}");
    fs::write(folder.join("p1/000000.png"), b"junk").unwrap();
    let error = open().unwrap().triplets().next().unwrap().unwrap_err().to_string();
    assert!(error.contains("p1/000000.png"), "{error}");
    fs::remove_file(folder.join("p1/000002.png")).unwrap();
    let error = open().unwrap_err().to_string();
    assert!(error.contains("p1: 000002.png is missing"), "{error}");
}
