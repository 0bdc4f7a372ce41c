//! The presets of the paper and of its released code on demo data: a tiny random T5 is trained and evaluated under each, with the preset's own
//! values but for sizes and what takes long.

use std::sync::atomic::AtomicBool;

use serde_json::Value;
use unimse::presets;
use unimse_labels::DonorProtocol;
use unimse_run::{Results, RunFolder};
use unimse_train::config::RunConfig;
use unimse_train::{evaluate, train::trainer, unify};

use crate::tiny;

static GO: AtomicBool = AtomicBool::new(false);

struct Run {
    work: tempfile::TempDir,
    config: RunConfig,
    results: Results,
}

/// One epoch under the preset called `name`.
fn run(name: &str) -> Run {
    tch::set_num_threads(1); // tests run side by side
    let (t5, encoder) = (tiny::folder(tiny::T5), tiny::folder(tiny::BERT));
    let work = tempfile::tempdir().unwrap();
    let at = |name: &str| work.path().join(name);
    let encoder = encoder.path().to_str().unwrap();
    let overrides = [
        format!("model.checkpoint={}", t5.path().display()),
        format!("labels.encoder={encoder}"),
        "model.max_tokens=48".to_owned(),
        "train.batch=64".to_owned(),
        "train.epochs=1".to_owned(),
        "evaluate.resamples=100".to_owned(),
        "evaluate.baselines=frozen".to_owned(),
        "evaluate.robustness=false".to_owned(),
    ];
    let config = RunConfig::merge(presets::find(name), None, &overrides).unwrap();
    assert_eq!(config.preset, name);
    let folder = RunFolder {
        run: at("run"),
        corpus: at("corpus"),
        labels: at("labels"),
    };
    unimse_corpus::demo::write(&at("data")).unwrap();
    unimse_corpus::ingest(&at("data"), &folder.corpus, &[], &mut |_| {}).unwrap();
    let (corpus, labels) = (&folder.corpus, &folder.labels);
    let options = config.labels.options();
    unify::run(corpus, labels, encoder, None, None, &options).unwrap();
    trainer::train(&config, &folder, 7, false, &GO).unwrap();
    let results = evaluate::evaluate(&config, &folder, &GO).unwrap();
    Run {
        work,
        config,
        results,
    }
}

/// Every told loss is a number, with a contrastive loss for each fused layer of the encoder, and every corpus has a value of every metric or
/// the reason why not.
fn assert_finite(run: &Run) {
    let events = std::fs::read_to_string(run.work.path().join("run/events.jsonl")).unwrap();
    let events = events
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let steps: Vec<Value> = events.filter(|e: &Value| e["event"] == "step").collect();
    assert!(!steps.is_empty());
    for step in &steps {
        for part in ["loss", "task", "norm"] {
            // what is no number is null
            assert!(step[part].is_number(), "{part}: {step}");
        }
        for part in ["text_audio", "text_video"] {
            let layers = step[part].as_array().unwrap();
            assert_eq!(layers.len(), run.config.fusion.layers.get(), "{step}");
            assert!(layers.iter().all(Value::is_number), "{step}");
        }
    }
    let names: Vec<&str> = run.results.corpora.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["mosi", "mosei", "meld", "iemocap"]);
    for (name, corpus) in run.results.corpora.iter() {
        let test = &corpus.test;
        assert!(!test.metrics.is_empty(), "{name}");
        assert!(test.metrics.values().all(|m| m.is_finite()), "{name}");
    }
}

#[test]
fn the_papers_preset_trains_and_answers() {
    let run = run("paper");
    assert_finite(&run);
    assert_eq!(run.results.donors, Some(DonorProtocol::Train));
    assert_ne!(run.results.leaky, Some(true));
}

#[test]
fn the_preset_of_the_released_code_trains_and_answers_and_is_leaky() {
    let run = run("release");
    assert_finite(&run);
    assert_eq!(run.results.leaky, Some(true));
    let weights =
        unimse_model::weights::read(&run.work.path().join("run/checkpoints/model.safetensors"));
    let weights = weights.unwrap();
    let fused = |stack: &str| {
        let name = |block: usize| format!("unimse.fusion.{stack}{block}.down.weight");
        (0..4)
            .filter(|&block| weights.contains_key(&name(block)))
            .collect::<Vec<_>>()
    };
    // of the four blocks of its encoder, and the three of its decoder
    assert_eq!(
        (fused(""), fused("decoder.")),
        (vec![1, 2, 3], vec![0, 1, 2])
    );
}
