//! Heads on one modality alone, taught the whole label while training (ours): last states `[present, hidden]` to logits
//! `[present, vocabulary]` over the closed label vocabulary, every field beside the others.
//!
//! A modality that the text outshines gets a gradient of its own this way; the heads answer nothing.

use tch::nn::Path;
use tch::{Kind, Tensor};
use unimse_labels::Grammar;

use crate::batch::Target;
use crate::config::{Modality, ModelConfig};
use crate::error::Result;
use crate::label_decoder::{Teacher, Vocabulary};
use crate::layers::Linear;
use crate::lstm::ModalityStates;
use crate::share::{Share, nothing};

/// The heads of the modalities in use.
#[derive(Debug)]
pub(crate) struct Auxiliary {
    vocabulary: Vocabulary,
    sigma: f64,
    audio: Option<Linear>,
    video: Option<Linear>,
}

impl Auxiliary {
    /// `None` where `loss.auxiliary` is 0.
    pub(crate) fn new(p: &Path<'_>, grammar: &Grammar, config: &ModelConfig) -> Option<Self> {
        let vocabulary = Vocabulary::new(grammar);
        let (hidden, size) = (config.lstm.hidden.get() as i64, vocabulary.size);
        let head = |modality: Modality| {
            let place = p / modality.name();
            config
                .has(modality)
                .then(|| Linear::normal(&place, hidden, size, 0.02))
        };
        (config.loss.auxiliary.get() > 0.0).then(|| Self {
            audio: head(Modality::Audio),
            video: head(Modality::Video),
            sigma: config.label_decoder.sigma.get(),
            vocabulary,
        })
    }

    /// Sum over both modalities of the mean cross-entropy over the rows that have them, nats, fp32 scalar; `None` where no row has one. With
    /// `share` what this process has of that of all.
    pub(crate) fn loss(
        &self,
        audio: Option<&ModalityStates>,
        video: Option<&ModalityStates>,
        targets: &[Target],
        share: Option<&Share<'_>>,
    ) -> Result<Option<Tensor>> {
        let counted = |states: Option<&ModalityStates>| {
            let rows = states.map_or(0, |states| states.rows.size()[0]);
            share.map_or(rows, |share| share.counted(rows)) as f64
        };
        let here = [counted(audio), counted(video)];
        let all = share.map_or(Ok(here), |share| share.sum(here))?;
        let part = |at: usize| share.map(|_| here[at] / all[at].max(1.0));
        let heads = [(&self.audio, audio, part(0)), (&self.video, video, part(1))];
        let each = heads.into_iter().filter_map(|(head, states, part)| {
            let (head, states) = (head.as_ref()?, states?);
            let rows = Vec::<i64>::try_from(&states.rows).ok()?;
            let own: Vec<Target> = rows
                .iter()
                .filter_map(|&row| targets.get(row as usize).cloned())
                .collect();
            let device = states.last.device();
            let teacher = Teacher::new(&self.vocabulary, &own, self.sigma, 0.0, device);
            let logits = head.forward(&states.last).to_kind(Kind::Float).unsqueeze(1);
            let loss = teacher.cross_entropy(&logits).0;
            Some(match part {
                Some(part) => loss * part,
                None => loss,
            })
        });
        let elsewhere = share.is_some() && all.iter().any(|&rows| rows > 0.0);
        Ok(each
            .reduce(|a, b| a + b)
            .or_else(|| elsewhere.then(nothing)))
    }
}
