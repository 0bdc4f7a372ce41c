//! The constrained search of the text decoder against the enumeration of every label of a small grammar, each read by
//! teacher forcing.

use std::collections::BTreeSet;

use tch::nn::VarStore;
use tch::{Device, IndexOp, Kind, Tensor};
use unimse_labels::{Field, Grammar, PlainLabel};
use unimse_model::t5::{T5, T5Config, score, shift_right};
use unimse_model::text_decoder::TextDecoder;
use unimse_model::{Precision, Prediction, Tokenizer};

use crate::tiny;

/// A model with random weights on a tokenizer with `merges` random merges, and encoder states of three inputs.
struct Case {
    model: T5,
    _store: VarStore,
    decoder: TextDecoder,
    grammar: Grammar,
    tokenizer: Tokenizer,
    source: Tensor,
    mask: Tensor,
}

const INPUTS: i64 = 3;

impl Case {
    fn new(grammar: Grammar, merges: usize, seed: u64) -> Self {
        let place = tiny::folder_with(tiny::T5, merges, seed);
        let _generator = tiny::seeded(seed as i64);
        let config = T5Config::from_folder(place.path()).unwrap();
        let tokenizer = Tokenizer::from_folder(place.path()).unwrap();
        let store = VarStore::new(Device::Cpu);
        let model = T5::new(&store.root(), &config, Precision::Fp32);
        for mut tensor in store.trainable_variables() {
            let _ = tch::no_grad(|| tensor.g_add_(&(tensor.randn_like() * 0.3)));
        }
        let source = Tensor::randn([INPUTS, 5, config.d_model], (Kind::Float, Device::Cpu));
        let lengths = Tensor::from_slice(&[5i64, 3, 1]).unsqueeze(1);
        Self {
            decoder: TextDecoder::new(&grammar, tokenizer.clone(), &config).unwrap(),
            mask: lengths.gt_tensor(&Tensor::arange(5, (Kind::Int64, Device::Cpu))),
            model,
            _store: store,
            grammar,
            tokenizer,
            source,
        }
    }

    fn predict(&self, beams: usize, length_penalty: f64) -> Vec<Prediction> {
        let (source, mask) = (&self.source, &self.mask);
        self.decoder
            .predict(&self.model.decoder, source, mask, beams, length_penalty)
    }

    /// Every label with its tokens.
    fn labels(&self) -> Vec<(PlainLabel, Vec<i64>)> {
        let tokens = |label: PlainLabel| {
            let mut ids = self.tokenizer.pieces(&self.grammar.format(&label)).unwrap();
            ids.push(self.tokenizer.end());
            (label, ids)
        };
        self.grammar.labels().map(tokens).collect()
    }

    /// For every label the log-probability of each of its tokens among those that some label has there after the same
    /// beginning.
    fn enumerate(&self, row: i64, labels: &[(PlainLabel, Vec<i64>)]) -> Vec<Vec<f64>> {
        let (source, mask) = (self.source.i(row..row + 1), self.mask.i(row..row + 1));
        let config = self.model.config();
        let of_label = |(_, ids): &(PlainLabel, Vec<i64>)| {
            let targets = Tensor::from_slice(ids).unsqueeze(0);
            let inputs = shift_right(&targets, config.start_token(), config.pad_token_id);
            let decoder = &self.model.decoder;
            let logits = tch::no_grad(|| decoder.forward(&inputs, &source, &mask, false));
            let of_token = |at: usize| {
                let others = labels.iter().filter(|(_, o)| o.starts_with(&ids[..at]));
                let next: BTreeSet<i64> = others.map(|(_, o)| o[at]).collect();
                let next: Vec<i64> = next.into_iter().collect();
                let own = next.iter().position(|&id| id == ids[at]).unwrap() as i64;
                let chances = logits
                    .i((0, at as i64))
                    .index_select(0, &Tensor::from_slice(&next))
                    .log_softmax(-1, Kind::Double);
                chances.double_value(&[own])
            };
            (0..ids.len()).map(of_token).collect()
        };
        labels.iter().map(of_label).collect()
    }
}

/// Sums of `mass` over the labels whose value of a field is `0`, `1`, ...
fn marginal(
    labels: &[(PlainLabel, Vec<i64>)],
    mass: &[f64],
    values: usize,
    of: impl Fn(&PlainLabel) -> usize,
) -> Vec<f64> {
    let mut sums = vec![0.0; values];
    for ((label, _), mass) in labels.iter().zip(mass) {
        sums[of(label)] += mass;
    }
    sums
}

#[track_caller]
fn near(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            (found - expected).abs() < tolerance,
            "expected {expected}, found {found}"
        );
    }
}

