//! What opcodes build: the object graph as it grows, within the bounds of [`Limits`].

use super::value::{Dialect, Graph, Node, OWNED, Span, Value, span_of};
use crate::PickleErrorKind;
use std::cell::Cell;

pub(super) type Outcome<T> = Result<T, PickleErrorKind>;

pub(super) fn malformed<T>(message: impl Into<String>) -> Outcome<T> {
    Err(PickleErrorKind::Malformed(message.into()))
}

/// Bounds on what a pickle may make the reader hold, besides the bytes of the file itself.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Values on the stack and in containers, each some 24 bytes; default 2^24, or a quarter of the file's bytes where
    /// that is more: a float in a list takes 9.
    pub values: usize,
    /// Levels of nesting; default 256.
    pub depth: usize,
}

impl Limits {
    /// As the fields' defaults say, for a pickle of so many bytes.
    pub(super) fn for_size(bytes: usize) -> Self {
        let default = Self::default();
        Self {
            values: default.values.max(bytes / 4),
            ..default
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            values: 1 << 24,
            depth: 256,
        }
    }
}

/// The graph of a file that is being read.
pub(super) struct Heap<'a> {
    file: &'a [u8],
    pub(super) dialect: Dialect,
    pub(super) graph: Graph,
    /// Offset of the opcode at work.
    pub(super) offset: usize,
    /// As [`Limits::values`].
    values: usize,
    spent: Cell<usize>,
}

impl<'a> Heap<'a> {
    pub(super) fn new(file: &'a [u8], dialect: Dialect, limits: Limits) -> Self {
        let graph = Graph {
            nodes: Vec::new(),
            owned: Vec::new(),
            root: Value::None,
        };
        Self {
            file,
            dialect,
            graph,
            offset: 0,
            values: limits.values,
            spent: Cell::new(0),
        }
    }

    /// Counts values against the limit; they are never given back, so the bound holds for the whole read.
    pub(super) fn charge(&self, count: usize) -> Outcome<()> {
        let spent = self.spent.get().saturating_add(count);
        self.spent.set(spent);
        if spent > self.values {
            return Err(PickleErrorKind::Limit {
                what: "number of values",
                limit: self.values,
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
