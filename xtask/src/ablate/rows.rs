//! The rows of an ablation: this is the list.

use crate::reproduce::Keep;
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

/// One row of the table.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) name: String,
    /// What it shows.
    pub(super) shows: String,
    /// Configuration values over those of `full`.
    pub(super) values: Vec<String>,
    /// What is trained for it: one run, of `separate` one for each corpus.
    pub(super) parts: Vec<Part>,
}

/// One run of a row, in a folder below OUT.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Part {
    pub(super) folder: String,
    pub(super) keep: Keep,
}

/// The reference of all differences.
pub(super) const FULL: &str = "full";

/// Rows that are the preset with a few values changed: name, what it shows, values.
const CHANGED: [(&str, &str, &[&str]); 10] = [
    (
        FULL,
        "the configuration itself, the reference of all differences",
        &[],
    ),
    (
        "own-fields",
        "joint training without universal labels: borrowed fields are missing",
        &["labels.donors=none"],
    ),
    (
        "donors-random",
        "universal labels from a random donor of the same polarity",
        &["labels.donors=random"],
    ),
    (
        "donors-shuffled",
        "universal labels from the donor of another utterance of the same polarity",
        &["labels.donors=shuffled"],
    ),
    (
        "donors-all",
        "test rows lend labels too, as in the official release: leaky",
        &["labels.donors=all"],
    ),
    (
        "no-fusion",
        "audio and video do not enter the text encoder",
        &["fusion.layers=0"],
    ),
    (
        "no-text-audio",
        "without the contrastive loss of text and audio",
        &["contrastive.alpha=0"],
    ),
    (
        "no-text-video",
        "without the contrastive loss of text and video",
        &["contrastive.beta=0"],
    ),
    (
        "no-contrast",
        "without both contrastive losses",
        &["contrastive.alpha=0", "contrastive.beta=0"],
    ),
    (
        "no-skip",
        "fusion replaces the hidden state, as in the paper's formula",
        &["fusion.skip=false"],
    ),
];

/// All rows, `full` first. `config` is the merged configuration of `full`, `corpora` are those with train rows, `models` the folder of
/// checkpoints.
pub(super) fn rows(config: &toml::Table, corpora: &[String], models: &Path) -> Result<Vec<Row>> {
    let mut rows: Vec<Row> = CHANGED
        .iter()
        .map(|(name, shows, values)| {
            let values = values.iter().map(|&value| value.to_owned());
            whole(name, (*shows).to_owned(), values.collect())
        })
        .collect();
    let in_decoder = key(config, "fusion", "decoder_layers").and_then(toml::Value::as_integer);
    if in_decoder.is_some_and(|blocks| blocks > 0) {
        let fused = rows.iter_mut().filter(|row| row.name == "no-fusion");
        fused.for_each(|row| row.values.push("fusion.decoder_layers=0".to_owned()));
    }
    for (name, shows, values) in modalities(config) {
        rows.push(whole(name, shows.to_owned(), values));
    }
    rows.extend(inputs(config));
    for (name, values) in backbones(config, models)? {
        let shows = format!("with {name} as text encoder");
        rows.push(whole(&format!("backbone-{name}"), shows, values));
    }
    if corpora.len() > 1 {
        let part = |corpus: &String| Part {
            folder: format!("separate/{corpus}"),
            keep: Keep::Only(corpus.clone()),
        };
        let separate = Row {
            name: "separate".to_owned(),
            shows: "a model for each corpus, trained on it alone with its own labels".to_owned(),
            values: Vec::new(),
            parts: corpora.iter().map(part).collect(),
        };
        rows.insert(1, separate);
        rows.extend(corpora.iter().map(without));
    }
    Ok(rows)
}

/// A row of one model that is trained and tested on all corpora.
fn whole(name: &str, shows: String, values: Vec<String>) -> Row {
    Row {
        name: name.to_owned(),
        shows,
        values,
        parts: vec![Part {
            folder: name.to_owned(),
            keep: Keep::All,
        }],
    }
}

