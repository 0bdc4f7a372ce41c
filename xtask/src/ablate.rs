//! `cargo xtask ablate`: what each part of the method is worth, as one table over seeds.
//!
//! ```text
//! OUT/corpus            the tables, ingested once
//! OUT/<row>             a run folder, or the folder of several seeds, as `reproduce` makes them; of `separate` OUT/separate/<corpus>
//! OUT/ablation.json     what `unimse compare` says of them, by row
//! OUT/ablation.md       the table
//! ```
//!
//! Every row is a whole run: it opens the test split once a seed. Rows that are finished are not done again.

use crate::checkout::Checkout;
use crate::child;
use crate::reproduce::{self, Reproduction, Setting, Shared, Site, Tables, Usage};
use crate::stage::{Record, in_words};
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use unimse_run::{Comparison, RunFolder, artefact};

mod rows;
mod table;
#[cfg(test)]
mod tests;

use rows::{FULL, Part, Row};
use table::{Absent, Asked};

/// Which rows, of which run.
#[derive(clap::Args, Debug)]
#[group(id = "ablation")]
pub(crate) struct Options {
    #[command(flatten)]
    run: reproduce::Options,
    /// These rows alone, and `full`.
    #[arg(long, value_delimiter = ',', value_name = "NAME,...")]
    only: Vec<String>,
}

/// Values of a preset that an ablation sets unless the command line does: on two cores the demo's rows together then take about half
/// an hour, not two hours.
const SHORT: [(&str, &[&str]); 1] = [("demo", &["train.epochs=2"])];

/// Values that an ablation sets unless the command line does: baselines and spoiled inputs would be the same work again in every row, and
/// `separate` is the single-task rival that counts here.
const LEAN: [&str; 2] = ["evaluate.baselines=\"frozen\"", "evaluate.robustness=false"];

/// Set-up, build, all rows, the table.
pub(crate) fn run(checkout: &Checkout, options: &Options) -> Result<()> {
    reproduce::build(checkout, &options.run)?;
    ablate(checkout, &checkout.unimse(), options)
}

fn ablate(checkout: &Checkout, unimse: &Path, options: &Options) -> Result<()> {
    let site = Site::open(checkout, unimse, &options.run, "-ablation")?;
    let mut setting = options.run.setting();
    setting.values = with_short(&setting.preset, setting.values);
    eprintln!(
        "ablate: tables first, then a training for every row and seed, each with one opening of test"
    );
    let tables = Tables::Data(site.data.as_deref());
    let base = site.reproduction(site.out.clone(), setting.clone(), String::new(), tables)?;
    let ingested = base.ingested()?;
    drop(base);
    let merged = fs::read_to_string(site.out.join("config.toml"))?;
    let config: toml::Table = merged.parse().context("unimse config: expected TOML")?;
    let corpora = trained(&site.out.join("corpus"))?;
    let all = rows::rows(&config, &corpora, &checkout.root.join(".models"))?;
    let ablation = Work {
        site: &site,
        setting,
        ingested,
        rows: chosen(all, &options.only)?,
    };
    ablation.run(&merged)
}

/// The values of the command line, before them those that an ablation sets for the preset and the command line does not.
fn with_short(preset: &str, given: Vec<String>) -> Vec<String> {
    let short = SHORT.iter().find(|(name, _)| *name == preset);
    let short = short.map_or(&[][..], |(_, values)| values);
    let key = |value: &str| value.split('=').next().map(str::to_owned);
    let free = LEAN
        .iter()
        .chain(short)
        .filter(|value| !given.iter().any(|other| key(other) == key(value)));
    let free: Vec<String> = free.map(|&value| value.to_owned()).collect();
    [free, given].concat()
}

/// The corpora with train rows, by name.
fn trained(tables: &Path) -> Result<Vec<String>> {
    let files = crate::tree::files(tables)?;
    let corpora = files
        .iter()
        .filter_map(|(name, _)| name.strip_suffix("-train.parquet"));
    Ok(corpora.map(str::to_owned).collect())
}

