//! Labels of every polarity, intensity and emotion, for benches of their text form.

use unimse_labels::{IemocapEmotion, MeldEmotion, PlainLabel, Polarity};

/// The first `n` of a fixed sequence.
pub(crate) fn labels(n: u16) -> Vec<PlainLabel> {
    let label = |i: u16| {
        let intensity = f32::from(i % 61) / 10.0 - 3.0;
        PlainLabel {
            polarity: Polarity::from_score(intensity),
            intensity: Some(intensity),
            meld: MeldEmotion::ALL.get(usize::from(i) % 7).copied(),
            iemocap: IemocapEmotion::ALL.get(usize::from(i) % 6).copied(),
        }
    };
    (0..n).map(label).collect()
}
