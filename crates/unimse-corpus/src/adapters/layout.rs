//! What a corpus folder must hold, as paths that the adapters read: what the doctor tells somebody whose folder lacks it.

use super::{manifest, meld, sentiment};
use crate::{CorpusKind, draft::Modality, folder::in_words};

/// Where labels and text of a data set go, and what they are; nothing for a table of the user's own, which is there already.
pub(crate) fn labels(kind: CorpusKind) -> Option<(Vec<String>, String)> {
    match kind {
        CorpusKind::Mosi | CorpusKind::Mosei => Some((
            vec!["label.csv".to_owned()],
            format!("the label file, a CSV with columns {}", in_words(&sentiment::COLUMNS)),
        )),
        CorpusKind::Meld => {
            let files = crate::Split::ALL.map(meld::table_name);
            let columns = in_words(&meld::COLUMNS);
            Some((files.into(), format!("the three tables of the release, CSVs with columns {columns}")))
        }
        CorpusKind::Iemocap => Some((
            vec!["Session1".to_owned()],
            "the folders Session1 to Session5 of the release, with dialog/EmoEvaluation and dialog/transcriptions in them".to_owned(),
        )),
        CorpusKind::Own(_) => None,
    }
}

/// A path at which a corpus' features of a modality are found, and what lies there; `None` is a table of the user's own.
pub(crate) fn features(kind: Option<CorpusKind>, modality: Modality) -> (String, &'static str) {
    let word = modality.name();
    match (kind, modality) {
        (Some(CorpusKind::Mosi | CorpusKind::Mosei), _) => (
            "unaligned_50.pkl".to_owned(),
            "one pickle in the MMSA or SDK layout, or the .csd sequences of the SDK with their label file",
        ),
        (Some(CorpusKind::Meld), Modality::Audio) => (
            "train_splits/dia0_utt0.wav".to_owned(),
            "the clips' sound as wave files, in folders train_splits, dev_splits_complete and output_repeated_splits_test",
        ),
        (Some(CorpusKind::Iemocap), Modality::Audio) => (
            "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav".to_owned(),
            "the wave files of the release",
        ),
        (Some(CorpusKind::Meld | CorpusKind::Iemocap), _) => (
            format!("{word}.pkl"),
            "a pickle of dicts keyed by utterance, its name holding the modality; or .npy files",
        ),
        (Some(CorpusKind::Own(_)) | None, _) => (
            "utterances.csv".to_owned(),
            "a column of that name with the paths of .npy files",
        ),
    }
}

/// Name and header of the table that says the split of IEMOCAP.
pub(crate) const SPLITS: (&str, &str) = (manifest::OWN, "utterance_id,split");
