//! The T5 decoder on the text form of labels (paper, section 3.2): weighted teacher forcing on
//! logits `[batch, labels, vocabulary]` (3.6), constrained generation.

use std::sync::Arc;

use tch::{Kind, Reduction, Tensor};
use unimse_labels::{Field, Form, Grammar, PerField, PlainLabel};

use crate::automaton::Automaton;
use crate::batch::{Prediction, Target};
use crate::checkpointing::Tape;
use crate::error::{ModelError, Result};
use crate::generate::{Beam, search};
use crate::head::{Head, Source, Teaching, disagreement};
use crate::t5::{Decoding, IGNORED, Memory, T5Config, T5Decoder, shift_right};
use crate::tokenizer::Tokenizer;

/// Labels as text, for a checkpoint's own decoder.
#[derive(Debug)]
pub struct TextDecoder {
    tokenizer: Tokenizer,
    grammar: Grammar,
    automaton: Automaton,
    start: i64,
    pad: i64,
}

/// Token ids of one target, and how much each counts in the loss.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetTokens {
    /// Token ids, the end token included.
    pub ids: Vec<i64>,
    /// Weight of each id, 0 for those of an unknown or masked field.
    pub weights: Vec<f32>,
}

impl TextDecoder {
    /// For a checkpoint with `config` and `tokenizer`.
    ///
    /// # Errors
    /// The tokenizer cannot tell two labels apart.
    pub fn new(grammar: &Grammar, tokenizer: Tokenizer, config: &T5Config) -> Result<Self> {
        let automaton = Automaton::new(grammar, |label| {
            let mut ids = tokenizer.pieces(&grammar.format(label))?;
            ids.push(tokenizer.end());
            Ok(ids)
        })?;
        Ok(Self {
            tokenizer,
            grammar: grammar.clone(),
            automaton,
            start: config.start_token(),
            pad: config.pad_token_id,
        })
    }

    /// The tokens of a target. A piece that spans two fields counts as the lesser of them, the end token as the last field.
    pub fn encode(&self, target: &Target) -> Result<TargetTokens> {
        let text = self.grammar.format(&target.label);
        let mut ids = self.tokenizer.pieces(&text)?;
        let mut weights = vec![f32::INFINITY; ids.len()];
        let columns = self.weights(target);
        let mut from = 0;
        let commas = text
            .match_indices(',')
            .map(|(at, _)| at + 1)
            .chain([text.len()]);
        for (end, &weight) in commas.zip(&columns) {
            // How many pieces of the whole lie within its beginning; one more is shared with the next field if the beginning alone
            // is cut into other pieces.
            let head = self.tokenizer.pieces(&text[..end])?;
            let same = head.iter().zip(&ids).take_while(|(a, b)| a == b).count();
            let to = if same == head.len() {
                same
            } else {
                (same + 1).min(ids.len())
            };
            for slot in weights.get_mut(from..to).into_iter().flatten() {
                *slot = slot.min(weight);
            }
            from = same;
        }
        let last = columns.last().copied().unwrap_or(0.0);
        for weight in weights.iter_mut().filter(|w| w.is_infinite()) {
            *weight = last;
        }
        ids.push(self.tokenizer.end());
        weights.push(last);
        Ok(TargetTokens { ids, weights })
    }

    /// Weight of each column of the text form.
    fn weights(&self, target: &Target) -> Vec<f32> {
        let label = &target.label;
        let spoken = |field: Field| self.grammar.fields.contains(&field);
        let weight = |field: Field| match label.get(field) {
            Some(_) => target.weights[field],
            None => 0.0,
        };
        let mut columns = vec![weight(Field::Polarity)];
        columns.extend(spoken(Field::Intensity).then(|| weight(Field::Intensity)));
        let mut emotions: Vec<Field> = [Field::Meld, Field::Iemocap]
            .into_iter()
            .filter(|&field| spoken(field))
            .collect();
        if self.grammar.form == Form::Triple {
            // One column holds the first emotion that is known.
            let known = emotions
                .iter()
                .find(|&&field| label.get(field).is_some())
                .copied();
            emotions = known.or(emotions.last().copied()).into_iter().collect();
        }
        columns.extend(emotions.into_iter().map(weight));
        columns
    }

