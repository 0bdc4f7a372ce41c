//! What a run can be evaluated on: checked before the test split is opened.

use std::collections::BTreeSet;
use std::path::Path;

use unimse_corpus::Corpus;
use unimse_labels::Split;

use crate::TrainError;
use crate::data::dataset::Dataset;
use crate::evaluate::scoring;
use crate::model::card::Card;

/// Takes from a corpus without train rows the features that the model has no projection for: it is answered without them.
pub(super) fn without_unread(corpus: &mut Corpus, card: &Card) {
    if corpus.of_split(Split::Train).next().is_some() {
        return; // whose features must be those of training: `check` says so
    }
    let unread = |dim: Option<usize>, known: &BTreeSet<i64>| {
        dim.filter(|&dim| !known.is_empty() && !known.contains(&(dim as i64)))
    };
    let audio = unread(corpus.audio_dim, &card.dims.audio);
    let video = unread(corpus.video_dim, &card.dims.video);
    for (name, dim) in [("audio", audio), ("video", video)] {
        if let Some(dim) = dim {
            eprintln!(
                "warning: corpus {}: no training row has {name} of {dim} features a step, so the model cannot read it; its rows are answered without",
                corpus.name
            );
        }
    }
    for u in &mut corpus.utterances {
        u.audio = u.audio.take().filter(|_| audio.is_none());
        u.video = u.video.take().filter(|_| video.is_none());
    }
}

/// Checks before the test split is opened what scoring it would stumble over.
pub(super) fn check(
    dev: &Dataset,
    test: &Dataset,
    card: &Card,
    tables: &Path,
) -> Result<(), TrainError> {
    let nothing = |what: &str| {
        Err(TrainError::Data(format!(
            "{}: expected {what}, found none; nothing can be scored, and the test split was not opened",
            tables.display()
        )))
    };
    if test.examples.is_empty() {
        return nothing("a table <corpus>-test.parquet with rows");
    }
    scoring::check_gold(dev)?;
    if scoring::check_gold(test)? == 0 {
        return nothing("a gold score or emotion in some row of the test split");
    }
    for dataset in [dev, test] {
        for u in dataset.examples.iter().map(|e| dataset.utterance(e)) {
            for (name, features, known) in [
                ("audio", &u.audio, &card.dims.audio),
                ("video", &u.video, &card.dims.video),
            ] {
                let found = features.as_ref().map(|s| s.dim);
                // without any dimension the model does not use the modality
                if let Some(dim) =
                    found.filter(|&d| !known.is_empty() && !known.contains(&(d as i64)))
                {
                    return Err(TrainError::Data(format!(
                        "corpus {}: utterance {}: {name}: expected {known:?} features a step as in training, found {dim}",
                        u.corpus, u.utterance_id
                    )));
                }
            }
        }
    }
    Ok(())
}
