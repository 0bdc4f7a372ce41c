//! The run beside published numbers, as far as the settings allow it.

use serde_json::Value;
use unimse_eval::{Context, Convention, Features, PaperTable, Verdict};

use crate::ReportError;
use crate::doc::{Document, Line, numbers, words};
use crate::load::Run;
use crate::metric;
use crate::schema::Corpus;

/// The published numbers that are built into this crate: those of the UniMSE paper (`data/paper/unimse.toml`).
///
/// # Errors
/// Only if that file is broken, which the tests of this crate exclude.
pub fn paper_tables() -> Result<Vec<PaperTable>, ReportError> {
    let table = PaperTable::parse(
        "data/paper/unimse.toml",
        include_str!("../../../data/paper/unimse.toml"),
    );
    Ok(vec![table.map_err(|source| ReportError::Paper { source })?])
}

/// One published number that the run has a value for.
struct Row<'a> {
    corpus: &'a str,
    metric: &'a str,
    ours: Option<f64>,
    published: f64,
    confirmed: bool,
    verdict: Verdict,
}

/// One table a publication; a synthetic run gets one sentence instead.
pub(crate) fn section(doc: &mut Document, run: &Run, tables: &[PaperTable]) {
    doc.heading(2, "Comparison with the paper");
    if run.synthetic() {
        doc.paragraph("The corpora of this run are synthetic, so no published number stands here.");
        return;
    }
    for table in tables {
        let rows = rows(run, table);
        if rows.is_empty() {
            doc.paragraph(format!(
                "No corpus of this run has a number in: {}.",
                table.citation
            ));
            continue;
        }
        let mut reasons: Vec<&str> = Vec::new();
        let cells = rows.iter().map(|row| {
            let verdict = match &row.verdict {
                Verdict::Reached | Verdict::Below => {
                    Line::default().strong(row.verdict.to_string())
                }
                Verdict::NotComparable { reason } => {
                    let known = reasons.iter().position(|r| r == reason);
                    let note = known.unwrap_or_else(|| {
                        reasons.push(reason);
                        reasons.len() - 1
                    });
                    format!("not comparable [{}]", note + 1).into()
                }
            };
            let doubt = if row.confirmed { "" } else { " (unconfirmed)" };
            vec![
                row.corpus.into(),
                metric::with_arrow(row.metric).into(),
                row.ours
                    .map_or_else(|| "undefined".to_owned(), |v| metric::show(row.metric, v))
                    .into(),
                format!("{}{doubt}", metric::show(row.metric, row.published)).into(),
                verdict,
            ]
        });
        let cells = cells.collect();
        let head = vec![
            words("Corpus"),
            words("Metric"),
            numbers("This run"),
            numbers("Published"),
            words("Verdict"),
        ];
        let of = if run.aggregate {
            ", means over seeds"
        } else {
            ""
        };
        doc.table(
            format!("Test metrics{of}, beside those of {}. Only values obtained in the same setting are compared.", table.citation),
            head,
            cells,
        );
        for (i, reason) in reasons.iter().enumerate() {
            doc.paragraph(format!("[{}] Not comparable: {reason}.", i + 1));
        }
    }
}

/// The verdicts counted, for the first page; `None` where nothing was compared.
pub(crate) fn summary(run: &Run, tables: &[PaperTable]) -> Option<Line> {
    if run.synthetic() {
        return None;
    }
    let verdicts: Vec<Verdict> = tables
        .iter()
        .flat_map(|t| rows(run, t))
        .map(|r| r.verdict)
        .collect();
    if verdicts.is_empty() {
        return None;
    }
    let reached = verdicts.iter().filter(|v| **v == Verdict::Reached).count();
    let below = verdicts.iter().filter(|v| **v == Verdict::Below).count();
    let rest = verdicts.len() - reached - below;
    let line = Line::default().text("Of the paper's numbers for these corpora, ");
    let line = line.strong(format!("{reached} reached, {below} below"));
    Some(line.text(format!(", {rest} not comparable.")))
}

fn rows<'a>(run: &'a Run, table: &'a PaperTable) -> Vec<Row<'a>> {
    let results = &run.results;
    let corpora: Vec<String> = results
        .corpora
        .iter()
        .map(|(name, _)| name.to_owned())
        .collect();
    let cells = table
        .cells
        .iter()
        .filter_map(|cell| Some((cell, results.corpora.get(&cell.corpus)?)));
    cells
        .map(|(cell, corpus)| {
            let ours = corpus.test.metrics.get(&cell.metric).copied();
            let context = Context {
                synthetic: run.synthetic(),
                backbone: results
                    .backbone
                    .clone()
                    .unwrap_or_else(|| "not recorded".to_owned()),
                features: features(corpus, &results.modalities),
                corpora: corpora.clone(),
                // `test.metrics` are those of the default convention; others stand under `test.conventions`.
                convention: Convention::Mmsa,
            };
            Row {
                corpus: &cell.corpus,
                metric: &cell.metric,
                ours,
                published: cell.value,
                confirmed: cell.confirmed,
                verdict: table.verdict(cell, ours.unwrap_or(f64::NAN), &context),
            }
        })
        .collect()
}

/// The features of a corpus: `{"audio": name, "video": name}`, or words such as "audio covarep, video facet".
/// Words that name no modality stand for both; a modality that the model does not have has none.
fn features(corpus: &Corpus, modalities: &[String]) -> Features {
    let of = |modality: &str| {
        if !modalities.is_empty() && !modalities.iter().any(|m| m == modality) {
            return None;
        }
        let name = match corpus.features.as_ref()? {
            Value::String(words) if !words.contains("audio") && !words.contains("video") => words,
            Value::String(words) => words
                .split([',', ';'])
                .find_map(|w| w.trim().strip_prefix(modality))?,
            other => other.get(modality)?.as_str()?,
        };
        let name = name.trim_matches([' ', ':', '=']);
        (!matches!(name, "" | "absent" | "none")).then(|| name.to_owned())
    };
    Features {
        audio: of("audio"),
        video: of("video"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use serde_json::json;

    #[test]
    fn the_built_in_table_parses() {
        let tables = paper_tables().unwrap();
        assert_eq!(tables[0].cell("mosi", "mae").unwrap().value, 0.691);
    }

    #[test]
    fn features_are_read_by_modality() {
        let of = |features: Value, modalities: &[&str]| {
            let corpus = json!({"task": "emotion", "features": features});
            let modalities: Vec<_> = modalities.iter().map(|m| (*m).to_owned()).collect();
            let found = super::features(&serde_json::from_value(corpus).unwrap(), &modalities);
            (found.audio, found.video)
        };
        let some = |s: &str| Some(s.to_owned());
        assert_eq!(
            of(json!("audio: covarep; video = facet"), &[]),
            (some("covarep"), some("facet"))
        );
        assert_eq!(
            of(
                json!("audio mel, video absent"),
                &["text", "audio", "video"]
            ),
            (some("mel"), None)
        );
        assert_eq!(
            of(json!({"audio": "mel", "video": "x"}), &["text", "video"]),
            (None, some("x"))
        );
        assert_eq!(
            of(json!("other"), &["text", "audio"]),
            (some("other"), None)
        );
    }
}
