//! A document as one HTML file: no script, no external resource, and a policy that forbids both.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::doc::{Block, Document, Figure, Line, Span, Table};

const STYLE: &str = include_str!("style.css");
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// Renders the whole report.
pub(crate) fn render(document: &Document) -> String {
    let page = html! {
        (DOCTYPE) "\n"
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (document.title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main { "\n"
                    header {
                        h1 { (document.title) }
                        p class="subtitle" { (document.subtitle) }
                    } "\n"
                    @for block in &document.blocks { (self::block(block)) "\n" }
                }
            }
        }
        "\n"
    };
    page.into_string()
}

fn block(block: &Block) -> Markup {
    match block {
        Block::Heading(2, text) => html! { h2 { (text) } },
        Block::Heading(_, text) => html! { h3 { (text) } },
        Block::Paragraph(line) => html! { p { (inline(line)) } },
        Block::Notice(line) => html! { p class="notice" { (inline(line)) } },
        Block::Table(table) => self::table(table),
        Block::Figure(figure) => self::figure(figure),
        Block::Verbatim(text) => html! { pre { (text.trim_end()) } },
    }
}

fn table(table: &Table) -> Markup {
    let numeric = |i: usize| table.head.get(i).is_some_and(|c| c.numeric).then_some("n");
    html! {
        div class="scroll" { table class=[table.head.is_empty().then_some("pairs")] {
            @if !table.number.is_empty() {
                caption { b { (table.number) "." } " " (inline(&table.caption)) }
            }
            @if !table.head.is_empty() {
                thead { tr {
                    @for column in &table.head { th class=[column.numeric.then_some("n")] scope="col" { (column.name) } }
                } }
            }
            tbody { "\n"
                @for row in &table.rows {
                    tr { @for (i, cell) in row.iter().enumerate() { td class=[numeric(i)] { (inline(cell)) } } } "\n"
                }
            }
        } }
    }
}

fn figure(figure: &Figure) -> Markup {
    html! {
        figure { "\n"
            (figure.svg) "\n"
            figcaption { b { (figure.number) "." } " " (inline(&figure.caption)) }
        }
    }
}

fn inline(line: &Line) -> Markup {
    html! {
        @for span in &line.0 {
            @match span {
                Span::Text(s) => (s),
                Span::Strong(s) => strong { (s) },
                Span::Code(s) => code { (s) },
            }
        }
    }
}
