//! A run that goes on where it was interrupted: what was measured under the same conditions is kept.

use std::path::Path;

use anyhow::{Context, Result, bail};

use super::results::Results;

/// Moves into `results` the contests that an interrupted run left in `folder`, each measured in `rounds` rounds; one that failed or lacked something is left out.
///
/// # Errors
/// The file cannot be read, or it is of another commit, machine or kind of run.
pub(crate) fn take(results: &mut Results, folder: &Path, rounds: usize) -> Result<()> {
    let path = folder.join("RESULTS.json");
    if !path.exists() {
        eprintln!("bench: {} does not exist; from the start", path.display());
        return Ok(());
    }
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let before: Results =
        serde_json::from_str(&text).with_context(|| format!("{}", path.display()))?;
    if let Some(what) = difference(results, &before, rounds) {
        bail!(
            "{}: {what}; run it without --resume to measure all anew",
            path.display()
        );
    }
    results.versions.extend(before.versions);
    let measured = before.contests.into_iter();
    results
        .contests
        .extend(measured.filter(|outcome| outcome.not_measured.is_none()));
    Ok(())
}

/// Renames what an earlier run left in `folder`, so that a run from the start loses nothing of it but what was put aside before.
///
/// # Errors
/// The file cannot be renamed.
pub(crate) fn put_aside(folder: &Path) -> Result<()> {
    let (path, aside) = (
        folder.join("RESULTS.json"),
        folder.join("RESULTS.before.json"),
    );
    if path.exists() {
        std::fs::rename(&path, &aside).with_context(|| format!("renaming {}", path.display()))?;
        eprintln!("bench: what was measured before is in {}", aside.display());
    }
    Ok(())
}

/// What keeps two runs from being one, if anything does.
fn difference(now: &Results, before: &Results, rounds: usize) -> Option<String> {
    let differs = |what: &str, now: &dyn std::fmt::Debug, before: &dyn std::fmt::Debug| {
        Some(format!("{what}: expected {now:?}, found {before:?}"))
    };
    if now.schema != before.schema {
        return differs("schema", &now.schema, &before.schema);
    }
    if now.git != before.git || now.git.dirty != Some(false) {
        return differs(
            "commit (with nothing changed since)",
            &now.git.hash,
            &(&before.git.hash, before.git.dirty),
        );
    }
    if (&now.host, &now.cpu_features) != (&before.host, &before.cpu_features) {
        return differs("machine", &now.host, &before.host);
    }
    if (now.threads, now.quick) != (before.threads, before.quick) {
        let of = |results: &Results| (results.threads, results.quick);
        return differs("threads and --quick", &of(now), &of(before));
    }
    let mut sides = before.contests.iter().flat_map(|outcome| &outcome.sides);
    let other = sides.find(|side| side.seconds.len() != rounds)?;
    differs("rounds", &rounds, &other.seconds.len())
}