/// Rows that change what is read with an utterance: its neighbours, names of speakers, words for the voice.
fn inputs(config: &toml::Table) -> Vec<Row> {
    let read = |name| key(config, "model", name).and_then(toml::Value::as_integer);
    let alone = read("context_before") == Some(0) && read("context_after") == Some(0);
    let (name, shows, utterances) = if alone {
        ("context-2", "with two utterances before and two after", 2)
    } else {
        ("context-0", "utterances without their neighbours", 0)
    };
    let context = ["before", "after"].map(|side| format!("model.context_{side}={utterances}"));
    let mut rows = vec![whole(name, shows.to_owned(), context.to_vec())];
    let speakers = key(config, "model", "speakers").and_then(toml::Value::as_bool) == Some(true);
    let (name, shows) = if speakers {
        ("no-speakers", "without names of speakers in the text")
    } else {
        ("speakers", "with names of speakers in the text")
    };
    let value = format!("model.speakers={}", !speakers);
    rows.push(whole(name, shows.to_owned(), vec![value]));
    if voice_in_words(config) {
        let shows = "without words for the voice in front of the text".to_owned();
        rows.push(whole("no-voice-in-words", shows, vec![NO_VOICE.to_owned()]));
    }
    rows
}

/// Name of the row in which a corpus is only tested on.
pub(super) fn transfer_to(corpus: &str) -> String {
    format!("without-{corpus}")
}

fn without(corpus: &String) -> Row {
    let name = transfer_to(corpus);
    Row {
        shows: format!(
            "no row of {corpus} trains or selects, its labels reach the others as donors alone; its own numbers are transfer"
        ),
        values: Vec::new(),
        parts: vec![Part {
            folder: name.clone(),
            keep: Keep::Testing(corpus.clone()),
        }],
        name,
    }
}

fn key<'t>(config: &'t toml::Table, section: &str, key: &str) -> Option<&'t toml::Value> {
    config.get(section)?.get(key)
}

/// Without words for the voice, which are audio.
const NO_VOICE: &str = "model.voice_in_words=false";

fn voice_in_words(config: &toml::Table) -> bool {
    key(config, "model", "voice_in_words").and_then(toml::Value::as_bool) == Some(true)
}

/// Rows that lack a modality, of those that the configuration reads.
fn modalities(config: &toml::Table) -> Vec<(&'static str, &'static str, Vec<String>)> {
    let read = key(config, "model", "modalities").and_then(toml::Value::as_array);
    let read: Vec<&str> = read
        .into_iter()
        .flatten()
        .filter_map(|name| name.as_str())
        .collect();
    let without = |left: &[&str]| {
        let kept = read.iter().filter(|name| !left.contains(name));
        let kept: Vec<String> = kept.map(|name| format!("{name:?}")).collect();
        let mut values = vec![format!("model.modalities=[{}]", kept.join(","))];
        if left.contains(&"audio") && voice_in_words(config) {
            values.push(NO_VOICE.to_owned());
        }
        values
    };
    let mut rows = Vec::new();
    if read.contains(&"audio") && read.contains(&"video") {
        rows.push(("no-audio", "text and video", without(&["audio"])));
        rows.push(("no-video", "text and audio", without(&["video"])));
    }
    if read.len() > 1 {
        let text_only = without(&["audio", "video"]);
        rows.push(("text-only", "neither audio nor video", text_only));
    }
    rows
}

/// The other checkpoints in `models`, by name, with the values that make one the backbone.
fn backbones(config: &toml::Table, models: &Path) -> Result<Vec<(String, Vec<String>)>> {
    let Ok(entries) = fs::read_dir(models) else {
        return Ok(Vec::new());
    };
    let text = |section, name| key(config, section, name).and_then(toml::Value::as_str);
    let own = text("model", "checkpoint").unwrap_or_default();
    let own = own.trim_end_matches('/').rsplit('/').next();
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot list {}", models.display()))?;
        let (path, name) = (
            entry.path(),
            entry.file_name().to_string_lossy().into_owned(),
        );
        let Some((kind, width)) = architecture(&path)? else {
            continue;
        };
        // T5's own decoder needs T5's own encoder
        let fits = text("model", "decoder") != Some("t5") || kind == "t5";
        if own != Some(&name) && fits {
            let heads = (1..=(width / 64).max(1)).rev().find(|h| width % h == 0);
            found.push((
                name.clone(),
                vec![
                    format!("model.checkpoint=.models/{name}"),
                    format!("label_decoder.heads={}", heads.unwrap_or(1)),
                ],
            ));
        }
    }
    found.sort();
    Ok(found)
}

