//! Kernels whose cost is a ratio to a fixed reference: each closure is one repeat of fixed work on fixed input, on one thread.

use std::hint::black_box;
use std::path::Path;

use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};
use unimse_contrastive::{Negatives, Reduction, info_nce};
use unimse_labels::{Field, Grammar};
use unimse_media::mel::{MelSettings, mel_power};
use unimse_model::t5::{T5, T5Config};
use unimse_model::text_decoder::TextDecoder;
use unimse_model::{ModelError, Precision, SentenceEncoder, Tokenizer};
use unimse_run::RunFolder;
use unimse_train::config::RunConfig;
use unimse_train::train::optimizer::{Group, Optimizer, Rule};

use crate::backbones::backbone;
use crate::donor_rows::{DIM, best_two, normalise};
use crate::tables::tables;
use crate::training::Bare;
use crate::values::values;
use crate::{Failure, Part, Work};

/// All of them, in the order in which they are listed.
pub(crate) const PARTS: &[Part] = &[
    Part::new("donors", 2 * 1024 * 1024, donors), // pairs
    Part::new("mel", 32000, mel),                 // samples
    Part::new("optimizer", 64 * 512 * 512, optimizer), // parameters
    Part::new("infonce", 50 * 256, infonce),      // anchors
    Part::new("sentences", 32, sentences),        // texts
    Part::new("minilm/step", 8, minilm_step),     // utterances
    Part::new("minilm/predict", 8, minilm_predict), // utterances
    Part::new("t5/step", 8, t5_step),             // utterances
    Part::new("t5/labels", 8, t5_labels),         // labels
];

/// Best two of 1024 x 1024 rows of 384 values, both ways.
fn donors(_: &Path) -> Result<Work, Failure> {
    let [left, right] = [1, 2].map(|seed| {
        let mut rows = values(1024 * DIM, seed);
        normalise(&mut rows, DIM);
        rows
    });
    Ok(Box::new(move || {
        black_box(best_two(&left, &right)?);
        Ok(())
    }))
}

/// Two seconds of sound.
fn mel(_: &Path) -> Result<Work, Failure> {
    let (samples, settings) = (values(32_000, 3), MelSettings::default());
    Ok(Box::new(move || {
        black_box(mel_power(&samples, settings));
        Ok(())
    }))
}

/// One update of 16 million parameters: as many as the reference streams.
fn optimizer(_: &Path) -> Result<Work, Failure> {
    let store = VarStore::new(Device::Cpu);
    let init = tch::nn::Init::Uniform { lo: -0.1, up: 0.1 };
    let parameters: Vec<_> = (0..64)
        .map(|i| {
            let name = format!("p{i}");
            let value = store.root().var(&name, &[512, 512], init);
            (name, 0, value)
        })
        .collect();
    for (_, _, value) in &parameters {
        (value * 0.01).square().sum(Kind::Float).backward();
    }
    let group = Group {
        lr: 1e-4,
        weight_decay: 1e-4,
    };
    let mut optimizer = Optimizer::new(Rule::AdamW, vec![group], parameters)?;
    Ok(Box::new(move || {
        optimizer.step(1.0, Some(1.0))?;
        Ok(())
    }))
}

/// Loss and gradient of 256 anchors of 64 values against each other, fifty times.
fn infonce(_: &Path) -> Result<Work, Failure> {
    let rows = |seed| Tensor::from_slice(&values(256 * 64, seed)).view([256, 64]);
    let (query, positive) = (rows(4).set_requires_grad(true), rows(5));
    Ok(Box::new(move || {
        let batch = Negatives::InBatch;
        for _ in 0..50 {
            let loss = info_nce(&query, &positive, batch, None, 0.1, Reduction::Mean)?;
            drop(Tensor::run_backward(&[loss], &[&query], false, false));
        }
        Ok(())
    }))
}

/// The folder of MiniLM.
pub(crate) fn encoder() -> Result<std::path::PathBuf, Failure> {
    Ok(backbone("all-MiniLM-L6-v2")
        .ok_or(".models/all-MiniLM-L6-v2: absent; cargo xtask setup fetches it")?)
}

