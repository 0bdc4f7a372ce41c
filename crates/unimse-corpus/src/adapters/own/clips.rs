//! The column `clip`: the part of a film that a row takes, from `start_s` to `end_s`, and the list of them for extraction.

use super::{labels::filled, rows::Rows, tables};
use crate::{
    Code, CorpusError, Finding, Severity,
    finding::Findings,
    folder::{Folder, Table},
};
use std::{
    collections::{BTreeSet, HashMap},
    fs, io,
    path::{Component, Path},
};
use unimse_formats::kind_of_file;
use unimse_media::{
    Fault, Span,
    extract::{Part, Parts},
};

/// Seconds of a clip that a row may name: eleven days are no clip.
const MOST_SECONDS: f64 = 1e6;
/// Characters of a cell that a message repeats.
const SHOWN: usize = 80;

/// Where a row says which part of which clip it is.
#[derive(Clone, Copy)]
pub(super) struct Places {
    clip: usize,
    times: [Option<usize>; 2],
}

impl Places {
    /// `None`: the table has no such column.
    pub(super) fn find(table: &Table) -> Option<Self> {
        Some(Self {
            clip: table.find(&["clip"])?,
            times: ["start_s", "end_s"].map(|name| table.find(&[name])),
        })
    }

    /// What a row asks for; `None` where it names no clip.
    pub(super) fn asked<'a>(&self, row: &'a csv::StringRecord) -> Option<Asked<'a>> {
        let clip = filled(row, Some(self.clip))?;
        let times = self.times.map(|column| filled(row, column));
        Some(Asked { clip, times })
    }
}

/// A path as names with `/` between them; `None` where it is empty or leaves the folder that it is relative to.
pub(super) fn within(path: &str) -> Option<String> {
    let mut names = Vec::new();
    for part in Path::new(path).components() {
        match part {
            Component::Normal(name) => names.push(name.to_str()?),
            Component::CurDir => {}
            _ => return None,
        }
    }
    (!names.is_empty()).then(|| names.join("/"))
}

/// The cells of a row that asks for a part of a clip.
pub(super) struct Asked<'a> {
    clip: &'a str,
    times: [Option<&'a str>; 2],
}

impl Asked<'_> {
    /// The clip, relative to the folder of the table, with `/`. No file is looked at.
    pub(super) fn name(&self) -> Result<String, Fault> {
        let wrong = || {
            let expected = "the path of a clip, relative to the folder of the table and within it";
            row("clip", expected, quoted(self.clip))
        };
        within(self.clip).ok_or_else(wrong)
    }

    pub(super) fn span(&self) -> Result<Span, Fault> {
        let seconds = |column: &str, cell: Option<&str>| {
            let Some(cell) = cell else { return Ok(None) };
            match cell.parse::<f64>() {
                // a sum, so that -0 becomes 0
                Ok(seconds) if (0.0..=MOST_SECONDS).contains(&seconds) => Ok(Some(seconds + 0.0)),
                _ => Err(row(column, "seconds from 0 to 1000000", quoted(cell))),
            }
        };
        let [start, end] = self.times;
        let (from_s, to_s) = (seconds("start_s", start)?, seconds("end_s", end)?);
        let from_s = from_s.unwrap_or_default();
        match to_s {
            Some(to_s) if to_s <= from_s => Err(row(
                "end_s",
                &format!("more than {from_s}"),
                to_s.to_string(),
            )),
            _ => Ok(Span { from_s, to_s }),
        }
    }

    /// Clip and part of a row whose clip is a file below the folder, links followed.
    pub(super) fn part(&self, folder: &Folder) -> Result<(String, Span), Fault> {
        let name = self.name()?;
        let wrong = |found: &str| {
            let found = format!("{}{found}", quoted(self.clip));
            Err(row("clip", "a file in the folder of the table", found))
        };
        let root = fs::canonicalize(folder.root());
        let path = fs::canonicalize(folder.root().join(&name));
        match (root, path) {
            (_, Err(error)) if error.kind() == io::ErrorKind::NotFound => {
                wrong(", which is not there")
            }
            (Err(error), _) | (_, Err(error)) => wrong(&format!(": {error}")),
            (Ok(root), Ok(path)) if !path.starts_with(&root) => {
                wrong(", a link to a place outside")
            }
            (_, Ok(path)) => match fs::metadata(&path) {
                Ok(about) if about.is_file() => Ok((name, self.span()?)),
                Ok(about) => wrong(&format!(", {}", kind_of_file(&about))),
                Err(error) => wrong(&format!(": {error}")),
            },
        }
    }
}

