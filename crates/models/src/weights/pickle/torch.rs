//! What a PyTorch checkpoint's pickle says of tensors: where each one's elements are, and how they are laid out.

use super::machine::{Id, Node, Object, Pickle};
use crate::weights::dtype::{self, Element};
use std::collections::HashMap;

/// The deepest nesting of dictionaries that is followed.
pub(super) const MAX_DEPTH: usize = 32;
/// The most dimensions of a tensor, as in LibTorch.
const MAX_DIMENSIONS: usize = 64;

/// A storage, as the pickle refers to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StorageSpec<'a> {
    /// Its name in the file.
    pub(super) key: &'a str,
    pub(super) element: Element,
    /// Its length.
    pub(super) bytes: u64,
}

/// A tensor's view of a storage, in elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TensorSpec<'a> {
    pub(super) storage: StorageSpec<'a>,
    pub(super) offset: u64,
    pub(super) size: Vec<i64>,
    pub(super) stride: Vec<i64>,
}

/// What stands for a tensor.
#[derive(Debug)]
pub(super) enum Found<'a> {
    Tensor(TensorSpec<'a>),
    /// A quantised, sparse or otherwise special tensor, with what it is.
    Special(Vec<i64>, String),
}

/// A view of a pickle that knows PyTorch's classes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'p, 'a> {
    pub(super) pickle: &'p Pickle<'a>,
}

impl<'p, 'a> Reader<'p, 'a> {
    /// The module and name of a class or function, or of the one that was called.
    fn class(self, object: &Object) -> Option<(&'a str, &'a str)> {
        match self.pickle.node(object.callable) {
            Node::Global(module, name) => Some((module, name)),
            _ => None,
        }
    }

