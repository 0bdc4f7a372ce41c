//! The rows of the error browser: predictions joined by id with the utterance tables and the labels of a run.

use std::collections::HashMap;

use anyhow::{Context, bail};
use unimse_corpus::{Corpus, Split, Task};
use unimse_report::BrowsedRow;
use unimse_run::{PredictedRow, RunFolder};
use unimse_train::compare::predicted_rows;
use unimse_train::data::labels_table::LabelTable;

const SPLITS: [Split; 2] = [Split::Dev, Split::Test];

/// Every dev and test utterance that the run answered, in the order of its tables; none where it holds no predictions or no tables.
///
/// # Errors
/// A file that cannot be read, with its path; a prediction that is there twice, or of an utterance that the tables lack, with its id.
pub(crate) fn rows(run: &RunFolder, with_text: bool) -> anyhow::Result<Vec<BrowsedRow>> {
    let path = run.predictions();
    if !path.exists() || !run.corpus.exists() {
        return Ok(Vec::new());
    }
    let mut answers = Answers::new();
    for row in predicted_rows(&path, &SPLITS)? {
        let key = (row.corpus.clone(), row.utterance_id.clone());
        if let Some(row) = answers.insert(key, row) {
            let (corpus, id) = (row.corpus, row.utterance_id);
            bail!(
                "{}: expected each utterance once, found {corpus}/{id} again",
                path.display()
            );
        }
    }
    let mut rows = Vec::new();
    for corpus in unimse_corpus::read(&run.corpus, &SPLITS)? {
        add(&mut rows, &corpus, run, &mut answers, with_text)?;
    }
    match answers.keys().min() {
        None => Ok(rows),
        Some((corpus, id)) => bail!(
            "{}: expected an utterance of the tables in {}, found {corpus}/{id}",
            path.display(),
            run.corpus.display()
        ),
    }
}

/// Predictions by corpus and id.
type Answers = HashMap<(String, String), PredictedRow>;

/// Takes the answers to the utterances of a corpus and adds their rows.
fn add(
    rows: &mut Vec<BrowsedRow>,
    corpus: &Corpus,
    run: &RunFolder,
    answers: &mut Answers,
    with_text: bool,
) -> anyhow::Result<()> {
    let taxonomy = match corpus.task() {
        Task::Sentiment => None,
        Task::Emotion(taxonomy) => Some(taxonomy),
    };
    // a run whose label tables were not kept has answers all the same
    let labels = if run.labels.exists() {
        let table = LabelTable::read(&run.labels, &corpus.name).context("donors of the labels")?;
        Some(table)
    } else {
        None
    };
    let labels = labels.as_ref().map(LabelTable::by_id).unwrap_or_default();
    for u in &corpus.utterances {
        let key = (corpus.name.clone(), u.utterance_id.clone());
        let Some(predicted) = answers.remove(&key) else {
            continue;
        };
        let label = labels.get(u.utterance_id.as_str());
        rows.push(BrowsedRow {
            predicted,
            taxonomy,
            dialogue_id: u.dialogue_id.clone(),
            words: u.text.split_whitespace().count(),
            audio: u.audio.is_some(),
            video: u.video.is_some(),
            label: label.and_then(|row| row.label.clone()),
            text: with_text.then(|| u.text.clone()),
        });
    }
    Ok(())
}
