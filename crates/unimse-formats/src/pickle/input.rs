//! Reading opcodes' arguments: numbers, text and lines, each bounded by the file.

use super::{
    heap::{Outcome, malformed},
    value::{Span, Value},
};
use crate::PickleErrorKind;

/// A file and how far it is read.
pub(super) struct Input<'a> {
    file: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Input<'a> {
    /// Begins at `at`, at most the file's end.
    pub(super) fn new(file: &'a [u8], at: usize) -> Self {
        Self { file, at }
    }

    /// The next `n` bytes.
    fn take(&mut self, n: u64) -> Outcome<Span> {
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

    fn bytes(&mut self, n: u64) -> Outcome<&'a [u8]> {
        let Span { at, len } = self.take(n)?;
        Ok(&self.file[at..at + len])
    }

    pub(super) fn number<const N: usize>(&mut self) -> Outcome<[u8; N]> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.bytes(N as u64)?);
        Ok(bytes)
    }

    /// An unsigned little-endian number of `N` bytes.
    pub(super) fn index<const N: usize>(&mut self) -> Outcome<u64> {
        let mut wide = [0; 8];
        wide[..N].copy_from_slice(&self.number::<N>()?);
        Ok(u64::from_le_bytes(wide))
    }

    pub(super) fn int<const N: usize>(&mut self) -> Outcome<Value> {
        let value = self.index::<N>()?;
        Ok(Value::Int(i64::try_from(value).unwrap_or_default()))
    }

    /// A little-endian two's complement integer whose length stands before it in `N` bytes.
    pub(super) fn long<const N: usize>(&mut self) -> Outcome<Value> {
        let len = self.index::<N>()?;
        let bytes = self.bytes(len)?;
        let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        if bytes.len() > 8 {
            return Ok(Value::BigInt);
        }
        let mut wide = [if negative { 0xff } else { 0 }; 8];
        wide[..bytes.len()].copy_from_slice(bytes);
        Ok(Value::Int(i64::from_le_bytes(wide)))
    }

    /// Bytes whose number stands before them in `N` bytes.
    pub(super) fn counted<const N: usize>(&mut self) -> Outcome<Span> {
        let len = self.index::<N>()?;
        self.take(len)
    }

    /// The bytes up to the next newline, without it.
    pub(super) fn line(&mut self) -> Outcome<&'a [u8]> {
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
    pub(super) fn written_number(&mut self, opcode: u8) -> Outcome<Value> {
        let line = String::from_utf8_lossy(self.line()?);
        let text = line.trim();
        match (opcode, text) {
            (b'I', "00") => Ok(Value::Bool(false)),
            (b'I', "01") => Ok(Value::Bool(true)),
            (b'F', _) => match text.parse() {
                Ok(value) => Ok(Value::Float(value)),
                Err(_) => malformed(format!("expected a float, found {text:?}")),
            },
            _ => written_integer(text),
        }
    }

    pub(super) fn written_index(&mut self) -> Outcome<u64> {
        let line = String::from_utf8_lossy(self.line()?);
        line.trim().parse().map_or_else(
            |_| malformed(format!("expected a memo number, found {line:?}")),
            Ok,
        )
    }

    /// The bytes of a frame follow its length.
    pub(super) fn check_frame(&mut self) -> Outcome<()> {
        let frame = self.index::<8>()?;
        let left = (self.file.len() - self.at) as u64;
        if frame > left {
            return Err(PickleErrorKind::Truncated {
                needed: frame,
                left,
            });
        }
        Ok(())
    }

    pub(super) fn check_protocol(&mut self) -> Outcome<()> {
        let protocol = self.number::<1>()?[0];
        if protocol > 5 {
            return Err(PickleErrorKind::Unsupported(format!(
                "protocol {protocol}, expected 0 to 5"
            )));
        }
        Ok(())
    }
}

fn written_integer(text: &str) -> Outcome<Value> {
    let digits = text.trim_end_matches('L');
    if let Ok(value) = digits.parse() {
        return Ok(Value::Int(value));
    }
    let unsigned = digits.trim_start_matches('-');
    if unsigned.bytes().all(|b| b.is_ascii_digit()) && digits.len() > 18 {
        return Ok(Value::BigInt);
    }
    malformed(format!("expected an integer, found {text:?}"))
}
