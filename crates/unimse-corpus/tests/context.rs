//! Context windows.

use unimse_corpus::{Context, Split, Utterance, context};

fn utterance(split: Split, dialogue: &str, turn: i32) -> Utterance {
    Utterance {
        corpus: "meld".to_owned(),
        split,
        utterance_id: format!("{split}_{dialogue}_{turn}"),
        dialogue_id: dialogue.to_owned(),
        turn,
        speaker: None,
        text: String::new(),
        start_s: None,
        end_s: None,
        score: None,
        polarity: None,
        emotion: None,
        emotion_raw: None,
        vad: None,
        intensities: None,
        audio: None,
        video: None,
    }
}

#[test]
fn windows_bridge_gaps_and_stay_in_their_dialogue_and_split() {
    let rows = [
        utterance(Split::Train, "a", 7), // turns 3, 4, 7, 9, out of order
        utterance(Split::Train, "a", 3),
        utterance(Split::Train, "b", 5),
        utterance(Split::Train, "a", 9),
        utterance(Split::Test, "a", 6),
        utterance(Split::Train, "a", 4),
    ];
    let windows = context(&rows, 2, 1);
    let check = |i: usize, before: &[usize], after: &[usize]| {
        assert_eq!(
            (&windows[i].before[..], &windows[i].after[..]),
            (before, after),
            "row {i}"
        );
    };
    check(1, &[], &[5]);
    check(5, &[1], &[0]);
    check(0, &[1, 5], &[3]);
    check(3, &[5, 0], &[]);
    check(2, &[], &[]);
    check(4, &[], &[]);
    assert!(
        context(&rows, 0, 0)
            .iter()
            .all(|window| *window == Context::default())
    );
    assert_eq!(context(&rows, usize::MAX, usize::MAX)[0].before, [1, 5]);
}
