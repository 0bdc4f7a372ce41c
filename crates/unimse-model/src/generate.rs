//! Constrained generation: a search along the [`Automaton`] of a grammar that gives the best label and, from the same
//! steps, the probabilities of its fields: logits `[rows, vocabulary]` a step (ours; the paper generates freely, section 3.2).
//!
//! A label is many tokens here, so not every beginning of one can be followed; what was not bounds the error ([`Marginals`]).

use tch::{Kind, Tensor};
use unimse_labels::{Field, Grammar};

use crate::automaton::Automaton;
use crate::batch::Prediction;
use crate::marginals::{Follow, Marginals};
use crate::t5::{Decoding, score};

/// One way to begin a label.
#[derive(Debug, Clone, Copy)]
struct Prefix {
    /// Always a branch of the tree.
    node: u32,
    /// Log-probability under the constrained distribution.
    log: f64,
    /// Tokens so far, forced ones among them, without the start token.
    length: usize,
    /// Row of the decoder it continues.
    parent: usize,
    /// Whether it took the most probable token at every branch.
    greedy: bool,
}

/// What a search found out about one utterance.
#[derive(Debug, Clone)]
struct Found {
    marginals: Marginals,
    greedy: Option<u32>,
    /// Of the complete labels met, the one with the highest score.
    best: Option<(f64, u32)>,
    /// Probability that may still be left out.
    left: f64,
}

/// Which of the labels that a search meets is its answer, and how many beginnings it follows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Beam {
    /// 1 takes the greedy label. More take the label with the best [`score`] of those met while at least so many prefixes
    /// are followed.
    pub(crate) beams: usize,
    /// Exponent of the length in [`score`]. Forced tokens have probability 1 and count in the length.
    pub(crate) length_penalty: f64,
    follow: Follow,
}

impl Beam {
    /// Beginnings that are followed for the sake of the probabilities.
    const MOST: usize = 64;

    /// For probabilities: what is left out holds no more than a ten-thousandth, as long as [`Beam::MOST`] beginnings hold the rest.
    pub(crate) fn probabilities(beams: usize, length_penalty: f64) -> Self {
        let follow = Follow {
            tolerance: 1e-4,
            least: beams,
            most: beams.max(Self::MOST),
        };
        Self {
            beams,
            length_penalty,
            follow,
        }
    }

    /// For the greedy label alone.
    pub(crate) fn greedy() -> Self {
        Self {
            beams: 1,
            length_penalty: 0.0,
            follow: Follow {
                tolerance: 1.0,
                least: 1,
                most: 1,
            },
        }
    }
}

/// Searches for the labels of a batch.
///
/// `decoding` stands at no token read with one hypothesis per utterance and gives logits of `automaton.vocabulary()`, in that
/// order. `start` is the first token read.
pub(crate) fn search(
    automaton: &Automaton,
    grammar: &Grammar,
    mut decoding: Decoding,
    batch: usize,
    start: i64,
    beam: Beam,
) -> Vec<Prediction> {
    let width = automaton.vocabulary().len();
    let mut first = vec![start];
    let node = automaton.forced(0, &mut first);
    let root = Prefix {
        node,
        log: 0.0,
        length: first.len() - 1,
        parent: 0,
        greedy: true,
    };
    let mut found = vec![Found::new(automaton, grammar, beam.follow); batch];
    for found in &mut found {
        found.settle(automaton, None, &root, beam.length_penalty);
    }
    let open = !automaton.children(root.node).is_empty();
    let mut alive = vec![if open { vec![root] } else { Vec::new() }; batch];
    let mut runs = vec![vec![first]; batch];
    while alive.iter().any(|prefixes| !prefixes.is_empty()) {
        let (each, logits) = advance(&mut decoding, &alive, &runs, width);
        for (item, (prefixes, runs)) in alive.iter_mut().zip(&mut runs).enumerate() {
            let mut next = Vec::new();
            for (slot, prefix) in prefixes.iter().enumerate() {
                let logits = &logits[(item * each + slot) * width..][..width];
                for (longer, run) in extend(automaton, prefix, slot, logits) {
                    found[item].settle(automaton, Some(prefix.node), &longer, beam.length_penalty);
                    if !automaton.complete(longer.node) {
                        next.push((longer, run));
                    }
                }
            }
            next.sort_by(|(a, _), (b, _)| b.greedy.cmp(&a.greedy).then(b.log.total_cmp(&a.log)));
            let masses: Vec<f64> = next.iter().map(|(prefix, _)| prefix.log.exp()).collect();
            next.truncate(beam.follow.count(&masses, &mut found[item].left));
            (*prefixes, *runs) = next.into_iter().unzip();
        }
    }
    found
        .into_iter()
        .map(|found| found.prediction(automaton, grammar, beam.beams > 1))
        .collect()
}

/// `prefix`, row `slot` of its utterance, with every token that may follow and those that are forced then; and these tokens.
fn extend(
    automaton: &Automaton,
    prefix: &Prefix,
    slot: usize,
    logits: &[f32],
) -> impl Iterator<Item = (Prefix, Vec<i64>)> {
    let children = automaton.children(prefix.node);
    let logit = |piece: u32| f64::from(logits[piece as usize]);
    let logits = children.iter().map(|&(piece, _)| logit(piece));
    let top = logits.clone().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = logits.clone().map(|logit| (logit - top).exp()).sum();
    // The first of equals, so that ties do not depend on the order of floating-point comparisons.
    let greedy = logits.clone().position(|logit| logit >= top);
    let logs: Vec<f64> = logits.map(|l| prefix.log + l - top - total.ln()).collect();
    children
        .iter()
        .zip(logs)
        .enumerate()
        .map(move |(at, (&(piece, child), log))| {
            let mut run = vec![automaton.vocabulary()[piece as usize]];
            let node = automaton.forced(child, &mut run);
            let longer = Prefix {
                node,
                log,
                length: prefix.length + run.len(),
                parent: slot,
                greedy: prefix.greedy && Some(at) == greedy,
            };
            (longer, run)
        })
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
    fn new(automaton: &Automaton, grammar: &Grammar, follow: Follow) -> Self {
        Self {
            marginals: Marginals::new(grammar, automaton.intensities()),
            greedy: None,
            best: None,
            left: follow.tolerance,
        }
    }

    /// Books the mass of `prefix`, reached from `before`, for the fields that it settles.
    fn settle(
        &mut self,
        automaton: &Automaton,
        before: Option<u32>,
        prefix: &Prefix,
        length_penalty: f64,
    ) {
        let mass = prefix.log.exp();
        // The value of a field beside its polarity, once both are known.
        let known = |node: u32, field: Field| {
            Some((
                automaton.settled(node, Field::Polarity)?,
                automaton.known(node, field)?,
            ))
        };
        for field in Field::ALL {
            let before = before.and_then(|node| known(node, field));
            if let (None, Some((polarity, value))) = (before, known(prefix.node, field)) {
                self.marginals.add(field, polarity, value, mass);
            }
        }
        if automaton.complete(prefix.node) {
            if prefix.greedy {
                self.greedy = Some(prefix.node);
            }
            let score = score(prefix.log, prefix.length.max(1), length_penalty);
            if self.best.is_none_or(|(best, _)| score > best) {
                self.best = Some((score, prefix.node));
            }
        }
    }

    fn prediction(self, automaton: &Automaton, grammar: &Grammar, best: bool) -> Prediction {
        let best = self.best.filter(|_| best).map(|(_, node)| node);
        let label = best.or(self.greedy).map(|node| automaton.label(node));
        self.marginals
            .prediction(grammar, automaton.intensities(), label)
    }
}
