//! `unimse predict`: text, or rows `text, context[], audio, video` and any further columns, to JSON lines in the same order.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Map, Value};
use unimse_corpus::Sequence;
use unimse_train::predict::{Input, Predictor};

#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["text", "input"])))]
pub(crate) struct Args {
    /// A run folder with a trained model.
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
    /// One utterance.
    #[arg(long)]
    text: Option<String>,
    /// A .jsonl or .csv file of rows; feature paths in it are relative to its folder.
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Rows of the file before each row that are its context, where a row brings none of its own.
    #[arg(long, value_name = "N", default_value_t = 0)]
    context: usize,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let inputs = match (&args.text, &args.input) {
        (Some(text), _) => vec![Input {
            text: text.clone(),
            ..Input::default()
        }],
        (None, Some(path)) => read(path, args.context)?,
        (None, None) => bail!("expected --text or --input"),
    };
    let predictor = Predictor::load(&args.run)?;
    let answers = predictor.predict(&inputs).with_context(|| {
        args.input
            .as_ref()
            .map_or_else(|| "--text".to_owned(), |p| p.display().to_string())
    })?;
    super::print(&answers.iter().map(|a| format!("{a}\n")).collect::<String>())?;
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path, context: usize) -> Result<Vec<Input>> {
    let rows = super::rows::objects(path)?;
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let mut inputs: Vec<Input> = Vec::with_capacity(rows.len());
    for (i, mut row) in rows.into_iter().enumerate() {
        let place = || format!("{}: row {}", path.display(), i + 1);
        let text = match row.remove("text") {
            Some(Value::String(text)) => text,
            Some(other) => bail!("{}: field text: expected text, found {other}", place()),
            None => bail!("{}: field text is missing", place()),
        };
        let own = list(&mut row).with_context(place)?;
        let before = own.unwrap_or_else(|| {
            inputs[inputs.len().saturating_sub(context)..]
                .iter()
                .map(|r: &Input| r.text.clone())
                .collect()
        });
        let audio = sequence(&mut row, "audio", folder).with_context(place)?;
        let video = sequence(&mut row, "video", folder).with_context(place)?;
        inputs.push(Input {
            text,
            context: before,
            audio,
            video,
            extra: row,
        });
    }
    Ok(inputs)
}

/// `context`: a list of texts; in CSV a JSON list in the cell, or one text.
fn list(row: &mut Map<String, Value>) -> Result<Option<Vec<String>>> {
    let value = match row.remove("context") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(s)) if s.trim().is_empty() => return Ok(None),
        Some(Value::String(s)) if s.trim_start().starts_with('[') => {
            serde_json::from_str(&s).context("field context: expected a JSON list of texts")?
        }
        Some(Value::String(s)) => Value::Array(vec![Value::String(s)]),
        Some(other) => other,
    };
    let Value::Array(items) = value else {
        bail!("field context: expected a list of texts, found {value}")
    };
    let text = |v: Value| match v {
        Value::String(s) => Ok(s),
        other => Err(anyhow!(
            "field context: expected a list of texts, found {other} in it"
        )),
    };
    items.into_iter().map(text).collect::<Result<_>>().map(Some)
}

/// `audio`, `video`: a path to `.npy` `[steps, features]` or, for audio, `.wav`; null or empty is absent.
fn sequence(row: &mut Map<String, Value>, name: &str, folder: &Path) -> Result<Option<Sequence>> {
    let path = match row.remove(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(s)) if s.trim().is_empty() => return Ok(None),
        Some(Value::String(s)) => folder.join(s),
        Some(other) => bail!("field {name}: expected a path, found {other}"),
    };
    let file = || format!("field {name}: {}", path.display());
    let extension = path
        .extension()
        .and_then(|e| e.to_str())
        .map(str::to_ascii_lowercase);
    match extension.as_deref() {
        Some("npy") => {
            let array = unimse_formats::read_npy(&path).with_context(file)?;
            let [_, dim] = array.shape[..] else {
                bail!(
                    "{}: expected shape [steps, features], found {:?}",
                    file(),
                    array.shape
                )
            };
            Ok(Some(Sequence {
                dim,
                values: array.values,
            }))
        }
        Some("wav") if name == "audio" => Ok(Some(
            unimse_corpus::mel::from_wav(&path).with_context(file)?,
        )),
        _ => {
            let or = if name == "audio" {
                " or a .wav file"
            } else {
                ""
            };
            bail!("{}: expected a .npy file{or}", file())
        }
    }
}
