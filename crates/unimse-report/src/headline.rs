//! The first screen: what must not be overlooked, what ran, and the verdict on every corpus.

use unimse_eval::{Metric, PaperTable};
use unimse_run::{CorpusResults, Results};

use crate::agreement::leak_sentence;
use crate::compare::{self, Comparison, Outcome};
use crate::doc::{Document, Line, numbers, words};
use crate::load::Run;
use crate::metric;
use crate::paper;
use crate::seeds;
use crate::svg::{Bar, Kind, interval_bars, panels};

/// Notices, what ran, the verdict in one sentence, and a picture and a row a corpus.
pub(crate) fn section(doc: &mut Document, run: &Run, published: &[PaperTable]) {
    notices(doc, run);
    doc.pairs(ran(run));
    doc.heading(2, "Verdict");
    doc.paragraph(verdict(run));
    if let Some(line) = paper::summary(run, published) {
        doc.paragraph(line);
    }
    pictures(doc, run, published);
    table(doc, run);
}

/// One row a corpus.
fn table(doc: &mut Document, run: &Run) {
    let rows = run
        .results
        .corpora
        .iter()
        .map(|(name, c)| row(run, name, c))
        .collect();
    let by_seed = run.seeds.len() > 1;
    let difference = if by_seed {
        "is ours minus the baseline, mean over seeds; the verdict counts seeds by the paired-bootstrap 95 % interval of each, which \
         resamples videos or dialogues."
    } else {
        "is ours minus the baseline, with its paired-bootstrap 95 % interval, which resamples videos or dialogues."
    };
    let caption = format!(
        "The main metric of every test split beside the strongest baseline of the same run. The difference {difference}"
    );
    let head = vec![
        words("Corpus"),
        numbers("n"),
        words("Metric"),
        numbers("UniMSE"),
        words("Strongest baseline"),
        numbers("its value"),
        numbers(if by_seed {
            "Mean difference"
        } else {
            "Difference"
        }),
        words("Verdict"),
    ];
    doc.table(caption, head, rows);
}

/// What ran: corpora with their sizes, seeds, model, and how often the test splits were opened.
fn ran(run: &Run) -> Vec<(String, Line)> {
    let results = &run.results;
    let count = |n: Option<usize>| n.map_or_else(|| "?".to_owned(), |n| n.to_string());
    let corpora = results.corpora.iter().map(|(name, corpus)| {
        let dev = corpus.dev.as_ref().and_then(|dev| dev.n);
        let (test, dev) = (count(corpus.test.n), count(dev));
        format!("{name} (test n = {test}, dev n = {dev})")
    });
    let openings = results.protocol.test_openings.map(|n| {
        let times = match n {
            1 => "once".to_owned(),
            n => format!("{n} times"),
        };
        let by = match run.aggregate {
            true => " by each seed's model, at most",
            false => "",
        };
        format!("{times}{by}")
    });
    let seeds: Vec<_> = results.seeds.iter().map(u64::to_string).collect();
    let data = if run.synthetic() { "synthetic" } else { "real" };
    let rows = [
        ("Corpora", Some(corpora.collect::<Vec<_>>().join("; "))),
        ("Data", Some(data.to_owned())),
        ("Seeds", Some(seeds.join(", "))),
        ("Backbone", results.backbone.clone()),
        ("Preset", results.preset.clone()),
        ("Test splits opened", openings),
    ];
    let said = |value: Option<String>| value.filter(|value| !value.is_empty());
    rows.map(|(name, value)| {
        let value = said(value).unwrap_or_else(|| "not recorded".to_owned());
        (name.to_owned(), value.into())
    })
    .into()
}

/// The main metric of every corpus as bars beside each other: this run with its interval, the baselines, and the published number where there may be one.
fn pictures(doc: &mut Document, run: &Run, published: &[PaperTable]) {
    let mut caption = Line::default().text("The main metric of every test split.");
    let mut drawn = Vec::new();
    let (mut seeds, mut elsewhere) = (false, false);
    for (name, corpus) in run.results.corpora.iter() {
        let main = corpus.task.main_metric();
        let bars = bars(run, published, name, corpus);
        let title = format!("{name}: {}", metric::with_arrow(main));
        let Some(picture) = interval_bars(&title, &bars) else {
            continue;
        };
        drawn.push(picture);
        seeds |= bars.iter().any(|bar| !bar.seeds.is_empty());
        elsewhere |= bars.iter().any(|bar| bar.name == OTHER_SETTING);
        let said = format!("{name}: {}", outcome(run, name, corpus));
        let interval = said_interval(main, bars[0].interval);
        caption = caption.text(" ").strong(format!("{said}{interval}."));
    }
    if seeds {
        caption = caption.text(
            " UniMSE is the mean over seeds, a dot a seed; its interval is the mean of theirs.",
        );
    }
    if elsewhere {
        caption = caption.text(" The paper's setting is another, so nothing is concluded.");
    }
    if let Some(panels) = panels(drawn) {
        doc.figure(caption, panels, None);
    }
}

