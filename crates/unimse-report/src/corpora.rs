//! The results of each corpus: metrics beside those of the baselines, then its figures.

use std::collections::{BTreeMap, BTreeSet};

use unimse_eval::{Interval, Metric};
use unimse_run::{Chosen, CorpusResults, SplitScores};

use crate::browse::BrowsedRow;
use crate::doc::{Column, Document, Line, numbers, words};
use crate::load::Run;
use crate::metric;
use crate::{answers, classes, differences, seeds, tested, views};

/// One subsection a corpus.
pub(crate) fn section(doc: &mut Document, run: &Run, utterances: &[BrowsedRow]) {
    doc.heading(2, "Results");
    doc.paragraph(
        "MAE and Corr are in the unit of the score; accuracies, F1 and recall are percentages. ↓ marks metrics where lower is better, ↑ \
         those where higher is better. Intervals are 95 % bootstrap intervals that resample whole videos (sentiment) or dialogues \
         (emotion) of the test split, never single utterances: those of one video or dialogue are alike. A difference is “beyond the \
         interval” when the paired-bootstrap 95 % interval of ours minus the baseline, the same videos or dialogues drawn for both, does \
         not contain zero.",
    );
    if let Some(said) = seeds::said(run) {
        doc.paragraph(said);
    }
    for (name, corpus) in run.results.corpora.iter() {
        doc.heading(3, format!("{name} ({})", corpus.task.name()));
        let rows = tested::rows(utterances, name);
        doc.paragraph(outline(run, corpus));
        differences::figure(doc, run, name, corpus);
        metrics(doc, run, name, corpus);
        undefined(doc, &corpus.test);
        not_fitted(doc, &corpus.test);
        conventions(doc, name, corpus);
        views::section(doc, name, &corpus.test);
        classes::f1(doc, run, name, corpus, &rows);
        classes::confusion(doc, run, name, corpus, &rows);
        answers::section(doc, name, corpus, &rows);
    }
}

fn outline(run: &Run, corpus: &CorpusResults) -> String {
    let test = &corpus.test;
    let over = if run.aggregate {
        " (all seeds together)"
    } else {
        ""
    };
    let mut text = format!(
        "Test n = {}, dev n = {}. Model outputs{over} that were unparsable: {}; repaired: {}; zeros generated as intensity: {}. Unparsable \
         outputs count as intensity 0 and class neutral, and stay in every denominator.",
        metric::count(test.n),
        metric::count(corpus.dev.as_ref().and_then(|dev| dev.n)),
        metric::count(test.unparsable),
        metric::count(test.repaired),
        metric::count(test.generated_zeros),
    );
    if let Some(most) = test.unexplored {
        text.push_str(&format!(
            " Probabilities are exact to {most:.1e} in total variation."
        ));
    }
    if let (Some(what), Some(n)) = (test.resampled, test.clusters) {
        text.push_str(&format!(" Intervals resample {n} {}.", what.name()));
    }
    for (modality, card) in [
        ("Audio", &corpus.features.audio),
        ("Video", &corpus.features.video),
    ] {
        let card = card
            .as_ref()
            .map_or_else(|| "none".to_owned(), ToString::to_string);
        text.push_str(&format!(" {modality} features: {card}."));
    }
    let chosen: Vec<_> = test
        .baselines
        .iter()
        .filter_map(|(name, b)| Some(format!("{name} {}", choice(b.chosen?)?)))
        .collect();
    if !chosen.is_empty() {
        text.push_str(&format!(
            " Chosen on dev for the baselines: {}.",
            chosen.join(", ")
        ));
    }
    text
}

