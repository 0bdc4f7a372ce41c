//! The test results of a run as tables for a paper: one a corpus, in it a row a system and a column a metric.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use unimse_eval::{Metric, PaperTable};
use unimse_labels::UnknownName;
use unimse_run::{Baseline, CorpusResults, Task};

use crate::compare::{self, Outcome};
use crate::doc::{Line, Table, numbers, words};
use crate::load::{self, Run};
use crate::{ReportError, clean, latex, markdown, metric, paper};

/// How [`table()`] writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableFormat {
    /// `table` environments with the rules of the package booktabs.
    Latex,
    /// Tables of GitHub's Markdown.
    Markdown,
}

impl TableFormat {
    /// Every format.
    pub const ALL: [Self; 2] = [Self::Latex, Self::Markdown];

    /// `latex` or `markdown`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Latex => "latex",
            Self::Markdown => "markdown",
        }
    }
}

impl fmt::Display for TableFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for TableFormat {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let known = Self::ALL.into_iter().find(|format| format.name() == text);
        known.ok_or_else(|| UnknownName::new("format", text, &Self::ALL.map(Self::name)))
    }
}

/// The test results of `run`, the folder of one seed or of several, ready for a paper: baselines, the published numbers of `paper_tables`, and this
/// run with the mean and the sample standard deviation over seeds. No published number stands beside a synthetic run.
///
/// Bold is this run where it is better than every other row beyond its 95 % interval, in every seed; where nothing is, nothing is bold.
///
/// # Errors
/// As [`write()`](crate::write()).
pub fn table(
    run: &Path,
    paper_tables: &[PaperTable],
    format: TableFormat,
) -> Result<String, ReportError> {
    let run = load::run(run)?;
    let corpora = run.results.corpora.iter().enumerate();
    let tables = corpora.map(|(at, (name, corpus))| {
        let mut table = of_corpus(&run, paper_tables, name, corpus);
        table.number = format!("Table {}", at + 1);
        match format {
            TableFormat::Latex => latex::render(&table, name),
            TableFormat::Markdown => markdown::table(&table),
        }
    });
    let tables: Vec<String> = tables.map(|table| table.trim_end().to_owned()).collect();
    let before = match format {
        TableFormat::Latex => "% \\usepackage{booktabs}\n",
        TableFormat::Markdown => "",
    };
    Ok(clean(&format!("{before}{}\n", tables.join("\n\n"))))
}

/// The metrics of the literature, in the order of its tables.
const fn columns(task: Task) -> &'static [Metric] {
    match task {
        Task::Sentiment => &[
            Metric::Mae,
            Metric::Corr,
            Metric::Acc7,
            Metric::Acc5,
            Metric::Acc2Has0,
            Metric::Acc2Non0,
            Metric::F1Has0,
            Metric::F1Non0,
        ],
        Task::Emotion => &Metric::EMOTION,
    }
}

/// A published row: its name, and for a metric the value and whether it was obtained in this run's setting.
struct Published<'a> {
    name: String,
    table: &'a [PaperTable],
}

fn of_corpus(run: &Run, tables: &[PaperTable], name: &str, corpus: &CorpusResults) -> Table {
    let test = &corpus.test;
    let published = published(run, tables, name, corpus.task);
    let value_of =
        |published: &Published<'_>, metric| paper::published(run, published.table, name, metric);
    let shown = |metric: &Metric| {
        let baseline = test
            .baselines
            .iter()
            .any(|(_, b)| b.metrics.contains_key(metric));
        let printed = published.iter().any(|p| value_of(p, *metric).is_some());
        baseline || printed || test.metrics.contains_key(metric)
    };
    let metrics: Vec<Metric> = columns(corpus.task).iter().copied().filter(shown).collect();
    let mut rows: Vec<Vec<Line>> = Vec::new();
    for (baseline, scores) in test.baselines.iter() {
        let values = metrics
            .iter()
            .map(|m| show(*m, scores.metrics.get(m).copied()));
        rows.push(std::iter::once(baseline.into()).chain(values).collect());
    }
    for published in &published {
        let values = metrics.iter().map(|m| match value_of(published, *m) {
            Some((value, true)) => show(*m, Some(value)),
            Some((value, false)) => format!("{}†", metric::show(*m, value)).into(),
            None => show(*m, None),
        });
        rows.push(
            std::iter::once(published.name.as_str().into())
                .chain(values)
                .collect(),
        );
    }
    let ours = metrics.iter().map(|&m| {
        let best = published
            .iter()
            .map(|p| value_of(p, m).map(|(value, _)| value));
        let best: Vec<f64> = best.flatten().collect();
        own(run, name, corpus, m, &best)
    });
    rows.push(
        std::iter::once("UniMSE (this run)".into())
            .chain(ours)
            .collect(),
    );
    let mut head = vec![words("")];
    head.extend(metrics.iter().map(|m| numbers(metric::with_arrow(*m))));
    Table {
        number: String::new(),
        caption: caption(run, name, corpus, &published).into(),
        head,
        rows,
    }
}

