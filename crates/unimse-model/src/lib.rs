//! The neural half of UniMSE: text backbones (T5, BERT and its descendants), LSTM encoders, pre-trained modality fusion, label
//! decoding, tokenisation, weights and the sentence encoder of the label unifier.
//!
//! Every tensor named here is a [`tch::Tensor`]. Shapes stand in brackets, as in `[batch, time, dim]`.
//! Weights are fp32 always; a layer casts its weight to the kind of its input, so the kind of the embeddings
//! ([`Precision`]) decides the kind of the whole pass. Norms and softmax compute in fp32.
//!
//! What this crate must not do: know a data set or its files, read labels, train, or print.
//!
//! ```no_run
//! use unimse_model::{Precision, SentenceEncoder};
//! let encoder = SentenceEncoder::load("all-MiniLM-L6-v2".as_ref(), None, tch::Device::Cpu, Precision::Fp32)?;
//! let rows = encoder.encode::<unimse_model::ModelError>(&["I can't believe you did that!"], 32, &mut |_| Ok(()))?;
//! assert_eq!(rows.len() as i64, encoder.dim());
//! # Ok::<(), unimse_model::ModelError>(())
//! ```

mod attention;
mod auxiliary;
mod contrast;
mod error;
mod generate;
#[cfg(test)]
mod generator;
mod mismatch;
mod parameters;
mod post_norm;
mod relative_bias;
mod samples;
mod share;
mod variables;

pub mod automaton;
pub mod backbones;
pub mod batch;
pub mod checkpoint;
pub mod checkpointing;
pub mod config;
pub mod cpu;
pub mod encoder;
pub mod feature_batch;
pub mod fusion;
pub mod head;
pub mod hub;
pub mod label_decoder;
pub mod layers;
pub mod losses;
pub mod lstm;
mod marginals;
pub mod parallel;
pub mod precision;
pub mod sentence;
pub mod t5;
pub mod text_decoder;
pub mod tokenizer;
pub mod unimodel;
pub mod weights;

pub use backbones::{Backbone, BackboneChoice};
pub use batch::{Batch, Prediction, Target};
pub use config::{Decoder, FeatureDims, Modality, ModelConfig};
pub use encoder::{Hook, Shape, TextEncoder, no_hook};
pub use error::{ModelError, Result};
pub use feature_batch::{BatchError, FeatureGroup, ModalityBatch, SequenceRef};
pub use head::Head;
pub use hub::resolve;
pub use losses::Losses;
pub use mismatch::Mismatch;
pub use precision::Precision;
pub use sentence::{Pooling, SentenceEncoder, Sentences};
pub use share::Share;
pub use tokenizer::{Encoded, Tokenizer};
pub use unimodel::{Inference, Keys, Observed, ParameterGroup, UniModel};
