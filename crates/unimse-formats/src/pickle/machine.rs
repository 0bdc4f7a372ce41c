//! The stack machine of pickle opcodes, protocols 0 to 5.

use super::{
    heap::{Heap, Limits, Outcome, malformed},
    input::Input,
    text,
    value::{Dialect, Global, Graph, Node, Value},
};
use crate::PickleErrorKind;
use std::collections::HashMap;

/// State while a pickle is read.
struct Machine<'a> {
    input: Input<'a>,
    heap: Heap<'a>,
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: Vec<Value>,
    /// Memo entries whose numbers leave gaps.
    sparse: HashMap<u64, Value>,
}

/// Reads the object graph of the pickle that begins at `at`, and where the next one would; errors carry the offset of the opcode.
pub(super) fn run(
    file: &[u8],
    at: usize,
    dialect: Dialect,
    limits: Limits,
) -> Result<(Graph, usize), (usize, PickleErrorKind)> {
    let mut machine = Machine {
        input: Input::new(file, at),
        heap: Heap::new(file, dialect, limits),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: Vec::new(),
        sparse: HashMap::new(),
    };
    let read = machine.read(limits.depth);
    match read {
        Ok(()) => Ok((machine.heap.graph, machine.input.at)),
        Err(kind) => Err((machine.heap.offset, kind)),
    }
}