/// The rows of these names and `full`; all where none is named.
fn chosen(all: Vec<Row>, only: &[String]) -> Result<Vec<Row>> {
    let known: BTreeSet<&str> = all.iter().map(|row| row.name.as_str()).collect();
    if let Some(other) = only.iter().find(|name| !known.contains(name.as_str())) {
        let names: Vec<&str> = all.iter().map(|row| row.name.as_str()).collect();
        return Err(Usage(format!(
            "--only {other}: expected a row of {}",
            names.join(", ")
        ))
        .into());
    }
    let keep = |row: &Row| only.is_empty() || row.name == FULL || only.contains(&row.name);
    Ok(all.into_iter().filter(keep).collect())
}

/// One ablation.
struct Work<'a> {
    site: &'a Site<'a>,
    /// Of `full`.
    setting: Setting,
    ingested: Record,
    rows: Vec<Row>,
}

impl Work<'_> {
    fn run(&self, full: &str) -> Result<()> {
        let mut absent = self.equal_to_full(full)?;
        let todo = |row: &&Row| !absent.iter().any(|(name, _)| *name == row.name);
        let parts = self.rows.iter().filter(todo).flat_map(|row| &row.parts);
        let folders: Vec<PathBuf> = parts.flat_map(|part| self.folders(part)).collect();
        let rows = self.rows.len() - absent.len();
        let progress = Progress::of(&folders);
        eprintln!("ablate: {rows} rows, {progress}");
        if progress.left == progress.trainings {
            self.foretell(progress.trainings)?;
        }
        let mut first_failure = None;
        for row in &self.rows {
            if absent.iter().any(|(name, _)| *name == row.name) {
                continue;
            }
            for part in &row.parts {
                eprintln!("{}: {}", part.folder, Progress::of(&folders));
                match self.part(row, part) {
                    Ok(()) => {}
                    Err(error) if row.name != FULL && child::failed_alone(&error) => {
                        let why = format!("{} failed: {error:#}", part.folder);
                        eprintln!("row {}: {error:#}; the other rows go on", row.name);
                        absent.push((row.name.clone(), why));
                        first_failure.get_or_insert(error.context(format!("row {}", row.name)));
                        break;
                    }
                    Err(error) => return Err(error.context(format!("row {}", row.name))),
                }
            }
        }
        self.write(&absent)?;
        first_failure.map_or(Ok(()), Err)
    }

    /// Says how long all trainings take, by three batches of `full`.
    fn foretell(&self, trainings: usize) -> Result<()> {
        let full = self.rows.iter().find(|row| row.name == FULL);
        let Some((row, part)) = full.and_then(|row| Some((row, row.parts.first()?))) else {
            return Ok(());
        };
        let run = self.site.out.join(&part.folder);
        self.of_part(row, part, |full| full.labelled())?;
        let mut train = self.site.command("train");
        train.arg("--config").arg(run.join("config.toml"));
        train.arg("--run").arg(run).arg("--estimate");
        let said = child::output("unimse train --estimate", &mut train)?;
        let Estimate { seconds } =
            serde_json::from_slice(&said).context("unimse train --estimate: expected seconds")?;
        eprintln!(
            "ablate: the epochs of {FULL} take about {} by three of its batches; {trainings} such trainings {}, without dev and evaluation",
            in_words(seconds),
            in_words(seconds * trainings as f64)
        );
        Ok(())
    }

    /// Checks the configuration of every row; those that change nothing are named, since they would be trained for nothing.
    fn equal_to_full(&self, full: &str) -> Result<Absent> {
        let mut absent = Vec::new();
        for row in self.rows.iter().filter(|row| !row.values.is_empty()) {
            let setting = self.setting_of(row);
            let config = self.site.config(&setting.preset, &setting.values);
            let config = config.with_context(|| format!("row {}", row.name))?;
            if config == full {
                eprintln!(
                    "row {}: the configuration has it already, left out",
                    row.name
                );
                absent.push((row.name.clone(), format!("{FULL} has it already")));
            }
        }
        Ok(absent)
    }

    fn setting_of(&self, row: &Row) -> Setting {
        let mut setting = self.setting.clone();
        setting.values.extend(row.values.iter().cloned());
        setting
    }

    fn part(&self, row: &Row, part: &Part) -> Result<()> {
        self.of_part(row, part, |run| run.run().map(drop))
    }

    /// Does `work` with the run of a part.
    fn of_part(
        &self,
        row: &Row,
        part: &Part,
        work: impl FnOnce(&Reproduction<'_>) -> Result<()>,
    ) -> Result<()> {
        let shared = Shared {
            run: &self.site.out,
            ingested: &self.ingested,
            keep: part.keep.clone(),
        };
        let out = self.site.out.join(&part.folder);
        let title = format!("{}: ", part.folder);
        let setting = self.setting_of(row);
        work(&(self.site).reproduction(out, setting, title, Tables::Of(&shared))?)
    }

    /// The run folders of a part, one for each seed.
    fn folders(&self, part: &Part) -> Vec<PathBuf> {
        let out = self.site.out.join(&part.folder);
        if let [_] = self.setting.seeds[..] {
            return vec![out];
        }
        let seeds = self.setting.seeds.iter();
        seeds.map(|&s| RunFolder::of_seed(&out, s).run).collect()
    }

    /// Compares the rows that have numbers, and writes the table.
    fn write(&self, absent: &Absent) -> Result<()> {
        let present = |row: &&Row| !absent.iter().any(|(name, _)| *name == row.name);
        let parts = self.rows.iter().filter(present).flat_map(|row| &row.parts);
        let mut compare = self.site.command("compare");
        compare
            .current_dir(&self.site.out)
            .args(parts.map(|part| &part.folder))
            .args(["--readouts", "--json"]);
        let said = child::output("unimse compare", &mut compare)?;
        let comparison: Comparison =
            serde_json::from_slice(&said).context("unimse compare: expected a comparison")?;
        let asked = Asked {
            preset: &self.setting.preset,
            seeds: &self.setting.seeds,
            values: &self.setting.values,
        };
        let ablation = table::ablation(&asked, &self.rows, comparison, absent)?;
        let (json, table) = ("ablation.json", self.site.out.join("ablation.md"));
        artefact::write_json(&self.site.out.join(json), &ablation)?;
        artefact::write(&table, table::markdown(&ablation)?.as_bytes())?;
        eprintln!("ablate: test was opened {} times", ablation.test_openings);
        eprintln!("ablation: {}", table.display());
        Ok(())
    }
}

/// What `unimse train --estimate` says.
#[derive(serde::Deserialize)]
struct Estimate {
    /// Of all epochs.
    seconds: f64,
}

/// How much there is to do, and how long that takes by what was measured.
struct Progress {
    trainings: usize,
    /// Those that are not finished.
    left: usize,
    /// Seconds that the finished ones took, with their evaluation.
    seconds: f64,
}

impl Progress {
    /// As the records in the run folders have it.
    fn of(folders: &[PathBuf]) -> Self {
        let seconds = |folder: &PathBuf| {
            let took = |stage| Record::seconds_in(folder, stage);
            Some(took("train")? + took("evaluate")?)
        };
        let done: Vec<f64> = folders.iter().filter_map(seconds).collect();
        Self {
            trainings: folders.len(),
            left: folders.len() - done.len(),
            seconds: done.iter().sum(),
        }
    }
}

impl std::fmt::Display for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} trainings to do", self.left, self.trainings)?;
        let done = self.trainings - self.left;
        if done == 0 {
            return Ok(());
        }
        let left = self.seconds / done as f64 * self.left as f64;
        write!(f, ", about {}", in_words(left))
    }
}
