//! `.npy` files: the header through npyz, the numbers as every format's are read.

use crate::{
    FormatError,
    bytes::Bytes,
    dtype::{self, DType},
    order,
};
use npyz::{NpyHeader, Order};
use std::path::Path;

/// numpy's own bound on a header (`max_header_size` of `numpy.load`).
const MAX_HEADER: usize = 10_000;

/// A dense array of floats, 32-bit unless said otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor<T = f32> {
    /// Sizes of the axes; empty for a scalar.
    pub shape: Vec<usize>,
    /// Product-of-`shape` values, row-major.
    pub values: Vec<T>,
}

/// Reads a numeric `.npy` file (float, integer or bool, either byte order, C or Fortran order) as 32-bit floats.
///
/// # Errors
/// When the file is missing, truncated, or holds another type. Memory is bounded by the file's size.
pub fn read_npy(path: &Path) -> Result<Tensor, FormatError> {
    read(path, f32s)
}

/// The same as 64-bit floats: no digit of a double is lost.
///
/// # Errors
/// Those of [`read_npy`].
pub fn read_npy_f64(path: &Path) -> Result<Tensor<f64>, FormatError> {
    read(path, dtype::to_f64s)
}

fn read<T: Copy>(
    path: &Path,
    numbers: impl Fn(DType, &[u8]) -> Option<Vec<T>>,
) -> Result<Tensor<T>, FormatError> {
    let bytes = Bytes::open(path)?;
    let wrong = |message| FormatError::npy(path, message);
    let header = Header::read(bytes.as_slice()).map_err(wrong)?;
    (header.tensor_of(bytes.as_slice(), numbers)).map_err(wrong)
}

/// Shape of a numeric `.npy` file, by its header alone.
///
/// # Errors
/// Those of [`read_npy`].
pub fn npy_shape(path: &Path) -> Result<Vec<usize>, FormatError> {
    let bytes = Bytes::open(path)?;
    Header::read(bytes.as_slice())
        .and_then(|header| header.check(bytes.as_slice().len()).map(|()| header.shape))
        .map_err(|message| FormatError::npy(path, message))
}

fn f32s(dtype: DType, raw: &[u8]) -> Option<Vec<f32>> {
    let mut values = Vec::new();
    dtype::to_f32(dtype, raw, &mut values).map(|()| values)
}

/// What an `.npy` header says.
pub(crate) struct Header {
    pub(crate) shape: Vec<usize>,
    dtype: DType,
    fortran: bool,
    /// Offset of the numbers.
    start: usize,
}

impl Header {
    /// Reads the header at the start of `bytes`.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, String> {
        let (start, text) = split(bytes).ok_or("expected an .npy header")?;
        let wrong = |found: &dyn std::fmt::Display| {
            let text = String::from_utf8_lossy(&text[..text.len().min(200)]);
            let found = found.to_string(); // a parser's drawing of the place has several lines
            format!(
                "header {:?}: {}",
                text.trim_end(),
                found.lines().next().unwrap_or_default()
            )
        };
        let (text, elements) = normalise(text);
        elements.ok_or_else(|| wrong(&"its numbers multiply beyond 64 bits"))?;
        let mut version_3 = b"\x93NUMPY\x03\x00".to_vec();
        version_3.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
        version_3.extend(&text);
        let header = NpyHeader::from_reader(&version_3[..]).map_err(|error| wrong(&error))?;
        let numeric = match header.dtype() {
            npyz::DType::Plain(kind) => {
                DType::parse(&kind.to_string()).filter(|dtype| dtype.is_number())
            }
            _ => None,
        };
        let dtype = numeric.ok_or_else(|| {
            format!(
                "expected a float, integer or bool dtype, found {}",
                header.dtype().descr()
            )
        })?;
        let axis = |&axis: &u64| usize::try_from(axis);
        Ok(Self {
            shape: (header.shape().iter().map(axis).collect::<Result<_, _>>())
                .map_err(|error| wrong(&error))?,
            dtype,
            fortran: header.order() == Order::Fortran,
            start,
        })
    }

    /// Whether a file of so many bytes can hold the numbers.
    pub(crate) fn check(&self, file: usize) -> Result<(), String> {
        match self.end() {
            Some(end) if end <= file => Ok(()),
            _ => Err(format!(
                "truncated: shape {:?} of {} needs more bytes than the {file} found",
                self.shape, self.dtype
            )),
        }
    }

    /// The numbers of a file that begins with this header.
    pub(crate) fn tensor(self, file: &[u8]) -> Result<Tensor, String> {
        self.tensor_of(file, f32s)
    }

    fn tensor_of<T: Copy>(
        self,
        file: &[u8],
        numbers: impl Fn(DType, &[u8]) -> Option<Vec<T>>,
    ) -> Result<Tensor<T>, String> {
        self.check(file.len())?;
        let raw = file.get(self.start..self.end().unwrap_or(self.start));
        let mut values = numbers(self.dtype, raw.unwrap_or_default())
            .ok_or_else(|| format!("expected numbers, found {}", self.dtype))?;
        if self.fortran && self.shape.len() > 1 {
            let positions = order::positions(&self.shape, 0).take(values.len());
            values = positions.map(|at| values[at]).collect();
        }
        Ok(Tensor {
            shape: self.shape,
            values,
        })
    }

    fn end(&self) -> Option<usize> {
        (self.shape.iter())
            .try_fold(self.dtype.size, |n, &axis| n.checked_mul(axis))?
            .checked_add(self.start)
    }
}

/// Offset of the numbers and the header's text, by the length that the first bytes declare.
fn split(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let rest = bytes.strip_prefix(b"\x93NUMPY")?;
    let (at, length) = match rest {
        [1, 0, a, b, ..] => (10, usize::from(u16::from_le_bytes([*a, *b]))),
        [2 | 3, 0, a, b, c, d, ..] => (12, u32::from_le_bytes([*a, *b, *c, *d]) as usize),
        _ => return None,
    };
    let end = at + Some(length).filter(|&length| length <= MAX_HEADER)?;
    Some((end, bytes.get(at..end)?))
}

/// The text without the `L` that Python 2 puts after long integers, and the product of all its numbers: none when it
/// overflows, which npyz would not notice.
fn normalise(text: &[u8]) -> (Vec<u8>, Option<u64>) {
    let after_digit = |i: usize| i > 0 && text[i - 1].is_ascii_digit();
    let kept = |(i, byte): (usize, &u8)| (*byte != b'L' || !after_digit(i)).then_some(*byte);
    let number = |digits: &[u8]| std::str::from_utf8(digits).ok()?.parse::<u64>().ok();
    let product = (text.split(|byte| !byte.is_ascii_digit()))
        .filter(|digits| !digits.is_empty())
        .try_fold(1_u64, |n, digits| n.checked_mul(number(digits)?.max(1)));
    (text.iter().enumerate().filter_map(kept).collect(), product)
}

/// A `.npy` file (version 1.0) of 32-bit floats `[rows, columns]`, row-major.
#[must_use]
pub fn npy_bytes(shape: [usize; 2], values: &[f32]) -> Vec<u8> {
    let [rows, columns] = shape;
    let dict =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {columns}), }}");
    // magic number, version and length take 10 bytes; values begin at a multiple of 64
    let length = (10 + dict.len() + 1).next_multiple_of(64) - 10;
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((length as u16).to_le_bytes());
    bytes.extend(format!("{dict:<width$}\n", width = length - 1).as_bytes());
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    bytes
}
