//! Features within a table: nested lists of numbers, `[[..], [..]]` one list a step, or `[..]` as one step.

use arrow::{
    array::{Array, ArrayRef, AsArray},
    compute::cast,
    datatypes::{DataType, Float32Type},
};
use serde_json::Value;

/// Steps of equal length, `[steps, dim]` row-major; what is no number that `f32` can hold stays infinite or NaN.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Inline {
    pub(super) dim: usize,
    pub(super) values: Vec<f32>,
}

impl Inline {
    /// Steps that are pushed one after the other.
    fn of_steps(steps: impl Iterator<Item = Result<Vec<f32>, String>>) -> Result<Self, String> {
        let mut all = Self {
            dim: 0,
            values: Vec::new(),
        };
        for (number, step) in (1..).zip(steps) {
            let step = step.map_err(|message| format!("step {number}{message}"))?;
            if number == 1 {
                all.dim = step.len();
            }
            if step.len() != all.dim || step.is_empty() {
                return Err(format!(
                    "step {number}: expected {} numbers, found {}",
                    all.dim.max(1),
                    step.len()
                ));
            }
            all.values.extend(step);
        }
        Ok(all)
    }

    /// A JSON list; `None` where it is empty.
    pub(super) fn of_json(list: &[Value]) -> Result<Option<Self>, String> {
        let number = |(place, value): (usize, &Value)| match value {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "f32 is the type of features"
            )]
            Value::Number(x) => Ok(x.as_f64().map_or(f32::NAN, |x| x as f32)),
            Value::Null => Ok(f32::NAN),
            other => Err(format!(
                ", feature {}: expected a number, found {}",
                place + 1,
                kind(other)
            )),
        };
        let step = |list: &[Value]| -> Result<Vec<f32>, String> {
            list.iter().enumerate().map(number).collect()
        };
        let nested = matches!(list.first(), Some(Value::Array(_)));
        let read = match (list, nested) {
            ([], _) => return Ok(None),
            (list, false) => Self::of_steps(std::iter::once(step(list))),
            (list, true) => Self::of_steps(list.iter().map(|value| match value {
                Value::Array(list) => step(list),
                other => Err(format!(
                    ": expected a list of numbers, found {}",
                    kind(other)
                )),
            })),
        };
        read.map(Some)
    }

    /// Row `row` of a Parquet column of lists; `None` where it is null or empty.
    pub(super) fn of_arrow(column: &dyn Array, row: usize) -> Result<Option<Self>, String> {
        let Some(list) = list_at(column, row).filter(|list| !list.is_empty()) else {
            return Ok(None);
        };
        if list.data_type().is_nested() {
            let step = |at| match list_at(&list, at) {
                Some(step) => numbers(&step),
                None => Err(": expected a list of numbers, found null".to_owned()),
            };
            return Self::of_steps((0..list.len()).map(step)).map(Some);
        }
        Self::of_steps(std::iter::once(numbers(&list))).map(Some)
    }
}

/// A JSON value's kind in words.
pub(super) fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => format!("{text:?}"),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// A list in words, for a column that must hold something else.
pub(super) fn is_list(kind: &DataType) -> bool {
    matches!(
        kind,
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..)
    )
}

fn list_at(column: &dyn Array, row: usize) -> Option<ArrayRef> {
    if column.is_null(row) {
        return None;
    }
    if let Some(list) = column.as_list_opt::<i32>() {
        return Some(list.value(row));
    }
    if let Some(list) = column.as_list_opt::<i64>() {
        return Some(list.value(row));
    }
    column.as_fixed_size_list_opt().map(|list| list.value(row))
}

/// Numbers of any type as `f32`; null is NaN.
fn numbers(array: &ArrayRef) -> Result<Vec<f32>, String> {
    let wrong = || format!(": expected numbers, found {}", words(array.data_type()));
    if !array.data_type().is_numeric() {
        return Err(wrong());
    }
    let cast = cast(array, &DataType::Float32).map_err(|_| wrong())?;
    let cast = cast.as_primitive_opt::<Float32Type>().ok_or_else(wrong)?;
    Ok(cast.iter().map(|x| x.unwrap_or(f32::NAN)).collect())
}

/// A column type in the words of people who write tables.
pub(super) fn words(kind: &DataType) -> &'static str {
    match kind {
        DataType::Struct(_) | DataType::Map(..) => "records",
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text",
        DataType::Boolean => "true and false",
        DataType::Null => "nothing",
        kind if is_list(kind) => "lists",
        kind if kind.is_numeric() => "numbers",
        kind if kind.is_temporal() => "times",
        _ => "values of another type",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use arrow::array::{FixedSizeListArray, Float64Array, Int16Array, ListArray};
    use arrow::buffer::OffsetBuffer;
    use arrow::datatypes::Field;
    use std::sync::Arc;

    fn json(text: &str) -> Result<Option<Inline>, String> {
        let Value::Array(list) = serde_json::from_str(text).unwrap() else {
            panic!("a list")
        };
        Inline::of_json(&list)
    }

    #[test]
    fn lists_of_json() {
        let inline = |dim, values: &[f32]| {
            let values = values.to_vec();
            Ok(Some(Inline { dim, values }))
        };
        assert_eq!(
            json("[[1, 2.5], [3, -4]]"),
            inline(2, &[1.0, 2.5, 3.0, -4.0])
        );
        assert_eq!(json("[1, 2, 3]"), inline(3, &[1.0, 2.0, 3.0]));
        assert_eq!(json("[1e300]"), inline(1, &[f32::INFINITY]));
        assert!(json("[[null]]").unwrap().unwrap().values[0].is_nan());
        assert_eq!(json("[]"), Ok(None));
        for (text, message) in [
            ("[[1, 2], [3]]", "step 2: expected 2 numbers, found 1"),
            ("[[]]", "step 1: expected 1 numbers, found 0"),
            (
                "[[1, \"x\"]]",
                "step 1, feature 2: expected a number, found \"x\"",
            ),
            ("[[1], 2]", "step 2: expected a list of numbers, found 2"),
            (
                "[1, [2]]",
                "step 1, feature 2: expected a number, found a list",
            ),
        ] {
            assert_eq!(json(text), Err(message.to_owned()), "{text}");
        }
    }

    #[test]
    fn lists_of_parquet() {
        let item = |kind| Arc::new(Field::new("item", kind, true));
        let numbers = Arc::new(Float64Array::from(vec![1.0, 1e300, 3.0, 4.0]));
        let steps = FixedSizeListArray::new(item(DataType::Float64), 2, numbers, None);
        let kind = steps.data_type().clone();
        let offsets = OffsetBuffer::<i32>::from_lengths([2, 0]);
        let lists = ListArray::new(item(kind), offsets, Arc::new(steps), None);
        let read = Inline::of_arrow(&lists, 0).unwrap().unwrap();
        assert_eq!((read.dim, read.values.len()), (2, 4));
        assert!(read.values[0] == 1.0 && !read.values[1].is_finite() && read.values[3] == 4.0);
        assert_eq!(Inline::of_arrow(&lists, 1), Ok(None));

        let numbers = Arc::new(Int16Array::from(vec![1, 2, 3]));
        let offsets = OffsetBuffer::<i64>::from_lengths([3]);
        let list = arrow::array::LargeListArray::new(item(DataType::Int16), offsets, numbers, None);
        let read = Inline::of_arrow(&list, 0).unwrap().unwrap();
        assert_eq!((read.dim, read.values), (3, vec![1.0, 2.0, 3.0]));
    }
}
