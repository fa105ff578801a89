//! Datasets in small, laid out as the published ones are.
#![allow(dead_code, clippy::unwrap_used, reason = "a test may panic, and each uses its own part")]

use flate2::write::{GzEncoder, ZlibEncoder};
use std::io::Write;
use std::path::{Path, PathBuf};
use visrep_data::{Dataset, Fingerprint, SampleImage, decode_sample};
use visrep_decode::{DecodeOptions, RgbImage, encode_png};
use visrep_vtab::{NorbValues, write_norb_matrix};

/// A folder that is removed in the end.
pub(crate) struct Root(tempfile::TempDir);

impl Root {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, path: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// `count` images for each class, in folders.
    pub(crate) fn classes(&self, folder: &str, classes: &[String], count: usize) {
        for (label, class) in classes.iter().enumerate() {
            for image in 1..=count {
                let bytes = png(4, [(label * 83 % 256) as u8, image as u8, (label * 47 % 256) as u8]);
                self.write(&format!("{folder}/{class}/image_{image:04}.png"), bytes);
            }
        }
    }
}

pub(crate) fn png(side: u32, rgb: [u8; 3]) -> Vec<u8> {
    encode_png(&RgbImage::filled(side, side, rgb)).unwrap()
}

/// The error of what must fail.
#[track_caller]
pub(crate) fn message<T, E: std::fmt::Display>(result: Result<T, E>, words: &[&str]) -> String {
    let Err(error) = result else { panic!("this should have failed with {words:?}") };
    let text = error.to_string();
    words.iter().for_each(|word| assert!(text.contains(word), "{word:?} is not in: {text}"));
    text
}

pub(crate) fn pixels(data: &dyn Dataset, index: usize) -> RgbImage {
    let sample = data.get(index).unwrap();
    assert_eq!(sample.label, data.label(index));
    assert_eq!(sample.key, data.key(index));
    match sample.image {
        SampleImage::Decoded(image) => image,
        SampleImage::Encoded(_) => decode_sample(&sample, &DecodeOptions::default()).unwrap(),
    }
}

/// The fingerprint of samples of these keys, labels and classes.
pub(crate) fn fingerprint(keys: &[String], labels: &[u64], classes: &[String]) -> u64 {
    let mut hash = Fingerprint::new();
    keys.iter().for_each(|key| hash.text(key));
    labels.iter().for_each(|label| hash.number(*label));
    classes.iter().for_each(|class| hash.text(class));
    hash.finish()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

/// An array of bytes in a MAT-file: name, shape, values.
pub(crate) type Array<'a> = (&'a str, &'a [u32], &'a [u8]);

