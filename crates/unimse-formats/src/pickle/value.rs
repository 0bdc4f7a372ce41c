//! The object graph: small values inline, containers as numbered nodes.

use super::{array::ArrayNode, reduce::Global};
use crate::dtype::DType;

/// Bytes of the file, or of [`Graph::owned`] from [`OWNED`] on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) at: usize,
    pub(super) len: usize,
}

/// Offsets from here on point into text that had to be unescaped (protocol 0) or decoded.
pub(super) const OWNED: usize = 1 << (usize::BITS - 1);

/// A Python object.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i64),
    /// An integer beyond 64 bits: kept as "some int", never read.
    BigInt,
    Float(f64),
    /// UTF-8 text.
    Str(Span),
    Bytes(Span),
    /// Bytes that are the characters of this UTF-8 text, as protocols 0 to 2 of Python 3 write bytes.
    Latin1(Span),
    Global(Global),
    Node(u32),
}

/// A container, numpy type or numpy array.
#[derive(Debug)]
pub(super) enum Node {
    List(Vec<Value>),
    Tuple(Vec<Value>),
    Set(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    DType(DType),
    Array(ArrayNode),
}

/// All nodes of a pickle.
#[derive(Debug)]
pub(super) struct Graph {
    pub(super) nodes: Vec<Node>,
    pub(super) owned: Vec<u8>,
    pub(super) root: Value,
}

impl Graph {
    pub(super) fn node(&self, id: u32) -> Option<&Node> {
        self.nodes.get(id as usize)
    }

    /// The bytes of a span; empty for one that no opcode could have made.
    pub(super) fn span<'a>(&'a self, file: &'a [u8], span: Span) -> &'a [u8] {
        span_of(file, &self.owned, span)
    }

    /// Whether some node reachable from the root contains itself, and the depth of nesting.
    pub(super) fn check_nesting(&self, limit: usize) -> Result<(), crate::PickleErrorKind> {
        const NEW: u8 = 0;
        const OPEN: u8 = 1;
        const DONE: u8 = 2;
        let Value::Node(root) = self.root else {
            return Ok(());
        };
        let mut state = vec![NEW; self.nodes.len()];
        let mut path = vec![(root, 0_usize)];
        state[root as usize] = OPEN;
        while let Some((id, next)) = path.last_mut() {
            let Some(child) = self.child(*id, *next) else {
                state[*id as usize] = DONE;
                path.pop();
                continue;
            };
            *next += 1;
            let Value::Node(child) = child else { continue };
            match state[child as usize] {
                OPEN => return Err(crate::PickleErrorKind::Recursive),
                DONE => continue,
                _ => state[child as usize] = OPEN,
            }
            path.push((child, 0));
            if path.len() > limit {
                return Err(crate::PickleErrorKind::Limit {
                    what: "nesting",
                    limit,
                });
            }
        }
        Ok(())
    }

    fn child(&self, id: u32, n: usize) -> Option<Value> {
        match self.node(id)? {
            Node::List(items) | Node::Tuple(items) | Node::Set(items) => items.get(n).copied(),
            Node::Dict(entries) => entries
                .get(n / 2)
                .map(|(key, value)| if n.is_multiple_of(2) { *key } else { *value }),
            Node::DType(_) => None,
            Node::Array(array) => (n == 0).then_some(array.payload),
        }
    }
}

/// See [`Graph::span`]; used while the graph is still growing.
pub(super) fn span_of<'a>(file: &'a [u8], owned: &'a [u8], span: Span) -> &'a [u8] {
    let (bytes, at) = if span.at >= OWNED {
        (owned, span.at - OWNED)
    } else {
        (file, span.at)
    };
    at.checked_add(span.len)
        .and_then(|end| bytes.get(at..end))
        .unwrap_or_default()
}
