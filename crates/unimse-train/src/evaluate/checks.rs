//! What a run can be evaluated on: checked before the test split is opened.

use std::path::Path;

use unimse_corpus::Corpus;
use unimse_labels::Split;
use unimse_model::config::Modality;

use crate::TrainError;
use crate::data::dataset::Dataset;
use crate::evaluate::scoring;
use crate::model::card::Card;
use crate::model::features::{self, Compared};

/// Takes from a corpus without train rows the features that are not those of training: it is answered without them.
pub(super) fn without_unread(corpus: &mut Corpus, card: &Card) {
    if corpus.of_split(Split::Train).next().is_some() {
        return; // whose features must be those of training: `check` says so
    }
    for modality in [Modality::Audio, Modality::Video] {
        let name = modality.name();
        match of_corpus(corpus, card, modality) {
            Ok(_) => continue,
            Err(reason) => eprintln!(
                "warning: corpus {}: {name}: {reason}: the model cannot read it; its rows are answered without",
                corpus.name
            ),
        }
        match modality {
            Modality::Audio => corpus.audio_dim = None,
            _ => corpus.video_dim = None,
        }
        for u in &mut corpus.utterances {
            match modality {
                Modality::Audio => u.audio = None,
                _ => u.video = None,
            }
        }
    }
}

/// Whether the features of a corpus are those of training, where the model reads the modality at all.
fn of_corpus(corpus: &Corpus, card: &Card, modality: Modality) -> Result<Option<Compared>, String> {
    let (dim, made) = match modality {
        Modality::Audio => (corpus.audio_dim, &corpus.features.audio),
        _ => (corpus.video_dim, &corpus.features.video),
    };
    // without any dimension the model does not use the modality
    let dim = dim.filter(|_| !features::dims(card, modality).is_empty());
    let compared = dim.map(|dim| features::compare(card, modality, dim, made.as_ref()));
    compared.transpose()
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
    for corpus in &test.corpora {
        for modality in [Modality::Audio, Modality::Video] {
            let (name, modality_name) = (&corpus.name, modality.name());
            let compared = of_corpus(corpus, card, modality).map_err(|reason| {
                TrainError::Data(format!("corpus {name}: {modality_name}: {reason}"))
            })?;
            if compared == Some(Compared::BySize) {
                eprintln!(
                    "note: corpus {name}: {modality_name}: {}",
                    features::BY_SIZE
                );
            }
        }
    }
    for dataset in [dev, test] {
        for u in dataset.examples.iter().map(|e| dataset.utterance(e)) {
            for (modality, sequence) in [(Modality::Audio, &u.audio), (Modality::Video, &u.video)] {
                let known = features::dims(card, modality);
                let found = sequence.as_ref().map(|s| s.dim as i64);
                if let Some(dim) = found.filter(|d| !known.is_empty() && !known.contains(d)) {
                    return Err(TrainError::Data(format!(
                        "corpus {}: utterance {}: {}: expected {known:?} features a step as in training, found {dim}",
                        u.corpus,
                        u.utterance_id,
                        modality.name()
                    )));
                }
            }
        }
    }
    Ok(())
}
