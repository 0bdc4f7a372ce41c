//! Several seeds of one configuration: mean and sample standard deviation of every metric (design section 5).

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};
use unimse_run::RESULTS_SCHEMA;

/// The `seed-<n>` folders of a run, by seed.
///
/// # Errors
/// If the folder cannot be listed.
pub fn seed_folders(run: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(run).with_context(|| run.display().to_string())? {
        let path = entry.with_context(|| run.display().to_string())?.path();
        let seed = path
            .file_name()
            .and_then(|n| n.to_str())
            .and_then(|n| n.strip_prefix("seed-"))
            .and_then(|n| n.parse().ok());
        if let Some(seed) = seed.filter(|_| path.is_dir()) {
            out.push((seed, path));
        }
    }
    out.sort();
    Ok(out)
}

/// The aggregate of the seeds' `results.json`: the shape of one run, with means in place of metrics, `sd` and `per_seed` beside
/// them; intervals and confusion matrices stay with the seeds.
///
/// # Errors
/// If a seed has no results yet, or the seeds disagree on corpora, fields or modalities.
pub fn aggregate(run: &Path) -> Result<Value> {
    let mut seeds = Vec::new();
    for (seed, folder) in seed_folders(run)? {
        let path = folder.join("results.json");
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("{}: run `unimse evaluate` first", path.display()))?;
        let results: Value =
            serde_json::from_str(&text).with_context(|| path.display().to_string())?;
        let schema = &results["schema"];
        if schema.as_u64() != Some(RESULTS_SCHEMA) {
            bail!(
                "{}: field `schema`: expected {RESULTS_SCHEMA}, found {schema}; run `unimse evaluate` again",
                path.display()
            );
        }
        seeds.push((seed, results));
    }
    let Some((_, first)) = seeds.first() else {
        bail!("{}: expected seed-<n> folders, found none", run.display())
    };
    let same = |key: &str| seeds.iter().all(|(_, r)| r[key] == first[key]);
    for key in [
        "fields",
        "modalities",
        "backbone",
        "decoder",
        "label_form",
        "trained_on",
    ] {
        if !same(key) {
            bail!(
                "{}: the seeds differ in {key}: not one configuration",
                run.display()
            );
        }
    }
    let mut out = first.clone();
    out["seeds"] = seeds.iter().map(|(s, _)| json!(s)).collect();
    let any = |key: &str| json!(seeds.iter().any(|(_, r)| r[key] == json!(true)));
    (out["synthetic"], out["leaky"]) = (any("synthetic"), any("leaky"));
    out["protocol"]["test_openings"] = json!(
        seeds
            .iter()
            .filter_map(|(_, r)| r["protocol"]["test_openings"].as_u64())
            .max()
    );
    if seeds
        .iter()
        .any(|(_, r)| r["fusion"]["skip"] != first["fusion"]["skip"])
    {
        bail!(
            "{}: the seeds differ in fusion.skip: not one configuration",
            run.display()
        );
    }
    let readouts: Vec<&Value> = seeds.iter().map(|(_, r)| &r["readout"]).collect();
    if readouts.iter().any(|r| *r != readouts[0]) {
        out["readout"] = json!("differs by seed");
    }
    let names: Vec<String> = first["corpora"]
        .as_object()
        .map(|m| m.keys().cloned().collect())
        .unwrap_or_default();
    for name in &names {
        let features = |r: &Value| r["corpora"][name]["features"].clone();
        if seeds.iter().any(|(_, r)| features(r) != features(first)) {
            bail!(
                "{}: the seeds differ in the features of {name}: not one data folder",
                run.display()
            );
        }
        for split in ["dev", "test"] {
            let parts: Vec<(u64, &Value)> = seeds
                .iter()
                .map(|(s, r)| (*s, &r["corpora"][name][split]))
                .collect();
            if parts.iter().any(|(_, p)| p.is_null()) {
                bail!(
                    "{}: corpus {name} lacks {split} in some seed",
                    run.display()
                );
            }
            merge(&mut out["corpora"][name][split], &parts);
        }
    }
    let total = |key: &str| {
        json!(
            seeds
                .iter()
                .filter_map(|(_, r)| r["timing"][key].as_f64())
                .sum::<f64>()
        )
    };
    out["timing"] = json!({"train_s": total("train_s"), "evaluate_s": total("evaluate_s")});
    Ok(out)
}

