//! A decoder whose last two of three blocks are fused, by teacher forcing and token by token.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};

use super::Decoding;
use crate::checkpointing::Tape;
use crate::fusion::{Fusion, Others};
use crate::generator::seeded;
use crate::layers::Embedding;
use crate::t5::{Memory, T5Config, T5Decoder};

const FLOAT: (Kind, Device) = (Kind::Float, Device::Cpu);
const INTEGER: (Kind, Device) = (Kind::Int64, Device::Cpu);

struct Case {
    decoder: T5Decoder,
    _store: VarStore,
    /// `[3, 5, 8]`.
    source: Tensor,
    mask: Tensor,
    /// Of three inputs, of which the second is not fused.
    others: Others,
    /// `[3, 4]`.
    inputs: Tensor,
}

impl Case {
    fn new() -> Self {
        let _generator = seeded(3);
        let place = tempfile::tempdir().unwrap();
        let config = serde_json::json!({
            "model_type": "t5", "vocab_size": 20, "d_model": 8, "d_kv": 4, "d_ff": 12, "num_layers": 1, "num_decoder_layers": 3, "num_heads": 2,
        });
        std::fs::write(place.path().join("config.json"), config.to_string()).unwrap();
        let config = T5Config::from_folder(place.path()).unwrap();
        let store = VarStore::new(Device::Cpu);
        let root = store.root();
        let embedding = Embedding::new(&(&root / "shared"), 20, 8, 1.0);
        let fusion = |block: i64| Fusion::new(&(&root / "fusion" / block), 8, 3 + 2, 4, false, 0.0);
        let decoder = T5Decoder::new(&(&root / "decoder"), &config, embedding, None);
        let lengths = Tensor::from_slice(&[5i64, 3, 1]).unsqueeze(1);
        Self {
            decoder: decoder.with_fusions((1..3).map(fusion).collect()),
            _store: store,
            source: Tensor::randn([3, 5, 8], FLOAT),
            mask: lengths.gt_tensor(&Tensor::arange(5, INTEGER)),
            others: Others {
                states: vec![Tensor::randn([3, 3], FLOAT), Tensor::randn([3, 2], FLOAT)],
                fused: Some(Tensor::from_slice(&[true, false, true])),
            },
            inputs: Tensor::randint(20, [3, 4], INTEGER),
        }
    }

    /// Logits `[3, 4, 20]` by teacher forcing.
    fn taught(&self, decoder: &T5Decoder, others: &Others) -> Tensor {
        let memory = Memory {
            states: &self.source,
            mask: &self.mask,
            others: Some(others),
        };
        tch::no_grad(|| decoder.forward_on(&Tape::plain(), &self.inputs, &memory, false))
    }

    fn decoding(&self) -> Decoding {
        Decoding::new(&self.decoder, &self.source, &self.mask, 1, None).with_others(&self.others)
    }
}

#[track_caller]
fn assert_near(found: &Tensor, expected: &Tensor) {
    assert_eq!(found.size(), expected.size());
    let off = (found - expected).abs().max().double_value(&[]);
    assert!(
        off < 1e-5 * (1.0 + expected.abs().max().double_value(&[])),
        "{off}"
    );
}

#[test]
fn token_by_token_it_gives_what_teacher_forcing_gives() {
    let case = Case::new();
    let whole = case.taught(&case.decoder, &case.others);
    assert_near(&case.decoding().step(&case.inputs, None), &whole);

    // two hypotheses of each input from the second token on, without the first input from the third on
    let mut decoding = case.decoding();
    let first = decoding.step(&case.inputs.narrow(1, 0, 1), None);
    assert_near(&first, &whole.narrow(1, 0, 1));
    let rows = Tensor::from_slice(&[0i64, 0, 1, 1, 2, 2]);
    let [inputs, whole] = [&case.inputs, &whole].map(|x| x.index_select(0, &rows));
    decoding.branch(&rows, 2);
    let second = decoding.step(&inputs.narrow(1, 1, 1), None);
    assert_near(&second, &whole.narrow(1, 1, 1));
    decoding.keep(&Tensor::from_slice(&[1i64, 2]));
    let rest = |x: &Tensor| x.narrow(0, 2, 4).narrow(1, 2, 2);
    assert_near(&decoding.step(&rest(&inputs), None), &rest(&whole));
}

#[test]
fn fused_rows_take_their_own_states_and_other_rows_none() {
    let case = Case::new();
    let plain = case
        .decoder
        .cast(Kind::Float, None)
        .with_fusions(Vec::new());
    let plain = case.taught(&plain, &case.others);
    let fused = case.taught(&case.decoder, &case.others);
    let equal = |a: &Tensor, b: &Tensor, row: i64| a.get(row).equal(&b.get(row));
    let rows = [0, 1, 2].map(|row| equal(&plain, &fused, row));
    assert_eq!(rows, [false, true, false]);

    let mut louder = case.others.share();
    let loud = louder.states[0].index_fill(0, &Tensor::from_slice(&[2i64]), 9.0);
    louder.states[0] = loud;
    let louder = case.taught(&case.decoder, &louder);
    let rows = [0, 1, 2].map(|row| equal(&louder, &fused, row));
    assert_eq!(rows, [true, true, false]);
}
