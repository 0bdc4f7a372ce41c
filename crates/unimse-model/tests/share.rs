//! A batch that processes share: losses are those of one process that has it whole, and so is the sum of the gradients, with rows that lack
//! audio or video, uneven shares, and processes without a row; sums beside the backward pass are those after it, to the bit.

use std::collections::BTreeMap;

use tch::{Kind, Tensor};
use unimse_c10d::Group;
use unimse_model::{Losses, ModelConfig, Share, UniModel};

use crate::{processes, tiny};

const NAME: &str = "share::processes_that_share_a_batch_learn_what_one_learns_of_it";

/// Takes the gradients by name, and leaves none.
fn take(model: &UniModel) -> BTreeMap<String, Tensor> {
    let gradient = |(name, p): (String, Tensor)| {
        let mut gradient = p.grad();
        let copy = match gradient.defined() {
            true => gradient.copy(),
            false => p.detach().zeros_like(),
        };
        gradient.defined().then(|| gradient.zero_());
        (name, copy)
    };
    model.parameters().into_iter().map(gradient).collect()
}

fn values(losses: &Losses<'_>) -> Vec<f64> {
    let beside = [losses.auxiliary, losses.samples].into_iter().flatten();
    let contrasts = losses.text_audio.iter().chain(&losses.text_video);
    let all = [losses.value, losses.task].into_iter().chain(beside);
    all.chain(contrasts.copied()).collect()
}

fn assert_near(found: &[f64], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        let error = (found - expected).abs();
        assert!(
            error <= 1e-5 * expected.abs().max(1.0),
            "{what}: {found}, expected {expected}"
        );
    }
}

/// One batch of `rows`: the losses and gradients of `shared`, of which each process reads its part, against those of `whole`; and those of `beside`, whose gradients are summed
/// while the backward pass runs.
fn step(group: &Group, rows: &[usize], [whole, shared, beside]: [&UniModel; 3], what: &str) {
    let (rank, size, all) = (group.rank(), group.size(), rows.len());
    let mut targets = tiny::targets(all);
    targets[1].weights.iemocap = 0.25;
    targets[0].label.meld = None;
    // the last row holds the utterance of the first one
    let utterance = |at: usize| if at + 1 == all { 0 } else { at as i64 };
    let batch = |own: std::ops::Range<usize>| {
        let mut batch = tiny::rows(&rows[own.clone()], 7);
        let identity: Vec<i64> = own.clone().map(utterance).collect();
        batch.identity = Some(Tensor::from_slice(&identity));
        (batch, targets[own].to_vec())
    };
    let (everything, own) = (0..all, all * rank / size..all * (rank + 1) / size);
    let read = if own.is_empty() { 0..1 } else { own.clone() };

    let (batch_of_all, targets_of_all) = batch(everything);
    let of_one = whole.training_loss(&batch_of_all, &targets_of_all, 0.5, None);
    let of_one = of_one.unwrap();
    let share = Share::new(group, own.len(), all);
    let (batch, targets) = batch(read);
    let [found, also] = [shared, beside].map(|model| {
        let of_all = model.training_loss(&batch, &targets, 0.5, Some(&share));
        let of_all = of_all.unwrap();
        assert_near(&values(&of_all), &values(&of_one), what);
        let in_pass = std::ptr::eq(model, beside) && !model.config().checkpointing;
        let sums = group.gradients(&model.trained(), in_pass).unwrap();
        of_all.backward(1.0);
        sums.finish().unwrap();
        take(model)
    });
    of_one.backward(1.0);
    let expected = take(whole);
    let norm = |x: &Tensor| x.to_kind(Kind::Double).norm().double_value(&[]);
    let largest = expected.values().map(norm).fold(0.0, f64::max);
    for (name, found) in &found {
        let bits = |x: &Tensor| x.view_dtype(Kind::Int);
        assert_eq!(bits(found), bits(&also[name]), "{what}, {name}");
        let (error, size) = (norm(&(found - &expected[name])), norm(&expected[name]));
        assert!(
            error <= 1e-4 * size + 1e-6 * largest,
            "{what}, {name}: {error:e} of {size:e}"
        );
    }
}

fn levers(mut config: ModelConfig) -> ModelConfig {
    config.contrastive.samples = tiny::number(0.5);
    config.contrastive.queue = tiny::number(3);
    config.contrastive.kernel = tiny::number(3);
    config.contrastive.symmetric = true;
    config.loss.auxiliary = tiny::number(0.3);
    config.loss.r_drop = tiny::number(0.5);
    config
}

#[test]
fn processes_that_share_a_batch_learn_what_one_learns_of_it() {
    let Some(group) = processes::joined() else {
        // with seven there are more than rows, and rows without audio and video stand alone
        return [2, 7]
            .into_iter()
            .for_each(|size| processes::all_succeed(NAME, size));
    };
    for (backbone, decoder) in tiny::KINDS {
        let plain = tiny::without_dropout(tiny::config(backbone, decoder));
        let mut few = plain.clone();
        // more than any process has, no more than all have
        few.contrastive.min_rows = tiny::number(3);
        let mut recomputed = levers(plain.clone());
        recomputed.checkpointing = true;
        let configs = [plain.clone(), few, levers(plain), recomputed];
        for (at, config) in configs.iter().enumerate() {
            let models = [(); 3].map(|()| tiny::shaken(config, 3));
            let models = models.each_ref();
            // a queue of three is full after the first; nobody has audio in the last
            for rows in [&[0, 1, 2, 3, 4][..], &[3, 2, 5, 1], &[1, 1, 1]] {
                let what = format!("{backbone:?} {decoder:?}, configuration {at}, rows {rows:?}");
                step(&group, rows, models, &what);
            }
        }
    }
}
