//! RoBERTa against transformers.

use tch::{Device, Kind, Tensor};
use unimse_model::{BackboneChoice, ModelError, Precision, SentenceEncoder, Tokenizer, backbones};

use crate::{parity, tiny};

const NAME: &str = "roberta";

#[test]
fn golden_roberta_states_and_gradients() {
    let test = "golden_roberta_states_and_gradients";
    let Some(folder) = parity::golden(test, NAME) else {
        return;
    };
    parity::states_and_gradients(&folder);
    parity::padding_changes_nothing(&folder);
}

#[test]
fn golden_roberta_goes_to_transformers_and_comes_back() {
    let test = "golden_roberta_goes_to_transformers_and_comes_back";
    if let Some(folder) = parity::golden(test, NAME) {
        parity::round_trip(test, &folder);
    }
}

#[test]
fn golden_roberta_whole_models_learn() {
    if let Some(folder) = parity::golden("golden_roberta_whole_models_learn", NAME) {
        parity::models_learn(&folder);
    }
}

/// A folder with the `config.json` of the golden one, changed.
fn changed(change: impl Fn(&mut serde_json::Value)) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    let config = tiny::golden_copy().join(NAME).join("config.json");
    let mut config: serde_json::Value =
        serde_json::from_slice(&std::fs::read(config).unwrap()).unwrap();
    change(&mut config);
    let file = place.path().join("config.json");
    std::fs::write(file, config.to_string()).unwrap();
    place
}

#[test]
fn positions_begin_behind_padding() {
    for (padding, rows, most) in [(1, 150, 148), (0, 150, 149), (3, 5, 1)] {
        let place = changed(|c| {
            c["pad_token_id"] = padding.into();
            c["max_position_embeddings"] = rows.into();
            c["model_type"] = "xlm-roberta".into();
        });
        let backbone = backbones::open(place.path(), BackboneChoice::Auto).unwrap();
        assert_eq!(backbone.shape().max_positions, Some(most));
        assert_eq!(backbone.model_type(), "xlm-roberta");
    }
    for (padding, rows, expected) in [
        (
            1,
            2,
            "max_position_embeddings: expected more than pad_token_id + 1 = 2, found 2",
        ),
        (40, 150, "pad_token_id: expected an id below 40, found 40"),
        (-1, 150, "pad_token_id: expected an id below 40, found -1"),
    ] {
        let place = changed(|c| {
            c["pad_token_id"] = padding.into();
            c["max_position_embeddings"] = rows.into();
        });
        let error = backbones::open(place.path(), BackboneChoice::Auto).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

/// One piece a letter in front of `<s>`, `<pad>`, `</s>` as RoBERTa's tokenizer has them.
fn tokenizer() -> String {
    let special = ["<s>", "<pad>", "</s>", "<unk>"].map(str::to_owned);
    let letters = ('a'..='z').map(String::from);
    let vocabulary: serde_json::Map<_, _> = special
        .into_iter()
        .chain(letters)
        .enumerate()
        .map(|(id, piece)| (piece, id.into()))
        .collect();
    serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null, "decoder": null,
        "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "."}, "behavior": "Isolated", "invert": false},
        "post_processor": {"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0], "trim_offsets": true,
            "add_prefix_space": false},
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "<unk>"},
    })
    .to_string()
}

#[test]
fn context_is_joined_as_the_tokenizer_joins_a_pair() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("tokenizer.json"), tokenizer()).unwrap();
    let tokenizer = Tokenizer::from_folder(place.path()).unwrap();
    assert_eq!((tokenizer.pad(), tokenizer.end()), (1, 2));
    let check = |most: usize, expected: &str, segments: &str| {
        let encoded = tokenizer
            .encode(&["ab"], "xyz", &["fg", "h"], most)
            .unwrap();
        let piece = |&id: &i64| match id {
            0 => "[".to_owned(),
            2 => "]".to_owned(),
            id => tokenizer.piece(id).unwrap(),
        };
        let text: String = encoded.ids.iter().map(piece).collect();
        let own: String = encoded.segments.iter().map(i64::to_string).collect();
        assert_eq!(
            (text.as_str(), own.as_str()),
            (expected, segments),
            "{most}"
        );
    };
    // 2 + 3 around and of the current one, 2 + 2, 2 + 2 and 2 + 1 of the others
    check(
        16,
        "[ab]]xyz]]fg]]h]",
        "0000011111222222".get(..16).unwrap(),
    );
    check(15, "[ab]]xyz]]fg]", "0000011111222");
    check(12, "[ab]]xyz]]f]", "000001111122");
    check(11, "[ab]]xyz]", "000001111");
    check(8, "[b]]xyz]", "00001111");
    check(7, "[xyz]", "11111");
    check(4, "[xy]", "1111");
}

#[test]
fn a_sentence_encoder_of_roberta_pools_its_states() {
    let test = "a_sentence_encoder_of_roberta_pools_its_states";
    let Some(golden) = parity::golden(test, NAME) else {
        return;
    };
    let place = tempfile::tempdir().unwrap();
    for name in ["config.json", "model.safetensors"] {
        std::fs::copy(golden.join(name), place.path().join(name)).unwrap();
    }
    std::fs::write(place.path().join("tokenizer.json"), tokenizer()).unwrap();
    let texts = ["joy", "anger and fear", ""].map(str::to_owned);
    let (device, kind) = (Device::Cpu, Precision::Fp32);
    let encoder = tiny::drawn(|| SentenceEncoder::load(place.path(), None, device, kind)).unwrap();
    let rows = encoder
        .encode::<ModelError>(&texts, 3, &mut |_| Ok(()))
        .unwrap();
    let (_store, plain) = parity::open(place.path());
    let tokenizer = Tokenizer::from_folder(place.path()).unwrap();
    for (text, row) in texts.iter().zip(rows.chunks_exact(16)) {
        let ids = Tensor::from_slice(&tokenizer.encode_text(text, 99).unwrap()).unsqueeze(0);
        let mask = ids.ones_like().to_kind(Kind::Bool);
        let states = tch::no_grad(|| parity::states(&*plain, &ids, &mask));
        let mean = states[2]
            .mean_dim([1i64].as_slice(), false, Kind::Float)
            .get(0);
        let difference = Tensor::from_slice(row) - &mean / mean.norm();
        assert!(difference.abs().max().double_value(&[]) < 1e-5, "{text:?}");
    }
}