/// A published number that was not obtained as those of this run.
const OTHER_SETTING: &str = "paper, other setting";

/// This run, the baselines and the paper; none where the run has no value.
fn bars(run: &Run, published: &[PaperTable], name: &str, corpus: &CorpusResults) -> Vec<Bar> {
    let main = corpus.task.main_metric();
    let Some(&ours) = corpus.test.metrics.get(&main) else {
        return Vec::new();
    };
    let bar = |name: String, kind, value| {
        let shown = metric::show(main, value);
        Bar {
            says: format!("{name} {shown}"),
            name,
            kind,
            value,
            shown,
            interval: None,
            seeds: Vec::new(),
        }
    };
    let seeds = corpus.test.per_seed.iter();
    let seeds = seeds.filter_map(|seed| seed.metrics.get(&main));
    let interval = seeds::intervals(run, name, corpus).remove(&main);
    let interval = interval.and_then(|i| i.low.zip(i.high));
    let mut own = bar("UniMSE".to_owned(), Kind::Ours, ours);
    own.says.push_str(&said_interval(main, interval));
    let mut bars = vec![Bar {
        interval,
        seeds: seeds.copied().collect(),
        ..own
    }];
    let others = baselines(run, name, main).into_iter();
    bars.extend(others.map(|(name, value)| bar(name, Kind::Baseline, value)));
    if let Some((value, same)) = paper::published(run, published, name, main) {
        let whose = if same { "paper" } else { OTHER_SETTING };
        bars.push(bar(whose.to_owned(), Kind::Published, value));
    }
    bars
}

/// ", 95 % interval [0.690, 0.820]"; nothing where there is none.
fn said_interval(main: Metric, interval: Option<(f64, f64)>) -> String {
    let said = interval.map(|(low, high)| {
        let (low, high) = (metric::show(main, low), metric::show(main, high));
        format!(", 95 % interval [{low}, {high}]")
    });
    said.unwrap_or_default()
}

/// The outcome against the strongest baseline, in words.
fn outcome(run: &Run, name: &str, corpus: &CorpusResults) -> String {
    let strongest = strongest_baseline(run, name, corpus.task.main_metric());
    let Some((baseline, _)) = strongest else {
        return "no baseline".to_owned();
    };
    let all = main_comparisons(run, name, corpus);
    let against: Vec<_> = all.iter().filter(|c| c.baseline == baseline).collect();
    match compare::summary(&against) {
        Some(outcome) => format!("{outcome} (strongest baseline: {baseline})"),
        None => format!("not compared (strongest baseline: {baseline})"),
    }
}

/// What must not be overlooked.
pub(crate) fn notices(doc: &mut Document, run: &Run) {
    if run.synthetic() {
        doc.notice(
            Line::default().strong("Synthetic data.").text(
                " A generator made the corpora of this run. Its numbers show that the pipeline works; they say nothing about how \
                 people speak and compare with nothing that was published.",
            ),
        );
    }
    if run.leaky() == Some(true) {
        let worth = run.results.leak.as_ref().map(leak_sentence);
        doc.notice(Line::default().strong("Leaky.").text(format!(
            " Rows of the test splits donated labels to training, as in the official release: test scores are optimistic.{}",
            worth.unwrap_or_default()
        )));
    }
    let openings = run
        .seeds
        .iter()
        .filter_map(|s| s.results.protocol.test_openings);
    if let Some(n) = openings.max()
        && n > 1
    {
        doc.notice(Line::default().strong("Test opened more than once.").text(format!(
            " The test splits were opened {n} times by one model: later scores may have been chosen with knowledge of earlier ones."
        )));
    }
}

/// The comparisons of a corpus on its main metric.
fn main_comparisons<'a>(run: &'a Run, name: &str, corpus: &CorpusResults) -> Vec<Comparison<'a>> {
    let mut all = compare::comparisons(run, name);
    all.retain(|c| c.metric == corpus.task.main_metric());
    all
}

