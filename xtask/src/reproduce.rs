//! `cargo xtask reproduce`: the stage graph, each stage a call of `unimse`.
//!
//! ```text
//! config -> ingest -> unify -> for each seed: train -> evaluate -> report; for several seeds an aggregate report above them
//! ```
//!
//! One seed lives in OUT itself; several share OUT/corpus and OUT/labels and live in `OUT/seed-<n>`, each a whole run folder. Everything that
//! can fail on the user's data happens in a scratch folder, so that OUT is absent or as it was until ingest has succeeded.
//!
//! `ablate` and `sweep` are this with several configurations over one set of tables: each is a [`Reproduction`] whose tables are
//! [`Tables::Of`] another run.

use crate::checkout::Checkout;
use crate::provenance::{gather, sources};
use crate::stage::{Begin, Inputs, Record, Stage};
use crate::{child, setup, tree};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use unimse_run::{DOWNSTREAM, MODEL_CARD, RO_CRATE, RunFolder, RunLock, Source, artefact};

mod media;
mod options;
mod place;
mod processes;
mod site;
mod tables;
#[cfg(test)]
mod tests;

pub(crate) use options::{Options, Usage};
use place::{Identity, Scratch};
use site::ask;
pub(crate) use site::{Setting, Site};
pub(crate) use tables::{Keep, Shared, Tables};

/// Set-up, build, and all stages.
pub(crate) fn run(checkout: &Checkout, options: &Options) -> Result<()> {
    build(checkout, options)?;
    reproduce(checkout, &checkout.unimse(), options)
}

/// Set-up, and the binary `unimse`, unless `options` cannot be meant.
pub(crate) fn build(checkout: &Checkout, options: &Options) -> Result<()> {
    options.check_early(checkout)?;
    setup::ensure(checkout)?;
    if options.preset == media::MEDIA {
        setup::ensure_model(checkout, setup::Model::Faces)?;
    }
    child::run(
        "cargo build",
        // The workspace, as the alias of `cargo xtask` and the tests select it: with one package alone, features of shared
        // dependencies differ and LibTorch's bindings would be compiled a second time.
        checkout
            .cargo()
            .args(["build", "--release", "--workspace", "--bin", "unimse"]),
    )
}

fn reproduce(checkout: &Checkout, unimse: &Path, options: &Options) -> Result<()> {
    let site = Site::open(checkout, unimse, options, "")?;
    let reproduction = site.reproduction(
        site.out.clone(),
        options.setting(),
        String::new(),
        Tables::Data(site.data.as_deref()),
    )?;
    let ingested = reproduction.run()?;
    if options.preset == media::MEDIA {
        reproduction.beside_text(&ingested)?;
    }
    eprintln!("report: {}", site.out.join("report.html").display());
    Ok(())
}

/// One configuration over one set of tables, in a folder of its own.
pub(crate) struct Reproduction<'a> {
    site: &'a Site<'a>,
    setting: Setting,
    title: String,
    tables: Tables<'a>,
    out: PathBuf,
    scratch: Scratch,
}

/// The tables of a run, as the stages that made them recorded it.
struct Prepared {
    records: Vec<Record>,
    /// Digests of the tables.
    digests: Inputs,
}

