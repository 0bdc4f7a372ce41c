//! What makes a result checkable: protocol, receipts, provenance.

use unimse_labels::DonorProtocol;
use unimse_run::{Provenance, Timing};

use crate::doc::{Document, Line, numbers, words};
use crate::load::Run;
use crate::metric;

/// Source files beyond this many are counted, not printed.
const MAX_ROWS: usize = 200;
/// Characters of a value beyond this many are cut.
const MAX_CHARACTERS: usize = 400;

/// Names with what was recorded under them.
struct Rows(Vec<(String, Line)>);

impl Rows {
    /// A row of words; nothing recorded is said to be so.
    fn add(&mut self, name: &str, value: Option<String>) {
        let value = value.filter(|v| !v.is_empty());
        let value = value.unwrap_or_else(|| "not recorded".to_owned());
        self.0.push((name.to_owned(), value.into()));
    }

    /// A row of a value to be copied.
    fn code(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let value = cut(value.into());
        self.0.push((name.into(), Line::default().code(value)));
    }
}

/// A value of readable length.
fn cut(mut value: String) -> String {
    if let Some((at, _)) = value.char_indices().nth(MAX_CHARACTERS) {
        value.truncate(at);
        value.push('…');
    }
    value
}

/// Selection, receipts, donors, model. Corpora, seeds and openings stand on the first screen.
pub(crate) fn protocol(doc: &mut Document, run: &Run) {
    let mut rows = Rows(Vec::new());
    let protocol = &run.results.protocol;
    rows.add("Protocol", protocol.name.clone());
    rows.add("Checkpoint selected on", protocol.selection.clone());
    settings(&mut rows, run);
    if let Some(Timing {
        train_s,
        evaluate_s,
        ..
    }) = run.results.timing
    {
        rows.add("Time to train", Some(metric::duration(train_s)));
        rows.add("Time to evaluate", Some(metric::duration(evaluate_s)));
    }
    receipts(&mut rows, run);
    doc.heading(2, "Protocol");
    doc.pairs(rows.0);
}

/// What model of what data it was.
fn settings(rows: &mut Rows, run: &Run) {
    let r = &run.results;
    let donors = run.leaky().map(|leaky| match (leaky, r.donors) {
        (true, _) => "train and test rows (leaky)",
        (false, Some(DonorProtocol::None)) => "none: every corpus has its own labels alone",
        (false, Some(DonorProtocol::Random)) => "train rows drawn at random (a control)",
        (false, Some(DonorProtocol::Shuffled)) => {
            "train rows, exchanged among the utterances (a control)"
        }
        (false, _) => "train rows only (not leaky)",
    });
    let donors = donors.map(str::to_owned);
    rows.add("Donors of labels", donors);
    rows.add("Label fields", Some(r.fields.join(", ")));
    for (name, value) in [
        ("Architecture", &r.model_type),
        ("Decoder", &r.decoder),
        ("Label form", &r.label_form),
    ] {
        if value.is_some() {
            rows.add(name, value.clone());
        }
    }
    if let Some(skip) = r.fusion.skip {
        rows.add("Fusion adds the hidden state", Some(skip.to_string()));
    }
    rows.add("Modalities", Some(r.modalities.join(", ")));
    rows.add("Trained on", Some(r.trained_on.join(", ")));
    let readout = match (r.readout, run.aggregate) {
        (Some(readout), _) => Some(readout.to_string()),
        (None, true) => Some("differs by seed".to_owned()),
        (None, false) => None,
    };
    rows.add("Readout", readout);
}

/// The openings behind the scores. The aggregate has none of its own: every receipt is a seed's.
fn receipts(rows: &mut Rows, run: &Run) {
    let mut found = false;
    for seed in &run.seeds {
        let Some(receipt) = &seed.results.protocol.receipt else {
            continue;
        };
        found = true;
        let whose = match run.aggregate {
            true => format!("Receipt of {}", seed.name),
            false => "Receipt".to_owned(),
        };
        rows.code(
            format!("{whose}: SHA-256 of the split"),
            &receipt.split_sha256,
        );
        let checkpoint = &receipt.checkpoint_sha256;
        rows.code(format!("{whose}: SHA-256 of the checkpoint"), checkpoint);
    }
    if !found {
        rows.add("Receipt", None);
    }
}

