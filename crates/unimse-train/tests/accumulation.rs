//! Batches accumulated into an update against the same utterances in one batch: the gradient of the task loss is the same, whatever
//! the sizes of the batches, and in the last, smaller update of an epoch.

use std::collections::BTreeMap;

use tch::{Kind, Tensor};
use unimse_model::UniModel;
use unimse_train::train::accumulation::{completes, share};

use crate::tiny;

/// Takes the gradients by name, and leaves none.
fn take(model: &UniModel) -> BTreeMap<String, Tensor> {
    let gradients = model.parameters().into_iter().filter_map(|(name, p)| {
        let mut gradient = p.grad();
        gradient.defined().then(|| {
            let copy = gradient.copy();
            let _ = gradient.zero_();
            (name, copy)
        })
    });
    gradients.collect()
}

#[test]
fn accumulated_batches_have_the_gradient_of_one_large_batch() {
    for (backbone, decoder) in tiny::KINDS {
        let mut config = tiny::without_dropout(tiny::config(backbone, decoder));
        // The negatives of the contrastive losses are those of a batch: they cannot be the same.
        (config.contrastive.alpha, config.contrastive.beta) =
            (tiny::number(0.0), tiny::number(0.0));
        let model = tiny::shaken(&config, 3);
        let mut targets = tiny::targets(9);
        targets[1].weights.iemocap = 0.25;
        targets[4].label.meld = None; // a label of fewer parts counts as one utterance all the same
        let add = |rows: &[usize], weight: f64| {
            let of_rows: Vec<_> = rows.iter().map(|&row| targets[row].clone()).collect();
            let losses = model.loss(&tiny::rows(rows, 7), &of_rows, true).unwrap();
            losses.backward(weight);
        };
        // One epoch, two batches an update, the last one alone.
        let batches = [vec![0, 1, 2], vec![3], vec![4, 5], vec![6, 7], vec![8]];
        let mut first = 0;
        for at in 0..batches.len() {
            add(&batches[at], share(&batches, at, 2));
            if !completes(at + 1, batches.len(), 2) {
                continue;
            }
            let found = take(&model);
            add(&batches[first..=at].concat(), 1.0);
            let expected = take(&model);
            first = at + 1;
            assert!(found.len() > 20 && found.keys().eq(expected.keys()));
            for (name, expected) in &expected {
                let norm = |x: &Tensor| x.to_kind(Kind::Double).norm().double_value(&[]);
                let (error, size) = (norm(&(&found[name] - expected)), norm(expected));
                assert!(
                    error <= 1e-4 * size + 1e-6,
                    "{backbone:?} {decoder:?}, update before {first}, {name}: {error:e} of {size:e}"
                );
            }
        }
        assert_eq!(first, batches.len());
    }
}