#[test]
fn probabilities_and_best_labels_equal_enumeration() {
    for (merges, seed) in [(0, 1), (7, 2), (30, 3), (55, 4)] {
        let fields = if seed == 3 {
            vec![Field::Meld, Field::Iemocap]
        } else {
            vec![Field::Intensity, Field::Meld]
        };
        let grammar = Grammar {
            decimals: 0,
            ..Grammar::new(&fields)
        };
        let case = Case::new(grammar, merges, seed);
        let labels = case.labels();
        // As many beams as labels follow every beginning, so that nothing is approximate.
        let all = labels.len();
        let greedy = case.predict(1, 0.0);
        let generated = (case.decoder).generate(&case.model.decoder, &case.source, &case.mask);
        let searches: Vec<_> = [0.0, 1.0, 2.0, -1.0]
            .into_iter()
            .map(|penalty| (penalty, case.predict(all, penalty)))
            .collect();
        for at in 0..INPUTS as usize {
            let tokens = case.enumerate(at as i64, &labels);
            let mass: Vec<f64> = tokens.iter().map(|t| t.iter().sum::<f64>().exp()).collect();
            assert!((mass.iter().sum::<f64>() - 1.0).abs() < 1e-5);
            let polarity = marginal(&labels, &mass, 3, |l| l.polarity.index());
            let meld = marginal(&labels, &mass, 7, |l| l.meld.unwrap().index());
            near(&greedy[at].polarity, &polarity, 1e-5);
            let bound = greedy[at].unexplored;
            near(greedy[at].meld.as_ref().unwrap(), &meld, bound + 1e-5);
            for (penalty, found) in &searches {
                let found = &found[at];
                assert_marginals(found, &labels, &mass);
                let scores: Vec<f64> = tokens
                    .iter()
                    .map(|t| score(t.iter().sum(), t.len(), *penalty))
                    .collect();
                let best = (0..all).max_by(|&a, &b| scores[a].total_cmp(&scores[b]));
                assert_eq!(
                    found.text_label,
                    labels[best.unwrap()].0,
                    "merges {merges}, penalty {penalty}, row {at}"
                );
            }
            let best = &labels[greedy_label(&labels, &tokens)].0;
            assert_eq!(greedy[at].text_label, *best);
            assert_eq!(generated[at], *best);
        }
    }
}

/// The probabilities of every field are the sums over `labels`, whose probabilities are `mass`.
fn assert_marginals(found: &Prediction, labels: &[(PlainLabel, Vec<i64>)], mass: &[f64]) {
    let polarity = marginal(labels, mass, 3, |l| l.polarity.index());
    near(&found.polarity, &polarity, 1e-5);
    let meld = marginal(labels, mass, 7, |l| l.meld.unwrap().index());
    near(found.meld.as_ref().unwrap(), &meld, 1e-5);
    if let Some(iemocap) = &found.iemocap {
        let exact = marginal(labels, mass, 6, |l| l.iemocap.unwrap().index());
        near(iemocap, &exact, 1e-5);
    }
    for &(value, chance) in &found.intensity {
        let exact = labels.iter().zip(mass);
        let exact = exact.filter(|((l, _), _)| l.intensity == Some(value));
        near(&[chance], &[exact.map(|(_, mass)| mass).sum()], 1e-5);
    }
}

/// At every token the best that can follow; `tokens` has the log-probability of each token of each label.
fn greedy_label(labels: &[(PlainLabel, Vec<i64>)], tokens: &[Vec<f64>]) -> usize {
    let mut open: Vec<usize> = (0..labels.len()).collect();
    for place in 0.. {
        let best = open.iter().copied().max_by(|&a, &b| {
            let chance = |label: usize| tokens[label].get(place).copied();
            chance(a).partial_cmp(&chance(b)).unwrap()
        });
        let id = labels[best.unwrap()].1.get(place).copied();
        if id.is_none() {
            break;
        }
        open.retain(|&label| labels[label].1.get(place).copied() == id);
    }
    assert_eq!(open.len(), 1);
    open[0]
}

/// All 2562 labels with one decimal. Steep weights leave few labels with any probability: the search finds them all. Others spread it over
/// more beginnings than are followed: the answer says by how much it may be off, and is not off by more.
#[test]
fn the_error_of_probabilities_is_bounded_and_said() {
    for (steepness, seed) in [(1.0, 5), (6.0, 6), (20.0, 7)] {
        let case = Case::new(Grammar::new(&Field::ALL), 40, seed);
        tch::no_grad(|| {
            let names = ["shared.weight", "lm_head.weight"];
            let variables = case._store.variables();
            let head = names.iter().rev().find_map(|name| variables.get(*name));
            let _ = head.unwrap().shallow_clone().g_mul_scalar_(steepness);
        });
        let labels = case.labels();
        assert_eq!(labels.len(), 61 * 7 * 6);
        // One input a case: each label is read on its own.
        let found = &case.predict(1, 0.0)[0];
        let tokens = case.enumerate(0, &labels);
        let mass: Vec<f64> = tokens.iter().map(|t| t.iter().sum::<f64>().exp()).collect();
        assert!((mass.iter().sum::<f64>() - 1.0).abs() < 1e-4);
        let off = variations(found, &labels, &mass);
        let (worst, said) = (off.into_iter().fold(0.0, f64::max), found.unexplored);
        eprintln!("steepness {steepness}: off by {off:?}, said {said}");
        assert!(worst <= said + 1e-5, "steepness {steepness}: {off:?}");
        assert!(steepness == 1.0 || said <= 1e-4, "steepness {steepness}");
    }
}

/// How far the probabilities of polarity, intensity and the two emotions are from the sums over `labels`, whose probabilities are `mass`.
fn variations(found: &Prediction, labels: &[(PlainLabel, Vec<i64>)], mass: &[f64]) -> [f64; 4] {
    let intensities: Vec<f64> = found.intensity.iter().map(|&(_, p)| p).collect();
    let score = |l: &PlainLabel| {
        let mut scores = found.intensity.iter();
        scores.position(|(v, _)| Some(*v) == l.intensity).unwrap()
    };
    let polarity = marginal(labels, mass, 3, |l| l.polarity.index());
    let meld = marginal(labels, mass, 7, |l| l.meld.unwrap().index());
    let iemocap = marginal(labels, mass, 6, |l| l.iemocap.unwrap().index());
    [
        variation(&found.polarity, polarity),
        variation(&intensities, marginal(labels, mass, 61, score)),
        variation(found.meld.as_ref().unwrap(), meld),
        variation(found.iemocap.as_ref().unwrap(), iemocap),
    ]
}

/// Half the sum of the absolute differences.
fn variation(found: &[f64], exact: Vec<f64>) -> f64 {
    let differences = found.iter().zip(exact).map(|(a, b)| (a - b).abs());
    differences.sum::<f64>() / 2.0
}
