//! T5 against the values PyTorch gave: hidden states, logits, loss, gradients, long inputs, step by step decoding.
//! An error is max|a-b| / max|b| of a tensor over unmasked positions: below 1e-4, for gradients 1e-3.
//!
//! The random weights of the golden values are steep, and with some shapes and seeds rounding alone moves a result by more: PyTorch's
//! own logits of the long input are up to 1e-3 from those in f64, and two sets of its kernels 3e-4 apart. There an error may be
//! three times what five draws of one unit in the last place of the weights do, and at most thirty times the bound.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod tiny;

use std::collections::BTreeMap;
use std::path::Path;

use tch::nn::VarStore;
use tch::{Device, IndexOp, Kind, Tensor};
use unimse_model::t5::{BeamSearch, Decoding, Hypothesis, T5, T5Config, padded, shift_right};
use unimse_model::weights::{Family, load_backbone, read};
use unimse_model::{Precision, TextEncoder};

/// One folder of golden values and the model it is of.
struct Golden {
    name: &'static str,
    model: T5,
    store: VarStore,
    case: BTreeMap<String, Tensor>,
}

impl Golden {
    fn tensor(&self, name: &str) -> &Tensor {
        self.case
            .get(name)
            .unwrap_or_else(|| panic!("{}: no {name} in case.safetensors", self.name))
    }

    fn mask(&self) -> Tensor {
        self.tensor("attention_mask").to_kind(Kind::Bool)
    }

    fn source(&self) -> Tensor {
        self.model.encoder.forward(
            self.tensor("input_ids"),
            &self.mask(),
            None,
            false,
            &mut |_, h| h,
        )
    }

    fn inputs(&self, labels: &Tensor) -> Tensor {
        shift_right(
            labels,
            self.model.config().start_token(),
            self.model.config().pad_token_id,
        )
    }

    fn compared(&self, what: &str, found: Tensor) -> Compared {
        (what.to_owned(), found, self.tensor(what).shallow_clone())
    }

    /// Holds what `compute` finds to what it expects; see the head of this file.
    #[track_caller]
    fn check(&self, tolerance: f64, compute: impl Fn() -> Vec<Compared>) {
        let all = compute();
        assert!(!all.is_empty());
        let near = |(_, found, expected): &Compared| error(found, expected) < tolerance;
        if all.iter().all(near) {
            return;
        }
        let mut moved = vec![0f64; all.len()];
        for seed in 1..=5 {
            let weights = tiny::jitter(&self.store, seed);
            for (moved, ((_, a, _), (_, b, _))) in moved.iter_mut().zip(compute().iter().zip(&all))
            {
                *moved = moved.max(error(a, b));
            }
            tiny::restore(weights);
        }
        for ((what, found, expected), moved) in all.iter().zip(moved) {
            let (error, most) = (
                error(found, expected),
                tolerance.max(3.0 * moved).min(30.0 * tolerance),
            );
            assert!(
                error < most,
                "{}: {what}: error {error:e}, tolerance {most:e}",
                self.name
            );
        }
    }
}

/// Name, found, expected.
type Compared = (String, Tensor, Tensor);

fn error(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.size(), expected.size());
    let expected = expected.to_kind(Kind::Double);
    let largest = expected.abs().max().double_value(&[]).max(1e-30);
    (found.to_kind(Kind::Double) - expected)
        .abs()
        .max()
        .double_value(&[])
        / largest
}

fn for_each(precision: Precision, test: impl Fn(&Golden)) {
    for_each_in(&tiny::golden(), precision, test);
}

fn for_each_in(root: &Path, precision: Precision, test: impl Fn(&Golden)) {
    for name in ["t5_v1_0_relu_tied", "t5_v1_1_gated_gelu_untied"] {
        let folder = root.join(name);
        if !folder.is_dir() {
            eprintln!("skipped: {name} is not in {}", root.display());
            continue;
        }
        let config = T5Config::from_folder(&folder).unwrap();
        let store = VarStore::new(Device::Cpu);
        let model = T5::new(&store.root(), &config, precision);
        assert!(
            load_backbone(&store, &folder, Family::T5, &|_| false)
                .unwrap()
                .is_empty()
        );
        let case = read(&folder.join("case.safetensors")).unwrap();
        test(&Golden {
            name,
            model,
            store,
            case,
        });
    }
}

