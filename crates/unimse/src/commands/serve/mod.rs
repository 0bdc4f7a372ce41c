//! `unimse serve`: a trained run behind a page and a JSON interface on this machine, or line by line on standard input.
//!
//! The main thread owns the model and answers what waits in the queue, several requests in one batch (`worker`); a second thread listens, reads and
//! checks requests (`http`, `request`) and writes answers or what is wrong with the request (`problem`). docs/serve.md is for users.

mod explain;
mod http;
mod limits;
mod openapi;
mod page;
mod problem;
mod request;
mod routes;
mod worker;

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use anyhow::{Context, Result, anyhow};
use unimse_corpus::Split;
use unimse_run::RunFolder;
use unimse_train::config::RunConfig;
use unimse_train::predict::Predictor;
use unimse_train::unify::nearest::Nearest;

use crate::interrupt::POLLED;
use explain::Neighbour;
use routes::Shared;
use worker::Queue;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// A run folder with a trained model. The folder of several seeds answers with the mean of their probabilities.
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Address to listen on. Whoever can reach it can ask the model: beyond this machine only behind something that asks who they are.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8765")]
    listen: SocketAddr,
    /// The ONNX model that described faces for training, where one did (docs/media.md).
    #[arg(long, value_name = "FILE.onnx")]
    video_model: Option<PathBuf>,
    /// Show the texts of the nearest training utterances, to everybody who can reach the address; licences of data sets forbid to publish them.
    #[arg(long)]
    with_text: bool,
    /// Answer JSON lines from standard input as they come, as `predict --input -`, and listen nowhere.
    #[arg(long, conflicts_with_all = ["listen", "with_text"])]
    stdin: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    if args.stdin {
        return super::predict::run_stream(&args.run, args.video_model.as_deref());
    }
    // before the model is loaded, which takes longer
    let listener = TcpListener::bind(args.listen)
        .with_context(|| format!("--listen {}: cannot listen there", args.listen))?;
    let address = listener.local_addr()?;
    let predictor = Predictor::load(&args.run)?;
    let nearest = NearestRows::load(&RunFolder::new(&args.run), args.with_text)
        .inspect_err(|error| eprintln!("warning: no nearest training utterances: {error:#}"));
    let (queue, jobs) = Queue::new();
    let senses = super::predict::senses(&predictor, args.video_model.as_deref())?;
    let shared = Shared {
        queue,
        context: predictor.context(),
        page: page::Page::new(&page::Facts {
            run: &args.run,
            context: predictor.context(),
            speakers: predictor.reads_speakers(),
            senses: &senses,
            neighbours: nearest.is_ok(),
        }),
        senses,
        openapi: openapi::document()?,
        loopback: address.ip().is_loopback(),
    };
    POLLED.store(true, Ordering::SeqCst);
    let server = std::thread::Builder::new()
        .name("listener".to_owned())
        .spawn(move || http::serve(listener, shared))?;
    super::print(&format!("listening on http://{address}\n"))?;
    worker::work(
        &jobs,
        &|inputs| predictor.predict_scores(inputs),
        &|text| match &nearest {
            Ok(nearest) => nearest.of(text),
            Err(_) => Ok(Vec::new()),
        },
    );
    let ended = server.join();
    ended.map_err(|_| anyhow!("the thread that listens stopped"))??;
    // only a signal ends the server
    Ok(ExitCode::from(130))
}

/// Training utterances nearest to a text, with their texts where they may be shown.
struct NearestRows {
    nearest: Nearest,
    texts: HashMap<(String, String), String>,
}

impl NearestRows {
    fn load(run: &RunFolder, with_text: bool) -> Result<Self> {
        let labels = RunConfig::load(&run.config())?.labels;
        let nearest = Nearest::load(&run.labels, &labels.encoder, labels.pooling)?;
        let mut texts = HashMap::new();
        if with_text {
            for corpus in unimse_corpus::read(&run.corpus, &[Split::Train])? {
                let of = |u: &unimse_corpus::Utterance| {
                    let key = (corpus.name.clone(), u.utterance_id.clone());
                    (key, u.text.clone())
                };
                texts.extend(corpus.utterances.iter().map(of));
            }
        }
        Ok(Self { nearest, texts })
    }

    fn of(&self, text: &str) -> Result<Vec<Neighbour>, unimse_train::TrainError> {
        let found = self.nearest.of(text, limits::NEIGHBOURS)?.into_iter();
        let found = found.map(|near| {
            let key = (
                near.utterance.corpus.clone(),
                near.utterance.utterance_id.clone(),
            );
            Neighbour::new(&near, self.texts.get(&key).cloned())
        });
        Ok(found.collect())
    }
}
