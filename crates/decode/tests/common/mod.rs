//! The fixtures that the tests share.
#![allow(dead_code)] // Each test binary uses its own part.

use std::path::PathBuf;

pub(crate) fn fixtures() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures"))
}

pub(crate) fn awkward(name: &str) -> Vec<u8> {
    std::fs::read(fixtures().join("awkward").join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// `golden/decode/expected.json`: file name to what Pillow makes of it.
pub(crate) fn expected() -> serde_json::Map<String, serde_json::Value> {
    let text = std::fs::read_to_string(fixtures().join("golden/decode/expected.json")).unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
    match value["files"].take() {
        serde_json::Value::Object(files) => files,
        other => panic!("no table of files but {other}"),
    }
}

/// The pixels of a golden image, read by the `png` crate alone, not by what is tested.
pub(crate) fn pixels(name: &str) -> (u32, u32, Vec<u8>) {
    let file = std::fs::File::open(fixtures().join("golden/decode/pixels").join(name)).unwrap();
    let mut reader = png::Decoder::new(std::io::BufReader::new(file)).read_info().unwrap();
    let mut data = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut data).unwrap();
    assert_eq!(info.color_type, png::ColorType::Rgb);
    (info.width, info.height, data)
}
