//! How the features of a corpus were made: what ingest computed it knows, a computational sequence names its tool, and of anything
//! else the maker is unknown unless `features.toml` in the corpus folder says it (`docs/datasets.md`).

use std::collections::BTreeMap;

use serde::Deserialize;
use unimse_run::FeatureCard;

use crate::{
    Code, CorpusError,
    draft::{Draft, Modality},
    finding::Findings,
    folder::{Folder, at, read_text},
};

/// Name of the description, in the corpus folder.
const FILE: &str = "features.toml";

/// What a user says of the features.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Described {
    audio: Option<Maker>,
    video: Option<Maker>,
}

/// What a user says of one modality.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Maker {
    tool: String,
    version: Option<String>,
    #[serde(default)]
    settings: BTreeMap<String, Setting>,
    dimension: Option<usize>,
    rate_hz: Option<f64>,
    #[serde(default)]
    weights: BTreeMap<String, String>,
    #[serde(default)]
    columns: Vec<String>,
}

/// A value as TOML has it; cards hold its text.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a text, a number or a truth value")]
enum Setting {
    Text(String),
    Whole(i64),
    Number(f64),
    Truth(bool),
}

impl Setting {
    fn text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Whole(n) => n.to_string(),
            Self::Number(x) => x.to_string(),
            Self::Truth(truth) => truth.to_string(),
        }
    }
}

/// Fills the cards of a draft whose features are known.
pub(crate) fn describe(
    folder: &Folder,
    draft: &mut Draft,
    findings: &mut Findings,
) -> Result<(), CorpusError> {
    draft.cards.audio = made(draft, Modality::Audio);
    draft.cards.video = made(draft, Modality::Video);
    let path = folder.root().join(FILE);
    if !path.is_file() {
        return Ok(());
    }
    let file = folder.relative(&path);
    let text = read_text(&path, &file, findings)?;
    draft.add_source(&path, &file);
    let described: Described = match toml::from_str(&text) {
        Ok(described) => described,
        Err(error) => {
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.and_then(|text| at(text.matches('\n').count() as u64 + 1));
            findings.add(Code::FeatureCard, &file, line, error.message());
            return Ok(());
        }
    };
    for (modality, maker, card) in [
        (Modality::Audio, described.audio, &mut draft.cards.audio),
        (Modality::Video, described.video, &mut draft.cards.video),
    ] {
        let Some(maker) = maker else { continue };
        let Some(known) = card else {
            let message = format!(
                "describes {}, which no utterance has: not used",
                modality.name()
            );
            findings.warn(Code::UnusedFile, &file, None, message);
            continue;
        };
        match card_of(maker, known) {
            Ok(card) => *known = card,
            Err(message) => {
                let row = Some(format!("[{}]", modality.name()));
                findings.add(Code::FeatureCard, &file, row, message);
            }
        }
    }
    Ok(())
}

/// What the files themselves say of a modality; where utterances have features of several makers the maker is unknown.
fn made(draft: &Draft, modality: Modality) -> Option<FeatureCard> {
    let mut cards = draft.rows.iter().filter_map(|row| row.feature(modality));
    let first = cards.next()?.card();
    Some(match cards.all(|feature| feature.card() == first) {
        true => first,
        false => FeatureCard::new(FeatureCard::UNKNOWN, first.dimension),
    })
}

/// The card a user describes, of features that nobody else described.
fn card_of(maker: Maker, known: &FeatureCard) -> Result<FeatureCard, String> {
    if known.tool == unimse_media::mel::TOOL {
        return Err(
            "these features are computed from wave files, expected no description".to_owned(),
        );
    }
    if maker.tool.trim().is_empty() {
        return Err("tool: expected the name of a tool, found an empty one".to_owned());
    }
    if let Some(dimension) = maker.dimension.filter(|&d| d != known.dimension) {
        let expected = known.dimension;
        return Err(format!(
            "dimension: expected {expected} as the features have, found {dimension}"
        ));
    }
    if let Some(rate) = maker
        .rate_hz
        .filter(|rate| !(rate.is_finite() && *rate > 0.0))
    {
        return Err(format!("rate_hz: expected a positive number, found {rate}"));
    }
    let is_sha256 = |hash: &str| hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit());
    if let Some((file, hash)) = maker.weights.iter().find(|(_, hash)| !is_sha256(hash)) {
        return Err(format!(
            "weights: {file}: expected a SHA-256 of 64 hexadecimal digits, found {hash:?}"
        ));
    }
    if !maker.columns.is_empty() && maker.columns.len() != known.dimension {
        return Err(format!(
            "columns: expected {} names, found {}",
            known.dimension,
            maker.columns.len()
        ));
    }
    let settings = maker.settings.into_iter();
    Ok(FeatureCard {
        tool: maker.tool.trim().to_owned(),
        version: maker.version,
        settings: settings.map(|(name, value)| (name, value.text())).collect(),
        dimension: known.dimension,
        rate_hz: maker.rate_hz,
        weights: {
            let weights = maker.weights.into_iter();
            weights
                .map(|(file, hash)| (file, hash.to_lowercase()))
                .collect()
        },
        columns: maker.columns,
    })
}
