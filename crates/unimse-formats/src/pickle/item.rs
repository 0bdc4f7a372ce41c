//! The view of a Python object that callers hold.

use super::{
    Array, Pickle,
    reduce::Global,
    value::{Node, Value},
};
use crate::{
    FormatError, PickleErrorKind,
    dtype::{Kind, latin1_or_utf8},
};
use std::borrow::Cow;

/// A Python object of a [`Pickle`].
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    pub(super) pickle: &'a Pickle,
    pub(super) value: Value,
}

impl<'a> Item<'a> {
    fn node(&self) -> Option<&'a Node> {
        match self.value {
            Value::Node(id) => self.pickle.graph.node(id),
            _ => None,
        }
    }

    fn span(&self, span: super::value::Span) -> &'a [u8] {
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

    /// An integer or bool.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self.value {
            Value::Int(n) => Some(n),
            Value::Bool(b) => Some(i64::from(b)),
            _ => self.as_array().filter(|array| array.len() == 1)?.integer(0),
        }
    }

    /// A float, integer or bool.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "callers ask for a float")]
        match self.value {
            Value::Float(x) => Some(x),
            Value::Int(n) => Some(n as f64),
            Value::Bool(b) => Some(f64::from(u8::from(b))),
            _ => self
                .as_array()
                .filter(|array| array.len() == 1 && array.dtype().kind != Kind::Object)?
                .number(0),
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

    /// A numpy array.
    #[must_use]
    pub fn as_array(&self) -> Option<Array<'a>> {
        match self.value {
            Value::Node(id) => Array::at(self.pickle, id),
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

    /// A list, tuple or array of numbers, row-major.
    ///
    /// # Errors
    /// When it is something else.
    pub fn numbers(self) -> Result<Vec<f64>, FormatError> {
        self.collect(
            "a list or array of numbers",
            |item| item.as_f64(),
            |array, i| array.number(i),
        )
    }

    /// A list, tuple or array of integers, row-major.
    ///
    /// # Errors
    /// When it is something else.
    pub fn integers(self) -> Result<Vec<i64>, FormatError> {
        self.collect(
            "a list or array of integers",
            |item| item.as_i64(),
            |array, i| array.integer(i),
        )
    }

    /// A list, tuple or array of strings, row-major.
    ///
    /// # Errors
    /// When it is something else.
    pub fn texts(self) -> Result<Vec<String>, FormatError> {
        self.collect(
            "a list or array of strings",
            |item| item.as_str().map(Cow::into_owned),
            |array, i| array.text(i),
        )
    }

    fn collect<T>(
        self,
        expected: &'static str,
        of_item: impl Fn(Self) -> Option<T>,
        of_array: impl Fn(Array<'a>, usize) -> Option<T>,
    ) -> Result<Vec<T>, FormatError> {
        let wrong = |found: String| {
            self.pickle
                .error(0, PickleErrorKind::Type { expected, found })
        };
        if let Some(array) = self.as_array() {
            let values: Option<Vec<T>> = (0..array.len()).map(|i| of_array(array, i)).collect();
            return values.ok_or_else(|| wrong(format!("an array of {}", array.dtype())));
        }
        let Some(items) = self.items() else {
            return Err(wrong(self.type_name().to_owned()));
        };
        items
            .map(|item| {
                of_item(item)
                    .ok_or_else(|| wrong(format!("an element of type {}", item.type_name())))
            })
            .collect()
    }
}
