//! Context windows: the utterances around each one, never across dialogues or splits.

use crate::Utterance;
use std::collections::BTreeMap;

/// Indices of an utterance's neighbours, in order of turn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// Up to `before` utterances that precede it, oldest first.
    pub before: Vec<usize>,
    /// Up to `after` utterances that follow it.
    pub after: Vec<usize>,
}

/// The context of every utterance, in the order of `utterances` (which may be any).
///
/// Neighbours are the existing utterances of the same corpus, split and dialogue in order of turn, so gaps in the
/// numbering are bridged.
///
/// ```
/// # use unimse_corpus::{context, Utterance};
/// let none: Vec<Utterance> = vec![];
/// assert!(context(&none, 2, 2).is_empty());
/// ```
#[must_use]
pub fn context(utterances: &[Utterance], before: usize, after: usize) -> Vec<Context> {
    let rows = utterances.iter().map(|u| {
        let dialogue = (&u.corpus, u.split, &u.dialogue_id);
        (dialogue, (u.turn, &u.utterance_id))
    });
    windows(rows, before, after)
}

/// The context of every row, in the order of `rows`: each is given as the dialogue it belongs to and its place in it.
///
/// ```
/// let rows = [("a", 2), ("b", 1), ("a", 1), ("a", 3)];
/// let first = &unimse_corpus::windows(rows, 2, 2)[0];
/// assert_eq!((&first.before[..], &first.after[..]), (&[2][..], &[3][..]));
/// ```
#[must_use]
pub fn windows<D: Ord, P: Ord>(
    rows: impl IntoIterator<Item = (D, P)>,
    before: usize,
    after: usize,
) -> Vec<Context> {
    let mut dialogues: BTreeMap<D, Vec<(P, usize)>> = BTreeMap::new();
    let mut count = 0;
    for (dialogue, place) in rows {
        dialogues.entry(dialogue).or_default().push((place, count));
        count += 1;
    }
    let mut contexts = vec![Context::default(); count];
    for mut members in dialogues.into_values() {
        members.sort();
        let members: Vec<usize> = members.into_iter().map(|(_, row)| row).collect();
        for (at, &row) in members.iter().enumerate() {
            let end = members
                .len()
                .min(at.saturating_add(after).saturating_add(1));
            contexts[row] = Context {
                before: members[at.saturating_sub(before)..at].to_vec(),
                after: members[at + 1..end].to_vec(),
            };
        }
    }
    contexts
}
