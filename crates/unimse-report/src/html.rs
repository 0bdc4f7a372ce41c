//! A document as one HTML file: no external resource, no script but the browser's, and a policy that forbids all else.

use maud::{Markup, html};

use crate::doc::{Block, Document, Figure, Line, Span, Table};
use crate::frame::Frame;
use crate::{browse, csv};

/// Renders the whole report.
pub(crate) fn render(document: &Document) -> String {
    let (opening, sections) = sections(&document.blocks);
    let is_browser = |block: &Block| matches!(block, Block::Browser(_));
    let frame = Frame {
        title: &document.title,
        subtitle: &document.subtitle,
        id: "report",
        skip: "Skip to the report",
        contents: contents(&sections),
        main: html! {
            @for block in opening { (self::block(block)) "\n" }
            @for section in &sections { (self::section(section)) "\n" }
        },
        footer: document.footer,
        script: (document.blocks.iter().any(is_browser)).then_some(browse::SCRIPT),
        ..Frame::default()
    };
    frame.render()
}

/// The items of the table of contents: sections, and the parts of each.
fn contents(sections: &[Section<'_>]) -> Markup {
    html! {
        @for section in sections {
            @let slug = slug(section.title);
            li {
                a href=(format!("#{slug}")) { (section.title) }
                @if section.parts().next().is_some() {
                    ul { @for (i, part) in section.parts().enumerate() { li { a href=(format!("#{slug}-{}", i + 1)) { (part) } } } }
                }
            }
        }
    }
}

/// A section; its parts are numbered as the contents name them.
fn section(section: &Section<'_>) -> Markup {
    let slug = slug(section.title);
    let part = |at: usize| {
        let heading = |block: &&Block| matches!(block, Block::Heading(..));
        section.blocks[..=at].iter().filter(heading).count()
    };
    html! {
        section id=(slug) aria-label=(section.title) { "\n"
            h2 { (section.title) } "\n"
            @for (at, block) in section.blocks.iter().enumerate() {
                @match block {
                    Block::Heading(_, text) => h3 id=(format!("{slug}-{}", part(at))) { (text) },
                    other => (self::block(other)),
                }
                "\n"
            }
        }
    }
}

/// The blocks below one heading of level 2.
struct Section<'a> {
    title: &'a str,
    blocks: &'a [Block],
}

impl<'a> Section<'a> {
    /// The headings below its own.
    fn parts(&self) -> impl Iterator<Item = &'a str> {
        self.blocks.iter().filter_map(|block| match block {
            Block::Heading(_, text) => Some(text.as_str()),
            _ => None,
        })
    }
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
        Block::Table(table) => self::table(&table.number, table),
        Block::Folded(table) => folded(table),
        Block::Figure(figure) => self::figure(figure),
        Block::Verbatim(name, text) => html! {
            details class="data" { summary { (name) } pre tabindex="0" { (text.trim_end()) } }
        },
        Block::Browser(browser) => browse::markup(browser),
    }
}

/// A table; one that has a head can be saved as a file of this name.
fn table(name: &str, table: &Table) -> Markup {
    let numeric = |i: usize| table.head.get(i).is_some_and(|c| c.numeric).then_some("n");
    html! {
        div class="scroll" tabindex="0" { table class=[table.head.is_empty().then_some("pairs")] {
            @if !table.head.is_empty() {
                caption {
                    @if !table.number.is_empty() { b { (table.number) "." } " " (inline(&table.caption)) " " }
                    a class="csv" href=(csv::address(table)) download=(format!("{}.csv", slug(name))) aria-label=(format!("{name} as CSV")) { "CSV" }
                }
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

/// A table of details below its name.
fn folded(table: &Table) -> Markup {
    html! {
        details class="data" {
            summary { (table.number) ". " (first_sentence(&table.caption)) }
            (self::table(&table.number, table))
        }
    }
}

fn first_sentence(line: &Line) -> String {
    let text = line.0.iter().map(|span| match span {
        Span::Text(s) | Span::Strong(s) | Span::Code(s) => s.as_str(),
    });
    let text: String = text.collect();
    let end = text.find(". ").unwrap_or(text.trim_end_matches('.').len());
    text[..end].to_owned()
}

fn figure(figure: &Figure) -> Markup {
    html! {
        figure id=(slug(&figure.number)) { "\n"
            (figure.pictures) "\n"
            figcaption { b { (figure.number) "." } " " (inline(&figure.caption)) }
            @if let Some(table) = &figure.table {
                details class="data" { summary { "Data of " (figure.number) }
                    (self::table(&figure.number, table))
                }
            }
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
