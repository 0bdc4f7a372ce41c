//! Constrained generation: a search along the [`Automaton`] of a grammar that gives the best label and, from the same
//! steps, the probabilities of its fields: logits `[rows, vocabulary]` a step (ours; the paper generates freely, section 3.2).

use tch::{Kind, Tensor};
use unimse_labels::{Grammar, PlainLabel};

use crate::automaton::{Automaton, FIELDS};
use crate::batch::Prediction;
use crate::t5::{Decoding, score};

/// [`Beam::prefixes`] where probabilities are asked for: prefixes kept for each utterance, the greedy one among them. Polarity and intensity are settled before the tree is wider
/// than that (with one decimal), so their probabilities are exact; those of emotions are the mean over the kept prefixes,
/// weighted by their mass.
pub(crate) const PREFIXES: usize = 16;
/// Prefixes with less mass than this are not followed once their intensity is settled.
const LEAST_MASS: f64 = 1e-3;
/// Index of the intensity among the fields.
const INTENSITY: usize = 1;

/// One way to begin a label.
#[derive(Debug, Clone, Copy)]
struct Prefix {
    /// Always a branch of the tree.
    node: u32,
    /// Log-probability under the constrained distribution.
    mass: f64,
    /// Tokens so far, forced ones among them, without the start token.
    length: usize,
    /// Row of the decoder it continues.
    parent: usize,
}

/// What a search found out about one utterance.
#[derive(Debug, Clone)]
struct Found {
    /// Mass of each value of each field, over all prefixes that settled it.
    mass: [Vec<f64>; FIELDS],
    greedy: Option<u32>,
    /// Of the complete labels met, the one with the highest score.
    best: Option<(f64, u32)>,
}

/// Which of the labels that a search meets is its answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Beam {
    /// 1 takes the greedy label. More take the label with the best [`score`] of those met while at least so many prefixes
    /// are followed.
    pub(crate) beams: usize,
    /// Exponent of the length in [`score`]. Forced tokens have probability 1 and count in the length.
    pub(crate) length_penalty: f64,
    /// Prefixes that are followed for the sake of the probabilities; 1 follows the greedy one alone.
    pub(crate) prefixes: usize,
}

/// Searches for the labels of a batch.
///
/// `decoding` stands at no token read with one hypothesis per utterance and gives logits of `automaton.vocabulary()`, in that
/// order; `bias` `[batch, vocabulary]` fp32, if any, is added to them. `start` is the first token read.
pub(crate) fn search(
    automaton: &Automaton,
    grammar: &Grammar,
    mut decoding: Decoding,
    batch: usize,
    bias: Option<&Tensor>,
    start: i64,
    beam: Beam,
) -> Vec<Prediction> {
    let width = automaton.vocabulary().len();
    let bias: Option<Vec<f32>> = bias.map(values);
    let keep = beam.prefixes.max(beam.beams);
    // One beam is the greedy path, which is followed anyhow.
    let sure = if beam.beams > 1 { beam.beams } else { 0 };
    let mut found = vec![Found::new(automaton); batch];
    let mut first = vec![start];
    let node = automaton.forced(0, &mut first);
    let root = Prefix {
        node,
        mass: 0.0,
        length: first.len() - 1,
        parent: 0,
    };
    for found in &mut found {
        found.settle(automaton, None, &root, true, beam.length_penalty);
    }
    let open = !automaton.children(root.node).is_empty();
    let mut alive = vec![if open { vec![root] } else { Vec::new() }; batch];
    let mut runs = vec![vec![first]; batch];
    while alive.iter().any(|prefixes| !prefixes.is_empty()) {
        let (each, logits) = advance(&mut decoding, &alive, &runs, width);
        for (item, (prefixes, runs)) in alive.iter_mut().zip(&mut runs).enumerate() {
            // Prefix, its new tokens, whether it is the greedy one, whether its mass makes it count.
            let mut next: Vec<(Prefix, Vec<i64>, bool, bool)> = Vec::new();
            for (slot, prefix) in prefixes.iter().enumerate() {
                let row = item * each + slot;
                let logits = &logits[row * width..(row + 1) * width];
                let children = automaton.children(prefix.node);
                let logit = |piece: u32| {
                    let shift = bias
                        .as_ref()
                        .map_or(0.0, |b| b[item * width + piece as usize]);
                    f64::from(logits[piece as usize] + shift)
                };
                let top = children
                    .iter()
                    .map(|&(piece, _)| logit(piece))
                    .fold(f64::NEG_INFINITY, f64::max);
                let total: f64 = children
                    .iter()
                    .map(|&(piece, _)| (logit(piece) - top).exp())
                    .sum();
                let follows_greedy = slot == 0 && found[item].greedy.is_none();
                let mut greedy_child = usize::MAX;
                if follows_greedy {
                    // The first of equals, so that ties do not depend on the order of floating-point comparisons.
                    greedy_child = children
                        .iter()
                        .position(|&(piece, _)| logit(piece) >= top)
                        .unwrap_or(0);
                }
                for (at, &(piece, child)) in children.iter().enumerate() {
                    let mass = prefix.mass + logit(piece) - top - total.ln();
                    let mut run = vec![automaton.vocabulary()[piece as usize]];
                    let node = automaton.forced(child, &mut run);
                    let greedy = at == greedy_child;
                    let longer = Prefix {
                        node,
                        mass,
                        length: prefix.length + run.len(),
                        parent: slot,
                    };
                    found[item].settle(
                        automaton,
                        Some(prefix.node),
                        &longer,
                        greedy,
                        beam.length_penalty,
                    );
                    let counts =
                        greedy || mass.exp() >= LEAST_MASS || automaton.open(node, INTENSITY);
                    if (counts || sure > 0) && !automaton.complete(node) {
                        next.push((longer, run, greedy, counts));
                    }
                }
            }
            next.sort_by(|(a, _, first, _), (b, _, second, _)| {
                second.cmp(first).then(b.mass.total_cmp(&a.mass))
            });
            next.truncate(keep);
            runs.clear();
            prefixes.clear();
            for (at, (prefix, run, _, counts)) in next.into_iter().enumerate() {
                if counts || at < sure {
                    prefixes.push(prefix);
                    runs.push(run);
                }
            }
        }
    }
    found
        .into_iter()
        .map(|found| found.prediction(automaton, grammar, beam.beams > 1))
        .collect()
}

