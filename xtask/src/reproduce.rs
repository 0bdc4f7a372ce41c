//! `cargo xtask reproduce`: the stage graph, each stage a call of `unimse`.
//!
//! ```text
//! config -> ingest -> unify -> for each seed: train -> evaluate -> report; for several seeds an aggregate report above them
//! ```
//!
//! One seed lives in OUT itself; several share OUT/corpus and OUT/labels and live in OUT/seed-<n>, each a whole run folder. Everything that
//! can fail on the user's data happens in a folder beside OUT, so that OUT is absent or as it was until ingest has succeeded.

use crate::checkout::{Checkout, cache_dir};
use crate::lock::Lock;
use crate::provenance::Provenance;
use crate::stage::{Begin, Inputs, Record, Source, Stage, Wish};
use crate::{child, setup, tree};
use anyhow::{Context, Result, bail};
use clap::error::ErrorKind;
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[cfg(test)]
mod tests;

/// The folders of a data folder that are read, and the mark of synthetic data.
const DATA: [&str; 5] = ["mosi", "mosei", "meld", "iemocap", "SYNTHETIC"];
/// What a run writes into its folder, downstream of the tables.
const RESULTS: [&str; 7] = [
    "checkpoints",
    "events.jsonl",
    "predictions.parquet",
    "results.json",
    "report.md",
    "report.html",
    "provenance.json",
];

/// Options of `cargo xtask reproduce`.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Which configuration to start from.
    #[arg(long, value_enum, default_value_t = Preset::Demo)]
    preset: Preset,
    /// Folder with mosi/, mosei/, meld/, iemocap/, any of them. Default: the demo preset makes synthetic data.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The run folder. Default: runs/<preset> in the checkout.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Seeds to train with.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "1",
        value_name = "N,N,..."
    )]
    seeds: Vec<u64>,
    /// Continue an unfinished training.
    #[arg(long)]
    resume: bool,
    /// Do every stage again, with another configuration if need be.
    #[arg(long, conflicts_with = "resume")]
    force: bool,
    /// Threads of the training. Default: all cores.
    #[arg(long, value_name = "N")]
    threads: Option<std::num::NonZeroUsize>,
    /// Configuration values over those of the preset, such as train.epochs=3.
    #[arg(value_name = "a.b=c", value_parser = assignment)]
    values: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Preset {
    Demo,
    Minilm,
    Paper,
}

impl Preset {
    fn name(self) -> &'static str {
        match self {
            Self::Demo => "demo",
            Self::Minilm => "minilm",
            Self::Paper => "paper",
        }
    }
}

fn assignment(text: &str) -> Result<String, String> {
    if text.split_once('=').is_some_and(|(key, _)| !key.is_empty()) {
        Ok(text.to_owned())
    } else {
        Err("expected key=value, such as train.epochs=3".to_owned())
    }
}

impl Options {
    /// The demo into `out`, as `cargo xtask ci` runs it.
    pub(crate) fn demo(out: PathBuf) -> Self {
        Self {
            preset: Preset::Demo,
            data: None,
            out: Some(out),
            seeds: vec![1],
            resume: false,
            force: false,
            threads: None,
            values: Vec::new(),
        }
    }

    /// What clap cannot say: exits with 2, as for every usage error.
    fn validate(&self) {
        let usage = |kind, message: String| {
            clap::Command::new("cargo xtask reproduce")
                .error(kind, message)
                .exit()
        };
        let mut seeds = self.seeds.clone();
        seeds.sort_unstable();
        seeds.dedup();
        if seeds.len() != self.seeds.len() {
            usage(
                ErrorKind::ValueValidation,
                format!("--seeds {:?} names a seed twice", self.seeds),
            );
        }
        if self.data.is_none() && !matches!(self.preset, Preset::Demo) {
            usage(
                ErrorKind::MissingRequiredArgument,
                format!(
                    "--preset {} needs --data DIR, a folder with mosi/, mosei/, meld/ or iemocap/",
                    self.preset.name()
                ),
            );
        }
    }
}

