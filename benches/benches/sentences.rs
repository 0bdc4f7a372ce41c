//! Sentence embeddings of the MELD training texts, fp32 on the CPU, batches of 64: ours against sentence-transformers in the
//! same run, on the same threads. Quote the ratio.
//!
//! `UNIMSE_DATA` names the folder that holds `meld/train_sent_emo.csv`, `UNIMSE_MINILM` the encoder (default: the one that
//! setup links), `UNIMSE_PEER_PYTHON` a Python that has sentence-transformers. Arguments: `--test` takes every 50th text;
//! `--threads N`, `--rounds N`.
#![allow(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use std::collections::HashSet;
use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use tch::Device;
use unimse_model::{Precision, SentenceEncoder};

const BATCH: usize = 64;

fn argument(name: &str) -> Option<usize> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1)?.parse().ok()
}

fn texts(data: &Path) -> Result<Vec<String>, csv::Error> {
    let mut reader = csv::Reader::from_path(data.join("meld/train_sent_emo.csv"))?;
    let column = reader
        .headers()?
        .iter()
        .position(|name| name == "Utterance")
        .unwrap_or(1);
    reader
        .records()
        .map(|row| Ok(row?[column].to_owned()))
        .collect()
}

/// Seconds, and the values of the first embeddings.
type Measured = (f64, Vec<f32>);

/// Seconds that sentence-transformers takes for `texts`, and its embeddings of the first of them.
fn peer(
    texts: &[String],
    encoder: &Path,
    threads: usize,
) -> Result<Option<Measured>, Box<dyn Error>> {
    let Some(python) = std::env::var_os("UNIMSE_PEER_PYTHON") else {
        return Ok(None);
    };
    let mut child = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/peers/sentences.py"))
        .arg(encoder)
        .args([BATCH.to_string(), threads.to_string()])
        .env_remove("LD_LIBRARY_PATH") // cargo's points at our LibTorch
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(serde_json::to_string(texts)?.as_bytes())?;
    }
    let out = child.wait_with_output()?;
    Ok(Some(serde_json::from_slice(&out.stdout)?))
}

/// The least seconds of some rounds.
struct Best {
    /// For every text.
    all: f64,
    /// For equal texts once.
    once: f64,
    /// Of the peer, for every text.
    theirs: Option<f64>,
}

/// Times `texts` and `unique`, which has equal ones once, against what `peer` says.
fn measure(
    model: &SentenceEncoder,
    texts: &[String],
    unique: &[String],
    rounds: usize,
    peer: impl Fn() -> Result<Option<Measured>, Box<dyn Error>>,
) -> Result<Best, Box<dyn Error>> {
    let (mut all, mut once, mut theirs) = (f64::MAX, f64::MAX, None);
    for _ in 0..rounds {
        let start = Instant::now();
        let rows = model.encode(texts, BATCH, &mut |_| {})?;
        all = all.min(start.elapsed().as_secs_f64());
        let start = Instant::now();
        model.encode(unique, BATCH, &mut |_| {})?;
        once = once.min(start.elapsed().as_secs_f64());
        if let Some((seconds, first)) = peer()? {
            theirs = Some(f64::min(theirs.unwrap_or(f64::MAX), seconds));
            let worst = rows
                .iter()
                .zip(&first)
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f32::max);
            println!("largest difference of the first embeddings: {worst:.1e}");
        }
    }
    Ok(Best { all, once, theirs })
}

/// Prints seconds, throughput and ratios over so many texts.
fn report(texts: usize, best: &Best) {
    let line = |name: &str, seconds: f64| {
        println!(
            "{name:25} {seconds:8.2} s  {:8.0} texts/s",
            texts as f64 / seconds
        );
    };
    line("every text", best.all);
    line("equal texts once (unify)", best.once);
    let Some(theirs) = best.theirs else {
        println!("sentence-transformers: not measured, UNIMSE_PEER_PYTHON is not set");
        return;
    };
    line("sentence-transformers", theirs);
    println!(
        "throughput ratio: {:.2} for every text, {:.2} with equal texts once",
        theirs / best.all,
        theirs / best.once
    );
}

fn main() -> Result<(), Box<dyn Error>> {
    let quick = std::env::args().any(|argument| argument == "--test");
    let Some(data) = std::env::var_os("UNIMSE_DATA").map(PathBuf::from) else {
        println!("sentences: not measured, UNIMSE_DATA is not set");
        return Ok(());
    };
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../.models/all-MiniLM-L6-v2");
    let encoder =
        std::env::var_os("UNIMSE_MINILM").map_or_else(|| PathBuf::from(default), PathBuf::from);
    let mut texts = texts(&data)?;
    if quick {
        texts = texts.into_iter().step_by(50).collect();
    }
    let rounds = argument("--rounds").unwrap_or(if quick { 1 } else { 3 });
    let threads = argument("--threads")
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    tch::set_num_threads(threads as i32);

    let model = SentenceEncoder::load(&encoder, None, Device::Cpu, Precision::Fp32)?;
    model.encode(&texts[..texts.len().min(BATCH)], BATCH, &mut |_| {})?; // warm, as the peer does
    let mut seen = HashSet::new();
    let unique: Vec<String> = texts
        .iter()
        .filter(|text| seen.insert(*text))
        .cloned()
        .collect();
    let best = measure(&model, &texts, &unique, rounds, || {
        peer(&texts, &encoder, threads)
    })?;
    println!(
        "{} texts, {} of them different, batch {BATCH}, fp32, {threads} threads, best of {rounds} rounds",
        texts.len(),
        unique.len()
    );
    report(texts.len(), &best);
    Ok(())
}
