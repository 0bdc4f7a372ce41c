//! A run folder -> what the report needs. Everything read here was written by others: strings are cleaned at this gate.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::ReportError;
use crate::events::{self, Curves};
use crate::schema::{Confusion, Results};
use unimse_run::RESULTS_SCHEMA;

/// A confusion matrix with more classes than this is not drawn but refused.
const MAX_CLASSES: usize = 64;

/// A run folder: one seed, or the aggregate of several.
pub(crate) struct Run {
    /// The folder's own name.
    pub(crate) name: String,
    pub(crate) results: Results,
    pub(crate) provenance: Option<Value>,
    pub(crate) config: String,
    /// One entry a seed: the run itself, or its `seed-<n>` children in order of n.
    pub(crate) seeds: Vec<SeedRun>,
    pub(crate) aggregate: bool,
}

/// What one seed left.
pub(crate) struct SeedRun {
    pub(crate) name: String,
    pub(crate) results: Results,
    pub(crate) curves: Curves,
}

impl Run {
    fn all_results(&self) -> impl Iterator<Item = &Results> {
        std::iter::once(&self.results).chain(self.seeds.iter().map(|s| &s.results))
    }

    /// Whether the corpora of the run, or of any of its seeds, came from a generator.
    pub(crate) fn synthetic(&self) -> bool {
        self.all_results().any(|r| r.synthetic)
    }

    /// Whether test rows donated labels, in the run or any of its seeds; `None` where nothing says.
    pub(crate) fn leaky(&self) -> Option<bool> {
        self.all_results()
            .filter_map(|r| r.leaky)
            .reduce(|a, b| a || b)
    }
}

/// Reads a run folder.
///
/// # Errors
/// `results.json` must be there; `events.jsonl` and `config.toml` too, in an aggregate in each `seed-<n>` (its `config.toml` may
/// stand in the first of them). `provenance.json` may be absent.
pub(crate) fn run(folder: &Path) -> Result<Run, ReportError> {
    let results = results(&folder.join("results.json"))?;
    let children = seed_folders(folder)?;
    let seeds = if children.is_empty() {
        vec![SeedRun {
            name: seed_name(&results),
            curves: events::read(&folder.join("events.jsonl"))?,
            results: results.clone(),
        }]
    } else {
        let mut seeds = Vec::new();
        for (n, path) in &children {
            seeds.push(SeedRun {
                name: format!("seed {n}"),
                results: self::results(&path.join("results.json"))?,
                curves: events::read(&path.join("events.jsonl"))?,
            });
        }
        seeds
    };
    let first_with = |file: &str| {
        std::iter::once(folder)
            .chain(children.iter().map(|(_, path)| path.as_path()))
            .map(|at| at.join(file))
            .find(|path| path.exists())
    };
    let config = first_with("config.toml").unwrap_or_else(|| folder.join("config.toml"));
    let provenance = match first_with("provenance.json") {
        Some(path) => Some(json(&path)?),
        None => None,
    };
    let name = folder
        .canonicalize()
        .ok()
        .and_then(|path| path.file_name().map(|n| n.to_string_lossy().into_owned()))
        .unwrap_or_default();
    Ok(Run {
        name: clean(&name),
        results,
        provenance,
        config: clean(&text(&config)?),
        seeds,
        aggregate: !children.is_empty(),
    })
}

fn seed_name(results: &Results) -> String {
    match results.seeds.first() {
        Some(seed) => format!("seed {seed}"),
        None => "this run".to_owned(),
    }
}

/// The children `seed-<n>`, by n.
fn seed_folders(folder: &Path) -> Result<Vec<(u64, PathBuf)>, ReportError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(|e| ReportError::read(folder, e))? {
        let path = entry.map_err(|e| ReportError::read(folder, e))?.path();
        let n = path
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| name.strip_prefix("seed-"))
            .and_then(|n| n.parse().ok());
        if let Some(n) = n
            && path.is_dir()
        {
            found.push((n, path));
        }
    }
    found.sort();
    Ok(found)
}

