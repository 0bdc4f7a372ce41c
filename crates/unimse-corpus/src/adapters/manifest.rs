//! Which split an utterance is in, for data sets that do not say so themselves.

use crate::{
    Code, CorpusError,
    draft::Draft,
    finding::Findings,
    folder::{Folder, Table, at},
};
use std::collections::HashMap;
use unimse_labels::Split;

/// The published split of IEMOCAP: `utterance_id,split`.
const IEMOCAP: &str = include_str!("../../../../data/splits/iemocap.csv");
/// The published split of MOSEI: `video_id,clip_id,split`.
const MOSEI: &str = include_str!("../../../../data/splits/mosei.csv");

/// Split of every published utterance id of IEMOCAP.
pub(super) fn iemocap() -> HashMap<&'static str, Split> {
    IEMOCAP
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(','))
        .filter_map(entry)
        .collect()
}

/// Split of every published utterance id (`<video>_<clip>`) of MOSEI.
pub(super) fn mosei() -> HashMap<String, Split> {
    (MOSEI
        .lines()
        .skip(1)
        .filter_map(|line| line.rsplit_once(','))
        .filter_map(entry))
    .map(|(id, split)| (id.replace(',', "_"), split))
    .collect()
}

fn entry<'a>((id, split): (&'a str, &str)) -> Option<(&'a str, Split)> {
    Some((id, split.trim().parse().ok()?))
}

/// Name of the user's own split.
pub(super) const OWN: &str = "splits.csv";

/// The user's own `splits.csv` (`utterance_id, split`), where the folder has one.
pub(super) fn own(
    folder: &Folder,
    draft: &mut Draft,
    findings: &mut Findings,
) -> Result<Option<HashMap<String, Split>>, CorpusError> {
    let mut files = folder.with_extension(&["csv"]);
    let Some(path) = files.find(|path| path.file_name().is_some_and(|name| name == OWN)) else {
        return Ok(None);
    };
    let table = Table::read(path, folder.relative(path), findings)?;
    draft.add_source(path, &table.file);
    let mut splits = HashMap::new();
    if let Some([id, split]) = table.require(["utterance_id", "split"], findings) {
        for (line, row) in &table.rows {
            match row[split].trim().to_lowercase().parse() {
                Ok(value) => drop(splits.insert(row[id].trim().to_owned(), value)),
                Err(error) => findings.add(
                    Code::Split,
                    &table.file,
                    at(*line),
                    format!("column split: {error}"),
                ),
            }
        }
    }
    Ok(Some(splits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CorpusKind;

    #[test]
    fn manifests_have_the_published_counts() {
        let counts = |splits: Vec<Split>| {
            Some(Split::ALL.map(|split| splits.iter().filter(|&&s| s == split).count()))
        };
        assert_eq!(
            counts(iemocap().into_values().collect()),
            CorpusKind::Iemocap.published_counts()
        );
        assert_eq!(
            counts(mosei().into_values().collect()),
            CorpusKind::Mosei.published_counts()
        );
        assert!(mosei().keys().any(|id| id.starts_with('-')));
    }
}