/// Who made it, from what, with what.
pub(crate) fn provenance(doc: &mut Document, run: &Run) {
    doc.heading(2, "Provenance");
    let Some(provenance) = &run.provenance else {
        doc.paragraph("Not recorded.");
        return;
    };
    doc.pairs(provenance_rows(provenance).0);
    doc.folded(
        "What each stage read, by digest, with its time and its memory.",
        ["Stage", "Record", "Value"].map(words).into(),
        stage_rows(provenance),
    );
    doc.folded(
        "Source files with their SHA-256.",
        vec![words("File"), numbers("Bytes"), words("SHA-256")],
        source_rows(provenance),
    );
}

fn provenance_rows(p: &Provenance) -> Rows {
    let mut rows = Rows(Vec::new());
    rows.code("command", p.command.join(" "));
    rows.code("preset", &p.preset);
    let seeds: Vec<_> = p.seeds.iter().map(u64::to_string).collect();
    rows.code("seeds", seeds.join(", "));
    if let Some(hash) = &p.git.hash {
        rows.code("git.hash", hash);
    }
    if let Some(dirty) = p.git.dirty {
        rows.code("git.dirty", dirty.to_string());
    }
    for (program, version) in &p.versions {
        rows.code(format!("versions.{program}"), version);
    }
    rows.code("host.os", &p.host.os);
    rows.code("host.architecture", &p.host.architecture);
    for (name, value) in [
        ("host.cpu", p.host.cpu.clone()),
        ("host.cores", p.host.cores.map(|n| n.to_string())),
        ("host.memory_gib", p.host.memory_gib.map(|n| n.to_string())),
    ] {
        if let Some(value) = value {
            rows.code(name, value);
        }
    }
    rows
}

fn code(value: &str) -> Line {
    Line::default().code(cut(value.to_owned()))
}

fn stage_rows(p: &Provenance) -> Vec<Vec<Line>> {
    let mut rows = Vec::new();
    for (stage, record) in &p.stages {
        let mut add = |name: &str, value: &str| {
            rows.push(vec![Line::from(stage), code(name), code(value)]);
        };
        add("fingerprint", &record.fingerprint);
        for (input, digest) in &record.inputs {
            add(&format!("inputs.{input}"), digest);
        }
        if let Some(seconds) = record.seconds {
            add("seconds", &seconds.to_string());
        }
        if let Some(bytes) = record.peak_bytes {
            add("peak_bytes", &bytes.to_string());
        }
    }
    rows
}

fn source_rows(p: &Provenance) -> Vec<Vec<Line>> {
    let printed = p.sources.iter().take(MAX_ROWS);
    let mut rows: Vec<Vec<Line>> = printed
        .map(|(path, source)| {
            let bytes = source.bytes.to_string();
            vec![code(path), bytes.into(), code(&source.sha256)]
        })
        .collect();
    if p.sources.len() > MAX_ROWS {
        let more = format!("and {} more", p.sources.len() - MAX_ROWS);
        rows.push(vec![more.into(), Line::default(), Line::default()]);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use unimse_run::Source;

    #[test]
    fn values_of_any_length_stay_readable() {
        let source = |at: usize| {
            let (bytes, sha256) = (at as u64, "é".repeat(1000));
            (format!("f{at}"), Source { bytes, sha256 })
        };
        let provenance = Provenance {
            sources: (0..MAX_ROWS + 2).map(source).collect(),
            ..Provenance::default()
        };
        let rows = source_rows(&provenance);
        assert_eq!(rows.len(), MAX_ROWS + 1);
        assert_eq!(rows[MAX_ROWS][0], Line::from("and 2 more"));
        let expected = format!("{}…", "é".repeat(MAX_CHARACTERS));
        assert_eq!(rows[0][2], Line::default().code(expected));
    }
}