fn verdict(run: &Run) -> Line {
    let judged: Vec<_> = run
        .results
        .corpora
        .iter()
        .map(|(name, corpus)| main_comparisons(run, name, corpus))
        .filter(|comparisons| !comparisons.is_empty())
        .collect();
    if judged.is_empty() {
        return "This run holds no comparison with a baseline, so there is no verdict.".into();
    }
    let won = judged
        .iter()
        .filter(|all| all.iter().all(|c| c.outcome == Some(Outcome::Beats)))
        .count();
    let lost = judged
        .iter()
        .filter(|all| all.iter().any(|c| c.outcome == Some(Outcome::Worse)))
        .count();
    let all = judged.len();
    let seeds = match run.seeds.len() {
        1 => "",
        _ => ", in every seed",
    };
    let line = Line::default()
        .text("On ")
        .strong(format!("{won} of {all}"));
    let line = line.text(format!(
        " {} UniMSE beats every baseline fitted in the same run beyond the 95 % interval{seeds} (MAE for sentiment, weighted F1 for \
         emotion)",
        if all == 1 { "corpus" } else { "corpora" }
    ));
    let line = match lost {
        0 => line.text("; on none is it worse than a baseline."),
        n => line
            .text("; on ")
            .strong(format!("{n} of {all}"))
            .text(" it is worse than at least one of them."),
    };
    let without = |all: &&Vec<Comparison<'_>>| all.iter().any(|c| c.outcome.is_none());
    match judged.iter().filter(without).count() {
        0 => line,
        n => line
            .text(" On ")
            .strong(format!("{n} of {all}"))
            .text(" an interval is undefined, so nothing is said."),
    }
}

fn row(run: &Run, name: &str, corpus: &CorpusResults) -> Vec<Line> {
    let main = corpus.task.main_metric();
    let ours = match (corpus.test.metrics.get(&main), corpus.test.sd.get(&main)) {
        (Some(mean), Some(sd)) => format!(
            "{} ± {}",
            metric::show(main, *mean),
            metric::show(main, *sd)
        ),
        (Some(value), None) => metric::show(main, *value),
        (None, _) => "undefined".to_owned(),
    };
    let comparisons = main_comparisons(run, name, corpus);
    let strongest = strongest_baseline(run, name, main);
    let (baseline, value) = strongest.clone().unzip();
    let against: Vec<_> = comparisons
        .iter()
        .filter(|c| Some(c.baseline) == baseline.as_deref())
        .collect();
    let dash = || "—".to_owned();
    vec![
        name.into(),
        corpus.test.n.map_or_else(dash, |n| n.to_string()).into(),
        metric::with_arrow(main).into(),
        Line::default().strong(ours),
        baseline.unwrap_or_else(dash).into(),
        value.map_or_else(dash, |v| metric::show(main, v)).into(),
        difference(main, &against).into(),
        compare::summary(&against)
            .map_or_else(|| "not compared".into(), |s| Line::default().strong(s)),
    ]
}

/// One interval as it is, several seeds as the mean of their estimates.
fn difference(main: Metric, against: &[&Comparison<'_>]) -> String {
    if let [one] = against {
        return interval(main, one);
    }
    let estimates: Vec<f64> = against.iter().filter_map(|c| c.interval.estimate).collect();
    match estimates.len() {
        0 => "—".to_owned(),
        n => {
            let mean = estimates.iter().sum::<f64>() / n as f64;
            metric::show_difference(main, mean)
        }
    }
}

/// "−0.250 [−0.300, −0.200]".
fn interval(main: Metric, comparison: &Comparison<'_>) -> String {
    let i = &comparison.interval;
    match (i.estimate, i.low, i.high) {
        (Some(estimate), Some(low), Some(high)) => format!(
            "{} [{}, {}]",
            metric::show_difference(main, estimate),
            metric::show_difference(main, low),
            metric::show_difference(main, high)
        ),
        (Some(estimate), ..) => metric::show_difference(main, estimate),
        _ => "undefined".to_owned(),
    }
}

/// The baseline with the best value of a metric.
fn strongest_baseline(run: &Run, corpus: &str, main: Metric) -> Option<(String, f64)> {
    let sign = if main.higher_is_better() { 1.0 } else { -1.0 };
    let all = baselines(run, corpus, main).into_iter();
    all.max_by(|a, b| (sign * a.1).total_cmp(&(sign * b.1)))
}

/// Every baseline with its value of a metric; in an aggregate without baselines, by the mean over its seeds.
fn baselines(run: &Run, corpus: &str, main: Metric) -> Vec<(String, f64)> {
    let parts = std::iter::once(&run.results)
        .chain(run.seeds.iter().map(|s| &s.results))
        .filter_map(|r| r.corpora.get(corpus));
    let Some(with) = parts.map(|c| &c.test.baselines).find(|b| !b.is_empty()) else {
        return Vec::new();
    };
    let mean_of = |name: &str| {
        let value = |r: &Results| {
            r.corpora
                .get(corpus)?
                .test
                .baselines
                .get(name)?
                .metrics
                .get(&main)
                .copied()
        };
        value(&run.results).or_else(|| {
            let values: Vec<f64> = run.seeds.iter().filter_map(|s| value(&s.results)).collect();
            (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
        })
    };
    with.iter()
        .filter_map(|(name, _)| Some((name.to_owned(), mean_of(name)?)))
        .collect()
}
