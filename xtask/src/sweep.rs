//! `cargo xtask sweep`: grid or random search over any keys of the configuration, scored on dev alone.
//!
//! ```text
//! OUT/corpus                         the tables, ingested once
//! OUT/trials/<number>/epochs-<n>     a run folder without evaluation, or the folder of several seeds
//! OUT/sweep.json                     every trial with its scores, replaced after each
//! OUT/best.toml                      the whole configuration that dev likes best
//! ```
//!
//! `unimse evaluate` is never called: the test split stays closed.

use crate::checkout::Checkout;
use crate::child;
use crate::reproduce::{self, Keep, Setting, Shared, Site, Tables, Usage};
use crate::stage::Record;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::Path;
use unimse_run::{RunFolder, artefact};

mod axes;
mod score;
#[cfg(test)]
mod tests;

use axes::{Axis, Proposal, Values, grid, random};
use score::{Rung, Score, rungs};

/// What is searched, and how. The values over the preset are axes: `KEY=V1,V2,...` or `KEY=LOW..HIGH[:log]`; one value is fixed.
#[derive(clap::Args, Debug)]
#[group(id = "sweep")]
pub(crate) struct Options {
    #[command(flatten)]
    run: reproduce::Options,
    #[command(flatten)]
    search: Search,
    /// Train most configurations for few epochs: from rung to rung the best E-th part for E times as many, the last for all.
    #[arg(long, value_name = "E", value_parser = clap::value_parser!(u32).range(2..=100))]
    halving: Option<u32>,
    /// Seed of the configurations that --random draws.
    #[arg(long, value_name = "N", default_value_t = 1)]
    proposal_seed: u64,
}

/// Which configurations are tried.
#[derive(clap::Args, Debug)]
#[group(required = true, multiple = false)]
struct Search {
    /// Every combination of the values.
    #[arg(long)]
    grid: bool,
    /// N configurations drawn at random; values of a list and numbers of a range are equally likely, with :log their logarithms.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    random: Option<u32>,
}

/// Version of `sweep.json`.
const SCHEMA: u64 = 1;

/// `sweep.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Sweep {
    schema: u64,
    preset: String,
    /// Every configuration was trained with each of them.
    seeds: Vec<u64>,
    /// The axes as they were given.
    axes: Vec<String>,
    rungs: Vec<Rung>,
    trials: Vec<Trial>,
    /// Number of the best trial; absent until the last rung is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    best: Option<usize>,
}

/// One configuration.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Trial {
    number: usize,
    values: Proposal,
    /// One a rung that it took part in.
    scores: Vec<Score>,
}

/// Set-up, build, the search.
pub(crate) fn run(checkout: &Checkout, options: &Options) -> Result<()> {
    let proposals = options.proposals()?; // before anything is built
    reproduce::build(checkout, &options.run)?;
    sweep(checkout, &checkout.unimse(), options, proposals)
}

fn sweep(
    checkout: &Checkout,
    unimse: &Path,
    options: &Options,
    proposals: Vec<Proposal>,
) -> Result<()> {
    let site = Site::open(checkout, unimse, &options.run, "-sweep")?;
    let mut setting = options.run.setting();
    setting.values.clear();
    // Every key is asked about before anything is done.
    let mut epochs = 0;
    for (number, proposal) in proposals.iter().enumerate() {
        let config = site.config(&setting.preset, proposal);
        let config = config.with_context(|| format!("trial {number} ({})", proposal.join(" ")))?;
        epochs = epochs_of(&config)?;
    }
    let rungs = rungs(proposals.len(), epochs, options.halving);
    let trainings: usize = rungs.iter().map(|rung| rung.trials).sum();
    eprintln!(
        "sweep: {} configurations, {trainings} of them trained with {} seeds over {} rungs; test stays closed",
        proposals.len(),
        setting.seeds.len(),
        rungs.len()
    );
    let tables = Tables::Data(site.data.as_deref());
    let base = site.reproduction(site.out.clone(), setting.clone(), String::new(), tables)?;
    let ingested = base.ingested()?;
    drop(base);
    let trials = proposals.into_iter().enumerate();
    let mut work = Work {
        site: &site,
        ingested,
        halving: options.halving.is_some(),
        sweep: Sweep {
            schema: SCHEMA,
            preset: setting.preset,
            seeds: setting.seeds,
            axes: options.run.values.clone(),
            rungs,
            trials: trials
                .map(|(number, values)| Trial {
                    number,
                    values,
                    scores: Vec::new(),
                })
                .collect(),
            best: None,
        },
    };
    work.run()
}

impl Options {
    fn proposals(&self) -> Result<Vec<Proposal>, Usage> {
        let axes = self.run.values.iter().map(|text| Axis::parse(text));
        let axes: Vec<Axis> = axes.collect::<Result<_, _>>().map_err(Usage)?;
        let varied = |axis: &&Axis| !matches!(&axis.values, Values::List(list) if list.len() == 1);
        let mut keys: Vec<&str> = axes.iter().map(|axis| axis.key.as_str()).collect();
        keys.sort_unstable();
        if let Some(twice) = keys.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Usage(format!("{} is given twice", twice[0])));
        }
        if !axes.iter().any(|axis| varied(&axis)) {
            return Err(Usage(
                "nothing is varied: expected KEY=V1,V2,... or KEY=LOW..HIGH".to_owned(),
            ));
        }
        if self.halving.is_some() && axes.iter().filter(varied).any(|a| a.key == "train.epochs") {
            return Err(Usage(
                "--halving varies train.epochs itself: name one value of it".to_owned(),
            ));
        }
        match self.search.random {
            Some(count) => Ok(random(&axes, count as usize, self.proposal_seed)),
            None => grid(&axes).map_err(Usage),
        }
    }
}