/// What dev chose for a baseline, in words; `None` where it chose nothing.
fn choice(chosen: Chosen) -> Option<String> {
    let lambda = chosen.lambda.map(|lambda| format!("lambda = {lambda}"));
    let k = chosen.k.map(|k| format!("k = {k}"));
    let epoch = chosen.epoch.map(|epoch| format!("epoch {epoch}"));
    let all: Vec<String> = lambda.into_iter().chain(k).chain(epoch).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

/// One table: a row a metric, a column for dev, test, the interval, each seed and each baseline, as far as they are there.
pub(crate) fn metrics(doc: &mut Document, run: &Run, name: &str, corpus: &CorpusResults) {
    let test = &corpus.test;
    let dev = corpus.dev.as_ref().map(|dev| &dev.metrics);
    let dev = dev.filter(|metrics| !metrics.is_empty());
    let known = test.metrics.keys().chain(test.undefined.keys());
    let names: BTreeSet<Metric> = known
        .chain(dev.iter().flat_map(|d| d.keys()))
        .copied()
        .collect();

    let intervals = seeds::intervals(run, name, corpus);
    let mut head = vec![words("Metric")];
    head.extend(dev.map(|_| numbers("Dev")));
    head.push(numbers(match run.aggregate {
        true => "Test, mean ± sd",
        false => "Test",
    }));
    head.extend((!intervals.is_empty()).then(|| numbers("95 % interval")));
    head.extend(
        test.per_seed
            .iter()
            .map(|s| numbers(format!("Seed {}", s.seed))),
    );
    head.extend(test.baselines.iter().map(|(name, _)| numbers(name)));

    let rows = names.iter().map(|&m| {
        let show = |scores: &BTreeMap<Metric, f64>| -> Line {
            let value = scores.get(&m);
            value
                .map_or_else(|| "—".to_owned(), |v| metric::show(m, *v))
                .into()
        };
        let mut row: Vec<Line> = vec![metric::with_arrow(m).into()];
        row.extend(dev.map(show));
        row.push(Line::default().strong(of_test(m, test)));
        if !intervals.is_empty() {
            row.push(bounds(m, intervals.get(&m)).into());
        }
        row.extend(test.per_seed.iter().map(|seed| show(&seed.metrics)));
        row.extend(test.baselines.iter().map(|(_, b)| show(&b.metrics)));
        row
    });
    let rows = rows.collect();
    let beside = match test.baselines.is_empty() {
        true => "",
        false => "; the last columns are baselines of the same run",
    };
    doc.table(format!("Metrics on {name}{beside}."), head, rows);
}

/// The value on test, with its deviation over seeds.
fn of_test(m: Metric, test: &SplitScores) -> String {
    match (test.metrics.get(&m), test.sd.get(&m)) {
        (Some(mean), Some(sd)) => {
            format!("{} ± {}", metric::show(m, *mean), metric::show(m, *sd))
        }
        (Some(value), None) => metric::show(m, *value),
        (None, _) if test.undefined.contains_key(&m) => "undefined".to_owned(),
        (None, _) => "—".to_owned(),
    }
}

fn bounds(m: Metric, interval: Option<&Interval>) -> String {
    match interval.map(|i| (i.low, i.high)) {
        Some((Some(low), Some(high))) => {
            format!("[{}, {}]", metric::show(m, low), metric::show(m, high))
        }
        _ => "—".to_owned(),
    }
}

fn undefined(doc: &mut Document, test: &SplitScores) {
    if test.undefined.is_empty() {
        return;
    }
    let reasons: Vec<_> = (test.undefined.iter())
        .map(|(m, reason)| format!("{} ({reason})", m.title()))
        .collect();
    doc.paragraph(format!("Undefined: {}.", reasons.join("; ")));
}

fn not_fitted(doc: &mut Document, test: &SplitScores) {
    for (name, reason) in test.not_fitted.iter() {
        doc.paragraph(format!("Baseline {name} could not be fitted: {reason}."));
    }
}

fn conventions(doc: &mut Document, name: &str, corpus: &CorpusResults) {
    let all = &corpus.test.conventions;
    let names: BTreeSet<Metric> = all.values().flat_map(|s| s.keys().copied()).collect();
    let head: Vec<Column> = std::iter::once(words("Metric"))
        .chain(all.keys().map(|convention| numbers(convention.name())))
        .collect();
    let rows = names.iter().map(|&m| {
        let mut row: Vec<Line> = vec![metric::with_arrow(m).into()];
        row.extend(all.values().map(|scores| {
            let value = scores.get(&m);
            Line::from(value.map_or_else(|| "—".to_owned(), |v| metric::show(m, *v)))
        }));
        row
    });
    let rows = rows.collect();
    doc.folded(
        format!("The same test predictions on {name} by other conventions in use."),
        head,
        rows,
    );
}
