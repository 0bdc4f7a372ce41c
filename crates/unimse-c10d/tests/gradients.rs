//! Gradients that are summed while the backward pass runs: the bits of those that are summed after it, and an end for all where one process ends in the pass.

use std::time::{Duration, Instant};

use tch::{Device, Kind, Tensor};
use unimse_c10d::{Group, GroupError, TIMEOUT};

use crate::processes;

/// Of a leaf: 12 MB, so that no bucket holds two.
const LENGTH: i64 = 3 << 20;

/// Leaves in the order of the forward pass, from the same seed everywhere; the last ones are short, and nothing uses the very last.
fn leaves() -> Vec<Tensor> {
    tch::manual_seed(3);
    let lengths = [LENGTH, LENGTH, LENGTH, LENGTH, 5, 7, 3];
    let leaf = |length| Tensor::randn([length], (Kind::Float, Device::Cpu)).set_requires_grad(true);
    lengths.map(leaf).into()
}

/// A loss that is another one in every process and pass. Its backward pass has the gradient of leaf 2 before it reads the same memory for leaves 0 and 1; in odd ranks leaf 5 takes no part.
fn loss(leaves: &[Tensor], rank: usize, pass: usize) -> Tensor {
    tch::manual_seed((10 * pass + rank) as i64);
    let noise = || Tensor::rand([LENGTH], (Kind::Float, Device::Cpu));
    let first = (&leaves[0] * noise() + &leaves[1]).unsqueeze(0);
    let second = first + leaves[2].unsqueeze(0);
    let third = (second.squeeze_dim(0) * noise()).tanh() * &leaves[3];
    let short = match rank % 2 {
        0 => (&leaves[5] * 2.0).sum(Kind::Float),
        _ => Tensor::from(0f32),
    };
    (third.mean(Kind::Float) + leaves[4].square().sum(Kind::Float) + short) * 3.0
}

fn bits(tensor: &Tensor) -> Tensor {
    tensor.contiguous().view_dtype(Kind::Int)
}

/// The gradients after two passes, summed in the order `order` of leaves.
fn summed(group: &Group, order: &[usize], beside: bool) -> Vec<Tensor> {
    let leaves = leaves();
    let ordered: Vec<Tensor> = order.iter().map(|&at| leaves[at].shallow_clone()).collect();
    loss(&leaves, group.rank(), 0).backward();
    let sums = group.gradients(&ordered, beside).unwrap();
    loss(&leaves, group.rank(), 1).backward();
    sums.finish().unwrap();
    leaves.iter().map(Tensor::grad).collect()
}

#[test]
fn sums_beside_the_pass_have_the_bits_of_those_after_it() {
    let name = "gradients::sums_beside_the_pass_have_the_bits_of_those_after_it";
    let Some(group) = processes::joined() else {
        return [2, 3]
            .into_iter()
            .for_each(|size| processes::all_succeed(name, size));
    };
    let alone = leaves();
    (0..2).for_each(|pass| loss(&alone, group.rank(), pass).backward());
    // that of the pass, and one in which every bucket waits for the first to come last
    for order in [[6, 5, 4, 3, 2, 1, 0], [0, 1, 2, 3, 4, 5, 6]] {
        let [after, beside] = [false, true].map(|beside| summed(&group, &order, beside));
        for at in 0..alone.len() {
            assert_eq!(bits(&after[at]), bits(&beside[at]), "leaf {at}");
            let own = match alone[at].grad() {
                own if own.defined() => own,
                _ => alone[at].detach().zeros_like(),
            };
            let all = group.all_gather(&own).unwrap();
            let sum = all.into_iter().reduce(|a, b| a + b).unwrap();
            let gap = (&sum - &after[at]).abs().max().double_value(&[]);
            assert!(
                gap <= 1e-6 * sum.abs().max().double_value(&[]),
                "leaf {at}: {gap:e}"
            );
        }
        let nobody = after[6].abs().max().double_value(&[]);
        assert_eq!(nobody, 0.0);
    }
    group.barrier(TIMEOUT).unwrap();
}

/// The process of rank 1 has begun some of the buckets when it ends.
#[test]
fn a_process_that_ends_in_the_pass_is_missed() {
    let name = "gradients::a_process_that_ends_in_the_pass_is_missed";
    let Some(group) = processes::joined() else {
        let ended = processes::end(processes::begin(name, 2));
        let said = String::from_utf8_lossy(&ended[0].stderr);
        assert!(ended[0].status.success(), "{said}");
        assert!(!ended[1].status.success());
        return;
    };
    let leaves = leaves();
    let sums = group.gradients(&leaves, true).unwrap();
    group.barrier(TIMEOUT).unwrap();
    if group.rank() == 1 {
        (&leaves[0] + &leaves[1]).sum(Kind::Float).backward();
        std::process::abort();
    }
    let begun = Instant::now();
    loss(&leaves, 0, 0).backward();
    let error = sums.finish().unwrap_err();
    let place = matches!(
        error,
        GroupError::Lost {
            rank: 0,
            size: 2,
            ..
        }
    );
    assert!(place, "{error}");
    let said = error.to_string();
    assert!(
        said.contains("summing: another process has ended"),
        "{said}"
    );
    // nothing holds the leaves any more
    loss(&leaves, 0, 1).backward();
    drop(group);
    assert!(
        begun.elapsed() < Duration::from_secs(30),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn what_cannot_be_summed_is_an_error_and_leaves_are_let_go() {
    let name = "gradients::what_cannot_be_summed_is_an_error_and_leaves_are_let_go";
    let Some(group) = processes::joined() else {
        return processes::all_succeed(name, 2);
    };
    let (still, leaf) = (
        Tensor::from(1f32),
        Tensor::from(2f32).set_requires_grad(true),
    );
    let words = "leaves: expected leaves that learn and are not being summed, found ";
    let refused = |leaves: &[Tensor]| {
        let error = group.gradients(leaves, true).unwrap_err().to_string();
        assert!(error.starts_with(words), "{error}");
    };
    refused(&[still]);
    refused(&[&leaf * 2.0]);
    let leaves = [leaf];
    let begun = group.gradients(&leaves, true).unwrap();
    refused(&leaves);
    drop(begun);
    (&leaves[0] * 3.0).backward();
    assert_eq!(leaves[0].grad().double_value(&[]), 3.0, "nobody sums it");
    let twice = group.gradients(&leaves, true).unwrap();
    (0..2).for_each(|_| (&leaves[0] * 3.0).backward());
    let error = twice.finish().unwrap_err().to_string();
    assert!(error.contains("a gradient came twice"), "{error}");
    // the connections are whole
    let sums = group.gradients(&leaves, true).unwrap();
    (&leaves[0] * 3.0).backward();
    sums.finish().unwrap();
    assert_eq!(leaves[0].grad().double_value(&[]), 2.0 * (4.0 * 3.0));
    group.barrier(TIMEOUT).unwrap();
}