/// Set-up, build, and all stages.
pub(crate) fn run(checkout: &Checkout, options: &Options) -> Result<()> {
    options.validate();
    setup::ensure(checkout)?;
    child::run(
        "cargo build",
        checkout
            .cargo()
            .args(["build", "--release", "--package", "unimse"]),
    )?;
    reproduce(checkout, &checkout.unimse(), options)
}

fn reproduce(checkout: &Checkout, unimse: &Path, options: &Options) -> Result<()> {
    let out = options
        .out
        .clone()
        .unwrap_or_else(|| checkout.root.join("runs").join(options.preset.name()));
    let out = std::path::absolute(&out).with_context(|| format!("bad --out {}", out.display()))?;
    let data = options
        .data
        .as_ref()
        .map(std::path::absolute)
        .transpose()
        .context("bad --data")?;
    let _lock = lock(&out)?;
    let scratch = Scratch::beside(&out)?;
    let reproduction = Reproduction {
        checkout,
        unimse,
        options,
        wish: Wish {
            resume: options.resume,
            force: options.force,
        },
        code: checkout.code()?,
        config: scratch.path.join("config.toml"),
        out,
        data,
        scratch,
    };
    reproduction.run()
}

/// What identifies a run folder besides its configuration.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Identity {
    preset: String,
    seeds: Vec<u64>,
}

struct Reproduction<'a> {
    checkout: &'a Checkout,
    unimse: &'a Path,
    options: &'a Options,
    wish: Wish,
    /// Digest of the sources the binary is built from.
    code: String,
    /// The merged configuration, outside OUT until ingest has succeeded.
    config: PathBuf,
    out: PathBuf,
    data: Option<PathBuf>,
    scratch: Scratch,
}

