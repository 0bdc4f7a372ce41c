//! numpy dtypes, as far as arrays of numbers, text and objects need them.

use std::fmt;

/// Family of an array's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `b1`
    Bool,
    /// `i1` to `i8`
    Int,
    /// `u1` to `u8`
    Uint,
    /// `f2`, `f4`, `f8`
    Float,
    /// `S<n>`: bytes padded with zeros.
    Bytes,
    /// `U<n>`: UTF-32 padded with zeros.
    Text,
    /// `O`: Python objects.
    Object,
    /// Anything else, by its letter; its elements cannot be read.
    Other(char),
}

/// Element type of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DType {
    /// Family.
    pub kind: Kind,
    /// Bytes an element takes.
    pub size: usize,
    /// Byte order.
    pub big_endian: bool,
}

impl DType {
    /// Reads `f4`, `<i8`, `|S10`, `U3`, `O` ...
    pub(crate) fn parse(code: &str) -> Option<Self> {
        let (big_endian, code) = match code.strip_prefix(['<', '|', '=']) {
            Some(rest) => (false, rest),
            None => code
                .strip_prefix('>')
                .map_or((false, code), |rest| (true, rest)),
        };
        let mut letters = code.chars();
        let letter = letters.next()?;
        let number = letters.as_str();
        let size: usize = if number.is_empty() {
            0
        } else {
            number.parse().ok()?
        };
        let kind = match (letter, size) {
            ('b', 1) | ('?', 0) => Kind::Bool,
            ('i', 1 | 2 | 4 | 8) => Kind::Int,
            ('u', 1 | 2 | 4 | 8) => Kind::Uint,
            ('f', 2 | 4 | 8) => Kind::Float,
            ('S' | 'a', _) => Kind::Bytes,
            ('U', _) => Kind::Text,
            ('O', _) => Kind::Object,
            _ => Kind::Other(letter),
        };
        let size = match kind {
            Kind::Bool => 1,
            Kind::Text => size.checked_mul(4)?,
            _ => size,
        };
        Some(Self {
            kind,
            size,
            big_endian,
        })
    }
}

impl DType {
    /// Whether the elements are numbers that [`to_f32`] reads.
    pub(crate) fn is_number(self) -> bool {
        matches!(self.kind, Kind::Bool | Kind::Int | Kind::Uint | Kind::Float)
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (letter, size) = match self.kind {
            Kind::Bool => ('b', self.size),
            Kind::Int => ('i', self.size),
            Kind::Uint => ('u', self.size),
            Kind::Float => ('f', self.size),
            Kind::Bytes => ('S', self.size),
            Kind::Text => ('U', self.size / 4),
            Kind::Object => return f.write_str("object"),
            Kind::Other(letter) => (letter, self.size),
        };
        write!(
            f,
            "{}{letter}{size}",
            if self.big_endian { '>' } else { '<' }
        )
    }
}

/// Converts raw numbers to `f32`; `None` when the type holds no numbers.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "f32 is the type of features"
)]
pub(crate) fn to_f32(dtype: DType, raw: &[u8], out: &mut Vec<f32>) -> Option<()> {
    macro_rules! read {
        ($type:ty, $convert:expr) => {{
            let convert: fn($type) -> f32 = $convert;
            let (chunks, _) = raw.as_chunks::<{ size_of::<$type>() }>();
            if dtype.big_endian {
                out.extend(
                    chunks
                        .iter()
                        .map(|&bytes| convert(<$type>::from_be_bytes(bytes))),
                );
            } else {
                out.extend(
                    chunks
                        .iter()
                        .map(|&bytes| convert(<$type>::from_le_bytes(bytes))),
                );
            }
        }};
    }
    match (dtype.kind, dtype.size) {
        (Kind::Float, 4) => read!(f32, |x| x),
        (Kind::Float, 8) => read!(f64, |x| x as f32),
        (Kind::Float, 2) => read!(u16, half),
        (Kind::Int, 1) => read!(i8, f32::from),
        (Kind::Int, 2) => read!(i16, f32::from),
        (Kind::Int, 4) => read!(i32, |x| x as f32),
        (Kind::Int, 8) => read!(i64, |x| x as f32),
        (Kind::Uint, 1) => read!(u8, f32::from),
        (Kind::Uint, 2) => read!(u16, f32::from),
        (Kind::Uint, 4) => read!(u32, |x| x as f32),
        (Kind::Uint, 8) => read!(u64, |x| x as f32),
        (Kind::Bool, _) => out.extend(raw.iter().map(|&byte| f32::from(byte != 0))),
        _ => return None,
    }
    Some(())
}