    fn elements(self, id: Id) -> Option<&'p [Id]> {
        match self.pickle.node(id) {
            Node::Tuple(values) | Node::List(values) => Some(values),
            // torch.Size of a tuple.
            Node::Object(object) if self.class(object) == Some(("torch", "Size")) => {
                let arguments = self.elements(object.arguments)?;
                match self.pickle.node(*arguments.first()?) {
                    Node::Tuple(values) | Node::List(values) => Some(values),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn integers(self, id: Id) -> Option<Vec<i64>> {
        let one = |&id: &Id| match self.pickle.node(id) {
            Node::Int(value) => Some(*value),
            _ => None,
        };
        // One tuple may serve very many tensors: no more of it is looked at than a tensor can use.
        self.elements(id).filter(|elements| elements.len() <= MAX_DIMENSIONS)?.iter().map(one).collect()
    }

    /// The entries of a dictionary of any class, later ones last.
    pub(super) fn entries(self, id: Id) -> Option<Vec<(Id, Id)>> {
        match self.pickle.node(id) {
            Node::Dict(items) => Some(items.clone()),
            Node::Object(object) => {
                let ("collections", "OrderedDict" | "defaultdict" | "Counter") = self.class(object)? else {
                    return None;
                };
                let mut entries = Vec::new();
                // Python 2 gives the pairs as an argument.
                for &argument in self.elements(object.arguments)? {
                    for &pair in self.elements(argument).unwrap_or_default() {
                        if let Some(&[key, value]) = self.elements(pair) {
                            entries.push((key, value));
                        }
                    }
                }
                entries.extend(&object.items);
                Some(entries)
            }
            _ => None,
        }
    }

    /// A dictionary's key as text.
    pub(super) fn key(self, id: Id) -> Option<String> {
        match self.pickle.node(id) {
            Node::Str(text) => Some((*text).to_owned()),
            Node::Bytes(bytes) => std::str::from_utf8(bytes).ok().map(str::to_owned),
            Node::Int(value) => Some(value.to_string()),
            _ => None,
        }
    }

    /// A scalar or a text, as metadata shows it.
    pub(super) fn scalar(self, id: Id) -> Option<String> {
        match self.pickle.node(id) {
            Node::Bool(value) => Some(value.to_string()),
            Node::Int(value) => Some(value.to_string()),
            Node::Float(value) => Some(value.to_string()),
            Node::Str(text) if text.len() <= 1000 => Some((*text).to_owned()),
            _ => None,
        }
    }

    /// What `id` is, in a few words.
    pub(super) fn describe(self, id: Id) -> String {
        match self.pickle.node(id) {
            Node::Object(object) => match self.class(object) {
                // How protocol 2 makes an instance of any class.
                Some(("copy_reg" | "copyreg", "_reconstructor" | "__newobj__")) => {
                    let class = self.elements(object.arguments).and_then(|arguments| arguments.first());
                    match class.map(|&class| self.pickle.node(class)) {
                        Some(Node::Global(module, name)) => format!("{module}.{name}"),
                        _ => "an object".into(),
                    }
                }
                Some((module, name)) => format!("{module}.{name}"),
                None => "an object".into(),
            },
            Node::Dict(_) => "a dictionary".into(),
            Node::List(_) => "a list".into(),
            Node::Tuple(_) => "a tuple".into(),
            Node::Str(_) | Node::Bytes(_) => "a text".into(),
            Node::Int(_) | Node::Long(_) | Node::Float(_) | Node::Bool(_) => "a number".into(),
            Node::None => "None".into(),
            Node::Global(module, name) => format!("{module}.{name}"),
            Node::Persistent(_) => "a storage".into(),
        }
    }

    /// Whether `id` is a tensor or a dictionary that holds one at any depth. `known` keeps the answers from question to
    /// question: very many dictionaries may hold the same large one.
    pub(super) fn holds_tensors(self, id: Id, known: &mut HashMap<Id, bool>) -> bool {
        self.holds(id, 0, known)
    }

    fn holds(self, id: Id, depth: usize, known: &mut HashMap<Id, bool>) -> bool {
        if let Some(&answer) = known.get(&id) {
            return answer;
        }
        // So that a dictionary inside itself is asked once.
        known.insert(id, false);
        let answer = matches!(self.tensor(id), Ok(Some(_)) | Err(_))
            || (depth < MAX_DEPTH
                && self.entries(id).is_some_and(|entries| {
                    entries.iter().any(|&(_, value)| self.holds(value, depth + 1, known))
                }));
        known.insert(id, answer);
        answer
    }

    /// The tensor that `id` is, if it is one. Errs when it is one that cannot be.
    pub(super) fn tensor(self, id: Id) -> Result<Option<Found<'a>>, String> {
        let mut id = id;
        for _ in 0..MAX_DEPTH {
            let Node::Object(object) = self.pickle.node(id) else { return Ok(None) };
            let Some((module, function)) = self.class(object) else { return Ok(None) };
            let arguments = self.elements(object.arguments).unwrap_or_default();
            let damaged =
                || format!("the arguments of {module}.{function} are not those that PyTorch writes");
            match (module, function) {
                ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state")
                | ("torch.nn.parameter", "Parameter" | "Buffer") => {
                    id = *arguments.first().ok_or_else(damaged)?
                }
                ("torch._tensor", "_rebuild_from_type_v2") => {
                    // A subclass of Tensor: (function, class, arguments of the function, state).
                    let (Some(&inner), Some(&callable)) = (arguments.get(2), arguments.first()) else {
                        return Err(damaged());
                    };
                    return match self.pickle.node(callable) {
                        Node::Global(
                            "torch._utils",
                            name @ ("_rebuild_tensor_v2" | "_rebuild_tensor_v3"),
                        ) => {
                            let arguments = self.elements(inner).ok_or_else(damaged)?;
                            self.plain(name, arguments).ok_or_else(damaged)?.map(Some)
                        }
                        _ => Ok(Some(Found::Special(Vec::new(), "a subclass of Tensor".into()))),
                    };
                }
                (
                    "torch._utils",
                    name @ ("_rebuild_tensor" | "_rebuild_tensor_v2" | "_rebuild_tensor_v3"),
                ) => {
                    return self.plain(name, arguments).ok_or_else(damaged)?.map(Some);
                }
                ("torch._utils", "_rebuild_qtensor") => {
                    let [storage, _, size, ..] = arguments else { return Err(damaged()) };
                    let element = match self.storage(*storage).ok_or_else(damaged)?.0.element {
                        Element::Kind(kind) => dtype::dtype_name(kind).to_owned(),
                        Element::Other(name) => name,
                    };
                    let size = self.integers(*size).ok_or_else(damaged)?;
                    return Ok(Some(Found::Special(size, format!("quantised {element}"))));
                }
                ("torch._utils", name) if name.starts_with("_rebuild_") => {
                    let what = name.trim_start_matches("_rebuild_").replace('_', " ");
                    return Ok(Some(Found::Special(Vec::new(), what)));
                }
                _ => return Ok(None),
            }
        }
        Err("parameters are nested in parameters without end".into())
    }

    /// A dense tensor: (storage, offset, size, stride, ...), in version 3 with its dtype as the seventh.
    fn plain(self, function: &str, arguments: &[Id]) -> Option<Result<Found<'a>, String>> {
        let [storage, offset, size, stride, rest @ ..] = arguments else { return None };
        let (mut storage, view) = self.storage(*storage)?;
        if function == "_rebuild_tensor_v3" {
            let Node::Global("torch", name) = self.pickle.node(*rest.get(2)?) else { return None };
            storage.element = dtype::of_torch_dtype(name);
        }
        let Node::Int(offset) = self.pickle.node(*offset) else { return None };
        let offset = u64::try_from(*offset).ok()?.checked_add(view)?;
        let (size, stride) = (self.integers(*size)?, self.integers(*stride)?);
        if size.len() != stride.len() || size.iter().chain(&stride).any(|&n| n < 0) {
            return Some(Err(format!(
                "a tensor has the shape {size:?} and the strides {stride:?}, which cannot be"
            )));
        }
        Some(Ok(match &storage.element {
            Element::Other(name) => Found::Special(size, name.clone()),
            Element::Kind(kind) if dtype::is_quantised(*kind) => {
                Found::Special(size, dtype::dtype_name(*kind).into())
            }
            Element::Kind(_) => Found::Tensor(TensorSpec { storage, offset, size, stride }),
        }))
    }

    /// How many bytes an element of each storage takes, by the storage's key.
    pub(super) fn storage_widths(self) -> HashMap<&'a str, u64> {
        let storages = self.pickle.ids().filter_map(|id| self.storage(id));
        storages.filter_map(|(spec, _)| Some((spec.key, width(&spec.element)?))).collect()
    }

