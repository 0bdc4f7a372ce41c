//! Batches and targets of a data set that is in memory.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
use unimse_labels::{IemocapEmotion, Labelled, MeldEmotion, Polarity};

use super::*;

#[test]
fn a_batch_says_which_rows_hold_one_utterance() {
    let example = |utterance, ids: &[i64]| Example {
        corpus: 0,
        utterance,
        ids: ids.to_vec(),
        segments: vec![1; ids.len()],
        mute: None,
        target: None,
    };
    let dataset = Dataset {
        corpora: vec![Arc::new(crate::data::normaliser::tests::corpus(&[
            None, None, None,
        ]))],
        examples: vec![example(0, &[5, 6]), example(1, &[5, 6]), example(2, &[7])],
        modalities: vec![Modality::Text],
        pad: 0,
    };
    let batch = dataset.batch(&[2, 0, 1, 2], Device::Cpu).unwrap();
    let identity = Vec::<i64>::try_from(batch.identity.unwrap()).unwrap();
    assert_eq!(identity, [2, 0, 1, 2]); // equal texts of two utterances stay two
}

#[test]
fn where_the_audio_is_taken_away_its_words_go_too() {
    let corpus = crate::data::normaliser::tests::corpus(&[Some(vec![1.0, 2.0]), None]);
    let mute = Encoded {
        ids: vec![5],
        segments: vec![1],
    };
    let example = |utterance, ids: &[i64], mute| Example {
        corpus: 0,
        utterance,
        ids: ids.to_vec(),
        segments: vec![1; ids.len()],
        mute,
        target: None,
    };
    let dataset = Dataset {
        corpora: vec![Arc::new(corpus)],
        examples: vec![
            example(0, &[8, 9, 5], Some(mute)),
            example(1, &[6, 7], None),
        ],
        modalities: vec![Modality::Text, Modality::Audio],
        pad: 0,
    };
    let ids = |lacks: bool| {
        let lacks = |_, _: Modality| lacks;
        let batch = dataset.batch_without(&[0, 1], 0..2, lacks, Device::Cpu);
        Vec::<Vec<i64>>::try_from(batch.unwrap().tokens).unwrap()
    };
    // widths are multiples of eight
    let wide = |ids: &[i64]| [ids, &vec![0; 8 - ids.len()]].concat();
    assert_eq!(ids(false), [wide(&[8, 9, 5]), wide(&[6, 7])]);
    assert_eq!(ids(true), [wide(&[5]), wide(&[6, 7])]);
}

#[test]
fn a_text_of_one_emotion_holds_the_utterances_own() {
    fn lent<T>(value: T) -> Labelled<T> {
        Labelled {
            source: Source::Donor,
            ..Labelled::gold(value)
        }
    }
    let train = TrainConfig::default();
    let (joy, excited) = (MeldEmotion::Joy, IemocapEmotion::Excited);
    let label = |meld, iemocap| UniversalLabel {
        polarity: Polarity::Positive,
        intensity: lent(1.6),
        meld,
        iemocap,
    };
    let text = |label: &UniversalLabel, form| {
        let mut grammar = Grammar::new(&Field::ALL);
        grammar.form = form;
        grammar.format(&target(label, &train, form == Form::Triple).label)
    };
    let of_iemocap = label(lent(joy), Labelled::gold(excited));
    assert_eq!(text(&of_iemocap, Form::Triple), "positive,1.6,excited");
    assert_eq!(text(&of_iemocap, Form::Fields), "positive,1.6,joy,excited");
    let of_meld = label(Labelled::gold(joy), lent(excited));
    assert_eq!(text(&of_meld, Form::Triple), "positive,1.6,joy");
    let of_mosi = label(lent(joy), lent(excited));
    assert_eq!(text(&of_mosi, Form::Triple), "positive,1.6,joy");
}