fn row(column: &str, expected: &str, found: String) -> Fault {
    Fault::Row {
        column: column.to_owned(),
        expected: expected.to_owned(),
        found,
    }
}

fn quoted(cell: &str) -> String {
    match cell.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}...", &cell[..end]),
        None => format!("{cell:?}"),
    }
}

/// Adds the utterances of a table of the user's own that are parts of clips. What is wrong with a row stands in its part; `findings` tells of rows
/// that cannot be read at all.
///
/// # Errors
/// [`CorpusError::Invalid`] where it is the whole table that cannot be understood, and those of reading it.
pub(in crate::adapters) fn parts(
    data: &Path,
    folder: &Folder,
    parts: &mut Parts,
    findings: &mut Findings,
) -> Result<(), CorpusError> {
    let paths = tables(folder);
    let mut told = Findings::default();
    for path in &paths {
        let rows = Rows::read(path, folder.relative(path), &mut told)?;
        let table = &rows.table;
        // a table that nobody can read may cut up a clip
        let id = table.require(["utterance_id"], &mut told);
        refuse_as_a_whole(data, &told)?;
        let Some(places) = Places::find(table) else {
            continue;
        };
        if paths.len() > 1 {
            let message = format!("expected one table utterances.*, found {}", paths.len());
            told.add(Code::AmbiguousLabels, &folder.name, None, message);
        }
        refuse_as_a_whole(data, &told)?;
        if let Some([id]) = id {
            add(table, id, places, folder, parts);
        }
    }
    // warnings are for ingest and doctor: they say nothing of clips
    let lost = told.into_list().into_iter();
    for finding in lost.filter(|finding| finding.severity == Severity::Error) {
        for row in finding.rows {
            findings.error(
                finding.code,
                &finding.file,
                Some(row),
                finding.message.clone(),
            );
        }
    }
    Ok(())
}

/// Refuses a data folder that is a corpus itself: rows of its table that name clips would be passed over.
///
/// # Errors
/// [`CorpusError::Invalid`] that names the folder which was meant.
pub(crate) fn refuse_corpus(data: &Path) -> Result<(), CorpusError> {
    let folder = Folder::open(data, "", &mut Findings::default());
    let mut told = Findings::default();
    for path in tables(&folder) {
        let file = folder.relative(&path);
        let rows = Rows::read(&path, file.clone(), &mut Findings::default());
        if rows.is_ok_and(|rows| Places::find(&rows.table).is_some()) {
            let message = "expected the folder above this one, with one folder a corpus in it; found a table whose rows name clips";
            told.error(Code::Clip, &file, None, message);
        }
    }
    refuse_as_a_whole(data, &told)
}

/// The first error that is of no single row.
fn refuse_as_a_whole(data: &Path, told: &Findings) -> Result<(), CorpusError> {
    let whole = |finding: &&Finding| finding.severity == Severity::Error && finding.rows.is_empty();
    match told.list().iter().find(whole) {
        Some(finding) => Err(CorpusError::Invalid {
            data: data.to_owned(),
            finding: Box::new(finding.clone()),
        }),
        None => Ok(()),
    }
}

