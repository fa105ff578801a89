//! Weight files made to harm whoever reads them: each ends in an error that says what is wrong, without a call, a crash or
//! memory beyond what the file warrants.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use flate2::Compression;
use flate2::write::DeflateEncoder;
use rawzip::{CompressionMethod, ZipArchiveWriter};
use std::io::Write;
use std::path::{Path, PathBuf};
use visrep_models::{Error, StateDict};

fn fixture(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/golden/models/weights").join(file)
}

/// The reason for which a file is refused.
fn refused(path: &Path) -> String {
    match StateDict::read(path) {
        Ok(state) => panic!("{} is read: {:?}", path.display(), state.shapes()),
        Err(Error::Format { reason, .. }) => reason,
        Err(other) => panic!("{other}"),
    }
}

/// An archive of compressed entries.
fn deflated(path: &Path, entries: &[(&str, &[u8])]) {
    let mut archive = ZipArchiveWriter::new(std::fs::File::create(path).unwrap());
    for (name, content) in entries {
        let (mut entry, config) =
            archive.new_file(name).compression_method(CompressionMethod::DEFLATE).start().unwrap();
        let encoder = DeflateEncoder::new(&mut entry, Compression::fast());
        let mut writer = config.wrap(encoder);
        writer.write_all(content).unwrap();
        let (encoder, descriptor) = writer.finish().unwrap();
        encoder.finish().unwrap();
        entry.finish(descriptor).unwrap();
    }
    archive.finish().unwrap();
}

/// `{'a': tensor of `numel` f32 in the storage '0'}`.
fn pickle(numel: u32) -> Vec<u8> {
    let mut pickle =
        b"\x80\x02}U\x01actorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\nFloatStorage\n".to_vec();
    pickle.extend(b"U\x010U\x03cpuJ");
    pickle.extend(numel.to_le_bytes());
    pickle.extend(b"tQK\x00J");
    pickle.extend(numel.to_le_bytes());
    pickle.extend(b"\x85K\x01\x85\x89NtRs.");
    pickle
}

#[test]
fn nothing_is_ever_called() {
    for (name, function) in [
        ("system", "posix.system"),
        ("eval", "eval"),
        ("exec", "exec"),
        ("popen", "Popen"),
        ("import", "__import__"),
    ] {
        for file in [format!("attacks/{name}.pth"), format!("attacks/{name}_legacy.pth")] {
            let message = refused(&fixture(&file));
            assert!(message.contains(function) && message.contains("nothing was run"), "{file}: {message}");
        }
    }
    let message = refused(&fixture("attacks/bare.pkl"));
    assert!(message.contains("none of PyTorch's"), "{message}");
    assert!(!Path::new("pwned").exists());
}

#[test]
fn whole_modules_and_programs_are_explained() {
    let message = refused(&fixture("attacks/module.pth"));
    assert!(
        message.contains("torch.nn.modules.linear.Linear") && message.contains("state_dict()"),
        "{message}"
    );
    let message = refused(&fixture("attacks/script.pt"));
    assert!(message.contains("TorchScript"), "{message}");
}

#[test]
fn tensors_stay_within_their_storages() {
    for (file, expected) in [
        ("beyond", "not within its 4 elements"),
        ("stride", "not within its 4 elements"),
        ("overflow", "not within its 4 elements"),
        ("negative", "cannot be"),
        ("repeats", "far more than the file has"),
        ("short", "should have 32 bytes and has 16"),
        ("elsewhere", "no zip entry"),
        ("twice", "there twice"),
    ] {
        let message = refused(&fixture(&format!("attacks/{file}.pth")));
        assert!(message.contains(expected), "{file}: {message}");
    }
}

#[test]
fn nesting_costs_what_it_takes_to_write() {
    let message = refused(&fixture("attacks/deep.pth"));
    assert!(message.contains("a tuple"), "{message}");
    let message = refused(&fixture("attacks/laughs.pth"));
    assert!(message.contains("more than"), "{message}");
}

#[test]
fn zip_bombs_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.pth");
    let zeros = vec![0; 80 << 20];
    let small = pickle(16);
    deflated(&path, &[("a/data.pkl", &small), ("a/data/0", &[0; 64])]);
    assert_eq!(StateDict::read(&path).unwrap().get("a").unwrap().size(), [16]);

    deflated(&path, &[("a/data.pkl", &pickle(20 << 20)), ("a/data/0", &zeros)]);
    assert!(std::fs::metadata(&path).unwrap().len() < 1 << 20);
    let message = refused(&path);
    assert!(message.contains("zip bomb"), "{message}");
    deflated(&path, &[("a/data.pkl", &zeros[..66 << 20])]);
    let message = refused(&path);
    assert!(message.contains("too long"), "{message}");
    deflated(&path, &[("a.npy", &zeros)]);
    let message = refused(&path);
    assert!(message.contains("zip bomb"), "{message}");

    // A directory that understates what an entry inflates to.
    deflated(&path, &[("a/data.pkl", &small), ("a/data/0", &zeros)]);
    let mut bytes = std::fs::read(&path).unwrap();
    for size in [(80_u32 << 20).to_le_bytes()] {
        while let Some(at) = bytes.windows(4).rposition(|window| window == size) {
            bytes[at..at + 4].copy_from_slice(&64_u32.to_le_bytes());
        }
    }
    std::fs::write(&path, bytes).unwrap();
    let message = refused(&path);
    assert!(message.contains("`a/data/0`"), "{message}");
}

