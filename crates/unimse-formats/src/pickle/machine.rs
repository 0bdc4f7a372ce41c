//! The stack machine of pickle opcodes, protocols 0 to 5.

use super::{
    Limits,
    reduce::Global,
    text,
    value::{Graph, Node, OWNED, Span, Value, span_of},
};
use crate::PickleErrorKind;
use std::{cell::Cell, collections::HashMap};

/// State while a pickle is read.
pub(super) struct Machine<'a> {
    pub(super) file: &'a [u8],
    pub(super) at: usize,
    /// Offset of the opcode at work.
    pub(super) offset: usize,
    pub(super) graph: Graph,
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: Vec<Value>,
    /// Memo entries whose numbers leave gaps.
    sparse: HashMap<u64, Value>,
    limits: Limits,
    spent: Cell<usize>,
}

pub(super) type Outcome<T> = Result<T, PickleErrorKind>;

/// Reads the object graph of a pickle; errors carry the offset of the opcode.
pub(super) fn run(file: &[u8], limits: Limits) -> Result<Graph, (usize, PickleErrorKind)> {
    let graph = Graph {
        nodes: Vec::new(),
        owned: Vec::new(),
        root: Value::None,
    };
    let mut machine = Machine {
        file,
        at: 0,
        offset: 0,
        graph,
        stack: Vec::new(),
        marks: Vec::new(),
        memo: Vec::new(),
        sparse: HashMap::new(),
        limits,
        spent: Cell::new(0),
    };
    loop {
        machine.offset = machine.at;
        match machine.step() {
            Ok(None) => {}
            Ok(Some(root)) => {
                machine.graph.root = root;
                machine
                    .graph
                    .check_nesting(limits.depth)
                    .map_err(|kind| (machine.offset, kind))?;
                return Ok(machine.graph);
            }
            Err(kind) => return Err((machine.offset, kind)),
        }
    }
}

pub(super) fn malformed<T>(message: impl Into<String>) -> Outcome<T> {
    Err(PickleErrorKind::Malformed(message.into()))
}

