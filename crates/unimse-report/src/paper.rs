//! The run beside published numbers, as far as the settings allow it.

use unimse_eval::{Context, Convention, Extraction, Features, Metric, PaperTable, Verdict};
use unimse_run::{CorpusResults, FeatureCard};

use crate::ReportError;
use crate::doc::{Document, Line, numbers, words};
use crate::load::Run;
use crate::metric;

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
    metric: Metric,
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
        compare(doc, run, table, &rows);
    }
}

/// One publication: a table of verdicts, and the reasons why cells are not comparable below it.
fn compare(doc: &mut Document, run: &Run, table: &PaperTable, rows: &[Row<'_>]) {
    let mut reasons: Vec<&str> = Vec::new();
    let cells = rows.iter().map(|row| {
        let ours = row.ours.map(|v| metric::show(row.metric, v));
        let doubt = if row.confirmed { "" } else { " (unconfirmed)" };
        vec![
            row.corpus.into(),
            metric::with_arrow(row.metric).into(),
            ours.unwrap_or_else(|| "undefined".to_owned()).into(),
            format!("{}{doubt}", metric::show(row.metric, row.published)).into(),
            verdict(&row.verdict, &mut reasons),
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
    let over = match run.aggregate {
        true => ", means over seeds",
        false => "",
    };
    doc.table(
        format!("Test metrics{over}, beside those of {}. Only values obtained in the same setting are compared.", table.citation),
        head,
        cells,
    );
    for (i, reason) in reasons.iter().enumerate() {
        doc.paragraph(format!("[{}] Not comparable: {reason}.", i + 1));
    }
}

/// A verdict in words; a reason gets the number of its note.
fn verdict<'a>(verdict: &'a Verdict, reasons: &mut Vec<&'a str>) -> Line {
    let Verdict::NotComparable { reason } = verdict else {
        return Line::default().strong(verdict.to_string());
    };
    let known = reasons.iter().position(|r| r == reason);
    let note = known.unwrap_or_else(|| {
        reasons.push(reason);
        reasons.len() - 1
    });
    format!("not comparable [{}]", note + 1).into()
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

/// The published value of a metric on a corpus, and whether it was obtained in the setting of this run; never beside a synthetic run.
pub(crate) fn published(
    run: &Run,
    tables: &[PaperTable],
    corpus: &str,
    metric: Metric,
) -> Option<(f64, bool)> {
    if run.synthetic() {
        return None;
    }
    let mut all = tables.iter().flat_map(|table| rows(run, table));
    let row = all.find(|row| row.corpus == corpus && row.metric == metric)?;
    let other = matches!(row.verdict, Verdict::NotComparable { .. });
    Some((row.published, !other))
}

fn rows<'a>(run: &'a Run, table: &'a PaperTable) -> Vec<Row<'a>> {
    let results = &run.results;
    let cells = table
        .cells
        .iter()
        .filter_map(|cell| Some((cell, results.corpora.get(&cell.corpus)?)));
    cells
        .map(|(cell, corpus)| {
            let ours = corpus.test.metrics.get(&cell.metric).copied();
            let context = Context {
                synthetic: run.synthetic(),
                backbone: results.backbone.clone(),
                decoder: results.decoder.clone(),
                fusion_skip: results.fusion.skip,
                label_form: results.label_form.clone(),
                leaky: run.leaky(),
                features: features(corpus, &results.modalities),
                corpora: results.trained_on.clone(),
                // `test.metrics` are those of the default convention; others stand under `test.conventions`.
                convention: Convention::Mmsa,
            };
            Row {
                corpus: &cell.corpus,
                metric: cell.metric,
                ours,
                published: cell.value,
                confirmed: cell.confirmed,
                verdict: table.verdict(cell, ours.unwrap_or(f64::NAN), &context),
            }
        })
        .collect()
}

/// What a run says of the features of a corpus; a modality that the model does not use has none.
fn features(corpus: &CorpusResults, modalities: &[String]) -> Features {
    let extraction = |modality: &str, card: &Option<FeatureCard>| {
        let card = card
            .as_ref()
            .filter(|_| modalities.iter().any(|m| m == modality))?;
        Some(Extraction {
            tool: card.tool.clone(),
            version: card.version.clone(),
            settings: card.settings.clone(),
            dimension: Some(card.dimension),
            rate_hz: card.rate_hz,
        })
    };
    Features {
        audio: extraction("audio", &corpus.features.audio),
        video: extraction("video", &corpus.features.video),
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
        assert_eq!(tables[0].cell("mosi", Metric::Mae).unwrap().value, 0.691);
    }

    #[test]
    fn features_are_read_by_modality() {
        let cards = json!({"audio": {"tool": "covarep", "dimension": 74, "rate_hz": 100.0}, "video": {"tool": "facet", "dimension": 35}});
        let corpus: CorpusResults =
            serde_json::from_value(json!({"task": "emotion", "features": cards})).unwrap();
        let used = |modalities: &[&str]| {
            let modalities: Vec<_> = modalities.iter().map(|m| (*m).to_owned()).collect();
            super::features(&corpus, &modalities)
        };
        let both = used(&["text", "audio", "video"]);
        let audio = both.audio.unwrap();
        assert_eq!(
            (audio.tool.as_str(), audio.dimension, audio.rate_hz),
            ("covarep", Some(74), Some(100.0))
        );
        assert_eq!(both.video.unwrap().tool, "facet");
        assert_eq!(used(&["text", "video"]).audio, None);
        assert_eq!(used(&["text"]), Features::default());
    }
}