    /// Mean over utterances of the weighted sum over tokens of the cross-entropy of `targets`, in nats, fp32 scalar: the
    /// normalisation of [`crate::label_decoder::LabelDecoder::loss`], so that the weights of the contrastive losses mean the same
    /// beside either. With weights of 1 it is the mean of -log p(text of the label).
    ///
    /// The decoder's blocks are put on `tape`.
    ///
    /// # Errors
    /// The tokenizer fails.
    pub fn loss<'a>(
        &self,
        decoder: &'a T5Decoder,
        tape: &Tape<'a>,
        source: &Source<'_>,
        targets: &[Target],
        teaching: &Teaching,
    ) -> Result<Tensor> {
        let rows = targets
            .iter()
            .map(|target| self.encode(target))
            .collect::<Result<Vec<_>>>()?;
        let longest = rows.iter().map(|row| row.ids.len()).max().unwrap_or(1);
        let mut labels = vec![IGNORED; rows.len() * longest];
        let mut weights = vec![0f32; rows.len() * longest];
        for (at, row) in rows.iter().enumerate() {
            labels[at * longest..][..row.ids.len()].copy_from_slice(&row.ids);
            weights[at * longest..][..row.weights.len()].copy_from_slice(&row.weights);
        }
        let shape = [rows.len() as i64, longest as i64];
        let device = source.states.device();
        let labels = Tensor::from_slice(&labels).view(shape).to_device(device);
        let weights = Tensor::from_slice(&weights).to_device(device);
        let inputs = shift_right(&labels, self.start, self.pad);
        let logits = decoder
            .forward_on(tape, &inputs, &memory(source), teaching.train)
            .to_kind(Kind::Float);
        let losses = logits.flatten(0, 1).cross_entropy_loss(
            &labels.flatten(0, 1),
            None::<Tensor>,
            Reduction::None,
            IGNORED,
            teaching.smoothing,
        );
        let loss = (losses * &weights).sum(Kind::Float) / targets.len().max(1) as f64;
        if teaching.r_drop == 0.0 {
            return Ok(loss);
        }
        let chances = logits.log_softmax(-1, Kind::Float);
        Ok(loss + disagreement(&chances, &weights.view(shape)) * teaching.r_drop)
    }

    /// Constrained generation with the probabilities of every field; arguments as in [`TextDecoder::loss`], `beams` and
    /// `length_penalty` as in the configuration.
    pub fn predict(
        &self,
        decoder: &T5Decoder,
        source: &Tensor,
        mask: &Tensor,
        beams: usize,
        length_penalty: f64,
    ) -> Vec<Prediction> {
        let memory = Memory::of_text(source, mask);
        self.search(decoder, &memory, Beam::probabilities(beams, length_penalty))
    }

    /// The greedy labels alone: one row of the decoder for each utterance, where [`TextDecoder::predict`] follows many for the
    /// probabilities. The labels are those of `predict` with one beam, up to rounding. Arguments as in [`TextDecoder::loss`].
    pub fn generate(&self, decoder: &T5Decoder, source: &Tensor, mask: &Tensor) -> Vec<PlainLabel> {
        let memory = Memory::of_text(source, mask);
        let found = self.search(decoder, &memory, Beam::greedy());
        found.into_iter().map(|found| found.text_label).collect()
    }

    fn search(&self, decoder: &T5Decoder, memory: &Memory<'_>, beam: Beam) -> Vec<Prediction> {
        let (source, mask) = (memory.states, memory.mask);
        let pieces = Tensor::from_slice(self.automaton.vocabulary()).to_device(source.device());
        let decoding = Decoding::new(decoder, source, mask, 1, Some(&pieces));
        let decoding = match memory.others {
            Some(others) => decoding.with_others(others),
            None => decoding,
        };
        search(
            &self.automaton,
            &self.grammar,
            decoding,
            source.size()[0] as usize,
            self.start,
            beam,
        )
    }

    /// The tree of labels.
    pub fn automaton(&self) -> &Automaton {
        &self.automaton
    }
}

/// What of `source` a decoder reads.
fn memory<'s>(source: &Source<'s>) -> Memory<'s> {
    Memory {
        states: source.states,
        mask: source.mask,
        others: source.others,
    }
}

/// The decoder of a T5 checkpoint on the text form of labels.
#[derive(Debug)]
pub struct TextHead {
    labels: Arc<TextDecoder>,
    decoder: T5Decoder,
}

impl TextHead {
    /// `decoder` speaks the tokens of `labels`.
    pub fn new(labels: TextDecoder, decoder: T5Decoder) -> Self {
        Self {
            labels: Arc::new(labels),
            decoder,
        }
    }
}

impl Head for TextHead {
    fn loss<'a>(
        &'a self,
        tape: &Tape<'a>,
        source: &Source<'_>,
        targets: &[Target],
        teaching: &Teaching,
    ) -> Result<Tensor> {
        self.labels
            .loss(&self.decoder, tape, source, targets, teaching)
    }

    fn predict(
        &self,
        source: &Source<'_>,
        beams: usize,
        length_penalty: f64,
    ) -> Result<Vec<Prediction>> {
        let beam = Beam::probabilities(beams, length_penalty);
        Ok(self.labels.search(&self.decoder, &memory(source), beam))
    }

    fn adjust(&mut self, _: &PerField<Vec<f64>>, _: f64) -> Result<()> {
        Err(ModelError::Input(
            "loss.logit_adjustment: expected 0 with model.decoder = \"t5\", which spells its classes in pieces".to_owned(),
        ))
    }

    fn cast(&self, kind: Kind) -> Option<Box<dyn Head>> {
        Some(Box::new(Self {
            labels: self.labels.clone(),
            decoder: self.decoder.cast(kind, None),
        }))
    }
}
