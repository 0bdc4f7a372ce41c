//! The configuration of the run: what it changes of its preset, and the whole of it.

use std::collections::BTreeMap;

use unimse_run::dotted;

use crate::doc::{Document, Line, words};
use crate::load::Run;

/// The section. `preset` is the whole configuration that the preset alone gives, as TOML.
pub(crate) fn section(doc: &mut Document, run: &Run, preset: Option<&str>) {
    doc.heading(2, "Configuration");
    if let (Some(preset), Some(name)) = (preset, &run.results.preset) {
        match (values(preset), values(&run.config)) {
            (Ok(preset), Ok(run)) => changes(doc, name, &preset, &run),
            (_, Err(error)) | (Err(error), _) => doc.notice(format!(
                "What this run changes of the preset {name} is not known: config.toml is no TOML: {}.",
                error.message()
            )),
        }
    }
    doc.verbatim("config.toml", run.config.as_str());
}

/// One row a value that differs.
fn changes(
    doc: &mut Document,
    name: &str,
    preset: &BTreeMap<String, String>,
    run: &BTreeMap<String, String>,
) {
    let keys: std::collections::BTreeSet<&String> = preset.keys().chain(run.keys()).collect();
    let all = keys.len();
    let shown =
        |value: Option<&String>| value.map_or_else(|| Line::from("—"), |v| Line::default().code(v));
    let differs = |key: &&String| preset.get(*key) != run.get(*key);
    let rows: Vec<Vec<Line>> = keys
        .into_iter()
        .filter(differs)
        .map(|key| {
            vec![
                Line::default().code(key),
                shown(preset.get(key)),
                shown(run.get(key)),
            ]
        })
        .collect();
    if rows.is_empty() {
        doc.paragraph(format!(
            "Every one of {all} values is that of the preset {name}."
        ));
        return;
    }
    let caption = format!(
        "Values that differ from the preset {name}: {} of {all}.",
        rows.len()
    );
    doc.table(
        caption,
        ["Key", "Preset", "This run"].map(words).into(),
        rows,
    );
}

/// Every value by its dotted key.
fn values(text: &str) -> Result<BTreeMap<String, String>, toml::de::Error> {
    Ok(dotted(&text.parse()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn only_what_differs_is_shown() {
        assert!(values("no = [").is_err());
        let values = |text| values(text).unwrap();
        let mut doc = Document::new("t", "s");
        let (preset, run) = (
            values("a = 1\nb = 2\nd = 4"),
            values("a = 1\nb = 3\nc = 5\nd = 4"),
        );
        changes(&mut doc, "demo", &preset, &run);
        let shown = crate::markdown::render(&doc);
        assert!(
            shown.contains("differ from the preset demo: 2 of 4"),
            "{shown}"
        );
        assert!(
            shown.contains("| `b` | `2` | `3` |") && shown.contains("| `c` | — | `5` |"),
            "{shown}"
        );
        let mut doc = Document::new("t", "s");
        changes(&mut doc, "demo", &preset, &preset);
        assert!(crate::markdown::render(&doc).contains("Every one of 3 values"));
    }
}
