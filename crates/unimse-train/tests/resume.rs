//! The whole pipeline on demo data with a tiny random checkpoint: interrupting and resuming changes no byte, the test split is
//! counted, an unfinished training is not overwritten.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use serde_json::Value;
use unimse_run::RunFolder;
use unimse_train::config::{BaselineChoice, RunConfig};
use unimse_train::{TrainError, evaluate, train::trainer, unify};

use crate::{processes, tiny};

static GO: AtomicBool = AtomicBool::new(false);
static STOP: AtomicBool = AtomicBool::new(true);

/// Results without their timing; events without what the machine decides.
fn traces(run: &Path) -> (Value, Vec<Value>) {
    let text = std::fs::read_to_string(run.join("results.json")).unwrap();
    let mut results: Value = serde_json::from_str(&text).unwrap();
    results["timing"] = Value::Null;
    let events = std::fs::read_to_string(run.join("events.jsonl")).unwrap();
    let event = |line: &str| {
        let mut event: Value = serde_json::from_str(line).unwrap();
        for measured in ["seconds", "utterances_per_second", "memory"] {
            event[measured] = Value::Null;
        }
        event
    };
    (results, events.lines().map(event).collect())
}

/// Trains with three interruptions and what a killed process may leave behind, each of which is refused by name.
fn train_in_parts(config: &RunConfig, parts: &RunFolder, whole: &RunFolder) {
    for step in 1..=3 {
        let result = trainer::train(config, parts, 7, step > 1, &STOP);
        assert!(matches!(result, Err(TrainError::Interrupted { step: s }) if s == step));
    }
    let refused = trainer::train(config, parts, 7, false, &GO).unwrap_err();
    assert!(refused.to_string().contains("--resume"), "{refused}");
    let other = trainer::train(config, parts, 8, true, &GO).unwrap_err();
    assert!(other.to_string().contains("seed"), "{other}");
    // what a killed process wrote after its last save
    let mut log = std::fs::OpenOptions::new()
        .append(true)
        .open(parts.events())
        .unwrap();
    std::io::Write::write_all(&mut log, b"{\"event\":\"step\",\"step\":4").unwrap();
    // and what one leaves that dies between better weights and the card that tells how to read them
    std::fs::write(parts.best(), b"weights without a card").unwrap();
    let refused = evaluate::evaluate(config, parts, &GO)
        .unwrap_err()
        .to_string();
    assert!(refused.contains("model.json"), "{refused}");
    trainer::train(config, parts, 7, true, &GO).unwrap();
    std::fs::write(parts.best(), b"weights of another card").unwrap();
    let refused = evaluate::evaluate(config, parts, &GO)
        .unwrap_err()
        .to_string();
    assert!(refused.contains("model.safetensors: SHA-256"), "{refused}");
    std::fs::copy(whole.best(), parts.best()).unwrap();
    let mut edited = config.clone();
    edited.model.context_after = 0.try_into().unwrap();
    let refused = evaluate::evaluate(&edited, parts, &GO)
        .unwrap_err()
        .to_string();
    let words = "config.toml: model.context_after: expected 2, which the checkpoint was trained with, found 0";
    assert!(refused.contains(words), "{refused}");
    assert!(
        !parts.run.join("receipts.jsonl").exists(),
        "no test split was opened"
    );
}

/// Evaluates with interruptions while the first baseline is fine-tuned: its training goes on, and no test split is opened before.
fn evaluate_in_parts(config: &RunConfig, parts: &RunFolder) {
    for step in 1..=2 {
        let stopped = evaluate::evaluate(config, parts, &STOP).unwrap_err();
        assert!(matches!(stopped, TrainError::Stopped(_)), "{stopped}");
        let words = format!("in the baseline finetuned of mosi, which is saved (step {step})");
        assert!(stopped.to_string().contains(&words), "{stopped}");
    }
    assert!(!parts.receipts().exists(), "the test split was opened");
    evaluate::evaluate(config, parts, &GO).unwrap();
}

#[test]
fn an_interrupted_training_ends_as_the_uninterrupted_one() {
    let name = "resume::an_interrupted_training_ends_as_the_uninterrupted_one";
    check(name, &["evaluate.baselines=finetuned"]);
}