/// The publications that have a number for the corpus; none for a synthetic run.
fn published<'a>(
    run: &Run,
    tables: &'a [PaperTable],
    name: &str,
    task: Task,
) -> Vec<Published<'a>> {
    let has_any = |table: &&[PaperTable]| {
        let found = |metric: &Metric| paper::published(run, table, name, *metric).is_some();
        columns(task).iter().any(found)
    };
    let all: Vec<&[PaperTable]> = tables.chunks(1).filter(has_any).collect();
    let several = all.len() > 1;
    let named = all.into_iter().enumerate().map(|(at, table)| Published {
        name: if several {
            format!("published ({})", at + 1)
        } else {
            "published".to_owned()
        },
        table,
    });
    named.collect()
}

fn caption(run: &Run, name: &str, corpus: &CorpusResults, published: &[Published<'_>]) -> String {
    let n = corpus.test.n.map(|n| format!(" ({n} utterances)"));
    let mut text = format!(
        "Results on the test split of {name}{}",
        n.unwrap_or_default()
    );
    match run.seeds.len() {
        1 => text.push_str(", one seed."),
        n => text.push_str(&format!(", mean ± standard deviation over {n} seeds.")),
    }
    text.push_str(
        " Bold: better than every other row beyond the 95 % bootstrap interval, in every seed.",
    );
    for row in published {
        for table in row.table {
            text.push_str(&format!(" Row {}: {}.", row.name, table.citation));
        }
    }
    let marked = |row: &Published<'_>| {
        let other = |metric: &Metric| paper::published(run, row.table, name, *metric);
        (columns(corpus.task).iter().filter_map(other)).any(|(_, same)| !same)
    };
    if published.iter().any(marked) {
        text.push_str(" † in another setting than this run's; the report says which.");
    }
    if run.synthetic() {
        text.push_str(" Synthetic data: the numbers say nothing about how people speak.");
    }
    if run.leaky() == Some(true) {
        text.push_str(" Leaky: rows of the test split donated labels to training.");
    }
    text
}

fn show(m: Metric, value: Option<f64>) -> Line {
    let value = value.map(|value| metric::show(m, value));
    value.unwrap_or_else(|| "—".to_owned()).into()
}

/// Our own value, bold where it is the best beyond all intervals; `published` are the values of the printed rows.
fn own(run: &Run, name: &str, corpus: &CorpusResults, m: Metric, published: &[f64]) -> Line {
    let test = &corpus.test;
    let Some(&value) = test.metrics.get(&m) else {
        return show(m, None);
    };
    let sd = test
        .sd
        .get(&m)
        .map(|sd| format!(" ± {}", metric::show(m, *sd)));
    let text = metric::show(m, value) + &sd.unwrap_or_default();
    let all = compare::comparisons(run, name);
    let beaten = |(baseline, scores): (&str, &Baseline)| {
        let mut against = (all.iter())
            .filter(|c| c.metric == m && c.baseline == baseline)
            .peekable();
        !scores.metrics.contains_key(&m)
            || against.peek().is_some() && against.all(|c| c.outcome == Some(Outcome::Beats))
    };
    let others = test
        .baselines
        .iter()
        .filter(|(_, b)| b.metrics.contains_key(&m));
    let compared = others.count() + published.len() > 0;
    let above = published.iter().all(|value| beyond(run, name, m, *value));
    if compared && above && test.baselines.iter().all(beaten) {
        Line::default().strong(text)
    } else {
        text.into()
    }
}

/// Whether the 95 % interval of every seed lies on the better side of `value`.
fn beyond(run: &Run, name: &str, m: Metric, value: f64) -> bool {
    run.seeds.iter().all(|seed| {
        let corpus = seed.results.corpora.get(name);
        let interval = corpus.and_then(|corpus| corpus.test.intervals.get(&m));
        let bounds = interval.and_then(|interval| interval.low.zip(interval.high));
        bounds.is_some_and(|(low, high)| match m.higher_is_better() {
            true => low > value,
            false => high < value,
        })
    })
}
