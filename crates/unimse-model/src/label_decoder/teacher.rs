//! What the label decoder is taught of a batch: its inputs, the distribution it should answer with, and what it cannot say.

use tch::{Device, Tensor};
use unimse_labels::FieldValue;

use super::vocabulary::{START, Slot, UNKNOWN, Vocabulary};
use crate::batch::Target;

/// Added to the logits of tokens that cannot follow.
const IMPOSSIBLE: f32 = -1e30;

/// Teacher forcing of one batch, a slot a field.
pub(crate) struct Teacher {
    /// `[batch, slots]` i64: start token and all fields but the last.
    pub(super) inputs: Tensor,
    /// `[batch, slots, vocabulary]` f32: target distribution times weight.
    pub(crate) targets: Tensor,
    /// `[batch, slots, vocabulary]` f32: 0 where a token may stand, very negative elsewhere.
    pub(crate) impossible: Tensor,
}

impl Teacher {
    /// For one target a row. The target of a score is a Gaussian of `sigma`; that of a class gives the share `smoothing` to all classes
    /// of its field alike.
    pub(crate) fn new(
        vocabulary: &Vocabulary,
        targets: &[Target],
        sigma: f64,
        smoothing: f64,
        device: Device,
    ) -> Self {
        let (slots, size) = (vocabulary.slots.len(), vocabulary.size as usize);
        let mut inputs = Vec::with_capacity(targets.len() * slots);
        let mut wanted = vec![0f32; targets.len() * slots * size];
        let mut impossible = vec![IMPOSSIBLE; wanted.len()];
        for (row, target) in targets.iter().enumerate() {
            let tokens = vocabulary.tokens(&target.label);
            let polarity = vocabulary.polarity(&target.label);
            inputs.push(START);
            let read = tokens[..slots - 1].iter().enumerate();
            inputs.extend(read.map(|(at, &token)| vocabulary.read(at, token)));
            for (at, (slot, &token)) in vocabulary.slots.iter().zip(&tokens).enumerate() {
                let cell = (row * slots + at) * size..(row * slots + at + 1) * size;
                let allowed = vocabulary.allowed(slot, polarity);
                impossible[cell.clone()][allowed.start as usize..allowed.end as usize].fill(0.0);
                let wanted = &mut wanted[cell];
                match target.label.get(slot.field) {
                    _ if token == UNKNOWN => continue,
                    Some(FieldValue::Score(score)) => {
                        for (index, share) in vocabulary.gaussian(score, polarity, sigma) {
                            wanted[slot.first as usize + index] = share;
                        }
                    }
                    _ => class(wanted, slot, token, smoothing as f32),
                }
                let weight = target.weights[slot.field];
                wanted.iter_mut().for_each(|share| *share *= weight);
            }
        }
        let shape = [targets.len() as i64, slots as i64, size as i64];
        let place = |values: &[f32]| Tensor::from_slice(values).view(shape).to_device(device);
        Self {
            inputs: Tensor::from_slice(&inputs)
                .view([shape[0], shape[1]])
                .to_device(device),
            targets: place(&wanted),
            impossible: place(&impossible),
        }
    }

    /// Mean over rows of the weighted sum over fields of the cross-entropy of `logits` `[batch, slots, vocabulary]` fp32, in nats, and the
    /// log-probabilities, of the same shape.
    pub(crate) fn cross_entropy(&self, logits: &Tensor) -> (Tensor, Tensor) {
        let chances = (logits + &self.impossible).log_softmax(-1, tch::Kind::Float);
        let rows = self.targets.size()[0].max(1) as f64;
        let loss = (&chances * &self.targets).sum(tch::Kind::Float) / -rows;
        (loss, chances)
    }
}

/// The target distribution of a class: `1 - smoothing` at its token, `smoothing` shared by all tokens of the field.
fn class(wanted: &mut [f32], slot: &Slot, token: i64, smoothing: f32) {
    let field = slot.first as usize..(slot.first + slot.count) as usize;
    wanted[field].fill(smoothing / slot.count as f32);
    wanted[token as usize] += 1.0 - smoothing;
}
