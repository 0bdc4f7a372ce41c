//! How much of what there is, by corpus and split.

use crate::{Corpus, CorpusError, Polarity, Split, Task};
use polars::prelude::{Column, DataFrame};
use std::{collections::BTreeMap, path::Path};

/// What [`statistics`] counts, in its order.
const FIELDS: [&str; 6] = [
    "utterances",
    "dialogues",
    "audio",
    "video",
    "polarity",
    "emotion",
];

/// Counts by corpus and split in long form: `corpus, split, field, value, count`, in canonical order.
///
/// `field` is `utterances`, `dialogues`, `audio` or `video` (utterances that have it; `value` is empty), `polarity`
/// or, in ERC corpora, `emotion` (by label; `none` where it is null). Only what occurs has a row.
///
/// # Errors
/// When polars refuses the frame, which takes more rows than it can count.
pub fn statistics(corpora: &[Corpus]) -> Result<DataFrame, CorpusError> {
    // keyed by position in the canonical orders, so that iteration gives them
    let mut counts: BTreeMap<(usize, Split, usize, usize), u32> = BTreeMap::new();
    for (at, corpus) in corpora.iter().enumerate() {
        for split in Split::ALL {
            let mut dialogue = None;
            for u in corpus
                .of_split(split)
                .filter_map(|i| corpus.utterances.get(i))
            {
                let mut count =
                    |field, value| *counts.entry((at, split, field, value)).or_default() += 1;
                count(0, 0);
                if dialogue.replace(&u.dialogue_id) != Some(&u.dialogue_id) {
                    count(1, 0);
                }
                for (field, sequence) in [(2, &u.audio), (3, &u.video)] {
                    if sequence.is_some() {
                        count(field, 0);
                    }
                }
                count(4, place(&Polarity::NAMES, u.polarity.map(Polarity::name)));
                if let Task::Emotion(taxonomy) = corpus.task() {
                    count(5, place(taxonomy.labels(), u.emotion.as_deref()));
                }
            }
        }
    }
    let mut cells: [Vec<&str>; 4] = Default::default();
    for &(at, split, field, value) in counts.keys() {
        let label = match (field, corpora[at].task()) {
            (4, _) => Polarity::NAMES.get(value).unwrap_or(&"none"),
            (5, Task::Emotion(taxonomy)) => taxonomy.labels().get(value).unwrap_or(&"none"),
            _ => "",
        };
        let row = [
            corpora[at].name.as_str(),
            split.name(),
            FIELDS[field],
            label,
        ];
        (cells.iter_mut().zip(row)).for_each(|(column, cell)| column.push(cell));
    }
    let names = ["corpus", "split", "field", "value"].into_iter().zip(cells);
    let mut columns: Vec<Column> = names
        .map(|(name, cells)| Column::new(name.into(), cells))
        .collect();
    columns.push(Column::new(
        "count".into(),
        counts.values().copied().collect::<Vec<_>>(),
    ));
    DataFrame::new(counts.len(), columns).map_err(CorpusError::table(Path::new("statistics")))
}

/// Position of a name; one beyond the last for none.
fn place(names: &[&str], name: Option<&str>) -> usize {
    name.and_then(|name| names.iter().position(|&known| known == name))
        .unwrap_or(names.len())
}