impl Reproduction<'_> {
    fn run(&self) -> Result<()> {
        self.unimse("config", |config| {
            config
                .args(["--preset", self.options.preset.name()])
                .args(&self.options.values)
                .arg("--out")
                .arg(&self.config)
        })?;
        self.check_out()?;
        let records = vec![self.ingest()?, self.unify()?];
        let tables = Inputs::from([
            (
                "corpus".to_owned(),
                tree::sha256_dir(&self.out.join("corpus"))?,
            ),
            (
                "labels".to_owned(),
                tree::sha256_dir(&self.out.join("labels"))?,
            ),
        ]);
        if let [seed] = self.options.seeds[..] {
            self.seed(&self.out, seed, "", &tables, records)?;
        } else {
            let mut results = Inputs::new();
            for &seed in &self.options.seeds {
                let run = self.out.join(format!("seed-{seed}"));
                self.share_tables(&run)?;
                self.seed(
                    &run,
                    seed,
                    &format!("seed {seed}: "),
                    &tables,
                    records.clone(),
                )?;
                results.insert(
                    format!("seed-{seed}"),
                    tree::sha256_file(&run.join("results.json"))?,
                );
            }
            self.report(
                &self.out,
                "all seeds: ",
                results,
                &self.options.seeds,
                &records,
            )?;
        }
        eprintln!("report: {}", self.out.join("report.html").display());
        Ok(())
    }

    /// OUT must be new, or a run of the same configuration, or be redone by force.
    fn check_out(&self) -> Result<()> {
        let out = self.out.display();
        let Ok(mut entries) = fs::read_dir(&self.out) else {
            if self.out.exists() {
                bail!("--out {out} is not a folder that can be read");
            }
            return Ok(());
        };
        let identity = fs::read(self.out.join(".stages/run.json"))
            .ok()
            .and_then(|bytes| serde_json::from_slice::<Identity>(&bytes).ok());
        let Some(identity) = identity else {
            if entries.next().is_none() {
                return Ok(());
            }
            bail!("--out {out} holds other things and no run: name a new folder");
        };
        if self.wish.force {
            return Ok(());
        }
        let advice = "name another --out, or redo it with --force";
        if identity.seeds != self.options.seeds {
            bail!(
                "{out} holds a run with seeds {:?}, not {:?}: {advice}",
                identity.seeds,
                self.options.seeds
            );
        }
        let (here, there) = (
            fs::read_to_string(&self.config)?,
            fs::read_to_string(self.out.join("config.toml")).unwrap_or_default(),
        );
        if here != there {
            bail!(
                "{out} holds a run with another configuration ({}): {advice}",
                difference(&there, &here)
            );
        }
        Ok(())
    }

    fn ingest(&self) -> Result<Record> {
        let sources = self.data.as_ref().map(|data| sources(data)).transpose()?;
        // The demo's data are a function of the code.
        let digest = sources.as_ref().map_or(Ok("demo".to_owned()), |sources| {
            serde_json::to_vec(sources).map(|json| tree::sha256(&json))
        })?;
        let inputs = Inputs::from([
            ("code".to_owned(), self.code.clone()),
            ("data".to_owned(), digest),
        ]);
        let stage = Stage {
            name: "ingest",
            title: "ingest".to_owned(),
            run: &self.out,
            inputs,
            outputs: &["corpus", "config.toml"],
            unfinished: None,
        };
        let ingest = |_| {
            let (data, sources) = match (&self.data, sources) {
                (Some(data), Some(sources)) => (data.clone(), sources),
                _ => {
                    let data = self.scratch.path.join("data");
                    self.unimse("demo", |demo| demo.arg("--out").arg(&data))?;
                    let sources = self::sources(&data)?;
                    (data, sources)
                }
            };
            let corpus = self.scratch.path.join("corpus");
            self.unimse("ingest", |ingest| {
                ingest.arg("--data").arg(&data).arg("--out").arg(&corpus)
            })?;
            self.adopt_out()?;
            tree::replace_dir(&corpus, &self.out.join("corpus"))?;
            Ok(sources)
        };
        stage.run(self.wish, ingest)
    }

    /// The data are good: from here OUT is ours. By force, what an earlier run left goes.
    fn adopt_out(&self) -> Result<()> {
        fs::create_dir_all(&self.out)
            .with_context(|| format!("cannot make {}", self.out.display()))?;
        if self.wish.force {
            for entry in fs::read_dir(&self.out)?.flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                if RESULTS.contains(&name.as_str())
                    || name == ".stages"
                    || name == "labels"
                    || name
                        .strip_prefix("seed-")
                        .is_some_and(|seed| seed.parse::<u64>().is_ok())
                {
                    tree::remove(&entry.path())?;
                }
            }
        }
        let identity = Identity {
            preset: self.options.preset.name().to_owned(),
            seeds: self.options.seeds.clone(),
        };
        tree::write_atomically(&self.out.join("config.toml"), &fs::read(&self.config)?)?;
        tree::write_atomically(
            &self.out.join(".stages/run.json"),
            &serde_json::to_vec_pretty(&identity)?,
        )
    }

    fn unify(&self) -> Result<Record> {
        let inputs = self.inputs(
            &self.out,
            [("corpus", tree::sha256_dir(&self.out.join("corpus"))?)],
        )?;
        let stage = Stage {
            name: "unify",
            title: "unify".to_owned(),
            run: &self.out,
            inputs,
            outputs: &["labels"],
            unfinished: None,
        };
        let unify = |_| {
            let labels = self.scratch.path.join("labels");
            let config = self.out.join("config.toml");
            self.unimse("unify", |unify| {
                unify
                    .arg("--corpus")
                    .arg(self.out.join("corpus"))
                    .arg("--out")
                    .arg(&labels)
                    .arg("--config")
                    .arg(config)
            })?;
            tree::replace_dir(&labels, &self.out.join("labels"))?;
            Ok(BTreeMap::new())
        };
        stage.run(self.wish, unify)
    }

    /// The stages of one seed in its run folder.
    fn seed(
        &self,
        run: &Path,
        seed: u64,
        prefix: &str,
        tables: &Inputs,
        mut records: Vec<Record>,
    ) -> Result<()> {
        let stage = |name, inputs, outputs, unfinished| Stage {
            name,
            title: format!("{prefix}{name}"),
            run,
            inputs,
            outputs,
            unfinished,
        };
        let tables = || {
            tables
                .iter()
                .map(|(name, digest)| (name.as_str(), digest.clone()))
        };

        let inputs = self.inputs(run, tables().chain([("seed", seed.to_string())]))?;
        let train = stage(
            "train",
            inputs,
            &["checkpoints", "events.jsonl"],
            Some("checkpoints"),
        );
        records.push(train.run(self.wish, |begin| self.train(run, seed, begin))?);

        let inputs = self.inputs(
            run,
            tables().chain([("checkpoints", tree::sha256_dir(&run.join("checkpoints"))?)]),
        )?;
        let evaluate = stage(
            "evaluate",
            inputs,
            &["predictions.parquet", "results.json"],
            None,
        );
        let evaluated = evaluate.run(self.wish, |_| {
            self.unimse("evaluate", |evaluate| evaluate.arg("--run").arg(run))?;
            Ok(BTreeMap::new())
        })?;
        records.push(evaluated);

        let results = Inputs::from([
            (
                "results".to_owned(),
                tree::sha256_file(&run.join("results.json"))?,
            ),
            (
                "events".to_owned(),
                tree::sha256_file(&run.join("events.jsonl"))?,
            ),
        ]);
        self.report(run, prefix, results, &[seed], &records)
    }

    fn train(&self, run: &Path, seed: u64, begin: Begin) -> Result<BTreeMap<String, Source>> {
        if begin == Begin::Afresh {
            // Results of another training must never lie beside this one's checkpoints, nor above them.
            RESULTS.iter().try_for_each(|name| {
                tree::remove(&run.join(name)).and_then(|()| tree::remove(&self.out.join(name)))
            })?;
        }
        self.unimse("train", |train| {
            train
                .arg("--config")
                .arg(run.join("config.toml"))
                .arg("--run")
                .arg(run)
                .args(["--seed", &seed.to_string()]);
            if begin == Begin::Resumed {
                train.arg("--resume");
            }
            if let Some(threads) = self.options.threads {
                train.args(["--threads", &threads.to_string()]);
            }
            train
        })?;
        Ok(BTreeMap::new())
    }

    /// Writes provenance and report unless both are there for these `results`.
    fn report(
        &self,
        run: &Path,
        prefix: &str,
        results: Inputs,
        seeds: &[u64],
        records: &[Record],
    ) -> Result<()> {
        let inputs = self.inputs(
            run,
            results
                .iter()
                .map(|(name, digest)| (name.as_str(), digest.clone())),
        )?;
        let outputs = &["results.json", "report.html", "provenance.json"];
        let stage = Stage {
            name: "report",
            title: format!("{prefix}report"),
            run,
            inputs,
            outputs,
            unfinished: None,
        };
        stage.run(self.wish, |_| {
            Provenance::gather(
                self.checkout,
                self.unimse,
                self.options.preset.name(),
                seeds,
                records,
            )
            .write(run)?;
            self.unimse("report", |report| report.arg("--run").arg(run))?;
            Ok(BTreeMap::new())
        })?;
        Ok(())
    }

    /// Code and configuration, and `more`.
    fn inputs<'b>(
        &self,
        run: &Path,
        more: impl IntoIterator<Item = (&'b str, String)>,
    ) -> Result<Inputs> {
        let mut inputs: Inputs = more
            .into_iter()
            .map(|(name, digest)| (name.to_owned(), digest))
            .collect();
        inputs.insert("code".to_owned(), self.code.clone());
        inputs.insert(
            "config".to_owned(),
            tree::sha256_file(&run.join("config.toml"))?,
        );
        Ok(inputs)
    }

    /// Corpus, labels and configuration in a seed's folder, as hard links where the file system has them.
    fn share_tables(&self, run: &Path) -> Result<()> {
        for dir in ["corpus", "labels"] {
            let (from, to) = (
                self.out.join(dir),
                self.scratch.path.join(format!("shared-{dir}")),
            );
            tree::remove(&to)?;
            for (name, _) in tree::files(&from)? {
                let (from, to) = (from.join(&name), to.join(&name));
                fs::create_dir_all(to.parent().unwrap_or(run))?;
                if fs::hard_link(&from, &to).is_err() {
                    fs::copy(&from, &to).with_context(|| {
                        format!("cannot copy {} to {}", from.display(), to.display())
                    })?;
                }
            }
            fs::create_dir_all(run).with_context(|| format!("cannot make {}", run.display()))?;
            tree::replace_dir(&to, &run.join(dir))?;
        }
        tree::write_atomically(
            &run.join("config.toml"),
            &fs::read(self.out.join("config.toml"))?,
        )
    }

    /// Calls the binary in the checkout's root, so that relative paths in a configuration mean the same wherever the user stands.
    fn unimse(
        &self,
        subcommand: &str,
        arguments: impl FnOnce(&mut Command) -> &mut Command,
    ) -> Result<()> {
        child::check_interrupted(subcommand)?;
        let mut command = Command::new(self.unimse);
        command.current_dir(&self.checkout.root).arg(subcommand);
        child::run(&format!("unimse {subcommand}"), arguments(&mut command))
    }
}

