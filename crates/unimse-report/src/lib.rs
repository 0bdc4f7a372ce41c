#![allow(missing_docs)]
mod shim;
use shim as unimse_eval;
mod compare; mod corpora; mod doc; mod error; mod events; mod headline; mod html; mod load; mod markdown; mod metric; mod paper; mod record; mod schema; mod svg; mod training;

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

pub use error::ReportError;
use doc::Document;
use unimse_eval::PaperTable;

/// Where the report stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// `report.md`.
    pub markdown: PathBuf,
    /// `report.html`: one file that needs no other.
    pub html: PathBuf,
}

pub fn write(run: &Path, paper_tables: &[PaperTable]) -> Result<Written, ReportError> {
    let document = document(&load::run(run)?, paper_tables);
    let written = Written {
        markdown: run.join("report.md"),
        html: run.join("report.html"),
    };
    replace(&written.markdown, &markdown::render(&document))?;
    replace(&written.html, &html::render(&document))?;
    Ok(written)
}

/// The report in reading order.
fn document(run: &load::Run, paper_tables: &[PaperTable]) -> Document {
    let mut about = Vec::new();
    if !run.name.is_empty() {
        about.push(format!("Run “{}”", run.name));
    }
    about.extend(run.results.backbone.clone());
    if !run.results.modalities.is_empty() {
        about.push(run.results.modalities.join(", "));
    }
    about.push(match run.seeds.len() {
        1 => run.seeds.iter().map(|s| s.name.as_str()).collect(),
        n => format!("{n} seeds"),
    });
    let mut doc = Document::new("UniMSE: report of a run", about.join(" · "));
    headline::section(&mut doc, run);
    corpora::section(&mut doc, run);
    paper::section(&mut doc, run, paper_tables);
    training::section(&mut doc, run);
    record::protocol(&mut doc, run);
    record::labels(&mut doc, run);
    record::provenance(&mut doc, run);
    record::config(&mut doc, run);
    doc
}

/// Writes a file beside its final name, syncs it and renames it, so that a reader sees the old file or the new one.
fn replace(path: &Path, text: &str) -> Result<(), ReportError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    let temporary = PathBuf::from(name);
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(|source| {
        // Best effort: the error that matters is the one reported.
        let _ = fs::remove_file(&temporary);
        ReportError::Write { path: path.to_owned(), source }
    })
}
