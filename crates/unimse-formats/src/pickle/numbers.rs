//! Numbers and texts of an item, whether Python's own, in a list, or in an array.

use super::{array::Array, item::Item, value::Value};
use crate::{FormatError, PickleErrorKind, dtype::Kind};
use std::borrow::Cow;

impl<'a> Item<'a> {
    /// A numpy array.
    #[must_use]
    pub fn as_array(&self) -> Option<Array<'a>> {
        match self.value {
            Value::Node(id) => Array::at(self.pickle, id),
            _ => None,
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
