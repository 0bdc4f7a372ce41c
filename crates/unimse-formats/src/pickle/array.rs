//! numpy arrays whose payload stays in the file until asked for.

use super::{
    item::{Item, ItemId},
    opened::Pickle,
    value::{ArrayNode, Node, Value},
};
use crate::{
    FormatError, PickleErrorKind,
    dtype::{self, DType, Kind},
    order,
};
use std::borrow::Cow;

/// Names an array of one [`Pickle`], so that a caller can keep it beside the pickle instead of a borrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ArrayId(u32);

/// A view of an array; elements are counted row-major whatever the order in memory.
#[derive(Clone, Copy, Debug)]
pub struct Array<'a> {
    pickle: &'a Pickle,
    node: &'a ArrayNode,
    id: ArrayId,
}

impl Pickle {
    /// An array found earlier by [`Array::id`].
    ///
    /// # Errors
    /// When `id` comes from another pickle.
    pub fn array(&self, id: ArrayId) -> Result<Array<'_>, FormatError> {
        Array::new(self, id)
            .ok_or_else(|| self.error(0, PickleErrorKind::Malformed("no such array".into())))
    }
}

impl<'a> Array<'a> {
    fn new(pickle: &'a Pickle, id: ArrayId) -> Option<Self> {
        match pickle.graph.node(id.0)? {
            Node::Array(node) => Some(Self { pickle, node, id }),
            _ => None,
        }
    }

    pub(super) fn at(pickle: &'a Pickle, node: u32) -> Option<Self> {
        Self::new(pickle, ArrayId(node))
    }

    /// The name under which [`Pickle::array`] finds this array again.
    #[must_use]
    pub fn id(&self) -> ArrayId {
        self.id
    }

