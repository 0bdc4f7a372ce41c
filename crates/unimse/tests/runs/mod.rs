//! Run folders around a tiny random checkpoint and demo tables, and the built binary at work in them.
#![allow(dead_code, reason = "not every program of tests needs all")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use crate::tiny;

/// Tables with their labels, and the tiny checkpoint that all tests build on.
pub(crate) struct World {
    pub(crate) checkpoint: tempfile::TempDir,
    pub(crate) tables: tempfile::TempDir,
}

/// The demo's MOSI and MELD.
pub(crate) static WORLD: LazyLock<World> = LazyLock::new(|| {
    World::of(&|data| {
        demo(data);
        for other in ["mosei", "iemocap"] {
            std::fs::remove_dir_all(data.join(other)).unwrap();
        }
    })
});

/// Writes the data folder of the demo: all four corpora.
pub(crate) fn demo(data: &Path) {
    assert_done(&unimse(&["demo", "--out", data.to_str().unwrap()]));
}

impl World {
    /// Tables and labels of what `write` puts into a data folder.
    pub(crate) fn of(write: &dyn Fn(&Path)) -> Self {
        let world = Self {
            checkpoint: tiny::folder(tiny::BERT),
            tables: tempfile::tempdir().unwrap(),
        };
        let at = |name: &str| world.tables.path().join(name).display().to_string();
        write(&world.tables.path().join("data"));
        let [data, corpus, labels] = ["data", "corpus", "labels"].map(at);
        assert_done(&unimse(&["ingest", "--data", &data, "--out", &corpus]));
        let encoder = world.checkpoint.path().to_str().unwrap();
        let unify = ["unify", "--corpus", &corpus, "--out", &labels];
        assert_done(&unimse(&[&unify[..], &["--encoder", encoder]].concat()));
        world
    }
}

pub(crate) fn command(arguments: &[&str]) -> Command {
    static CACHE: LazyLock<tempfile::TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());
    let mut command = Command::new(env!("CARGO_BIN_EXE_unimse"));
    command.args(arguments).args(["--threads", "1"]);
    command.env("XDG_CACHE_HOME", CACHE.path());
    command
}

pub(crate) fn unimse(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

pub(crate) fn assert_done(output: &Output) {
    assert!(output.status.success(), "{}", stderr(output));
}

/// Exit code 1 and exactly one line of error that holds every word; the line.
pub(crate) fn refused(output: &Output, words: &[&str]) -> String {
    let text = stderr(output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let errors: Vec<&str> = text.lines().filter(|l| l.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{text}");
    let error = errors[0];
    for word in words {
        assert!(error.contains(word), "{word:?} not in {error}");
    }
    assert!(!error.contains("--force"), "no such option: {error}");
    error.to_owned()
}

/// A run folder with the tables and a configuration for one short epoch around `checkpoint`.
pub(crate) struct Run {
    place: tempfile::TempDir,
}

impl Run {
    pub(crate) fn new(checkpoint: &Path) -> Self {
        Self::on(&WORLD, checkpoint)
    }

    /// The same with the tables of another world.
    pub(crate) fn on(world: &World, checkpoint: &Path) -> Self {
        let run = Self {
            place: tempfile::tempdir().unwrap(),
        };
        let folder = run.path("run");
        for table in ["corpus", "labels"] {
            std::fs::create_dir_all(folder.join(table)).unwrap();
            for (name, bytes) in files(&world.tables.path().join(table)) {
                let to = folder.join(table).join(name);
                std::fs::create_dir_all(to.parent().unwrap()).unwrap();
                std::fs::write(to, bytes).unwrap();
            }
        }
        let config = format!(
            "[labels]\nencoder = \"{0}\"\n[model]\ncheckpoint = \"{0}\"\nmax_tokens = 24\n[fusion]\nlayers = 2\n[label_decoder]\nheads = 2\n\
             [train]\nepochs = 1\nbatch = 64\nprecision = \"fp32\"\nsave_every = 1\n[evaluate]\nresamples = 100\n",
            checkpoint.display()
        );
        std::fs::write(folder.join("config.toml"), config).unwrap();
        run
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    pub(crate) fn train(&self, more: &[&str]) -> Command {
        let config = self.path("run/config.toml");
        let mut arguments = vec!["train", "--config", config.to_str().unwrap()];
        arguments.extend(more);
        command(&arguments)
    }

    pub(crate) fn config(&self) -> toml::Table {
        let text = std::fs::read_to_string(self.path("run/config.toml")).unwrap();
        text.parse().unwrap()
    }

    pub(crate) fn evaluate(&self) -> Output {
        unimse(&["evaluate", "--run", self.path("run").to_str().unwrap()])
    }
}

/// Every file below `folder` by its path, but for the lock.
pub(crate) fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for path in below(folder)
        .into_iter()
        .filter(|p| p.is_file() && !p.ends_with(".lock"))
    {
        let name = path.strip_prefix(folder).unwrap().to_owned();
        found.insert(name, std::fs::read(path).unwrap());
    }
    found
}

/// Everything below `folder`.
pub(crate) fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(below(&path));
        }
        found.push(path);
    }
    found
}
