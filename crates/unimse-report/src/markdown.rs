//! A document as Markdown (CommonMark with tables). Pictures become their tables.

use crate::doc::{Block, Column, Document, Line, Span, Table};

/// Renders the whole report.
pub(crate) fn render(document: &Document) -> String {
    let mut out = format!(
        "# {}\n\n{}\n\n",
        escape(&document.title),
        escape(&document.subtitle)
    );
    for block in &document.blocks {
        match block {
            Block::Heading(level, text) => {
                out.push_str(&format!(
                    "{} {}\n\n",
                    "#".repeat(usize::from(*level)),
                    escape(text)
                ));
            }
            Block::Paragraph(line) => out.push_str(&format!("{}\n\n", inline(line))),
            Block::Notice(line) => out.push_str(&format!("> {}\n\n", inline(line))),
            Block::Table(table) | Block::Folded(table) => push_table(&mut out, table),
            Block::Figure(figure) => {
                let caption = inline(&figure.caption);
                out.push_str(&format!("**{}.** {caption}", figure.number));
                match &figure.table {
                    Some(table) => {
                        out.push_str("\n\n");
                        push_table(&mut out, table);
                    }
                    None => out.push_str(" The picture is in `report.html`.\n\n"),
                }
            }
            Block::Verbatim(_, text) => {
                let fence = "`".repeat(3.max(longest_run_of_backticks(text) + 1));
                out.push_str(&format!("{fence}\n{}\n{fence}\n\n", text.trim_end()));
            }
            Block::Browser(_) => {}
        }
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

/// One table with its caption.
pub(crate) fn table(table: &Table) -> String {
    let mut out = String::new();
    push_table(&mut out, table);
    out
}

fn push_table(out: &mut String, table: &Table) {
    if !table.number.is_empty() {
        out.push_str(&format!(
            "**{}.** {}\n\n",
            table.number,
            inline(&table.caption)
        ));
    }
    let width = table
        .rows
        .iter()
        .map(Vec::len)
        .max()
        .unwrap_or(0)
        .max(table.head.len());
    let names = (0..width).map(|i| table.head.get(i).map_or(String::new(), |c| escape(&c.name)));
    push_row(out, names);
    let rule = |c: Option<&Column>| {
        if c.is_some_and(|c| c.numeric) {
            "---:"
        } else {
            "---"
        }
    };
    push_row(out, (0..width).map(|i| rule(table.head.get(i)).to_owned()));
    for row in &table.rows {
        push_row(out, row.iter().map(inline));
    }
    out.push('\n');
}

fn push_row(out: &mut String, cells: impl Iterator<Item = String>) {
    out.push('|');
    for cell in cells {
        out.push_str(&format!(" {cell} |"));
    }
    out.push('\n');
}

fn inline(line: &Line) -> String {
    let piece = |span: &Span| match span {
        Span::Text(s) => escape(s),
        Span::Strong(s) => format!("**{}**", escape(s)),
        // A table cell splits at every bar, and a code span cannot escape a backtick: such text is printed as plain text.
        Span::Code(s) if s.is_empty() || s.contains(['`', '|', '\n', '\t']) => escape(s),
        Span::Code(s) => format!("`{s}`"),
    };
    line.0.iter().map(piece).collect()
}

/// Makes a string print as itself, on one line, wherever it stands.
fn escape(s: &str) -> String {
    let mut out = String::with_capacity(s.len());
    let mut before = ' ';
    let mut characters = s.chars().peekable();
    while let Some(c) = characters.next() {
        let inside_word = before.is_alphanumeric()
            && characters
                .peek()
                .is_some_and(|after| after.is_alphanumeric());
        match c {
            '\n' | '\t' => out.push(' '),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '_' if inside_word => out.push('_'),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '!' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
        before = c;
    }
    out
}

fn longest_run_of_backticks(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_prints_as_itself() {
        assert_eq!(escape("weighted_f1"), "weighted_f1");
        assert_eq!(escape("a|b\n[x](y) _z_"), "a\\|b \\[x\\](y) \\_z\\_");
        assert_eq!(escape("<script>&"), "&lt;script&gt;&amp;");
        assert_eq!(inline(&Line::default().code("a`b").code("k")), "a\\`b`k`");
    }

    #[test]
    fn a_fence_is_longer_than_any_inside() {
        let mut document = Document::new("t", "s");
        document.verbatim("file", "a\n````\nb");
        assert!(render(&document).contains("`````\na\n````\nb\n`````\n"));
    }
}