/// 32 sentences, in f32.
fn sentences(_: &Path) -> Result<Work, Failure> {
    let model = SentenceEncoder::load(&encoder()?, None, Device::Cpu, Precision::Fp32)?;
    let text = |i: u32| format!("Number {i} was not what we had hoped for, was it?");
    let texts: Vec<String> = (0..32).map(text).collect();
    Ok(Box::new(move || {
        black_box(model.encode::<ModelError>(&texts, 32, &mut |_| Ok(()))?);
        Ok(())
    }))
}

/// A training of MiniLM on demo data, whose batches hold eight utterances.
fn bare(place: &Path) -> Result<Bare, Failure> {
    let encoder = encoder()?.display().to_string();
    let overrides = [
        format!("model.checkpoint={encoder}"),
        "train.unfreeze=all".to_owned(),
        "train.batch=8".to_owned(),
    ];
    let config = RunConfig::merge(None, None, &overrides)?;
    let place = place.join("training");
    if !place.exists() {
        std::fs::create_dir(&place)?;
        tables(&place, &config, &encoder)?;
    }
    let run = RunFolder {
        run: place.join("run"),
        corpus: place.join("corpus"),
        labels: place.join("labels"),
    };
    Bare::new(&config, &run)
}

fn minilm_step(place: &Path) -> Result<Work, Failure> {
    let mut bare = bare(place)?;
    Ok(Box::new(move || bare.step(0)))
}

fn minilm_predict(place: &Path) -> Result<Work, Failure> {
    let bare = bare(place)?;
    Ok(Box::new(move || {
        let model = bare.session.model.inference();
        black_box(model.predict(&bare.batches[0].0)?);
        Ok(())
    }))
}

/// `place/t5`: a configuration of the t5-small shape with three blocks, and MiniLM's tokenizer: what it cuts labels into does not matter here.
fn t5_folder(place: &Path) -> Result<(), Failure> {
    let folder = place.join("t5");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(
        folder.join("config.json"),
        r#"{"architectures": ["T5ForConditionalGeneration"], "model_type": "t5", "vocab_size": 32128, "d_model": 512,
            "d_kv": 64, "d_ff": 2048, "num_layers": 3, "num_heads": 8, "dropout_rate": 0.1, "decoder_start_token_id": 0,
            "eos_token_id": 1, "pad_token_id": 0, "is_encoder_decoder": true}"#,
    )?;
    std::fs::copy(
        encoder()?.join("tokenizer.json"),
        folder.join("tokenizer.json"),
    )?;
    Ok(())
}

/// A T5 with random weights in the precision that a training on this machine takes, and a batch of 8 x 24 tokens with its mask.
fn t5(place: &Path) -> Result<(VarStore, T5, [Tensor; 2]), Failure> {
    t5_folder(place)?;
    let config = T5Config::from_folder(&place.join("t5"))?;
    let store = VarStore::new(Device::Cpu);
    let model = T5::new(&store.root(), &config, Precision::auto(Device::Cpu));
    let tokens = (Tensor::arange(8 * 24, (Kind::Int64, Device::Cpu)) + 100).view([8, 24]);
    let mask = tokens.ones_like().to_kind(Kind::Bool);
    Ok((store, model, [tokens, mask]))
}

/// Forward and backward of a batch.
fn t5_step(place: &Path) -> Result<Work, Failure> {
    let (store, model, [tokens, mask]) = t5(place)?;
    let labels = tokens.narrow(1, 0, 12);
    Ok(Box::new(move || {
        let (loss, _) = model.loss(&tokens, &mask, &labels, true);
        loss.backward();
        for mut variable in store.trainable_variables() {
            variable.zero_grad();
        }
        Ok(())
    }))
}

/// Labels of a batch, constrained by the grammar.
fn t5_labels(place: &Path) -> Result<Work, Failure> {
    let (store, model, [tokens, mask]) = t5(place)?;
    let folder = place.join("t5");
    let grammar = Grammar::new(&[Field::Intensity, Field::Meld, Field::Iemocap]);
    let tokenizer = Tokenizer::from_folder(&folder)?;
    let decoder = TextDecoder::new(&grammar, tokenizer, model.config())?;
    let cast = model.cast();
    Ok(Box::new(move || {
        let _alive = &store;
        let source = cast.encode(&tokens, &mask);
        black_box(decoder.generate(&cast.decoder, &source, &mask));
        Ok(())
    }))
}
