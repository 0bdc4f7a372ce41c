//! `unimse predict`: text, rows `text, context, context_after, dialogue_id, turn, audio, video, clip, start_s, end_s` and any further columns, or
//! a clip with what is said in it, to JSON lines in the same order.

mod asr;
mod clip;
mod page;
mod stream;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use anyhow::{Context, Result, bail};
use unimse_run::Answer;
use unimse_train::predict::rows::{self, Neighbours, Row};
use unimse_train::predict::{Input, Predictor, Senses};

use super::rows::objects;
use crate::interrupt::{INTERRUPTED, POLLED};

/// Rows of standard input that are answered and printed at a time, at most.
const CHUNK: usize = 64;

/// What `--help` says beyond the options.
const ABOUT_ROWS: &str = "\
Prints one JSON line a row, in order. A row has `text`, and may have `context` and `context_after` (lists of texts), `audio` and `video` (a \
.npy file, for audio a .wav file or {\"wav\": its bytes in base64}, or lists [steps, features]; one list is one step), `dialogue_id` and \
`turn`. A turn of a context is a text, or {\"speaker\": name, \"text\": text}.

A row may name a `clip`, a sound or video file, and with `start_s` and `end_s` the part of it in which the utterance is said: its sound \
becomes the features that the model was trained on, unless the row brings features itself. --clip makes such rows of one clip and its \
transcript, one dialogue. The answer to such a row says in `rests_on` which modalities were read, which are absent and why, and what the \
model says without audio, without video and without both.

Rows with a `dialogue_id` are read in the context of their dialogue, before and after, as many rows as the model was trained with, in order \
of `turn` where all rows of the dialogue have one, else of the file; columns `corpus` and `split`, where there are any, keep dialogues of \
one name apart. So the rows of a corpus are answered as `evaluate` answered them. Feature values that are not finite are read as 0, with \
a warning.

The polarity is the most probable one; intensity and emotions are read as dev of the run chose. Where they do not agree, `disagreements` \
says why. All other columns come back as they are; one named like a field of the answer comes back in `input`.";

#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("what").required(true).multiple(true).args(["text", "input", "clip"])), after_long_help = ABOUT_ROWS)]
pub(crate) struct Args {
    /// A run folder with a trained model; only its folder `checkpoints` is read. The folder of several seeds answers with the mean of their
    /// probabilities.
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
    /// One utterance; with --clip, what is said in it.
    #[arg(long, allow_hyphen_values = true, conflicts_with = "input")]
    text: Option<String>,
    /// A .jsonl or .csv file of rows, or `-` for JSON lines from standard input, answered as they come; rows of one dialogue must follow
    /// each other there. Feature paths are relative to the file's folder, from standard input to the working directory.
    #[arg(long, value_name = "FILE", conflicts_with = "clip")]
    input: Option<PathBuf>,
    /// A sound or video file (docs/media.md). What is said in it comes from --text, --transcript or --asr.
    #[arg(long, value_name = "FILE")]
    clip: Option<PathBuf>,
    /// What is said in the clip, and when: SubRip, WebVTT, or the JSON of a speech recogniser. One answer a caption, in the context of those around it.
    #[arg(long, value_name = "FILE", requires = "clip", conflicts_with_all = ["text", "asr"])]
    transcript: Option<PathBuf>,
    /// A command of your own that writes the transcript, run without a shell: {wav} in it becomes the clip's sound as a wave file (mono, 16 kHz,
    /// 16 bits), {clip} the clip and {dir} a folder of its own; without any of them the wave file comes last. Its transcript is a .json, .srt or
    /// .vtt file in that folder, where the wave file lies, or what it prints.
    #[arg(
        long,
        value_name = "COMMAND",
        requires = "clip",
        conflicts_with = "text"
    )]
    asr: Option<String>,
    /// The ONNX model that described faces for training, where one did (docs/media.md).
    #[arg(long, value_name = "FILE.onnx")]
    video_model: Option<PathBuf>,
    /// Rows before and after each row that are its context, within its dialogue, without `dialogue_id` within the file; at most as many as the
    /// model was trained with. Default: the model's own number within dialogues, 0 elsewhere.
    #[arg(long, value_name = "N")]
    context: Option<usize>,
    /// Also write a page with the clips, their captions, the answers over time and what they rest on. It holds the texts, and names the clips, which it
    /// plays from where they lie.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl Args {
    /// Whether there is one short text to answer, and nothing else.
    pub(crate) fn is_one_text(&self) -> bool {
        self.text.is_some() && self.clip.is_none()
    }

    /// The rows that are known from the start, and the folder that their clips are relative to; `None` where a signal came first.
    fn rows(&self) -> Result<Option<Vec<Row>>> {
        if let Some(path) = &self.clip {
            return clip::rows(path, self);
        }
        Ok(Some(match (&self.text, &self.input) {
            (Some(text), _) => vec![Row::of_text(text, "--text".to_owned())],
            (None, Some(path)) if path == Path::new("-") => Vec::new(),
            (None, Some(path)) => read(path)?,
            (None, None) => bail!("expected --text, --input or --clip"),
        }))
    }

    /// The folder that paths in rows are relative to.
    fn folder(&self) -> &Path {
        let folder = self.input.as_deref().and_then(Path::parent);
        folder.unwrap_or_else(|| Path::new("."))
    }
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    POLLED.store(args.asr.is_some(), Ordering::SeqCst);
    let Some(rows) = args.rows()? else {
        return Ok(ExitCode::from(130));
    };
    if args.html.is_some() && !rows.iter().any(Row::has_clip) {
        bail!("--html: expected --clip, or --input with rows that name a clip");
    }
    let predictor = Predictor::load(&args.run)?;
    let neighbours = Neighbours::new(args.context, predictor.context());
    POLLED.store(true, Ordering::SeqCst);
    let mut printer = Printer {
        senses: senses(&predictor, args.video_model.as_deref())?,
        predictor,
        answered: 0,
        kept: args.html.is_some().then(Vec::new),
    };
    let done = if rows.is_empty() {
        stream::answer(std::io::stdin(), neighbours, &mut printer)?
    } else {
        let senses = printer.senses.clone();
        let mut chunks = rows::inputs(rows, neighbours, &senses);
        loop {
            let Some(chunk) = chunks.next() else {
                break Outcome::Done;
            };
            match printer.answer(chunk?)? {
                Outcome::Done => {}
                other => break other,
            }
        }
    };
    if done == Outcome::Interrupted {
        eprintln!("interrupted after {} answers", printer.answered);
        return Ok(ExitCode::from(130));
    }
    if let Some((path, kept)) = args.html.as_ref().zip(printer.kept) {
        page::write(path, &args.run, args.folder(), &kept)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The features that are made of a clip, by an ONNX model of the user's own where one is named.
pub(crate) fn senses(predictor: &Predictor, video_model: Option<&Path>) -> Result<Senses> {
    Ok(match video_model {
        Some(model) => predictor.senses_with(model)?,
        None => predictor.senses(),
    })
}

/// The rows of a file; feature paths are relative to its folder.
fn read(path: &Path) -> Result<Vec<Row>> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let number = |(i, object)| {
        let place = format!("{}: row {}", path.display(), i + 1);
        Ok(Row::parse(object, place, Some(folder))?)
    };
    objects(path)?.into_iter().enumerate().map(number).collect()
}

