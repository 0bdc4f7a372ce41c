//! `unimse score`: the metrics of a file of truths and predictions, of any system.

mod matrix;
mod measure;
mod options;
mod print;
mod rows;
mod spec;
mod table;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use unimse_run::{SCORED_SCHEMA, Scored, ScoredTask};

pub(crate) use options::Args;
use rows::Rows;
use table::Table;

/// Groups that are scored by themselves: a column of ids, one of ten million rows, would take more memory than there is.
const MOST_GROUPS: usize = 10_000;

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let scored = scored(args)?;
    let text = if args.json {
        format!("{}\n", serde_json::to_string_pretty(&scored)?)
    } else {
        print::tables(&scored, &args.file, args.against.as_deref())
    };
    super::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn scored(args: &Args) -> Result<Scored> {
    let spec = args.spec()?;
    let scoring = args.scoring(&spec)?;
    let columns = args.columns(&spec)?;
    let truth = args.truth()?;
    let mut table = Table::read(&args.file, truth, &columns, &spec)?;
    let mut scored = Scored {
        schema: SCORED_SCHEMA,
        task: spec.task,
        convention: (spec.task == ScoredTask::Sentiment).then_some(args.convention),
        labels: spec.labels.clone(),
        resamples: args.resamples,
        seed: args.seed,
        cluster: args.cluster.clone(),
        generated: None,
        generated_against: None,
        all: Default::default(),
        groups: Default::default(),
    };
    let counts = std::mem::take(&mut table.generated);
    scored.generated = spec.generated.is_some().then_some(counts);
    let other = match &args.against {
        Some(path) => {
            let mut other = Table::read(path, truth, &columns.of_other(), &spec)?;
            let counts = std::mem::take(&mut other.generated);
            scored.generated_against = spec.generated.is_some().then_some(counts);
            Some(table.aligned(other, path)?)
        }
        None => None,
    };
    let (rows, groups) = Rows::new(table, other);
    let file = || args.file.display().to_string();
    if groups.len() > MOST_GROUPS {
        bail!(
            "{}: column {}: expected at most {MOST_GROUPS} different values for --group-by, found {}",
            file(),
            args.group_by.as_deref().unwrap_or_default(),
            groups.len()
        );
    }
    scored.all = scoring.rows(&rows).with_context(file)?;
    let mut by_group = Vec::new();
    for (name, places) in groups {
        let group = scoring.rows(&rows.at(&places)).with_context(file)?;
        by_group.push((name, group));
    }
    scored.groups = by_group.into_iter().collect();
    Ok(scored)
}
