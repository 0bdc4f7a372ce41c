//! A finished run as a report: `report.md`, and one `report.html` that needs no other file and no network.
//!
//! Reads what the other stages left in a run folder (`results.json`, `events.jsonl`, `config.toml` and, where present,
//! `provenance.json`, `representations.json` and `labels/summary.json`; or the aggregate of several seeds above its `seed-<n>` children) and computes nothing but sums, means
//! and verdicts of what it reads, and the intervals of single classes. Whatever a file says is treated as text: names and values are escaped, control characters are replaced.
//! The crate must not open predictions, label tables or checkpoints, of which it reads no more than the digest: who calls it hands over the [`BrowsedRow`]s of the error browser. It never prints
//! a published number beside a synthetic run.
//!
//! The way of the data: `load` and `events` read ([`ReportError`] names file and field); `headline`, `corpora` (with `differences`, `classes`, `answers`
//! and `views`), `robustness`, `ablation`, `paper`, `training`, `representations` (with `alignment`), `cost`, `labels` (with `agreement`), `record`, `config` and `browse` each write their sections into a document
//! of plain blocks (`doc`): pictures, which `svg` draws, with the numbers behind them. `markdown` and `html` render it, `csv` lets tables be saved. `comparison` writes such a
//! document of several runs; `table` takes the test results alone, for a paper, which `latex` or `markdown` prints.
//! `model_card` and `examined` (findings about a data folder) are further documents of the same blocks.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let run = tempfile::tempdir()?;
//! std::fs::write(run.path().join("config.toml"), "preset = \"demo\"\n")?;
//! std::fs::write(run.path().join("events.jsonl"), "{\"event\":\"step\",\"step\":1,\"epoch\":1,\"loss\":2.5}\n")?;
//! std::fs::write(
//!     run.path().join("results.json"),
//!     r#"{"schema": 4, "synthetic": true, "seeds": [1], "corpora": {
//!          "mosi": {"task": "sentiment", "test": {"n": 3, "metrics": {"mae": 0.75}}}}}"#,
//! )?;
//! let written = unimse_report::write(run.path(), &unimse_report::paper_tables()?)?;
//! assert!(std::fs::read_to_string(written.markdown)?.contains("| MAE ↓ | **0.750** |"));
//! assert!(written.html.ends_with("report.html"));
//! # Ok(())
//! # }
//! ```

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod ablation;
mod agreement;
mod alignment;
mod answers;
mod browse;
mod classes;
mod compare;
mod comparison;
mod config;
mod corpora;
mod cost;
mod csv;
mod curves;
mod differences;
mod doc;
mod error;
mod events;
mod examined;
mod frame;
mod headline;
mod html;
mod labels;
mod latex;
mod load;
mod markdown;
mod metric;
mod model_card;
mod paper;
mod record;
mod representations;
mod robustness;
mod seeds;
mod svg;
mod table;
mod tested;
mod training;
mod views;

use std::path::{Path, PathBuf};

use unimse_eval::PaperTable;
use unimse_run::artefact;

pub use crate::browse::BrowsedRow;
pub use crate::comparison::{ComparisonPage, comparison};
use crate::doc::Document;
pub use crate::error::ReportError;
pub use crate::examined::{Examined, ToDo, examined_page};
pub use crate::frame::{ELEMENTS, Frame};
pub use crate::model_card::{ModelCard, write_model_card};
pub use crate::paper::paper_tables;
pub use crate::table::{TableFormat, table};

/// Where the report stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// `report.md`.
    pub markdown: PathBuf,
    /// `report.html`: one file that needs no other.
    pub html: PathBuf,
}

/// Writes `report.md` and `report.html` into the run folder, beside the published numbers of `paper_tables`
/// (usually [`paper_tables()`]). The same folder gives the same bytes.
///
/// `run` is the folder of one seed, or of several: then `seed-<n>` children lie in it and its `results.json` is their aggregate.
///
/// # Errors
/// A file that is absent or unreadable (only `provenance.json` and `representations.json` may be absent; lines of `events.jsonl` that do not parse are counted and
/// skipped), a field of `results.json` of another shape, a folder that cannot be written to. A report that stood there before then stays.
pub fn write(run: &Path, paper_tables: &[PaperTable]) -> Result<Written, ReportError> {
    write_with(run, paper_tables, &Beside::default())
}

/// What only the caller can read: a report with it has an error browser and the figures that need single answers.
#[derive(Debug, Clone, Copy, Default)]
pub struct Beside<'a> {
    /// The rows of dev and test in the order of the run's utterance tables. The page holds whatever they hold: leave out the transcripts of a
    /// report that is to be published.
    pub utterances: &'a [BrowsedRow],
    /// The whole configuration that the preset of the run gives by itself, as TOML.
    pub preset: Option<&'a str>,
}

/// The same as [`write()`] with what the caller has read `beside` the files of the report.
///
/// # Errors
/// As [`write()`].
pub fn write_with(
    run: &Path,
    paper_tables: &[PaperTable],
    beside: &Beside<'_>,
) -> Result<Written, ReportError> {
    let document = document(&load::run(run)?, paper_tables, beside);
    let written = Written {
        markdown: run.join("report.md"),
        html: run.join("report.html"),
    };
    replace(&written.markdown, &clean(&markdown::render(&document)))?;
    replace(&written.html, &clean(&html::render(&document)))?;
    Ok(written)
}

/// The report in reading order.
fn document(run: &load::Run, paper_tables: &[PaperTable], beside: &Beside<'_>) -> Document {
    let utterances = beside.utterances;
    let mut about = Vec::new();
    if !run.name.is_empty() {
        about.push(format!("Run “{}”", run.name));
    }
    about.extend(run.results.backbone.clone());
    if !run.results.modalities.is_empty() {
        about.push(run.results.modalities.join(", "));
    }
    about.push(match run.seeds.as_slice() {
        [one] => one.name.clone(),
        many => format!("{} seeds", many.len()),
    });
    let mut doc = Document::new("UniMSE: report of a run", about.join(" · "));
    headline::section(&mut doc, run, paper_tables);
    corpora::section(&mut doc, run, utterances);
    browse::section(&mut doc, run, utterances);
    robustness::section(&mut doc, run);
    ablation::section(&mut doc, run);
    paper::section(&mut doc, run, paper_tables);
    training::section(&mut doc, run);
    representations::section(&mut doc, run);
    cost::section(&mut doc, run);
    record::protocol(&mut doc, run);
    labels::section(&mut doc, run);
    record::provenance(&mut doc, run);
    config::section(&mut doc, run, beside.preset);
    doc
}

fn replace(path: &Path, text: &str) -> Result<(), ReportError> {
    artefact::write(path, text.as_bytes()).map_err(|error| ReportError::Write {
        path: path.to_owned(),
        source: error.source,
    })
}

/// Replaces characters that XML forbids or that change the direction of the text around them.
fn clean(s: &str) -> String {
    s.chars()
        .filter(|c| *c != '\r')
        .map(|c| match c {
            '\n' | '\t' => c,
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}' => {
                '\u{fffd}'
            }
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn characters_that_no_page_may_hold_are_replaced() {
        assert_eq!(
            super::clean("a\u{1}\r\n\tb\u{202e}"),
            "a\u{fffd}\n\tb\u{fffd}"
        );
    }
}
