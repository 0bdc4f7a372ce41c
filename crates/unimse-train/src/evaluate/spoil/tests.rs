//! Each condition on rows of a tiny corpus.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "../../../../unimse-model/tests/tiny/mod.rs"]
mod tiny;

use unimse_corpus::Corpus;
use unimse_corpus::splits::{Corpora, Train, Whole};
use unimse_model::Tokenizer;
use unimse_run::FeatureCard;

use super::*;
use crate::data::normaliser::{Normaliser, tests::corpus};
use crate::data::voice::Voice;

/// Calls `test` with a spoiler of five rows of one dialogue; the last has no audio, the others one feature pair a step, `[row, step]`.
fn check(test: impl Fn(&Spoiler<'_>)) {
    check_with(None, test);
}

/// The same with words for the voices: `voice` cuts the corpus' rows.
fn check_with(voice: Option<fn(&Corpus) -> Voice>, test: impl Fn(&Spoiler<'_>)) {
    let frames =
        |row: usize| -> Vec<f32> { (0..40).flat_map(|step| [row as f32, step as f32]).collect() };
    let audio = (0..5).map(|row| (row < 4).then(|| frames(row)));
    let mut corpus = corpus(&audio.collect::<Vec<_>>());
    for (row, u) in corpus.utterances.iter_mut().enumerate() {
        u.text = "all  of these words are here ".repeat(row + 1);
    }
    let voice = voice.map(|cut| cut(&corpus));
    let (folder, config) = (tiny::folder(tiny::BERT), RunConfig::default());
    let tokenizer = Tokenizer::from_folder(folder.path()).unwrap();
    let reader = Reader {
        tokenizer: &tokenizer,
        speakers: None,
        voice: voice.as_ref(),
        max_tokens: 512,
    };
    let corpora = Corpora::<Whole>::from_memory(vec![corpus]);
    let dataset = Dataset::new(&corpora, Train, None, reader, &config).unwrap();
    test(&Spoiler::new(
        &dataset,
        reader,
        &config,
        0,
        &[0, 1, 2, 3, 4],
    ));
}

fn audio(rows: &[OwnRow]) -> Vec<Option<&Sequence>> {
    rows.iter().map(|row| row.audio.as_ref()).collect()
}

#[test]
fn at_rate_0_and_with_all_modalities_a_row_is_the_plain_one() {
    check(|spoiler| {
        let all = spoiler.modalities();
        assert_eq!(all, [Modality::Text, Modality::Audio]);
        for condition in [Condition::Missing(0.0), Condition::Only(all)] {
            for (row, at) in spoiler.rows(&condition).unwrap().iter().zip(0..) {
                assert!(row.equals(&spoiler.dataset.row(at)), "{condition:?} {at}");
            }
        }
        let spoilt = spoiler.rows(&Condition::Missing(0.5)).unwrap();
        assert!(!spoilt[0].equals(&spoiler.dataset.row(0)));
    });
}

#[test]
fn without_text_a_row_is_an_empty_utterance_alone() {
    check(|spoiler| {
        let silent = spoiler.reader.read(&[(None, "")], 0, None).unwrap();
        let plain = spoiler.rows(&Condition::Missing(0.0)).unwrap();
        let rows = spoiler
            .rows(&Condition::Only(vec![Modality::Audio]))
            .unwrap();
        assert!(
            rows.iter()
                .all(|r| r.ids == silent.ids && r.segments == silent.segments)
        );
        assert_eq!(audio(&rows), audio(&plain));
        let text = spoiler
            .rows(&Condition::Only(vec![Modality::Text]))
            .unwrap();
        assert!(audio(&text).iter().all(Option::is_none) && text[1].ids == plain[1].ids);
        let nothing = spoiler.rows(&Condition::Only(Vec::new())).unwrap();
        assert!(
            nothing
                .iter()
                .all(|row| *row == nothing[0] && row.audio.is_none())
        );
    });
}

/// Thirds of the rows' loudness 0 1 2 3, which their frames hold: cut at 1 and 2.
fn by_loudness(corpus: &Corpus) -> Voice {
    let mut named = corpus.clone();
    let mut card = FeatureCard::new("own", 2);
    card.columns = ["loudness_mean", "step"].map(str::to_owned).into();
    named.features.audio = Some(card);
    Voice::fit([&named], &Normaliser::default())
}

#[test]
fn words_for_a_voice_say_what_is_left_of_the_audio() {
    check_with(Some(by_loudness), |spoiler| {
        let holds = |row: &OwnRow, words: &str| {
            let ids = spoiler.reader.tokenizer.pieces(words).unwrap();
            row.ids.windows(ids.len()).any(|part| part == ids)
        };
        let check = |condition: Condition, expected: [Option<&str>; 5]| {
            let rows = spoiler.rows(&condition).unwrap();
            for (row, expected) in rows.iter().zip(expected) {
                for words in ["(quiet)", "(moderate)", "(loud)"] {
                    let told = expected == Some(words);
                    assert_eq!(
                        holds(row, words),
                        told,
                        "{condition:?} {words} {expected:?}"
                    );
                }
            }
        };
        let (quiet, moderate, loud) = (Some("(quiet)"), Some("(moderate)"), Some("(loud)"));
        let plain = [quiet, moderate, moderate, loud, None];
        check(Condition::Missing(0.0), plain);
        check(Condition::Missing(0.5), plain); // every frame of a row is as loud
        check(Condition::Only(vec![Modality::Audio]), plain);
        check(Condition::Only(vec![Modality::Text]), [None; 5]);
        check(Condition::Missing(1.0), [None; 5]);
        let exchanged = spoiler.rows(&Condition::Shuffled(Modality::Audio)).unwrap();
        let of = |row: &OwnRow| Some(row.audio.as_ref()?.values[0] as usize);
        let expected: Vec<_> = exchanged
            .iter()
            .map(|row| plain[of(row).unwrap_or(4)])
            .collect();
        check(
            Condition::Shuffled(Modality::Audio),
            expected.try_into().unwrap(),
        );
        // what training reads where it takes the audio away
        let text = spoiler
            .rows(&Condition::Only(vec![Modality::Text]))
            .unwrap();
        let mute = |at: usize| spoiler.dataset.examples[at].mute.clone();
        assert_eq!(
            mute(0).map(|encoded| encoded.ids).as_ref(),
            Some(&text[0].ids)
        );
        assert_eq!(mute(4), None);
    });
}

#[test]
fn frames_missing_at_a_rate_are_missing_at_every_higher_one() {
    check(|spoiler| {
        let steps = |rate| -> Vec<Vec<f32>> {
            let rows = spoiler.rows(&Condition::Missing(rate)).unwrap();
            let steps = |s: &Sequence| s.values.chunks(2).map(|step| step[1]).collect();
            rows.iter()
                .map(|r| r.audio.as_ref().map(steps).unwrap_or_default())
                .collect()
        };
        let (few, many) = (steps(0.3), steps(0.7));
        for (few, many) in few.iter().zip(&many) {
            assert!(many.iter().all(|step| few.contains(step)));
        }
        // 160 frames: within four standard deviations of the expected number
        let kept = few.concat().len() as f64;
        assert!(
            (kept - 160.0 * 0.7).abs() < 4.0 * (160.0 * 0.3 * 0.7f64).sqrt(),
            "{kept}"
        );
        // all lost is absent
        assert!(
            audio(&spoiler.rows(&Condition::Missing(1.0)).unwrap())
                .iter()
                .all(Option::is_none)
        );
    });
}

#[test]
fn words_go_one_by_one_and_the_same_at_any_place() {
    let text = (0..1000)
        .map(|i| i.to_string())
        .collect::<Vec<_>>()
        .join(" ");
    let random = || ChaCha8Rng::seed_from_u64(3);
    let at = |rate| without_some(&text, rate, random());
    assert_eq!(at(0.0), text);
    assert_eq!(without_some(" as  it is ", 0.0, random()), " as  it is ");
    assert_eq!(at(1.0), "");
    let (few, many) = (at(0.4), at(0.8));
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let kept = words(&few);
    assert!(words(&many).iter().all(|word| kept.contains(word)));
    let expected = 1000.0 * (1.0 - 0.4);
    assert!((kept.len() as f64 - expected).abs() < 4.0 * (1000.0 * 0.4 * 0.6f64).sqrt());
}

#[test]
fn exchanged_features_are_those_of_another_row() {
    check(|spoiler| {
        let rows = spoiler.rows(&Condition::Shuffled(Modality::Audio)).unwrap();
        let from: Vec<Option<f32>> = rows
            .iter()
            .map(|r| Some(r.audio.as_ref()?.values[0]))
            .collect();
        assert_eq!(from[4], None);
        let mut seen: Vec<f32> = from.iter().copied().flatten().collect();
        assert!(
            seen.iter().zip(0..).all(|(&of, row)| of != row as f32),
            "{seen:?}"
        );
        seen.sort_by(f32::total_cmp);
        assert_eq!(seen, [0.0, 1.0, 2.0, 3.0]);
        let plain = spoiler.rows(&Condition::Missing(0.0)).unwrap();
        assert_eq!(
            spoiler.rows(&Condition::Shuffled(Modality::Video)).unwrap(),
            plain
        );
    });
}

#[test]
fn noise_has_mean_0_and_its_deviation() {
    check(|spoiler| {
        let plain = spoiler.rows(&Condition::Missing(0.0)).unwrap();
        let noisy = spoiler.rows(&Condition::Noise(2.0)).unwrap();
        let values = |rows: &[OwnRow]| -> Vec<f32> {
            rows.iter()
                .filter_map(|r| Some(r.audio.clone()?.values))
                .flatten()
                .collect()
        };
        let (before, after) = (values(&plain), values(&noisy));
        let off: Vec<f64> = before
            .iter()
            .zip(&after)
            .map(|(a, b)| f64::from(b - a))
            .collect();
        let n = off.len() as f64; // 4 * 80
        let mean = off.iter().sum::<f64>() / n;
        let square = off.iter().map(|x| x * x).sum::<f64>() / n;
        // standard errors of mean and variance of n normal values
        assert!(mean.abs() < 4.0 * 2.0 / n.sqrt(), "{mean}");
        assert!(
            (square - 4.0).abs() < 4.0 * 4.0 * (2.0 / n).sqrt(),
            "{square}"
        );
        assert_eq!(noisy, spoiler.rows(&Condition::Noise(2.0)).unwrap());
        assert_eq!(noisy[0].ids, plain[0].ids);
    });
}
