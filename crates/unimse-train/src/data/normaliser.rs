//! Feature standardisation, fitted on training rows only: mean 0 and deviation 1 per feature, clipped at ten deviations.
//!
//! Feature sets differ by orders of magnitude between extractors (Hertz beside probabilities); one (modality, dimension) has one
//! scale, like its input projection in the model. Sequences are `[steps, dim]`; a step counts once, however long its utterance. What goes
//! in must be finite ([`unimse_corpus::read`] sees to it), what comes out then is.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use unimse_corpus::{Corpus, Sequence};
use unimse_labels::Split;
use unimse_model::config::Modality;

use crate::TrainError;
use unimse_run::artefact;

/// Standardised values beyond this many deviations are clipped.
const LIMIT: f32 = 10.0;

/// Mean and deviation of every feature of one (modality, dimension).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    mean: Vec<f32>,
    deviation: Vec<f32>,
}

/// The scales of a run, by `<modality>/<dimension>`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Normaliser(BTreeMap<String, Scale>);

fn key(modality: Modality, dim: usize) -> String {
    format!("{}/{dim}", modality.name())
}

fn sequence(u: &unimse_corpus::Utterance, modality: Modality) -> Option<&Sequence> {
    if modality == Modality::Audio {
        u.audio.as_ref()
    } else {
        u.video.as_ref()
    }
}

fn standardised(value: f32, mean: f32, deviation: f32) -> f32 {
    // in f64, where the difference of any two f32 is finite
    let centred = f64::from(value) - f64::from(mean);
    ((centred / f64::from(deviation)) as f32).clamp(-LIMIT, LIMIT)
}

