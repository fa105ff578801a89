//! So2Sat and PatchCamelyon in HDF5, by files that h5py wrote (`fixtures/golden/vtab/hdf5.py`).

#![allow(clippy::unwrap_used)]

mod support;

use std::path::PathBuf;
use support::{Root, fingerprint, message, pixels};
use visrep_data::Dataset;
use visrep_vtab::{OpenOptions, SO2SAT_CLASSES, Task, open_patch_camelyon, open_so2sat, open_task};

fn file(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "../../fixtures/golden/vtab", name].iter().collect()
}

/// The level of a band in the files' formula.
fn level(image: u32, x: u32, y: u32, band: u32) -> u8 {
    let reflectance = f64::from((image * 7 + y * 3 + x * 5 + band * 11) % 41) / 100.0;
    (reflectance * 3.5 * 255.0).clamp(0.0, 255.0) as u8
}

#[test]
fn so2sat_becomes_rgb_as_in_tfds() {
    // The one file is contiguous, the other in packed chunks.
    for (name, count, first) in [("so2sat_training.h5", 20, 0), ("so2sat_validation.h5", 18, 100)] {
        let data = open_so2sat(file(name)).unwrap();
        assert_eq!((data.len(), data.classes().len(), data.key(3)), (count, 17, format!("{name}:3")));
        let mut white = 0;
        for index in [0, 4, 5, count - 1] {
            let image = pixels(&data, index);
            assert_eq!(data.label(index), Some((index as u32 + first) % 17));
            for (x, y) in (0..16).map(|at| (at % 4, at / 4)) {
                let expected = [2, 1, 0].map(|band| level(index as u32 + first, x, y, band));
                assert_eq!(image.pixel(x, y), expected, "{name} {index} ({x}, {y})");
                white += expected.iter().filter(|level| **level == 255).count();
            }
        }
        assert!(white > 10, "some are cut off");
        let keys: Vec<_> = (0..count).map(|row| format!("{name}:{row}")).collect();
        let labels: Vec<_> = (0..count as u64).map(|row| (row + u64::from(first)) % 17).collect();
        let expected = fingerprint(&keys, &labels, &SO2SAT_CLASSES.map(String::from));
        assert_eq!(data.fingerprint().unwrap(), expected);
        assert!(data.get(count).is_err());
    }
}

#[test]
fn patch_camelyon_is_read_in_parts() {
    let data = open_patch_camelyon(file("pcam_x.h5"), file("pcam_y.h5")).unwrap();
    assert_eq!((data.len(), data.label(7), data.classes()[1].as_str()), (12, Some(1), "tumour"));
    let expected = [0, 70, 140].map(|channel| ((11 * 31 + 2 * 5 + 3 * 3 + channel) % 256) as u8);
    assert_eq!(pixels(&data, 11).pixel(3, 2), expected);
}

#[test]
fn tasks_open_where_the_files_lie() {
    let root = Root::new();
    let put = |at: &str, name: &str| root.write(at, std::fs::read(file(name)).unwrap());
    put("vtab/so2sat/training.h5", "so2sat_training.h5");
    put("vtab/so2sat/validation.h5", "so2sat_validation.h5");
    let so2sat = open_task(root.path(), Task::So2Sat, &OpenOptions::default()).unwrap();
    assert_eq!((so2sat.train800.len(), so2sat.val200.len(), so2sat.test.len()), (16, 4, 18));
    assert!(so2sat.description.contains("validation.h5 as the test set"), "{so2sat:?}");
    for split in ["train", "valid", "test"] {
        for (kind, name) in [("x", "pcam_x.h5"), ("y", "pcam_y.h5")] {
            put(&format!("patch_camelyon/camelyonpatch_level_2_split_{split}_{kind}.h5"), name);
        }
    }
    let pcam = open_task(root.path(), Task::PatchCamelyon, &OpenOptions::default()).unwrap();
    assert_eq!((pcam.train800.len(), pcam.val200.len(), pcam.test.len()), (12, 12, 12));
}

#[test]
fn what_is_no_such_file_is_named() {
    let root = Root::new();
    let bytes = std::fs::read(file("so2sat_training.h5")).unwrap();
    let cut = root.write("cut.h5", &bytes[..bytes.len() / 2]);
    let text = root.write("text.h5", "no HDF5");
    let so2sat = |path: PathBuf| open_so2sat(path).map(drop);
    message(so2sat(text), &["text.h5", "no array `label`"]);
    assert!(so2sat(cut).is_err());
    message(so2sat(file("pcam_x.h5")), &["pcam_x.h5", "no array `label`"]);
    message(so2sat(root.path().join("none.h5")), &["none.h5"]);
    let swapped = open_patch_camelyon(file("pcam_y.h5"), file("pcam_x.h5"));
    message(swapped.map(drop), &["no array `y`"]);
    // Damage is an error or other pixels, never a panic.
    for at in (0..bytes.len()).step_by(997) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0xff;
        if let Ok(data) = open_so2sat(root.write("damaged.h5", damaged)) {
            let _ = data.get(0);
        }
    }
}
