//! The object graph: small values inline, containers as numbered nodes.

use crate::{
    PickleErrorKind,
    dtype::{DType, Kind},
};
use std::sync::OnceLock;

/// Bytes of the file, or of [`Graph::owned`] from [`OWNED`] on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) at: usize,
    pub(super) len: usize,
}

impl Span {
    pub(super) const EMPTY: Self = Self { at: 0, len: 0 };
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

/// Whose globals are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// numpy's and the containers'.
    Numpy,
    /// The containers' and those of PyTorch's tensors.
    Torch,
}

/// A known global.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Global {
    Reconstruct,
    Scalar,
    FromBuffer,
    NdArray,
    DType,
    Encode,
    Dict,
    List,
    Tuple,
    Set,
    Bytes,
    /// A plain type, met as the factory of a defaultdict.
    Type,
    /// `NoneType` called.
    None,
    /// Makes a tensor of its arguments, which are kept instead.
    Tensor,
    /// 32-bit floats.
    FloatStorage,
}

impl Global {
    pub(super) fn find(module: &str, name: &str, dialect: Dialect) -> Option<Self> {
        Some(match (module, name) {
            ("torch._utils", "_rebuild_tensor_v2") if dialect == Dialect::Torch => Self::Tensor,
            ("torch", "FloatStorage") if dialect == Dialect::Torch => Self::FloatStorage,
            ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => {
                Self::Reconstruct
            }
            ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") => Self::Scalar,
            ("numpy.core.numeric" | "numpy._core.numeric", "_frombuffer") => Self::FromBuffer,
            ("numpy", "ndarray") => Self::NdArray,
            ("numpy", "dtype") => Self::DType,
            ("_codecs", "encode") => Self::Encode,
            ("collections", "OrderedDict" | "defaultdict")
            | ("builtins" | "__builtin__", "dict") => Self::Dict,
            ("builtins" | "__builtin__", "list") => Self::List,
            ("builtins" | "__builtin__", "tuple") => Self::Tuple,
            ("builtins" | "__builtin__", "set" | "frozenset") => Self::Set,
            ("builtins" | "__builtin__", "bytes" | "bytearray") => Self::Bytes,
            ("builtins" | "__builtin__", "int" | "float" | "str" | "bool" | "long" | "unicode") => {
                Self::Type
            }
            ("builtins" | "__builtin__", "NoneType") => Self::None,
            _ => return None,
        })
    }
}

/// An array as the graph keeps it.
#[derive(Debug)]
pub(super) struct ArrayNode {
    pub(super) shape: Vec<usize>,
    pub(super) dtype: DType,
    pub(super) fortran: bool,
    /// Bytes, or the list of an object array.
    pub(super) payload: Value,
    /// Offset of the opcode that built it.
    pub(super) offset: usize,
    /// Payload of a [`Value::Latin1`], decoded on first use.
    pub(super) decoded: OnceLock<Vec<u8>>,
}

impl ArrayNode {
    /// Checks that a payload of this type holds an array of this shape, and makes the node.
    pub(super) fn new(
        graph: &Graph,
        shape: Vec<usize>,
        dtype: DType,
        fortran: bool,
        payload: Value,
        offset: usize,
    ) -> Result<Self, PickleErrorKind> {
        let size = if dtype.kind == Kind::Object {
            1
        } else {
            dtype.size
        };
        let elements = shape
            .iter()
            .try_fold(1_usize, |n, &axis| n.checked_mul(axis));
        let expected = elements.and_then(|n| n.checked_mul(size));
        let found = match payload {
            Value::Bytes(span) if dtype.kind != Kind::Object => span.len,
            // decoded later: two bytes at most make one
            Value::Latin1(span) if dtype.kind != Kind::Object => {
                expected.map_or(span.len, |n| n.clamp(span.len.div_ceil(2), span.len))
            }
            Value::Node(list) if dtype.kind == Kind::Object => match graph.node(list) {
                Some(Node::List(items)) => items.len(),
                _ => {
                    return Err(PickleErrorKind::Malformed(
                        "object array without a list".into(),
                    ));
                }
            },
            _ => {
                return Err(PickleErrorKind::Malformed(format!(
                    "array of {dtype} without its data"
                )));
            }
        };
        if size == 0 && elements != Some(0) || expected != Some(found) {
            return Err(PickleErrorKind::Malformed(format!(
                "array of shape {shape:?} and type {dtype}: expected {}, found {found} bytes or objects",
                expected.map_or("more than fits memory".to_owned(), |n| n.to_string())
            )));
        }
        Ok(Self {
            shape,
            dtype,
            fortran,
            payload,
            offset,
            decoded: OnceLock::new(),
        })
    }
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
    pub(super) fn check_nesting(&self, limit: usize) -> Result<(), PickleErrorKind> {
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
                OPEN => return Err(PickleErrorKind::Recursive),
                DONE => continue,
                _ => state[child as usize] = OPEN,
            }
            path.push((child, 0));
            if path.len() > limit {
                return Err(PickleErrorKind::Limit {
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
