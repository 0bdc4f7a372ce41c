//! What makes a result checkable: protocol, labels, provenance, configuration.

use serde_json::Value;

use crate::doc::{Document, Line, numbers, words};
use crate::load::Run;
use crate::metric;

/// Rows of a free-form record beyond this many are counted, not printed.
const MAX_ROWS: usize = 200;
/// Characters of a free-form value beyond this many are cut.
const MAX_CHARACTERS: usize = 400;
/// Where the value of a label field may come from.
const SOURCES: [&str; 4] = ["gold", "donor", "rule", "missing"];

/// Splits, selection, how often the test splits were opened, receipts, seeds, donors, model.
pub(crate) fn protocol(doc: &mut Document, run: &Run) {
    let r = &run.results;
    let p = &r.protocol;
    let mut rows: Vec<(String, Line)> = Vec::new();
    let mut row = |name: &str, value: Option<String>| {
        let value = value.filter(|v| !v.is_empty());
        rows.push((
            name.to_owned(),
            value.unwrap_or_else(|| "not recorded".to_owned()).into(),
        ));
    };
    row("Protocol", p.name.clone());
    row("Checkpoint selected on", p.selection.clone());
    row(
        "Test splits opened",
        p.test_openings.map(|n| {
            let times = match n {
                1.0 => "once".to_owned(),
                n => format!("{} times", metric::count(n)),
            };
            let by = if run.aggregate {
                " by each seed's model, at most"
            } else {
                ""
            };
            format!("{times}{by}")
        }),
    );
    row("Splits", Some(splits(run)));
    let seeds: Vec<_> = r.seeds.iter().map(u64::to_string).collect();
    row("Seeds", Some(seeds.join(", ")));
    row(
        "Donors of labels",
        run.leaky().map(|leaky| match leaky {
            true => "train and test rows (leaky)".to_owned(),
            false => "train rows only (not leaky)".to_owned(),
        }),
    );
    row(
        "Data",
        Some(if run.synthetic() { "synthetic" } else { "real" }.to_owned()),
    );
    row("Label fields", Some(r.fields.join(", ")));
    for (name, value) in [
        ("Preset", &r.preset),
        ("Backbone", &r.backbone),
        ("Decoder", &r.decoder),
        ("Label form", &r.label_form),
    ] {
        if value.is_some() {
            row(name, value.clone());
        }
    }
    if let Some(skip) = r.fusion.skip {
        row("Fusion adds the hidden state", Some(skip.to_string()));
    }
    row("Modalities", Some(r.modalities.join(", ")));
    row("Trained on", Some(r.trained_on.join(", ")));
    row("Intensity readout", r.readout.as_ref().map(in_words));
    for (key, value) in r.timing.iter().flat_map(flatten) {
        match (key.strip_suffix("_s"), value.parse()) {
            (Some(stage), Ok(seconds)) => {
                row(&format!("Time to {stage}"), Some(metric::duration(seconds)))
            }
            _ => row(&format!("timing {key}"), Some(value)),
        }
    }
    // The aggregate has no test opening of its own: every receipt is a seed's.
    let receipts: Vec<_> = run
        .seeds
        .iter()
        .filter_map(|seed| {
            let receipt = seed.results.protocol.receipt.as_ref()?;
            let of = if run.aggregate {
                format!(" of {}", seed.name)
            } else {
                String::new()
            };
            Some((format!("Receipt{of}"), receipt))
        })
        .collect();
    if receipts.is_empty() {
        row("Receipt", None);
    }
    let rest = p.rest.iter().map(|(k, v)| (k.clone(), v));
    for (name, value) in receipts.into_iter().chain(rest) {
        for (key, value) in flatten(value) {
            rows.push((
                format!("{name} {key}").trim_end().to_owned(),
                Line::default().code(value),
            ));
        }
    }
    doc.heading(2, "Protocol");
    doc.pairs(rows);
}

fn splits(run: &Run) -> String {
    let count = |n: Option<f64>| n.map_or_else(|| "?".to_owned(), metric::count);
    let corpora = run.results.corpora.iter();
    let sizes: Vec<_> = corpora
        .map(|(name, c)| format!("{name} dev {} / test {}", count(c.dev.n), count(c.test.n)))
        .collect();
    sizes.join("; ")
}