fn merge(target: &mut Value, parts: &[(u64, &Value)]) {
    let (mut means, mut deviations) = (Map::new(), Map::new());
    for key in parts[0].1["metrics"]
        .as_object()
        .map(|m| m.keys().cloned().collect::<Vec<_>>())
        .unwrap_or_default()
    {
        let values: Vec<f64> = parts
            .iter()
            .filter_map(|(_, p)| p["metrics"][&key].as_f64())
            .collect();
        if values.len() < parts.len() {
            continue;
        }
        let (mean, deviation) = mean_sd(&values);
        means.insert(key.clone(), json!(mean));
        if let Some(d) = deviation {
            deviations.insert(key, json!(d));
        }
    }
    let per_seed: Vec<Value> = parts
        .iter()
        .map(|(s, p)| json!({"seed": s, "metrics": p["metrics"]}))
        .collect();
    target["metrics"] = Value::Object(means);
    target["sd"] = Value::Object(deviations);
    target["per_seed"] = json!(per_seed);
    for count in ["unparsable", "repaired", "generated_zeros"] {
        if target.get(count).is_some() {
            target[count] = json!(
                parts
                    .iter()
                    .filter_map(|(_, p)| p[count].as_u64())
                    .sum::<u64>()
            );
        }
    }
    let unexplored = parts.iter().filter_map(|(_, p)| p["unexplored"].as_f64());
    if let Some(most) = unexplored.reduce(f64::max) {
        target["unexplored"] = json!(most);
    }
    if let Some(map) = target.as_object_mut() {
        for only_a_seed in ["intervals", "per_class", "confusion", "conventions"] {
            map.remove(only_a_seed);
        }
        // The baselines are the same in every seed; the paired difference is a seed's own.
        for baseline in map
            .get_mut("baselines")
            .and_then(Value::as_object_mut)
            .into_iter()
            .flat_map(|b| b.values_mut())
        {
            if let Some(b) = baseline.as_object_mut() {
                b.remove("difference");
            }
        }
    }
}

/// Mean and sample standard deviation (`None` for a single value).
fn mean_sd(values: &[f64]) -> (f64, Option<f64>) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let deviation = (values.len() > 1)
        .then(|| (values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (n - 1.0)).sqrt());
    (mean, deviation)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn seeds_become_mean_and_deviation() {
        let run = tempfile::tempdir().unwrap();
        for (seed, mae) in [(1, 0.8), (2, 0.9)] {
            let folder = run.path().join(format!("seed-{seed}"));
            std::fs::create_dir(&folder).unwrap();
            let part = json!({"n": 3, "metrics": {"mae": mae}, "unparsable": seed, "intervals": {"mae": null}});
            let results = json!({"schema": 2, "corpora": {"mosi": {"dev": {"metrics": {"mae": mae}}, "test": part}}, "timing": {"train_s": 2.0}});
            std::fs::write(folder.join("results.json"), results.to_string()).unwrap();
        }
        let a = aggregate(run.path()).unwrap();
        let test = &a["corpora"]["mosi"]["test"];
        assert_eq!(a["seeds"], json!([1, 2]));
        assert!((test["metrics"]["mae"].as_f64().unwrap() - (0.8 + 0.9) / 2.0).abs() < 1e-12);
        assert!(
            (test["sd"]["mae"].as_f64().unwrap() - (2.0f64 * 0.05 * 0.05).sqrt()).abs() < 1e-12
        );
        assert_eq!(test["unparsable"], json!(1 + 2));
        assert!(test.get("intervals").is_none());
        assert_eq!(a["timing"]["train_s"], json!(4.0));
    }

    #[test]
    fn results_of_another_schema_or_of_other_features_are_refused_in_one_line() {
        let error = |second: Value| {
            let run = tempfile::tempdir().unwrap();
            let part = json!({"metrics": {"mae": 1.0}});
            let corpus = json!({"dev": part, "test": part, "features": {"audio": {"tool": "covarep", "dimension": 74}}});
            let first = json!({"schema": 2, "corpora": {"mosi": corpus}, "fusion": {"skip": true}});
            let mut merged = first.clone();
            for (key, value) in second.as_object().unwrap() {
                merged[key] = value.clone();
            }
            for (seed, results) in [(1, &first), (2, &merged)] {
                let folder = run.path().join(format!("seed-{seed}"));
                std::fs::create_dir(&folder).unwrap();
                std::fs::write(folder.join("results.json"), results.to_string()).unwrap();
            }
            aggregate(run.path()).map_err(|e| format!("{e:#}"))
        };
        assert!(error(json!({})).is_ok());
        for (second, words) in [
            (
                json!({"schema": 1}),
                "seed-2/results.json: field `schema`: expected 2, found 1; run `unimse evaluate` again",
            ),
            (json!({"schema": null}), "expected 2, found null"),
            (
                json!({"label_form": "triple"}),
                "the seeds differ in label_form",
            ),
            (
                json!({"fusion": {"skip": false}}),
                "the seeds differ in fusion.skip",
            ),
            (
                json!({"corpora": {"mosi": {"features": {}}}}),
                "the seeds differ in the features of mosi",
            ),
        ] {
            let found = error(second).unwrap_err();
            assert!(found.contains(words) && !found.contains('\n'), "{found}");
        }
    }
}
