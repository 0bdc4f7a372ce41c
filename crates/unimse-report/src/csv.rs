//! A table as a file inside the page: CSV (RFC 4180) in the address of a link, so that nothing is asked for to save it.

use crate::doc::{Line, Span, Table};

/// The table as an address of its own. Minus signs are those of programs, and no cell is a formula to a spreadsheet.
pub(crate) fn address(table: &Table) -> String {
    let mut out = String::from("data:text/csv;charset=utf-8,");
    for byte in text(table).bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b',' => {
                out.push(byte.into())
            }
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

fn text(table: &Table) -> String {
    let mut out = String::new();
    if !table.head.is_empty() {
        push(
            &mut out,
            table.head.iter().map(|column| column.name.clone()),
        );
    }
    for row in &table.rows {
        push(&mut out, row.iter().map(plain));
    }
    out
}

fn push(out: &mut String, cells: impl Iterator<Item = String>) {
    let cells: Vec<String> = cells.map(|cell| field(&cell)).collect();
    out.push_str(&cells.join(","));
    out.push_str("\r\n");
}

fn plain(line: &Line) -> String {
    let piece = |span: &Span| match span {
        Span::Text(s) | Span::Strong(s) | Span::Code(s) => s.replace('−', "-"),
    };
    line.0.iter().map(piece).collect()
}

fn field(cell: &str) -> String {
    let formula = cell.starts_with(['=', '@', '\t']);
    let safe = if formula {
        format!("'{cell}")
    } else {
        cell.to_owned()
    };
    match safe.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", safe.replace('"', "\"\"")),
        false => safe,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doc::{numbers, words};

    #[test]
    fn cells_are_quoted_and_numbers_are_those_of_programs() {
        let head = vec![words("name"), numbers("value, sd")];
        let row = |name: &str, value: &str| vec![Line::from(name), Line::default().strong(value)];
        let table = Table::of_figure(head, vec![row("a \"b\"", "−0.5"), row("=1+1", "+2.0")]);
        let expected = "name,\"value, sd\"\r\n\"a \"\"b\"\"\",-0.5\r\n'=1+1,+2.0\r\n";
        assert_eq!(text(&table), expected);
        let head = "data:text/csv;charset=utf-8,name,%22value,%20sd%22%0D%0A";
        assert!(address(&table).starts_with(head));
    }
}