/// Where the values of each label field came from, when recorded: `{corpus: {field: {gold: n, donor: n, ...}}}`.
pub(crate) fn labels(doc: &mut Document, run: &Run) {
    let Some(labels) = &run.results.labels else {
        return;
    };
    doc.heading(2, "Labels");
    let rows = source_table(labels);
    if rows.is_empty() {
        let pairs = flatten(labels).into_iter();
        doc.pairs(pairs.map(|(k, v)| (k, Line::default().code(v))).collect());
        return;
    }
    let mut head = vec![words("Corpus"), words("Field")];
    head.extend(SOURCES.map(numbers));
    doc.table(
        "Where the values of every universal-label field came from: annotated (gold), borrowed from the most similar utterance of the \
         same polarity (donor), following from neutral polarity (rule), or masked (missing).",
        head,
        rows,
    );
}

fn source_table(labels: &Value) -> Vec<Vec<Line>> {
    let mut rows = Vec::new();
    for (corpus, fields) in labels.as_object().into_iter().flatten() {
        for (field, counts) in fields.as_object().into_iter().flatten() {
            let of = |source: &str| counts.get(source).and_then(Value::as_f64);
            let total: f64 = SOURCES.iter().filter_map(|s| of(s)).sum();
            if total <= 0.0 {
                continue;
            }
            let mut row: Vec<Line> = vec![corpus.as_str().into(), field.as_str().into()];
            row.extend(SOURCES.map(|source| {
                let n = of(source).unwrap_or(0.0);
                Line::from(format!(
                    "{} ({} %)",
                    metric::count(n),
                    metric::number(100.0 * n / total, 1)
                ))
            }));
            rows.push(row);
        }
    }
    rows
}

/// Who made it, from what, with what.
pub(crate) fn provenance(doc: &mut Document, run: &Run) {
    doc.heading(2, "Provenance");
    match &run.provenance {
        None => doc.paragraph("Not recorded."),
        Some(value) => {
            let rows = flatten(value).into_iter();
            doc.pairs(rows.map(|(k, v)| (k, Line::default().code(v))).collect());
        }
    }
}

/// The merged configuration as the run saved it.
pub(crate) fn config(doc: &mut Document, run: &Run) {
    doc.heading(2, "Configuration");
    doc.verbatim(run.config.as_str());
}

/// A JSON value as dotted names with values; lists of plain values stay on one line. A plain value has the empty name.
pub(crate) fn flatten(value: &Value) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    push(&mut rows, String::new(), value);
    if rows.len() > MAX_ROWS {
        let more = rows.len() - MAX_ROWS;
        rows.truncate(MAX_ROWS);
        rows.push(("…".to_owned(), format!("and {more} more")));
    }
    rows
}

fn push(rows: &mut Vec<(String, String)>, name: String, value: &Value) {
    let below = |key: &str| {
        if name.is_empty() {
            key.to_owned()
        } else {
            format!("{name}.{key}")
        }
    };
    match value {
        Value::Object(map) if !map.is_empty() => {
            map.iter().for_each(|(k, v)| push(rows, below(k), v));
        }
        Value::Array(items) if items.iter().any(|v| v.is_object() || v.is_array()) => {
            items
                .iter()
                .enumerate()
                .for_each(|(i, v)| push(rows, below(&i.to_string()), v));
        }
        value => rows.push((name, in_words(value))),
    }
}

fn in_words(value: &Value) -> String {
    let words = match value {
        Value::String(s) => s.clone(),
        Value::Array(items) => items.iter().map(in_words).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    };
    match words.char_indices().nth(MAX_CHARACTERS) {
        Some((at, _)) => format!("{}…", words.get(..at).unwrap_or_default()),
        None => words,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn records_are_flattened_and_bounded() {
        let value = json!({"a": {"b": 1, "c": [1, "x"]}, "d": [{"e": true}], "f": {}});
        let expected = [
            ("a.b", "1"),
            ("a.c", "1, x"),
            ("d.0.e", "true"),
            ("f", "{}"),
        ];
        let found = flatten(&value);
        assert!(
            found
                .iter()
                .map(|(k, v)| (k.as_str(), v.as_str()))
                .eq(expected)
        );
        let long = flatten(&json!({ "list": vec![json!({"k": "é".repeat(1000)}); 500] }));
        assert_eq!(long.len(), MAX_ROWS + 1);
        assert!(
            long.iter()
                .all(|(_, v)| v.chars().count() <= MAX_CHARACTERS + 1)
        );
    }

    #[test]
    fn label_sources_have_shares() {
        let rows = source_table(&json!({"mosi": {"meld": {"gold": 0, "donor": 3, "missing": 1}}}));
        let cells: Vec<_> = rows.into_iter().flatten().collect();
        let expected = [
            "mosi",
            "meld",
            "0 (0.0 %)",
            "3 (75.0 %)",
            "0 (0.0 %)",
            "1 (25.0 %)",
        ];
        assert_eq!(cells, expected.map(Line::from));
    }
}
