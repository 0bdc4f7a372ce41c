//! A tiny trained and evaluated run, whose backbone is gone, and the binary on it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Float32Type;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};
use unimse_labels::{IemocapEmotion, MeldEmotion, Polarity, Split};
use unimse_run::RunFolder;
use unimse_train::config::RunConfig;
use unimse_train::{evaluate, train::trainer, unify};

use crate::tiny;

static GO: AtomicBool = AtomicBool::new(false);

/// Runs the binary in `folder` with `input` on its standard input, on one thread: tests run side by side.
pub(crate) fn unimse(arguments: &[&str], folder: &Path, input: &str) -> Output {
    with_threads("1", arguments, folder, input)
}

/// The same on so many threads.
pub(crate) fn with_threads(
    threads: &str,
    arguments: &[&str],
    folder: &Path,
    input: &str,
) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_unimse"))
        .args(arguments)
        .args(["--threads", threads])
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The answers of a run that succeeded.
pub(crate) fn answers(output: &Output) -> Vec<Value> {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect()
}

/// Exit code 1 and exactly one line of error that holds every word.
pub(crate) fn assert_refused(output: &Output, words: &[&str]) {
    let text = stderr(output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let errors: Vec<&str> = text.lines().filter(|l| l.starts_with("error: ")).collect();
    assert_eq!(
        (errors.len(), text.contains("panicked")),
        (1, false),
        "{text}"
    );
    for word in words {
        assert!(errors[0].contains(word), "{word:?} not in {}", errors[0]);
    }
}

pub(crate) fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-6
}

/// One step of features as numpy writes it: float64, shape `[features]`.
pub(crate) fn write_npy(path: &Path, step: &[f64]) {
    let header = format!(
        "{{'descr': '<f8', 'fortran_order': False, 'shape': ({},), }}",
        step.len()
    );
    let padded = format!("{header:<117}\n"); // magic, version and length are 10 bytes: 128 in all
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((padded.len() as u16).to_le_bytes());
    bytes.extend(padded.as_bytes());
    bytes.extend(step.iter().flat_map(|x| x.to_le_bytes()));
    fs::write(path, bytes).unwrap();
}

pub(crate) struct World(tempfile::TempDir);

impl World {
    /// The one of this process.
    pub(crate) fn get() -> &'static Self {
        static WORLD: OnceLock<World> = OnceLock::new();
        WORLD.get_or_init(Self::make)
    }

    /// `corpus`, `labels` and `run`, trained for two epochs and evaluated.
    fn make() -> Self {
        let demo = |data: &Path| unimse_corpus::demo::write(data).unwrap();
        Self::evaluated(&demo, &[])
    }

    /// A run on a data folder that `write` writes, with `more` values of the configuration.
    pub(crate) fn evaluated(write: &dyn Fn(&Path), more: &[&str]) -> Self {
        let (world, config, paths) = Self::trained_on(write, more);
        evaluate::evaluate(&config, &paths, &GO).unwrap();
        world
    }

    /// A run on the demo and what `add` puts into its data folder, not evaluated.
    pub(crate) fn trained(add: &dyn Fn(&Path)) -> (Self, RunConfig, RunFolder) {
        Self::trained_on(
            &|data| {
                unimse_corpus::demo::write(data).unwrap();
                add(data);
            },
            &[],
        )
    }

    /// The same on a data folder that `write` writes.
    pub(crate) fn trained_on(write: &dyn Fn(&Path), more: &[&str]) -> (Self, RunConfig, RunFolder) {
        tch::set_num_threads(1); // tests run side by side
        let world = Self(tempfile::tempdir().unwrap());
        let backbone = tiny::folder(tiny::BERT);
        let encoder = backbone.path().to_str().unwrap();
        write(&world.path("data"));
        let mut overrides = vec![
            format!("model.checkpoint={encoder}"),
            "model.max_tokens=96".to_owned(),
            "model.speakers=true".to_owned(),
            "model.prefix=how does it sound".to_owned(),
            "label_decoder.heads=2".to_owned(),
            "fusion.layers=2".to_owned(),
            "lstm.hidden=8".to_owned(),
            "train.epochs=2".to_owned(),
            "train.batch=32".to_owned(),
            "train.precision=bf16".to_owned(), // answers are fp32 all the same
            "train.lr_backbone=1e-2".to_owned(),
            "train.lr_fusion=1e-2".to_owned(),
            "train.lr_rest=1e-2".to_owned(),
            "evaluate.resamples=100".to_owned(),
            "evaluate.robustness=false".to_owned(), // takes longer than all else here
        ];
        overrides.extend(more.iter().map(|&value| value.to_owned()));
        let config = RunConfig::merge(None, None, &overrides).unwrap();
        let (corpus, labels) = (world.path("corpus"), world.path("labels"));
        unimse_corpus::ingest(&world.path("data"), &corpus, &[], &mut |_| {}).unwrap();
        let options = config.labels.options();
        unify::run(&corpus, &labels, encoder, None, None, &options).unwrap();
        let run = world.path("run");
        let paths = RunFolder {
            run: run.clone(),
            corpus,
            labels,
        };
        trainer::train(&config, &paths, 7, false, &GO).unwrap();
        fs::write(run.join("config.toml"), config.to_toml().unwrap()).unwrap();
        drop(backbone); // nothing below needs it
        (world, config, paths)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// `unimse predict` on the run.
    pub(crate) fn predict(&self, arguments: &[&str]) -> Output {
        let run = self.path("run");
        let all = [&["predict", "--run", run.to_str().unwrap()], arguments].concat();
        unimse(&all, Path::new("/"), "")
    }

    /// `unimse predict --input -` on the run.
    pub(crate) fn piped(&self, lines: &str) -> Output {
        let run = self.path("run");
        let all = ["predict", "--run", run.to_str().unwrap(), "--input", "-"];
        unimse(&all, self.0.path(), lines)
    }

    /// A folder that has the run's checkpoints and nothing else.
    pub(crate) fn copy(&self, name: &str) -> PathBuf {
        let to = self.path(name);
        fs::create_dir_all(to.join("checkpoints")).unwrap();
        for file in fs::read_dir(self.path("run/checkpoints")).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), to.join("checkpoints").join(file.file_name())).unwrap();
        }
        to
    }

    /// Edits the card of a run, then makes its digests fit the files beside it.
    pub(crate) fn reseal(&self, run: &Path, edit: &dyn Fn(&mut Value)) {
        let folder = run.join("checkpoints");
        let path = folder.join("model.json");
        let mut card: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        for (name, digest) in card["files"].as_object_mut().unwrap() {
            *digest = json!(unimse_run::artefact::sha256(&folder.join(name)).unwrap());
        }
        edit(&mut card);
        fs::write(&path, card.to_string()).unwrap();
    }

    /// Features a step of the first corpus' audio.
    pub(crate) fn audio_dim(&self) -> usize {
        let corpora = unimse_corpus::read(&self.path("corpus"), &Split::ALL).unwrap();
        corpora.iter().find_map(|c| c.audio_dim).unwrap()
    }

    /// Dev and test of every corpus as rows of input, in the order of the tables.
    pub(crate) fn rows(&self) -> Vec<Value> {
        let corpora = unimse_corpus::read(&self.path("corpus"), &Split::ALL).unwrap();
        let utterances = corpora.iter().flat_map(|c| &c.utterances);
        let steps = |s: &unimse_corpus::Sequence| -> Vec<Vec<f32>> {
            s.values.chunks(s.dim).map(<[f32]>::to_vec).collect()
        };
        utterances
            .filter(|u| u.split != Split::Train)
            .map(|u| {
                json!({"utterance_id": u.utterance_id, "corpus": u.corpus, "split": u.split.name(), "dialogue_id": u.dialogue_id,
                    "turn": u.turn, "speaker": u.speaker, "text": u.text, "audio": u.audio.as_ref().map(steps), "video": u.video.as_ref().map(steps)})
            })
            .collect()
    }

    /// `predictions.parquet` by corpus and utterance, in the form of answers.
    pub(crate) fn predictions(&self) -> BTreeMap<[String; 2], Value> {
        let file = File::open(self.path("run/predictions.parquet")).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        let batches = reader.build().unwrap().map(Result::unwrap);
        batches
            .flat_map(|batch| {
                (0..batch.num_rows())
                    .map(|row| prediction(&batch, row))
                    .collect::<Vec<_>>()
            })
            .collect()
    }
}

