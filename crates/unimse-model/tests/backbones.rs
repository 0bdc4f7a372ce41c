//! The registry: which backbone a checkpoint is, which pairs cannot be built, where the blocks of every backbone lie.

use std::path::Path;

use tch::Device;
use tch::nn::VarStore;
use unimse_model::backbones::{self, model_types};
use unimse_model::config::TextConfig;
use unimse_model::unimodel;
use unimse_model::{BackboneChoice, Decoder, ModelConfig, Precision, UniModel};

use crate::tiny;

/// `config.json` of a small model of any kind: each reads the fields it knows.
fn describe(folder: &Path, model_type: Option<&str>) {
    let mut config = serde_json::json!({
        "vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 24,
        "max_position_embeddings": 40, "d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 3, "num_heads": 2,
    });
    if let Some(model_type) = model_type {
        config["model_type"] = model_type.into();
    }
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
}

fn named(model_type: &str) -> BackboneChoice {
    model_type.parse().unwrap()
}

#[test]
fn the_model_type_decides_and_a_name_must_agree() {
    let place = tempfile::tempdir().unwrap();
    for model_type in model_types() {
        describe(place.path(), Some(model_type));
        for choice in [BackboneChoice::Auto, named(model_type)] {
            let backbone = backbones::open(place.path(), choice).unwrap();
            assert_eq!(backbone.model_type(), model_type);
            assert_eq!((backbone.shape().dim, backbone.shape().layers), (16, 3));
        }
    }
    let file = place.path().join("config.json");
    let fails = |found: Option<&str>, choice, expected: &str| {
        describe(place.path(), found);
        let error = backbones::open(place.path(), choice).unwrap_err();
        let expected = format!("{}: model_type: expected {expected}", file.display());
        assert_eq!(error.to_string(), expected);
    };
    let all = format!("one of {}", model_types().join(", "));
    fails(
        Some("gpt2"),
        BackboneChoice::Auto,
        &format!("{all}, found \"gpt2\""),
    );
    fails(None, BackboneChoice::Auto, &format!("{all}, found nothing"));
    let disagree = "\"t5\", as model.backbone says, found \"bert\"";
    fails(Some("bert"), named("t5"), disagree);
    describe(place.path(), None);
    let found = backbones::open(place.path(), named("t5")).unwrap();
    assert_eq!(found.model_type(), "t5", "a name alone is believed");
}

#[test]
fn a_configuration_names_a_backbone() {
    let parse = |name: &str| -> Result<TextConfig, _> {
        serde_json::from_value(serde_json::json!({ "backbone": name }))
    };
    assert_eq!(TextConfig::default().backbone, BackboneChoice::Auto);
    assert_eq!(parse("auto").unwrap().backbone, BackboneChoice::Auto);
    // what runs of before there was a choice say
    assert_eq!(parse("minilm").unwrap().backbone, named("bert"));
    let known = model_types();
    assert!(known.is_sorted() && known.contains(&"bert") && known.contains(&"t5"));
    for name in &known {
        let text = serde_json::to_value(parse(name).unwrap()).unwrap();
        assert_eq!(text["backbone"], *name);
    }
    let error = parse("gpt2").unwrap_err().to_string();
    let expected = format!("expected auto, {}, found gpt2", known.join(", "));
    assert!(error.contains(&expected), "{error}");
}

#[test]
fn a_decoder_that_the_backbone_lacks_is_refused_by_its_key() {
    let place = tempfile::tempdir().unwrap();
    for model_type in model_types() {
        describe(place.path(), Some(model_type));
        let _generator = tiny::seeded(1);
        let mut config = ModelConfig::default();
        config.model.decoder = Decoder::T5;
        let (grammar, dims) = (tiny::GRAMMAR(), tiny::dims());
        let built = UniModel::new(
            &config,
            &grammar,
            place.path(),
            &dims,
            Device::Cpu,
            Precision::Fp32,
        );
        let error = built.unwrap_err().to_string();
        let of_key = error.starts_with("model.decoder: expected \"label\"");
        // T5 has one, and lacks no more than its tokenizer here
        assert_eq!(of_key, model_type != "t5", "{error}");
        assert_eq!(error.contains("tokenizer.json"), model_type == "t5");
        assert_eq!(
            unimodel::backbone(&config, place.path()).is_ok(),
            model_type == "t5"
        );
    }
}

#[test]
fn the_last_blocks_of_every_backbone_are_known_by_name() {
    let place = tempfile::tempdir().unwrap();
    for model_type in model_types() {
        describe(place.path(), Some(model_type));
        let backbone = backbones::open(place.path(), BackboneChoice::Auto).unwrap();
        let _generator = tiny::seeded(1);
        let store = VarStore::new(Device::Cpu);
        let encoder = backbone.encoder(&store.root(), Precision::Fp32);
        assert_eq!(encoder.shape(), backbone.shape());
        let mut inside = [0; 3];
        let names = store.variables();
        for name in names.keys() {
            if let Some((stack, at)) = backbone.block(name) {
                assert_eq!(stack, "encoder", "{model_type}: {name}");
                inside[at] += 1;
            }
        }
        // T5's first block holds the relative bias of all
        let extra = usize::from(model_type == "t5");
        assert!(inside[2] > 7, "{model_type}: {inside:?}");
        assert_eq!(inside, [inside[2] + extra, inside[2], inside[2]]);
    }
}

#[test]
fn the_numbers_of_a_backbone_are_those_of_its_matrices() {
    let place = tempfile::tempdir().unwrap();
    for model_type in model_types() {
        describe(place.path(), Some(model_type));
        let backbone = backbones::open(place.path(), BackboneChoice::Auto).unwrap();
        let _generator = tiny::seeded(1);
        let store = VarStore::new(Device::Cpu);
        if backbone.own_decoder().is_some() {
            let config = unimse_model::t5::T5Config::from_folder(place.path()).unwrap();
            drop(unimse_model::t5::T5::new(
                &store.root(),
                &config,
                Precision::Fp32,
            ));
        } else {
            drop(backbone.encoder(&store.root(), Precision::Fp32));
        }
        let variables = store.variables().into_values();
        let matrices = variables.filter(|t| t.dim() == 2);
        let counted: usize = matrices.map(|t| t.numel()).sum();
        let (counted, said) = (counted as f64, backbone.parameters() as f64);
        // the tables of relative positions are left out, or types that there are none of
        assert!(
            (said / counted - 1.0).abs() < 0.05,
            "{model_type}: {said} of {counted}"
        );
    }
}
