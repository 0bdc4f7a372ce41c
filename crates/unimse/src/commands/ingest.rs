//! `unimse ingest`: data sets to utterance tables, all or nothing.

use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Folder with mosi/, mosei/, meld/, iemocap/ below it, or some of them.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Where the tables go.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The feature file of a corpus, where several fit: `mosi=FILE`.
    #[arg(long, value_name = "CORPUS=FILE", value_parser = pair)]
    features: Vec<(String, PathBuf)>,
}

fn pair(text: &str) -> Result<(String, PathBuf), String> {
    let (corpus, file) = text
        .split_once('=')
        .ok_or("expected CORPUS=FILE, as in mosi=features.pkl")?;
    Ok((corpus.to_owned(), PathBuf::from(file)))
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let read = unimse_corpus::ingest(&args.data, &args.out, &args.features, &mut |line| {
        eprintln!("ingest: {line}")
    });
    if read.is_err() {
        crate::interrupt::wait_if_interrupted();
    }
    let summaries = read?;
    // a note is of a corpus: every split carries it
    let notes = summaries.iter().flat_map(|s| &s.notes);
    let mut said = std::collections::HashSet::new();
    for note in notes.filter(|n| said.insert(*n)) {
        eprintln!("note: {note}");
    }
    for s in &summaries {
        let part = |name: &str, n: usize, dim: Option<usize>| {
            dim.map_or_else(|| format!("no {name}"), |d| format!("{name} {n} x {d}"))
        };
        super::print(&format!(
            "{} {}: {} utterances, {} dialogues, {}, {}{}\n",
            s.corpus,
            s.split.name(),
            s.utterances,
            s.dialogues,
            part("audio", s.audio, s.audio_dim),
            part("video", s.video, s.video_dim),
            if s.synthetic { " (synthetic)" } else { "" },
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}