#[test]
fn golden_t5_encoder_hidden_states() {
    for_each(Precision::Fp32, |g| {
        let mask = g.mask();
        let valid = mask.unsqueeze(-1).to_kind(Kind::Float);
        let layers = g.model.encoder.layers();
        g.check(1e-4, || {
            let mut all = Vec::new();
            let mut compare = |what: &str, hidden: &Tensor| {
                all.push((what.to_owned(), hidden * &valid, g.tensor(what) * &valid));
            };
            let mut calls = Vec::new();
            let last = g.model.encoder.forward(
                g.tensor("input_ids"),
                &mask,
                None,
                false,
                &mut |layer, hidden| {
                    calls.push(layer);
                    if layer + 1 < layers {
                        compare(&format!("encoder_hidden_states.{}", layer + 1), &hidden);
                    }
                    hidden
                },
            );
            assert_eq!(calls, (0..layers).collect::<Vec<_>>());
            compare(&format!("encoder_hidden_states.{layers}"), &last);
            compare("encoder_last_hidden_state", &last);
            all
        });
    });
}

#[test]
fn golden_t5_decoder_hidden_states() {
    for_each(Precision::Fp32, |g| {
        let inputs = g.inputs(g.tensor("labels"));
        let blocks = g.model.config().decoder_layers();
        g.check(1e-4, || {
            let mut all = Vec::new();
            let mut observe = |i: usize, hidden: &Tensor| {
                // The last of the golden ones is behind the final norm.
                if i < blocks {
                    let name = format!("decoder_hidden_states.{i}");
                    all.push(g.compared(&name, hidden.shallow_clone()));
                }
            };
            let decoder = &g.model.decoder;
            let last = decoder.hidden(&inputs, &g.source(), &g.mask(), false, &mut observe);
            all.push(g.compared(&format!("decoder_hidden_states.{blocks}"), last));
            assert_eq!(all.len(), blocks + 1);
            all
        });
    });
}

#[test]
fn golden_t5_logits_loss_and_gradients() {
    for_each(Precision::Fp32, |g| {
        let run = || {
            for mut variable in g.store.variables().into_values() {
                variable.zero_grad();
            }
            let (tokens, labels) = (g.tensor("input_ids"), g.tensor("labels"));
            g.model.loss(tokens, &g.mask(), labels, true)
        };
        g.check(1e-4, || {
            let (loss, logits) = run();
            vec![
                g.compared("logits", logits),
                g.compared("loss", loss.reshape([1])),
            ]
        });
        g.check(1e-3, || {
            run().0.backward();
            let gradients = g.store.variables().into_iter();
            let compared = |(name, v): (String, Tensor)| {
                let name = format!("grad.{name}");
                let found = v.grad().copy();
                g.case.contains_key(&name).then(|| g.compared(&name, found))
            };
            let all: Vec<_> = gradients.filter_map(compared).collect();
            let golden = g.case.keys().filter(|k| k.starts_with("grad."));
            assert_eq!(all.len(), golden.count(), "{}", g.name);
            assert_eq!(
                all.len(),
                g.store.len(),
                "{}: every parameter learns",
                g.name
            );
            all
        });
    });
}

#[test]
fn golden_t5_beyond_the_largest_relative_position() {
    for_each(Precision::Fp32, |g| {
        let (ids, labels) = (g.tensor("long_input_ids"), g.tensor("long_labels"));
        let mask = ids.ones_like().to_kind(Kind::Bool);
        let inputs = g.inputs(labels);
        g.check(1e-4, || {
            let (encoder, decoder) = (&g.model.encoder, &g.model.decoder);
            let source = encoder.forward(ids, &mask, None, false, &mut |_, h| h);
            let logits = decoder.forward(&inputs, &source, &mask, false);
            vec![
                g.compared("long_encoder_last_hidden_state", source),
                g.compared("long_logits", logits),
            ]
        });
    });
}

