//! The facade of the workspace: every stage of UniMSE under one name, and the presets of the binary.
//!
//! Import a single crate (`unimse-labels`, `unimse-eval`, `unimse-formats`) where you need no LibTorch; import this one for the
//! whole pipeline. It must not hold logic of its own beyond presets.
//!
//! # Example
//! ```
//! use unimse::labels::{Field, Grammar};
//! let grammar = Grammar::new(&[Field::Intensity, Field::Meld]);
//! let parsed = grammar.parse("positive,1.6,joy")?;
//! assert_eq!(parsed.label.intensity, Some(1.6));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod presets;

pub use unimse_contrastive as contrastive;
pub use unimse_corpus as corpus;
pub use unimse_eval as eval;
pub use unimse_formats as formats;
pub use unimse_labels as labels;
pub use unimse_media as media;
pub use unimse_model as model;
pub use unimse_report as report;
pub use unimse_run as run;
pub use unimse_train as train;
