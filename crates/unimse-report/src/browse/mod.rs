//! The error browser: every dev and test utterance of a run in one table of the page, to filter, sort, open and link to.
//!
//! The rows travel in the page as JSON (`pack`), and `browser.js` shows them; without JavaScript the page says what is missing.

mod markup;
mod pack;

use unimse_labels::{Taxonomy, UniversalLabel};
use unimse_run::PredictedRow;

use crate::doc::Document;
use crate::load::Run;
pub(crate) use markup::{SCRIPT, markup};

/// A dev or test utterance as the error browser shows it: what the model says of it beside gold, where it stands, and who lent its label.
#[derive(Debug, Clone, PartialEq)]
pub struct BrowsedRow {
    /// Answer, probabilities and gold. Of the probabilities those of the polarity are shown, or those of the emotions of `taxonomy`.
    pub predicted: PredictedRow,
    /// The emotions that its corpus is annotated in; `None` for sentiment.
    pub taxonomy: Option<Taxonomy>,
    /// Its dialogue or video: neighbours in the list of rows that share it are neighbours in time.
    pub dialogue_id: String,
    /// Words of the transcript.
    pub words: usize,
    /// Whether it has audio features.
    pub audio: bool,
    /// Whether it has video features.
    pub video: bool,
    /// Its universal label with the donors; `None` where it has none.
    pub label: Option<UniversalLabel>,
    /// The transcript; only where the page may show it.
    pub text: Option<String>,
}

/// What a page needs of the browser.
pub(crate) struct Browser {
    /// How many rows.
    pub(crate) rows: usize,
    /// The rows as JSON that may stand in a `<script>` element.
    pub(crate) json: String,
}

/// The section of the report; rows are in the order of the utterance tables.
pub(crate) fn section(doc: &mut Document, run: &Run, rows: &[BrowsedRow]) {
    doc.heading(2, "Utterances");
    if run.aggregate {
        let seeds: Vec<&str> = run.seeds.iter().map(|seed| seed.name.as_str()).collect();
        doc.paragraph(format!(
            "The answers to every utterance are those of one model: they stand in the report of each seed ({}).",
            seeds.join(", ")
        ));
        return;
    }
    if rows.is_empty() {
        doc.paragraph(
            "Not embedded: the run holds no predictions.parquet, or no utterance tables beside it.",
        );
        return;
    }
    doc.paragraph(format!(
        "report.html holds the answers to {} utterances of dev and test, to be filtered, sorted and linked to. An answer is right where its \
         emotion, or for sentiment its polarity, is gold; P is the probability of the answer, or of gold, in percent.",
        rows.len()
    ));
    doc.browser(Browser {
        rows: rows.len(),
        json: pack::json(rows),
    });
}
