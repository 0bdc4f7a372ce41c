//! What a run is, of what data, made with what: the entities beside the files.

use super::{Entity, Link, parts::address, time};
use crate::{DataSet, FileError, Provenance, Results, ResultsError, RunFolder};

/// The publication that the model implements.
const PAPER: &str = "https://doi.org/10.18653/v1/2022.emnlp-main.534";

/// `provenance.json`; empty where the stages were called by hand.
pub(super) fn provenance(run: &RunFolder) -> Result<Provenance, ResultsError> {
    let path = run.provenance();
    let bytes = match std::fs::read(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Provenance::default());
        }
        bytes => bytes.map_err(FileError::at(&path, "reading"))?,
    };
    serde_json::from_slice(&bytes).map_err(|source| ResultsError::Json { path, source })
}

/// The run folder.
pub(super) fn root(results: &Results, parts: &[Entity], opened: Option<u64>) -> Entity {
    let corpora: Vec<&str> = results.corpora.iter().map(|(name, _)| name).collect();
    let seeds: Vec<String> = results.seeds.iter().map(u64::to_string).collect();
    let data = match results.synthetic {
        true => {
            "SYNTHETIC DATA: a generator made the corpora, and the numbers say nothing about people. "
        }
        false => "",
    };
    let description = format!(
        "{data}A training of UniMSE (multimodal sentiment analysis and emotion recognition in conversation) and its evaluation on the test \
         splits: configuration, utterance and label tables, checkpoint, answers, results and report. Seeds: {}.",
        seeds.join(", ")
    );
    Entity {
        description: Some(description),
        date_published: opened.map(time::date),
        license: Some(Link::to("#terms")),
        has_part: parts.iter().map(Entity::link).collect(),
        mentions: vec![Link::to("#run")],
        citation: vec![Link::to(PAPER)],
        ..Entity::new(
            "./",
            "Dataset",
            &format!("UniMSE on {}", corpora.join(", ")),
        )
    }
}

/// The terms of every corpus that the run read.
pub(super) fn terms(results: &Results) -> Entity {
    let scored = results.corpora.iter().map(|(name, _)| name);
    let mut corpora: Vec<&str> = scored.collect();
    let trained = results.trained_on.iter().map(String::as_str);
    for name in trained {
        if !corpora.contains(&name) {
            corpora.push(name);
        }
    }
    let of = |name: &&str| format!("{name}: {}", DataSet::terms_of(name, results.synthetic));
    let terms: Vec<String> = corpora.iter().map(of).collect();
    Entity {
        description: Some(terms.join(". ")),
        ..Entity::new("#terms", "CreativeWork", "Terms of the data sets")
    }
}

/// The action that made the run, its program, its sources outside the folder, and the publication.
pub(super) fn action(
    parts: &[Entity],
    provenance: &Provenance,
    opened: Option<u64>,
) -> Vec<Entity> {
    let source = |(path, source): (&String, &crate::Source)| Entity {
        content_size: Some(source.bytes.to_string()),
        sha256: Some(source.sha256.clone()),
        ..Entity::new(&format!("#source/{}", address(path)), "CreativeWork", path)
    };
    let sources: Vec<Entity> = provenance.sources.iter().map(source).collect();
    let among = |wanted: fn(&str) -> bool| {
        let wanted = parts.iter().filter(move |part| wanted(&part.id));
        wanted.map(Entity::link)
    };
    let mut object: Vec<Link> = among(|id| id == "config.toml").collect();
    object.extend(sources.iter().map(Entity::link));
    let run = Entity {
        description: (!provenance.command.is_empty()).then(|| provenance.command.join(" ")),
        end_time: opened.map(time::timestamp),
        instrument: Some(Link::to("#unimse")),
        object,
        result: among(is_result).collect(),
        ..Entity::new("#run", "CreateAction", "Training and evaluation")
    };
    let dirty = provenance.git.dirty == Some(true);
    let program = Entity {
        version: provenance.versions.get("unimse").cloned(),
        identifier: provenance.git.hash.clone(),
        description: dirty.then(|| "Files differed from the commit.".to_owned()),
        ..Entity::new("#unimse", "SoftwareApplication", "unimse")
    };
    let paper = Entity::new(
        PAPER,
        "ScholarlyArticle",
        "UniMSE: Towards Unified Multimodal Sentiment Analysis and Emotion Recognition",
    );
    let mut all = vec![run, program, paper];
    all.extend(sources);
    all
}

/// What a run is done for: scores, answers, the model, and the runs of seeds.
fn is_result(id: &str) -> bool {
    let names = [
        "results.json",
        "predictions.parquet",
        "report.md",
        "report.html",
    ];
    names.contains(&id) || id.starts_with("checkpoints/") || id.ends_with('/')
}
