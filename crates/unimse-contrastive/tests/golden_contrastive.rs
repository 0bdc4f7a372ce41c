//! InfoNCE and masked pooling against PyTorch: values 1e-5, gradients 1e-4.

use serde::Deserialize;
use tch::{Kind, Tensor};
use unimse_contrastive::{Negatives, Reduction, info_nce, masked_mean};

use crate::common::{distance, golden, reference, reference_in_batch, rows, tensors};

#[derive(Deserialize)]
struct Case {
    case: serde_json::Value,
    temperature: f64,
    mode: Option<String>,
    loss_mean: f64,
}

fn cases() -> Option<Vec<Case>> {
    let folder = golden().join("contrastive");
    if !folder.is_dir() {
        eprintln!("skipped: golden_contrastive needs {}", folder.display());
        return None;
    }
    Some(
        serde_json::from_str(&std::fs::read_to_string(folder.join("cases.json")).unwrap()).unwrap(),
    )
}

fn leaf(x: &Tensor) -> Tensor {
    x.copy().set_requires_grad(true)
}

fn close(what: &str, found: f64, expected: f64) {
    assert!(
        (found - expected).abs() <= 1e-5 * expected.abs().max(1e-1),
        "{what}: expected {expected}, found {found}"
    );
}

#[test]
fn golden_contrastive_info_nce() {
    let Some(cases) = cases() else { return };
    let blob = tensors(&golden().join("contrastive/cases.safetensors"));
    let mut seen = 0;
    for case in &cases {
        let Some(mode) = case.mode.as_deref() else {
            continue;
        };
        let get = |name: &str| &blob[&format!("{}.{name}", case.case)];
        let (query, positive) = (leaf(get("query")), leaf(get("positive")));
        let given = (mode != "in_batch").then(|| leaf(get("negatives")));
        let negatives = match (mode, given.as_ref()) {
            ("in_batch", None) => Negatives::InBatch,
            ("unpaired", Some(given)) => Negatives::Unpaired(given),
            ("paired", Some(given)) => Negatives::Paired(given),
            other => panic!("unknown mode {other:?}"),
        };
        let loss = info_nce(
            &query,
            &positive,
            negatives,
            None,
            case.temperature,
            Reduction::Mean,
        )
        .unwrap();
        close(
            &format!("case {}", case.case),
            loss.double_value(&[]),
            case.loss_mean,
        );
        let none = info_nce(
            &query,
            &positive,
            negatives,
            None,
            case.temperature,
            Reduction::None,
        )
        .unwrap();
        assert!(
            (&none - get("loss_none")).abs().max().double_value(&[])
                <= 1e-5 * case.loss_mean.max(1.0),
            "case {}",
            case.case
        );
        loss.backward();
        let mut gradients = vec![
            ("grad_query", query.grad()),
            ("grad_positive", positive.grad()),
        ];
        gradients.extend(given.as_ref().map(|n| ("grad_negatives", n.grad())));
        for (name, found) in gradients {
            assert_gradient(&format!("case {} {name}", case.case), &found, get(name));
        }
        seen += 1;

        compare_reference(case, mode, &get);
    }
    assert!(seen > 0, "cases.json names no case with a mode");
}

/// A single anchor without negatives has zero loss and gradients of rounding errors only.
fn assert_gradient(what: &str, found: &Tensor, expected: &Tensor) {
    let largest = |x: &Tensor| x.abs().max().double_value(&[]);
    if largest(expected) > 1e-6 {
        let error = distance(found, expected);
        assert!(error <= 1e-4, "{what}: {error}");
    } else {
        assert!(largest(found) <= 1e-6, "{what}");
    }
}

/// The same numbers once more, in plain f64 Rust: so the reference of the property tests is PyTorch's too.
fn compare_reference<'t>(case: &Case, mode: &str, get: &dyn Fn(&str) -> &'t Tensor) {
    let (q, p) = (rows(get("query")), rows(get("positive")));
    let weights = vec![1.0 / q.len() as f64; q.len()];
    let plain = match mode {
        "in_batch" => reference_in_batch(&q, &p, case.temperature, &weights),
        _ => {
            let own = |i| match mode {
                "unpaired" => rows(get("negatives")),
                _ => rows(&get("negatives").get(i)),
            };
            let keys: Vec<_> = (0..q.len() as i64).map(own).collect();
            reference(&q, &p, &keys, case.temperature, &weights)
        }
    };
    let mean: f64 = plain.losses.iter().zip(&weights).map(|(l, w)| l * w).sum();
    close(
        &format!("reference of case {}", case.case),
        mean,
        case.loss_mean,
    );
    for (name, found) in [
        ("grad_query", plain.query),
        ("grad_positive", plain.positive),
    ] {
        let found = Tensor::from_slice2(&found).to_kind(Kind::Float);
        let expected = get(name);
        let error = (&found - expected).abs().max().double_value(&[]);
        let largest = expected.abs().max().double_value(&[]);
        assert!(error <= 1e-4 * largest + 1e-6, "case {} {name}", case.case);
    }
}

#[test]
fn golden_contrastive_masked_pooling() {
    let Some(cases) = cases() else { return };
    let blob = tensors(&golden().join("contrastive/cases.safetensors"));
    let mut seen = 0;
    for case in cases.iter().filter(|case| case.mode.is_none()) {
        let name = case.case.as_str().unwrap();
        let get = |field: &str| &blob[&format!("{name}.{field}")];
        let (query, key) = (leaf(get("query")), leaf(get("key")));
        let pool = |x: &Tensor, weight: &Tensor, lengths: &Tensor| {
            let steps = Tensor::arange(x.size()[1], (Kind::Int64, x.device()));
            let mask = steps.unsqueeze(0).lt_tensor(&lengths.unsqueeze(1));
            masked_mean(&x.matmul(&weight.tr()), &mask).unwrap()
        };
        let pooled_query = pool(&query, get("w_query"), get("query_lengths"));
        let pooled_key = pool(&key, get("w_key"), get("key_lengths"));
        assert!(distance(&pooled_query, get("pooled_query")) <= 1e-5);
        assert!(distance(&pooled_key, get("pooled_key")) <= 1e-5);
        let loss = info_nce(
            &pooled_query,
            &pooled_key,
            Negatives::InBatch,
            None,
            case.temperature,
            Reduction::Mean,
        )
        .unwrap();
        close(name, loss.double_value(&[]), case.loss_mean);
        loss.backward();
        assert!(distance(&query.grad(), get("grad_query")) <= 1e-4);
        assert!(distance(&key.grad(), get("grad_key")) <= 1e-4);
        seen += 1;
    }
    assert!(seen > 0, "cases.json names no sequence case");
}