impl Machine<'_> {
    /// Executes opcodes up to the final `STOP`.
    fn read(&mut self, depth: usize) -> Outcome<()> {
        loop {
            self.heap.offset = self.input.at;
            if let Some(root) = self.step()? {
                self.heap.graph.root = root;
                return self.heap.graph.check_nesting(depth);
            }
        }
    }

    /// Executes one opcode; the root on `STOP`.
    fn step(&mut self) -> Outcome<Option<Value>> {
        let opcode = self.input.number::<1>()?[0];
        match opcode {
            b'.' => return self.pop().map(Some),
            0x80 => self.input.check_protocol()?,
            0x95 => self.input.check_frame()?,
            // the stack
            b'(' => {
                self.marks.push(self.stack.len());
                self.heap.charge(1)?;
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
            // more for the container on top
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
            // the memo
            b'p' => self.input.written_index().and_then(|n| self.remember(n))?,
            b'q' => self.input.index::<1>().and_then(|n| self.remember(n))?,
            b'r' => self.input.index::<4>().and_then(|n| self.remember(n))?,
            0x94 => self.remember((self.memo.len() + self.sparse.len()) as u64)?,
            b'g' => self.input.written_index().and_then(|n| self.recall(n))?,
            b'h' => self.input.index::<1>().and_then(|n| self.recall(n))?,
            b'j' => self.input.index::<4>().and_then(|n| self.recall(n))?,
            // the state of the object on top
            b'b' => {
                let state = self.pop()?;
                let object = self.top()?;
                self.heap.build(object, state)?;
            }
            _ => {
                let value = self.value(opcode)?;
                self.push(value)?;
            }
        }
        Ok(None)
    }

    /// What an opcode that makes a value puts on the stack.
    fn value(&mut self, opcode: u8) -> Outcome<Value> {
        Ok(match opcode {
            // constants
            b'N' => Value::None,
            0x88 => Value::Bool(true),
            0x89 => Value::Bool(false),
            b'K' => self.input.int::<1>()?,
            b'M' => self.input.int::<2>()?,
            b'J' => Value::Int(i64::from(i32::from_le_bytes(self.input.number()?))),
            0x8a => self.input.long::<1>()?,
            0x8b => self.input.long::<4>()?,
            b'G' => Value::Float(f64::from_be_bytes(self.input.number()?)),
            b'I' | b'L' | b'F' => self.input.written_number(opcode)?,
            // text and bytes
            b'V' => self.unicode_line()?,
            b'S' => self.quoted_line()?,
            0x8c => Value::Str(self.input.counted::<1>()?),
            b'X' => Value::Str(self.input.counted::<4>()?),
            0x8d => Value::Str(self.input.counted::<8>()?),
            b'U' | b'C' => Value::Bytes(self.input.counted::<1>()?),
            b'T' | b'B' => Value::Bytes(self.input.counted::<4>()?),
            0x8e | 0x96 => Value::Bytes(self.input.counted::<8>()?),
            // containers
            b']' => self.heap.push_node(Node::List(Vec::new()))?,
            b'}' => self.heap.push_node(Node::Dict(Vec::new()))?,
            0x8f => self.heap.push_node(Node::Set(Vec::new()))?,
            b')' => self.heap.push_node(Node::Tuple(Vec::new()))?,
            0x85..=0x87 => {
                let items = self.pop_many(usize::from(opcode - 0x84))?;
                self.heap.push_node(Node::Tuple(items))?
            }
            b't' => {
                let items = self.pop_mark()?;
                self.heap.push_node(Node::Tuple(items))?
            }
            b'l' => {
                let items = self.pop_mark()?;
                self.heap.push_node(Node::List(items))?
            }
            0x91 => {
                let items = self.pop_mark()?;
                self.heap.push_node(Node::Set(items))?
            }
            b'd' => {
                let entries = self.pop_mark().and_then(pairs)?;
                self.heap.push_node(Node::Dict(entries))?
            }
            // globals and calls
            b'c' => self.written_global()?,
            0x93 => self.stacked_global()?,
            // what PyTorch names so is kept as it is
            b'Q' if self.heap.dialect == Dialect::Torch => self.pop()?,
            b'R' | 0x81 => {
                let args = self.pop()?;
                let callable = self.pop()?;
                self.heap.reduce(callable, args)?
            }
            _ => return self.refuse(opcode),
        })
    }

    /// Opcode `V`.
    fn unicode_line(&mut self) -> Outcome<Value> {
        match text::raw_unicode(self.input.line()?) {
            Some(text) => self.heap.own(text.as_bytes()).map(Value::Str),
            None => malformed("a unicode escape"),
        }
    }

    /// Opcode `S`.
    fn quoted_line(&mut self) -> Outcome<Value> {
        match text::quoted(self.input.line()?) {
            Some(bytes) => self.heap.own(&bytes).map(Value::Bytes),
            None => malformed("a quoted string"),
        }
    }

    /// A global whose module and name are the next two lines.
    fn written_global(&mut self) -> Outcome<Value> {
        let module = String::from_utf8_lossy(self.input.line()?).into_owned();
        let name = String::from_utf8_lossy(self.input.line()?).into_owned();
        self.global(module, name)
    }

    /// A global whose module and name are on the stack.
    fn stacked_global(&mut self) -> Outcome<Value> {
        let name = self.pop()?;
        let module = self.pop()?;
        let (Some(module), Some(name)) = (self.heap.text(module), self.heap.text(name)) else {
            return malformed("a global whose name is no text");
        };
        self.global(module, name)
    }

    fn global(&self, module: String, name: String) -> Outcome<Value> {
        match Global::find(&module, &name, self.heap.dialect) {
            Some(global) => Ok(Value::Global(global)),
            None => Err(PickleErrorKind::Global { module, name }),
        }
    }

    /// The error of an opcode that is not executed.
    fn refuse(&mut self, opcode: u8) -> Outcome<Value> {
        let what = match opcode {
            b'i' => {
                self.written_global()?; // an unknown class is named
                "instances of classes"
            }
            b'o' | 0x92 => "instances of classes",
            b'P' | b'Q' => "persistent ids",
            0x82..=0x84 => "the extension registry",
            0x97 | 0x98 => "out-of-band buffers",
            other => {
                return malformed(format!(
                    "expected a pickle opcode, found byte 0x{other:02x}"
                ));
            }
        };
        Err(PickleErrorKind::Unsupported(what.to_owned()))
    }

    fn push(&mut self, value: Value) -> Outcome<()> {
        self.heap.charge(1)?;
        self.stack.push(value);
        Ok(())
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
        match self.heap.graph.nodes.get_mut(id as usize) {
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
        match self.heap.graph.nodes.get_mut(id as usize) {
            Some(Node::Dict(entries)) => {
                entries.extend(new);
                Ok(())
            }
            _ => malformed("entries for something that is no dict"),
        }
    }

    fn remember(&mut self, index: u64) -> Outcome<()> {
        let value = self.top()?;
        self.heap.charge(1)?;
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
}

fn pairs(items: Vec<Value>) -> Outcome<Vec<(Value, Value)>> {
    let (chunks, rest) = items.as_chunks::<2>();
    if !rest.is_empty() {
        return malformed("a dict key without its value");
    }
    Ok(chunks.iter().map(|&[key, value]| (key, value)).collect())
}