/// Feeds every prefix the tokens it has gained; gives the number of rows per utterance and the logits after each prefix's last token.
fn advance(
    decoding: &mut Decoding,
    alive: &[Vec<Prefix>],
    runs: &[Vec<Vec<i64>>],
    width: usize,
) -> (usize, Vec<f32>) {
    let beam = alive.iter().map(Vec::len).max().unwrap_or(0);
    let longest = runs.iter().flatten().map(Vec::len).max().unwrap_or(0);
    let rows = alive.len() * beam;
    let device = decoding.device();
    let mut tokens = vec![0i64; rows * longest];
    let mut counts = vec![0i64; rows];
    let mut parents = vec![0i64; rows];
    let before = decoding.beams() as usize;
    for (item, (prefixes, runs)) in alive.iter().zip(runs).enumerate() {
        for slot in 0..beam {
            let row = item * beam + slot;
            parents[row] = (item * before) as i64;
            if let (Some(prefix), Some(run)) = (prefixes.get(slot), runs.get(slot)) {
                parents[row] += prefix.parent as i64;
                counts[row] = run.len() as i64;
                tokens[row * longest..row * longest + run.len()].copy_from_slice(run);
            }
        }
    }
    let place = |values: &[i64]| Tensor::from_slice(values).to_device(device);
    decoding.branch(&place(&parents), beam as i64);
    let tokens = place(&tokens).view([rows as i64, longest as i64]);
    let logits = if longest == 1 && counts.iter().all(|&n| n == 1) {
        decoding.step(&tokens, None)
    } else {
        let counts = place(&counts);
        let logits = decoding.step(&tokens, Some(&counts));
        let last = (counts - 1)
            .clamp_min(0)
            .view([-1, 1, 1])
            .expand([-1, -1, width as i64], false);
        logits.gather(1, &last, false)
    };
    (beam, values(&logits))
}

fn values(x: &Tensor) -> Vec<f32> {
    let x = x
        .to_kind(Kind::Float)
        .to_device(tch::Device::Cpu)
        .contiguous();
    let mut values = vec![0f32; x.numel()];
    x.copy_data(&mut values, x.numel());
    values
}

impl Found {
    fn new(automaton: &Automaton) -> Self {
        Self {
            mass: std::array::from_fn(|field| vec![0.0; automaton.values(field)]),
            greedy: None,
            best: None,
        }
    }

    /// Books the mass of `prefix`, reached from `before`, for the fields that it settles.
    fn settle(
        &mut self,
        automaton: &Automaton,
        before: Option<u32>,
        prefix: &Prefix,
        greedy: bool,
        length_penalty: f64,
    ) {
        let node = prefix.node;
        for (field, values) in self.mass.iter_mut().enumerate() {
            if let Some(value) = automaton.settled(node, field)
                && before.is_none_or(|before| automaton.settled(before, field).is_none())
            {
                values[value] += prefix.mass.exp();
            }
        }
        if automaton.complete(node) {
            if greedy {
                self.greedy = Some(node);
            }
            let score = score(prefix.mass, prefix.length.max(1), length_penalty);
            if self.best.is_none_or(|(best, _)| score > best) {
                self.best = Some((score, node));
            }
        }
    }

    fn prediction(self, automaton: &Automaton, grammar: &Grammar, best: bool) -> Prediction {
        let [polarity, intensity, meld, iemocap] = self.mass.map(|values| {
            let total: f64 = values.iter().sum();
            if total > 0.0 {
                values.into_iter().map(|v| v / total).collect()
            } else {
                Vec::new()
            }
        });
        let best = self.best.filter(|_| best).map(|(_, node)| node);
        let label = best.or(self.greedy).map(|node| automaton.label(node));
        let raw = label.map_or_else(String::new, |label| grammar.format(&label));
        let parsed = grammar.parse(&raw);
        Prediction {
            polarity: polarity.try_into().unwrap_or([0.0; 3]),
            intensity: automaton
                .intensities()
                .iter()
                .copied()
                .zip(intensity)
                .collect(),
            meld: (!meld.is_empty()).then_some(meld),
            iemocap: (!iemocap.is_empty()).then_some(iemocap),
            repairs: parsed.as_ref().map_or(0, |parsed| parsed.repairs.len()),
            parsable: parsed.is_ok(),
            // Not what `raw` reads as: the triple cannot hold both emotions of a label of the closed vocabulary.
            text_label: label.unwrap_or(NEUTRAL),
            raw,
        }
    }
}

/// The answer of a tree without labels.
const NEUTRAL: PlainLabel = PlainLabel {
    polarity: unimse_labels::Polarity::Neutral,
    intensity: None,
    meld: None,
    iemocap: None,
};