/// `model_type` and width of the checkpoint in a folder; `None` for a folder that is none.
fn architecture(folder: &Path) -> Result<Option<(String, u64)>> {
    let path = folder.join("config.json");
    let Ok(bytes) = fs::read(&path) else {
        return Ok(None);
    };
    let config: serde_json::Value = serde_json::from_slice(&bytes)
        .with_context(|| format!("{}: expected JSON", path.display()))?;
    let width = config.get("hidden_size").or(config.get("d_model"));
    let kind = config.get("model_type").and_then(|kind| kind.as_str());
    Ok(kind
        .map(str::to_owned)
        .zip(width.and_then(serde_json::Value::as_u64)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;

    fn config(text: &str) -> toml::Table {
        text.parse().unwrap()
    }

    #[test]
    fn rows_follow_configuration_corpora_and_checkpoints() {
        let models = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("small", r#"{"model_type": "bert", "hidden_size": 384}"#),
            ("base", r#"{"model_type": "mpnet", "hidden_size": 768}"#),
            ("notes", r#"{"title": "no checkpoint"}"#),
        ] {
            fs::create_dir(models.path().join(name)).unwrap();
            fs::write(models.path().join(name).join("config.json"), text).unwrap();
        }
        let all = config(
            "[model]\ncheckpoint = \".models/small\"\nspeakers = true\nmodalities = [\"text\", \"audio\", \"video\"]",
        );
        let corpora = ["meld".to_owned(), "mosi".to_owned()];
        let found = rows(&all, &corpora, models.path()).unwrap();
        let names: Vec<&str> = found.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(
            names.join(" "),
            "full separate own-fields donors-random donors-shuffled donors-all no-fusion no-text-audio no-text-video no-contrast no-skip \
             no-audio no-video text-only context-0 no-speakers backbone-base without-meld without-mosi"
        );
        let row = |name: &str| found.iter().find(|row| row.name == name).unwrap();
        let values = |name: &str| row(name).values.join(" ");
        assert_eq!(values("no-audio"), r#"model.modalities=["text","video"]"#);
        assert_eq!(values("text-only"), r#"model.modalities=["text"]"#);
        assert_eq!(values("no-speakers"), "model.speakers=false");
        assert_eq!(
            values("backbone-base"),
            format!(
                "model.checkpoint=.models/base label_decoder.heads={}",
                768 / 64
            )
        );
        let parts = &row("separate").parts;
        let folders: Vec<&str> = parts.iter().map(|part| part.folder.as_str()).collect();
        assert_eq!(folders, ["separate/meld", "separate/mosi"]);
        assert_eq!(
            row("without-mosi").parts[0].keep,
            Keep::Testing("mosi".to_owned())
        );
    }

    #[test]
    fn words_for_the_voice_go_with_the_audio() {
        let text = "[model]\nvoice_in_words = true\nmodalities = [\"text\", \"audio\", \"video\"]";
        let found = rows(&config(text), &[], Path::new("/nonexistent")).unwrap();
        let mute = |row: &&Row| row.values.iter().any(|value| value == NO_VOICE);
        let names: Vec<&str> = found
            .iter()
            .filter(mute)
            .map(|row| row.name.as_str())
            .collect();
        assert_eq!(names, ["no-audio", "text-only", "no-voice-in-words"]);
    }

    #[test]
    fn one_corpus_alone_has_no_row_for_joint_training() {
        let text = config("[model]\nmodalities = [\"text\", \"audio\"]\ndecoder = \"t5\"");
        let found = rows(&text, &["mosi".to_owned()], Path::new("/nonexistent")).unwrap();
        let names: Vec<&str> = found.iter().map(|row| row.name.as_str()).collect();
        assert!(
            names.ends_with(&["text-only", "context-0", "speakers"]),
            "{names:?}"
        );
        assert!(!names.contains(&"separate"));
        let alone = config("[model]\ncontext_before = 0\ncontext_after = 0");
        let found = rows(&alone, &[], Path::new("/nonexistent")).unwrap();
        let row = found.iter().find(|row| row.name == "context-2").unwrap();
        assert_eq!(
            row.values,
            ["model.context_before=2", "model.context_after=2"]
        );
        assert!(!found.iter().any(|row| row.name == "context-0"));
    }
}
