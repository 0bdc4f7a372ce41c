//! T5 of the t5-small shape with random weights on the MELD training texts, CPU: ours in `train.precision = "auto"` against Hugging Face
//! transformers in fp32 with its default AdamW, and under bf16 autocast with the fused one. Theirs generates without constraint as many tokens
//! as the longest label has. Same checkpoint, texts, labels and threads, in the same run; each side is a process of its own and gets its job on stdin. Quote the ratios.
//!
//! `UNIMSE_DATA` holds `meld/train_sent_emo.csv`, `UNIMSE_MODELS` holds `t5-tokenizer/`, `UNIMSE_PEER_PYTHON` is a Python with transformers 4.57
//! and torch 2.11. Arguments: `--test` (a few texts), `--threads N`, `--rounds N`, `--only step|epoch|generate|loss`.
#![allow(clippy::print_stdout, reason = "a benchmark prints what it measured")]

#[path = "t5/ours.rs"]
mod ours;

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ours::{Answer, Failure, Job, Rows, grammar};
use tch::Device;
use tch::nn::VarStore;
use unimse_model::t5::{T5, T5Config};
use unimse_model::text_decoder::TextDecoder;
use unimse_model::weights;
use unimse_model::{Precision, Target, Tokenizer};
use unimse_train::data::sampler::{Entry, Mixture, Plan};

/// Token ids of a text, and of its label.
type Row = (Vec<i64>, Vec<i64>);

const BATCH: usize = 32;
const SHAPE: &str = r#"{"architectures": ["T5ForConditionalGeneration"], "model_type": "t5", "vocab_size": 32128, "d_model": 512,
    "d_kv": 64, "d_ff": 2048, "num_layers": 6, "num_heads": 8, "dropout_rate": 0.1, "decoder_start_token_id": 0,
    "eos_token_id": 1, "pad_token_id": 0, "is_encoder_decoder": true}"#;

fn ask(program: &OsStr, arguments: &[&str], job: &Job) -> Result<Answer, Failure> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    if arguments[0] != "--ours" {
        command.env_remove("LD_LIBRARY_PATH"); // cargo's points at our LibTorch
    }
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(&serde_json::to_vec(job)?)?;
    }
    let out = child.wait_with_output()?;
    if !out.status.success() {
        return Err(format!("{} failed: {}", program.display(), out.status).into());
    }
    Ok(serde_json::from_slice(&out.stdout)?)
}

/// A checkpoint of the shape with random weights.
fn checkpoint(folder: &Path, tokenizer: &Path) -> Result<(), Failure> {
    std::fs::write(folder.join("config.json"), SHAPE)?;
    std::fs::copy(tokenizer, folder.join("tokenizer.json"))?;
    tch::manual_seed(1);
    let store = VarStore::new(Device::Cpu);
    let _model = T5::new(
        &store.root(),
        &T5Config::from_folder(folder)?,
        Precision::Fp32,
    );
    let mut all: Vec<_> = store.variables().into_iter().collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(weights::save(&all, &folder.join("model.safetensors"))?)
}

/// Token ids of every MELD training text, and of a label for each.
fn rows(data: &Path, folder: &Path) -> Result<Vec<Row>, Failure> {
    let tokenizer = Tokenizer::from_folder(folder)?;
    let decoder = TextDecoder::new(
        &grammar(),
        Tokenizer::from_folder(folder)?,
        &T5Config::from_folder(folder)?,
    )?;
    let labels: Vec<_> = grammar().labels().collect();
    let mut reader = csv::Reader::from_path(data.join("meld/train_sent_emo.csv"))?;
    let column = reader
        .headers()?
        .iter()
        .position(|name| name == "Utterance");
    let column = column.ok_or("train_sent_emo.csv: no column Utterance")?;
    reader
        .records()
        .enumerate()
        .map(|(i, record)| {
            let target = Target {
                label: labels[i * 7919 % labels.len()],
                weights: unimse_labels::PerField::from_fn(|_| 1.0),
            };
            Ok((
                tokenizer.encode_text(&record?[column], 512)?,
                decoder.encode(&target)?.ids,
            ))
        })
        .collect()
}

fn gather(rows: &[Row], batches: &[Vec<usize>]) -> Vec<Rows> {
    let batch = |batch: &Vec<usize>| Rows {
        ids: batch.iter().map(|&i| rows[i].0.clone()).collect(),
        labels: batch.iter().map(|&i| rows[i].1.clone()).collect(),
    };
    batches.iter().map(batch).collect()
}