/// `train.epochs` of a merged configuration.
fn epochs_of(config: &str) -> Result<u64> {
    let table: toml::Table = config.parse().context("unimse config: expected TOML")?;
    let epochs = table.get("train").and_then(|train| train.get("epochs"));
    let epochs = epochs.and_then(toml::Value::as_integer);
    let epochs = epochs.and_then(|epochs| u64::try_from(epochs).ok());
    epochs.context("unimse config: expected train.epochs, a whole number")
}

/// One search.
struct Work<'a> {
    site: &'a Site<'a>,
    ingested: Record,
    halving: bool,
    sweep: Sweep,
}

impl Work<'_> {
    fn run(&mut self) -> Result<()> {
        let mut left: Vec<usize> = (0..self.sweep.trials.len()).collect();
        for (number, rung) in self.sweep.rungs.clone().iter().enumerate() {
            left.truncate(rung.trials);
            left.sort_unstable();
            for (place, &trial) in left.iter().enumerate() {
                let values = self.sweep.trials[trial].values.join(" ");
                eprintln!(
                    "rung {} of {}, {} of {}: trial {trial} ({values})",
                    number + 1,
                    self.sweep.rungs.len(),
                    place + 1,
                    left.len()
                );
                let score = self.train(trial, rung)?;
                eprintln!("trial {trial}: dev {}", said(&score));
                self.sweep.trials[trial].scores.push(score);
                self.write()?;
            }
            left.sort_by(|&a, &b| self.order(a, b));
        }
        let best = left[0];
        let Some(score) = self.sweep.trials[best].scores.last() else {
            bail!("no configuration was trained");
        };
        if score.mean.is_none() {
            bail!("every training of the last rung failed: {}", said(score));
        }
        self.sweep.best = Some(best);
        self.write()?;
        let trial = &self.sweep.trials[best];
        let config = self.site.config(&self.sweep.preset, &trial.values)?;
        let path = self.site.out.join("best.toml");
        artefact::write(&path, config.as_bytes())?;
        std::io::stdout().write_all(self.table().as_bytes())?;
        eprintln!("best: trial {best} ({})", trial.values.join(" "));
        eprintln!("configuration: {}", path.display());
        Ok(())
    }

    /// Trains one configuration with every seed, unless it is trained already.
    fn train(&self, trial: usize, rung: &Rung) -> Result<Score> {
        let mut values = self.sweep.trials[trial].values.clone();
        let mut epochs = rung.epochs;
        if self.halving {
            values.push(format!("train.epochs={epochs}"));
        } else {
            epochs = epochs_of(&self.site.config(&self.sweep.preset, &values)?)?;
        }
        let out = self
            .site
            .out
            .join(format!("trials/{trial:03}/epochs-{epochs}"));
        let shared = Shared {
            run: &self.site.out,
            ingested: &self.ingested,
            keep: Keep::All,
        };
        let setting = Setting {
            preset: self.sweep.preset.clone(),
            values,
            seeds: self.sweep.seeds.clone(),
        };
        let title = format!("trial {trial}: ");
        let run = (self.site).reproduction(out.clone(), setting, title, Tables::Of(&shared))?;
        match run.train_only() {
            Ok(()) => {}
            Err(error) if child::failed_alone(&error) => {
                return Ok(Score::failed(epochs, format!("{error:#}")));
            }
            Err(error) => return Err(error.context(format!("trial {trial}"))),
        }
        let seeds = self.sweep.seeds.iter();
        let logs: Vec<_> = match self.sweep.seeds[..] {
            [_] => vec![RunFolder::new(&out).events()],
            _ => seeds
                .map(|&s| RunFolder::of_seed(&out, s).events())
                .collect(),
        };
        Score::read(epochs, &logs)
    }

    /// The better trial first, by its last score; the lower number among equals. One that left earlier is behind those that went on.
    fn order(&self, a: usize, b: usize) -> std::cmp::Ordering {
        let scores = |trial: usize| &self.sweep.trials[trial].scores;
        let by_rung = scores(b).len().cmp(&scores(a).len());
        let by_score = match (scores(a).last(), scores(b).last()) {
            (Some(a), Some(b)) => a.order(b),
            _ => std::cmp::Ordering::Equal,
        };
        by_rung.then(by_score).then(a.cmp(&b))
    }

    fn write(&self) -> Result<()> {
        let path = self.site.out.join("sweep.json");
        Ok(artefact::write_json(&path, &self.sweep)?)
    }

    /// All trials, the best first.
    fn table(&self) -> String {
        let mut order: Vec<usize> = (0..self.sweep.trials.len()).collect();
        order.sort_by(|&a, &b| self.order(a, b));
        let mut out = "trial  epochs  dev     by seed  values\n".to_owned();
        for trial in order.into_iter().map(|number| &self.sweep.trials[number]) {
            let Some(score) = trial.scores.last() else {
                continue;
            };
            let mean = score
                .mean
                .map_or("failed".to_owned(), |mean| format!("{mean:.4}"));
            let seeds: Vec<String> = score.per_seed.iter().map(|s| format!("{s:.4}")).collect();
            out.push_str(&format!(
                "{:>5}  {:>6}  {mean:<6}  {}  {}\n",
                trial.number,
                score.epochs,
                seeds.join(" "),
                trial.values.join(" ")
            ));
        }
        out
    }
}

/// A score in words.
fn said(score: &Score) -> String {
    match (&score.mean, &score.failed) {
        (Some(mean), _) => format!("{mean:.4} over {} corpora", score.defined),
        (None, why) => why.clone().unwrap_or("has no value".to_owned()),
    }
}
