//! Reading opcodes' arguments: numbers, text and lines, each bounded by the file.

use super::{
    machine::{Machine, Outcome, malformed},
    value::{Span, Value},
};
use crate::PickleErrorKind;

impl Machine<'_> {
    /// The next `n` bytes.
    pub(super) fn take(&mut self, n: u64) -> Outcome<Span> {
        let left = self.file.len() - self.at;
        match usize::try_from(n) {
            Ok(len) if len <= left => {
                let span = Span { at: self.at, len };
                self.at += len;
                Ok(span)
            }
            _ => Err(PickleErrorKind::Truncated {
                needed: n,
                left: left as u64,
            }),
        }
    }

    pub(super) fn number<const N: usize>(&mut self) -> Outcome<[u8; N]> {
        let span = self.take(N as u64)?;
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.span(span));
        Ok(bytes)
    }

    /// An unsigned little-endian number of `N` bytes.
    pub(super) fn index<const N: usize>(&mut self) -> Outcome<u64> {
        let mut wide = [0; 8];
        wide[..N].copy_from_slice(&self.number::<N>()?);
        Ok(u64::from_le_bytes(wide))
    }

    pub(super) fn int<const N: usize>(&mut self) -> Outcome<()> {
        let value = self.index::<N>()?;
        self.push(Value::Int(i64::try_from(value).unwrap_or_default()))
    }

    /// A little-endian two's complement integer of any length.
    pub(super) fn long(&mut self, len: u64) -> Outcome<()> {
        let span = self.take(len)?;
        let bytes = self.span(span);
        let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let value = if bytes.len() > 8 {
            Value::BigInt
        } else {
            let mut wide = [if negative { 0xff } else { 0 }; 8];
            wide[..bytes.len()].copy_from_slice(bytes);
            Value::Int(i64::from_le_bytes(wide))
        };
        self.push(value)
    }

    pub(super) fn text_of<const N: usize>(&mut self, make: fn(Span) -> Value) -> Outcome<()> {
        let len = self.index::<N>()?;
        let span = self.take(len)?;
        self.push(make(span))
    }

    /// The bytes up to the next newline, without it.
    pub(super) fn line(&mut self) -> Outcome<&[u8]> {
        let rest = &self.file[self.at..];
        let Some(len) = rest.iter().position(|&byte| byte == b'\n') else {
            return Err(PickleErrorKind::Truncated {
                needed: rest.len() as u64 + 1,
                left: rest.len() as u64,
            });
        };
        self.at += len + 1;
        Ok(&rest[..len])
    }

    /// `I`, `L` and `F` of protocol 0.
    pub(super) fn written_number(&mut self, opcode: u8) -> Outcome<()> {
        let line = String::from_utf8_lossy(self.line()?).into_owned();
        let text = line.trim();
        let value = match (opcode, text) {
            (b'I', "00") => Value::Bool(false),
            (b'I', "01") => Value::Bool(true),
            (b'F', _) => match text.parse() {
                Ok(value) => Value::Float(value),
                Err(_) => return malformed(format!("expected a float, found {text:?}")),
            },
            _ => {
                let digits = text.trim_end_matches('L');
                match digits.parse() {
                    Ok(value) => Value::Int(value),
                    Err(_)
                        if digits
                            .trim_start_matches('-')
                            .bytes()
                            .all(|b| b.is_ascii_digit())
                            && digits.len() > 18 =>
                    {
                        Value::BigInt
                    }
                    Err(_) => return malformed(format!("expected an integer, found {text:?}")),
                }
            }
        };
        self.push(value)
    }

    pub(super) fn written_index(&mut self) -> Outcome<u64> {
        let line = String::from_utf8_lossy(self.line()?).into_owned();
        line.trim().parse().map_or_else(
            |_| malformed(format!("expected a memo number, found {line:?}")),
            Ok,
        )
    }
}
