//! The interface as OpenAPI 3.1, its schemas those of the types that are read and written.

use anyhow::{Context, Result};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

use super::explain::Explanation;
use super::limits::{BODY_BYTES, ROWS};
use super::problem::Body;
use super::request::{Explain, Predict};
use super::routes::{Health, Predicted};

/// A row of `unimse predict` as a request may bring it; further members come back in the answer.
#[derive(JsonSchema)]
#[allow(dead_code, reason = "it is read as a map; the tests compare the two")]
pub(super) struct Row {
    /// The utterance; may be empty where there are audio or video features.
    text: String,
    /// Who speaks.
    speaker: Option<String>,
    /// Utterances before it, oldest first; the model reads the last of them.
    context: Option<Vec<Turn>>,
    /// Utterances after it, next first; the model reads the first of them.
    context_after: Option<Vec<Turn>>,
    /// Acoustic features, or a wave file, read as log-mel features.
    audio: Option<Audio>,
    /// Visual features.
    video: Option<Features>,
    /// The clip in which the utterance is said: its sound and pictures become the features that the model was trained on, where the row brings none itself.
    clip: Option<Clip>,
    /// Where in the clip it begins, in seconds; default 0.
    start_s: Option<f64>,
    /// Where in the clip it ends; default with the clip.
    end_s: Option<f64>,
    /// Rows of one dialogue are each other's context, unless they bring one.
    dialogue_id: Option<String>,
    /// Order within the dialogue; default that of the rows.
    turn: Option<i64>,
}

/// A turn of a dialogue.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[allow(dead_code, reason = "as Row")]
enum Turn {
    /// Its text.
    Text(String),
    /// With its speaker.
    Spoken {
        /// The text.
        text: String,
        /// Who speaks.
        speaker: Option<String>,
    },
}

/// Features `[steps, features]`, or `[features]` as one step; null for what is no number.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[allow(dead_code, reason = "as Row")]
enum Features {
    /// Steps.
    Steps(Vec<Vec<Option<f32>>>),
    /// One step.
    Step(Vec<Option<f32>>),
}

/// Features, or a wave file.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[allow(dead_code, reason = "as Row")]
enum Audio {
    /// Numbers.
    Features(Features),
    /// A file.
    Wave {
        /// The bytes of a wave file in base64, at most a minute.
        wav: String,
    },
}

/// A clip.
#[derive(JsonSchema)]
#[allow(dead_code, reason = "as Row")]
struct Clip {
    /// The bytes of a wav, flac, mp3, ogg, m4a or mp4 file in base64, of which at most a minute is read.
    base64: String,
}

/// The document, as text.
pub(super) fn document() -> Result<String> {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    let mut schemas = settings.into_generator();
    let predict = operation(
        "Answer rows",
        &schemas.subschema_for::<Predict>(),
        &schemas.subschema_for::<Predicted>(),
        &mut schemas,
    );
    let explain = operation(
        "Answer one row and say what the answer rests on",
        &schemas.subschema_for::<Explain>(),
        &schemas.subschema_for::<Explanation>(),
        &mut schemas,
    );
    let health = response("The server answers", &schemas.subschema_for::<Health>());
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "unimse serve",
            "version": env!("CARGO_PKG_VERSION"),
            "description": format!("Answers of one trained run. Bodies of at most {BODY_BYTES} bytes, at most {ROWS} rows, one request a connection."),
        },
        "paths": {
            "/predict": {"post": predict},
            "/explain": {"post": explain},
            "/health": {"get": {"summary": "Whether the server answers", "responses": {"200": health}}},
            "/openapi.json": {"get": {"summary": "This document", "responses": {"200": {"description": "OpenAPI 3.1"}}}},
        },
        "components": {"schemas": schemas.take_definitions(true)},
    });
    serde_json::to_string_pretty(&document).context("openapi.json")
}

/// A `POST` of JSON.
fn operation(
    summary: &str,
    body: &Schema,
    answer: &Schema,
    schemas: &mut SchemaGenerator,
) -> Value {
    let problem = schemas.subschema_for::<Body<'_>>();
    let mut responses = serde_json::Map::new();
    responses.insert("200".to_owned(), response(summary, answer));
    for (status, description) in [
        ("400", "No JSON, or no Host"),
        ("403", "A page of another origin asks"),
        ("408", "The body does not come"),
        (
            "413",
            "Body, rows, clips, text or features beyond the limits",
        ),
        ("415", "Not application/json"),
        ("421", "Asked by the name of another host"),
        (
            "422",
            "JSON of another shape, or a row that the model cannot read",
        ),
        ("500", "The model failed"),
        (
            "503",
            "Too many rows or large bodies wait; Retry-After says when to ask again",
        ),
    ] {
        let content = json!({"application/problem+json": {"schema": problem}});
        let response = json!({"description": description, "content": content});
        responses.insert(status.to_owned(), response);
    }
    let content = json!({"application/json": {"schema": body}});
    json!({"summary": summary, "requestBody": {"required": true, "content": content}, "responses": responses})
}

fn response(description: &str, schema: &Schema) -> Value {
    json!({"description": description, "content": {"application/json": {"schema": schema}}})
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use unimse_train::predict::rows::Row;

    /// Every `$ref` in a document.
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(object) => {
                let named = object.get("$ref").and_then(Value::as_str);
                found.extend(named.map(str::to_owned));
                object.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    /// `docs/schema/openapi.json` is what the server gives; `UNIMSE_BLESS=1` writes it anew.
    #[test]
    fn the_file_is_the_document() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../docs/schema/openapi.json"
        );
        let text = document().unwrap() + "\n";
        if std::env::var_os("UNIMSE_BLESS").is_some() {
            std::fs::write(path, &text).unwrap();
        }
        let found = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            found == text,
            "openapi.json is not what the types say: run UNIMSE_BLESS=1 cargo test --package unimse openapi, and commit it"
        );
    }

    #[test]
    fn every_reference_is_there_and_the_row_is_what_is_read() {
        let document: Value = serde_json::from_str(&document().unwrap()).unwrap();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 10);
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
        for name in ["Answer", "Row", "Problem", "Explanation"] {
            assert!(
                document["components"]["schemas"][name].is_object(),
                "{name}"
            );
        }
        // a wrong value of a member that is read is refused, one of a member that is only kept is not
        let members = document["components"]["schemas"]["Row"]["properties"].clone();
        let members: Vec<&String> = members.as_object().unwrap().keys().collect();
        let refused = |name: &str| {
            let row = json!({"text": "t", "dialogue_id": "d", "clip": {"base64": ""}, name: {"no": "value"}});
            let Value::Object(row) = row else {
                panic!("an object")
            };
            Row::parse(row, "/rows/0".to_owned(), None).is_err()
        };
        for name in &members {
            assert!(refused(name), "{name}");
        }
        assert!(!refused("note"));
        assert_eq!(members.len(), 11);
    }
}
