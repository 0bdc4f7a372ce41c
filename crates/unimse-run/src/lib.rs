//! What crosses the stages of a run, as plain types, and the one way in which its files are written.
//!
//! It must not know a tensor, a table or a data set's layout: it builds in seconds, and every stage may use it. Nothing else parses
//! `results.json`, `events.jsonl`, `receipts.jsonl` or the names in a run folder; `docs/schema` has their JSON Schemas, made from these types.
//!
//! One module, one idea: `folder` (what lies where), `artefact` (files that appear whole or not at all), `lock` (one process at a time),
//! `cache` (what is kept between runs), `card` (how features were made), `labels` (what the unifier did), `event` (what a training tells), `tensorboard` (the same for TensorBoard), `log` (the files of both),
//! `receipt` (openings of the test split), `readout` (how answers are read), `results`, `aggregate` and `pooled` (scores of one seed and of several), `baseline`, `view`, `robustness` and `alignment` (what else results say), `representations` (utterances before and after fusion), `comparison` (runs beside a reference), `scored` (a file of any system),
//! `predicted` (a row of `predictions.parquet`), `answer` (what `predict` says), `plan` (what whoever runs the stages must know), `provenance` (where numbers come from), `data_set` (terms of the data), `dotted` (a configuration as single values), `ro_crate` (what a run folder holds, for machines), `by_name` (a map that keeps its order).
//!
//! # Example
//! ```
//! use unimse_eval::Metric;
//! use unimse_run::{ByName, CorpusResults, FeatureCards, RESULTS_SCHEMA, Results, RunFolder, SplitScores, Task};
//!
//! let place = tempfile::tempdir()?;
//! let test = SplitScores { n: Some(686), metrics: [(Metric::Mae, 0.75)].into(), ..SplitScores::default() };
//! let mosi = CorpusResults { task: Task::Sentiment, features: FeatureCards::default(), dev: None, test };
//! let corpora = ByName::from_iter([("mosi".to_owned(), mosi)]);
//! let results = Results { schema: RESULTS_SCHEMA, corpora, ..Results::default() };
//!
//! let run = RunFolder::new(place.path());
//! results.write(&run.results())?;
//! assert_eq!(Results::read(&run.results())?, results);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod ablation;
mod aggregate;
mod alignment;
mod answer;
pub mod artefact;
mod baseline;
mod by_name;
mod cache;
mod card;
mod comparison;
mod data_set;
mod dotted;
mod event;
mod folder;
mod labels;
mod lock;
mod log;
mod plan;
mod pooled;
mod predicted;
mod provenance;
mod readout;
mod receipt;
mod representations;
mod rests_on;
mod results;
mod ro_crate;
mod robustness;
mod scored;
mod tensorboard;
mod view;

pub use ablation::{ABLATION_SCHEMA, Ablation, AblationRow};
pub use aggregate::AggregateError;
pub use alignment::{Alignment, LayerRetrieval, Retrieval};
pub use answer::{Answer, Classes, Intensity, NonFinite};
pub use artefact::FileError;
pub use baseline::{Baseline, Chosen};
pub use by_name::ByName;
pub use cache::cache_folder;
pub use card::{FeatureCard, FeatureCards};
pub use comparison::{
    COMPARISON_SCHEMA, ComparedCorpus, ComparedMetric, ComparedRun, Comparison, Setting,
};
pub use data_set::{DataSet, OWN_TERMS, SYNTHETIC_TERMS};
pub use dotted::dotted;
pub use event::{DevScores, End, Epoch, Event, EventLog, Start, Step};
pub use folder::{CROISSANT, DOWNSTREAM, MODEL_CARD, RunFolder};
pub use labels::{Agreed, CorpusLabels, FieldLabels, LabelSummary, Leak, SourceCounts, UsedDonor};
pub use lock::{LockError, RunLock};
pub use plan::{Plan, PresetFacts};
pub use pooled::ClassDeviations;
pub use predicted::PredictedRow;
pub use provenance::{Git, Host, PROVENANCE_SCHEMA, Provenance, Source, StageRecord};
pub use readout::{EmotionReadout, IntensityReadout, Readout};
pub use receipt::Receipt;
pub use representations::{
    Plane, REPRESENTATIONS_SCHEMA, Representations, RepresentedRow, Separation,
};
pub use rests_on::{RestsOn, Without};
pub use results::{
    Clusters, Confusion, CorpusResults, FusedLayer, Fusion, OLDEST_SCHEMA, Protocol,
    RESULTS_SCHEMA, Results, ResultsError, SeedScores, SplitScores, Task, Timing, in_words,
};
pub use ro_crate::{Entity, Link, RO_CRATE, RoCrate, address};
pub use robustness::{
    ConditionScores, MissingScores, NoiseScores, Robustness, ShuffledScores, SubsetScores,
};
pub use scored::{Against, Generated, Intervals, SCORED_SCHEMA, Scored, ScoredRows, ScoredTask};
pub use tensorboard::ScalarLog;
pub use view::View;