/// Best of the rounds of three contestants: ours, transformers in fp32, transformers under autocast.
fn contest(
    what: &str,
    rounds: usize,
    mut run: impl FnMut(usize) -> Result<Answer, Failure>,
) -> Result<(), Failure> {
    let mut best = [f64::INFINITY; 3];
    let mut peaks = [0; 3];
    for _ in 0..rounds {
        for who in [0, 1, 2] {
            let answer = run(who)?;
            best[who] = best[who].min(answer.seconds);
            peaks[who] = peaks[who].max(answer.peak);
        }
    }
    println!(
        "{what}: ours {:.2} s, transformers fp32 {:.2} s, autocast {:.2} s: {:.2} and {:.2} times their speed; peak memory {} MB, theirs {} and {} MB",
        best[0],
        best[1],
        best[2],
        best[1] / best[0],
        best[2] / best[0],
        peaks[0] >> 20,
        peaks[1] >> 20,
        peaks[2] >> 20
    );
    Ok(())
}

fn argument(name: &str) -> Option<String> {
    std::env::args().skip_while(|a| a != name).nth(1)
}

/// What all contests share.
struct Bench {
    folder: tempfile::TempDir,
    this: PathBuf,
    python: OsString,
    threads: usize,
    rounds: usize,
    quick: bool,
    /// Whether ours computes in bf16.
    half: bool,
    /// Batches that a job trains on; those behind them only give a loss. More than the timed jobs have.
    learnt: usize,
    /// Tokens of the longest label.
    most: usize,
    rows: Vec<Row>,
}

/// One of those that `--only` names.
type Contest = fn(&Bench) -> Result<(), Failure>;

const PLAN: Plan = Plan {
    batch: BATCH,
    token_budget: usize::MAX,
    mixture: Mixture::Temperature(1.0),
};

impl Bench {
    fn ask(
        &self,
        who: usize,
        mode: &str,
        dropout: f64,
        warm: usize,
        batches: &[Rows],
        ours: bool,
    ) -> Result<Answer, Failure> {
        let job = Job {
            checkpoint: self.folder.path().to_owned(),
            threads: self.threads,
            mode: mode.to_owned(),
            bf16: if ours {
                self.half && who == 0
            } else {
                who == 2
            },
            dropout,
            lr: 1e-4,
            warm,
            steps: self.learnt,
            most: self.most,
            batches: batches.to_vec(),
        };
        if ours {
            ask(self.this.as_os_str(), &["--ours"], &job)
        } else {
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/t5.py");
            ask(&self.python, &[script], &job)
        }
    }

    /// Batches of the rows as they come.
    fn in_order(&self) -> Vec<Vec<usize>> {
        (0..self.rows.len())
            .collect::<Vec<_>>()
            .chunks(BATCH)
            .map(<[_]>::to_vec)
            .collect()
    }

    fn entries(&self) -> Vec<Entry> {
        self.rows
            .iter()
            .map(|row| Entry {
                corpus: 0,
                tokens: row.0.len(),
            })
            .collect()
    }

    /// Training steps on the same batches.
    fn step(&self) -> Result<(), Failure> {
        let steps = if self.quick { 2 } else { 12 };
        let batches = gather(&self.rows, &self.in_order()[..steps + 2]);
        contest("training step, same batches", self.rounds, |who| {
            self.ask(who, "train", 0.1, 2, &batches, who == 0)
        })
    }

    /// An epoch of shuffled texts.
    fn epoch(&self) -> Result<(), Failure> {
        let (in_order, entries) = (self.in_order(), self.entries());
        // The texts of a shuffled epoch's first batches: theirs as they come, ours in buckets.
        let texts = if self.quick { 2 } else { 32 } * BATCH;
        let shuffled: Vec<usize> = (0..texts).map(|i| i * 7919 % self.rows.len()).collect();
        let plain: Vec<_> = shuffled.chunks(BATCH).map(<[_]>::to_vec).collect();
        let chosen: Vec<Entry> = shuffled.iter().map(|&i| entries[i]).collect();
        let bucketed: Vec<Vec<usize>> = PLAN
            .epoch(&chosen, 1, 0)
            .iter()
            .map(|batch| batch.iter().map(|&i| shuffled[i]).collect())
            .collect();
        let warm = gather(&self.rows, &in_order[..2]);
        let with_warm =
            |batches: &[Vec<usize>]| [warm.clone(), gather(&self.rows, batches)].concat();
        let (plain, bucketed) = (with_warm(&plain), with_warm(&bucketed));
        contest("epoch of shuffled texts", self.rounds, |who| {
            let batches = if who == 0 { &bucketed } else { &plain };
            self.ask(who, "train", 0.1, 2, batches, who == 0)
        })
    }

