//! The globals that numpy pickles use, and what calling them gives. Nothing else exists here, so nothing else can run.

use super::{
    heap::{Heap, Outcome, malformed},
    value::{ArrayNode, Dialect, Global, Node, Span, Value},
};
use crate::{
    PickleErrorKind,
    dtype::{self, DType, Kind},
};

impl Heap<'_> {
    /// `callable(*args)`.
    pub(super) fn reduce(&mut self, callable: Value, args: Value) -> Outcome<Value> {
        let Value::Global(global) = callable else {
            return malformed("a call of something that is no known global");
        };
        if global == Global::Tensor {
            return Ok(args);
        }
        let args = self.arguments(args)?;
        match (global, args) {
            (Global::Reconstruct, [Value::Global(Global::NdArray), ..]) => self.empty_array(),
            (Global::DType, [code, ..]) => self.dtype_of_code(code),
            (Global::Scalar, [dtype, data, ..]) => self.scalar(dtype, data),
            (Global::FromBuffer, [buffer, dtype, shape, order]) => {
                let fortran = self.text(order).as_deref() == Some("F");
                let node = self.array(shape, dtype, fortran, buffer)?;
                self.push_node(node)
            }
            (Global::Encode | Global::Bytes, [Value::Str(span), codec, ..]) => {
                self.encode(span, codec)
            }
            (Global::Bytes, [bytes @ (Value::Bytes(_) | Value::Latin1(_)), ..]) => Ok(bytes),
            (Global::Bytes, [Value::None, ..]) => Ok(Value::Bytes(Span::EMPTY)),
            // a defaultdict has its factory first
            (Global::Dict, [pairs @ Value::Node(_), ..] | [_, pairs, ..]) => self.dict(pairs),
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

    /// The arguments of a call, at most four, with `None` for those left out.
    fn arguments(&self, args: Value) -> Outcome<[Value; 4]> {
        let Value::Node(args) = args else {
            return malformed("a call without a tuple of arguments");
        };
        match self.graph.node(args) {
            Some(Node::Tuple(items)) if items.len() <= 4 => Ok(std::array::from_fn(|i| {
                items.get(i).copied().unwrap_or(Value::None)
            })),
            _ => malformed("a call with unexpected arguments"),
        }
    }

    /// What `_reconstruct` gives: an array whose state is set next.
    fn empty_array(&mut self) -> Outcome<Value> {
        let bytes = DType {
            kind: Kind::Uint,
            size: 1,
            big_endian: false,
        };
        let payload = Value::Bytes(Span::EMPTY);
        let node = ArrayNode::new(&self.graph, vec![0], bytes, false, payload, self.offset)?;
        self.push_node(Node::Array(node))
    }

    fn array(&self, shape: Value, dtype: Value, fortran: bool, payload: Value) -> Outcome<Node> {
        let (shape, dtype) = (self.shape(shape)?, self.dtype(dtype)?);
        ArrayNode::new(&self.graph, shape, dtype, fortran, payload, self.offset).map(Node::Array)
    }

    fn dtype_of_code(&mut self, code: Value) -> Outcome<Value> {
        let code = self.text(code).unwrap_or_default();
        match DType::parse(&code) {
            Some(dtype) => self.push_node(Node::DType(dtype)),
            None => Err(PickleErrorKind::Unsupported(format!("dtype {code:?}"))),
        }
    }

    /// `text.encode(codec)`.
    fn encode(&self, text: Span, codec: Value) -> Outcome<Value> {
        self.charge(text.len.div_ceil(size_of::<Value>()))?; // the text is scanned
        let codec = self
            .text(codec)
            .unwrap_or_default()
            .to_lowercase()
            .replace(['-', '_'], "");
        match codec.as_str() {
            "latin1" | "iso88591" if self.span(text).is_ascii() => Ok(Value::Bytes(text)),
            "latin1" | "iso88591" => Ok(Value::Latin1(text)),
            "utf8" | "ascii" => Ok(Value::Bytes(text)),
            _ => Err(PickleErrorKind::Unsupported(format!("codec {codec:?}"))),
        }
    }

    fn dict(&mut self, pairs: Value) -> Outcome<Value> {
        let mut entries = Vec::new();
        for pair in self.elements(pairs)? {
            let [key, value] = self.elements(pair)?[..] else {
                return malformed("a dict of no pairs");
            };
            entries.push((key, value));
        }
        self.push_node(Node::Dict(entries))
    }

    /// `object.__setstate__(state)`: numpy arrays and dtypes only.
    pub(super) fn build(&mut self, object: Value, state: Value) -> Outcome<()> {
        let Value::Node(id) = object else {
            return malformed("a state for something that takes none");
        };
        if let (Dialect::Torch, Some(Node::Dict(_))) = (self.dialect, self.graph.node(id)) {
            return Ok(()); // attributes of Python's, such as versions of modules
        }
        let parts = self.elements(state)?;
        let node = match self.graph.node(id) {
            Some(Node::Array(_)) => self.array_of_state(&parts)?,
            Some(&Node::DType(dtype)) => Node::DType(self.dtype_of_state(dtype, &parts)?),
            _ => {
                return Err(PickleErrorKind::Unsupported(
                    "a state for an object that is no numpy array".to_owned(),
                ));
            }
        };
        self.set_node(id, node)
    }

    /// `(version, shape, dtype, is_fortran, data)`; the oldest writers leave the version out.
    fn array_of_state(&self, parts: &[Value]) -> Outcome<Node> {
        let [.., shape, dtype, fortran, data] = *parts else {
            return malformed("an array state");
        };
        let fortran = matches!(fortran, Value::Bool(true) | Value::Int(1));
        self.array(shape, dtype, fortran, data)
    }

    /// `(version, byte order, subdtype, names, fields, item size, ...)` for a dtype made from its code.
    fn dtype_of_state(&self, mut dtype: DType, parts: &[Value]) -> Outcome<DType> {
        let [_, order, subdtype, names, _, size, ..] = *parts else {
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
        Ok(dtype)
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
