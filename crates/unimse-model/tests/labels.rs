//! Labels out of the whole model: learnt, probable, parsable.

use proptest::prelude::*;
use tch::Device;
use unimse_labels::{Field, Form, Grammar, Polarity};
use unimse_model::{Decoder, Precision, UniModel};

use crate::tiny::{self, GRAMMAR, KINDS, batch, config, dims, labels, model, targets};

#[test]
fn probabilities_are_distributions_and_consistent() {
    for (backbone, decoder) in KINDS {
        for beam in [1, 20] {
            let mut config = config(backbone, decoder);
            config.model.beam = tiny::number(beam);
            let fused = tiny::shaken(&config, 21);
            for p in fused.predict(&batch(5, 8, true)).unwrap() {
                let one = |values: &[f64]| {
                    (values.iter().sum::<f64>() - 1.0).abs() < 1e-9
                        && values.iter().all(|&v| v >= 0.0)
                };
                let intensity: Vec<f64> = p.intensity.iter().map(|&(_, p)| p).collect();
                assert!(
                    one(&p.polarity)
                        && one(&intensity)
                        && one(p.meld.as_ref().unwrap())
                        && one(p.iemocap.as_ref().unwrap())
                );
                assert_eq!(intensity.len(), 61);
                assert!(p.intensity.is_sorted_by(|a, b| a.0 < b.0));
                for polarity in Polarity::ALL {
                    let mass: f64 = p
                        .intensity
                        .iter()
                        .filter(|(v, _)| Polarity::from_score(*v) == polarity)
                        .map(|(_, p)| p)
                        .sum();
                    let tolerance = if decoder == Decoder::Label {
                        1e-9
                    } else {
                        0.05
                    };
                    assert!(
                        (mass - p.polarity[polarity.index()]).abs() < tolerance,
                        "{backbone:?} {decoder:?}: {mass} and {:?}",
                        p.polarity
                    );
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Random weights, random inputs, random grammar, a tokenizer with random merges: every output parses without repair.
    #[test]
    fn every_output_parses(seed in 0i64..1000, kind in 0usize..3, fields in 0usize..7, triple: bool, decimals in 0u8..3, merges in 0usize..60, beam in 1usize..4, length_penalty in -1.0f64..3.0) {
        let (backbone, decoder) = KINDS[kind];
        let fields: Vec<Field> = Field::BORROWED.into_iter().enumerate().filter(|(i, _)| (fields + 1) >> i & 1 == 1).map(|(_, f)| f).collect();
        let form = if triple { Form::Triple } else { Form::Fields };
        let grammar = Grammar { form, decimals, ..Grammar::new(&fields) };
        let mut config = config(backbone, decoder);
        config.model.beam = tiny::number(beam);
        config.model.length_penalty = tiny::number(length_penalty);
        let place = tiny::folder_with(backbone, merges, seed as u64);
        let generator = tiny::seeded(seed);
        let fused = UniModel::new(&config, &grammar, place.path(), &dims(), Device::Cpu, Precision::Fp32).unwrap();
        drop(generator);
        tiny::shake(&fused, seed);
        let predictions = fused.predict(&batch(3, seed, true)).unwrap();
        prop_assert_eq!(predictions.len(), 3);
        for prediction in predictions {
            prop_assert!(prediction.parsable && prediction.repairs == 0, "{}", prediction.raw);
            prop_assert!(!prediction.raw.contains("unknown"), "{}", prediction.raw);
            let parsed = grammar.parse(&prediction.raw).unwrap();
            prop_assert!(parsed.repairs.is_empty());
            prop_assert_eq!(grammar.format(&prediction.text_label), &*prediction.raw);
            let sums_to_one = |values: &[f64]| (values.iter().sum::<f64>() - 1.0).abs() < 1e-9;
            prop_assert!(sums_to_one(&prediction.polarity));
            for emotions in [&prediction.meld, &prediction.iemocap].into_iter().flatten() {
                prop_assert!(sums_to_one(emotions), "{:?}", emotions);
            }
        }
    }
}

#[test]
fn targets_of_the_text_decoder_mask_what_is_unknown() {
    use unimse_model::text_decoder::TextDecoder;
    use unimse_model::{Tokenizer, t5::T5Config};
    for merges in [0, 10, 40] {
        let place = tiny::folder_with(tiny::T5, merges, 3);
        let tokenizer = Tokenizer::from_folder(place.path()).unwrap();
        let shape = T5Config::from_folder(place.path()).unwrap();
        let decoder = TextDecoder::new(&GRAMMAR(), tokenizer.clone(), &shape).unwrap();
        for (mut label, masked) in [(labels()[0], None), (labels()[1], Some("unknown"))] {
            if masked.is_some() {
                label.meld = None;
            }
            let target = unimse_model::Target {
                label,
                weights: unimse_labels::PerField {
                    iemocap: 0.25,
                    ..unimse_labels::PerField::from_fn(|_| 1.0)
                },
            };
            let tokens = decoder.encode(&target).unwrap();
            assert_eq!(tokens.ids.len(), tokens.weights.len());
            let spell = |weight: f32| -> String {
                tokens
                    .ids
                    .iter()
                    .zip(&tokens.weights)
                    .filter(|(_, w)| **w == weight)
                    .filter_map(|(&id, _)| tokenizer.piece(id))
                    .collect()
            };
            if merges == 0 {
                // One piece a letter: every field to the letter.
                let text = GRAMMAR().format(&label);
                let columns: Vec<&str> = text.split_inclusive(',').collect();
                let meld = if masked.is_some() { "" } else { columns[2] };
                assert_eq!(spell(1.0), [columns[0], columns[1], meld].concat());
                assert_eq!(spell(0.25), format!("{}</s>", columns[3]));
                assert_eq!(spell(0.0), if masked.is_some() { "unknown," } else { "" });
            } else {
                assert_eq!(tokens.weights.contains(&0.0), masked.is_some());
            }
        }
    }
}

#[test]
fn training_lowers_the_loss_and_the_labels_follow() {
    for (backbone, decoder) in KINDS {
        let config = tiny::without_dropout(config(backbone, decoder));
        let fused = model(&config, 12);
        let (batch, targets) = (batch(4, 7, true), targets(4));
        let mut optimiser = tiny::Adam::new(&fused, 1e-2);
        let first = fused.loss(&batch, &targets, true).unwrap().task;
        for _ in 0..150 {
            fused.loss(&batch, &targets, true).unwrap().backward(1.0);
            optimiser.step();
        }
        let last = fused.loss(&batch, &targets, false).unwrap().task;
        assert!(last < first, "{backbone:?} {decoder:?}: {first} -> {last}");
        for (prediction, target) in fused.predict(&batch).unwrap().iter().zip(&targets) {
            assert_eq!(
                prediction.text_label.polarity, target.label.polarity,
                "{backbone:?} {decoder:?}"
            );
            let (found, wanted) = (
                prediction.expected_intensity(),
                f64::from(target.label.intensity.unwrap()),
            );
            assert!(
                (found - wanted).abs() < 0.35,
                "{backbone:?} {decoder:?}: {wanted} reads {found}"
            );
            assert_eq!(prediction.text_label.meld, target.label.meld);
        }
    }
}

/// What is generated is a walk to a label in the tree: its tokens must be those that spell the label.
#[test]
fn the_tokens_of_a_label_spell_it_whatever_the_merges() {
    for (merges, form) in [(0, Form::Fields), (7, Form::Triple), (60, Form::Fields)] {
        let place = tiny::folder_with(tiny::T5, merges, merges as u64);
        let tokenizer = unimse_model::Tokenizer::from_folder(place.path()).unwrap();
        let grammar = Grammar { form, ..GRAMMAR() };
        for label in grammar.labels() {
            let text = grammar.format(&label);
            let ids = tokenizer.pieces(&text).unwrap();
            let spelt: String = ids.iter().filter_map(|&id| tokenizer.piece(id)).collect();
            assert_eq!(spelt, text);
        }
    }
}

#[test]
fn the_t5_vocabulary_tells_all_labels_apart() {
    use unimse_model::automaton::Automaton;
    let Some(models) = std::env::var_os("UNIMSE_MODELS") else {
        eprintln!("skipped: the_t5_vocabulary_tells_all_labels_apart needs UNIMSE_MODELS");
        return;
    };
    let folder = std::path::Path::new(&models).join("t5-tokenizer");
    let tokenizer = unimse_model::Tokenizer::from_folder(&folder).unwrap();
    for form in [Form::Fields, Form::Triple] {
        let grammar = Grammar { form, ..GRAMMAR() };
        let encode = |label: &_| {
            let mut ids = tokenizer.pieces(&grammar.format(label))?;
            assert_eq!(tokenizer.decode(&ids)?, grammar.format(label));
            ids.push(tokenizer.end());
            Ok(ids)
        };
        let tree = Automaton::new(&grammar, encode).unwrap();
        assert!(tree.nodes() > grammar.labels().count());
        assert!(
            tree.vocabulary().len() < 100,
            "{:?}",
            tree.vocabulary().len()
        );
    }
}
