//! `unimse predict`, a whole process a round: one text, and rows of a file. The run it answers from is trained for one epoch on the demo data of MOSI.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;

use unimse_train::config::RunConfig;
use unimse_train::train::trainer;

use crate::protocol::{Failure, Job, Side};
use crate::tables::{SEED, tables};
use crate::texts;

const ROWS: usize = 1_000;
const TEXT: &str = "I can't believe you did that!";

pub(crate) fn side(contest: &str, job: &Job) -> Result<Side, Failure> {
    let rows = job.folder.join("rows.jsonl");
    if job.side == "prepare" {
        let texts = match contest {
            "predict_one" => vec![TEXT.to_owned()],
            _ => texts::at_least(ROWS)?,
        };
        let row = |text: &String| format!("{}\n", serde_json::json!({ "text": text }));
        let lines = texts.iter().take(job.size(ROWS, 64)).map(row);
        std::fs::write(&rows, lines.collect::<String>())?;
        run(&job.folder, job.model("all-MiniLM-L6-v2")?)?;
        return Ok(Side::prepared());
    }
    let mut command = Command::new(&job.unimse);
    command
        .args(["predict", "--run"])
        .arg(job.folder.join("run"))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    let threads = job.threads.to_string();
    match contest {
        // with its own number of threads, which is one, as a user calls it
        "predict_one" => command.args(["--text", TEXT]),
        _ => command
            .arg("--input")
            .arg(&rows)
            .args(["--threads", &threads]),
    };
    let mut answers = move || -> Result<usize, Failure> {
        let output = command.output()?;
        if !output.status.success() {
            return Err(format!("unimse predict failed: {}", output.status).into());
        }
        Ok(output.stdout.iter().filter(|&&byte| byte == b'\n').count())
    };
    let check = vec![answers()? as f64];
    Ok(Side {
        spawns: true,
        ..Side::new(check, move || answers().map(drop))
    })
}

/// Trains `place/run`.
fn run(place: &Path, encoder: &Path) -> Result<(), Failure> {
    let encoder = encoder.display().to_string();
    let overrides = [
        format!("model.checkpoint={encoder}"),
        "train.epochs=1".to_owned(),
    ];
    let config = RunConfig::merge(None, None, &overrides)?;
    let folder = tables(place, &config, &encoder)?;
    Ok(trainer::train(&config, &folder, SEED, false, &AtomicBool::new(false)).map(drop)?)
}