/// Twelve greedy steps with the kept keys; rows that ended go on with padding.
fn greedy(g: &Golden, end: i64) -> Tensor {
    let (start, pad) = (
        g.model.config().start_token(),
        g.model.config().pad_token_id,
    );
    let source = g.source();
    let rows = source.size()[0];
    let mut decoding = Decoding::new(&g.model.decoder, &source, &g.mask(), 1, None);
    let mut ids = vec![Tensor::full([rows, 1], start, (Kind::Int64, Device::Cpu))];
    let mut ended = Tensor::zeros([rows, 1], (Kind::Bool, Device::Cpu));
    for _ in 0..12 {
        let next = decoding
            .step(ids.last().unwrap(), None)
            .i((.., -1))
            .argmax(-1, true)
            .masked_fill(&ended, pad);
        ended = ended.logical_or(&next.eq(end));
        ids.push(next);
        if ended.all().int64_value(&[]) == 1 {
            break;
        }
    }
    Tensor::cat(&ids, 1)
}

#[test]
fn golden_t5_greedy_ids() {
    for_each(Precision::Fp32, |g| {
        assert_eq!(
            greedy(g, g.model.config().eos_token_id),
            *g.tensor("greedy_ids"),
            "{}",
            g.name
        );
        let end = g.tensor("eos_case.eos_token_id").int64_value(&[0]);
        assert_eq!(
            greedy(g, end),
            *g.tensor("eos_case.greedy_ids"),
            "{}",
            g.name
        );
    });
}

/// The number in `beam4`.
fn beams(name: &str) -> usize {
    let number = name.split("beam").nth(1).unwrap();
    let end = number.find(|c: char| !c.is_ascii_digit()).unwrap();
    number[..end].parse().unwrap()
}

/// Beam search against the ids and scores called `ids` and `scores`. The number of beams, the length penalty and the
/// number of tokens stand in the names and shapes of the golden tensors.
fn check_beams(g: &Golden, ids: &str, scores: &str, length_penalty: f64, end: i64) {
    let expected = g.tensor(ids);
    let beams = beams(ids);
    let config = g.model.config();
    let search = BeamSearch {
        beams,
        length_penalty,
        max_new_tokens: NEW_TOKENS,
        start: config.start_token(),
        end,
    };
    let run = |source: &Tensor, mask: &Tensor| {
        let decoding = Decoding::new(&g.model.decoder, source, mask, 1, None);
        search.run(decoding, source.size()[0] as usize).unwrap()
    };
    g.check(1e-4, || {
        let found = run(&g.source(), &g.mask());
        let best: Vec<f64> = found.iter().map(|texts| texts[0].score).collect();
        vec![g.compared(scores, Tensor::from_slice(&best))]
    });
    let source = g.source();
    let inputs = source.size()[0];
    let found = run(&source, &g.mask());
    let best: Vec<&Hypothesis> = found.iter().map(|texts| &texts[0]).collect();
    // The reference fills up with the padding id only where that is not 0, else with the end token.
    let fill = if config.pad_token_id == 0 {
        end
    } else {
        config.pad_token_id
    };
    assert_eq!(
        padded(best.iter().copied(), fill),
        *expected,
        "{}: {ids}",
        g.name
    );
    for (row, texts) in found.iter().enumerate() {
        assert!((1..=beams).contains(&texts.len()));
        assert!(texts.is_sorted_by(|a, b| a.score >= b.score));
        // Each by itself: the search of an input neither sees nor waits for the others.
        let row = row as i64;
        let alone = run(&source.narrow(0, row, 1), &g.mask().narrow(0, row, 1));
        assert_eq!(
            alone[0][0].ids, texts[0].ids,
            "{}: row {row} of {inputs}",
            g.name
        );
    }
}

/// What every generation of the golden values allows; the texts may all be shorter.
const NEW_TOKENS: usize = 12;

#[test]
fn golden_t5_beam_ids_and_scores() {
    for_each(Precision::Fp32, |g| {
        let end = g.model.config().eos_token_id;
        let mut checked = 0;
        for ids in g.case.keys().filter(|name| name.starts_with("beam")) {
            if let Some(name) = ids.strip_suffix("_ids") {
                check_beams(g, ids, &format!("{name}_scores"), 1.0, end);
                let texts = g
                    .model
                    .generate(
                        g.tensor("input_ids"),
                        &g.mask(),
                        beams(ids),
                        1.0,
                        NEW_TOKENS,
                    )
                    .unwrap();
                let best = texts.iter().map(|texts| &texts[0]);
                assert_eq!(padded(best, end), *g.tensor(ids), "{}", g.name);
                checked += 1;
            }
        }
        assert!(checked > 0, "{}: no beam ids in case.safetensors", g.name);
    });
}

