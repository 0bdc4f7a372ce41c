//! Tokenizers and sentence embeddings against the values of tokenizers and sentence-transformers.

use std::path::{Path, PathBuf};

use tch::{Device, Kind, Tensor};
use unimse_model::weights::read;
use unimse_model::{ModelError, Precision, SentenceEncoder, Tokenizer};

use crate::tiny;

fn golden(test: &str, file: &str) -> Option<PathBuf> {
    let path = tiny::golden().join("text").join(file);
    if !path.is_file() {
        eprintln!("skipped: {test} needs {}", path.display());
        return None;
    }
    Some(path)
}

fn minilm(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("UNIMSE_MINILM").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../.models/all-MiniLM-L6-v2"),
        PathBuf::from,
    );
    if !folder.is_dir() {
        eprintln!(
            "skipped: {test} needs all-MiniLM-L6-v2 in {} (or UNIMSE_MINILM)",
            folder.display()
        );
        return None;
    }
    Some(folder)
}

fn sentences(path: &Path) -> Vec<String> {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn golden_t5_tokenizer() {
    let Some(path) = golden("golden_t5_tokenizer", "t5_tokenizer.json") else {
        return;
    };
    let Some(models) = std::env::var_os("UNIMSE_MODELS") else {
        eprintln!("skipped: golden_t5_tokenizer needs UNIMSE_MODELS");
        return;
    };
    let tokenizer = Tokenizer::from_folder(&PathBuf::from(models).join("t5-tokenizer")).unwrap();
    #[derive(serde::Deserialize)]
    struct Case {
        text: String,
        ids: Vec<i64>,
        decoded: String,
    }
    let cases: Vec<Case> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert!(!cases.is_empty());
    for case in cases {
        assert_eq!(
            tokenizer.encode_text(&case.text, usize::MAX).unwrap(),
            case.ids,
            "{:?}",
            case.text
        );
        assert_eq!(
            tokenizer.decode(&case.ids).unwrap(),
            case.decoded,
            "{:?}",
            case.text
        );
    }
    // T5 has no token in front, and </s> (1) behind every utterance.
    let encoded = tokenizer.encode(&["No."], "What?", &["OK"], 100).unwrap();
    let joined: Vec<i64> = ["No.", "What?", "OK"]
        .iter()
        .flat_map(|t| tokenizer.encode_text(t, 100).unwrap())
        .collect();
    assert_eq!(encoded.ids, joined);
    assert_eq!(
        (tokenizer.end(), tokenizer.pad(), tokenizer.vocabulary()),
        (1, 0, 32100)
    );
}

#[test]
fn golden_minilm() {
    let name = "golden_minilm";
    let Some(path) = golden(name, "minilm_embeddings.safetensors") else {
        return;
    };
    let Some(texts) = golden(name, "minilm_sentences.json") else {
        return;
    };
    let Some(folder) = minilm(name) else { return };
    let expected = read(&path).unwrap().remove("embeddings").unwrap();
    let texts = sentences(&texts);
    let tokenizer = Tokenizer::from_folder(&folder).unwrap();
    let beyond = |text: &String| tokenizer.pieces(text).unwrap().len() > 256;
    assert!(texts.iter().any(beyond), "one text is cut off");
    let encoder =
        tiny::drawn(|| SentenceEncoder::load(&folder, None, Device::Cpu, Precision::Fp32)).unwrap();
    let shape = [texts.len() as i64, encoder.dim()];
    assert_eq!(expected.size(), shape);
    for batch in [1, 16] {
        let mut heard = Vec::new();
        let rows = encoder
            .encode::<ModelError>(&texts, batch, &mut |done| {
                heard.push(done);
                Ok(())
            })
            .unwrap();
        let found = Tensor::from_slice(&rows).view(shape);
        let worst = (&found - &expected).abs().max().double_value(&[])
            / expected.abs().max().double_value(&[]);
        assert!(worst < 1e-4, "batches of {batch}: error {worst:e}");
        let lengths = found.norm_scalaropt_dim(2.0, [-1i64].as_slice(), false);
        assert!((lengths - 1.0).abs().max().double_value(&[]) < 1e-5);
        assert_eq!(heard.last(), Some(&texts.len()));
    }
    let few = &texts[..8];
    let (once, again) = (
        encoder
            .encode::<ModelError>(few, 4, &mut |_| Ok(()))
            .unwrap(),
        encoder
            .encode::<ModelError>(few, 4, &mut |_| Ok(()))
            .unwrap(),
    );
    assert_eq!(once, again, "the same bytes");
    assert!(
        encoder
            .encode::<ModelError>(&[""; 0], 8, &mut |_| Ok(()))
            .unwrap()
            .is_empty()
    );
}

#[test]
fn golden_minilm_bf16_points_the_same_way() {
    let name = "golden_minilm_bf16_points_the_same_way";
    let Some(path) = golden(name, "minilm_embeddings.safetensors") else {
        return;
    };
    let Some(texts) = golden(name, "minilm_sentences.json") else {
        return;
    };
    let Some(folder) = minilm(name) else { return };
    let expected = read(&path).unwrap().remove("embeddings").unwrap();
    let encoder =
        tiny::drawn(|| SentenceEncoder::load(&folder, None, Device::Cpu, Precision::Bf16)).unwrap();
    let rows = encoder
        .encode::<ModelError>(&sentences(&texts), 16, &mut |_| Ok(()))
        .unwrap();
    let found = Tensor::from_slice(&rows).view_as(&expected);
    let cosines = (found * expected).sum_dim_intlist([1i64].as_slice(), false, Kind::Float);
    assert!(
        cosines.min().double_value(&[]) > 0.995,
        "{:?}",
        cosines.min()
    );
}
