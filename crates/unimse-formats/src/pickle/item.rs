//! The view of a Python object that callers hold.

use super::{
    opened::Pickle,
    value::{Global, Node, Span, Value},
};
use crate::dtype::latin1_or_utf8;
use std::borrow::Cow;

/// A Python object of a [`Pickle`].
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    pub(super) pickle: &'a Pickle,
    pub(super) value: Value,
}

impl Pickle {
    /// The object that was pickled.
    #[must_use]
    pub fn root(&self) -> Item<'_> {
        Item {
            pickle: self,
            value: self.graph.root,
        }
    }
}

impl<'a> Item<'a> {
    fn node(&self) -> Option<&'a Node> {
        match self.value {
            Value::Node(id) => self.pickle.graph.node(id),
            _ => None,
        }
    }

    fn span(&self, span: Span) -> &'a [u8] {
        self.pickle.graph.span(self.pickle.bytes.as_slice(), span)
    }

    fn with(self, value: Value) -> Self {
        Self { value, ..self }
    }

    /// The type in words, for messages.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self.value {
            Value::None => "None",
            Value::Bool(_) => "bool",
            Value::Int(_) | Value::BigInt => "int",
            Value::Float(_) => "float",
            Value::Str(_) => "str",
            Value::Bytes(_) | Value::Latin1(_) => "bytes",
            Value::Global(Global::None) => "None",
            Value::Global(_) => "type",
            Value::Node(_) => match self.node() {
                Some(Node::List(_)) => "list",
                Some(Node::Tuple(_)) => "tuple",
                Some(Node::Set(_)) => "set",
                Some(Node::Dict(_)) => "dict",
                Some(Node::DType(_)) => "numpy dtype",
                Some(Node::Array(_)) => "numpy array",
                None => "nothing",
            },
        }
    }

    /// Text, or bytes read as UTF-8 where they are and as Latin-1 otherwise (Python 2 strings).
    #[must_use]
    pub fn as_str(&self) -> Option<Cow<'a, str>> {
        match self.value {
            Value::Str(span) => Some(String::from_utf8_lossy(self.span(span))),
            Value::Bytes(span) => Some(Cow::Owned(latin1_or_utf8(self.span(span)))),
            Value::Latin1(span) => Some(String::from_utf8_lossy(self.span(span))),
            _ => None,
        }
    }

    /// Entries of a dict, in order.
    #[must_use]
    pub fn entries(self) -> Option<impl ExactSizeIterator<Item = (Self, Self)>> {
        match self.node()? {
            Node::Dict(entries) => Some(
                entries
                    .iter()
                    .map(move |&(key, value)| (self.with(key), self.with(value))),
            ),
            _ => None,
        }
    }

    /// The value of a dict under a text key; the last one where a key was set twice.
    #[must_use]
    pub fn get(self, key: &str) -> Option<Self> {
        self.entries()?
            .filter(|(name, _)| name.as_str().is_some_and(|name| name == key))
            .last()
            .map(|(_, item)| item)
    }

    /// Elements of a list, tuple or set.
    #[must_use]
    pub fn items(self) -> Option<impl ExactSizeIterator<Item = Self>> {
        match self.node()? {
            Node::List(items) | Node::Tuple(items) | Node::Set(items) => {
                Some(items.iter().map(move |&value| self.with(value)))
            }
            _ => None,
        }
    }

    /// Number of elements of a list, tuple, set, dict or (first axis of an) array.
    #[must_use]
    pub fn count(self) -> Option<usize> {
        match self.node()? {
            Node::List(items) | Node::Tuple(items) | Node::Set(items) => Some(items.len()),
            Node::Dict(entries) => Some(entries.len()),
            Node::Array(array) => array.shape.first().copied(),
            Node::DType(_) => None,
        }
    }
}
