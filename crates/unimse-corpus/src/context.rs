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
    let mut dialogues: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (i, u) in utterances.iter().enumerate() {
        dialogues
            .entry((&u.corpus, u.split, &u.dialogue_id))
            .or_default()
            .push(i);
    }
    let mut contexts = vec![Context::default(); utterances.len()];
    for members in dialogues.values_mut() {
        members.sort_by_key(|&i| (utterances[i].turn, &utterances[i].utterance_id));
        for (at, &i) in members.iter().enumerate() {
            let end = members
                .len()
                .min(at.saturating_add(after).saturating_add(1));
            contexts[i] = Context {
                before: members[at.saturating_sub(before)..at].to_vec(),
                after: members[at + 1..end].to_vec(),
            };
        }
    }
    contexts
}
