//! What the answering pass shows beside its answers: utterances before and after fusion, and whether text finds its own audio.

use std::fs;

use unimse_run::{Representations, RunFolder};
use unimse_train::evaluate::evaluate;

use super::{GO, TRAINED, copied};

fn read(paths: &RunFolder) -> Representations {
    serde_json::from_slice(&fs::read(paths.representations()).unwrap()).unwrap()
}

#[test]
fn every_dev_and_test_utterance_of_small_corpora_is_a_point() {
    let (_place, paths) = copied();
    evaluate(&TRAINED.config, &paths, &GO).unwrap();
    let found = read(&paths);
    let count = |corpus: &str, split: &str| {
        let rows = found.rows.iter();
        rows.filter(|row| (row.corpus.as_str(), row.split.as_str()) == (corpus, split))
            .count()
    };
    assert_eq!(
        (
            count("talks", "dev"),
            count("talks", "test"),
            count("talks", "train")
        ),
        (2 * 4, 3 * 3, 0)
    );
    // the backbone has two layers, the last is fused
    assert_eq!((found.before.layer, found.after.layer), (1, 1));
    for plane in [found.before, found.after] {
        let [first, second] = plane.variance;
        assert!(first >= second && second > 0.0 && first + second <= 1.0 + 1e-9);
    }
    // places are relative to the mean of all
    let mean: f32 =
        found.rows.iter().map(|row| row.before[0]).sum::<f32>() / found.rows.len() as f32;
    let largest = found
        .rows
        .iter()
        .map(|row| row.before[0].abs())
        .fold(0.0, f32::max);
    assert!(mean.abs() < 1e-3 * largest, "{mean} beside {largest}");
    let classes = |corpus: &str| -> Vec<&str> {
        let own = found.rows.iter().filter(|row| row.corpus == corpus);
        own.filter_map(|row| row.class.as_deref()).collect()
    };
    assert!(classes("talks").contains(&"negative") && classes("chats").contains(&"joy"));
    let talks = found
        .separation
        .iter()
        .find(|s| (s.corpus.as_str(), s.split.as_str()) == ("talks", "test"));
    let talks = talks.unwrap();
    assert_eq!(talks.n, 3 * 3);
    assert!(
        [talks.before, talks.after]
            .iter()
            .all(|s| (-1.0..=1.0).contains(s))
    );
}

#[test]
fn the_same_run_shows_the_same_to_the_byte() {
    let (_place, paths) = copied();
    let once = evaluate(&TRAINED.config, &paths, &GO).unwrap();
    let bytes = fs::read(paths.representations()).unwrap();
    let twice = evaluate(&TRAINED.config, &paths, &GO).unwrap();
    assert!(bytes == fs::read(paths.representations()).unwrap());
    assert_eq!(once.corpora, twice.corpora);
}

#[test]
fn text_is_matched_with_the_audio_of_the_test_rows_that_have_it() {
    let (_place, paths) = copied();
    let results = evaluate(&TRAINED.config, &paths, &GO).unwrap();
    let talks = results.corpora.get("talks").unwrap();
    let [audio] = &talks.test.alignment[..] else {
        panic!("{:?}", talks.test.alignment)
    };
    assert_eq!((audio.modality.as_str(), audio.n), ("audio", 3 * 3));
    let chance = (1..=9).map(|rank| 1.0 / f64::from(rank)).sum::<f64>() / 9.0;
    assert!((audio.chance.mrr - chance).abs() < 1e-12);
    assert!((audio.chance.recall_at_1 - 1.0 / 9.0).abs() < 1e-12);
    let [layer] = &audio.layers[..] else {
        panic!("{audio:?}")
    };
    assert_eq!(layer.layer, 1);
    assert!((1.0 / 9.0..=1.0).contains(&layer.found.mrr));
    // text alone has nothing to find; dev is not asked
    assert!(
        results
            .corpora
            .get("chats")
            .unwrap()
            .test
            .alignment
            .is_empty()
    );
    assert!(talks.dev.as_ref().unwrap().alignment.is_empty());
    let sizes = results.utterances.get("talks").unwrap();
    let sizes = ["train", "dev", "test"].map(|split| sizes.get(split).copied());
    assert_eq!(sizes, [Some(3 * 5), Some(2 * 4), Some(3 * 3)]);
    let timing = results.timing.unwrap();
    assert!(
        timing
            .answer_s
            .is_some_and(|s| 0.0 < s && s < timing.evaluate_s)
    );
}
