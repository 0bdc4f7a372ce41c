//! What the answers themselves show: predicted against true intensity, and whether probabilities are what they say.

use maud::html;
use unimse_eval::{Metric, ReliabilityBin, reliability};
use unimse_run::CorpusResults;

use crate::browse::BrowsedRow;
use crate::doc::{Document, Line, Table, numbers, words};
use crate::metric;
use crate::svg::{self, Binned};
use crate::tested::{self, Judged};

/// Intensities lie in [-3, 3]; a square is a quarter wide.
const MOST: f64 = 3.0;
const SQUARES: usize = 24;

/// Both figures of a corpus, as far as its test answers are at hand.
pub(crate) fn section(
    doc: &mut Document,
    name: &str,
    corpus: &CorpusResults,
    rows: &[&BrowsedRow],
) {
    intensity(doc, name, rows);
    calibration(doc, name, corpus, rows);
}

fn intensity(doc: &mut Document, name: &str, rows: &[&BrowsedRow]) {
    let both = |row: &&BrowsedRow| {
        Some((
            f64::from(row.predicted.truth_score?),
            f64::from(row.predicted.intensity?),
        ))
    };
    let finite = |p: &(f64, f64)| p.0.is_finite() && p.1.is_finite();
    let points: Vec<(f64, f64)> = rows.iter().filter_map(both).filter(finite).collect();
    let picture = svg::binned(&Binned {
        title: "Predicted against true intensity",
        x: "true",
        y: "predicted",
        low: -MOST,
        high: MOST,
        bins: SQUARES,
        points: &points,
    });
    let Some(panels) = svg::panels(picture.into_iter().collect()) else {
        return;
    };
    let caption = format!(
        "Intensities of {} test utterances of {name}: the stronger its colour, the more of them a square holds; at the edges the distribution of either. On the dashed line \
         the answer is the truth.",
        points.len()
    );
    doc.figure(caption, html! { (panels) }, Some(by_truth(&points)));
}

/// The answers by the nearest whole number of the truth.
fn by_truth(points: &[(f64, f64)]) -> Table {
    let rows = (-3..=3).filter_map(|whole: i32| {
        let near = |p: &&(f64, f64)| p.0.round() as i32 == whole;
        let answers: Vec<f64> = points.iter().filter(near).map(|p| p.1).collect();
        let n = answers.len() as f64;
        let mean = (n > 0.0).then(|| answers.iter().sum::<f64>() / n)?;
        let variance = answers.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
        let off = points
            .iter()
            .filter(near)
            .map(|p| (p.1 - p.0).abs())
            .sum::<f64>()
            / n;
        let mut row: Vec<Line> = vec![
            metric::number(f64::from(whole), 0).into(),
            answers.len().to_string().into(),
        ];
        row.extend([mean, variance.sqrt(), off].map(|v| Line::from(metric::number(v, 3))));
        Some(row)
    });
    let head = [
        "Truth, rounded",
        "n",
        "Mean answer",
        "sd of the answers",
        "Mean absolute error",
    ];
    Table::of_figure(head.map(numbers).into(), rows.collect())
}

/// Diagrams of the polarities and the emotions whose probabilities were scored.
fn calibration(doc: &mut Document, name: &str, corpus: &CorpusResults, rows: &[&BrowsedRow]) {
    type Find = fn(&[&BrowsedRow]) -> Option<Judged>;
    let asked: [(&str, &str, Find); 2] = [
        ("polarity", "Polarity", tested::polarity_probabilities),
        ("emotion", "Emotion", tested::emotion_probabilities),
    ];
    let mut panels = Vec::new();
    let mut found = Vec::new();
    let mut errors = Vec::new();
    for (view, title, find) in asked {
        let Some(scored) = corpus.test.views.get(view) else {
            continue;
        };
        let bins =
            find(rows).and_then(|judged| reliability(&judged.probabilities, &judged.truth).ok());
        let Some((bins, picture)) =
            bins.and_then(|bins| svg::reliability(title, &bins).map(|p| (bins, p)))
        else {
            continue;
        };
        panels.push(picture);
        found.push((title, bins));
        if let Some(ece) = scored.metrics.get(&Metric::Ece) {
            errors.extend(
                ece.estimate
                    .map(|value| said(title, value, ece.low.zip(ece.high))),
            );
        }
    }
    let Some(panels) = svg::panels(panels) else {
        return;
    };
    let caption = format!(
        "Reliability of the probabilities on {name}, test split: accuracy in 15 bins of confidence, in orange the gap between the two, below the rows of each \
         bin. On the dashed line confidence is accuracy. {}",
        errors.join(" ")
    );
    doc.figure(
        caption.trim_end(),
        html! { (panels) },
        Some(bins_table(&found)),
    );
}

fn said(title: &str, ece: f64, bounds: Option<(f64, f64)>) -> String {
    let range =
        bounds.map(|(low, high)| format!(" [{}, {}]", metric::percent(low), metric::percent(high)));
    format!(
        "{title}: ECE {} %{}.",
        metric::percent(ece),
        range.unwrap_or_default()
    )
}

fn bins_table(found: &[(&str, Vec<ReliabilityBin>)]) -> Table {
    let rows = found.iter().flat_map(|(title, bins)| {
        let filled = bins.iter().enumerate().filter(|(_, bin)| bin.n > 0);
        filled.map(move |(at, bin)| {
            let edge = |at: usize| metric::number(100.0 * at as f64 / bins.len() as f64, 1);
            vec![
                (*title).into(),
                format!("{} to {}", edge(at), edge(at + 1)).into(),
                bin.n.to_string().into(),
                metric::percent(bin.confidence).into(),
                metric::percent(bin.accuracy).into(),
            ]
        })
    });
    let mut head = vec![words("Question")];
    head.extend(["Bin, %", "Rows", "Mean confidence, %", "Accuracy, %"].map(numbers));
    Table::of_figure(head, rows.collect())
}
