//! `unimse unify`: utterance tables to label tables.

use std::path::PathBuf;
use std::process::ExitCode;

use unimse_labels::{DonorProtocol, QueryProtocol};
use unimse_model::Pooling;
use unimse_train::config::RunConfig;
use unimse_train::model::session;
use unimse_train::processes::Processes;
use unimse_train::{unify, unify::embeddings};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Utterance tables, as `ingest` wrote them.
    #[arg(long, value_name = "DIR")]
    corpus: PathBuf,
    /// Where the label tables go.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Configuration of a run whose [labels] section decides; the flags below win over it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Which rows donate: `train` (default), or `all` as the official release did (marked leaky everywhere); `none`, and the controls
    /// `random` and `shuffled`, are there to see what donors are worth.
    #[arg(long, value_name = "train|all|none|random|shuffled")]
    donors: Option<DonorProtocol>,
    /// Which rows take: `train+dev` (default); `all` or `test` label test rows too, or alone: diagnostics that training never reads.
    #[arg(long, value_name = "train+dev|all|test")]
    queries: Option<QueryProtocol>,
    /// Sentence encoder: a folder or a Hub id.
    #[arg(long, value_name = "DIR")]
    encoder: Option<String>,
    /// How it pools: the mean of its states, or that of `[CLS]`; default what its `1_Pooling/config.json` says.
    #[arg(long, value_name = "mean|cls")]
    pooling: Option<Pooling>,
    /// Donors below this cosine are refused.
    #[arg(long, value_name = "S")]
    min_similarity: Option<f32>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = args
        .config
        .as_deref()
        .map_or_else(|| Ok(RunConfig::default()), RunConfig::load)?;
    let mut options = config.labels.options();
    options.donors = args.donors.unwrap_or(options.donors);
    options.queries = args.queries.unwrap_or(options.queries);
    options.min_similarity = args.min_similarity.or(options.min_similarity);
    let encoder = args.encoder.as_deref().unwrap_or(&config.labels.encoder);
    // The pooling of the configuration is that of its encoder.
    let configured = config.labels.pooling.filter(|_| args.encoder.is_none());
    let pooling = args.pooling.or(configured);
    let cache = embeddings::default_cache();
    let processes = Processes::join(session::device())?;
    let summary = unify::run_together(
        &args.corpus,
        &args.out,
        (encoder, pooling),
        cache.as_deref(),
        &options,
        &processes,
    )?;
    let leads = processes.leads();
    for line in unify::summary::lines(&summary).iter().filter(|_| leads) {
        super::print(&format!("{line}\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}