fn add(table: &Table, id: usize, places: Places, folder: &Folder, parts: &mut Parts) {
    let corpus = &folder.name;
    let mut first: HashMap<&str, String> = HashMap::new();
    let mut whole = BTreeSet::new();
    let described = ["audio", "video"].map(|name| table.find(&[name]));
    for (number, cells) in &table.rows {
        let named = described.map(|column| filled(cells, column));
        whole.extend(
            named
                .into_iter()
                .flatten()
                .map(|name| format!("{corpus}/{name}")),
        );
        let Some(asked) = places.asked(cells) else {
            continue;
        };
        let place = table.at(*number).unwrap_or_default();
        let utterance = cells[id].trim();
        let name = asked.name();
        parts
            .cut
            .extend(name.iter().map(|name| format!("{corpus}/{name}")));
        let read = asked
            .part(folder)
            .and_then(|part| match first.get(utterance) {
                _ if utterance.is_empty() => {
                    Err(row("utterance_id", "an id", "nothing".to_owned()))
                }
                Some(other) => {
                    let found = format!("{} in {other} too", quoted(utterance));
                    Err(row("utterance_id", "an id of this row only", found))
                }
                None => Ok(part),
            });
        first.entry(utterance).or_insert_with(|| place.clone());
        let (span, fault) = match read {
            Ok((_, span)) => (span, None),
            Err(fault) => (Span::default(), Some(fault)),
        };
        let shown = || -> String { asked.clip.chars().take(SHOWN).collect() };
        parts.list.push(Part {
            row: format!("{}, {place}", table.file),
            utterance: utterance.to_owned(),
            corpus: corpus.clone(),
            clip: format!("{corpus}/{}", name.unwrap_or_else(|_| shown())),
            span,
            fault,
        });
    }
    parts.cut.retain(|name| !whole.contains(name));
    parts.sources.insert(table.file.clone());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked<'a>(clip: &'a str, start: &'a str, end: &'a str) -> Asked<'a> {
        let time = |cell: &'a str| Some(cell).filter(|cell| !cell.is_empty());
        Asked {
            clip,
            times: [time(start), time(end)],
        }
    }

    #[test]
    fn a_clip_lies_below_the_folder() {
        let name = |clip| asked(clip, "", "").name().ok();
        assert_eq!(name("a.mp4").as_deref(), Some("a.mp4"));
        assert_eq!(name("./films//a b.mp4").as_deref(), Some("films/a b.mp4"));
        for clip in [
            "/etc/passwd",
            "../a.mp4",
            "films/../../a.mp4",
            "films/../a.mp4",
            ".",
            "./",
        ] {
            assert_eq!(name(clip), None, "{clip}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_cell_leaves_the_folder_and_no_time_is_beyond_a_clip(
            clip in "[./a\\PC\u{0}]{0,12}",
            start in "[-+.0-9eEinfNa]{0,8}",
            end in "\\PC{0,8}",
        ) {
            let asked = asked(&clip, &start, &end);
            if let Ok(name) = asked.name() {
                let plain = |part| matches!(part, Component::Normal(_));
                assert!(Path::new(&name).components().all(plain), "{clip:?}: {name:?}");
            }
            if let Ok(Span { from_s, to_s }) = asked.span() {
                assert!((0.0..=MOST_SECONDS).contains(&from_s));
                assert!(to_s.is_none_or(|to_s| to_s > from_s && to_s <= MOST_SECONDS));
            }
        }
    }

    #[test]
    fn times_are_seconds_of_a_clip() {
        let span = |start, end| {
            let span = asked("a.mp4", start, end).span();
            span.map(|span| (span.from_s, span.to_s))
                .map_err(|fault| fault.to_string())
        };
        assert_eq!(span("", ""), Ok((0.0, None)));
        assert_eq!(span("1.5", "1e1"), Ok((1.5, Some(10.0))));
        assert_eq!(span("", "2"), Ok((0.0, Some(2.0))));
        let zero = span("-0", "2").unwrap_or((1.0, None)).0;
        assert!(zero == 0.0 && zero.is_sign_positive());
        for (start, end, expected, found) in [
            (
                "-1",
                "2",
                "column start_s: expected seconds from 0 to 1000000",
                "\"-1\"",
            ),
            ("NaN", "2", "column start_s: expected seconds", "\"NaN\""),
            ("1e300", "", "column start_s: expected seconds", "\"1e300\""),
            ("", "inf", "column end_s: expected seconds", "\"inf\""),
            ("one", "2", "column start_s: expected seconds", "\"one\""),
            ("3", "2", "column end_s: expected more than 3", "2"),
            ("2", "2", "column end_s: expected more than 2", "2"),
            ("", "-0", "column end_s: expected more than 0", "0"),
        ] {
            let message = span(start, end).err().unwrap_or_default();
            assert!(message.starts_with(expected), "{message}");
            assert!(message.ends_with(&format!("found {found}")), "{message}");
        }
    }
}