#[test]
fn golden_t5_beam_with_texts_that_end_at_every_length_penalty() {
    for_each(Precision::Fp32, |g| {
        let end = g.tensor("eos_case.eos_token_id").int64_value(&[0]);
        let mut checked = 0;
        for ids in g.case.keys() {
            let Some(name) = ids
                .strip_prefix("eos_case.beam")
                .and_then(|_| ids.strip_suffix(".ids"))
            else {
                continue;
            };
            let penalty: f64 = name.split("_lp").nth(1).unwrap().parse().unwrap();
            check_beams(g, ids, &format!("{name}.scores"), penalty, end);
            checked += 1;
        }
        assert!(checked > 0, "{}: no beams that end", g.name);
    });
}

#[test]
fn one_beam_without_penalty_is_greedy_and_many_are_distinct() {
    for_each(Precision::Fp32, |g| {
        // A text ends with one beam where the end token is the best; no longer one is more probable.
        let texts = g
            .model
            .generate(g.tensor("input_ids"), &g.mask(), 1, 0.0, NEW_TOKENS)
            .unwrap();
        let config = g.model.config();
        let found = padded(texts.iter().map(|t| &t[0]), config.pad_token_id);
        assert_eq!(found, *g.tensor("greedy_ids"), "{}", g.name);
        for (beams, tokens, penalty) in [(0, 1, 1.0), (1, 0, 1.0), (1, 1, f64::NAN)] {
            let error = g
                .model
                .generate(g.tensor("input_ids"), &g.mask(), beams, penalty, tokens)
                .unwrap_err();
            assert!(error.to_string().starts_with("beam search: "), "{error}");
        }
        // More beams than continuations exist at first; the end token is one of them.
        let vocabulary = config.vocab_size as usize;
        let many = g
            .model
            .generate(g.tensor("input_ids"), &g.mask(), vocabulary + 3, 1.0, 3)
            .unwrap();
        for texts in many {
            assert_eq!(texts.len(), vocabulary + 3, "{}", g.name);
            let distinct: std::collections::BTreeSet<_> = texts.iter().map(|t| &t.ids).collect();
            assert_eq!(distinct.len(), texts.len(), "{}", g.name);
        }
    });
}

#[test]
fn golden_t5_step_by_step_equals_teacher_forcing() {
    for_each(Precision::Fp32, |g| {
        let inputs = g.inputs(g.tensor("labels"));
        let mask = g.mask();
        let expected = g.tensor("logits");
        let (rows, length) = (inputs.size()[0], inputs.size()[1]);
        let narrow = |from: i64, n: i64| inputs.narrow(1, from, n);

        // Two tokens, then one, then the rest.
        let three = |source: &Tensor| {
            let mut d = Decoding::new(&g.model.decoder, source, &mask, 1, None);
            let steps = [
                d.step(&narrow(0, 2), None),
                d.step(&narrow(2, 1), None),
                d.step(&narrow(3, length - 3), None),
            ];
            let found = Tensor::cat(&steps, 1);
            ("in three steps".to_owned(), found, expected.shallow_clone())
        };
        // Row r reads 1 + r % 3 tokens in the first step, so rows are at different positions in the second.
        let ragged = |source: &Tensor| {
            let counts = Tensor::from_slice(&(0..rows).map(|r| 1 + r % 3).collect::<Vec<_>>());
            let mut d = Decoding::new(&g.model.decoder, source, &mask, 1, None);
            let _ = d.step(&narrow(0, 3), Some(&counts));
            let next = inputs.gather(1, &counts.unsqueeze(1), false);
            let found = d.step(&next, None).squeeze_dim(1);
            let index = counts
                .reshape([rows, 1, 1])
                .expand([rows, 1, expected.size()[2]], false);
            let expected = expected.gather(1, &index, false).squeeze_dim(1);
            ("ragged".to_owned(), found, expected)
        };
        // Two beams each, the second of them wrong; both continue from the first. Then only the last two inputs go on,
        // with logits over three labels.
        let beams = |source: &Tensor| {
            let labels = Tensor::from_slice(&[5i64, 2, 7]);
            let mut d = Decoding::new(&g.model.decoder, source, &mask, 2, Some(&labels));
            let wrong = Tensor::stack(&[narrow(0, 2), narrow(0, 2) + 1], 1).flatten(0, 1);
            let _ = d.step(&wrong, None);
            d.reorder(&Tensor::from_slice(
                &(0..2 * rows).map(|r| r / 2 * 2).collect::<Vec<_>>(),
            ));
            d.keep(&Tensor::from_slice(&[rows - 2, rows - 1]));
            let twice = |x: &Tensor| x.repeat_interleave_self_int(2, 0, None);
            let last = narrow(2, 1).narrow(0, rows - 2, 2);
            let found = d.step(&twice(&last), None).squeeze_dim(1);
            let of_labels = expected
                .narrow(0, rows - 2, 2)
                .select(1, 2)
                .index_select(1, &labels);
            ("beams".to_owned(), found, twice(&of_labels))
        };
        g.check(1e-4, || {
            let source = g.source();
            vec![three(&source), ragged(&source), beams(&source)]
        });
    });
}

