//! `unimse doctor`: findings about a data folder; exit 1 if one is an error.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;
use unimse_corpus::{Finding, Severity};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The data folder.
    dir: PathBuf,
    /// JSON instead of a table.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let findings = unimse_corpus::doctor(&args.dir)?;
    if args.json {
        let findings: Vec<_> = findings
            .iter()
            .map(|f| {
                json!({"code": f.code, "severity": f.severity, "file": f.file, "rows": f.rows,
                    "message": f.message, "advice": f.advice()})
            })
            .collect();
        super::print(&format!(
            "{}\n",
            serde_json::to_string_pretty(&json!({ "findings": findings }))?
        ))?;
    } else {
        super::print(&table(&findings))?;
    }
    let broken = findings
        .iter()
        .any(|f: &Finding| f.severity == Severity::Error);
    Ok(if broken {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// One line a finding under headings, what to do below each, and a sum.
fn table(findings: &[Finding]) -> String {
    let width = findings
        .iter()
        .map(|f| f.code.len())
        .max()
        .unwrap_or(0)
        .max(4);
    let mut out = format!("{:7}  {:width$}  {:>6}  what\n", "", "code", "rows");
    let mut counts = [0; 3];
    for f in findings {
        let severity = match f.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "info",
        };
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