    /// `('storage', class, key, device, numel, view)`, and where a legacy view of it begins.
    fn storage(self, id: Id) -> Option<(StorageSpec<'a>, u64)> {
        let Node::Persistent(identity) = self.pickle.node(id) else { return None };
        let [tag, class, key, _, numel, rest @ ..] = self.elements(*identity)? else { return None };
        let (Node::Str("storage"), Node::Str(key)) = (self.pickle.node(*tag), self.pickle.node(*key)) else {
            return None;
        };
        let Node::Int(numel) = self.pickle.node(*numel) else { return None };
        let element = match self.pickle.node(*class) {
            // Bytes whose type the tensor tells.
            Node::Global("torch.storage", "UntypedStorage") => dtype::of_torch_dtype("uint8"),
            Node::Global("torch" | "torch.cuda" | "torch.storage", name) => dtype::of_torch_storage(name),
            _ => return None,
        };
        let view = match rest.first().map(|&view| self.pickle.node(view)) {
            None | Some(Node::None) => 0,
            Some(Node::Tuple(view)) => match self.pickle.node(*view.get(1)?) {
                Node::Int(offset) => u64::try_from(*offset).ok()?,
                _ => return None,
            },
            Some(_) => return None,
        };
        let bytes = u64::try_from(*numel).ok()?.checked_mul(width(&element).unwrap_or(0))?;
        Some((StorageSpec { key, element, bytes }, view))
    }
}

fn width(element: &Element) -> Option<u64> {
    match element {
        Element::Kind(kind) => Some(kind.elt_size_in_bytes() as u64),
        Element::Other(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `depth` dictionaries, each holding the one before twice.
    fn laughs(depth: u8) -> Vec<u8> {
        let mut bytes = b"\x80\x02}q\x00".to_vec();
        for level in 0..depth {
            bytes.extend(b"}(U\x01ah");
            bytes.push(level);
            bytes.extend(b"U\x01bh");
            bytes.push(level);
            bytes.extend(b"uq");
            bytes.push(level + 1);
        }
        bytes.push(b'.');
        bytes
    }

    #[test]
    fn shared_dictionaries_are_looked_into_once() {
        let bytes = laughs(200);
        let pickle = Pickle::read(&bytes).unwrap();
        assert!(!Reader { pickle: &pickle }.holds_tensors(pickle.root, &mut HashMap::new()));
    }

    #[test]
    fn a_dictionary_may_hold_itself() {
        let pickle = Pickle::read(b"\x80\x02}q\x00U\x01ah\x00s.").unwrap();
        assert!(!Reader { pickle: &pickle }.holds_tensors(pickle.root, &mut HashMap::new()));
    }
}
