//! Frames over demo data: the queries of `docs/frame.md`.

use std::collections::BTreeMap;
use unimse_corpus::{
    Split, frame,
    polars::prelude::{AnyValue, DataFrame, col, len, lit},
    queries, steps,
};

use crate::common::run::Run;

/// The rows of a frame: its text columns `by` joined by spaces, and the number in `value`.
fn numbers(frame: &DataFrame, by: &[&str], value: &str) -> BTreeMap<String, f64> {
    let cell = |name: &str, row| frame.column(name).unwrap().get(row).unwrap();
    let row = |row| {
        let names: Vec<String> = by
            .iter()
            .map(|name| cell(name, row).str_value().into_owned())
            .collect();
        let number = match cell(value, row) {
            AnyValue::Null => f64::NAN,
            number => number.str_value().parse().unwrap(),
        };
        (names.join(" "), number)
    };
    (0..frame.height()).map(row).collect()
}

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
}

/// A run of two seeds, half a point too high and a quarter too low.
fn two_seeds() -> Run {
    let run = Run::new();
    run.label();
    run.predict("seed-1", 0.5);
    run.predict("seed-2", -0.25);
    run
}

#[test]
fn counts_are_those_of_the_corpora() {
    let run = Run::new();
    let folder = run.folder.path();
    let counted = queries::counts(frame(folder).unwrap(), steps(folder).unwrap());
    let counted = counted.collect().unwrap();
    let utterances = numbers(&counted, &["corpus", "split"], "utterances");
    let audio = numbers(&counted, &["corpus", "split"], "audio");
    assert_eq!(utterances.len(), run.corpora.len() * Split::ALL.len());
    for corpus in &run.corpora {
        for split in Split::ALL {
            let name = format!("{} {split}", corpus.name);
            let rows = || corpus.of_split(split).map(|at| &corpus.utterances[at]);
            assert_eq!(utterances[&name], rows().count() as f64);
            let with_audio = rows().filter(|u| u.audio.is_some()).count();
            assert_eq!(audio[&name], with_audio as f64);
        }
    }
}

#[test]
fn scores_errors_and_confusions_of_one_seed() {
    let run = two_seeds();
    let folder = run.folder.path();
    let meld = run.corpora.iter().find(|c| c.name == "meld").unwrap();
    let of_split = |split| meld.of_split(split).map(|at| &meld.utterances[at]);

    let one = frame(folder).unwrap().filter(col("seed").eq(lit(1)));
    let by_speaker = queries::scores(one.clone(), &["speaker"])
        .collect()
        .unwrap();
    let accuracy = numbers(
        &by_speaker,
        &["corpus", "split", "speaker"],
        "emotion_accuracy",
    );
    let speaker = &meld.utterances.last().unwrap().speaker;
    let neutral: Vec<f64> = of_split(Split::Test)
        .filter(|u| u.speaker == *speaker)
        .map(|u| f64::from(u.emotion.as_deref() == Some("neutral")))
        .collect();
    let name = format!("meld test {}", speaker.as_deref().unwrap());
    close(
        accuracy[&name],
        neutral.iter().sum::<f64>() / neutral.len() as f64,
    );

    // 0.5, but for one
    let first = run.predicted()[0].utterance_id.as_str();
    let worst = queries::worst(one.clone(), 10).collect().unwrap();
    let ids = worst.column("utterance_id").unwrap();
    assert_eq!(ids.get(0).unwrap(), AnyValue::String(first));
    let errors = numbers(&worst, &["utterance_id"], "error");
    assert_eq!(errors.len(), 10);
    for (id, error) in &errors {
        close(*error, if id == first { 0.5 + 2.0 } else { 0.5 });
    }

    let confused = queries::confusions(one.clone()).collect().unwrap();
    let pairs = ["corpus", "split", "emotion", "predicted_emotion"];
    let rows = numbers(&confused, &pairs, "rows");
    let joy = of_split(Split::Dev).filter(|u| u.emotion.as_deref() == Some("joy"));
    assert_eq!(rows["meld dev joy neutral"], joy.count() as f64);
    let mistake = |pair: &String| !pair.contains("neutral neutral") && pair.ends_with(" neutral");
    assert!(rows.keys().all(mistake));
}

#[test]
fn scores_over_seeds_and_the_sources_of_labels() {
    let run = two_seeds();
    let folder = run.folder.path();
    let scores = queries::scores(frame(folder).unwrap(), &["seed"]);
    let over_seeds = queries::across_seeds(scores).collect().unwrap();
    let score = |name: &str, corpus: &str| numbers(&over_seeds, &["corpus", "split"], name)[corpus];
    close(score("mae_mean", "mosi test"), (0.5 + 0.25) / 2.0);
    close(score("mae_sd", "mosi test"), (0.5 - 0.25) / 2.0_f64.sqrt());
    assert!(score("mae_mean", "meld test").is_nan());

    let sources = frame(folder).unwrap().filter(col("split").neq(lit("test")));
    let sources = queries::values(sources, "label_intensity_source")
        .collect()
        .unwrap();
    let groups = ["corpus", "split", "label_intensity_source"];
    let lent = numbers(&sources, &groups, "utterances");
    let meld = run.corpora.iter().find(|c| c.name == "meld").unwrap();
    let train = meld.of_split(Split::Train).count();
    assert_eq!(lent["meld train donor"], train as f64);
    assert!(!lent.contains_key("mosi train donor") && !lent.contains_key("meld test donor"));
}

#[test]
fn seeds_say_how_far_they_agree_on_each_utterance() {
    let run = Run::new();
    run.predict("seed-10", -0.25);
    run.predict("seed-2", 0.5);
    let rows = run.frame().collect().unwrap();
    let seeds = run.predicted().len() * 2 + run.rows().filter(|u| u.split == Split::Train).count();
    assert_eq!(rows.height(), seeds);
    let agreed = queries::over_seeds(run.frame()).collect().unwrap();
    let mean = numbers(&agreed, &["corpus", "split", "utterance_id"], "mean");
    let sd = numbers(&agreed, &["corpus", "split", "utterance_id"], "sd");
    assert_eq!(mean.len(), run.predicted().len());
    for u in run.predicted() {
        let name = format!("{} {} {}", u.corpus, u.split, u.utterance_id);
        let said = [0.5, -0.25].map(|shift| f64::from(run.said(u, shift)));
        close(mean[&name], (said[0] + said[1]) / 2.0);
        close(sd[&name], (0.5 + 0.25) / 2.0_f64.sqrt());
    }
    let by_seed = run.frame().group_by_stable([col("seed")]).agg([len()]);
    let order = by_seed.collect().unwrap();
    let order: Vec<_> = order
        .column("seed")
        .unwrap()
        .i64()
        .unwrap()
        .iter()
        .collect();
    assert_eq!(order, [None, Some(2), Some(10)]); // train first, which is not predicted
}

/// Every Rust block of the page stands in this file, where it is run.
#[test]
fn the_documentation_shows_queries_that_are_run_here() {
    let squeezed = |text: &str| text.split_whitespace().collect::<String>();
    let here = squeezed(include_str!("frame.rs"));
    let page = include_str!("../../../docs/frame.md");
    let blocks: Vec<&str> = page
        .split("```rust\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert!(blocks.len() >= 5);
    for line in blocks
        .iter()
        .flat_map(|block| block.split(";\n"))
        .filter(|line| !line.trim().is_empty())
    {
        assert!(here.contains(&squeezed(line)), "{line}");
    }
}