/// Everything that has a state or a random number of its own.
#[test]
fn an_interrupted_training_with_every_lever_ends_as_the_uninterrupted_one() {
    let name = "resume::an_interrupted_training_with_every_lever_ends_as_the_uninterrupted_one";
    let levers = [
        "train.average=0.9",
        "train.modality_dropout=0.3",
        "train.head_warmup=0.2",
        "train.accumulate=2",
        "train.quotas={ mosi = 1.0, mosei = 1.0, meld = 2.0, iemocap = 1.0 }",
        "train.donor_power=2.0",
        "contrastive.samples=0.5",
        "contrastive.queue=100",
        "contrastive.warmup=0.3",
        "contrastive.min_rows=2",
        "fusion.skip_absent=true",
        "loss.auxiliary=0.3",
        "loss.r_drop=0.5",
        "loss.label_smoothing=0.1",
        "loss.logit_adjustment=0.5",
    ];
    check(name, &levers);
}

/// Two epochs around the checkpoint `encoder`, with `levers`.
fn configuration(encoder: &str, levers: &[&str]) -> RunConfig {
    let mut overrides = vec![
        format!("model.checkpoint={encoder}"),
        "model.max_tokens=24".to_owned(),
        "label_decoder.heads=2".to_owned(),
        "fusion.layers=2".to_owned(),
        "train.epochs=2".to_owned(),
        "train.batch=64".to_owned(),
        "train.precision=fp32".to_owned(),
        "evaluate.resamples=100".to_owned(),
        "evaluate.robustness=false".to_owned(),
    ];
    overrides.extend(levers.iter().map(|&lever| lever.to_owned()));
    RunConfig::merge(None, None, &overrides).unwrap()
}

/// What the test called `name` does, with `levers`.
fn check(name: &str, levers: &[&str]) {
    if !processes::alone(name) {
        return;
    }
    let (checkpoint, work) = (tiny::folder(tiny::BERT), tempfile::tempdir().unwrap());
    let at = |name: &str| work.path().join(name);
    let encoder = checkpoint.path().to_str().unwrap();
    unimse_corpus::demo::write(&at("data")).unwrap();
    let config = configuration(encoder, levers);
    let (corpus, labels) = (at("corpus"), at("labels"));
    unimse_corpus::ingest(&at("data"), &corpus, &[], &mut |_| {}).unwrap();
    unify::run(
        &corpus,
        &labels,
        encoder,
        None,
        None,
        &config.labels.options(),
    )
    .unwrap();
    let paths = |name: &str| RunFolder {
        run: at(name),
        corpus: corpus.clone(),
        labels: labels.clone(),
    };

    let whole = paths("whole");
    trainer::train(&config, &whole, 7, false, &GO).unwrap();
    evaluate::evaluate(&config, &whole, &GO).unwrap();

    let parts = paths("parts");
    train_in_parts(&config, &parts, &whole);
    if config.evaluate.baselines == BaselineChoice::Finetuned {
        evaluate_in_parts(&config, &parts);
        let of_mosi = |run: &RunFolder| std::fs::read(run.finetuned("mosi").best()).unwrap();
        assert!(of_mosi(&whole) == of_mosi(&parts), "the baseline differs");
    } else {
        evaluate::evaluate(&config, &parts, &GO).unwrap();
    }
    same_bytes(&whole, &parts);

    let again = evaluate::evaluate(&config, &parts, &GO).unwrap();
    assert_eq!(again.protocol.test_openings, Some(2));
}

fn same_bytes(whole: &RunFolder, parts: &RunFolder) {
    let bytes = |p: &RunFolder, name: &str| std::fs::read(p.run.join(name)).unwrap();
    for name in [
        "checkpoints/model.safetensors",
        "checkpoints/model.json",
        "checkpoints/features.json",
        "predictions.parquet",
    ] {
        assert!(bytes(whole, name) == bytes(parts, name), "{name} differs");
    }
    for name in ["config.json", "tokenizer.json"] {
        let copy = whole.checkpoints().join(name);
        assert!(copy.is_file(), "the checkpoint is one of the Hub: {name}");
    }
    let (a, b) = (traces(&whole.run), traces(&parts.run));
    assert!(a.0 == b.0, "results differ");
    assert_eq!(a.1, b.1);
}
