//! What the stages cost: time, memory, and how many utterances went through in a second.

use maud::Markup;
use unimse_run::{Results, StageRecord};

use crate::doc::{Document, Line, Table, numbers, words};
use crate::load::{Run, SeedRun};
use crate::metric;
use crate::svg::{self, Forest, Mark, Row};

/// One stage.
#[derive(Default)]
struct Cost {
    name: String,
    seconds: Option<f64>,
    bytes: Option<u64>,
    /// Utterances a second.
    speed: Option<f64>,
}

/// The section, where anything was recorded.
pub(crate) fn section(doc: &mut Document, run: &Run) {
    let costs: Vec<Cost> = costs(run).into_iter().filter(Cost::is_known).collect();
    if costs.is_empty() {
        return;
    }
    doc.heading(2, "Time and memory");
    let pictures = [
        picture("Time", "seconds", &costs, &|c| {
            Some((c.seconds?, metric::duration(c.seconds?)))
        }),
        picture("Largest memory", "MiB", &costs, &|c| {
            let mebibytes = mebibytes(c.bytes?);
            Some((mebibytes, metric::number(mebibytes, 0)))
        }),
        picture("Speed", "utterances a second", &costs, &|c| {
            Some((c.speed?, metric::number(c.speed?, 1)))
        }),
    ];
    let caption = "What the stages took, each a process of its own: time, largest resident memory, utterances a second. ingest and unify: all utterances of the run \
                   over the whole time, the loading of the sentence encoder included. train: utterances drawn, over the epochs without their dev passes. evaluate: \
                   dev and test answered once as they are, without baselines and answers to spoiled inputs.";
    if let Some(panels) = svg::panels(pictures.into_iter().flatten().collect()) {
        doc.figure(caption, panels, Some(table(&costs)));
    }
}

/// A row for each stage with a value, from 0 on.
fn picture(
    title: &str,
    unit: &str,
    costs: &[Cost],
    value: &dyn Fn(&Cost) -> Option<(f64, String)>,
) -> Option<Markup> {
    let row = |cost: &Cost| {
        let (value, shown) = value(cost)?;
        let mark = Mark {
            value,
            interval: Some((0.0, value)), // a line from 0 on, as a bar would be
            colour: 0,
            says: format!("{}: {shown}", cost.name),
            shown,
            hollow: false,
        };
        Some(Row {
            name: cost.name.clone(),
            marks: vec![mark],
        })
    };
    let rows: Vec<Row> = costs.iter().filter_map(row).collect();
    svg::forest(&Forest {
        title,
        x: unit,
        reference: Some(0.0),
        rows: &rows,
    })
}

impl Cost {
    fn is_known(&self) -> bool {
        self.seconds.is_some() || self.bytes.is_some() || self.speed.is_some()
    }
}

/// The stages in the order in which they run; those of several seeds under their names.
fn costs(run: &Run) -> Vec<Cost> {
    let seconds = |record: Option<&StageRecord>| record.and_then(|r| r.seconds);
    let bytes = |record: Option<&StageRecord>| record.and_then(|r| r.peak_bytes);
    let all = utterances(&run.results, &["train", "dev", "test"]);
    let mut costs: Vec<Cost> = ["ingest", "unify"]
        .into_iter()
        .map(|stage| {
            let record = run.provenance.as_ref().and_then(|p| p.stages.get(stage));
            Cost {
                name: stage.to_owned(),
                seconds: seconds(record),
                bytes: bytes(record),
                speed: speed(all, seconds(record)),
            }
        })
        .collect();
    for seed in &run.seeds {
        let provenance = if run.aggregate {
            &seed.provenance
        } else {
            &run.provenance
        };
        let record = |stage: &str| provenance.as_ref().and_then(|p| p.stages.get(stage));
        let name = |stage: &str| match run.aggregate {
            true => format!("{}: {stage}", seed.name),
            false => stage.to_owned(),
        };
        let timing = seed.results.timing;
        costs.push(Cost {
            name: name("train"),
            seconds: seconds(record("train")).or(timing.map(|t| t.train_s)),
            bytes: bytes(record("train")).or_else(|| logged_memory(seed)),
            speed: logged_speed(seed),
        });
        let asked = utterances(&seed.results, &["dev", "test"]);
        costs.push(Cost {
            name: name("evaluate"),
            seconds: seconds(record("evaluate")).or(timing.map(|t| t.evaluate_s)),
            bytes: bytes(record("evaluate")),
            speed: speed(asked, timing.and_then(|t| t.answer_s)),
        });
    }
    costs
}

/// Utterances of all corpora in `splits`; 0 where that was not recorded.
fn utterances(results: &Results, splits: &[&str]) -> usize {
    let corpora = results.utterances.iter();
    let of_corpus = corpora.flat_map(|(_, sizes)| splits.iter().filter_map(|s| sizes.get(s)));
    of_corpus.sum()
}

/// Seconds below which a stage took over what another run had made, so that no speed follows from them.
const LEAST: f64 = 0.05;

fn speed(utterances: usize, seconds: Option<f64>) -> Option<f64> {
    let seconds = seconds.filter(|&s| s >= LEAST && utterances > 0)?;
    Some(utterances as f64 / seconds)
}

/// The mean over the epochs.
fn logged_speed(seed: &SeedRun) -> Option<f64> {
    let epochs = seed.curves.epochs.iter();
    let speeds: Vec<f64> = epochs.filter_map(|e| e.utterances_per_second).collect();
    (!speeds.is_empty()).then(|| speeds.iter().sum::<f64>() / speeds.len() as f64)
}

/// What the training itself saw of its memory.
fn logged_memory(seed: &SeedRun) -> Option<u64> {
    let epochs = seed.curves.epochs.iter();
    epochs
        .filter_map(|e| e.memory)
        .max()
        .filter(|&bytes| bytes > 0)
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn table(costs: &[Cost]) -> Table {
    let show =
        |value: Option<String>| Line::from(value.unwrap_or_else(|| "not recorded".to_owned()));
    let rows = costs.iter().map(|cost| {
        let memory = cost.bytes.map(mebibytes);
        vec![
            Line::from(cost.name.as_str()),
            show(cost.seconds.map(|s| metric::number(s, 1))),
            show(memory.map(|mebibytes| metric::number(mebibytes, 0))),
            show(cost.speed.map(|speed| metric::number(speed, 1))),
        ]
    });
    let mut head = vec![words("Stage")];
    head.extend(["Seconds", "Memory, MiB", "Utterances a second"].map(numbers));
    Table::of_figure(head, rows.collect())
}
