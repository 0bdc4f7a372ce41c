//! The view of a Python object that callers hold.

use super::{
    array::{Array, latin1},
    opened::Pickle,
    value::{Global, Node, Span, Value},
};
use crate::dtype::{DType, latin1_or_utf8};
use std::borrow::Cow;

/// A Python object of a [`Pickle`].
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    pub(super) pickle: &'a Pickle,
    pub(super) value: Value,
}

/// What an [`Item`] is, for whoever wants all of a pickle and not what it expects to find.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Object<'a> {
    /// `None`, or a call of its type.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An integer of 64 bits.
    Int(i64),
    /// An integer of more than 64 bits, which is not read.
    BigInt,
    /// A float.
    Float(f64),
    /// Text.
    Text(Cow<'a, str>),
    /// Bytes, or a string of Python 2.
    Bytes(Cow<'a, [u8]>),
    /// A list; see [`Item::items`].
    List,
    /// A tuple; see [`Item::items`].
    Tuple,
    /// A set; see [`Item::items`].
    Set,
    /// A dict; see [`Item::entries`].
    Dict,
    /// A numpy array. A numpy scalar is the number or text that it holds.
    Array(Array<'a>),
    /// A numpy element type.
    DType(DType),
    /// A type, kept without its name: the factory of a defaultdict.
    Type,
}

/// Tells whether two items of one pickle are the same Python object, not merely equal ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ItemId(usize, usize);

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

    /// What it is.
    #[must_use]
    pub fn object(&self) -> Object<'a> {
        match self.value {
            Value::None | Value::Global(Global::None) => Object::None,
            Value::Bool(value) => Object::Bool(value),
            Value::Int(value) => Object::Int(value),
            Value::BigInt => Object::BigInt,
            Value::Float(value) => Object::Float(value),
            Value::Str(span) => Object::Text(String::from_utf8_lossy(self.span(span))),
            Value::Bytes(span) => Object::Bytes(Cow::Borrowed(self.span(span))),
            Value::Latin1(span) => {
                let bytes = latin1(self.span(span)).unwrap_or_default();
                Object::Bytes(Cow::Owned(bytes))
            }
            Value::Global(_) => Object::Type,
            Value::Node(_) => match self.node() {
                Some(Node::List(_)) => Object::List,
                Some(Node::Tuple(_)) => Object::Tuple,
                Some(Node::Set(_)) => Object::Set,
                Some(Node::Dict(_)) => Object::Dict,
                Some(Node::DType(dtype)) => Object::DType(*dtype),
                Some(Node::Array(_)) => self.as_array().map_or(Object::None, Object::Array),
                None => Object::None,
            },
        }
    }

    /// Its identity, where it is a container, an array, text or bytes: a pickle that names one object many times must not become many.
    #[must_use]
    pub fn id(&self) -> Option<ItemId> {
        match self.value {
            Value::Str(span) => Some(ItemId(span.at, 3 * span.len)),
            Value::Bytes(span) => Some(ItemId(span.at, 3 * span.len + 1)),
            Value::Latin1(span) => Some(ItemId(span.at, 3 * span.len + 2)),
            Value::Node(node) => Some(ItemId(usize::MAX, node as usize)),
            _ => None,
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