/// One number as the 64-bit integer it is; `None` for another type or an overflow.
pub(crate) fn to_i64(dtype: DType, raw: &[u8]) -> Option<i64> {
    let mut wide = [0_u8; 8];
    let size = raw.len();
    if !matches!(size, 1 | 2 | 4 | 8) {
        return None;
    }
    wide[..size].copy_from_slice(raw);
    if dtype.big_endian {
        wide[..size].reverse();
    }
    let value = i64::from_le_bytes(wide);
    let shift = 64 - 8 * u32::try_from(size).ok()?;
    match dtype.kind {
        Kind::Bool => Some(i64::from(value != 0)),
        Kind::Int => Some((value << shift) >> shift),
        Kind::Uint => (value >= 0).then_some(value),
        _ => None,
    }
}

/// One number as a 64-bit float.
pub(crate) fn to_f64(dtype: DType, raw: &[u8]) -> Option<f64> {
    if let (Kind::Float, Ok(bytes)) = (dtype.kind, <[u8; 8]>::try_from(raw)) {
        return Some(if dtype.big_endian {
            f64::from_be_bytes(bytes)
        } else {
            f64::from_le_bytes(bytes)
        });
    }
    #[expect(clippy::cast_precision_loss, reason = "callers ask for a float")]
    if let Some(value) = to_i64(dtype, raw) {
        return Some(value as f64);
    }
    let mut one = Vec::with_capacity(1);
    to_f32(dtype, raw, &mut one)?;
    one.first().map(|&x| f64::from(x))
}

/// All numbers as 64-bit floats; `None` for another type.
pub(crate) fn to_f64s(dtype: DType, raw: &[u8]) -> Option<Vec<f64>> {
    let chunks = raw.chunks_exact(dtype.size.max(1));
    chunks.map(|one| to_f64(dtype, one)).collect()
}

/// One element of an `S` or `U` array, without its zero padding.
pub(crate) fn to_text(dtype: DType, raw: &[u8]) -> Option<String> {
    match dtype.kind {
        Kind::Bytes => {
            let end = raw
                .iter()
                .rposition(|&byte| byte != 0)
                .map_or(0, |last| last + 1);
            Some(latin1_or_utf8(&raw[..end]))
        }
        Kind::Text => {
            let (chunks, _) = raw.as_chunks::<4>();
            let code = |&bytes| {
                if dtype.big_endian {
                    u32::from_be_bytes(bytes)
                } else {
                    u32::from_le_bytes(bytes)
                }
            };
            let text: String = chunks
                .iter()
                .map(|b| char::from_u32(code(b)).unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect();
            Some(text.trim_end_matches('\0').to_owned())
        }
        _ => None,
    }
}

/// Text of Python 2 strings and `S` arrays: UTF-8 where it is, Latin-1 otherwise.
pub(crate) fn latin1_or_utf8(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    }
}

/// IEEE 754 half precision to single.
fn half(bits: u16) -> f32 {
    let sign = u32::from(bits >> 15) << 31;
    let exponent = u32::from(bits >> 10) & 0x1f;
    let fraction = u32::from(bits) & 0x3ff;
    match exponent {
        0x1f => f32::from_bits(sign | 0x7f80_0000 | (fraction << 13)),
        0 => {
            #[expect(clippy::cast_precision_loss, reason = "ten bits fit")]
            let magnitude = fraction as f32 / 16_777_216.0; // 2^-24
            f32::from_bits(sign | magnitude.to_bits())
        }
        _ => f32::from_bits(sign | ((exponent + 112) << 23) | (fraction << 13)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn codes() {
        let check =
            |code: &str, shown: &str| assert_eq!(DType::parse(code).unwrap().to_string(), shown);
        check("f4", "<f4");
        check(">i2", ">i2");
        check("|S10", "<S10");
        check("U3", "<U3");
        check("O8", "object");
        check("?", "<b1");
        check("M8", "<M8");
        assert_eq!(DType::parse(""), None);
        assert_eq!(DType::parse("fx"), None);
        assert_eq!(DType::parse("U3").unwrap().size, 3 * 4);
    }

    #[test]
    fn half_precision() {
        for (bits, value) in [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0001, 2.0_f32.powi(-24)),
            (0x8000, -0.0),
        ] {
            assert_eq!(half(bits).to_bits(), f32::to_bits(value));
        }
        assert_eq!(half(0x7c00), f32::INFINITY);
        assert!(half(0x7e00).is_nan());
    }

    #[test]
    fn integers_of_both_byte_orders() {
        let int = |code: &str, raw: &[u8]| to_i64(DType::parse(code).unwrap(), raw);
        assert_eq!(int("<i2", &[0xfe, 0xff]), Some(-2));
        assert_eq!(int(">i4", &[0, 0, 1, 2]), Some(258));
        assert_eq!(int("u1", &[255]), Some(255));
        assert_eq!(int("u8", &[255; 8]), None);
        assert_eq!(int("f4", &[0; 4]), None);
    }
}