    /// Labels of the same texts.
    fn generate(&self) -> Result<(), Failure> {
        let (in_order, entries) = (self.in_order(), self.entries());
        let texts = if self.quick { 2 } else { 10 };
        let batches = gather(&self.rows, &in_order[..texts]);
        contest("constrained generation, same batches", self.rounds, |who| {
            self.ask(who, "generate", 0.0, 1, &batches, who == 0)
        })?;
        // As `evaluate` does: the same texts in order of length, the first batch once more to warm.
        let sorted = PLAN.by_length(&entries[..texts * BATCH]);
        let sorted = [vec![in_order[0].clone()], sorted].concat();
        let again = [vec![in_order[0].clone()], in_order[..texts].to_vec()].concat();
        let (sorted, again) = (gather(&self.rows, &sorted), gather(&self.rows, &again));
        contest(
            "constrained generation, ours by length",
            self.rounds,
            |who| {
                let batches = if who == 0 { &sorted } else { &again };
                self.ask(who, "generate", 0.0, 1, batches, who == 0)
            },
        )
    }

    /// What the trainings come to, each side without dropout.
    fn loss(&self) -> Result<(), Failure> {
        // A loss while training is a noisy number: the last five of two fp32 runs differ by 0.3 %. Those of further texts say it better.
        let batches = gather(
            &self.rows,
            &self.in_order()[..self.learnt + if self.quick { 1 } else { 20 }],
        );
        let means = |answer: Answer| {
            let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
            let (trained, further) = answer.losses.split_at(self.learnt);
            [mean(&trained[self.learnt - 5..]), mean(further)]
        };
        let mut found = Vec::new();
        for (who, ours) in [(0, true), (1, true), (2, false), (1, false)] {
            found.push(means(self.ask(who, "train", 0.0, 0, &batches, ours)?));
        }
        for (at, what) in ["last five training batches", "further batches"]
            .iter()
            .enumerate()
        {
            let [ours, full, autocast, theirs] = [0, 1, 2, 3].map(|who: usize| found[who][at]);
            println!(
                "loss after {} steps, {what}: ours {ours:.4}, fp32 {full:.4}: {:+.2} %; transformers autocast {autocast:.4}, fp32 {theirs:.4}: {:+.2} %",
                self.learnt,
                (ours / full - 1.0) * 100.0,
                (autocast / theirs - 1.0) * 100.0
            );
        }
        Ok(())
    }
}

/// A number that the command line gives, or its default.
fn number(name: &str, default: usize) -> usize {
    argument(name)
        .and_then(|n| n.parse().ok())
        .unwrap_or(default)
}

fn main() -> Result<(), Failure> {
    if std::env::args().any(|a| a == "--ours") {
        let job = serde_json::from_reader(std::io::stdin())?;
        println!("{}", serde_json::to_string(&ours::answer(&job)?)?);
        return Ok(());
    }
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let (Some(data), Some(models)) = (variable("UNIMSE_DATA"), variable("UNIMSE_MODELS")) else {
        println!("t5: not measured, UNIMSE_DATA and UNIMSE_MODELS must be set");
        return Ok(());
    };
    let Some(python) = std::env::var_os("UNIMSE_PEER_PYTHON") else {
        println!("t5: not measured, UNIMSE_PEER_PYTHON is not set");
        return Ok(());
    };
    let quick = std::env::args().any(|a| a == "--test");
    let folder = tempfile::tempdir()?;
    checkpoint(folder.path(), &models.join("t5-tokenizer/tokenizer.json"))?;
    let rows = rows(&data, folder.path())?;
    let bench = Bench {
        folder,
        this: std::env::current_exe()?,
        python,
        threads: number("--threads", std::thread::available_parallelism()?.get()),
        rounds: number("--rounds", if quick { 1 } else { 3 }),
        quick,
        half: Precision::auto(Device::Cpu) == Precision::Bf16,
        learnt: if quick { 5 } else { 50 },
        most: rows.iter().map(|row| row.1.len()).max().unwrap_or(1),
        rows,
    };
    println!(
        "t5-small shape, batches of {BATCH} MELD training texts, {} threads, ours in {}",
        bench.threads,
        if bench.half { "bf16" } else { "fp32" }
    );
    let only = argument("--only");
    let contests: [(&str, Contest); 4] = [
        ("step", Bench::step),
        ("epoch", Bench::epoch),
        ("generate", Bench::generate),
        ("loss", Bench::loss),
    ];
    for (name, contest) in contests {
        if only.as_deref().is_none_or(|only| only == name) {
            contest(&bench)?;
        }
    }
    Ok(())
}