fn text(path: &Path) -> Result<String, ReportError> {
    let bytes = fs::read(path).map_err(|e| ReportError::read(path, e))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn json(path: &Path) -> Result<Value, ReportError> {
    let mut value: Value =
        serde_json::from_str(&text(path)?).map_err(|source| ReportError::Json {
            path: path.to_owned(),
            source,
        })?;
    clean_value(&mut value);
    Ok(value)
}

fn results(path: &Path) -> Result<Results, ReportError> {
    let field = |field: String, message: String| ReportError::Field {
        path: path.to_owned(),
        field,
        message,
    };
    let json = json(path)?;
    let found = json.get("schema");
    if found.and_then(Value::as_u64) != Some(RESULTS_SCHEMA) {
        let found = found.map_or_else(|| "none".to_owned(), Value::to_string);
        let message =
            format!("expected {RESULTS_SCHEMA}, found {found}; run `unimse evaluate` again");
        return Err(field("schema".to_owned(), message));
    }
    let results: Results = serde_path_to_error::deserialize(json)
        .map_err(|e| field(e.path().to_string(), e.inner().to_string()))?;
    for (name, corpus) in results.corpora.iter() {
        if let Some(confusion) = &corpus.test.confusion {
            check_square(confusion)
                .map_err(|message| field(format!("corpora.{name}.test.confusion"), message))?;
        }
    }
    Ok(results)
}

fn check_square(confusion: &Confusion) -> Result<(), String> {
    let n = confusion.labels.len();
    if n > MAX_CLASSES {
        return Err(format!("expected at most {MAX_CLASSES} labels, found {n}"));
    }
    if confusion.rows_truth.len() != n {
        return Err(format!(
            "expected {n} rows, one a label, found {}",
            confusion.rows_truth.len()
        ));
    }
    for (i, row) in confusion.rows_truth.iter().enumerate() {
        if row.len() != n {
            return Err(format!("row {i}: expected {n} counts, found {}", row.len()));
        }
    }
    Ok(())
}

/// Strings lose what no page may hold (control and direction-changing characters); null members of objects are dropped, so that
/// null and absent mean the same.
fn clean_value(value: &mut Value) {
    match value {
        Value::String(s) => *s = clean(s),
        Value::Array(items) => items.iter_mut().for_each(clean_value),
        Value::Object(map) => {
            *map = std::mem::take(map)
                .into_iter()
                .filter(|(_, v)| !v.is_null())
                .map(|(k, mut v)| {
                    clean_value(&mut v);
                    (clean(&k), v)
                })
                .collect();
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Replaces characters that XML forbids or that change the direction of the text around them.
pub(crate) fn clean(s: &str) -> String {
    s.chars()
        .filter(|c| *c != '\r')
        .map(|c| match c {
            '\n' | '\t' => c,
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}' => {
                '\u{fffd}'
            }
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use serde_json::json;

    #[test]
    fn cleaning_drops_nulls_and_control_characters_everywhere() {
        let mut value = json!({"a\u{1}": [{"x": null, "y": "b\u{202e}c\n"}], "z": null});
        clean_value(&mut value);
        assert_eq!(value, json!({"a\u{fffd}": [{"y": "b\u{fffd}c\n"}]}));
    }

    #[test]
    fn a_confusion_matrix_must_be_square() {
        let of = |rows_truth| Confusion {
            labels: vec!["a".into(), "b".into()],
            rows_truth,
        };
        assert_eq!(
            check_square(&of(vec![vec![1.0, 2.0], vec![3.0, 4.0]])),
            Ok(())
        );
        assert!(
            check_square(&of(vec![vec![1.0, 2.0]]))
                .unwrap_err()
                .contains("expected 2 rows")
        );
        assert!(
            check_square(&of(vec![vec![1.0, 2.0], vec![3.0]]))
                .unwrap_err()
                .contains("row 1")
        );
    }
}
