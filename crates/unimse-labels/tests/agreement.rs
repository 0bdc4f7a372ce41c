//! What donors are worth, on corpora small enough to count by hand.

use unimse_labels::{
    Agreement, DonorProtocol, IemocapEmotion, Judged, MeldEmotion, Polarity, QueryProtocol,
    Question, Sample, Split, UnifyOptions, agreement,
};

/// The angle in degrees is the text.
fn rows(degrees: &[f32]) -> Vec<f32> {
    let row = |degrees: &f32| {
        let (sin, cos) = degrees.to_radians().sin_cos();
        [cos, sin]
    };
    degrees.iter().flat_map(row).collect()
}

fn ask(samples: &[Sample], degrees: &[f32], options: &UnifyOptions) -> Vec<Agreement> {
    agreement(samples, &rows(degrees), 2, options, |at| {
        samples[at].basic()
    })
    .unwrap()
}

fn of<'a>(all: &'a [Agreement], question: Question, corpus: &str) -> &'a [Judged] {
    let found = all
        .iter()
        .find(|a| a.question == question && a.corpus == corpus);
    found.map_or(&[], |agreement| &agreement.rows)
}

fn judged(row: &Judged) -> [f64; 3] {
    [row.donor, row.random, row.majority]
}

#[test]
fn intensities_within_the_corpus_and_polarity_but_never_the_video() {
    let mosi =
        |id: &str, video: &str, split, score| Sample::sentiment("mosi", id, video, split, score);
    let samples = [
        mosi("a_1", "a", Split::Train, 1.0),
        mosi("a_2", "a", Split::Train, 3.0),
        mosi("b_1", "b", Split::Train, 2.0),
        mosi("c_1", "c", Split::Dev, 1.5),
        mosi("d_1", "d", Split::Test, 3.0),
        mosi("e_1", "e", Split::Train, -1.0), // alone in its polarity
    ];
    let degrees = [0.0, 1.0, 40.0, 2.0, 39.0, 0.5];
    let all = ask(&samples, &degrees, &UnifyOptions::default());
    let found = of(&all, Question::Intensity, "mosi");
    // donors: a_1 (1), a_2 (3), b_1 (2), each for other videos alone; c_1 asks without giving, d_1 does neither
    let expected = [
        [1.0, 1.0, 1.0],                           // a_1: b_1 alone is of another video
        [1.0, 1.0, 1.0],                           // a_2: likewise
        [1.0, (1.0 + 1.0) / 2.0, 2.0 - 1.0], // b_1: a_2 is nearer than a_1, which is the lower median
        [1.5, (0.5 + 1.5 + 0.5) / 3.0, 2.0 - 1.5], // c_1: a_2; the median is b_1
    ];
    assert_eq!(found.iter().map(judged).collect::<Vec<_>>(), expected);
    assert_eq!(found[0].group, found[1].group);
    assert_ne!(found[0].group, found[2].group);

    let all = UnifyOptions {
        donors: DonorProtocol::All,
        queries: QueryProtocol::All,
        ..UnifyOptions::default()
    };
    assert_eq!(
        of(&ask(&samples, &degrees, &all), Question::Intensity, "mosi").len(),
        5
    );
}

/// Sentiment, and emotions of both taxonomies, on one circle, under the default options.
fn agreement_of_three_corpora() -> Vec<Agreement> {
    let meld =
        |id: &str, split, polarity, emotion| Sample::meld("meld", id, id, split, polarity, emotion);
    use MeldEmotion::{Anger, Joy, Neutral, Surprise};
    use Polarity::{Negative, Neutral as None, Positive};
    let samples = [
        Sample::sentiment("mosi", "v_1", "v", Split::Train, 2.0),
        Sample::sentiment("mosi", "v_2", "v", Split::Train, 1.0),
        Sample::sentiment("mosi", "v_3", "v", Split::Train, -1.0),
        meld("0", Split::Train, Positive, Joy),
        meld("1", Split::Dev, Positive, Surprise),
        meld("2", Split::Train, Negative, Anger),
        meld("3", Split::Train, None, Neutral),
        Sample::iemocap("iemocap", "i", "i", Split::Train, IemocapEmotion::Excited),
    ];
    ask(
        &samples,
        &[0.0, 10.0, 80.0, 2.0, 81.0, 79.0, 3.0, 5.0],
        &UnifyOptions::default(),
    )
}

