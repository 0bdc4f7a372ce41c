//! Metrics by named convention, bootstrap intervals and verdicts against published numbers, on plain slices.
//!
//! ```
//! use unimse_eval::{Convention, Metric, resample, sentiment, sentiment_measure};
//!
//! let (prediction, truth) = ([1.2, -0.4, 0.3, 2.0], [1.0, -1.0, 0.0, 3.0]);
//! let scores = sentiment(&prediction, &truth, Convention::Mmsa)?;
//! assert_eq!(scores.get(Metric::Acc2Non0), Some(1.0));
//! let metrics = [Metric::Mae, Metric::Acc7];
//! let measure = sentiment_measure(&prediction, &truth, Convention::Mmsa, &metrics)?;
//! let video_of_row = [0, 0, 1, 1];
//! let resampled = resample(&measure, &video_of_row, 1000, 1);
//! let interval = resampled[0].interval(); // that of the MAE
//! assert!(interval.low < interval.estimate && interval.estimate < interval.high);
//! # Ok::<(), unimse_eval::EvalError>(())
//! ```
//!
//! In one file each: the metrics by name (`metric`), what every one shares (`scores`), regression metrics for sentiment analysis (`sentiment`),
//! classification metrics for emotion recognition (`emotion`), what probabilities are worth (`calibration` of classes, `coverage` of
//! scores), one emotion that is there or not (`presence`). All of them are functions of sums over rows (`measure`), which clusters of rows add to
//! (`clusters`): so resamples of clusters (`bootstrap`) and what is left without one of them (`bca`, on `normal`) cost a few additions each, and so
//! do two systems exchanged (`randomisation`); millions of clusters are first dealt into groups (`deal`). What comes of them is an `interval`, the `difference` of two models, or a verdict against the
//! paper's numbers (`paper`).
//!
//! Values are f32 or f64 and summed in f64, in the order of the rows that a metric is given; resamples sum each cluster and then the clusters, as
//! they are drawn, of those in the order of their first row. So equal rows in an equal order give equal bits on any number of threads: whoever wants the same of rows in any order sorts them.
//!
//! The crate reads no files and knows no run folder; it must stay free of LibTorch, arrow and polars.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod bca;
mod bootstrap;
mod calibration;
mod clusters;
mod coverage;
mod deal;
mod difference;
mod emotion;
mod interval;
mod measure;
mod metric;
mod normal;
mod paper;
mod presence;
mod randomisation;
mod scores;
mod sentiment;

pub use bca::jackknife;
pub use bootstrap::{Resampled, resample, resample_while};
pub use calibration::{ReliabilityBin, calibration_measure, reliability};
pub use coverage::{Central, coverage_measure};
pub use deal::deal;
pub use difference::Difference;
pub use emotion::{ClassScores, EmotionScores, class_f1, class_indices, emotion, emotion_measure};
pub use interval::Interval;
pub use measure::Measure;
pub use metric::Metric;
pub use paper::{Cell, Context, Extraction, Features, PaperError, PaperTable, Verdict};
pub use presence::presence_measure;
pub use randomisation::randomisation;
pub use scores::{EvalError, Scores};
pub use sentiment::{Convention, sentiment, sentiment_measure};
