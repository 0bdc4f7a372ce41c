//! `cargo xtask reproduce`: the stage graph, each stage a call of `unimse`.
//!
//! ```text
//! config -> ingest -> unify -> for each seed: train -> evaluate -> report; for several seeds an aggregate report above them
//! ```
//!
//! One seed lives in OUT itself; several share OUT/corpus and OUT/labels and live in `OUT/seed-<n>`, each a whole run folder. Everything that
//! can fail on the user's data happens in a scratch folder, so that OUT is absent or as it was until ingest has succeeded.

use crate::checkout::Checkout;
use crate::provenance::{gather, sources};
use crate::stage::{Begin, Inputs, Mode, Record, Stage};
use crate::{child, setup, tree};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use unimse_run::{DOWNSTREAM, Plan, RunFolder, RunLock, Source, artefact};

mod options;
mod place;
#[cfg(test)]
mod tests;

pub(crate) use options::{Options, Usage};
use place::{Identity, Scratch};

/// Set-up, build, and all stages.
pub(crate) fn run(checkout: &Checkout, options: &Options) -> Result<()> {
    setup::ensure(checkout)?;
    child::run(
        "cargo build",
        checkout
            .cargo()
            // Both packages, as `cargo test --workspace` selects them: with one alone, features of shared dependencies differ
            // and LibTorch's bindings would be compiled a second time.
            .args([
                "build",
                "--release",
                "--package",
                "unimse",
                "--package",
                "xtask",
            ]),
    )?;
    reproduce(checkout, &checkout.unimse(), options)
}

fn reproduce(checkout: &Checkout, unimse: &Path, options: &Options) -> Result<()> {
    let out = options
        .out
        .clone()
        .unwrap_or_else(|| checkout.root.join("runs").join(&options.preset));
    let out = std::path::absolute(&out).with_context(|| format!("bad --out {}", out.display()))?;
    let data = options
        .data
        .as_ref()
        .map(std::path::absolute)
        .transpose()
        .context("bad --data")?;
    let out = out.canonicalize().unwrap_or(out); // where it is a link: the folder meant
    let plan = ask(unimse, data.as_deref())?;
    options.check(&plan)?;
    let _lock = place::lock(&out)?;
    let scratch = Scratch::for_run(&out)?;
    let reproduction = Reproduction {
        checkout,
        unimse,
        options,
        mode: Mode {
            resume: options.resume,
            force: options.force,
        },
        plan,
        out,
        data,
        scratch,
    };
    reproduction.run()
}

/// What the binary says of its presets, of the versions of its stages, and of the data folder.
fn ask(unimse: &Path, data: Option<&Path>) -> Result<Plan> {
    let mut command = Command::new(unimse);
    command.arg("plan");
    if let Some(data) = data {
        if !data.is_dir() {
            bail!("--data {} is not a folder", data.display());
        }
        command.arg("--data").arg(data);
    }
    let said = child::output("unimse plan", &mut command)?;
    serde_json::from_slice(&said).context("unimse plan: expected JSON of presets, code and data")
}

struct Reproduction<'a> {
    checkout: &'a Checkout,
    unimse: &'a Path,
    options: &'a Options,
    mode: Mode,
    /// What the binary says of its stages and of the data folder.
    plan: Plan,
    out: PathBuf,
    data: Option<PathBuf>,
    scratch: Scratch,
}

