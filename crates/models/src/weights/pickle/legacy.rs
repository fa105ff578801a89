//! The format before PyTorch 1.6: five pickles (a magic number, a version, the system, the object, the keys of the
//! storages), then each storage as its number of elements and the elements.

use super::build::{Storages, build};
use super::machine::{Id, Node, Pickle};
use super::torch::{Reader, StorageSpec};
use crate::weights::Contents;
use crate::weights::source::Source;
use std::collections::HashMap;
use tch::{Kind, Tensor};

/// 0x1950a86a20f9469cfc6c, little-endian.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
const VERSION: i64 = 1001;

/// Whether `bytes` begin as a file of this format does.
pub(in crate::weights) fn is_legacy(bytes: &[u8]) -> bool {
    let start = &bytes[..bytes.len().min(64)];
    bytes.first() == Some(&0x80) && start.windows(MAGIC.len()).any(|window| window == MAGIC)
}

/// Reads all of `source`.
pub(in crate::weights) fn read_legacy(source: &Source) -> Result<Contents, String> {
    let bytes = source.bytes();
    let mut position = 0;
    let mut next = || {
        let pickle = Pickle::read(&bytes[position..])?;
        position += pickle.length;
        Ok::<_, String>(pickle)
    };
    let (magic, version, system, object, keys) = (next()?, next()?, next()?, next()?, next()?);
    if !matches!(magic.node(magic.root), Node::Long(number) if *number == MAGIC) {
        return Err("it does not begin with PyTorch's magic number".into());
    }
    match version.node(version.root) {
        Node::Int(VERSION) => {}
        _ => {
            return Err(format!(
                "it is of another version than {VERSION}; load it in PyTorch and save it again"
            ));
        }
    }
    if is_big_endian(&system) {
        return Err("its numbers are big-endian; save it on a little-endian machine".into());
    }
    let Node::List(list) = keys.node(keys.root) else {
        return Err("its list of storages is no list; it is damaged".into());
    };
    let keys = list.iter().map(|&id| text(&keys, id)).collect::<Option<Vec<_>>>();
    let keys = keys.ok_or("its list of storages holds something else; it is damaged")?;
    let mut storages = Rows { source, keys, position, found: HashMap::new() };
    storages.measure(&object)?;
    build(&object, bytes.len(), &mut storages)
}

fn text<'a>(pickle: &Pickle<'a>, id: Id) -> Option<&'a str> {
    match pickle.node(id) {
        Node::Str(text) => Some(text),
        _ => None,
    }
}

fn is_big_endian(system: &Pickle<'_>) -> bool {
    let Node::Dict(items) = system.node(system.root) else { return false };
    items.iter().any(|&(key, value)| {
        text(system, key) == Some("little_endian") && matches!(system.node(value), Node::Bool(false))
    })
}

/// The storages behind the pickles, in the order of their keys.
struct Rows<'s, 'a> {
    source: &'s Source,
    keys: Vec<&'a str>,
    /// Where the first one begins.
    position: usize,
    /// Where the elements of each are, and their length in bytes.
    found: HashMap<&'a str, (usize, u64)>,
}

impl<'a> Rows<'_, 'a> {
    /// Finds every storage: how long its elements are, only `object` tells.
    fn measure(&mut self, object: &Pickle<'_>) -> Result<(), String> {
        let widths = Reader { pickle: object }.storage_widths();
        let bytes = self.source.bytes();
        for &key in &self.keys {
            let width =
                *widths.get(key).ok_or_else(|| format!("it has a storage `{key}` that no tensor uses"))?;
            let truncated = || format!("it ends within the storage `{key}`; it is truncated");
            let numel = bytes[self.position..].first_chunk::<8>().ok_or_else(truncated)?;
            let length = u64::from_le_bytes(*numel).checked_mul(width).ok_or_else(truncated)?;
            let start = self.position + 8;
            let end = usize::try_from(length).ok().and_then(|length| start.checked_add(length));
            self.position = end.filter(|&end| end <= bytes.len()).ok_or_else(truncated)?;
            self.found.insert(key, (start, length));
        }
        Ok(())
    }
}

impl<'a> Storages<'a> for Rows<'_, '_> {
    fn load(&mut self, spec: &StorageSpec<'a>, kind: Kind) -> Result<Tensor, String> {
        let &(offset, length) = self
            .found
            .get(spec.key)
            .ok_or_else(|| format!("its storage `{}` is not in the file", spec.key))?;
        if length != spec.bytes {
            return Err(format!("its storage should have {} bytes and has {length}", spec.bytes));
        }
        self.source.tensor(offset, &[(length / kind.elt_size_in_bytes() as u64) as i64], kind)
    }
}
