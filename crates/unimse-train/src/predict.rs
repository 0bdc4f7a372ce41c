//! `unimse predict`: one JSON object per input row, in order (design section 7).

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use unimse_corpus::Sequence;
use unimse_labels::{IemocapEmotion, MeldEmotion, Polarity};
use unimse_model::Inference;
use unimse_model::batch::{Batch, ModalityBatch, Prediction, SequenceRef};
use unimse_model::config::Modality;

use crate::TrainError;
use crate::config::RunConfig;
use crate::normaliser::Normaliser;
use crate::run_folder::{Card, Paths};
use crate::session::Session;

/// One row to be labelled.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Input {
    /// The utterance.
    pub text: String,
    /// Utterances before it, oldest first.
    pub context: Vec<String>,
    /// Acoustic features; absent is fine.
    pub audio: Option<Sequence>,
    /// Visual features; absent is fine.
    pub video: Option<Sequence>,
    /// Columns that are none of ours: they come back untouched.
    pub extra: Map<String, Value>,
}

/// A trained model, ready to answer.
pub struct Predictor {
    session: Session,
    config: RunConfig,
    normaliser: Normaliser,
    card: Card,
}

/// Rows answered at a time.
const BATCH: usize = 32;

impl Predictor {
    /// Loads the selected checkpoint of a run folder; the folder of several seeds answers with its first.
    ///
    /// # Errors
    /// [`TrainError`] naming the file that is absent or broken.
    pub fn load(run: &Path) -> Result<Self, TrainError> {
        let run = seed_folder(run)?;
        let paths = Paths::of_run(&run);
        let config = RunConfig::load(&run.join("config.toml"))?;
        let card = Card::load(&paths.card())?;
        let mut session = Session::new(&config, &card.fields, &card.dims, card.seed)?;
        session.model.load(&paths.best())?;
        Ok(Self {
            session,
            normaliser: Normaliser::load(&paths.normaliser())?,
            config,
            card,
        })
    }

    /// Whether the model listens to a modality, and to which feature dimensions.
    #[must_use]
    pub fn dims(&self, modality: Modality) -> Vec<usize> {
        let dims = match modality {
            Modality::Audio => &self.card.dims.audio,
            Modality::Video => &self.card.dims.video,
            Modality::Text => return Vec::new(),
        };
        dims.iter().map(|&d| d as usize).collect()
    }

    /// Answers every row, in order.
    ///
    /// # Errors
    /// [`TrainError::Data`] naming the row (from 1) whose text is empty or whose features have another dimension than the model's.
    pub fn predict(&self, inputs: &[Input]) -> Result<Vec<Value>, TrainError> {
        let mut out = Vec::with_capacity(inputs.len());
        let inference = self.session.model.inference();
        for (chunk, rows) in inputs.chunks(BATCH).enumerate() {
            out.extend(self.batch(&inference, rows, chunk * BATCH)?);
        }
        Ok(out)
    }

    fn batch(
        &self,
        inference: &Inference<'_>,
        rows: &[Input],
        base: usize,
    ) -> Result<Vec<Value>, TrainError> {
        let device = self.session.model.device();
        let model = self.config.model();
        let mut encoded = Vec::with_capacity(rows.len());
        let mut features: [Vec<Option<Sequence>>; 2] = [Vec::new(), Vec::new()];
        for (i, row) in rows.iter().enumerate() {
            let number = base + i + 1;
            if row.text.trim().is_empty() {
                return Err(TrainError::Data(format!(
                    "row {number}: field text: expected words, found nothing"
                )));
            }
            let from = row.context.len().saturating_sub(model.context_before);
            let before: Vec<&str> = row.context[from..].iter().map(String::as_str).collect();
            encoded.push(self.session.tokenizer.encode(
                &before,
                &row.text,
                &[],
                model.max_tokens,
            )?);
            for (slot, (modality, sequence)) in features
                .iter_mut()
                .zip([(Modality::Audio, &row.audio), (Modality::Video, &row.video)])
            {
                slot.push(self.prepare(number, modality, sequence.as_ref())?);
            }
        }
        let collate = |sequences: &[Option<Sequence>]| {
            let refs: Vec<_> = sequences
                .iter()
                .map(|s| {
                    s.as_ref().map(|s| SequenceRef {
                        dim: s.dim,
                        values: &s.values,
                    })
                })
                .collect();
            ModalityBatch::collate(&refs, device)
        };
        let bad = |e: unimse_model::batch::BatchError| {
            TrainError::Data(format!("rows {} to {}: {e}", base + 1, base + rows.len()))
        };
        let texts: Vec<(&[i64], &[i64])> = encoded
            .iter()
            .map(|e| (e.ids.as_slice(), e.segments.as_slice()))
            .collect();
        let (audio, video) = (
            collate(&features[0]).map_err(bad)?,
            collate(&features[1]).map_err(bad)?,
        );
        let batch = Batch::collate(&texts, self.session.tokenizer.pad(), audio, video, device)
            .map_err(bad)?;
        let predictions = inference.predict(&batch)?;
        Ok(rows
            .iter()
            .zip(predictions)
            .map(|(row, p)| answer(row, &p))
            .collect())
    }