fn prediction(batch: &RecordBatch, row: usize) -> ([String; 2], Value) {
    let text = |name: &str| {
        let column = batch.column_by_name(name).unwrap().as_string::<i32>();
        column.is_valid(row).then(|| column.value(row).to_owned())
    };
    let classes = |field: &str, names: &[&str]| {
        let column = batch
            .column_by_name(&format!("{field}_probabilities"))
            .unwrap();
        let list = column.as_list::<i32>().value(row);
        let table: serde_json::Map<String, Value> = names
            .iter()
            .zip(list.as_primitive::<Float32Type>().values())
            .map(|(name, p)| ((*name).to_owned(), json!(p)))
            .collect();
        json!({"label": text(field), "probabilities": table})
    };
    let score = batch
        .column_by_name("intensity")
        .unwrap()
        .as_primitive::<Float32Type>()
        .value(row);
    (
        [text("corpus").unwrap(), text("utterance_id").unwrap()],
        json!({"polarity": classes("polarity", &Polarity::NAMES), "meld": classes("meld", &MeldEmotion::NAMES),
            "iemocap": classes("iemocap", &IemocapEmotion::NAMES), "intensity": {"value": score},
            "disagreements": text("disagreements")}),
    )
}

/// `unimse predict --input -` that is being talked to.
pub(crate) struct Live {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Live {
    pub(crate) fn start(world: &World) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_unimse"))
            .args(["predict", "--input", "-", "--threads", "1", "--run"])
            .arg(world.path("run"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out }
    }

    pub(crate) fn say(&mut self, row: &Value) {
        let stdin = self.child.stdin.as_mut().unwrap();
        writeln!(stdin, "{row}").unwrap();
        stdin.flush().unwrap();
    }

    pub(crate) fn hear(&mut self) -> Value {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// Exit code after SIGINT, what it printed besides, and its messages.
    pub(crate) fn interrupt(mut self) -> (Option<i32>, String, String) {
        let sent = Command::new("kill")
            .args(["-INT", &self.child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
        let open = self.child.stdin.take(); // waiting would close it, and end the rows before the signal does
        let code = self.child.wait().unwrap().code();
        drop(open);
        let (mut rest, mut errors) = (String::new(), String::new());
        self.out.read_to_string(&mut rest).unwrap();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut errors)
            .unwrap();
        (code, rest, errors)
    }
}
