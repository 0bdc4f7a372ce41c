//! Escaped text of protocol 0.

/// Undoes Python's `raw-unicode-escape` (opcode `V`): bytes are Latin-1 but for `\uXXXX` and `\UXXXXXXXX`.
pub(super) fn raw_unicode(line: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((&byte, after)) = rest.split_first() {
        let digits = match (byte, after.first()) {
            (b'\\', Some(b'u')) => 4,
            (b'\\', Some(b'U')) => 8,
            _ => {
                text.push(char::from(byte));
                rest = after;
                continue;
            }
        };
        text.push(hexadecimal(after.get(1..=digits)?)?);
        rest = &after[digits + 1..];
    }
    Some(text)
}

/// Undoes the quotes and escapes of a Python 2 string (opcode `S`).
pub(super) fn quoted(line: &[u8]) -> Option<Vec<u8>> {
    let (&quote, rest) = line.split_first()?;
    let (&end, inner) = rest.split_last()?;
    if end != quote || !matches!(quote, b'\'' | b'"') {
        return None;
    }
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner.iter().copied();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let byte = match rest.next()? {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'a' => 7,
            b'b' => 8,
            b'f' => 12,
            b'v' => 11,
            b'x' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            digit @ b'0'..=b'7' => {
                // up to three octal digits; a larger number keeps its low byte, as in Python
                let mut value = digit - b'0';
                for _ in 0..2 {
                    let Some(next @ b'0'..=b'7') = rest.clone().next() else {
                        break;
                    };
                    value = value.wrapping_mul(8).wrapping_add(next - b'0');
                    rest.next();
                }
                value
            }
            other @ (b'\\' | b'\'' | b'"') => other,
            other => {
                bytes.push(b'\\');
                other
            }
        };
        bytes.push(byte);
    }
    Some(bytes)
}

fn hexadecimal(digits: &[u8]) -> Option<char> {
    let code = u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    // a lone surrogate has no place in UTF-8
    Some(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn escapes() {
        assert_eq!(raw_unicode(b"a\\u00e9\xe9\\n").unwrap(), "a\u{e9}\u{e9}\\n");
        assert_eq!(raw_unicode(b"\\U0001f600").unwrap(), "\u{1f600}");
        assert_eq!(raw_unicode(b"\\u12"), None);
        assert_eq!(quoted(br"'it\'s \x41\\\n'").unwrap(), b"it's A\\\n");
        assert_eq!(quoted(br"'\0\12\1018\777'").unwrap(), b"\0\nA8\xff");
        assert_eq!(quoted(b"'open"), None);
        assert_eq!(quoted(b"'"), None);
        assert_eq!(quoted(br"'\'"), None);
    }
}
