//! Who says what kind of thing when: labels by quota, shuffled and cut into dialogues or videos.

use unimse_media::synthetic::Stream;

/// The splits, in the order of every list here.
pub(super) const SPLITS: [&str; 3] = ["train", "dev", "test"];

/// What the words of an utterance tell about its label.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cue {
    /// The words tell it.
    Clear,
    /// The words are about something else.
    Flat,
    /// The words could be meant or mocked.
    TwoFaced,
}

/// Cues by turns, five of nine clear, so that every class of every split has its share of each.
const CUES: [Cue; 9] = [
    Cue::Clear,
    Cue::Flat,
    Cue::Clear,
    Cue::TwoFaced,
    Cue::Clear,
    Cue::Flat,
    Cue::Clear,
    Cue::TwoFaced,
    Cue::Clear,
];

/// Share of utterances whose published label is drawn anew, as annotators err.
pub(super) const LABEL_NOISE: f32 = 0.05;

/// An utterance before it has words, voice and face.
#[derive(Clone, Debug)]
pub(super) struct Draft<L> {
    /// Index into [`SPLITS`].
    pub(super) split: usize,
    /// Dialogue or video, counted from 0 in its split.
    pub(super) group: usize,
    /// Place in it, from 0.
    pub(super) turn: usize,
    /// What the speaker feels (the published label may differ).
    pub(super) label: L,
    /// What the words tell.
    pub(super) cue: Cue,
}

/// `sizes[s]` utterances for each split, labels in proportion to their weights, in groups of `lengths.0` to `lengths.1`.
pub(super) fn script<L: Copy>(
    name: &str,
    sizes: [usize; 3],
    weights: &[(L, u32)],
    lengths: (usize, usize),
) -> Vec<Draft<L>> {
    let mut drafts = Vec::new();
    for (split, &size) in sizes.iter().enumerate() {
        let mut random = Stream::new(&format!(
            "{name}/script/{}",
            SPLITS.get(split).unwrap_or(&"")
        ));
        let phase = random.below(CUES.len());
        let cues = CUES.iter().cycle().skip(phase);
        let mut pairs: Vec<(L, Cue)> = quota(size, weights)
            .into_iter()
            .zip(cues.copied())
            .collect();
        random.shuffle(&mut pairs);
        let mut pairs = pairs.into_iter();
        for (group, length) in cut(size, lengths, &mut random).into_iter().enumerate() {
            drafts.extend(
                pairs
                    .by_ref()
                    .take(length)
                    .enumerate()
                    .map(|(turn, (label, cue))| Draft {
                        split,
                        group,
                        turn,
                        label,
                        cue,
                    }),
            );
        }
    }
    drafts
}

/// `n` labels, label i about `n * weight_i / sum` times (differences of rounded cumulative shares), grouped by label.
fn quota<L: Copy>(n: usize, weights: &[(L, u32)]) -> Vec<L> {
    let total: u32 = weights.iter().map(|(_, weight)| weight).sum();
    let mut labels = Vec::with_capacity(n);
    let mut sum = 0;
    for &(label, weight) in weights {
        sum += weight;
        let end = (n * sum as usize + total as usize / 2) / (total as usize).max(1);
        labels.resize(end, label);
    }
    labels
}

/// Lengths between `low` and `high` that sum to `n` (high >= 2 low - 1).
fn cut(n: usize, (low, high): (usize, usize), random: &mut Stream) -> Vec<usize> {
    let mut lengths = Vec::new();
    let mut rest = n;
    while rest > high {
        let length = (low + random.below(high - low + 1)).min(rest - low);
        lengths.push(length);
        rest -= length;
    }
    lengths.push(rest);
    lengths
}
