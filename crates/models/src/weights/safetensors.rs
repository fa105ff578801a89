//! safetensors files: <https://huggingface.co/docs/safetensors>.

use super::dtype::{self, Element};
use super::source::Source;
use super::state::{Contents, Unread};
use safetensors::{SafeTensorError, SafeTensors};

/// The longest header. timm's largest models need a hundredth of it.
const MAX_HEADER: u64 = 16 << 20;

/// The length of the header that `bytes` claim, when there are so many.
pub(super) fn has_header(bytes: &[u8]) -> bool {
    claimed(bytes)
        .is_some_and(|header| header <= (bytes.len() as u64).saturating_sub(8) && bytes.get(8) == Some(&b'{'))
}

fn claimed(bytes: &[u8]) -> Option<u64> {
    bytes.first_chunk::<8>().map(|length| u64::from_le_bytes(*length))
}

/// Formats that people mistake for weights, by their first bytes.
pub(super) fn other_format(bytes: &[u8]) -> Option<&'static str> {
    const KNOWN: [(&[u8], &str); 8] = [
        (b"version https://git-lfs", "it is a Git LFS pointer, not the file itself; run `git lfs pull`"),
        (b"<", "it is a web page, perhaps from a failed download"),
        (b"\x89HDF", "it is HDF5; convert it with h5py and safetensors.numpy.save_file"),
        (b"GGUF", "it is GGUF; take the safetensors file of the same model"),
        (b"\x1f\x8b", "it is compressed with gzip; unpack it"),
        (b"BZh", "it is compressed with bzip2; unpack it"),
        (b"\xfd7zXZ", "it is compressed with xz; unpack it"),
        (b"\x28\xb5\x2f\xfd", "it is compressed with zstd; unpack it"),
    ];
    let known = KNOWN.iter().find(|(magic, _)| bytes.starts_with(magic));
    known.filter(|_| !has_header(bytes)).map(|(_, reason)| *reason)
}

/// Reads all of `source`.
pub(super) fn read(source: &Source) -> Result<Contents, String> {
    let bytes = source.bytes();
    let Some(header) = claimed(bytes) else {
        return Err(format!("it has {} bytes, too few for a header", bytes.len()));
    };
    if header > (bytes.len() - 8) as u64 {
        if bytes.first() == Some(&0x80) {
            return Err(
                "it is a Python pickle, but none of PyTorch's; in Python, load it and save its tensors with \
                        safetensors.torch.save_file"
                    .into(),
            );
        }
        let size = bytes.len();
        return Err(format!(
            "it claims a header of {header} bytes and has {size}; it is truncated or of another format"
        ));
    }
    if header > MAX_HEADER {
        return Err(format!(
            "its header has {header} bytes, more than the {} MiB that are read",
            MAX_HEADER >> 20
        ));
    }
    let (header, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| damaged(bytes, &error))?;
    let mut contents = Contents::default();
    if let Some(about) = metadata.metadata() {
        contents.metadata.extend(about.iter().map(|(key, value)| (key.clone(), value.clone())));
    }
    for (name, info) in metadata.tensors() {
        let shape = info.shape.iter().map(|&n| i64::try_from(n)).collect::<Result<Vec<_>, _>>();
        let shape = shape.map_err(|_| format!("the tensor `{name}` has an impossible shape"))?;
        match dtype::of_safetensors(info.dtype) {
            Element::Other(dtype) => drop(contents.unread.insert(name, Unread { shape, dtype })),
            Element::Kind(kind) => {
                let tensor = source.tensor(8 + header + info.data_offsets.0, &shape, kind);
                let tensor = tensor.map_err(|reason| format!("the tensor `{name}`: {reason}"))?;
                contents.tensors.insert(name, tensor);
            }
        }
    }
    Ok(contents)
}

fn damaged(bytes: &[u8], source: &SafeTensorError) -> String {
    match source {
        SafeTensorError::MetadataIncompleteBuffer => {
            format!(
                "its {} bytes are not what its header promises; it is truncated or has extra data",
                bytes.len()
            )
        }
        other => format!("{other}; the file is damaged or of another format"),
    }
}