    /// Sizes of the axes.
    #[must_use]
    pub fn shape(&self) -> &'a [usize] {
        &self.node.shape
    }

    /// Element type.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.node.dtype
    }

    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.node.shape.iter().product()
    }

    /// Whether there is no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Elements `start .. start + count` as floats, row-major.
    ///
    /// # Errors
    /// When the range is outside the array or the elements are no numbers.
    pub fn read_f32(&self, start: usize, count: usize) -> Result<Vec<f32>, FormatError> {
        let end = start.checked_add(count).filter(|&end| end <= self.len());
        let Some(end) = end else {
            return Err(self.wrong(format!(
                "elements {start}+{count} of an array of {}",
                self.len()
            )));
        };
        let mut values = Vec::with_capacity(count);
        if self.node.dtype.kind == Kind::Object {
            for i in start..end {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "f32 is the type of features"
                )]
                values.push(
                    self.item(i)
                        .and_then(|item| item.as_f64())
                        .ok_or_else(|| self.no_numbers())? as f32,
                );
            }
            return Ok(values);
        }
        let raw = self.raw()?;
        let size = self.node.dtype.size;
        if self.node.fortran && self.node.shape.len() > 1 {
            let mut gathered = Vec::with_capacity(count * size);
            for at in order::positions(&self.node.shape, start).take(count) {
                gathered.extend_from_slice(&raw[at * size..(at + 1) * size]);
            }
            dtype::to_f32(self.node.dtype, &gathered, &mut values)
                .ok_or_else(|| self.no_numbers())?;
        } else {
            dtype::to_f32(self.node.dtype, &raw[start * size..end * size], &mut values)
                .ok_or_else(|| self.no_numbers())?;
        }
        Ok(values)
    }

    /// All elements as floats, row-major.
    ///
    /// # Errors
    /// When the elements are no numbers.
    pub fn to_f32(&self) -> Result<Vec<f32>, FormatError> {
        self.read_f32(0, self.len())
    }

    /// Element `i` of an object array.
    #[must_use]
    pub fn item(&self, i: usize) -> Option<Item<'a>> {
        let Value::Node(list) = self.node.payload else {
            return None;
        };
        let Some(Node::List(items)) = self.pickle.graph.node(list) else {
            return None;
        };
        // numpy lists objects row-major, whatever the order that the state declares
        let value = *items.get(i)?;
        Some(Item {
            pickle: self.pickle,
            value,
        })
    }

    /// Element `i` as an integer.
    #[must_use]
    pub fn integer(&self, i: usize) -> Option<i64> {
        match self.node.dtype.kind {
            Kind::Object => self.item(i)?.as_i64(),
            _ => dtype::to_i64(self.node.dtype, self.element(i)?.as_ref()),
        }
    }

    /// Element `i` as a 64-bit float.
    #[must_use]
    pub fn number(&self, i: usize) -> Option<f64> {
        match self.node.dtype.kind {
            Kind::Object => self.item(i)?.as_f64(),
            _ => dtype::to_f64(self.node.dtype, self.element(i)?.as_ref()),
        }
    }

    /// Element `i` as text: of an `S` or `U` array, or an object array of strings.
    #[must_use]
    pub fn text(&self, i: usize) -> Option<String> {
        match self.node.dtype.kind {
            Kind::Object => self.item(i)?.as_str().map(Cow::into_owned),
            _ => dtype::to_text(self.node.dtype, self.element(i)?.as_ref()),
        }
    }

    fn element(&self, i: usize) -> Option<Cow<'a, [u8]>> {
        if i >= self.len() {
            return None;
        }
        let at = self.memory_index(i).checked_mul(self.node.dtype.size)?;
        self.raw()
            .ok()?
            .get(at..at + self.node.dtype.size)
            .map(Cow::Borrowed)
    }

    /// Position in memory of the row-major element `i`.
    fn memory_index(&self, i: usize) -> usize {
        if self.node.fortran {
            order::position(&self.node.shape, i)
        } else {
            i
        }
    }

    /// The identity of its payload, which several arrays may share.
    #[must_use]
    pub fn payload_id(&self) -> Option<ItemId> {
        let (pickle, value) = (self.pickle, self.node.payload);
        Item { pickle, value }.id()
    }

    /// Whether the first axis runs fastest in memory, as in Fortran.
    #[must_use]
    pub fn is_fortran(&self) -> bool {
        self.node.fortran
    }

    /// The elements as they lie in memory: exactly `len() * dtype().size` bytes, in the order that [`is_fortran`](Self::is_fortran) says.
    ///
    /// # Errors
    /// For an object array, which has no bytes, and where a payload written as text is not one.
    pub fn raw(&self) -> Result<&'a [u8], FormatError> {
        let (file, graph) = (self.pickle.bytes.as_slice(), &self.pickle.graph);
        let raw = match self.node.payload {
            Value::Bytes(span) => graph.span(file, span),
            Value::Latin1(span) => self
                .node
                .decoded
                .get_or_init(|| latin1(graph.span(file, span)).unwrap_or_default()),
            _ => &[],
        };
        let expected = self.len() * self.node.dtype.size;
        if raw.len() == expected {
            Ok(raw)
        } else {
            Err(self.wrong(format!(
                "array of {expected} bytes, found {} Latin-1 characters",
                raw.len()
            )))
        }
    }

    fn no_numbers(&self) -> FormatError {
        let found = format!("an array of {}", self.node.dtype);
        self.pickle.error(
            self.node.offset,
            PickleErrorKind::Type {
                expected: "an array of numbers",
                found,
            },
        )
    }

    fn wrong(&self, message: String) -> FormatError {
        self.pickle
            .error(self.node.offset, PickleErrorKind::Malformed(message))
    }
}

/// Bytes from the characters of a text; `None` when one is above 255.
pub(super) fn latin1(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    let mut bytes = Vec::with_capacity(text.len());
    for character in text.chars() {
        bytes.push(u8::try_from(u32::from(character)).ok()?);
    }
    Some(bytes)
}
