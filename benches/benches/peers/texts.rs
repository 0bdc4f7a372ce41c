//! The texts that contests of text work on: MELD's training utterances where `UNIMSE_DATA` names a folder with them, else those of the demo corpora.

use std::path::{Path, PathBuf};

use unimse_corpus::Split;

use crate::protocol::Failure;

/// At least `least` texts: what there is, and from the beginning again.
pub(crate) fn at_least(least: usize) -> Result<Vec<String>, Failure> {
    let meld = std::env::var_os("UNIMSE_DATA")
        .map(|data| PathBuf::from(data).join("meld/train_sent_emo.csv"))
        .filter(|file| file.is_file());
    let texts = match meld {
        Some(file) => of_meld(&file)?,
        None => of_demo()?,
    };
    let n = texts.len().max(least);
    Ok(texts.into_iter().cycle().take(n).collect())
}

fn of_meld(file: &Path) -> Result<Vec<String>, Failure> {
    let mut reader = csv::Reader::from_path(file)?;
    let mut names = reader.headers()?.iter();
    let column = names
        .position(|name| name == "Utterance")
        .ok_or_else(|| format!("{}: no column Utterance", file.display()))?;
    let texts = reader.records().map(|row| Ok(row?[column].to_owned()));
    texts.collect()
}

/// Train rows of all four.
fn of_demo() -> Result<Vec<String>, Failure> {
    let place = tempfile::tempdir()?;
    let [data, tables] = ["data", "tables"].map(|name| place.path().join(name));
    unimse_corpus::demo::write(&data)?;
    unimse_corpus::ingest(&data, &tables, &[], &mut |_| {})?;
    let corpora = unimse_corpus::read(&tables, &[Split::Train])?;
    let utterances = corpora.iter().flat_map(|corpus| &corpus.utterances);
    Ok(utterances.map(|utterance| utterance.text.clone()).collect())
}
