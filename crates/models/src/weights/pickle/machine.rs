//! Python's pickle format as data: opcodes become a tree of inert nodes. Nothing is imported, built or called: what
//! Python would call is a [`Node::Object`] that remembers its callable and its arguments.
//!
//! Only the opcodes that PyTorch's files use are known (protocols 2 to 5, without out-of-band buffers).
//! <https://github.com/python/cpython/blob/main/Lib/pickletools.py> describes each.

use super::attack::is_attack;
use std::collections::HashMap;

/// The most bytes of a pickle. A checkpoint needs about 200 for a tensor.
pub(super) const MAX_PICKLE: usize = 64 << 20;
/// The most nodes, about 50 bytes each.
const MAX_NODES: usize = 4 << 20;

/// The place of a node in its pickle.
pub(super) type Id = u32;

/// One value of a pickle.
#[derive(Debug)]
pub(super) enum Node<'a> {
    None,
    Bool(bool),
    Int(i64),
    /// An integer of more than 64 bits, little-endian.
    Long(&'a [u8]),
    Float(f64),
    Str(&'a str),
    Bytes(&'a [u8]),
    Tuple(Vec<Id>),
    /// A list or a set.
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// A module and what is in it.
    Global(&'a str, &'a str),
    /// What stands outside of the pickle, by its identity.
    Persistent(Id),
    Object(Box<Object>),
}

/// What Python would get from calling something, and then do to it.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) callable: Id,
    /// A tuple.
    pub(super) arguments: Id,
    /// What would be set by index, as in an `OrderedDict`.
    pub(super) items: Vec<(Id, Id)>,
    /// What its `__setstate__` would be given.
    pub(super) state: Option<Id>,
}

/// A pickle that has been read.
#[derive(Debug)]
pub(super) struct Pickle<'a> {
    nodes: Vec<Node<'a>>,
    pub(super) root: Id,
    /// How many bytes it takes.
    pub(super) length: usize,
}

impl<'a> Pickle<'a> {
    /// Reads the pickle at the start of `bytes`.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let (bytes, cut) = match bytes.get(..MAX_PICKLE) {
            Some(start) => (start, true),
            None => (bytes, false),
        };
        let mut machine = Machine {
            bytes,
            position: 0,
            nodes: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
        };
        match machine.run() {
            Ok(root) => Ok(Self { nodes: machine.nodes, root, length: machine.position }),
            Err(Failure::Truncated) if cut => {
                Err(format!("its pickle is longer than {} MiB", MAX_PICKLE >> 20))
            }
            Err(Failure::Truncated) => {
                Err(format!("its pickle ends in the middle, after {} bytes; it is truncated", bytes.len()))
            }
            Err(Failure::Refused(reason)) => {
                Err(format!("{reason} (byte {} of its pickle)", machine.position))
            }
        }
    }

    pub(super) fn node(&self, id: Id) -> &Node<'a> {
        &self.nodes[id as usize]
    }

    /// Every node's place.
    pub(super) fn ids(&self) -> std::ops::Range<Id> {
        0..self.nodes.len() as Id
    }
}

enum Failure {
    Truncated,
    Refused(String),
}

impl From<&str> for Failure {
    fn from(reason: &str) -> Self {
        Self::Refused(reason.into())
    }
}

type Step<T> = Result<T, Failure>;

fn too_many() -> Failure {
    Failure::Refused(format!("it holds more than {MAX_NODES} values"))
}