    fn prepare(
        &self,
        number: usize,
        modality: Modality,
        sequence: Option<&Sequence>,
    ) -> Result<Option<Sequence>, TrainError> {
        let Some(sequence) = sequence else {
            return Ok(None);
        };
        let dims = self.dims(modality);
        let name = modality.name();
        if dims.is_empty() {
            return Err(TrainError::Data(format!(
                "row {number}: field {name}: this model was trained without {name}"
            )));
        }
        if !dims.contains(&sequence.dim) {
            let expected = dims
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" or ");
            return Err(TrainError::Data(format!(
                "row {number}: field {name}: expected {expected} features a step, found {}",
                sequence.dim
            )));
        }
        let mut sequence = sequence.clone();
        self.normaliser.apply_to(modality, &mut sequence);
        Ok(Some(sequence))
    }
}

/// The run itself, or its first seed.
fn seed_folder(run: &Path) -> Result<PathBuf, TrainError> {
    if Paths::of_run(run).best().exists() {
        return Ok(run.into());
    }
    let mut seeds: Vec<(u64, PathBuf)> = std::fs::read_dir(run)
        .map_err(TrainError::io(run, "listing"))?
        .filter_map(|e| {
            let path = e.ok()?.path();
            let seed = path
                .file_name()?
                .to_str()?
                .strip_prefix("seed-")?
                .parse()
                .ok()?;
            Paths::of_run(&path).best().exists().then_some((seed, path))
        })
        .collect();
    seeds.sort();
    seeds.into_iter().next().map(|s| s.1).ok_or_else(|| {
        TrainError::artefact(
            Paths::of_run(run).best(),
            "no trained model is here; run `unimse train` first",
        )
    })
}

/// `{text, polarity{label, probabilities}, intensity{value, low, high}, meld{..}, iemocap{..}}` and the extra columns.
fn answer(row: &Input, p: &Prediction) -> Value {
    let round = |x: f64| (x * 1e6).round() / 1e6;
    let classes = |names: &[&str], probabilities: &[f64]| {
        let best = probabilities
            .iter()
            .enumerate()
            .fold(0, |b, (i, v)| if *v > probabilities[b] { i } else { b });
        let table: Map<String, Value> = names
            .iter()
            .zip(probabilities)
            .map(|(n, &q)| ((*n).to_owned(), json!(round(q))))
            .collect();
        json!({"label": names[best], "probabilities": table})
    };
    let mut out = Map::new();
    out.insert("text".into(), json!(row.text));
    out.insert(
        "polarity".into(),
        classes(&Polarity::ALL.map(Polarity::name), &p.polarity),
    );
    if !p.intensity.is_empty() {
        // the middle 80 % of the distribution
        let (low, high) = (p.intensity_quantile(0.1), p.intensity_quantile(0.9));
        out.insert(
            "intensity".into(),
            json!({"value": round(p.expected_intensity()), "low": round(low), "high": round(high)}),
        );
    }
    if let Some(q) = &p.meld {
        out.insert(
            "meld".into(),
            classes(&MeldEmotion::ALL.map(MeldEmotion::name), q),
        );
    }
    if let Some(q) = &p.iemocap {
        out.insert(
            "iemocap".into(),
            classes(&IemocapEmotion::ALL.map(IemocapEmotion::name), q),
        );
    }
    for (key, value) in &row.extra {
        out.entry(key.clone()).or_insert_with(|| value.clone());
    }
    Value::Object(out)
}
