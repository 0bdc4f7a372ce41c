//! `docs/schema`: the JSON Schemas of what runs write, as the types say it. `UNIMSE_BLESS=1 cargo test --release -p unimse-run --test suite schema` writes them anew.

use std::path::Path;

use schemars::Schema;
use unimse_run::{
    Answer, Comparison, Event, PredictedRow, Provenance, Representations, Results, RoCrate, Scored,
};

#[test]
fn the_schemas_are_those_of_the_types() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/schema"));
    let files: [(&str, Schema); 9] = [
        ("results.schema.json", schemars::schema_for!(Results)),
        ("answer.schema.json", schemars::schema_for!(Answer)),
        (
            "predictions.schema.json",
            schemars::schema_for!(PredictedRow),
        ),
        (
            "representations.schema.json",
            schemars::schema_for!(Representations),
        ),
        ("event.schema.json", schemars::schema_for!(Event)),
        ("provenance.schema.json", schemars::schema_for!(Provenance)),
        ("comparison.schema.json", schemars::schema_for!(Comparison)),
        ("scored.schema.json", schemars::schema_for!(Scored)),
        ("ro-crate.schema.json", schemars::schema_for!(RoCrate)),
    ];
    for (name, schema) in files {
        let path = folder.join(name);
        let mut text = serde_json::to_string_pretty(&schema).unwrap();
        text.push('\n');
        if std::env::var_os("UNIMSE_BLESS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            found == text,
            "{name} is not what the types say: run UNIMSE_BLESS=1 cargo test --release -p unimse-run --test suite schema, and commit it"
        );
    }
}