struct Machine<'a> {
    bytes: &'a [u8],
    position: usize,
    nodes: Vec<Node<'a>>,
    stack: Vec<Id>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<'a> Machine<'a> {
    fn run(&mut self) -> Step<Id> {
        loop {
            let opcode = self.byte()?;
            match opcode {
                b'.' => return self.pop(),
                b'\x80' => match self.byte()? {
                    0..=5 => {}
                    version => {
                        return Err(Failure::Refused(format!("pickle protocol {version} is not known")));
                    }
                },
                b'\x95' => drop(self.take(8)?),
                b'(' if self.marks.len() >= MAX_NODES => return Err(too_many()),
                b'(' => self.marks.push(self.stack.len()),
                b'0' => drop(self.pop()?),
                b'1' => drop(self.above_mark()?),
                b'N' => self.push(Node::None)?,
                b'\x88' => self.push(Node::Bool(true))?,
                b'\x89' => self.push(Node::Bool(false))?,
                b'K' | b'M' | b'J' | b'\x8a' | b'\x8b' | b'G' => self.number(opcode)?,
                b'U' | b'T' | b'X' | b'\x8c' | b'\x8d' | b'B' | b'C' | b'\x8e' => self.text(opcode)?,
                b')' => self.push(Node::Tuple(Vec::new()))?,
                b'\x85'..=b'\x87' => {
                    let values = self.pop_many((opcode - b'\x84').into())?;
                    self.push(Node::Tuple(values))?;
                }
                b't' => {
                    let values = self.above_mark()?;
                    self.push(Node::Tuple(values))?;
                }
                b']' | b'\x8f' => self.push(Node::List(Vec::new()))?,
                b'l' | b'\x91' => {
                    let values = self.above_mark()?;
                    self.push(Node::List(values))?;
                }
                b'a' => {
                    let value = self.pop()?;
                    self.append(&[value])?;
                }
                b'e' | b'\x90' => {
                    let values = self.above_mark()?;
                    self.append(&values)?;
                }
                b'}' => self.push(Node::Dict(Vec::new()))?,
                b'd' => {
                    let values = self.above_mark()?;
                    self.push(Node::Dict(Vec::new()))?;
                    self.set(&values)?;
                }
                b's' => {
                    let pair = self.pop_many(2)?;
                    self.set(&pair)?;
                }
                b'u' => {
                    let values = self.above_mark()?;
                    self.set(&values)?;
                }
                b'q' | b'r' | b'\x94' | b'h' | b'j' => self.memory(opcode)?,
                b'c' | b'\x93' => self.global(opcode)?,
                b'Q' => {
                    let id = self.pop()?;
                    self.push(Node::Persistent(id))?;
                }
                b'R' | b'\x81' | b'\x92' => self.call(opcode)?,
                b'b' => {
                    let state = self.pop()?;
                    if let Node::Object(object) = self.top()? {
                        object.state = Some(state);
                    }
                }
                other => {
                    return Err(Failure::Refused(format!(
                        "the pickle opcode {other:#04x} is used by no file of PyTorch's; it is damaged or no checkpoint"
                    )));
                }
            }
        }
    }

    fn take(&mut self, count: usize) -> Step<&'a [u8]> {
        let taken =
            self.bytes.get(self.position..).and_then(|rest| rest.get(..count)).ok_or(Failure::Truncated)?;
        self.position += count;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Step<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| Failure::Truncated)
    }

    fn byte(&mut self) -> Step<u8> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    /// A length of `width` bytes, little-endian.
    fn length(&mut self, width: usize) -> Step<usize> {
        let mut bytes = [0; 8];
        bytes[..width].copy_from_slice(self.take(width)?);
        Ok(usize::try_from(u64::from_le_bytes(bytes)).unwrap_or(usize::MAX))
    }

    fn line(&mut self) -> Step<&'a str> {
        let rest = &self.bytes[self.position..];
        let length = rest.iter().position(|&b| b == b'\n').ok_or(Failure::Truncated)?;
        self.position += length + 1;
        std::str::from_utf8(&rest[..length]).map_err(|_| "a name is no UTF-8".into())
    }

    fn push(&mut self, node: Node<'a>) -> Step<()> {
        if self.nodes.len() >= MAX_NODES {
            return Err(too_many());
        }
        self.stack.push(self.nodes.len() as Id);
        self.nodes.push(node);
        Ok(())
    }

    fn pop(&mut self) -> Step<Id> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.len() > floor {
            true => self.stack.pop().ok_or_else(|| "the stack is empty".into()),
            false => Err("the stack is empty".into()),
        }
    }

    /// The last `count` values, in the order in which they came.
    fn pop_many(&mut self, count: usize) -> Step<Vec<Id>> {
        let mut values = (0..count).map(|_| self.pop()).collect::<Step<Vec<_>>>()?;
        values.reverse();
        Ok(values)
    }

    fn above_mark(&mut self) -> Step<Vec<Id>> {
        let mark = self.marks.pop().ok_or("there is no mark")?;
        Ok(self.stack.split_off(mark))
    }

    fn top(&mut self) -> Step<&mut Node<'a>> {
        let id = *self.stack.last().ok_or("the stack is empty")?;
        Ok(&mut self.nodes[id as usize])
    }

    fn number(&mut self, opcode: u8) -> Step<()> {
        let node = match opcode {
            b'K' => Node::Int(self.byte()?.into()),
            b'M' => Node::Int(u16::from_le_bytes(self.array()?).into()),
            b'J' => Node::Int(i32::from_le_bytes(self.array()?).into()),
            b'G' => Node::Float(f64::from_be_bytes(self.array()?)),
            _ => {
                let length = self.length(if opcode == b'\x8a' { 1 } else { 4 })?;
                let bytes = self.take(length)?;
                match bytes.last() {
                    Some(last) if bytes.len() <= 8 => {
                        let mut extended = [if last & 0x80 == 0 { 0 } else { 0xFF }; 8];
                        extended[..bytes.len()].copy_from_slice(bytes);
                        Node::Int(i64::from_le_bytes(extended))
                    }
                    Some(_) => Node::Long(bytes),
                    None => Node::Int(0),
                }
            }
        };
        self.push(node)
    }

    fn text(&mut self, opcode: u8) -> Step<()> {
        let width = match opcode {
            b'U' | b'\x8c' | b'C' => 1,
            b'T' | b'X' | b'B' => 4,
            _ => 8,
        };
        let length = self.length(width)?;
        let bytes = self.take(length)?;
        let is_bytes = matches!(opcode, b'B' | b'C' | b'\x8e');
        let node = match std::str::from_utf8(bytes) {
            Ok(text) if !is_bytes => Node::Str(text),
            Err(_) if matches!(opcode, b'X' | b'\x8c' | b'\x8d') => return Err("a text is no UTF-8".into()),
            _ => Node::Bytes(bytes),
        };
        self.push(node)
    }

    fn memory(&mut self, opcode: u8) -> Step<()> {
        let key = match opcode {
            b'q' | b'h' => self.byte()?.into(),
            b'\x94' => self.memo.len() as u32,
            _ => u32::from_le_bytes(self.array()?),
        };
        if matches!(opcode, b'h' | b'j') {
            let id = *self.memo.get(&key).ok_or("it uses a value that it never stored")?;
            self.stack.push(id);
        } else {
            let id = *self.stack.last().ok_or("the stack is empty")?;
            if self.memo.len() >= MAX_NODES {
                return Err(too_many());
            }
            self.memo.insert(key, id);
        }
        Ok(())
    }

    fn global(&mut self, opcode: u8) -> Step<()> {
        if opcode == b'c' {
            let (module, name) = (self.line()?, self.line()?);
            return self.push(Node::Global(module, name));
        }
        let names = self.pop_many(2)?;
        match [&self.nodes[names[0] as usize], &self.nodes[names[1] as usize]] {
            [Node::Str(module), Node::Str(name)] => {
                let global = Node::Global(module, name);
                self.push(global)
            }
            _ => Err("the name of a class is no text".into()),
        }
    }

    fn call(&mut self, opcode: u8) -> Step<()> {
        if opcode == b'\x92' {
            // Keyword arguments, which matter to nothing that is read.
            self.pop()?;
        }
        let values = self.pop_many(2)?;
        let (callable, arguments) = (values[0], values[1]);
        if !matches!(self.nodes[arguments as usize], Node::Tuple(_)) {
            return Err("the arguments of a call are no tuple".into());
        }
        if let Node::Global(module, name) = self.nodes[callable as usize]
            && is_attack(module, name)
        {
            return Err(Failure::Refused(format!(
                "it asks for a call of `{module}.{name}`, which no weights need: the file is malicious; nothing was run"
            )));
        }
        self.push(Node::Object(Box::new(Object { callable, arguments, items: Vec::new(), state: None })))
    }

    fn append(&mut self, values: &[Id]) -> Step<()> {
        match self.top()? {
            Node::List(list) => list.extend_from_slice(values),
            Node::Object(_) => {}
            _ => return Err("it appends to what is no list".into()),
        }
        Ok(())
    }

    fn set(&mut self, values: &[Id]) -> Step<()> {
        let (pairs, rest) = values.as_chunks::<2>();
        let pairs = pairs.iter().map(|&[key, value]| (key, value));
        match self.top()? {
            _ if !rest.is_empty() => return Err("a key has no value".into()),
            Node::Dict(items) => items.extend(pairs),
            Node::Object(object) => object.items.extend(pairs),
            _ => return Err("it sets items of what is no dictionary".into()),
        }
        Ok(())
    }
}
