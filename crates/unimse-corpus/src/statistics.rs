//! How much of what there is, by corpus and split.

use crate::{Corpus, CorpusError, Polarity, Split, Task};
use polars::prelude::{Column, DataFrame, SortMultipleOptions};
use std::path::Path;

/// Counts by corpus and split in long form: `corpus, split, field, value, count`.
///
/// `field` is `utterances`, `dialogues`, `audio`, `video` (utterances that have it; `value` is empty), `polarity` or
/// `emotion` (by label; `none` where it is null).
///
/// # Errors
/// When polars refuses the frame, which takes more rows than it can count.
pub fn statistics(corpora: &[Corpus]) -> Result<DataFrame, CorpusError> {
    let wrong = |error: polars::prelude::PolarsError| CorpusError::Table {
        path: Path::new("statistics").to_owned(),
        message: error.to_string(),
    };
    let mut cells: [Vec<&str>; 4] = Default::default();
    for corpus in corpora {
        for split in Split::ALL {
            let mut dialogue = None;
            for u in corpus
                .of_split(split)
                .filter_map(|i| corpus.utterances.get(i))
            {
                let mut count = |field, value| {
                    for (column, cell) in
                        cells
                            .iter_mut()
                            .zip([corpus.kind.name(), split.name(), field, value])
                    {
                        column.push(cell);
                    }
                };
                count("utterances", "");
                if dialogue.replace(&u.dialogue_id) != Some(&u.dialogue_id) {
                    count("dialogues", "");
                }
                if u.audio.is_some() {
                    count("audio", "");
                }
                if u.video.is_some() {
                    count("video", "");
                }
                count("polarity", u.polarity.map_or("none", Polarity::name));
                if corpus.task() != Task::Sentiment {
                    count("emotion", u.emotion.as_deref().unwrap_or("none"));
                }
            }
        }
    }
    let height = cells[0].len();
    let columns = ["corpus", "split", "field", "value"].into_iter().zip(cells);
    let columns = columns
        .map(|(name, cells)| Column::new(name.into(), cells))
        .collect();
    let frame = DataFrame::new(height, columns).map_err(wrong)?;
    let keys = ["corpus", "split", "field", "value"];
    let counted = frame
        .group_by_stable(keys)
        .and_then(|groups| groups.count())
        .map_err(wrong)?;
    counted
        .sort(keys, SortMultipleOptions::default())
        .map_err(wrong)
}
