//! A run folder under hostile use of the binary: which configuration it keeps, who may write in it, and how its files can be read.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use unimse_corpus::Split;

use crate::runs::{Run, WORLD, assert_done, below, command, files, refused, stderr, unimse};

/// A training that would run for long; killed with this value.
struct Training(Child);

impl Training {
    /// Begun in `run`, and under way as soon as it wrote `file`.
    fn begin(run: &Run, file: &str) -> Self {
        let mut training = Self(run.train(&LONG).stderr(Stdio::null()).spawn().unwrap());
        let start = Instant::now();
        while !run.path("run").join(file).exists() {
            assert!(start.elapsed() < Duration::from_secs(300), "no {file}");
            assert!(training.runs(), "the training ended");
            std::thread::sleep(Duration::from_millis(20));
        }
        training
    }

    fn runs(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Training {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const LONG: [&str; 2] = ["train.epochs=1000", "train.patience=1000"];

#[test]
fn an_estimate_writes_nothing() {
    let run = Run::new(WORLD.checkpoint.path());
    let before = files(&run.path("run"));
    let output = run.train(&["--estimate"]).output().unwrap();
    assert_done(&output);
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    for part in ["seconds", "memory", "disk"] {
        assert!(said[part].as_f64() > Some(0.0), "{said}");
    }
    assert_eq!(files(&run.path("run")), before);
}

#[test]
fn a_voice_that_no_features_tell_of_is_refused_by_name() {
    let run = Run::new(WORLD.checkpoint.path());
    let ask = |more: &[&str]| {
        let all = [&["model.voice_in_words=true"], more].concat();
        run.train(&all).output().unwrap()
    };
    let words = [
        "model.voice_in_words: expected train rows with audio features named loudness_mean, f0_mean, loudness_peaks",
        "found mosi: ",
        "; meld: ",
    ];
    refused(&ask(&[]), &words);
    let words = "model.voice_in_words: expected audio in model.modalities, found text, video";
    refused(&ask(&[r#"model.modalities=["text","video"]"#]), &[words]);
    assert!(!run.path("run/checkpoints").exists(), "nothing was written");
}

#[test]
fn the_saved_configuration_is_the_one_that_was_trained() {
    let run = Run::new(WORLD.checkpoint.path());
    assert_done(
        &run.train(&["lstm.hidden=24", "model.context_after=0"])
            .output()
            .unwrap(),
    );
    let config = run.config();
    assert_eq!(config["lstm"]["hidden"].as_integer(), Some(24));
    assert_eq!(config["model"]["context_after"].as_integer(), Some(0));
    let whole = config["contrastive"]["temperature"].as_float();
    assert_eq!(whole, Some(0.1), "defaults are in it too");
    // LSTMs of another size would not take the weights
    assert_done(&run.evaluate());

    let before = files(&run.path("run"));
    let other = run.path("other.toml");
    let text = std::fs::read_to_string(run.path("run/config.toml")).unwrap();
    std::fs::write(&other, text.replace("epochs = 1", "epochs = 5")).unwrap();
    let refusals: [(&mut Command, &[&str]); 3] = [
        (
            &mut run.train(&["train.epochs=3"]),
            &["last.safetensors", "train.epochs is 1 there, 3 here"],
        ),
        (
            &mut command(&[
                "train",
                "--config",
                other.to_str().unwrap(),
                "--run",
                run.path("run").to_str().unwrap(),
            ]),
            &["train.epochs is 1 there, 5 here"],
        ),
        (
            &mut run.train(&["lstm.hidden=1000000000"]),
            &["lstm.hidden", "16384", "1000000000"],
        ),
    ];
    for (train, words) in refusals {
        refused(&train.output().unwrap(), words);
        assert!(
            before == files(&run.path("run")),
            "a refused training changed a file"
        );
    }
    let again = run.train(&[]).output().unwrap();
    assert_done(&again);
    assert!(
        stderr(&again).contains("already finished"),
        "{}",
        stderr(&again)
    );
}

#[test]
fn a_model_beyond_all_memory_is_refused_before_it_is_built() {
    let run = Run::new(WORLD.checkpoint.path());
    let before = files(&run.path("run"));
    // 16384 * 65536 * 999 weights of each of two projections
    let absurd = [
        "lstm.hidden=16384",
        "contrastive.dim=65536",
        "contrastive.kernel=999",
    ];
    let words = [
        "configuration: the model, most of it for contrastive.dim = 65536, needs at least ",
        " GiB of memory, this process may have ",
    ];
    refused(&run.train(&absurd).output().unwrap(), &words);
    assert!(before == files(&run.path("run")), "a file changed");
}

/// A training that was interrupted after its first state.
fn interrupted(checkpoint: &Path) -> Run {
    let run = Run::new(checkpoint);
    let mut first = Training::begin(&run, "checkpoints/last.safetensors");
    let signal = Command::new("kill")
        .args(["-INT", &first.0.id().to_string()])
        .status();
    assert!(signal.unwrap().success());
    assert_eq!(first.0.wait().unwrap().code(), Some(130));
    run
}

#[test]
fn another_cpu_checkpoint_or_thread_count_is_refused_by_name() {
    let checkpoint = tempfile::tempdir().unwrap();
    for (name, bytes) in files(WORLD.checkpoint.path()) {
        std::fs::write(checkpoint.path().join(name), bytes).unwrap();
    }
    let run = interrupted(checkpoint.path());
    let unfinished = refused(&run.train(&[]).output().unwrap(), &["`--resume` goes on"]);
    assert!(
        unfinished.contains("last.safetensors: an unfinished training (step "),
        "{unfinished}"
    );
    let resume = |change: &dyn Fn(&mut Command)| {
        let mut train = run.train(&["--resume"]);
        change(&mut train);
        train.output().unwrap()
    };
    let other_cpu = resume(&|train| {
        train.env("ATEN_CPU_CAPABILITY", "default");
    });
    refused(
        &other_cpu,
        &[
            "the CPU is ",
            " there, ",
            "ATEN_CPU_CAPABILITY=default here",
        ],
    );
    let other_seed = resume(&|train| {
        train.args(["--seed", "2"]);
    });
    refused(&other_seed, &["seed is 1 there, 2 here"]);
    let mut threads = Command::new(env!("CARGO_BIN_EXE_unimse"));
    let config = run.path("run/config.toml");
    threads
        .args(["train", "--resume", "--threads", "2", "--config"])
        .arg(config);
    refused(&threads.output().unwrap(), &["threads is 1 there, 2 here"]);

    let weights = checkpoint.path().join("model.safetensors");
    let whole = std::fs::read(&weights).unwrap();
    let mut other = whole.clone();
    *other.last_mut().unwrap() ^= 1; // one bit of one weight
    std::fs::write(&weights, other).unwrap();
    refused(
        &resume(&|_| {}),
        &["the backbone's model.safetensors is ", " there, ", " here"],
    );
    std::fs::write(&weights, whole).unwrap();

    // A state that says other code began it.
    let last = run.path("run/checkpoints/last.safetensors");
    let bytes = std::fs::read(&last).unwrap();
    let at = |text: &str| bytes.windows(text.len()).position(|w| w == text.as_bytes());
    let code = at("\\\"code\\\":\\\"").unwrap() + "\\\"code\\\":\\\"".len();
    let mut other = bytes.clone();
    other[code..code + 16].copy_from_slice(b"0123456789abcdef");
    std::fs::write(&last, other).unwrap();
    refused(
        &resume(&|_| {}),
        &["the code of unimse is 0123456789abcdef there, "],
    );
}

#[test]
fn one_process_at_a_time_works_in_a_run() {
    let run = Run::new(WORLD.checkpoint.path());
    let mut first = Training::begin(&run, "checkpoints/model.safetensors");
    let holder = format!("process {} is at work in this run", first.0.id());
    for second in [
        run.train(&LONG).output(),
        run.train(&["--resume"]).output(),
        Ok(run.evaluate()),
    ] {
        refused(&second.unwrap(), &[&holder, "another run folder"]);
    }
    assert!(first.runs(), "the first goes on undisturbed");
    drop(first);
    // The kernel released the lock of the killed process: what is refused now is the unfinished training.
    refused(&run.train(&[]).output().unwrap(), &["unfinished training"]);
}

#[test]
fn the_report_browses_every_answer_and_holds_transcripts_on_request_alone() {
    let run = Run::new(WORLD.checkpoint.path());
    assert_done(&run.train(&[]).output().unwrap());
    assert_done(&run.evaluate());
    let folder = run.path("run");
    let report = |more: &[&str]| {
        let mut arguments = vec!["report", "--run", folder.to_str().unwrap()];
        arguments.extend(more);
        assert_done(&unimse(&arguments));
        let page = std::fs::read_to_string(folder.join("report.html")).unwrap();
        let (_, rows) = page.split_once("id=\"utterance-data\">").unwrap();
        let (rows, _) = rows.split_once("</script>").unwrap();
        serde_json::from_str::<serde_json::Value>(rows).unwrap()
    };
    let splits = [Split::Dev, Split::Test];
    let corpora = unimse_corpus::read(&folder.join("corpus"), &splits).unwrap();
    let texts: Vec<&str> = (corpora.iter())
        .flat_map(|corpus| corpus.utterances.iter().map(|u| u.text.as_str()))
        .collect();

    let published = report(&[]);
    assert_eq!(published["rows"], texts.len());
    assert_eq!(published["taxonomies"], serde_json::json!({"meld": "meld"}));
    assert!(published.get("texts").is_none());
    let lent = published["columns"]["label.meld.donor"]["digits"]
        .as_str()
        .unwrap();
    assert!(
        lent.chars().any(|digit| digit != '0'),
        "rows of MOSI have donors"
    );
    let all = published.to_string();
    let long = |text: &&&str| text.split_whitespace().count() > 3;
    assert!(!texts.iter().filter(long).any(|text| all.contains(text)));

    let private = report(&["--with-text"]);
    assert_eq!(private["texts"], serde_json::json!(texts));
    assert_eq!(private["columns"], published["columns"]);

    // label tables that were not kept cost the donors alone
    std::fs::rename(folder.join("labels"), run.path("labels-away")).unwrap();
    let bare = report(&[]);
    assert_eq!(bare["rows"], published["rows"]);
    assert_eq!(bare["columns"]["words"], published["columns"]["words"]);
    assert_ne!(
        bare["columns"]["label.meld.donor"],
        published["columns"]["label.meld.donor"]
    );
    std::fs::rename(run.path("labels-away"), folder.join("labels")).unwrap();
    refused_without_its_files(&run);
}

/// A report that another process may be writing, or whose answers or utterances are gone.
fn refused_without_its_files(run: &Run) {
    let folder = run.path("run");
    let asked = ["report", "--run", folder.to_str().unwrap()];
    let held = unimse_run::RunLock::take(&folder).unwrap();
    refused(&unimse(&asked), &["is at work in this run"]);
    drop(held);
    std::fs::rename(folder.join("predictions.parquet"), run.path("answers")).unwrap();
    let with_text = [&asked[..], &["--with-text"]].concat();
    let absent = "--with-text: expected answers to utterances, found none";
    refused(&unimse(&with_text), &[absent, "predictions.parquet"]);
    std::fs::rename(run.path("answers"), folder.join("predictions.parquet")).unwrap();

    std::fs::rename(folder.join("corpus/mosi-dev.parquet"), run.path("away")).unwrap();
    let refusal = unimse(&asked);
    refused(
        &refusal,
        &[
            "predictions.parquet: expected an utterance of the tables in",
            "found mosi/",
        ],
    );
}

#[test]
fn files_of_a_run_can_be_read_as_the_umask_says() {
    let run = Run::new(WORLD.checkpoint.path());
    assert_done(&run.train(&[]).output().unwrap());
    assert_done(&run.evaluate());
    let folder = run.path("run");
    assert_done(&unimse(&["report", "--run", folder.to_str().unwrap()]));
    let plain = run.path("plain");
    std::fs::create_dir(&plain).unwrap();
    std::fs::write(plain.join("file"), "").unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    let (of_folder, of_file) = (mode(&plain), mode(&plain.join("file")));
    let mut names = Vec::new();
    for root in [folder.as_path(), WORLD.tables.path()] {
        for path in below(root) {
            let expect = if path.is_dir() { of_folder } else { of_file };
            assert_eq!(
                format!("{:o}", mode(&path)),
                format!("{expect:o}"),
                "{}",
                path.display()
            );
            names.push(path.strip_prefix(root).unwrap().display().to_string());
        }
    }
    for name in [
        ".lock",
        "config.toml",
        "checkpoints/last.safetensors",
        "checkpoints/model.safetensors",
        "checkpoints/model.json",
        "checkpoints/config.json",
        "checkpoints/README.md",
        "ro-crate-metadata.json",
        "events.jsonl",
        "receipts.jsonl",
        "predictions.parquet",
        "representations.json",
        "results.json",
        "report.html",
        "corpus/mosi-train.parquet",
        "labels/mosi.parquet",
        "labels/embeddings/mosi.parquet",
    ] {
        assert!(names.iter().any(|n| n == name), "{name} was not looked at");
    }
}
