//! The layers of a configuration as TOML tables: preset, file, then `a.b=c`, each laid over the one before.

use std::path::Path;

use crate::TrainError;

/// All layers in one table, not yet checked against the keys that exist.
pub(crate) fn merge(
    preset: Option<(&str, &str)>,
    file: Option<&Path>,
    overrides: &[String],
) -> Result<toml::Table, TrainError> {
    let mut merged = toml::Table::new();
    if let Some((name, text)) = preset {
        overlay(&mut merged, parse_table(&format!("preset {name}"), text)?);
    }
    if let Some(path) = file {
        let text = std::fs::read_to_string(path).map_err(TrainError::io(path, "reading"))?;
        overlay(
            &mut merged,
            parse_table(&path.display().to_string(), &text)?,
        );
    }
    for text in overrides {
        set(&mut merged, text)?;
    }
    Ok(merged)
}

fn parse_table(source: &str, text: &str) -> Result<toml::Table, TrainError> {
    text.parse::<toml::Table>()
        .map_err(|e| TrainError::Config(format!("{source}: {}", one_line(&e.to_string()))))
}

/// A TOML error in one line, without names of types.
pub(crate) fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut line = words.join(" ");
    for (kind, plain) in [
        ("usize", "a whole number, not negative"),
        ("u64", "a whole number, not negative"),
        ("u8", "a whole number from 0 to 255"),
        ("i64", "a whole number"),
        ("f64", "a number"),
        ("f32", "a number"),
    ] {
        line = line.replace(&format!("expected {kind}"), &format!("expected {plain}"));
    }
    line
}

/// Lays `top` over `base`, tables merged key by key.
fn overlay(base: &mut toml::Table, top: toml::Table) {
    for (key, value) in top {
        match (base.get_mut(&key), value) {
            (Some(toml::Value::Table(below)), toml::Value::Table(above)) => overlay(below, above),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

/// Applies `a.b=c`; what is no TOML value is taken as a string.
fn set(table: &mut toml::Table, text: &str) -> Result<(), TrainError> {
    let bad = || TrainError::Config(format!("override {text:?}: expected key.path=value"));
    let (path, value) = text.split_once('=').ok_or_else(bad)?;
    let value = format!("v = {value}")
        .parse::<toml::Table>()
        .ok()
        .and_then(|mut t| t.remove("v"))
        .unwrap_or_else(|| toml::Value::String(value.to_owned()));
    let mut keys: Vec<&str> = path.trim().split('.').collect();
    let last = keys.pop().filter(|k| !k.is_empty()).ok_or_else(bad)?;
    let mut at = table;
    for key in keys {
        if key.is_empty() {
            return Err(bad());
        }
        at = at
            .entry(key)
            .or_insert_with(|| toml::Value::Table(toml::Table::new()))
            .as_table_mut()
            .ok_or_else(|| {
                TrainError::Config(format!(
                    "override {text:?}: {key} is a value, not a section"
                ))
            })?;
    }
    at.insert(last.to_owned(), value);
    Ok(())
}
