//! A report as plain data: blocks of text, tables and figures that every output format renders for itself.

use maud::Markup;

use crate::browse::Browser;

/// A report: what it is called and its blocks from top to bottom.
pub(crate) struct Document {
    pub(crate) title: String,
    pub(crate) subtitle: String,
    /// The last line of a page.
    pub(crate) footer: &'static str,
    pub(crate) blocks: Vec<Block>,
    tables: usize,
    figures: usize,
}

pub(crate) enum Block {
    /// Level 2 or 3.
    Heading(u8, String),
    Paragraph(Line),
    /// Something that must not be overlooked.
    Notice(Line),
    Table(Table),
    /// A table of details, which readers open.
    Folded(Table),
    Figure(Figure),
    /// A file as it is: its name and its text.
    Verbatim(String, String),
    /// A table to work with; formats without scripts leave it out.
    Browser(Browser),
}

pub(crate) struct Table {
    /// "Table 3", set by [`Document::table`]; empty for small unnumbered tables.
    pub(crate) number: String,
    pub(crate) caption: Line,
    pub(crate) head: Vec<Column>,
    pub(crate) rows: Vec<Vec<Line>>,
}

#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) numeric: bool,
}

pub(crate) struct Figure {
    pub(crate) number: String,
    pub(crate) caption: Line,
    /// One picture, or several beside each other with the key of their colours.
    pub(crate) pictures: Markup,
    /// The same in words or numbers: readers open it, and formats without pictures show it instead.
    pub(crate) table: Option<Table>,
}

/// Running text in pieces.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Line(pub(crate) Vec<Span>);

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Span {
    Text(String),
    Strong(String),
    Code(String),
}

impl Line {
    pub(crate) fn text(mut self, s: impl Into<String>) -> Self {
        self.0.push(Span::Text(s.into()));
        self
    }
    pub(crate) fn strong(mut self, s: impl Into<String>) -> Self {
        self.0.push(Span::Strong(s.into()));
        self
    }
    pub(crate) fn code(mut self, s: impl Into<String>) -> Self {
        self.0.push(Span::Code(s.into()));
        self
    }
}

impl<S: Into<String>> From<S> for Line {
    fn from(s: S) -> Self {
        Line::default().text(s)
    }
}

/// A column of words.
pub(crate) fn words(name: impl Into<String>) -> Column {
    Column {
        name: name.into(),
        numeric: false,
    }
}

/// A column of numbers, aligned right.
pub(crate) fn numbers(name: impl Into<String>) -> Column {
    Column {
        name: name.into(),
        numeric: true,
    }
}

impl Table {
    /// The numbers behind a figure; the figure has the caption.
    pub(crate) fn of_figure(head: Vec<Column>, rows: Vec<Vec<Line>>) -> Self {
        Self {
            number: String::new(),
            caption: Line::default(),
            head,
            rows,
        }
    }
}

impl Document {
    pub(crate) fn new(title: impl Into<String>, subtitle: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            subtitle: subtitle.into(),
            footer: "One file that asks for nothing outside itself. report.md beside it says the same as text.",
            blocks: Vec::new(),
            tables: 0,
            figures: 0,
        }
    }

    pub(crate) fn heading(&mut self, level: u8, text: impl Into<String>) {
        self.blocks.push(Block::Heading(level, text.into()));
    }

    pub(crate) fn paragraph(&mut self, line: impl Into<Line>) {
        self.blocks.push(Block::Paragraph(line.into()));
    }

    pub(crate) fn notice(&mut self, line: impl Into<Line>) {
        self.blocks.push(Block::Notice(line.into()));
    }

    /// Adds a numbered table; one without rows is left out.
    pub(crate) fn table(
        &mut self,
        caption: impl Into<Line>,
        head: Vec<Column>,
        rows: Vec<Vec<Line>>,
    ) {
        let table = self.numbered(caption.into(), head, rows);
        self.blocks.extend(table.map(Block::Table));
    }

    /// The same as [`Document::table`] for details, which readers open.
    pub(crate) fn folded(
        &mut self,
        caption: impl Into<Line>,
        head: Vec<Column>,
        rows: Vec<Vec<Line>>,
    ) {
        let table = self.numbered(caption.into(), head, rows);
        self.blocks.extend(table.map(Block::Folded));
    }

    fn numbered(
        &mut self,
        caption: Line,
        head: Vec<Column>,
        rows: Vec<Vec<Line>>,
    ) -> Option<Table> {
        if rows.is_empty() {
            return None;
        }
        self.tables += 1;
        Some(Table {
            number: format!("Table {}", self.tables),
            caption,
            head,
            rows,
        })
    }

    /// Adds an unnumbered table of names and values; one without rows is left out.
    pub(crate) fn pairs(&mut self, rows: Vec<(String, Line)>) {
        if rows.is_empty() {
            return;
        }
        self.blocks.push(Block::Table(Table {
            number: String::new(),
            caption: Line::default(),
            head: Vec::new(),
            rows: rows.into_iter().map(|(k, v)| vec![k.into(), v]).collect(),
        }));
    }

    /// Adds a numbered figure.
    pub(crate) fn figure(
        &mut self,
        caption: impl Into<Line>,
        pictures: Markup,
        table: Option<Table>,
    ) {
        self.figures += 1;
        self.blocks.push(Block::Figure(Figure {
            number: format!("Figure {}", self.figures),
            caption: caption.into(),
            pictures,
            table,
        }));
    }

    pub(crate) fn browser(&mut self, browser: Browser) {
        self.blocks.push(Block::Browser(browser));
    }

    pub(crate) fn verbatim(&mut self, name: impl Into<String>, text: impl Into<String>) {
        self.blocks.push(Block::Verbatim(name.into(), text.into()));
    }
}