impl Normaliser {
    /// Fits the scales on the training rows of `corpora`.
    #[must_use]
    pub fn fit<'a>(corpora: impl IntoIterator<Item = &'a Corpus> + Clone) -> Self {
        // steps, sum, sum of squares
        let mut sums: BTreeMap<String, (f64, Vec<f64>, Vec<f64>)> = BTreeMap::new();
        for modality in [Modality::Audio, Modality::Video] {
            for u in corpora
                .clone()
                .into_iter()
                .flat_map(|c| &c.utterances)
                .filter(|u| u.split == Split::Train)
            {
                let Some(s) = sequence(u, modality) else {
                    continue;
                };
                if s.steps() == 0 {
                    continue; // the mean of nothing is no number
                }
                let entry = sums
                    .entry(key(modality, s.dim))
                    .or_insert_with(|| (0.0, vec![0.0; s.dim], vec![0.0; s.dim]));
                for step in s.values.chunks_exact(s.dim.max(1)) {
                    entry.0 += 1.0;
                    for ((sum, square), &v) in entry.1.iter_mut().zip(&mut entry.2).zip(step) {
                        *sum += f64::from(v);
                        *square += f64::from(v) * f64::from(v);
                    }
                }
            }
        }
        let scale = |(n, sum, square): (f64, Vec<f64>, Vec<f64>)| {
            let mean: Vec<f64> = sum.iter().map(|s| s / n).collect();
            let deviation = square
                .iter()
                .zip(&mean)
                .map(|(q, m)| (q / n - m * m).max(0.0).sqrt());
            // A constant feature carries nothing: it becomes 0 everywhere.
            let deviation = deviation
                .map(|d| if d > 1e-8 { d as f32 } else { f32::INFINITY })
                .collect();
            Scale {
                mean: mean.iter().map(|&m| m as f32).collect(),
                deviation,
            }
        };
        Self(sums.into_iter().map(|(k, v)| (k, scale(v))).collect())
    }

    /// Standardises one sequence in place; a dimension that training never saw stays as it is.
    pub fn apply_to(&self, modality: Modality, s: &mut Sequence) {
        let Some(scale) = self.0.get(&key(modality, s.dim)) else {
            return;
        };
        for step in s.values.chunks_exact_mut(s.dim.max(1)) {
            for ((v, mean), deviation) in step.iter_mut().zip(&scale.mean).zip(&scale.deviation) {
                *v = standardised(*v, *mean, *deviation);
            }
        }
    }

    /// What a value of one feature becomes, the one at `column` of `dim`; `None` for one that training never saw.
    #[must_use]
    pub fn standardised(
        &self,
        modality: Modality,
        dim: usize,
        column: usize,
        value: f32,
    ) -> Option<f32> {
        let scale = self.0.get(&key(modality, dim))?;
        let (mean, deviation) = (scale.mean.get(column)?, scale.deviation.get(column)?);
        Some(standardised(value, *mean, *deviation))
    }

    /// Standardises every sequence of `corpus`.
    pub fn apply(&self, corpus: &mut Corpus) {
        for u in &mut corpus.utterances {
            if let Some(s) = &mut u.audio {
                self.apply_to(Modality::Audio, s);
            }
            if let Some(s) = &mut u.video {
                self.apply_to(Modality::Video, s);
            }
        }
    }

    /// Saves the scales as JSON (an infinite deviation as null).
    ///
    /// # Errors
    /// As [`artefact::write()`].
    pub fn save(&self, path: &Path) -> Result<(), TrainError> {
        let plain: BTreeMap<&String, BTreeMap<&str, Vec<Option<f32>>>> = self
            .0
            .iter()
            .map(|(k, s)| {
                let finite = |v: &[f32]| v.iter().map(|x| x.is_finite().then_some(*x)).collect();
                (
                    k,
                    BTreeMap::from([
                        ("mean", finite(&s.mean)),
                        ("deviation", finite(&s.deviation)),
                    ]),
                )
            })
            .collect();
        Ok(artefact::write_json(path, &plain)?)
    }

    /// Reads what [`Normaliser::save`] wrote.
    ///
    /// # Errors
    /// [`TrainError::Io`] or [`TrainError::Artefact`] with the path.
    pub fn load(path: &Path) -> Result<Self, TrainError> {
        #[derive(Deserialize)]
        struct Plain {
            mean: Vec<Option<f32>>,
            deviation: Vec<Option<f32>>,
        }
        let bytes = std::fs::read(path).map_err(TrainError::io(path, "reading"))?;
        let plain: BTreeMap<String, Plain> =
            serde_json::from_slice(&bytes).map_err(|e| TrainError::artefact(path, e))?;
        let mut scales = BTreeMap::new();
        for (k, p) in plain {
            let expected = k.split('/').nth(1).and_then(|d| d.parse::<usize>().ok());
            if expected != Some(p.mean.len()) || p.mean.len() != p.deviation.len() {
                return Err(TrainError::artefact(
                    path,
                    format!(
                        "{k}: expected {expected:?} means and deviations, found {} and {}",
                        p.mean.len(),
                        p.deviation.len()
                    ),
                ));
            }
            let numbers = p.mean.iter().chain(&p.deviation).flatten();
            if let Some(bad) = numbers.copied().find(|v| !v.is_finite()) {
                return Err(TrainError::artefact(
                    path,
                    format!("{k}: expected finite means and deviations, found {bad}"),
                ));
            }
            let mean = p.mean.iter().map(|m| m.unwrap_or(0.0)).collect();
            let deviation = p
                .deviation
                .iter()
                .map(|d| d.unwrap_or(f32::INFINITY))
                .collect();
            scales.insert(k, Scale { mean, deviation });
        }
        Ok(Self(scales))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use unimse_corpus::{CorpusKind, Utterance};

    #[test]
    fn standardises_clips_and_reads_back() {
        let scale = Scale {
            mean: vec![2.0, 7.0],
            deviation: vec![4.0, f32::INFINITY],
        };
        let n = Normaliser(BTreeMap::from([("audio/2".to_owned(), scale)]));
        let mut s = Sequence {
            dim: 2,
            values: vec![6.0, 7.0, 2.0, 9.0, 2.0 + 4.0 * 50.0, 7.0],
        };
        n.apply_to(Modality::Audio, &mut s);
        assert_eq!(s.values, vec![(6.0 - 2.0) / 4.0, 0.0, 0.0, 0.0, LIMIT, 0.0]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("n.json");
        n.save(&path).unwrap();
        assert_eq!(Normaliser::load(&path).unwrap(), n);
    }

    pub(crate) fn corpus(train: &[Option<Vec<f32>>]) -> Corpus {
        let utterances = train.iter().enumerate().map(|(at, audio)| Utterance {
            corpus: "mosi".to_owned(),
            split: Split::Train,
            utterance_id: format!("v_{at}"),
            dialogue_id: "v".to_owned(),
            turn: at as i32,
            speaker: None,
            text: "words".to_owned(),
            start_s: None,
            end_s: None,
            score: Some(1.0),
            polarity: None,
            emotion: None,
            emotion_raw: None,
            audio: audio.clone().map(|values| Sequence { dim: 2, values }),
            video: None,
            vad: None,
            intensities: None,
        });
        Corpus {
            kind: CorpusKind::Mosi,
            name: "mosi".to_owned(),
            taxonomy: None,
            utterances: utterances.collect(),
            sources: Vec::new(),
            audio_dim: Some(2),
            video_dim: None,
            features: Default::default(),
            notes: Vec::new(),
            synthetic: true,
        }
    }

    #[test]
    fn fits_the_steps_there_are_and_stays_finite() {
        // feature 0: 1 and 3, mean 2, deviation 1; feature 1 spans nearly all of f32, so that a difference overflows it
        let huge = 3.0e38_f32;
        let mut corpus = corpus(&[
            Some(vec![1.0, huge]),
            None,
            Some(Vec::new()),
            Some(vec![3.0, -huge]),
        ]);
        Normaliser::fit([&corpus]).apply(&mut corpus);
        let audio = |at: usize| corpus.utterances[at].audio.as_ref().unwrap();
        assert_eq!(audio(0).values, [-1.0, 1.0]);
        assert_eq!(audio(3).values, [1.0, -1.0]);
        assert!(audio(2).values.is_empty());
    }

    #[test]
    fn nothing_to_fit_leaves_features_alone() {
        let n = Normaliser::fit([&corpus(&[Some(Vec::new()), None])]);
        assert_eq!(n, Normaliser::default());
        let mut s = Sequence {
            dim: 2,
            values: vec![5.0, 6.0],
        };
        n.apply_to(Modality::Audio, &mut s);
        assert_eq!(s.values, [5.0, 6.0]);
    }
}
