//! The globals that numpy pickles use, and what calling them gives. Nothing else exists here, so nothing else can run.

use super::{
    array,
    machine::{Machine, Outcome, malformed},
    value::{Node, Value},
};
use crate::{
    PickleErrorKind,
    dtype::{self, DType, Kind},
};

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
}

impl Global {
    pub(super) fn find(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
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

impl Machine<'_> {
    /// `callable(*args)`.
    pub(super) fn reduce(&mut self, callable: Value, args: Value) -> Outcome<Value> {
        let Value::Global(global) = callable else {
            return malformed("a call of something that is no known global");
        };
        let Value::Node(args) = args else {
            return malformed("a call without a tuple of arguments");
        };
        let args: [Value; 4] = match self.graph.node(args) {
            Some(Node::Tuple(items)) if items.len() <= 4 => {
                std::array::from_fn(|i| items.get(i).copied().unwrap_or(Value::None))
            }
            _ => return malformed("a call with unexpected arguments"),
        };
        match (global, args) {
            (Global::Reconstruct, [Value::Global(Global::NdArray), ..]) => {
                let empty = DType {
                    kind: Kind::Uint,
                    size: 1,
                    big_endian: false,
                };
                let bytes = Value::Bytes(self.empty());
                let node = array::build(&self.graph, vec![0], empty, false, bytes, self.offset)?;
                self.push_node(Node::Array(node))
            }
            (Global::DType, [code, ..]) => {
                let code = self.text(code).unwrap_or_default();
                match DType::parse(&code) {
                    Some(dtype) => self.push_node(Node::DType(dtype)),
                    None => Err(PickleErrorKind::Unsupported(format!("dtype {code:?}"))),
                }
            }
            (Global::Scalar, [dtype, data, ..]) => self.scalar(dtype, data),
            (Global::FromBuffer, [buffer, dtype, shape, order]) => {
                let fortran = self.text(order).as_deref() == Some("F");
                let node = array::build(
                    &self.graph,
                    self.shape(shape)?,
                    self.dtype(dtype)?,
                    fortran,
                    buffer,
                    self.offset,
                )?;
                self.push_node(Node::Array(node))
            }
            (Global::Encode | Global::Bytes, [Value::Str(span), codec, ..]) => {
                self.charge(span.len.div_ceil(size_of::<Value>()))?; // the text is scanned
                let codec = self
                    .text(codec)
                    .unwrap_or_default()
                    .to_lowercase()
                    .replace(['-', '_'], "");
                match codec.as_str() {
                    "latin1" | "iso88591" if self.span(span).is_ascii() => Ok(Value::Bytes(span)),
                    "latin1" | "iso88591" => Ok(Value::Latin1(span)),
                    "utf8" | "ascii" => Ok(Value::Bytes(span)),
                    _ => Err(PickleErrorKind::Unsupported(format!("codec {codec:?}"))),
                }
            }
            (Global::Bytes, [bytes @ (Value::Bytes(_) | Value::Latin1(_)), ..]) => Ok(bytes),
            (Global::Bytes, [Value::None, ..]) => Ok(Value::Bytes(self.empty())),
            (Global::Dict, [first, second, ..]) => {
                let pairs = if matches!(first, Value::Node(_)) {
                    first
                } else {
                    second
                };
                let mut entries = Vec::new();
                for pair in self.elements(pairs)? {
                    let [key, value] = self.elements(pair)?[..] else {
                        return malformed("a dict of no pairs");
                    };
                    entries.push((key, value));
                }
                self.push_node(Node::Dict(entries))
            }
            (Global::List, [items, ..]) => self
                .elements(items)
                .and_then(|items| self.push_node(Node::List(items))),
            (Global::Tuple, [items, ..]) => self
                .elements(items)
                .and_then(|items| self.push_node(Node::Tuple(items))),
            (Global::Set, [items, ..]) => self
                .elements(items)
                .and_then(|items| self.push_node(Node::Set(items))),
            (Global::None, _) => Ok(Value::None),
            _ => Err(PickleErrorKind::Unsupported(format!(
                "a call of {global:?} with these arguments"
            ))),
        }
    }

    /// `object.__setstate__(state)`: numpy arrays and dtypes only.
    pub(super) fn build(&mut self, object: Value, state: Value) -> Outcome<()> {
        let Value::Node(id) = object else {
            return malformed("a state for something that takes none");
        };
        let parts = self.elements(state)?;
        match self.graph.node(id) {
            Some(Node::Array(_)) => {
                // (version, shape, dtype, is_fortran, data); the oldest writers leave the version out
                let [.., shape, dtype, fortran, data] = parts[..] else {
                    return malformed("an array state");
                };
                let fortran = matches!(fortran, Value::Bool(true) | Value::Int(1));
                let node = array::build(
                    &self.graph,
                    self.shape(shape)?,
                    self.dtype(dtype)?,
                    fortran,
                    data,
                    self.offset,
                )?;
                self.set_node(id, Node::Array(node))
            }
            Some(Node::DType(dtype)) => {
                // (version, byte order, subdtype, names, fields, item size, ...)
                let mut dtype = *dtype;
                let [_, order, subdtype, names, _, size, ..] = parts[..] else {
                    return malformed("a dtype state");
                };
                dtype.big_endian = self.text(order).as_deref() == Some(">");
                if names != Value::None {
                    let names: Vec<_> = (self.elements(names)?.iter())
                        .filter_map(|&name| self.text(name))
                        .take(8)
                        .collect();
                    return Err(PickleErrorKind::Unsupported(format!(
                        "a structured dtype of fields {names:?}"
                    )));
                }
                if subdtype != Value::None {
                    return Err(PickleErrorKind::Unsupported("a subarray dtype".to_owned()));
                }
                if let (Value::Int(size), Kind::Bytes | Kind::Text) = (size, dtype.kind)
                    && let Ok(size) = usize::try_from(size)
                {
                    dtype.size = size;
                }
                self.set_node(id, Node::DType(dtype))
            }
            _ => Err(PickleErrorKind::Unsupported(
                "a state for an object that is no numpy array".to_owned(),
            )),
        }
    }

    fn scalar(&mut self, dtype: Value, data: Value) -> Outcome<Value> {
        let dtype = self.dtype(dtype)?;
        if dtype.kind == Kind::Object {
            return Ok(data);
        }
        let owned;
        let raw = match data {
            Value::Bytes(span) => self.span(span),
            Value::Latin1(span) => {
                self.charge(span.len.div_ceil(size_of::<Value>()))?; // the text is copied
                owned = String::from_utf8_lossy(self.span(span))
                    .chars()
                    .map(|c| c as u8)
                    .collect::<Vec<_>>();
                &owned
            }
            _ => return malformed("a numpy scalar without its bytes"),
        };
        if raw.len() != dtype.size {
            return malformed("a numpy scalar whose bytes are not of its type's size");
        }
        match dtype.kind {
            Kind::Bool => Ok(Value::Bool(raw.iter().any(|&byte| byte != 0))),
            Kind::Int | Kind::Uint => {
                Ok(dtype::to_i64(dtype, raw).map_or(Value::BigInt, Value::Int))
            }
            Kind::Float => Ok(dtype::to_f64(dtype, raw).map_or(Value::None, Value::Float)),
            Kind::Bytes => match data {
                Value::Bytes(_) => Ok(data),
                _ => {
                    let raw = raw.to_vec();
                    Ok(Value::Bytes(self.own(&raw)?))
                }
            },
            Kind::Text => {
                let text = dtype::to_text(dtype, raw).unwrap_or_default();
                Ok(Value::Str(self.own(text.as_bytes())?))
            }
            Kind::Object | Kind::Other(_) => Err(PickleErrorKind::Unsupported(format!(
                "a scalar of dtype {dtype}"
            ))),
        }
    }

    fn dtype(&self, value: Value) -> Outcome<DType> {
        match value {
            Value::Node(id) => match self.graph.node(id) {
                Some(Node::DType(dtype)) => Ok(*dtype),
                _ => malformed("an array whose dtype is none"),
            },
            _ => malformed("an array whose dtype is none"),
        }
    }

    fn shape(&self, value: Value) -> Outcome<Vec<usize>> {
        let axes = match value {
            Value::Int(_) => vec![value],
            _ => self.elements(value)?,
        };
        if axes.len() > 64 {
            return malformed("an array of more than 64 axes");
        }
        let axis = |value: &Value| match value {
            Value::Int(n) => usize::try_from(*n).ok(),
            _ => None,
        };
        axes.iter()
            .map(axis)
            .collect::<Option<_>>()
            .map_or_else(|| malformed("an array's shape"), Ok)
    }

    /// Copies the elements of a list, tuple or set; none for `None`. Copies count against the limit.
    fn elements(&self, value: Value) -> Outcome<Vec<Value>> {
        match value {
            Value::None | Value::Global(_) => Ok(Vec::new()),
            Value::Node(id) => match self.graph.node(id) {
                Some(Node::List(items) | Node::Tuple(items) | Node::Set(items)) => {
                    self.charge(items.len())?;
                    Ok(items.clone())
                }
                _ => malformed("expected a list or tuple"),
            },
            _ => malformed("expected a list or tuple"),
        }
    }
}