/// A MAT-file of level 5 with arrays of uint8, as MATLAB's `save -v7` (packed) and `-v6` write it.
pub(crate) fn mat(arrays: &[Array<'_>], packed: bool) -> Vec<u8> {
    let mut file = vec![b' '; 116];
    file[..20].copy_from_slice(b"MATLAB 5.0 MAT-file,");
    file.extend([0; 8]);
    file.extend([0, 1]);
    file.extend(b"IM");
    for (name, shape, values) in arrays {
        let element = |code: u32, bytes: &[u8]| {
            let mut element = code.to_le_bytes().to_vec();
            element.extend((bytes.len() as u32).to_le_bytes());
            element.extend(bytes);
            element.resize(element.len().next_multiple_of(8), 0);
            element
        };
        // Short names and values stand in the tag.
        let small = |code: u32, bytes: &[u8]| match bytes.len() {
            1..=4 => {
                let mut element = (code | (bytes.len() as u32) << 16).to_le_bytes().to_vec();
                element.extend(bytes);
                element.resize(8, 0);
                element
            }
            _ => element(code, bytes),
        };
        let sizes: Vec<u8> = shape.iter().flat_map(|size| size.to_le_bytes()).collect();
        let body = [
            element(6, &[9, 0, 0, 0, 0, 0, 0, 0]),
            element(5, &sizes),
            small(1, name.as_bytes()),
            small(2, values),
        ];
        let matrix = element(14, &body.concat());
        if packed {
            let mut zlib = ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
            zlib.write_all(&matrix).unwrap();
            let zlib = zlib.finish().unwrap();
            file.extend(15_u32.to_le_bytes());
            file.extend((zlib.len() as u32).to_le_bytes());
            // Packed elements are not padded.
            file.extend(zlib);
        } else {
            file.extend(matrix);
        }
    }
    file
}

/// SVHN's file: image i has red `i`, green its row, blue its column; labels 1 to 10 in turn.
pub(crate) fn svhn(count: usize, packed: bool) -> Vec<u8> {
    let mut values = Vec::new();
    for image in 0..count {
        for channel in 0..3 {
            for x in 0..32_u8 {
                values.extend((0..32_u8).map(|y| [image as u8, y, x][channel]));
            }
        }
    }
    let labels: Vec<u8> = (0..count).map(|image| (image % 10 + 1) as u8).collect();
    mat(&[("X", &[32, 32, 3, count as u32], &values), ("y", &[count as u32, 1], &labels)], packed)
}

/// smallNORB's two files of a split: pictures of `side`², the left one's pixels `row`, the right one's 255.
pub(crate) fn norb(count: usize, side: u32) -> (Vec<u8>, Vec<u8>) {
    let plane = (side * side) as usize;
    let pixels: Vec<u8> =
        (0..count).flat_map(|row| [vec![row as u8; plane], vec![255; plane]].concat()).collect();
    // Instance, elevation, azimuth (even), lighting.
    let info: Vec<i32> =
        (0..count as i32).flat_map(|row| [4 + row % 5, row % 9, row % 18 * 2, row % 6]).collect();
    let (mut images, mut records) = (Vec::new(), Vec::new());
    write_norb_matrix(&mut images, &[count as u32, 2, side, side], &NorbValues::Bytes(&pixels)).unwrap();
    write_norb_matrix(&mut records, &[count as u32, 4], &NorbValues::Integers(&info)).unwrap();
    (images, records)
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 127 {
        bytes.push(value as u8 | 128);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// A field of bytes in a protocol buffer.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    [vec![number << 3 | 2], varint(bytes.len() as u64), bytes.to_vec()].concat()
}

/// A `tf.train.Example` as DMLab's: image, file name, label. TensorFlow packs integers.
pub(crate) fn example(image: &[u8], label: u64) -> Vec<u8> {
    let entry =
        |name: &str, feature: Vec<u8>| field(1, &[field(1, name.as_bytes()), field(2, &feature)].concat());
    let features = [
        entry("image", field(1, &field(1, image))),
        entry("filename", field(1, &field(1, b"frame.jpg"))),
        entry("label", field(3, &field(1, &varint(label)))),
    ];
    field(1, &features.concat())
}

/// A TFRecord file.
pub(crate) fn tfrecord(records: &[Vec<u8>]) -> Vec<u8> {
    let crc = |bytes: &[u8]| (crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)).to_le_bytes();
    let mut file = Vec::new();
    for record in records {
        let length = (record.len() as u64).to_le_bytes();
        file.extend(length);
        file.extend(crc(&length));
        file.extend(record);
        file.extend(crc(record));
    }
    file
}

/// CLEVR's scenes: one image for each (objects, nearest distance).
pub(crate) fn scenes(split: &str, images: &[(usize, f64)]) -> String {
    let scene = |(at, (objects, nearest)): (usize, &(usize, f64))| {
        let objects: Vec<_> = (0..*objects)
            .map(|object| {
                let distance = nearest + object as f64;
                serde_json::json!({"color": "red", "size": "small", "shape": "cube", "rotation": 3.5,
                    "material": "metal", "3d_coords": [0.1, 0.2, 0.7], "pixel_coords": [120, 87, distance]})
            })
            .collect();
        serde_json::json!({"split": split, "image_index": at, "image_filename": format!("CLEVR_{split}_{at:06}.png"),
            "objects": objects, "directions": {"right": [0.6, 0.7, -0.0]}, "relationships": {"right": [[1], []]}})
    };
    let scenes: Vec<_> = images.iter().enumerate().map(scene).collect();
    serde_json::json!({"info": {"date": "2/14/2017", "version": "1.0"}, "scenes": scenes}).to_string()
}

/// dSprites' NPZ with `count` images: sprite i is white in row i alone; its latents are those of `latents(i)`.
pub(crate) fn dsprites(count: usize, latents: impl Fn(usize) -> [i64; 6]) -> Vec<u8> {
    let npy = |descr: &str, shape: &str, data: Vec<u8>| {
        let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    };
    let images = (0..count).flat_map(|image| (0..64 * 64).map(move |at| u8::from(at / 64 == image % 64)));
    let classes = (0..count).flat_map(|image| latents(image).map(i64::to_le_bytes)).flatten();
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let members = [
        ("imgs.npy", npy("|u1", &format!("({count}, 64, 64)"), images.collect())),
        ("latents_classes.npy", npy("<i8", &format!("({count}, 6)"), classes.collect())),
        // A dictionary, pickled: it must not be looked at.
        ("metadata.npy", b"\x93NUMPY\x01\x00 pickle".to_vec()),
    ];
    for (name, bytes) in members {
        archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(&bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}
