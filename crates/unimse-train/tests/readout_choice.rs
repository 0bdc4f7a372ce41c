//! Dev chooses how answers are read: each readout wins where it is nearest, the mean is over corpora, ties go to the published text.

use unimse_corpus::splits::{Dev, Learning};
use unimse_labels::{MeldEmotion, PlainLabel, Polarity};
use unimse_model::Tokenizer;
use unimse_model::batch::Prediction;
use unimse_run::EmotionReadout::{Marginal, Text as Class};
use unimse_run::IntensityReadout::{Expectation, Median, Text};
use unimse_run::{EmotionReadout, IntensityReadout};
use unimse_train::config::RunConfig;
use unimse_train::data::dataset::{self, Dataset};
use unimse_train::data::reader::Reader;
use unimse_train::evaluate::scoring::choose_readout;

use crate::tiny;

/// Gold of the dev rows of one corpus.
enum Gold<'a> {
    Scores(&'a [f32]),
    Emotions(&'a [&'a str]),
}

/// Tables of one's own, ingested and read as a run does; corpora are called `a`, `b` ...
fn dev(corpora: &[Gold<'_>]) -> Dataset {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    for (name, gold) in ('a'..).zip(corpora) {
        let (header, rows) = match gold {
            Gold::Scores(s) => ("score", s.iter().map(f32::to_string).collect::<Vec<_>>()),
            Gold::Emotions(e) => (
                "emotion,taxonomy",
                e.iter().map(|e| format!("{e},meld")).collect(),
            ),
        };
        let mut text = format!("utterance_id,split,text,{header}\n");
        for (split, id) in [("train", 'x'), ("dev", 'y'), ("test", 'z')] {
            for (i, gold) in rows.iter().enumerate() {
                text += &format!("{id}{i},{split},word,{gold}\n");
            }
        }
        std::fs::create_dir_all(at("data").join(name.to_string())).unwrap();
        std::fs::write(at("data").join(format!("{name}/utterances.csv")), text).unwrap();
    }
    unimse_corpus::ingest(&at("data"), &at("corpus"), &[], &mut |_| {}).unwrap();
    let corpora = dataset::read_corpora::<Learning>(&at("corpus")).unwrap();
    let checkpoint = tiny::folder(tiny::BERT);
    let tokenizer = Tokenizer::from_folder(checkpoint.path()).unwrap();
    let config = RunConfig::default();
    let reader = Reader {
        tokenizer: &tokenizer,
        speakers: None,
        voice: None,
        max_tokens: config.model.max_tokens.get(),
    };
    let dataset = Dataset::new(&corpora, Dev, None, reader, &config).unwrap();
    assert!(!dataset.examples.is_empty());
    dataset
}

/// Text 1, mean 0.5, median 0: exact in binary, so that ties are ties. Text joy, most probable anger.
fn answer() -> Prediction {
    let mut meld = vec![0.0; 7];
    meld[MeldEmotion::Joy.index()] = 0.25;
    meld[MeldEmotion::Anger.index()] = 0.75;
    Prediction {
        unexplored: 0.0,
        raw: "positive,1.0,joy".into(),
        polarity: [0.0, 0.5, 0.5],
        intensity: vec![(0.0, 0.5), (1.0, 0.5)],
        meld: Some(meld),
        iemocap: None,
        text_label: PlainLabel {
            polarity: Polarity::Positive,
            intensity: Some(1.0),
            meld: Some(MeldEmotion::Joy),
            iemocap: None,
        },
        repairs: 0,
        parsable: true,
    }
}

#[track_caller]
fn check(corpora: &[Gold<'_>], intensity: IntensityReadout, emotion: EmotionReadout) {
    let dev = dev(corpora);
    let answers = vec![answer(); dev.examples.len()];
    let chosen = choose_readout(&dev, &answers).unwrap();
    assert_eq!((chosen.intensity, chosen.emotion), (intensity, emotion));
}

#[test]
fn the_nearest_reading_of_the_intensity_wins() {
    check(&[Gold::Scores(&[1.0, 1.0])], Text, Class);
    check(&[Gold::Scores(&[0.5, 0.5])], Expectation, Class);
    check(&[Gold::Scores(&[0.0, 0.0])], Median, Class);
    check(&[Gold::Scores(&[-3.0])], Median, Class);
}

#[test]
fn a_tie_goes_to_what_stands_first_and_the_text_is_the_first() {
    check(&[Gold::Scores(&[0.75])], Text, Class); // off by 0.25, 0.25, 0.75
    check(&[Gold::Scores(&[0.25])], Expectation, Class); // off by 0.75, 0.25, 0.25
    // mean errors 0.5, 0.5, 0.5: three readings, none nearer
    check(&[Gold::Scores(&[0.0, 1.0])], Text, Class);
}

#[test]
fn the_class_that_is_right_more_often_wins_and_ties_go_to_the_text() {
    check(&[Gold::Emotions(&["joy", "joy"])], Text, Class);
    check(&[Gold::Emotions(&["anger", "anger"])], Text, Marginal);
    // one of two right, either way
    check(&[Gold::Emotions(&["joy", "anger"])], Text, Class);
    check(&[Gold::Emotions(&["fear"])], Text, Class);
}

#[test]
fn corpora_count_alike_whatever_their_size_and_tasks_do_not_mix() {
    let (small, large) = ([1.0; 1], [0.5; 9]);
    // Mean errors over corpora: text (0 + 0.5) / 2, mean (0.5 + 0) / 2, median (1 + 0.5) / 2. By rows the mean would win.
    check(&[Gold::Scores(&small), Gold::Scores(&large)], Text, Class);
    check(
        &[Gold::Scores(&[0.5]), Gold::Emotions(&["anger"])],
        Expectation,
        Marginal,
    );
    let (few, many) = (["anger"; 2], ["joy"; 7]);
    // weighted F1 of text (0 + 1) / 2, of the most probable class (1 + 0) / 2
    check(&[Gold::Emotions(&few), Gold::Emotions(&many)], Text, Class);
    let rare = ["anger", "anger", "anger", "joy"];
    // of text: joy has precision 1/4, recall 1, F1 0.4, weight 1/4; of the other: anger 3/4, 1, 6/7, weight 3/4
    check(&[Gold::Emotions(&rare)], Text, Marginal);
}