impl Reproduction<'_> {
    /// All stages, to the report; the record of ingest.
    pub(crate) fn run(&self) -> Result<Record> {
        let ingested = self.ingested()?;
        let prepared = self.prepare(ingested.clone())?;
        let mut results = Inputs::new();
        for (seed, run) in self.seed_folders()? {
            let title = self.title_of(seed);
            self.seed(&run, seed, &title, &prepared)?;
            results.insert(
                format!("seed-{seed}"),
                artefact::sha256(&run.join("results.json"))?,
            );
        }
        if self.setting.seeds.len() > 1 {
            let title = format!("{}all seeds: ", self.title);
            let records = &prepared.records;
            self.report(&self.out, &title, results, &self.setting.seeds, records)?;
        }
        Ok(ingested)
    }

    /// The stages up to the training of every seed: the test split stays closed.
    pub(crate) fn train_only(&self) -> Result<()> {
        let prepared = self.prepare(self.ingested()?)?;
        for (seed, run) in self.seed_folders()? {
            self.train(&run, seed, &self.title_of(seed), &prepared)?;
        }
        Ok(())
    }

    /// The stages up to the labels.
    pub(crate) fn labelled(&self) -> Result<()> {
        self.ingested()?;
        self.unify().map(drop)
    }

    /// Configuration and utterance tables; OUT is a run of this identity then.
    pub(crate) fn ingested(&self) -> Result<Record> {
        let merged = self.scratch.path.join("config.toml");
        self.site.unimse("config", |config| {
            config
                .args(["--preset", &self.setting.preset])
                .args(&self.setting.values)
                .arg("--fetch")
                .arg("--out")
                .arg(&merged)
        })?;
        let identity = Identity {
            preset: self.setting.preset.clone(),
            seeds: self.setting.seeds.clone(),
            config: fs::read_to_string(&merged)
                .with_context(|| format!("cannot read {}", merged.display()))?,
        };
        identity.check(&self.out, self.site.mode.force)?;
        match &self.tables {
            Tables::Data(data) => self.ingest(*data, &identity),
            Tables::Of(shared) => self.share(shared, &identity),
        }
    }

    fn prepare(&self, ingested: Record) -> Result<Prepared> {
        let records = vec![ingested, self.unify()?];
        let digests = ["corpus", "labels"].map(|tables| {
            let digest = tree::sha256_dir(&self.out.join(tables))?;
            Ok((tables.to_owned(), digest))
        });
        Ok(Prepared {
            records,
            digests: digests.into_iter().collect::<Result<_>>()?,
        })
    }

    /// The run folder of each seed, with its tables in it.
    fn seed_folders(&self) -> Result<Vec<(u64, PathBuf)>> {
        if let [seed] = self.setting.seeds[..] {
            return Ok(vec![(seed, self.out.clone())]);
        }
        let mut folders = Vec::new();
        for &seed in &self.setting.seeds {
            let run = RunFolder::of_seed(&self.out, seed).run;
            fs::create_dir_all(&run).with_context(|| format!("cannot make {}", run.display()))?;
            for dir in ["corpus", "labels"] {
                self.link(&self.out.join(dir), &run.join(dir), &Keep::All)?;
            }
            let config = fs::read(self.out.join("config.toml"))?;
            artefact::write(&run.join("config.toml"), &config)?;
            folders.push((seed, run));
        }
        Ok(folders)
    }

    fn title_of(&self, seed: u64) -> String {
        if self.setting.seeds.len() == 1 {
            return self.title.clone();
        }
        format!("{}seed {seed}: ", self.title)
    }

    fn ingest(&self, data: Option<&Path>, identity: &Identity) -> Result<Record> {
        let entries = &self.site.plan.data;
        let given = data.map(|data| sources(data, entries)).transpose()?;
        // The data of a demo are a function of the code.
        let made = || Ok(self.setting.preset.clone());
        let digest = given.as_ref().map_or_else(made, |sources| {
            serde_json::to_vec(sources).map(|json| artefact::sha256_of(&json))
        })?;
        let inputs = Inputs::from([
            ("code".to_owned(), self.site.code("ingest")),
            ("data".to_owned(), digest),
        ]);
        let ingest = |_| {
            let (data, sources) = match (data, given) {
                (Some(data), Some(sources)) => (data.to_owned(), sources),
                _ => {
                    let data = self.made()?;
                    let sources = sources(&data, &ask(self.site.unimse, Some(&data))?.data)?;
                    (data, sources)
                }
            };
            let corpus = self.scratch.path.join("corpus");
            self.site.unimse("ingest", |ingest| {
                ingest.arg("--data").arg(&data).arg("--out").arg(&corpus)
            })?;
            identity.adopt(&self.out, self.site.mode.force)?;
            tree::replace_dir(&corpus, &self.out.join("corpus"))?;
            Ok(sources)
        };
        self.stage("ingest", inputs, &["corpus", "config.toml"])
            .run(self.site.mode, ingest)
    }

    /// A stage of the run in OUT itself that is quick enough to be done again.
    fn stage<'s>(&'s self, name: &'s str, inputs: Inputs, outputs: &'s [&'s str]) -> Stage<'s> {
        Stage {
            name,
            title: format!("{}{name}", self.title),
            run: &self.out,
            inputs,
            outputs,
            unfinished: None,
        }
    }

    fn unify(&self) -> Result<Record> {
        let corpus = match &self.tables {
            Tables::Of(shared) if shared.labels_of_all() => shared.corpus(),
            _ => self.out.join("corpus"),
        };
        let inputs = self.inputs("unify", &self.out, [("corpus", tree::sha256_dir(&corpus)?)])?;
        let unify = |_| {
            let labels = self.scratch.path.join("labels");
            let config = self.out.join("config.toml");
            self.site.together("unify", |unify| {
                unify
                    .arg("--corpus")
                    .arg(&corpus)
                    .arg("--out")
                    .arg(&labels)
                    .arg("--config")
                    .arg(&config)
            })?;
            tree::replace_dir(&labels, &self.out.join("labels"))?;
            Ok(BTreeMap::new())
        };
        self.stage("unify", inputs, &["labels"])
            .run(self.site.mode, unify)
    }

    /// The stages of one seed in its run folder.
    fn seed(&self, run: &Path, seed: u64, title: &str, prepared: &Prepared) -> Result<()> {
        let mut records = prepared.records.clone();
        records.push(self.train(run, seed, title, prepared)?);
        // the model card is made from the results of this very stage
        let checkpoints = tree::sha256_dir_without(&run.join("checkpoints"), MODEL_CARD)?;
        let inputs = self.inputs(
            "evaluate",
            run,
            prepared.digests().chain([("checkpoints", checkpoints)]),
        )?;
        let evaluate = Stage {
            name: "evaluate",
            title: format!("{title}evaluate"),
            run,
            inputs,
            outputs: &["predictions.parquet", "results.json"],
            unfinished: None,
        };
        let evaluated = evaluate.run(self.site.mode, |_| {
            self.site
                .together("evaluate", |evaluate| evaluate.arg("--run").arg(run))?;
            Ok(BTreeMap::new())
        })?;
        records.push(evaluated);
        let mut results = Inputs::new();
        for (name, file) in [("results", "results.json"), ("events", "events.jsonl")] {
            results.insert(name.to_owned(), artefact::sha256(&run.join(file))?);
        }
        self.report(run, title, results, &[seed], &records)
    }

    fn train(&self, run: &Path, seed: u64, title: &str, prepared: &Prepared) -> Result<Record> {
        drop(RunLock::take(run)?); // before the records say that anything is redone
        let seeded = prepared.digests().chain([("seed", seed.to_string())]);
        let train = Stage {
            name: "train",
            title: format!("{title}train"),
            run,
            inputs: self.inputs("train", run, seeded)?,
            outputs: &["checkpoints", "events.jsonl"],
            unfinished: Some("checkpoints"),
        };
        train.run(self.site.mode, |begin| self.begin(run, seed, begin))
    }

    fn begin(&self, run: &Path, seed: u64, begin: Begin) -> Result<BTreeMap<String, Source>> {
        if begin == Begin::Afresh {
            // Not under the hands of a training that was begun here by itself.
            let _lock = RunLock::take(run)?;
            // Results of another training must never lie beside this one's checkpoints, nor above them.
            DOWNSTREAM.iter().try_for_each(|name| {
                tree::remove(&run.join(name)).and_then(|()| tree::remove(&self.out.join(name)))
            })?;
        }
        self.site.together("train", |train| {
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
        let outputs = &["results.json", "report.html", "provenance.json", RO_CRATE];
        let stage = Stage {
            name: "report",
            title: format!("{prefix}report"),
            run,
            inputs,
            outputs,
            unfinished: None,
        };
        stage.run(self.site.mode, |_| {
            let (preset, site) = (&self.setting.preset, self.site);
            let provenance = gather(site.checkout, site.unimse, preset, seeds, records);
            artefact::write_json(&RunFolder::new(run).provenance(), &provenance)?;
            site.unimse("report", |report| report.arg("--run").arg(run))?;
            Ok(BTreeMap::new())
        })?;
        Ok(())
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
        inputs.insert("code".to_owned(), self.site.code(stage));
        inputs.insert(
            "config".to_owned(),
            artefact::sha256(&run.join("config.toml"))?,
        );
        Ok(inputs)
    }
}

impl Prepared {
    fn digests(&self) -> impl Iterator<Item = (&str, String)> {
        let digests = self.digests.iter();
        digests.map(|(name, digest)| (name.as_str(), digest.clone()))
    }
}