/// Answers rows from standard input as they come, as `--input -` does.
pub(crate) fn run_stream(run: &Path, video_model: Option<&Path>) -> Result<ExitCode> {
    self::run(&Args {
        run: run.to_owned(),
        text: None,
        input: Some(PathBuf::from("-")),
        clip: None,
        transcript: None,
        asr: None,
        video_model: video_model.map(Path::to_owned),
        context: None,
        html: None,
    })
}

/// How a piece of work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Whole.
    Done,
    /// By a signal; what was answered is printed.
    Interrupted,
    /// Nobody reads the answers any more.
    Closed,
}

/// Answers rows and prints the answers at once.
struct Printer {
    predictor: Predictor,
    /// The features that are made of a clip.
    senses: Senses,
    answered: usize,
    /// The answers so far, where a page is made of them.
    kept: Option<Vec<Answer>>,
}

impl Printer {
    /// Answers `inputs` and flushes standard output.
    fn answer(&mut self, inputs: Vec<Input>) -> Result<Outcome> {
        if INTERRUPTED.load(Ordering::SeqCst) {
            return Ok(Outcome::Interrupted);
        }
        let places: Vec<String> = inputs.iter().map(|i| i.place.clone()).collect();
        let answers = self.predictor.predict(inputs)?;
        self.answered += answers.len();
        let mut text = String::new();
        for (place, answer) in places.iter().zip(&answers) {
            warn(place, answer);
            text.push_str(&serde_json::to_string(answer)?);
            text.push('\n');
        }
        if let Some(kept) = &mut self.kept {
            kept.extend(answers);
        }
        let mut out = std::io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(Outcome::Closed),
            Err(e) => Err(e).context("standard output"),
            Ok(()) => Ok(Outcome::Done),
        }
    }
}

/// Says which values were read as 0, and which modalities of a clip were not read.
fn warn(place: &str, answer: &Answer) {
    for (modality, reason) in answer.rests_on.iter().flat_map(|rests| rests.absent.iter()) {
        eprintln!("warning: {place}: answered without {modality}: {reason}");
    }
    for (field, count) in [
        ("audio", answer.non_finite.audio),
        ("video", answer.non_finite.video),
    ] {
        if count > 0 {
            eprintln!(
                "warning: {place}: field {field}: {count} values that are not finite: read as 0"
            );
        }
    }
}
