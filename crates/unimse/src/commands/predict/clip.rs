//! `--clip`: one clip and what is said in it, as rows of one dialogue.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};
use unimse_media::transcript::{self, Caption};
use unimse_train::predict::rows::Row;

use super::{Args, asr};

/// The rows of `clip`: the one of `--text`, or one a caption; `None` where a signal ended the recogniser.
pub(super) fn rows(clip: &Path, args: &Args) -> Result<Option<Vec<Row>>> {
    let name = clip
        .to_str()
        .with_context(|| format!("--clip {}: expected a path in UTF-8", clip.display()))?;
    let row = |row: Value, place: String| {
        let object: Map<String, Value> = serde_json::from_value(row)?;
        Ok(Row::parse(object, place, Some(Path::new(".")))?)
    };
    let (captions, source) = match (&args.text, &args.transcript, &args.asr) {
        (Some(text), _, _) => {
            let whole = json!({"text": text, "clip": name, "start_s": null, "end_s": null});
            return Ok(Some(vec![row(whole, name.to_owned())?]));
        }
        (None, Some(path), _) => (transcript::read(path)?, path.display().to_string()),
        (None, None, Some(command)) => match asr::transcribe(command, clip)? {
            Some(captions) => (captions, "--asr".to_owned()),
            None => return Ok(None),
        },
        (None, None, None) => bail!(
            "--clip {name}: expected what is said in it, by --text, --transcript or --asr, found none: a model reads words before all else; --text '' asks what it makes of the sound alone"
        ),
    };
    let captions = captions.into_iter().zip(0_u64..);
    let rows = captions.map(|(caption, turn)| {
        let place = format!("{source}: caption at {:.3} s", caption.start_s);
        row(of_caption(caption, name, turn), place)
    });
    rows.collect::<Result<_>>().map(Some)
}

fn of_caption(caption: Caption, clip: &str, turn: u64) -> Value {
    let mut row = json!({"text": caption.text, "clip": clip, "start_s": caption.start_s, "end_s": caption.end_s,
        "dialogue_id": clip, "turn": turn});
    if let Some(speaker) = caption.speaker {
        row["speaker"] = speaker.into();
    }
    row
}
