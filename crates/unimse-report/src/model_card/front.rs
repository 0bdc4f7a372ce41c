//! The front matter of a card, as the Hub reads it: YAML whose every text is a quoted one, so that no name can end it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use unimse_eval::Metric;
use unimse_run::{CorpusResults, DataSet, Results, Task};

/// The front matter, its fences included.
pub(super) fn render(results: &Results) -> String {
    let mut out = String::from("---\n");
    // writing to a String cannot fail
    let _ = writeln!(out, "license: other");
    let _ = writeln!(out, "license_name: terms-of-data-and-backbone");
    list(&mut out, "language", ["en"]);
    let _ = writeln!(out, "library_name: unimse");
    let _ = writeln!(out, "pipeline_tag: text-classification");
    let mut tags = vec![
        "unimse",
        "multimodal",
        "sentiment-analysis",
        "emotion-recognition",
    ];
    if results.synthetic {
        tags.push("synthetic-data");
    }
    list(&mut out, "tags", tags);
    let names = results.corpora.iter().map(|(name, _)| name);
    let datasets: Vec<String> = names.map(|name| id_of(name, results)).collect();
    list(&mut out, "datasets", datasets.iter().map(String::as_str));
    let all = results
        .corpora
        .iter()
        .flat_map(|(_, corpus)| corpus.test.metrics.keys());
    let metrics: BTreeSet<&str> = all.map(|metric| metric_type(*metric)).collect();
    list(&mut out, "metrics", metrics);
    if let Some(base) = results.backbone.as_deref().and_then(base_model) {
        let _ = writeln!(out, "base_model: {}", quoted(base));
    }
    index(&mut out, results);
    out.push_str("---\n\n");
    out
}

/// The scores of the test splits.
fn index(out: &mut String, results: &Results) {
    let scored = |corpus: &CorpusResults| !corpus.test.metrics.is_empty();
    let mut corpora = results
        .corpora
        .iter()
        .filter(|(_, corpus)| scored(corpus))
        .peekable();
    if corpora.peek().is_none() {
        return; // the Hub refuses an empty list
    }
    let name = super::titles(results).join(", ");
    let _ = writeln!(
        out,
        "model-index:\n- name: {}\n  results:",
        quoted(&format!("UniMSE on {name}"))
    );
    for (name, corpus) in corpora {
        let task = match corpus.task {
            Task::Sentiment => "Multimodal sentiment analysis",
            Task::Emotion => "Emotion recognition in conversation",
        };
        let title = match (DataSet::of(name), results.synthetic) {
            (_, true) => format!("{name} (synthetic)"),
            (Some(set), false) => set.title.to_owned(),
            (None, false) => name.to_owned(),
        };
        let _ = writeln!(
            out,
            "  - task:\n      type: text-classification\n      name: {}",
            quoted(task)
        );
        let _ = writeln!(
            out,
            "    dataset:\n      type: {}\n      name: {}\n      split: test\n    metrics:",
            quoted(&id_of(name, results)),
            quoted(&title)
        );
        for (metric, value) in corpus
            .test
            .metrics
            .iter()
            .filter(|(_, value)| value.is_finite())
        {
            let _ = writeln!(
                out,
                "    - type: {}\n      name: {}\n      value: {value}",
                metric_type(*metric),
                quoted(metric.title())
            );
        }
    }
}

fn list<'a>(out: &mut String, key: &str, items: impl IntoIterator<Item = &'a str>) {
    let items: Vec<String> = items
        .into_iter()
        .map(|item| format!("- {}\n", quoted(item)))
        .collect();
    if !items.is_empty() {
        let _ = write!(out, "{key}:\n{}", items.concat());
    }
}

/// A text as YAML takes it on one line: YAML's double quotes read all that JSON's hold.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// What the Hub calls a metric.
fn metric_type(metric: Metric) -> &'static str {
    match metric {
        Metric::Mae => "mae",
        Metric::Corr => "pearsonr",
        Metric::UnweightedAverageRecall => "recall",
        Metric::F1
        | Metric::F1Non0
        | Metric::F1Has0
        | Metric::WeightedF1
        | Metric::MacroF1
        | Metric::F1Present => "f1",
        Metric::Ece
        | Metric::Brier
        | Metric::Nll
        | Metric::Coverage50
        | Metric::Coverage90
        | Metric::Width50
        | Metric::Width90 => metric.title(),
        _ => "accuracy",
    }
}

/// How a corpus is called among data sets; a generated one never like a real one.
fn id_of(name: &str, results: &Results) -> String {
    match name {
        _ if results.synthetic => format!("unimse-demo-{name}"),
        "meld" => "declare-lab/MELD".to_owned(),
        "mosi" | "mosei" => format!("cmu-{name}"),
        other => other.to_owned(),
    }
}

/// The Hub's id of a backbone that presets name; of others nobody knows it.
fn base_model(backbone: &str) -> Option<&'static str> {
    [
        "sentence-transformers/all-MiniLM-L6-v2",
        "sentence-transformers/all-mpnet-base-v2",
        "google-t5/t5-base",
        "google-t5/t5-small",
    ]
    .into_iter()
    .find(|id| id.rsplit('/').next() == Some(backbone))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_end_the_front_matter() {
        assert_eq!(quoted("a\n---\n\"b\""), r#""a\n---\n\"b\"""#);
        assert_eq!(
            base_model("all-MiniLM-L6-v2"),
            Some("sentence-transformers/all-MiniLM-L6-v2")
        );
        assert_eq!(base_model("mine"), None);
    }
}
