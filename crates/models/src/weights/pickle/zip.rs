//! PyTorch's zip archives: `NAME/data.pkl`, and one entry `NAME/data/KEY` for each storage.
//! <https://docs.pytorch.org/docs/stable/notes/serialization.html>

use super::build::{Storages, build};
use super::machine::{MAX_PICKLE, Pickle};
use super::torch::StorageSpec;
use crate::weights::Contents;
use crate::weights::source::Source;
use crate::weights::zip::{Archive, Entry};
use tch::{Kind, Tensor};

/// Reads `archive`, which is all of `source`. `None` when it is no archive of PyTorch's.
pub(in crate::weights) fn read_zip(
    source: &Source,
    archive: &mut Archive<'_>,
) -> Option<Result<Contents, String>> {
    let folder = archive.names().find_map(|name| match name.strip_suffix("data.pkl")? {
        "" => Some(String::new()),
        folder => folder.ends_with('/').then(|| folder.to_owned()),
    })?;
    Some(read(source, archive, &folder))
}

fn read(source: &Source, archive: &mut Archive<'_>, folder: &str) -> Result<Contents, String> {
    if archive.contains(&format!("{folder}constants.pkl")) {
        return Err(
            "it is a TorchScript program, not a checkpoint; in Python, load it with torch.jit.load and save \
                    its state_dict()"
                .into(),
        );
    }
    let byteorder = format!("{folder}byteorder");
    if archive.contains(&byteorder) {
        let entry = archive.read(&byteorder)?;
        if archive.bytes(&entry, 16)? != b"little" {
            return Err("its numbers are big-endian; save it on a little-endian machine".into());
        }
    }
    let entry = archive.read(&format!("{folder}data.pkl"))?;
    let pickle = Pickle::read(archive.bytes(&entry, MAX_PICKLE)?)?;
    build(&pickle, source.bytes().len(), &mut Entries { source, archive, folder })
}

struct Entries<'s, 'z, 'b> {
    source: &'s Source,
    archive: &'z mut Archive<'b>,
    folder: &'s str,
}

impl<'a> Storages<'a> for Entries<'_, '_, '_> {
    fn load(&mut self, spec: &StorageSpec<'a>, kind: Kind) -> Result<Tensor, String> {
        let entry = self.archive.read(&format!("{}data/{}", self.folder, spec.key))?;
        let length = match &entry {
            Entry::Stored { length, .. } => *length,
            Entry::Inflated(content) => content.len(),
        };
        if length as u64 != spec.bytes {
            return Err(format!("its storage should have {} bytes and has {length}", spec.bytes));
        }
        let shape = [(length / kind.elt_size_in_bytes()) as i64];
        match entry {
            Entry::Stored { offset, .. } => self.source.tensor(offset, &shape, kind),
            Entry::Inflated(content) => Source::tensor_of(&content, &shape, kind),
        }
    }
}
