//! `unimse score`: the metrics of a file of truths and predictions, as JSON.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Map, Value, json};
use unimse_eval::{Convention, Scores, emotion, sentiment};
use unimse_labels::Taxonomy;

use super::rows::Pair;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What the columns hold: scores (sentiment) or class names (emotion).
    #[arg(long)]
    task: Task,
    /// Convention of the sentiment metrics: mmsa, mult or mag.
    #[arg(long, default_value = "mmsa", value_name = "mmsa|mult|mag")]
    convention: Convention,
    /// The class list of an emotion file, comma separated, in the order of the confusion matrix; `meld` (default) and `iemocap` stand for theirs.
    #[arg(long, value_name = "A,B,...", value_delimiter = ',')]
    labels: Vec<String>,
    /// CSV or Parquet with the columns truth and prediction. Errors count lines of a CSV file from 1, its header among them, and rows of a
    /// Parquet file from 1.
    file: PathBuf,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Task {
    Sentiment,
    Emotion,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let rows = super::rows::truths_and_predictions(&args.file)?;
    let json = match args.task {
        Task::Sentiment => sentiment_json(args, &rows)?,
        Task::Emotion => emotion_json(args, &rows)?,
    };
    super::print(&format!("{}\n", serde_json::to_string_pretty(&json)?))?;
    Ok(ExitCode::SUCCESS)
}

fn sentiment_json(args: &Args, rows: &[Pair]) -> Result<Value> {
    if !args.labels.is_empty() {
        bail!("--labels: a sentiment file has no classes");
    }
    let parse = |row: &Pair, column: &str, text: &str| {
        let number = text.trim().parse::<f32>().ok().filter(|x| x.is_finite());
        number.ok_or_else(|| {
            anyhow!(
                "{}: {}, column {column}: expected a finite number, found {text:?}",
                args.file.display(),
                row.place
            )
        })
    };
    let (mut truth, mut prediction) = (Vec::new(), Vec::new());
    for row in rows {
        truth.push(parse(row, "truth", &row.truth)?);
        prediction.push(parse(row, "prediction", &row.prediction)?);
    }
    let file = || args.file.display().to_string();
    Ok(head(
        "sentiment",
        args.convention.name(),
        &sentiment(&prediction, &truth, args.convention).with_context(file)?,
    ))
}

fn emotion_json(args: &Args, rows: &[Pair]) -> Result<Value> {
    let classes = |t: Taxonomy| {
        t.labels()
            .iter()
            .map(|l| (*l).to_owned())
            .collect::<Vec<_>>()
    };
    let labels = match args.labels.as_slice() {
        [] => classes(Taxonomy::Meld),
        [one] if one == "meld" => classes(Taxonomy::Meld),
        [one] if one == "iemocap" => classes(Taxonomy::Iemocap),
        list => list.iter().map(|l| l.trim().to_owned()).collect(),
    };
    let class = |row: &Pair, column: &str, text: &str| {
        let index = labels.iter().position(|l| l == text.trim());
        index.ok_or_else(|| {
            anyhow!(
                "{}: {}, column {column}: expected one of {}, found {text:?}",
                args.file.display(),
                row.place,
                labels.join(", ")
            )
        })
    };
    let (mut truth, mut prediction) = (Vec::new(), Vec::new());
    for row in rows {
        truth.push(class(row, "truth", &row.truth)?);
        prediction.push(class(row, "prediction", &row.prediction)?);
    }
    let file = || args.file.display().to_string();
    let e = emotion(&prediction, &truth, &labels).with_context(file)?;
    let mut out = head("emotion", args.convention.name(), &e.scores);
    let classes: Map<String, Value> = e
        .per_class
        .iter()
        .map(|c| (c.label.clone(), json!({"precision": c.precision, "recall": c.recall, "f1": c.f1, "support": c.support})))
        .collect();
    out["per_class"] = Value::Object(classes);
    out["confusion_rows_truth"] = json!(e.confusion);
    Ok(out)
}

fn head(task: &str, convention: &str, s: &Scores) -> Value {
    let mut out = json!({"task": task, "convention": convention});
    out["n"] = json!(s.n);
    out["metrics"] = json!(s.metrics);
    out["undefined"] = json!(s.undefined);
    out
}
