//! `unimse doctor`: findings about a data folder, exit 1 if one is an error; or how much a run folder's tables hold.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Map, Value, json};
use unimse_corpus::polars::prelude::{AnyValue, DataFrame, PolarsResult};
use unimse_corpus::{Finding, Hint, Severity, frame, queries, steps, tables_in};
use unimse_report::{Examined, ToDo};
use unimse_run::artefact;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The data folder; or a run folder, or one of tables, whose utterances are counted.
    dir: PathBuf,
    /// JSON instead of a table.
    #[arg(long)]
    json: bool,
    /// Say too what exactly to do: which file is missing where, which command mends it.
    #[arg(long)]
    fix_hints: bool,
    /// Write the findings as one HTML page too, with what to do.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if tables_in(&args.dir)?.is_some() {
        return tables(args);
    }
    let findings = unimse_corpus::doctor(&args.dir)?;
    let hints = match args.fix_hints || args.html.is_some() {
        true => unimse_corpus::hints(&args.dir, &findings),
        false => Vec::new(),
    };
    if let Some(path) = &args.html {
        artefact::write(path, page(&args.dir, &findings, &hints).as_bytes())?;
    }
    let hints = args.fix_hints.then_some(&hints[..]);
    super::print(&match args.json {
        true => as_json(&findings, hints)?,
        false => table(&findings) + &hints.map(to_do).unwrap_or_default(),
    })?;
    let broken = findings
        .iter()
        .any(|f: &Finding| f.severity == Severity::Error);
    Ok(if broken {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Counts of a folder of tables.
fn tables(args: &Args) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(
        !args.fix_hints && args.html.is_none(),
        "{}: expected a data folder for --fix-hints and --html, found tables that ingest wrote",
        args.dir.display()
    );
    let counts = queries::counts(frame(&args.dir)?, steps(&args.dir)?).collect()?;
    super::print(&match args.json {
        true => format!("{:#}\n", json!({"tables": rows(&counts)?})),
        false => in_columns(&counts)?,
    })?;
    Ok(ExitCode::SUCCESS)
}

fn as_json(findings: &[Finding], hints: Option<&[Hint]>) -> serde_json::Result<String> {
    let findings: Vec<_> = findings
        .iter()
        .map(|f| {
            json!({"code": f.code, "severity": f.severity, "file": f.file, "rows": f.rows,
                "message": f.message, "advice": f.advice()})
        })
        .collect();
    let mut all = json!({ "findings": findings });
    if let Some(hints) = hints {
        all["hints"] = json!(hints);
    }
    Ok(format!("{}\n", serde_json::to_string_pretty(&all)?))
}

/// The hints below the table: what to do, and the commands for it.
fn to_do(hints: &[Hint]) -> String {
    let mut out = String::from("\nwhat to do\n");
    if hints.is_empty() {
        out.push_str("  nothing that a file or a command could mend\n");
    }
    for hint in hints {
        // writing to a String cannot fail
        let _ = writeln!(out, "  {} [{}]: {}", hint.file, hint.code, hint.what);
        for command in &hint.commands {
            let _ = writeln!(out, "    $ {command}");
        }
    }
    out
}

/// The page of the findings and of what to do about them.
fn page(dir: &Path, findings: &[Finding], hints: &[Hint]) -> String {
    let finding = |f: &Finding| Examined {
        code: f.code.to_string(),
        severity: severity(f).to_owned(),
        file: f.file.clone(),
        rows: f.rows.clone(),
        message: f.message.clone(),
        advice: f.advice().to_owned(),
    };
    let hint = |hint: &Hint| ToDo {
        file: hint.file.clone(),
        what: hint.what.clone(),
        commands: hint.commands.clone(),
    };
    let findings: Vec<Examined> = findings.iter().map(finding).collect();
    let hints: Vec<ToDo> = hints.iter().map(hint).collect();
    unimse_report::examined_page(&dir.display().to_string(), &findings, &hints)
}

fn severity(finding: &Finding) -> &'static str {
    match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "info",
    }
}

/// One line a finding under headings, what to do below each, and a sum.
fn table(findings: &[Finding]) -> String {
    let width = findings
        .iter()
        .map(|f| f.code.name().len())
        .max()
        .unwrap_or(0)
        .max(4);
    let mut out = format!("{:7}  {:width$}  {:>6}  what\n", "", "code", "rows");
    let mut counts = [0; 3];
    for f in findings {
        let severity = severity(f);
        counts[f.severity as usize] += 1;
        let rows = if f.rows.is_empty() {
            String::new()
        } else {
            f.rows.len().to_string()
        };
        let line = f.to_string();
        let text = line
            .strip_suffix(&format!(" [{}]", f.code))
            .unwrap_or(&line);
        // writing to a String cannot fail
        let _ = writeln!(out, "{severity:7}  {:width$}  {rows:>6}  {text}", f.code);
        if f.severity != Severity::Info {
            let _ = writeln!(out, "{:7}  {:width$}  {:>6}  -> {}", "", "", "", f.advice());
        }
    }
    let [errors, warnings, infos] = counts;
    let _ = writeln!(out, "{errors} errors, {warnings} warnings, {infos} remarks");
    out
}

/// The rows of a frame as JSON objects.
fn rows(frame: &DataFrame) -> PolarsResult<Vec<Value>> {
    let cell = |cell: AnyValue<'_>| match cell {
        AnyValue::String(text) => json!(text),
        AnyValue::UInt32(number) => json!(number),
        other => json!(other.to_string()),
    };
    let row = |row| -> PolarsResult<Value> {
        let cells = frame.columns().iter();
        let cells = cells.map(|c| Ok((c.name().to_string(), cell(c.get(row)?))));
        Ok(Value::Object(cells.collect::<PolarsResult<Map<_, _>>>()?))
    };
    (0..frame.height()).map(row).collect()
}

/// A frame as text: the names, then a line a row, columns aligned.
fn in_columns(frame: &DataFrame) -> PolarsResult<String> {
    let mut lines = vec![String::new(); frame.height() + 1];
    for column in frame.columns() {
        let mut cells = vec![column.name().to_string()];
        for row in 0..frame.height() {
            cells.push(column.get(row)?.str_value().into_owned());
        }
        let width = cells.iter().map(|cell| cell.chars().count()).max();
        let (width, text) = (width.unwrap_or(0), column.dtype().is_string());
        for (line, cell) in lines.iter_mut().zip(cells) {
            // writing to a String cannot fail
            let _ = match text {
                true => write!(line, "{cell:width$}  "),
                false => write!(line, "{cell:>width$}  "),
            };
        }
    }
    let lines = lines.iter().map(|line| format!("{}\n", line.trim_end()));
    Ok(lines.collect())
}