impl Machine<'_> {
    /// Executes one opcode; the root on `STOP`.
    fn step(&mut self) -> Outcome<Option<Value>> {
        let opcode = self.number::<1>()?[0];
        match opcode {
            b'.' => return self.pop().map(Some),
            0x80 => {
                let protocol = self.number::<1>()?[0];
                if protocol > 5 {
                    return Err(PickleErrorKind::Unsupported(format!(
                        "protocol {protocol}, expected 0 to 5"
                    )));
                }
            }
            0x95 => {
                // FRAME: its bytes follow
                let frame = self.index::<8>()?;
                let left = (self.file.len() - self.at) as u64;
                if frame > left {
                    return Err(PickleErrorKind::Truncated {
                        needed: frame,
                        left,
                    });
                }
            }
            // constants
            b'N' => self.push(Value::None)?,
            0x88 => self.push(Value::Bool(true))?,
            0x89 => self.push(Value::Bool(false))?,
            b'K' => self.int::<1>()?,
            b'M' => self.int::<2>()?,
            b'J' => {
                let value = i32::from_le_bytes(self.number()?);
                self.push(Value::Int(i64::from(value)))?;
            }
            0x8a => {
                let len = self.number::<1>()?[0];
                self.long(u64::from(len))?;
            }
            0x8b => {
                let len = u32::from_le_bytes(self.number()?);
                self.long(u64::from(len))?;
            }
            b'G' => {
                let value = f64::from_be_bytes(self.number()?);
                self.push(Value::Float(value))?;
            }
            b'I' | b'L' | b'F' => self.written_number(opcode)?,
            // text and bytes
            b'V' => {
                let line = self.line()?;
                let Some(text) = text::raw_unicode(line) else {
                    return malformed("a unicode escape");
                };
                let span = self.own(text.as_bytes())?;
                self.push(Value::Str(span))?;
            }
            b'S' => {
                let line = self.line()?;
                let Some(bytes) = text::quoted(line) else {
                    return malformed("a quoted string");
                };
                let span = self.own(&bytes)?;
                self.push(Value::Bytes(span))?;
            }
            0x8c => self.text_of::<1>(Value::Str)?,
            b'X' => self.text_of::<4>(Value::Str)?,
            0x8d => self.text_of::<8>(Value::Str)?,
            b'U' | b'C' => self.text_of::<1>(Value::Bytes)?,
            b'T' | b'B' => self.text_of::<4>(Value::Bytes)?,
            0x8e | 0x96 => self.text_of::<8>(Value::Bytes)?,
            // containers
            b'(' => {
                self.marks.push(self.stack.len());
                self.charge(1)?;
            }
            b'0' => match self.marks.last() {
                Some(&mark) if mark == self.stack.len() => drop(self.marks.pop()),
                _ => drop(self.pop()?),
            },
            b'1' => drop(self.pop_mark()?),
            b'2' => {
                let top = self.top()?;
                self.push(top)?;
            }
            b']' => self.make(Node::List(Vec::new()))?,
            b'}' => self.make(Node::Dict(Vec::new()))?,
            0x8f => self.make(Node::Set(Vec::new()))?,
            b')' => self.make(Node::Tuple(Vec::new()))?,
            0x85..=0x87 => {
                let count = usize::from(opcode - 0x84);
                let items = self.pop_many(count)?;
                self.make(Node::Tuple(items))?;
            }
            b't' => self
                .pop_mark()
                .and_then(|items| self.make(Node::Tuple(items)))?,
            b'l' => self
                .pop_mark()
                .and_then(|items| self.make(Node::List(items)))?,
            0x91 => self
                .pop_mark()
                .and_then(|items| self.make(Node::Set(items)))?,
            b'd' => {
                let entries = self.pop_mark().and_then(pairs)?;
                self.make(Node::Dict(entries))?;
            }
            b'a' => self.pop_many(1).and_then(|items| self.extend(items))?,
            b'e' | 0x90 => self.pop_mark().and_then(|items| self.extend(items))?,
            b's' => self
                .pop_many(2)
                .and_then(pairs)
                .and_then(|entries| self.update(entries))?,
            b'u' => self
                .pop_mark()
                .and_then(pairs)
                .and_then(|entries| self.update(entries))?,
            // memo
            b'p' => self.written_index().and_then(|n| self.remember(n))?,
            b'q' => self.index::<1>().and_then(|n| self.remember(n))?,
            b'r' => self.index::<4>().and_then(|n| self.remember(n))?,
            0x94 => self.remember((self.memo.len() + self.sparse.len()) as u64)?,
            b'g' => self.written_index().and_then(|n| self.recall(n))?,
            b'h' => self.index::<1>().and_then(|n| self.recall(n))?,
            b'j' => self.index::<4>().and_then(|n| self.recall(n))?,
            // globals and calls
            b'c' | b'i' => {
                let module = String::from_utf8_lossy(self.line()?).into_owned();
                let name = String::from_utf8_lossy(self.line()?).into_owned();
                self.global(module, name)?;
                if opcode == b'i' {
                    return Err(PickleErrorKind::Unsupported("instances of classes".into()));
                }
            }
            0x93 => {
                let name = self.pop()?;
                let module = self.pop()?;
                let (Some(module), Some(name)) = (self.text(module), self.text(name)) else {
                    return malformed("a global whose name is no text");
                };
                self.global(module, name)?;
            }
            b'R' | 0x81 => {
                let args = self.pop()?;
                let callable = self.pop()?;
                let value = self.reduce(callable, args)?;
                self.push(value)?;
            }
            b'b' => {
                let state = self.pop()?;
                let object = self.top()?;
                self.build(object, state)?;
            }
            b'P' | b'Q' => return Err(PickleErrorKind::Unsupported("persistent ids".into())),
            b'o' | 0x92 => {
                return Err(PickleErrorKind::Unsupported("instances of classes".into()));
            }
            0x82..=0x84 => {
                return Err(PickleErrorKind::Unsupported(
                    "the extension registry".into(),
                ));
            }
            0x97 | 0x98 => return Err(PickleErrorKind::Unsupported("out-of-band buffers".into())),
            other => {
                return malformed(format!(
                    "expected a pickle opcode, found byte 0x{other:02x}"
                ));
            }
        }
        Ok(None)
    }

    fn global(&mut self, module: String, name: String) -> Outcome<()> {
        match Global::find(&module, &name) {
            Some(global) => self.push(Value::Global(global)),
            None => Err(PickleErrorKind::Global { module, name }),
        }
    }

    pub(super) fn push(&mut self, value: Value) -> Outcome<()> {
        self.charge(1)?;
        self.stack.push(value);
        Ok(())
    }

    fn make(&mut self, node: Node) -> Outcome<()> {
        let value = self.push_node(node)?;
        self.push(value)
    }

    fn top(&self) -> Outcome<Value> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.last() {
            Some(value) if self.stack.len() > floor => Ok(*value),
            _ => malformed("an empty stack"),
        }
    }

    fn pop(&mut self) -> Outcome<Value> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_many(&mut self, count: usize) -> Outcome<Vec<Value>> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.len().checked_sub(count) {
            Some(start) if start >= floor => Ok(self.stack.split_off(start)),
            _ => malformed("an empty stack"),
        }
    }

    fn pop_mark(&mut self) -> Outcome<Vec<Value>> {
        match self.marks.pop() {
            Some(mark) => Ok(self.stack.split_off(mark.min(self.stack.len()))),
            None => malformed("a missing mark"),
        }
    }

    /// Appends to the list or set on top.
    fn extend(&mut self, new: Vec<Value>) -> Outcome<()> {
        let Value::Node(id) = self.top()? else {
            return malformed("items for something that is no list");
        };
        match self.graph.nodes.get_mut(id as usize) {
            Some(Node::List(items) | Node::Set(items)) => {
                items.extend(new);
                Ok(())
            }
            _ => malformed("items for something that is no list"),
        }
    }

    /// Sets entries of the dict on top.
    fn update(&mut self, new: Vec<(Value, Value)>) -> Outcome<()> {
        let Value::Node(id) = self.top()? else {
            return malformed("entries for something that is no dict");
        };
        match self.graph.nodes.get_mut(id as usize) {
            Some(Node::Dict(entries)) => {
                entries.extend(new);
                Ok(())
            }
            _ => malformed("entries for something that is no dict"),
        }
    }

    fn remember(&mut self, index: u64) -> Outcome<()> {
        let value = self.top()?;
        self.charge(1)?;
        let dense = self.memo.len() as u64;
        if let Some(slot) = usize::try_from(index)
            .ok()
            .and_then(|n| self.memo.get_mut(n))
        {
            *slot = value;
        } else if index == dense && self.sparse.is_empty() {
            self.memo.push(value);
        } else {
            self.sparse.insert(index, value);
        }
        Ok(())
    }

    fn recall(&mut self, index: u64) -> Outcome<()> {
        let dense = usize::try_from(index).ok().and_then(|n| self.memo.get(n));
        match dense.or_else(|| self.sparse.get(&index)).copied() {
            Some(value) => self.push(value),
            None => malformed(format!("memo {index} was never set")),
        }
    }

    /// Counts values against the limit; they are never given back, so the bound holds for the whole read.
    pub(super) fn charge(&self, count: usize) -> Outcome<()> {
        let spent = self.spent.get().saturating_add(count);
        self.spent.set(spent);
        if spent > self.limits.values {
            return Err(PickleErrorKind::Limit {
                what: "number of values",
                limit: self.limits.values,
            });
        }
        Ok(())
    }

    pub(super) fn push_node(&mut self, node: Node) -> Outcome<Value> {
        self.charge(4)?; // a node is some four values large
        let id = u32::try_from(self.graph.nodes.len());
        let id = id.map_err(|_| PickleErrorKind::Limit {
            what: "number of objects",
            limit: u32::MAX as usize,
        })?;
        self.graph.nodes.push(node);
        Ok(Value::Node(id))
    }

    pub(super) fn set_node(&mut self, id: u32, node: Node) -> Outcome<()> {
        match self.graph.nodes.get_mut(id as usize) {
            Some(slot) => *slot = node,
            None => return malformed("no such object"),
        }
        Ok(())
    }

    /// Keeps bytes that are not in the file as such.
    pub(super) fn own(&mut self, bytes: &[u8]) -> Outcome<Span> {
        self.charge(bytes.len().div_ceil(size_of::<Value>()))?;
        let span = Span {
            at: OWNED + self.graph.owned.len(),
            len: bytes.len(),
        };
        self.graph.owned.extend_from_slice(bytes);
        Ok(span)
    }

    pub(super) fn empty(&self) -> Span {
        Span { at: 0, len: 0 }
    }

    pub(super) fn span(&self, span: Span) -> &[u8] {
        span_of(self.file, &self.graph.owned, span)
    }

    pub(super) fn text(&self, value: Value) -> Option<String> {
        match value {
            Value::Str(span) | Value::Bytes(span) => {
                Some(String::from_utf8_lossy(self.span(span)).into_owned())
            }
            _ => None,
        }
    }
}

fn pairs(items: Vec<Value>) -> Outcome<Vec<(Value, Value)>> {
    let (chunks, rest) = items.as_chunks::<2>();
    if !rest.is_empty() {
        return malformed("a dict key without its value");
    }
    Ok(chunks.iter().map(|&[key, value]| (key, value)).collect())
}