#[test]
fn headers_are_checked_before_they_are_believed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let with_header = |header: &str, data: usize| {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.extend(vec![0; data]);
        std::fs::write(&path, bytes).unwrap();
        refused(&path)
    };
    for (header, data) in [
        (
            r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#,
            12,
        ),
        (
            r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
            8,
        ),
        (r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,9999]}}"#, 8),
        (r#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,8]}}"#, 8),
        (r#"{"a":{"dtype":"F32","shape":[18446744073709551615,2],"data_offsets":[0,8]}}"#, 8),
        (r#"{"a":{"dtype":"F31","shape":[2],"data_offsets":[0,8]}}"#, 8),
        (r#"{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}"#, 8),
    ] {
        let message = with_header(header, data);
        assert!(message.contains("damaged") || message.contains("truncated"), "{header}: {message}");
    }
    let spaces = " ".repeat(17 << 20);
    let message = with_header(&spaces, 0);
    assert!(message.contains("more than the 16 MiB"), "{message}");
}

#[test]
fn every_format_is_refused_wherever_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights");
    for file in [
        "kinds.safetensors",
        "kinds.pth",
        "kinds_legacy.pth",
        "deflated.pth",
        "protocol_4_legacy.pth",
        "big_vision.npz",
        "compressed.npz",
    ] {
        let bytes = std::fs::read(fixture(file)).unwrap();
        // All of the start and the end, where the headers are, and some of the middle.
        let middle = 64..bytes.len() - 64;
        for length in (0..bytes.len()).filter(|length| !middle.contains(length) || length % 7 == 0) {
            std::fs::write(&path, &bytes[..length]).unwrap();
            let reason = refused(&path);
            assert!(!reason.is_empty(), "{file} cut to {length}");
        }
    }
}

/// Small files whose every piece is met again and again.
#[test]
fn what_is_shared_costs_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.pth");
    let attack = |pickle: &[u8]| {
        deflated(&path, &[("a/data.pkl", pickle)]);
        let start = std::time::Instant::now();
        let reason = refused(&path);
        assert!(start.elapsed().as_secs() < 30, "{reason}");
        reason
    };
    // One dictionary of a million entries in each of 65 536.
    let mut pickle = b"\x80\x02}q\x00(".to_vec();
    pickle.extend(b"K\x01N".repeat(1_000_000));
    pickle.extend(b"u0}(");
    for key in 0..=u16::MAX {
        pickle.push(b'M');
        pickle.extend(key.to_le_bytes());
        pickle.extend(b"h\x00");
    }
    pickle.extend(b"u.");
    assert!(attack(&pickle).contains("no tensors"));
    // One shape of a million sizes for each of 65 536 tensors.
    let mut pickle = b"\x80\x02(".to_vec();
    pickle.extend(b"K\x01".repeat(1_000_000));
    pickle.extend(b"tq\x010ctorch._utils\n_rebuild_tensor_v2\n(");
    pickle.extend(b"(U\x07storagectorch\nFloatStorage\nU\x010U\x03cpuK\x10tQK\x00h\x01h\x01\x89NtRq\x020}(");
    for key in 0..=u16::MAX {
        pickle.push(b'M');
        pickle.extend(key.to_le_bytes());
        pickle.extend(b"h\x02");
    }
    pickle.extend(b"u.");
    assert!(attack(&pickle).contains("not those that PyTorch writes"));
    // Marks and places in the memo, of which a byte asks for one.
    for byte in [b"(", b"\x94"] {
        let mut pickle = b"\x80\x04N".to_vec();
        pickle.extend(byte.repeat(60 << 20));
        assert!(attack(&pickle).contains("more than"));
    }
}

/// Entries of an archive that lie over each other, each of which would be copied.
#[test]
fn entries_share_no_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.npz");
    let mut array = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    let header = "{'descr': '|b1', 'fortran_order': False, 'shape': (4096,), }";
    array.extend(format!("{header:<117}\n").bytes());
    array.extend([1; 4096]);
    let mut archive = ZipArchiveWriter::new(Vec::new());
    for i in 0..64 {
        let (mut entry, config) = archive
            .new_file(format!("{i:02}.npy"))
            .compression_method(CompressionMethod::STORE)
            .start()
            .unwrap();
        let mut writer = config.wrap(&mut entry);
        writer.write_all(&array).unwrap();
        let (_, descriptor) = writer.finish().unwrap();
        entry.finish(descriptor).unwrap();
    }
    let bytes = archive.finish().unwrap();
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(StateDict::read(&path).unwrap().names().count(), 64);
    // The directory as it is, and of the entries only the first, to which each record leads.
    let at = |magic: &[u8]| -> Vec<usize> {
        (0..bytes.len() - 4).filter(|&i| &bytes[i..i + 4] == magic).collect()
    };
    let positions = at(b"PK\x01\x02");
    let directory = positions[0];
    let mut small = bytes[..at(b"PK\x03\x04")[1]].to_vec();
    let kept = small.len();
    let mut records = bytes[directory..].to_vec();
    for position in &positions {
        records[position - directory + 42..][..4].fill(0);
    }
    let end = records.windows(4).rposition(|window| window == b"PK\x05\x06").unwrap();
    records[end + 16..][..4].copy_from_slice(&u32::try_from(kept).unwrap().to_le_bytes());
    small.extend(records);
    std::fs::write(&path, small).unwrap();
    let message = refused(&path);
    assert!(message.contains("lie over each other"), "{message}");
}
