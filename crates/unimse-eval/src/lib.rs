//! Metrics by named convention, bootstrap intervals and verdicts against published numbers, on plain slices.
//!
//! ```
//! use unimse_eval::{Convention, Metric, bootstrap, sentiment, sentiment_metric};
//!
//! let (prediction, truth) = ([1.2, -0.4, 0.3, 2.0], [1.0, -1.0, 0.0, 3.0]);
//! let scores = sentiment(&prediction, &truth, Convention::Mmsa)?;
//! assert_eq!(scores.get(Metric::Acc2Non0), Some(1.0));
//! let mae = sentiment_metric(&prediction, &truth, Convention::Mmsa, Metric::Mae)?;
//! let video_of_row = [0, 0, 1, 1];
//! let interval = bootstrap(&video_of_row, 1000, 1, mae);
//! assert!(interval.low < interval.estimate && interval.estimate < interval.high);
//! # Ok::<(), unimse_eval::EvalError>(())
//! ```
//!
//! In one file each: the metrics by name (`metric`), what every one shares (`scores`), regression metrics for sentiment analysis (`sentiment`),
//! classification metrics for emotion recognition (`emotion`), what probabilities are worth (`calibration` of classes, `coverage` of
//! scores), one emotion that is there or not (`presence`), resampling of clusters (`bootstrap`, its better interval `bca` on `normal`), two
//! models over seeds (`difference`), two systems exchanged (`randomisation`), the paper's numbers (`paper`).
//!
//! Values are f32 or f64 and summed in f64, in the order of the rows that a metric is given; resamples draw clusters in the order of their
//! first row. So equal rows in an equal order give equal bits on any number of threads: whoever wants the same of rows in any order sorts them.
//!
//! The crate reads no files and knows no run folder; it must stay free of LibTorch, arrow and polars.

mod bca;
mod bootstrap;
mod calibration;
mod coverage;
mod difference;
mod emotion;
mod metric;
mod normal;
mod paper;
mod presence;
mod randomisation;
mod scores;
mod sentiment;

pub use bca::jackknife;
pub use bootstrap::{Interval, bootstrap, paired_bootstrap, resample};
pub use calibration::{ReliabilityBin, calibration_metric, reliability};
pub use coverage::{Central, coverage_metric};
pub use difference::{Difference, OverSeeds};
pub use emotion::{ClassScores, EmotionScores, class_f1, class_indices, emotion, emotion_metric};
pub use metric::Metric;
pub use paper::{Cell, Context, Extraction, Features, PaperError, PaperTable, Verdict};
pub use presence::{presence, presence_metric};
pub use randomisation::randomisation;
pub use scores::{EvalError, Scores};
pub use sentiment::{Convention, sentiment, sentiment_metric};
