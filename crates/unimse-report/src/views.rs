//! Further questions to the test predictions of a corpus: other classes, calibration, presence of emotions.

use unimse_eval::{Interval, Metric};
use unimse_run::{SplitScores, View};

use crate::doc::{Document, Line, numbers, words};
use crate::metric;

/// One table of all views of a corpus, and what dev chose for them.
pub(crate) fn section(doc: &mut Document, name: &str, test: &SplitScores) {
    let rows: Vec<Vec<Line>> = test
        .views
        .iter()
        .flat_map(|(view, scores)| scores.metrics.iter().map(move |m| row(view, scores, m)))
        .collect();
    let head = vec![
        words("Question"),
        numbers("n"),
        words("Metric"),
        numbers("Test"),
        numbers("95 % interval"),
    ];
    let caption = format!(
        "Further questions to the test predictions on {name}. Polarity is the predicted one, against the sign of the score or the sentiment that \
         the corpus names. ECE has 15 bins; NLL is in nats, widths are in the unit of the score; a coverage is best at its nominal share."
    );
    doc.folded(caption, head, rows);
    let thresholds = test.views.iter().filter_map(|(view, scores)| {
        let threshold = metric::number(scores.threshold?, 2);
        Some(format!("{} from {threshold}", title(view)))
    });
    let thresholds: Vec<String> = thresholds.collect();
    if !thresholds.is_empty() {
        doc.paragraph(format!(
            "An emotion of MOSEI is called present from a probability that dev chose: {}. UAR of present and absent is the weighted accuracy of the \
             literature. MOSEI's ratings are never trained on.",
            thresholds.join(", ")
        ));
    }
}

fn row(view: &str, scores: &View, (&m, interval): (&Metric, &Interval)) -> Vec<Line> {
    let value =
        |v: Option<f64>, none: &str| v.map_or_else(|| none.to_owned(), |v| metric::show(m, v));
    let bounds = match (interval.low, interval.high) {
        (Some(low), Some(high)) => {
            format!("[{}, {}]", metric::show(m, low), metric::show(m, high))
        }
        _ => "—".to_owned(),
    };
    vec![
        title(view).into(),
        scores.n.to_string().into(),
        metric::with_arrow(m).into(),
        Line::default().strong(value(interval.estimate, "undefined")),
        bounds.into(),
    ]
}

/// What a view asks, in words.
fn title(view: &str) -> String {
    match view {
        "polarity" => "polarity, three classes".to_owned(),
        "emotion" => "probabilities of the emotions".to_owned(),
        "four_way" => "four emotions, excited as joy".to_owned(),
        "intensity" => "distribution of the score".to_owned(),
        other => other.replace('_', " "),
    }
}