#[test]
fn polarity_is_judged_without_the_filter() {
    let all = agreement_of_three_corpora();
    let third = 1.0 / 3.0;
    let polarity = of(&all, Question::Polarity, "meld")
        .iter()
        .map(judged)
        .collect::<Vec<_>>();
    let expected = [
        [1.0, 2.0 * third, 1.0], // joy takes v_1
        [0.0, 2.0 * third, 1.0], // surprise takes v_3, which is negative
        [1.0, third, 0.0],       // anger takes v_3
        [0.0, 0.0, 0.0],         // neutral: no donor is neutral
    ];
    for (found, expected) in polarity.iter().zip(expected) {
        assert!(
            found
                .iter()
                .zip(expected)
                .all(|(a, b)| (a - b).abs() < 1e-12),
            "{found:?}"
        );
    }
}

#[test]
fn emotions_are_judged_within_the_polarity() {
    let all = agreement_of_three_corpora();
    // the surprise of dev has the one donor joy; joy has none, for dev does not give
    assert_eq!(
        of(&all, Question::Meld, "meld")
            .iter()
            .map(judged)
            .collect::<Vec<_>>(),
        [[0.0; 3]]
    );
    // iemocap lends excited, a kind of joy, to both positive utterances of meld
    let across = of(&all, Question::IemocapAcross, "meld")
        .iter()
        .map(judged)
        .collect::<Vec<_>>();
    assert_eq!(across, [[1.0; 3], [0.0; 3]]);
    assert_eq!(
        of(&all, Question::MeldAcross, "iemocap")
            .iter()
            .map(judged)
            .collect::<Vec<_>>(),
        [[1.0; 3]]
    );
    assert!(
        of(&all, Question::MeldAcross, "mosi").is_empty(),
        "mosi knows no emotion to judge by"
    );
}

#[test]
fn the_majority_leaves_the_own_dialogue_out() {
    use MeldEmotion::{Anger, Fear, Sadness};
    let meld = |id: &str, dialogue: &str, emotion| {
        let (split, polarity) = (Split::Train, Polarity::Negative);
        Sample::meld("meld", id, dialogue, split, polarity, emotion)
    };
    let samples = [
        meld("0", "a", Anger),
        meld("1", "a", Anger),
        meld("2", "a", Fear),
        meld("3", "b", Fear),
        meld("4", "b", Sadness),
        meld("5", "c", Sadness),
    ];
    let degrees = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
    let all = ask(&samples, &degrees, &UnifyOptions::default());
    let majority = of(&all, Question::Meld, "meld").iter();
    let majority: Vec<f64> = majority.map(|row| row.majority).collect();
    // b and c hold sadness twice; a and c anger twice; a and b fear and anger twice, and fear is the first of them
    assert_eq!(majority, [0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    let mut samples = samples;
    samples[5].meld = Some(Fear);
    let all = ask(&samples, &degrees, &UnifyOptions::default());
    let majority = of(&all, Question::Meld, "meld").iter();
    let majority: Vec<f64> = majority.map(|row| row.majority).collect();
    // b and c hold fear twice; a and c too, beside two of anger; a and b too
    assert_eq!(majority, [0.0, 0.0, 1.0, 1.0, 0.0, 1.0]);
}

#[test]
fn no_samples_no_answers_and_bad_rows_are_refused() {
    assert!(ask(&[], &[], &UnifyOptions::default()).is_empty());
    let samples = [Sample::sentiment("mosi", "v_1", "v", Split::Train, 2.0)];
    let error =
        agreement(&samples, &[0.0, 0.0], 2, &UnifyOptions::default(), |_| None).unwrap_err();
    assert!(error.to_string().contains("mosi v_1: all zero"), "{error}");
}