#[test]
fn bf16_stays_near_fp32() {
    let run = |precision, results: &std::cell::RefCell<Vec<(f64, Tensor)>>| {
        for_each_in(&tiny::golden_copy(), precision, |g| {
            // The golden weights make steep softmaxes, which amplify any rounding; a third of them are like trained ones.
            for mut matrix in g.store.variables().into_values().filter(|v| v.dim() == 2) {
                tch::no_grad(|| matrix *= 1.0 / 3.0);
            }
            let (loss, logits) =
                g.model
                    .loss(g.tensor("input_ids"), &g.mask(), g.tensor("labels"), true);
            assert_eq!(
                (loss.kind(), logits.kind()),
                (Kind::Float, precision.kind())
            );
            loss.backward();
            assert!(
                g.store
                    .variables()
                    .values()
                    .all(|v| v.grad().kind() == Kind::Float),
                "master gradients are fp32"
            );
            results
                .borrow_mut()
                .push((loss.double_value(&[]), logits.detach().to_kind(Kind::Float)));
        });
    };
    let (full, half) = Default::default();
    run(Precision::Fp32, &full);
    run(Precision::Bf16, &half);
    for ((loss, logits), (near_loss, near_logits)) in
        full.into_inner().into_iter().zip(half.into_inner())
    {
        // One rounding to 8 bits is up to 2^-9 = 0.002 of a value.
        let error =
            (&near_logits - &logits).norm().double_value(&[]) / logits.norm().double_value(&[]);
        assert!(
            (near_loss - loss).abs() < 0.01 * loss,
            "loss {loss}, in bf16 {near_loss}"
        );
        assert!(error < 0.02, "logits: relative error {error:e}");
    }
}

#[test]
fn rows_of_like_length_together_are_the_rows_in_one_batch() {
    for_each_in(&tiny::golden_copy(), Precision::Fp32, |g| {
        let (ids, mask) = (g.tensor("input_ids"), g.mask());
        let expected = g.source() * mask.unsqueeze(-1);
        assert!(error(&g.model.encode(ids, &mask), &expected) < 1e-5);
        // Enough rows for several groups, in no order of length.
        let (rows, copies) = (ids.size()[0], 5);
        let repeat = |x: &Tensor| x.repeat([copies, 1]);
        let found = g.model.encode(&repeat(ids), &repeat(&mask));
        for copy in 0..copies {
            let part = found.narrow(0, copy * rows, rows);
            assert!(error(&part, &expected) < 1e-5, "{}: copy {copy}", g.name);
        }
    });
}

#[test]
fn padding_and_segments() {
    for_each_in(&tiny::golden_copy(), Precision::Fp32, |g| {
        let (ids, mask) = (g.tensor("input_ids"), g.mask());
        let source = g.source();
        let garbage = ids.where_self(&mask, &(ids.zeros_like() + 3));
        let other = g
            .model
            .encoder
            .forward(&garbage, &mask, None, false, &mut |_, h| h);
        let valid = mask.unsqueeze(-1).to_kind(Kind::Float);
        assert_eq!(
            &source * &valid,
            other * &valid,
            "{}: what stands under the mask does not matter",
            g.name
        );

        let segments = Tensor::zeros(source.size(), (Kind::Float, Device::Cpu));
        let same = g
            .model
            .encoder
            .forward(ids, &mask, Some(&segments), false, &mut |_, h| h);
        assert_eq!(source, same, "{}: zero segments change nothing", g.name);
    });
}
