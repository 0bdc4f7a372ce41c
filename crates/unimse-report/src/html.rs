//! A document as one HTML file: no external resource, no script but the browser's, and a policy that forbids all else.

use base64::prelude::{BASE64_STANDARD, Engine};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use crate::browse;
use crate::doc::{Block, Document, Figure, Line, Span, Table};

const STYLE: &str = include_str!("style.css");

/// Renders the whole report.
pub(crate) fn render(document: &Document) -> String {
    let (opening, sections) = sections(&document.blocks);
    let page = html! {
        (DOCTYPE) "\n"
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy(document));
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (document.title) }
                style { (PreEscaped(STYLE)) }
            }
            body { "\n"
                header {
                    h1 { (document.title) }
                    p class="subtitle" { (document.subtitle) }
                } "\n"
                nav aria-label="Sections" { ul {
                    @for section in &sections { li { a href=(format!("#{}", slug(section.title))) { (section.title) } } }
                } } "\n"
                main { "\n"
                    @for block in opening { (self::block(block)) "\n" }
                    @for section in &sections {
                        section id=(slug(section.title)) aria-label=(section.title) { "\n"
                            h2 { (section.title) } "\n"
                            @for block in section.blocks { (self::block(block)) "\n" }
                        } "\n"
                    }
                } "\n"
                footer { p { "One file that asks for nothing outside itself. report.md beside it says the same as text." } } "\n"
            }
        }
        "\n"
    };
    page.into_string()
}

/// What the page may do: its own style sheet, and its own script where it has a browser.
fn policy(document: &Document) -> String {
    let is_browser = |block: &Block| matches!(block, Block::Browser(_));
    let script = match document.blocks.iter().any(is_browser) {
        true => format!("; script-src {}", digest(browse::SCRIPT)),
        false => String::new(),
    };
    let style = digest(STYLE);
    format!("default-src 'none'; style-src {style}{script}; base-uri 'none'; form-action 'none'")
}

/// An inline element's text as the policy names it.
fn digest(text: &str) -> String {
    format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(text)))
}

/// The blocks below one heading of level 2.
struct Section<'a> {
    title: &'a str,
    blocks: &'a [Block],
}

/// The blocks before the first heading of level 2, and the sections.
fn sections(blocks: &[Block]) -> (&[Block], Vec<Section<'_>>) {
    let starts: Vec<(usize, &str)> = (blocks.iter().enumerate())
        .filter_map(|(at, block)| match block {
            Block::Heading(2, title) => Some((at, title.as_str())),
            _ => None,
        })
        .collect();
    let ends = starts.iter().skip(1).map(|(at, _)| *at);
    let sections = starts.iter().zip(ends.chain([blocks.len()]));
    let opening = starts.first().map_or(blocks.len(), |(at, _)| *at);
    (
        &blocks[..opening],
        sections
            .map(|(&(at, title), end)| Section {
                title,
                blocks: &blocks[at + 1..end],
            })
            .collect(),
    )
}

/// A heading as a fragment: "Comparison with the paper" is `comparison-with-the-paper`.
fn slug(title: &str) -> String {
    title.to_lowercase().replace(' ', "-")
}

fn block(block: &Block) -> Markup {
    match block {
        Block::Heading(_, text) => html! { h3 { (text) } },
        Block::Paragraph(line) => html! { p { (inline(line)) } },
        Block::Notice(line) => html! { p class="notice" { (inline(line)) } },
        Block::Table(table) => self::table(table),
        Block::Figure(figure) => self::figure(figure),
        Block::Verbatim(text) => html! { pre { (text.trim_end()) } },
        Block::Browser(browser) => browse::markup(browser),
    }
}

fn table(table: &Table) -> Markup {
    let numeric = |i: usize| table.head.get(i).is_some_and(|c| c.numeric).then_some("n");
    html! {
        div class="scroll" tabindex="0" { table class=[table.head.is_empty().then_some("pairs")] {
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
        figure tabindex="0" { "\n"
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

#[cfg(test)]
mod tests;