/// A folder beside OUT, on the same file system, for what is not yet known to be good; gone with this value.
struct Scratch {
    path: PathBuf,
    made_parent: Option<PathBuf>,
}

impl Scratch {
    fn beside(out: &Path) -> Result<Self> {
        let path = tree::sibling(out, "partial");
        let made_parent = out
            .parent()
            .filter(|parent| !parent.exists())
            .map(Path::to_path_buf);
        tree::remove(&path)?;
        fs::create_dir_all(&path)
            .with_context(|| format!("cannot make a folder beside --out {}", out.display()))?;
        Ok(Self { path, made_parent })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next run.
        drop(fs::remove_dir_all(&self.path));
        if let Some(parent) = &self.made_parent {
            drop(fs::remove_dir(parent)); // fails, as it should, when a run lies in it
        }
    }
}

/// One reproduction at a time for each OUT.
fn lock(out: &Path) -> Result<Lock> {
    let path = cache_dir()?
        .join("locks")
        .join(tree::sha256(out.as_os_str().as_encoded_bytes()));
    Lock::attempt(&path)?.with_context(|| {
        format!(
            "another reproduction is at work in {}: wait for its end, or name another --out",
            out.display()
        )
    })
}

/// Every file of the data sets in the data folder.
fn sources(data: &Path) -> Result<BTreeMap<String, Source>> {
    if !data.is_dir() {
        bail!("--data {} is not a folder", data.display());
    }
    let mut sources = BTreeMap::new();
    for name in DATA {
        let path = data.join(name);
        if path.is_file() {
            sources.insert(
                name.to_owned(),
                Source {
                    bytes: fs::metadata(&path)?.len(),
                    sha256: tree::sha256_file(&path)?,
                },
            );
        } else {
            for (file, bytes) in tree::files(&path)? {
                let sha256 = tree::sha256_file(&path.join(&file))?;
                sources.insert(format!("{name}/{file}"), Source { bytes, sha256 });
            }
        }
    }
    Ok(sources)
}

/// The first key in which two configurations differ, in words.
fn difference(there: &str, here: &str) -> String {
    let (Ok(there), Ok(here)) = (there.parse::<toml::Table>(), here.parse::<toml::Table>()) else {
        return "config.toml differs".to_owned();
    };
    let (there, here) = (flat(&there, ""), flat(&here, ""));
    let value = |table: &BTreeMap<String, String>, key: &String| {
        table
            .get(key)
            .cloned()
            .unwrap_or_else(|| "absent".to_owned())
    };
    let differs = there
        .keys()
        .chain(here.keys())
        .find(|key| there.get(*key) != here.get(*key));
    differs.map_or("config.toml differs".to_owned(), |key| {
        format!(
            "{key} is {} there, {} here",
            value(&there, key),
            value(&here, key)
        )
    })
}

fn flat(table: &toml::Table, prefix: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (key, value) in table {
        match value {
            toml::Value::Table(inner) => found.extend(flat(inner, &format!("{prefix}{key}."))),
            other => drop(found.insert(format!("{prefix}{key}"), other.to_string())),
        }
    }
    found
}
