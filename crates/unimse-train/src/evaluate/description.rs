//! What `results.json` says of the run itself, before any score.

use std::collections::BTreeMap;
use std::sync::Arc;

use unimse_corpus::Corpus;
use unimse_labels::{Field, Source, Split};
use unimse_run::{ByName, Protocol, RESULTS_SCHEMA, Results, SourceCounts};

use crate::config::RunConfig;
use crate::data::labels_table::LabelTable;
use crate::model::card::Card;

/// What results say of the run itself.
pub(super) fn describe(
    config: &RunConfig,
    card: &Card,
    all: &[Arc<Corpus>],
    tables: &[LabelTable],
) -> Results {
    let trained_on = all
        .iter()
        .filter(|c| c.of_split(Split::Train).next().is_some());
    let modalities = config.model.modalities.iter();
    Results {
        schema: RESULTS_SCHEMA,
        synthetic: all.iter().any(|c| c.synthetic),
        leaky: Some(tables.iter().any(|t| t.leaky)),
        donors: Some(config.labels.donors),
        protocol: Protocol {
            name: Some("clean".to_owned()),
            selection: Some("dev".to_owned()),
            ..Protocol::default()
        },
        seeds: vec![card.seed],
        fields: card.fields.iter().map(ToString::to_string).collect(),
        trained_on: trained_on.map(|c| c.name.clone()).collect(),
        preset: Some(config.preset.clone()),
        backbone: Some(checkpoint_name(&config.model.checkpoint).to_owned()),
        model_type: Some(card.backbone.clone()).filter(|name| !name.is_empty()),
        decoder: Some(config.model.decoder.name().to_owned()),
        label_form: Some(config.labels.form.to_string()),
        modalities: modalities.map(|m| m.name().to_owned()).collect(),
        readout: Some(card.readout),
        utterances: all
            .iter()
            .map(|corpus| (corpus.name.clone(), split_sizes(corpus)))
            .collect(),
        labels: tables
            .iter()
            .map(|t| (t.corpus.clone(), label_sources(t)))
            .collect(),
        ..Results::default()
    }
}

/// The number of utterances in each split that has some.
fn split_sizes(corpus: &Corpus) -> ByName<usize> {
    let sizes = Split::ALL.map(|split| (split.name().to_owned(), corpus.of_split(split).count()));
    sizes.into_iter().filter(|(_, n)| *n > 0).collect()
}

/// The last part of a folder or Hub id: what a reader calls the checkpoint.
fn checkpoint_name(checkpoint: &str) -> &str {
    checkpoint
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or(checkpoint)
}

/// Where the values of each borrowed field of the train and dev rows came from.
fn label_sources(table: &LabelTable) -> ByName<SourceCounts> {
    let rows = table.rows.iter().filter(|r| r.split != Split::Test);
    let labels: Vec<_> = rows.filter_map(|r| r.label.as_ref()).collect();
    let counts = Field::BORROWED.map(|field| {
        let mut count = BTreeMap::from(Source::ALL.map(|source| (source, 0)));
        for label in &labels {
            *count.entry(label.field(field).source).or_default() += 1;
        }
        let counts = SourceCounts {
            gold: count[&Source::Gold],
            donor: count[&Source::Donor],
            rule: count[&Source::Rule],
            missing: count[&Source::Missing],
        };
        (field.to_string(), counts)
    });
    counts.into_iter().collect()
}