impl Reproduction<'_> {
    fn run(&self) -> Result<()> {
        let merged = self.scratch.path.join("config.toml");
        self.unimse("config", |config| {
            config
                .args(["--preset", &self.options.preset])
                .args(&self.options.values)
                .arg("--fetch")
                .arg("--out")
                .arg(&merged)
        })?;
        let identity = Identity {
            preset: self.options.preset.clone(),
            seeds: self.options.seeds.clone(),
            config: fs::read_to_string(&merged)
                .with_context(|| format!("cannot read {}", merged.display()))?,
        };
        identity.check(&self.out, self.mode.force)?;
        let records = vec![self.ingest(&identity)?, self.unify()?];
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
                let run = RunFolder::of_seed(&self.out, seed).run;
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
                    artefact::sha256(&run.join("results.json"))?,
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

    fn ingest(&self, identity: &Identity) -> Result<Record> {
        let entries = &self.plan.data;
        let given = self.data.as_ref().map(|data| sources(data, entries));
        let given = given.transpose()?;
        // The demo's data are a function of the code.
        let digest = given.as_ref().map_or(Ok("demo".to_owned()), |sources| {
            serde_json::to_vec(sources).map(|json| artefact::sha256_of(&json))
        })?;
        let inputs = Inputs::from([
            ("code".to_owned(), self.code("ingest")),
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
            let (data, sources) = match (&self.data, given) {
                (Some(data), Some(sources)) => (data.clone(), sources),
                _ => {
                    let data = self.scratch.path.join("data");
                    self.unimse("demo", |demo| demo.arg("--out").arg(&data))?;
                    let sources = sources(&data, &ask(self.unimse, Some(&data))?.data)?;
                    (data, sources)
                }
            };
            let corpus = self.scratch.path.join("corpus");
            self.unimse("ingest", |ingest| {
                ingest.arg("--data").arg(&data).arg("--out").arg(&corpus)
            })?;
            identity.adopt(&self.out, self.mode.force)?;
            tree::replace_dir(&corpus, &self.out.join("corpus"))?;
            Ok(sources)
        };
        stage.run(self.mode, ingest)
    }

    fn unify(&self) -> Result<Record> {
        let inputs = self.inputs(
            "unify",
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
        stage.run(self.mode, unify)
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
        drop(RunLock::take(run)?); // before the records say that anything is redone
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

        let seeded = tables().chain([("seed", seed.to_string())]);
        let inputs = self.inputs("train", run, seeded)?;
        let train = stage(
            "train",
            inputs,
            &["checkpoints", "events.jsonl"],
            Some("checkpoints"),
        );
        records.push(train.run(self.mode, |begin| self.train(run, seed, begin))?);

        let inputs = self.inputs(
            "evaluate",
            run,
            tables().chain([("checkpoints", tree::sha256_dir(&run.join("checkpoints"))?)]),
        )?;
        let evaluate = stage(
            "evaluate",
            inputs,
            &["predictions.parquet", "results.json"],
            None,
        );
        let evaluated = evaluate.run(self.mode, |_| {
            self.unimse("evaluate", |evaluate| evaluate.arg("--run").arg(run))?;
            Ok(BTreeMap::new())
        })?;
        records.push(evaluated);

        let results = Inputs::from([
            (
                "results".to_owned(),
                artefact::sha256(&run.join("results.json"))?,
            ),
            (
                "events".to_owned(),
                artefact::sha256(&run.join("events.jsonl"))?,
            ),
        ]);
        self.report(run, prefix, results, &[seed], &records)
    }

    fn train(&self, run: &Path, seed: u64, begin: Begin) -> Result<BTreeMap<String, Source>> {
        if begin == Begin::Afresh {
            // Not under the hands of a training that was begun here by itself.
            let _lock = RunLock::take(run)?;
            // Results of another training must never lie beside this one's checkpoints, nor above them.
            DOWNSTREAM.iter().try_for_each(|name| {
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
            "report",
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
        stage.run(self.mode, |_| {
            let preset = &self.options.preset;
            let provenance = gather(self.checkout, self.unimse, preset, seeds, records);
            artefact::write_json(&RunFolder::new(run).provenance(), &provenance)?;
            self.unimse("report", |report| report.arg("--run").arg(run))?;
            Ok(BTreeMap::new())
        })?;
        Ok(())
    }

    /// Version of a stage's code.
    fn code(&self, stage: &str) -> String {
        self.plan.code.get(stage).cloned().unwrap_or_default()
    }

    /// Code of the stage and configuration, and `more`.
    fn inputs<'b>(
        &self,
        stage: &str,
        run: &Path,
        more: impl IntoIterator<Item = (&'b str, String)>,
    ) -> Result<Inputs> {
        let mut inputs: Inputs = more
            .into_iter()
            .map(|(name, digest)| (name.to_owned(), digest))
            .collect();
        inputs.insert("code".to_owned(), self.code(stage));
        inputs.insert(
            "config".to_owned(),
            artefact::sha256(&run.join("config.toml"))?,
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
        artefact::write(
            &run.join("config.toml"),
            &fs::read(self.out.join("config.toml"))?,
        )?;
        Ok(())
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
        arguments(&mut command);
        if let Some(threads) = self.options.threads {
            command.args(["--threads", &threads.to_string()]);
        }
        child::run(&format!("unimse {subcommand}"), &mut command)
    }
}
