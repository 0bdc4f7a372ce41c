//! A table as LaTeX with the rules of booktabs.

use crate::doc::{Line, Span, Table};

/// One `table` environment; `label` names it for `\ref`.
pub(crate) fn render(table: &Table, label: &str) -> String {
    let columns: String = (table.head.iter())
        .map(|column| if column.numeric { 'r' } else { 'l' })
        .collect();
    let head = table.head.iter().map(|column| escape(&column.name));
    let mut out = format!(
        "\\begin{{table}}\n\\centering\n\\caption{{{}}}\n\\label{{tab:{}}}\n\\begin{{tabular}}{{{columns}}}\n\\toprule\n{}\\midrule\n",
        inline(&table.caption),
        key(label),
        row(head.collect()),
    );
    for cells in &table.rows {
        out.push_str(&row(cells.iter().map(inline).collect()));
    }
    out.push_str("\\bottomrule\n\\end{tabular}\n\\end{table}\n");
    out
}

fn row(cells: Vec<String>) -> String {
    format!("{} \\\\\n", cells.join(" & "))
}

fn inline(line: &Line) -> String {
    let piece = |span: &Span| match span {
        Span::Text(s) => escape(s),
        Span::Strong(s) => format!("\\textbf{{{}}}", escape(s)),
        Span::Code(s) => format!("\\texttt{{{}}}", escape(s)),
    };
    line.0.iter().map(piece).collect()
}

/// A name that `\label` takes.
fn key(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    name.chars().map(plain).collect()
}

/// Makes a string print as itself wherever it stands, also at the start of a row, where `[` and `*` would belong to the line break before it.
fn escape(s: &str) -> String {
    let mut out = String::with_capacity(s.len());
    for c in s.chars() {
        let written = match c {
            '\\' => "\\textbackslash{}",
            '~' => "\\textasciitilde{}",
            '^' => "\\textasciicircum{}",
            '`' => "\\textasciigrave{}",
            '<' => "\\textless{}",
            '>' => "\\textgreater{}",
            '|' => "\\textbar{}",
            '"' => "\\textquotedbl{}",
            '[' => "{[}",
            ']' => "{]}",
            '*' => "{*}",
            '−' => "$-$",
            '±' => "$\\pm$",
            '↑' => "$\\uparrow$",
            '↓' => "$\\downarrow$",
            '†' => "$^{\\dagger}$",
            '—' => "---",
            '–' => "--",
            '…' => "\\ldots{}",
            '\n' | '\t' => " ",
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => {
                out.push('\\');
                out.push(c);
                continue;
            }
            c => {
                out.push(c);
                continue;
            }
        };
        out.push_str(written);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doc::{numbers, words};

    const HOSTILE: &str = "\\end{table} 100% of $x_1^2$ & #3 ~ {a} [b] *c* <d>|\"e\"\n% f";

    /// The text without what is escaped.
    fn bare(latex: &str) -> String {
        let mut out = String::new();
        let mut characters = latex.chars();
        while let Some(c) = characters.next() {
            match c {
                '\\' => drop(characters.next()),
                c => out.push(c),
            }
        }
        out
    }

    #[test]
    fn whatever_a_name_holds_the_table_keeps_its_structure() {
        let cells = |name: &str| {
            vec![
                Line::from(name),
                Line::default().strong(name),
                "−0.5 ± 0.1".into(),
            ]
        };
        let table = Table {
            number: String::new(),
            caption: HOSTILE.into(),
            head: vec![words(HOSTILE), numbers("MAE ↓"), numbers("Corr ↑")],
            rows: vec![cells(HOSTILE), cells("[x]"), cells("*")],
        };
        let latex = render(&table, HOSTILE);
        for environment in ["table", "tabular"] {
            assert_eq!(
                latex.matches(&format!("\n\\end{{{environment}}}")).count(),
                1,
                "{latex}"
            );
            assert_eq!(
                latex.matches(&format!("\\begin{{{environment}}}")).count(),
                1
            );
        }
        let rows: Vec<&str> = latex
            .lines()
            .filter(|line| line.ends_with("\\\\"))
            .collect();
        assert_eq!(rows.len(), 1 + 3, "{latex}");
        for row in rows {
            let bare = bare(row);
            assert_eq!(bare.matches('&').count(), 2, "{row}");
            assert!(!row.starts_with(['[', '*']), "{row}");
        }
        let bare = bare(&latex);
        assert_eq!(
            bare.matches('{').count(),
            bare.matches('}').count(),
            "{latex}"
        );
        assert!(bare.matches('$').count().is_multiple_of(2) && !bare.contains(['%', '#']));
        assert!(latex.contains("\\begin{tabular}{lrr}") && latex.contains("$-$0.5 $\\pm$ 0.1"));
        assert!(latex.contains("\\label{tab:-end-table--"), "{latex}");
    }
}
